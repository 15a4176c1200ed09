"""Crumby: self-hosted web analytics whose reports are SQL files.

The house has two halves and one door between them, the database. Follow a hit through the left one:

    static/cmb.js       a page's script sends a small JSON document, or an old page's a pixel request
    ingest/routes.py    the endpoint: bytes in, 204 or a reason out
    ingest/hit.py       bytes → Hit, parsed and bounded
    ingest/client.py    who sent it: the address behind the proxies, the headers
    ingest/writer.py    what waits becomes one batch; its places are looked up in one hop
    ingest/geo.py       address → Place, by a memory-mapped City database
    ingest/agent.py     User-Agent → platform, browser, version
    ingest/enrich.py    Hit + Client + Place → Visit | Event, a row
    ingest/store.py     the rows in one transaction; a known hit id changes nothing. Committed: 2xx
    ingest/outage.py    or, while a database server is away, the rows into the spool, and on from there later
    ingest/spool.py     the local file where they wait

and a question through the right one:

    queries/…/x.sql     the question: a comment header, and SQL with a few macros
    reporting/header.py the comment block → title, parameters, columns, chart
    reporting/query.py  the file → Query, rendered to one statement whose values are bound
    reporting/binding.py each `:name` of it → a value, typed
    reporting/macros.py what its template can call
    reporting/period.py days, from, to, tz → Period, [start, end)
    reporting/statement.py one statement that asks, and the tables it asks
    reporting/run.py    read-only, with a time limit and a row limit → Result
    reporting/reach.py  how far it reaches on its connection
    reporting/pace.py   long reports yield to hits
    reporting/wal.py    and let SQLite's log start anew
    reporting/results.py Result → JSON, records, NDJSON, CSV
    reporting/questions.py what was asked for, in the API or the terminal, understood
    reporting/checking.py the files looked over at the start, before anybody asks
    reporting/routes.py the endpoint; `catalogue.py` lists it, and describes it in the OpenAPI document

Around them: `web/` is what people see, `accounts.py` who they are, `asking.py` how they ask, `cli/` the terminal,
`ingest/health.py` what a monitor asks, `app.py` puts it all together. Below them: `tables.py` is the schema,
`migrations/` the way to it, `database.py` the engines, `durability.py` what their commits are worth, `backup/` all of
the database in one file and back, `days.py` the calendar, `settings.py` the configuration, `background.py` what runs
beside the requests, `errors.py` what can go wrong.
Nothing above is known below, and neither half knows the other.
"""

__version__ = "1.0.0.dev0"

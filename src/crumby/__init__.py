"""Crumby: self-hosted web analytics whose reports are SQL files.

The house has two halves and one door between them, the database. Follow a hit through the left one:

    static/tracker/     a page's script sends a small JSON document, or an old page's a pixel request
    ingest/routes.py    the endpoint: bytes in, 204 or a reason out
    ingest/desk.py      where hits are handed in, over ASGI or off the connection (cli/protocol.py)
    ingest/hit.py       bytes → Hit, parsed and bounded
    ingest/properties.py of an event, its properties; ingest/text.py of all, the text
    ingest/client.py    who sent it: the address behind the proxies, the headers; `ingest/addresses.py`: what is kept
    ingest/bots.py      whether a person sent it, by its headers and the lists of known crawlers and spammers
    ingest/lists.py     which are shipped, or newer ones that `ingest/listfile.py` has got
    ingest/limits.py    and whether the address may send as many
    ingest/visitor.py   and by them who it is for today, where the page keeps no cookie
    ingest/writer.py    what waits becomes one batch; its places are looked up in one hop
    ingest/geo.py       address → Place, by a memory-mapped City database
    ingest/agent.py     User-Agent → platform, browser, version
    ingest/privacy.py   of address and place, what is kept; ingest/addresses.py of an address, in the log as well
    ingest/enrich.py    Hit + Client + Place → Visit | Event, a row
    dimensions/         what a row can be told by: site and page, source and channel, device, session; and when the
                        visitor was there before, so that visitors add up: memory.py; pure
    ingest/batch.py     visitors read, rows placed in their sessions, all of it written
    ingest/columns.py   rows as a driver takes them, without columns that are empty
    ingest/engaged.py   and what a page told of itself when it was left, put with its visit
    ingest/store.py     in one transaction; a known hit id changes nothing. Committed: 2xx
    ingest/connections.py a server's connections, kept from batch to batch
    ingest/outage.py    or, while a database server is away, the rows into the spool, and on from there later
    ingest/spool.py     the local file where they wait
    ingest/refusals.py  of those that were refused, how many and why

and a question through the right one:

    queries/…/x.sql     the question: a comment header, and SQL with a few macros
    reporting/header.py the comment block → title, columns, chart
    reporting/parameters.py what a request may say to it, typed
    reporting/query.py  the file → Query, rendered to one statement whose values are bound
    reporting/macros.py what its template can call
    reporting/dialects.py what the databases spell differently
    reporting/clickhouse.py and ClickHouse does
    reporting/statement.py one statement that asks, and the tables it asks
    reporting/binding.py each `:name` of it → a value, typed
    reporting/questions.py what was asked for, in the API or the terminal → Question
    reporting/period.py days, from, to, tz → Period, [start, end)
    reporting/interval.py its hours, days, weeks or months
    reporting/filters.py country=SE → the visits that are left
    reporting/rolled.py where a rollup has what is asked for, its rows in the place of visits
    reporting/imported.py and whether it has days that another program had counted
    reporting/view.py   all of that, with sort and limit: what of the answer is to be seen
    reporting/answering.py one answer for all who ask the same
    reporting/flight.py those who wait for it
    reporting/body.py   the answer in one form
    reporting/kept.py   what is given again
    reporting/lasting.py for how long
    reporting/run.py    read-only, with a time limit and a row limit → Result
    reporting/flow.py   or, of a long one, its rows as they come
    reporting/sqlite.py on SQLite in one go, on its connection's thread
    reporting/innodb.py on MariaDB and MySQL in the order of ids
    reporting/columnar.py on ClickHouse over HTTP, with its limits beside it
    reporting/reach.py  how far it reaches on its connection
    reporting/turns.py  one after the other while many hits come in
    reporting/pace.py   long reports yield to hits
    reporting/wal.py    and let SQLite's log start anew
    reporting/comparing.py days of nothing put in, another period put beside
    reporting/results.py Result → JSON, records, NDJSON, CSV
    reporting/page.py   or HTML
    reporting/sending.py all of it at once, or as it comes, or word that the client has it
    reporting/packing.py in gzip
    reporting/live.py   or by itself, whenever it has changed
    reporting/badge.py  or a count of it, as a picture
    reporting/routes.py the endpoint; `catalogue.py` lists it, `openapi.py` describes it
    reporting/checking.py the files looked over at the start, before anybody asks
    reporting/adhoc.py  SQL that no file holds, from the page `/query`; `vocabulary.py`: what it can name

    sharing/            and links that show some of it to whoever has them: `drafts.py` what is to be shared,
                        `shares.py` the table, `opening.py` who may see it, `routes.py` what, `managing.py` who shares

Between them `rollups/` counts what came in by what is asked for: queries/rollups/x.sql, kept up every second. Where
reports ask a ClickHouse, `columnar/` tells it of all that, by an outbox: exactly once. Visits go after some days,
`retention.py`, and their counts stay; `subjects.py` finds all that is stored of one visitor, to tell or to forget it,
and `wiping.py` sees to it that what was deleted is not in the file.

Around them: `web/` is what people see, `accounts/` who they are, `tokens.py` what lets their programs in, `expiry.py`
until when, `asking.py` how they ask, `cli/` the terminal, `demo/` visitors who do not exist, `ingest/health.py` what
a monitor asks, `app.py` puts it all together. Below them: `tables.py` is the schema, `migrations/` the way to it,
`database.py` the engines, `engines.py` SQLAlchemy's without its ORM, `cluster.py` Galera's turns, `spider.py`
Spider's shards, `offsets.py` the clocks' changes, `durability.py` what their commits are worth, `importing/` history
that others recorded, `exporting/` all of ours, to be taken along, `backup/` all of the database in one file and back,
`days.py` the calendar, `settings.py` the configuration, `values.py` what a key of it takes, `background.py` what runs
beside the requests, `traffic.py` how many hits come, `leaving.py` when it is to end, `accesslog.py` a line for each
request, `logs.py` how all lines are written, `georefresh.py` a new City database each week, `reasons.py` why hits
were refused, in words, `errors.py` what can go wrong, `spelling.py` what a mistyped word was meant to be, `mishaps.py`
what nobody thought of.
Nothing above is known below, and neither half knows the other.
"""

__version__ = "1.0.0.dev0"

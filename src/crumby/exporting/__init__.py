"""Leaving with all of one's history: what was recorded and counted, in one zip that says what is in it.

    selection.py   which days, site or visitor
    reading.py     the database by pages, none of which holds it up
    pruned.py      what is left of days whose visits are deleted
    people.py      whose visits these are
    columns.py     what a table has, and how a value is written
    forms/         NDJSON, CSV, SQLite or Parquet, each written and read
    packing.py     the zip, from its beginning to its end
    manifest.py    and what is in it: its last file
    export.py      all of that in one go
    routes.py      for a program, by the API; `operations.py` describes it

`importing/sources/archive.py` reads it again. docs/export.md says what is not in it.
"""

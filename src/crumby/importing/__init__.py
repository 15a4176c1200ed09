"""Arriving with one's history: what others have recorded becomes visits, events and totals of Crumby's.

Whoever wants to know how, follows a record:

    input.py       a file, a folder or zip of them, standard input; compressed or not
    source.py      whose it is: a module of `sources/`, which reads it, by what many of them need:
                   csvfile.py, jsonfile.py, dumps.py, logs/   the forms that files have
                   records.py, names.py                       what is in them, in Crumby's words
                   daily.py, aside.py                         sums of days, and what is looked up, on the disk
    item.py        into items: page views, events, whole rows, totals of a day, and what is left out
    sorting.py     put in the order of their time, on the disk, where they are not
    ids.py         named so that whoever comes twice is one
    importer.py    made rows
    storing.py     placed in sessions and stored, some thousand in a transaction
    totals.py      or added to what was counted of days without visits
    ledger.py      and how far that came, so that it goes on after a kill
"""

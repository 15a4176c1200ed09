"""Access logs, line by line; `sources/accesslog.py` has them all in hand.

A line goes this way:

    lines.py       the file's lines, also while it is written and rotated
    format.py      what a log_format or LogFormat says → a pattern; `fields.py`: its words; `jsonformat.py`: JSON
    times.py       its time
    paths.py       its path: a page, a download, an asset
    logged.py      who asked for it, and what becomes of the line
    seconds.py     which of equal lines of a second it is
"""

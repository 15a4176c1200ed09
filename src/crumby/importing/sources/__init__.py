"""A module for each program whose history Crumby reads: `importing/source.py` says what it has.

Some have helpers beside them, which begin with their name.
"""

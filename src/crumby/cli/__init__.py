"""The command line: `crumby VERB`. One topic a file; `verbs.py` lists them, and says what went wrong in one line.

Each worker of `crumby run` imports this package, so nothing stands here.
"""


def main() -> None:
    from crumby.cli import verbs

    verbs.main()

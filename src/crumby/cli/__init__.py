"""The command line: `crumby VERB`. One topic a file; `verbs.py` lists them, `telling.py` says what went wrong.

Each worker of `crumby run` imports this package, and the server itself is a process of its own kind, so nothing else
stands here.
"""


def main() -> None:
    from crumby.cli import anew

    options = anew.asked()
    if options is None:
        try:
            from crumby.cli import verbs

            verbs.main()
        except KeyboardInterrupt:  # before the verb has begun
            import sys

            print("crumby: stopped", file=sys.stderr)
            raise SystemExit(130) from None
    else:
        from crumby.cli.serve import serve
        from crumby.cli.telling import in_one_line

        with in_one_line():
            serve(**options)

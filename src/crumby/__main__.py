"""`python -m crumby` is `crumby`."""

from crumby.cli import main

main()

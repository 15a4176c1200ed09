"""The verbs there are. Of their modules the one that is asked for is imported, and all of them for the help alone.

That is quicker; the server, which is a verb as well, leaves what is imported here behind: `anew.py`.
"""

import sys
from importlib import import_module
from typing import Annotated, Final, NamedTuple

import typer

from crumby import __version__
from crumby.cli.telling import in_one_line


class Verb(NamedTuple):
    module: str
    help: str


VERBS: Final = {
    "adduser": Verb("people", "Add a user: grant access to the private queries."),
    "backup": Verb("backup", "Write all of the database into one file, while Crumby runs."),
    "deluser": Verb("people", "Delete a user: revoke access to the private queries."),
    "demo": Verb("demo", "Fill an empty database with a year of visits, to look at."),
    "doctor": Verb("doctor", "Look for what is amiss, and say what to do about it."),
    "env": Verb("config", "Show the configuration in force; secrets are hidden."),
    "export": Verb("export", "Write down all that is stored of a visitor, who asked for it."),
    "forget": Verb("forget", "Delete all that is stored of a visitor or an address."),
    "geoip": Verb("geoip", "Download a City database, check it, and put it in its place."),
    "init": Verb("config", "Write a commented crumby.cfg into this folder."),
    "passwd": Verb("people", "Give a user another password, and end all sessions of that user."),
    "lists": Verb("lists", "Show what crawlers and spammers are known by; get newer lists."),
    "prune": Verb("prune", "Delete visits and events that are too old; their totals stay."),
    "query": Verb("query", "Ask a query file; list, check or begin them."),
    "restore": Verb("backup", "Make the database hold what a backup does."),
    "rollup": Verb("rollup", "Bring what is counted beforehand up to date, or count it anew."),
    "run": Verb("run", "Serve Crumby."),
    "share": Verb("shares", "Make a link that shows chosen panels to whoever has it."),
    "shares": Verb("shares", "List the links that were made."),
    "token": Verb("tokens", "Let programs in: make, list and withdraw their tokens."),
    "totp": Verb("people", "Have a user asked for a code as well: show its secret, and try it."),
    "unshare": Verb("shares", "Withdraw a link: nobody sees anything by it any more."),
    "users": Verb("people", "List the users."),
}


def main() -> None:
    asked = sys.argv[1:2]
    with in_one_line():
        _app(asked if asked and asked[0] in VERBS else list(VERBS))()


def _app(names: list[str]) -> typer.Typer:
    app = typer.Typer(
        name="crumby",
        help="Self-hosted web analytics whose reports are SQL files.",
        no_args_is_help=True,
        context_settings={"help_option_names": ["-h", "--help"]},
        pretty_exceptions_enable=False,
    )
    app.callback()(_options)
    for name in names:
        verb = VERBS[name]
        found = getattr(import_module(f"crumby.cli.{verb.module}"), name)
        if isinstance(found, typer.Typer):
            app.add_typer(found, name=name, help=verb.help)
        else:
            app.command(name, help=verb.help)(found)
    return app


def _version(*, asked: bool) -> None:
    if asked:
        print(__version__)
        raise typer.Exit


def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=lambda asked: _version(asked=asked), is_eager=True, help="Show the version."
        ),
    ] = False,
) -> None:
    pass

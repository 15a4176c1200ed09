"""The verbs there are. Of their modules the one that is asked for is imported; of the others the help is enough.

That is quicker, also for a shell that completes words; the server, which is a verb as well, leaves what is imported
here behind: `anew.py`.
"""

import os
import sys
from importlib import import_module
from typing import Annotated, Any, Final, NamedTuple

import typer
from typer.core import TyperGroup

from crumby import __version__
from crumby.cli.examples import EXAMPLES, epilog
from crumby.cli.interrupting import watched
from crumby.cli.plainly import Plainly
from crumby.cli.telling import Interrupted, in_one_line, wants_json


class Verb(NamedTuple):
    module: str
    help: str
    panel: str  # of the help
    function: str = ""  # where Python forbids that it be called like the verb


SERVE: Final = "Serve"
REPORTS: Final = "Reports"
PEOPLE: Final = "People and programs"
DATA: Final = "Data"
UPKEEP: Final = "Upkeep"

VERBS: Final = {
    "run": Verb("run", "Serve Crumby.", SERVE),
    "init": Verb("init", "Write a commented crumby.cfg into this folder.", SERVE),
    "env": Verb("config", "Show the configuration in force; secrets are hidden.", SERVE),
    "doctor": Verb("doctor", "Look for what is amiss, and say what to do about it.", SERVE),
    "demo": Verb("demo", "Fill an empty database with a year of visits, to look at.", SERVE),
    "query": Verb("query", "Ask a query file; list, check or begin them.", REPORTS),
    "dashboard": Verb("dashboard", "Show the panels in the terminal.", REPORTS),
    "tail": Verb("tail", "Show hits as they come, and why others were refused.", REPORTS),
    "sites": Verb("sites", "List the sites that are counted: since when, and how many come.", REPORTS),
    "share": Verb("shares", "Make a link that shows chosen panels to whoever has it.", REPORTS),
    "shares": Verb("shares", "List the links that were made.", REPORTS),
    "unshare": Verb("shares", "Withdraw a link: nobody sees anything by it any more.", REPORTS),
    "openapi": Verb("openapi", "Print the OpenAPI document of this Crumby, for programs.", REPORTS),
    "adduser": Verb("people", "Add a user: grant access to the private queries.", PEOPLE),
    "deluser": Verb("people", "Delete a user: revoke access to the private queries.", PEOPLE),
    "users": Verb("people", "List the users.", PEOPLE),
    "passwd": Verb("people", "Give a user another password, and end all sessions of that user.", PEOPLE),
    "totp": Verb("people", "Have a user asked for a code as well: show a secret, and try it.", PEOPLE),
    "token": Verb("tokens", "Let programs in: make, list and withdraw their tokens.", PEOPLE),
    "backup": Verb("backup", "Write all of the database into one file, while Crumby runs.", DATA),
    "restore": Verb("backup", "Make the database hold what a backup does.", DATA),
    "import": Verb("imports", "Bring the history along that others, or access logs, have.", DATA, "import_"),
    "export": Verb("export", "Write down all that is stored, or what is stored of a visitor.", DATA),
    "forget": Verb("forget", "Delete all that is stored of a visitor or an address.", DATA),
    "prune": Verb("prune", "Delete visits and events that are too old; their totals stay.", DATA),
    "geoip": Verb("geoip", "Download a City database, check it, and put it in its place.", UPKEEP),
    "lists": Verb("lists", "Show what crawlers and spammers are known by; get newer lists.", UPKEEP),
    "migrate": Verb("migrate", "Bring the database to the newest schema, as each start does.", UPKEEP),
    "rollup": Verb("rollup", "Bring what is counted beforehand up to date, or count it anew.", UPKEEP),
}
HELP: Final[dict[str, Any]] = {"help_option_names": ["-h", "--help"]}


def main() -> None:
    with in_one_line():
        ended = command(asked(sys.argv[1:])).main(standalone_mode=not wants_json())
        sys.exit(ended or 0)


def asked(words: list[str]) -> str | None:
    """The verb, or the one whose words a shell is to complete: it says them in a variable of the environment."""
    if "_CRUMBY_COMPLETE" in os.environ:
        words = (os.environ.get("COMP_WORDS") or os.environ.get("_TYPER_COMPLETE_ARGS", "")).split()[1:]
    return words[0] if words and words[0] in VERBS else None


def command(verb: str | None) -> Any:
    """All of the command line, of which this verb can be called."""
    app = typer.Typer(
        name="crumby",
        cls=Verbs,
        help="Self-hosted web analytics whose reports are SQL files.",
        no_args_is_help=True,
        context_settings=HELP,
        pretty_exceptions_enable=False,
    )
    app.callback(epilog="What a verb takes, and examples: crumby VERB --help")(_options)
    for name, (module, meaning, panel, function) in VERBS.items():
        asked_for = name == verb
        found = getattr(import_module(f"crumby.cli.{module}"), function or name) if asked_for else _not_asked_for
        told: dict[str, Any] = {"help": meaning, "rich_help_panel": panel, "epilog": epilog(EXAMPLES[name])}
        if isinstance(found, typer.Typer):
            app.add_typer(found, name=name, **told)
        else:
            app.command(name, **told)(found)
    made = typer.main.get_command(app)
    _adapt(made)
    return made


class Verbs(TyperGroup):
    """All that a verb does stands within `invoke`, and Ctrl-C ends any of them; those that leave something say what."""

    def invoke(self, ctx: Any) -> Any:
        with watched(lambda: "stopped"):
            try:
                return super().invoke(ctx)
            except KeyboardInterrupt:
                raise Interrupted("stopped") from None
            except typer.Abort:  # at a prompt
                raise Interrupted("stopped, and nothing was changed") from None


def _not_asked_for() -> None:
    """Stand in the help for a verb whose module is not imported."""


def _adapt(made: Any) -> None:
    """Name no types, and read what is plain plainly.

    `--json <bool>` would look as if it took a word, and `NAME <list[str]>` or `<int range>` tell nobody anything.
    """
    for each in getattr(made, "commands", {}).values():
        _adapt(each)
    for one in (*made.params, made.get_help_option(typer.Context(made, **HELP))):
        if one.param_type_name == "argument" or one.is_flag:
            one.display_type_rich = _nothing
        elif one.metavar is None:
            one.metavar = "N" if isinstance(one.default, int) else one.name.upper()
        if hasattr(one, "get_runtime_param"):
            one.get_runtime_param = Plainly(one)


def _nothing(ctx: typer.Context) -> str:  # noqa: ARG001 - as typer calls it
    return ""


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

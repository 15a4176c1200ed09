"""The command line: `crumby VERB`. One topic a file; `main` turns what went wrong into one line and exit code 1."""

import sys
from typing import Annotated

import typer
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from crumby import __version__
from crumby.cli import backup, config, doctor, geoip, people, query, serve
from crumby.errors import CrumbyError

app = typer.Typer(
    name="crumby",
    help="Self-hosted web analytics whose reports are SQL files.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)


def _version(*, asked: bool) -> None:
    if asked:
        print(__version__)
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=lambda asked: _version(asked=asked), is_eager=True, help="Show the version."
        ),
    ] = False,
) -> None:
    pass


app.command("adduser", help="Add a user: grant access to the private queries.")(people.adduser)
app.command("backup", help="Write all of the database into one file, while Crumby runs.")(backup.backup)
app.command("deluser", help="Delete a user: revoke access to the private queries.")(people.deluser)
app.command("doctor", help="Look for what is amiss, and say what to do about it.")(doctor.doctor)
app.command("env", help="Show the configuration in force; secrets are hidden.")(config.env)
app.command("geoip", help="Download a City database, check it, and put it in its place.")(geoip.geoip)
app.command("init", help="Write a commented crumby.cfg into this folder.")(config.init)
app.command("query", help="Ask a query file; list, check or begin them.")(query.query)
app.command("restore", help="Make the database hold what a backup does.")(backup.restore)
app.command("run", help="Serve Crumby.")(serve.run)
app.command("users", help="List the users.")(people.users)


def main() -> None:
    try:
        app()
    except (CrumbyError, OSError, SQLAlchemyError) as error:
        print(f"crumby: {_one_line(error)}", file=sys.stderr)
        raise SystemExit(1) from None


def _one_line(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    if isinstance(error, DBAPIError):
        return str(error.orig).partition("\n")[0]  # without the statement, whose values are nobody's business
    return " ".join(str(error).split())

"""Tokens, from the terminal: made, listed, withdrawn."""

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Annotated, Final

import typer
from rich.table import Table

from crumby.cli.examples import EXAMPLES, epilog
from crumby.cli.people import Json, say, show
from crumby.database import open_database
from crumby.expiry import ends, in_days
from crumby.migrations import migrate
from crumby.settings import load_settings
from crumby.tokens import Scope, Token, Tokens

CREATOR: Final = "the terminal"  # which asks nobody who they are
Name = Annotated[str, typer.Argument(metavar="NAME", help="What it is for: backup-job, shop.", show_default=False)]

token = typer.Typer(no_args_is_help=True)


@token.command(help="Make a token, and print it: it is shown this once.", epilog=epilog(EXAMPLES["token add"]))
def add(
    name: Name,
    scope: Annotated[
        Scope,
        typer.Option(
            metavar="SCOPE",
            help="What it opens: `read` the reports, `ingest` the endpoint for hits.",
            show_default=False,
        ),
    ],
    expires: Annotated[
        str | None, typer.Option(metavar="WHEN", help="In so many days, 90d, or after a day, 2027-01-31 (UTC).")
    ] = None,
    json_: Json = False,
) -> None:
    now = _now()
    ending = ends(in_days(expires, now), now) if expires is not None else None
    made = asyncio.run(_add(name, scope, ending))
    say({"name": name, "scope": scope, "expires": _moment(ending), "token": made}, made, json_=json_)
    sys.stdout.flush()
    until = f"until {ending:%Y-%m-%d %H:%M} UTC" if ending else "for ever"
    print(f"crumby: {name} opens {OPENS[scope]} {until}; it is not shown again", file=sys.stderr)


@token.command(
    "list", help="List the tokens, without what only their makers have.", epilog=epilog(EXAMPLES["token list"])
)
def list_(json_: Json = False) -> None:
    made = asyncio.run(_all())
    if json_:
        print(json.dumps([_facts(each) for each in made], ensure_ascii=False))
    elif made:
        show(_table(made, _now()))
    else:
        print("There is no token yet. Make one: crumby token add NAME --scope read")


@token.command(help="Withdraw a token: within a second it opens nothing any more.", epilog=epilog(EXAMPLES["token rm"]))
def rm(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The token's name.", show_default=False)],
    json_: Json = False,
) -> None:
    asyncio.run(_withdraw(name))
    say({"name": name, "withdrawn": True}, f"the token {name} opens nothing any more", json_=json_)


OPENS: Final[dict[Scope, str]] = {"read": "the reports", "ingest": "the endpoint for hits"}


def _facts(made: Token) -> dict[str, str | None]:
    return {
        "name": made.name,
        "scope": made.scope,
        "created": _moment(made.created),
        "expires": _moment(made.expires),
        "last_used": _moment(made.used),
        "creator": made.creator,
    }


def _moment(at: datetime | None) -> str | None:
    return f"{at.isoformat(timespec='seconds')}Z" if at else None


def _table(made: Sequence[Token], now: datetime) -> Table:
    table = Table("token", "scope", "made", "until", "last used", "by", caption="times are in UTC")
    for each in made:
        until = "for ever" if not each.expires else "over" if each.over(now) else str(each.expires.date())
        used = f"{each.used:%Y-%m-%d %H:%M}" if each.used else "never"
        table.add_row(each.name, each.scope, str(each.created.date()), until, used, each.creator)
    return table


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


async def _add(name: str, scope: Scope, expires: datetime | None) -> str:
    async with _opened() as opened:
        return await opened.add(name, scope, expires, CREATOR)


async def _all() -> list[Token]:
    async with _opened() as opened:
        return await opened.all()


async def _withdraw(name: str) -> None:
    async with _opened() as opened:
        await opened.withdraw(name)


@contextlib.asynccontextmanager
async def _opened() -> AsyncIterator[Tokens]:
    """Those of the configured database, which is migrated first."""
    async with open_database(load_settings()) as database:
        await migrate(database.engine)
        yield Tokens(database.engine)

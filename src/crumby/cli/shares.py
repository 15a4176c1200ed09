"""Links that show chosen panels, from the terminal: made, listed, withdrawn."""

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Annotated, Final
from urllib.parse import urlencode

import typer
from rich.table import Column, Table

from crumby.accounts import Accounts
from crumby.cli.completing import query_names
from crumby.cli.people import Json, ask_password, say, show
from crumby.cli.query import find
from crumby.database import open_database
from crumby.errors import InvalidParameter, NotFound
from crumby.expiry import in_days
from crumby.migrations import migrate
from crumby.reporting.query import Query, QueryFolders
from crumby.settings import Settings, load_settings
from crumby.sharing.drafts import Draft, check, name_of
from crumby.sharing.managing import address
from crumby.sharing.shares import Share, Shares

CREATOR: Final = "the terminal"  # which asks nobody who they are


def share(
    title: Annotated[str, typer.Argument(metavar="TITLE", help="What the page is headed with.")],
    panels: Annotated[
        list[str] | None,
        typer.Option(
            "--panel",
            metavar="NAME",
            help="Such as pages or private/sources.",
            show_default="all public ones",
            autocompletion=query_names,
        ),
    ] = None,
    filters: Annotated[
        list[str] | None,
        typer.Option("--filter", metavar="NAME=VALUE", help="Such as country=SE: no other visits are shown."),
    ] = None,
    view: Annotated[
        str, typer.Option(metavar="WORDS", help='What it opens with, as the page\'s address: "period=last_90_days".')
    ] = "",
    password: Annotated[
        bool, typer.Option("--password", help="Ask for one, or read it from standard input; guests need it.")
    ] = False,
    expires: Annotated[
        str | None, typer.Option(metavar="WHEN", help="In so many days, 30d, or after a day, 2027-01-31 (UTC).")
    ] = None,
    json_: Json = False,
) -> None:
    settings = load_settings()
    now = datetime.now(UTC).replace(tzinfo=None)
    queries = QueryFolders.laid_over(settings.queries).all()
    pairs = [_pair(each) for each in filters or []]
    chosen = [name_of(find(queries, name)) for name in panels or []] or _usual(queries, filtered=bool(pairs))
    draft = Draft(title, chosen, urlencode(pairs), view, None, expires and in_days(expires, now))
    check(draft, queries, settings, now)  # what does not fit needs no password to be told
    draft = Draft(title, chosen, urlencode(pairs), view, ask_password() if password else None, draft.expires)
    made = asyncio.run(_add(settings, draft, queries, now))
    link = _address(made, settings)
    say(made.facts(link), link, json_=json_)
    if not settings.domain:
        print("crumby: set DOMAIN, and links have this Crumby's host before them", file=sys.stderr)


def shares(json_: Json = False) -> None:
    settings = load_settings()
    made = asyncio.run(_all(settings))
    if json_:
        print(json.dumps([each.facts(_address(each, settings)) for each in made], ensure_ascii=False))
    elif made:
        _print(made, settings)
    else:
        print("There is no link yet. Make one: crumby share TITLE")


def unshare(
    share: Annotated[str, typer.Argument(metavar="ID", help="Its number, or its token.", show_default=False)],
    json_: Json = False,
) -> None:
    asyncio.run(_withdraw(load_settings(), share))
    say({"share": share, "withdrawn": True}, f"the link {share} works no longer", json_=json_)


def _usual(queries: Sequence[Query], *, filtered: bool) -> list[str]:
    """The public ones that can be shown."""
    public = [query for query in queries if not query.private and not query.error]
    return [name_of(query) for query in public if query.filtered or not filtered]


def _pair(said: str) -> tuple[str, str]:
    name, equals, value = said.partition("=")
    if not equals:
        raise InvalidParameter(f"--filter {said}: write --filter country=SE")
    return name, value


def _address(made: Share, settings: Settings) -> str:
    return address(made, settings, "", secure=settings.session_cookie_secure)


def _print(made: Sequence[Share], settings: Settings) -> None:
    """A link stands whole, to be copied."""
    links = [_address(each, settings) for each in made]
    table = Table("id", Column("link", min_width=max(map(len, links))), "until", show_lines=True)
    now = datetime.now(UTC).replace(tzinfo=None)
    for each, link in zip(made, links, strict=True):
        until = "for ever" if not each.expires else "over" if each.expires <= now else str(each.expires.date())
        table.add_row(str(each.id), f"{each.title}\n{_contents(each)}\n{link}", until)
    show(table)


def _contents(share: Share) -> str:
    """`3 panels, country=SE, a password, by ann`."""
    panels = f"{len(share.panels)} panel{'' if len(share.panels) == 1 else 's'}"
    return ", ".join(filter(None, (panels, share.filters, share.password and "a password", f"by {share.creator}")))


async def _add(settings: Settings, draft: Draft, queries: Sequence[Query], now: datetime) -> Share:
    async with _opened(settings) as opened:
        return await opened.add(check(draft, queries, settings, now), CREATOR)


async def _all(settings: Settings) -> list[Share]:
    async with _opened(settings) as opened:
        return await opened.all()


async def _withdraw(settings: Settings, word: str) -> None:
    async with _opened(settings) as opened:
        if not await opened.withdraw(word):
            raise NotFound(f"there is no link {word}; `crumby shares` lists those there are")


@contextlib.asynccontextmanager
async def _opened(settings: Settings) -> AsyncIterator[Shares]:
    """Those of the configured database, which is migrated first."""
    async with open_database(settings) as database:
        await migrate(database.engine)
        yield Shares(database.engine, Accounts(database.engine))

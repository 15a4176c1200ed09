"""Users, from the terminal."""

import asyncio
import json
import sys
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from crumby.accounts import opened_accounts
from crumby.errors import AccountError
from crumby.settings import load_settings

Name = Annotated[str, typer.Argument(help="The user's name.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def adduser(
    username: Name,
    password: Annotated[
        str | None,
        typer.Argument(help="Better left out: it is asked for, or read from standard input.", show_default=False),
    ] = None,
) -> None:
    if password:
        print("crumby: a password on the command line is seen by `ps` and kept by the shell", file=sys.stderr)
    asyncio.run(_add(username, password or _ask_password()))
    print(f"{username} can now sign in")


def deluser(username: Name) -> None:
    asyncio.run(_delete(username))
    print(f"{username} can no longer sign in")


def users(json_: Json = False) -> None:
    names = asyncio.run(_names())
    if json_:
        print(json.dumps(names))
        return
    if not names:
        print("There is no user yet. Add one: crumby adduser NAME")
        return
    table = Table("user")
    for name in names:
        table.add_row(name)
    show(table)


def show(table: Table) -> None:
    """Names and paths as they are: `[b]` is no markup, `:x:` no picture."""
    Console(markup=False, emoji=False, highlight=False).print(table)


def _ask_password() -> str:
    try:
        if sys.stdin.isatty():
            password = str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
        else:
            password = sys.stdin.readline().rstrip("\n")
        password.encode()
    except UnicodeError:
        raise AccountError("the password is not in the encoding of this terminal") from None
    return password


async def _add(username: str, password: str) -> None:
    async with opened_accounts(load_settings()) as accounts:
        await accounts.add(username, password)


async def _delete(username: str) -> None:
    async with opened_accounts(load_settings()) as accounts:
        await accounts.delete(username)


async def _names() -> list[str]:
    async with opened_accounts(load_settings()) as accounts:
        return await accounts.names()

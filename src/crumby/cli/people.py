"""Users, from the terminal: who there are, their passwords, their second factors."""

import asyncio
import contextlib
import json
import sys
from collections.abc import Callable
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from crumby.accounts import opened_accounts
from crumby.accounts.totp import half_minute, new_secret, picture, uri
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
    asyncio.run(_add(username, password or ask_password()))
    print(f"{username} can now sign in")


def deluser(username: Name) -> None:
    asyncio.run(_delete(username))
    print(f"{username} can no longer sign in")


def passwd(username: Name) -> None:
    asyncio.run(_change(username, ask_password))
    print(f"{username} has a new password, and is signed out everywhere")


def totp(
    username: Name,
    off: Annotated[bool, typer.Option("--off", help="Ask for the password alone from now on.")] = False,
) -> None:
    if off:
        asyncio.run(_without_code(username))
        print(f"{username} signs in by the password alone")
    else:
        asyncio.run(_with_code(username))
        print(f"{username} is asked for a code from now on")


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


def ask_password() -> str:
    try:
        if sys.stdin.isatty():
            password = str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
        else:
            password = sys.stdin.readline().rstrip("\n")
        password.encode()
    except UnicodeError:
        raise AccountError("the password is not in the encoding of this terminal") from None
    return password


def show_secret(uri: str) -> None:
    """The picture for a telephone before the screen; where nobody looks, the link alone."""
    if sys.stdout.isatty():
        with contextlib.suppress(UnicodeEncodeError):  # a terminal of few letters
            print(picture(uri))
    print(uri, flush=True)


def ask_code() -> str:
    """What the app shows by now."""
    if sys.stdin.isatty():
        return str(typer.prompt("The code that the app shows"))
    return sys.stdin.readline()


async def _add(username: str, password: str) -> None:
    async with opened_accounts(load_settings()) as accounts:
        await accounts.add(username, password)


async def _change(username: str, ask: Callable[[], str]) -> None:
    async with opened_accounts(load_settings()) as accounts:
        await accounts.named(username)  # before anybody types
        await accounts.set_password(username, ask())


async def _with_code(username: str) -> None:
    """It is on when a code has shown that the app has it."""
    settings = load_settings()
    async with opened_accounts(settings) as accounts:
        await accounts.named(username)
        secret = new_secret()
        show_secret(uri(username, secret, f"Crumby {settings.domain}".strip()))
        used = half_minute(secret, ask_code())
        if used is None:
            raise AccountError("that is not the code of now; all is as it was")
        await accounts.set_totp(username, secret, used)


async def _without_code(username: str) -> None:
    async with opened_accounts(load_settings()) as accounts:
        await accounts.named(username)
        await accounts.set_totp(username, None)


async def _delete(username: str) -> None:
    async with opened_accounts(load_settings()) as accounts:
        await accounts.delete(username)


async def _names() -> list[str]:
    async with opened_accounts(load_settings()) as accounts:
        return await accounts.names()

"""Users, from the terminal: who there are, their passwords, their second factors."""

import asyncio
import contextlib
import json
import sys
from collections.abc import Callable, Mapping
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from crumby.accounts import opened_accounts
from crumby.accounts.totp import half_minute, new_secret, picture, uri
from crumby.cli.completing import known_users
from crumby.cli.tables import fit
from crumby.errors import AccountError
from crumby.settings import load_settings

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="The user's name.", show_default=False)]
Known = Annotated[
    str, typer.Argument(metavar="NAME", help="The user's name.", autocompletion=known_users, show_default=False)
]


def adduser(
    username: Name,
    password: Annotated[
        str | None,
        typer.Argument(
            metavar="PASSWORD",
            help="Better left out: it is asked for, or read from standard input.",
            show_default=False,
        ),
    ] = None,
    json_: Json = False,
) -> None:
    if password:
        print("crumby: a password on the command line is seen by `ps` and kept by the shell", file=sys.stderr)
    asyncio.run(_add(username, password or ask_password()))
    say({"user": username, "added": True}, f"{username} can now sign in", json_=json_)


def deluser(username: Known, json_: Json = False) -> None:
    asyncio.run(_delete(username))
    say({"user": username, "deleted": True}, f"{username} can no longer sign in", json_=json_)


def passwd(username: Known, json_: Json = False) -> None:
    asyncio.run(_change(username, ask_password))
    done = f"{username} has a new password, and is signed out everywhere"
    say({"user": username, "changed": True}, done, json_=json_)


def totp(
    username: Known,
    off: Annotated[bool, typer.Option("--off", help="Ask for the password alone from now on.")] = False,
    json_: Json = False,
) -> None:
    if off:
        asyncio.run(_without_code(username))
        done = f"{username} signs in by the password alone"
    else:
        asyncio.run(_with_code(username, json_=json_))
        done = f"{username} is asked for a code from now on"
    say({"user": username, "totp": not off}, done, json_=json_)


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


def say(facts: Mapping[str, object], words: str, *, json_: bool) -> None:
    """What was done: to a program or to a person."""
    print(json.dumps(facts, ensure_ascii=False) if json_ else words)


def show(table: Table) -> None:
    """Names and paths as they are: `[b]` is no markup, `:x:` no picture."""
    console = Console(markup=False, emoji=False, highlight=False)
    fit(table, console.width)
    console.print(table)


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


def show_secret(username: str, uri: str, *, json_: bool) -> None:
    """The picture for a telephone before the screen; where nobody looks, the link alone."""
    if json_:
        print(json.dumps({"user": username, "uri": uri}, ensure_ascii=False), flush=True)
        return
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


async def _with_code(username: str, *, json_: bool) -> None:
    """It is on when a code has shown that the app has it."""
    settings = load_settings()
    async with opened_accounts(settings) as accounts:
        await accounts.named(username)
        secret = new_secret()
        show_secret(username, uri(username, secret, f"Crumby {settings.domain}".strip()), json_=json_)
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

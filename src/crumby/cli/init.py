"""`crumby init`: a configuration to begin with, and files for the server around it."""

import json
import os
import secrets
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.table import Table

from crumby import values
from crumby.cli import questions
from crumby.cli.answers import FILES, OPEN, PLACES, PRIVACY, PROXIES, Answers, files
from crumby.cli.config import redacted
from crumby.cli.people import Json, show
from crumby.errors import ConfigurationError
from crumby.settings import Settings

FILE_NAME: Final = "crumby.cfg"

Force = Annotated[bool, typer.Option("--force", help="Replace files that are there.")]
Yes = Annotated[
    bool, typer.Option("--yes", "--defaults", "-y", help="Ask nothing; what no option says is as it comes.")
]
Database = Annotated[
    str | None,
    typer.Option(
        envvar="CRUMBY_SQLALCHEMY_DATABASE_URI",
        help="URL of the database; better in that variable, if it has a password.",
    ),
]
Domain = Annotated[str | None, typer.Option(help="Name that browsers reach Crumby by, with a path if it is below one.")]
Proxy = Annotated[str | None, typer.Option(help=f"Proxy in front: {', '.join(PROXIES)}.")]
Listen = Annotated[str | None, typer.Option(help="Where the proxy finds Crumby: a socket's path, or a port.")]
Privacy = Annotated[str | None, typer.Option(help=f"What is kept of a visitor: {', '.join(PRIVACY)}.")]
Write = Annotated[str | None, typer.Option(help=f"Files for the server, by comma: {', '.join(FILES)}.")]


def init(
    database: Database = None,
    domain: Domain = None,
    proxy: Proxy = None,
    listen: Listen = None,
    privacy: Privacy = None,
    write: Write = None,
    force: Force = False,
    yes: Yes = False,
    json_: Json = False,
) -> None:
    said = zip(TAKEN, (database, domain, proxy, listen, privacy, write), strict=True)
    given = {name: _taken(name, value) for name, value in said if value is not None}
    folder = Path.cwd()
    _look_for(folder, [FILE_NAME], force=force)  # before anybody types
    answers = _asked(given) if _somebody_is_there() and not (yes or json_) else _unasked(given)
    texts = files(answers, secrets.token_urlsafe(32))
    _look_for(folder, texts, force=force)
    for name, text in texts.items():
        _write(folder / name, text)
    if json_:
        print(json.dumps({"written": [str(folder / name) for name in texts], "settings": _shown(answers)}, indent=2))
    else:
        _tell(folder, answers, list(texts))


TAKEN: Final[Mapping[str, Callable[[str], Any]]] = {
    "database": values.database_url,
    "domain": values.host,
    "proxy": questions.one_of(PROXIES),
    "listen": questions.listening,
    "privacy": questions.one_of(list(PRIVACY)),
    "write": questions.words,
}


def _taken(option: str, value: str) -> Any:
    try:
        return TAKEN[option](value)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=f"--{option}") from None


def _somebody_is_there() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()


def _unasked(given: Mapping[str, Any]) -> Answers:
    """A site that is to be written tells the proxy."""
    sites = [word for word in given.get("write", ()) if word in PROXIES]
    return Answers(**{"proxy": sites[0] if sites else "none", **given})


def _asked(given: Mapping[str, Any]) -> Answers:
    """What no option said, from somebody at the terminal. No answer is any question's default."""
    answers = dict(given)

    def ask(name: str, question: Callable[[], Any]) -> Any:
        if name not in answers:
            answers[name] = question()
        return answers[name]

    ask("database", questions.database)
    domain = ask("domain", questions.domain)
    proxy = ask("proxy", lambda: questions.proxy(domain))
    ask("privacy", questions.privacy)
    write = ask("write", lambda: questions.write(domain, proxy))
    if proxy != "none" and "compose" not in write:
        ask("listen", questions.listen)
    return Answers(**answers)


def _look_for(folder: Path, names: Iterable[str], *, force: bool) -> None:
    for name in names:
        if not force and os.path.lexists(folder / name):
            raise ConfigurationError(f"{folder / name} is there already; --force replaces it")


def _write(path: Path, text: str) -> None:
    """Anew, so that nobody has it open who should not; readable by its owner alone where it holds a secret."""
    path.unlink(missing_ok=True)
    path.touch(mode=0o644 if path.name in OPEN else 0o600, exist_ok=False)
    path.write_text(text, "utf-8")


def _shown(answers: Answers) -> dict[str, Any]:
    changed = answers.settings()
    told = redacted(Settings(**{key.lower(): value for key, value in changed.items()}))  # type: ignore[arg-type]
    return {key: told[key] for key in changed}


def _tell(folder: Path, answers: Answers, names: list[str]) -> None:
    path = folder / FILE_NAME
    if len(names) > 1:
        table = Table("written", "belongs to")
        for name in names:
            table.add_row(name, PLACES[name])
        show(table)
        print(f"The first lines of each say what it needs. Then: {_start(answers)}")
        return
    print(f"{path} is written. Next:")
    print("  1. edit it")
    print(f"  2. export CRUMBY_SETTINGS={path}")
    print(f"  3. crumby run{'' if answers.proxy == 'none' else ' ' + answers.run}")


def _start(answers: Answers) -> str:
    if "systemd" in answers.write:
        return "systemctl enable --now crumby"
    return "docker compose up -d" if "compose" in answers.write else f"crumby run {answers.run}"

"""What is plain on the command line is read without pydantic, and the rest as typer reads it."""

from typing import Annotated, Any

import pytest
import typer

from crumby.cli import verbs
from tests.cli.conftest import Ask


@pytest.mark.parametrize("words", [["users"], ["query", "--list"], ["sites"], ["tail", "--help"], ["env"]])
def test_a_verb_is_there_without_pydantic(crumby: Ask, words: list[str]) -> None:
    """It takes 0.25 s to be loaded. Seen to fail where typer reads the words."""
    done = crumby(*words, PYTHONPROFILEIMPORTTIME="1")
    assert "crumby.cli.verbs" in done.err
    assert "pydantic" not in done.err


def test_a_server_begins_without_pydantic(crumby: Ask) -> None:
    done = crumby("run", "--host", "192.0.2.1", "--port", "5000", PYTHONPROFILEIMPORTTIME="1")
    assert done.status == 3
    assert "uvicorn" in done.err
    assert "pydantic" not in done.err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["run", "--port", "7x9"], "'--port'"),
        (["run", "--port", "70000"], "65535"),
        (["run", "--port", "-1"], "'--port'"),
        (["run", "--workers", "٣"], "'--workers'"),
        (["run", "--workers", "0"], "'--workers'"),
    ],
)
def test_what_is_no_number_is_refused_as_ever(crumby: Ask, words: list[str], says: str) -> None:
    """Seen to fail where any digits are a number, and any number is one."""
    done = crumby(*words)
    assert done.status == 2
    assert says in done.err


def test_words_mean_what_they_mean_to_typer() -> None:
    """Seen to fail where a number stays a word."""
    seen: list[dict[str, Any]] = []
    app = typer.Typer()

    @app.command()
    def verb(
        names: list[str],
        word: str = "word",
        perhaps: str | None = None,
        number: Annotated[int, typer.Option(min=0, max=9)] = 3,
        each: Annotated[list[str], typer.Option()] = [],  # noqa: B006 - as typer has it
    ) -> None:
        seen.append(locals() | {"seen": None})

    for words in (["a"], ["a", "b", "--word", "", "--perhaps", "x", "--number", "007", "--each", "1", "--each", "2"]):
        for ours in (False, True):
            made = typer.main.get_command(app)
            if ours:
                verbs._adapt(made)
            made.main(words, standalone_mode=False)
        assert seen[-1] == seen[-2]

"""`crumby lists`: what there is, how old it is; newer ones, and what is not taken for such."""

import gzip
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from crumby.ingest import listfile, lists
from crumby.ingest.bots import Guard
from tests.cli.conftest import Answer, Ask
from tests.downloads import Handler, Site, reply, serve

site = pytest.fixture(serve, name="site")
SHIPPED = {name: len(lists.in_use(name, None).entries) for name in lists.manifest()}


def facts(answer: Answer) -> dict[str, Any]:
    return {each["list"]: each for each in json.loads(answer.out)}


def many(name: str, count: int) -> str:
    forms = {"crawlers": "Unheard-{}/1", "spammers": "unheard-{}.example", "hosting": "11.{}.0/24"}
    numbers = (f"{number >> 8}.{number & 255}" if name == "hosting" else str(number) for number in range(count))
    return "".join(f"{forms[name].format(number)}\n" for number in numbers)


@pytest.fixture
def folder(home: Path) -> Path:
    return home / "crumby.lists"


def test_each_list_is_told_with_its_age_and_its_size(verb: Ask) -> None:
    answer = verb("lists")
    assert answer.status == 0
    for name, known in lists.manifest().items():
        (line,) = [line for line in answer.out.splitlines() if f" {name} " in line]
        assert str(SHIPPED[name]) in line
        assert known.of in line
        assert "Crumby's own" in line


def test_a_program_is_told_in_json(verb: Ask) -> None:
    told = facts(verb("lists", "--json", "spammers"))
    assert list(told) == ["spammers"]
    assert told["spammers"]["entries"] == SHIPPED["spammers"]
    assert told["spammers"]["of"] == "2015-09-16"
    assert told["spammers"]["age_days"] > 4000
    assert told["spammers"]["licence"] == "public domain"


@pytest.mark.parametrize("name", SHIPPED)
@pytest.mark.parametrize("form", ["as text", "packed"])
def test_a_newer_list_takes_the_place_of_the_shipped_one(
    name: str, form: str, verb: Ask, site: Site, folder: Path
) -> None:
    text = many(name, SHIPPED[name] + 1).encode()
    (url,) = site("/list", gzip.compress(text) if form == "packed" else text).urls
    answer = verb("lists", "--refresh", name, "--from", url, "--json")
    assert (answer.status, answer.err) == (0, "")
    told = facts(answer)[name]
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    assert (told["entries"], told["of"], told["age_days"], told["from"]) == (SHIPPED[name] + 1, today, 0, url)
    assert [path.name for path in folder.iterdir()] == [f"{name}.txt.gz"]


def test_the_publishers_own_form_of_the_crawlers_is_read(verb: Ask, site: Site, folder: Path) -> None:
    entries = [{"pattern": pattern, "url": "…"} for pattern in many("crawlers", 1600).splitlines()]
    (url,) = site("/crawlers.json", json.dumps(entries).encode()).urls
    assert verb("lists", "--refresh", "crawlers", "--from", url).status == 0
    assert lists.in_use("crawlers", folder).entries[0] == "Unheard-0/1"


def test_without_an_address_the_manifests_are_asked_one_after_the_other(
    verb: Ask, site: Site, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = {f"/{at}": many(name, SHIPPED[name]).encode() for at, name in enumerate(SHIPPED)}
    for path, content in parts.items():
        site(path, content)
    known = lists.manifest()
    asked = {
        name: known[name]._replace(urls=(site.url + path, site.url + path))
        for name, path in zip(SHIPPED, parts, strict=True)
    }
    monkeypatch.setattr("crumby.cli.lists.manifest", lambda: asked)
    assert verb("lists", "--refresh").status == 0
    assert [path for path, _ in site.seen] == [path for path in parts for _ in range(2)]
    assert sorted(path.name for path in folder.iterdir()) == sorted(f"{name}.txt.gz" for name in SHIPPED)


def endless(handler: Handler) -> None:
    reply(handler, b"unheard.example\n" * 4096, length=10**12)
    try:
        for _ in range(1024):
            handler.wfile.write(b"unheard.example\n" * 4096)
    except OSError:
        pass


BROKEN = {
    "what is no list": ("spammers", b"<html><body>\nSign in, please\n</body></html>\n", "no list of them"),
    "a page with hosts in it": (
        "spammers",
        (many("spammers", 400) + "<p>no host</p>\n" * 99).encode(),
        "no list of them",
    ),
    "nothing": ("spammers", b"", "no list of them"),
    "half of a list": (
        "spammers",
        many("spammers", 100).encode(),
        f"100 entries came, and there were {SHIPPED['spammers']}",
    ),
    "half of a file": ("spammers", gzip.compress(many("spammers", 999).encode())[:-9], "it ends early"),
    "a damaged file": ("spammers", b"\x1f\x8b" + b"damaged" * 99, "can't be unpacked"),
    "a small file of a large text": ("spammers", gzip.compress(b"a.example\n" * 2_000_000), "longer than"),
    "too many entries": ("crawlers", many("crawlers", 10_001).encode(), "a list has 10000 at most"),
    "bytes": ("spammers", b"\xff\xfe" * 999, "no text in UTF-8"),
    "an endless answer": ("spammers", endless, "more than"),
    "patterns that are none": ("crawlers", b"(((\n" * 999, "no list of them"),
    "other JSON": ("crawlers", b'{"pattern": "Googlebot"}', "no list of them"),
    "a pattern of everything": (
        "crawlers",
        f"{many('crawlers', 1600)}.*\n(a)?\nMozilla/5\\.0\n".encode(),
        "would refuse Mozilla",
    ),
    "a pattern of Firefox": ("crawlers", f"{many('crawlers', 1600)}[fF]irefox\n".encode(), "would refuse Mozilla"),
    "a search engine": ("spammers", f"{many('spammers', 999)}google.com\n".encode(), "would refuse www.google.com"),
    "networks without bounds": ("hosting", b"0.0.0.0/0\n0.0.0.0-255.255.255.255\n::/0\n" * 999, "no list of them"),
    "private networks": ("hosting", b"10.0.0.0/8\n192.168.0.0/16\nfd00::/16\n" * 999, "no list of them"),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_what_is_broken_is_not_taken_and_the_old_list_stays(fault: str, verb: Ask, site: Site, folder: Path) -> None:
    """Seen to fail without the look at each of them."""
    name, answer, message = BROKEN[fault]
    before = [f"{line}-kept" if name == "crawlers" else line for line in many(name, SHIPPED[name]).splitlines()]
    listfile.put(name, before, "before", folder)
    (url,) = site("/list", answer).urls
    said = verb("lists", "--refresh", name, "--from", url)
    assert said.status == 1
    assert message in said.err
    assert "the one before stays" in said.err
    assert lists.in_use(name, folder).entries == tuple(before)
    assert len(list(folder.iterdir())) == 1


def test_a_few_strange_lines_are_left_out(verb: Ask, site: Site, folder: Path) -> None:
    text = f"# of the makers\n\n{many('spammers', 500)}ünheard.example\nno host\n-\n"
    (url,) = site("/list", text.encode()).urls
    assert verb("lists", "--refresh", "spammers", "--from", url).status == 0
    assert lists.in_use("spammers", folder).entries[-2:] == ("unheard-499.example", "xn--nheard-2ya.example")


def test_a_list_of_ones_own_may_be_short_where_one_says_so(verb: Ask, home: Path, folder: Path) -> None:
    (home / "mine.txt").write_text("unheard.example\n")
    assert verb("lists", "--refresh", "spammers", "--from", "~/mine.txt").status == 1
    assert verb("lists", "--refresh", "spammers", "--from", "~/mine.txt", "--shrink").status == 0
    assert lists.in_use("spammers", folder).entries == ("unheard.example",)


def test_one_source_that_fails_does_not_hold_up_the_others(
    verb: Ask, site: Site, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site("/hosting", many("hosting", SHIPPED["hosting"]).encode())
    known = lists.manifest()
    asked = {name: known[name]._replace(urls=(f"{site.url}/{name}",)) for name in known}
    monkeypatch.setattr("crumby.cli.lists.manifest", lambda: asked)
    answer = verb("lists", "--refresh")
    assert answer.status == 1
    assert f"crumby: {site.url}/crawlers answers 404; the one before stays" in answer.err
    assert [path.name for path in folder.iterdir()] == ["hosting.txt.gz"]


def test_a_source_that_nobody_serves_is_named(verb: Ask) -> None:
    answer = verb("lists", "--refresh", "crawlers", "--from", "http://127.0.0.1:9/list")
    assert answer.status == 1
    assert "http://127.0.0.1:9/list" in answer.err
    assert "Traceback" not in answer.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nobody"], "there is no such list; there are crawlers, spammers, hosting"),
        (["--from", "/x"], "--from is for one list"),
        (["crawlers", "--from", "/x"], "--from is for one list"),
        (["--refresh", "crawlers", "--from", "/absent"], "/absent: No such file or directory"),
    ],
)
def test_what_is_asked_for_wrongly_is_told(words: list[str], message: str, verb: Ask) -> None:
    answer = verb("lists", *words)
    assert answer.status == 1
    assert message in answer.err


def test_a_list_that_cant_be_read_is_told_and_the_shipped_one_shown(verb: Ask, folder: Path) -> None:
    folder.mkdir()
    lists.path_in(folder, "crawlers").write_bytes(b"")
    answer = verb("lists", "crawlers")
    assert "the shipped one is used" in answer.err
    assert str(SHIPPED["crawlers"]) in answer.out


def test_a_folder_that_cant_be_written_is_named(verb: Ask, home: Path, folder: Path) -> None:
    folder.write_text("a file is where the folder is to be")
    (home / "mine.txt").write_text(many("spammers", 999))
    answer = verb("lists", "--refresh", "spammers", "--from", "~/mine.txt")
    assert answer.status == 1
    assert str(folder) in answer.err


def test_a_server_reads_the_old_list_or_the_new_one_whole(folder: Path) -> None:
    """Seen to fail on a file that is written over in its place."""
    first, second = (many("spammers", count).splitlines() for count in (5000, 6000))
    listfile.put("spammers", first, "x", folder)
    stop = threading.Event()
    with ThreadPoolExecutor(1) as beside:
        reading = beside.submit(read_until, stop, folder)
        for number in range(30):
            listfile.put("spammers", second if number % 2 else first, "x", folder)
        stop.set()
        assert reading.result() <= {5000, 6000}
    assert [path.name for path in folder.iterdir()] == ["spammers.txt.gz"]
    assert lists.path_in(folder, "spammers").stat().st_mode & 0o777 == 0o644
    assert Guard("standard", folder)._judges["spammers"]("www.unheard-4999.example")


def read_until(stop: threading.Event, folder: Path) -> set[int]:
    """How many entries the list had, each time."""
    sizes = set()
    while not stop.is_set():
        sizes.add(len(lists.in_use("spammers", folder).entries))
    return sizes

"""`init`: what it writes unasked, what it asks at a terminal, and what comes of the answers."""

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from crumby.cli.answers import FILES, OPEN, PLACES, SOCKET, Answers, files, template
from crumby.settings import KEYS, Settings, load_settings
from tests.cli.conftest import Ask
from tests.cli.terminal import Terminal

DEPLOYMENT = Path(__file__).parents[2] / "deployment"
EXAMPLE = {"domain": "stats.example.com", "listen": SOCKET}


def settings_of(folder: Path) -> Settings:
    return load_settings({"CRUMBY_SETTINGS": str(folder / "crumby.cfg")})


# Unasked


def test_init_writes_a_file_for_its_owner_alone_that_crumby_takes(verb: Ask, home: Path) -> None:
    answer = verb("init")
    path = home / "crumby.cfg"
    assert (answer.status, answer.err) == (0, "")
    assert f"export CRUMBY_SETTINGS={path}" in answer.out
    assert path.stat().st_mode & 0o777 == 0o600
    settings = load_settings({"CRUMBY_SETTINGS": str(path)})
    assert settings.secret_key is not None
    assert len(settings.secret_key) >= 32
    assert settings.secret_key not in answer.out
    assert replace(settings, secret_key=None) == Settings()


def test_each_file_has_a_secret_of_its_own(verb: Ask, home: Path) -> None:
    secrets = set()
    for _ in range(2):
        verb("init", "--force")
        secrets.add(load_settings({"CRUMBY_SETTINGS": str(home / "crumby.cfg")}).secret_key)
    assert len(secrets) == 2


def test_every_line_of_the_template_can_be_taken_into_use(tmp_path: Path) -> None:
    path = tmp_path / "crumby.cfg"
    path.write_text(re.sub(r"(?m)^#([A-Z0-9_]+ = )", r"\1", template("a secret")), "utf-8")
    keys = re.findall(r"(?m)^([A-Z0-9_]+) = ", path.read_text("utf-8"))
    assert keys == [name.upper() for name in KEYS]
    assert load_settings({"CRUMBY_SETTINGS": str(path)}) == Settings(secret_key="a secret")


def test_the_template_tells_what_each_key_means() -> None:
    text = template("a secret")
    assert [name for name, key in KEYS.items() if f"# {key.meaning}\n" not in text] == []


@pytest.mark.parametrize("there", ["file", "dangling link"])
def test_init_writes_over_nothing(there: str, verb: Ask, home: Path) -> None:
    path = home / "crumby.cfg"
    if there == "file":
        path.write_text("DOMAIN = 'mine.example'", "utf-8")
    else:
        path.symlink_to(home / "elsewhere")
    answer = verb("init")
    assert answer == (1, "", f"crumby: {path} is there already; --force replaces it\n")
    assert not (home / "elsewhere").exists()
    assert there != "file" or path.read_text("utf-8") == "DOMAIN = 'mine.example'"


def test_init_replaces_a_file_when_told_to_and_closes_it_to_others(verb: Ask, home: Path) -> None:
    path = home / "crumby.cfg"
    path.write_text("DOMAIN = 'mine.example'", "utf-8")
    path.chmod(0o644)
    assert verb("init", "--force").status == 0
    assert path.stat().st_mode & 0o777 == 0o600
    assert load_settings({"CRUMBY_SETTINGS": str(path)}).domain == ""


# By its options


@pytest.mark.parametrize(
    ("privacy", "visitor_id", "ip_storage"),
    [
        ("full", "cookie", "full"),
        ("masked", "cookie", "masked"),
        ("daily", "daily", "none"),
        ("none", "none", "none"),
    ],
)
def test_a_level_of_privacy_is_two_settings(
    privacy: str, visitor_id: str, ip_storage: str, verb: Ask, home: Path
) -> None:
    assert verb("init", "--privacy", privacy).status == 0
    made = settings_of(home)
    assert (made.visitor_id, made.ip_storage) == (visitor_id, ip_storage)


def test_behind_a_proxy_its_header_is_believed_and_cookies_are_sent_by_https_alone(verb: Ask, home: Path) -> None:
    verb("init", "--proxy", "nginx", "--domain", "https://stats.bakery.example/")
    made = settings_of(home)
    assert (made.proxy_count, made.session_cookie_secure, made.domain) == (1, True, "stats.bakery.example")


def test_the_database_can_be_said_in_the_environment_where_nobody_reads_its_password(verb: Ask, home: Path) -> None:
    url = "postgresql://crumby:canary@127.0.0.1/crumby"
    answer = verb("init", "--json", CRUMBY_SQLALCHEMY_DATABASE_URI=url)
    assert settings_of(home).sqlalchemy_database_uri == url
    assert "canary" not in answer.out + answer.err
    assert json.loads(answer.out)["settings"] == {"SQLALCHEMY_DATABASE_URI": url.replace("canary", "***")}


def test_programs_are_told_what_was_written(verb: Ask, home: Path) -> None:
    told = json.loads(verb("init", "--json", "--write", "nginx,systemd", "--domain", "stats.bakery.example").out)
    names = ["crumby.cfg", "crumby-upstream.conf", "crumby.conf", "crumby.service"]
    assert told["written"] == [str(home / name) for name in names]
    assert told["settings"] == {"DOMAIN": "stats.bakery.example", "PROXY_COUNT": 1, "SESSION_COOKIE_SECURE": True}


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["--write", "lighttpd"], 2, "there is no 'lighttpd'"),
        (["--proxy", "squid"], 2, "give one of none, nginx, caddy, apache"),
        (["--privacy", "much"], 2, "give one of full, masked, daily, none"),
        (["--database", "crumby.db"], 2, "not a database URL"),
        (["--listen", "70000"], 2, "give a path"),
        (["--write", "nginx"], 1, "--domain: a site needs its name"),
        (["--write", "nginx", "--domain", "a;} evil {"], 2, "give a host"),
        (["--write", "nginx", "--domain", "a;b"], 1, "--domain: a site needs its name"),
        (["--write", "nginx", "--proxy", "caddy", "--domain", "a.example"], 1, "--write: with --proxy caddy"),
        (["--write", "caddy", "--domain", "a.example/stats"], 1, "below a path, there is a site for nginx alone"),
        (["--listen", "/run/x.sock"], 1, "nobody reaches a socket without a proxy"),
        (["--listen", "/x", "--proxy", "nginx", "--domain", "a.b", "--write", "compose"], 1, "reached by a port"),
        (["--write", "compose", "--database", "mysql://a:p%24x@localhost/b"], 1, "a password of letters"),
    ],
)
def test_what_does_not_go_together_is_refused_and_nothing_is_written(
    words: list[str], status: int, said: str, verb: Ask, home: Path
) -> None:
    answer = verb("init", *words)
    assert (answer.status, answer.out) == (status, "")
    assert said in " ".join(answer.err.replace("│", " ").split())
    assert list(home.iterdir()) == []


def test_a_file_for_the_server_is_not_written_over_either(verb: Ask, home: Path) -> None:
    """Seen to fail with a look at crumby.cfg alone."""
    (home / "crumby.service").write_text("mine")
    answer = verb("init", "--write", "systemd")
    assert answer == (1, "", f"crumby: {home / 'crumby.service'} is there already; --force replaces it\n")
    assert [path.name for path in home.iterdir()] == ["crumby.service"]


# The files


@pytest.mark.parametrize(
    ("proxy", "write", "answer", "deployed"),
    [
        ("nginx", "nginx", "crumby.conf", "nginx/crumby.conf"),
        ("nginx", "nginx", "crumby-upstream.conf", "nginx/crumby-upstream.conf"),
        ("caddy", "caddy", "Caddyfile", "caddy/Caddyfile"),
        ("apache", "apache", "crumby-apache.conf", "apache/crumby.conf"),
        ("nginx", "systemd", "crumby.service", "systemd/crumby.service"),
    ],
)
def test_the_files_of_deployment_are_what_init_writes_for_their_example(
    proxy: str, write: str, answer: str, deployed: str
) -> None:
    made = files(Answers(proxy=proxy, write=(write,), domain="stats.example.com"), "a secret")
    assert made[answer] == (DEPLOYMENT / deployed).read_text("utf-8")


@pytest.mark.parametrize(
    ("database", "deployed"),
    [
        ("sqlite:///~/crumby.db", "compose.yaml"),
        ("mysql://localhost/crumby", "compose.mariadb.yaml"),
        ("postgresql://localhost/crumby", "compose.postgresql.yaml"),
        ("postgresql://db.bakery.example/crumby", "compose.yaml"),
    ],
)
def test_the_compose_file_is_that_of_the_database(database: str, deployed: str) -> None:
    answers = Answers(database=database, proxy="nginx", write=("compose",), domain="stats.example.com")
    made = files(answers, "a secret")
    assert made["compose.yaml"] == (DEPLOYMENT / "docker" / deployed).read_text("utf-8")


def test_the_path_of_deployment_is_what_init_writes_below_one() -> None:
    made = files(Answers(proxy="nginx", write=("nginx", "systemd"), domain="www.example.com/stats"), "a secret")
    assert made["crumby-path.conf"] == (DEPLOYMENT / "nginx" / "crumby-path.conf").read_text("utf-8")
    assert "--uds /run/crumby/crumby.sock --root-path /stats\n" in made["crumby.service"]


@pytest.mark.parametrize("proxy", ["nginx", "caddy", "apache"])
@pytest.mark.parametrize("listen", ["5001", "/srv/run/crumby.sock"])
def test_each_file_says_where_crumby_is_and_nothing_of_the_example(proxy: str, listen: str) -> None:
    """Seen to fail for each replacement that was left out."""
    answers = Answers(proxy=proxy, write=(proxy, "systemd"), domain="bakery.example", listen=listen)
    made = files(answers, "a secret")
    site = "".join(text for name, text in made.items() if name not in {"crumby.cfg", "crumby.service"})
    where = listen if listen.startswith("/") else f"127.0.0.1:{listen}"
    assert where in site
    assert (f"--uds {listen}\n" if listen.startswith("/") else f"--port {listen}\n") in made["crumby.service"]
    taken = re.sub("(?m)#.*", "", site + made["crumby.service"].partition("ExecStart=")[2].partition("\n")[0])
    assert [word for word in ("stats.example.com", SOCKET, ":5000") if word in taken] == []


def test_a_container_of_a_path_and_a_port() -> None:
    answers = Answers(proxy="nginx", write=("nginx", "compose"), domain="bakery.example/numbers", listen="5001")
    made = files(answers, "a secret")
    assert "crumby run --host 0.0.0.0 --root-path /numbers\n" in made["compose.yaml"]
    assert '- "127.0.0.1:5001:5000"\n' in made["compose.yaml"]
    assert "server 127.0.0.1:5001;" in made["crumby-upstream.conf"]
    assert "location = /numbers/hit {" in made["crumby-path.conf"]


@pytest.mark.parametrize(("scheme", "key"), [("mariadb", "MARIADB_PASSWORD"), ("postgresql", "POSTGRES_PASSWORD")])
def test_a_database_in_a_container_and_crumby_are_told_one_password(scheme: str, key: str, home: Path) -> None:
    made = files(Answers(database=f"{scheme}://localhost/x", write=("compose",)), "a secret")
    password = made["db.env"].removeprefix(f"{key}=").strip()
    assert len(password) >= 32
    said = dict(line.split("=", 1) for line in made["crumby.env"].splitlines())
    assert said["CRUMBY_SQLALCHEMY_DATABASE_URI"] == f"{scheme}://crumby:{password}@db/crumby"
    assert load_settings(said).secret_key == "a secret"


def test_what_holds_a_secret_is_for_its_owner_alone(verb: Ask, home: Path) -> None:
    verb("init", "--write", "compose,systemd", "--database", "postgresql://localhost/x")
    modes = {path.name: path.stat().st_mode & 0o077 for path in home.iterdir()}
    assert modes == {name: 0o044 if name in OPEN else 0 for name in modes}
    assert {name for name, mode in modes.items() if not mode} == {"crumby.cfg", "crumby.env", "db.env"}


def test_each_file_is_known_to_belong_somewhere() -> None:
    names = set()
    for word in FILES:
        proxy = word if word in {"nginx", "caddy", "apache"} else "none"
        for domain in ("a.example", "a.example/b") if proxy == "nginx" else ("a.example",):
            database = "mysql://localhost/x"
            names |= set(files(Answers(proxy=proxy, write=(word,), domain=domain, database=database), "a secret"))
    assert names == set(PLACES)


def test_the_example_of_an_environment_file_has_the_keys_that_init_writes() -> None:
    example = (DEPLOYMENT / "docker" / "crumby.env.example").read_text("utf-8")
    made = files(Answers(proxy="nginx", domain="stats.example.com", write=("compose",)), "")
    assert re.sub("(?m)^#.*\n", "", example) == made["crumby.env"]


# At a terminal


def answered(answers: Mapping[str, str], *words: str) -> str:
    """All that it said."""
    with Terminal("init", *words, COLUMNS="80") as terminal:
        for question, answer in answers.items():
            terminal.answer(question, answer)
        assert terminal.end() == 0, terminal.said
    return terminal.said


def test_somebody_at_a_terminal_is_asked(home: Path) -> None:
    """Seen to fail with a password that is shown."""
    said = answered(
        {
            "Database (": "maria",
            "its host": "",
            "its port": "3307",
            "its name": "",
            "its user": "ann",
            "password": "ca/nary",
            "Crumby's host": "stats.bakery.example",
            "Proxy in front": "",
            "kept of a visitor": "daily",
            "Which of them": "nginx systemd",
            "Socket or port": "70000",
            "Error: give a path": "5001",
        },
    )
    assert "nary" not in said
    made = settings_of(home)
    assert made.sqlalchemy_database_uri == "mysql://ann:ca%2Fnary@localhost:3307/crumby"
    assert (made.domain, made.proxy_count, made.visitor_id) == ("stats.bakery.example", 1, "daily")
    assert "server 127.0.0.1:5001;" in (home / "crumby-upstream.conf").read_text()
    assert "--port 5001\n" in (home / "crumby.service").read_text()


def test_somebody_who_says_nothing_has_what_init_writes_unasked(home: Path) -> None:
    said = answered(dict.fromkeys(["Database (", "host", "Proxy", "kept of", "Which of"], ""))
    assert "export CRUMBY_SETTINGS=" in said
    assert replace(settings_of(home), secret_key=None) == Settings()


def test_what_an_option_says_is_not_asked(home: Path) -> None:
    words = ["--database", "sqlite:///x.db", "--domain", "a.example", "--proxy", "none", "--write", "systemd"]
    answered({"kept of a visitor": "none"}, *words)
    assert settings_of(home).visitor_id == "none"


@pytest.mark.parametrize("words", [["--yes"], ["--defaults"], ["--json"]])
def test_nothing_is_asked_of_somebody_who_wants_none_of_it(words: list[str], home: Path) -> None:
    answered({}, *words)
    assert replace(settings_of(home), secret_key=None) == Settings()


def test_nobody_is_asked_for_a_file_that_would_not_be_written(home: Path) -> None:
    (home / "crumby.cfg").write_text("DOMAIN = 'mine.example'")
    with Terminal("init") as terminal:
        assert terminal.end() == 1
    assert "is there already" in terminal.said

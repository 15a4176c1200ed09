"""The configuration: what is read from where, what is refused and how, and the secret that is kept."""

import os
import subprocess
import sys
from dataclasses import FrozenInstanceError, asdict
from pathlib import Path
from typing import Any

import pytest

from crumby import settings as module
from crumby.database import async_url, open_database
from crumby.errors import ConfigurationError
from crumby.settings import FLASK_KEYS, KEYS, Settings, load_settings, persisted_secret, shipped

HOME = Path("~").expanduser()

# The file of the walk-through for a small server: code reads two more files.
WALK_THROUGH = """
import os

base_path = {folder!r}
with open(os.path.join(base_path, 'MYSQL_PASS')) as f:
    pw = f.read().strip('\\n')
    db = 'mysql+pymysql://root:{{}}@localhost/crumby'.format(pw)

DOMAIN = ''  # server's pubic DNS name

SQLALCHEMY_DATABASE_URI = db

GEOIP2_DATABASE_NAME = '/var/lib/crumby/GeoLite2-City.mmdb'

with open(os.path.join(base_path, 'SECRET_KEY')) as f:
    SECRET_KEY = f.read().strip('\\n')

SESSION_COOKIE_SECURE = True  # Include if you enabled SSL/TLS
CROSSDOMAIN_ORIGIN = ''  # URL(s) permitted to access the crumby API
"""


@pytest.fixture
def cfg(tmp_path: Path) -> Path:
    return tmp_path / "crumby.cfg"


def load(cfg: Path, text: str | bytes, **environ: str) -> Settings:
    cfg.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load_settings({"CRUMBY_SETTINGS": str(cfg), **environ})


def test_nothing_is_required() -> None:
    assert asdict(load_settings({})) == {
        "domain": "",
        "sqlalchemy_database_uri": "sqlite:///~/crumby.db",
        "reports_database_uri": None,
        "geoip2_database_name": HOME / "GeoLite2-City.mmdb",
        "geoip2_refresh_days": 0,
        "geoip2_source": None,
        "maxmind_account_id": None,
        "maxmind_license_key": None,
        "secret_key": None,
        "session_cookie_secure": False,
        "proxy_count": 0,
        "trusted_proxies": (),
        "crossdomain_origin": ("*",),
        "hit_path": "/hit",
        "script_path": "/cmb.js",
        "tracker_extras": (),
        "queries": None,
        "time_zone": "UTC",
        "query_timeout": 10.0,
        "query_row_limit": 10_000,
        "sql_editor": False,
        "spool": HOME / "crumby-spool.db",
        "spool_limit": 1024,
        "bots": "standard",
        "rate_limit": 20.0,
        "daily_limit": 200_000,
        "visitor_id": "cookie",
        "ip_storage": "full",
        "privacy_signals": ("gpc", "dnt"),
        "retention_days": 0,
        "access_log": "off",
        "metrics_token": None,
        "log_level": "info",
        "log_format": "text",
        "debug": False,
        "sqlalchemy_echo": False,
        "sqlalchemy_track_modifications": False,
    }


def test_each_key_has_a_meaning() -> None:
    assert [name for name, key in KEYS.items() if not key.meaning] == []


def test_the_walk_through_loads_with_the_files_it_reads(cfg: Path, tmp_path: Path) -> None:
    (tmp_path / "MYSQL_PASS").write_text("Xy12abCD\n", "ascii")
    (tmp_path / "SECRET_KEY").write_text("aB3dE5gH7jK9mN1pQ3sT5vW7", "ascii")
    settings = load(cfg, WALK_THROUGH.format(folder=str(tmp_path)))
    assert settings.sqlalchemy_database_uri == "mysql+pymysql://root:Xy12abCD@localhost/crumby"
    assert settings.secret_key == "aB3dE5gH7jK9mN1pQ3sT5vW7"
    assert settings.session_cookie_secure
    assert settings.crossdomain_origin == ()


def test_a_file_that_the_config_misses_is_the_one_named(cfg: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"crumby\.cfg, line 5: FileNotFoundError: .*/MYSQL_PASS"):
        load(cfg, WALK_THROUGH.format(folder=str(tmp_path)))


def test_only_upper_case_names_are_keys(cfg: Path) -> None:
    text = "import os\nnumber = 1\n_HIDDEN = 2\nDomain = 'no'\nPROXY_COUNT = number + 1\n"
    assert load(cfg, text) == Settings(proxy_count=2)


def test_the_config_knows_where_it_is(cfg: Path) -> None:
    text = "import os\nQUERIES = os.path.join(os.path.dirname(__file__), 'queries')"
    assert load(cfg, text).queries == cfg.parent / "queries"


@pytest.mark.parametrize(
    "text", [b"\xef\xbb\xbfDOMAIN = 'caf\xc3\xa9.fr'\r\n", b"# coding: latin-1\nDOMAIN = 'caf\xe9.fr'"]
)
def test_the_config_may_say_its_encoding_as_any_python_file(text: bytes, cfg: Path) -> None:
    assert load(cfg, text).domain == "café.fr"


def test_the_environment_wins_over_the_file(cfg: Path) -> None:
    settings = load(cfg, "PROXY_COUNT = 1\nDOMAIN = 'file.example'", CRUMBY_PROXY_COUNT="2")
    assert (settings.proxy_count, settings.domain) == (2, "file.example")


def test_the_environment_is_read_when_it_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRUMBY_DOMAIN", "stats.example.com")
    assert load_settings().domain == "stats.example.com"


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("PROXY_COUNT", "2", 2),
        ("QUERY_TIMEOUT", "2.5", 2.5),
        ("QUERY_ROW_LIMIT", "100", 100),
        ("DEBUG", "true", True),
        ("SESSION_COOKIE_SECURE", "1", True),
        ("SQLALCHEMY_ECHO", "off", False),
        ("DOMAIN", "https://stats.example.com:8443/", "stats.example.com:8443"),
        ("TIME_ZONE", "Europe/Berlin", "Europe/Berlin"),
        ("SECRET_KEY", "", None),
        ("QUERIES", "", None),
        ("QUERIES", "~/queries", HOME / "queries"),
        ("GEOIP2_DATABASE_NAME", "~/City.mmdb", HOME / "City.mmdb"),
        ("CROSSDOMAIN_ORIGIN", "*", ("*",)),
        ("CROSSDOMAIN_ORIGIN", "", ()),
        ("CROSSDOMAIN_ORIGIN", "https://a.example/, https://b.example", ("https://a.example", "https://b.example")),
    ],
)
def test_text_of_the_environment_becomes_a_value(key: str, text: str, value: object) -> None:
    assert getattr(load_settings({f"CRUMBY_{key}": text}), key.lower()) == value


@pytest.mark.parametrize(
    ("line", "value"),
    [
        (
            "CROSSDOMAIN_ORIGIN = ['https://a.example/', 'https://b.example']",
            ("https://a.example", "https://b.example"),
        ),
        ("CROSSDOMAIN_ORIGIN = {'https://a.example'}", ("https://a.example",)),
        ("CROSSDOMAIN_ORIGIN = (x for x in ['https://a.example'])", ("https://a.example",)),
        ("CROSSDOMAIN_ORIGIN = None", ()),
        ("SECRET_KEY = b'\\xf8\\xff'", "\xf8\xff"),
        ("SECRET_KEY = None", None),
        ("SQLALCHEMY_TRACK_MODIFICATIONS = None", False),
        ("DEBUG = 1", True),
        ("LOG_LEVEL = 'Warning'", "warning"),
        ("PROXY_COUNT = '1'", 1),
    ],
)
def test_a_value_of_the_file_may_have_the_forms_that_0_7_1_took(line: str, value: object, cfg: Path) -> None:
    assert getattr(load(cfg, line), line.partition(" ")[0].lower()) == value


def test_keys_of_flask_are_taken_without_effect(cfg: Path) -> None:
    assert load(cfg, "\n".join(f"{key} = 'anything'" for key in FLASK_KEYS)) == Settings()


@pytest.mark.parametrize(
    ("key", "nearest"),
    [
        ("DOMIAN", "did you mean DOMAIN?"),
        ("GEOIP_DATABASE_NAME", "did you mean GEOIP2_DATABASE_NAME?"),
        ("SQLALCHEMY_DATABASE_URL", "did you mean SQLALCHEMY_DATABASE_URI?"),
        ("ZZZ", "`crumby env` lists the keys there are"),
    ],
)
def test_an_unknown_key_is_refused_with_the_nearest_one(key: str, nearest: str, cfg: Path) -> None:
    with pytest.raises(ConfigurationError) as in_file:
        load(cfg, f"{key} = 1")
    with pytest.raises(ConfigurationError) as in_environment:
        load_settings({f"CRUMBY_{key}": "1"})
    assert str(in_file.value) == str(in_environment.value) == f"{key}: there is no such key; {nearest}"


@pytest.mark.parametrize(
    ("key", "value", "remedy"),
    [
        ("PROXY_COUNT", "many", "whole number from 0 to 10"),
        ("PROXY_COUNT", "-1", "whole number from 0 to 10"),
        ("PROXY_COUNT", "1.5", "whole number from 0 to 10"),
        ("PROXY_COUNT", "inf", "whole number from 0 to 10"),
        ("PROXY_COUNT", "11", "whole number from 0 to 10"),
        ("DEBUG", "maybe", "on or off"),
        ("QUERY_TIMEOUT", "0", "above 0"),
        ("QUERY_TIMEOUT", "nan", "3600"),
        ("METRICS_TOKEN", "a canary", "give at least 16 characters"),
        ("QUERY_ROW_LIMIT", "0", "from 1 to 10,000,000"),
        ("TIME_ZONE", "Mars/Olympus", "one is 'Europe/Berlin'"),
        ("TIME_ZONE", "../../etc/passwd", "one is 'Europe/Berlin'"),
        ("DOMAIN", "stats example", "give a host"),
        ("DOMAIN", "me@stats.example", "give a host"),
        ("DOMAIN", '"><script>', "give a host"),
        ("SQLALCHEMY_DATABASE_URI", "crumby.db", "one looks like 'sqlite:////"),
        ("SQLALCHEMY_DATABASE_URI", "mysql://host:port/crumby", "one looks like 'sqlite:////"),
        ("GEOIP2_DATABASE_NAME", "~nobody-of-that-name/City.mmdb", "write the whole path"),
        ("QUERIES", "~nobody-of-that-name/queries", "write the whole path"),
        ("SPOOL", "~nobody-of-that-name/spool.db", "write the whole path"),
        ("SPOOL_LIMIT", "0", "from 1 to 1,048,576"),
        ("LOG_LEVEL", "loud", "one of debug, info, warning, error"),
        ("LOG_FORMAT", "xml", "one of text, json"),
        ("GEOIP2_REFRESH_DAYS", "-1", "from 0 to 366"),
        ("MAXMIND_ACCOUNT_ID", "42", "MaxMind takes both"),
    ],
)
def test_a_bad_value_is_refused_with_its_key_and_the_remedy(key: str, value: str, remedy: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        load_settings({f"CRUMBY_{key}": value})
    assert str(raised.value).startswith(f"{key}: ")
    assert remedy in str(raised.value)
    assert "canary" not in str(raised.value)


@pytest.mark.parametrize(
    ("line", "remedy"),
    [
        ("DOMAIN = 7", "give a text in quotes, not int"),
        ("SECRET_KEY = 7", "give a text in quotes, not int"),
        ("SPOOL = None", "give a path in quotes, not NoneType"),
        ("PROXY_COUNT = None", "whole number from 0 to 10"),
        ("PROXY_COUNT = 10 ** 400", "whole number from 0 to 10"),
        ("QUERY_TIMEOUT = [10]", "a number of seconds above 0"),
        ("CROSSDOMAIN_ORIGIN = 7", "give a site or several"),
        ("CROSSDOMAIN_ORIGIN = b'a.example'", "give a site or several"),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused_with_its_key_and_the_remedy(line: str, remedy: str, cfg: Path) -> None:
    with pytest.raises(ConfigurationError, match=rf"^{line.partition(' ')[0]}: .*{remedy}"):
        load(cfg, line)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("DOMAIN = ", "SyntaxError"),
        ("\nDOMAIN = unknown", ", line 2: NameError: name 'unknown' is not defined"),
        ("DOMAIN = '\xe9'".encode("latin-1"), "SyntaxError"),
        ("import sys\nsys.exit('stop')", ", line 2: SystemExit: stop"),
        ("DOMAIN = 'a\0b'", "null bytes"),
        ("raise OSError(13, 'not for you', 'other file')", ", line 1: PermissionError: "),
    ],
)
def test_a_broken_config_names_the_file_and_the_error(text: str | bytes, error: str, cfg: Path) -> None:
    with pytest.raises(ConfigurationError) as raised:
        load(cfg, text)
    assert str(raised.value).startswith(str(cfg))
    assert error in str(raised.value)
    assert "CRUMBY_SETTINGS" not in str(raised.value)


def test_an_account_may_be_a_number_of_the_file(cfg: Path) -> None:
    settings = load(cfg, "MAXMIND_ACCOUNT_ID = 42\nMAXMIND_LICENSE_KEY = 'canary'")
    assert (settings.maxmind_account_id, settings.maxmind_license_key) == ("42", "canary")
    with pytest.raises(ConfigurationError, match="MAXMIND_ACCOUNT_ID: give a text in quotes, not float"):
        load(cfg, "MAXMIND_ACCOUNT_ID = 4.2\nMAXMIND_LICENSE_KEY = 'canary'")


def test_a_config_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "absent.cfg", tmp_path):
        with pytest.raises(ConfigurationError, match=f"CRUMBY_SETTINGS: cannot read {path}: "):
            load_settings({"CRUMBY_SETTINGS": str(path)})


@pytest.mark.parametrize(
    ("uri", "url"),
    [
        ("mysql+pymysql://me:p%40ss@db/crumby", "mysql+asyncmy://me:p%40ss@db/crumby?charset=utf8mb4"),
        ("mysql+mysqldb://me@db/crumby?charset=latin1", "mysql+asyncmy://me@db/crumby?charset=utf8mb4"),
        ("mysql://me@db:3307/crumby", "mysql+asyncmy://me@db:3307/crumby?charset=utf8mb4"),
        ("mariadb+pymysql://me@db/crumby", "mysql+asyncmy://me@db/crumby?charset=utf8mb4"),
        ("postgres://me:pass@db/crumby", "postgresql+asyncpg://me:pass@db/crumby"),
        ("postgresql+psycopg2://me@db/crumby?sslmode=require", "postgresql+asyncpg://me@db/crumby?ssl=require"),
        ("postgresql+asyncpg://me@db/crumby", "postgresql+asyncpg://me@db/crumby"),
        ("sqlite:////var/lib/crumby/crumby.db", "sqlite+aiosqlite:////var/lib/crumby/crumby.db"),
        ("sqlite+pysqlite:///~/crumby.db", f"sqlite+aiosqlite:///{HOME}/crumby.db"),
    ],
)
def test_a_url_of_any_driver_gets_the_async_one(uri: str, url: str) -> None:
    configured = load_settings({"CRUMBY_SQLALCHEMY_DATABASE_URI": uri}).sqlalchemy_database_uri
    assert async_url(configured).render_as_string(hide_password=False) == url


def test_a_database_that_crumby_does_not_speak_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"SQLALCHEMY_DATABASE_URI: .*'oracle'.* only sqlite, mysql"):
        async_url("oracle://me@db/crumby")


@pytest.mark.parametrize("uri", ["sqlite://", "sqlite:///", "sqlite:///:memory:"])
async def test_an_in_memory_database_is_refused_and_leaves_no_file(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    with pytest.raises(ConfigurationError, match="SQLALCHEMY_DATABASE_URI: an in-memory SQLite forgets every hit"):
        async with open_database(load_settings({"CRUMBY_SQLALCHEMY_DATABASE_URI": uri}).with_secret()):
            pass
    assert [path.name for path in tmp_path.iterdir()] == ["home"]


def test_settings_are_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        Settings().domain = "other.example"  # type: ignore[misc]  # that it cannot be


def at(path: Path, **more: Any) -> Settings:
    return Settings(sqlalchemy_database_uri=f"sqlite:///{path}", **more)


def test_a_configured_secret_is_used_as_it_is(tmp_path: Path) -> None:
    for secret in ("aB3dE5gH7jK9mN1pQ3sT5vW7", "7f3c9a0b1e5d2846", "\xf8" * 4 + "wise men say nothing"):
        assert at(tmp_path / "crumby.db", secret_key=secret).with_secret().secret_key == secret
    assert list(tmp_path.iterdir()) == []


def test_a_secret_is_made_once_beside_the_database_for_its_owner_alone(tmp_path: Path) -> None:
    first = at(tmp_path / "crumby.db").with_secret().secret_key
    assert first is not None
    assert len(first) >= 32
    assert at(tmp_path / "crumby.db").with_secret().secret_key == first
    (kept,) = tmp_path.iterdir()
    assert kept == tmp_path / "crumby.secret"
    assert kept.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "weak",
    [
        *("a", "mine", "secret", "dev", "fifteen letters", "x" * 32, "abab" * 10, " " * 16),
        *("changeme changeme", "your-secret-key-here", "CHANGE_ME_TO_A_COMPLEX_RANDOM_SECRET", "TEST_NON_DEV_SECRET"),
        *("thisISaSECRET_1234", "replace-me-with-a-random-string", "django-insecure-x8$k2", "1234567890123456"),
    ],
)
def test_a_secret_that_can_be_guessed_is_not_used(weak: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """One is made and kept instead, and the log says so. Planted: any secret is good enough."""
    first = at(tmp_path / "crumby.db", secret_key=weak).with_secret().secret_key
    assert first is not None
    assert first != weak
    assert len(first) >= 32
    assert at(tmp_path / "crumby.db").with_secret().secret_key == first
    assert (tmp_path / "crumby.secret").stat().st_mode & 0o777 == 0o600
    (told,) = caplog.messages
    assert told.startswith("SECRET_KEY is short or well known, and is not used")
    assert weak not in told.removeprefix("SECRET_KEY is short or well known, and is not used") or len(weak) < 8


def test_two_databases_have_two_secrets(tmp_path: Path) -> None:
    one, other = (at(tmp_path / name).with_secret().secret_key for name in ("one.db", "other.db"))
    assert one != other


@pytest.mark.parametrize("uri", ["sqlite:///~/crumby.db", "mysql+pymysql://me@db/crumby"])
def test_a_secret_may_live_in_the_home_folder(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    secret = Settings(sqlalchemy_database_uri=uri).with_secret().secret_key
    assert (tmp_path / "crumby.secret").read_text("utf-8").strip() == secret


def test_a_secret_that_cannot_be_kept_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "empty.secret").touch()
    with pytest.raises(ConfigurationError, match=r"empty\.secret is empty; delete it"):
        at(tmp_path / "empty.db").with_secret()
    with pytest.raises(ConfigurationError, match=r"SECRET_KEY is not set, and none can be kept in .*/absent/crumby"):
        at(tmp_path / "absent" / "crumby.db").with_secret()
    assert not (tmp_path / "absent").exists()  # a mistyped path makes no folder, and so no empty database


# Eight processes wait for the end of one pipe, and so begin at the same time.
EIGHT = """
import os, sys
from pathlib import Path
from crumby.settings import persisted_secret

folder = Path(sys.argv[1])
reader, writer = os.pipe()
for number in range(8):
    if not os.fork():
        os.close(writer)
        os.read(reader, 1)
        (folder / f"{number}.seen").write_text(persisted_secret(folder / "crumby.secret"))
        os._exit(0)
os.close(writer)
for _ in range(8):
    assert os.wait()[1] == 0
"""


def test_eight_processes_that_start_at_once_agree_on_one_secret(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", EIGHT, str(tmp_path)], check=True)
    seen = {path.read_text("utf-8") for path in tmp_path.glob("*.seen")}
    assert seen == {persisted_secret(tmp_path / "crumby.secret")}
    assert len(list(tmp_path.iterdir())) == 9  # eight witnesses, one secret, nothing else


def test_shipped_folders_are_found() -> None:
    assert (shipped("queries") / "public" / "visits.sql").is_file()
    assert (shipped("static") / "tracker" / "min" / "core.js").is_file()


def test_an_installed_package_finds_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "site-packages" / "crumby"
    (package / "_shipped" / "queries").mkdir(parents=True)
    monkeypatch.setattr(module, "__file__", str(package / "settings.py"))
    assert shipped("queries") == package / "_shipped" / "queries"


@pytest.fixture
def homeless(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(os, "getuid", lambda: 4_000_000)  # an account that no list of users knows


@pytest.mark.usefixtures("homeless")
@pytest.mark.parametrize("key", ["GEOIP2_DATABASE_NAME", "SQLALCHEMY_DATABASE_URI", "SPOOL"])
def test_an_account_without_a_home_is_told_which_paths_to_write_out(key: str) -> None:
    whole = {
        "CRUMBY_GEOIP2_DATABASE_NAME": "/var/lib/crumby/City.mmdb",
        "CRUMBY_SQLALCHEMY_DATABASE_URI": "sqlite:////var/lib/crumby/crumby.db",
        "CRUMBY_SPOOL": "/var/lib/crumby/spool.db",
    }
    assert load_settings(whole)
    del whole[f"CRUMBY_{key}"]
    with pytest.raises(ConfigurationError, match=f"^{key}: .*write the whole path"):
        load_settings(whole)


@pytest.mark.usefixtures("homeless")
def test_an_account_without_a_home_needs_a_secret_of_its_own() -> None:
    here = Path("/var/lib/crumby")
    settings = Settings(
        sqlalchemy_database_uri="mysql://me@db/crumby", geoip2_database_name=here / "City.mmdb", spool=here / "spool.db"
    )
    with pytest.raises(ConfigurationError, match="SECRET_KEY is not set"):
        settings.with_secret()


@pytest.mark.parametrize(
    ("said", "path"),
    [
        ("/x/collect", "/x/collect"),
        (" collect ", "/collect"),
        ("/a.b_c~d-e", "/a.b_c~d-e"),
        ("/hit", "/hit"),
        ("/cmb2.js", "/cmb2.js"),
        ("/hits", "/hits"),
    ],
)
def test_a_path_of_the_trackers_may_be_any_that_is_free(said: str, path: str) -> None:
    assert load_settings({"CRUMBY_HIT_PATH": said}).hit_path == path


@pytest.mark.parametrize("key", ["HIT_PATH", "SCRIPT_PATH"])
@pytest.mark.parametrize(
    ("said", "remedy"),
    [
        ("", "give a path of letters"),
        ("/", "give a path of letters"),
        ("/a b", "give a path of letters"),
        ("/a/", "give a path of letters"),
        ("//a", "give a path of letters"),
        ("/a/../b", "give a path of letters"),
        ("/café", "give a path of letters"),
        ("/a?b", "give a path of letters"),
        ("https://a.example/x", "give a path of letters"),
        ("/api/collect", "is Crumby's own"),
        ("/login", "is Crumby's own"),
        ("/static/x.js", "is Crumby's own"),
        ("/1.gif", "is Crumby's own"),
        ("/pixel.gif", "is Crumby's own"),
    ],
)
def test_a_path_that_is_taken_or_none_is_refused(key: str, said: str, remedy: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{key}: .*{remedy}"):
        load_settings({f"CRUMBY_{key}": said})


@pytest.mark.parametrize(
    ("said", "key"),
    [
        ({"HIT_PATH": "/x", "SCRIPT_PATH": "/x"}, "HIT_PATH: /x is where the script is"),
        ({"HIT_PATH": "/cmb.js"}, "HIT_PATH: /cmb.js is where the script is"),
        ({"SCRIPT_PATH": "/hit"}, "SCRIPT_PATH: /hit is where hits come in"),
        ({"HIT_PATH": "/cmb.js", "SCRIPT_PATH": "/x"}, "HIT_PATH: /cmb.js is where the script is"),
    ],
)
def test_the_script_and_its_hits_are_not_in_one_place(said: dict[str, str], key: str) -> None:
    """The old tag's included. Seen to fail where it is not."""
    with pytest.raises(ConfigurationError, match=key):
        load_settings({f"CRUMBY_{name}": value for name, value in said.items()})


def test_the_paths_that_are_taken_are_those_of_the_routes() -> None:
    """A new page's has to be added. Planted: `/live` left out."""
    from starlette.routing import Mount, Route

    from crumby.app import create_app
    from crumby.ingest.routes import Paths
    from crumby.values import TAKEN

    app = create_app(Settings(secret_key="no secret of anybody's", sql_editor=True))
    own = {route.path for route in Paths().routes()} | {"/"}
    paths = {route.path for route in app.routes if isinstance(route, Route | Mount)} - own
    assert {path.split("/")[1] for path in paths} == TAKEN


def test_extras_are_words(cfg: Path) -> None:
    assert load_settings({"CRUMBY_TRACKER_EXTRAS": "vitals, Outbound 404"}).tracker_extras == (
        "outbound",
        "404",
        "vitals",
    )
    assert load(cfg, "TRACKER_EXTRAS = ['forms', 'forms', 404]").tracker_extras == ("forms", "404")
    assert load(cfg, "TRACKER_EXTRAS = None").tracker_extras == ()
    with pytest.raises(ConfigurationError, match="TRACKER_EXTRAS: there is no extra 'heatmap'; there are engagement,"):
        load_settings({"CRUMBY_TRACKER_EXTRAS": "forms heatmap"})
    with pytest.raises(ConfigurationError, match="TRACKER_EXTRAS: give words"):
        load(cfg, "TRACKER_EXTRAS = 5")

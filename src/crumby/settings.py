"""The configuration: one frozen `Settings`, read once from a file and the environment.

`CRUMBY_SETTINGS` names a file in Python's syntax, `crumby.cfg`: its upper-case names are the keys, and any
code in it runs. `CRUMBY_<KEY>` variables win over the file. Nothing is required.
"""

import logging
import os
import secrets
import tempfile
import traceback
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NamedTuple, Self, get_args
from zoneinfo import ZoneInfo

from sqlalchemy.engine import make_url

from crumby import values
from crumby.errors import ConfigurationError
from crumby.spelling import nearest

log = logging.getLogger(__name__)

ENVIRONMENT_ONLY = frozenset({"CRUMBY_SETTINGS"})  # names the file, so it can't stand in it

# Keys that a crumby.cfg of 0.7.1 may carry for Flask and its extensions: taken, and without effect here.
FLASK_KEYS = frozenset(
    """
    APPLICATION_ROOT BCRYPT_HANDLE_LONG_PASSWORDS BCRYPT_HASH_PREFIX BCRYPT_LOG_ROUNDS EXPLAIN_TEMPLATE_LOADING
    JSONIFY_MIMETYPE JSONIFY_PRETTYPRINT_REGULAR JSON_AS_ASCII JSON_SORT_KEYS LOGGER_HANDLER_POLICY LOGGER_NAME
    LOGIN_DISABLED MAX_CONTENT_LENGTH PERMANENT_SESSION_LIFETIME PREFERRED_URL_SCHEME PRESERVE_CONTEXT_ON_EXCEPTION
    PROPAGATE_EXCEPTIONS REMEMBER_COOKIE_DOMAIN REMEMBER_COOKIE_DURATION REMEMBER_COOKIE_HTTPONLY
    REMEMBER_COOKIE_NAME REMEMBER_COOKIE_PATH REMEMBER_COOKIE_SECURE SEND_FILE_MAX_AGE_DEFAULT SERVER_NAME
    SESSION_COOKIE_DOMAIN SESSION_COOKIE_HTTPONLY SESSION_COOKIE_NAME SESSION_COOKIE_PATH SESSION_PROTECTION
    SESSION_REFRESH_EACH_REQUEST SQLALCHEMY_BINDS SQLALCHEMY_COMMIT_ON_TEARDOWN SQLALCHEMY_MAX_OVERFLOW
    SQLALCHEMY_NATIVE_UNICODE SQLALCHEMY_POOL_RECYCLE SQLALCHEMY_POOL_SIZE SQLALCHEMY_POOL_TIMEOUT
    SQLALCHEMY_RECORD_QUERIES TEMPLATES_AUTO_RELOAD TESTING TRAP_BAD_REQUEST_ERRORS TRAP_HTTP_EXCEPTIONS
    USE_SESSION_FOR_NEXT USE_X_SENDFILE
    """.split()  # noqa: SIM905 - words, not punctuation
)


class Key(NamedTuple):
    read: Callable[[object], Any]  # raises ValueError, which says what to give
    meaning: str


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Each key of the configuration, its default, and what it means. The README's table is held to this.

    A plain dataclass: pydantic would take 7 MiB of each process that serves, for eighteen keys. Raises
    ConfigurationError, which names the key and what to give it.
    """

    domain: Annotated[
        str,
        Key(values.host, "Host (and port) that cmb.js sends its hits to. Empty: wherever the script came from."),
    ] = ""
    sqlalchemy_database_uri: Annotated[
        str,
        Key(values.database_url, "Database URL: SQLite, MySQL, MariaDB or PostgreSQL, in SQLAlchemy's syntax."),
    ] = "sqlite:///~/crumby.db"
    reports_database_uri: Annotated[
        str | None,
        Key(
            values.unset_or(values.database_url),
            "URL of a replica of that database, or of a ClickHouse that Crumby feeds, which reports ask in its place. "
            "Unset: there is none.",
        ),
    ] = None
    geoip2_database_name: Annotated[
        Path,
        Key(values.path, "The City database (.mmdb) that geolocates visits. Absent: places stay empty."),
    ] = Path("~/GeoLite2-City.mmdb")
    geoip2_refresh_days: Annotated[
        int,
        Key(values.whole(0, 366), "Days after which the server gets a new City database by itself. 0: never."),
    ] = 0
    geoip2_source: Annotated[
        str | None,
        Key(
            values.unset_or(values.text),
            "URL or file that it comes from. Unset: MaxMind's with an account, else DB-IP's.",
        ),
    ] = None
    maxmind_account_id: Annotated[
        str | None,
        Key(values.unset_or(values.number_or_text), "Account at MaxMind, for GeoLite2."),
    ] = None
    maxmind_license_key: Annotated[
        str | None,
        Key(values.unset_or(values.text), "Its licence key."),
    ] = None
    secret_key: Annotated[
        str | None,
        Key(
            values.unset_or(values.secret),
            "Signs what browsers keep of links and logins. Unset: one is made and kept, readable by its owner alone.",
        ),
    ] = None
    session_cookie_secure: Annotated[
        bool,
        Key(values.switch, "Send the session cookie over HTTPS only. Set it wherever TLS is in front."),
    ] = False
    proxy_count: Annotated[
        int,
        Key(values.whole(0, 10), "Proxies in front whose X-Forwarded-For to believe. 0: the peer's address."),
    ] = 0
    trusted_proxies: Annotated[
        tuple[str, ...],
        Key(
            values.networks,
            "Networks of the proxies to believe, in the place of PROXY_COUNT; 'unix' for those on a Unix socket.",
        ),
    ] = ()
    crossdomain_origin: Annotated[
        tuple[str, ...],
        Key(values.origins, "Site or sites (str or iterable) that may read the API and frame its panels. '*': any."),
    ] = ("*",)
    hit_path: Annotated[
        str,
        Key(values.place, "Path on this host that the script sends hits to. /hit goes on taking them as well."),
    ] = "/hit"
    script_path: Annotated[
        str,
        Key(values.place, "Path on this host of the script. It goes on being served at /cmb.js as well."),
    ] = "/cmb.js"
    tracker_extras: Annotated[
        tuple[str, ...],
        Key(values.extras, "Extras (words or iterable) that are on in the script without an attribute of its tag."),
    ] = ()
    bots: Annotated[
        Literal["off", "standard", "strict"],
        Key(
            values.one_of("off", "standard", "strict"),
            "Whose hits to refuse: 'standard' crawlers, prefetches, spammers; 'strict' servers, too; 'off' nobody's.",
        ),
    ] = "standard"
    rate_limit: Annotated[
        float,
        Key(values.rate(1e6), "Hits a second that one address may send, those of 15 seconds at once. 0: any number."),
    ] = 20.0
    daily_limit: Annotated[
        int,
        Key(values.whole(0, 1_000_000_000), "Hits that one address may send in a day (UTC). 0: any number."),
    ] = 200_000
    visitor_id: Annotated[
        Literal["cookie", "daily", "none"],
        Key(
            values.one_of("cookie", "daily", "none"),
            "How a visitor is known again: by a 'cookie', by a 'daily' hash that nobody can undo, or by 'none'.",
        ),
    ] = "cookie"
    ip_storage: Annotated[
        Literal["full", "masked", "none"],
        Key(
            values.one_of("full", "masked", "none"),
            "What is kept of an address, once it is geolocated: 'full', 'masked' (a.b.c.0, a:b:c::) or 'none'.",
        ),
    ] = "full"
    privacy_signals: Annotated[
        tuple[str, ...],
        Key(values.signals, "Signals of a browser whose visits are then not stored: 'gpc', 'dnt'. Empty: none."),
    ] = values.SIGNALS
    retention_days: Annotated[
        int,
        Key(values.whole(0, 36_500), "Days for which visits and events are kept; their totals stay. 0: for good."),
    ] = 0
    queries: Annotated[
        Path | None,
        Key(
            values.unset_or(values.path),
            "Your own query folder (public/ and private/ in it), laid over the shipped one.",
        ),
    ] = None
    time_zone: Annotated[
        str,
        Key(values.time_zone, "IANA time zone in which a report's days begin and end, unless the request says `tz`."),
    ] = "UTC"
    query_timeout: Annotated[
        float,
        Key(values.seconds(3600), "Seconds after which a report is stopped."),
    ] = 10.0
    query_row_limit: Annotated[
        int,
        Key(values.whole(1, 10_000_000), "Rows after which a report's answer is cut, and says so."),
    ] = 10_000
    sql_editor: Annotated[
        bool,
        Key(
            values.switch, "Let signed-in users ask in SQL of their own, at /query: read-only, with a report's limits."
        ),
    ] = False
    spool: Annotated[
        Path,
        Key(values.path, "File where hits wait while a database server is away. SQLite needs none."),
    ] = Path("~/crumby-spool.db")
    spool_limit: Annotated[
        int,
        Key(values.whole(1, 1_048_576), "MiB that the spool may grow to; beyond, hits are answered 503."),
    ] = 1024
    metrics_token: Annotated[
        str | None,
        Key(
            values.unset_or(values.token),
            "The bearer token with which a monitor may read /metrics. Unset: signed-in users and tokens may.",
        ),
    ] = None
    access_log: Annotated[
        Literal["off", "reports", "all"],
        Key(
            values.one_of("off", "reports", "all"),
            "A line for each request, without its query string: of 'all', of all but hits ('reports'), or 'off'.",
        ),
    ] = "off"
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"],
        Key(
            values.one_of("debug", "info", "warning", "error"),
            "The least that is logged: 'debug', 'info', 'warning' or 'error'. DEBUG has it be 'debug'.",
        ),
    ] = "info"
    log_format: Annotated[
        Literal["text", "json"],
        Key(values.one_of("text", "json"), "How it is logged: lines of 'text', or of 'json' for programs."),
    ] = "text"
    debug: Annotated[
        bool,
        Key(values.switch, "Log at debug level and reload query pages' templates."),
    ] = False
    sqlalchemy_echo: Annotated[
        bool,
        Key(values.switch, "Log every SQL statement to standard error."),
    ] = False
    sqlalchemy_track_modifications: Annotated[
        bool,
        Key(values.switch, "Accepted for 0.7.1's sake, without effect."),
    ] = False

    def __post_init__(self) -> None:
        for name, key in KEYS.items():
            try:
                object.__setattr__(self, name, key.read(getattr(self, name)))
            except ValueError as error:
                raise ConfigurationError(f"{name.upper()}: {error}") from None
        if self.trusted_proxies and self.proxy_count:
            raise ConfigurationError("TRUSTED_PROXIES: it takes the place of PROXY_COUNT; set one of the two")
        if bool(self.maxmind_account_id) != bool(self.maxmind_license_key):
            raise ConfigurationError("MAXMIND_ACCOUNT_ID: MaxMind takes both, it and MAXMIND_LICENSE_KEY")
        if self.script_path == "/hit":
            raise ConfigurationError("SCRIPT_PATH: /hit is where hits come in; choose another path")
        if self.hit_path in {self.script_path, "/cmb.js"}:
            raise ConfigurationError(f"HIT_PATH: {self.hit_path} is where the script is; choose another path")

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)

    def with_secret(self) -> Self:
        """These settings with a `secret_key`: the configured one, or one that is kept in a file.

        The file stands beside an SQLite database, else in the home folder, and has mode 0600. A configured one that
        somebody could guess is not used either, for it would open links with a password and half a login; nothing that
        is stored depends on it.
        """
        if self.secret_key and not values.is_guessable(self.secret_key):
            return self
        if self.secret_key:
            log.warning(
                "SECRET_KEY is short or well known, and is not used, but %s. Give 16 random characters, or none",
                self._secret_file(),
            )
        return replace(self, secret_key=persisted_secret(self._secret_file()))

    def _secret_file(self) -> Path:
        url = make_url(self.sqlalchemy_database_uri)
        if url.get_backend_name() == "sqlite" and url.database not in {None, "", ":memory:"}:
            return Path(url.database).expanduser().with_suffix(".secret")
        try:
            return Path("~/crumby.secret").expanduser()
        except RuntimeError:
            raise ConfigurationError("SECRET_KEY is not set, and there is no home folder to keep one in") from None


KEYS: Final[Mapping[str, Key]] = {each.name: get_args(each.type)[1] for each in fields(Settings)}


def load_settings(environ: Mapping[str, str] = os.environ) -> Settings:
    """The settings of this environment.

    Raises ConfigurationError, which names the key or the file and what to do about it.
    """
    said = {key: value for key, value in _from_file(environ).items() if key not in FLASK_KEYS}
    said |= {
        name.removeprefix("CRUMBY_"): value
        for name, value in environ.items()
        if name.startswith("CRUMBY_") and name not in ENVIRONMENT_ONLY and not name.startswith("CRUMBY_TEST_")
    }
    for key in said:
        if key.lower() not in KEYS:
            raise ConfigurationError(_unknown(key))
    return Settings(**{key.lower(): value for key, value in said.items()})


def _from_file(environ: Mapping[str, str]) -> dict[str, Any]:
    """The upper-case names that the file leaves behind, as Flask's `from_pyfile` took them."""
    name = environ.get("CRUMBY_SETTINGS")
    if not name:
        return {}
    path = Path(os.path.expanduser(name))  # noqa: PTH111 - Path's raises where there is no home
    module = types.ModuleType("crumby_cfg")
    module.__file__ = str(path)
    try:
        source = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"CRUMBY_SETTINGS: cannot read {path}: {error.strerror}") from None
    try:
        exec(compile(source, str(path), "exec"), module.__dict__)  # noqa: S102 - the operator's own file, Python by contract
    except (Exception, SystemExit) as error:
        raise ConfigurationError(f"{path}{_line(error, path)}: {type(error).__name__}: {error}") from error
    return {key: value for key, value in vars(module).items() if key.isupper() and not key.startswith("_")}


def _line(error: BaseException, path: Path) -> str:
    """Where in the file it happened. A SyntaxError says it itself."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    return f", line {lines[-1]}" if lines else ""


def _unknown(key: str) -> str:
    near = nearest(key, [name.upper() for name in KEYS])
    hint = f"did you mean {near}?" if near else "`crumby env` lists the keys there are"
    return f"{key}: there is no such key; {hint}"


def persisted_secret(path: Path) -> str:
    """The secret in `path`, made first if need be; processes that start at once agree on one."""
    try:
        if not path.exists():
            _write_once(path, secrets.token_urlsafe(32))
        secret = path.read_text("utf-8").strip()
    except OSError as error:
        raise ConfigurationError(f"SECRET_KEY is not set, and none can be kept in {path}: {error.strerror}") from None
    if not secret:
        raise ConfigurationError(f"{path} is empty; delete it, and a new secret is made")
    return secret


def _write_once(path: Path, text: str) -> None:
    """Write the whole file or none: a link fails where another process was first, a rename would not."""
    descriptor, name = tempfile.mkstemp(dir=path.parent)  # mode 0600
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text + "\n")
        Path(path).hardlink_to(name)
    except FileExistsError:
        pass
    finally:
        Path(name).unlink()


def shipped(folder: str) -> Path:
    """`queries`, `static` or `deployment`: inside the installed package, or at the top of a checkout."""
    package = Path(__file__).parent
    installed = package / "_shipped" / folder
    return installed if installed.is_dir() else package.parent.parent / folder

"""The configuration: one frozen `Settings`, read once from a file and the environment.

`CRUMBY_SETTINGS` names a file in Python's syntax, `crumby.cfg`: its upper-case names are the keys, and any
code in it runs. `CRUMBY_<KEY>` variables win over the file. Nothing is required.
"""

import difflib
import os
import secrets
import tempfile
import traceback
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple, Self, get_args
from zoneinfo import ZoneInfo

from sqlalchemy.engine import make_url

from crumby import values
from crumby.errors import ConfigurationError

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
    geoip2_database_name: Annotated[
        Path,
        Key(values.path, "The City database (.mmdb) that geolocates visits. Absent: places stay empty."),
    ] = Path("~/GeoLite2-City.mmdb")
    secret_key: Annotated[
        str | None,
        Key(
            values.unset_or(values.secret),
            "Signs the sessions. Unset: one is made and kept, readable by its owner alone.",
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
    crossdomain_origin: Annotated[
        tuple[str, ...],
        Key(values.origins, "Site or sites (a string or an iterable) that may read the API from a browser. '*': any."),
    ] = ("*",)
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
            "The bearer token with which a monitor may read /metrics. Unset: only signed-in users may.",
        ),
    ] = None
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

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)

    def with_secret(self) -> Self:
        """These settings with a `secret_key`: the configured one, or one that is kept in a file.

        The file stands beside an SQLite database, else in the home folder, and has mode 0600.
        """
        if self.secret_key:
            return self
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
    near = difflib.get_close_matches(key, [name.upper() for name in KEYS], n=1)
    hint = f"did you mean {near[0]}?" if near else "`crumby env` lists the keys there are"
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
    """`queries` or `static`: inside the installed package, or at the top of a checkout."""
    package = Path(__file__).parent
    installed = package / "_shipped" / folder
    return installed if installed.is_dir() else package.parent.parent / folder

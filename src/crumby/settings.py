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
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from crumby.errors import ConfigurationError

# FastAPI has forty models of the OpenAPI document, which Crumby makes by itself: 70 ms and 1 MiB, if built at import.
BaseModel.model_config["defer_build"] = True

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


class Settings(BaseModel):
    """Each key of the configuration, its default, and what it means. The README's table is held to this."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    domain: Annotated[
        str,
        Field(description="Host (and port) that cmb.js sends its hits to. Empty: wherever the script came from."),
    ] = ""
    sqlalchemy_database_uri: Annotated[
        str,
        Field(description="Database URL: SQLite, MySQL, MariaDB or PostgreSQL, in SQLAlchemy's syntax."),
    ] = "sqlite:///~/crumby.db"
    geoip2_database_name: Annotated[
        Path,
        Field(description="The City database (.mmdb) that geolocates visits. Absent: places stay empty."),
    ] = Path("~/GeoLite2-City.mmdb")
    secret_key: Annotated[
        str | None,
        Field(description="Signs the sessions. Unset: one is made and kept, readable by its owner alone."),
    ] = None
    session_cookie_secure: Annotated[
        bool,
        Field(description="Send the session cookie over HTTPS only. Set it wherever TLS is in front."),
    ] = False
    proxy_count: Annotated[
        int,
        Field(
            ge=0,
            le=10,
            description="Proxies in front whose X-Forwarded-For to believe. 0: the peer's address.",
        ),
    ] = 0
    crossdomain_origin: Annotated[
        tuple[str, ...],
        Field(description="Site or sites (a string or an iterable) that may read the API from a browser. '*': any."),
    ] = ("*",)
    queries: Annotated[
        Path | None,
        Field(description="Your own query folder (public/ and private/ in it), laid over the shipped one."),
    ] = None
    time_zone: Annotated[
        str,
        Field(description="IANA time zone in which a report's days begin and end, unless the request says `tz`."),
    ] = "UTC"
    query_timeout: Annotated[
        float,
        Field(gt=0, le=3600, description="Seconds after which a report is stopped."),
    ] = 10.0
    query_row_limit: Annotated[
        int,
        Field(ge=1, le=10_000_000, description="Rows after which a report's answer is cut, and says so."),
    ] = 10_000
    sql_editor: Annotated[
        bool,
        Field(description="Let signed-in users ask in SQL of their own, at /query: read-only, with a report's limits."),
    ] = False
    spool: Annotated[
        Path,
        Field(description="File where hits wait while a database server is away. SQLite needs none."),
    ] = Path("~/crumby-spool.db")
    spool_limit: Annotated[
        int,
        Field(ge=1, le=1_048_576, description="MiB that the spool may grow to; beyond, hits are answered 503."),
    ] = 1024
    metrics_token: Annotated[
        str | None,
        Field(
            min_length=16,
            description="The bearer token with which a monitor may read /metrics. Unset: only signed-in users may.",
        ),
    ] = None
    debug: Annotated[
        bool,
        Field(description="Log at debug level and reload query pages' templates."),
    ] = False
    sqlalchemy_echo: Annotated[
        bool,
        Field(description="Log every SQL statement to standard error."),
    ] = False
    sqlalchemy_track_modifications: Annotated[
        bool,
        Field(description="Accepted for 0.7.1's sake, without effect."),
    ] = False

    @field_validator("domain")
    @classmethod
    def _bare_host(cls, value: str) -> str:
        host = value.strip().removeprefix("https://").removeprefix("http://").strip("/")
        if any(character in host for character in " \"'\\<>?#@"):
            raise ValueError("give a host such as 'stats.example.com', with a port where it needs one")
        return host

    @field_validator("sqlalchemy_database_uri")
    @classmethod
    def _parsable(cls, value: str) -> str:
        try:
            url = make_url(value)
        except (ArgumentError, ValueError):  # the latter: a port that is no number
            raise ValueError("not a database URL; one looks like 'sqlite:////var/lib/crumby/crumby.db'") from None
        if url.get_backend_name() == "sqlite" and url.database:
            _expanded(Path(url.database))
        return value

    @field_validator("queries", "secret_key", "metrics_token", mode="before")
    @classmethod
    def _empty_is_unset(cls, value: object) -> object:
        """`CRUMBY_QUERIES=` is no folder, above all not the one that the server was started in."""
        return value or None

    @field_validator("geoip2_database_name", "queries", "spool")
    @classmethod
    def _home(cls, value: Path | None) -> Path | None:
        return value and _expanded(value)

    @field_validator("crossdomain_origin", mode="before")
    @classmethod
    def _origins(cls, value: object) -> object:
        """`'a.com, b.com'`, `['a.com', 'b.com']` and `''` → `('a.com', 'b.com')`, the same, and `()`."""
        origins = value.split(",") if isinstance(value, str) else value or ()
        if isinstance(origins, (list, tuple, set, frozenset)):
            return tuple(str(origin).strip().rstrip("/") for origin in origins if str(origin).strip())
        return origins

    @field_validator("secret_key", mode="before")
    @classmethod
    def _bytes_of_any_kind(cls, value: object) -> object:
        """`os.urandom(24)`, as many a crumby.cfg of 0.7.1 has it, is rarely UTF-8."""
        return value.decode("latin-1") if isinstance(value, bytes) else value

    @field_validator(
        "session_cookie_secure",
        "sql_editor",
        "debug",
        "sqlalchemy_echo",
        "sqlalchemy_track_modifications",
        mode="before",
    )
    @classmethod
    def _none_is_off(cls, value: object) -> object:
        return False if value is None else value

    @field_validator("time_zone")
    @classmethod
    def _zone_exists(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"no time zone {value!r}; one is 'Europe/Berlin'") from None
        return value

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)

    def with_secret(self) -> Self:
        """These settings with a `secret_key`: the configured one, or one that is kept in a file.

        The file stands beside an SQLite database, else in the home folder, and has mode 0600.
        """
        if self.secret_key:
            return self
        return self.model_copy(update={"secret_key": persisted_secret(self._secret_file())})

    def _secret_file(self) -> Path:
        url = make_url(self.sqlalchemy_database_uri)
        if url.get_backend_name() == "sqlite" and url.database not in {None, "", ":memory:"}:
            return Path(url.database).expanduser().with_suffix(".secret")
        try:
            return Path("~/crumby.secret").expanduser()
        except RuntimeError:
            raise ConfigurationError("SECRET_KEY is not set, and there is no home folder to keep one in") from None


def _expanded(path: Path) -> Path:
    """Raises ValueError where an account has no home folder, or a name has no account."""
    try:
        return path.expanduser()
    except RuntimeError:
        raise ValueError(f"there is no home folder for the ~ of {path}; write the whole path") from None


def load_settings(environ: Mapping[str, str] = os.environ) -> Settings:
    """The settings of this environment.

    Raises ConfigurationError, which names the key or the file and what to do about it.
    """
    values = {key: value for key, value in _from_file(environ).items() if key not in FLASK_KEYS}
    values |= {
        name.removeprefix("CRUMBY_"): value
        for name, value in environ.items()
        if name.startswith("CRUMBY_") and name not in ENVIRONMENT_ONLY and not name.startswith("CRUMBY_TEST_")
    }
    for key in values:
        if key.lower() not in Settings.model_fields:
            raise ConfigurationError(_unknown(key))
    try:
        return Settings(**{key.lower(): value for key, value in values.items()})
    except ValidationError as error:
        first = error.errors()[0]
        key = str(first["loc"][0]).upper()
        raise ConfigurationError(f"{key}: {first['msg'].removeprefix('Value error, ')}") from None


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
    near = difflib.get_close_matches(key, [field.upper() for field in Settings.model_fields], n=1)
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

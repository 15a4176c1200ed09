"""What a tracker sent, parsed and bounded: two wires in, one `Hit` out.

**v1**, the pixel of 0.7.1's script: `GET /<integer>.gif?v=1&t=visit&cid=…&dl=…`. **v2**, a small JSON document or an
array of them: `POST /hit`, or its keys as a query: `GET /hit?t=visit&dl=…`, which a page without a script can ask for
as well. The short keys of both end here.

    v  wire version      t   visit | event …       id  hit id, 32 hex digits   cid  visitor, by cookie
    ul language          sd  screen depth          sr  screen resolution       de   page encoding
    dl page URI          dt  page title            dr  referrer                en   event name
    ev event value       ep  event properties      tg  tag                     ago  milliseconds since it happened

v2 may leave `cid` out, or empty: then the server names the visitor (`visitor.py`), and it is empty here.

An `engagement` (v2 only) is no hit of its own. It tells more of the visit that its id names, and comes when the page is
hidden or left; sent again it changes nothing:

    es seconds in which the page was seen and in focus      sp percent of the page that was scrolled into view

Who has a token, such as a server that counts for others, may say more, and send more at once:

    ip the visitor's address       ua their User-Agent      at  when it happened: RFC 3339, or milliseconds since 1970
"""

import hashlib
import json
import os
import re
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, NamedTuple, cast
from urllib.parse import parse_qsl, unquote

import msgspec

from crumby.errors import HitTooLarge, InvalidHit, InvalidToken
from crumby.ingest.client import HEADER_LENGTH, normalised
from crumby.ingest.properties import properties
from crumby.ingest.text import clean, is_well_formed

MAX_BODY: Final = 64 * 1024  # bytes; what `fetch` with keepalive may carry
MAX_QUERY: Final = 16 * 1024  # bytes
MAX_HITS: Final = 100  # in one array
MAX_TAG: Final = 64  # characters
MAX_AGO: Final = 24 * 60 * 60 * 1000  # ms; what an offline queue keeps
MAX_ENGAGED: Final = 24 * 60 * 60  # seconds
WHOLE: Final = 100  # percent

FOREIGN: Final = re.compile(r"[^\w.\-]", re.ASCII)
ESCAPES: Final = re.compile("(?:%[0-9A-Fa-f]{2})+")
MEANINGFUL: Final = frozenset("!#$%&'()*+,/:;=?@[]")  # RFC 3986's reserved characters, and the sign of an escape
VISITOR: Final = re.compile(r"[\w.\-]{1,32}", re.ASCII)
HIT_ID: Final = re.compile(r"[0-9a-f]{32}")

TEXT_KEYS: Final = ("ul", "sd", "sr", "de", "dl", "dt", "dr", "en", "ev", "tg")
TOKEN_KEYS: Final = ("ip", "ua", "at")
EARLIEST: Final = datetime(2000, 1, 1)  # noqa: DTZ001 - UTC throughout
AHEAD: Final = timedelta(minutes=5)  # that another server's clock may be

V1_TEXTS: Final = TEXT_KEYS[:-1]

NUMBER: Final = re.compile(r"[0-9]{1,9}")
NUMBER_OF_MS: Final = re.compile(r"[0-9]{1,15}")

EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001
MILLISECOND: Final = timedelta(milliseconds=1)
LAST_MS: Final = 1 << 47  # the year 6429

Kind = Literal["visit", "event", "engagement"]


class Limits(NamedTuple):
    """What a sender may ask for."""

    body: int = MAX_BODY  # bytes
    hits: int = MAX_HITS
    trusted: bool = False  # has a token


ANYBODY: Final = Limits()
BEARER: Final = Limits(1024 * 1024, 1000, trusted=True)


class Hit(msgspec.Struct, frozen=True, gc=False):
    """One visit, event or engagement as its page told it. Text is clean and cut; None is what the page did not tell."""

    kind: Kind
    id: bytes  # 16 of them
    cid: str
    datetime: datetime  # UTC
    uri: str | None
    title: str | None
    referrer: str | None = None
    encoding: str | None = None
    screen_res: str | None = None
    screen_depth: str | None = None
    lang: str | None = None
    name: str | None = None
    value: str | None = None
    engaged: int | None = None  # seconds
    scroll: int | None = None  # percent
    properties: str | None = None  # JSON
    tag: str | None = None
    ip: str | None = None  # with the next, of a document that speaks for somebody else than who sent it
    user_agent: str | None = None


class Document(msgspec.Struct, gc=False):
    """The v2 wire. Unknown keys are passed over: a newer script may say more."""

    t: Kind
    id: str = ""
    cid: str = ""
    ul: str | None = None
    sd: str | None = None
    sr: str | None = None
    de: str | None = None
    dl: str | None = None
    dt: str | None = None
    dr: str | None = None
    en: str | None = None
    ev: str | None = None
    es: int | None = None
    sp: int | None = None
    ago: int = 0
    ep: msgspec.Raw = msgspec.Raw()
    tg: str | None = None
    ip: str | None = None
    ua: str | None = None
    at: datetime | int | None = None


_decoder: Final = msgspec.json.Decoder(list[Document] | Document)


def parse_documents(body: bytes, now: datetime, limits: Limits = ANYBODY) -> list[Hit]:
    """The hits of a v2 body; all of them, or InvalidHit for the first one that does not fit."""
    if len(body) > limits.body:
        raise HitTooLarge(f"the body is longer than {limits.body} bytes")
    try:
        decoded = _decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidHit(_culprit(body) or str(error) or type(error).__name__) from None
    documents = decoded if isinstance(decoded, list) else [decoded]
    if not 1 <= len(documents) <= limits.hits:
        raise InvalidHit(f"an array holds 1 to {limits.hits} hits, not {len(documents)}")
    for document in documents:
        _make_readable(document)
    if limits.trusted:
        return [_trusted(document, now) for document in documents]
    return [_hit(document, now) for document in documents]


def _culprit(body: bytes) -> str | None:
    """The key of what is no JSON, though some programs take it for such; None where it is something else."""

    def look(pairs: list[tuple[str, Any]]) -> None:
        for key, value in pairs:
            if isinstance(value, _NoNumber):
                raise InvalidHit(f"{key[:MAX_TAG]!r} is {value}, and JSON has no such number")
            if isinstance(value, str) and not is_well_formed(value):
                raise InvalidHit(f"{key[:MAX_TAG]!r} holds a half of a character: cut text between characters")

    try:
        json.loads(body, object_pairs_hook=look, parse_constant=_NoNumber, parse_int=str, parse_float=str)
    except InvalidHit as error:
        return str(error)
    except (ValueError, RecursionError):
        pass
    return None


class _NoNumber(str):
    __slots__ = ()


def parse_query(number: str, query: bytes, now: datetime) -> Hit:
    """The hit of a pixel request: `number` is the GIF's name, `query` what stands behind the question mark.

    An `id` key gives the hit id, as the v2 script's own pixel does. Without one, the id is made of the visitor, the
    number and the day, so that a request that is sent again is the same hit.
    """
    keys = _keys(query)
    if keys.get("v", "1") != "1":
        document = _document(keys, keys.get("t"))
        if document.t != "engagement" and not document.id:
            document.id = _v1_id(document.cid, number, now) if document.cid else _new_id(now)
        return _hit(document, now)
    kind = keys.get("t")
    if kind not in {"visit", "event"}:
        raise InvalidHit(f"t is 'visit' or 'event', not {kind!r}")
    cid = FOREIGN.sub("", keys.get("cid", ""))[-32:]  # the script sends what another one may have put into the cookie
    if not cid:
        raise InvalidHit("cid is missing")
    texts: dict[str, Any] = {key: keys.get(key) for key in V1_TEXTS}
    document = Document(t=cast("Kind", kind), id=keys.get("id") or _v1_id(cid, number, now), cid=cid, **texts)
    if kind == "visit":
        _decode_again(document)
    return _hit(document, now)


def parse_pixel(query: bytes, now: datetime, page: str | None, limits: Limits = ANYBODY) -> Hit:
    """The hit of an image on a page without a script: of what it does not say, it is a visit of the `page` it is on.

    Without an `id` each request is another hit.
    """
    keys = _keys(query)
    document = _document(keys, keys.get("t", "visit"))
    if not document.dl:
        document.dl = readable(page)
    if not document.id and document.t != "engagement":
        document.id = _new_id(now)
    document.ip, document.ua = keys.get("ip"), keys.get("ua")
    if not limits.trusted:
        document.at = 0 if "at" in keys else None  # to be refused
        return _hit(document, now)
    document.at = _at(keys["at"]) if "at" in keys else None
    return _trusted(document, now)


def _keys(query: bytes) -> dict[str, str]:
    if len(query) > MAX_QUERY:
        raise HitTooLarge(f"the query is longer than {MAX_QUERY} bytes")
    try:
        pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True, max_num_fields=50)
    except ValueError as error:
        raise InvalidHit(str(error)) from None
    return dict(reversed(pairs))  # of a key that is given twice, the first counts


def _document(keys: dict[str, str], kind: str | None) -> Document:
    """The v2 document that a query says."""
    if kind not in {"visit", "event", "engagement"}:
        raise InvalidHit(f"t is 'visit', 'event' or 'engagement', not {kind!r}")
    texts: dict[str, Any] = {key: keys.get(key) for key in TEXT_KEYS}
    document = Document(t=cast("Kind", kind), id=keys.get("id", ""), cid=keys.get("cid", ""), **texts)
    if kind == "engagement":
        document.es, document.sp = _number(keys.get("es")), _number(keys.get("sp"))
    if keys.get("ep"):
        document.ep = msgspec.Raw(keys["ep"])
    if keys.get("ago"):
        document.ago = -1 if (ago := _number(keys["ago"])) is None else ago
    _make_readable(document)
    return document


def _at(text: str) -> datetime | int:
    if NUMBER_OF_MS.fullmatch(text):
        return int(text)
    try:
        return msgspec.convert(text, datetime)
    except msgspec.ValidationError as error:
        raise InvalidHit(f"at: {error}") from None


def _number(text: str | None) -> int | None:
    return int(text) if text and NUMBER.fullmatch(text) else None


def _decode_again(document: Document) -> None:
    """0.7.1 took the percent signs out of a visit's addresses twice (of an event's once); old and new rows stay alike.

    It did so in Latin-1, which is not repeated: `/caf%C3%A9` is `/café`.
    """
    document.dl = document.dl and unquote(document.dl)
    document.dr = document.dr and unquote(document.dr)


def _make_readable(document: Document) -> None:
    """Most addresses are, and a call for each would take a tenth of a microsecond."""
    if document.dl and "%" in document.dl:
        document.dl = readable(document.dl)
    if document.dr and "%" in document.dr:
        document.dr = readable(document.dr)


def readable(address: str | None) -> str | None:
    """The address as a person writes it, and as 0.7.1 stored it: `/caf%C3%A9/a%20b` → `/café/a b`.

    What has a meaning in an address keeps its escape (`%2F`, `%26`), and so does what is no UTF-8.
    """
    if not address or "%" not in address:
        return address
    return ESCAPES.sub(_unescaped, address)


def _unescaped(escapes: re.Match[str]) -> str:
    octets = bytes.fromhex(escapes[0].replace("%", ""))
    try:
        text = octets.decode()
    except UnicodeDecodeError:
        return escapes[0]
    return "".join(f"%{ord(character):02X}" if character in MEANINGFUL else character for character in text)


def _v1_id(cid: str, number: str, now: datetime) -> str:
    """Six bytes of time, for the index's sake, and ten of hash."""
    day_ms = int((now.date() - datetime(1970, 1, 1).date()).total_seconds() * 1000)  # noqa: DTZ001 - UTC throughout
    return f"{day_ms:012x}" + hashlib.blake2b(f"{cid}/{number}".encode(errors="replace"), digest_size=10).hexdigest()


def _new_id(now: datetime) -> str:
    """Six bytes of time, and ten that nobody else has."""
    return f"{(now - EPOCH) // MILLISECOND:012x}{os.urandom(10).hex()}"


def _trusted(document: Document, now: datetime) -> Hit:
    """The hit of somebody who has a token."""
    document.id = document.id or _new_id(now)
    at, ip, user_agent = document.at, document.ip, document.ua
    document.at = document.ip = document.ua = None
    hit = _hit(document, now)
    if at is None and ip is None and user_agent is None:
        return hit
    return msgspec.structs.replace(
        hit,
        datetime=hit.datetime if at is None else _moment(at, now),
        ip=None if ip is None else _address(ip),
        user_agent=clean(user_agent, HEADER_LENGTH),
    )


def _address(ip: str) -> str:
    address = normalised(ip.strip())
    if address is None:
        raise InvalidHit(f"ip is no address: {ip[:60]!r}")
    return address


def _moment(at: datetime | int, now: datetime) -> datetime:
    """When it happened, in UTC, without a zone."""
    if isinstance(at, int):
        moment = EPOCH + at * MILLISECOND if 0 <= at <= LAST_MS else None
    elif at.tzinfo is None:
        raise InvalidHit("at has no offset: write 2026-01-31T12:00:00Z or 2026-01-31T13:00:00+01:00")
    else:
        moment = at.astimezone(UTC).replace(tzinfo=None) if EARLIEST.year - 1 <= at.year <= now.year + 1 else None
    if moment is None or not EARLIEST <= moment <= now + AHEAD:
        raise InvalidHit("at is before the year 2000, or more than five minutes ahead")
    return moment


def _hit(document: Document, now: datetime) -> Hit:
    if not HIT_ID.fullmatch(document.id):
        raise InvalidHit("id is not 32 lower-case hexadecimal digits")
    if document.cid and not VISITOR.fullmatch(document.cid):
        raise InvalidHit("cid is not 1 to 32 letters, digits, dots, dashes or underscores")
    if not 0 <= document.ago <= MAX_AGO:
        raise InvalidHit(f"ago is not 0 to {MAX_AGO} milliseconds")
    if document.t == "visit" and not document.dl:
        raise InvalidHit("dl, the page's address, is missing")
    if document.t == "event" and not document.en:
        raise InvalidHit("en, the event's name, is missing")
    if not (document.ip is None and document.ua is None and document.at is None):
        told = next(key for key in TOKEN_KEYS if getattr(document, key) is not None)
        raise InvalidToken(f"{told} is for who sends a token of scope ingest: `Authorization: Bearer …`")
    if document.t == "engagement":
        _check_engagement(document)
    return Hit(  # in the order of the fields: fifteen names would take msgspec 0.7 µs, this takes 0.1
        document.t,
        bytes.fromhex(document.id),
        document.cid,
        now - timedelta(milliseconds=document.ago) if document.ago else now,
        clean(document.dl),
        clean(document.dt),
        clean(document.dr),
        clean(document.de, 25),
        clean(document.sr, 25),
        clean(document.sd, 10),
        clean(document.ul, 10),
        document.en and clean(document.en),
        document.ev and clean(document.ev),
        document.es,
        document.sp,
        properties(document.ep) if document.ep else None,
        document.tg and clean(document.tg, MAX_TAG),
    )


def _check_engagement(document: Document) -> None:
    if document.es is None or not 0 <= document.es <= MAX_ENGAGED:
        raise InvalidHit(f"es is not 0 to {MAX_ENGAGED} seconds")
    if document.sp is None or not 0 <= document.sp <= WHOLE:
        raise InvalidHit("sp is not 0 to 100 percent")

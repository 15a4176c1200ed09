"""What a tracker sent, parsed and bounded: two wires in, one `Hit` out.

**v1**, the pixel of 0.7.1's script: `GET /<integer>.gif?v=1&t=visit&cid=…&dl=…`. **v2**, a small JSON document or an
array of them: `POST /hit`. The short keys of both end here.

    v  wire version      t   visit | event …       id  hit id, 32 hex digits   cid  visitor, by cookie
    ul language          sd  screen depth          sr  screen resolution       de   page encoding
    dl page URI          dt  page title            dr  referrer                en   event name
    ev event value       ago milliseconds since it happened

An `engagement` (v2 only) is no hit of its own. It tells more of the visit that its id names, and comes when the page is
hidden or left; sent again it changes nothing:

    es seconds in which the page was seen and in focus      sp percent of the page that was scrolled into view
"""

import hashlib
import re
from datetime import datetime, timedelta
from typing import Any, Final, Literal, cast
from urllib.parse import parse_qsl, unquote

import msgspec

from crumby.errors import HitTooLarge, InvalidHit

MAX_BODY: Final = 64 * 1024  # bytes; what `fetch` with keepalive may carry
MAX_QUERY: Final = 16 * 1024  # bytes
MAX_HITS: Final = 100  # in one array
MAX_TEXT: Final = 2048  # characters of a title, an address or a value; the rest is cut
MAX_AGO: Final = 24 * 60 * 60 * 1000  # ms; what an offline queue keeps
MAX_ENGAGED: Final = 24 * 60 * 60  # seconds
WHOLE: Final = 100  # percent

CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f\x80-\x9f\ud800-\udfff]+")
FOREIGN: Final = re.compile(r"[^\w.\-]", re.ASCII)
ESCAPES: Final = re.compile("(?:%[0-9A-Fa-f]{2})+")
MEANINGFUL: Final = frozenset("!#$%&'()*+,/:;=?@[]")  # RFC 3986's reserved characters, and the sign of an escape
VISITOR: Final = re.compile(r"[\w.\-]{1,32}", re.ASCII)
HIT_ID: Final = re.compile(r"[0-9a-f]{32}")

TEXT_KEYS: Final = ("ul", "sd", "sr", "de", "dl", "dt", "dr", "en", "ev")

NUMBER: Final = re.compile(r"[0-9]{1,9}")

Kind = Literal["visit", "event", "engagement"]


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


class Document(msgspec.Struct, gc=False):
    """The v2 wire. Unknown keys are passed over: a newer script may say more."""

    id: str
    t: Kind
    cid: str
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


_decoder: Final = msgspec.json.Decoder(list[Document] | Document)


def parse_documents(body: bytes, now: datetime) -> list[Hit]:
    """The hits of a v2 body; all of them, or InvalidHit for the first one that does not fit."""
    if len(body) > MAX_BODY:
        raise HitTooLarge(f"the body is longer than {MAX_BODY} bytes")
    try:
        decoded = _decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidHit(str(error) or type(error).__name__) from None
    documents = decoded if isinstance(decoded, list) else [decoded]
    if not 1 <= len(documents) <= MAX_HITS:
        raise InvalidHit(f"an array holds 1 to {MAX_HITS} hits, not {len(documents)}")
    for document in documents:
        _make_readable(document)
    return [_hit(document, now) for document in documents]


def parse_query(number: str, query: bytes, now: datetime) -> Hit:
    """The hit of a pixel request: `number` is the GIF's name, `query` what stands behind the question mark.

    An `id` key gives the hit id, as the v2 script's own pixel does. Without one, the id is made of the visitor, the
    number and the day, so that a request that is sent again is the same hit.
    """
    if len(query) > MAX_QUERY:
        raise HitTooLarge(f"the query is longer than {MAX_QUERY} bytes")
    try:
        pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True, max_num_fields=50)
    except ValueError as error:
        raise InvalidHit(str(error)) from None
    keys = dict(reversed(pairs))  # of a key that is given twice, the first counts
    old = keys.get("v", "1") == "1"
    kind = keys.get("t")
    if kind not in {"visit", "event"} and (old or kind != "engagement"):
        raise InvalidHit(f"t is 'visit' or 'event', not {kind!r}")
    cid = keys.get("cid", "")
    if old:  # whose script sends what another one may have put into the cookie
        cid = FOREIGN.sub("", cid)[-32:]
    if not cid:
        raise InvalidHit("cid is missing")
    texts: dict[str, Any] = {key: keys.get(key) for key in TEXT_KEYS}
    document = Document(id=keys.get("id", ""), t=cast("Kind", kind), cid=cid, **texts)
    if kind == "engagement":
        document.es, document.sp = _number(keys.get("es")), _number(keys.get("sp"))
    else:
        document.id = document.id or _v1_id(document.cid, number, now)
    if not old:
        _make_readable(document)
    elif kind == "visit":
        _decode_again(document)
    return _hit(document, now)


def _number(text: str | None) -> int | None:
    return int(text) if text and NUMBER.fullmatch(text) else None


def _decode_again(document: Document) -> None:
    """0.7.1 took the percent signs out of a visit's addresses twice (of an event's once); old and new rows stay alike.

    It did so in Latin-1, which is not repeated: `/caf%C3%A9` is `/café`.
    """
    document.dl = document.dl and unquote(document.dl)
    document.dr = document.dr and unquote(document.dr)


def _make_readable(document: Document) -> None:
    document.dl = readable(document.dl)
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


def _hit(document: Document, now: datetime) -> Hit:
    if not HIT_ID.fullmatch(document.id):
        raise InvalidHit("id is not 32 lower-case hexadecimal digits")
    if not VISITOR.fullmatch(document.cid):
        raise InvalidHit("cid is not 1 to 32 letters, digits, dots, dashes or underscores")
    if not 0 <= document.ago <= MAX_AGO:
        raise InvalidHit(f"ago is not 0 to {MAX_AGO} milliseconds")
    if document.t == "visit" and not document.dl:
        raise InvalidHit("dl, the page's address, is missing")
    if document.t == "event" and not document.en:
        raise InvalidHit("en, the event's name, is missing")
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
        clean(document.en),
        clean(document.ev),
        document.es,
        document.sp,
    )


def _check_engagement(document: Document) -> None:
    if document.es is None or not 0 <= document.es <= MAX_ENGAGED:
        raise InvalidHit(f"es is not 0 to {MAX_ENGAGED} seconds")
    if document.sp is None or not 0 <= document.sp <= WHOLE:
        raise InvalidHit("sp is not 0 to 100 percent")


def clean(text: str | None, length: int = MAX_TEXT) -> str | None:
    """The text without control characters and outer space, at most `length` characters.

    What databases disagree on (NUL, lone surrogates, trailing blanks) never reaches one.
    """
    if not text:
        return text
    if not text.isprintable():
        text = CONTROLS.sub(" ", text)
    text = text.strip()
    return text if len(text) <= length else text[:length].rstrip()

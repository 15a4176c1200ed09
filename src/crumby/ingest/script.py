"""cmb.js as it is sent: the core and the pieces that its address names, as one script.

    /cmb.js                       the core
    /cmb.js?outbound&vitals       the core and two pieces; ?all has all of them
    /cmb.js?outbound?only         all others, as the core asks for them when it needs more than it came with
    /cmb.js?only&vitals           the piece alone
    /opt-out.js                   a button for the page on which a site tells of privacy

The pieces are the minified files of static/tracker/min. Where hits go, which extras are on for all, which signals of a
browser are heeded and whether there is a cookie are put in, and nothing of the request but its path and these words,
never a header. Each combination is packed once and kept.
"""

import gzip
import hashlib
import json
import re
from collections import OrderedDict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

import brotli
from starlette._utils import get_route_path
from starlette.requests import Request
from starlette.responses import Response

from crumby.settings import shipped

PLACEHOLDER: Final = "__DEFAULTS__"
MAX_AGE: Final = 900  # seconds, as 0.7.1 had it
KEPT: Final = 64  # packed combinations; each is 5 kB at the most
MAX_WORDS: Final = 10  # that nobody knows, and that the script's head names

EXTRAS: Final = ("engagement", "outbound", "downloads", "forms", "404", "vitals", "elements")
PIECES: Final = ("options", *EXTRAS, "again")  # in this order: options see a hit last
OTHERS: Final = ("forget", "opt-out")  # what no address names: the core's words of no cookie, and a script of its own
START: Final = "cmb.start()"  # once all pieces of a script are there
SIGNS: Final = {"gpc": "globalPrivacyControl", "dnt": "doNotTrack"}  # of `navigator`, by the words of PRIVACY_SIGNALS
OPTIONS: Final = frozenset(  # attributes of the tag, as a script names them, that the options' piece is for
    (
        "beforeSend",
        "canonical",
        "dnt",
        "domains",
        "exclude",
        "excludeHash",
        "excludeSearch",
        "hash",
        "include",
        "local",
        "tag",
    )
)
NOT_AGAIN: Final = frozenset(PIECES) - {"again"}  # which replaces what asks for the others, so it comes with all
ATTRIBUTES: Final = frozenset(("", "api", "auto", "cid", "all"))  # and words that are no piece
WORD: Final = re.compile(r"[\w.\-]{1,40}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Packed:
    etag: str
    bodies: dict[str, bytes]  # by Content-Encoding


class Script:
    """`domain` is the configured one, or "" for wherever the script came from; `extras` are on for all pages.

    `signals` are those of the browser that are heeded. Without `cookies` none is set, whatever a page's tag says.
    """

    def __init__(
        self,
        domain: str,
        hit_path: str = "/hit",
        extras: Iterable[str] = (),
        *,
        signals: Iterable[str] = tuple(SIGNS),
        cookies: bool = True,
    ) -> None:
        folder = shipped("static") / "tracker" / "min"
        self._texts = {
            name: heeding((folder / f"{name}.js").read_text("utf-8"), frozenset(signals))
            for name in ("core", *PIECES, *OTHERS)
        }
        self._before = "" if cookies else self._texts["forget"]
        self._domain, self._hit_path = domain, hit_path
        self._extras = frozenset(extras)
        self._opt_out = pack(self._texts["opt-out"])
        self._packed: OrderedDict[tuple[int, bool, frozenset[str]], Packed] = OrderedDict()

    async def serve(self, request: Request) -> Response:
        path = get_route_path(request.scope)
        packed = self.packed(request.scope["query_string"].decode("latin-1"), depth=path.count("/") - 1)
        return _sent(request, packed)

    async def serve_opt_out(self, request: Request) -> Response:
        return _sent(request, self._opt_out)

    def packed(self, query: str = "", depth: int = 0) -> Packed:
        """The script for what stands behind its `?`; `depth` is the number of folders that its path is in."""
        had, only, words = query.partition("only")
        named = words_of(words if only else had)
        pieces = pieces_of(named)
        if not only:
            pieces |= self._extras
        elif not pieces:
            pieces = frozenset(PIECES) - pieces_of(words_of(had)) - self._extras
        unknown = [word for word in named if not piece_of(word) and word not in ATTRIBUTES]
        if unknown:  # anybody can ask for any number of them: not kept, and packed in haste
            return pack(_head(unknown) + self._text(depth, pieces, only=bool(only)), in_haste=True)
        key = depth, bool(only), pieces
        if key not in self._packed:
            self._packed[key] = pack(self._text(depth, pieces, only=bool(only)))
            if len(self._packed) > KEPT:
                self._packed.popitem(last=False)
        return self._packed[key]

    def _text(self, depth: int, pieces: frozenset[str], *, only: bool) -> str:
        core = "" if only else self._before + self._texts["core"].replace(PLACEHOLDER, self._defaults(depth))
        return core + "".join(self._texts[piece] for piece in PIECES if piece in pieces) + START

    def _defaults(self, depth: int) -> str:
        """The tag's attributes that are there without a word: a JavaScript object, `api` first."""
        api = f"//{self._domain}{self._hit_path}" if self._domain else "../" * depth + self._hit_path[1:]
        extras = "".join(f',{json.dumps(name)}:""' for name in sorted(self._extras))
        return f"{{api:{json.dumps(api)}{extras}}}"


def _sent(request: Request, packed: Packed) -> Response:
    headers = {
        "ETag": packed.etag,
        "Cache-Control": f"public, max-age={MAX_AGE}",
        "Vary": "Accept-Encoding",
    }
    if packed.etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    encoding = accepted_encoding(request.headers.get("accept-encoding", ""))
    if encoding not in packed.bodies:
        encoding = "identity"
    if encoding != "identity":
        headers["Content-Encoding"] = encoding
    return Response(packed.bodies[encoding], media_type="text/javascript", headers=headers)


def heeding(text: str, signals: Collection[str]) -> str:
    """A piece without the signals that are not heeded: `n.globalPrivacyControl|n.doNotTrack|0` → `n.doNotTrack|0`.

    Where a tag asks for both by itself (`data-dnt`), the piece says `||`, and that stays.
    """
    for signal, word in SIGNS.items():
        if signal not in signals:
            text = re.sub(rf"\w+\.{word}\|(?!\|)", "", text)
    return text


def words_of(query: str) -> list[str]:
    """`outbound&vitals=` → both."""
    words = re.split("[?&,]", query)
    names = [word.partition("=")[0] for word in words]  # some programs write a word without a value so
    return list(dict.fromkeys(name if piece_of(name) else word for word, name in zip(words, names, strict=True)))


def piece_of(word: str) -> str | None:
    """The piece that a word asks for: its name, or an attribute that it is for."""
    if word in OPTIONS:
        return "options"
    return word if word in NOT_AGAIN else None


def pieces_of(words: Iterable[str]) -> frozenset[str]:
    if "all" in words:
        return frozenset(PIECES)
    return frozenset(piece for word in words if (piece := piece_of(word)))


def pack(text: str, *, in_haste: bool = False) -> Packed:
    source = text.encode()
    bodies = {"gzip": gzip.compress(source, 6 if in_haste else 9, mtime=0), "identity": source}
    if not in_haste:
        bodies["br"] = brotli.compress(source, mode=brotli.MODE_TEXT)
    return Packed(f'W/"{hashlib.blake2b(source, digest_size=12).hexdigest()}"', bodies)


def _head(unknown: list[str]) -> str:
    named = [word for word in unknown if WORD.fullmatch(word)][:MAX_WORDS]
    return f"// Crumby knows none of these: {', '.join(named) or 'words that are none'}\n"


def accepted_encoding(header: str) -> str:
    """The smallest encoding that the header takes: `gzip, br;q=0` → `gzip`."""
    taken = set()
    for part in header.lower().split(","):
        name, _, weight = part.partition(";")
        if weight.replace(" ", "") not in {"q=0", "q=0.0", "q=0.00", "q=0.000"}:
            taken.add(name.strip())
    return next((encoding for encoding in ("br", "gzip") if encoding in taken), "identity")

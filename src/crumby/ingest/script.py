"""cmb.js as it is sent: with the configured domain in it, compressed once, never touched by a request's headers."""

import gzip
import hashlib
from typing import Final

import brotli
from starlette.requests import Request
from starlette.responses import Response

from crumby.settings import shipped

PLACEHOLDER: Final = "__DOMAIN__"
MAX_AGE: Final = 900  # seconds, as 0.7.1 had it


class Script:
    def __init__(self, domain: str) -> None:
        source = (shipped("static") / "cmb.js").read_text("utf-8").replace(PLACEHOLDER, domain).encode()
        self._etag = f'W/"{hashlib.blake2b(source, digest_size=12).hexdigest()}"'
        self._bodies = {
            "br": brotli.compress(source, mode=brotli.MODE_TEXT),
            "gzip": gzip.compress(source, mtime=0),
            "identity": source,
        }

    async def serve(self, request: Request) -> Response:
        headers = {
            "ETag": self._etag,
            "Cache-Control": f"public, max-age={MAX_AGE}",
            "Vary": "Accept-Encoding",
        }
        if self._etag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        encoding = accepted_encoding(request.headers.get("accept-encoding", ""))
        if encoding != "identity":
            headers["Content-Encoding"] = encoding
        return Response(self._bodies[encoding], media_type="text/javascript", headers=headers)


def accepted_encoding(header: str) -> str:
    """The smallest encoding that the header takes: `gzip, br;q=0` → `gzip`."""
    taken = set()
    for part in header.lower().split(","):
        name, _, weight = part.partition(";")
        if weight.replace(" ", "") not in {"q=0", "q=0.0", "q=0.00", "q=0.000"}:
            taken.add(name.strip())
    return next((encoding for encoding in ("br", "gzip") if encoding in taken), "identity")

"""Who may open a share: whoever has its link and, where it has a password, a cookie that says it was given."""

import hashlib
import hmac
import time
from typing import Final

from itsdangerous import BadData, URLSafeTimedSerializer
from starlette.requests import Request

from crumby.accounts import SKEW
from crumby.errors import NotFound, PasswordRequired
from crumby.sharing.shares import Share, Shares

COOKIE: Final = "crumby_share"
COOKIE_AGE: Final = 30 * 24 * 60 * 60  # seconds
GONE: Final = "this link does not work: it was withdrawn, or has expired"


class Keys:
    """Signed cookies, each of one share and its password. They end with either."""

    def __init__(self, secret: str) -> None:
        self._signer = URLSafeTimedSerializer(secret, salt="crumby.share")
        self._secret = secret.encode()

    def cut(self, share: Share) -> str:
        """The cookie's value."""
        return self._signer.dumps(self._fingerprint(share))

    def fits(self, cookie: str | None, share: Share) -> bool:
        try:
            fingerprint, begun = self._signer.loads(cookie or "", return_timestamp=True)
        except BadData:
            return False
        fresh = -SKEW <= time.time() - begun.timestamp() <= COOKIE_AGE
        return fresh and hmac.compare_digest(str(fingerprint), self._fingerprint(share))

    def _fingerprint(self, share: Share) -> str:
        said = f"{share.token} {share.password}".encode()
        return hmac.new(self._secret, said, hashlib.sha256).hexdigest()[:32]


async def found(request: Request) -> Share:
    """The share of the request's path. Raises NotFound, in the same words for whatever is wrong with it."""
    shares: Shares = request.state.shares
    share = await shares.of(request.path_params["token"])
    if not share:
        raise NotFound(GONE)
    return share


def is_open(request: Request, share: Share) -> bool:
    keys: Keys = request.state.keys
    return share.password is None or keys.fits(request.cookies.get(COOKIE), share)


async def opened(request: Request) -> Share:
    """Raises NotFound and PasswordRequired."""
    share = await found(request)
    if not is_open(request, share):
        raise PasswordRequired("this link takes a password: open it in a browser, and give it there")
    return share

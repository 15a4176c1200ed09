"""A second factor: six digits that an app works out of a shared secret and the time, as RFC 6238 has it.

The library, and that which draws its picture in the terminal, are imported for those who have one.
"""

import base64
import re
import secrets
import time
from typing import Final

from itsdangerous import BadData, URLSafeTimedSerializer

from crumby.accounts.people import Accounts, User

CODE: Final = re.compile(r"[0-9]{6}")
OCTETS: Final = 20  # of a secret, as many as RFC 4226 recommends
STEP_S: Final = 30
WINDOW: Final = 1  # steps that a telephone's clock may be off, either way
PENDING_S: Final = 10 * 60  # to find the telephone in
SKEW_S: Final = 5 * 60  # that another machine's clock may be ahead


def new_secret() -> str:
    return base64.b32encode(secrets.token_bytes(OCTETS)).decode()


def uri(name: str, secret: str, issuer: str) -> str:
    """What the app is told, as a link or a picture of it."""
    from pyotp import TOTP

    return TOTP(secret).provisioning_uri(name=name, issuer_name=issuer)


def picture(uri: str) -> str:
    """Of light blocks, which the ground of a dark terminal is between."""
    import io

    import segno

    drawn = io.StringIO()
    segno.make_qr(uri, error="l").terminal(drawn, border=2, compact=True)
    return drawn.getvalue()


def half_minute(secret: str, code: str, now: float | None = None) -> int | None:
    """Which one's code that is, counted since 1970; None where it is that of no time near now."""
    from pyotp import TOTP

    digits = "".join(code.split())
    if not CODE.fullmatch(digits):
        return None
    here = int((time.time() if now is None else now) // STEP_S)
    of = TOTP(secret)
    near = range(here - WINDOW, here + WINDOW + 1)
    fitting = [step for step in near if secrets.compare_digest(of.generate_otp(step), digits)]
    return fitting[-1] if fitting else None


class SecondStep:
    """Of a sign-in whose password was right: a signed note that the form of the code brings back. It opens nothing."""

    def __init__(self, secret: str, accounts: Accounts) -> None:
        self._signer = URLSafeTimedSerializer(secret, salt="crumby.second-step")
        self._accounts = accounts

    def note(self, user: User) -> str:
        return self._signer.dumps([user.id, user.mark])

    async def user(self, note: str) -> User | None:
        """Whose it is; None for one that is forged or old, or of another password than today's."""
        try:
            (identity, mark), made = self._signer.loads(note, return_timestamp=True)
        except BadData:
            return None
        if not -SKEW_S <= time.time() - made.timestamp() <= PENDING_S:
            return None
        user = await self._accounts.by_id(int(identity))
        return user if user and user.totp and secrets.compare_digest(str(mark), user.mark) else None

    async def fits(self, user: User, code: str, now: float | None = None) -> bool:
        """Whether it is that user's code of now; it is so once."""
        step = half_minute(user.totp or "", code, now)
        return step is not None and await self._accounts.use_up(user, step)

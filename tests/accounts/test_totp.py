"""Codes of a second factor."""

from datetime import timedelta

import pyotp
import pytest

from crumby.accounts import Accounts
from crumby.accounts import totp as module
from crumby.accounts.totp import SecondStep, half_minute, new_secret, picture, uri
from crumby.errors import AccountError
from tests.accounts.conftest import ONLY_SQLITE, PASSWORD

# RFC 6238, appendix B, cut to six digits: that secret, at these times.
SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
CODES = {59: "287082", 1111111109: "081804", 1234567890: "005924", 20000000000: "353130"}


@pytest.mark.parametrize(("at", "code"), CODES.items())
def test_the_codes_are_those_of_the_rfc(at: int, code: str) -> None:
    assert half_minute(SECRET, code, at) == at // 30
    assert half_minute(SECRET, f" {code[:3]} {code[3:]}\n", at) == at // 30


@pytest.mark.parametrize("code", ["", "28708", "2870820", "28708a", "２８７０８２", "287083", "+28708", "\0"])  # noqa: RUF001
def test_other_words_are_none(code: str) -> None:
    assert half_minute(SECRET, code, 59) is None


@pytest.mark.parametrize(("late", "fits"), [(-61, False), (-30, True), (0, True), (30, True), (61, False)])
def test_a_telephone_may_be_half_a_minute_off(late: int, *, fits: bool) -> None:
    """Planted: a window of ten minutes."""
    assert (half_minute(SECRET, pyotp.TOTP(SECRET).at(1_000_000_005), 1_000_000_005 + late) is not None) == fits


def test_secrets_differ_and_the_app_is_told_whose_they_are() -> None:
    secret = new_secret()
    assert len({secret, new_secret(), SECRET}) == 3
    assert len(secret) == 32
    told = uri("zoë", secret, "Crumby stats.example")
    assert told == f"otpauth://totp/Crumby%20stats.example:zo%C3%AB?secret={secret}&issuer=Crumby%20stats.example"
    read = pyotp.parse_uri(told)
    assert isinstance(read, pyotp.TOTP)
    assert (read.secret, read.name, read.issuer) == (secret, "zoë", "Crumby stats.example")
    assert set(picture(told)) == set("█▀▄ \n")


async def test_a_code_is_taken_once_and_none_from_before_it(accounts: Accounts) -> None:
    """Planted: a code that is not used up; one of the half minute before that is."""
    step = SecondStep("secret", accounts)
    await accounts.add("ann", PASSWORD)
    await accounts.set_totp("ann", SECRET)
    ann = await accounts.named("ann")
    codes = pyotp.TOTP(SECRET)
    assert await step.fits(ann, codes.at(600), 600)
    assert not await step.fits(ann, codes.at(600), 600)
    assert not await step.fits(ann, codes.at(570), 600)
    assert not await step.fits(ann, codes.at(600), 630)
    assert await step.fits(ann, codes.at(630), 630)
    await accounts.set_totp("ann", new_secret())
    assert not await step.fits(ann, codes.at(690), 690)  # of a secret that is another one by now


@ONLY_SQLITE
async def test_what_waits_for_its_code_is_over_with_the_time_the_password_and_the_factor(
    accounts: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Planted: a note without a signature, an age, a mark."""
    step = SecondStep("secret", accounts)
    await accounts.add("ann", PASSWORD)
    await accounts.set_totp("ann", SECRET)
    ann = await accounts.named("ann")
    note = step.note(ann)
    assert await step.user(note) == ann
    for forged in ("", "a.b.c", note[:-4] + "AAAA", SecondStep("other", accounts).note(ann), note[1:], "é"):
        assert await step.user(forged) is None
    with monkeypatch.context() as patch:
        patch.setattr(module, "PENDING_S", -1)
        assert await step.user(note) is None
    await accounts.set_totp("ann", None)
    assert await step.user(note) is None
    await accounts.set_totp("ann", SECRET)
    await accounts.set_password("ann", "battery staple")
    assert await step.user(note) is None
    with pytest.raises(AccountError):
        await accounts.named("bob")
    assert timedelta(seconds=module.PENDING_S) == timedelta(minutes=10)

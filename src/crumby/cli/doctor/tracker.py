"""Whether browsers get the script from where DOMAIN says, and whether it is this Crumby's."""

import asyncio
import socket
import ssl
from collections.abc import Iterator
from enum import IntEnum
from ipaddress import ip_address
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from crumby.cli.doctor.finding import Finding
from crumby.settings import Settings
from crumby.web.checks import MARK

PATIENCE_S: Final = 10.0  # for all of it
MOST: Final = 1 << 18  # bytes of it that are read
OK: Final = 200


class Reached(IntEnum):
    """How far one came: of two ways, the one that went further says what is wrong."""

    NAME = 1
    HOST = 2
    SERVER = 3
    ANSWER = 4
    SCRIPT = 5


class Trouble(NamedTuple):
    reached: Reached
    said: str
    remedy: str


async def look(settings: Settings) -> Finding:
    if not settings.domain:
        return Finding("ok", "tracker", "DOMAIN is not set: hits go to wherever a page has the script from")
    secure, plain = (f"{scheme}://{settings.domain}{settings.script_path}" for scheme in ("https", "http"))
    trouble = await _trouble(secure, settings)
    if not trouble:
        return Finding("ok", "tracker", f"{secure} is this Crumby's script")
    other = await _trouble(plain, settings)
    if other:
        _, said, remedy = max(trouble, other, key=lambda each: each.reached)
        return Finding("fault", "tracker", said, remedy)
    if settings.session_cookie_secure:
        said = f"the script comes by HTTP alone, and SESSION_COOKIE_SECURE is set: {trouble.said}"
        return Finding("fault", "tracker", said, trouble.remedy)
    if _is_here(settings.domain):
        return Finding("ok", "tracker", f"{plain} is this Crumby's script")
    said = f"the script comes by HTTP alone, and pages of HTTPS do not load it: {trouble.said}"
    return Finding("warning", "tracker", said, "put a proxy that speaks TLS in front, and set SESSION_COOKIE_SECURE")


def _is_here(domain: str) -> bool:
    host = urlsplit(f"//{domain}").hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


async def _trouble(address: str, settings: Settings) -> Trouble | None:
    import httpx

    try:
        async with asyncio.timeout(PATIENCE_S):
            status, text = await _fetched(address)
    except TimeoutError:
        said = f"{address} does not answer within {PATIENCE_S:g} s"
        return Trouble(Reached.HOST, said, "does a firewall hold it back, or the proxy before Crumby?")
    except (httpx.HTTPError, httpx.InvalidURL, ExceptionGroup) as error:
        return _unreached(address, error)
    if status != OK:
        said = f"{address} answers {status}"
        return Trouble(Reached.ANSWER, said, "have the proxy hand that address on to Crumby")
    if MARK not in text:
        said = f"{address} answers, and not with Crumby's script"
        return Trouble(Reached.ANSWER, said, "does DOMAIN name this machine? Have its web server hand that address on")
    if f"//{settings.domain}" not in text:
        said = f"{address} is the script of a Crumby with another DOMAIN"
        return Trouble(Reached.SCRIPT, said, "does DOMAIN name this machine? If so, start Crumby anew")
    return None


async def _fetched(address: str) -> tuple[int, str]:
    import httpx

    client = httpx.AsyncClient(follow_redirects=True, timeout=PATIENCE_S, trust_env=False)
    async with client, client.stream("GET", address) as response:
        body = b""
        async for some in response.aiter_bytes():
            body += some
            if len(body) > MOST:
                break
        return response.status_code, body.decode("utf-8", "replace")


def _unreached(address: str, error: BaseException) -> Trouble:
    host = urlsplit(address).netloc
    for why in _causes(error):
        if isinstance(why, socket.gaierror):
            said = f"{host} has no address ({why.strerror})"
            return Trouble(Reached.NAME, said, "is DOMAIN spelt right, and is it in the DNS?")
        if isinstance(why, ConnectionRefusedError):
            said = f"nobody listens at {host} for {urlsplit(address).scheme}"
            return Trouble(Reached.HOST, said, "is Crumby up, or the proxy before it?")
        if isinstance(why, ssl.SSLCertVerificationError):
            said = f"browsers do not take the certificate of {host}: {why.verify_message}"
            return Trouble(Reached.SERVER, said, "renew it, or have the proxy send all of its chain")
        if isinstance(why, ssl.SSLError):
            return Trouble(Reached.HOST, f"{host} does not speak TLS ({why.reason})", "put a proxy that does in front")
    said = f"{address} can't be fetched: {str(error) or type(error).__name__}"
    return Trouble(Reached.HOST, said, "is Crumby up, or the proxy before it?")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error:
        yield error
        if isinstance(error, BaseExceptionGroup):
            for each in error.exceptions:
                yield from _causes(each)
        error = error.__cause__ or error.__context__

"""Why no visit comes: the usual troubles, looked for by a server that fetches the site's page as a browser would.

    POST /checks {"address": "https://bakery.example/"} → [{"name", "state", "words", "remedy"}, …]

For signed-in people alone: whoever may ask has the server fetch an address. It tells what it found of the script, and
never what else the page says.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import SplitResult, urlsplit

from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from crumby.asking import body_of, member, refuse_other_sites
from crumby.database import Database
from crumby.errors import CrumbyError, DatabaseUnavailable, InvalidParameter
from crumby.reasons import meaning
from crumby.settings import Settings
from crumby.tables import refusals, visits
from crumby.web.policy import forbidden
from crumby.web.senders import LATELY, Senders

if TYPE_CHECKING:
    from crumby.web.reading import Tag

PATIENCE_S: Final = 5.0  # for all of a page, its redirects among it
REDIRECTS: Final = 3
MOST: Final = 2 << 20  # bytes of a page that are read
LONGEST: Final = 2048  # characters of an address
BODY: Final = 8192  # bytes
MARK: Final = "self.cmb"  # what the script leaves behind
DAY: Final = timedelta(days=1)
JUST_NOW: Final = timedelta(minutes=30)

State = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Finding:
    name: str
    state: State
    words: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Fetched:
    address: str  # after the redirects
    status: int
    policies: Sequence[str]
    html: str


@dataclass(frozen=True, slots=True)
class Own:
    """Where Crumby itself is, as its visitors' browsers reach it."""

    host: str  # and port, and a path it may be mounted at
    asked_at: str  # the Host of this request
    settings: Settings

    @property
    def domain(self) -> str:
        return self.settings.domain

    def tag(self, page: str) -> str:
        """For the page of that address."""
        address = f"{urlsplit(page).scheme}://{self.host}{self.settings.script_path}?engagement"
        return f'<script defer src="{address}" data-engagement></script>'


class Unfetched(CrumbyError):
    """No page came."""


async def checks(request: Request) -> Response:
    refuse_other_sites(request)
    await member(request)
    address = _address(await _asked(request))
    settings: Settings = request.state.settings
    found = [_domain(_own(request, settings)), *_proxies(request, settings)]
    if address:
        found += await _page(address, _own(request, settings))
    whole = settings.ip_storage == "full"
    found += await _stored(request.state.database, address and urlsplit(address).hostname, whole=whole)
    return JSONResponse([asdict(finding) for finding in found], headers={"Cache-Control": "no-store"})


async def _asked(request: Request) -> str:
    """The address, as it was typed; nothing where none was."""
    body = await body_of(request, BODY)
    import msgspec

    try:
        said = msgspec.json.decode(body or b"{}", type=dict[str, str])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidParameter('the body is to be JSON, such as {"address": "https://bakery.example/"}') from error
    return said.get("address", "").strip()


def _address(said: str) -> str:
    """`bakery.example` → `https://bakery.example`. Raises InvalidParameter for what no browser would open."""
    if not said:
        return ""
    address = said if "://" in said else f"https://{said}"
    try:
        parts = urlsplit(address)
        parts.port  # noqa: B018 - it may be none
    except ValueError:
        parts = SplitResult("", "", "", "", "")
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username or len(address) > LONGEST:
        raise InvalidParameter("address: give the address of a page, such as https://bakery.example/")
    return address


def _own(request: Request, settings: Settings) -> Own:
    asked_at = request.headers.get("host", "")
    root = request.scope.get("root_path", "").rstrip("/")
    return Own((settings.domain or asked_at + root).rstrip("/"), asked_at, settings)


# What needs no page


def _domain(own: Own) -> Finding:
    if own.domain and _host(own.domain) != _host(own.asked_at):
        words = f"DOMAIN is {own.domain}, and you are here at {own.asked_at}: hits go to {own.domain}."
        return Finding("domain", "warn", words, "If that is not this Crumby, set DOMAIN right, or leave it out.")
    where = f"to {own.domain}, which is DOMAIN" if own.domain else "to wherever a page has the script from"
    return Finding("domain", "ok", f"Hits go {where}.")


def _host(address: str) -> str | None:
    return urlsplit(f"//{address}").hostname


def _proxies(request: Request, settings: Settings) -> list[Finding]:
    lines = request.headers.getlist("x-forwarded-for")
    passed = len([each for each in ",".join(lines).split(",") if each.strip()])
    count = settings.proxy_count
    if settings.trusted_proxies:
        return [_trusted(request, passed)]
    through = f"through {passed} prox{'y' if passed == 1 else 'ies'}" if passed else "without a proxy"
    if passed and not count:
        words = "You came here through a proxy, and PROXY_COUNT is 0: all visitors have the proxy's address."
        remedy = f"Set PROXY_COUNT to the number of your proxies (this request names {passed}), or TRUSTED_PROXIES."
        return [Finding("proxies", "fail", words, remedy)]
    if count > passed:
        words = f"PROXY_COUNT is {count}, and you came here {through}."
        remedy = "Have each proxy write X-Forwarded-For, or lower PROXY_COUNT: else anybody can name an address."
        return [Finding("proxies", "warn", words, remedy)]
    return [Finding("proxies", "ok", f"PROXY_COUNT is {count}, and you came here {through}.")]


def _trusted(request: Request, passed: int) -> Finding:
    peer = request.client and request.client.host
    address = request.state.address_of(request)
    if passed and address == peer:
        words = f"TRUSTED_PROXIES does not name the proxy at {peer or 'the Unix socket'} that you came through."
        return Finding("proxies", "fail", words, f"Add {peer or 'unix'}: else all visitors have its address, or none.")
    return Finding("proxies", "ok", f"By TRUSTED_PROXIES you are at {address or 'no address that is known'}.")


# The page


async def _page(address: str, own: Own) -> list[Finding]:
    try:
        page = await _fetch(address)
    except Unfetched as error:
        return [Finding("page", "fail", str(error), "Is the address right, and may this server reach it?")]
    found = [_answered(page)]
    from crumby.web.reading import read

    seen = read(page.html, page.address, own.settings.script_path)
    if not seen.scripts:
        words = "The page has no script tag of Crumby's. One that another script puts there is not seen from here."
        return [*found, Finding("script", "fail", words, f"Paste this into it: {own.tag(page.address)}")]
    mine = next((tag for tag in seen.scripts if _is_own(tag.address, own)), seen.scripts[0])
    policies = _policies([*page.policies, *seen.policies], mine, page, own)
    return [*found, await _script(mine, page, own), *_attributes(mine, page, own), *policies]


def _answered(page: Fetched) -> Finding:
    if page.status >= 400:  # noqa: PLR2004 - as HTTP has it
        return Finding("page", "warn", f"{page.address} answered {page.status}.", "Check a page that is there.")
    return Finding("page", "ok", f"{page.address} answered {page.status}.")


def _is_own(address: str, own: Own) -> bool:
    return urlsplit(address).netloc.lower() in {own.asked_at.lower(), own.domain.lower()}


async def _script(tag: "Tag", page: Fetched, own: Own) -> Finding:
    host = urlsplit(tag.address).netloc
    handed_on = not _is_own(tag.address, own)
    if handed_on and host != urlsplit(page.address).netloc:
        words = f"The page has its script from {host}, and this Crumby is {own.host}."
        return Finding("script", "fail", words, f"Put this in its place: {own.tag(page.address)}")
    if urlsplit(page.address).scheme == "https" and urlsplit(tag.address).scheme == "http":
        words = "The page is https and its script http: browsers do not load it."
        return Finding("script", "fail", words, f"Put this in its place: {own.tag(page.address)}")
    if tag.module:
        words = 'The script tag says type="module", and so the script can\'t read its attributes.'
        return Finding("script", "fail", words, "Leave the type out.")
    if handed_on and not await _is_handed_on(tag.address):
        words = f"The page has its script from its own host, and {tag.address} is not Crumby's."
        return Finding("script", "fail", words, "Have the site's web server hand that address on to Crumby.")
    return Finding("script", "ok", f"The script tag is there: {tag.address}")


async def _is_handed_on(address: str) -> bool:
    """Whether the page's own host, which was asked for the page, has the script as well."""
    try:
        script = await _fetch(address)
    except Unfetched:
        return False
    return script.status == 200 and MARK in script.html  # noqa: PLR2004 - as HTTP has it


def _attributes(tag: "Tag", page: Fetched, own: Own) -> list[Finding]:
    from crumby.web.attributes import endpoint, mistyped, refusal

    found = [
        Finding("attribute", "warn", f"The script does not know data-{name}.", f"Did you mean data-{meant}?")
        for name, meant in mistyped(tag.data)
    ]
    refused = refusal(tag.data, page.address)
    if refused:
        found.append(Finding("tag", "warn" if tag.data.get("auto") == "false" else "fail", *refused))
    hits = urlsplit(endpoint(tag.data, tag.address, own.settings)).netloc
    if tag.data.get("api") and hits not in {own.asked_at, own.domain, urlsplit(page.address).netloc}:
        words = f"The tag's data-api sends hits to {hits}, and this Crumby is {own.host}."
        found.append(Finding("api", "fail", words, "Name this one, or leave data-api out."))
    return found


def _policies(policies: Sequence[str], tag: "Tag", page: Fetched, own: Own) -> list[Finding]:
    from crumby.web.attributes import endpoint

    loads = forbidden(policies, "script-src-elem", tag.address, page.address, tag.nonce)
    if loads:
        words = f"The page's Content-Security-Policy forbids the script: {loads.directive} {loads.sources}"
        return [Finding("policy", "fail", words, f"Add {_origin(tag.address)} to {loads.directive}.")]
    hits = endpoint(tag.data, tag.address, own.settings)
    sends = forbidden(policies, "connect-src", hits, page.address)
    if not sends:
        return (
            [Finding("policy", "ok", "Its Content-Security-Policy lets the script in, and hits out.")]
            if policies
            else []
        )
    words = f"The page's Content-Security-Policy forbids the hit: {sends.directive} {sends.sources}"
    state: State = "fail" if forbidden(policies, "img-src", hits, page.address) else "warn"
    if state == "warn":
        words += ". It comes as an image instead."
    return [Finding("policy", state, words, f"Add {_origin(hits)} to connect-src.")]


def _origin(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"


async def _fetch(address: str) -> Fetched:
    """Raises Unfetched."""
    import httpx  # 6 MiB, for this alone

    client = httpx.AsyncClient(
        follow_redirects=True,
        max_redirects=REDIRECTS,
        timeout=PATIENCE_S,
        trust_env=False,
        headers={"Accept": "text/html, */*;q=0.8"},
    )
    try:
        async with asyncio.timeout(PATIENCE_S), client, client.stream("GET", address) as response:
            body = b""
            async for some in response.aiter_bytes():
                body += some
                if len(body) >= MOST:
                    break
            policies = [
                policy for line in response.headers.get_list("content-security-policy") for policy in line.split(",")
            ]
            text = body[:MOST].decode(response.charset_encoding or "utf-8", "replace")
            return Fetched(str(response.url), response.status_code, policies, text)
    except TimeoutError:
        raise Unfetched(f"{address} did not answer within {PATIENCE_S:g} seconds.") from None
    except httpx.TooManyRedirects:
        raise Unfetched(f"{address} leads on more than {REDIRECTS} times.") from None
    except (httpx.HTTPError, httpx.InvalidURL, LookupError, ValueError) as error:
        raise Unfetched(f"{address} can't be fetched: {error or type(error).__name__}") from error


# What came


async def _stored(database: Database, host: str | None, *, whole: bool) -> list[Finding]:
    """`whole`: addresses are stored as they are. Raises DatabaseUnavailable."""
    now = datetime.now(UTC).replace(tzinfo=None)
    reasons = (
        select(refusals.c.reason, func.sum(refusals.c.hits))
        .where(refusals.c.datetime >= now - DAY)
        .group_by(refusals.c.reason)
    )
    site = (host or "").removeprefix("www.")
    views = select(func.count()).where(visits.c.site == site, visits.c.datetime >= now - JUST_NOW)
    try:
        async with database.engine.connect() as connection:
            senders = Senders.of(await connection.execute(LATELY))
            refused = {str(reason): int(hits) for reason, hits in await connection.execute(reasons)}
            came = int(await connection.scalar(views) or 0) if site else 0
    except (SQLAlchemyError, OSError) as error:
        raise DatabaseUnavailable(f"the database can't be asked: {error}") from error
    found = [_refused(refused)]
    if whole or not senders.views:
        found.insert(0, _addresses(senders))
    return [*found, _came(site, came)] if site else found


def _addresses(senders: Senders) -> Finding:
    addresses, visitors = len(senders.addresses), senders.visitors
    if senders.are_behind_a_proxy:
        words = f"All {visitors:,} visitors of late came from one address, {senders.address}."
        return Finding("addresses", "fail", words, "It is a proxy's: set PROXY_COUNT, or TRUSTED_PROXIES.")
    if not senders.views:
        return Finding("addresses", "ok", "Nobody came yet.")
    who = f"{visitors:,} visitors" if visitors else f"{senders.views:,} page views"  # VISITOR_ID may be none
    return Finding("addresses", "ok", f"{who} of late came from {addresses:,} address{'es' if addresses > 1 else ''}.")


def _refused(reasons: dict[str, int]) -> Finding:
    if not reasons:
        return Finding("refused", "ok", "No hit was refused in the last day.")
    total = sum(reasons.values())
    ranked = sorted(reasons.items(), key=lambda pair: -pair[1])
    why = ", ".join(f"{hits:,} {meaning(reason, hits)}" for reason, hits in ranked)
    words = f"{total:,} hit{'s were' if total > 1 else ' was'} refused in the last day: {why}."
    return Finding("refused", "warn", words, "The header X-Crumby of a refused hit says what was wrong with it.")


def _came(site: str, views: int) -> Finding:
    if views:
        return Finding(
            "arrived", "ok", f"{views:,} page view{'s' if views > 1 else ''} of {site} came in the last half hour."
        )
    return Finding(
        "arrived", "warn", f"No page view of {site} came in the last half hour.", "Open the page in a browser."
    )


routes: Final = (Route("/checks", checks, methods=["POST"]),)

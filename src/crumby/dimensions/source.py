"""Where a page view came from: a source, by name, and its channel.

    referrer                            address                                source       channel
    https://www.google.co.uk/           /                                      Google       Organic Search
    https://www.google.co.uk/           /?gclid=x                              Google       Paid Search
    -                                   /?utm_source=fb-ads&utm_medium=cpc     Facebook     Paid Social
    android-app://com.linkedin.android  /                                      LinkedIn     Organic Social
    https://www.news.example/a          /                                      news.example Referral
    -                                   /?utm_source=spring&utm_medium=post    spring       Campaigns
    https://the.same.site/              /                                      -            Direct

A tag in the address outranks the referrer. The channels are those of Google Analytics 4 and of Plausible, tried in
their order; where they have more of them (shopping, audio, SMS, push, cross-network), what is paid or tagged is
"Campaigns" here, and what is not is "Referral". In two things this differs: a medium that names e-mail, an affiliate
or a display outright is believed, whatever its source is known for; so is one as `paid_social`, of an unknown source.

    https://support.google.com/analytics/answer/9756891
    https://plausible.io/docs/top-referrers#channels
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final, Literal, NamedTuple

from crumby.dimensions.address import SHORT, SITE, Address, host
from crumby.dimensions.known import KNOWN, SHORT_FORMS, Kind

Channel = Literal[
    "Direct",
    "Organic Search",
    "Paid Search",
    "Organic Social",
    "Paid Social",
    "AI Assistants",
    "Email",
    "Display",
    "Video",
    "Affiliates",
    "Campaigns",
    "Referral",
]

SOURCE: Final = 100  # characters, as the column has room for
LOOKED_AT: Final = 2048  # characters of a referrer
LABELS: Final = 6  # of a host, from its end
TWO: Final = 2  # letters of a country; labels of a domain
SPOKEN: Final = 4  # letters from which on a host's first label names it: not "t" of t.co
REMEMBERED: Final = 2048  # referrers, hosts, and tags; 4 MiB if each were of full length

PAID: Final = re.compile(r".*cp.*|ppc|retargeting|paid.*")
EMAIL: Final = re.compile(r"e[-_ ]?mail|newsletter")
ADS: Final = re.compile(r"([^\W_]+?)(?:[-_ ].*)?[-_ ]?ads?")  # facebook-ads, fb_feed_ad, bingads
NONE: Final = frozenset({"(direct)", "direct", "(none)", "none", "(not set)"})
PAID_NAMES: Final = frozenset({"adwords", "gads"})
MAIL_HOSTS: Final = frozenset({"mail", "webmail", "email", "owa", "zimbra"})  # first labels: webmail.example.com
APPS: Final = frozenset({"android-app", "ios-app"})

# Whose click a parameter tells of. Facebook's is on every link that is clicked there, paid or not.
CLICKED: Final = {
    "gclid": "Google",
    "gbraid": "Google",
    "wbraid": "Google",
    "msclkid": "Bing",
    "yclid": "Yandex",
    "ttclid": "TikTok",
    "twclid": "X",
    "li_fat_id": "LinkedIn",
    "fbclid": "Facebook",
}
BOUGHT: Final[dict[str, Channel]] = {"search": "Paid Search", "social": "Paid Social", "video": "Video"}
UNPAID: Final[dict[Kind, Channel]] = {
    "search": "Organic Search",
    "social": "Organic Social",
    "video": "Video",
    "assistant": "AI Assistants",
    "mail": "Email",
    "display": "Display",
}
OUTRIGHT: Final[dict[str, Channel]] = {
    **dict.fromkeys(("display", "banner", "expandable", "interstitial", "cpm"), "Display"),
    **dict.fromkeys(("affiliate", "affiliates"), "Affiliates"),
    **dict.fromkeys(
        ("social", "social-network", "social-media", "sm", "social network", "social media"), "Organic Social"
    ),
}
MEDIUMS: Final[dict[str, Channel]] = {  # where the source says nothing
    "organic": "Organic Search",
    "ai-assistant": "AI Assistants",
    **dict.fromkeys(("referral", "app", "link"), "Referral"),
}
NO_TAGS: Final = Address()[2:]


class Origin(NamedTuple):
    source: str | None  # None where nothing tells
    channel: Channel


class Party(NamedTuple):
    """Who sent the visitor."""

    name: str
    kind: Kind | None = None
    paid: bool = False


DIRECT: Final = Origin(None, "Direct")


def origin(referrer: str | None, address: Address) -> Origin:
    """The source and channel of a page view of that address. Never an exception, whatever the two hold.

    The same host with or without "www." is the page's own site, and no source; another host of the domain is one.
    """
    if address[2:] != NO_TAGS:
        return _origin(referrer, address)
    if not referrer:
        return DIRECT
    return _untagged(referrer, address.site) if len(referrer) <= SHORT else _origin(referrer, address)


@lru_cache(maxsize=REMEMBERED)
def _untagged(referrer: str, site: str | None) -> Origin:
    return _origin(referrer, Address(site))


def _origin(referrer: str | None, address: Address) -> Origin:
    party = _party(referrer, address)
    return Origin(party and party.name, _channel(party, address))


def _party(referrer: str | None, address: Address) -> Party | None:
    if address.tag:
        return None if address.tag.lower() in NONE else _tagged(address.tag)
    if address.click in CLICKED and address.click != "fbclid":
        return _tagged(CLICKED[address.click])
    sender = _sender(referrer)
    if sender:
        return _party_of(*sender) if sender[0] != address.site else None
    return _tagged("Facebook") if address.click == "fbclid" else None


def _channel(party: Party | None, address: Address) -> Channel:
    """The first rule that fits."""
    kind = party and party.kind
    medium = (address.utm_medium or "").lower()
    paid = PAID.fullmatch(medium) or (party and (party.paid or _clicked(party, address.click)))
    if paid and (bought := kind if kind in BOUGHT else next((word for word in BOUGHT if word in medium), None)):
        return BOUGHT[bought]
    if outright := OUTRIGHT.get(medium):
        return outright
    if address.click == "dclid":
        return "Display"
    if EMAIL.fullmatch(medium) or (party and EMAIL.fullmatch(party.name.lower())):
        return "Email"
    return "Campaigns" if paid else _unpaid(party, medium, address)


def _clicked(party: Party, click: str | None) -> bool:
    return click != "fbclid" and CLICKED.get(click or "") == party.name


def _unpaid(party: Party | None, medium: str, address: Address) -> Channel:
    if party and party.kind in UNPAID:
        return UNPAID[party.kind]
    if "video" in medium:
        return "Video"
    if channel := MEDIUMS.get(medium):
        return channel
    if any(tag and tag.lower() not in NONE for tag in (address.utm_source, medium, address.utm_campaign)):
        return "Campaigns"
    return "Referral" if party else "Direct"


def _sender(referrer: str | None) -> tuple[str, str] | None:
    """The host of a referrer, and what it is called where it has no name: twice the same, but for an app.

    An app's name is a host backwards: `android-app://com.linkedin.android` is `android.linkedin.com`. One of iOS may
    be a number, behind which a scheme tells more: `ios-app://544007664/youtube/watch`.
    """
    scheme, separator, rest = (referrer or "")[:LOOKED_AT].strip().partition("://")
    if not separator:
        return None
    authority, _, path = rest.partition("?")[0].partition("#")[0].partition("/")
    if scheme.lower() not in APPS:
        name = host(authority)
        return (name, name) if name else None
    if authority.isdecimal() and path:
        authority = path.partition("/")[0]
    name = authority.lower()[:SITE].strip()
    return (".".join(reversed(name.split("."))), name) if name else None


@lru_cache(maxsize=REMEMBERED)
def _party_of(sender: str, called: str) -> Party:
    """`l.facebook.com` → Facebook; `www.google.co.uk` → Google; `news.example` → `news.example`."""
    labels = sender.split(".")[-LABELS:]
    for candidate in _candidates(labels):
        if party := HOSTS.get(candidate):
            return party
    if len(labels) == 1 and (party := NAMES.get(sender)):
        return party
    return Party(called[:SOURCE].rstrip(), "mail" if labels[0] in MAIL_HOSTS and len(labels) > TWO else None)


def _candidates(labels: list[str]) -> Iterator[str]:
    """What a host may be known by: `mail.yahoo.co.jp`, `mail.yahoo.*`, `yahoo.co.jp`, `yahoo.*`, and so on."""
    country = 0
    if labels[-1] == "com" or len(labels[-1]) == TWO:
        country = 2 if labels[-2:-1] in (["co"], ["com"]) and len(labels[-1]) == TWO else 1
    for index in range(len(labels)):
        yield ".".join(labels[index:])
        if country and index < len(labels) - country:
            yield ".".join([*labels[index:-country], "*"])


@lru_cache(maxsize=REMEMBERED)
def _tagged(tag: str) -> Party:
    """`fb` → Facebook; `google-ads` → Google, paid; `https://t.co/x` → X; `spring` → `spring`, as it is written."""
    name = tag.lower()
    if sender := _sender(name):
        return _party_of(*sender)
    if party := NAMES.get(name):
        return party._replace(paid=name in PAID_NAMES)
    if (advertised := ADS.fullmatch(name)) and (party := NAMES.get(advertised[1])):
        return party._replace(paid=True)
    found = _party_of(name.removeprefix("www."), tag) if "." in name else None
    return found if found and found.kind else Party(tag[:SOURCE].rstrip())


def _hosts() -> Iterator[tuple[str, Party]]:
    for kind, names in KNOWN.items():
        for name, hosts in names.items():
            yield from ((each, Party(name, kind)) for each in hosts.split())


def _names() -> Iterator[tuple[str, Party]]:
    """What a tag may call them: `Hacker News`, `hackernews`, `linkedin`, `fb`. The first that has a name keeps it."""
    for known, party in reversed(HOSTS.items()):
        label, _, rest = known.partition(".")
        if "." not in rest and len(label) >= SPOKEN:
            yield label, party
    for party in reversed(HOSTS.values()):
        yield from ((party.name.lower().replace(" ", joint), party) for joint in (" ", "", "-", "_"))
    by_name = {party.name: party for party in HOSTS.values()}
    yield from ((short, by_name[name]) for short, name in SHORT_FORMS.items())


HOSTS: Final = dict(_hosts())
NAMES: Final = dict(_names())

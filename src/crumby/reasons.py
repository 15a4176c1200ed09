"""Why hits were refused, in words: what each reason means, and what there is to do where that was not meant."""

from typing import Final, NamedTuple


class Reason(NamedTuple):
    words: str  # behind a number of hits: "3 were of crawlers"
    remedy: str = ""


DATABASE: Final = "`crumby doctor` says what it finds; hits are sent again."

REASONS: Final = {
    "bot": Reason("were of crawlers and other programs", "Was it a person? docs/bots.md, or BOTS = 'off'."),
    "prefetch": Reason("were of pages that nobody has opened yet", "They count once somebody does."),
    "referrer-spam": Reason("named sites that spam reports", "Was it a real site? docs/bots.md, lists of your own."),
    "no-accept": Reason("lacked headers that every browser sends", "A proxy may take them out; or BOTS = 'standard'."),
    "datacenter": Reason("came from hosting providers", "Was it a VPN? BOTS = 'standard' lets it in."),
    "gpc": Reason("were of browsers that say Global Privacy Control", "PRIVACY_SIGNALS says whether they count."),
    "dnt": Reason("were of browsers that say Do Not Track", "PRIVACY_SIGNALS says whether they count."),
    "rate-limited": Reason(
        "were more in a second than one address may send",
        "All of them? Then it is a proxy's address: PROXY_COUNT; else RATE_LIMIT.",
    ),
    "daily-limit": Reason(
        "were more in a day than one address may send",
        "All of them? Then it is a proxy's address: PROXY_COUNT; else DAILY_LIMIT.",
    ),
    "InvalidToken": Reason(
        "bore a token that is none, or said without one what takes one", "`crumby token` lists those there are."
    ),
    "InvalidHit": Reason(
        "were not of a form that can be stored", "The header X-Crumby of the answer says what was wrong."
    ),
    "HitTooLarge": Reason("were too long", "The header X-Crumby of the answer says how long one may be."),
    "Overloaded": Reason("came while too many waited", "They are sent again; the database may be slow."),
    "DatabaseUnavailable": Reason("came while the database was away", DATABASE),
    "SpoolUnavailable": Reason("came while neither the database nor the spool took them", DATABASE),
    "RowRefused": Reason("held what the database does not take", "The log says what it was."),
    "NotFound": Reason("named no pixel", "The page's script is of something else, or of an odd copy."),
    "MethodNotAllowed": Reason("were sent in another way than a hit is", "POST /hit, or GET of a pixel."),
}


def meaning(reason: str, hits: int = 2) -> str:
    """Of so many hits: `were of crawlers …`, or `was …` of one; a reason of which nothing is known, as it is."""
    known = REASONS.get(reason)
    words = known.words if known else reason
    return words.replace("were ", "was ", 1) if hits == 1 and words.startswith("were ") else words


def remedy(reason: str) -> str:
    return REASONS[reason].remedy if reason in REASONS else ""

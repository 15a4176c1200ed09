"""Sessions: what a visitor did without a pause of more than half an hour.

    begun                                            last
      │ view 1 ── view 2 ─── event ─── view 3 ── event │ ≤ 30 min │ the next row belongs to it
    ≤ 30 min before: it belongs to it as well         behind: it begins a session
    still earlier: a session of its own, which the visitor's state does not know

Rows come nearly in the order of their time. A late one moves nothing back: not the session's beginning, not its last
view; its `gap` is 0. Source, channel and tags are those of the session's first page view, on each of its rows.
"""

import hashlib
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from operator import itemgetter
from typing import Any, Final, Generic, Protocol, TypeVar

import msgspec
from msgspec.structs import replace

from crumby.dimensions.memory import Done, Met, do, meet

APART: Final = timedelta(minutes=30)
EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - UTC throughout
DAY: Final = 86_400  # seconds
NOBODY: Final = frozenset({"null"})  # as 0.7.1's script calls all whose browser keeps no cookie
SECONDS: Final = (1 << 32) - 1  # the latest beginning that fits above 31 bits into a signed 64-bit integer


class Act(Protocol):
    """What a visitor did: a page view or an event; a msgspec Struct that has `session` besides."""

    @property
    def cid(self) -> str | None: ...
    @property
    def datetime(self) -> datetime: ...
    @property
    def page(self) -> str | None: ...


class View(Act, Protocol):
    """Besides, it has what `memory.OWN` names, and columns to be filled: `seq`, `gap`, `entry`, `prev` and its like.

    And this of its own, which its session's takes the place of.
    """

    @property
    def source(self) -> str | None: ...
    @property
    def channel(self) -> str | None: ...
    @property
    def utm_source(self) -> str | None: ...
    @property
    def utm_medium(self) -> str | None: ...
    @property
    def utm_campaign(self) -> str | None: ...
    @property
    def utm_term(self) -> str | None: ...
    @property
    def utm_content(self) -> str | None: ...


class Visitor(msgspec.Struct, frozen=True, gc=False):
    """A row of `tables.visitors`, in its order: a visitor and their last session."""

    cid: str
    first: datetime | None  # page view ever
    begun: datetime
    last: datetime  # page view or event
    viewed: datetime | None  # the session's last page view
    session: int
    seq: int = 0  # its page views
    entry: str | None = None
    source: str | None = None
    channel: str | None = None
    utm_source: str | None = None
    utm_medium: str | None = None
    utm_campaign: str | None = None
    utm_term: str | None = None
    utm_content: str | None = None
    page: str | None = None  # of the last page view
    seen: bytes | None = None  # what `memory` remembers


V = TypeVar("V", bound=View)
A = TypeVar("A", bound=Act)


class Placed(msgspec.Struct, Generic[V, A]):
    """Rows that know their session, in the order of their time; and what the visitors have become, by cid."""

    visits: list[V]
    events: list[A]
    new: list[Visitor]  # of whom nothing was known
    begun: list[Visitor]  # of whom something else than the next three is new
    going_on: list[Visitor]  # of whom `last`, `viewed`, `seq`, `page` and `seen` are new
    strays: list[str]  # visitors with a row so late that others counted without it


def place(
    known: Mapping[str, Visitor], visits: Iterable[V], events: Iterable[A], late: dict[str, Visitor] | None = None
) -> Placed[V, A]:
    """Place rows in the sessions of their visitors, of whom `known` has all that are not new.

    The rows of nobody have no session, and keep what is their own. `late` has the sessions of rows that are too late
    for their visitor's, by cid: whoever brings many of them gives it again with the next.
    """
    placed: Placed[V, A] = Placed([], [], [], [], [], [])
    now = dict(known)
    strays = {} if late is None else late
    acts: list[tuple[datetime, Any, bool]] = [(visit.datetime, visit, True) for visit in visits]
    acts += [(event.datetime, event, False) for event in events]
    acts.sort(key=itemgetter(0))  # and a view before the events of its instant
    for at, act, is_view in acts:
        cid = act.cid
        if not cid or cid in NOBODY:
            (placed.visits if is_view else placed.events).append(act)
            continue
        visitor = now.get(cid)
        is_late = visitor is not None and visitor.begun - at > APART
        before = _session(strays.get(cid) if is_late else visitor, cid, at)
        after, seen = _place(placed, visitor.seen if visitor else None, before, act, at, is_view=is_view)
        if visitor is not None and is_late:
            strays[cid] = after
            now[cid] = replace(_met(visitor, at) if is_view else visitor, seen=seen)
        else:
            now[cid] = after
    for cid in sorted(now):
        _keep(placed, known.get(cid), now[cid])
    return placed


def _place(
    placed: Placed[V, A], seen: bytes | None, before: Visitor, act: Any, at: datetime, *, is_view: bool
) -> tuple[Visitor, bytes]:
    """The row joins those placed → what its visitor has become, and what is remembered of them."""
    seconds = _seconds(at)
    if not 0 < seconds <= SECONDS:
        seconds = SECONDS if seconds > 0 else 1
    met: Met | Done
    if is_view:
        begins = before.viewed is None
        met = meet(seen, act, act if begins else before, act.page if begins else before.entry, seconds)
        after = _viewed(before, act, at, met.seen)
        placed.visits.append(_filled(act, before, after, seconds, met))
    else:
        met = do(seen, act, seconds)
        after = replace(before, last=max(at, before.last), seen=met.seen)
        stamps = {"prev": met.prev, "value_prev": met.value_prev, "page_prev": met.page_prev}
        placed.events.append(replace(act, session=after.session, **stamps))
    if met.late:
        placed.strays.append(after.cid)
    return after, met.seen


def _keep(placed: Placed[V, A], before: Visitor | None, after: Visitor) -> None:
    if after is before:
        return
    if before is None:
        placed.new.append(after)
    elif after.session != before.session or after.first != before.first or before.viewed is None:
        placed.begun.append(after)
    else:
        placed.going_on.append(after)


def _session(visitor: Visitor | None, cid: str, at: datetime) -> Visitor:
    """The visitor with the session that the row belongs to, which may begin with it."""
    if visitor is None:
        return Visitor(cid, None, at, at, None, session_id(cid, at))
    if at - visitor.last > APART:
        return Visitor(cid, visitor.first, at, at, None, session_id(cid, at))
    return visitor


def _viewed(visitor: Visitor, view: View, at: datetime, seen: bytes) -> Visitor:
    if visitor.viewed is None:
        return Visitor(  # in the order of its fields, in a fifth of the time
            visitor.cid,
            at if visitor.first is None else min(at, visitor.first),
            visitor.begun,
            max(at, visitor.last),
            at,
            visitor.session,
            1,
            view.page,
            view.source,
            view.channel,
            view.utm_source,
            view.utm_medium,
            view.utm_campaign,
            view.utm_term,
            view.utm_content,
            view.page,
            seen,
        )
    return replace(
        _met(visitor, at),
        last=max(at, visitor.last),
        viewed=max(at, visitor.viewed),
        seq=visitor.seq + 1,
        page=view.page,
        seen=seen,
    )


def _met(visitor: Visitor, at: datetime) -> Visitor:
    return replace(visitor, first=at) if visitor.first is None or at < visitor.first else visitor


def _filled(view: Any, before: Visitor, after: Visitor, at: int, met: Met) -> Any:
    return replace(
        view,
        session=after.session,
        seq=after.seq,
        gap=0 if before.viewed is None else max(0, at - _seconds(before.viewed)),
        entry=after.entry,
        source=after.source,
        channel=after.channel,
        utm_source=after.utm_source,
        utm_medium=after.utm_medium,
        utm_campaign=after.utm_campaign,
        utm_term=after.utm_term,
        utm_content=after.utm_content,
        prev=met.prev,
        page_prev=met.page_prev,
        prevs=met.prevs,
        prev_page=None if before.viewed is None else before.page,
        first=_seconds(after.first) if after.first else None,
    )


def session_id(cid: str, begun: datetime) -> int:
    """Grows with time, and is the same whenever it is worked out anew: the second of the beginning, and 31 bits."""
    digest = hashlib.blake2b(cid.encode(), digest_size=4).digest()
    return min(max(_seconds(begun), 0), SECONDS) << 31 | int.from_bytes(digest) >> 1


def _seconds(at: datetime) -> int:
    """Whole ones since 1970, so that a session's gaps add up to its length. To divide takes twice the time."""
    since = at - EPOCH
    return since.days * DAY + since.seconds

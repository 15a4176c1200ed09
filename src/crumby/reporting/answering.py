"""Questions that many ask are answered once: the same one, asked at the same time, or while its answer is good."""

import hashlib
from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import Final

from crumby.database import Database
from crumby.reporting.body import Body, embodied
from crumby.reporting.flight import Flights
from crumby.reporting.flow import Flow, poured
from crumby.reporting.kept import Kept
from crumby.reporting.lasting import lasts_s
from crumby.reporting.questions import Answer, Question
from crumby.reporting.results import WRITERS, Format
from crumby.reporting.run import Result, reading
from crumby.reporting.turns import Turns
from crumby.settings import Settings

Told = tuple[Body, int]  # and how many seconds old it is
ANY: Final = datetime.min  # noqa: DTZ901 - no answer hangs on the moment it is asked in, but one that is not kept


@dataclass(frozen=True, slots=True)
class Wanted:
    """A question, and the form of its answer: what `make` makes of it, which hangs on `seen` as well.

    `anew`: whoever asks will not have one that was given before.
    """

    question: Question
    form: Format
    make: Callable[[Answer], bytes]
    seen: Hashable = None
    anew: bool = False


class Answering:
    def __init__(
        self,
        database: Database,
        settings: Settings,
        version: Callable[[], Hashable] | None = None,
        kept: Kept | None = None,
    ) -> None:
        """`version` gives another value once something of days that are over has changed, and can be read."""
        self._version = version
        self._database = database
        self._settings = settings
        self._flights = Flights()
        self._kept = kept or Kept()
        self._turns = Turns(database.traffic)

    def known(self, wanted: Wanted) -> Told | None:
        """The answer, if it is there."""
        return None if wanted.anew else self._kept.get(self._key(wanted))

    async def answer(self, wanted: Wanted) -> Told | Flow:
        """The answer, or the rows of a long one as they come. Raises what `run` does.

        A long flow is of one client alone: two would go at the slower one's pace.
        """
        key = self._key(wanted)
        known = None if wanted.anew else self._kept.get(key)
        if known:
            return known
        told = await self._flights.share(key, lambda: self._tell(key, wanted))
        if isinstance(told, Flow) and not told.take():
            told = await self._tell(key, wanted)
            if isinstance(told, Flow):
                told.take()
        return told

    def _key(self, wanted: Wanted) -> Hashable:
        """All that the answer hangs on."""
        question = wanted.question
        query, view = question.query, replace(question.view, now=ANY)
        arguments = sorted(question.arguments.items())
        of_file = (query.collection, query.name, _of_source(query.source), question.limits(self._settings))
        asked = repr((of_file, view, arguments, question.compared, wanted.form, wanted.seen))
        return self._version and self._version(), _digest(asked)

    async def _tell(self, key: Hashable, wanted: Wanted) -> Told | Flow:
        await self._turns.wait()
        since, sight = self._kept.clock(), self._kept.sight()
        answer = await self._answer(wanted)
        if isinstance(answer, Flow):
            return answer
        body = await embodied(answer, wanted.make)
        took_s = self._kept.clock() - since
        self._turns.took(took_s)
        lasting = lasts_s(wanted.question, took_s, versioned=self._version is not None)
        if wanted.question.query.header.cache is not None:
            sight = None  # its file says how old it may be
        self._kept.put(key, body, since, since + lasting, sight)
        return body, int(took_s)

    async def _answer(self, wanted: Wanted) -> Answer | Flow:
        question = wanted.question
        if question.whole or wanted.form not in WRITERS:
            return await question.answer(self._database, self._settings)
        limits = question.limits(self._settings)
        found = await poured(reading(self._database, question.query, question.view, question.arguments, limits))
        return Answer(found) if isinstance(found, Result) else found


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=16).digest()


_of_source = lru_cache(maxsize=256)(_digest)

"""Questions that many ask are answered once: the same one, asked at the same time, or within its file's `cache`."""

from crumby.database import Database
from crumby.reporting.flight import Asked, Flights, Kept
from crumby.reporting.flow import Flow, poured
from crumby.reporting.questions import Answer, Question
from crumby.reporting.run import Result, reading
from crumby.settings import Settings


class Answering:
    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._settings = settings
        self._flights = Flights()
        self._kept = Kept()

    async def answer(self, question: Question) -> tuple[Answer, int]:
        """The answer, and how many seconds old it is. Raises what `run` does."""
        asked = self._asked(question)
        found = self._kept.get(asked)
        return found or (await self._flights.share(asked, lambda: self._run(asked, question)), 0)

    async def flow(self, question: Question) -> tuple[Answer | Flow, int]:
        """The same; a long one's rows one after the other, as no answer is that takes all of them to be made.

        A long flow is of one client alone: two would go at the slower one's pace.
        """
        if question.whole:
            return await self.answer(question)
        asked = self._asked(question)
        found = self._kept.get(asked)
        if found:
            return found
        shared = await self._flights.share((asked, Flow), lambda: self._pour(asked, question))
        if isinstance(shared, Flow) and not shared.take():
            shared = await self._pour(asked, question)
            if isinstance(shared, Flow):
                shared.take()
        return shared, 0

    def _asked(self, question: Question) -> Asked:
        return Asked.of(question, question.limits(self._settings))

    async def _run(self, asked: Asked, question: Question) -> Answer:
        return self._keep(asked, question, await question.answer(self._database, self._settings))

    async def _pour(self, asked: Asked, question: Question) -> Answer | Flow:
        opening = reading(self._database, question.query, question.view, question.arguments, asked.limits)
        found = await poured(opening)
        return self._keep(asked, question, Answer(found)) if isinstance(found, Result) else found

    def _keep(self, asked: Asked, question: Question, answer: Answer) -> Answer:
        if question.query.header.cache:
            self._kept.put(asked, answer, question.query.header.cache)
        return answer

"""For how long an answer may be given again, where its file does not say.

In proportion to what it cost, so that however many look, a question takes no more than a small share of the time. Of
days that are over nothing changes but what the version of `Answering` tells of.
"""

import re
from functools import lru_cache
from typing import Final

from crumby.reporting.macros import SESSION_LONGEST
from crumby.reporting.questions import Question

PROPORTION: Final = 10  # times what it took: asked without end, it takes an eleventh of the time
LEAST_S: Final = 1.0  # the panels of a page, looked at twice; nobody can look at it, visit a page and look again sooner
MOST_S: Final = 60.0
CLOSED_S: Final = 3600.0
# After the end: sessions that went on into the next day, and hits that waited in a browser, a day at most.
SETTLED: Final = SESSION_LONGEST
MOVING: Final = re.compile(r"\b(?:recent|now|current_\w+|local(?:time|timestamp)|random|rand|uuid)\b", re.IGNORECASE)
OF_PERIOD: Final = re.compile(r"\bperiod\(")  # the macro that leaves the period's rows alone
COMMENTS: Final = re.compile(r"^\s*--.*$", re.MULTILINE)


def lasts_s(question: Question, cost_s: float, *, versioned: bool) -> float:
    """Seconds from when it was asked for; 0 for what is live.

    `versioned`: whether a change of days that are over would be known.
    """
    header = question.query.header
    if header.cache is not None:
        return header.cache
    moving, of_period = _read(question.query.source)
    if header.refresh or moving:
        return 0
    if versioned and of_period and question.view.period.end + SETTLED <= question.view.now:
        return CLOSED_S
    return cost_s + min(MOST_S, max(LEAST_S, cost_s * PROPORTION))


@lru_cache(maxsize=256)
def _read(source: str) -> tuple[bool, bool]:
    """Whether a file's answer hangs on the moment, and whether on its period alone."""
    sql = COMMENTS.sub("", source)
    return bool(MOVING.search(sql)), bool(OF_PERIOD.search(sql))

"""What a query file holds, by its words: one statement that asks, and the tables it asks.

Strings, quoted names and comments are told from the rest as each database does it. A statement that writes, or that
switches something, is refused here with a clear word; that it could not do so anyway is `run.py`'s affair.

Of the databases' servers the words are all there is to keep a report from the people's passwords: enough against
accidents, while a lock is the account's rights alone. SQLite is told what it may read (`reach.py`).
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from crumby.errors import QueryFileError
from crumby.tables import guesses, salts, sessions, setups, shares, tokens, users

SECRET: Final = frozenset(  # tables with secrets in them
    table.name for table in (users, sessions, guesses, setups, shares, tokens, salts)
)


QUOTED: Final = r"""  "(?:[^"]|"")*" | `[^`]*`  """


def _tokens(strings: str, comments: str, odd: str = r"(?!)", quoted: str = QUOTED) -> re.Pattern[str]:
    """What a statement is made of. `odd` is what could hide something from whoever reads it so."""
    return re.compile(
        rf"""(?P<odd> {odd} )
           | (?P<string> {strings} )
           | (?P<quoted> {quoted} )
           | (?P<comment> {comments} )
           | (?P<bind> (?<![:\w\\]):(?P<name>[A-Za-z_]\w*) )
           | (?P<colon> : )
           | (?P<end> ; )""",
        re.VERBOSE | re.DOTALL | re.IGNORECASE,
    )


_ESCAPED: Final = r"'(?:[^'\\]|''|\\.)*'"
TOKENS: Final = {
    "sqlite": _tokens(r"'(?:[^']|'')*'", r"--[^\n]* | /\*.*?\*/"),
    # It runs what stands in /*! … */, a hint lifts the time limit, and two dashes alone begin no comment: 5--3 is 8.
    "mysql": _tokens(
        rf"""{_ESCAPED} | "(?:[^"\\]|""|\\.)*" """,
        r"--(?=[\x00-\x20\x7f]|\Z)[^\n]* | \#[^\n]* | /\*.*?\*/",
        r"/\*m?! | /\*\+(?:(?!\*/).)*?(?:set_var|max_execution_time)",
    ),
    # It has e'…' and $tag$…$tag$, spells names in code points (u&"…"), and lets comments stand within comments.
    "postgresql": _tokens(
        rf"""(?<![\w$])e{_ESCAPED}(?:\s*[\n\r]\s*{_ESCAPED})* | '(?:[^']|'')*'
           | (?<![\w$])\$(?P<tag>(?:[^\W\d]\w*)?)\$.*?\$(?P=tag)\$""",
        r"--[^\n\r]* | /\*(?:(?!/\*|\*/).)*\*/",
        r"""(?<![\w$])u&["'] | /\*(?:(?!\*/).)*/\*""",
    ),
    # It has $tag$…$tag$ as well, which begins within no word; backslashes in quoted names; quotation marks of print;
    # and x'…', in which a backslash is none.
    "clickhouse": _tokens(
        rf"""{_ESCAPED} | \$(?P<tag>\w*)\$.*?\$(?P=tag)\$""",
        r"--[^\n]* | //[^\n]* | \#[ !][^\n]* | /\*(?:(?!/\*|\*/).)*\*/",
        r"""(?<=[\w$])\$\w*\$ | [\u2018\u2019\u201c\u201d] | (?<![\w$])[xb]'(?![0-9a-f]*')
           | "(?:[^"\\]|"")*\\ | `(?:[^`\\]|``)*\\ | /\*(?:(?!\*/).)*/\*""",
        r"""  "(?:[^"\\]|"")*" | `(?:[^`\\]|``)*`  """,
    ),
}

BEGINNINGS: Final = re.compile(r"[\s(]*(select|with|values)\b")
# What a select can do besides: write a file or a variable, and lock rows that hits wait for.
DEEDS: Final = re.compile(r"""(?<![\w$"`])(into|for\s+(?:no\s+key\s+|key\s+)?(?:update|share)|lock\s+in)(?![\w$"`])""")
# Functions that outlast the report, end others, or run SQL given as a text, which could be any.
POWERS: Final = re.compile(
    r"(?<![\w$])(get_lock|pg_(?:try_)?advisory\w*|pg_(?:terminate|cancel)_backend|set_config|load_file|pg_read_\w+"
    r"|(?:query|table|schema|database|cursor)_to_xml\w*|ts_stat|dblink\w*|pg_stats\w*|pg_statistic\w*)(?![\w$])"
)
# What ClickHouse reads elsewhere: files, addresses, other servers, programs, and tables by a pattern. And what it takes
# behind a statement: its answer in another form, and other limits.
ELSEWHERE: Final = re.compile(
    r"(?<![\w$])(azureblobstorage\w*|arrowflight|cluster\w*|cosn|deltalake\w*|executable|file\w*|gcs|hdfs\w*|hive|hudi\w*"
    r"|iceberg\w*|input|jdbc|loop|merge\w*|mongodb|mysql|odbc|oss|paimon\w*|postgresql|prometheus\w*|redis|remote\w*|s3\w*"
    r"|sqlite|timeseries\w*|url(?:cluster)?|viewexplain|ytsaurus)(?=[\"`]?\s*\()"
)
BEHIND: Final = re.compile(r"(?<![\w$.`\"])(settings(?=\s+\w+\s*=)|format(?=\s+\w+\s*(?:$|;|settings\b)))")
WORDS: Final = re.compile(r"""(?P<quoted>["`][\w$]+["`])|(?P<word>[^\W\d][\w$]*)|[(),.]""")
LISTS: Final = frozenset({"from", "join", "straight_join", "table"})  # a table's name comes next
CLAUSES: Final = frozenset(
    "select where group having order limit offset fetch union except intersect window values".split()  # noqa: SIM905 - words
)


@lru_cache(maxsize=256)  # 0.1 to 0.4 ms: a file has few texts, as values are bound
def single(sql: str, dialect: str) -> str:
    """The one statement, without the semicolon that may end it: MySQL's driver would run what follows as well.

    Raises QueryFileError for what is no question, or asks for what is not a report's.
    """
    tokens = TOKENS[dialect]
    end = next((token.start() for token in tokens.finditer(sql) if token["end"]), len(sql))
    statement, rest = sql[:end].strip(), sql[end:]
    if _blank(statement, tokens):
        raise QueryFileError("holds no statement")
    if not _blank(rest, tokens):
        raise QueryFileError("a query file holds one statement, and this one goes on behind a semicolon")
    skeleton = _skeleton(statement, tokens)
    _refuse_deeds(skeleton, dialect)
    secret = next((name for name in _tables(skeleton) if name in SECRET), None) if dialect != "sqlite" else None
    if secret:
        raise QueryFileError(f"the table {secret} is not a report's to read, nor its name a `with`'s to take")
    return statement


def _blank(sql: str, tokens: re.Pattern[str]) -> bool:
    return not tokens.sub(lambda token: "" if token["comment"] or token["end"] else token[0], sql).strip()


def _skeleton(sql: str, tokens: re.Pattern[str]) -> str:
    """The statement in small letters, without its comments and what its strings say.

    `SELECT 'a' AS "B" -- c` → `select '' as "b"`.
    """

    def strip(token: re.Match[str]) -> str:
        if token["odd"]:
            raise QueryFileError(f"{token['odd'][:20]!r} could hide something from Crumby; write it without")
        if token["comment"]:
            return " "
        return "''" if token["string"] else token[0]

    return tokens.sub(strip, sql).lower()


def _refuse_deeds(skeleton: str, dialect: str) -> None:
    if not BEGINNINGS.match(skeleton):
        first = re.split(r"\W", skeleton.lstrip(" \t\r\n("))[0]
        raise QueryFileError(f"it begins with `{first[:20]}`, and answers no rows; a query file asks, with `select`")
    refused = DEEDS.search(skeleton) or POWERS.search(skeleton)
    if not refused and dialect == "clickhouse":
        refused = ELSEWHERE.search(skeleton) or BEHIND.search(skeleton)
    if refused:
        raise QueryFileError(f"`{refused[1]}` is not a report's to use: it does more than ask")


def _tables(skeleton: str) -> Iterator[str]:
    """The names that stand where a table's does: behind `from`, `join` or a comma in their list.

    `select users, max(v.users) from visits v, (select 1 from "crumby".events) order by users`
    → `visits`, `crumby`, `events`.
    """
    levels = [(False, False)]  # of parentheses: within such a list; a name comes next
    named = False  # the last one was a table's: behind a dot follows the rest of it
    for found in WORDS.finditer(skeleton):
        listing, awaited = levels[-1]
        text, was_named, named = found[0], named, False
        if text == "(":
            levels.append((awaited, awaited))
        elif text == ")":
            levels = [*levels[:-2], (levels[-2][0], False)] if len(levels) > 1 else levels
        elif text in {",", "."}:
            levels[-1] = (listing, listing if text == "," else was_named)
        elif text in LISTS:
            levels[-1] = (True, True)
        elif text in CLAUSES:
            levels[-1] = (False, False)
        elif awaited and text not in {"lateral", "only"}:
            yield text.strip('"`')
            named = True
            levels[-1] = (listing, False)

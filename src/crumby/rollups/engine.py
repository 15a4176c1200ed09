"""What is new goes into the rollups, and their marks move on, in one transaction: each row counts exactly once.

    marks ──► the chunk after them ──► hits, acts ──► each file's rows ──► rollup_…_day, rollup_…_month ──► marks

Rollups that have come equally far share a chunk. A new one, a changed one, one of another time zone or of another
database begins at the beginning, while the others go on. It is all one loop.
"""

import contextlib
import logging
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Final
from zoneinfo import ZoneInfo

from crumby.errors import QueryFileError
from crumby.rollups import amended, copied, delta, kept, late, marks, tables, totals
from crumby.rollups.audit import Audit, Wrong
from crumby.rollups.clock import Clock
from crumby.rollups.copied import Copy
from crumby.rollups.delta import SECONDS, TOLD, VIEWS
from crumby.rollups.files import Rollup
from crumby.rollups.kept import Kept
from crumby.rollups.marks import NEW, Again, Marks, State
from crumby.rollups.settling import Heads
from crumby.rollups.statements import ACTS, STAGES, Statements, added_since, prepared
from crumby.rollups.totals import LAST_DAY, Imported
from crumby.rollups.work import Busy, Work
from crumby.wiping import SECURE

log = logging.getLogger(__name__)

OUTGROWN: Final = 10  # times: then what the planner knows of a table is out of date
SMALL: Final = 1000  # visits and totals, of which no planner needs to know
WORN: Final = 20_000  # rows deleted out of InnoDB's temporary tables


@dataclass(frozen=True, slots=True)
class Done:
    visits: int = 0  # that the chunk had, and totals
    left: int = 0  # ids of visits, events and totals that the one farthest behind has yet to come to
    pending: bool = False  # there is more to do now
    of: int = 0  # ids of visits, events and totals in all


class RollupFailed(QueryFileError):
    def __init__(self, rollup: Rollup, error: object) -> None:
        super().__init__(f"{rollup.shown}: {error}; mend the file: `hits` has {', '.join(delta.HITS)}")
        self.rollup = rollup


class Engine:
    """`rollups` are those that are sound; what is wrong with the others is in `errors`."""

    def __init__(self, dialect: str, zone: str, copy: Copy | None = None) -> None:
        self.dialect = dialect
        self._copy = copy
        self.zone = zone
        self.rollups: dict[str, Rollup] = {}
        self.errors: dict[str, str] = {}
        self.ready: dict[str, Rollup] = {}
        self.states: dict[str, State] = {}
        self.version = 0
        self._given: Sequence[Rollup] = ()
        self._parts: set[str] = set()  # names of those that have a temporary table on this connection
        self._deleted = 0  # rows, of temporary tables since they were made
        self._failed: dict[tuple[str, str], str] = {}  # (name, hash) → what is wrong with it
        self._statements: Statements | None = None
        self._heads = Heads()
        self.imported = Imported()

    # What there is to work out

    def connected(self, work: Work, rollups: Sequence[Rollup]) -> None:
        """A new connection gets its temporary tables, and is asked what it makes of the files. Raises Busy."""
        with work.apart():
            self._make_delta(work)
        self._parts.clear()
        self._heads = Heads()
        with work.apart():
            prepared = self._has_state(work) and amended.is_there(work) and kept.is_there(work)
        if not prepared:
            with work.transaction():
                self._prepare(work)
        if self._copy:
            self._copy.connected(work)
        else:
            copied.drop(work)
        self.take(work, rollups)

    def _has_state(self, work: Work) -> bool:
        """Another version's is none. What it had come to goes, not what it keeps of days whose visits are deleted."""
        there = work.has(tables.STATE)
        return there and work.columns(f"select * from {tables.STATE} where 1 = 0") == marks.columns()

    def _prepare(self, work: Work) -> None:
        if not self._has_state(work):
            if work.has(tables.STATE):
                work.do(f"drop table {tables.STATE}")  # then all are made anew
            work.do(tables.state_table(self.dialect))
        if not kept.is_there(work):
            kept.create(work)
        if not amended.is_there(work):
            amended.create(work)

    def take(self, work: Work, rollups: Sequence[Rollup]) -> None:
        """These are the files now."""
        self._given = rollups
        found: dict[str, Rollup] = {}
        errors: dict[str, str] = {}
        for rollup in rollups:
            error = rollup.error or self._failed.get((rollup.name, rollup.hash)) or self._proven(work, rollup)
            if error:
                errors[rollup.name] = error
                if self.errors.get(rollup.name) != error:
                    log.warning("%s", error)
            else:
                found[rollup.name] = rollup
        self.rollups, self.errors, self._statements = found, errors, None

    def _proven(self, work: Work, rollup: Rollup) -> str | None:
        """What is wrong with it, if anything is."""
        known = self.rollups.get(rollup.name)
        if known and known.hash == rollup.hash and rollup.name in self._parts:
            return None
        try:
            select = rollup.select(self._clock(1970))
            with work.apart():
                _compare(rollup, work.columns(f"select * from ({select}) made where 1 = 0"))
                self._make_part(work, rollup)
        except QueryFileError as error:
            return str(error)
        except Exception as error:
            if not work.is_of_the_file(error):
                raise
            return str(RollupFailed(rollup, _said(error)))
        return None

    def _make_delta(self, work: Work) -> None:
        for statement in delta.creation(self.dialect):
            work.do(statement)
        self._deleted = 0

    def _make_part(self, work: Work, rollup: Rollup) -> None:
        if self.dialect == "postgresql":
            self._parts.add(rollup.name)
            return
        if rollup.name in self._parts:
            work.do(
                f"drop {'table temp.' if self.dialect == 'sqlite' else 'temporary table '}{tables.part_table(rollup)}"
            )
        work.do(tables.part_creation(rollup, self.dialect))
        self._parts.add(rollup.name)

    def _clock(self, first: int) -> Clock:
        return Clock.about(self.dialect, self.zone, first, _now())

    # A step

    def look(self, work: Work) -> None:
        """Which ones are ready, whoever made them so."""
        heads = self._heads.now(work)
        self._span(work, heads)
        self._see(self._valid(work, heads))

    def is_all_in(self, work: Work) -> bool:
        """Whether the next step would find nothing new. To ask costs a server a fifth of a step, and nobody the lock.

        A step sees more: that a visit is another one now, or that somebody has made a rollup meanwhile.
        """
        with work.apart():
            heads = self._heads.now(work)
            there = {state.name: state for state in marks.read(work)}
        return bool(self.states) and all(
            state.marks == heads and state == there.get(name) for name, state in self.states.items()
        )

    def step(self, work: Work, most: int, *, complete_alone: bool = False) -> Done:
        """A chunk of at most so many visits, and events, for each group of rollups. Raises Busy, RollupFailed.

        With `complete_alone` those that are being made are left alone, as are all where there is more than a chunk.
        """
        self._renew(work)
        try:
            with work.transaction():
                return self._step(work, most, complete_alone=complete_alone)
        except RollupFailed as error:
            self._failed[error.rollup.name, error.rollup.hash] = str(error)
            self.take(work, self._given)
            return Done(pending=True)

    def _renew(self, work: Work) -> None:
        """InnoDB keeps what was deleted out of a temporary table, and each question passes it by, until the table goes.

        After a million visits a chunk would take ten times as long. `truncate` would commit.
        """
        if self.dialect != "mysql" or self._deleted < WORN:
            return
        with work.apart():
            for table in delta.TABLES:
                work.do(f"drop temporary table {table}")
            self._make_delta(work)
            for rollup in self.rollups.values():
                self._make_part(work, rollup)

    def _step(self, work: Work, most: int, *, complete_alone: bool) -> Done:
        heads = self._heads.now(work)
        self._span(work, heads)
        states = self._valid(work, heads)
        if complete_alone:
            states = [state for state in states if state.complete]
        else:
            states += self._begun(work, {state.name for state in states})
        if self._copy:
            self._copy.begin(work, states, self.rollups, all_of_them=not complete_alone)
        done = self._take_all_in(work, states, heads, most, complete_alone=complete_alone)
        if self._copy:
            self._copy.end(work)
            if not complete_alone:
                self._copy.take_in(work, self._heads)
        return done

    def _take_all_in(
        self, work: Work, states: Sequence[State], heads: Marks, most: int, *, complete_alone: bool
    ) -> Done:
        known = {state.name: state for state in states}
        done, version = 0, max([self.version, *(state.version for state in states)])
        for after, again, group in marks.groups(states):
            if complete_alone and after.behind(heads) > most:
                continue
            until = self._heads.chunk(work, after, heads, most)
            if again != NEW:
                until = again.bound(after, until)
            witness, of_total = marks.witness(work, until.visits), marks.witness_total(work, until.totals)
            rows, changed_past = self._take_in(work, group, after, until, again)
            if changed_past:
                version = max(version + 1, time.time_ns() // 1_000_000)
            done = max(done, rows)
            at_end = not until.behind(heads) or self._settles(until)
            for state in group:
                known[state.name] = replace(
                    state,
                    marks=until,
                    witness=witness,
                    witness_total=of_total,
                    complete=state.complete or at_end,
                    version=version if changed_past or (at_end and not state.complete) else state.version,
                )
                if known[state.name] != state:
                    marks.move(work, state, known[state.name])
            if self._copy:
                self._copy.moved(work, [known[state.name] for state in group])
        if work.dialect != "sqlite" and len(marks.sound(work, states)) < len(states):
            raise Busy  # visits were deleted meanwhile, and others that came later were read
        self._see(known.values())
        return self._done(known.values(), heads, done)

    def _settles(self, until: Marks) -> bool:
        """Whether nothing is missing but what may not have been committed yet."""
        settled = self._heads.settled
        return settled != Marks() and not until.behind(settled)

    def _done(self, states: Iterable[State], heads: Marks, visits: int) -> Done:
        left = max((state.marks.behind(heads) for state in states), default=0)
        return Done(visits, left, left > 0, heads.rows)

    def _span(self, work: Work, heads: Marks) -> None:
        """Which days have totals. It is asked only where there are new ones."""
        if heads.totals != self.imported.last:
            self.imported = totals.seen(work, self.imported, heads.totals)

    def _see(self, states: Iterable[State]) -> None:
        self.states = {state.name: state for state in states}
        self.ready = {name: self.rollups[name] for name, state in self.states.items() if state.complete}
        self.version = max([self.version, *(state.version for state in self.states.values())])
        taken_in = min((state.marks.totals for state in self.states.values() if state.complete), default=0)
        self.imported = self.imported._replace(whole=taken_in >= self.imported.last)

    def _valid(self, work: Work, heads: Marks) -> list[State]:
        """Those that are of these files, this zone and this database."""
        fitting = [
            state
            for state in marks.read(work)
            if state.name in self.rollups
            and self.rollups[state.name].hash == state.hash
            and state.zone == self.zone
            and all(head >= mark for head, mark in zip(heads, state.marks, strict=True))
        ]
        return marks.sound(work, fitting)

    def _begun(self, work: Work, valid: set[str]) -> list[State]:
        """Empty tables for each that has none which will do; those of files that are gone go as well.

        Of days whose visits are deleted they keep what they have, where they can; where its file is gone or wrong, a
        rollup with such days sleeps until it is back.
        """
        begun = []
        mark = kept.mark(work)
        for name in sorted(({state.name for state in marks.read(work)} | set(self.rollups)) - valid):
            rollup, known = self.rollups.get(name), self._end(work, name)
            keeps = known is not None and known.mark == mark
            if rollup is None and keeps:
                continue
            if rollup and known and keeps and known.shape == rollup.shape and work.has(rollup.day_table):
                kept.leave_the_rest(work, rollup, known)
            else:
                self._make(work, name, rollup, known)
                known = None
            if rollup:
                again = Again(known.day, known.visits, known.events, known.totals) if known else NEW
                begun.append(State(name, rollup.hash, self.zone, version=self.version, kept=again))
                marks.create(work, begun[-1])
        return begun

    def _end(self, work: Work, name: str) -> Kept | None:
        """What it had come to is over → what it keeps, and up to which row that was counted."""
        known = kept.read(work).get(name)
        state = next((state for state in marks.read(work) if state.name == name), None)
        if known and state:
            counted = {table: max(getattr(known, table), getattr(state.marks, table)) for table in kept.TABLES}
            known = known._replace(**counted)
            kept.put(work, name, known)
        marks.delete(work, name)
        return known

    def _make(self, work: Work, name: str, rollup: Rollup | None, known: Kept | None) -> None:
        if known:
            log.warning("the rollup %s is another one now: what it had of the days before %s is gone", name, known.day)
            kept.drop(work, name)
        for table in filter(work.has, tables.names(name)):  # MySQL's driver would log each that does not exist
            work.do(f"drop table {table}")
        for statement in tables.creation(rollup, self.dialect) if rollup else ():
            work.do(statement)

    # What a chunk adds

    def _take_in(
        self, work: Work, group: Sequence[State], after: Marks, until: Marks, again: Again
    ) -> tuple[int, bool]:
        """How many rows it had, and whether it changed a day before today."""
        rows, changed_past = self._advance(work, [state.name for state in group], after, until, again)
        if until.totals == after.totals:
            return rows, changed_past
        return rows + until.totals - after.totals, self._add_totals(work, group, until.totals) or changed_past

    def _advance(self, work: Work, names: Sequence[str], after: Marks, until: Marks, again: Again) -> tuple[int, bool]:
        """How many visits it had, and whether it changed a day before today."""
        if after == until:
            return 0, False
        statements = self._prepared(work)
        found: dict[str, int] = {}
        for stage in STAGES:
            found[stage] = self._fill(work, statements, stage, after, until)
            for rollup in statements.by_stage[stage]:
                if rollup.name in names and any(found[need] for need in statements.needs[rollup.name]):
                    added = statements.added[rollup.name]
                    answering = self._copy is not None
                    since = (
                        added_since(rollup, statements.clock, again.day, answering=answering) if again.day else added
                    )
                    self._add(work, rollup, since)
        changed_past = self._changes_the_past(work, found)
        self._empty(work, found)
        return found[VIEWS], changed_past

    def _fill(self, work: Work, statements: Statements, stage: str, after: Marks, until: Marks) -> int:
        table = {ACTS: "events", TOLD: "engagements"}.get(stage, "visits")
        told = {"told_after": after.engagements, "told_until": until.engagements}
        rows = 0
        if stage in statements.fill and getattr(until, table) != getattr(after, table):
            counted = after.visits if stage == TOLD else getattr(until, table)
            new = {"after": getattr(after, table), "until": counted}
            rows += _asked(work, statements.fill[stage], new | told)
        if stage in statements.amend and until.amended != after.amended:
            changed = {"amended_after": after.amended, "amended_until": until.amended, "until": getattr(after, table)}
            rows += _asked(work, statements.amend[stage], changed | told)
        return rows

    def _add(self, work: Work, rollup: Rollup, statements: Sequence[str]) -> None:
        making, *adding = statements
        try:
            if self._copy and self.dialect == "postgresql":
                self._copy.added(rollup, work.plain_rows(making))
            elif work.plain(making):
                if self._copy:
                    self._copy.added(rollup, work.plain_rows(tables.new_rows(rollup)))
                for statement in adding:
                    work.plain(statement)
        except Exception as error:
            if work.is_of_the_file(error):
                raise RollupFailed(rollup, _said(error)) from error
            raise

    def _add_totals(self, work: Work, group: Iterable[State], until: int) -> bool:
        """Whether a day before today was among them."""
        days: list[int] = []
        for state in group:
            counted = totals.read(work, self.rollups[state.name], state.marks.totals, until, state.kept)
            try:
                rows = totals.add(work, self.rollups[state.name], counted)
            except Exception as error:
                if work.is_of_the_file(error):
                    raise RollupFailed(self.rollups[state.name], _said(error)) from error
                raise
            if self._copy:
                self._copy.added(self.rollups[state.name], rows)
            if state.kept.day:
                kept.has_totals(work, state.name, until)
            days += [day for _, day, _ in counted]
        return min(days, default=LAST_DAY) < self._today()

    def _changes_the_past(self, work: Work, found: Mapping[str, int]) -> bool:
        filled = [
            table
            for table in ("hits", "acts")
            if any(found[stage] for stage in found if (stage == ACTS) == (table == "acts"))
        ]
        days = [work.rows(f"select min(day) from {table}")[0][0] for table in filled]
        return any(day is not None and day < self._today() for day in days)

    def _today(self) -> int:
        return int(_now().replace(tzinfo=UTC).astimezone(ZoneInfo(self.zone)).strftime("%Y%m%d"))

    def _empty(self, work: Work, found: Mapping[str, int]) -> None:
        self._deleted += sum(found.values())
        verb = "truncate table" if self.dialect == "postgresql" else "delete from"
        if any(found[stage] for stage in STAGES if stage != ACTS):
            work.do(f"{verb} hits")
        if found[ACTS]:
            work.do(f"{verb} acts")

    def _prepared(self, work: Work) -> Statements:
        first = work.rows("select min(datetime) from visits")[0][0]
        clock = self._clock(_year(first))
        if self._statements is None or self._statements.clock != clock:
            self._statements = prepared(self.rollups.values(), clock, answering=self._copy is not None)
        return self._statements

    @contextlib.contextmanager
    def filled(self, work: Work, visits: Sequence[int], events: Sequence[int], until: Marks) -> Iterator[Clock]:
        """`hits` and `acts` of these alone, as they are, for what a file makes of them. All told of them is counted."""
        statements = self._prepared(work)
        told = {"told_after": until.engagements, "told_until": until.engagements}
        found = dict.fromkeys(STAGES, 0)
        for stage, ids in ((VIEWS, visits), (SECONDS, visits), (ACTS, events)):
            for number in ids if stage in statements.fill else ():
                found[stage] += _asked(work, statements.fill[stage], {"after": number - 1, "until": number} | told)
        yield statements.clock
        self._empty(work, found)

    def purge(self, work: Work, most: int) -> int:
        """Delete so many engagements that are in all rollups, and what was amended → the greater number. Raises Busy.

        The last one stays, for SQLite counts on from it.
        """
        with work.transaction():
            states = [state for state in marks.read(work) if state.name in self.rollups]
            if not states or len(states) < len(self.rollups):
                return 0
            all_marks = [state.marks for state in states] + ([self._copy.marks(work)] if self._copy else [])
            taken_in = {name: min(getattr(each, name) for each in all_marks) for name in ("engagements", "amended")}
            return max([work.purge(table, mark, most) for table, mark in taken_in.items()])

    def heads(self, work: Work) -> Marks:
        """The greatest ids there are."""
        return self._heads.now(work)

    def complete(self, work: Work) -> list[State]:
        """All of them, within a transaction. Raises Busy where one has not counted everything yet."""
        states = [state for state in self._valid(work, self._heads.now(work)) if state.complete]
        if len(states) < len(self.rollups):
            raise Busy
        return states

    def sweep(self, work: Work) -> None:
        """Delete rows of nothing, which say by what something was counted. Raises Busy."""
        if self.dialect == "sqlite":
            work.do(f"pragma main.{SECURE}")
        for rollup in self.rollups.values():
            with work.transaction():
                for table in filter(work.has, tables.names(rollup.name)):
                    sums = (rollup.counted,) if table == rollup.return_table else rollup.sums
                    work.do(f"delete from {table} where {' and '.join(f'{name} = 0' for name in sums)}")
        if self._copy:
            with work.transaction():
                self._copy.swept(work)

    def pruned(self, work: Work, before: str) -> None:
        """Rows from before that instant, in UTC, are gone."""
        if self._copy:
            self._copy.pruned(work, before)

    def tell_of_hits(self, work: Work) -> None:
        """Say of what is new that it is to be copied, within a transaction."""
        if self._copy:
            self._copy.take_in(work, self._heads)

    def counted(self) -> Marks | None:
        """Up to where no row is still on its way."""
        known = [state.marks for state in self.states.values() if state.complete]
        return Marks(*map(max, zip(*known, strict=True))) if known else None

    def forget(self, work: Work, names: Sequence[str] = ()) -> None:
        """These, or all, begin anew with the next step. Raises Busy."""
        with work.transaction():
            for name in names or list(self.rollups):
                self._end(work, name)
            self._see([state for state in self.states.values() if names and state.name not in names])

    def audit(self, work: Work, day: date) -> list[Wrong]:
        """The rollups of which that day is wrong begin anew with the next step. Raises Busy."""
        with work.transaction():
            heads = self._heads.now(work)
            states = {state.name: state for state in self._valid(work, heads) if state.complete}
            if not states or any(state.marks.amended != heads.amended for state in states.values()):
                raise Busy  # with that taken in, it will be compared
            audit = Audit(work, day, self.zone)
            known = {name: state for name, state in states.items() if state.kept.day <= audit.day}
            wrong = list(audit.wrong({name: self.rollups[name] for name in known}, known))
            for each in wrong:
                self._end(work, each.name)
            found = audit.strays(max(state.marks for state in states.values()))
        if found:
            late.mark(work, found)
        return wrong

    def behind(self, work: Work, name: str) -> int:
        """How many ids of visits, events and totals it has yet to come to."""
        state = self.states.get(name)
        return (state.marks if state else Marks()).behind(self._heads.now(work))

    def rows(self, work: Work, name: str) -> tuple[int, int]:
        """How many its tables have."""
        if name not in self.states:
            return 0, 0
        rollup = self.rollups[name]
        day, month = (
            work.rows(f"select count(*) from {table}")[0][0] for table in (rollup.day_table, rollup.month_table)
        )
        return day, month

    # The planner's knowledge

    def tend(self, work: Work) -> None:
        """Analyze the tables that are complete, or have grown tenfold since. Raises Busy."""
        due = [
            state
            for state in self.states.values()
            if state.complete and (state.analyzed < 0 or state.marks.counted > OUTGROWN * max(state.analyzed, SMALL))
        ]
        if not due:
            return
        with work.transaction():
            for state in due:
                rollup = self.rollups[state.name]
                for table in (rollup.day_table, rollup.month_table, rollup.return_table):
                    work.do(f"analyze {'table ' if self.dialect == 'mysql' else ''}{table}")
                work.do(
                    f"update {tables.STATE} set analyzed = :counted where name = :name",
                    {"counted": state.marks.counted, "name": state.name},
                )
            if self.dialect == "sqlite":  # whose other connections read it anew only where the schema has changed
                work.do("create table analyzed (at)")
                work.do("drop table analyzed")
        self.states |= {state.name: replace(state, analyzed=state.marks.counted) for state in due}


def _asked(work: Work, sql: str, values: Mapping[str, int]) -> int:
    return work.do(sql, {name: value for name, value in values.items() if f":{name}" in sql})


def _compare(rollup: Rollup, columns: Sequence[str]) -> None:
    if tuple(columns) != rollup.columns:
        has, wants = ", ".join(columns), ", ".join(rollup.columns)
        raise QueryFileError(f"{rollup.shown}: its answer has {has}, its header wants {wants}; mend either")


def _year(first: object) -> int:
    """Of the first visit, which may have no time that is one."""
    if isinstance(first, datetime):
        return first.year
    text = str(first or "")[:4]
    return int(text) if text.isdecimal() and text.isascii() else _now().year if first is None else 1970


def _said(error: Exception) -> str:
    lines = str(getattr(error, "orig", None) or error).splitlines()
    return lines[0] if lines else type(error).__name__


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)

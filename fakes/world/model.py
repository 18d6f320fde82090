"""What the fake world is made of: builds, people, databases, snapshots.

Everything that a snapshot may share is never changed in place: a database's content is a value, a
table is the set of its row ids as the bits of one integer.  So a copy of a state set costs a copy
of one small dict, and a clone of the world costs microseconds.
"""

from __future__ import annotations

from enum import StrEnum
from functools import cache
from typing import Final, NamedTuple

from attrs import Factory, define, frozen

from t3safe.domain.ledgers import Ledger, Migration, SetLedger
from t3safe.domain.retention import SnapshotKind
from t3safe.domain.versions import Version
from t3safe.t3 import sign_in, work
from t3safe.t3.files import V1_DATABASE, V2_DATABASE
from t3safe.t3.generations import BEFORE_SCOPES, EVENT_LOG
from t3safe.t3.ledger import ORCHESTRATION_V2, SCOPES
from t3safe.t3.sign_in import BOOTSTRAP, BROWSER_SESSION, PLAIN_COOKIE
from t3safe.t3.updater import NO_TRACES, Traces

STATE: Final = V1_DATABASE
STATE_V2: Final = V2_DATABASE
SECOND_BEGINS: Final = ORCHESTRATION_V2
"""The migration, 55, with which a build of V2 begins."""
EVENTS: Final = EVENT_LOG
TURNS: Final = work.TURNS
SESSIONS: Final = sign_in.SESSIONS
REBUILDS_SIGN_IN: Final = Migration(31, SCOPES)
"""Drops and rebuilds the sign-in tables, as measured."""

OLD_PATH: Final = BOOTSTRAP
NEW_PATH: Final = BROWSER_SESSION
SIGNING_KEY: Final = b"k" * 32
_NO_LEDGER: Final = Ledger()
FADES_AFTER: Final = 60.0
"""Seconds that a build with Defect.FADES pairs before it stops."""


class Defect(StrEnum):
    """What is wrong with a build; a victim is whom it hits, everybody when none is named."""

    IN_PARTS = "published in parts"
    FOREIGN = "a foreign package"
    SILENT = "never answers"
    CHOKES = "its migration dies on old rows"
    SHRINKS = "its migration drops rows"
    PAIRLESS = "pairs nobody"
    FORGETFUL = "cannot be started a second time"
    NOISY = "logs persistence errors"
    MUTE = "pairs nobody in production"
    DIES = "migrates and exits in production"
    FADES = "stops pairing a minute after its start in production"
    LOSES = "drops rows as it migrates in production, and pairs nobody"


@cache
def version(text: str) -> Version:
    """Read a version once; the same object every time."""
    return Version.parse(text)


@cache
def ledger(level: int) -> Ledger:
    """The ledger of t3's own migrations up to a level."""
    known = {
        1: BEFORE_SCOPES.marked_by,
        REBUILDS_SIGN_IN.id: REBUILDS_SIGN_IN.name,
        55: SECOND_BEGINS,
    }
    return Ledger.of((number, known.get(number, f"Step{number}")) for number in range(1, level + 1))


@cache
def second_schema(level: int) -> SetLedger:
    """What a build of V2 knows at this level: it has the second database alone."""
    return SetLedger.of({STATE_V2: ledger(level)})


@cache
def schema(level: int, *, v2: int = 0) -> SetLedger:
    """What a build of this level knows; `v2` is the level of a second database, 0 without one."""
    databases = {STATE: ledger(level)} | ({STATE_V2: ledger(v2)} if v2 else {})
    return SetLedger.of(databases)


@frozen(eq=False)
class FakeBuild:
    """A release in the registry: what it knows, how it pairs, what is wrong with it."""

    version: Version
    schema: SetLedger
    path: str = NEW_PATH
    cookie: str = PLAIN_COOKIE
    defects: frozenset[Defect] = frozenset()
    victims: frozenset[str] = frozenset()
    age_days: float = 1.0

    @property
    def live(self) -> str:
        """The database that it works in.

        A build of V2 makes its own of STATE where it is missing, and never looks at STATE again.
        """
        return STATE if STATE in self.schema.names else STATE_V2

    def hits(self, defect: Defect, person: str) -> bool:
        """Whether this defect shows with this person."""
        return defect in self.defects and (not self.victims or person in self.victims)


class Content(NamedTuple):
    """What a database holds: its ledger, and for each table the row ids as bits."""

    ledger: Ledger
    tables: dict[str, int]


Databases = dict[str, tuple[Content, Content | None]]
"""Per file: the main file, and what a reader sees while a write-ahead log lies beside it."""


def seen(database: tuple[Content, Content | None]) -> Content:
    """What a reader sees: a log beside the main file wins."""
    main, wal = database
    return main if wal is None else wal


def rows_of(tables: dict[str, int]) -> int:
    """Every row of work as bits; sign-ins are none."""
    found = 0
    for table, rows in tables.items():
        if table != SESSIONS:
            found |= rows
    return found


def migrated(content: Content, known: Ledger) -> Content:
    """The content after a build's migrator: only the highest id is compared, as in t3 itself."""
    entries = content.ledger.entries
    level = entries[-1].id if entries else 0
    if known.level <= level:
        return content
    grown = _grown(content.ledger, known)
    tables = content.tables
    if level < REBUILDS_SIGN_IN.id <= known.level and SESSIONS in tables:
        tables = {**tables, SESSIONS: 0}
    return Content(grown, tables)


_GROWN: dict[tuple[int, int], tuple[Ledger, Ledger, Ledger]] = {}
"""Both ledgers and what becomes of them, by identity: hashing thirty migrations costs too much."""


def _grown(old: Ledger, known: Ledger) -> Ledger:
    """The ledger after the missing migrations above its level; `known` itself where it is that."""
    cached = _GROWN.get((id(old), id(known)))
    if cached is None:
        grown = known
        if old.missing_from(known):
            grown = Ledger(old.entries + tuple(i for i in known.entries if i.id > old.level))
        cached = _GROWN[id(old), id(known)] = (old, known, grown)
    return cached[2]


@frozen(eq=False)
class Snap:
    """A snapshot: sealed or not, whole or damaged since."""

    id: str
    person: str
    kind: SnapshotKind
    build: Version | None
    at: float
    """When it was taken, by the clock of the host."""
    contents: dict[str, Content]
    secret: bytes = b""
    sequence: int = 0
    """Its place among those of this person, whatever the clock said."""
    sealed: bool = True
    damaged: bool = False
    unreadable: str = ""
    """Kept as it is, because SQLite could not read it."""

    @property
    def ledger(self) -> SetLedger:
        """The ledgers that its manifest names."""
        return SetLedger.of({name: content.ledger for name, content in self.contents.items()})

    @property
    def rows(self) -> tuple[tuple[str, int], ...]:
        """Rows per table (`file:table`), as its manifest counts them."""
        return tuple(
            sorted(
                (f"{name}:{table}", held.bit_count())
                for name, content in self.contents.items()
                for table, held in content.tables.items()
            )
        )


class Unsettled(BaseException):
    """How it stands with a person matters here for the first time, and was never settled."""

    def __init__(self, person: str, question: str) -> None:
        super().__init__(person, question)
        self.person = person
        self.question = question


class OpenQuestion(StrEnum):
    """What can be left open of a person, until it first matters."""

    BUSY = "is at work"
    BROKEN = "pairs on no build that ran here before"
    REHEARSAL = "has a set on which the candidate fails"
    CANARY = "is paired by no new build in production"
    FADES = "is paired by a new build no longer than a minute"
    UNRESTORABLE = "has a set that cannot be replaced"


@define(eq=False, slots=False)
class FakePerson:
    """One person: the serve, the state set, the snapshots, and what they are busy with.

    `link` is the build selected for them alone.  `acknowledged` are the rows that a serve told
    them were kept.  Times are virtual seconds.  The last block are faults of this person's host:
    `clings` times a program holds the data and cannot be ended, `stop_lies` stops leave the process
    alive, after `start_lies` starts it dies at once, calls fail (a restore half-way), the disk is
    full.
    """

    name: str
    link: Version | None
    noted: Version | None = None
    """The build that the launcher started last, where it followed the default (no link)."""
    elsewhere: bool = False
    """Keeps the data where the launcher looks for none, so that it notes nothing."""
    mapped: bool = True
    """Is named by the user map."""
    known: bool = True
    """Is known to the system tonight; a directory service may be down."""
    updater: Traces = NO_TRACES
    """What t3's own updater left with them."""
    listed: bool = True
    """Is listed with a base directory or a unit; a directory's users show only while they run."""
    fenced: bool = False
    pid: int | None = None
    running: Version | None = None
    started: float = 0.0
    stopped: bool = False
    """Stopped by the service manager and not started since."""
    starting: tuple[Version, ...] = ()
    """Programs that have resolved their build and have not opened the data yet."""
    databases: Databases = Factory(dict)
    secret: bytes = SIGNING_KEY
    """The small file beside the databases without which every session is void."""
    restoring: str = ""
    snapshots: dict[str, Snap] = Factory(dict)
    acknowledged: int = 0
    written: dict[Version, int] = Factory(dict)
    """The acknowledged rows by the build whose serve wrote them."""
    next_row: int = 1
    ahead: bool = False
    """Ran a newer t3 of their own once: no promise holds that a build here knows the data."""
    stale: bool = False
    """Tried V2 once and works on in V1: a build of V2 would not show what they did since."""
    writing: bool = True
    minting: bool = False
    """Mints at every moment, as a browser that pairs again and again."""
    old_rows: bool = False
    """Has rows on which Defect.CHOKES chokes."""

    turn: float | None = None
    approvals: int = 0
    inputs: int = 0
    last_activity: float | None = None
    agents: tuple[str, ...] = ()
    job: str = ""
    """A program in t3's own terminal that uses a processor all the time, empty for none."""
    later: float | None = None
    """When, after now, an activity is dated by a clock that was ahead."""
    tracked: bool = True
    unreadable: str = ""
    """What SQLite says of the set where it cannot read it."""
    foreign: int = 0
    """The pid of a process beside the serve that has the set open, 0 for none."""

    clings: int = 0
    stop_lies: int = 0
    stop_fails: int = 0
    start_fails: int = 0
    start_lies: int = 0
    restore_fails: int = 0
    disk_full: bool = False
    touched: frozenset[Version] = frozenset()
    answers: dict[str, bool] | None = None
    """Where it is left open how it stands with this person: what was settled so far."""
    calm: object = None
    """In a terse world: under what nothing new can happen by itself; None when something may."""

    def clone(self) -> FakePerson:
        """An independent copy."""
        other = object.__new__(FakePerson)
        other.__dict__.update(self.__dict__)
        other.databases = dict(self.databases)
        other.snapshots = dict(self.snapshots)
        other.written = dict(self.written)
        other.answers = None if self.answers is None else dict(self.answers)
        return other

    def is_so(self, question: OpenQuestion) -> bool:
        """Whether it is so with this person; never where nothing was left open.

        Raises Unsettled where it was left open and matters now.
        """
        if self.answers is None:
            return False
        answer = self.answers.get(question)
        if answer is None:
            raise Unsettled(self.name, question)
        return answer

    @property
    def in_flight(self) -> bool:
        """Whether work would be lost or interrupted by a stop now."""
        live = self.turn is not None and self.turn >= self.started
        return self.pid is not None and bool(live or self.approvals or self.inputs or self.job)

    @property
    def obstructed(self) -> bool:
        """Whether something is wrong with this person's set alone, so that no move can succeed."""
        return self.ahead or self.stale or bool(self.unreadable or self.foreign)

    @property
    def standing(self) -> str:
        """What matters of a person who is touched now."""
        if self.in_flight:
            return "in flight"
        return "obstructed" if self.obstructed else "idle"

    def ledger(self) -> SetLedger:
        """The ledgers of the set as a reader sees them."""
        return SetLedger.of({name: seen(found).ledger for name, found in self.databases.items()})

    def strange_to(self, build: FakeBuild) -> str:
        """A migration in the set that the build does not know, empty when it knows them all."""
        known = dict(build.schema.databases)
        for name, database in self.databases.items():
            if name not in known:
                continue  # A real one never looks at it.
            found, knows = seen(database).ledger, known.get(name, _NO_LEDGER)
            if found is not knows:
                missing = found.missing_from(knows)
                if missing:
                    return f"{name}: {missing[0]}"
        return ""

    def rows(self) -> int:
        """Every row of work in the set, as bits."""
        found = 0
        for database in self.databases.values():
            found |= rows_of(seen(database).tables)
        return found

    def commit(self, live: str = STATE) -> None:
        """The serve commits one row of work to this database and tells the person so."""
        main, wal = self.databases[live]
        ledger, tables = main if wal is None else wal
        row = 1 << self.next_row
        table = EVENTS if self.next_row & 1 else TURNS
        kept = {**tables, table: tables.get(table, 0) | row}
        self.databases[live] = (main, Content(ledger, kept))
        self.acknowledged |= row
        if self.running is not None:
            self.written[self.running] = self.written.get(self.running, 0) | row
        self.next_row += 1

    def checkpoint(self) -> None:
        """What an orderly stop does to the logs."""
        self.calm = None
        for name, (_, wal) in self.databases.items():
            if wal is not None:
                self.databases[name] = (wal, None)

    def migrate(self, build: FakeBuild) -> bool:
        """What a serve or a mint of this build does first; whether anything was migrated."""
        grown = False
        for name, known in build.schema.databases:
            found = self.databases.get(name)
            if found is None and build.live == STATE_V2 and STATE in self.databases:
                # Copied once and for all, whoever opens the set first.
                found = self.databases[name] = (seen(self.databases[STATE]), None)
                grown = True
            if found is None:
                self.databases[name] = (Content(known, {}), None)
                grown = True
                continue
            before = seen(found)
            after = migrated(before, known)
            if after is not before:
                self.databases[name] = (found[0], after)
                grown = True
        if grown:
            self.calm = None
        return grown

"""The one fake world: what is true on the host, and what happens by itself.

Rules of this world:

1. Time is virtual and passes with every call of a port.  As it passes, every serve that writes
   commits a row and tells its person so, and whoever mints, mints.
2. A mint and a start run whatever is *selected* at that moment, and migrate what they open.  For
   whoever has no link the launcher notes what it starts, and starts that again, not the default.
   A slow mint resolves its build now and opens the data later, behind a fence too.
3. What changes something is played in sub-steps, and time passes between them; the process can die
   after any of them (`crash_at`), and the world stays as the steps before left it.
4. What a sub-step changed is durable where it says so, and at the latest when the whole operation
   has returned; a power cut inside loses any of the others (`lost`).
5. Everything is logged in order, as plain tuples: (operation, person or build, detail).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from attrs import Factory, define, evolve

from fakes.world.model import (
    EVENTS,
    FADES_AFTER,
    NEW_PATH,
    OLD_PATH,
    SESSIONS,
    STATE,
    STATE_V2,
    TURNS,
    Content,
    Defect,
    FakeBuild,
    FakePerson,
    OpenQuestion,
    ledger,
    migrated,
    seen,
)
from t3safe.domain.gate import Verdict
from t3safe.domain.people import MapProblem
from t3safe.domain.ports import Chosen, Hooks, Permit
from t3safe.domain.pressure import Pressure
from t3safe.domain.versions import Version
from t3safe.simulation.journal import MemoryJournal
from t3safe.t3.sign_in import PLAIN_COOKIE

EPOCH: Final = datetime(2026, 6, 16, 3, 0, tzinfo=UTC)
"""When virtual second 0 is."""

SECONDS: Final[dict[str, float]] = {
    "npm": 20.0,
    "registry": 1.0,
    "snapshot": 0.5,
    "rehearse": 30.0,
    "stop": 0.5,
    "start": 1.5,
    "verify": 2.0,
    "restore": 1.0,
}
"""What a call costs, in virtual seconds; the others take a tenth."""

_ANYTHING_ELSE: Final = 0.1
_BETWEEN: Final = 0.001
"""What passes between two sub-steps: enough for a row, and for a mint."""


class Crash(BaseException):
    """The process dies here.  A BaseException, so that nothing can handle it."""


class PowerCut(Crash):
    """The whole host goes dark here, and every process with it."""


class SubStep(NamedTuple):
    """One sub-step of an operation: what it does, and whether that is durable at once."""

    name: str
    do: Callable[[], object]
    durable: bool = True


@define(eq=False, slots=False)
class World:
    """Everything behind the ports; tests set its fields directly.

    `tags` are what the track's tag says at each further read, `tag` when they are used up.
    Reasons (`registry_down`, `npm_fails`, ...) are empty when all is well.
    """

    people: dict[str, FakePerson]
    builds: dict[Version, FakeBuild]
    """What the registry has ever published."""
    tag: Version
    store: set[Version]
    default: Version | None
    last_good: Version | None
    previous_good: Version | None = None
    locks: dict[Version, str] = Factory(dict)
    """From which lock file each build of the store was installed."""
    floats: str = ""
    """What npm resolves otherwise on this host, at the end of its lock files."""
    partial: set[Version] = Factory(set)
    """Stages that were begun and not sealed; garbage, not builds."""
    trusted: frozenset[Version] = frozenset()
    """Builds that ran here before t3safe came."""

    measured: frozenset[Version] = frozenset()
    """Builds of which a rehearsal has told what they know."""

    tags: tuple[Version, ...] = ()
    told_tags: dict[str, str | None] = Factory(dict)
    """What the registry says instead of a version, by track; None where the tag is missing."""
    registry_down: str = ""
    npm_fails: str = ""
    disk_full: bool = False
    launcher_replaced: str = ""
    frozen: str = ""
    dispatch_up: bool = True
    dispatch_broken: str = ""
    """Pairing cannot be tried at all."""
    dispatch_paths: frozenset[str] = frozenset({OLD_PATH, NEW_PATH})
    dispatch_said: frozenset[str] = frozenset()
    """The paths that the gate believes the dispatch to know, where they are not the true ones."""
    dispatch_cookies: frozenset[str] = frozenset({PLAIN_COOKIE})
    gate_broken: bool = False
    """Whatever is rehearsed fails, the control too."""
    fingerprint: str = "gate-1"
    pressure: Pressure = Factory(Pressure)
    """How hard the host is worked."""
    held_up: datetime | None = None
    """Since when runs have been held up by that."""
    map_problems: tuple[MapProblem, ...] = ()
    people_unknown: str = ""

    verdicts: dict[Version, tuple[Verdict, str]] = Factory(dict)
    chosen: Chosen = Factory(Chosen)
    journal: MemoryJournal = Factory(MemoryJournal)

    now: float = 0.0
    clock_ahead: float = 0.0
    """Seconds by which the host's clock is ahead of the time that passes here."""
    pids: int = 100
    runs: int = 0
    log: list[tuple[str, str, str]] = Factory(list)
    substeps: int = 0
    """How many sub-steps were played so far."""
    crash_at: int = 0
    """Die right after the sub-step of this number; 0 for never."""
    lost: frozenset[int] | None = None
    """Where that death is a power cut: the sub-steps, by number, that never reached the disk."""
    traced: list[tuple[int, ...]] | None = None
    """Where it is asked for: `volatile` after each sub-step."""
    volatile: list[int] = Factory(list)
    """The sub-steps since the last durable one, by number: what a power cut now could lose."""
    terse: bool = False
    """Whether a serve commits only rows that can tell two histories apart: the first since its set
    was copied or changed.  What holds of that row holds of those that would follow it."""
    hooks: dict[tuple[str, str], Callable[[World], None]] = Factory(dict)
    owner_hooks: Hooks | None = None
    """What the host's owner has called around a run."""
    fleet: Callable[[World], Permit] | None = None
    """The permit of the fleet that the host is in."""

    def clone(self) -> World:
        """An independent copy, without the hooks' closures being copied."""
        other = object.__new__(World)
        other.journal = MemoryJournal()
        other.become(self)
        return other

    def become(self, other: World) -> None:
        """Be as the other world is, in place: whoever holds this one goes on from there."""
        journal = self.journal
        self.__dict__.update(other.__dict__)
        self.people = {name: person.clone() for name, person in other.people.items()}
        self.builds = dict(other.builds)
        self.store = set(other.store)
        self.locks = dict(other.locks)
        self.partial = set(other.partial)
        self.verdicts = dict(other.verdicts)
        self.journal = journal
        journal.become(other.journal)
        self.log = list(other.log)
        self.volatile = list(other.volatile)
        self.hooks = dict(other.hooks)

    # Time, and what happens as it passes.

    @property
    def clock(self) -> datetime:
        """What the host's clock says, aware."""
        return EPOCH + timedelta(seconds=self.now + self.clock_ahead)

    def advance(self, seconds: float) -> None:
        """Let time pass (rule 1)."""
        self.now += seconds
        for person in self.people.values():
            if self.terse:
                doing = (person.link, person.fenced, person.pid, self.default)
                if person.calm == doing:
                    continue
                person.calm = doing
            if person.minting:
                self.mint(person.name)
            if person.pid is not None and person.running is not None and person.writing:
                live = self.builds[person.running].live
                if live in person.databases:
                    person.commit(live)

    def begin(self, operation: str, who: str = "", detail: str = "") -> None:
        """A port is called: time passes and what a test planned for this moment happens."""
        if self.hooks:
            planned = self.hooks.pop((operation, who), None)
            if planned is not None:
                planned(self)
        self.log.append((operation, who, detail))
        self.advance(SECONDS.get(operation, _ANYTHING_ELSE))

    def on(self, operation: str, who: str, action: Callable[[World], None]) -> None:
        """Plan an action for right before the next such call of a port."""
        self.hooks[operation, who] = action

    def play(self, operation: str, who: str, steps: Iterable[SubStep]) -> None:
        """Play the sub-steps of an operation; the process may die between two (rules 3 and 4)."""
        self.volatile.clear()
        for step in steps:
            self.substeps += 1
            if self.lost is None or self.substeps not in self.lost:
                step.do()
            self.log.append((operation, who, step.name))
            self.advance(_BETWEEN)
            if step.durable:
                self.volatile.clear()
            else:
                self.volatile.append(self.substeps)
            if self.traced is not None:
                self.traced.append(tuple(self.volatile))
            if self.substeps == self.crash_at:
                raise Crash if self.lost is None else PowerCut

    # What people and the host do.

    def chosen_build(self, person: FakePerson) -> Version | None:
        """What a start or a mint of this person runs now; None where nothing may run."""
        if person.fenced:
            return None
        build = person.link or person.noted or self.default
        return build if build in self.store else None

    def mint(self, name: str) -> bool:
        """A pairing credential for a person; whether there is one (rule 2)."""
        person = self.people[name]
        build = self.chosen_build(person)
        if build is None:
            return False
        fake = self._run(person, build)
        return not person.strange_to(fake)

    def begin_mint(self, name: str) -> None:
        """A slow mint begins: what is selected now is what it will open the data with."""
        build = self.chosen_build(self.people[name])
        if build is not None:
            self.people[name].starting += (build,)
            self.log.append(("begins", name, build.text))

    def open_late(self, name: str) -> None:
        """Every slow mint of a person opens the data now, whatever is selected by now, and ends."""
        person = self.people[name]
        begun, person.starting = person.starting, ()
        for build in begun:
            self._run(person, build)

    def launch(self, name: str) -> bool:
        """A start of the unit, by whomever; whether a process runs afterwards (rule 2)."""
        person = self.people[name]
        if person.pid is not None:
            return True
        build = self.chosen_build(person)
        if build is None:
            return False
        fake = self._run(person, build)
        if fake.hits(Defect.DIES, name) or self._chokes(fake, person):
            return False
        self.pids += 1
        person.pid, person.running, person.started = self.pids, build, self.now
        person.stopped = False
        return True

    def _run(self, person: FakePerson, build: Version) -> FakeBuild:
        """A program of this build opens the person's set."""
        fake = self.builds[build]
        if person.link is None and not person.elsewhere:
            person.noted = build
        if build not in person.touched:
            person.touched |= {build}
            self.log.append(("ran" if person.databases else "began", person.name, build.text))
        grown = not self._chokes(fake, person) and person.migrate(fake)
        if grown and fake.hits(Defect.LOSES, person.name):
            self._lose_rows(person, fake.live)
        return fake

    @staticmethod
    def _chokes(fake: FakeBuild, person: FakePerson) -> bool:
        return person.old_rows and fake.hits(Defect.CHOKES, person.name)

    @staticmethod
    def _lose_rows(person: FakePerson, live: str) -> None:
        main, wal = person.databases[live]
        known, tables = main if wal is None else wal
        person.databases[live] = (main, Content(known, {**tables, EVENTS: 0}))
        person.calm = None

    def halt(self, name: str) -> None:
        """An orderly stop of the process, by whomever."""
        person = self.people[name]
        person.pid, person.running = None, None
        person.checkpoint()

    def kill(self, name: str) -> None:
        """The process is killed, by whomever; the logs beside the databases stay."""
        person = self.people[name]
        person.pid, person.running = None, None

    def lose_serve(self, name: str) -> None:
        """The serve dies by itself, and the service manager starts what is selected."""
        if self.people[name].pid is not None:
            self.log.append(("serve-dies", name, ""))
            self.kill(name)
            self.launch(name)

    def power_cut(self) -> None:
        """Every process dies at once; the logs beside the databases stay."""
        for name in self.people:
            self.kill(name)
            self.people[name].starting = ()
        self.log.append(("power-cut", "", ""))

    def boot(self) -> None:
        """Every unit is started with what is selected; a fence lets none start."""
        self.log.append(("boot", "", ""))
        for name in self.people:
            self.launch(name)

    def work(self, name: str) -> None:
        """A person begins a turn."""
        self.people[name].turn = self.now

    def run_elsewhere(self, name: str, level: int) -> None:
        """A person runs a newer t3 of their own on their data once, past the launcher."""
        person = self.people[name]
        person.ahead = True
        for database, files in person.databases.items():
            person.databases[database] = (migrated(seen(files), ledger(level)), None)

    def try_second(self, name: str, level: int, *, works: bool = False) -> None:
        """A person tries V2 once on their data, or even works in it, and works on in V1."""
        person = self.people[name]
        content = seen(person.databases[STATE])
        known, tables = migrated(content, ledger(level))
        if works:
            tables = {**tables, EVENTS: tables.get(EVENTS, 0) | 1 << person.next_row}
            person.next_row += 1
        person.databases[STATE_V2] = (Content(known, tables), None)
        person.commit()
        person.stale = True

    def rest(self, name: str) -> None:
        """A person's turn is over, long enough ago to count as idle."""
        person = self.people[name]
        person.turn, person.last_activity = None, None

    def damage_snapshot(self, name: str, snapshot: str) -> None:
        """A byte of a sealed snapshot is not what it was."""
        held = self.people[name].snapshots
        held[snapshot] = evolve(held[snapshot], damaged=True)

    def publish(self, *builds: FakeBuild) -> None:
        """New releases; the tag points at the last of them."""
        for build in builds:
            self.builds[build.version] = build
            self.tag = build.version

    # What is true of a serve.

    def serve_problem(self, person: FakePerson) -> str:
        """Why the person's serve pairs nobody, asked at the serve itself; empty when it pairs."""
        if person.pid is None or person.running is None:
            return "the serve is not running"
        fake = self.builds[person.running]
        strange = person.strange_to(fake)
        if strange:
            return f"the serve of {person.running} answers 500: it does not know {strange}"
        return self._mute(person, fake)

    def _mute(self, person: FakePerson, fake: FakeBuild) -> str:
        """Why this build does not pair a person whose set it knows; empty when it does."""
        ran_here = fake.version in self.trusted
        if person.is_so(OpenQuestion.BROKEN if ran_here else OpenQuestion.CANARY):
            return f"the serve of {person.running} answers the exchange with 500"
        if fake.hits(Defect.MUTE, person.name) or fake.hits(Defect.LOSES, person.name):
            return f"the serve of {person.running} answers the exchange with 500"
        aged = self.now - person.started >= FADES_AFTER
        if aged and self._fades(person, fake):
            return f"the serve of {person.running} sets no cookie any more"
        return ""

    def _fades(self, person: FakePerson, fake: FakeBuild) -> bool:
        if fake.version in self.trusted:
            return False
        return fake.hits(Defect.FADES, person.name) or person.is_so(OpenQuestion.FADES)


def settled(world: World, *names: str) -> World:
    """Give each person a running serve of what is selected, and rows from before."""
    for name in names or tuple(world.people):
        person = world.people[name]
        world.launch(name)
        known = person.databases[STATE][0].ledger
        tables = {EVENTS: 0, TURNS: 0, SESSIONS: 1}
        person.databases[STATE] = (Content(known, tables), None)
        for _ in range(3):
            person.commit()
    return world

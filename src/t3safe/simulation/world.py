"""The host that is replayed: what is true of its people, builds and dispatch, in virtual time.

One world a policy.  It knows no policy: a policy changes it through the methods below, and what
they do to people follows from the measured behaviour of t3.

Rules:

1. A mint and a start run whatever is selected for the person at that moment: their own link, or
   the default (on a host without links the one global binary).  Either migrates what it opens.
2. A person is *broken* while they could not sign in or not work; why is one line.  What a policy
   takes them away for (fence, stop, start) counts apart, as time away, and so does what the host
   itself does to everybody (OF_THE_HOST).
3. Rows are written by turns, as long as the person is not broken.  They are counted exactly.
4. A person is *apart* while what is selected or runs for them does not know their ledger, or hides
   rows that are in their set: work of V2 from a build of V1, work of V1 from a stale copy.
5. Host events and sign-ins happen as time passes over them, also in the middle of an effect.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from datetime import date
from functools import partial
from hashlib import blake2b
from typing import Final

import attrs
from attrs import define, field, frozen

from t3safe.domain.gate import DispatchKnowledge, SocketFacts, Verdict, judge_contract
from t3safe.domain.policy import Track
from t3safe.domain.ports import Chosen
from t3safe.domain.versions import Version
from t3safe.simulation import rows as rowset
from t3safe.simulation.builds import (
    PARTS_LAST,
    Data,
    Schemas,
    SimulatedBuild,
    auth_broken,
    node_trouble,
)
from t3safe.simulation.diary import Diary, Turn, stamp
from t3safe.simulation.fleet import Fleet, HostEvent, Lesson, Mishap, PersonSettings, at
from t3safe.simulation.history import HistoryError
from t3safe.simulation.incidents import Behaviour
from t3safe.simulation.rows import Rows
from t3safe.t3.harmless import AUTO_PULL
from t3safe.t3.serve_log import UNDECODABLE
from t3safe.t3.sign_in import INVALID_CREDENTIAL

AWAY: Final = "away while being moved"
DISPATCH_DOWN: Final = "the dispatch does not answer"
NO_LISTENER: Final = "the serve is active and has no listener"
HOST_DOWN: Final = "the host is down"
NODE_CHANGED: Final = "the units run another node, which is too old for t3"
OF_THE_HOST: Final = frozenset({DISPATCH_DOWN, NO_LISTENER, HOST_DOWN, NODE_CHANGED})
"""What befalls everybody whatever the updater does."""
LEGACY_ROWS: Final = "2026-03-15"
"""Rows from before this day have the form that 0.0.21 could not decode; an assumption: the
incident names no day."""
LEGACY_TURNS: Final = "2026-03-08"
"""Turns from before this day have no turnId; an assumption: the incident names neither a day nor a
release that fixed it, so whoever has such turns stays behind from there on."""
DEATH_AFTER: Final = (20.0, 82.0)
"""Seconds after a start at which the serve of Behaviour.DIES_AFTER_BOOT is dead (measured)."""
IN_PLACE: Final = 8.5
"""Seconds for which `npm i -g` leaves no binary (measured)."""
_ROWS_A_DAY: Final = 50
"""Rows of a person from before the first night; an assumption."""
_TRIAL: Final = 55
"""The migration that a preview of V2 leaves in its copy."""
_SISTER: Final = (24, "SisterProductShellSummary")
_COLLISION: Final = (40, "ProjectAutoPull")
_CRASHES: Final = frozenset({Behaviour.UNBUILT, Behaviour.FOREIGN_PACKAGE})


class SimulatedPowerCut(BaseException):
    """The host goes down at this moment.  A BaseException, so that no adapter can handle it."""


@frozen(eq=False)
class Crossing:
    """A person's serve starts on another generation than the one before.

    `hidden` counts rows in the set that the new build does not show, `aside` rows that a policy
    keeps in a quarantine and that are not in the set.
    """

    at: float
    person: str
    before: SimulatedBuild
    after: SimulatedBuild
    hidden: int
    aside: int


@define(eq=False)
class SimulatedPerson:
    """One person as they stand.  Times are seconds since the epoch."""

    settings: PersonSettings
    diary: Diary
    data: Data
    traits: frozenset[Behaviour]
    link: SimulatedBuild | None = None
    fenced: bool = False
    running: SimulatedBuild | None = None
    since: float = 0.0
    died: str = ""
    """Why the serve is down although it should run."""
    starts: dict[Version, int] = field(factory=dict)
    wedged_until: float = 0.0
    restoring: bool = False
    last: SimulatedBuild | None = None
    """What ran last, also while nothing runs."""

    serial: int = 0
    kept: Rows = rowset.NONE
    """Rows of failed builds that a policy keeps aside."""
    synced: float = 0.0
    killed_until: float = 0.0

    problem: str = ""
    troubled: float = 0.0
    """Since when there is one."""
    changed: float = 0.0
    apart: bool = False
    broken: float = 0.0
    """Seconds so far; `why` splits the present night's by reason."""
    hosts: float = 0.0
    """Seconds out of reach for a reason of the host's own."""
    away: float = 0.0
    why: dict[str, float] = field(factory=dict)
    interrupted: int = 0

    @property
    def name(self) -> str:
        """The OS user."""
        return self.settings.name

    def lost(self) -> int:
        """Rows that were committed and are neither in the set that is shown nor kept aside."""
        present = self.running or self.last
        shown = self.data.seen_by(present) if present is not None else self.data.rows
        return rowset.missing(rowset.upto(self.serial), rowset.union(shown, self.kept))


@define(eq=False)
class SimulatedWorld:
    """The host as it stands; `now` is seconds since the epoch."""

    fleet: Fleet
    builds: tuple[SimulatedBuild, ...]
    schemas: Schemas
    now: float
    people: dict[str, SimulatedPerson] = field(factory=dict)
    default: SimulatedBuild | None = None
    dispatch: DispatchKnowledge = field(factory=DispatchKnowledge)
    dispatch_down: bool = False
    disk_nearly_full: bool = False
    registry_down: bool = False
    gate_down: bool = False
    node: str = ""
    track: Track = Track.NIGHTLY
    tag_back: Version | None = None
    crossings: list[Crossing] = field(factory=list)
    verdicts: dict[Version, tuple[Verdict, str]] = field(factory=dict)
    chosen: Chosen = field(factory=Chosen)
    frozen: str = ""
    across: bool = False
    """A person decided to cross to another track, and everybody is to follow."""
    interventions: list[tuple[float, str]] = field(factory=list)
    happened: list[tuple[float, str]] = field(factory=list)
    restores: int = 0
    fired: int = 0
    """How many events have happened; between two looks without any nothing changes by itself."""
    _by_version: dict[Version, SimulatedBuild] = field(factory=dict)
    _events: list[tuple[float, int, Callable[[], object]]] = field(factory=list)
    _count: int = 0
    _contract: dict[SimulatedBuild, str] = field(factory=dict)

    @classmethod
    def of(
        cls, fleet: Fleet, builds: tuple[SimulatedBuild, ...], schemas: Schemas, now: float
    ) -> SimulatedWorld:
        """The host on its first evening; raises HistoryError where it has no build to run."""
        made = cls(fleet, builds, schemas, now, node=fleet.node, track=fleet.track)
        made._by_version = {build.version: build for build in builds}
        knows = fleet.dispatch
        made.dispatch = DispatchKnowledge(knows.paths, knows.cookies, knows.protocols)
        first = made._first()
        made.default = first
        for settings in fleet.people:
            made.people[settings.name] = made._person(settings, first)
        made._plan()
        for person in made.people.values():
            made.start(person)
        return made

    def _first(self) -> SimulatedBuild:
        if self.fleet.start:
            found = self._by_version.get(Version.parse(self.fleet.start))
            if found is None:
                message = f"start: {self.fleet.start} is not in the history"
                raise HistoryError(message)
            return found
        return self.tagged(self.track) or self._nothing_yet()

    def _nothing_yet(self) -> SimulatedBuild:
        message = f"nothing is tagged {self.track} by {stamp(self.now):%Y-%m-%d %H:%M} UTC"
        raise HistoryError(message)

    def _person(self, settings: PersonSettings, first: SimulatedBuild) -> SimulatedPerson:
        strange = _SISTER if settings.sister else _COLLISION if settings.collides else None
        earlier = _rows_by(settings, stamp(self.now).date())
        data = Data(first.schema, rowset.upto(earlier), strange=strange)
        if settings.trial is not None:
            copied = rowset.upto(min(earlier, _rows_by(settings, settings.trial)))
            data = attrs.evolve(data, second=copied, second_level=_TRIAL)
        person = SimulatedPerson(
            settings,
            Diary(self.fleet.seed, settings),
            data.opened_by(first),
            _traits(settings),
            synced=self.now,
            changed=self.now,
        )
        person.serial = earlier
        return person

    def _plan(self) -> None:
        for lesson in self.fleet.dispatch.learns:
            moment = at(lesson.on, self.fleet.night).timestamp() - 60.0
            self.plan(moment, partial(self._learn, lesson))
        for event in self.fleet.events:
            self._plan_event(event)

    def plan(self, moment: float, action: Callable[[], object]) -> None:
        """Let something happen at a moment; what lies in the past happens at once."""
        self._count += 1
        heapq.heappush(self._events, (moment, self._count, action))

    def _plan_event(self, event: HostEvent) -> None:
        begin = event.at.timestamp()
        self.plan(begin, partial(self._befall, event, begins=True))
        if event.minutes and event.kind is not Mishap.REBOOT:
            self.plan(begin + event.minutes * 60.0, partial(self._befall, event, begins=False))

    # Time.

    def pass_time(self, seconds: float) -> None:
        """Let so much time pass, with what lies in it.  Raises PowerCut at a reboot."""
        self.until(self.now + seconds)

    def begin(self, operation: str, who: str = "", detail: str = "") -> None:
        """A decision is remembered, which costs no time here."""

    def until(self, moment: float) -> None:
        """Let time pass up to a moment.  Raises PowerCut at a reboot."""
        events = self._events
        while events and events[0][0] <= moment:
            then, _, action = heapq.heappop(events)
            self.now = max(self.now, then)
            self.fired += 1
            action()
        self.now = max(self.now, moment)

    # Builds and their order.

    @property
    def installed(self) -> SimulatedBuild:
        """The one binary of a host without links, the default of another."""
        if self.default is None:
            return self._nothing_yet()
        return self.default

    def build(self, version: Version) -> SimulatedBuild | None:
        """The release of this version, None where the registry has none yet."""
        found = self._by_version.get(version)
        return found if found is not None and found.available <= self.now else None

    def tagged(self, track: Track) -> SimulatedBuild | None:
        """Where the track's tag points now, None where nothing of it is out."""
        if self.tag_back is not None and track is self.track:
            return self._by_version.get(self.tag_back)
        found = None
        for build in self.builds:
            if build.channel is track and build.available <= self.now:
                found = build
        return found

    def in_parts(self, build: SimulatedBuild) -> bool:
        """Whether a release cannot be installed yet: its tag was there first."""
        early = self.now - build.available < PARTS_LAST.total_seconds()
        return Behaviour.IN_PARTS in build.faults and early

    # What a policy does to people.

    def selected(self, person: SimulatedPerson) -> SimulatedBuild | None:
        """What a start or a mint of this person runs (rule 1); None while fenced."""
        return None if person.fenced else person.link or self.default

    def install_globally(self, build: SimulatedBuild) -> None:
        """`npm i -g`, in place: the one binary of everybody is another from now on."""
        for person in self.people.values():
            person.away += IN_PLACE
        self.default = build
        self.touch_all()

    def stop(self, person: SimulatedPerson) -> None:
        """Stop the serve; a turn in flight is interrupted."""
        self.sync(person)
        if person.running is not None:
            self._interrupt(person)
        person.running, person.died = None, ""
        person.wedged_until = 0.0
        self.touch(person)

    def _interrupt(self, person: SimulatedPerson) -> None:
        turn = self.turn(person)
        if turn is None:
            return
        # A turn that began before the trouble is still under way.
        if not person.problem or turn.start < person.troubled:
            person.interrupted += 1
            person.killed_until = turn.end
            person.synced = max(person.synced, float(turn.end))

    def turn(self, person: SimulatedPerson) -> Turn | None:
        """The turn that is in flight now, None where there is none or it was killed."""
        if self.now < person.killed_until:
            return None
        return person.diary.in_flight(self.now)

    def start(self, person: SimulatedPerson) -> bool:
        """Start what is selected; whether a process runs afterwards."""
        self.sync(person)
        build = self.selected(person)
        if person.running is None and build is not None:
            self._launch(person, build)
        self.touch(person)
        return person.running is not None

    def _launch(self, person: SimulatedPerson, build: SimulatedBuild) -> None:
        person.died = self.crash(person, build)
        count = person.starts.get(build.version, 0)
        person.starts[build.version] = count + 1
        if not person.died and count and Behaviour.WORKS_ONCE in build.faults:
            person.died = f"{build.version} starts once only: the installed tree is broken"
        if person.died:
            return
        self.open_data(person, build)
        self._cross(person, build)
        person.running, person.since, person.last = build, self.now, build
        if Behaviour.DIES_AFTER_BOOT in build.faults:
            self.plan(self.now + life(person, build), partial(self._die, person, build, self.now))

    def _cross(self, person: SimulatedPerson, build: SimulatedBuild) -> None:
        """Note a start on another generation than the one before, and what it hides."""
        before = person.last
        if before is None or before.generation is build.generation:
            return
        hidden = person.data.hidden_from(build)
        aside = rowset.missing(person.kept, person.data.seen_by(build))
        self.crossings.append(Crossing(self.now, person.name, before, build, hidden, aside))

    def crash(self, person: SimulatedPerson, build: SimulatedBuild) -> str:
        """Why a serve of this build ends as it starts on the person's set; empty if it does not."""
        trouble = node_trouble(build, self.node)
        if trouble and self.node != self.fleet.node:
            return NODE_CHANGED
        if trouble:
            return f"the serve exits in silence: {trouble}"
        if build.faults & _CRASHES:
            return f"the program of {build.version} does not run"
        return _data_crash(person.traits & build.faults, build)

    def open_data(self, person: SimulatedPerson, build: SimulatedBuild) -> None:
        """A program of this build opens the person's set: migrations are run (rule 1)."""
        fresh = build.second and person.data.second is None
        known = build.schema <= person.data.level_for(build)
        if (known and not fresh) or self.crash(person, build):
            return
        self.sync(person)
        person.data = person.data.opened_by(build)

    def mint(self, person: SimulatedPerson) -> bool:
        """A pairing credential for the person; whether there is one."""
        build = self.selected(person)
        if build is None:
            return False
        self.open_data(person, build)
        self.touch(person)
        return not self._mint_problem(person, build)

    def restore(self, person: SimulatedPerson, data: Data, *, whole: bool) -> None:
        """Put an older set in place; not `whole`: the first database alone, as the seed does."""
        self.sync(person)
        if not whole:
            present = person.data
            data = attrs.evolve(data, second=present.second, second_level=present.second_level)
        person.data = data
        self.restores += 1
        self.touch(person)

    # What is true.

    def sync(self, person: SimulatedPerson) -> None:
        """Write the rows of the turns since the last look (rule 3)."""
        if self.now <= person.synced:
            return
        if not person.problem and person.running is not None:
            count = person.diary.rows(person.synced, self.now)
            if count:
                self._write(person, person.running, count)
        person.synced = self.now

    @staticmethod
    def _write(person: SimulatedPerson, build: SimulatedBuild, count: int) -> None:
        start, data = person.serial, person.data
        if build.second and data.second is not None:
            changed = attrs.evolve(data, second=rowset.grown(data.second, start, count))
        else:
            changed = attrs.evolve(data, rows=rowset.grown(data.rows, start, count))
        person.data, person.serial = changed, start + count

    def touch_all(self) -> None:
        """Look anew at everybody: something changed for all."""
        self._contract.clear()
        for person in self.people.values():
            self.touch(person)

    def touch(self, person: SimulatedPerson) -> None:
        """Look anew at a person after something changed for them."""
        found = self.problem_of(person)
        if found != person.problem:
            self.sync(person)
            self.account(person)
            if not person.problem:
                person.troubled = self.now
            person.problem = found
        chosen, running, data = self.selected(person), person.running, person.data
        person.apart = not (
            (chosen is None or data.known_to(chosen))
            and (running is None or data.known_to(running))
        )

    def account(self, person: SimulatedPerson) -> None:
        """Count the time since the last change to what the person was in (rule 2)."""
        seconds = self.now - person.changed
        person.changed = self.now
        if not person.problem or seconds <= 0:
            return
        if person.problem == AWAY:
            person.away += seconds
            return
        if person.problem in OF_THE_HOST:
            person.hosts += seconds
            return
        person.broken += seconds
        person.why[person.problem] = person.why.get(person.problem, 0.0) + seconds

    def problem_of(self, person: SimulatedPerson) -> str:
        """Why the person could not sign in or work now; empty when they can."""
        running, chosen = person.running, self.selected(person)
        if running is None:
            return person.died or AWAY
        if chosen is None:
            return AWAY
        if self.now < person.wedged_until:
            return NO_LISTENER
        if self.dispatch_down:
            return DISPATCH_DOWN
        if running is chosen and running.healthy and self._level(person) == running.schema:
            return self.contract(running)
        return (
            self._mint_problem(person, chosen)
            or self.serve_problem(person, running)
            or self.contract(running)
        )

    @staticmethod
    def _level(person: SimulatedPerson) -> int:
        return person.data.level_for(person.running) if person.running is not None else 0

    def _mint_problem(self, person: SimulatedPerson, build: SimulatedBuild) -> str:
        running = person.running
        if running is not None and running.second is not build.second:
            ours, theirs = build.generation, running.generation
            return (
                f"401 {INVALID_CREDENTIAL}: the mint of {build.version} writes to {ours.database},"
                f" the serve of {running.version} reads {theirs.database}"
            )
        crash = self.crash(person, build)
        if crash in OF_THE_HOST:
            return crash
        if crash:
            return f"the mint failed: {crash}"
        if auth_broken(build, person.data):
            return (
                f"the mint failed: {build.version} knows migrations up to {build.schema},"
                f" the database is at {person.data.level_for(build)}"
            )
        return ""

    def serve_problem(self, person: SimulatedPerson, build: SimulatedBuild) -> str:
        """Why a serve of this build that runs pairs nobody or shows nothing, at itself."""
        if auth_broken(build, person.data):
            return (
                f"the serve of {build.version} answers 500: it knows migrations up to"
                f" {build.schema}, the database is at {person.data.level_for(build)}"
            )
        if not build.pairing:
            return f"{build.version} has no pairing"
        if Behaviour.NO_COOKIE in build.faults:
            return f"{build.version} answers 200 and sets no cookie"
        if person.traits & build.faults & _DECODES:
            return f"{build.version} cannot decode old rows: {UNDECODABLE}"
        return ""

    def contract(self, build: SimulatedBuild) -> str:
        """What the dispatch does not know of this build's handshake; empty when it knows all."""
        found = self._contract.get(build)
        if found is None:
            cookie = build.cookie(loopback=False)
            found = ""
            if build.pairing:
                sockets = SocketFacts(build.generation.sign_in.protocol)
                found = judge_contract(build.pairing, cookie, self.dispatch, sockets).reason
            self._contract[build] = found
        return found

    def unfit(self, build: SimulatedBuild, people: Iterable[SimulatedPerson] | None = None) -> str:
        """Why this build is no good for somebody of these, by how things are; empty if it is good.

        Without `people` everybody is asked about.  This is the truth against which refusals and
        acceptances are held, not a check of anybody.
        """
        if Behaviour.FOREIGN_PACKAGE in build.faults or Behaviour.UNBUILT in build.faults:
            return "its program does not run"
        if Behaviour.DIES_AFTER_BOOT in build.faults:
            return "it runs out of memory a minute after its start"
        if Behaviour.WORKS_ONCE in build.faults:
            return "it starts once only"
        for person in self.people.values() if people is None else people:
            trouble = self._unfit_for(person, build)
            if trouble:
                return f"{person.name}: {trouble}"
        return self.contract(build)

    def _unfit_for(self, person: SimulatedPerson, build: SimulatedBuild) -> str:
        if person.data.level_for(build) > build.schema:
            return f"{build.version} does not know their data"
        if self._hides(person, build):
            return f"{build.version} hides {person.data.hidden_from(build)} rows of theirs"
        return (
            node_trouble(build, self.fleet.node)
            or _data_crash(person.traits & build.faults, build)
            or self.serve_problem(person, build)
        )

    def _hides(self, person: SimulatedPerson, build: SimulatedBuild) -> bool:
        """Whether it is this build that hides rows, and not one of its generation before it."""
        if not person.data.hidden_from(build):
            return False
        if person.last is None or person.last.generation is not build.generation:
            return True
        crossed = (found for found in self.crossings if found.person == person.name)
        return any(found.after is build and found.hidden for found in crossed)

    # What happens.

    def teach(
        self, paths: tuple[str, ...], cookies: tuple[str, ...], protocols: tuple[int, ...] = ()
    ) -> None:
        """The dispatch knows more from now on."""
        known = self.dispatch
        self.dispatch = DispatchKnowledge(
            tuple(dict.fromkeys((*known.paths, *paths))),
            tuple(dict.fromkeys((*known.cookies, *cookies))),
            tuple(dict.fromkeys((*known.protocols, *protocols))),
        )
        self.touch_all()

    def _learn(self, lesson: Lesson) -> None:
        self.teach(lesson.paths, lesson.cookies, lesson.protocols)
        protocols = (f"protocol {protocol}" for protocol in lesson.protocols)
        learns = ", ".join((*lesson.paths, *lesson.cookies, *protocols))
        self.happened.append((self.now, f"the dispatch learns {learns}"))

    def _die(self, person: SimulatedPerson, build: SimulatedBuild, started: float) -> None:
        """A serve dies some time after its start, if it still is that very process."""
        if person.running is not build or person.since != started:
            return
        self.sync(person)
        self._interrupt(person)
        person.running = None
        person.died = f"the serve of {build.version} ran out of memory after its start"
        self.touch(person)

    def _befall(self, event: HostEvent, *, begins: bool) -> None:
        """A host event begins or ends.  Raises PowerCut at a reboot."""
        if begins:
            self.happened.append((self.now, _told(event)))
        match event.kind:
            case Mishap.TAG_BACK:
                self.tag_back = Version.parse(event.to) if begins else None
            case Mishap.NODE:
                self.node = event.to if begins else self.fleet.node
            case Mishap.TRACK:
                self.track, self.across = Track(event.to), True
            case Mishap.WEDGED:
                person = self.people[event.person]
                self.sync(person)
                person.wedged_until = self.now + event.minutes * 60.0 if begins else 0.0
            case Mishap.REBOOT:
                self.power_cut()
                raise SimulatedPowerCut
            case _:
                setattr(self, _FLAGS[event.kind], begins)
        self.touch_all()

    def power_cut(self) -> None:
        """Every process dies; whoever was at work is interrupted by the host, not by a policy."""
        for person in self.people.values():
            self.sync(person)
            turn = person.diary.in_flight(self.now)
            if turn is not None:
                person.killed_until = turn.end
                person.synced = max(person.synced, float(turn.end))
            person.running, person.died = None, HOST_DOWN
            self.touch(person)

    def boot(self) -> None:
        """Start every unit with what is selected; a fence lets none start."""
        for person in self.people.values():
            self.start(person)

    def morning(self, day: int) -> None:
        """Plan the sign-ins of a day."""
        for person in self.people.values():
            opens = person.diary.opens(day)
            if opens is not None and opens > self.now:
                self.plan(opens, partial(self.mint, person))


_DECODES: Final = frozenset({Behaviour.OLD_ROWS, Behaviour.OLD_TURNS})


def _traits(settings: PersonSettings) -> frozenset[Behaviour]:
    """Which faults of builds show on this person's data."""
    since = settings.since.isoformat()
    shown = {
        Behaviour.OLD_ROWS: since < LEGACY_ROWS,
        Behaviour.OLD_TURNS: since < LEGACY_TURNS,
        Behaviour.SISTER_DATA: settings.sister,
        Behaviour.ID_COLLISION: settings.collides,
        Behaviour.OLD_EVENTS: settings.old_events,
        Behaviour.LARGE_EVENTS: settings.large_events,
    }
    return frozenset(behaviour for behaviour, there in shown.items() if there)


def _rows_by(settings: PersonSettings, day: date) -> int:
    return _ROWS_A_DAY * max(0, (day - settings.since).days)


def _data_crash(shown: frozenset[Behaviour], build: SimulatedBuild) -> str:
    if Behaviour.SISTER_DATA in shown:
        return f"the serve of {build.version} crash-loops: migration 24 fails on a sister's data"
    if Behaviour.ID_COLLISION in shown:
        return f"the serve of {build.version} ends: no such column: {AUTO_PULL}"
    if Behaviour.OLD_EVENTS in shown:
        return f"the serve of {build.version} crash-loops: it cannot decode an old event of the log"
    if Behaviour.LARGE_EVENTS in shown:
        return f"the serve of {build.version} runs out of memory: its page of events is too large"
    return ""


def life(person: SimulatedPerson, build: SimulatedBuild) -> float:
    """Seconds that a serve of Behaviour.DIES_AFTER_BOOT lives, the same each time."""
    digest = blake2b(f"{person.name}/{build.version}".encode(), digest_size=2).digest()
    least, most = DEATH_AFTER
    return least + (most - least) * int.from_bytes(digest, "big") / 65_535


_FLAGS: Final = {
    Mishap.DISPATCH_DOWN: "dispatch_down",
    Mishap.DISK_NEARLY_FULL: "disk_nearly_full",
    Mishap.REGISTRY_DOWN: "registry_down",
    Mishap.GATE_DOWN: "gate_down",
}
"""What is simply so for a while, by the world's own name for it."""


def _told(event: HostEvent) -> str:
    what = " ".join(filter(None, (event.kind.value, event.person, event.to)))
    return f"{what} for {event.minutes:g} minutes" if event.minutes else what

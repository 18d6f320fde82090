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
from functools import partial
from typing import Final

import attrs
from attrs import define, field

from t3safe.domain.checks import DispatchKnowledge, SocketFacts, judge_contract
from t3safe.domain.gate import Verdict
from t3safe.domain.policy import Track
from t3safe.domain.ports import Chosen
from t3safe.domain.versions import Version
from t3safe.simulation import rows as rowset
from t3safe.simulation.builds import (
    NEVER_RUNS,
    PARTS_LAST,
    Data,
    Schemas,
    SimulatedBuild,
    auth_broken,
    data_crash,
    life,
    node_problem,
    serve_problem,
)
from t3safe.simulation.diary import seconds_into, stamp
from t3safe.simulation.fleet import Fleet, HostEvent, Lesson, Mishap, at
from t3safe.simulation.history import HistoryError
from t3safe.simulation.incidents import Behaviour
from t3safe.simulation.person import (
    AWAY,
    DISPATCH_DOWN,
    HOST_DOWN,
    NO_LISTENER,
    NODE_CHANGED,
    OF_THE_HOST,
    SimulatedPerson,
)
from t3safe.simulation.scores import Crossing
from t3safe.t3.sign_in import INVALID_CREDENTIAL

IN_PLACE: Final = 8.5
"""Seconds for which `npm i -g` leaves no binary (measured)."""


class SimulatedPowerCut(BaseException):
    """The host goes down at this moment.  A BaseException, so that no adapter can handle it."""


@define(eq=False)
class SimulatedWorld:
    """The host as it stands; `now` is seconds since the epoch."""

    fleet: Fleet
    builds: tuple[SimulatedBuild, ...]
    schemas: Schemas
    now: float
    default: SimulatedBuild
    """The one binary of a host without links, the default of another."""
    node: str
    track: Track
    dispatch: DispatchKnowledge
    people: dict[str, SimulatedPerson] = field(factory=dict)
    lasting: set[Mishap] = field(factory=set)
    """What is simply so for a while."""
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
        by_version = {build.version: build for build in builds}
        if fleet.start:
            first = by_version.get(Version.parse(fleet.start))
            problem = f"start: {fleet.start} is not in the history"
        else:
            first = _newest(builds, fleet.track, now)
            problem = f"nothing is tagged {fleet.track} by {stamp(now):%Y-%m-%d %H:%M} UTC"
        if first is None:
            raise HistoryError(problem)
        knows = fleet.dispatch
        made = cls(
            fleet,
            builds,
            schemas,
            now,
            first,
            fleet.node,
            fleet.track,
            DispatchKnowledge(knows.paths, knows.cookies, knows.protocols),
            by_version=by_version,
        )
        for settings in fleet.people:
            made.people[settings.name] = SimulatedPerson.of(fleet.seed, settings, first, now)
        for lesson in knows.learns:
            made.plan(at(lesson.on, fleet.night).timestamp() - 60.0, partial(made._learn, lesson))
        for event in fleet.events:
            begin = event.at.timestamp()
            made.plan(begin, partial(made._befall, event, begins=True))
            if event.minutes and event.kind is not Mishap.REBOOT:
                end = begin + event.minutes * 60.0
                made.plan(end, partial(made._befall, event, begins=False))
        for person in made.people.values():
            made.start(person)
        return made

    # Time.

    def plan(self, moment: float, action: Callable[[], object]) -> None:
        """Let something happen at a moment; what lies in the past happens at once."""
        self._count += 1
        heapq.heappush(self._events, (moment, self._count, action))

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

    def build(self, version: Version) -> SimulatedBuild | None:
        """The release of this version, None where the registry has none yet."""
        found = self._by_version.get(version)
        return found if found is not None and found.available <= self.now else None

    def tagged(self, track: Track) -> SimulatedBuild | None:
        """Where the track's tag points now, None where nothing of it is out."""
        if self.tag_back is not None and track is self.track:
            return self._by_version.get(self.tag_back)
        return _newest(self.builds, track, self.now)

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
        person.sync(self.now)
        if person.running is not None:
            person.interrupt(self.now)
        person.running, person.died = None, ""
        person.wedged_until = 0.0
        self.touch(person)

    def start(self, person: SimulatedPerson) -> bool:
        """Start what is selected; whether a process runs afterwards."""
        person.sync(self.now)
        build = self.selected(person)
        if person.running is None and build is not None:
            self._launch(person, build)
        self.touch(person)
        return person.running is not None

    def _launch(self, person: SimulatedPerson, build: SimulatedBuild) -> None:
        person.died = self.crash(build, person.data)
        again = build.version in person.started
        person.started.add(build.version)
        if not person.died and again and Behaviour.WORKS_ONCE in build.faults:
            person.died = f"{build.version} starts once only: the installed tree is broken"
        if person.died:
            return
        self.open_data(person, build)
        if person.last is not None and person.last.generation is not build.generation:
            self._cross(person, person.last, build)
        person.running, person.since, person.last = build, self.now, build
        if Behaviour.DIES_AFTER_BOOT in build.faults:
            moment = self.now + life(person.name, build)
            self.plan(moment, partial(self._die, person, build, self.now))

    def _cross(
        self, person: SimulatedPerson, before: SimulatedBuild, build: SimulatedBuild
    ) -> None:
        """Note a start on another generation than the one before, and what it hides."""
        timer = seconds_into(self.fleet.night)
        self.crossings.append(
            Crossing(
                night=f"{stamp(self.now - timer):%Y-%m-%d}",
                at=f"{stamp(self.now):%Y-%m-%d %H:%M}",
                person=person.name,
                before=before.generation.name,
                after=build.generation.name,
                build=build.version.text,
                hidden=person.data.hidden_from(build),
                aside=rowset.missing(person.kept, person.data.seen_by(build)),
            )
        )

    def crash(self, build: SimulatedBuild, data: Data) -> str:
        """Why a serve of this build ends as it starts on such a set; empty if it does not."""
        problem = node_problem(build, self.node)
        if problem and self.node != self.fleet.node:
            return NODE_CHANGED
        if problem:
            return f"the serve exits in silence: {problem}"
        if build.faults & NEVER_RUNS:
            return f"the program of {build.version} does not run"
        return data_crash(build, data)

    def open_data(self, person: SimulatedPerson, build: SimulatedBuild) -> None:
        """A program of this build opens the person's set: migrations are run (rule 1)."""
        fresh = build.second and person.data.second is None
        known = build.schema <= person.data.level_for(build)
        if (known and not fresh) or self.crash(build, person.data):
            return
        person.sync(self.now)
        person.data = person.data.opened_by(build)

    def mint(self, person: SimulatedPerson) -> None:
        """Try to make a pairing credential for the person: it opens their set, whatever comes."""
        build = self.selected(person)
        if build is not None:
            self.open_data(person, build)
            self.touch(person)

    def restore(self, person: SimulatedPerson, data: Data, *, whole: bool) -> None:
        """Put an older set in place; not `whole`: the first database alone, as the seed does."""
        person.sync(self.now)
        if not whole:
            present = person.data
            data = attrs.evolve(data, second=present.second, second_level=present.second_level)
        person.data = data
        self.restores += 1
        self.touch(person)

    # What is true.

    def touch_all(self) -> None:
        """Look anew at everybody: something changed for all."""
        self._contract.clear()
        for person in self.people.values():
            self.touch(person)

    def touch(self, person: SimulatedPerson) -> None:
        """Look anew at a person after something changed for them."""
        found = self.problem_of(person)
        if found != person.problem:
            person.sync(self.now)
            person.account(self.now)
            if not person.problem:
                person.troubled = self.now
            person.problem = found
        chosen, running, data = self.selected(person), person.running, person.data
        person.apart = not (
            (chosen is None or data.known_to(chosen))
            and (running is None or data.known_to(running))
        )

    def problem_of(self, person: SimulatedPerson) -> str:
        """Why the person could not sign in or work now; empty when they can."""
        running, chosen = person.running, self.selected(person)
        if running is None:
            return person.died or AWAY
        if chosen is None:
            return AWAY
        if self.now < person.wedged_until:
            return NO_LISTENER
        if Mishap.DISPATCH_DOWN in self.lasting:
            return DISPATCH_DOWN
        at_level = person.data.level_for(running) == running.schema
        if running is chosen and running.healthy and at_level:
            return self.contract(running)
        return (
            self._mint_problem(person, chosen)
            or serve_problem(running, person.data)
            or self.contract(running)
        )

    def _mint_problem(self, person: SimulatedPerson, build: SimulatedBuild) -> str:
        running = person.running
        if running is not None and running.second is not build.second:
            ours, theirs = build.generation, running.generation
            return (
                f"401 {INVALID_CREDENTIAL}: the mint of {build.version} writes to {ours.database},"
                f" the serve of {running.version} reads {theirs.database}"
            )
        crash = self.crash(build, person.data)
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

    def contract(self, build: SimulatedBuild) -> str:
        """What the dispatch does not know of this build's handshake; empty when it knows all."""
        found = self._contract.get(build)
        if found is None:
            sockets = SocketFacts(build.generation.sign_in.protocol)
            cookie = build.cookie(loopback=False)
            judged = judge_contract(build.pairing, cookie, self.dispatch, sockets)
            found = self._contract[build] = judged.reason if build.pairing else ""
        return found

    def unfit(self, build: SimulatedBuild, people: Iterable[SimulatedPerson] | None = None) -> str:
        """Why this build is no good for somebody of these, by how things are; empty if it is good.

        Without `people` everybody is asked about.  This is the truth against which refusals and
        acceptances are held, not a check of anybody.
        """
        if build.faults & NEVER_RUNS:
            return "its program does not run"
        if Behaviour.DIES_AFTER_BOOT in build.faults:
            return "it runs out of memory a minute after its start"
        if Behaviour.WORKS_ONCE in build.faults:
            return "it starts once only"
        for person in self.people.values() if people is None else people:
            problem = (
                self._apart_from(person, build)
                or node_problem(build, self.fleet.node)
                or data_crash(build, person.data)
                or serve_problem(build, person.data)
            )
            if problem:
                return f"{person.name}: {problem}"
        return self.contract(build)

    def _apart_from(self, person: SimulatedPerson, build: SimulatedBuild) -> str:
        """Why it is this build that is apart from the data, not one of its generation before it."""
        if person.data.level_for(build) > build.schema:
            return f"{build.version} does not know their data"
        hidden, last = person.data.hidden_from(build), person.last
        entered = last is None or last.generation is not build.generation
        hid = {(each.person, each.build) for each in self.crossings if each.hidden}
        if hidden and (entered or (person.name, build.version.text) in hid):
            return f"{build.version} hides {hidden} rows of theirs"
        return ""

    # What happens.

    def teach(
        self, paths: tuple[str, ...], cookies: tuple[str, ...], protocols: tuple[int, ...]
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
        person.sync(self.now)
        person.interrupt(self.now)
        person.running = None
        person.died = f"the serve of {build.version} ran out of memory after its start"
        self.touch(person)

    def _befall(self, event: HostEvent, *, begins: bool) -> None:
        """A host event begins or ends.  Raises PowerCut at a reboot."""
        if begins:
            what = " ".join(filter(None, (event.kind.value, event.person, event.to)))
            lasts = f" for {event.minutes:g} minutes" if event.minutes else ""
            self.happened.append((self.now, f"{what}{lasts}"))
        match event.kind:
            case Mishap.TAG_BACK:
                self.tag_back = Version.parse(event.to) if begins else None
            case Mishap.NODE:
                self.node = event.to if begins else self.fleet.node
            case Mishap.TRACK:
                self.track, self.across = Track(event.to), True
            case Mishap.WEDGED:
                person = self.people[event.person]
                person.sync(self.now)
                person.wedged_until = self.now + event.minutes * 60.0 if begins else 0.0
            case Mishap.REBOOT:
                # Whoever was at work is interrupted by the host, not by a policy.
                for person in self.people.values():
                    person.sync(self.now)
                    turn = person.diary.in_flight(self.now)
                    if turn is not None:
                        person.cut(turn)
                    person.running, person.died = None, HOST_DOWN
                    self.touch(person)
                raise SimulatedPowerCut
            case _ if begins:
                self.lasting.add(event.kind)
            case _:
                self.lasting.discard(event.kind)
        self.touch_all()

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


def _newest(builds: tuple[SimulatedBuild, ...], track: Track, now: float) -> SimulatedBuild | None:
    """Where the track's tag points as releases come out, None where nothing of it is out."""
    out = (b for b in reversed(builds) if b.channel is track and b.available <= now)
    return next(out, None)

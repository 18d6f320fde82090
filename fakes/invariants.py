"""An independent judge of the fake world: the promises I1 to I7, in terms of raw facts alone.

Shares nothing with t3safe's engine, operations or state machine: it reads the world's fields and
its log, and the outcome as plain text.  Each violation is a line that begins with the invariant's
name.

- `now(world)` holds at every moment, also right after a crash and at NEEDS_HUMAN.
- A `Judge` is made before an operation.  `look()` reads on in the log and tells what became wrong
  since; `end(outcome)` tells what is wrong once the operation is over.

I7 is not a check of its own: it is these checks after a crash.  I8 needs a real file system.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator

from attrs import define, evolve, field, frozen

from fakes.world.core import World
from fakes.world.model import (
    FADES_AFTER,
    SESSIONS,
    STATE,
    STATE_V2,
    Databases,
    Defect,
    FakeBuild,
    FakePerson,
    OpenQuestion,
    migrated,
)
from t3safe.domain.versions import Version


@frozen
class Remembered:
    """One person as they stood before a run."""

    pid: int | None
    running: Version | None
    selected: Version | None
    ledger: frozenset[tuple[str, int, str]]
    gone: int
    """Rows that were given up or set aside before."""
    pairs: bool


@frozen
class WorldBefore:
    """The world as it stood before a run."""

    people: dict[str, Remembered]
    default: Version | None
    last_good: Version | None
    frozen: str
    held: frozenset[Version]


def remember(world: World) -> WorldBefore:
    """Keep what the end is compared with."""
    return WorldBefore(
        people={name: _remembered(world, person) for name, person in world.people.items()},
        default=world.default,
        last_good=world.last_good,
        frozen=world.frozen,
        held=_held(world),
    )


def now(world: World) -> list[str]:
    """Everything that must be true at every moment."""
    found: list[str] = []
    transit = 0
    for name, person in world.people.items():
        transit += person.fenced or person.stopped or bool(person.restoring)
        if not person.ahead:
            found.extend(f"I1 {name}: {text}" for text in _unmatched(world, person))
        lost = person.acknowledged & ~_kept_rows(person)
        if lost:
            found.append(f"I2 {name}: {lost.bit_count()} acknowledged rows are nowhere")
    if transit > 1:
        who = [p.name for p in world.people.values() if p.fenced or p.stopped or p.restoring]
        found.append(f"I4 {' and '.join(who)} are in transition at once")
    return found


_DEATHS = frozenset({"crash-before", "crash-after", "power-before", "power-after", "kill", "power"})
_LIFE = frozenset({"mint-begins", "mint-opens"})
"""What people do all day: it excuses nothing."""
_FRAMES = frozenset({"lies", "serve-dies"})
_TOUCHING = frozenset({"fence", "stop", "start", "select", "restore", "serve-dies"})


@define
class Judge:
    """Watches one operation on a world; `giving_up` says that it is one that restores on purpose.

    What it remembers of the log are sets of names, so that two histories that differ in nothing
    that matters look the same to it.
    """

    world: World
    before: WorldBefore
    giving_up: bool = False
    read: int = 0
    passed: frozenset[tuple[str, str]] = frozenset()
    """(person, build) pairs whose rehearsal passed; the empty person stands for empty data."""
    proven: frozenset[str] = frozenset()
    """Builds that were promoted, or ran here before t3safe came."""
    away: frozenset[str] = frozenset()
    """Who was fenced and has not paired since."""
    well: frozenset[str] = frozenset()
    """Who could pair when somebody last tried."""
    touched: frozenset[str] = frozenset()
    restored: frozenset[str] = frozenset()
    watched: frozenset[str] = frozenset()
    """Builds whose bake was begun."""
    ran: frozenset[tuple[str, str]] = frozenset()
    """(person, build) pairs: who had which build run on their set since."""
    faulted: bool = False
    """Whether a fault was injected: it can hide what the build did."""
    failed: bool = False
    """Whether one of them was something else than a death."""
    framed: bool = False
    """Whether a serve died by the host's doing, which nobody can tell from the build's."""
    outage: bool = False
    restarted: frozenset[str] = frozenset()
    """Whose serve died by itself."""
    found: list[str] = field(factory=list)

    @classmethod
    def of(cls, world: World, *, giving_up: bool = False, knowing: Judge | None = None) -> Judge:
        """Begin to watch; what was before counts only for what has passed the gate.

        That is in the log, or else another judge knows it.
        """
        judge = cls(world, remember(world), giving_up)
        judge.proven = frozenset(build.text for build in world.trusted)
        if knowing is not None:
            judge.passed, judge.proven, judge.ran = knowing.passed, knowing.proven, knowing.ran
        for entry in world.log:
            judge._gated(*entry)
        judge.read = len(world.log)
        return judge

    def clone(self, world: World) -> Judge:
        """Watch a copy of the world from the same point on."""
        return evolve(self, world=world, found=[])

    def become(self, other: Judge) -> None:
        """Remember what the other one remembers, of one's own world."""
        self.read = other.read
        self.passed, self.proven, self.away = other.passed, other.proven, other.away
        self.well = other.well
        self.touched, self.restored, self.watched = other.touched, other.restored, other.watched
        self.ran, self.faulted, self.failed = other.ran, other.faulted, other.failed
        self.framed, self.outage, self.restarted = other.framed, other.outage, other.restarted

    def key(self) -> Hashable:
        """What it remembers of the host, equal where it would judge every future alike."""
        whole = frozenset(build for subject, build in self.passed if not subject)
        return (
            whole | self.proven,
            self.watched,
            self.faulted,
            self.failed,
            self.framed,
            self.outage,
        )

    def key_of(self, name: str) -> Hashable:
        """What it remembers of a person."""
        return (
            name in self.away,
            name in self.well,
            name in self.touched,
            name in self.restored,
            name in self.restarted,
            frozenset(build for who, build in self.ran if who == name),
            frozenset(build for who, build in self.passed if who == name),
        )

    def look(self) -> list[str]:
        """Tell what is wrong now, or went wrong since the last look."""
        return [*now(self.world), *self._story(), *self._unproven()]

    def end(self, outcome: str, *, baked_before: bool = False) -> list[str]:
        """Tell what is wrong once the operation has ended this way (the outcome's own word).

        `baked_before` says that it first ended an earlier bake, and promoted.
        """
        world, before = self.world, self.before
        found = [*self.look(), *self._untrue(outcome, baked_before=baked_before)]
        if outcome != "needs-human":
            found.extend(self._stranded(promoted=outcome == "promoted"))
            found.extend(f"I4 {name}: still fenced" for name in _fenced(world))
        elif len(_fenced(world)) > 1:
            found.append("I4 more than one person is left fenced")
        if not self.giving_up:
            found.extend(_missing(world, before))
        found.extend(self._bystanders())
        return found

    # The log, entry by entry.

    def _story(self) -> list[str]:
        log = self.world.log
        for entry in log[self.read :]:
            self._gated(*entry)
            if not self._keeps(*entry):
                self._happened(*entry)
        if self.world.terse:
            log.clear()
        self.read = len(log)
        found, self.found = self.found, []
        return found

    def _gated(self, operation: str, who: str, detail: str) -> None:
        """I3: what runs on somebody's state has passed on a copy of it, or was proven before."""
        if operation == "gate-passed":
            self.passed |= {(who, detail)}
        elif operation == "promote" and detail == "default":
            self.proven |= {who}
        elif operation in {"ran", "began"} and (who, detail) not in self.passed:
            # What was promoted has passed on everybody's data of that night, and on none.
            here = {each.text for each in self.world.trusted}
            if detail not in (self.proven if operation == "began" else here):
                self.found.append(
                    f"I3 {who}: {detail} ran on their state and never passed on a copy of it"
                )

    def _happened(self, operation: str, who: str, detail: str) -> None:
        if operation in _TOUCHING:
            self._moved(operation, who, detail)
            return
        match operation:
            case "ran" | "began":
                self.ran |= {(who, detail)}
            case "fault" | "power-cut":
                self._struck(operation, who)
            case "watch":
                self.watched |= {who}
            case "promote":
                self._promoted(who, whole=detail == "default")
            case "paired":
                self._paired(who, well=not detail)
            case "registry" | "npm":
                self._called_out(operation)
            case _:
                pass

    def _called_out(self, whom: str) -> None:
        if self.away:
            away = ", ".join(sorted(self.away))
            self.found.append(f"I5 {whom} was asked while {away} was away")

    def _struck(self, operation: str, kind: str) -> None:
        if operation == "power-cut":
            self.outage = True
            return
        if kind in _LIFE:
            return
        self.faulted = True
        self.failed = self.failed or kind not in _DEATHS
        self.framed = self.framed or kind in _FRAMES

    def _paired(self, who: str, *, well: bool) -> None:
        self.away -= {who} if well else set()
        self.well = self.well | {who} if well else self.well - {who}

    def _moved(self, operation: str, who: str, detail: str) -> None:
        if operation == "serve-dies":
            self.restarted |= {who}
            return
        if self.restored and who not in self.touched and not self.giving_up:
            failed = ", ".join(sorted(self.restored))
            self.found.append(f"I4 {who}: is begun after {failed} was taken back")
        if operation == "fence" and detail == "obstructed" and who not in self.touched:
            self._stopped_for_nothing(who)
        self.touched |= {who}
        if operation == "fence":
            self.away |= {who}
        if operation == "stop" and detail == "in flight":
            self.found.append(f"I4 {who}: stopped with work in flight")
        if operation == "restore" and detail == "marker":
            self._taken_back(who)
        if operation == "restore" and detail == "done":
            self.restored |= {who}

    def _stopped_for_nothing(self, who: str) -> None:
        """I4: what is wrong with a person's own set is seen before they are touched."""
        if not self.giving_up:
            self.found.append(f"I4 {who}: is fenced, and their own set lets no move succeed")

    def _keeps(self, operation: str, who: str, detail: str) -> bool:
        """Whether somebody of whom nothing was touched gets what they ran as their own."""
        was = self.before.people.get(who)
        if operation != "select" or who in self.touched or was is None:
            return False
        return detail.endswith(str(was.selected))

    def _taken_back(self, who: str) -> None:
        """I2: new work stays where nothing but a death came in between, and the build is well."""
        if not (self.giving_up or self.failed or who in self._guilty() | self._locked_out()):
            self.found.append(f"I2 {who}: is restored, and nothing is wrong with the build")

    def _promoted(self, build: str, *, whole: bool) -> None:
        """I6: only what was watched in a bake, and runs for somebody, is good."""
        if not whole:
            return
        if build not in self.watched:
            self.found.append(f"I6 {build} was promoted and never baked")
        selected = {_selected(self.world, person) for person in self.world.people.values()}
        if build not in {str(one) for one in selected}:
            self.found.append(f"I6 {build} was promoted and is selected for nobody")

    # What is selected.

    def _unproven(self) -> list[str]:
        world = self.world
        whole = {build for subject, build in self.passed if not subject} | self.proven
        found: list[str] = []
        for name, person in world.people.items():
            build = _selected(world, person)
            if build is not None and build.text not in whole:
                found.append(f"I3 {name}: {build} is selected and never passed the gate")
        if world.default is not None and world.default.text not in whole:
            found.append(f"I3 the default {world.default} never passed the gate")
        return found

    # The end.

    def _untrue(self, outcome: str, *, baked_before: bool) -> Iterator[str]:
        """I6: the outcome, the freeze, the record of builds and the promotion fit one another."""
        newly = _held(self.world) - self.before.held
        yield from self._unheld(outcome, newly)
        yield from self._unfrozen(outcome)
        yield from self._unpromoted(outcome, baked_before=baked_before)
        if self._guilty() and outcome not in {"rolled-back", "needs-human"}:
            for name in sorted(self._sent_back()):
                yield f"I6 {outcome}, and {name} was taken back from a build that failed"
        if outcome == "gate-broken" and not self._gate_is_broken():
            yield "I6 gate-broken, and the gate works for all whose data is sound"
        if not self.framed:
            yield from _blamed(self.world, newly)
        yield from _blamed_in_production(self.world, newly, outcome)

    def _unheld(self, outcome: str, newly: frozenset[Version]) -> Iterator[str]:
        truth = _TRUTHS.get(outcome, _Truth())
        if newly and not truth.may_hold:
            yield f"I6 {outcome}, and {', '.join(map(str, sorted(newly)))} is held as refused"
        if truth.must_hold and not newly and self._guilty() and not self.faulted:
            yield f"I6 {outcome}, and nothing is held against the build"

    def _unfrozen(self, outcome: str) -> Iterator[str]:
        truth, frozen = _TRUTHS.get(outcome, _Truth()), bool(self.world.frozen)
        if truth.frozen is not None and frozen is not (truth.frozen or bool(self.before.frozen)):
            yield f"I6 {outcome}, and the host is {'frozen' if frozen else 'not frozen'}"

    def _unpromoted(self, outcome: str, *, baked_before: bool) -> Iterator[str]:
        world, before = self.world, self.before
        truth = _TRUTHS.get(outcome, _Truth())
        promoted = (world.last_good, world.default) != (before.last_good, before.default)
        if promoted and truth.promoted is False and not baked_before:
            yield f"I6 {outcome}, and {world.last_good} was promoted"
        if truth.promoted and (world.default is None or world.last_good != world.default):
            yield f"I6 {outcome}, and last-good is not the default"

    def _gate_is_broken(self) -> bool:
        """Whether the gate fails by itself, or no sound data could show that it works."""
        world = self.world
        sound = [person for person in world.people.values() if not person.ahead]
        return self.failed or world.gate_broken or not sound

    def _guilty(self) -> set[str]:
        """Who had a build run that breaks for them in production."""
        return {who for who, build in self.ran if _breaks(self.world, who, build)}

    def _locked_out(self) -> set[str]:
        """Who had a build run whose sign-in the dispatch does not know."""
        known = {
            fake.version.text
            for fake in self.world.builds.values()
            if fake.path in self.world.dispatch_paths and fake.cookie in self.world.dispatch_cookies
        }
        return {who for who, build in self.ran if build not in known}

    def _stranded(self, *, promoted: bool) -> Iterator[str]:
        """Whoever had a serve that pairs has one; a fading of later than the last look is excused.

        Not after a promotion: its bake would have seen it.
        """
        for name, was in self.before.people.items():
            person = self.world.people[name]
            if not was.pairs or OpenQuestion.BROKEN in _true_of(person):
                continue
            excused = name in self.well and not promoted
            if not _serves(self.world, person, forever=excused):
                yield f"stranded {name}: had a serve that pairs, has none now"

    def _sent_back(self) -> Iterator[str]:
        """Whose set was restored, and who is on the build of before again."""
        for name in self.restored:
            if _selected(self.world, self.world.people[name]) == self.before.people[name].selected:
                yield name

    def _bystanders(self) -> Iterator[str]:
        """I4: whoever was not touched by name runs on as before, on the same ledger."""
        world = self.world
        for name, was in self.before.people.items():
            if name in self.touched:
                continue
            person = world.people[name]
            excused = self.outage or name in self.restarted
            if (person.pid, person.running) != (was.pid, was.running) and not excused:
                yield f"I4 {name}: was not moved, and their serve is another one now"
            if frozenset(_pairs_of(person.databases)) != was.ledger:
                yield f"I4 {name}: was not moved, and their ledger changed"
            if _selected(world, person) != was.selected:
                yield f"I4 {name}: was not moved, and another build is selected for them"


# I1


def _selected(world: World, person: FakePerson) -> Version | None:
    return None if person.fenced else person.link or person.noted or world.default


def _pairs_of(databases: Databases) -> Iterator[tuple[str, int, str]]:
    for name, (main, wal) in databases.items():
        for entry in (main if wal is None else wal).ledger.entries:
            yield name, entry.id, entry.name


def _known(build: FakeBuild) -> frozenset[tuple[str, int, str]]:
    return frozenset(
        (name, entry.id, entry.name)
        for name, ledger in build.schema.databases
        for entry in ledger.entries
    )


def _started_on(build: FakeBuild, person: FakePerson) -> Iterator[tuple[str, int, str]]:
    makes = {name for name, _ in build.schema.databases}
    for name, number, title in _pairs_of(person.databases):
        if makes == {STATE_V2} and name == STATE:
            if STATE_V2 not in person.databases:
                yield STATE_V2, number, title
        elif person.stale and name == STATE_V2 and name not in makes:
            continue  # What a trial left is looked at by nobody who runs V1.
        else:
            yield name, number, title


_KNOWN: dict[tuple[object, ...], tuple[bool, object]] = {}
"""Answers by identity; each keeps alive what its key names."""


def _knows(build: FakeBuild, person: FakePerson) -> bool:
    """Whether every migration that the build would start on is one of its own.

    One that makes the second database alone starts on that, or on a copy of the first, and leaves
    the first behind; every other one has to know them all.
    """
    held = tuple(
        (name, (main if wal is None else wal).ledger)
        for name, (main, wal) in person.databases.items()
    )
    key = (id(build), person.stale, *((name, id(ledger)) for name, ledger in held))
    known = _KNOWN.get(key)
    if known is None:
        answer = _known(build).issuperset(_started_on(build, person))
        known = _KNOWN[key] = (answer, (build, held))
    return known[0]


def _unmatched(world: World, person: FakePerson) -> Iterator[str]:
    if person.running is not None and not _knows(world.builds[person.running], person):
        yield f"the serve of {person.running} runs and does not know the ledger"
    if person.fenced:
        return
    build = person.link or person.noted or world.default
    if person.restoring:
        yield f"not fenced while a restore from {person.restoring} is half done"
    if person.link is None and person.noted is not None and person.noted not in world.store:
        return  # The launcher starts nothing.
    if build is None or build not in world.store:
        yield f"{build} is selected and not in the store"
    elif not _knows(world.builds[build], person):
        yield f"{build} is selected and does not know the ledger"
    else:
        yield from _begun(world, person, world.builds[build])


def _begun(world: World, person: FakePerson, selected: FakeBuild) -> Iterator[str]:
    """What has begun to start, and has not opened the data, opens it to nobody's harm."""
    for version in person.starting:
        build = world.builds[version]
        if not _knows(build, person):
            yield f"a program of {version} has begun to start and does not know the ledger"
        makes = {name for name, _ in build.schema.databases}
        if makes - person.databases.keys() and selected.schema.databases != build.schema.databases:
            yield f"a program of {version} has begun to start and makes {', '.join(sorted(makes))}"
        for name, (main, wal) in person.databases.items():
            if name not in makes:
                continue
            after = migrated(main if wal is None else wal, build.schema.ledger(name))
            if after.ledger.missing_from(selected.schema.ledger(name)):
                made = f"makes of {name} what {selected.version} does not know"
                yield f"a program of {version} has begun to start and {made}"


# I2


def _work(tables: dict[str, int]) -> int:
    found = 0
    for table, rows in tables.items():
        if table != SESSIONS:
            found |= rows
    return found


def _set_rows(person: FakePerson, build: FakeBuild | None = None) -> int:
    """The rows of work in the set; of a build those that it shows."""
    found = 0
    for name, (main, wal) in person.databases.items():
        if build is not None and name != _shown(person, build):
            continue
        found |= _work((main if wal is None else wal).tables)
    return found


def _shown(person: FakePerson, build: FakeBuild) -> str:
    """The database that a build shows, or would copy and show."""
    makes = {name for name, _ in build.schema.databases}
    return STATE_V2 if makes == {STATE_V2} and STATE_V2 in person.databases else STATE


def _missing(world: World, before: WorldBefore) -> Iterator[str]:
    """Whatever the selected build or one before it wrote is in the set, not only kept somewhere."""
    for name, person in world.people.items():
        build = _selected(world, person)
        if build is None or world.builds[build].hits(Defect.LOSES, name):
            continue
        owed = 0
        for writer, rows in person.written.items():
            owed |= rows if writer <= build else 0
        was = before.people.get(name)
        shown = _set_rows(person, world.builds[build])
        gone = owed & ~shown & ~(was.gone if was is not None else 0)
        if gone:
            yield f"I2 {name}: {gone.bit_count()} rows that {build} knows are not in the set"


def _kept_rows(person: FakePerson) -> int:
    found = _set_rows(person)
    if not person.acknowledged & ~found:
        return found
    for snap in person.snapshots.values():
        if snap.sealed and not snap.damaged:
            for content in snap.contents.values():
                found |= _work(content.tables)
    return found


# I6 and the end


def _held(world: World) -> frozenset[Version]:
    return frozenset(
        build for build, (verdict, _) in world.verdicts.items() if verdict.ruling == "refused"
    )


@frozen
class _Truth:
    """What an outcome allows and demands; nothing else may have changed."""

    may_hold: bool = False
    must_hold: bool = False
    frozen: bool | None = False
    promoted: bool | None = False


_TRUTHS = {
    "rolled-back": _Truth(may_hold=True, must_hold=True, frozen=True),
    "refused": _Truth(may_hold=True),
    "interrupted": _Truth(may_hold=True),
    "needs-human": _Truth(may_hold=True, must_hold=True, frozen=None, promoted=None),
    "promoted": _Truth(promoted=True),
}
"""Every other outcome, and staying (empty), changes nothing of the host's memory.

A run that was interrupted may have kept its gate's verdict first.  Needs-human may freeze, and
where the last step of a promotion cannot be seen to be done, it may have been done.
"""


def _blamed_in_production(world: World, newly: frozenset[Version], outcome: str) -> Iterator[str]:
    for build in newly:
        if world.verdicts[build][0].in_production and outcome not in {"rolled-back", "needs-human"}:
            yield f"I6 {outcome}, and {build} is held for a failure in production"


_LATE = frozenset({OpenQuestion.CANARY, OpenQuestion.FADES})
_SHOWN = _LATE | {OpenQuestion.REHEARSAL}
_IN_PRODUCTION = frozenset({Defect.MUTE, Defect.DIES, Defect.FADES, Defect.LOSES, Defect.CHOKES})


def _breaks(world: World, name: str, build: str) -> bool:
    """Whether the build of this version breaks in production for this person."""
    fake = next(fake for fake in world.builds.values() if fake.version.text == build)
    if any(fake.hits(defect, name) for defect in _IN_PRODUCTION):
        return True
    return fake.version not in world.trusted and bool(_true_of(world.people[name]) & _LATE)


def _true_of(person: FakePerson) -> set[str]:
    """What was settled to be so with a person of whom something was left open."""
    return {question for question, answer in (person.answers or {}).items() if answer}


def _blamed(world: World, newly: frozenset[Version]) -> Iterator[str]:
    """A build is held only for what is wrong with it."""
    for build in newly:
        fake = world.builds[build]
        said = world.dispatch_said or world.dispatch_paths
        strange_handshake = fake.path not in said or fake.cookie not in world.dispatch_cookies
        known = {Defect.IN_PARTS}
        shown = any(_true_of(person) & _SHOWN for person in world.people.values())
        if not (fake.defects - known or strange_handshake or shown):
            yield f"I6 {build} is held as refused, and nothing is wrong with it"


def _fenced(world: World) -> list[str]:
    return [name for name, person in world.people.items() if person.fenced]


def _serves(world: World, person: FakePerson, *, forever: bool = False) -> bool:
    """Whether the person's serve runs and pairs, asked at the serve itself.

    With `forever` no pairing fades.
    """
    if person.pid is None or person.running is None:
        return False
    fake = world.builds[person.running]
    so, ran_here = _true_of(person), fake.version in world.trusted
    mute = any(fake.hits(defect, person.name) for defect in (Defect.MUTE, Defect.LOSES))
    mute = mute or (OpenQuestion.BROKEN if ran_here else OpenQuestion.CANARY) in so
    fades = fake.hits(Defect.FADES, person.name) or (OpenQuestion.FADES in so and not ran_here)
    faded = fades and world.now - person.started >= FADES_AFTER
    return _knows(fake, person) and not mute and (forever or not faded)


def _remembered(world: World, person: FakePerson) -> Remembered:
    return Remembered(
        pid=person.pid,
        running=person.running,
        selected=_selected(world, person),
        ledger=frozenset(_pairs_of(person.databases)),
        gone=person.acknowledged & ~_set_rows(person),
        pairs=_serves(world, person),
    )

"""An independent judge of the fake world: the eight invariants, in terms of raw facts alone.

Shares nothing with t3safe's engine, operations or state machine: it reads the world's fields and
its log, and the outcome as plain text.  Each check gives the violations that it sees, as lines that
begin with the invariant's name.

- `now(world)` holds at every moment, also right after a crash and at NEEDS_HUMAN.
- `story(world)` holds of everything that was logged so far.
- `end(world, before, outcome)` holds once a run is over, against `before = remember(world)`.

I7 is not a check of its own: it is these checks after a crash.  I8 needs a real file system.
"""

from __future__ import annotations

from collections.abc import Iterator

from attrs import frozen

from fakes.world.core import World
from fakes.world.model import SESSIONS, Databases, Defect, FakeBuild, FakePerson
from t3safe.domain.versions import Version


@frozen
class Remembered:
    """One person as they stood before a run."""

    pid: int | None
    running: Version | None
    selected: Version | None
    ledger: tuple[tuple[str, int, str], ...]
    rows: int
    pairs: bool


@frozen
class Before:
    """The world as it stood before a run: `log` is how much had been logged."""

    people: dict[str, Remembered]
    default: Version | None
    last_good: Version | None
    frozen: str
    held: frozenset[Version]
    log: int


def remember(world: World) -> Before:
    """Keep what `end` compares with."""
    return Before(
        people={name: _remembered(world, person) for name, person in world.people.items()},
        default=world.default,
        last_good=world.last_good,
        frozen=world.frozen,
        held=_held(world),
        log=len(world.log),
    )


def now(world: World) -> list[str]:
    """Everything that must be true at every moment."""
    found: list[str] = []
    transit = 0
    for name, person in world.people.items():
        transit += person.fenced or person.stopped or bool(person.restoring)
        found.extend(f"I1 {name}: {text}" for text in _unmatched(world, person))
        lost = person.acknowledged & ~_kept_rows(person)
        if lost:
            found.append(f"I2 {name}: {lost.bit_count()} acknowledged rows are nowhere")
    if transit > 1:
        who = [p.name for p in world.people.values() if p.fenced or p.stopped or p.restoring]
        found.append(f"I4 {' and '.join(who)} are in transition at once")
    return found


def story(world: World, since: int = 0) -> list[str]:
    """Everything that must be true of what happened, in order."""
    return [*_ungated(world), *_interrupted(world, since), *_called_out(world, since)]


def end(world: World, before: Before, outcome: str) -> list[str]:
    """Everything that must be true once a run has ended this way (the outcome's own word)."""
    found = [*now(world), *story(world, before.log)]
    found.extend(_untrue(world, before, outcome))
    if outcome != "needs-human":
        found.extend(_stranded(world, before))
        found.extend(_missing(world, before) if outcome != "moved" else ())
        found.extend(f"I4 {name}: still fenced" for name in _fenced(world))
    elif len(_fenced(world)) > 1:
        found.append("I4 more than one person is left fenced")
    found.extend(_bystanders(world, before))
    return found


# I1


def _selected(world: World, person: FakePerson) -> Version | None:
    return None if person.fenced else person.link or world.default


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


def _knows(build: FakeBuild, person: FakePerson) -> bool:
    """Cheap where the set was made by this very build, exact otherwise."""
    schema = dict(build.schema.databases)
    if all(
        (main if wal is None else wal).ledger is schema.get(name)
        for name, (main, wal) in person.databases.items()
    ):
        return True
    return _known(build).issuperset(_pairs_of(person.databases))


def _unmatched(world: World, person: FakePerson) -> Iterator[str]:
    if person.running is not None and not _knows(world.builds[person.running], person):
        yield f"the serve of {person.running} runs and does not know the ledger"
    if person.fenced:
        return
    build = person.link or world.default
    if person.restoring:
        yield f"not fenced while a restore from {person.restoring} is half done"
    if build is None or build not in world.store:
        yield f"{build} is selected and not in the store"
    elif not _knows(world.builds[build], person):
        yield f"{build} is selected and does not know the ledger"


# I2


def _work(tables: dict[str, int]) -> int:
    found = 0
    for table, rows in tables.items():
        if table != SESSIONS:
            found |= rows
    return found


def _set_rows(person: FakePerson) -> int:
    found = 0
    for main, wal in person.databases.values():
        found |= _work((main if wal is None else wal).tables)
    return found


def _missing(world: World, before: Before) -> Iterator[str]:
    """Whoever is on the build of before has what they had before, not only kept somewhere."""
    for name, was in before.people.items():
        person = world.people[name]
        gone = was.rows & ~_set_rows(person)
        if gone and _selected(world, person) == was.selected:
            yield f"I2 {name}: {gone.bit_count()} rows of before are not in the set any more"


def _kept_rows(person: FakePerson) -> int:
    found = _set_rows(person)
    if not person.acknowledged & ~found:
        return found
    for snap in person.snapshots.values():
        if snap.sealed and not snap.damaged:
            for content in snap.contents.values():
                found |= _work(content.tables)
    return found


# I3, I4, I5: the log


def _ungated(world: World) -> list[str]:
    passed: set[tuple[str, str]] = set()
    trusted = {build.text for build in world.trusted}
    found: list[str] = []
    for operation, who, detail in world.log:
        if operation == "gate-passed":
            passed.add((who, detail))
        elif operation == "promote" and detail == "default":
            trusted.add(who)
        elif operation == "ran" and detail not in trusted and (who, detail) not in passed:
            found.append(f"I3 {who}: {detail} ran on their state and never passed on a copy of it")
    whole = {build for subject, build in passed if not subject} | trusted
    for name, person in world.people.items():
        build = _selected(world, person)
        if build is not None and build.text not in whole:
            found.append(f"I3 {name}: {build} is selected and never passed the gate")
    if world.default is not None and world.default.text not in whole:
        found.append(f"I3 the default {world.default} never passed the gate")
    return found


def _interrupted(world: World, since: int) -> list[str]:
    return [
        f"I4 {who}: stopped with work in flight"
        for operation, who, detail in world.log[since:]
        if operation == "stop" and detail == "in flight"
    ]


def _called_out(world: World, since: int) -> list[str]:
    """I5: whoever is fenced comes back without the registry or npm being asked."""
    away: set[str] = set()
    found: list[str] = []
    for operation, who, detail in world.log[since:]:
        if operation == "fence":
            away.add(who)
        elif operation == "paired" and not detail:
            away.discard(who)
        elif operation in {"registry", "npm"} and away:
            found.append(f"I5 {operation} was asked while {', '.join(sorted(away))} was away")
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
    "needs-human": _Truth(may_hold=True, frozen=None, promoted=None),
    "promoted": _Truth(promoted=True),
}
"""Every other outcome, and staying (empty), changes nothing of the host's memory.

A run that was interrupted may have kept its gate's verdict first.  Needs-human may freeze, and
where the last step of a promotion cannot be seen to be done, it may have been done.
"""


def _untrue(world: World, before: Before, outcome: str) -> Iterator[str]:
    truth = _TRUTHS.get(outcome, _Truth())
    newly = _held(world) - before.held
    if newly and not truth.may_hold:
        yield f"I6 {outcome}, and {', '.join(map(str, sorted(newly)))} is held as refused"
    if truth.must_hold and not newly and _guilty(world, before) and not _faults(world, before):
        yield f"I6 {outcome}, and nothing is held against the build"
    if truth.frozen is not None and bool(world.frozen) is not (truth.frozen or bool(before.frozen)):
        yield f"I6 {outcome}, and the host is {'frozen' if world.frozen else 'not frozen'}"
    promoted = (world.last_good, world.default) != (before.last_good, before.default)
    if promoted and truth.promoted is False:
        yield f"I6 {outcome}, and {world.last_good} was promoted"
    if truth.promoted and (world.default is None or world.last_good != world.default):
        yield f"I6 {outcome}, and last-good is not the default"
    for name in _sent_back(world, before):
        if _guilty(world, before) and outcome not in {"rolled-back", "needs-human"}:
            yield f"I6 {outcome}, and {name} was taken back from a build that failed"
    yield from _blamed(world, newly)
    yield from _blamed_in_production(world, newly, outcome)


def _blamed_in_production(world: World, newly: frozenset[Version], outcome: str) -> Iterator[str]:
    for build in newly:
        if world.verdicts[build][0].in_production and outcome not in {"rolled-back", "needs-human"}:
            yield f"I6 {outcome}, and {build} is held for a failure in production"


def _sent_back(world: World, before: Before) -> list[str]:
    """Whose set was restored since, and who is on the build of before again."""
    restored = {
        who
        for operation, who, detail in world.log[before.log :]
        if operation == "restore" and detail == "done"
    }
    return [
        name
        for name in sorted(restored)
        if _selected(world, world.people[name]) == before.people[name].selected
    ]


_IN_PRODUCTION = frozenset({Defect.MUTE, Defect.DIES, Defect.FADES, Defect.LOSES, Defect.CHOKES})


def _guilty(world: World, before: Before) -> bool:
    """Whether a build that breaks in production ran since."""
    defects = {build.text: fake.defects for build, fake in world.builds.items()}
    return any(
        operation == "ran" and not _IN_PRODUCTION.isdisjoint(defects[detail])
        for operation, _, detail in world.log[before.log :]
    )


def _faults(world: World, before: Before) -> bool:
    """Whether a fault was injected since: it can hide what the build did."""
    return any(operation == "fault" for operation, _, _ in world.log[before.log :])


def _blamed(world: World, newly: frozenset[Version]) -> Iterator[str]:
    """A build is held only for what is wrong with it."""
    for build in newly:
        fake = world.builds[build]
        strange_handshake = (
            fake.path not in world.dispatch_paths or fake.cookie not in world.dispatch_cookies
        )
        known = {Defect.IN_PARTS}
        if not (fake.defects - known or strange_handshake):
            yield f"I6 {build} is held as refused, and nothing is wrong with it"


def _fenced(world: World) -> list[str]:
    return [name for name, person in world.people.items() if person.fenced]


def _serves(world: World, person: FakePerson) -> bool:
    """Whether the person's serve runs and pairs, asked at the serve itself."""
    if person.pid is None or person.running is None:
        return False
    fake = world.builds[person.running]
    mute = any(fake.hits(defect, person.name) for defect in (Defect.MUTE, Defect.LOSES))
    faded = fake.hits(Defect.FADES, person.name) and world.now - person.started >= 60
    return _knows(fake, person) and not mute and not faded


def _stranded(world: World, before: Before) -> Iterator[str]:
    for name, was in before.people.items():
        if was.pairs and not _serves(world, world.people[name]):
            yield f"stranded {name}: had a serve that pairs, has none now"


def _bystanders(world: World, before: Before) -> Iterator[str]:
    """I4: whoever was not touched by name runs on as before, on the same ledger."""
    touched = {
        who
        for operation, who, _ in world.log[before.log :]
        if operation in {"fence", "stop", "start", "select", "restore"}
    }
    outage = any(operation == "power-cut" for operation, _, _ in world.log[before.log :])
    for name, was in before.people.items():
        person = world.people[name]
        if name in touched:
            continue
        if (person.pid, person.running) != (was.pid, was.running) and not outage:
            yield f"I4 {name}: was not moved, and their serve is another one now"
        if tuple(sorted(_pairs_of(person.databases))) != was.ledger:
            yield f"I4 {name}: was not moved, and their ledger changed"
        if _selected(world, person) != was.selected:
            yield f"I4 {name}: was not moved, and another build is selected for them"


def _remembered(world: World, person: FakePerson) -> Remembered:
    return Remembered(
        pid=person.pid,
        running=person.running,
        selected=_selected(world, person),
        ledger=tuple(sorted(_pairs_of(person.databases))),
        rows=_set_rows(person),
        pairs=_serves(world, person),
    )

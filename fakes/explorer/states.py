"""When two histories have led to the same state: what every future depends on, and nothing else.

Left out, because no decision and no judgement depends on it: the time, everything counted (rows,
processes, effects, ids of snapshots), who is who among those whose part is over, and what people do
who were left where they are.  Instead of the rows themselves it says in which places rows
are together: every row is in the set or not, in each snapshot or not, acknowledged or not, and rows
that agree in all of it are as one.

That nothing is missing here is tested: merged and unmerged exploration find the same.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Final

from fakes.invariants import Judge
from fakes.world import FakePerson, World
from fakes.world.model import FADES_AFTER, Content, OpenQuestion, Snap
from t3safe.domain import effects as fx
from t3safe.domain.ledgers import Ledger, SetLedger
from t3safe.domain.move import Move, Status
from t3safe.domain.rollout_state import Rollout, Stage
from t3safe.domain.versions import Version

_LEDGERS: dict[Ledger, int] = {}
_LEDGERS_SEEN: dict[int, tuple[Ledger, int]] = {}
_PEOPLE_SEEN: dict[Hashable, int] = {}
_SEEN_MAX: Final = 20_000
_NUMBERS: dict[Hashable, int] = {}


def state_of(world: World, judge: Judge, rollout: Rollout | None) -> Hashable:
    """Give what the future depends on, equal for two histories that have the same one."""
    moves = {move.person: move for move in rollout.moves} if rollout is not None else {}
    finishing = rollout is not None and _finishing(rollout)
    coming: list[int] = []
    behind: list[int] = []
    aside: set[int] = set()
    for name in world.people:
        move = moves.get(name)
        if move is not None and _stays(move, finishing=finishing):
            aside.add(_bystander(world, judge, name))
        elif move is not None and move.settled:
            behind.append(_whole(world, judge, name, move))
        else:
            coming.append(_whole(world, judge, name, move))
    rest = (
        "" if finishing or rollout is None else _left(rollout),
        _host(world),
        judge.key(),
        _rollout(rollout) if rollout is not None else None,
    )
    return tuple(coming), tuple(sorted(behind)), frozenset(aside), _number(rest)


_ASIDE: Final = frozenset(
    {Status.DEFERRED, Status.NOT_RUNNING, Status.REFUSED, Status.HELD_BACK, Status.BROKEN_BEFORE}
)


def _finishing(rollout: Rollout) -> bool:
    """Whether nobody new is begun any more."""
    bad = (Status.NEEDS_HUMAN, Status.ENVIRONMENT, Status.ROLLED_BACK)
    late = rollout.stage in {Stage.BAKING, Stage.REVISITING, Stage.CLOSING}
    return late or rollout.winding is not None or any(m.status in bad for m in rollout.moves)


def _stays(move: Move, *, finishing: bool) -> bool:
    """Whether this person is left where they are, whatever comes."""
    return move.status in _ASIDE or (finishing and move.status is Status.WAITING)


def _left(rollout: Rollout) -> str:
    """What those who are left where they are would make of the end: only where nobody is moved."""
    here = {move.status for move in rollout.moves}
    if Status.MOVED in here:
        return ""
    if here & {Status.REFUSED, Status.HELD_BACK}:
        return "refused"
    return "later" if Status.BROKEN_BEFORE in here else "deferred"


def _bystander(world: World, judge: Judge, name: str) -> int:
    """Number what is to be known of somebody who is touched no more.

    How many there are, and what they do, is all the same to everybody.
    """
    person = world.people[name]
    told = judge.key_of(name) if name in judge.touched else None
    return _number((_person(world, judge, person, aside=True), told))


def _whole(world: World, judge: Judge, name: str, move: Move | None) -> int:
    """Number everything that is to be known of one person."""
    person = world.people[name]
    key = (
        _person(world, judge, person, aside=False),
        judge.key_of(name),
        _move(person, move) if move is not None else None,
    )
    return _number(key)


def _number(key: Hashable) -> int:
    return _NUMBERS.setdefault(key, len(_NUMBERS))


def _host(world: World) -> Hashable:
    return (
        frozenset(build.text for build in world.store),
        _text(world.default),
        _text(world.last_good),
        _text(world.previous_good),
        bool(world.frozen),
        frozenset(build.text for build in world.measured),
        world.disk_full,
        world.dispatch_up,
        world.tag.text,
        tuple(
            (build.text, verdict.ruling, verdict.in_production)
            for build, (verdict, _) in world.verdicts.items()
        ),
    )


def _text(build: Version | None) -> str:
    return build.text if build is not None else ""


# One person.


def _person(world: World, judge: Judge, person: FakePerson, *, aside: bool) -> int:
    """Number a person's state; two are of one number where they differ in what is left out only."""
    was = judge.before.people[person.name]
    raw = (
        _text(person.link or person.noted),
        person.fenced,
        person.stopped,
        person.pid is not None,
        person.pid == was.pid,
        _text(person.running),
        _fading(world, person),
        not aside and person.turn is not None and person.turn >= person.started,
        not aside and person.turn is not None,
        (
            person.approvals,
            person.inputs,
            person.agents,
            person.unreadable,
            person.foreign,
            person.job,
        ),
        (person.restore_fails > 0, person.stop_lies, person.start_fails, person.start_lies),
        (person.clings, tuple(build.text for build in person.starting)),
        frozenset(build.text for build in person.touched),
        _answers(person, aside=aside),
        person.restoring,
        person.acknowledged,
        was.gone,
        tuple((build.text, rows) for build, rows in person.written.items()),
        tuple(
            (name, _content(main), None if wal is None else _content(wal))
            for name, (main, wal) in person.databases.items()
        ),
        tuple(_snap(snap) for snap in person.snapshots.values() if snap.sealed),
    )
    known = _PEOPLE_SEEN.get(raw)
    if known is None:
        if len(_PEOPLE_SEEN) >= _SEEN_MAX:
            _PEOPLE_SEEN.clear()
        known = _PEOPLE_SEEN[raw] = _number((raw[:14], _places(person, was.gone)))
    return known


def _answers(person: FakePerson, *, aside: bool) -> Hashable:
    if aside or person.answers is None:
        return None
    return frozenset(person.answers.items())


def _fading(world: World, person: FakePerson) -> float:
    """How long a serve has run whose pairing depends on that."""
    if person.running is None or person.running in world.trusted:
        return 0.0
    if not person.answers or person.answers.get(OpenQuestion.FADES) is False:
        return 0.0
    return min(round(world.now - person.started, 3), FADES_AFTER)


def _content(content: Content) -> Hashable:
    return _ledger(content.ledger), tuple(content.tables.items())


def _snap(snap: Snap) -> Hashable:
    contents = tuple((name, _content(content)) for name, content in snap.contents.items())
    return snap.id, snap.kind, _text(snap.build), snap.damaged, snap.unreadable, contents


def _ledger(ledger: Ledger) -> int:
    """Number a ledger; by identity where it was seen before, because hashing one is dear."""
    seen = _LEDGERS_SEEN.get(id(ledger))
    if seen is None:
        number = _LEDGERS.setdefault(ledger, len(_LEDGERS))
        seen = _LEDGERS_SEEN[id(ledger)] = (ledger, number)
    return seen[1]


def sealed_ids(person: FakePerson) -> dict[str, int]:
    """The sealed snapshots of a person, numbered as they were taken."""
    sealed = (snap.id for snap in person.snapshots.values() if snap.sealed)
    return {snapshot: number for number, snapshot in enumerate(sealed)}


def _places(person: FakePerson, gone: int) -> Hashable:
    """Say what there is, and in which places rows are together."""
    masks: list[int] = [person.acknowledged, gone]
    shape: list[Hashable] = []
    for build, rows in person.written.items():
        masks.append(rows)
        shape.append(build.text)
    for name, (main, wal) in person.databases.items():
        masks.extend(_tables(main))
        shape.append((name, _shape(main)))
        if wal is not None:
            masks.extend(_tables(wal))
            shape.append((name, "wal", _shape(wal)))
    for snap in person.snapshots.values():
        if snap.sealed:
            for name, content in snap.contents.items():
                masks.extend(_tables(content))
                shape.append((name, _shape(content)))
            shape.append((snap.kind, _text(snap.build), snap.damaged, snap.unreadable))
    restoring = sealed_ids(person).get(person.restoring, -1)
    return tuple(shape), frozenset(_together(masks)), restoring


def _tables(content: Content) -> Iterator[int]:
    return iter(content.tables.values())


def _shape(content: Content) -> Hashable:
    return _ledger(content.ledger), tuple(content.tables)


def _together(masks: list[int]) -> Iterator[int]:
    """For each class of rows that are in the same places: those places, as bits."""
    everything = 0
    for mask in masks:
        everything |= mask
    classes = [(everything, 0)]
    for place, mask in enumerate(masks):
        bit = 1 << place
        classes = [
            (part, places)
            for rows, so_far in classes
            for part, places in ((rows & mask, so_far | bit), (rows & ~mask, so_far))
            if part
        ]
    return (places for _, places in classes)


# The rollout.


_GATE: Final = frozenset(
    {Stage.STAGING, Stage.SNAPSHOTTING, Stage.REHEARSING, Stage.CONTROL, Stage.VERDICT, Stage.SLOT}
)
"""Once these are over, what the gate found is in each person's status."""


def _rollout(rollout: Rollout) -> Hashable:
    return (
        rollout.stage,
        rollout.attempts,
        _gate(rollout) if rollout.stage in _GATE else None,
        None if rollout.winding is None else rollout.winding.outcome,
        tuple(_closing(effect) for effect in rollout.closing),
        None if rollout.ending is None else rollout.ending.outcome,
        rollout.closed,
    )


def _gate(rollout: Rollout) -> Hashable:
    verdict = rollout.verdict
    return (
        bool(rollout.rehearsals),
        len(rollout.controls_todo),
        tuple((run.subject, run.passed) for run in rollout.controls),
        None if verdict is None else (verdict.ruling, verdict.held_back),
    )


def _move(person: FakePerson, move: Move) -> Hashable:
    numbers = sealed_ids(person)
    rest = move.rest
    return (
        move.status,
        move.goal,
        move.todo,
        numbers.get(move.online, -1),
        None if rest is None else (numbers.get(rest.snapshot, -1), _set_ledger(rest.ledger)),
        numbers.get(move.quarantine, -1 if move.quarantine else None),
        move.fenced,
        move.new_build_may_have_run,
        move.restored,
        move.reselecting,
        move.stopped,
        move.had_activity,
        move.fault,
        move.held,
        move.doubted,
        move.again,
        len(move.earlier),
    )


def _set_ledger(ledger: SetLedger) -> Hashable:
    return tuple((name, _ledger(found)) for name, found in ledger.databases)


def _closing(effect: fx.Effect) -> Hashable:
    match effect:
        case fx.RecordVerdict(verdict):
            return type(effect).__name__, verdict.ruling, verdict.in_production
        case _:
            return type(effect).__name__

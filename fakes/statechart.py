"""The state chart: `docs/states.md`, read off `decide` and `evolve` (`make docs`).

Rules:

1. Small plans of every kind are explored breadth first: what is decided is started, and every
   answer that its port may give is given.  Of two people the first is moved well.
2. The core is total: an exception on the way, or a run that need not end, is an error here.
3. After a crash only the next reaction is shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from graphlib import TopologicalSorter
from itertools import chain, islice, product
from pathlib import Path
from typing import Final

import attrs

from fakes.playbook import NOW
from t3safe.domain import effects as fx
from t3safe.domain import events as ev
from t3safe.domain.checks import Check, failed, passed
from t3safe.domain.errors import Fault
from t3safe.domain.gate import OnPersonFailure, Rehearsal
from t3safe.domain.ledgers import Ledger, SetLedger
from t3safe.domain.move import Goal, Move, Status, Step
from t3safe.domain.moves import answered, lose_sight, touched
from t3safe.domain.rollout import decide, evolve, opened
from t3safe.domain.rollout_state import Rollout, Stage
from t3safe.domain.versions import Version
from t3safe.t3.files import V1_DATABASE

OLD, OTHER, NEW = map(Version.parse, ("0.0.25", "0.0.26", "0.0.28"))
KNOWN, MIGRATED, FOREIGN = (
    SetLedger.of({V1_DATABASE: Ledger.of([(30, "Archive"), *more])})
    for more in ([], [(31, "Sessions")], [(31, "Foreign")])
)
"""What both builds know, what NEW makes of it, and what NEW does not know."""
LANES: Final = {
    "A run or a drain": ((ev.Kind.RUN, "", "ann"), (ev.Kind.RUN, "", "ann", "bob")),
    "A check": ((ev.Kind.CHECK, "", "ann"),),
    "Going back on purpose": ((ev.Kind.BACK, "", "ann"), (ev.Kind.BACK, "chosen", "ann")),
    "A bake of its own": ((ev.Kind.BAKE, "", "ann"),),
}
"""The plans that are explored: their kind, the snapshot to restore, the people."""
WORDS: Final = Path(__file__).parents[1] / "documents" / "states.md"
Way = tuple[Rollout, ev.Event, Rollout]
"""The state before, the event and the state after."""
Arrows = dict[tuple[str, str], set[tuple[str, str]]]
"""Answers (word, fact) by the boxes that they lead from and to; `(name)` is a round box."""


def explore(kind: ev.Kind, restore: str, *people: str) -> list[Way]:
    """Explore a plan to every end.  Raises CycleError where a run need not end (rule 2)."""
    moved = () if kind is ev.Kind.BAKE else people
    moves = tuple(ev.MovePlan(who, OLD, NEW, restore, MIGRATED) for who in moved)
    baking = () if moved else people
    hold = OnPersonFailure.HOLD_BACK
    ring = "canary" if kind is ev.Kind.RUN else ""
    plan = ev.Plan("run", kind, NEW, OLD, moves, 0.0, 1, hold, baking=baking, ring=ring)
    start = opened(plan)
    ways: list[Way] = []
    states, numbers = [start], {start: 0}
    before: dict[int, list[int]] = {}
    for here, state in enumerate(states):
        for event in _next(state):
            after = evolve(state, event)
            if after.pending is None:
                # Counted anew, states that differ in the name of a snapshot alone are one.
                after = attrs.evolve(after, seq=0)
            number = numbers.setdefault(after, len(states))
            if number == len(states):
                states.append(after)
            ways.append((state, event, after))
            before.setdefault(number, []).append(here)
    TopologicalSorter(before).prepare()
    return ways


def _next(state: Rollout) -> Iterator[ev.Event]:
    if state.pending is not None:
        smooth = len(state.moves) > 1 and state.moves[0].status in {Status.WAITING, Status.MOVING}
        some = islice(answers_to(state.pending), 1 if smooth else None)
        yield from (ev.Finished(state.seq, answer, NOW) for answer in some)
    elif not state.closed:
        choice = decide(state)
        if isinstance(choice, ev.Ended):
            yield ev.Closed(choice, NOW)
        else:
            yield ev.Started(state.seq + 1, choice, NOW)


def answers_to(effect: fx.Effect) -> Iterator[ev.Answer]:
    """Give one answer of each sort that an effect may have, the best first."""
    match effect:
        case fx.StageBuild():
            yield ev.Staged("", "")
        case fx.TakeSlot():
            yield from (ev.SlotTaken(1), ev.SlotDenied(""))
        case fx.SnapshotOnline(snapshot=name):
            yield from (ev.Snapshotted(name, KNOWN, 1), ev.Assessed(ev.Readiness.BUSY))
        case fx.SnapshotAtRest(snapshot=name):
            yield from (ev.Snapshotted(name, found, 1) for found in (KNOWN, FOREIGN))
        case fx.Rehearse(build, subjects):
            for good in product((True, False), repeat=len(subjects)):
                yield ev.Rehearsed(
                    tuple(
                        Rehearsal(subject.person, build, PASSED if well else FAILED, MIGRATED)
                        for subject, well in zip(subjects, good, strict=True)
                    )
                )
        case fx.Assess():
            yield from (ev.Assessed(readiness) for readiness in ev.Readiness)
        case fx.VerifyPairing():
            yield ev.Paired()
            yield from (ev.NotPaired(fault, "") for fault in Fault)
        case fx.Quarantine(snapshot=name):
            yield ev.Quarantined(name)
        case fx.Inspect():
            ledgers, both = (KNOWN, MIGRATED, FOREIGN, None), (False, True)
            found = product((None, OLD, NEW, OTHER), both, ledgers, both)
            yield from (ev.Inspected(*facts) for facts in found)
        case fx.Bake(people) | fx.Revisit(people):
            yield ev.Done()
            yield from (ev.BakeBroken(people[0], fault, "") for fault in Fault)
        case _:
            yield ev.Done()
    yield from (ev.Failed(fault, "") for fault in Fault)


PASSED: Final = tuple(passed(check) for check in Check)
FAILED: Final = (failed(Check.IDENTITY, ""),)


def _said(answer: ev.Answer) -> tuple[str, str]:
    """Name an answer and what sets it apart from others of its sort."""
    word = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(answer).__name__).lower()
    match answer:
        case ev.Failed(fault) | ev.NotPaired(fault) | ev.BakeBroken(fault=fault):
            return word, fault
        case ev.Assessed(readiness):
            return readiness, ""
        case ev.Rehearsed(rehearsals):
            good = [rehearsal.passed for rehearsal in rehearsals]
            return word, f"{'all' if all(good) else 'some' if any(good) else 'none'} passed"
        case ev.Snapshotted(ledger=ledger):
            return word, "to a migration unknown" if ledger is FOREIGN else "known"
        case _:
            return word, ""


def stage_arrows(ways: Iterable[Way]) -> Arrows:
    """Give the arrows between the stages of a rollout; out of `moving` they name statuses."""
    arrows: Arrows = {}
    for before, event, after in ways:
        source, target = _stage(before), _stage(after)
        if isinstance(event, ev.Finished) and source != target and before.ending is None:
            now = [new for old, new in zip(before.moves, after.moves, strict=True) if old != new]
            moving = before.stage is Stage.MOVING
            said = (f"{now[0].status}", "") if moving else _said(event.answer)
            arrows.setdefault((source, target), set()).add(said)
    return arrows


def _stage(state: Rollout) -> str:
    if state.ending is not None:
        return f"({state.ending.outcome})"
    ruling = f": {state.verdict.ruling}" if state.stage is Stage.VERDICT and state.verdict else ""
    return f"{state.stage}{ruling}"


def move_arrows(ways: Iterable[Way]) -> Arrows:
    """Give the arrows between the steps of one person's move, and to how it settles."""
    arrows: Arrows = {}
    for before, event, after in ways:
        for old, new in zip(before.moves, after.moves, strict=True):
            if isinstance(event, ev.Finished) and _step(old) != _step(new):
                begins = old.status is Status.WAITING and new.status is Status.MOVING
                said = set() if begins else {_said(event.answer)}
                arrows.setdefault((_step(old), _step(new)), set()).update(said)
    return arrows


def _step(move: Move) -> str:
    if not move.todo:
        return f"({move.status})"
    again = " again" if move.todo[:2] == (Step.ASSESS, Step.FENCE) else ""
    return f"{move.goal}: {move.todo[0]}{again}"


def chart(arrows: Arrows) -> str:
    """Draw arrows as a Mermaid flowchart."""
    boxes = {box: f"n{number}" for number, box in enumerate(dict.fromkeys(chain(*arrows)))}
    lines = ["```mermaid", "flowchart TB"]
    for box, tag in boxes.items():
        text = box.strip("()")
        lines.append(f'    {tag}["{text}"]' if text == box else f'    {tag}(["{text}"])')
    for (source, target), said in arrows.items():
        everything = set(chain(*(one for ends, one in arrows.items() if ends[0] == source)))
        label = f'|"{_label(said, everything)}"|' if said else ""
        lines.append(f"    {boxes[source]} -->{label} {boxes[target]}")
    return "\n".join([*lines, "```"])


def _label(said: set[tuple[str, str]], everything: set[tuple[str, str]]) -> str:
    """Say a set of answers; facts only where answers of one word lead to several boxes."""
    texts = []
    for word in sorted({word for word, _ in said}):
        here, there = ({fact for one, fact in some if one == word} for some in (said, everything))
        left = there - here
        facts = f"not {left.pop()}" if len(left) == 1 < len(here) else ", ".join(sorted(here))
        texts.append(word if here == there else f"{word} ({facts})")
    return " or<br/>".join(texts)


def _crashes(ways: Iterable[Way]) -> Iterator[str]:
    """Give a row for what follows the look after a crash, with all steps after which it does."""
    found: dict[str, dict[object, set[str]]] = {}
    moments = {
        (_step(move), state.pending is not None, attrs.evolve(lose_sight(move), reason=""))
        for state in dict.fromkeys(state for state, *_ in ways)
        if (move := state.current) is not None and touched(move)
    }
    for step, begun, move in sorted(moments, key=lambda moment: moment[:2]):
        seen = found.setdefault(f"{step}{', begun' if begun else ''}", {})
        for answer in answers_to(fx.Inspect(move.person)):
            saw = answer.selected if isinstance(answer, ev.Inspected) else "failed"
            then = answered(move, answer, MIGRATED)
            what = f"{then.goal}: {', '.join(then.todo)}" if then.todo else f"{then.status}"
            seen.setdefault(saw, set()).add(what)
    rows: dict[str, list[str]] = {}
    for when, thens in found.items():
        cells = ("<br/>or ".join(sorted(thens[saw])) for saw in (None, OLD, NEW, OTHER, "failed"))
        rows.setdefault(" | ".join(cells), []).append(when)
    yield from (f"| {'<br/>'.join(whens)} | {cells} |" for cells, whens in rows.items())


def page() -> str:
    """Write `docs/states.md`; its words are in `documents/states.md`."""
    lanes = {title: [*chain(*(explore(*one) for one in some))] for title, some in LANES.items()}
    everything = list(chain(*lanes.values()))
    arrows = {title: move_arrows(ways) for title, ways in lanes.items()}
    moves = {title: chart(_towards(Goal.FORWARD, some)) for title, some in arrows.items()}
    every = move_arrows(everything)
    moves |= {goal.value: chart(_towards(goal, every)) for goal in Goal}
    stages = {title: chart(stage_arrows(ways)) for title, ways in lanes.items()}
    text = WORDS.read_text(encoding="utf-8")
    return text.format(stages=stages, moves=moves, crashes="\n".join(_crashes(everything)))


def _towards(goal: Goal, arrows: Arrows) -> Arrows:
    """Give the arrows out of the steps towards a goal, and unlabelled those that lead to them."""
    mine, others = {}, {}
    for (source, target), said in arrows.items():
        if source.startswith((f"{goal}:", "(") if goal is Goal.FORWARD else f"{goal}:"):
            mine[source, target] = said
        elif target.startswith(f"{goal}:"):
            others[source, target] = set[tuple[str, str]]()
    return others | mine

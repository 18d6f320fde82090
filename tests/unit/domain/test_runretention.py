"""Which runs of the journal may go, and which stay since something asks for them."""

from __future__ import annotations

from datetime import timedelta

import attrs
import pytest

from fakes.world import NEW, NEWER
from t3safe.domain import events as ev
from t3safe.domain.moves import Move, Status
from t3safe.domain.ports import RunRecord
from t3safe.domain.rollout import Rollout, opened
from t3safe.domain.runretention import RUNS_NEEDED, Kept, explains, prunable, until
from t3safe.domain.versions import Version
from tests.unit.adapters.test_journal import NOW, PLAN

DAY = timedelta(days=1)
OLD = Version.parse("0.0.28-nightly.20260601.500")
KEPT = Kept(frozenset({OLD, NEW, NEWER}))
Run = tuple[RunRecord, Rollout]


def _run(
    name: str,
    days_ago: float,
    *moves: Move,
    kind: ev.Kind = ev.Kind.RUN,
    candidate: Version = NEW,
    outcome: ev.Outcome | None = ev.Outcome.LATER,
) -> Run:
    plan = attrs.evolve(
        PLAN,
        run=name,
        kind=kind,
        candidate=candidate,
        moves=tuple(move.plan for move in moves),
        baking=(),
    )
    at = NOW - days_ago * DAY
    ended = None if outcome is None else ev.Ended(outcome, "x")
    record = RunRecord(plan, at, ended, None if ended is None else at)
    return record, attrs.evolve(opened(plan), moves=moves)


def _move(person: str, status: Status, old: Version = OLD, new: Version = NEW) -> Move:
    return Move(ev.MovePlan(person, old, new), status=status)


def _recent(outcome: ev.Outcome | None = ev.Outcome.LATER) -> list[Run]:
    """Give the newest runs, newest first, that answer as little as can be."""
    return [_run(f"new{number}", number, outcome=outcome) for number in range(RUNS_NEEDED)]


def _gone(*older: Run, kept: Kept = KEPT) -> tuple[str, ...]:
    return prunable([*_recent(), *older], NOW - 100 * DAY, kept)


def test_old_runs_go_oldest_first_and_young_ones_stay() -> None:
    """What nothing needs stays only as long as it is young."""
    runs = [_run(f"a{days}", days) for days in (50, 101, 150)]
    # The newest that differs in its candidate from the newest of all would stay.
    assert _gone(*runs) == ("a150", "a101")


def test_a_run_that_is_not_over_stays() -> None:
    """However old it is."""
    assert _gone(_run("open", 200, outcome=None)) == ()


def test_the_newest_runs_stay_however_old_they_are() -> None:
    """On a host that slept for years nothing goes."""
    assert prunable(_recent(), NOW + 9999 * DAY, KEPT) == ()


def test_age_is_counted_from_the_oldest_of_the_newest_runs() -> None:
    """A clock that is years ahead for a night, or for a week, makes no run old."""
    records = [record for record, _ in _recent()]
    usual = until(records, 100 * DAY)
    assert usual == records[-1].opened - 100 * DAY
    ahead = [attrs.evolve(record, opened=NOW + 9999 * DAY) for record in records[:7]]
    assert until([*ahead, *records[7:]], 100 * DAY) == usual
    assert until(records[:-1], 100 * DAY) is None


ANSWERS = {
    "whom it left where they are": _run("r", 200, _move("ann", Status.DEFERRED)),
    "what was promoted": _run("r", 200, outcome=ev.Outcome.PROMOTED),
    "what an alert says": _run("r", 200, outcome=ev.Outcome.NEEDS_HUMAN),
    "whether the gate is broken": _run(
        "r", 200, kind=ev.Kind.CHECK, outcome=ev.Outcome.GATE_BROKEN
    ),
    "another candidate": _run("r", 200, candidate=NEWER),
    "who arrived": _run("r", 200, _move("ann", Status.MOVED)),
    "why somebody is on a build": _run("r", 200, _move("ann", Status.WAITING)),
    "which snapshots are pinned": _run(
        "r",
        200,
        Move(ev.MovePlan("ann", NEW, OLD, restore="s1"), status=Status.WAITING),
        kind=ev.Kind.BACK,
    ),
}


@pytest.mark.parametrize("run", ANSWERS.values(), ids=ANSWERS)
def test_the_newest_run_that_answers_a_question_stays(run: Run) -> None:
    """An older one that answers the same goes."""
    record, rollout = run
    older = attrs.evolve(
        record, plan=attrs.evolve(record.plan, run="older"), opened=NOW - 300 * DAY
    )
    assert _gone(run, (older, rollout)) == ("older",)


def test_questions_about_a_build_that_is_not_in_the_store_are_not_asked() -> None:
    """Nobody can run it: of two moves the newer answers all that is left."""
    back = _run("back", 150, _move("ann", Status.MOVED, NEW, OLD), kind=ev.Kind.BACK)
    up = _run("up", 200, _move("ann", Status.MOVED))
    again = _run("again", 120, _move("bob", Status.MOVED))
    assert _gone(again, back, up) == ()
    assert _gone(again, back, up, kept=Kept()) == ("up",)


def test_a_run_stays_while_a_snapshot_of_its_own_is_kept_or_the_summary_names_it() -> None:
    """The person's next move does not let it go."""

    def back(name: str, days: float, snapshot: str) -> Run:
        plan = ev.MovePlan("ann", NEW, OLD, restore=snapshot)
        return _run(name, days, Move(plan, status=Status.MOVED), kind=ev.Kind.BACK)

    runs = back("b2", 150, "s2"), back("b1", 200, "s1")
    assert _gone(*runs) == ("b1",)
    assert _gone(*runs, kept=attrs.evolve(KEPT, snapshots=frozenset({("ann", "s1")}))) == ()
    assert _gone(*runs, kept=attrs.evolve(KEPT, snapshots=frozenset({("bob", "s1")}))) == ("b1",)
    assert _gone(*runs, kept=attrs.evolve(KEPT, runs=frozenset({"b1"}))) == ()


def test_a_check_explains_nothing_and_a_bake_its_candidate() -> None:
    """Nobody is on a build because of a check."""
    (check, _) = _run("c", 1, _move("ann", Status.WAITING), kind=ev.Kind.CHECK)
    assert list(explains(check.plan)) == []
    bake = attrs.evolve(check.plan, kind=ev.Kind.BAKE, moves=(), baking=("ann",))
    assert list(explains(bake)) == [("ann", NEW)]

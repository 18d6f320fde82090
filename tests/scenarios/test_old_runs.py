"""Old runs are thrown away, and every question about what was has the answer that it had."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from fakes.world import Defect, World, host, small_world
from fakes.world.model import version
from t3safe.domain import events as ev
from t3safe.domain.errors import JournalError
from t3safe.domain.policy import Skip, SkipReason
from t3safe.domain.runs import RUNS_NEEDED
from t3safe.simulation.journal import MemoryJournal
from t3safe.usecases.host import Rules, deferrals, left_in_a_run
from t3safe.usecases.metrics import measure
from t3safe.usecases.recover import unexplained
from t3safe.usecases.rollback import look, pins, present
from t3safe.usecases.run import _unbaked, drain, run
from t3safe.usecases.survey import survey
from tests.scenarios.nights import DAY, night, publish, take_ann_back

PRUNES = Rules(journal_keep=timedelta(days=60))
KEEPS = Rules(journal_keep=timedelta(days=36500))
STEP = 5
MONTHS = 30


def _lived(rules: Rules) -> Iterator[World]:
    """Live through 30 months, a run every five days, and give the world after each month.

    A build every other month at first, one of them refused, then none for a year; bob works for
    most of each year, cid every third month; ann goes back twice.
    """
    world = small_world("ann", "bob", "cid")
    for month in range(MONTHS):
        if month in {2, 4, 6, 8, 10, 12, 14, 16, 28}:
            number = month // 2
            defects = [Defect.SHRINKS] if number == 7 else []
            day = f"{2026 + (6 + month) // 12}{(6 + month) % 12 + 1:02d}01"
            publish(world, version(f"0.0.28-nightly.{day}.{600 + number}"), 32 + number, *defects)
        for turn in range(30 // STEP):
            for person, works in (("bob", month % 15 < 12), ("cid", month % 3 == 1)):
                (world.work if works else world.rest)(person)
            night(world, drain if turn == 5 else run, rules=rules)
            if month in {9, 19} and turn == 3:
                night(world, take_ann_back, rules=rules, giving_up=True)
            world.advance(STEP * DAY)
        yield world


def _answers(world: World, rules: Rules) -> dict[str, object]:
    """Ask everything that is answered from old runs."""
    wired = host(world, rules)
    people = tuple(world.people)
    vitals = measure(wired, None, tuple)
    moves = {person: tuple(world.journal.moves(person)) for person in people}
    return {
        "moves": moves,
        "deferrals": deferrals(wired),
        "pins": [pins(wired, person) for person in people],
        "present": [present(wired, person) for person in people],
        "left": [left_in_a_run(wired, person) for person in people],
        "back": look(wired, None),
        "unexplained": unexplained(wired),
        "unbaked": _unbaked(wired, survey(wired, repair=False), Skip(SkipReason.NOTHING, "")),
        "counts": vitals.ends,
        "alerts": [vitals.speaking(outcome) for outcome in ev.Outcome],
        "builds": set(wired.ports.builds.present()),
        "snapshots": [list(world.people[person].snapshots) for person in people],
        "runs": list(world.journal.runs()),
    }


def test_after_30_months_every_answer_is_the_one_of_a_journal_that_kept_all() -> None:
    """Month for month: who waits since when, ways back for one and for all, pins, counts."""
    kept: list[bool] = []
    for pruned, whole in zip(_lived(PRUNES), _lived(KEEPS), strict=True):
        now, then = _answers(pruned, PRUNES), _answers(whole, KEEPS)
        assert now == then, [key for key in now if now[key] != then[key]]
        assert all(whole.journal.written.values())
        kept = [bool(events) for events in pruned.journal.written.values()]
    assert len(kept) > 100
    assert RUNS_NEEDED <= sum(kept) < len(kept) / 2
    assert kept == sorted(kept), "the oldest went"
    assert [person.link for person in pruned.people.values()] == [
        person.link for person in whole.people.values()
    ]


def _full() -> World:
    """Give a host with more runs than stay, none of which was looked at yet."""
    world = small_world("ann", "bob")
    for _ in range(RUNS_NEEDED + 10):
        world.work("bob")
        night(world, rules=KEEPS)
        world.advance(DAY)
    return world


SOON = Rules(journal_keep=timedelta(days=1))


def test_a_pruning_that_fails_changes_nothing_of_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """The run ends as it would have, and the next one prunes."""

    def fails(*_: object) -> None:
        raise JournalError("no space left")

    usual, world = _full(), _full()
    world.work("bob")
    usual.work("bob")
    with monkeypatch.context() as patched:
        patched.setattr(MemoryJournal, "prune", fails)
        result = night(world, rules=SOON)
    assert result == night(usual, rules=SOON)
    assert all(world.journal.written.values())
    world.advance(DAY)
    world.work("bob")
    night(world, rules=SOON)
    assert not all(world.journal.written.values())

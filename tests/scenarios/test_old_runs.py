"""Old runs are thrown away, and every question about what was has the answer that it had."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from fakes.world import Defect, World, drive, host, small_world
from fakes.world.core import Crash
from fakes.world.journal import MemoryJournal
from fakes.world.model import version
from t3safe.domain import events as ev
from t3safe.domain.errors import BuildError, JournalError, PortError
from t3safe.domain.policy import No, Stay
from t3safe.domain.ports import Anchor
from t3safe.domain.runretention import RUNS_NEEDED
from t3safe.usecases.host import Rules
from t3safe.usecases.metrics import measure
from t3safe.usecases.recover import unexplained
from t3safe.usecases.rollback import look, pins, present
from t3safe.usecases.run import _unbaked, drain, run
from t3safe.usecases.standing import survey
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
    summary = wired.runs.summary()
    return {
        "summary": summary,
        "deferrals": wired.runs.deferrals(),
        "pins": [pins(wired, person) for person in people],
        "present": [present(wired, person) for person in people],
        "left": [wired.runs.left_in_a_run(person) for person in people],
        "back": look(wired, None),
        "unexplained": unexplained(wired),
        "unbaked": _unbaked(wired, survey(wired, repair=False), Stay(No.NOTHING, "")),
        "counts": vitals.count(),
        "alerts": [vitals.speaking(outcome) for outcome in ev.Outcome],
        "builds": set(wired.ports.builds.present()),
        "snapshots": [list(world.people[person].snapshots) for person in people],
        "last": next(iter(world.journal.runs())),
        "named": [past.run in world.journal.written for past in summary.people if past.run],
    }


def test_after_30_months_every_answer_is_the_one_of_a_journal_that_kept_all() -> None:
    """Month for month: who waits since when, ways back for one and for all, pins, counts."""
    everything = 0
    for pruned, whole in zip(_lived(PRUNES), _lived(KEEPS), strict=True):
        now, then = _answers(pruned, PRUNES), _answers(whole, KEEPS)
        assert now == then, [key for key in now if now[key] != then[key]]
        everything = len(whole.journal.written)
        anchor = pruned.journal.anchor()
        gone = anchor.runs if anchor is not None else 0
        assert gone + len(pruned.journal.written) == everything
    assert everything > 100
    assert len(pruned.journal.written) < everything / 2
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
    world.journal.held = None
    return world


SOON = Rules(journal_keep=timedelta(days=1))


@pytest.mark.parametrize("error", [JournalError("no space left"), BuildError("unreadable")])
def test_a_pruning_that_fails_changes_nothing_of_the_run(
    error: PortError, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run ends as it would have, and the next one prunes."""

    def fails(*_: object) -> None:
        raise error

    usual, world = _full(), _full()
    world.work("bob")
    usual.work("bob")
    with monkeypatch.context() as patched:
        patched.setattr(MemoryJournal, "prune", fails)
        result = night(world, rules=SOON)
    assert result == night(usual, rules=SOON)
    assert world.journal.anchor() is None
    assert len(world.journal.written) == RUNS_NEEDED + 11
    world.advance(DAY)
    world.work("bob")
    night(world, rules=SOON)
    assert len(world.journal.written) < RUNS_NEEDED + 11


@pytest.mark.parametrize("before", [True, False])
def test_a_death_in_the_pruning_leaves_every_answer(
    monkeypatch: pytest.MonkeyPatch, *, before: bool
) -> None:
    """Before or after the one transaction: the run was over, and nothing is to be settled."""
    inner = MemoryJournal.prune

    def dies(journal: MemoryJournal, *what: Any) -> None:  # noqa: ANN401 - as it is called
        if not before:
            inner(journal, *what)
        raise Crash

    usual, world = _full(), _full()
    usual.work("bob")
    world.work("bob")
    night(usual, rules=KEEPS)
    with monkeypatch.context() as patched:
        patched.setattr(MemoryJournal, "prune", dies)
        drive(world, rules=SOON)
    assert world.journal.unfinished() is None
    assert _answers(world, SOON) == _answers(usual, KEEPS)
    assert (world.journal.anchor() is None) is before


def test_it_is_looked_for_old_runs_once_in_30_days() -> None:
    """Looking reads every run."""
    world = _full()
    seen: list[Anchor | None] = []
    for _ in range(70):
        world.work("bob")
        night(world, rules=SOON)
        world.advance(DAY)
        seen.append(world.journal.anchor())
    assert len(set(map(id, seen))) == 3

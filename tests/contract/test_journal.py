"""The journal's contract, for SQLite and for memory."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from t3safe.adapters.journal import SqliteJournal
from t3safe.domain import events as ev
from t3safe.domain.move import Status
from t3safe.domain.ports import Journal
from t3safe.simulation.journal import MemoryJournal
from tests.golden.__main__ import WORLDS


@pytest.fixture(params=["sqlite", "memory"])
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Journal]:
    """Give a journal of each kind, with nothing in it."""
    if request.param == "memory":
        yield MemoryJournal()
        return
    made = SqliteJournal(tmp_path / "journal.sqlite")
    yield made
    made.close()


def _filled(journal: Journal, name: str) -> MemoryJournal:
    """Write what happened in a world; gives the world's own journal."""
    lived = WORLDS[name]().journal
    for run, events in lived.written.items():
        for event in events:
            journal.append(run, event)
    return lived


@pytest.mark.parametrize("name", WORLDS)
def test_every_question_has_one_answer(journal: Journal, name: str) -> None:
    """What was written is read in order; runs and moves are the newest first."""
    lived = _filled(journal, name)
    assert journal.unfinished() == lived.unfinished()
    runs = tuple(journal.runs())
    assert [run.run for run in runs] == list(reversed(lived.written))
    assert runs == tuple(lived.runs())
    for run in runs:
        events = journal.events(run.run)
        assert events == tuple(lived.written[run.run])
        assert (run.opened, run.closed) == (events[0].at, events[-1].at if run.ended else None)
    for person in ("ann", "bob", "cid", "nobody"):
        assert tuple(journal.moves(person)) == tuple(
            move for run in runs for move in run.moves if move.person == person
        )
    assert sum(journal.ends().values()) == sum(run.ended is not None for run in runs)


def test_what_runs_came_to_outlives_their_events(journal: Journal) -> None:
    """A run that is not over is never pruned, nor one that was opened at that moment or later."""
    _filled(journal, "nights")
    before = tuple(journal.runs()), tuple(journal.moves("cid")), journal.ends()
    newest, middle, oldest = before[0]
    journal.prune(middle.opened)
    assert journal.events(oldest.run) == ()
    assert journal.events(middle.run)
    assert (tuple(journal.runs()), tuple(journal.moves("cid")), journal.ends()) == before
    assert [move.status for move in before[1]] == [Status.MOVED, Status.DEFERRED]
    plan = ev.Plan("open", ev.Kind.CHECK, newest.candidate, newest.candidate, ())
    journal.append("open", ev.Opened(plan, oldest.opened))
    journal.prune(newest.opened + timedelta(days=1))
    assert journal.events(newest.run) == ()
    assert journal.unfinished() == "open"
    assert len(journal.events("open")) == 1


def test_nothing_is_known_of_what_was_never_written(journal: Journal) -> None:
    """Looking finds nothing and makes nothing."""
    assert (tuple(journal.runs()), journal.events("r1"), journal.unfinished()) == ((), (), None)
    assert (tuple(journal.moves("ann")), dict(journal.ends())) == ((), {})


def test_a_check_moves_nobody(journal: Journal) -> None:
    """It is listed, and is none of a person's moves."""
    _filled(journal, "nights")
    run = next(iter(journal.runs()))
    move = ev.MovePlan("ann", run.candidate, run.candidate)
    plan = ev.Plan("check", ev.Kind.CHECK, run.candidate, run.candidate, (move,))
    known = tuple(journal.moves("ann"))
    journal.append("check", ev.Opened(plan, run.opened))
    journal.append("check", ev.Closed(ev.Ended(ev.Outcome.PASSED, "x"), run.opened))
    assert tuple(journal.moves("ann")) == known
    assert next(iter(journal.runs())).people == ("ann",)

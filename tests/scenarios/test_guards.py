"""Each guard against stranding somebody, disabled in turn, makes a named test fail.

Two tables: `GUARDS` switches one guard off and runs the test that must fail then; `CORES` names the
wrong cores that the explorer finds out (`tests/faults/wrong.py`).  Numbers are those of the list of
ways in which people were stranded:

1. a sign-in in flight at the fence
2. a torn at-rest snapshot sealed as good
3. people outside the plan whom the default takes along
4. a person missing from the map for one night
5. output that cannot be written
6. a journal of other rules, or none
7. one person's data that blocks the host
8. work that is not a turn
9. clocks that were ahead
10. several databases copied at several moments
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import attrs
import pytest
from attrs import frozen

from fakes.explorer.scenes import ExploredScene, Sort
from fakes.explorer.search import Search
from fakes.world import hostports
from t3safe import engine, interpreter, person
from t3safe.adapters._support.personaldata import disk
from t3safe.adapters._support.personaldata.errors import DataError
from t3safe.adapters.journal.file import JournalFile
from t3safe.adapters.personaldata.worker import copies, holders
from t3safe.domain import idle, moves, retention
from t3safe.domain.errors import DamagedJournalError, DeadLinkError
from t3safe.domain.move import Move
from t3safe.domain.versions import Version
from t3safe.engine import Engine
from t3safe.t3.files import V1_DATABASE
from t3safe.usecases import recover, survey
from t3safe.usecases.run import run
from tests.faults import wrong
from tests.scenarios import (
    test_failures,
    test_keeping,
    test_lost_journal,
    test_other_rules,
    test_outside_the_map,
    test_runs,
)
from tests.unit.adapters import test_journal_formats
from tests.unit.adapters.personaldata import test_moments
from tests.unit.adapters.personaldata.conftest import Home

CORES: Final[dict[int, tuple[wrong.Patch, ...]]] = {
    1: (
        wrong.the_fence_is_forgotten,
        wrong.what_has_begun_to_start_is_not_cleared,
        wrong.what_has_begun_to_start_counts_as_nothing,
        wrong.a_build_is_refused_only_where_the_way_back_ends_well,
    ),
    3: (wrong.a_promotion_looks_after_the_planned_alone,),
    7: (
        wrong.nobody_looks_who_else_has_the_set_open,
        wrong.one_persons_data_breaks_the_gate,
    ),
    8: (wrong.only_turns_are_work,),
}


@frozen
class Guard:
    """A guard: which number it is of, which test fails without it, and what stands in its place."""

    number: int
    name: str
    test: Callable[[Path, pytest.MonkeyPatch], object]
    replaced: tuple[tuple[object, str, object], ...]

    def __str__(self) -> str:
        return f"{self.number} {self.name}"


def scenario(
    test: Callable[..., object], *words: object, **more: object
) -> Callable[[Path, pytest.MonkeyPatch], object]:
    """Run a scenario, which needs nothing of a test's own."""
    return lambda _place, _patch: test(*words, **more)


def home(place: Path) -> Home:
    """Give a person on real files."""
    (place / "base").mkdir()
    (place / "store").mkdir(mode=0o700)
    return Home(place / "base", place / "store")


def _kept_alone(self: interpreter.Interpreter) -> Iterator[Version]:
    selection = self.ports.selection
    kept = (selection.default(), selection.last_good(), selection.previous_good())
    return (build for build in kept if build is not None)


def _explored() -> None:
    """Play a night in the explorer, where what is said reaches a reader that has gone."""
    assert Search(ExploredScene((Sort.IDLE,)), 0).run().violations == []


def _refused_by_name(place: Path, _: pytest.MonkeyPatch) -> None:
    """Give the journal of the format after this one to its test."""
    newer = test_journal_formats.written_later(place)
    test_journal_formats.test_a_newer_journal_is_refused_by_name_and_left_alone(newer)


def _unheld(move: Move, reason: str, cancel: Callable[[Move, str], Move] = moves._cancel) -> Move:
    return cancel(attrs.evolve(move, held=False), reason)


def _by_clock(item: retention.Stored) -> tuple[int, datetime, str]:
    return 0, item.taken, item.id


def _to_each(each: Engine, *what: Any) -> None:  # noqa: ANN401 - what `saw` takes
    for observer in each.observers:
        observer.saw(*what)


GUARDS: Final = (
    Guard(
        1,
        "the data is looked at before the environment is blamed",
        scenario(test_failures.test_a_set_that_a_late_program_migrated_is_restored_once_more),
        ((moves, "_as_before", lambda *_: True),),
    ),
    Guard(
        2,
        "nobody can commit while a set at rest is copied",
        lambda place, _: (
            test_moments.test_nothing_can_commit_from_the_first_byte_until_it_is_sealed(
                home(place), "DELETE", f"snapshot:copied:{V1_DATABASE}"
            )
        ),
        ((holders, "_lock", lambda *_: True),),
    ),
    Guard(
        2,
        "what moved while it was copied is taken again",
        lambda place, _: test_moments.test_a_set_that_moved_past_the_locks_is_taken_again(
            home(place), "rest"
        ),
        ((holders, "changed", lambda *_: ""), (disk, "same", lambda *_: True)),
    ),
    Guard(
        3,
        "a serve outside the map is loud",
        scenario(test_outside_the_map.test_a_serve_that_runs_for_nobody_in_the_map_is_named),
        ((survey, "unmapped_serves", lambda *_: ()),),
    ),
    Guard(
        4,
        "every link tells what is needed",
        scenario(
            test_outside_the_map.test_who_is_missing_from_the_map_for_one_night_keeps_their_build,
            "mapped",
        ),
        ((interpreter.Interpreter, "_needed", _kept_alone),),
    ),
    Guard(
        4,
        "every process tells what is needed",
        scenario(test_outside_the_map.test_a_build_that_only_a_process_runs_stays),
        ((interpreter.Interpreter, "_needed", _kept_alone),),
    ),
    Guard(
        4,
        "a link that leads nowhere is one person's",
        scenario(
            test_outside_the_map.test_a_link_that_leads_nowhere_holds_up_its_person_alone, run
        ),
        ((person, "DeadLinkError", LookupError), (survey, "DeadLinkError", LookupError)),
    ),
    Guard(
        5,
        "nothing that is said changes what is done",
        scenario(_explored),
        ((Engine, "_inform", _to_each),),
    ),
    Guard(
        6,
        "a run of other rules is recounted",
        lambda _, patch: test_other_rules.test_a_run_that_goes_back_on_purpose_is_told_apart(patch),
        ((engine, "rebuilt", lambda *_: None),),
    ),
    Guard(
        6,
        "whoever no run explains is verified",
        scenario(
            test_lost_journal.test_whoever_was_left_on_a_build_that_pairs_nobody_is_found,
            run,
            whole_folder=False,
        ),
        ((recover, "unexplained", lambda _: ()),),
    ),
    Guard(
        6,
        "a newer journal is refused",
        _refused_by_name,
        ((JournalFile, "_refuse_newer", lambda *_: None),),
    ),
    Guard(
        7,
        "who holds the set behind the fence defers one person",
        scenario(test_failures.test_who_opens_the_data_behind_the_fence_is_deferred_and_signs_in),
        ((moves, "_cancel", _unheld),),
    ),
    Guard(
        9,
        "snapshots are in the order in which they were sealed",
        scenario(
            test_keeping.test_a_clock_that_is_a_year_ahead_for_a_night_costs_nobody_the_way_back
        ),
        ((retention, "age", _by_clock), (hostports, "age", _by_clock)),
    ),
    Guard(
        9,
        "a time after now is reported",
        scenario(test_runs.test_a_time_after_now_defers_nobody_and_is_told_with_its_date),
        ((idle, "_after", lambda *_: False),),
    ),
    Guard(
        10,
        "several databases are locked before they are copied",
        lambda place, patch: (
            test_moments.test_nothing_is_committed_to_either_until_both_moments_are_fixed(
                home(place), patch
            )
        ),
        ((copies, "unwritten", lambda *_: nullcontext()),),
    ),
)
FAILS: Final = (
    *(AssertionError, ValueError, BrokenPipeError, DamagedJournalError, DeadLinkError, DataError),
    pytest.fail.Exception,
)


@pytest.mark.parametrize("guard", GUARDS, ids=str)
def test_a_guard_that_is_disabled_makes_its_test_fail(
    guard: Guard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The test itself passes where it stands, so that it fails for nothing else."""
    for owner, name, other in guard.replaced:
        monkeypatch.setattr(owner, name, other)
    with monkeypatch.context() as patch, pytest.raises(FAILS):
        guard.test(tmp_path, patch)


def test_every_number_has_a_guard_and_every_wrong_core_here_is_explored() -> None:
    """No way in which people were stranded is left without one."""
    assert {guard.number for guard in GUARDS} | set(CORES) == set(range(1, 11))
    explored = {core.patch for core in wrong.WRONG}
    assert explored.issuperset(core for cores in CORES.values() for core in cores)

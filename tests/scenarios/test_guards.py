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
from functools import partial
from pathlib import Path
from typing import Final

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
from t3safe.domain.moves import Move
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

Switch = Callable[[pytest.MonkeyPatch], None]


@frozen
class Guard:
    """A guard: which number it is of, how a test disables it, and which test fails then."""

    number: int
    disable: Switch
    test: Callable[[Path, pytest.MonkeyPatch], object]

    def __str__(self) -> str:
        return f"{self.number} {self.disable.__name__.replace('_', ' ')}"


GUARDS: Final[list[Guard]] = []
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


def guard(
    number: int, test: Callable[[Path, pytest.MonkeyPatch], object]
) -> Callable[[Switch], Switch]:
    """List a guard with the test that fails without it."""

    def listed(disable: Switch) -> Switch:
        GUARDS.append(Guard(number, disable, test))
        return disable

    return listed


def scenario(test: Callable[[], None]) -> Callable[[Path, pytest.MonkeyPatch], object]:
    """Run a scenario, which needs nothing."""
    return lambda _place, _patch: test()


def home(place: Path) -> Home:
    """Give a person on real files."""
    (place / "base").mkdir()
    (place / "store").mkdir(mode=0o700)
    return Home(place / "base", place / "store")


@guard(1, scenario(test_failures.test_a_set_that_a_late_program_migrated_is_restored_once_more))
def the_data_is_looked_at_before_the_environment_is_blamed(patch: pytest.MonkeyPatch) -> None:
    """A restored set that the old build does not know any more is left so."""
    patch.setattr(moves, "_as_before", lambda *_: True)


@guard(
    2,
    lambda place, _: test_moments.test_nothing_can_commit_from_the_first_byte_until_it_is_sealed(
        home(place), "DELETE", f"snapshot:copied:{V1_DATABASE}"
    ),
)
def nobody_can_commit_while_a_set_at_rest_is_copied(patch: pytest.MonkeyPatch) -> None:
    """The lock bytes of the databases are not locked."""
    patch.setattr(holders, "_lock", lambda *_: True)


@guard(
    2,
    lambda place, _: test_moments.test_a_set_that_moved_past_the_locks_is_taken_again(
        home(place), "rest"
    ),
)
def what_moved_while_it_was_copied_is_taken_again(patch: pytest.MonkeyPatch) -> None:
    """The copy is compared with nothing."""
    patch.setattr(holders, "changed", lambda *_: "")
    patch.setattr(disk, "same", lambda *_: True)


@guard(
    3,
    scenario(
        test_outside_the_map.test_somebody_who_is_added_during_the_run_is_not_moved_by_its_promotion
    ),
)
def everybody_gets_their_own_build_before_the_default_moves(patch: pytest.MonkeyPatch) -> None:
    """Only those whom the plan names are looked after."""
    wrong.a_promotion_looks_after_the_planned_alone(patch)


@guard(3, scenario(test_outside_the_map.test_a_serve_that_runs_for_nobody_in_the_map_is_named))
def a_serve_outside_the_map_is_loud(patch: pytest.MonkeyPatch) -> None:
    """Whoever is in no plan is not named."""
    patch.setattr(survey, "unmapped_serves", lambda *_: ())


def _kept_alone(self: interpreter.Interpreter) -> Iterator[Version]:
    selection = self.ports.selection
    kept = (selection.default(), selection.last_good(), selection.previous_good())
    return (build for build in kept if build is not None)


@guard(
    4,
    lambda *_: (
        test_outside_the_map.test_who_is_missing_from_the_map_for_one_night_keeps_their_build(
            "mapped"
        )
    ),
)
def every_link_tells_what_is_needed(patch: pytest.MonkeyPatch) -> None:
    """Pruning asks for the builds of the host alone."""
    patch.setattr(interpreter.Interpreter, "_needed", _kept_alone)


@guard(4, scenario(test_outside_the_map.test_a_build_that_only_a_process_runs_stays))
def every_process_tells_what_is_needed(patch: pytest.MonkeyPatch) -> None:
    """Pruning asks for the builds of the host alone."""
    patch.setattr(interpreter.Interpreter, "_needed", _kept_alone)


@guard(
    4,
    lambda *_: test_outside_the_map.test_a_link_that_leads_nowhere_holds_up_its_person_alone(run),
)
def a_link_that_leads_nowhere_is_one_persons(patch: pytest.MonkeyPatch) -> None:
    """Any trouble with a link ends the run."""
    patch.setattr(person, "DeadLinkError", LookupError)
    patch.setattr(survey, "DeadLinkError", LookupError)


def explored(*sorts: Sort) -> None:
    """Play a night in the explorer, where what is said reaches a reader that has gone."""
    assert Search(ExploredScene(sorts), 0).run().violations == []


@guard(5, scenario(partial(explored, Sort.IDLE)))
def nothing_that_is_said_changes_what_is_done(patch: pytest.MonkeyPatch) -> None:
    """Whoever listens can end the run."""
    patch.setattr(Engine, "_inform", lambda each, *what: [one.saw(*what) for one in each.observers])


@guard(
    6,
    lambda _, patch: test_other_rules.test_a_run_that_goes_back_on_purpose_is_told_apart(patch),
)
def a_run_of_other_rules_is_recounted(patch: pytest.MonkeyPatch) -> None:
    """What cannot be folded is damaged."""
    patch.setattr(engine, "rebuilt", lambda *_: None)


@guard(
    6,
    lambda *_: test_lost_journal.test_whoever_was_left_on_a_build_that_pairs_nobody_is_found(
        run, whole_folder=False
    ),
)
def whoever_no_run_explains_is_verified(patch: pytest.MonkeyPatch) -> None:
    """After a journal was lost there is nothing to do."""
    patch.setattr(recover, "unexplained", lambda _: ())


def refused_by_name(place: Path) -> None:
    """Give the journal of the format after this one to its test."""
    newer = test_journal_formats.written_later(place)
    test_journal_formats.test_a_newer_journal_is_refused_by_name_and_left_alone(newer)


@guard(6, lambda place, _: refused_by_name(place))
def a_newer_journal_is_refused(patch: pytest.MonkeyPatch) -> None:
    """Whatever its format is, it is read, and set aside where it cannot be."""
    patch.setattr(JournalFile, "_refuse_newer", lambda *_: None)


@guard(
    7,
    scenario(test_runs.test_who_leaves_a_database_open_is_neither_stopped_nor_in_the_way),
)
def who_else_has_the_set_open_is_seen_before_the_fence(patch: pytest.MonkeyPatch) -> None:
    """Nobody looks for processes beside the serve."""
    wrong.nobody_looks_who_else_has_the_set_open(patch)


@guard(
    7,
    scenario(test_failures.test_who_opens_the_data_behind_the_fence_is_deferred_and_signs_in),
)
def who_holds_the_set_behind_the_fence_defers_one_person(patch: pytest.MonkeyPatch) -> None:
    """The whole run ends where one person's data is held."""
    cancel = moves._cancel

    def unheld(move: Move, reason: str) -> Move:
        return cancel(attrs.evolve(move, held=False), reason)

    patch.setattr(moves, "_cancel", unheld)


@guard(8, scenario(test_runs.test_a_build_job_in_the_terminal_is_not_killed))
def what_uses_a_processor_is_work(patch: pytest.MonkeyPatch) -> None:
    """Turns alone are work."""
    wrong.only_turns_are_work(patch)


@guard(
    9,
    scenario(test_keeping.test_a_clock_that_is_a_year_ahead_for_a_night_costs_nobody_the_way_back),
)
def snapshots_are_in_the_order_in_which_they_were_sealed(patch: pytest.MonkeyPatch) -> None:
    """The clock orders them."""

    def by_clock(item: retention.Stored) -> tuple[int, datetime, str]:
        return 0, item.taken, item.id

    patch.setattr(retention, "age", by_clock)
    patch.setattr(hostports, "age", by_clock)


@guard(9, scenario(test_runs.test_a_time_after_now_defers_nobody_and_is_told_with_its_date))
def a_time_after_now_is_reported(patch: pytest.MonkeyPatch) -> None:
    """It is ignored without a word."""
    patch.setattr(idle, "_after", lambda *_: False)


@guard(
    10,
    lambda place, patch: (
        test_moments.test_nothing_is_committed_to_either_until_both_moments_are_fixed(
            home(place), patch
        )
    ),
)
def several_databases_are_locked_before_they_are_copied(patch: pytest.MonkeyPatch) -> None:
    """Each is copied as it is when its turn comes."""
    patch.setattr(copies, "unwritten", lambda *_: nullcontext())


FAILS: Final = (
    *(AssertionError, ValueError, BrokenPipeError, DamagedJournalError, DeadLinkError, DataError),
    pytest.fail.Exception,
)


@pytest.mark.parametrize("guard", GUARDS, ids=str)
def test_a_guard_that_is_disabled_makes_its_test_fail(
    guard: Guard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same test passes with the guard, so that it fails for nothing else."""
    (tmp_path / "with").mkdir()
    (tmp_path / "without").mkdir()
    with monkeypatch.context() as patch:
        guard.test(tmp_path / "with", patch)
    guard.disable(monkeypatch)
    with monkeypatch.context() as patch, pytest.raises(FAILS):
        guard.test(tmp_path / "without", patch)


def test_every_number_has_a_guard_and_every_wrong_core_here_is_explored() -> None:
    """No way in which people were stranded is left without one."""
    assert {guard.number for guard in GUARDS} == set(range(1, 11))
    explored = {core.patch for core in wrong.WRONG}
    assert explored.issuperset(core for cores in CORES.values() for core in cores)

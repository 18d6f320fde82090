"""Which generation of t3 a build and a set are of, and on what a build would start."""

from __future__ import annotations

import pytest

from t3safe.domain.ledgers import Ledger, SetLedger
from t3safe.t3 import generations
from t3safe.t3.generations import BEFORE_SCOPES, V1, V2, Generation
from t3safe.t3.ledger import renumbered

OLDEST = [(1, "OrchestrationEvents"), (30, "ProjectionThreadShellArchiveIndexes")]
SCOPED = [*OLDEST, (31, "AuthAuthorizationScopes"), (54, "ProjectionThreadsAutoSettleDisabledAt")]
SECOND = [*SCOPED, (55, "OrchestrationV2"), (56, "RemoveRedundantProjectionIndexes")]
PREVIEW = [*SCOPED[:-1], (53, "OrchestrationV2"), (54, "RemoveRedundantProjectionIndexes")]


def ledgers(**databases: list[tuple[int, str]]) -> SetLedger:
    """Give the ledgers of a set; `state` and `statev2` name its databases."""
    return SetLedger.of({f"{name}.sqlite": Ledger.of(pairs) for name, pairs in databases.items()})


V2_BUILD = ledgers(statev2=SECOND)
V1_BUILD = ledgers(state=SCOPED)


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (ledgers(state=OLDEST), BEFORE_SCOPES),
        (V1_BUILD, V1),
        (V2_BUILD, V2),
        (ledgers(statev2=[*SECOND, (61, "Next")]), V2),
        (ledgers(statev2=SCOPED), None),
        (ledgers(state=SECOND), None),
        (ledgers(statev3=SECOND), None),
        (ledgers(state=SCOPED, statev2=SECOND), V2),
        (ledgers(state=[]), None),
        (SetLedger(), None),
    ],
)
def test_a_build_is_recognised_by_what_it_makes_beside_an_empty_set(
    build: SetLedger, expected: Generation | None
) -> None:
    """The databases and the names in their ledgers decide, no version does."""
    assert build.generation is expected
    assert (build.strangeness == "") == (expected is not None)


UNKNOWN = "which no generation of t3 known here has"


def test_what_fits_no_generation_is_named() -> None:
    """A person reads which databases are new, in order."""
    later = ledgers(statev4=SECOND, statev3=SECOND, statev2=SECOND)
    assert later.strangeness == f"it makes statev3.sqlite, statev4.sqlite, {UNKNOWN}"
    assert ledgers(statev2=SCOPED).strangeness == (
        "its databases fit no generation of t3 known here"
    )


def test_strange_databases_of_a_person_are_named() -> None:
    """Those that t3 may name so and no known t3 does; other programs' are not strange."""
    names = ("statev9.sqlite", "statev3.sqlite", "statev2.sqlite", "state.sqlite", "notes.sqlite")
    assert generations.strange_set(names) == f"it has statev3.sqlite, statev9.sqlite, {UNKNOWN}"
    assert generations.strange_set(names[2:]) == ""


V1_FILE, V2_FILE, V3_FILE, OTHER = (
    "state.sqlite",
    "statev2.sqlite",
    "statev3.sqlite",
    "other.sqlite",
)


@pytest.mark.parametrize(
    ("names", "build", "expected"),
    [
        ((), (V1_FILE,), {}),
        ((V1_FILE,), (V1_FILE,), {V1_FILE: V1_FILE}),
        ((V1_FILE,), (V2_FILE,), {V1_FILE: V2_FILE}),
        ((V1_FILE, V2_FILE), (V2_FILE,), {V2_FILE: V2_FILE}),
        ((V1_FILE, V2_FILE), (V1_FILE,), {V1_FILE: V1_FILE, V2_FILE: V2_FILE}),
        ((V1_FILE,), (V1_FILE, V2_FILE), {V1_FILE: V1_FILE}),
        ((V1_FILE,), (V3_FILE,), {V1_FILE: V1_FILE}),
        ((OTHER, V1_FILE), (V2_FILE,), {OTHER: OTHER, V1_FILE: V2_FILE}),
    ],
)
def test_a_build_starts_on_its_own_database_or_on_a_copy_of_the_one_before(
    names: tuple[str, ...], build: tuple[str, ...], expected: dict[str, str]
) -> None:
    """A newer database is never left over: the build does not know it."""
    assert generations.starts_on(names, build) == expected


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ((), (V1_FILE,), {}),
        ((V1_FILE,), (V1_FILE,), {V1_FILE: V1_FILE}),
        ((V1_FILE,), (V1_FILE, V2_FILE), {V1_FILE: V2_FILE}),
        ((V1_FILE, V2_FILE), (V1_FILE, V2_FILE), {V2_FILE: V2_FILE}),
        ((V2_FILE,), (V2_FILE,), {V2_FILE: V2_FILE}),
        ((OTHER, V1_FILE), (OTHER, V1_FILE, V2_FILE), {OTHER: OTHER, V1_FILE: V2_FILE}),
    ],
)
def test_what_became_of_a_database_is_seen_from_those_afterwards(
    before: tuple[str, ...], after: tuple[str, ...], expected: dict[str, str]
) -> None:
    """V1's became V2's where that is new, and was left over where that was there before."""
    assert generations.became(before, after) == expected


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ((), ()),
        ((V1_FILE,), ()),
        ((V2_FILE,), ()),
        ((V1_FILE, V2_FILE), (V2_FILE,)),
        ((V1_FILE, OTHER), ()),
    ],
)
def test_a_database_is_newer_beside_the_one_that_it_is_copied_from(
    names: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    """Alone it is what the data began with."""
    assert generations.newer(names) == expected


def test_a_v2_build_starts_on_a_copy_of_v1_data() -> None:
    """So V1's ledger is held against what the build knows in its own database."""
    assert ledgers(state=SCOPED).known_to(V2_BUILD)
    ahead = ledgers(state=[*SCOPED, (55, "Another")])
    assert ahead.unknown_to(V2_BUILD) == ("state.sqlite: 55_Another",)


def test_what_v1_left_behind_counts_no_more_for_v2() -> None:
    """Once statev2.sqlite is there a V2 build never looks at state.sqlite again."""
    both = ledgers(state=[*SCOPED, (55, "Another")], statev2=SECOND)
    assert both.known_to(V2_BUILD)
    assert ledgers(state=SCOPED, statev2=[*SECOND, (61, "Next")]).unknown_to(V2_BUILD) == (
        "statev2.sqlite: 61_Next",
    )


def test_a_v1_build_may_not_run_beside_v2_data() -> None:
    """It would start, and show nothing of what was done since."""
    assert not ledgers(state=SCOPED, statev2=SECOND).known_to(V1_BUILD)


def test_a_database_of_another_program_is_held_to_itself() -> None:
    """A third database with a ledger that the build has not made is unknown to it."""
    beside = SetLedger.of(
        {"state.sqlite": Ledger.of(SCOPED), "other.sqlite": Ledger.of([(1, "Own")])}
    )
    assert beside.unknown_to(V2_BUILD) == ("other.sqlite: 1_Own",)


def test_rows_that_a_preview_numbered_otherwise_are_the_same_migrations() -> None:
    """A start moves them to 55 and 56; a database of that preview is known to V2."""
    assert renumbered(PREVIEW)[-2:] == tuple(SECOND[-2:])
    assert renumbered(SECOND) == tuple(SECOND)
    assert renumbered(SCOPED) == tuple(SCOPED)
    assert ledgers(statev2=PREVIEW).known_to(V2_BUILD)


def test_what_v2_begins_with_is_v1s_database() -> None:
    """Rows are new beside that one where V2's was not there yet."""
    assert generations.origin_of("statev2.sqlite", ("state.sqlite",)) == "state.sqlite"
    assert generations.origin_of("statev2.sqlite", ("state.sqlite", "statev2.sqlite")) == (
        "statev2.sqlite"
    )
    assert generations.origin_of("state.sqlite", ("state.sqlite",)) == "state.sqlite"
    assert generations.origin_of("state.sqlite", ("statev2.sqlite",)) == ""
    assert generations.origin_of("statev2.sqlite", ()) == ""
    assert generations.origin_of("other.sqlite", ("state.sqlite",)) == ""


def test_a_database_with_a_name_that_t3_may_give_and_none_has_given_is_unexpected() -> None:
    """`statev3.sqlite` is of a t3 that is not known here; what others keep is not t3's."""
    assert generations.is_expected("statev2.sqlite")
    assert generations.is_expected("other.sqlite")
    assert not generations.is_expected("statev3.sqlite")


def test_a_generation_is_shown_by_its_name() -> None:
    """Messages name it."""
    assert [str(each) for each in generations.GENERATIONS] == [
        "V1 before scoped pairing",
        "V1",
        "V2",
    ]

from __future__ import annotations

import pytest

from t3safe.domain.ledgers import Ledger, Migration, SetLedger
from t3safe.t3.files import V1_DATABASE, V2_DATABASE
from t3safe.t3.ledger import SCOPES

BEFORE = [
    (29, "ProjectionThreadDetailOrderingIndexes"),
    (30, "ProjectionThreadShellArchiveIndexes"),
]
AFTER = [*BEFORE, (31, SCOPES), (32, "AuthPairingProofKeyThumbprint")]


def state(pairs: list[tuple[int, str]]) -> SetLedger:
    """Give a set of one database with this ledger."""
    return SetLedger.of({V1_DATABASE: Ledger.of(pairs)})


def test_a_migration_is_shown_as_t3_logs_it() -> None:
    """The form is that of t3's own line about migrations that ran."""
    assert str(Migration(31, SCOPES)) == f"31_{SCOPES}"


def test_a_ledger_is_a_set_in_ascending_order() -> None:
    """Neither the order nor a repetition of the rows read makes another ledger."""
    assert Ledger.of([*reversed(AFTER), *BEFORE]) == Ledger.of(AFTER)
    assert [migration.id for migration in Ledger.of(reversed(AFTER)).entries] == [29, 30, 31, 32]
    forks = [(31, name) for name in "fbadce"]
    assert "".join(name for _, name in Ledger.of(forks).pairs) == "abcdef"


def test_the_level_is_the_highest_id_and_zero_for_nothing() -> None:
    """The level of a set is that of its highest database."""
    assert Ledger.of(AFTER).level == 32
    assert Ledger().level == 0
    assert SetLedger().level == 0
    both = SetLedger.of({"a.sqlite": Ledger.of(AFTER), "b.sqlite": Ledger.of(BEFORE)})
    assert both.level == 32


def test_what_is_missing_is_named_ascending() -> None:
    """The difference of two ledgers is one-sided and in order."""
    assert Ledger.of(AFTER).missing_from(Ledger.of(BEFORE)) == (
        Migration(31, SCOPES),
        Migration(32, "AuthPairingProofKeyThumbprint"),
    )
    assert Ledger.of(BEFORE).missing_from(Ledger.of(AFTER)) == ()


def test_databases_are_kept_by_name() -> None:
    """Two sets are equal whatever the order in which the databases were found."""
    one, two = Ledger.of(BEFORE), Ledger.of(AFTER)
    assert SetLedger((("b", one), ("a", two))) == SetLedger((("a", two), ("b", one)))
    assert SetLedger((("b", one), ("a", two))).databases == (("a", two), ("b", one))


def test_a_database_that_the_set_has_not_counts_as_empty() -> None:
    """Asking for an unknown database is no error."""
    assert state(BEFORE).ledger(V1_DATABASE) == Ledger.of(BEFORE)
    assert state(BEFORE).ledger(V2_DATABASE) == Ledger()


def test_an_older_set_is_known_to_a_newer_build_and_not_the_other_way() -> None:
    """0.0.24 (schema 30) may not run on what 0.0.25-nightly.20260608.497 (32) has migrated."""
    assert state(BEFORE).known_to(state(AFTER))
    assert not state(AFTER).known_to(state(BEFORE))
    assert state(AFTER).unknown_to(state(BEFORE)) == (
        "state.sqlite: 31_AuthAuthorizationScopes",
        "state.sqlite: 32_AuthPairingProofKeyThumbprint",
    )


def test_another_name_under_a_known_id_is_unknown() -> None:
    """t3's own migrator would skip it in silence; the name counts."""
    foreign = state([*BEFORE, (31, "SisterProductTables")])
    assert foreign.unknown_to(state(AFTER)) == ("state.sqlite: 31_SisterProductTables",)


def test_a_second_database_that_the_build_never_made_is_unknown() -> None:
    """A set moved to statev2.sqlite is not one for a build that knows state.sqlite alone."""
    moved = SetLedger.of({V1_DATABASE: Ledger.of(AFTER), V2_DATABASE: Ledger.of([(1, "A")])})
    assert moved.unknown_to(state(AFTER)) == ("statev2.sqlite: 1_A",)
    assert state(AFTER).known_to(moved)


def test_a_database_without_a_ledger_stops_nobody() -> None:
    """A database without the table has nothing that a build could fail to know."""
    beside = SetLedger.of({V1_DATABASE: Ledger.of(BEFORE), "other.sqlite": Ledger()})
    assert beside.known_to(state(BEFORE))


@pytest.mark.parametrize("build", [SetLedger(), state([]), state(BEFORE)])
def test_an_empty_set_is_known_to_every_build(build: SetLedger) -> None:
    """A person who has never started a serve can run anything."""
    assert SetLedger().known_to(build)


def test_databases_can_be_left_aside() -> None:
    """What a build did not write to says nothing of its generation; the others stay."""
    both = SetLedger.of({V1_DATABASE: Ledger.of(AFTER), "other.sqlite": Ledger.of(BEFORE)})
    assert both.without({"other.sqlite"}) == state(AFTER)
    assert both.without(()) == both

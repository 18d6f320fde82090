from __future__ import annotations

from hypothesis import given

from t3safe.domain.ledgers import Ledger, SetLedger
from t3safe.t3.files import V1_DATABASE, V2_DATABASE
from tests.strategies import ledgers, set_ledgers


@given(one=ledgers, other=ledgers)
def test_missing_is_the_difference_of_sets(one: Ledger, other: Ledger) -> None:
    """Rule 1: a ledger is a set of (id, name) pairs."""
    assert set(one.missing_from(other)) == set(one.entries) - set(other.entries)
    missing = [(migration.id, migration.name) for migration in one.missing_from(other)]
    assert missing == sorted(missing)


@given(person=set_ledgers, build=set_ledgers)
def test_known_means_every_pair_of_every_database(person: SetLedger, build: SetLedger) -> None:
    """Rule 2: a build may run on a set only if it knows every pair of what it starts on."""
    mine, own = dict(person.databases), dict(build.databases)
    copies = V2_DATABASE in own and V1_DATABASE not in own
    if copies and V1_DATABASE in mine:
        left = mine.pop(V1_DATABASE)
        mine.setdefault(V2_DATABASE, left)
    known = all(
        migration in own.get(name, Ledger()).entries
        for name, ledger in mine.items()
        for migration in ledger.entries
    )
    assert person.known_to(build) is known
    assert bool(person.unknown_to(build)) is not known


@given(one=set_ledgers, two=set_ledgers, three=set_ledgers)
def test_knowing_is_reflexive_and_transitive(
    one: SetLedger, two: SetLedger, three: SetLedger
) -> None:
    """What a set has is known to itself, and to whatever knows a set that knows it.

    Among builds that make the same databases: what is left over for one is live for another.
    """
    assert one.known_to(one)
    if two.names == three.names and one.known_to(two) and two.known_to(three):
        assert one.known_to(three)

"""What is shared between hosts, and how it is read."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import nullcontext

import pytest

from t3safe.domain.errors import Fault, FleetError, FleetErrorKind, UnusableError
from t3safe.domain.fleet import records, view
from t3safe.domain.fleet.records import (
    FleetFreeze,
    FleetPolicy,
    FleetRuling,
    Halt,
    Holders,
    PublishedLock,
    Record,
    Ring,
    check_name,
    check_number,
    shareable,
)
from t3safe.domain.fleet.view import KeyEntry, Unreadable, View, view_of
from t3safe.domain.lockfile import LockFile
from tests.support.fleets import AT, BUILD, LOCK, TWO_RINGS, holder, report, verdict

BROKEN = Unreadable("is not JSON")


@pytest.mark.parametrize("name", ["a", "web1", "web-1.example.org", "0", "a" * 63])
def test_host_names_are_names(name: str) -> None:
    """A name of a host in DNS can be used as it is."""
    assert check_name("host", name) == name


@pytest.mark.parametrize("name", ["", "Web", "a/b", "..", "-a", "a-", "a b", "é", "a" * 64, "a\n"])
def test_name_that_is_not_safe_in_a_key_is_refused(name: str) -> None:
    """The message names what is wrong and what is allowed."""
    with pytest.raises(UnusableError, match=r"host .*: use at most 63 lower-case letters"):
        check_name("host", name)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Ring("A"), "name 'A'"),
        (lambda: Ring("a", limit=0), "limit is 0: use at least 1"),
        (lambda: Ring("a", opens_next=101), "opens_next is 101: use 1 to 100"),
        (lambda: Ring("a", wait=float("inf")), "wait is inf: use at least 0"),
        (lambda: Ring("a", wait=float("nan")), "wait is nan: use at least 0"),
        (lambda: FleetPolicy(()), "names no ring"),
        (lambda: FleetPolicy((Ring("a"), Ring("a"))), "two rings have the name a"),
        (lambda: holder("a", run="../x"), "run '../x' is not a plain word"),
        (lambda: PublishedLock(BUILD, "A" * 64, "web1"), "digest .* is not a SHA-256"),
        (lambda: Holders(note="two\nlines"), "note: use one line of at most 300 characters"),
        (lambda: Holders(note="x" * 301), "note: use one line of at most 300 characters"),
        (lambda: LockFile("é" * 524_289), "a lock file of more than 1048576 bytes"),
    ],
)
def test_record_out_of_bounds_is_refused(make: Callable[[], object], words: str) -> None:
    """Each field has its limits, whoever wrote the record."""
    with pytest.raises(UnusableError, match=words):
        make()


def test_note_may_be_as_long_as_a_reason() -> None:
    """Which is cut to just that length when it is shared."""
    assert len(Holders(note="x" * records.REASON_MAX).note) == records.REASON_MAX


def test_lock_file_has_the_digest_of_its_bytes() -> None:
    """As `sha256sum` prints it."""
    expected = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"
    assert LockFile("foo").digest == expected
    assert len(LockFile("\ud800").digest) == 64


def test_policy_knows_its_rings_in_order() -> None:
    """Each ring but the first has one before it."""
    assert TWO_RINGS.ring("main") == Ring("main", limit=2)
    assert TWO_RINGS.ring("none") is None
    assert TWO_RINGS.before("main") == Ring("canary")
    assert TWO_RINGS.before("canary") is None


def test_a_shared_reason_names_no_person_and_no_secret() -> None:
    """Names are whole words; a secret is redacted before a name is looked for."""
    reason = "ann and ann-lee on 0.0.24 of anna:\n pairing token: GHTY5678QWER9"
    said = shareable(reason, ["ann", "ann-lee"])
    assert said == "a person and a person on 0.0.24 of anna: pairing token: [redacted]"
    assert len(shareable("word " * 100, ())) == records.REASON_MAX
    assert shareable("ann.b is busy", ["ann", "ann.b", "b"]) == "a person is busy"


@pytest.mark.parametrize(
    ("number", "most", "says"),
    [
        (1.0, 5.0, ""),
        (5.0, 5.0, ""),
        (0.5, 5.0, "^wait is 0.5: use 1 to 5$"),
        (5.5, 5.0, "^wait is 5.5: use 1 to 5$"),
        (0.5, math.inf, "^wait is 0.5: use at least 1$"),
        (math.inf, math.inf, "^wait is inf: use at least 1$"),
        (math.nan, 5.0, "^wait is nan: use 1 to 5$"),
    ],
)
def test_number_is_finite_and_in_its_limits(number: float, most: float, says: str) -> None:
    """Both limits are included, and the message names them."""
    with pytest.raises(UnusableError, match=says) if says else nullcontext():
        check_number("wait", number, 1.0, most)


def test_error_of_the_store_never_blames_a_build() -> None:
    """Its fault is LATER, and it says what kind of trouble it was."""
    error = FleetError("cannot reach the fleet", FleetErrorKind.UNREACHABLE)
    assert (error.fault, error.kind) == (Fault.LATER, FleetErrorKind.UNREACHABLE)
    assert str(error) == "cannot reach the fleet"


def read(*entries: tuple[str, Record | Unreadable]) -> View:
    """Read these entries, the first at revision 2, the next at 3 and so on."""
    made = [KeyEntry(key, record, 2 + at) for at, (key, record) in enumerate(entries)]
    return view_of("77", 9, made)


def test_view_sorts_what_was_read() -> None:
    """Each record is found where its key says, with the revision of its key."""
    ruling = verdict("web1", FleetRuling.PROMOTED)
    lock = PublishedLock(BUILD, LOCK, "web1")
    slots = Holders((holder("web1"),))
    seen = read(
        (view.POLICY, TWO_RINGS),
        (view.FREEZE, FleetFreeze("web1", "move of the rack", AT)),
        (view.halt_key(BUILD), Halt(BUILD, "web1", "run-1", "a person could not pair", AT)),
        (view.slots_key("main"), slots),
        (view.host_key("web1"), report("web1")),
        (view.alive_key("web1"), BROKEN),
        (view.verdict_key(ruling), ruling),
        (view.lock_key(BUILD), lock),
    )
    assert (seen.cluster, seen.revision, seen.policy, seen.lock) == ("77", 9, TWO_RINGS, lock)
    assert seen.frozen == "move of the rack (host web1, 2026-07-21 04:00 UTC)"
    assert seen.halts == {BUILD: "a person could not pair (host web1, run run-1)"}
    assert seen.slots == {"main": slots}
    assert seen.holders("main") == slots
    assert seen.holders("canary") == Holders()
    assert seen.hosts == {"web1": report("web1")}
    assert seen.alive == {"web1"}
    assert seen.verdicts == (ruling,)
    assert seen.revision_of(view.halt_key(BUILD)) == 4
    assert seen.revision_of("slots/canary") == 0
    assert (seen.damaged, seen.problems) == ({}, ())


def test_what_cannot_be_read_is_never_taken_for_missing() -> None:
    """A freeze and a halt hold, policy and slots are damaged, the rest is named."""
    seen = read(
        (view.POLICY, BROKEN),
        (view.FREEZE, BROKEN),
        (view.halt_key(BUILD), BROKEN),
        ("halt/none", BROKEN),
        (view.slots_key("main"), BROKEN),
        (view.host_key("web1"), BROKEN),
        ("slots/main/more", BROKEN),
    )
    assert seen.frozen == "the freeze cannot be read (is not JSON)"
    assert seen.halts == {BUILD: "its halt cannot be read (is not JSON)"}
    assert seen.damaged == {"policy": "is not JSON", "slots/main": "is not JSON"}
    assert seen.problems == (
        "halt/none: does not name a version",
        "hosts/web1: is not JSON",
        "slots/main/more: is not JSON",
    )


@pytest.mark.parametrize(
    ("key", "record"),
    [
        ("hosts/web2", report("web1")),
        ("hosts/web1", TWO_RINGS),
        ("policies", TWO_RINGS),
        ("policy", report("web1")),
        ("holders/main", Holders()),
        ("verdicts/x", verdict("web1", FleetRuling.PROMOTED)),
        ("locks/x", PublishedLock(BUILD, LOCK, "web1")),
        ("lockfiles/x", LockFile("x")),
    ],
)
def test_record_of_another_key_is_left_out_and_named(key: str, record: Record) -> None:
    """A member cannot speak for another host by its record."""
    assert read((key, record)).problems == (f"{key}: holds a record of another key",)


def test_foreign_record_at_a_key_that_decides_still_holds() -> None:
    """A freeze and a halt hold, whatever their keys hold."""
    seen = read((view.FREEZE, TWO_RINGS), (view.halt_key(BUILD), TWO_RINGS))
    assert "holds a record of another key" in seen.frozen
    assert "holds a record of another key" in seen.halts[BUILD]

"""What every implementation of the port Gate promises."""

from __future__ import annotations

from typing import Protocol

import pytest

from t3safe.domain.checks import Check
from t3safe.domain.effects import Subject
from t3safe.domain.errors import GateError
from t3safe.domain.gate import EMPTY
from t3safe.domain.ports import Gate
from t3safe.domain.versions import Version

UNKNOWN = Version.parse("0.0.99-nightly.20260901.9999")
NOBODY = Subject(EMPTY, "")

FLAWS = {
    "silent": Check.LIVE,
    "loses-events": Check.PRESERVED,
    "pairs-nobody": Check.PAIRED,
    "unknown-cookie": Check.CONTRACT,
    "works-once": Check.REOPENED,
    "noisy": Check.SOAK,
}
"""What can be wrong with a build on a bench, and the check that must find it."""
NEED_ROWS = {"loses-events"}
"""What shows only on a copy with work in it."""


class GateBench(Protocol):
    """A gate under test, over a store of builds and snapshots."""

    port: Gate

    def release(self, flaw: str = "") -> Version:
        """Let the store hold a build that migrates, with one of FLAWS or `chokes-on-old-rows`."""

    def snapshot(self, person: str, *, old_rows: bool = False) -> Subject:
        """Seal an online snapshot of a person with work, at an older schema."""

    def traces(self) -> object:
        """Give every snapshot, every sandbox and every process of a build, to be compared."""


class GateContract:
    """Runs on any bench; a subclass provides the fixture `bench`."""

    def test_sound_build_passes_everybody(self, bench: GateBench) -> None:
        """A sound build passes all eight checks on each copy, and everybody ends alike."""
        build = bench.release()
        subjects = (NOBODY, bench.snapshot("alice"), bench.snapshot("bob", old_rows=True))
        before = bench.traces()

        rehearsals = bench.port.rehearse(build, subjects)

        assert [rehearsal.subject for rehearsal in rehearsals] == [EMPTY, "alice", "bob"]
        assert [rehearsal.reason for rehearsal in rehearsals] == ["", "", ""]
        assert len({rehearsal.schema for rehearsal in rehearsals}) == 1
        assert rehearsals[0].schema is not None
        assert all(rehearsal.build == build for rehearsal in rehearsals)
        assert bench.traces() == before

    def test_one_persons_rows_fail_that_person_alone(self, bench: GateBench) -> None:
        """A build that breaks on one person's old rows fails on that copy and on no other."""
        build = bench.release("chokes-on-old-rows")
        subjects = (NOBODY, bench.snapshot("alice"), bench.snapshot("bob", old_rows=True))
        before = bench.traces()

        rehearsals = bench.port.rehearse(build, subjects)

        assert [rehearsal.passed for rehearsal in rehearsals] == [True, True, False]
        assert bench.traces() == before

    @pytest.mark.parametrize("flaw", FLAWS)
    def test_flaw_is_found_by_its_check(self, bench: GateBench, flaw: str) -> None:
        """The first check that fails ends the rehearsal, says why and leaves evidence."""
        build = bench.release(flaw)
        subject = bench.snapshot("alice") if flaw in NEED_ROWS else NOBODY
        before = bench.traces()

        (rehearsal,) = bench.port.rehearse(build, (subject,))

        assert not rehearsal.passed
        assert rehearsal.checks[-1].check is FLAWS[flaw]
        assert all(result.passed for result in rehearsal.checks[:-1])
        assert rehearsal.checks[-1].reason
        assert rehearsal.evidence
        assert bench.traces() == before

    def test_unknown_build_is_no_verdict(self, bench: GateBench) -> None:
        """A build that the store does not hold cannot be rehearsed at all."""
        before = bench.traces()
        with pytest.raises(GateError, match="cannot rehearse"):
            bench.port.rehearse(UNKNOWN, (NOBODY,))
        assert bench.traces() == before

    def test_fingerprint_is_stable(self, bench: GateBench) -> None:
        """The same gate has the same fingerprint, whatever was rehearsed meanwhile."""
        fingerprint = bench.port.fingerprint()
        bench.port.rehearse(bench.release(), (NOBODY,))
        assert bench.port.fingerprint() == fingerprint

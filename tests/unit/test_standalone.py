"""Proving a build without a host: what is installed and rehearsed when, and what is made of it."""

from __future__ import annotations

import pytest
from attrs import define, field

from t3safe.domain import effects as fx
from t3safe.domain import events as ev
from t3safe.domain.checks import Check, failed, passed
from t3safe.domain.errors import BuildError, Fault, GateError
from t3safe.domain.gate import EMPTY, Rehearsal, Ruling, Verdict
from t3safe.domain.ledgers import SetLedger
from t3safe.domain.messages import LogLine
from t3safe.domain.standalone import NO_CONTROL, STATE
from t3safe.domain.versions import Version
from t3safe.simulation.builds import artifact
from t3safe.usecases.standalone import Proof, Prover, StandaloneCheck, prove

NEW = Version.parse("0.0.28-nightly.20260616.571")
OLD = Version.parse("0.0.24")
SUBJECTS = (fx.Subject(EMPTY, ""), fx.Subject(STATE, "given"))


@define
class Shelf:
    """A store: remembers what was installed, and cannot install what is in `failures`."""

    failures: dict[Version, BuildError] = field(factory=dict)
    staged: list[Version] = field(factory=list)

    def stage(self, build: Version) -> ev.Staged:
        """Install, or fail as it was told."""
        if build in self.failures:
            raise self.failures[build]
        self.staged.append(build)
        return artifact(build)


@define
class FailingGate:
    """A gate: builds fail to pair on the subjects that `failing` names for them."""

    failing: dict[Version, tuple[str, ...]] = field(factory=dict)
    unable: frozenset[Version] = frozenset()
    held: list[tuple[Version, tuple[str, ...]]] = field(factory=list)

    def rehearse(self, build: Version, subjects: tuple[fx.Subject, ...]) -> tuple[Rehearsal, ...]:
        """Rehearse, or say that no rehearsal can be held."""
        if build in self.unable:
            message = "no sandbox here"
            raise GateError(message)
        self.held.append((build, tuple(subject.person for subject in subjects)))
        return tuple(self._one(build, subject.person) for subject in subjects)

    def _one(self, build: Version, person: str) -> Rehearsal:
        checks = [passed(check) for check in Check]
        if person in self.failing.get(build, ()):
            checks = [*checks[:4], failed(Check.PAIRED, "the mint failed")]
        return Rehearsal(person, build, tuple(checks), SetLedger())


def proven(
    shelf: Shelf, stage: FailingGate, control: Version | None = None
) -> tuple[Proof, list[str]]:
    """Prove the new build, and give what was said meanwhile."""
    said: list[LogLine] = []
    prover = Prover(shelf, stage)  # type: ignore[arg-type]  # the two methods that a proof needs
    proof = prove(StandaloneCheck(NEW, control, SUBJECTS), prover, said.append)
    return proof, [str(line) for line in said]


def test_a_good_build_passes_and_the_control_is_not_even_installed() -> None:
    """A control costs a download: it is fetched where something failed."""
    shelf, stage = Shelf(), FailingGate()
    proof, said = proven(shelf, stage, OLD)
    assert proof.outcome is ev.Outcome.PASSED
    assert (shelf.staged, stage.held) == ([NEW], [(NEW, (EMPTY, STATE))])
    assert proof.order == StandaloneCheck(NEW, OLD, SUBJECTS)
    assert said[0] == f"installing {NEW}"
    assert any("passed on state" in line for line in said)


def test_a_failure_is_tried_with_the_control_on_the_copies_that_failed() -> None:
    """Where the control passes on them, the build is refused for them."""
    shelf, stage = Shelf(), FailingGate({NEW: (STATE,)})
    proof, _ = proven(shelf, stage, OLD)
    assert proof.outcome is ev.Outcome.REFUSED
    assert stage.held[1:] == [(OLD, (STATE,))]
    assert proof.order == StandaloneCheck(NEW, OLD, SUBJECTS)
    assert NO_CONTROL not in proof.reason
    assert [rehearsal.build for rehearsal in proof.rehearsals] == [NEW, NEW, OLD]


def test_a_control_that_fails_too_breaks_the_gate() -> None:
    """Nothing is held against the build."""
    proof, _ = proven(Shelf(), FailingGate({NEW: (STATE,), OLD: (STATE,)}), OLD)
    assert proof.outcome is ev.Outcome.GATE_BROKEN
    assert proof.verdict is not None
    assert proof.verdict.ruling is Ruling.BROKEN


def test_without_a_control_a_failure_is_a_refusal_that_says_so() -> None:
    """Only the build is installed."""
    shelf = Shelf()
    proof, _ = proven(shelf, FailingGate({NEW: (EMPTY,)}))
    assert proof.outcome is ev.Outcome.REFUSED
    assert proof.reason == "; ".join(proof.verdict.reasons if proof.verdict else ())
    assert proof.reason.endswith(f"; {NO_CONTROL}")
    assert shelf.staged == [NEW]


def test_a_foreign_package_is_refused_and_never_rehearsed() -> None:
    """What the store blames on the build is a verdict."""
    stage = FailingGate()
    error = BuildError("the package is a foreign one", fault=Fault.BUILD)
    proof, said = proven(Shelf({NEW: error}), stage)
    assert (proof.outcome, stage.held) == (ev.Outcome.REFUSED, [])
    assert proof.verdict == Verdict(NEW, Ruling.REFUSED, ("the package is a foreign one",))
    assert (proof.order, proof.rehearsals) == (StandaloneCheck(NEW, None, SUBJECTS), ())
    assert any("foreign" in line for line in said)


def test_trouble_with_the_registry_proves_nothing() -> None:
    """No verdict, no rehearsal."""
    stage = FailingGate()
    proof, _ = proven(Shelf({NEW: BuildError("published in parts", fault=Fault.LATER)}), stage)
    assert (proof.outcome, proof.verdict, stage.held) == (ev.Outcome.LATER, None, [])
    assert proof.order == StandaloneCheck(NEW, None, SUBJECTS)


def test_a_gate_that_cannot_be_run_proves_nothing() -> None:
    """Whatever keeps a rehearsal from being held is not the build's."""
    proof, _ = proven(Shelf(), FailingGate(unable=frozenset({NEW})))
    assert (proof.outcome, proof.rehearsals) == (ev.Outcome.LATER, ())
    assert "no sandbox here" in proof.reason


def test_a_control_that_cannot_be_had_leaves_the_build_unjudged() -> None:
    """What was seen of the build is kept; also a foreign control is not the build's fault."""
    error = BuildError("a foreign package", fault=Fault.BUILD)
    proof, _ = proven(Shelf({OLD: error}), FailingGate({NEW: (STATE,)}), OLD)
    assert (proof.outcome, proof.verdict) == (ev.Outcome.LATER, None)
    assert "the control could not be tried" in proof.reason
    assert proof.order == StandaloneCheck(NEW, OLD, SUBJECTS)
    assert len(proof.rehearsals) == 2


def test_any_other_effect_is_a_defect() -> None:
    """A proof touches nobody: it asks for two effects, and performs no other."""
    prover = Prover(Shelf(), FailingGate())  # type: ignore[arg-type]  # the two methods
    with pytest.raises(AssertionError, match=r"^a proof has no effect Freeze$"):
        prover(fx.Freeze("because"))

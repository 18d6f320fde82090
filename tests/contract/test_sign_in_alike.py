"""The gate and the verification of a move judge a sign-in alike, on real parts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.t3.app.faults import ODD
from t3safe.domain import events as ev
from t3safe.domain.checks import Check
from t3safe.t3.sign_in import BOOTSTRAP
from tests.contract.test_gate import rehearse_empty
from tests.support.gate import RealGate
from tests.support.pairing import BUILD, GENERATIONS, RealPairing, real_pairing

AT_BOOTSTRAP = f"pairing-moved:{BOOTSTRAP}"
BEHAVIOURS = {
    (): "",
    (AT_BOOTSTRAP, "signs-in-oddly:405"): "",
    (AT_BOOTSTRAP,): "",
    ("pairing-moved",): "no path takes the credential",
    ("pairing-moved", "signs-in-oddly:405"): "no path takes the credential",
    ("cookie-missing",): "answers 200 without a session cookie",
    ("session-never-authenticated",): "does not authenticate",
    ("session-once",): "a second request with the cookie is not authenticated",
    ("breaks-with-attachments",): "",
    ("mint-fails",): "Failed to create pairing credential.",
    ("signs-in-oddly:two-cookies",): "",
    ("signs-in-oddly:quoted-cookie",): "answers 200 without a session cookie",
    ("signs-in-oddly:redirect",): "answers 302",
    ("signs-in-oddly:401",): "answers 401",
    ("signs-in-oddly:session-sets-cookie",): "",
    ("signs-in-oddly:session-not-json",): "does not authenticate",
    ("signs-in-oddly:session-huge",): "does not authenticate",
}
"""What a serve does, and what both say of it; nothing where both take it."""


@pytest.fixture
def gate(tmp_path: Path) -> RealGate:
    """Give a gate over a store of fake releases."""
    (tmp_path / "gate").mkdir()
    return RealGate(tmp_path / "gate")


@pytest.fixture
def pairing(tmp_path: Path) -> Iterator[RealPairing]:
    """Give alice's serve; what runs it can be told."""
    (tmp_path / "people").mkdir()
    with real_pairing(tmp_path / "people") as bench:
        yield bench


def test_every_odd_sign_in_is_in_the_table() -> None:
    """A new one is judged by both."""
    tried = {fault.partition(":")[2] for faults in BEHAVIOURS for fault in faults}
    assert set(ODD) <= tried


@pytest.mark.long
@pytest.mark.parametrize("generation", [name for name in GENERATIONS if name != "v1"])
@pytest.mark.parametrize(
    "faults", [(), ("cookie-missing",), ("session-never-authenticated",), ("session-once",)]
)
def test_gate_and_production_judge_every_generation_alike(
    gate: RealGate, pairing: RealPairing, generation: str, faults: tuple[str, ...]
) -> None:
    """Where each serve binds as production does."""
    traits = GENERATIONS[generation]
    pairing.host = "0.0.0.0"
    rehearsal = rehearse_empty(gate, gate.faulty(*faults, **traits))
    pairing.run("alice", BUILD, *faults, **traits)
    answer = pairing.direct().verify("alice", BUILD)
    assert rehearsal.passed is isinstance(answer, ev.Paired) is (not faults)
    if isinstance(answer, ev.NotPaired):
        assert rehearsal.checks[-1].check is Check.PAIRED
        # The cookie of each is named by its own environment.
        mine, theirs = (
            re.sub(r"_[0-9a-f]{12}", "", text) for text in (rehearsal.reason, answer.reason)
        )
        assert mine.removeprefix("paired: ") in theirs


@pytest.mark.long
@pytest.mark.parametrize(("faults", "words"), BEHAVIOURS.items())
def test_gate_and_production_give_the_same_verdict(
    gate: RealGate, pairing: RealPairing, faults: tuple[str, ...], words: str
) -> None:
    """What passes the gate pairs in production, and what fails fails for the same reason."""
    rehearsal = rehearse_empty(gate, gate.faulty(*faults))
    pairing.run("alice", BUILD, *faults)
    answer = pairing.direct().verify("alice", BUILD)

    judged = next((result for result in rehearsal.checks if not result.passed), None)
    if not words:
        assert judged is None
        assert isinstance(answer, ev.Paired)
        return
    assert judged is not None
    assert judged.check is Check.PAIRED
    assert words in judged.reason
    assert isinstance(answer, ev.NotPaired)
    assert words in answer.reason

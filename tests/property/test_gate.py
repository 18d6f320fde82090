from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from t3safe.domain.checks import (
    Check,
    MigratedFacts,
    PreservedFacts,
    failed,
    judge_migrated,
    judge_preserved,
    passed,
)
from t3safe.domain.gate import EMPTY, OnPersonFailure, Rehearsal, Ruling, faulty_sets, rule
from t3safe.domain.ledgers import SetLedger
from t3safe.domain.versions import Version
from t3safe.t3.generations import THREADS
from t3safe.t3.sign_in import SESSIONS
from t3safe.t3.work import TURNS
from tests.strategies import set_ledgers

BUILD, OLD = Version.parse("0.0.28-nightly.20260616.571"), Version.parse("0.0.24")
PEOPLE = ("alice", "bob", "carol")


def rehearsal(subject: str, build: Version, *, good: bool) -> Rehearsal:
    """Give a rehearsal that passed all checks or failed the last."""
    last = passed(Check.SOAK) if good else failed(Check.SOAK, "it died")
    checks = (*(passed(check) for check in list(Check)[:-1]), last)
    return Rehearsal(subject, build, checks, schema=SetLedger())


@st.composite
def outcomes(draw: st.DrawFn, build: Version, *, whole: bool) -> tuple[Rehearsal, ...]:
    """Draw one rehearsal a subject, of all subjects or of some."""
    subjects = (EMPTY, *PEOPLE)
    return tuple(
        rehearsal(subject, build, good=draw(st.booleans()))
        for subject in subjects
        if whole or draw(st.booleans())
    )


@given(
    candidate=outcomes(BUILD, whole=True),
    control=outcomes(OLD, whole=False),
    policy=st.sampled_from(OnPersonFailure),
)
def test_the_candidate_is_blamed_only_where_the_control_passes(
    candidate: tuple[Rehearsal, ...], control: tuple[Rehearsal, ...], policy: OnPersonFailure
) -> None:
    """Rule 3: the candidate is blamed only where the control passes the same rehearsal.

    Held back are those who failed where empty data and somebody else passed, by policy, and
    those whose control failed too where the gate works (rule 3).
    """
    verdict = rule(candidate, control, policy)
    bad = {found.subject for found in candidate if not found.passed}
    sound = {found.subject for found in control if found.passed}
    assert verdict.build == BUILD
    spared = policy is OnPersonFailure.HOLD_BACK and EMPTY not in bad and bool(set(PEOPLE) - bad)
    empty = EMPTY in sound
    works = bool((set(PEOPLE) - bad) | (sound - {EMPTY}))
    failed_too = {found.subject for found in control if not found.passed} & bad - {EMPTY}
    faulty = failed_too if empty and works else set[str]()
    assert set(faulty_sets(candidate, control)) == faulty
    assert (verdict.ruling is Ruling.PASSED) is (spared or bad == faulty)
    match verdict.ruling:
        case Ruling.PASSED:
            assert bad == set(verdict.held_back)
        case Ruling.REFUSED:
            assert bad & sound
            assert verdict.held_back == ()
        case Ruling.BROKEN:
            assert bad
            assert not bad & sound
            assert verdict.held_back == ()
    assert bool(verdict.reasons) is bool(bad)


@given(before=set_ledgers, after=set_ledgers, schema=set_ledgers)
def test_migrated_means_that_the_three_ledgers_agree(
    before: SetLedger, after: SetLedger, schema: SetLedger
) -> None:
    """Check 3: the ledger grew by pairs, nothing vanished, and it equals that of empty data."""
    good = before.known_to(after) and after.known_to(schema) and schema.known_to(after)
    result = judge_migrated(MigratedFacts(before, after, schema))
    fits = bool(before.names) or not after.strangeness
    assert result.passed is (good and after.level > 0 and fits)


_COUNTS = st.dictionaries(
    st.sampled_from([f"s:{THREADS}", f"s:{TURNS}", f"s:{SESSIONS}"]),
    st.integers(0, 20),
)


@given(before=_COUNTS, after=_COUNTS, percent=st.integers(0, 100), lost=st.integers(0, 1))
def test_preserved_means_no_loss_beyond_the_tolerance(
    before: dict[str, int], after: dict[str, int], percent: int, lost: int
) -> None:
    """Check 4: no event is lost, and no table of work shrinks beyond the tolerance."""
    result = judge_preserved(
        PreservedFacts(before, after, ("an event is gone",) * lost), percent / 100
    )
    good = not lost and all(
        (rows - after.get(table, 0)) * 100 <= percent * rows
        for table, rows in before.items()
        if table != f"s:{SESSIONS}"
    )
    if good:
        shrunk = [table for table, rows in before.items() if after.get(table, 0) < rows]
        assert len(result.notes) == len(shrunk)
    assert result.passed is good


@given(checks=st.lists(st.sampled_from(Check), max_size=9), known=st.booleans())
def test_only_eight_checks_in_order_and_a_schema_are_a_pass(
    checks: list[Check], *, known: bool
) -> None:
    """Rule 1: all eight were run, in order, and each passed; without a schema there is no pass."""
    for ran in (checks, list(Check)):
        found = Rehearsal(
            EMPTY, BUILD, tuple(passed(check) for check in ran), SetLedger() if known else None
        )
        assert found.passed is (ran == list(Check) and known)
        assert bool(found.reason) is not found.passed

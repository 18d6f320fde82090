"""What is known to have happened, or to be so, must come out of the simulation."""

from __future__ import annotations

from datetime import UTC, datetime

import attrs
import pytest

from t3safe.domain import events as ev
from t3safe.domain.policy import Track
from t3safe.domain.rollout_state import Rollout
from t3safe.simulation import files
from t3safe.simulation.fleet import (
    Bind,
    Fleet,
    HostEvent,
    Mishap,
    PolicyKind,
    SimulatedDispatch,
    UpdaterSettings,
)
from t3safe.simulation.replay import Replay, updater
from t3safe.simulation.safe import Safe
from t3safe.simulation.scenario import ReplayScenario
from t3safe.simulation.scores import PolicyRun
from t3safe.simulation.world import SimulatedWorld
from tests.simulation.hosts import (
    BOTH,
    BUSY,
    HASTY,
    NOBODY_COMES,
    between,
    default_run,
    fleet,
    night,
    replayed,
)

pytestmark = pytest.mark.long

OUTAGE = "0.0.25-nightly.20260608.497"
BEFORE = "0.0.25-nightly.20260602.439"
"""The last release that knows migrations up to 30."""
OLD_PATH = SimulatedDispatch(paths=BOTH[:1])


# The blind policy.


def test_blind_repeats_the_outage_of_june_9th() -> None:
    """0.0.24 to 497: `/` answers, so it is taken; nobody can pair any more.

    The binary rollback does not help: the old one meets a database at 32 and mints nothing.
    """
    host = fleet(start="0.0.24", dispatch=OLD_PATH, **between("2026-06-09", "2026-06-09"))
    run = replayed(host, "blind")
    found = night(run, "2026-06-09")
    assert (found.tag, found.version) == (OUTAGE, OUTAGE)
    assert found.fates == "xxx"
    assert found.outcome == "moved"
    assert all(
        "is not known to use the path /api/auth/browser-session" in why for _, why in found.reasons
    )
    assert run.scores.wrong_acceptances == 1
    ((_, done),) = run.interventions
    assert "the binary rollback to 0.0.24 does not help" in done
    assert "knows migrations up to 30, the database is at 32" in done


def test_blind_stays_broken_until_a_person_comes() -> None:
    """Nothing in it heals by itself: the night after is as broken as the first."""
    host = fleet(
        start="0.0.24",
        dispatch=OLD_PATH,
        operator=NOBODY_COMES,
        **between("2026-06-09", "2026-06-11"),
    )
    run = replayed(host, "blind")
    assert [found.fates for found in run.nights] == ["xxx", "xxx", "xxx"]
    assert run.scores.broken_worst > 2 * 1440


def test_one_binary_locks_out_whoever_was_deferred() -> None:
    """A mint of the new binary migrates under the old serve of somebody at work."""
    host = fleet(BUSY, start=BEFORE, operator=NOBODY_COMES, **between("2026-06-03", "2026-06-03"))
    for policy in ("blind", "seed"):
        run = replayed(host, policy)
        found = night(run, "2026-06-03")
        assert found.fates == "x"
        assert "the database is at 31" in dict(found.reasons)["zoe"]
        assert run.scores.stranded == 1
    assert replayed(host, "t3safe").scores.broken_worst == 0


# The seed policy.


def seed_on_stable(bind: Bind) -> PolicyRun:
    """The seed on stable releases, with its check bound somewhere."""
    host = fleet(
        track=Track.LATEST,
        policies={"seed": UpdaterSettings(PolicyKind.SEED, bind=bind)},
        **between("2026-07-01", "2026-08-12"),
    )
    return replayed(host, "seed")


def test_a_loopback_gate_holds_the_seed_back_from_0_0_29_on() -> None:
    """For as long as the gate stays as it is, every build is reported as bad."""
    run = seed_on_stable(Bind.LOOPBACK)
    since = [found for found in run.nights if found.day >= "2026-07-28"]
    assert {found.version for found in since} == {"0.0.28"}
    assert all("as a bad build" in found.outcome for found in since)
    assert all(found.fates == "rrr" for found in since)
    assert all("no set-cookie of t3_session" in "\n".join(found.lines) for found in since)
    assert run.scores.wrong_refusals == len({found.tag for found in since})


def test_a_gate_bound_as_production_binds_moves_on() -> None:
    """The same builds pass where the check binds as the units do: they were never bad."""
    run = seed_on_stable(Bind.REMOTE)
    assert run.nights[-1].version == "0.0.33"
    assert run.scores.wrong_refusals == 0


def failing_later(after: float) -> Fleet:
    """On the night that brings migration 31 the dispatch goes down so many seconds in."""
    begin = datetime(2026, 6, 3, 4, 0, tzinfo=UTC).timestamp() + after
    event = HostEvent(Mishap.DISPATCH_DOWN, datetime.fromtimestamp(begin, UTC), 30.0)
    nights = between("2026-06-03", "2026-06-04")
    return fleet(events=(event,), start=BEFORE, operator=NOBODY_COMES, **nights)


def test_a_later_canary_leaves_the_earlier_ones_stranded_under_the_seed() -> None:
    """The binary goes back for everybody, the database only for who failed."""
    run = replayed(failing_later(33.5), "seed")
    found = night(run, "2026-06-03")
    assert "FROZEN" in found.outcome
    assert found.fates == "xb."
    assert "knows migrations up to 30, the database is at 31" in dict(found.reasons)["ann"]
    assert night(run, "2026-06-04").fates == "xff"
    (ann, *others) = run.people
    assert ann.stranded_nights == 2
    assert [person.stranded_nights for person in others] == [0, 0]
    assert run.scores.wrong_refusals == 1


@pytest.mark.parametrize(
    "after", [10.0, 240.0, 315.0, 320.0, 325.0, 330.0, 335.0, 340.0, 350.0, 600.0]
)
def test_t3safe_strands_nobody_whenever_the_dispatch_goes_down(after: float) -> None:
    """The same fault at any moment of its night: each stays with a build that fits."""
    run = replayed(failing_later(after), "t3safe")
    assert run.scores.stranded == 0
    assert run.scores.broken_worst == 0
    assert run.scores.wrong_refusals == 0


# t3safe.


@pytest.mark.parametrize(
    ("seed", "drill"), [*((seed, False) for seed in range(1, 13)), (1, True), (2, True), (3, True)]
)
def test_t3safe_harms_nobody_over_the_whole_history(seed: int, drill: bool) -> None:
    """Nobody stranded, no row lost, no turn interrupted, nobody broken, on the default host.

    Also with a drill of every failure that the history does not show.
    """
    if drill:
        scores = replayed(attrs.evolve(files.fleet(), seed=seed), "t3safe", drill=True).scores
    else:
        scores = default_run("t3safe", seed).scores
    assert (scores.stranded, scores.stranded_nights) == (0, 0)
    assert (scores.rows_lost, scores.interrupted, scores.broken_worst) == (0, 0, 0)
    assert (scores.wrong_refusals, scores.wrong_acceptances) == (0, 0)


def test_no_step_of_t3safe_puts_binary_and_ledger_apart() -> None:
    """Judged after every event of its journal, not only when a night is over."""
    scenario = ReplayScenario.of(files.fleet(), files.history(), files.incidents())
    safe = updater(scenario, "t3safe")
    assert isinstance(safe, Safe)
    watch = EventWatch(safe.world)
    engine = attrs.evolve(safe.host.engine, observers=(watch,))
    safe.host = attrs.evolve(safe.host, engine=engine)
    Replay(safe.world, safe, scenario.days).run()
    assert watch.events > 1_000
    assert watch.apart == []


@attrs.define
class EventWatch:
    """Looks at everybody after each event."""

    world: SimulatedWorld
    events: int = 0
    apart: list[str] = attrs.field(factory=list)

    def saw(self, before: Rollout | None, event: ev.Event, after: Rollout) -> None:
        """Judge the host as it is now."""
        self.events += 1
        self.apart += [name for name, person in self.world.people.items() if person.apart]


def test_t3safe_says_update_the_dispatch_first() -> None:
    """Where the dispatch is what is missing, and nobody is touched."""
    found = night(default_run("t3safe"), "2026-06-03")
    assert found.outcome == "refused"
    assert found.fates == "rrr"
    told = "\n".join(found.lines)
    assert (
        "update the dispatch first: it is not known to use the path /api/auth/browser-session"
        in told
    )


def test_t3safe_says_gate_broken() -> None:
    """Where no sandbox can start a serve: nothing is held against the candidate."""
    found = night(default_run("t3safe"), "2026-06-19")
    assert found.outcome == "gate-broken"
    assert any(line.startswith("GATE BROKEN, nothing is held against") for line in found.lines)
    assert night(default_run("t3safe"), "2026-06-20").outcome == "promoted"


def test_the_seed_blames_the_build_for_the_same_broken_gate() -> None:
    """Its check failed, and that is all it asks."""
    found = night(default_run("seed"), "2026-06-19")
    assert found.outcome.startswith("refused 0.0.28-nightly")
    assert "as a bad build" in found.outcome


def test_a_power_cut_in_the_middle_of_a_move_is_settled() -> None:
    """At any second of the night that moves people, somebody comes back on what fits."""
    for after in (331.0, 331.6, 332.4, 333.2, 334.0, 335.5, 337.0, 345.0, 600.0):
        at = datetime.fromtimestamp(datetime(2026, 6, 3, 4, tzinfo=UTC).timestamp() + after, UTC)
        reboot = (HostEvent(Mishap.REBOOT, at),)
        host = fleet(events=reboot, start=BEFORE, **between("2026-06-03", "2026-06-05"))
        run = replayed(host, "t3safe")
        assert run.scores.stranded == 0, after
        assert run.scores.rows_lost == 0, after
        assert run.scores.broken_worst == 0, after
        assert set(run.nights[-1].fates) <= {"m", "."}, after


def test_a_build_that_fails_in_production_is_taken_back_and_its_rows_are_kept() -> None:
    """A gate that does not soak lets a dying build through; the way back loses nothing."""
    host = attrs.evolve(files.fleet(), policies={"hasty": HASTY})
    run = replayed(host, "hasty", drill=True)
    dying = next(found for found in run.nights if "heap" in " ".join(found.lines) or "ran out of"
                 in " ".join(found.lines))  # fmt: skip
    assert "rolled-back" in dying.outcome
    assert run.scores.rows_lost == 0
    assert run.scores.stranded == 0
    assert run.scores.restores >= 1

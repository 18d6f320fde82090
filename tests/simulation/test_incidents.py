"""Every real failure can be shown: what each policy makes of it, against what is known of it."""

from __future__ import annotations

from datetime import date
from functools import cache

import attrs
import pytest

from t3safe.domain.gate import OnPersonFailure
from t3safe.domain.policy import Track
from t3safe.simulation import files
from t3safe.simulation.builds import builds
from t3safe.simulation.builds import drilled as made_up
from t3safe.simulation.fleet import Mishap, PersonSettings, SimulatedDispatch
from t3safe.simulation.history import History
from t3safe.simulation.incidents import BY_ITSELF, OF_HOSTS, Behaviour
from t3safe.simulation.scenario import ReplayScenario
from t3safe.simulation.scores import Night, PolicyRun
from t3safe.t3.serve_log import UNDECODABLE
from t3safe.t3.sign_in import PLAIN_COOKIE
from tests.simulation.hosts import ANN, BOTH, REMOTE, between, fleet, night, replayed, until

OLD = PersonSettings("ann", since=date(2026, 3, 1))
NEW = PersonSettings("ben", since=date(2026, 6, 1))
ADMIN = PersonSettings("wizard", since=date(2026, 6, 1))
"""The seed rehearses the admin's data alone: nothing is wrong with it here."""


LAST_PLAIN = "0.0.33"
"""The last release of which it is known that it sets the plain cookie: the seed takes no other."""


@cache
def history_for(policy: str) -> History:
    """The whole history; for the seed up to where it stops for good."""
    return until(LAST_PLAIN) if policy == "seed" else files.history()


@cache
def drilled(policy: str) -> PolicyRun:
    """A drill of every incident on a host with somebody of whom old data is known."""
    host = fleet(OLD, NEW, ADMIN, policies=REMOTE, since=date(2026, 8, 9))
    return replayed(host, policy, drill=True, history=history_for(policy))


@cache
def made_for(policy: str = "t3safe") -> dict[str, str]:
    """The version that was made up for each incident."""
    known = files.incidents()
    made = made_up(builds(history_for(policy), known), known, Track.NIGHTLY)
    return {build.drill: build.version.text for build in made if build.drill}


def on(incident: str, policy: str) -> Night:
    """The night on which an incident is enacted."""
    made = made_for(policy)[incident]
    return next(found for found in drilled(policy).nights if found.tag == made)


@pytest.mark.parametrize(
    ("incident", "outcome", "fates", "words"),
    [
        # The build's fault: refused with what was seen, and nobody was touched.
        ("pairing-200-without-cookie", "refused", "rrr", "200 without a session cookie"),
        ("legacy-turn-does-not-decode", "refused", "rrr", UNDECODABLE),
        ("heap-exhausted-after-boot", "refused", "rrr", "heap out of memory"),
        ("works-once", "refused", "rrr", "reopened"),
        ("foreign-package", "refused", "rrr", "a foreign one"),
        # Nothing is proven: no verdict on the build.
        ("native-module-not-built", "later", "lll", "node-pty was not built"),
        ("published-in-parts", "later", "lll", "has no tarball of it yet"),
        ("dispatch-down", "later", "lll", "the dispatch does not answer"),
        # The control fails as the candidate does: nothing is held against either.
        ("node-below-engines", "gate-broken", "lll", "GATE BROKEN"),
        # Not a fault here, whatever was reported.
        ("package-layout-changed", "promoted", "mmm", ""),
        ("database-busy-on-mint", "promoted", "mmm", ""),
        ("desktop-only-report", "promoted", "mmm", ""),
        # One person's sign-in is looked at before they are moved; the others go on.
        ("wedged-after-child-oom", "promoted", "lmm", "no listener"),
    ],
)
def test_t3safe_says_of_each_incident_what_it_is(
    incident: str, outcome: str, fates: str, words: str
) -> None:
    """And the night after it moves on: nobody is kept from the build that fixes it."""
    run, found = drilled("t3safe"), on(incident, "t3safe")
    assert found.outcome.startswith(outcome)
    assert found.fates == fates
    assert words in "\n".join((*found.lines, *(why for _, why in found.reasons)))
    assert not found.broken
    after = run.nights[run.nights.index(found) + 1]
    assert (after.outcome, after.version) == ("promoted", after.tag)


@pytest.mark.parametrize(
    ("incident", "missed"),
    [
        ("pairing-200-without-cookie", True),
        ("legacy-turn-does-not-decode", True),
        ("heap-exhausted-after-boot", True),
        ("works-once", True),
        ("native-module-not-built", False),
        ("foreign-package", False),
    ],
)
def test_a_look_at_the_root_page_misses_what_it_is_known_to_miss(
    incident: str, missed: bool
) -> None:
    """As the facts say of it: the blind policy takes such a build, or goes back."""
    facts = {found.id: found for found in files.incidents().incidents}
    assert facts[incident].liveness_misses is missed
    found = on(incident, "blind")
    assert found.outcome == ("moved" if missed else "rolled back")
    assert any("wrong: " in line for line in found.lines) is missed


def test_the_seed_looks_at_the_admins_data_alone() -> None:
    """What breaks on another person's old rows passes its gate and is taken."""
    found = on("legacy-turn-does-not-decode", "seed")
    assert found.outcome.startswith(("moved", "rolled back"))
    assert "x" in found.fates or "b" in found.fates


def test_the_seed_does_not_soak() -> None:
    """A build that dies a minute after its start passes its gate."""
    found = on("heap-exhausted-after-boot", "seed")
    assert found.outcome == "moved"
    assert found.fates == "xxx"


FORWARD = "0.0.25-nightly.20260608.497"
"""The last nightly before the builds that fail on a sister product's data."""
STRANGE = {
    "sister": PersonSettings("eve", sister=True),
    "collides": PersonSettings("eve", collides=True),
}


def strange_host(whose: str, on_failure: OnPersonFailure) -> PolicyRun:
    """A host on which one person's ledger has a name that no build of t3 knows."""
    settings = REMOTE["t3safe"]
    policy = attrs.evolve(settings.policy, on_person_failure=on_failure)
    nights = between("2026-06-12", "2026-06-16")
    host = fleet(NEW, STRANGE[whose], ADMIN, start=FORWARD, **nights)
    return replayed(
        attrs.evolve(host, policies={"t3safe": attrs.evolve(settings, policy=policy)}), "t3safe"
    )


@pytest.mark.parametrize("policy", OnPersonFailure)
@pytest.mark.parametrize("whose", STRANGE)
def test_a_strange_ledger_holds_back_its_person_alone(whose: str, policy: OnPersonFailure) -> None:
    """The control fails on that set alone, so it is held against no build and everybody goes on."""
    run = strange_host(whose, policy)
    assert "eve" in "\n".join(run.nights[0].lines)
    assert run.nights[-1].version == run.nights[-1].tag
    assert run.nights[0].fates == "mrm"
    assert (run.scores.broken_worst, run.scores.stranded) == (0, 0)


def test_blind_locks_out_whoever_has_a_sister_products_data() -> None:
    """Their serve crash-loops, `/` does not answer, and the binary goes back for all."""
    nights = between("2026-06-12", "2026-06-12")
    host = fleet(NEW, STRANGE["sister"], ADMIN, start=FORWARD, policies=REMOTE, **nights)
    found = replayed(host, "blind").nights[0]
    assert found.outcome == "rolled back"
    assert "crash-loops" in "\n".join(found.lines)


def test_the_nightly_tag_behind_stable_moves_nobody() -> None:
    """0.0.18-nightly.20260416.46 is below 0.0.19: no downgrade, no move across channels."""
    host = fleet(NEW, ADMIN, start="0.0.20", policies=REMOTE, **between("2026-04-18", "2026-04-20"))
    run = replayed(host, "t3safe")
    assert {found.version for found in run.nights} == {"0.0.20"}
    assert "no move across channels" in "\n".join(night(run, "2026-04-18").lines)


def test_the_version_order_alone_proves_nothing() -> None:
    """0.0.25 outranks 0.0.25-nightly.20260608.497 and knows less: the gate says so."""
    events = [event for event in files.fleet().events if event.kind is Mishap.TRACK][:1]
    crossed = attrs.evolve(events[0], at=events[0].at.replace(month=6, day=8, hour=12))
    host = fleet(
        NEW, ADMIN, events=(crossed,), policies=REMOTE, **between("2026-06-08", "2026-06-10")
    )
    run = replayed(host, "t3safe")
    found = night(run, "2026-06-09")
    assert found.tag == "0.0.25"
    assert found.outcome == "refused"
    assert "does not know state.sqlite: 32_AuthPairingProofKeyThumbprint" in "\n".join(found.lines)


def test_everything_that_is_known_can_be_enacted() -> None:
    """Each incident of the package has a behaviour or a reason, and a drill leaves out none."""
    known = files.incidents().incidents
    assert len(known) == 50
    assert [found.id for found in known if bool(found.behaviour) is bool(found.not_enacted)] == []
    assert set(made_for()) == {
        found.id
        for found in known
        if found.behaviour is not None and found.behaviour not in BY_ITSELF
    }
    assert {incident.behaviour for incident in known} >= OF_HOSTS
    made = ReplayScenario.of(files.fleet(), files.history(), files.incidents(), drill=True)
    met = {found[0]: found[1] for found in made.result(()).incidents}
    assert "not in these nights" not in met.values()


def test_the_report_says_why_an_incident_is_not_enacted() -> None:
    """With the reason where there is one, and where it lies in t3's own updater."""
    made = ReplayScenario.of(fleet(), files.history(), files.incidents())
    where = {found[0]: found[1] for found in made.result(()).incidents}
    for found in files.incidents().incidents:
        if found.not_enacted:
            assert where[found.id] == f"not enacted: {found.not_enacted}"
    assert where["launcher-protocol-crash-loop"] == "in t3's own updater, which no policy uses"


EARLIER = "0.0.33-nightly.20260808.1033"


@pytest.mark.parametrize(("trait", "nights_behind"), [("old_events", 2), ("large_events", 4)])
def test_what_breaks_on_one_persons_log_holds_back_that_person_alone(
    trait: str, nights_behind: int
) -> None:
    """Builds from 0.0.42, or from September 8th, end at the start on it; nobody else has it."""
    eve = PersonSettings(
        "eve", old_events=trait == "old_events", large_events=trait != "old_events"
    )
    settings = REMOTE["t3safe"]
    policy = attrs.evolve(settings.policy, on_person_failure=OnPersonFailure.HOLD_BACK)
    policies = {**REMOTE, "t3safe": attrs.evolve(settings, policy=policy)}
    knows = SimulatedDispatch(paths=BOTH, cookies=(PLAIN_COOKIE, f"{PLAIN_COOKIE}_[0-9a-f]{{12}}"))
    nights = between("2026-09-16", "2026-09-19")
    host = fleet(eve, ANN, ADMIN, policies=policies, dispatch=knows, start=EARLIER, **nights)
    run = replayed(host, "t3safe")
    assert run.nights[-1].version == run.nights[-1].tag
    assert (run.scores.broken_worst, run.scores.stranded) == (0, 0)
    stale = {person.name: person.stale_nights for person in run.people}
    assert stale == {"eve": nights_behind, "ann": 0, "wizard": 0}


def test_an_incident_in_the_history_lies_in_its_own_versions() -> None:
    """0.0.21 cannot decode old rows, and no other release of the history."""
    known = files.incidents()
    hit = [
        release.version.text
        for release in files.history().releases
        if Behaviour.OLD_ROWS in known.of(release)
    ]
    assert hit == ["0.0.21"]

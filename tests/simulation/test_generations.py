"""From V1 to V2 and back: what each policy does to people, and what is hidden from them then."""

from __future__ import annotations

from datetime import UTC, date, datetime

import attrs

from t3safe.domain.policy import Track
from t3safe.domain.versions import Version
from t3safe.simulation import files, rows
from t3safe.simulation.builds import Data, Schemas, builds
from t3safe.simulation.fleet import (
    Fleet,
    HostEvent,
    Mishap,
    PersonSettings,
    SimulatedDispatch,
)
from t3safe.simulation.incidents import Behaviour, Incident, Incidents, IncidentScope
from t3safe.simulation.replay import simulate
from t3safe.simulation.scenario import ReplayScenario
from t3safe.simulation.scores import Crossing, PolicyRun, crossed, moved
from t3safe.t3.generations import BEFORE_SCOPES, V1, V2
from t3safe.t3.sign_in import PLAIN_COOKIE
from tests.simulation.hosts import (
    ANN,
    BEN,
    BOTH,
    BUSY,
    HASTY,
    NOBODY_COMES,
    WIZARD,
    between,
    default_run,
    fleet,
    night,
    replayed,
)

LAST_V1 = "0.0.45-nightly.20261002.2595"
FIRST_V2 = "0.0.46-nightly.20261003.2610"
KNOWS = SimulatedDispatch(paths=BOTH, cookies=(PLAIN_COOKIE, f"{PLAIN_COOKIE}_[0-9a-f]{{12}}"))
KINDS = ("blind", "seed", "t3safe")


def host(*people: PersonSettings, until: str = "2026-10-05", **changes: object) -> Fleet:
    """A calm host on the last nightly of V1, whose dispatch passes everything on."""
    settings = {"start": LAST_V1, "dispatch": KNOWS, **between("2026-10-03", until), **changes}
    return fleet(*(people or (ANN, BEN, WIZARD)), **settings)


def by_night(run: PolicyRun) -> list[str]:
    """Who changed generation, a line a night."""
    return [moved(found) for found in crossed(run.crossings)]


# Up.


def test_t3safe_takes_everybody_to_v2_and_nothing_is_hidden() -> None:
    """On the first night on which V2 is on offer, each from a copy of what V1 had then.

    A tag that points back to V1 is not followed, whatever it says.
    """
    run = default_run("t3safe")
    assert by_night(run)[-1] == "2026-10-03 emo, sam, wizard from V1 to V2"
    assert night(run, "2026-10-02").generations == "111"
    assert night(run, "2026-10-03").generations == "222"
    back = night(run, "2026-10-07")
    assert (back.tag, back.generations) == (LAST_V1, "222")
    assert run.nights[-1].version == "0.0.46-nightly.20261010.2922"
    assert run.scores.rows_lost == 0


def test_a_move_to_v2_leaves_the_first_database_as_it_was() -> None:
    """The second one is a copy, made once; what V1 writes after that is not in it."""
    known = {build.version.text: build for build in builds(files.history(), files.incidents())}
    old, new = known[LAST_V1], known[FIRST_V2]
    before = Data(old.schema, rows.upto(10))
    after = before.opened_by(new)
    assert (after.level, after.rows) == (before.level, before.rows)
    assert (after.second_level, after.second) == (new.schema, before.rows)
    assert after.known_to(new)
    worked = attrs.evolve(after, rows=rows.upto(12)).opened_by(new)
    assert worked.second == before.rows
    assert worked.hidden_from(new) == 2
    assert not worked.known_to(new)
    assert worked.known_to(old)


def test_the_domain_holds_a_build_against_the_database_that_it_starts_on() -> None:
    """The first one is left over for V2, and the second one is strange to V1."""
    history = files.history()
    schemas = Schemas.of(history)
    known = {build.version.text: build for build in builds(history, files.incidents())}
    old, new = known[LAST_V1], known[FIRST_V2]
    before = Data(old.schema, rows.upto(10))
    after = before.opened_by(new)
    assert schemas.of_data(before).known_to(schemas.of_build(new))
    assert schemas.of_data(after).known_to(schemas.of_build(new))
    assert not schemas.of_data(after).known_to(schemas.of_build(old))


def test_the_generation_of_a_release_is_the_one_that_its_databases_show() -> None:
    """Of every release with pairing whose schema is known."""
    history = files.history()
    schemas = Schemas.of(history)
    told = {found.version for found in history.releases if found.schema is not None}
    seen = set()
    for build in builds(history, files.incidents()):
        if build.version in told and build.pairing:
            assert schemas.of_build(build).generation is build.generation, build.version
            seen.add(build.generation.name)
        elif not build.pairing:
            assert build.generation is BEFORE_SCOPES, build.version
    assert seen == {BEFORE_SCOPES.name, V1.name, V2.name}
    assert [found.sign_in.protocol for found in (BEFORE_SCOPES, V1, V2)] == [1, 1, 2]


def test_a_preview_is_never_offered() -> None:
    """It is newer than every nightly on its evening, and no tag points at it."""
    made = ReplayScenario.of(host(), files.history(), files.incidents())
    world = made.world()
    preview = Version.parse("0.0.46-preview.20261002.2598")
    found = world.build(preview)
    assert found is not None
    assert found.channel is None
    assert all(world.tagged(track) is not found for track in Track)
    for policy in KINDS:
        run = default_run(policy)
        assert preview.text not in {text for n in run.nights for text in (n.tag, n.version)}


# With one global binary.


def test_a_mint_of_v2_under_a_serve_of_v1_pairs_nobody_and_freezes_the_copy() -> None:
    """Whoever is deferred is locked out at once, and loses what they do until they are moved."""
    run = replayed(host(BUSY, start="0.0.40", until="2026-10-03", operator=NOBODY_COMES), "blind")
    found = night(run, "2026-10-03")
    assert found.fates == "x"
    assert "401 invalid_credential" in dict(found.reasons)["zoe"]
    assert "the serve of 0.0.40 reads state.sqlite" in dict(found.reasons)["zoe"]
    assert dict(found.broken)["zoe"] > 1_400


def test_below_a_launcher_the_scripts_look_at_a_unit_sees_nobody_at_work() -> None:
    """The launcher is the main process and the serve its child: a turn in flight is cut."""
    for start, cut in (("0.0.40", 0), (LAST_V1, 1)):
        nights = host(BUSY, start=start, until="2026-10-03", operator=NOBODY_COMES)
        assert replayed(nights, "blind").scores.interrupted == cut, start
    assert replayed(host(BUSY, until="2026-10-03"), "t3safe").scores.interrupted == 0


def test_the_seed_never_gets_to_v2() -> None:
    """Its check knows the plain cookie alone: every build since 0.0.29 is bad to it."""
    run = default_run("seed")
    assert run.nights[-1].version == "0.0.29-nightly.20260721.864"
    assert set(run.nights[-1].generations) == {"1"}


# Down, and up again.


BACK = HostEvent(Mishap.TAG_BACK, datetime(2026, 10, 5, 20, tzinfo=UTC), 720.0, LAST_V1)


def test_back_from_v2_to_v1_hides_the_work_of_v2_and_up_again_that_of_v1() -> None:
    """Nothing is deleted on the way back; the second way up starts on the old copy."""
    run = replayed(host(events=(BACK,), until="2026-10-08"), "blind")
    up, down, again = crossed(run.crossings)
    assert (up.night, up.after, up.hidden) == ("2026-10-03", "V2", 0)
    assert (down.night, down.after) == ("2026-10-06", "V1")
    assert down.hidden > 0
    assert (again.night, again.after) == ("2026-10-07", "V2")
    assert again.hidden > 0
    assert run.scores.rows_lost == again.hidden
    assert run.scores.stranded == 3
    told = "\n".join(run.wrong)
    assert f"2026-10-06 took {LAST_V1}: ann: {LAST_V1} hides" in told
    assert "2026-10-07 took 0.0.46-nightly.20261006.2752: ann:" in told
    assert len(run.wrong) == 2


DIES = Incident(
    id="mine",
    date=date(2026, 10, 3),
    first=Version.parse(FIRST_V2),
    last=Version.parse(FIRST_V2),
    scope=IncidentScope.BUILD,
    observable="dies after its start",
    liveness_misses=True,
    recovery="go back",
    source="made up",
    behaviour=Behaviour.DIES_AFTER_BOOT,
)


def test_t3safe_takes_back_from_v2_without_a_loss_and_up_again_from_fresh_data() -> None:
    """V1 has every row of its own, V2's rows are kept aside, and the next way up hides nothing."""
    made = ReplayScenario.of(
        host(policies={"hasty": HASTY}, until="2026-10-07"),
        files.history(),
        Incidents("mine", (DIES,)),
    )
    run = simulate(made, "hasty")
    assert "rolled-back" in run.nights[0].outcome
    found = crossed(run.crossings)
    assert [each.after for each in found] == ["V2", "V1", "V2"]
    assert [each.hidden for each in found] == [0, 0, 0]
    assert run.scores.rows_kept > 0
    assert set(run.nights[-1].generations) == {"2"}
    assert (run.scores.rows_lost, run.scores.stranded) == (0, 0)


# A copy that was left by a trial.


TRIED = PersonSettings("eve", trial=date(2026, 9, 20))


def test_a_copy_left_by_a_trial_swallows_two_weeks_under_blind() -> None:
    """V2 uses the file that is there: what V1 did since is not shown, without a word."""
    run = replayed(host(ANN, TRIED, WIZARD), "blind")
    (hidden,) = [found for found in run.crossings if found.hidden]
    assert (hidden.person, hidden.after) == ("eve", "V2")
    assert run.scores.rows_lost == hidden.hidden > 500
    assert "eve: 0.0.46-nightly.20261003.2610 hides" in "\n".join(run.wrong)


def test_t3safe_leaves_whoever_has_such_a_copy_on_v1_and_says_why() -> None:
    """Nobody else waits for it."""
    run = replayed(host(ANN, TRIED, WIZARD), "t3safe")
    assert night(run, "2026-10-03").generations == "212"
    assert "statev2.sqlite of eve is an old copy of state.sqlite" in "\n".join(
        (*night(run, "2026-10-03").lines, *(why for _, why in night(run, "2026-10-03").reasons))
    )
    assert (run.scores.rows_lost, run.scores.broken_worst) == (0, 0)


# The protocol of the web socket.


STRIPS = attrs.evolve(KNOWS, protocols=(1,))


def test_a_dispatch_that_drops_the_protocol_breaks_v2_for_everybody_under_blind() -> None:
    """`/` answers and people sign in; their browsers' web sockets get 426."""
    run = replayed(host(dispatch=STRIPS), "blind")
    found = night(run, "2026-10-03")
    assert found.fates == "xxx"
    assert "is not known to pass on protocol 2" in dict(found.reasons)["ann"]
    assert "protocol 2" in run.interventions[0][1]


def test_t3safe_says_update_the_dispatch_first_for_a_protocol_too() -> None:
    """Nobody is touched, and the night after the dispatch was taught everybody is moved."""
    run = replayed(host(dispatch=STRIPS), "t3safe")
    found = night(run, "2026-10-03")
    assert found.outcome == "refused"
    assert "update the dispatch first: it is not known to pass on protocol 2" in "\n".join(
        found.lines
    )
    assert night(run, "2026-10-04").generations == "222"
    assert (run.scores.stranded, run.scores.rows_lost, run.scores.interrupted) == (0, 0, 0)
    assert run.scores.broken_worst == 0


# How it is said.


def test_crossings_of_a_night_are_one_line() -> None:
    """With who they were, cut short for a crowd, and what they do not see any more."""

    def one(name: str, hidden: int = 0, aside: int = 0) -> Crossing:
        return Crossing("2026-10-07", "", name, "V2", "V1", LAST_V1, hidden, aside)

    (few,) = crossed((one("ann"), one("ben", 3), one("ann", 4)))
    assert moved(few) == "2026-10-07 ann, ben from V2 to V1, 7 rows hidden from V1"
    (many,) = crossed(tuple(one(f"p{number}", aside=1) for number in range(8)))
    assert moved(many) == (
        "2026-10-07 p0, p1, p2, p3, p4 and 3 more from V2 to V1, 8 rows kept aside"
    )

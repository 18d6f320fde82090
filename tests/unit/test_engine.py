"""The interpreter effect by effect on the fake world, and the loop over a scripted performer."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import attrs
import pytest
from attrs import define, field, frozen

from fakes.world import EPOCH, NEW, NEWER, OLD, MemoryJournal, World, schema, small_world, wiring
from fakes.world.wiring import ports_of
from t3safe.domain import effects as fx
from t3safe.domain import events as ev
from t3safe.domain.errors import DispatchError, Fault, JournalError, ServiceError
from t3safe.domain.gate import Ruling, Verdict
from t3safe.domain.lockfile import SharedLock
from t3safe.domain.ports import Ports
from t3safe.domain.refusals import fingerprint_of
from t3safe.domain.retention import SnapshotKind
from t3safe.domain.rollout_state import Rollout
from t3safe.domain.versions import Version
from t3safe.engine import Engine, Waits, fold, nothing_waits, waits_for_boot
from t3safe.interpreter import Interpreter, Limits, never
from t3safe.simulation.builds import artifact

QUIET = timedelta(minutes=15)


def interpreter(
    world: World,
    limits: Limits | None = None,
    stop: Callable[[], bool] = never,
    **ports: object,
) -> Interpreter:
    """Wire the interpreter to this world, with these ports instead of the world's own."""
    seen: Ports = attrs.evolve(ports_of(world), **ports)  # type: ignore[arg-type]
    return wiring.interpreter(world, seen, limits, stop)


@pytest.fixture
def world() -> World:
    """Two people on OLD, with NEW in the store; time stands still but for what is asked."""
    made = small_world("ann", "bob")
    made.store.add(NEW)
    for person in made.people.values():
        person.writing = False
    return made


def halted(world: World, *names: str) -> None:
    """Let these people's serves be stopped."""
    for name in names:
        world.halt(name)


# What each effect comes to.


def test_a_failure_behind_a_port_is_an_answer_with_its_fault(world: World) -> None:
    """Whom it speaks against is the port's word, and so is the text."""
    world.npm_fails = "npm died"
    world.store.discard(NEW)

    answer = interpreter(world)(fx.StageBuild(NEW))

    assert answer == ev.Failed(Fault.LATER, f"cannot stage {NEW}: npm died")
    assert NEW not in world.store


def test_a_defect_of_ours_is_an_answer_that_blames_the_host(world: World) -> None:
    """The rollout then goes back: a person may be without a serve right now."""

    @frozen
    class Defective:
        def stage(self, build: Version, shared: SharedLock | None = None) -> ev.Staged:
            raise ZeroDivisionError("nought")

    answer = interpreter(world, builds=Defective())(fx.StageBuild(NEW))

    assert answer == ev.Failed(
        Fault.HOST, f"internal error while installing {NEW}: ZeroDivisionError: nought"
    )


@pytest.mark.parametrize(
    ("effect", "kind", "build"),
    [
        (fx.SnapshotOnline("ann", "s1"), SnapshotKind.ONLINE, OLD),
        (fx.SnapshotAtRest("ann", "s1", NEW), SnapshotKind.REST, NEW),
        (fx.SnapshotAtRest("ann", "s1", NEW, giving_up=True), SnapshotKind.QUARANTINE, NEW),
    ],
)
def test_a_snapshot_is_of_its_kind_and_of_the_build_that_wrote_the_set(
    world: World, effect: fx.Effect, kind: SnapshotKind, build: Version
) -> None:
    """Beside the serve that is whatever is selected; at rest it is what the plan says."""
    if kind is not SnapshotKind.ONLINE:
        halted(world, "ann")

    answer = interpreter(world)(effect)

    snap = world.people["ann"].snapshots["s1"]
    assert (snap.kind, snap.build, snap.sealed) == (kind, build, True)
    assert isinstance(answer, ev.Snapshotted)
    assert (answer.snapshot, answer.ledger) == ("s1", schema(30))
    assert world.people["bob"].snapshots == {}


def test_a_verdict_is_kept_with_the_gate_that_gave_it_and_the_time(world: World) -> None:
    """And with the bytes that it judged; of a build that is not in the store there are none."""
    kept: list[tuple[object, ...]] = []

    @frozen
    class Keeping:
        def record(self, verdict: Verdict, fingerprint: str, at: datetime) -> None:
            kept.append((verdict, fingerprint, at))

    verdict = Verdict(NEW, Ruling.REFUSED, ("why",))

    assert interpreter(world, verdicts=Keeping())(fx.RecordVerdict(verdict)) == ev.Done()
    judged = fingerprint_of(world.fingerprint, artifact(NEW))
    assert kept == [(verdict, judged, world.clock)]
    world.store.discard(NEW)
    interpreter(world, verdicts=Keeping())(fx.RecordVerdict(verdict))
    assert kept[1:] == [(verdict, world.fingerprint, world.clock)]


# The idle rule, as it is asked of a person.


def test_a_serve_that_does_not_run_is_not_asked_for_its_work(world: World) -> None:
    """Nobody is started by an update who was stopped."""
    halted(world, "ann")

    assert interpreter(world)(fx.Assess("ann")) == ev.Assessed(
        ev.Readiness.NOT_RUNNING, "the serve is not running"
    )
    assert interpreter(world)(fx.Assess("bob")) == ev.Assessed(ev.Readiness.IDLE)


@pytest.mark.parametrize(("ago", "busy"), [(QUIET, False), (QUIET - timedelta(seconds=9), True)])
def test_whoever_was_active_a_moment_ago_is_busy(world: World, ago: timedelta, busy: bool) -> None:
    """Unless only work in flight counts."""
    world.advance(3600.0)
    ann = world.people["ann"]
    ann.last_activity = (world.clock - ago - EPOCH).total_seconds()
    run = interpreter(world, Limits(quiet=QUIET))
    readiness = ev.Readiness.BUSY if busy else ev.Readiness.IDLE

    answer = run(fx.Assess("ann"))
    certain = run(fx.Assess("ann", certain=True))

    assert isinstance(answer, ev.Assessed)
    assert answer.readiness is readiness
    assert bool(answer.reason) is busy
    assert certain == ev.Assessed(ev.Readiness.IDLE)


@pytest.mark.parametrize("certain", [False, True])
def test_an_agent_at_work_is_work_where_nothing_is_tracked(world: World, certain: bool) -> None:
    """With the reason that the idle rule gives."""
    ann = world.people["ann"]
    ann.tracked, ann.agents = False, ("claude",)

    assert interpreter(world)(fx.Assess("ann", certain=certain)) == ev.Assessed(
        ev.Readiness.BUSY, "agent process claude is running"
    )


def test_what_is_asked_without_saying_how_is_not_only_what_is_certain(world: World) -> None:
    """Unknown is busy where nobody says otherwise."""
    world.people["ann"].unreadable = "it is locked"

    assert interpreter(world).idle.assess("ann").readiness is ev.Readiness.BUSY
    assert interpreter(world).idle.assess("ann", certain=True).readiness is ev.Readiness.IDLE


def test_a_serve_that_cannot_be_asked_is_an_error_of_the_service_manager(world: World) -> None:
    """Whoever asks beside a rollout tells it by its kind."""
    with pytest.raises(ServiceError):
        interpreter(world).idle.assess("zoe")


# Going back, and looking.


def test_a_quarantine_keeps_the_set_and_counts_its_rows(world: World) -> None:
    """Against the rollback point, under the failed build's name."""
    run, ann = interpreter(world), world.people["ann"]
    halted(world, "ann")
    run(fx.SnapshotAtRest("ann", "s1", OLD))
    ann.commit()

    answer = run(fx.Quarantine("ann", "q1", NEW, "s1"))

    kept = ann.snapshots["q1"]
    assert (kept.kind, kept.build) == (SnapshotKind.QUARANTINE, NEW)
    assert isinstance(answer, ev.Quarantined)
    assert (answer.snapshot, answer.uncounted) == ("q1", "")
    assert [row.rows for row in answer.rows] == [1]


def test_rows_that_cannot_be_counted_do_not_keep_anybody_from_going_back(world: World) -> None:
    """It is said why, and the set is kept all the same."""
    halted(world, "ann")
    interpreter(world)(fx.SnapshotAtRest("ann", "s1", OLD))
    world.people["ann"].unreadable = "not a database"

    assert interpreter(world)(fx.Quarantine("ann", "q1", NEW, "s1")) == ev.Quarantined(
        "q1", uncounted="cannot count the rows of ann: SQLite cannot read the snapshot"
    )


def test_a_look_tells_how_a_person_stands(world: World) -> None:
    """What is selected, whether it runs, the ledger, and whether a restore was left half done."""
    run, ann = interpreter(world), world.people["ann"]
    assert run(fx.Inspect("ann")) == ev.Inspected(OLD, True, schema(30))

    run(fx.Fence("ann"))
    halted(world, "ann")
    ann.restoring = "s1"
    assert run(fx.Inspect("ann")) == ev.Inspected(None, False, schema(30), restoring=True)

    ann.unreadable = "not a database"
    assert run(fx.Inspect("ann")) == ev.Inspected(None, False, None, restoring=True)


# Watching.


def test_a_bake_watches_these_people_for_so_long(world: World) -> None:
    """And ends at once where it is asked to."""
    begun = world.now

    assert interpreter(world)(fx.Bake(("ann", "bob"), OLD, 600.0)) == ev.Done()
    assert world.now - begun >= 600.0
    assert interpreter(world)(fx.Bake(("ann",), NEW, 60.0)) == ev.BakeBroken(
        "ann", Fault.HOST, f"{OLD} answers, not {NEW}"
    )
    asked = interpreter(world, stop=lambda: True)(fx.Bake(("ann",), OLD, 60.0))
    assert asked == ev.Failed(Fault.LATER, f"cannot watch {OLD} to the end: asked to stop")


@frozen
class Scripted:
    """A dispatch that answers for each person as it is told to."""

    answers: dict[str, ev.Paired | ev.NotPaired | DispatchError]
    asked: list[tuple[str, Version]] = field(factory=list)

    def verify(self, person: str, build: Version) -> ev.Paired | ev.NotPaired:
        """Answer, or fail."""
        self.asked.append((person, build))
        answer = self.answers[person]
        if isinstance(answer, DispatchError):
            raise answer
        return answer


UNASKED = DispatchError("no answer", fault=Fault.ENVIRONMENT)


@pytest.mark.parametrize(
    ("ann", "bob", "answer"),
    [
        (ev.Paired(), ev.Paired(), ev.Done()),
        (ev.NotPaired(Fault.ENVIRONMENT, "down"), ev.Paired(), ev.Done()),
        (
            ev.Paired(),
            ev.NotPaired(Fault.BUILD, "500"),
            ev.BakeBroken("bob", Fault.BUILD, "500"),
        ),
        (
            UNASKED,
            ev.NotPaired(Fault.BUILD, "500"),
            ev.BakeBroken("bob", Fault.BUILD, "500"),
        ),
        (UNASKED, ev.Paired(), ev.Failed(Fault.ENVIRONMENT, "no answer")),
    ],
)
def test_everybody_is_paired_once_more(
    world: World,
    ann: ev.Paired | ev.NotPaired | DispatchError,
    bob: ev.Paired | ev.NotPaired | DispatchError,
    answer: ev.Answer,
) -> None:
    """Whom the build fails is told before what could not be asked; both are asked."""
    pairing = Scripted({"ann": ann, "bob": bob})

    assert interpreter(world, pairing=pairing)(fx.Revisit(("ann", "bob"), NEW)) == answer
    assert pairing.asked == [("ann", NEW), ("bob", NEW)]


# Promoting and pruning.


def test_a_pinned_snapshot_stays_and_what_is_beyond_the_limit_goes(world: World) -> None:
    """The newest stays too, and everybody named is looked after."""
    run = interpreter(world, Limits(snapshots_keep=1, builds_keep=0))
    halted(world, "ann", "bob")
    for number in range(4):
        for name in ("ann", "bob"):
            run(fx.SnapshotAtRest(name, f"s{number}", OLD))
        world.advance(60.0)

    assert run(fx.Prune(("ann",), ("s1",))) == ev.Done()
    assert set(world.people["ann"].snapshots) == {"s1", "s3"}
    assert len(world.people["bob"].snapshots) == 4


def test_snapshots_go_by_their_size_too(world: World) -> None:
    """As many bytes as the limit says, the newest first."""
    halted(world, "ann")
    for number in range(3):
        interpreter(world)(fx.SnapshotAtRest("ann", f"s{number}", OLD))
        world.advance(60.0)

    assert interpreter(world, Limits(snapshots_bytes_max=1))(fx.Prune(("ann",))) == ev.Done()
    assert set(world.people["ann"].snapshots) == {"s2"}


def test_no_build_is_thrown_away_that_somebody_may_need(world: World) -> None:
    """What anybody runs, the default, last-good and the one before it stay."""
    builds = [Version.parse(f"0.0.2{number}") for number in range(6)]
    world.store = set(builds)
    world.people["ann"].link, world.default = builds[1], builds[2]
    world.last_good, world.previous_good = builds[3], builds[4]
    world.people["bob"].fenced = True
    run = interpreter(world, Limits(builds_keep=0))

    assert run(fx.Prune(("ann", "bob"))) == ev.Done()
    assert sorted(world.store) == builds[1:5]


@pytest.mark.parametrize("keep", [0, 1, 2])
def test_so_many_builds_stay_that_nobody_runs(world: World, keep: int) -> None:
    """The newest of them."""
    spare = [Version.parse(f"0.0.2{number}") for number in range(3)]
    world.store = {OLD, *spare}

    assert interpreter(world, Limits(builds_keep=keep))(fx.Prune(("ann",))) == ev.Done()
    assert sorted(world.store) == sorted([OLD, *spare[3 - keep :]])


def test_one_persons_trouble_keeps_nobody_elses_room(world: World) -> None:
    """The first error is reported once everything else has been done."""
    world.store = {OLD, NEW, NEWER, Version.parse("0.0.1")}
    run = interpreter(world, Limits(snapshots_keep=1, builds_keep=0))
    halted(world, "bob")
    for number in range(2):
        run(fx.SnapshotAtRest("bob", f"s{number}", OLD))
        world.advance(60.0)

    answer = run(fx.Prune(("zoe", "yan", "bob")))

    assert answer == ev.Failed(
        Fault.HOST, "cannot list the state set of zoe: there is no such person"
    )
    assert set(world.people["bob"].snapshots) == {"s1"}
    assert world.store == {OLD}


# The loop.


PLAN = ev.Plan("r1", ev.Kind.CHECK, NEW, OLD, (), all_people=("ann",))


@define
class ScriptedInterpreter:
    """Answers each effect in turn, and remembers what was asked and what was seen."""

    answers: list[ev.Answer]
    asked: list[fx.Effect] = field(factory=list)
    seen: list[tuple[Rollout | None, ev.Event, Rollout]] = field(factory=list)
    time: datetime = EPOCH
    deaf: bool = False

    def __call__(self, effect: fx.Effect, /) -> ev.Answer:
        """Perform the effect."""
        self.asked.append(effect)
        return self.answers.pop(0)

    def now(self) -> datetime:
        """Tell a time of its own for every event."""
        self.time += timedelta(seconds=1)
        return self.time

    def saw(self, before: Rollout | None, event: ev.Event, after: Rollout) -> None:
        """Remember it."""
        if self.deaf:
            raise BrokenPipeError
        self.seen.append((before, event, after))


LATER = ev.Failed(Fault.BUILD, "a foreign package")
"""Ends the check at once: a verdict is recorded, and it is over."""


def engine(
    told: ScriptedInterpreter, journal: MemoryJournal, stop: Callable[[], bool] = never
) -> Engine:
    """Wire the loop to what is told."""
    return Engine(perform=told, journal=journal, clock=told, observers=(told,), stop=stop)


def test_an_observer_that_fails_changes_nothing() -> None:
    """Rule 4: what is journaled, and how it ends, is the same."""
    answers = (LATER, ev.Done(), ev.Done())
    calm, journal = ScriptedInterpreter(list(answers)), MemoryJournal()
    ended = engine(calm, journal).start(PLAN)
    deaf, other = ScriptedInterpreter(list(answers), deaf=True), MemoryJournal()
    assert engine(deaf, other).start(PLAN) == ended
    assert other.events(PLAN.run) == journal.events(PLAN.run)
    assert deaf.asked == calm.asked


def test_every_event_is_journaled_and_then_told_with_its_time() -> None:
    """The intent before the effect, the answer after it, each with what was before and after."""
    told, journal = ScriptedInterpreter([LATER, ev.Done(), ev.Done()]), MemoryJournal()

    ended = engine(told, journal).start(PLAN)

    events = journal.events("r1")
    assert [type(event) for event in events] == [
        ev.Opened,
        *(ev.Started, ev.Finished) * 3,
        ev.Closed,
    ]
    assert [event.at for event in events] == [
        EPOCH + timedelta(seconds=number + 1) for number in range(8)
    ]
    assert [event for _, event, _ in told.seen] == list(events)
    assert told.seen[0][0] is None
    assert [before for before, _, _ in told.seen[1:]] == [after for _, _, after in told.seen[:-1]]
    assert ended == told.seen[-1][2] == fold(events)
    assert ended.closed


def test_a_run_is_left_open_before_an_effect_that_has_to_wait() -> None:
    """Nothing of that effect is journaled; whoever resumes without waiting goes on."""
    told, journal = ScriptedInterpreter([LATER, ev.Done(), ev.Done()]), MemoryJournal()
    journal.append("r1", ev.Opened(PLAN, EPOCH))
    asked: list[fx.Effect] = []

    def waits(effect: fx.Effect) -> bool:
        asked.append(effect)
        return True

    left = engine(told, journal).resume("r1", waits)

    assert not left.closed
    assert told.asked == []
    assert asked == [fx.Prune(("ann",))]
    assert journal.events("r1")[1:] == (ev.Resumed(told.time),)
    assert engine(told, journal).resume("r1").closed


def test_a_step_without_a_word_about_waiting_waits_for_nothing() -> None:
    """The same of a rule that lets nothing wait."""
    for waits in (None, nothing_waits):
        told, journal = ScriptedInterpreter([LATER]), MemoryJournal()
        journal.append("r1", ev.Opened(PLAN, EPOCH))
        rollout = engine(told, journal).step(fold(journal.events("r1")), waits)
        assert told.asked == [fx.StageBuild(NEW)]
        assert rollout.seq == 1


def test_a_run_that_is_asked_to_stop_says_so_once() -> None:
    """And performs nothing but what ends it."""
    told, journal = ScriptedInterpreter([ev.Done()]), MemoryJournal()

    ended = engine(told, journal, stop=lambda: True).start(PLAN)

    events = journal.events("r1")
    kinds = [type(event) for event in events]
    assert kinds == [ev.Opened, ev.StopAsked, ev.Started, ev.Finished, ev.Closed]
    assert [event.at for event in events] == sorted({event.at for event in events})
    assert told.asked == [fx.Prune(("ann",))]
    assert ended.ending == ev.Ended(ev.Outcome.INTERRUPTED, "asked to stop")


def test_a_run_that_never_ends_is_a_defect(monkeypatch: pytest.MonkeyPatch) -> None:
    """After more effects than any plan can need, with the run's name."""
    monkeypatch.setattr("t3safe.engine.EFFECTS_MAX", 3)
    told = ScriptedInterpreter([LATER, ev.Done(), ev.Done()])

    with pytest.raises(AssertionError) as raised:
        engine(told, MemoryJournal()).start(PLAN)

    assert str(raised.value) == "run r1 did not end after 3 effects"
    assert len(told.asked) == 3


@pytest.mark.parametrize(
    ("effect", "waits"),
    [
        (fx.Start("ann"), True),
        (fx.VerifyPairing("ann", NEW), True),
        (fx.Bake(("ann",), NEW, 1.0), True),
        (fx.Revisit(("ann",), NEW), True),
        (fx.Stop("ann"), False),
        (fx.Select("ann", NEW), False),
        (fx.Inspect("ann"), False),
    ],
)
def test_at_boot_only_what_needs_a_serve_waits(effect: fx.Effect, waits: bool) -> None:
    """Fences are lifted and sets restored before any unit starts."""
    rule: Waits = waits_for_boot

    assert rule(effect) is waits
    assert nothing_waits(effect) is False
    assert never() is False


@pytest.mark.parametrize("events", [[], [ev.Resumed(EPOCH)]])
def test_a_run_that_was_never_opened_cannot_be_folded(events: list[ev.Event]) -> None:
    """And says so."""
    with pytest.raises(JournalError) as raised:
        fold(events)

    assert str(raised.value) == "cannot fold a run that the journal never opened"


def test_a_journal_that_cannot_have_been_is_told_with_its_run() -> None:
    """With what is wrong and the command that shows the rest."""
    with pytest.raises(JournalError) as raised:
        fold([ev.Opened(PLAN, EPOCH), ev.Opened(PLAN, EPOCH)])

    assert str(raised.value) == (
        "cannot fold run r1: a run opens once; `t3safe recover` sets the journal aside"
    )
    assert raised.value.__cause__ is not None


def test_where_nobody_says_otherwise_so_much_is_kept() -> None:
    """And nobody is stopped who was active in the last quarter of an hour."""
    assert Limits() == Limits(timedelta(minutes=15), 6, 20 * 1024**3, 1)

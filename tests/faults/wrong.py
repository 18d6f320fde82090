"""Wrong cores: each takes away one rule that a promise rests on; the explorer must notice.

They are what a plausible edit, or a misread design, would make of the core.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

import attrs
import pytest
from attrs import frozen

from fakes.explorer.scenes import ExploredScene, SceneCommand, Sort
from fakes.world import hostports, model
from fakes.world.core import SubStep as CoreStep
from fakes.world.fakeports import FakeSelection
from fakes.world.model import FakePerson, Snap
from t3safe import engine, interpreter, person
from t3safe.domain import effects as fx
from t3safe.domain import events as ev
from t3safe.domain import gate, moves, rollout, rollout_state
from t3safe.domain.errors import Fault
from t3safe.domain.ledgers import SetLedger
from t3safe.domain.move import Move, Status, Step
from t3safe.domain.ports import Ports
from t3safe.domain.retention import Stored
from t3safe.person import IdleCheck, give_selections

Patch = Callable[[pytest.MonkeyPatch], None]
Change = Callable[[tuple[Step, ...]], Iterator[Step]]


@frozen
class Wrong:
    """A wrong core, where it shows, and with how many faults."""

    name: str
    patch: Patch
    scene: ExploredScene
    faults: int


WRONG: Final[list[Wrong]] = []


def wrong(
    *sorts: Sort,
    asked: SceneCommand = SceneCommand.RUN,
    faults: int = 1,
    attempts: int = 1,
    refuse: bool = False,
    second: bool = False,
) -> Callable[[Patch], Patch]:
    """List a wrong core, to be explored in this scene."""

    def listed(patch: Patch) -> Patch:
        name = patch.__name__.replace("_", " ")
        scene = ExploredScene(sorts or (Sort.OPEN,), asked, attempts, refuse, second)
        WRONG.append(Wrong(name, patch, scene, faults))
        return patch

    return listed


def _steps(
    monkeypatch: pytest.MonkeyPatch, change: Callable[[tuple[Step, ...]], Iterator[Step]]
) -> None:
    """Change the steps of the way forward and of the way back."""
    begin, back = moves.begin, moves.go_back

    def begun(move: Move, kind: ev.Kind, *, force: bool) -> Move:
        right = begin(move, kind, force=force)
        return attrs.evolve(right, todo=tuple(change(right.todo)))

    def gone_back(move: Move, reason: str = "", fault: Fault = Fault.HOST) -> Move:
        right = back(move, reason, fault)
        return attrs.evolve(right, todo=tuple(change(right.todo)))

    monkeypatch.setattr(moves, "begin", begun)
    monkeypatch.setattr(moves, "go_back", gone_back)


def _without(*steps: Step) -> Change:
    return lambda todo: (step for step in todo if step not in steps)


def _swapped(first: Step, second: Step) -> Change:
    swap = {first: second, second: first}
    return lambda todo: (swap.get(step, step) for step in todo)


@wrong()
def the_fence_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mint or a unit's restart can run a build on a set that is being changed."""
    _steps(monkeypatch, _without(Step.FENCE))


@wrong()
def what_has_begun_to_start_is_not_cleared(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sign-in that resolved the failed build opens the restored set, and migrates it again."""
    monkeypatch.setattr(FakeSelection, "clear", lambda selection, person: None)


@wrong(faults=2)
def what_has_begun_to_start_counts_as_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a crash behind the fence the set is judged while somebody is about to open it."""
    monkeypatch.setattr(FakeSelection, "clear", lambda selection, person: None)
    monkeypatch.setattr(FakeSelection, "starting", lambda selection, person: False)


@wrong(Sort.ROLLBACK)
def a_build_is_refused_only_where_the_way_back_ends_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the way back fails nothing is held against the build, and the next run takes it."""
    remembered = rollout._remembered

    def lenient(before: rollout_state.Rollout, bad: list[Move], told: str) -> Iterator[fx.Effect]:
        well = any(move.status is Status.ROLLED_BACK for move in bad)
        right = remembered(before, bad, told)
        return (e for e in right if well or not isinstance(e, fx.RecordVerdict))

    monkeypatch.setattr(rollout, "_remembered", lenient)


@wrong()
def the_new_build_is_selected_before_the_snapshot(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rollback point then holds what the new build made of the set."""
    _steps(monkeypatch, _swapped(Step.SNAPSHOT, Step.SELECT_NEW))
    monkeypatch.setattr(
        moves, "_rest", lambda move: move.rest or ev.Snapshotted("x", SetLedger(), 0)
    )


@wrong()
def the_new_build_is_selected_before_the_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every mint migrates the set under the serve of the old build."""
    _steps(monkeypatch, _swapped(Step.STOP, Step.SELECT_NEW))


@wrong()
def the_online_snapshot_stands_in_for_the_one_at_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was written between the two is not in what a rollback restores."""
    rested = moves._rested

    def online(move: Move, rest: ev.Snapshotted, schema: SetLedger | None) -> Move:
        right = rested(move, rest, schema)
        return attrs.evolve(right, rest=attrs.evolve(rest, snapshot=move.online))

    monkeypatch.setattr(moves, "_rested", online)


@wrong()
def the_log_beside_the_database_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader replays it into the restored file: the newer schema is back."""

    def put(found: model.FakePerson, name: str, content: model.Content, secret: bytes) -> None:
        found.databases[name] = (content, found.databases.get(name, (content, None))[1])
        found.secret, found.calm = secret, None

    monkeypatch.setattr(hostports, "_drop_log", lambda found, name: None)
    monkeypatch.setattr(hostports, "_put", put)
    monkeypatch.setattr(model.FakePerson, "checkpoint", lambda person: None)


@wrong()
def what_the_failed_build_wrote_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that a person was told are kept are gone with the restore."""
    _steps(monkeypatch, _without(Step.QUARANTINE))


@wrong()
def the_set_is_restored_before_it_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is kept then is what was restored."""
    _steps(monkeypatch, _swapped(Step.QUARANTINE, Step.RESTORE_REST))


@wrong()
def only_the_build_goes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on 2026-06-09: the old binary on the new data pairs nobody."""
    _steps(monkeypatch, _without(Step.QUARANTINE, Step.RESTORE_REST))


@wrong()
def the_old_build_is_selected_before_the_restore(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fence is lifted while the set is still the new one."""
    _steps(monkeypatch, _swapped(Step.RESTORE_REST, Step.SELECT_OLD))


@wrong()
def the_serve_is_not_stopped_before_going_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """It writes into a set that is being replaced."""
    back = moves.go_back

    def gone_back(move: Move, reason: str = "", fault: Fault = Fault.HOST) -> Move:
        right = back(move, reason, fault)
        return attrs.evolve(right, todo=tuple(_without(Step.STOP)(right.todo)))

    monkeypatch.setattr(moves, "go_back", gone_back)
    restore = hostports.FakePersonalData.restore

    def careless(states: hostports.FakePersonalData, person: str, snapshot: str) -> None:
        found = states.world.people[person]
        pid, found.pid = found.pid, None
        restore(states, person, snapshot)
        found.pid = pid

    monkeypatch.setattr(hostports.FakePersonalData, "restore", careless)
    monkeypatch.setattr(hostports.FakePersonalData, "_no_copy", staticmethod(lambda *_: ""))


@wrong()
def nobody_is_asked_whether_they_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """A turn in flight is cut off."""
    _steps(monkeypatch, _without(Step.ASSESS))


@wrong()
def they_are_asked_only_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Work that begins after the first look is cut off."""

    def once(todo: tuple[Step, ...]) -> Iterator[Step]:
        asked = todo.index(Step.ASSESS) if Step.ASSESS in todo else -1
        return (s for at, s in enumerate(todo) if s is not Step.ASSESS or at == asked)

    _steps(monkeypatch, once)


@wrong()
def work_on_the_new_build_is_cut_off_when_going_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever began to work during the bake is stopped all the same."""
    _steps(monkeypatch, _without(Step.LOOK))


@wrong(Sort.OPEN, Sort.OPEN)
def the_new_build_is_not_verified(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever cannot sign in is left so, until a bake that may never come."""
    _steps(monkeypatch, _without(Step.VERIFY_NEW))
    monkeypatch.setattr(rollout, "_must_revisit", lambda _: False)


@wrong()
def a_move_counts_as_exposed_only_when_it_has_succeeded(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a crash in between nothing is taken back that may have been changed."""
    intend = moves.intend

    def unmarked(move: Move) -> Move:
        return attrs.evolve(intend(move), new_build_may_have_run=move.new_build_may_have_run)

    monkeypatch.setattr(moves, "intend", unmarked)


@wrong()
def a_fence_counts_only_when_it_is_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a crash right behind it nobody lifts it."""
    intend = moves.intend

    def unmarked(move: Move) -> Move:
        return attrs.evolve(intend(move), fenced=move.fenced)

    monkeypatch.setattr(moves, "intend", unmarked)


@wrong(faults=2)
def nobody_looks_after_a_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next step is taken as if the one under way had never begun."""
    monkeypatch.setattr(moves, "lose_sight", lambda move: move)


@wrong()
def an_intent_is_journaled_only_after_the_deed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A death in between leaves something done of which the journal knows nothing."""

    def step(
        self: engine.Engine, before: rollout_state.Rollout, waits: engine.Waits | None = None
    ) -> rollout_state.Rollout:
        if before.winding is None and self.stop():
            before = self._record(before, ev.StopAsked(self.clock.now()))
        choice = rollout.decide(before)
        if isinstance(choice, ev.Ended):
            return self._record(before, ev.Closed(choice, self.clock.now()))
        if waits is not None and waits(choice):
            return before
        answer = self.perform(choice)
        started = ev.Started(before.seq + 1, choice, self.clock.now())
        after = self._record(before, started)
        return self._record(after, ev.Finished(after.seq, answer, self.clock.now()))

    monkeypatch.setattr(engine.Engine, "step", step)


@wrong()
def new_work_is_thrown_away_after_a_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is found on the new build is taken back without being asked to pair."""
    monkeypatch.setattr(moves, "_found_on_new", lambda move: moves.go_back(move, "interrupted"))


@wrong(faults=2)
def the_last_resort_starts_the_old_build_whatever_is_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is given a set that it does not know."""

    def old(move: Move, facts: ev.Inspected, schema: SetLedger | None) -> Move:
        return attrs.evolve(move, todo=(Step.SELECT_OLD, Step.START))

    monkeypatch.setattr(moves, "_start_what_fits", old)


@wrong()
def the_last_resort_starts_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever could have their serve back is left without one, and it is called a failed move."""
    monkeypatch.setattr(
        moves,
        "_last_resort",
        lambda move, reason: moves.settle(move, Status.RETURNED, reason),
    )


@wrong()
def the_freeze_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next night takes the same build to the same people."""
    remembered = rollout._remembered

    def unfrozen(before: rollout_state.Rollout, bad: list[Move], told: str) -> Iterator[fx.Effect]:
        right = remembered(before, bad, told)
        return (effect for effect in right if not isinstance(effect, fx.Freeze))

    monkeypatch.setattr(rollout, "_remembered", unfrozen)


@wrong()
def the_host_is_blamed_on_the_build(monkeypatch: pytest.MonkeyPatch) -> None:
    """A good build is refused for what a full disk did."""
    back = moves.go_back
    monkeypatch.setattr(
        moves, "go_back", lambda move, reason, fault=Fault.HOST: back(move, reason, Fault.BUILD)
    )


@wrong()
def the_gate_is_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    """The build runs on people's sets, and nobody has seen it run on a copy."""
    snapshots_done = rollout._snapshots_done

    def skipped(before: rollout_state.Rollout) -> rollout_state.Rollout:
        right = snapshots_done(before)
        return attrs.evolve(right, stage=rollout_state.Stage.MOVING, turn=0)

    def on(before: rollout_state.Rollout) -> rollout_state.Rollout:
        return rollout._advance(skipped(before))

    monkeypatch.setattr(rollout, "_snapshots_done", on)


@wrong()
def a_failed_rehearsal_counts_as_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever the build fails is moved to it."""

    def passed(rehearsals: tuple[gate.Rehearsal, ...], *_: object) -> gate.Verdict:
        return gate.Verdict(rehearsals[0].build, gate.Ruling.PASSED)

    monkeypatch.setattr(gate, "rule", passed)


@wrong()
def last_good_advances_when_nobody_was_moved(monkeypatch: pytest.MonkeyPatch) -> None:
    """A night of deferrals promotes a build that nobody has run."""
    end_moving = rollout._end_moving

    def promoted(before: rollout_state.Rollout) -> rollout_state.Rollout:
        if before.winding is None and not rollout._moved(before):
            promote = fx.Promote(before.plan.candidate, before.plan.all_people)
            return rollout_state.end(before, ev.Outcome.PROMOTED, "done", promote)
        return end_moving(before)

    monkeypatch.setattr(rollout, "_end_moving", promoted)


@wrong()
def a_build_is_promoted_without_a_bake(monkeypatch: pytest.MonkeyPatch) -> None:
    """What stops working after a minute is everybody's default."""
    end_moving = rollout._end_moving

    def promoted(before: rollout_state.Rollout) -> rollout_state.Rollout:
        right = end_moving(before)
        if right.stage is rollout_state.Stage.BAKING:
            promote = fx.Promote(before.plan.candidate, before.plan.all_people)
            return rollout_state.end(before, ev.Outcome.PROMOTED, "done", promote)
        return right

    monkeypatch.setattr(rollout, "_end_moving", promoted)


@wrong()
def a_bake_that_breaks_is_promoted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever can no longer sign in is left so."""
    baked = rollout._baked
    monkeypatch.setattr(rollout, "_baked", lambda before, _: baked(before, ev.Done()))


@wrong(Sort.OPEN, Sort.OPEN)
def the_next_is_moved_after_a_canary_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    """One failed canary changes things for the others."""
    monkeypatch.setattr(rollout, "_BAD", rollout._NEEDS)


@wrong(Sort.OPEN, Sort.OPEN)
def everybody_gets_the_new_build_with_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """As with one global binary: a mint of whoever was deferred migrates their set."""
    perform = interpreter.Interpreter._perform

    def globally(self: interpreter.Interpreter, effect: fx.Effect) -> ev.Answer:
        answer = perform(self, effect)
        if isinstance(effect, fx.Select):
            for person in ("ann", "bob"):
                self.ports.selection.select(person, effect.build)
        return answer

    monkeypatch.setattr(interpreter.Interpreter, "_perform", globally)


@wrong(Sort.IDLE, Sort.OUTSIDE)
def a_promotion_looks_after_the_planned_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever follows the default is put on a build that was never tried on their data."""

    def only(ports: Ports, people: Iterable[str], **_: bool) -> None:
        give_selections(ports, people)

    monkeypatch.setattr(interpreter, "give_selections", only)


@wrong()
def retention_takes_what_is_kept_of_a_failed_build(monkeypatch: pytest.MonkeyPatch) -> None:
    """The only copy of what a person wrote is thrown away to make room."""

    def all_of_it(stored: tuple[Stored, ...], *_: object) -> tuple[str, ...]:
        return tuple(snapshot.id for snapshot in stored)

    monkeypatch.setattr(interpreter, "prunable_snapshots", all_of_it)


@wrong(Sort.IDLE, asked=SceneCommand.BACK, faults=2)
def going_back_on_purpose_forgets_to_restore(monkeypatch: pytest.MonkeyPatch) -> None:
    """The older build gets the newer set."""
    _steps(monkeypatch, _without(Step.RESTORE_CHOSEN))


@wrong(Sort.HELD, Sort.IDLE, faults=0)
def nobody_looks_who_else_has_the_set_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever leaves a database open is stopped every night, for nothing."""
    monkeypatch.setattr(hostports.FakePersonalData, "holder", lambda *_: "")


@wrong(Sort.JOB, faults=0)
def only_turns_are_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """A build in t3's own terminal is killed as idle."""
    monkeypatch.setattr(IdleCheck, "_looks", lambda *_: None)


@wrong(Sort.AHEAD, Sort.IDLE, faults=0, refuse=True)
def one_persons_data_breaks_the_gate(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is moved, and the gate is blamed, for what one person did to their own data."""
    monkeypatch.setattr(gate, "faulty_sets", lambda *_: ())


@wrong()
def at_boot_serves_are_verified_before_they_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever was moved well is taken back, because no serve answers yet."""
    from fakes.explorer import turns  # noqa: PLC0415 - only this core patches the explorer

    monkeypatch.setattr(turns, "waits_for_boot", lambda _: False)


@wrong(Sort.STALE, Sort.IDLE, faults=0, second=True)
def an_old_copy_of_v2_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """V2 starts on what a trial left, and does not show what was done in V1 since."""
    monkeypatch.setattr(person, "left_copy", lambda *_: None)


@wrong(Sort.CANARY, faults=0, second=True)
def a_restore_leaves_the_database_of_v2(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was tried once is where the next try begins, and V1 does not know it."""
    right = hostports.FakePersonalData._restoring

    def partly(
        states: hostports.FakePersonalData, found: FakePerson, snap: Snap
    ) -> Iterator[CoreStep]:
        return (step for step in right(states, found, snap) if "removed state" not in step.name)

    monkeypatch.setattr(hostports.FakePersonalData, "_restoring", partly)

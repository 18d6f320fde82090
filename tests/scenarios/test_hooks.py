"""Whole nights with hooks that fail, and with people who go to work while a hook runs."""

from __future__ import annotations

from collections.abc import Callable

from attrs import define, field
from hypothesis import given
from hypothesis import strategies as st

from fakes.world import NEW, NEWER, Defect, World, small_world
from t3safe.domain.events import Outcome
from t3safe.domain.hook_events import HookEvent, Moment
from t3safe.domain.move import Status
from t3safe.domain.policy import SkipReason
from t3safe.usecases.check import check
from tests.scenarios.nights import (
    move_of,
    night,
    publish,
    running,
    selected,
    statuses,
    untouched,
)

PEOPLE = ("ann", "bob", "cat")
_FAILING = st.frozensets(st.tuples(st.sampled_from(Moment), st.sampled_from(("", *PEOPLE))))
_DEFECTS = st.sampled_from([(), (Defect.MUTE,), (Defect.DIES,), (Defect.FADES,)])


@define
class FailingHooks:
    """Hooks that fail at these moments for these people, or raise; `at_work` happens in each."""

    failing: frozenset[tuple[Moment, str]] = frozenset()
    broken: frozenset[Moment] = frozenset()
    at_work: Callable[[HookEvent], None] = lambda _: None
    called: list[tuple[Moment, str]] = field(factory=list)

    def call(self, hook_event: HookEvent) -> str:
        """As the port promises."""
        key = hook_event.moment, hook_event.person
        self.called.append(key)
        self.at_work(hook_event)
        if hook_event.moment in self.broken:
            raise RuntimeError("a defect")
        return "the hook failed" if key in self.failing else ""


def new_world(*defects: Defect) -> World:
    """Give a host of three people; with defects the candidate breaks pairing for bob alone."""
    world = small_world(*PEOPLE)
    if defects:
        publish(world, NEWER, 33, *defects, victims="bob")
    return world


@given(failing=_FAILING, defects=_DEFECTS)
def test_whatever_hooks_fail_every_promise_is_kept(
    failing: frozenset[tuple[Moment, str]], defects: tuple[Defect, ...]
) -> None:
    """Whom a hook keeps is untouched; all others end as they do without hooks."""
    calm = new_world(*defects)
    usual = night(calm)
    world = new_world(*defects)
    before, hooks = running(world), FailingHooks(failing)
    mark = len(world.log)

    world.owner_hooks = hooks
    result = night(world)

    if (Moment.BEFORE_RUN, "") in failing:
        assert result.stayed is SkipReason.LATER
        assert untouched(world, mark)
        assert hooks.called == [(Moment.BEFORE_RUN, ""), (Moment.AFTER_RUN, "")]
        return
    kept = {who for moment, who in failing if moment is Moment.BEFORE_CANARY}
    for who, status in statuses(result).items():
        if who in kept and (Moment.BEFORE_CANARY, who) in hooks.called:
            assert status is Status.DEFERRED
            assert running(world)[who] == before[who]
        elif not kept:
            assert status is statuses(usual)[who]
    if not kept:
        assert (result.outcome, selected(world)) == (usual.outcome, selected(calm))


@given(who=st.sampled_from(PEOPLE))
def test_whoever_goes_to_work_while_their_hook_runs_is_not_stopped(who: str) -> None:
    """The look comes after the hook, however long that took."""
    world = new_world()

    def begins(hook_event: HookEvent) -> None:
        if (hook_event.moment, hook_event.person) == (Moment.BEFORE_CANARY, who):
            world.work(who)

    before = running(world)
    world.owner_hooks = FailingHooks(at_work=begins)
    result = night(world)

    assert statuses(result)[who] is Status.DEFERRED
    assert running(world)[who] == before[who]
    assert {selected(world)[other] for other in PEOPLE if other != who} == {NEW}


def test_whom_a_hook_keeps_is_told_why() -> None:
    """Rule 2: the next person is moved."""
    world = new_world()
    world.owner_hooks = FailingHooks(frozenset({(Moment.BEFORE_CANARY, "ann")}))
    result = night(world)
    assert move_of(result, "ann").reason == "the hook failed"
    assert statuses(result)["bob"] is Status.MOVED


def test_a_defect_in_the_hooks_is_a_hook_that_failed() -> None:
    """An observer must not fail: somebody may be without a serve."""
    said = "defect in the hooks of {}: RuntimeError: a defect"
    world = new_world()
    world.owner_hooks = FailingHooks(broken=frozenset(Moment))
    assert night(world).reason == said.format("before-run")
    world.owner_hooks = FailingHooks(broken=frozenset({Moment.BEFORE_CANARY}))
    result = night(world)
    assert statuses(result) == dict.fromkeys(PEOPLE, Status.DEFERRED)
    assert move_of(result, "ann").reason == said.format("before-canary")
    world, calm = new_world(Defect.MUTE), new_world(Defect.MUTE)
    world.owner_hooks = FailingHooks(broken=frozenset({Moment.BEFORE_ROLLBACK}))
    assert statuses(night(world)) == statuses(night(calm))


def test_a_check_asks_no_hook() -> None:
    """It touches nobody."""
    world = new_world()
    world.owner_hooks = hooks = FailingHooks(frozenset({(Moment.BEFORE_RUN, "")}))
    assert night(world, lambda wired: check(wired, NEW)).outcome is Outcome.PASSED
    assert hooks.called == []

"""Laws of hook events: what was begun is ended, and nobody is stopped on an old answer."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from t3safe.domain import effects as fx
from t3safe.domain import events as ev
from t3safe.domain.hook_events import HookEvent, Moment, hook_events, one_line
from t3safe.domain.rollout import opened
from tests.property.traces import DrawnRollout, traces

_ENDS = {
    Moment.AFTER_CANARY: Moment.BEFORE_CANARY,
    Moment.AFTER_ROLLBACK: Moment.BEFORE_ROLLBACK,
}


def called(trace: DrawnRollout) -> list[tuple[ev.Event, HookEvent]]:
    """Every hook event of a whole rollout, with its event."""
    first = trace.journal[0]
    assert isinstance(first, ev.Opened)
    states = [opened(first.plan), *trace.states]
    steps = zip(pairwise(states), trace.journal[1:], strict=True)
    return [
        (event, hook_event)
        for (before, after), event in steps
        for hook_event in hook_events(before, event, after)
    ]


@given(trace=traces())
def test_what_was_begun_is_ended_and_nothing_else_is(trace: DrawnRollout) -> None:
    """Rules 2 and 3: befores and afters of a person alternate, whatever happens in between."""
    begun: set[tuple[Moment, str]] = set()
    told_of: set[str] = set()
    for _, one in called(trace):
        key = _ENDS.get(one.moment, one.moment), one.person
        if one.moment in _ENDS:
            again = one.moment is Moment.AFTER_CANARY and one.person in told_of
            assert key in begun or again
            begun.discard(key)
            told_of |= {one.person} if one.moment is Moment.AFTER_CANARY else set()
            assert one.outcome
        elif one.moment in _ENDS.values():
            assert key not in begun
            begun.add(key)
    assert begun == set()


@given(trace=traces())
def test_a_run_ends_with_its_own_hooks_and_others_have_none(trace: DrawnRollout) -> None:
    """Rules 3 and 4: after the journal was closed, once, with the end that it tells."""
    ends = [(event, one) for event, one in called(trace) if one.moment is Moment.AFTER_RUN]
    kind = trace.rollout.plan.kind
    if kind in {ev.Kind.CHECK, ev.Kind.BACK}:
        assert ends == []
        return
    ((event, one),) = ends
    assert isinstance(event, ev.Closed)
    assert (one.outcome, one.reason) == (trace.ended.outcome.value, trace.ended.reason)


@given(trace=traces())
def test_nobody_is_fenced_without_a_look_after_their_hooks(trace: DrawnRollout) -> None:
    """Rule 1: between the last hook for a person and the first fence lies a look that was tried."""
    hooked: set[str] = set()
    looked: set[str] = set()
    begins = [
        (event, one.person)
        for event, one in called(trace)
        if one.moment in {Moment.BEFORE_CANARY, Moment.BEFORE_ROLLBACK}
    ]
    for event in trace.journal:
        hooked |= {person for begun, person in begins if begun is event}
        match event:
            case ev.Started(effect=fx.Assess(person)) if person in hooked:
                looked.add(person)
            case ev.Started(effect=fx.Fence(person)):
                assert person in hooked
                assert person in looked or trace.rollout.plan.force
            case _:
                continue


@given(text=st.text())
def test_what_a_hook_is_told_is_one_printable_line(text: str) -> None:
    """A reason comes from outside and may hold anything."""
    told = HookEvent(Moment.AFTER_RUN, "r1", reason=text).environment()["T3SAFE_REASON"]
    assert told.isprintable()
    assert len(told) <= 1000
    assert one_line(one_line(text)) == one_line(text)

"""Laws of what is said: alert words stand where they are meant, whatever reasons hold."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from t3safe.domain import effects as fx
from t3safe.domain import events as ev
from t3safe.domain import log
from t3safe.domain.messages import ALERT_WORDS, LogLevel, LogLine, calm, frozen_line
from t3safe.domain.move import Goal, Status
from t3safe.domain.rollout import opened
from t3safe.domain.rollout_state import Rollout
from tests.property.traces import DrawnRollout, traces

_PIECES = st.one_of(
    st.text(max_size=4),
    st.sampled_from(ALERT_WORDS),
    st.sampled_from(["rolling", "rolled", "back", "ROLLBACK", "FAILED", "FRO", "ZEN", " ", "-"]),
)
_TEXTS = st.lists(_PIECES, max_size=8).map("".join)


def told(trace: DrawnRollout) -> list[tuple[Rollout | None, ev.Event, Rollout, LogLine]]:
    """Every line of a whole rollout, with what it is said of."""
    first = trace.journal[0]
    assert isinstance(first, ev.Opened)
    after = opened(first.plan)
    said = [(None, first, after, line) for line in log.lines(None, first, after)]
    found: list[tuple[Rollout | None, ev.Event, Rollout, LogLine]] = [*said]
    for event, state in zip(trace.journal[1:], trace.states, strict=True):
        before, after = after, state
        found += [(before, event, after, line) for line in log.lines(before, event, after)]
    return found


def words_in(text: str) -> list[str]:
    """The alert words that a text holds."""
    return [word for word in ALERT_WORDS if word in text]


@given(text=_TEXTS, level=st.sampled_from(LogLevel))
def test_no_text_from_outside_holds_an_alert_word_when_it_is_said(
    text: str, level: LogLevel
) -> None:
    """Rule 1: the words stand in the messages for just that, and in no other."""
    assert words_in(calm(text)) == []
    assert calm(calm(text)) == calm(text)
    assert words_in(str(LogLine(level, text))) == []


@given(text=_TEXTS, alert=st.sampled_from(ALERT_WORDS))
def test_an_alert_line_holds_its_own_word_alone(text: str, alert: str) -> None:
    """Rule 1: one line raises one alert, the one with which it begins."""
    said = str(LogLine(LogLevel.ALERT, text, alert=alert))
    assert said.startswith(f"{alert} ")
    assert words_in(said.removeprefix(alert)) == []
    assert words_in(str(frozen_line(text, text)).removeprefix("FROZEN")) == []


@given(trace=traces())
def test_no_line_without_an_alert_holds_an_alert_word(trace: DrawnRollout) -> None:
    """Rule 1, over whole rollouts whose reasons hold every such word."""
    for _, _, _, line in told(trace):
        assert words_in(str(line).removeprefix(line.alert)) == []
        assert not line.alert or str(line).startswith(f"{line.alert} ")
        assert not line.alert or line.level is LogLevel.ALERT


@given(trace=traces())
def test_each_alert_word_is_said_when_it_is_meant_and_only_then(trace: DrawnRollout) -> None:
    """Rule 1: of whoever is turned back, is back, or could not be brought back; of a freeze."""
    said = [(before, event, line.alert) for before, event, _, line in told(trace)]
    for before, event, alert in said:
        if alert == "FROZEN":
            assert isinstance(event, ev.Finished)
            assert event.answer == ev.Done()
            assert before is not None
            assert isinstance(before.pending, fx.Freeze)
    words = [alert for *_, alert in said]
    turned = {(Goal.BACK, "rolling back")}
    for goal, word in turned:
        assert words.count(word) == _turns(trace, goal)
    ended = [move.status for move in trace.rollout.moves]
    assert words.count("rolled back") == ended.count(Status.ROLLED_BACK)
    unseen = _left_unseen(trace)
    failed = _turns(trace, Goal.LAST_RESORT) + ended.count(Status.NEEDS_HUMAN) - unseen
    assert words.count("ROLLBACK FAILED") == failed
    frozen = [answer for _, _, answer in trace.answered(fx.Freeze) if answer == ev.Done()]
    assert words.count("FROZEN") == len(frozen)


def _left_unseen(trace: DrawnRollout) -> int:
    """How many were moved well, and nobody can tell how they are now: nothing was taken back."""
    return sum(
        old.status is Status.MOVED and new.status is Status.NEEDS_HUMAN
        for before, after in pairwise(trace.states)
        for old, new in zip(before.moves, after.moves, strict=True)
    )


def _turns(trace: DrawnRollout, goal: Goal) -> int:
    """How often somebody's way came to lead there."""
    first = trace.journal[0]
    assert isinstance(first, ev.Opened)
    states = [opened(first.plan), *trace.states]
    return sum(
        old.goal is not goal and new.goal is goal
        for before, after in pairwise(states)
        for old, new in zip(before.moves, after.moves, strict=True)
    )

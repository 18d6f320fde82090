"""Laws of notices: each cause is told once, whatever nights come."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from t3safe.domain.notices import Cause, Key, Notice, NoticesFound, due, essence, plain, remembered

_CAUSES = st.sampled_from(list(Cause))
_NOTICES = st.builds(
    Notice, _CAUSES, st.just("text"), st.sampled_from(["", "ann"]), st.sampled_from(["", "m"])
)
COMMAND = "t3safe run"
"""What a notice of a command's own end is about: that command alone clears it."""
_NIGHTS = st.builds(
    NoticesFound,
    st.lists(_NOTICES, max_size=4).map(tuple),
    st.frozensets(_CAUSES, max_size=3),
    st.sampled_from(["run", "drain"]),
)
_MEMORIES = st.frozensets(
    st.builds(Key, _CAUSES, st.sampled_from(["", "ann", COMMAND]), st.sampled_from(["", "m"])),
    max_size=6,
)


@given(told=_MEMORIES, now=_NIGHTS)
def test_what_holds_is_told_just_where_it_was_not(told: frozenset[Key], now: NoticesFound) -> None:
    """Rule 1: a cause that holds is told when it was not told before, and only then."""
    fresh = due(told, now)
    assert {notice.key for notice in fresh} == {notice.key for notice in now.notices} - told


@given(told=_MEMORIES, now=_NIGHTS)
def test_once_it_went_out_the_same_night_tells_nothing_more(
    told: frozenset[Key], now: NoticesFound
) -> None:
    """Rule 2: what was told is told again only when it changed, or has gone and come back."""
    memory = remembered(told, now, sent=True)
    assert due(memory, now) == ()
    assert remembered(memory, now, sent=True) == memory


@given(told=_MEMORIES, now=_NIGHTS, sent=st.booleans())
def test_what_is_gone_is_forgotten_and_what_nobody_saw_is_kept(
    told: frozenset[Key], now: NoticesFound, *, sent: bool
) -> None:
    """Rules 2 and 3: what can be looked at and does not hold is news when it comes back."""
    holding = {notice.key for notice in now.notices}
    for key in told - holding:
        broke_off = key.cause is Cause.NEEDS_HUMAN and bool(key.about)
        unlooked = broke_off or key.cause in now.unseen
        if key.about == COMMAND:
            unlooked = now.command != "run"
        assert (key in remembered(told, now, sent=sent)) == unlooked


@given(told=_MEMORIES, now=_NIGHTS)
def test_what_could_not_be_sent_was_not_told(told: frozenset[Key], now: NoticesFound) -> None:
    """Rule 4: nothing is remembered that was not told; what is due stays due."""
    memory = remembered(told, now, sent=False)
    assert memory <= told
    assert due(memory, now) == due(told, now)


@given(text=st.text(), one=st.integers(0), two=st.integers(0))
def test_a_figure_measured_anew_is_the_same_cause(text: str, one: int, two: int) -> None:
    """Rule 5: texts that differ in figures alone are one cause."""
    assert essence(f"{text} {one} s") == essence(f"{text} {two} s")


@given(text=st.text())
def test_a_notice_is_one_short_printable_line(text: str) -> None:
    """Rule 6."""
    line = plain(text)
    assert line.isprintable()
    assert len(line) <= 400

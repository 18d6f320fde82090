from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from t3safe.domain.rollback import Arrival, retreat
from t3safe.domain.versions import Version

_BUILDS = st.sampled_from([Version.parse(f"0.0.2{minor}") for minor in range(4, 8)])
_PEOPLE = ("ann", "ben", "cid")
_PRESENT = st.tuples(_BUILDS, _BUILDS, _BUILDS).map(
    lambda builds: tuple(zip(_PEOPLE, builds, strict=True))
)
_ARRIVALS = st.lists(
    st.builds(Arrival, st.sampled_from(_PEOPLE), _BUILDS, _BUILDS, st.booleans()), max_size=8
)
_NAMED = st.none() | _BUILDS


@given(present=_PRESENT, build=_NAMED, arrivals=_ARRIVALS)
def test_everybody_is_told_once_and_nobody_goes_forward(
    present: tuple[tuple[str, Version], ...], build: Version | None, arrivals: list[Arrival]
) -> None:
    """Rule 4: back is always to an older build, and nobody is left out or named twice."""
    found = retreat(present, build, arrivals)
    told = [person for person, _ in (*found.back, *found.staying, *found.stuck)]
    assert sorted(told) == sorted(_PEOPLE)
    assert all(target < dict(present)[person] for person, target in found.back)


@given(present=_PRESENT, build=_NAMED, arrivals=_ARRIVALS)
def test_a_second_time_moves_nobody(
    present: tuple[tuple[str, Version], ...], build: Version | None, arrivals: list[Arrival]
) -> None:
    """Rule 4: whoever does it again moves nobody further back, and nobody forward."""
    first = retreat(present, build, arrivals)
    back = dict(first.back)
    after = tuple((person, back.get(person, runs)) for person, runs in present)
    went = [
        Arrival(person, runs, back[person], by_run=False)
        for person, runs in present
        if person in back
    ]
    assert retreat(after, build, [*reversed(went), *arrivals]).back == ()

from __future__ import annotations

from datetime import time, timedelta

from hypothesis import given
from hypothesis import strategies as st

from t3safe.domain.policy import (
    Offer,
    Policy,
    Proceed,
    Release,
    Skip,
    SkipReason,
    Standing,
    Track,
    Window,
    choose,
)
from t3safe.domain.versions import Version
from tests.strategies import MOMENT, nightlies, releases_offered, versions

_VERSIONS = st.one_of(nightlies, versions)

_POLICIES = st.builds(
    Policy,
    track=st.sampled_from(Track),
    pin=st.none() | _VERSIONS,
    age_min=st.sampled_from([timedelta(0), timedelta(hours=1)]),
    held=st.frozensets(_VERSIONS, max_size=2),
)

_STANDINGS = st.builds(
    Standing,
    builds=st.dictionaries(st.sampled_from(["alice", "bob", "carol"]), _VERSIONS).map(
        lambda found: tuple(found.items())
    ),
    last_good=st.none(),
    refused=st.lists(st.tuples(_VERSIONS, st.just("soak")), max_size=2).map(tuple),
)

_OFFERS = st.builds(Offer, _VERSIONS, st.lists(releases_offered, max_size=5).map(tuple))


@given(policy=_POLICIES, standing=_STANDINGS, offer=_OFFERS)
def test_nobody_is_ever_moved_down_or_onto_a_refused_build(
    policy: Policy, standing: Standing, offer: Offer
) -> None:
    """Rules 5 and 6: nobody is moved to an older version; a refused one is not tried again."""
    answer = choose(policy, standing, offer, MOMENT)
    if not isinstance(answer, Proceed):
        return
    builds = dict(standing.builds)
    assert answer.people
    assert all(builds[person] < answer.candidate for person in answer.people)
    assert answer.candidate not in dict(standing.refused)


@given(policy=_POLICIES, standing=_STANDINGS, offer=_OFFERS)
def test_without_a_pin_everything_stays_within_the_channel(
    policy: Policy, standing: Standing, offer: Offer
) -> None:
    """Rules 3 and 4: at or below the tag, of the track's channel, old enough and not held."""
    answer = choose(policy, standing, offer, MOMENT)
    if policy.pin is not None or not isinstance(answer, Proceed):
        return
    channel, builds = policy.track.channel, dict(standing.builds)
    assert answer.candidate.channel is channel
    assert all(builds[person].channel is channel for person in answer.people)
    assert answer.candidate <= offer.tag
    assert answer.candidate not in policy.held
    if policy.age_min:
        ages = [
            MOMENT - release.published
            for release in offer.releases
            if release.version == answer.candidate and release.published is not None
        ]
        assert max(ages) >= policy.age_min


@given(policy=_POLICIES, standing=_STANDINGS, offer=_OFFERS)
def test_every_person_is_accounted_for(policy: Policy, standing: Standing, offer: Offer) -> None:
    """Whoever is neither moved nor told to stay is on the candidate already."""
    answer = choose(policy, standing, offer, MOMENT)
    if not isinstance(answer, Proceed):
        return
    told = dict(answer.stay)
    assert not set(told) & set(answer.people)
    for person, build in standing.builds:
        assert (build == answer.candidate) == (person not in told and person not in answer.people)
    order = [person for person, _ in standing.builds]
    assert list(answer.people) == sorted(answer.people, key=order.index)


@given(policy=_POLICIES, standing=_STANDINGS, offer=_OFFERS)
def test_a_refusal_speaks_of_the_tag_the_pin_or_a_verdict(
    policy: Policy, standing: Standing, offer: Offer
) -> None:
    """Rule 5: where only the minimum age or a hold keeps the candidate behind, or somebody runs
    it already, there is nothing to do and nothing to alert anybody about.
    """
    answer = choose(policy, standing, offer, MOMENT)
    if not isinstance(answer, Skip) or answer.why is not SkipReason.REFUSED:
        return
    target = policy.pin or offer.tag
    builds = [build for _, build in standing.builds]
    if policy.pin is None and target.channel is not policy.track.channel:
        return
    refused = dict(standing.refused)
    by_verdict = any(answer.reason.startswith(f"{build} was refused: ") for build in refused)
    if not by_verdict:
        assert builds
        assert target not in builds
        assert all(
            target < build or (policy.pin is None and build.channel is not target.channel)
            for build in builds
        )


@given(ages=st.lists(st.integers(0, 48), min_size=1, max_size=6), limit=st.integers(1, 48))
def test_the_newest_that_is_old_enough_wins(ages: list[int], limit: int) -> None:
    """Rule 3: the candidate is the newest release at or below the tag that is old enough."""
    offered = tuple(
        Release(Version.parse(f"0.0.28-nightly.20260615.{number}"), MOMENT - timedelta(hours=age))
        for number, age in enumerate(ages, start=2)
    )
    standing = Standing((("alice", Version.parse("0.0.28-nightly.20260615.1")),), None)
    policy = Policy(age_min=timedelta(hours=limit))
    answer = choose(policy, standing, Offer(offered[-1].version, offered), MOMENT)
    ripe = [release.version for release, age in zip(offered, ages, strict=True) if age >= limit]
    if ripe:
        assert answer == Proceed(ripe[-1], ("alice",))
    else:
        assert not isinstance(answer, Proceed)


@given(opens=st.times(), closes=st.times(), now=st.times())
def test_a_window_and_its_complement_share_the_day(opens: time, closes: time, now: time) -> None:
    """Every moment lies in exactly one of a window and the window from its end to its start."""
    if opens != closes:
        assert Window(opens, closes).admits(now) != Window(closes, opens).admits(now)

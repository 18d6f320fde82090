from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import pytest

from t3safe.domain.policy import (
    Go,
    No,
    Offer,
    Policy,
    Release,
    Standing,
    Stay,
    Track,
    Window,
    choose,
    closed,
)
from t3safe.domain.versions import Channel, Version

NOW = datetime(2026, 6, 16, 4, 0, tzinfo=UTC)
DAY = timedelta(days=1)

V497 = Version.parse("0.0.25-nightly.20260608.497")
V567 = Version.parse("0.0.28-nightly.20260615.567")
V571 = Version.parse("0.0.28-nightly.20260616.571")
STABLE25 = Version.parse("0.0.25")
STABLE27 = Version.parse("0.0.27")
STABLE28 = Version.parse("0.0.28")


def standing(**builds: Version) -> Standing:
    """Give a host on which these people run these builds."""
    return Standing(tuple(builds.items()), last_good=None)


def told(answer: Go | Stay) -> tuple[No, str]:
    """Unpack an answer that must be a Stay."""
    assert isinstance(answer, Stay)
    return answer.why, answer.reason


# Rules 1 and 2: frozen, window.


def test_an_open_host_is_open() -> None:
    """Neither frozen nor in a window: the question goes on."""
    assert closed(Policy(), standing(alice=V497), NOW) is None


def test_a_frozen_host_stays_and_says_why() -> None:
    """The reason of the freeze is repeated on every run."""
    frozen = Standing((("alice", V497),), None, frozen="0.0.26 failed in production")
    assert closed(Policy(), frozen, NOW) == Stay(No.FROZEN, "0.0.26 failed in production")


def test_frozen_is_said_also_outside_the_window() -> None:
    """The freeze is the louder of the two."""
    policy = Policy(window=Window(time(5), time(6)))
    answer = closed(policy, Standing((), None, frozen="look first"), NOW)
    assert answer == Stay(No.FROZEN, "look first")


def test_outside_the_window_nothing_moves() -> None:
    """The reason names the window."""
    policy = Policy(window=Window(time(5, 30), time(6)))
    assert closed(policy, standing(alice=V497), NOW) == Stay(
        No.NOTHING, "outside the maintenance window 05:30 to 06:00"
    )


def test_inside_the_window_the_way_is_open() -> None:
    """The time that counts is the one that is given."""
    policy = Policy(window=Window(time(3), time(5)))
    assert closed(policy, standing(alice=V497), NOW) is None


@pytest.mark.parametrize(
    ("opens", "closes", "inside", "outside"),
    [
        (time(3), time(5), [time(3), time(4, 59, 59)], [time(2, 59), time(5), time(0), time(23)]),
        (time(22), time(4), [time(22), time(0), time(3, 59)], [time(4), time(12), time(21, 59)]),
        (time(0), time(4), [time(0), time(3, 59)], [time(4), time(23, 59)]),
        (time(22), time(0), [time(22), time(23, 59)], [time(0), time(21, 59)]),
        (time(5), time(5), [], [time(0), time(4, 59), time(5), time(5, 1)]),
    ],
)
def test_a_window_admits_from_its_opening_to_before_its_closing(
    opens: time, closes: time, inside: list[time], outside: list[time]
) -> None:
    """Also where it spans midnight; one that closes as it opens never is."""
    window = Window(opens, closes)
    assert all(window.admits(now) for now in inside)
    assert not any(window.admits(now) for now in outside)


# Rule 3: what the candidate is.


def test_the_tag_is_the_candidate_and_everybody_behind_is_moved() -> None:
    """Without limits the registry's word is enough; the order of the people is kept."""
    answer = choose(Policy(), standing(bob=V497, alice=V567, carol=V571), Offer(V571), NOW)
    assert answer == Go(V571, ("bob", "alice"))


def test_nothing_to_do_when_everybody_is_there() -> None:
    """The reason names track and build."""
    answer = choose(Policy(), standing(alice=V571, bob=V571), Offer(V571), NOW)
    assert told(answer) == (No.NOTHING, f"already on nightly={V571}; nothing to do")


def test_a_host_of_nobody_has_nothing_to_do() -> None:
    """An empty user map moves nobody."""
    assert told(choose(Policy(), standing(), Offer(V571), NOW))[0] is No.NOTHING


def test_a_pin_is_the_candidate_and_the_registry_is_not_asked() -> None:
    """A pin needs no offer, and one that is there changes nothing."""
    policy = Policy(pin=V567)
    for offer in (None, Offer(V571)):
        assert choose(policy, standing(alice=V497), offer, NOW) == Go(V567, ("alice",))


def test_a_pin_that_is_reached_says_so() -> None:
    """The reason names the pin, not the track."""
    answer = choose(Policy(pin=V567), standing(alice=V567), None, NOW)
    assert told(answer) == (No.NOTHING, f"already on pin {V567}; nothing to do")


def test_a_pin_outranks_age_and_hold() -> None:
    """A person named this build; what is for choosing alone does not apply."""
    policy = Policy(pin=V571, age_min=30 * DAY, held=frozenset({V571}))
    assert choose(policy, standing(alice=V497), None, NOW) == Go(V571, ("alice",))


def test_the_newest_release_that_is_old_enough_is_chosen() -> None:
    """With a minimum age the tag is only the ceiling."""
    offer = Offer(
        V571,
        (Release(V497, NOW - 8 * DAY), Release(V567, NOW - DAY), Release(V571, NOW - DAY / 2)),
    )
    answer = choose(Policy(age_min=DAY), standing(alice=V497), offer, NOW)
    assert answer == Go(V567, ("alice",))


def test_a_release_is_old_enough_at_its_very_age() -> None:
    """One second younger is too young."""
    one = timedelta(seconds=1)
    for published, expected in ((NOW - DAY, V571), (NOW - DAY + one, V567)):
        offer = Offer(V571, (Release(V567, NOW - 2 * DAY), Release(V571, published)))
        answer = choose(Policy(age_min=DAY), standing(alice=V497), offer, NOW)
        assert answer == Go(expected, ("alice",))


def test_a_release_of_unknown_age_is_too_young() -> None:
    """Where the registry tells no time, nothing proves the age."""
    answer = choose(Policy(age_min=DAY), standing(alice=V497), Offer(V571, (Release(V571),)), NOW)
    assert told(answer) == (
        No.NOTHING,
        f"no nightly build up to {V571} is old enough and not held",
    )


def test_a_held_tag_gives_way_to_the_newest_that_is_not_held() -> None:
    """Ages do not matter where no minimum is set."""
    offer = Offer(V571, (Release(V497), Release(V567), Release(V571)))
    policy = Policy(held=frozenset({V571}))
    assert choose(policy, standing(alice=V497), offer, NOW) == Go(V567, ("alice",))


def test_a_hold_on_another_build_changes_nothing() -> None:
    """The tag is taken although an older one is held."""
    policy = Policy(held=frozenset({V567}))
    assert choose(policy, standing(alice=V497), Offer(V571), NOW) == Go(V571, ("alice",))


def test_a_held_build_is_never_chosen_for_its_age() -> None:
    """Age and hold both count."""
    offer = Offer(V571, (Release(V567, NOW - 2 * DAY), Release(V571, NOW - 2 * DAY)))
    policy = Policy(age_min=DAY, held=frozenset({V571}))
    assert choose(policy, standing(alice=V497), offer, NOW) == Go(V567, ("alice",))


def test_the_tag_is_the_ceiling() -> None:
    """A release above the tag was withdrawn or is not meant for this track."""
    offer = Offer(V567, (Release(V567, NOW - DAY), Release(V571, NOW - DAY)))
    answer = choose(Policy(age_min=DAY), standing(alice=V497), offer, NOW)
    assert answer == Go(V567, ("alice",))


def test_releases_of_other_channels_are_not_chosen() -> None:
    """A stable release between two nightlies is no nightly."""
    offer = Offer(V571, (Release(STABLE27, NOW - 2 * DAY), Release(V497, NOW - 3 * DAY)))
    old = Version.parse("0.0.25-nightly.20260602.440")
    answer = choose(Policy(age_min=DAY), standing(alice=old), offer, NOW)
    assert answer == Go(V497, ("alice",))


# Rules 4 and 5: channels, no way down.


@pytest.mark.parametrize(
    ("track", "tag"),
    [
        (Track.NIGHTLY, STABLE28),
        (Track.NIGHTLY, Version.parse("0.0.28-alpha.1")),
        (Track.NIGHTLY, Version.parse("0.0.28-nightly.20260230.1")),
        (Track.LATEST, V571),
    ],
)
def test_a_tag_that_points_out_of_its_channel_is_refused(track: Track, tag: Version) -> None:
    """A nightly must be a nightly, whatever the tag says; nobody is even looked at."""
    answer = choose(Policy(track=track), standing(alice=V497), Offer(tag), NOW)
    reason = f"the tag {track} points at {tag}, which is not a {track} build"
    assert told(answer) == (No.REFUSED, reason)


def test_the_track_latest_takes_stable_releases() -> None:
    """The channel of the track `latest` is that of plain versions."""
    policy = Policy(track=Track.LATEST)
    assert choose(policy, standing(alice=STABLE25), Offer(STABLE28), NOW) == Go(
        STABLE28, ("alice",)
    )
    assert Track.LATEST.channel is Channel.LATEST
    assert Track.NIGHTLY.channel is Channel.NIGHTLY


def test_a_tag_that_was_moved_back_is_refused() -> None:
    """The reason names both builds and the command that would do it on purpose."""
    answer = choose(Policy(), standing(alice=V571), Offer(V567), NOW)
    reason = (
        f"nobody can be moved to {V567} (alice: {V567} is NOT newer than {V571}: no downgrade; "
        f"`t3safe rollback alice --to {V567}` goes back on purpose)"
    )
    assert told(answer) == (No.REFUSED, reason)


@pytest.mark.parametrize("ahead", [V571, STABLE27])
def test_where_somebody_is_there_already_the_others_who_stay_are_no_news(ahead: Version) -> None:
    """The build was taken, so it is as it should be for all we know."""
    answer = choose(Policy(), standing(alice=V567, bob=ahead), Offer(V567), NOW)
    reason = f"nobody who may be moved runs anything older than {V567}"
    assert told(answer) == (No.NOTHING, reason)


def test_a_pin_that_somebody_has_reached_is_no_news() -> None:
    """Those above it stay where they are, night after night, and that is no refusal."""
    answer = choose(Policy(pin=V497), standing(alice=V497, bob=V571), None, NOW)
    back = f"`t3safe rollback --all --to {V497}` takes back who is on a newer one"
    reason = f"nobody who may be moved runs anything older than {V497}; {back}"
    assert told(answer) == (No.NOTHING, reason)


@pytest.mark.parametrize("policy", [Policy(age_min=DAY), Policy(held=frozenset({V571}))])
def test_a_candidate_that_only_age_or_hold_keeps_behind_is_no_news(policy: Policy) -> None:
    """The tag is not behind anybody; the host waits for it to become old enough, or let go."""
    offer = Offer(V571, (Release(V497, NOW - 2 * DAY), Release(V571, NOW)))
    reason = f"nobody who may be moved runs anything older than {V497}"
    assert told(choose(policy, standing(alice=V567), offer, NOW)) == (No.NOTHING, reason)


@pytest.mark.parametrize("policy", [Policy(age_min=DAY), Policy(held=frozenset({V571}))])
def test_a_tag_that_was_moved_back_is_refused_also_where_it_is_old_enough(policy: Policy) -> None:
    """Neither age nor hold had a say in it."""
    offer = Offer(V567, (Release(V567, NOW - 2 * DAY),))
    assert told(choose(policy, standing(alice=V571), offer, NOW))[0] is No.REFUSED


def test_a_tag_across_channels_is_refused_where_nobody_is_there() -> None:
    """Nothing waits for its time here: a person decides."""
    why, reason = told(choose(Policy(), standing(alice=STABLE27), Offer(V571), NOW))
    assert why is No.REFUSED
    assert f"`t3safe pin {V571}` moves across channels" in reason


def test_whoever_is_ahead_stays_and_the_others_are_moved() -> None:
    """A guard speaks for one person; the rest of the host goes on."""
    answer = choose(Policy(), standing(alice=V571, bob=V497), Offer(V567), NOW)
    assert isinstance(answer, Go)
    assert answer.people == ("bob",)
    assert [person for person, _ in answer.stay] == ["alice"]
    assert f"`t3safe rollback alice --to {V567}`" in answer.stay[0][1]


def test_the_host_is_not_led_below_what_was_promoted() -> None:
    """A tag that was moved back moves nobody, also not whoever is still further behind (rule 5)."""
    host = Standing((("alice", V571), ("bob", V497)), last_good=V571)

    why, reason = told(choose(Policy(), host, Offer(V567), NOW))

    assert why is No.REFUSED
    assert reason == (
        f"{V567} is NOT newer than {V571}, which was promoted: no downgrade; "
        f"`t3safe pin {V567}` goes there on purpose"
    )
    pinned = choose(Policy(pin=V567), host, None, NOW)
    assert isinstance(pinned, Go)
    assert (pinned.candidate, pinned.people) == (V567, ("bob",))


def test_a_candidate_below_what_was_promoted_for_its_age_is_no_news() -> None:
    """The newest release that is old enough is an older one: nothing to do yet (rule 5)."""
    host = Standing((("alice", V571), ("bob", V497)), last_good=V571)
    offer = Offer(V571, (Release(V567, NOW - 2 * DAY), Release(V571, NOW)))

    assert told(choose(Policy(age_min=DAY), host, offer, NOW))[0] is No.NOTHING


def test_what_was_promoted_is_taken_by_whoever_is_behind() -> None:
    """The newest build is last-good already: the others may follow (rule 5)."""
    host = Standing((("alice", V571), ("bob", V497)), last_good=V571)

    assert choose(Policy(), host, Offer(V571), NOW) == Go(V571, ("bob",))


def test_a_pin_below_a_person_is_refused_with_the_command_that_would_do_it() -> None:
    """A pin is no order to lose data."""
    why, reason = told(choose(Policy(pin=V497), standing(alice=V571), None, NOW))
    assert why is No.REFUSED
    assert f"`t3safe rollback alice --to {V497}` goes back on purpose" in reason


def test_a_person_on_another_channel_stays_there() -> None:
    """The reason names the command that expresses the wish."""
    answer = choose(Policy(), standing(alice=STABLE27, bob=V497), Offer(V571), NOW)
    reason = (
        f"{STABLE27} is not a nightly build: no move across channels; "
        f"`t3safe pin {V571}` moves across channels"
    )
    assert answer == Go(V571, ("bob",), (("alice", reason),))


def test_a_pin_moves_across_channels() -> None:
    """A pin is how a person says so."""
    assert choose(Policy(pin=V571), standing(alice=STABLE27), None, NOW) == Go(V571, ("alice",))


# Rule 6: refused builds.


def test_a_refused_build_is_not_tried_again() -> None:
    """The reason repeats why, and names the command that lets it be tried."""
    host = Standing((("alice", V497),), None, refused=((V567, "other"), (V571, "migrated: lost")))
    assert told(choose(Policy(), host, Offer(V571), NOW)) == (
        No.REFUSED,
        f"{V571} was refused: migrated: lost; `t3safe allow {V571}` lets it be tried again",
    )


def test_no_older_build_is_tried_in_place_of_a_refused_one() -> None:
    """A person should look first."""
    host = Standing((("alice", V497),), None, refused=((V571, "soak"),))
    offer = Offer(V571, (Release(V567, NOW - DAY), Release(V571, NOW - DAY)))
    assert told(choose(Policy(age_min=DAY), host, offer, NOW))[0] is No.REFUSED


def test_a_pin_does_not_override_a_refusal() -> None:
    """Pinning is not allowing."""
    host = Standing((("alice", V497),), None, refused=((V571, "soak"),))
    assert told(choose(Policy(pin=V571), host, None, NOW))[0] is No.REFUSED


def test_a_refused_build_that_everybody_runs_is_nothing_to_do() -> None:
    """Where nobody would be moved, the refusal is no news."""
    host = Standing((("alice", V571),), None, refused=((V571, "soak"),))
    assert told(choose(Policy(), host, Offer(V571), NOW))[0] is No.NOTHING


def test_answers_are_named_as_they_are_shown() -> None:
    """The names are what `--json` prints."""
    assert [why.value for why in No] == ["frozen", "nothing", "refused", "later"]
    assert [track.value for track in Track] == ["nightly", "latest"]


# Real incidents that a policy decides.


def test_incident_nightly_behind_stable() -> None:
    """2026-04-20: the nightly tag pointed at 0.0.18-nightly.20260416.46 on hosts that ran a newer
    stable release.  Refuse: a move across channels is a person's decision.
    """
    nightly = Version.parse("0.0.18-nightly.20260416.46")
    for stable in ("0.0.18", "0.0.19", "0.0.17"):
        answer = choose(Policy(), standing(alice=Version.parse(stable)), Offer(nightly), NOW)
        assert told(answer)[0] is No.REFUSED


def test_incident_newer_version_older_schema() -> None:
    """2026-06-05: 0.0.25 (schema 31) outranks 0.0.25-nightly.20260608.497 (schema 32).

    The order alone would move a nightly host to it; the channel guard does not.
    """
    assert STABLE25 > V497
    by_tag = choose(Policy(track=Track.LATEST), standing(alice=V497), Offer(STABLE25), NOW)
    assert told(by_tag)[0] is No.REFUSED
    astray = choose(Policy(), standing(alice=V497), Offer(STABLE25), NOW)
    assert told(astray)[0] is No.REFUSED


def test_incident_version_sort_is_not_semver() -> None:
    """2026-06-30: `sort -V` puts 0.0.28 below 0.0.28-nightly.20260629.685; SemVer puts it above.

    So a host on the stable release is not moved to the nightly that came before it, by either
    track, and not by a pin.
    """
    nightly = Version.parse("0.0.28-nightly.20260629.685")
    host = standing(alice=STABLE28)
    assert told(choose(Policy(), host, Offer(nightly), NOW))[0] is No.REFUSED
    why, reason = told(choose(Policy(pin=nightly), host, None, NOW))
    assert why is No.REFUSED
    assert "no downgrade" in reason


def test_everybody_who_cannot_be_moved_is_told() -> None:
    """Each with what keeps them where they are, and the command for it."""
    host = standing(alice=V571, bob=STABLE25)
    why, reason = told(choose(Policy(pin=V497), host, None, NOW))
    assert why is No.REFUSED
    assert reason == (
        f"nobody can be moved to {V497} ("
        f"alice: {V497} is NOT newer than {V571}: no downgrade; "
        f"`t3safe rollback alice --to {V497}` goes back on purpose; "
        f"bob: {V497} is NOT newer than {STABLE25}: no downgrade; "
        f"`t3safe rollback bob --to {V497}` goes back on purpose)"
    )


def test_incident_desktop_only_report() -> None:
    """2026-06-16: an upstream report against 0.0.28-nightly.20260616.571 concerned the desktop
    app alone.  Accept: nothing but what was measured here speaks against a build.
    """
    assert choose(Policy(), standing(alice=V567), Offer(V571), NOW) == Go(V571, ("alice",))

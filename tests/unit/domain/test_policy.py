from __future__ import annotations

import re
from datetime import UTC, datetime, time, timedelta

import pytest

from t3safe.domain.policy import (
    Offer,
    Policy,
    Release,
    Skip,
    SkipReason,
    Standing,
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


# Rules 1 and 2: frozen, window.


def test_an_open_host_is_open() -> None:
    """Neither frozen nor in a window: the question goes on."""
    assert closed(Policy(), standing(alice=V497), NOW) is None


def test_a_frozen_host_stays_and_says_why() -> None:
    """The reason of the freeze is repeated on every run."""
    frozen = Standing((("alice", V497),), None, frozen="0.0.26 failed in production")
    assert closed(Policy(), frozen, NOW) == Skip(SkipReason.FROZEN, "0.0.26 failed in production")


def test_frozen_is_said_also_outside_the_window() -> None:
    """The freeze is the louder of the two."""
    policy = Policy(window=Window(time(5), time(6)))
    answer = closed(policy, Standing((), None, frozen="look first"), NOW)
    assert answer == Skip(SkipReason.FROZEN, "look first")


def test_outside_the_window_nothing_moves() -> None:
    """The reason names the window."""
    policy = Policy(window=Window(time(5, 30), time(6)))
    assert closed(policy, standing(alice=V497), NOW) == Skip(
        SkipReason.NOTHING, "outside the maintenance window 05:30 to 06:00"
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


# Rules 3 to 6: what the candidate is, channels, no way down, refused builds.

BUILDS = {
    "440": Version.parse("0.0.25-nightly.20260602.440"),
    "497": V497,
    "567": V567,
    "571": V571,
    "s25": STABLE25,
    "s27": STABLE27,
    "s28": STABLE28,
    "alpha": Version.parse("0.0.28-alpha.1"),
    "noday": Version.parse("0.0.28-nightly.20260230.1"),
    "n46": Version.parse("0.0.18-nightly.20260416.46"),
    "s17": Version.parse("0.0.17"),
    "s18": Version.parse("0.0.18"),
    "s19": Version.parse("0.0.19"),
    "n685": Version.parse("0.0.28-nightly.20260629.685"),
}
CHOICES = """
the tag is the candidate, and everybody behind is moved in the order of the people
    bob=497 alice=567 carol=571 tag=571 -> go 571 bob alice
    alice=571 bob=571 tag=571 -> nothing: = nothing to do: everyone is on {571} (nightly)
    tag=571 -> nothing
a pin needs no offer, and outranks age and hold: a person named this build
    alice=497 pin=567 -> go 567 alice
    alice=497 pin=567 tag=571 -> go 567 alice
    alice=567 pin=567 -> nothing: = nothing to do: everyone is on {567} (pinned)
    alice=497 pin=571 age=30 held=571 -> go 571 alice
with a minimum age or a hold the tag is the ceiling, and the newest below it is chosen
    alice=497 age=1 tag=571 had=497@8,567@1,571@0.5 -> go 567 alice
    alice=497 age=1 tag=571 had=567@2,571@1 -> go 571 alice
    alice=497 age=1 tag=571 had=567@2,571@0.99999 -> go 567 alice
    alice=497 age=1 tag=571 had=571 -> nothing: = no nightly build up to {571} is old enough and
        not held
    alice=497 held=571 tag=571 had=497,567,571 -> go 567 alice
    alice=497 held=567 tag=571 -> go 571 alice
    alice=497 age=1 held=571 tag=571 had=567@2,571@2 -> go 567 alice
    alice=497 age=1 tag=567 had=567@1,571@1 -> go 567 alice
    alice=440 age=1 tag=571 had=s27@2,497@3 -> go 497 alice
a tag that points out of its channel is refused, and nobody is looked at
    alice=497 tag=s28 -> refused: = the tag nightly points at {s28}, which is not a nightly build
    alice=497 tag=alpha -> refused: = the tag nightly points at {alpha}, which is not a nightly
        build
    alice=497 tag=noday -> refused: = the tag nightly points at {noday}, which is not a nightly
        build
    alice=497 track=latest tag=571 -> refused: = the tag latest points at {571}, which is not a
        latest build
    alice=s25 track=latest tag=s28 -> go s28 alice
a tag that was moved back is refused, with the command that would do it on purpose
    alice=571 tag=567 -> refused: = no one can be moved to {567} (alice: {567} is NOT newer than
        {571}: no downgrade; `t3safe rollback alice --to {567}` goes back on purpose)
    alice=571 age=1 tag=567 had=567@2 -> refused
    alice=571 held=571 tag=567 had=567@2 -> refused
    alice=571 pin=497 -> refused: `t3safe rollback alice --to {497}` goes back on purpose
where somebody is there already, or only age or hold keeps it behind, it is no news
    alice=567 bob=571 tag=567 -> nothing: = no one who may be moved runs a build older than {567}
    alice=567 bob=s27 tag=567 -> nothing: = no one who may be moved runs a build older than {567}
    alice=497 bob=571 pin=497 -> nothing: = no one who may be moved runs a build older than
        {497}; `t3safe rollback --all --to {497}` rolls back people on a newer one
    alice=567 age=1 tag=571 had=497@2,571@0 -> nothing: = no one who may be moved runs a build
        older than {497}
    alice=567 held=571 tag=571 had=497@2,571@0 -> nothing: = no one who may be moved runs a build
        older than {497}
a guard speaks for one person; the rest of the host goes on
    alice=571 bob=497 tag=567 -> go 567 bob: `t3safe rollback alice --to {567}`
    alice=s27 bob=497 tag=571 -> go 571 bob: = {s27} is not a nightly build: no move across
        channels; `t3safe pin {571}` moves across channels
    alice=s27 tag=571 -> refused: `t3safe pin {571}` moves across channels
    alice=s27 pin=571 -> go 571 alice
    alice=571 bob=s25 pin=497 -> refused: = no one can be moved to {497} (alice: {497} is NOT
        newer than {571}: no downgrade; `t3safe rollback alice --to {497}` goes back on purpose;
        bob: {497} is NOT newer than {s25}: no downgrade; `t3safe rollback bob --to {497}` goes
        back on purpose)
the host is not led below what was promoted, but by a pin
    alice=571 bob=497 promoted=571 tag=567 -> refused: = {567} is NOT newer than {571}, which was
        promoted: no downgrade; `t3safe pin {567}` goes there on purpose
    alice=571 bob=497 promoted=571 pin=567 -> go 567 bob: alice
    alice=571 bob=497 promoted=571 age=1 tag=571 had=567@2,571@0 -> nothing
    alice=571 bob=497 promoted=571 tag=571 -> go 571 bob
a refused build is not tried again, no older one in its place, and not by a pin
    alice=497 refused=567:other,571:lost tag=571 -> refused: = {571} was refused: lost; `t3safe
        allow {571}` lets it be tried again
    alice=497 refused=571:soak age=1 tag=571 had=567@1,571@1 -> refused
    alice=497 refused=571:soak pin=571 -> refused
    alice=571 refused=571:soak tag=571 -> nothing
2026-04-20: the nightly tag pointed at an old nightly on hosts with a newer stable release
    alice=s17 tag=n46 -> refused
    alice=s18 tag=n46 -> refused
    alice=s19 tag=n46 -> refused
2026-06-05: 0.0.25 (schema 31) outranks its own nightly (schema 32)
    alice=497 track=latest tag=s25 -> refused
    alice=497 tag=s25 -> refused
2026-06-30: `sort -V` puts 0.0.28 below its nightly, SemVer above it
    alice=s28 tag=n685 -> refused
    alice=s28 pin=n685 -> refused: no downgrade
2026-06-16: a report against 571 concerned the desktop app alone; what was measured here counts
    alice=567 tag=571 -> go 571 alice
"""
"""Who runs what, the policy and the offer (`had` are releases with their age in days): the answer.

`:` gives what must be said of the host, or of those who stay; with `=` it is all that is said.
"""
LINES = [line for line in re.sub(r"\n {8,}", " ", CHOICES).splitlines() if line.startswith(" ")]


@pytest.mark.parametrize("line", LINES)
def test_the_choice(line: str) -> None:
    """Each rule of the policy, and each incident that it decides."""
    given, _, expected = line.partition(" -> ")
    words = dict(word.split("=", 1) for word in given.split())
    people = tuple((who, BUILDS[words[who]]) for who in words if who in {"alice", "bob", "carol"})
    policy = Policy(
        track=Track(words.get("track", "nightly")),
        pin=BUILDS.get(words.get("pin", "")),
        age_min=DAY * int(words.get("age", "0")),
        held=frozenset(BUILDS[name] for name in words.get("held", "").split(",") if name),
    )
    refused = (each.split(":") for each in words.get("refused", "").split(",") if each)
    host = Standing(
        people,
        BUILDS.get(words.get("promoted", "")),
        refused=tuple((BUILDS[name], why) for name, why in refused),
    )
    releases = []
    for each in words.get("had", "").split(","):
        name, _, days = each.partition("@")
        if name:
            releases.append(Release(BUILDS[name], NOW - DAY * float(days) if days else None))
    offer = Offer(BUILDS[words["tag"]], tuple(releases)) if "tag" in words else None

    answer = choose(policy, host, offer, NOW)

    head, _, said = expected.partition(": ")
    said = re.sub(r"{(\w+)}", lambda found: str(BUILDS[found[1]]), said)
    if isinstance(answer, Skip):
        assert answer.why is SkipReason(head)
        assert answer.known is ("was refused: " in answer.reason), "reported by the run before"
        found = answer.reason
    else:
        _, build, *moved = head.split()
        assert (answer.candidate, answer.people) == (BUILDS[build], tuple(moved))
        assert {who for who, _ in answer.stay}.isdisjoint(moved)
        found = "; ".join(f"{who} {why}" if " " not in said else why for who, why in answer.stay)
        assert bool(answer.stay) is bool(said)
    assert found == said.removeprefix("= ") if said.startswith("= ") else said in found


def test_a_track_has_its_channel() -> None:
    """That of `latest` is that of plain versions."""
    assert Track.LATEST.channel is Channel.LATEST
    assert Track.NIGHTLY.channel is Channel.NIGHTLY


def test_answers_are_named_as_they_are_shown() -> None:
    """The names are what `--json` prints."""
    assert [why.value for why in SkipReason] == ["frozen", "nothing", "refused", "later"]
    assert [track.value for track in Track] == ["nightly", "latest"]

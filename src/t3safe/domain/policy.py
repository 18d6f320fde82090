"""Which build, if any, is the candidate tonight.

Rules, in this order; the first refusal decides:

1. Frozen: no build moves anyone, and every run says so.
2. Outside the maintenance window no build moves anyone.
3. A pin names the candidate; tracking is off.  Without a pin the registry's tag for the track is
   the ceiling.  The candidate is the newest release at or below it that is of the track's channel,
   old enough and not held.  Without a minimum age and a hold that is the tag itself.
4. A build of the track `nightly` must be a nightly.  A person on another channel stays there: a
   move across channels is a person's decision, made by a pin.
5. No person moves to an older version.  The tag is mutable: a tag that points backward is refused.
   When only the minimum age or a hold keeps the candidate behind, there is nothing to do.  The host
   does not move backward either: a build older than last-good never becomes the candidate, even for
   a person further behind, because a bake would promote it.  Only a pin overrides this.
6. A refused version is not tried again until the gate changes, a person allows it, or other bytes
   of it are in the store.  No older version is tried in its place: a person should look.

The version order alone proves nothing about data; the gate and the ledgers decide that.
"""

from __future__ import annotations

from datetime import datetime, time, timedelta
from enum import StrEnum

from attrs import field, frozen

from t3safe.domain.versions import Channel, Version


class Track(StrEnum):
    """The dist-tag that the host follows."""

    NIGHTLY = "nightly"
    LATEST = "latest"

    @property
    def channel(self) -> Channel:
        """The channel of this track's builds."""
        return Channel.NIGHTLY if self is Track.NIGHTLY else Channel.LATEST


@frozen
class Release:
    """A version that the registry offers; `published` is None when the registry gives no time."""

    version: Version
    published: datetime | None = None


@frozen
class Offer:
    """The registry's answer for a track: the tag's version, and the releases."""

    tag: Version
    releases: tuple[Release, ...] = ()


@frozen
class Window:
    """A daily maintenance window in local time; `opens` after `closes` spans midnight."""

    opens: time
    closes: time

    def admits(self, now: time) -> bool:
        """Whether the local time `now` lies in the window (the opening minute does)."""
        if self.opens <= self.closes:
            return self.opens <= now < self.closes
        return now >= self.opens or now < self.closes


@frozen
class Policy:
    """The host owner's choices; by default every nightly is taken at any time."""

    track: Track = Track.NIGHTLY
    pin: Version | None = None
    age_min: timedelta = timedelta(0)
    window: Window | None = None
    held: frozenset[Version] = frozenset()


@frozen
class Standing:
    """The host's state: who runs which build, and what is remembered.

    `builds` maps a person to the selected build.  `refused` maps a version to why it was refused.
    """

    builds: tuple[tuple[str, Version], ...]
    last_good: Version | None
    frozen: str = ""
    """Why the host is frozen, empty when it is not."""
    refused: tuple[tuple[Version, str], ...] = ()


class SkipReason(StrEnum):
    """Why a run does nothing; each has its own exit status."""

    FROZEN = "frozen"
    NOTHING = "nothing"
    REFUSED = "refused"
    LATER = "later"


@frozen
class Skip:
    """A run does nothing, for this reason."""

    why: SkipReason
    reason: str
    known: bool = False
    """Whether an earlier run reported it: a build that was refused before."""


@frozen
class Proceed:
    """Move these people, in this order, to the candidate after it has passed the gate."""

    candidate: Version
    people: tuple[str, ...]
    stay: tuple[tuple[str, str], ...] = field(default=())
    """People whom a guard keeps on their build, with the reason."""


def closed(policy: Policy, standing: Standing, now: datetime) -> Skip | None:
    """Apply rules 1 and 2, before the registry is asked; None when a run may go on.

    `now` is the host's local time.
    """
    if standing.frozen:
        return Skip(SkipReason.FROZEN, standing.frozen)
    if policy.window is not None and not policy.window.admits(now.time()):
        window = f"{policy.window.opens:%H:%M} to {policy.window.closes:%H:%M}"
        return Skip(SkipReason.NOTHING, f"outside the maintenance window {window}")
    return None


def choose(
    policy: Policy, standing: Standing, offer: Offer | None, now: datetime
) -> Proceed | Skip:
    """Apply rules 3 to 6: return the candidate and whom to move, or why no one moves.

    `offer` may be None only when there is a pin.  `now` is aware (any zone).  The people keep the
    order of `standing.builds`.
    """
    candidate = policy.pin or _newest(policy, offer, now)
    if isinstance(candidate, Skip):
        return candidate
    behind, stay = _behind(candidate, policy, standing)
    if not behind:
        calm = any(build == candidate for _, build in standing.builds) or (
            policy.pin is None and offer is not None and candidate != offer.tag
        )
        return _nobody(candidate, policy, stay, calm=calm)
    backward = _backward(candidate, policy, standing)
    if backward:
        calm = offer is not None and candidate != offer.tag
        return Skip(SkipReason.NOTHING if calm else SkipReason.REFUSED, backward)
    refused = dict(standing.refused).get(candidate)
    if refused is not None:
        how = f"`t3safe allow {candidate}` lets it be tried again"
        return Skip(SkipReason.REFUSED, f"{candidate} was refused: {refused}; {how}", known=True)
    return Proceed(candidate, behind, stay)


def _backward(candidate: Version, policy: Policy, standing: Standing) -> str:
    """Apply rule 5 to the host as a whole; empty when the candidate does not lead it backward."""
    best = standing.last_good
    if policy.pin is not None or best is None or candidate >= best:
        return ""
    how = f"`t3safe pin {candidate}` goes there on purpose"
    return f"{candidate} is NOT newer than {best}, which was promoted: no downgrade; {how}"


def _newest(policy: Policy, offer: Offer | None, now: datetime) -> Version | Skip:
    assert offer is not None, "without a pin the registry is asked"
    tag = offer.tag
    if tag.channel is not policy.track.channel:
        text = f"the tag {policy.track} points at {tag}, which is not a {policy.track} build"
        return Skip(SkipReason.REFUSED, text)
    if not policy.age_min and tag not in policy.held:
        return tag
    ripe = [release.version for release in offer.releases if _ripe(release, tag, policy, now)]
    if not ripe:
        return Skip(
            SkipReason.NOTHING, f"no {policy.track} build up to {tag} is old enough and not held"
        )
    return max(ripe)


def _ripe(release: Release, ceiling: Version, policy: Policy, now: datetime) -> bool:
    version = release.version
    if version.channel is not policy.track.channel or version > ceiling or version in policy.held:
        return False
    if not policy.age_min:
        return True
    return release.published is not None and now - release.published >= policy.age_min


def _behind(
    candidate: Version, policy: Policy, standing: Standing
) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    behind: list[str] = []
    stay: list[tuple[str, str]] = []
    for person, build in standing.builds:
        guard = _guard(person, build, candidate, policy)
        if guard:
            stay.append((person, guard))
        elif build != candidate:
            behind.append(person)
    return tuple(behind), tuple(stay)


def _guard(person: str, build: Version, candidate: Version, policy: Policy) -> str:
    """Apply rules 4 and 5 to one person; empty when the person may move."""
    if candidate < build:
        how = f"`t3safe rollback {person} --to {candidate}` goes back on purpose"
        return f"{candidate} is NOT newer than {build}: no downgrade; {how}"
    if policy.pin is None and build.channel is not candidate.channel:
        how = f"`t3safe pin {candidate}` moves across channels"
        return f"{build} is not a {candidate.channel} build: no move across channels; {how}"
    return ""


def _nobody(
    candidate: Version,
    policy: Policy,
    stay: tuple[tuple[str, str], ...],
    *,
    calm: bool,
) -> Skip:
    """Say why no one moves; `calm` when that is the expected state."""
    if not stay:
        what = "pinned" if policy.pin else policy.track
        return Skip(SkipReason.NOTHING, f"nothing to do: everyone is on {candidate} ({what})")
    ahead = "; ".join(f"{person}: {reason}" for person, reason in stay)
    if calm:
        back = f"; `t3safe rollback --all --to {candidate}` rolls back people on a newer one"
        reason = f"no one who may be moved runs a build older than {candidate}"
        return Skip(SkipReason.NOTHING, f"{reason}{back if policy.pin else ''}")
    return Skip(SkipReason.REFUSED, f"no one can be moved to {candidate} ({ahead})")

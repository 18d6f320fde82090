"""Which build, if any, is the candidate tonight.

Rules, in the order in which they are asked; the first that says no ends the question:

1. Frozen: nothing moves, and that is said on every run.
2. Outside the maintenance window nothing moves.
3. A pin names the candidate; tracking is off.  Without a pin the registry's tag for the track is
   the ceiling, and the candidate is the newest release at or below it that is of the track's
   channel, old enough and not held.  With no minimum age and no hold that is the tag itself.
4. A build of the track `nightly` must be a nightly.  A person on another channel stays there:
   a move across channels is a person's decision, which only a pin expresses.
5. Nobody is moved to an older version.  The tag is mutable: one that points backward is refused.
   Where only the minimum age or a hold keeps the candidate behind, there is nothing to do.  The
   host is not moved backward either: nothing older than last-good becomes the candidate, also not
   for whoever is further behind, because a bake would promote it.  Only a pin says otherwise.
6. A version that was refused is not tried again until the gate changes or a person allows it.
   No older one is tried in its place: a person should look.

The version order alone proves nothing about data; that is for the gate and the ledgers.
"""

from __future__ import annotations

from datetime import datetime, time, timedelta
from enum import StrEnum

from attrs import field, frozen

from t3safe.domain.versions import Channel, Version


class Track(StrEnum):
    """The dist-tag that is followed."""

    NIGHTLY = "nightly"
    LATEST = "latest"

    @property
    def channel(self) -> Channel:
        """The channel that a build of this track must be of."""
        return Channel.NIGHTLY if self is Track.NIGHTLY else Channel.LATEST


@frozen
class Release:
    """A version that the registry offers; `published` is None where the registry tells no time."""

    version: Version
    published: datetime | None = None


@frozen
class Offer:
    """What the registry says of a track: where the tag points, and which releases exist."""

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
    """The host owner's choices; defaults follow the nightly as the host always did."""

    track: Track = Track.NIGHTLY
    pin: Version | None = None
    age_min: timedelta = timedelta(0)
    window: Window | None = None
    held: frozenset[Version] = frozenset()


@frozen
class Standing:
    """How the host stands: who runs what, and what is remembered.

    `builds` maps a person to the selected build.  `refused` maps a version to why it was refused.
    """

    builds: tuple[tuple[str, Version], ...]
    last_good: Version | None
    frozen: str = ""
    """Why the host is frozen, empty when it is not."""
    refused: tuple[tuple[Version, str], ...] = ()


class SkipReason(StrEnum):
    """Why nothing is done; each has its own exit status."""

    FROZEN = "frozen"
    NOTHING = "nothing"
    REFUSED = "refused"
    LATER = "later"


@frozen
class Skip:
    """Everything stays as it is, for this reason."""

    why: SkipReason
    reason: str
    known: bool = False
    """Whether it was told when it came about: a build that was refused before."""


@frozen
class Proceed:
    """Move these people, in this order, to the candidate once it is proven."""

    candidate: Version
    people: tuple[str, ...]
    stay: tuple[tuple[str, str], ...] = field(default=())
    """People who are left where they are by a guard, with the reason."""


def closed(policy: Policy, standing: Standing, now: datetime) -> Skip | None:
    """Rules 1 and 2, asked before the registry is; None when the way is open.

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
    """Rules 3 to 6: name the candidate and whom to move, or say why nothing moves.

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
    """Rule 5 for the host as a whole; empty when the candidate would not lead it backward."""
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
    """Rules 4 and 5 for one person; empty when the guard has nothing to say."""
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
    """Say why nobody moves; `calm` where that is as it should be for all we know."""
    if not stay:
        what = "pinned" if policy.pin else policy.track
        return Skip(SkipReason.NOTHING, f"nothing to do: everyone is on {candidate} ({what})")
    ahead = "; ".join(f"{person}: {reason}" for person, reason in stay)
    if calm:
        back = f"; `t3safe rollback --all --to {candidate}` takes back who is on a newer one"
        reason = f"no one who may be moved runs a build older than {candidate}"
        return Skip(SkipReason.NOTHING, f"{reason}{back if policy.pin else ''}")
    return Skip(SkipReason.REFUSED, f"no one can be moved to {candidate} ({ahead})")

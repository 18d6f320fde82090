"""Rings: whether a host may start a build now, in which order, and which hosts count as failed.

Rules:

1. The first that applies decides: the store was wiped, the host is not who it says, no policy, a
   freeze, a halt, a refusal of the same artifact elsewhere, too many failed hosts, the ring
   before, the host's own wait.
2. A ring opens once enough hosts of the ring before have promoted the build: the bake ended well
   and at least one person moved.  A ring without hosts never opens the next one.
3. A refusal elsewhere counts only for the same artifact: version, lock file and platform.  A host
   that promoted it later takes its own refusal back.  A promotion elsewhere opens rings and never
   replaces the local gate.
4. A host counts as failed for a build that it refused or that failed on it, and while it holds a
   slot for it and is silent: silence is never success.
5. A wait is measured on this host's own monotonic clock, which begins again at each boot.  Times of
   other hosts are never compared.
6. A host's place in its ring follows from host and version, so that no host is always first.
   Hosts with a set position come before the others.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from datetime import datetime
from enum import StrEnum
from typing import Final

import attrs
from attrs import frozen

from t3safe.domain.fleet.records import Artifact, FleetPolicy, FleetRuling, HostReport, Ring
from t3safe.domain.fleet.slots import evict, held
from t3safe.domain.fleet.view import POLICY, Transaction, View, host_key
from t3safe.domain.text import duration
from t3safe.domain.versions import Version


@frozen
class Member:
    """This host in its fleet, from its configuration and from when it joined."""

    host: str
    install: str
    ring: str
    platform: str
    position: int | None = None


@frozen
class Instant:
    """A moment on this host's monotonic clock, in seconds since the boot that `boot` names."""

    boot: str
    seconds: float


@frozen
class KnownStore:
    """The store as this host saw it last."""

    cluster: str
    revision: int


@frozen
class Silence:
    """A holder, the revision of its last report, and since when this host saw nothing newer."""

    ring: str
    host: str
    run: str
    build: Version
    report: int
    since: Instant


@frozen
class FleetMemory:
    """What a host remembers of its fleet from one command to the next.

    `build` was seen as the release to take since `seen`.  `sent` is the last run of which all was
    sent.  `platform` is the one that the last build was installed for.  `waits` says why the last
    run could not start.  `cut_off` says since when (UTC, this host's clock) the fleet cannot be
    asked, None while it can.  `place` is that of this host in its ring for `build`, from 0.
    `trouble` is what a person must know of the last sync, one line each.
    """

    known: KnownStore | None = None
    watched: tuple[Silence, ...] = ()
    build: Version | None = None
    seen: Instant | None = None
    sent: str = ""
    platform: str = ""
    waits: str = ""
    cut_off: datetime | None = None
    place: int | None = None
    trouble: tuple[str, ...] = ()


class FleetObstacle(StrEnum):
    """What keeps a host from starting; each has its own exit status."""

    PERSON = "needs a person"
    FROZEN = "frozen"
    REFUSED = "refused"
    WAIT = "wait"


@frozen
class NotOpen:
    """This host may not start the build now: the reason is one line."""

    obstacle: FleetObstacle
    reason: str


def joined(memory: FleetMemory) -> FleetMemory:
    """Return the memory of a host that joined: no store is known, what is not sent will be."""
    return FleetMemory(sent=memory.sent, platform=memory.platform)


def remember(memory: FleetMemory, view: View, build: Version | None, now: Instant) -> FleetMemory:
    """Return the memory after a view was read; `build` is the release to take, None if unknown.

    A store that was wiped stays unknown, so that each command says so until a person has looked.
    """
    known = memory.known if wiped(memory.known, view) else KnownStore(view.cluster, view.revision)
    watched = _watch(memory.watched, view, now)
    memory = attrs.evolve(memory, known=known, watched=watched, cut_off=None)
    if build is None:
        return memory
    seen = _since(memory.seen if memory.build == build else None, now)
    return attrs.evolve(memory, build=build, seen=seen)


def _since(seen: Instant | None, now: Instant) -> Instant:
    """Return when a wait began: `seen`, or now if that was before this boot (rule 5)."""
    if seen is None or seen.boot != now.boot or seen.seconds > now.seconds:
        return now
    return seen


def wiped(known: KnownStore | None, view: View) -> str:
    """Say that the store is not the one that this host knows, or an older copy; else empty."""
    how = "check it, then run `t3safe fleet join` again"
    if known is None:
        return ""
    if known.cluster != view.cluster:
        which = f"cluster {view.cluster}, was {known.cluster}"
        return f"the fleet's etcd is another one ({which}); {how}"
    if view.revision < known.revision:
        which = f"revision {view.revision}, was {known.revision}"
        return f"the fleet's etcd was restored from an older copy ({which}); {how}"
    return ""


def may_open(
    view: View, member: Member, artifact: Artifact, memory: FleetMemory, now: Instant
) -> NotOpen | None:
    """Return why this host may not start the build (rule 1), None if it may.

    `artifact.lock` is the published one if there is one.  `memory` is what `remember` made of this
    view.
    """
    person = wiped(memory.known, view) or _needs_person(view, member)
    if person:
        return NotOpen(FleetObstacle.PERSON, person)
    assert view.policy is not None
    if view.frozen:
        return NotOpen(FleetObstacle.FROZEN, f"the fleet is frozen: {view.frozen}")
    quiet = silent(memory.watched, view.policy, now)
    refused = (
        _halted(view, artifact.build)
        or refused_elsewhere(view, artifact, member.host)
        or over_budget(view, artifact.build, quiet)
    )
    if refused:
        return NotOpen(FleetObstacle.REFUSED, refused)
    wait = _ring_before(view, view.policy, member, artifact) or _own_wait(
        view, view.policy, member, memory, now
    )
    return NotOpen(FleetObstacle.WAIT, wait) if wait else None


def _needs_person(view: View, member: Member) -> str:
    if POLICY in view.damaged:
        return f"the fleet's policy cannot be read: {view.damaged[POLICY]}"
    if view.policy is None:
        return "the fleet has no policy: write one with `t3safe fleet policy`"
    if view.policy.ring(member.ring) is None:
        how = "change the policy, or `fleet.ring` of this host"
        return f"the fleet's policy has no ring {member.ring}: {how}"
    return stranger(view, member)


def stranger(view: View, member: Member) -> str:
    """Say that the fleet does not know this host, or another one by its name; else empty."""
    own = view.hosts.get(member.host)
    if own is None:
        return f"{member.host} is not in the fleet: run `t3safe fleet join`"
    if own.install != member.install:
        return f"another host has the name {member.host}: give one of them another name"
    return ""


def _halted(view: View, build: Version) -> str:
    return f"{build} is halted in the fleet: {view.halts[build]}" if build in view.halts else ""


def refused_elsewhere(view: View, artifact: Artifact, host: str) -> str:
    """Say which other host refused exactly this artifact, or saw it fail (rule 3); else empty."""
    failed = _failed(view, artifact.build) - {host}
    for verdict in view.verdicts:
        words = _WORDS.get(verdict.ruling)
        if words and verdict.artifact == artifact and verdict.host in failed:
            where = f"on host {verdict.host} in run {verdict.run}"
            return f"{artifact.build} {words} {where}: {verdict.reason}"
    return ""


_WORDS: Final = {FleetRuling.REFUSED: "was refused", FleetRuling.FAILED: "failed"}


def _failed(view: View, build: Version) -> frozenset[str]:
    """Return the hosts whose strongest ruling on a build is not a promotion (rules 3 and 4)."""
    strongest: dict[str, FleetRuling] = {}
    order = list(FleetRuling)
    for verdict in view.verdicts:
        if verdict.artifact.build == build:
            known = strongest.get(verdict.host, FleetRuling.REFUSED)
            strongest[verdict.host] = max(known, verdict.ruling, key=order.index)
    return frozenset(
        host for host, ruling in strongest.items() if ruling is not FleetRuling.PROMOTED
    )


def failed_hosts(view: View, build: Version, silent: Collection[Silence]) -> tuple[str, ...]:
    """Return the hosts that count as failed for a build (rule 4), sorted."""
    quiet = {one.host for one in silent if one.build == build}
    return tuple(sorted(_failed(view, build) | quiet))


def over_budget(view: View, build: Version, silent: Collection[Silence]) -> str:
    """Say that more hosts failed than the policy allows: the build must be halted; else empty."""
    failed = failed_hosts(view, build, silent)
    if view.policy is None or len(failed) <= view.policy.failed_max:
        return ""
    names = ", ".join(failed)
    allowed = view.policy.failed_max
    return f"{build} failed on {len(failed)} host(s), {allowed} allowed: {names}"


def _ring_before(view: View, policy: FleetPolicy, member: Member, artifact: Artifact) -> str:
    """Say how far the ring before is, empty when this one is open (rule 2)."""
    before = policy.before(member.ring)
    if before is None:
        return ""
    inside = {report.host for report in view.hosts.values() if report.ring == before.name}
    promoted = inside & promoted_hosts(view, artifact)
    needed = max(1, -(-len(inside) * before.opens_next // 100))
    if len(promoted) >= needed:
        return ""
    state = f"{len(promoted)} of {len(inside)} host(s) promoted {artifact.build}, {needed} needed"
    return f"ring {member.ring} waits for ring {before.name}: {state}"


def promoted_hosts(view: View, artifact: Artifact) -> frozenset[str]:
    """Return the hosts that promoted these bytes, on any platform, with a person moved (rule 2)."""
    return frozenset(
        verdict.host
        for verdict in view.verdicts
        if verdict.ruling is FleetRuling.PROMOTED
        and verdict.moved > 0
        and (verdict.artifact.build, verdict.artifact.lock) == (artifact.build, artifact.lock)
    ) - _failed(view, artifact.build)


def _own_wait(
    view: View, policy: FleetPolicy, member: Member, memory: FleetMemory, now: Instant
) -> str:
    ring = policy.ring(member.ring)
    assert ring is not None
    assert memory.build is not None
    assert memory.seen is not None
    wait = wait_of(ring, place(member.host, memory.build, view.hosts.values()))
    left = wait - (now.seconds - memory.seen.seconds)
    if left <= 0:
        return ""
    return f"{member.host} waits {duration(left)} more for its turn in ring {ring.name}"


def wait_of(ring: Ring, position: int) -> float:
    """Return how many seconds after it saw the release a host at this place may start."""
    return ring.wait + ring.stagger * position


def place(host: str, build: Version, reports: Iterable[HostReport]) -> int:
    """Return the place of a host among the hosts of its ring, from 0 (rule 6)."""
    reports = tuple(reports)
    ring = next(report.ring for report in reports if report.host == host)
    inside = [report for report in reports if report.ring == ring]
    order = sorted(inside, key=lambda report: _order(report, build))
    return [report.host for report in order].index(host)


def _order(report: HostReport, build: Version) -> tuple[bool, int, str]:
    mixed = hashlib.sha256(f"{build}\n{report.host}".encode()).hexdigest()
    return report.position is None, report.position or 0, mixed


def _watch(before: Iterable[Silence], view: View, now: Instant) -> tuple[Silence, ...]:
    """Return since when each holder is silent, from what was known before and a new view."""
    known = {(one.ring, one.host, one.run, one.report): one.since for one in before}
    return tuple(
        Silence(ring, one.host, one.run, one.build, report, _since(known.get(key), now))
        for ring, slots in sorted(view.slots.items())
        for one in slots.holders
        for report in [view.revision_of(host_key(one.host))]
        for key in [(ring, one.host, one.run, report)]
    )


def silent(watched: Iterable[Silence], policy: FleetPolicy, now: Instant) -> tuple[Silence, ...]:
    """Return the holders that are silent for longer than the policy's deadline."""
    return tuple(one for one in watched if now.seconds - one.since.seconds > policy.slot_deadline)


def silent_now(memory: FleetMemory, view: View, now: Instant) -> tuple[Silence, ...]:
    """Return the holders that are silent for too long; none without a policy."""
    return silent(memory.watched, view.policy, now) if view.policy is not None else ()


def evict_silent(view: View, one: Silence) -> Transaction | None:
    """Return the transaction that evicts a silent holder, None unless the policy allows it.

    `one` comes from `silent`.  The holder may be cut off and still be moving people.
    """
    allowed = view.policy is not None and view.policy.release_silent
    if not allowed or held(view, one.ring, one.host, one.run) is None:
        return None
    note = f"{one.host} (run {one.run}) was silent for too long; evicted as the policy says"
    return evict(view, one.ring, one.host, note)

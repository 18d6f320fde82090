"""Examine people, their snapshots and what their moves depend on; change nothing.

A part that cannot be examined is a finding of its own; the rest is examined nevertheless.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from functools import partial

from attrs import frozen

from t3safe.domain.disk_space import NightPaths, rooms
from t3safe.domain.doctor import people as doctor
from t3safe.domain.doctor.findings import Finding, Precondition, unknown
from t3safe.domain.errors import PeopleError, PersonalDataError, PortError
from t3safe.domain.idle import dated_after, times_after
from t3safe.domain.ports import SnapshotInfo
from t3safe.domain.versions import Version
from t3safe.person import chosen
from t3safe.usecases.host import Host, Reader, all_people, deferrals
from t3safe.usecases.recover import unexplained
from t3safe.usecases.survey import astray, left_behind, obstacle_of, unmapped_serves

Look = Callable[[], Iterable[Finding]]


@frozen
class Surroundings:
    """What `doctor` needs besides the ports; each callable raises only PortErrors.

    `user_map` is its path.  `starting` returns the command that starts a person's serve.  `look_at`
    inspects a serve's process as a verification does.  `weigh` returns the size of a person's data
    in bytes, `held_up` since when an overloaded host has deferred runs.
    """

    user_map: str
    starting: Callable[[str], str]
    look_at: Callable[[Version | None, int | None], object]
    weigh: Callable[[str], int]
    places: Callable[[], NightPaths]
    held_up: Callable[[], datetime | None]


@frozen
class PeopleExamination:
    """The checks of one host's people.

    `begun` says whether there is a journal.  `deep` verifies every snapshot, not only the newest.
    """

    host: Host
    around: Surroundings
    begun: bool
    deep: bool = False

    def looks(self) -> Mapping[Precondition, Look]:
        """Return the check of each precondition that is about people."""
        return {
            Precondition.UPDATER: partial(self._each, Precondition.UPDATER, self._updater),
            Precondition.USER_MAP: self._user_map,
            Precondition.SERVES: self._serves,
            Precondition.DATA: self._data,
            Precondition.GENERATIONS: self._generations,
            Precondition.DISK: self._disk,
            Precondition.LOAD: self._load,
            Precondition.CLOCK: self._clock,
            Precondition.NOTES: self._notes,
            Precondition.UNFINISHED: self._unfinished,
            Precondition.SNAPSHOTS: partial(self._each, Precondition.SNAPSHOTS, self._snapshots),
        }

    def _each(
        self, check: Precondition, look: Callable[[str], Iterable[Finding]]
    ) -> Iterator[Finding]:
        for person in all_people(self.host)[0]:
            yield from looked(check, partial(look, person))

    def _updater(self, person: str) -> Iterable[Finding]:
        return doctor.judge_updater(person, self.host.ports.personal_data.updater(person))

    def _user_map(self) -> Iterable[Finding]:
        try:
            people, problems = all_people(self.host)
        except PeopleError as error:
            return (doctor.judge_no_map(str(error), self.around.user_map),)
        return doctor.judge_map(len(people), tuple(map(str, problems)), self.around.user_map)

    def _serves(self) -> Iterator[Finding]:
        yield from self._each(Precondition.SERVES, self._serve)
        yield from looked(Precondition.SERVES, self._unmapped)

    def _unmapped(self) -> Iterable[Finding]:
        found = unmapped_serves(self.host, all_people(self.host)[0])
        return map(doctor.judge_unmapped, found)

    def _serve(self, person: str) -> Iterator[Finding]:
        ports = self.host.ports
        if lost := astray(self.host, person):
            yield doctor.judge_dead_link(person, lost)
            return
        selected, status = ports.selection.selected(person), ports.services.status(person)
        if status.running:
            self.around.look_at(selected.build, status.main_pid)
        start = self.around.starting(person)
        yield doctor.judge_serve(person, start, fenced=selected.fenced, running=status.running)

    def _data(self) -> Iterator[Finding]:
        behind = (Reader()(partial(left_behind, self.host)) if self.begun else None) or {}
        yield from self._each(
            Precondition.DATA, lambda person: self._data_of(person, behind.get(person, ""))
        )

    def _data_of(self, person: str, behind: str) -> Iterator[Finding]:
        try:
            obstacle = obstacle_of(self.host, person)
        except PersonalDataError as error:
            yield doctor.judge_unreadable(person, str(error))
        else:
            yield doctor.judge_data(person, obstacle, behind)

    def _generations(self) -> Iterator[Finding]:
        candidate = self._candidate()
        yield from self._each(
            Precondition.GENERATIONS, lambda person: self._generation(person, candidate)
        )

    def _candidate(self) -> Version | None:
        """Return the newest build that is offered or installed."""
        present = self.host.ports.builds.present()
        try:
            offer = self.host.ports.registry.offer(self.host.rules.policy.track, history=False)
        except PortError:
            return max(present, default=None)
        return max((offer.tag, *present))

    def _generation(self, person: str, candidate: Version | None) -> Iterator[Finding]:
        ports = self.host.ports
        build, present = chosen(ports, person), ports.builds.present()
        ran = ports.builds.schema(build) if build in present else None
        newest = ports.builds.schema(candidate) if candidate in present else None
        to = doctor.Candidate(str(candidate or build or ""), newest)
        try:
            held, size = ports.personal_data.ledger(person), self.around.weigh(person)
        except PersonalDataError:
            # The check of the data reports this.
            return
        yield doctor.judge_generation(person, str(build or "no build"), (ran, held), size, to)

    def _disk(self) -> Iterator[Finding]:
        kept = {who: self._infos(who) for who in all_people(self.host)[0]}
        sizes = [
            infos[-1].stored.size if infos else self.around.weigh(who)
            for who, infos in kept.items()
        ]
        yield from map(doctor.judge_room, rooms(self.around.places(), sizes))

    def _infos(self, person: str) -> tuple[SnapshotInfo, ...]:
        return self.host.ports.personal_data.snapshots(person)

    def _load(self) -> Iterator[Finding]:
        guard = self.host.guard
        yield doctor.judge_load(guard.measure(), guard.limits, self.around.held_up())

    def _clock(self) -> Iterator[Finding]:
        host = self.host
        newest = next(iter(host.ports.journal.runs()), None)
        last = (newest.closed or newest.opened) if newest is not None else None
        days = [build.published_on for build in host.ports.builds.present()]
        published = max((day for day in days if day is not None), default=None)
        yield doctor.judge_clock(host.ports.clock.now(), last, published)
        waiting = {item.person: item.since for item in Reader()(lambda: deferrals(host)) or ()}
        yield from self._each(
            Precondition.CLOCK, lambda person: self._times(person, waiting.get(person))
        )

    def _times(self, person: str, deferred: datetime | None) -> Iterable[Finding]:
        """Check each time of a person that a decision depends on."""
        ports, now = self.host.ports, self.host.ports.clock.now()
        started = ports.services.status(person).started
        after = list(times_after(ports.personal_data.activity(person), started, now))
        after += dated_after("the deferral", deferred, now)
        for info in self._infos(person):
            after += dated_after(f"snapshot {info.stored.id}", info.stored.taken, now)
        return doctor.judge_times(person, tuple(after))

    def unexplained(self) -> Iterable[Finding]:
        """Find people on a build that no run explains."""
        found = tuple((person, build.text) for person, build in unexplained(self.host))
        return doctor.judge_unexplained(found, str(self.host.ports.selection.last_good()))

    def _notes(self) -> Iterable[Finding]:
        read, selection = Reader(), self.host.ports.selection
        for ask in (self.host.ports.choices.chosen, selection.last_good, selection.previous_good):
            read(ask)
        return doctor.judge_notes(tuple(read.problems))

    def _unfinished(self) -> Iterator[Finding]:
        yield doctor.judge_unfinished(self.host.ports.journal.unfinished() or "")

    def _snapshots(self, person: str) -> Iterator[Finding]:
        ids = [info.stored.id for info in self._infos(person)]
        for snapshot in ids if self.deep else ids[-1:]:
            try:
                self.host.ports.personal_data.verify(person, snapshot)
            except PortError as error:
                yield doctor.judge_snapshot(person, snapshot, str(error))
            else:
                yield doctor.judge_snapshot(person, snapshot)
        if not ids:
            yield doctor.judge_snapshot(person)


def looked(check: Precondition, look: Look) -> tuple[Finding, ...]:
    """Return the findings of a check; an error becomes one unknown finding."""
    try:
        return tuple(look())
    except (PortError, OSError) as error:
        return (unknown(check, str(error)),)

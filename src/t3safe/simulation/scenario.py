"""Everything that a simulation starts from: fleet, releases, nights; the same for every policy."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Final

import attrs
from attrs import frozen

from t3safe.simulation.builds import Schemas, SimulatedBuild, builds, drilled
from t3safe.simulation.diary import stamp
from t3safe.simulation.fleet import Fleet, HostEvent, Mishap, at
from t3safe.simulation.history import History, HistoryError
from t3safe.simulation.incidents import OF_HOSTS, Behaviour, Incident, Incidents
from t3safe.simulation.scores import GenerationShown, PolicyRun, Simulation
from t3safe.simulation.world import SimulatedWorld
from t3safe.t3.generations import GENERATIONS

EVENING: Final = timedelta(minutes=30)
"""How long before the first night the world begins."""
_OLD_NODE: Final = "20.0.0"
_MISHAPS: Final = {
    Behaviour.NODE_TOO_OLD: Mishap.NODE,
    Behaviour.WEDGED: Mishap.WEDGED,
    Behaviour.DISPATCH_DOWN: Mishap.DISPATCH_DOWN,
}
_MET: Final = {
    Behaviour.FACTS: "by the releases' own facts",
    Behaviour.ONE_WAY: "on every host, every night",
    Behaviour.OWN_UPDATER: "in t3's own updater, which no policy uses",
}
"""Where an incident that needs no release of its own is met."""


@frozen
class ReplayScenario:
    """One host, its releases and its nights."""

    fleet: Fleet
    history: History
    incidents: Incidents
    builds: tuple[SimulatedBuild, ...]
    days: tuple[date, ...]

    @classmethod
    def of(
        cls, fleet: Fleet, history: History, incidents: Incidents, *, drill: bool = False
    ) -> ReplayScenario:
        """Put a scenario together; raises HistoryError for what cannot be replayed.

        With `drill` every incident that can be enacted is, after the history's end, one every other
        night: a release made up for it, or a night on which it befalls the host.
        """
        found = builds(history, incidents)
        if drill:
            found = (*found, *drilled(found, incidents, fleet.tracks()[-1]))
            events = (*fleet.events, *_drills(fleet, found, incidents))
            fleet = attrs.evolve(fleet, until=None, events=events)
        return cls(fleet, history, incidents, found, _window(fleet, found))

    def world(self) -> SimulatedWorld:
        """The host on the evening before its first night."""
        begin = at(self.days[0], self.fleet.night) - EVENING
        return SimulatedWorld.of(
            self.fleet, self.builds, Schemas.of(self.history), begin.timestamp()
        )

    def chosen(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """The policies to compare, all where none is named.  Raises HistoryError for another."""
        known = self.fleet.policies
        for name in names:
            if name not in known:
                message = f"--policy {name}: no such policy; these are: {', '.join(known)}"
                raise HistoryError(message)
        return names or tuple(known)

    def result(self, runs: tuple[PolicyRun, ...]) -> Simulation:
        """Everything that a report shows."""
        first, last = self.days[0], self.days[-1]
        shown = [build for build in self.builds if stamp(build.available).date() <= last]
        followed = [build for build in shown if build.channel in self.fleet.tracks()]
        return Simulation(
            fleet=self.fleet.name,
            seed=self.fleet.seed,
            people=tuple(person.name for person in self.fleet.people),
            nights=tuple(day.isoformat() for day in self.days),
            tags=tuple(
                (f"{stamp(build.available):%Y-%m-%dT%H:%M}", build.version.text, build.schema)
                for build in followed
            ),
            runs=runs,
            assumptions=tuple(
                f"{build.version}: {what}"
                for build in shown
                if stamp(build.available).date() >= first
                for what in build.assumed
            ),
            incidents=tuple(
                (each.id, self._where(each, shown), each.observable, each.source)
                for each in self.incidents.incidents
            ),
            generations=tuple(self._generations(shown, runs)),
            of_releases=tuple((b.version.text, b.generation.name) for b in followed),
        )

    @staticmethod
    def _generations(
        shown: list[SimulatedBuild], runs: tuple[PolicyRun, ...]
    ) -> Iterator[GenerationShown]:
        tagged = {night.tag for run in runs for night in run.nights}
        for generation in GENERATIONS:
            found = [build for build in shown if build.generation is generation]
            if not found:
                continue
            first = min(found, key=lambda build: build.available)
            yield GenerationShown(
                name=generation.name,
                database=generation.database,
                releases=len(found),
                offered=sum(build.version.text in tagged for build in found),
                first=first.version.text,
                since=f"{stamp(first.available):%Y-%m-%d}",
            )

    def _where(self, incident: Incident, shown: list[SimulatedBuild]) -> str:
        behaviour = incident.behaviour
        if behaviour is None:
            why = incident.not_enacted
            return f"not enacted: {why}" if why else "nothing here can enact it"
        if behaviour in OF_HOSTS:
            befell = [event for event in self.fleet.events if _MISHAPS[behaviour] is event.kind]
            return f"on {befell[0].at:%Y-%m-%d}" if befell else "not in these nights"
        if behaviour in _MET:
            return _MET[behaviour]
        hit = [build for build in shown if behaviour in build.faults or build.drill == incident.id]
        if not hit:
            return "not in these nights"
        more = f" and {len(hit) - 1} more" if len(hit) > 1 else ""
        drilled_here = ", a drill" if hit[0].drill else ""
        return f"{hit[0].version}{more}{drilled_here}"


def _window(fleet: Fleet, builds: tuple[SimulatedBuild, ...]) -> tuple[date, ...]:
    """The nights to replay; raises HistoryError where there are none.

    Without bounds: from the first night on which the track has a release that pairs, to the night
    after the last release of any track.
    """
    paired = [b for b in builds if b.channel is fleet.track and b.pairing]
    if not paired:
        message = f"the history has no release of the track {fleet.track} that has pairing"
        raise HistoryError(message)
    first = fleet.since or _night_after(fleet, paired[0].available)
    last = fleet.until or _night_after(fleet, max(build.available for build in builds))
    if first > last:
        raise HistoryError(f"no night lies between {first} and {last}")
    ready = at(first, fleet.night).timestamp() - EVENING.total_seconds()
    if not any(b.channel is fleet.track and b.available <= ready for b in builds):
        raise HistoryError(f"nothing of the track {fleet.track} is out before the night of {first}")
    return tuple(first + timedelta(days=number) for number in range((last - first).days + 1))


def _night_after(fleet: Fleet, moment: float) -> date:
    when = stamp(moment + EVENING.total_seconds())
    return when.date() + timedelta(days=when.time() > fleet.night)


def _drills(
    fleet: Fleet, found: tuple[SimulatedBuild, ...], incidents: Incidents
) -> Iterator[HostEvent]:
    """What befalls the host itself, each on the night of the release that was made up for it."""
    made = {build.drill: stamp(build.available).date() for build in found if build.drill}
    for incident in incidents.incidents:
        day = made.get(incident.id)
        if incident.behaviour not in OF_HOSTS or day is None:
            continue
        kind = _MISHAPS[incident.behaviour]
        yield HostEvent(
            kind=kind,
            at=at(day, fleet.night) - timedelta(minutes=10),
            minutes=120.0,
            to=_OLD_NODE if kind is Mishap.NODE else "",
            person=fleet.people[0].name if kind is Mishap.WEDGED else "",
        )

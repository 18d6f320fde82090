"""What the ports say about one person, for the interpreter and the use cases."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import timedelta

from attrs import define, field

from t3safe.domain import events as ev
from t3safe.domain.errors import DeadLinkError, PersonalDataError, PortError
from t3safe.domain.idle import (
    WINDOW_SECONDS,
    Activity,
    Looks,
    Sample,
    busy_reason,
    in_flight,
    times_after,
)
from t3safe.domain.obstacles import Obstacle, held, left_copy
from t3safe.domain.ports import Ports
from t3safe.domain.versions import Version
from t3safe.t3.files import V2_DATABASE


def chosen(ports: Ports, person: str) -> Version | None:
    """Return the build selected for a person; None while fenced, or when its link is dead.

    Raises SelectionError.
    """
    try:
        return ports.selection.selected(person).build
    except DeadLinkError:
        return None


def migrated_by(ports: Ports, person: str) -> str:
    """Name the trace of t3's own updater that explains a migration; empty when there is none."""
    with suppress(PersonalDataError):
        return ports.personal_data.updater(person).named
    return ""


def hidden_copy(ports: Ports, person: str, activity: Activity) -> Obstacle | None:
    """Say what a copy of V1's data would hide from V2; None when nothing is hidden.

    Raises BuildError, SelectionError.
    """
    runs = chosen(ports, person)
    schema = None if runs is None else ports.builds.schema(runs)
    if schema is not None and V2_DATABASE in schema.names:
        return None
    found = left_copy(person, activity.copied)
    return found and left_copy(person, activity.copied, migrated_by(ports, person))


def give_selections(ports: Ports, people: Iterable[str], *, everywhere: bool = False) -> None:
    """Select for each of these people the build that they run, unless they have a selection.

    With `everywhere` this includes each other person who can run t3 on this host.  A person whose
    data was last opened by a removed build gets no selection: they run nothing until someone
    selects a build for them.  Raises SelectionError, BuildError, ServiceError.
    """
    selection = ports.selection
    linked = set(selection.linked())
    wanted = dict.fromkeys(person for person in people if person not in linked)
    if not (wanted or everywhere):
        return
    found = {each.person: each.build for each in ports.residents.found(wanted)}
    if everywhere:
        wanted |= dict.fromkeys(person for person in found if person not in linked)
    present = frozenset(ports.builds.present())
    for person in wanted:
        build = found.get(person) or selection.selected(person).build
        if build in present:
            selection.select(person, build)


def at_once(_: float) -> None:
    """Return at once, without a wait."""


@define
class IdleCheck:
    """The idle rule over the ports; `quiet` is how long a person must have done nothing.

    It keeps the earliest sample of each person's processes within that time.
    """

    ports: Ports
    quiet: timedelta = timedelta(minutes=15)
    pause: Callable[[float], None] = at_once
    _samples: dict[str, Sample] = field(factory=dict, init=False)

    def sample(self, person: str) -> None:
        """Remember which processes run now, if possible; `assess` compares with them later."""
        with suppress(PortError):
            self._samples[person] = self.ports.services.sample(person)

    def assess(self, person: str, *, certain: bool = False) -> ev.Assessed:
        """Say whether a person's serve may be stopped now.

        It may when the person is idle and nothing prevents a copy at rest.  With `certain` only
        visible work in flight counts (rule 8 of `idle`).  Raises ServiceError, PersonalDataError.
        """
        ports = self.ports
        status = ports.services.status(person)
        holder = "" if certain else ports.personal_data.holder(person, status.members)
        if holder:
            return ev.Assessed(ev.Readiness.BUSY, str(held(person, holder)))
        if not status.running:
            return ev.Assessed(ev.Readiness.NOT_RUNNING, "the serve is not running")
        looks = self._looks(person)
        activity = ports.personal_data.activity(person)
        now = ports.clock.now()
        if certain:
            busy = in_flight(activity, status.agents, now, looks)
        elif copy := hidden_copy(ports, person, activity):
            busy = str(copy)
        else:
            busy = busy_reason(activity, status.agents, now, self.quiet, looks)
        if busy:
            return ev.Assessed(ev.Readiness.BUSY, busy)
        ignored = times_after(activity, status.started, now)
        return ev.Assessed(ev.Readiness.IDLE, "; ".join(f"{each}: ignored" for each in ignored))

    def _looks(self, person: str) -> Looks:
        """Return two samples of the processes: the earliest within the quiet time, and now.

        Without an earlier sample it waits `WINDOW_SECONDS`, unless no process could be working.
        """
        now = self.ports.services.sample(person)
        earlier = self._samples.get(person)
        if earlier is None or not earlier.comparable(now, self.quiet):
            earlier = self._samples[person] = now
            if now.processes:
                self.pause(WINDOW_SECONDS)
                now = self.ports.services.sample(person)
        return Looks(earlier, now)

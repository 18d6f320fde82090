"""What is seen of one person through the ports, for the interpreter and the use cases alike."""

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
    """What is selected for a person; None while fenced, and where it leads nowhere.

    Raises SelectionError.
    """
    try:
        return ports.selection.selected(person).build
    except DeadLinkError:
        return None


def migrated_by(ports: Ports, person: str) -> str:
    """Name the trace of t3's own updater that explains a migration; empty where none is."""
    with suppress(PersonalDataError):
        return ports.personal_data.updater(person).named
    return ""


def hidden_copy(ports: Ports, person: str, activity: Activity) -> Obstacle | None:
    """Say what a copy of V1's data would hide from V2; None where nothing is hidden.

    Raises BuildError, SelectionError.
    """
    runs = chosen(ports, person)
    schema = None if runs is None else ports.builds.schema(runs)
    if schema is not None and V2_DATABASE in schema.names:
        return None
    found = left_copy(person, activity.copied)
    return found and left_copy(person, activity.copied, migrated_by(ports, person))


def give_selections(ports: Ports, people: Iterable[str], *, everywhere: bool = False) -> None:
    """Give these people what they run as a selection of their own, where they have none.

    With `everywhere` also everybody else who can run t3 on this host.  A person whose data was
    opened last by a build that is gone is left alone: they run nothing until somebody selects a
    build for them.  Raises SelectionError, BuildError, ServiceError.
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
    """Wait for nothing."""


@define
class IdleCheck:
    """The idle rule over the ports; `quiet` is how long the last activity must lie back.

    It keeps the earliest sample of each person's processes within that time.
    """

    ports: Ports
    quiet: timedelta = timedelta(minutes=15)
    pause: Callable[[float], None] = at_once
    _samples: dict[str, Sample] = field(factory=dict, init=False)

    def sample(self, person: str) -> None:
        """Remember what runs now, if it can be seen: the look before the move compares with it."""
        with suppress(PortError):
            self._samples[person] = self.ports.services.sample(person)

    def assess(self, person: str, *, certain: bool = False) -> ev.Assessed:
        """Say whether a person's serve may be stopped now.  Raises ServiceError, PersonalDataError.

        That is the idle rule, and that nothing keeps a copy at rest from being taken.  With
        `certain` only work in flight counts that is seen (rule 6 of `idle`).
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
        """Two samples of what runs: of now, and the earliest within the quiet time.

        Where there is none yet a moment is waited, unless nothing runs that could be at work.
        """
        now = self.ports.services.sample(person)
        earlier = self._samples.get(person)
        if earlier is None or not earlier.comparable(now, self.quiet):
            earlier = self._samples[person] = now
            if now.processes:
                self.pause(WINDOW_SECONDS)
                now = self.ports.services.sample(person)
        return Looks(earlier, now)

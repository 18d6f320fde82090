"""Adopt a host that has one global t3, and eject it again.

Rules:

1. Neither command restarts a serve.  A repeated command changes nothing more.
2. A host is adopted with the build that all people run: the global t3's own, which works on
   empty data and knows all data of all people.
3. A host is ejected to one build: the one that all people run, or one that knows all of their data.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Protocol

from t3safe.domain import events as ev
from t3safe.domain.effects import Subject
from t3safe.domain.errors import NoWayBackError, PortError
from t3safe.domain.gate import EMPTY
from t3safe.domain.ledgers import SetLedger
from t3safe.domain.versions import Version
from t3safe.usecases.host import Host, all_people


class GlobalT3(Protocol):
    """The one t3 that all people of a host share before adoption.  Raises SelectionError."""

    def version(self) -> str:
        """Its version, empty when there is none."""

    def note(self, build: Version, at: datetime) -> None:
        """Record the global t3 that was adopted, and make t3safe's own folders."""

    def eject(self, build: Version) -> str:
        """Put a build of the store in its place and drop the selections; returns what was done."""


def adopt(
    host: Host, global_t3: GlobalT3, build: Version, *, try_dispatch: bool
) -> tuple[str, ...]:
    """Adopt a host on which all people run this build already (rules 1 and 2).

    The build is installed into the store and measured on empty data.  Each person without a
    selection gets it, it becomes the default, and the launcher is put in place.  With
    `try_dispatch` one person signs in, so that t3safe learns how the dispatch does it.  Returns
    lines that say what was done.  Raises NoWayBackError, PortError.
    """
    found = global_t3.version()
    if found and found != build.text:
        message = f"cannot adopt {build}: the global t3 of this host is {found}"
        raise NoWayBackError(f"{message}; adopt that")
    global_t3.note(build, host.ports.clock.now())
    people, _ = all_people(host)
    host.ports.builds.stage(build)
    schema = _measured(host, build, "adopt")
    for person in people:
        unknown = host.ports.personal_data.ledger(person).unknown_to(schema)
        if unknown:
            message = f"cannot adopt {build}: it does not know {unknown[0]} of {person}"
            raise NoWayBackError(f"{message}; adopt the build that {person} runs")
    lines = tuple(_selected(host, people, build))
    return (*lines, *_signed_in(host, people, build)) if try_dispatch else lines


def _selected(host: Host, people: tuple[str, ...], build: Version) -> Iterator[str]:
    selection = host.ports.selection
    for person in people:
        if not selection.has_own(person):
            selection.select(person, build)
            yield f"{person} runs {build} from the next start of the serve on"
    if selection.default() is None:
        selection.promote(build)
        yield f"{build} is the default and last-good"
    if put := selection.ensure_launcher():
        yield put


def _signed_in(host: Host, people: tuple[str, ...], build: Version) -> Iterator[str]:
    """Sign in as the first person whose serve runs."""
    running = (person for person in people if host.ports.services.status(person).running)
    person = next(running, None)
    if person is None:
        return
    try:
        answer = host.ports.pairing.verify(person, build)
        why = answer.reason if isinstance(answer, ev.NotPaired) else ""
    except PortError as error:
        why = str(error)
    if why:
        yield f"{person} cannot sign in through the dispatch: {why}"
        return
    rest = "a build that signs in otherwise waits until `dispatch_knows` names how"
    yield f"{person} signs in through the dispatch; {rest}"


def eject(host: Host, global_t3: GlobalT3, build: Version | None) -> tuple[str, ...]:
    """Eject the host to one global t3 (rules 1 and 3); returns lines that say what was done.

    Raises NoWayBackError when people run several builds and none is named, when a run is
    unfinished, and when a person's data holds a migration that the build does not know.
    """
    selection = host.ports.selection
    if selection.default() is None:
        return ("no build is selected here: this host was given back, or never taken over",)
    if host.ports.journal.unfinished() is not None:
        message = "cannot eject: a run is unfinished; `t3safe recover` settles it"
        raise NoWayBackError(message)
    people, _ = all_people(host)
    runs = {person: selection.selected(person).build for person in people}
    target = build or _common(runs)
    others = [person for person in people if runs[person] != target]
    schema = _measured(host, target, "eject to") if others else SetLedger()
    for person in others:
        unknown = host.ports.personal_data.ledger(person).unknown_to(schema)
        if unknown:
            message = f"cannot eject to {target}: it does not know {unknown[0]} of {person}"
            raise NoWayBackError(f"{message}; name the newest build that is in use")
    return (global_t3.eject(target),)


def _measured(host: Host, build: Version, what: str) -> SetLedger:
    """Return the ledger that a build makes on empty data.  Raises NoWayBackError if it fails."""
    (measured,) = host.ports.gate.rehearse(build, (Subject(EMPTY, ""),))
    if measured.schema is None or not measured.passed:
        message = f"cannot {what} {build}: it fails on empty data: {measured.reason}"
        raise NoWayBackError(message)
    return measured.schema


def _common(runs: dict[str, Version | None]) -> Version:
    """Return the one build that all people run.  Raises NoWayBackError."""
    (only, *others) = sorted(set(runs.values()), key=str)
    if only is None or others:
        each = ", ".join(f"{person}: {build or 'fenced'}" for person, build in runs.items())
        message = f"cannot eject: people run several builds ({each})"
        message += "; `t3safe eject --to VERSION` leaves that one to everybody"
        raise NoWayBackError(message)
    return only

"""Where a host is struck and how, as text that reproduces exactly that.

    SCENARIO:FAULT:WHEN:LABEL[:DETAIL]         good:kill:after:Started.Select.ben
                                               canary:full-home:worker:Started.Restore.ben:7

A second blow, behind a `+`, strikes the `t3safe recover` that comes after the first:

    canary:kill:after:Finished.Fence.ben+kill:before:Finished.Restore.ben
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Any, Final, Self

from attrs import frozen

from fakes.embedded import HostPerson
from fakes.packages import FakeRelease, release_like

DISKS: Final = ("home", "store", "state", "backups", "all")
"""What can be full: a folder of the host that is a file system of its own, or the whole of it."""
WHENS: Final = ("before", "after", "cli", "worker", "delay")

LAST: Final = release_like("0.0.29-nightly.20260721.864", schema=34, native=False)


@frozen
class KillScenario:
    """A night: who lives where, what everybody runs, what is on offer, and what is typed.

    With `moved` the host has had a good run to `offer` before.  With `busy` that person had a turn
    in flight during it.  `last` is a good release, newer than all others: what the host must still
    be able to move to.
    """

    name: str
    old: FakeRelease
    offer: FakeRelease
    command: tuple[str, ...] = ("run",)
    residents: tuple[HostPerson, ...] = (HostPerson("ann"), HostPerson("ben"))
    moved: bool = False
    busy: str = ""
    last: FakeRelease = LAST

    @property
    def people(self) -> tuple[str, ...]:
        """Everybody, in the order in which they are moved."""
        return tuple(resident.name for resident in self.residents)

    @property
    def schemas(self) -> dict[str, int]:
        """What each release really knows."""
        return {release.version: release.schema for release in (self.old, self.offer, self.last)}


_OLD: Final = release_like("0.0.25-nightly.20260602.440", schema=30, native=False)
_NEW: Final = release_like("0.0.25-nightly.20260608.497", native=False)
_BAD: Final = release_like(
    "0.0.28-nightly.20260616.571", schema=33, faults=("breaks-with-attachments",), native=False
)
_V1: Final = release_like("0.0.45-nightly.20261002.2595", layout="platform")
_V2: Final = release_like(
    "0.0.46-nightly.20261003.2610", layout="platform", faults=("breaks-with-attachments",)
)
_V2_LAST: Final = release_like("0.0.46-nightly.20261010.2922", layout="platform")
_ATTACHED: Final = (HostPerson("ann"), HostPerson("ben", {"attachments": 1}))

SCENARIOS: Final = {
    scenario.name: scenario
    for scenario in (
        # Another way to pair, and every session is dropped.
        KillScenario("good", _OLD, _NEW),
        # Passes the gate, breaks for ben, whose session still writes rows on it.
        KillScenario("canary", _NEW, _BAD, residents=_ATTACHED),
        # Back on purpose, with the set as it was before the move.
        KillScenario("back", _OLD, _NEW, ("rollback", "ann", "--yes"), moved=True),
        # The one who was busy is moved later.
        KillScenario("drain", _OLD, _NEW, ("drain",), moved=True, busy="ann"),
        # To V2, which breaks for ben: nothing of it may be left in his data.
        KillScenario("second", _V1, _V2, residents=_ATTACHED, last=_V2_LAST),
    )
}


class KillFault(StrEnum):
    """What happens there; a full disk is `full-` with one of `DISKS`."""

    KILL = "kill"
    """SIGKILL for the command and all that it started, as a crash of its unit does."""
    KILL_ALONE = "kill-alone"
    """SIGKILL for the command alone: its workers must end by themselves."""
    TERM = "term"
    """SIGTERM for the command: it must end at the next safe point."""
    TERM_ALL = "term-all"
    """SIGTERM for the command and all that it started, as a stop of its unit does."""
    JOURNAL = "journal"
    """From there on nothing can be written to the journal."""
    FULL = "full"


@frozen
class Blow:
    """One fault at one spot; `detail` is a number of calls, or of seconds for a delay."""

    fault: KillFault
    when: str
    label: str
    detail: str = ""
    disk: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a blow.  ValueError where it is none."""
        fault, when, label, *detail = text.split(":")
        name, _, disk = fault.partition("-") if fault.startswith("full") else (fault, "", "")
        if when not in WHENS or len(detail) != (when in WHENS[2:]):
            message = f"{text!r} names no place: see fakes/kills/places.py"
            raise ValueError(message)
        if (name == KillFault.FULL) != (disk in DISKS):
            message = f"{text!r}: a full disk is one of {', '.join(DISKS)}"
            raise ValueError(message)
        return cls(KillFault(name), when, label, "".join(detail), disk)

    def __str__(self) -> str:
        fault = f"{self.fault}-{self.disk}" if self.disk else self.fault.value
        return ":".join(filter(None, (fault, self.when, self.label, self.detail)))

    @property
    def spot(self) -> dict[str, Any]:
        """The spot as the launcher takes it."""
        spot: dict[str, Any] = {"when": self.when, "label": self.label}
        match self.when:
            case "cli" | "worker":
                return spot | {"call": int(self.detail)}
            case "delay":
                return spot | {"seconds": float(self.detail)}
            case _:
                return spot


@frozen
class KillPlace:
    """One scenario and what strikes it: the first blow its command, each further one a recovery."""

    scenario: KillScenario
    blows: tuple[Blow, ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a place.  ValueError where it is none."""
        name, _, rest = text.partition(":")
        if name not in SCENARIOS:
            message = f"{text!r}: the scenarios are {', '.join(SCENARIOS)}"
            raise ValueError(message)
        return cls(SCENARIOS[name], tuple(Blow.parse(part) for part in rest.split("+")))

    def __str__(self) -> str:
        return f"{self.scenario.name}:{'+'.join(map(str, self.blows))}"

    @property
    def first(self) -> Blow:
        """What strikes the command itself."""
        return self.blows[0]

    @property
    def disk(self) -> str:
        """The disk that gets full, empty where none does."""
        return self.first.disk

    @property
    def early(self) -> bool:
        """Whether it strikes before the candidate is in the store."""
        label = self.first.label
        return label in {"start", "Opened"} or label.endswith(".Stage")


@frozen
class RecordedStep:
    """One record of a run that nothing struck, and the changing calls until the next."""

    label: str
    cli: tuple[str, ...] = ()
    worker: tuple[str, ...] = ()


def steps_of(trace: str) -> Iterator[RecordedStep]:
    """Read what the launcher traced."""
    label, calls = "start", {"cli": [], "worker": []}  # type: tuple[str, dict[str, list[str]]]
    for line in trace.splitlines():
        who, _, what = line.partition(" ")
        if who == "record":
            yield RecordedStep(label, tuple(calls["cli"]), tuple(calls["worker"]))
            label, calls = what, {"cli": [], "worker": []}
        else:
            calls[who].append(what)
    yield RecordedStep(label, tuple(calls["cli"]), tuple(calls["worker"]))

"""t3's own updater, which t3safe leaves alone: its traces below a base directory and in a home.

Rules:

1. `t3 update`, a client's button and t3's install.sh put versions of t3 below the base directory.
   They know nothing of t3safe: what they start migrates a person's data, ungated.
2. This module writes and removes nothing: it reports what it finds, what it means, and what the
   person may do, as themselves.
3. A person's files are untrusted: an invalid version or state counts as absent, and nothing here
   raises.

Sources: read off public source up to 2026-10-09 (apps/server/src/cli/update.ts,
cloud/bootService.ts, cloud/serviceLauncher.ts, packages/shared/src/cliRelease.ts), not measured.
Service states of protocol 2 were written up to 0.0.42, of 3 from the 0.0.43 nightlies on.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

from t3safe.t3.commands import PROGRAM
from t3safe.t3.files import RUNTIME_VERSIONS, V2_DATABASE

VERSIONS: Final = f"{RUNTIME_VERSIONS}/versions"
"""Below the base directory: a folder for each version, with its program in it."""
PROGRAMS: Final = f"{VERSIONS}/*/{PROGRAM}"
"""The programs, as a pattern below the base directory."""
STATE: Final = f"{RUNTIME_VERSIONS}/service-state.json"
"""What the service runs, and how its last update went."""
PENDING: Final = f"{RUNTIME_VERSIONS}/.restart-pending"
"""A version was installed without a restart of the service: its next start takes it."""
LINK: Final = f".local/bin/{PROGRAM}"
"""Below the home: install.sh lets it lead to a version's program."""
UNIT: Final = "t3code.service"
UNIT_FILE: Final = f".config/systemd/user/{UNIT}"
"""Below the home: the unit that keeps a serve of its own, with the working `__service-launcher`."""
STATE_MAX: Final = 64 * 1024
"""A state of more bytes is none."""
VERSIONS_MAX: Final = 100

_VERSION: Final = re.compile(r"[0-9]{1,4}\.[0-9A-Za-z.+-]{1,59}", re.ASCII)
_STATUS: Final = frozenset({"pending", "committed", "rolled-back", "failed"})


class ServiceState(NamedTuple):
    """The state of the service; `status`, `before` and `target` are those of its last update."""

    active: str = ""
    status: str = ""
    before: str = ""
    target: str = ""


NO_STATE: Final = ServiceState()


class UpdaterTrace(NamedTuple):
    """One trace: what is there, what it means, and what the person may do about it."""

    what: str
    means: str
    fix: str


@dataclass(frozen=True)
class Traces:
    """What the updater left with one person.

    `versions` are programs below the base directory, `linked` the one that `LINK` leads to, `unit`
    says that the unit is there, `pending` that its next start takes another version.
    """

    versions: tuple[str, ...] = ()
    state: ServiceState = NO_STATE
    linked: str = ""
    unit: bool = False
    pending: bool = False

    def __bool__(self) -> bool:
        return self != NO_TRACES

    @property
    def named(self) -> str:
        """Return the trace that best explains who migrated the data; empty when there is none."""
        state = self.state
        if state.status == "committed" and state.target:
            return f"t3's own updater took it to {state.target} ({STATE})"
        if state.status and state.target:
            return f"t3's own updater tried {state.target} on it: {state.status} ({STATE})"
        if state.active:
            return f"the service of t3's own updater runs {state.active} ({STATE})"
        if self.versions:
            return f"t3's own updater installed {', '.join(self.versions[-3:])} ({VERSIONS})"
        if self.linked:
            return f"{LINK} leads to {self.linked} of t3's own updater"
        return f"{UNIT} of t3's own updater keeps a serve there" if self.unit else ""

    def found(self) -> tuple[UpdaterTrace, ...]:
        """Return every trace, the most serious first (rule 2)."""
        return tuple(trace for trace in (*self._serving(), *self._installed()) if trace is not None)

    def _serving(self) -> tuple[UpdaterTrace | None, ...]:
        stop = f"systemctl --user disable --now {UNIT}"
        unit = UpdaterTrace(
            f"the unit {UNIT}",
            "it keeps a serve beside the one that t3safe keeps: t3 has no lock, both write",
            stop,
        )
        pending = UpdaterTrace(
            PENDING, f"the next start of {UNIT} takes another version and migrates the data", stop
        )
        return (unit if self.unit else None, pending if self.pending else None, self._updated())

    def _updated(self) -> UpdaterTrace | None:
        state = self.state
        if not state.active and not state.status:
            return None
        how = f", its update from {state.before} to {state.target} is {state.status}"
        means = {
            "committed": f"{state.target} migrated the data, ungated",
            "pending": "it is under way, or was interrupted: the next start goes on",
            "rolled-back": f"it put back one database alone: a {V2_DATABASE} that the trial made "
            "stays, and is an old copy",
        }
        return UpdaterTrace(
            f"{STATE} names {state.active or 'no version'}{how if state.status else ''}",
            means.get(state.status, f"{state.active or 'it'} was started on the data, ungated"),
            f"stop using {UNIT}; then let t3safe check the version that the data is at",
        )

    def _installed(self) -> tuple[UpdaterTrace | None, ...]:
        linked = UpdaterTrace(
            f"{LINK}, which leads to {self.linked} in {VERSIONS}",
            "a command that calls t3 by that path bypasses the gate and migrates the data",
            f"rm ~/{LINK}",
        )
        versions = UpdaterTrace(
            f"{', '.join(self.versions[-3:])} in {VERSIONS}",
            f"`{PROGRAM} update`, install.sh or a client's button put it there, ungated",
            f"remove {VERSIONS} when nothing starts it any more; update only by t3safe",
        )
        return (linked if self.linked else None, versions if self.versions else None)


NO_TRACES: Final = Traces()


def version_of(program: str) -> str:
    """Read the version from the path of the updater's program; empty when it has none."""
    folder, _, name = program.rpartition("/")
    above, _, version = folder.rpartition("/")
    fits = name == PROGRAM and f"/{above}".endswith(f"/{VERSIONS}")
    return version if fits and _VERSION.fullmatch(version) else ""


def versions_of(programs: Iterable[str]) -> tuple[str, ...]:
    """Read the versions from the paths of programs, sorted as texts, a bounded number."""
    return tuple(sorted({*map(version_of, programs)} - {""})[-VERSIONS_MAX:])


def state_of(body: bytes) -> ServiceState:
    """Read the service's state, of either protocol; empty when it is invalid (rule 3)."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return NO_STATE
    content = found if isinstance(found, dict) else {}
    update = content.get("update")
    last = update if isinstance(update, dict) else {}
    before, target = last.get("fromVersion"), last.get("targetVersion")
    return _state(content.get("activeVersion"), last.get("status"), before, target)


def traces_of(told: object) -> Traces:
    """Read the answer of a person's worker; a value of another form is absent (rule 3)."""
    said = told if isinstance(told, dict) else {}
    listed, state = said.get("versions"), said.get("state")
    versions = {_version(each) for each in listed} if isinstance(listed, list) else set()
    return Traces(
        tuple(sorted(versions - {""})[-VERSIONS_MAX:]),
        _state(*state) if isinstance(state, list) and len(state) == len(NO_STATE) else NO_STATE,
        _version(said.get("linked")),
        said.get("unit") is True,
        said.get("pending") is True,
    )


def _state(active: object, status: object, before: object, target: object) -> ServiceState:
    known = status if isinstance(status, str) and status in _STATUS else ""
    return ServiceState(_version(active), known, _version(before), _version(target))


def _version(value: object) -> str:
    return value if isinstance(value, str) and _VERSION.fullmatch(value) else ""

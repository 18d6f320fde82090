"""The port Residents: everybody who can run t3 here, put together from what shows it.

Rules:

1. Whoever owns a process of t3, has a unit or a base directory with data is found.
2. A name that `domain.people` does not take is left out: the launcher runs nothing for it.
3. What cannot be asked at all is an error: the default must not move under somebody unseen.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping

import psutil
from attrs import frozen

from t3safe.adapters.residents.processes import T3Processes
from t3safe.domain.errors import PeopleError, PortError
from t3safe.domain.people import valid_person
from t3safe.domain.ports import Resident, Running
from t3safe.domain.versions import Version


@frozen
class HostResidents:
    """Implements the port Residents; raises PeopleError alone.

    `units` names everybody with a unit, `bases` everybody with data and the build that opened it
    last, these names among others; they may raise a PortError or OSError.
    """

    processes: T3Processes
    units: Callable[[], Iterable[str]]
    bases: Callable[[Collection[str]], Mapping[str, Version | None]]

    def running(self) -> tuple[Running, ...]:
        """Every process of t3, whoever's and of whatever build."""
        try:
            return tuple(self.processes())
        except (psutil.Error, OSError) as error:
            message = f"cannot tell which processes run t3: {error}"
            raise PeopleError(message) from error

    def found(self, named: Collection[str]) -> tuple[Resident, ...]:
        """Everybody with a serve, a unit or a base directory of their own, named or listed."""
        try:
            found: dict[str, Version | None] = dict.fromkeys(self.units())
            found |= dict.fromkeys(process.person for process in self.running())
            found |= self.bases({*found, *named})
        except (PortError, OSError) as error:
            message = f"cannot tell who can run t3 here beside the user map: {error}"
            raise PeopleError(message) from error
        return tuple(
            Resident(name, build) for name, build in sorted(found.items()) if valid_person(name)
        )

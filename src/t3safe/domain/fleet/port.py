"""The ports of a fleet: the store that its hosts share, and what one host remembers of it."""

from __future__ import annotations

from typing import Protocol

from t3safe.domain.fleet.rings import FleetMemory, Instant
from t3safe.domain.fleet.view import Committed, Transaction, View
from t3safe.domain.lockfile import LockFile
from t3safe.domain.versions import Version


class FleetStore(Protocol):
    """The store that the hosts of a fleet share.  Raises FleetError.

    No method waits without limit.  Whether a host is safe never depends on an answer of this port.
    """

    def view(self, build: Version | None = None) -> View:
        """Read the fleet as it is now, at one revision; verdicts and lock are of this build only.

        The read is linearizable: it sees every transaction that was done before it began.
        """

    def transact(self, transaction: Transaction) -> Committed:
        """Make all changes, if every condition holds; NOT_MET writes nothing.

        An error means that nothing was written and nothing will be.  If that is not certain the
        answer is UNKNOWN.
        """

    def lock_file(self, digest: str) -> LockFile | None:
        """Return the published lock file with this digest, which was checked; None without one."""

    def alive(self, host: str, seconds: int) -> None:
        """Show the host as alive for so long (a lease).  For the view only: nothing decides by it.

        Raises FleetError also if it is not known whether this was done.
        """


class FleetNotebook(Protocol):
    """What this host remembers of its fleet from one command to the next.  Raises FleetError."""

    def load(self) -> FleetMemory:
        """Return what is remembered, an empty memory before the host joins."""

    def keep(self, memory: FleetMemory) -> None:
        """Remember this and nothing else; durable on return."""


class MonotonicClock(Protocol):
    """This host's clock that no one sets: waits are measured on it."""

    def __call__(self) -> Instant:
        """Return the moment now."""

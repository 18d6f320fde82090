"""What can go wrong outside, said in the domain's words.

Every adapter lets out exactly one family of errors: a subclass of `PortError`.  Anything else that
escapes an adapter is a defect of ours and ends the run.
"""

from __future__ import annotations

from enum import StrEnum


class Fault(StrEnum):
    """Whom a failure speaks against; a build is blamed only by `BUILD`."""

    BUILD = "build"
    """The build itself did it: measured on this very build."""
    HOST = "host"
    """This machine did it: disk, permissions, service manager."""
    ENVIRONMENT = "environment"
    """Something beside the build did it: the dispatch, the network."""
    LATER = "later"
    """Nothing is proven either way: try again later (registry trouble, published in parts)."""


class UnusableError(ValueError):
    """What somebody gave cannot be used; `str(error)` is one line that names it and says where."""


class PortError(Exception):
    """The outside world said no.

    `str(error)` names what could not be done, to whom, and what to do next.
    """

    def __init__(self, message: str, *, fault: Fault = Fault.HOST) -> None:
        super().__init__(message)
        self.fault = fault


class RegistryError(PortError):
    """The package registry did not give a usable answer."""


class BuildError(PortError):
    """A build could not be staged, read, selected or removed."""


class SelectionError(PortError):
    """Who runs which build could not be read or changed."""


class DeadLinkError(SelectionError):
    """A person's own selection leads nowhere: neither a serve nor a mint of theirs can start."""


class ServiceError(PortError):
    """A person's serve could not be looked at, stopped or started."""


class PersonalDataError(PortError):
    """A person's state set could not be read, snapshotted, verified or restored."""


class DamagedDataError(PersonalDataError):
    """A person's database is damaged; `why` says how, without what to do next."""

    def __init__(self, message: str, why: str) -> None:
        super().__init__(message)
        self.why = why


class NoWayBackError(PersonalDataError):
    """What somebody asked to go back to is not there; nothing was touched."""


class GateError(PortError):
    """The gate could not be run at all; says nothing about the build."""


class DispatchError(PortError):
    """Pairing could not be tried at all; says nothing about the build."""


class JournalError(PortError):
    """The journal could not be read or written; nothing may be done without it."""


class DamagedJournalError(JournalError):
    """What the journal holds cannot be used: time does not fix it, setting it aside does."""


class NewerJournalError(JournalError):
    """A newer t3safe wrote the journal: that one, or a newer one, is needed.  Nothing is amiss."""


class LockedError(PortError):
    """Another t3safe acts on this host."""


class PeopleError(PortError):
    """The people of this host could not be told."""


class SwitchError(PortError):
    """The freeze switch, a hold or a pin could not be read or changed."""


class MetricsError(PortError):
    """The metrics could not be written; nothing else depends on them."""


class NotifyError(PortError):
    """Nobody could be notified, or what was told is lost; nothing else depends on it."""

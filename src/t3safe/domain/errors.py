"""The errors of the outside world, in the domain's terms.

Each adapter raises one family of errors: a subclass of `PortError`.  Any other exception from an
adapter is a defect in t3safe.
"""

from __future__ import annotations

from enum import StrEnum


class Fault(StrEnum):
    """What is to blame for a failure; only `BUILD` blames the build."""

    BUILD = "build"
    """The build itself, measured on this build."""
    HOST = "host"
    """This machine: disk, permissions, service manager."""
    ENVIRONMENT = "environment"
    """Something outside the build: the dispatch, the network."""
    LATER = "later"
    """Not proven: try again later (registry errors, a release published in parts)."""


class UnusableError(ValueError):
    """An input cannot be used; `str(error)` is one line that names it and says where it is."""


class PortError(Exception):
    """An operation outside of t3safe failed.

    `str(error)` names what failed, for whom, and what to do next.
    """

    def __init__(self, message: str, *, fault: Fault = Fault.HOST) -> None:
        super().__init__(message)
        self.fault = fault


class RegistryError(PortError):
    """The package registry gave no usable answer."""


class BuildError(PortError):
    """A build could not be staged, read, selected or removed."""


class SelectionError(PortError):
    """The selection of builds could not be read or changed."""


class DeadLinkError(SelectionError):
    """A person's own selection is a dead link: neither their serve nor a mint can start."""


class ServiceError(PortError):
    """A person's serve could not be inspected, stopped or started."""


class PersonalDataError(PortError):
    """A person's data could not be read, snapshotted, verified or restored."""


class DamagedDataError(PersonalDataError):
    """A person's database is damaged; `why` says how, without what to do next."""

    def __init__(self, message: str, why: str) -> None:
        super().__init__(message)
        self.why = why


class NoWayBackError(PersonalDataError):
    """The requested rollback target does not exist; nothing was changed."""


class GateError(PortError):
    """The gate could not run at all; this says nothing about the build."""


class DispatchError(PortError):
    """Pairing could not be tried at all; this says nothing about the build."""


class JournalError(PortError):
    """The journal could not be read or written; t3safe does nothing without it."""


class DamagedJournalError(JournalError):
    """The journal's content is damaged; a retry does not help, `t3safe recover` sets it aside."""


class NewerJournalError(JournalError):
    """A newer t3safe wrote the journal and must read it.  The journal is not damaged."""


class LockedError(PortError):
    """Another t3safe holds this host's lock."""


class PeopleError(PortError):
    """The people of this host could not be listed."""


class SwitchError(PortError):
    """The freeze switch, a hold or a pin could not be read or changed."""


class MetricsError(PortError):
    """The metrics could not be written; the run goes on."""


class NotifyError(PortError):
    """A notice could not be sent, or the record of sent ones is lost; the run goes on."""


class FleetErrorKind(StrEnum):
    """Why the fleet's store gave no usable answer."""

    UNREACHABLE = "unreachable"
    """No endpoint answered in time."""
    NOT_ETCD = "not etcd"
    """Something else answered."""
    WRONG_CA = "wrong CA"
    """The certificate is not from the configured authority."""
    CREDENTIALS = "refused credentials"
    """The store refused user, password or permission."""
    GARBAGE = "garbage"
    """The store answered, and the answer or the record is not usable."""
    STATE = "state"
    """The store works, and what the fleet holds does not allow what was asked."""


class FleetError(PortError):
    """The fleet's store could not be used: no run begins, all else on this host works."""

    def __init__(self, message: str, kind: FleetErrorKind) -> None:
        super().__init__(message, fault=Fault.LATER)
        self.kind = kind

from __future__ import annotations

import pytest

from t3safe.domain import errors


@pytest.mark.parametrize(
    "family",
    [
        errors.RegistryError,
        errors.BuildError,
        errors.SelectionError,
        errors.ServiceError,
        errors.PersonalDataError,
        errors.GateError,
        errors.DispatchError,
        errors.JournalError,
        errors.LockedError,
        errors.PeopleError,
        errors.SwitchError,
    ],
)
def test_an_error_of_a_port_blames_the_host_unless_told_otherwise(
    family: type[errors.PortError],
) -> None:
    """A build is blamed only by an adapter that says so."""
    assert family("no space").fault is errors.Fault.HOST
    told = family("wrong bin", fault=errors.Fault.BUILD)
    assert told.fault is errors.Fault.BUILD
    assert str(told) == "wrong bin"
    assert isinstance(told, errors.PortError)


def test_a_damaged_database_says_why_without_what_to_do_next() -> None:
    """Whoever knows a better next command than the adapter's takes the why alone."""
    told = errors.DamagedDataError("cannot copy ann: broken; `t3safe snapshots ann`", "broken")
    assert (told.why, told.fault) == ("broken", errors.Fault.HOST)
    assert str(told) == "cannot copy ann: broken; `t3safe snapshots ann`"

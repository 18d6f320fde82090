"""The fake t3: the program (`app`), state sets made without it, and a person who works with it."""

from __future__ import annotations

from fakes.t3.client import (
    Acknowledged,
    PersonClient,
    SignInError,
    Worker,
    acknowledged_rows,
    live_database,
    missing_rows,
)
from fakes.t3.states import Populated, populate

__all__ = [
    "Acknowledged",
    "PersonClient",
    "Populated",
    "SignInError",
    "Worker",
    "acknowledged_rows",
    "live_database",
    "missing_rows",
    "populate",
]

"""State sets on this machine: the port's adapter and how it calls its worker."""

from __future__ import annotations

from t3safe.adapters.statesets.cells import Cells as WorkerCells
from t3safe.adapters.statesets.handing import HandedOn
from t3safe.adapters.statesets.local import LocalStateSets

__all__ = ["HandedOn", "LocalStateSets", "WorkerCells"]

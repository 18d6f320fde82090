"""Pairing as a person does it: through the dispatch, at the serve itself, or by a command."""

from __future__ import annotations

from t3safe.adapters.dispatch.command import CommandPairing
from t3safe.adapters.dispatch.direct import DirectPairing
from t3safe.adapters.dispatch.mint import LauncherMint
from t3safe.adapters.dispatch.pairing import DispatchPairing

__all__ = ["CommandPairing", "DirectPairing", "DispatchPairing", "LauncherMint"]

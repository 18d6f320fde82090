"""Pairing as a person does it: through the host's dispatch, or at the serve itself."""

from __future__ import annotations

from t3safe.adapters.dispatch.direct import DirectPairing
from t3safe.adapters.dispatch.mint import LauncherMint
from t3safe.adapters.dispatch.pairing import DispatchPairing

__all__ = ["DirectPairing", "DispatchPairing", "LauncherMint"]

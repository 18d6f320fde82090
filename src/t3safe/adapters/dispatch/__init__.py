"""Pairing as a person does it, through the host's dispatch."""

from __future__ import annotations

from t3safe.adapters.dispatch.mint import LauncherMint
from t3safe.adapters.dispatch.pairing import DispatchPairing

__all__ = ["DispatchPairing", "LauncherMint"]

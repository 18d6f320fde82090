"""Pairing as a person does it: through the dispatch, at the serve itself, or by a command."""

from __future__ import annotations

from t3safe.adapters.pairing.dispatch import DispatchPairing
from t3safe.adapters.pairing.mint import LauncherMint
from t3safe.adapters.pairing.verification import CommandPairing, DirectPairing, ServePairing

__all__ = ["CommandPairing", "DirectPairing", "DispatchPairing", "LauncherMint", "ServePairing"]

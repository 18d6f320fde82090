"""The service managers behind each person's serve: systemd, and plain processes."""

from __future__ import annotations

from t3safe.adapters.services.processes import ProcessServices
from t3safe.adapters.services.systemd import SystemdServices

__all__ = ["ProcessServices", "SystemdServices"]

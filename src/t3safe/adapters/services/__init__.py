"""What runs people's serves: systemd, plain processes, and commands of the host's owner."""

from __future__ import annotations

from t3safe.adapters.services.commands import CommandServices
from t3safe.adapters.services.processes import ProcessServices
from t3safe.adapters.services.systemd import SystemdServices

__all__ = ["CommandServices", "ProcessServices", "SystemdServices"]

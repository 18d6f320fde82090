"""The clock of this machine."""

from __future__ import annotations

from datetime import UTC, datetime

from attrs import frozen


@frozen
class SystemClock:
    """Implements the port Clock."""

    def now(self) -> datetime:
        """The present time, in UTC and aware."""
        return datetime.now(UTC)

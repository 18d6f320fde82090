"""What the registry offered last, kept so that metrics need not ask it.

It is a convenience: where it cannot be kept or read, nobody knows, and nothing else fails.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from attrs import frozen

from t3safe.adapters._support.durable import write_file
from t3safe.domain.policy import Offer, Track
from t3safe.domain.ports import Registry
from t3safe.domain.versions import InvalidVersion, Version


@frozen
class RememberingRegistry:
    """Implements the port Registry by another one, and keeps in `path` where the tag pointed."""

    registry: Registry
    path: Path

    def offer(self, track: Track, *, history: bool) -> Offer:
        """As the port promises."""
        offer = self.registry.offer(track, history=history)
        with suppress(OSError):
            write_file(self.path, f"{offer.tag}\n".encode())
        return offer

    def newest(self) -> Version | None:
        """Where the tag pointed when somebody asked last; None where nobody knows."""
        try:
            return Version.parse(self.path.read_text(encoding="utf-8").strip())
        except (OSError, UnicodeDecodeError, InvalidVersion):
            return None

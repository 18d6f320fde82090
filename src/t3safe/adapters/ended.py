"""When each of the commands that timers call ended last, also where it did nothing.

An empty file a command, whose time of change says it.  It is a convenience, from which the silence
of one timer can be told: where it cannot be kept or read, nobody knows, and nothing else fails.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from attrs import frozen

COMMANDS: Final = ("run", "drain", "recover")


@frozen
class EndedMarks:
    """Keeps the marks in `folder`, as `ended-COMMAND`."""

    folder: Path

    def read(self) -> tuple[tuple[str, datetime], ...]:
        """Each command with when it ended last (UTC), where somebody knows."""
        return tuple(self._known())

    def mark(self, command: str, at: datetime) -> None:
        """Note that a command ended."""
        place = self._place(command)
        with suppress(OSError):
            place.touch(mode=0o644)
            os.utime(place, (at.timestamp(), at.timestamp()), follow_symlinks=False)

    def _known(self) -> Iterator[tuple[str, datetime]]:
        for command in COMMANDS:
            with suppress(OSError):
                yield command, datetime.fromtimestamp(self._place(command).lstat().st_mtime, UTC)

    def _place(self, command: str) -> Path:
        return self.folder / f"ended-{command}"

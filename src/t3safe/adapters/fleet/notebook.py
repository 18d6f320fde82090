"""What this host remembers of its fleet, and the clock on which it waits.

Rules:

1. The memory lies in the state folder, beside the journal: a journal that is set aside
   must not make the host forget which store it knows.
2. What cannot be read is an error and never an empty memory: the host would take a store that was
   wiped for the one that it knows.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any, Final

from attrs import frozen

from t3safe.adapters._support.durable import make_folders, write_file
from t3safe.adapters._support.strict import INVALID, first_error
from t3safe.adapters.fleet.codec import converter
from t3safe.domain.errors import FleetError, FleetErrorKind
from t3safe.domain.fleet.rings import FleetMemory, Instant

MEMORY_FILE: Final = "fleet-memory.json"
BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
_FORMAT: Final = 1


@frozen
class NotebookFile:
    """Implements the port FleetNotebook; raises FleetError."""

    folder: Path

    @property
    def file(self) -> Path:
        """Where it is kept."""
        return self.folder / MEMORY_FILE

    def load(self) -> FleetMemory:
        """Return what is remembered, an empty memory without a file."""
        try:
            text = self.file.read_bytes()
        except FileNotFoundError:
            return FleetMemory()
        except OSError as error:
            raise self._failure(f"cannot be read: {error.strerror}") from error
        try:
            data: Any = json.loads(text)
            found = data.pop("format")
            if found != _FORMAT:
                raise self._failure(f"has format {found}: a newer t3safe wrote it")
            memory: FleetMemory = converter().structure(data, FleetMemory)
        except (ValueError, RecursionError, AttributeError, KeyError, TypeError) as error:
            raise self._failure("is damaged") from error
        except INVALID as error:
            raise self._failure(f"is damaged ({first_error(error)})") from error
        return memory

    def keep(self, memory: FleetMemory) -> None:
        """Remember this and nothing else; durable on return."""
        data = {"format": _FORMAT, **converter().unstructure(memory)}
        try:
            make_folders(self.folder)
            write_file(self.file, f"{json.dumps(data, indent=2)}\n".encode(), 0o600)
        except OSError as error:
            raise self._failure(f"cannot be written: {error.strerror}") from error

    def _failure(self, why: str) -> FleetError:
        how = "check the fleet, then delete it and run `t3safe fleet join`"
        return FleetError(
            f"what this host knows of its fleet, {self.file}, {why}; {how}", FleetErrorKind.STATE
        )


def boot_clock() -> Instant:
    """Return the moment on the clock that runs since this boot, also while the host sleeps."""
    boot = BOOT_ID.read_text(encoding="ascii").strip()
    return Instant(boot, time.clock_gettime(time.CLOCK_BOOTTIME))

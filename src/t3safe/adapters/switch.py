"""The freeze switch: a file whose mere existence freezes the host.

Rules:

1. Whatever is at the path freezes, also what cannot be read: only a path that is certainly empty
   does not (fail closed).
2. The content tells why, one line for a person; the second line tells who and when.  A file made
   with `touch` is empty and freezes all the same.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from attrs import frozen

from t3safe.adapters._support.durable import make_folders, sync_folder, write_file
from t3safe.domain.errors import SwitchError
from t3safe.domain.ports import Clock
from t3safe.domain.text import moment

REASON_MAX: Final = 1000
"""Characters of the file that are shown; a reason is a line or two."""


@frozen
class FreezeFile:
    """Implements the port Switch on `path`; raises SwitchError alone.

    `by` names who freezes when we do.
    """

    path: Path
    clock: Clock
    by: str = "t3safe"

    def frozen(self) -> str:
        """Why the host is frozen, empty when it is not; never raises (rule 1)."""
        try:
            text = self._read()
        except FileNotFoundError:
            return ""
        except OSError as error:
            return f"{self.path} is there and cannot be read ({error.strerror or error})"
        return " ".join(text.split())[:REASON_MAX] or "frozen by hand (empty file)"

    def _read(self) -> str:
        # A link is looked at, not followed: a dangling one was put there by somebody too.
        if not stat.S_ISREG(self.path.lstat().st_mode):
            message = "it is no regular file"
            raise OSError(message)
        handle = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            return os.read(handle, 4 * REASON_MAX).decode("utf-8", "replace")
        finally:
            os.close(handle)

    def freeze(self, reason: str) -> None:
        """Freeze the host; an earlier reason stays."""
        if self.frozen():
            return
        why = " ".join(reason.split()) or "no reason was given"
        when = moment(self.clock.now(), seconds=True)
        try:
            make_folders(self.path.parent)
            write_file(self.path, f"{why}\n(by {self.by}, {when})\n".encode())
        except OSError as error:
            raise self._failure("freeze", f"touch {self.path}", error) from error

    def thaw(self) -> bool:
        """Unfreeze; whether it was frozen."""
        try:
            self.path.unlink()
            sync_folder(self.path.parent)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise self._failure("thaw", f"remove {self.path}", error) from error
        return True

    def _failure(self, what: str, do: str, error: OSError) -> SwitchError:
        why = error.strerror or str(error)
        return SwitchError(f"cannot {what} this host: {self.path}: {why}; do it by hand: {do}")

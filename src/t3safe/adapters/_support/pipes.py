"""What pipes hold, a write of all bytes, and the status of a worker whose reader went away."""

from __future__ import annotations

import os
from typing import Final

PIPE_BYTES: Final = 65536
"""What a pipe of Linux holds: more at a time does not help, less costs both ends (pipe(7))."""
UNTAKEN: Final = 74
"""Exit status of a worker whose reader stopped reading before the end."""


def write_all(fd: int, data: bytes) -> None:
    """Write all of it to an open descriptor, which may take less at a time.  Raises OSError."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]

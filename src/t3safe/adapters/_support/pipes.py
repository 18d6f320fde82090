"""What pipes hold, and how it is told that nobody reads one."""

from __future__ import annotations

from typing import Final

PIPE_BYTES: Final = 65536
"""What a pipe of Linux holds: more at a time helps nobody, less costs both ends (pipe(7))."""
UNTAKEN: Final = 74
"""Exit status of a worker that nobody let finish: whoever stopped reading knows why."""

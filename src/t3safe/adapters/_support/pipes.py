"""What pipes hold."""

from __future__ import annotations

from typing import Final

PIPE_BYTES: Final = 65536
"""What a pipe of Linux holds: more at a time helps nobody, less costs both ends (pipe(7))."""

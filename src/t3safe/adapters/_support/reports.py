"""Progress reports of a worker, on its standard error between its complaints.

Standard library only: the worker that handles personal data has nothing else.  The reader believes
nothing: a line is a report of this very shape, or it is a complaint.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

_MARK: Final = b"t3safe-progress:"
_WORDS: Final = re.compile(rb"(?:[a-z0-9.-]{1,32})(?: [a-z0-9.-]{1,32}){0,3}")
_LINE_MAX: Final = 200


def report(*words: object) -> bytes:
    """Give the line for a report; its words are lower case, digits, dots and dashes."""
    return _MARK + " ".join(map(str, words)).encode("ascii") + b"\n"


def without(text: bytes) -> bytes:
    """Give what a worker said besides its reports."""
    return b"\n".join(line for line in text.split(b"\n") if not line.startswith(_MARK))


class ReportListener:
    """Hears reports in what comes piece by piece, and calls `hear` with the words of each."""

    def __init__(self, hear: Callable[[tuple[str, ...]], None]) -> None:
        self._hear = hear
        self._rest = b""

    def feed(self, chunk: bytes) -> None:
        """Take the next piece."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        # What is longer is no report, and is not kept.
        self._rest = self._rest[:_LINE_MAX]
        for line in lines:
            if line.startswith(_MARK) and _WORDS.fullmatch(line[len(_MARK) :]):
                self._hear(tuple(line[len(_MARK) :].decode("ascii").split(" ")))

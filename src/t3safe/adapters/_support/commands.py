"""Commands of the host's owner: run one, bounded in time and words.  No shell, no words of ours.

Rules:

1. A command runs as a child of `children`, with our environment; a time that is over is told.
2. Of what it printed only one line is kept, cut and redacted, beside its first line as it is.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Final

from attrs import define, frozen

from t3safe.adapters._support.children import heard
from t3safe.domain.redaction import redact

LINE_MAX: Final = 300
"""Characters of a line that are kept."""
_WORDS: Final = 3
_NAME_MAX: Final = 120
_KEPT: Final = 4096
"""Bytes of each end of an output that are looked at."""


@frozen
class Ran:
    """How a command ended: `status` is None when it took too long, below 0 for a signal.

    `first` is the first line of its standard output as it was printed; `last` the last line that
    it printed anywhere, fit to be shown.
    """

    status: int | None
    first: str = ""
    last: str = ""

    def told(self, seconds: float) -> str:
        """Say how it ended, and its last words; `seconds` is the time that it had."""
        if self.status is None:
            ended = f"was killed after {seconds:g} s"
        elif self.status < 0:
            ended = f"was ended by signal {-self.status}"
        else:
            ended = f"ended with status {self.status}"
        return f"{ended}: {self.last}" if self.last else ended


@define
class _Heard:
    """The two ends of what a stream gave."""

    begin: bytes = b""
    end: bytes = b""

    def hear(self, chunk: bytes) -> None:
        if len(self.begin) < _KEPT:
            self.begin = (self.begin + chunk)[:_KEPT]
        self.end = (self.end + chunk)[-_KEPT:]


def named(words: Sequence[str]) -> str:
    """Name a command by its first words; what follows may be long."""
    return f"`{_shown(' '.join(words[:_WORDS]))[:_NAME_MAX]}`"


def run(words: Sequence[str], seconds: float, environment: Mapping[str, str] | None = None) -> Ran:
    """Run a command for so many seconds at most; `environment` is added to ours.

    Raises OSError where it cannot be started.
    """
    out, err = _Heard(), _Heard()
    status = heard(words, {**os.environ, **(environment or {})}, seconds, out.hear, err.hear)
    return Ran(status, _first(out), _last(err) or _last(out))


def _first(stream: _Heard) -> str:
    return stream.begin.partition(b"\n")[0].decode("utf-8", "replace").strip()


def _last(stream: _Heard) -> str:
    lines = redact(stream.end.decode("utf-8", "replace")).splitlines()
    last = next((line for line in reversed(lines) if line.strip()), "")
    return _shown(last)[:LINE_MAX]


def _shown(text: str) -> str:
    """Make one line of it that can be shown."""
    return " ".join("".join(c if c.isprintable() else " " for c in redact(text)).split())

"""The destinations of notifications: URLs as Apprise takes them.

Rules:

1. A URL is a secret: an end is named by its place and its scheme alone.
2. A file of URLs is a plain file of whoever runs t3safe that nobody else may read; no link.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import Final

from attrs import field, frozen

from t3safe.domain.errors import NotifyError

_SCHEME: Final = re.compile(r"([a-z][a-z0-9+.-]{0,19})://", re.IGNORECASE)
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_READ_MAX: Final = 64 * 1024


@frozen
class End:
    """One place that is told; `place` counts from 1."""

    place: int
    url: str = field(repr=False)

    @property
    def name(self) -> str:
        """How it is called wherever it is shown (rule 1)."""
        scheme = _SCHEME.match(self.url)
        return f"{self.place} {scheme[1].lower() if scheme else 'no-scheme'}"


def ends(urls: tuple[str, ...], file: Path | None) -> tuple[End, ...]:
    """Give the ends, from the file where there is one.  Raises NotifyError."""
    lines = _lines(file) if file is not None else urls
    return tuple(End(place, url) for place, url in enumerate(lines, start=1))


def readable_by_others(path: Path) -> bool:
    """Whether somebody but its owner may read a file; False where it cannot be looked at."""
    try:
        return bool(path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH))
    except OSError:
        return False


def _lines(path: Path) -> tuple[str, ...]:
    try:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        with os.fdopen(os.open(path, flags), "rb") as file:
            problem = _untrusted(os.fstat(file.fileno()))
            content = b"" if problem else file.read(_READ_MAX + 1)
    except OSError as error:
        message = f"notify.urls_file: cannot read {path}: {error.strerror}"
        raise NotifyError(message) from error
    if not problem and len(content) > _READ_MAX:
        problem = f"is larger than {_READ_MAX} bytes"
    if problem:
        message = f"notify.urls_file: {path} {problem}; chown it to who runs t3safe, chmod 600"
        raise NotifyError(message)
    lines = (line.strip() for line in content.decode("utf-8", "replace").splitlines())
    return tuple(line for line in lines if line and not line.startswith("#"))


def _untrusted(status: os.stat_result) -> str:
    """Why such a file is not read (rule 2); empty where it is."""
    if not stat.S_ISREG(status.st_mode):
        return "is no plain file"
    if status.st_uid != os.geteuid():
        return "belongs to another user"
    if status.st_mode & _OTHERS:
        return f"may be used by others (mode {stat.S_IMODE(status.st_mode):04o})"
    return ""

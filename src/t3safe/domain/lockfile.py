"""npm's lock file as hosts of a fleet share it: a host without a fleet loads no more than this."""

from __future__ import annotations

import hashlib
from typing import Final

from attrs import field, frozen

from t3safe.domain.errors import UnusableError

LOCK_FILE_MAX: Final = 1024**2
"""Bytes of a lock file: etcd refuses requests above 1.5 MiB (`--max-request-bytes`)."""


@frozen
class LockFile:
    """The text of npm's lock file; from another host it is hostile input."""

    text: str = field(repr=False)

    @text.validator
    def _bounded(self, _: object, text: str) -> None:
        if len(text.encode(errors="replace")) > LOCK_FILE_MAX:
            message = f"a lock file of more than {LOCK_FILE_MAX} bytes is not shared"
            raise UnusableError(message)

    @property
    def digest(self) -> str:
        """The SHA-256 of the text, in hexadecimal."""
        return hashlib.sha256(self.text.encode(errors="replace")).hexdigest()


@frozen
class SharedLock:
    """The published lock file of a build, and the host that published it."""

    host: str
    file: LockFile

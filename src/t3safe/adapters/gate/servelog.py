"""What must not leave a rehearsal, and the serve's log without it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final
from urllib.parse import quote, quote_plus

from attrs import define, field

from t3safe.domain.redaction import HIDDEN, redact
from t3safe.t3 import serve_log

TAIL_MAX: Final = 64 * 1024
"""Bytes of a log that are kept as evidence, the last ones."""
TROUBLE_MAX: Final = 20
_CHUNK: Final = 1024 * 1024
_SHORTEST: Final = 6
"""Characters below which a value is too common a word to be taken out everywhere."""
_REASON_MAX: Final = 300


@define
class Secrets:
    """The secrets that a worker has seen itself."""

    _seen: set[str] = field(factory=set)

    def add(self, value: str) -> None:
        """Remember a secret in every form in which a log may hold it."""
        if len(value) >= _SHORTEST:
            self._seen |= {value, quote(value, safe=""), quote_plus(value)}

    def learn(self, text: str) -> None:
        """Remember the secrets that a log shows under their label."""
        for value in serve_log.secrets_in(text):
            self.add(value)

    def hide(self, text: str) -> str:
        """Take the seen secrets out of a text of ours."""
        # The longest first: one may be part of another.
        for value in sorted(self._seen, key=len, reverse=True):
            text = text.replace(value, HIDDEN)
        return text

    def clean(self, text: str) -> str:
        """Take the seen secrets and whatever looks like one out of a text of the build."""
        return redact(self.hide(text))


@define
class ServeLog:
    """The serve's log, read as it grows; everything given out is without secrets."""

    path: Path
    secrets: Secrets
    _read: int = 0
    _rest: bytes = b""
    _trouble: list[str] = field(factory=list)

    def trouble(self) -> tuple[str, ...]:
        """Look at what was added since the last call; the lines of trouble found so far."""
        self._read_on()
        return (*self._trouble, *self._trouble_in([self._rest]))

    def _read_on(self) -> None:
        if not self.path.exists():
            return
        with self.path.open("rb") as file:
            file.seek(self._read)
            while chunk := file.read(_CHUNK):
                self._read += len(chunk)
                *lines, self._rest = (self._rest[-_CHUNK:] + chunk).split(b"\n")
                self.secrets.learn(b"\n".join(lines).decode("utf-8", "replace"))
                self._trouble += self._trouble_in(lines)
                del self._trouble[TROUBLE_MAX:]

    def _trouble_in(self, lines: list[bytes]) -> list[str]:
        found = serve_log.trouble(line.decode("utf-8", "replace") for line in lines)
        return [self.secrets.clean(line)[:_REASON_MAX] for line in found[:TROUBLE_MAX]]

    def tail(self) -> str:
        """Give the last part of the log, whole lines only: half a secret is not recognised."""
        self._read_on()
        if not self.path.exists():
            return ""
        size = self.path.stat().st_size
        with self.path.open("rb") as file:
            file.seek(max(0, size - TAIL_MAX))
            data = file.read(TAIL_MAX)
        if size > TAIL_MAX:
            data = data.partition(b"\n")[2]
        text = data.decode("utf-8", "replace")
        self.secrets.learn(text)
        return self.secrets.clean(text)

    def says_ready(self, start: int) -> bool:
        """Whether the serve whose log begins at `start` says that it is ready."""
        with self.path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(start, size - _CHUNK))
            return serve_log.is_ready(file.read(_CHUNK).decode("utf-8", "replace"))

    def last_words(self, start: int) -> str:
        """Give the line since `start` that tells best why a serve ended, empty if it is silent."""
        with self.path.open("rb") as file:
            file.seek(start)
            text = file.read(TAIL_MAX).decode("utf-8", "replace")
        self.secrets.learn(text)
        return serve_log.last_words(self.secrets.clean(text).splitlines())[:_REASON_MAX]

"""The rehearsed serve as it is seen from outside: until it answers, and in its log without secrets.

Every request that waits for an answer has a connection and a short time of its own, because t3
never answers what arrives before it handles requests.
"""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Final
from urllib.parse import quote, quote_plus

from attrs import define, field

from t3safe.adapters._support.http_client import Address
from t3safe.domain.redaction import HIDDEN, redact
from t3safe.t3 import serve_log
from t3safe.t3.sign_in import SESSION_PATH

ANSWER_SECONDS: Final = 10.0
"""A serve that is ready answers in milliseconds; a busy machine gets a thousand times that."""
_PAUSE: Final = 0.03
_SHARE: Final = 1 / 40
"""Of the time that a serve has had, what passes until it is asked again: a hundred or so requests
wait at most."""
_PATIENCE: Final = 5.0
"""Seconds in which a serve that handles requests answers one while it starts."""
_CONNECTED: Final = 0.2
"""Seconds; a loopback connects at once, or what listens has too many waiting already."""
_HTTP: Final = b"HTTP/"
_KNOCK: Final = (
    f"GET {SESSION_PATH} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
)
"""Not `/`: from V2 on that may be answered while a start still migrates, or fails."""


def await_answer(
    address: Address, ended: Callable[[], bool], deadline: float, since: float
) -> tuple[bool, float]:
    """Ask until something answers, `ended` says so or `deadline` seconds are over `since` then.

    Returns whether it answered, and after how many seconds.  It is asked anew while earlier
    requests are still waiting: what arrives in the listen window is never answered, and a slow
    machine needs its time.
    """
    waiting: list[tuple[float, socket.socket]] = []
    with ExitStack() as stack:
        while (waited := time.monotonic() - since) < deadline and not ended():
            # Where nothing takes connections at all, the next attempt may find somebody.
            with suppress(OSError):
                knock = stack.enter_context(
                    socket.create_connection((address.host, address.port), timeout=_CONNECTED)
                )
                waiting.append((time.monotonic() + _PATIENCE, knock))
                knock.sendall(_KNOCK)
            pause = min(max(_PAUSE, waited * _SHARE), deadline - waited)
            now = time.monotonic()
            ready = select.select([knock for _, knock in waiting], [], [], pause)[0]
            if any(map(_speaks_http, ready)):
                return True, time.monotonic() - since
            # Those that fail are gone.
            for until, knock in waiting:
                if until < now or knock in ready:
                    knock.close()
            waiting = [each for each in waiting if each[1].fileno() >= 0]
        return False, waited


def _speaks_http(knock: socket.socket) -> bool:
    try:
        return knock.recv(len(_HTTP)) == _HTTP
    except OSError:
        return False


TAIL_MAX: Final = 64 * 1024
"""Bytes of a log that are kept as evidence, the last ones."""
ERRORS_MAX: Final = 20
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

    def clean(self, text: str) -> str:
        """Take the seen secrets and whatever looks like one out of a text."""
        # The longest first: one may be part of another.
        for value in sorted(self._seen, key=len, reverse=True):
            text = text.replace(value, HIDDEN)
        return redact(text)


@define
class ServeLog:
    """The serve's log, read as it grows; everything given out is without secrets."""

    path: Path
    secrets: Secrets
    _read: int = 0
    _rest: bytes = b""
    _errors: list[str] = field(factory=list)

    def errors(self) -> tuple[str, ...]:
        """Read what was added since the last call; return the error lines found so far."""
        while chunk := self._part(self._read, _CHUNK):
            self._read += len(chunk)
            *lines, self._rest = (self._rest[-_CHUNK:] + chunk).split(b"\n")
            self.secrets.learn(b"\n".join(lines).decode("utf-8", "replace"))
            self._errors += self._errors_in(lines)
            del self._errors[ERRORS_MAX:]
        return (*self._errors, *self._errors_in([self._rest]))

    def _errors_in(self, lines: list[bytes]) -> list[str]:
        found = serve_log.error_lines(line.decode("utf-8", "replace") for line in lines)
        return [self.secrets.clean(line)[:_REASON_MAX] for line in found[:ERRORS_MAX]]

    def tail(self) -> str:
        """Give the last part of the log, whole lines only: half a secret is not recognised."""
        # The secrets of all of it are learnt first.
        self.errors()
        cut = self._read > TAIL_MAX
        data = self._part(max(0, self._read - TAIL_MAX), TAIL_MAX)
        return self._clean(data.partition(b"\n")[2] if cut else data)

    def says_ready(self, start: int) -> bool:
        """Whether the serve whose log begins at `start` says that it is ready."""
        data = self._part(max(start, self.path.stat().st_size - _CHUNK), _CHUNK)
        return serve_log.is_ready(data.decode("utf-8", "replace"))

    def last_words(self, start: int) -> str:
        """Give the line since `start` that tells best why a serve ended, empty if it is silent."""
        lines = self._clean(self._part(start, TAIL_MAX)).splitlines()
        return serve_log.last_words(lines)[:_REASON_MAX]

    def _part(self, start: int, most: int) -> bytes:
        """Read so many bytes of the log at the most, none where there is no log yet."""
        with suppress(FileNotFoundError), self.path.open("rb") as file:
            file.seek(start)
            return file.read(most)
        return b""

    def _clean(self, data: bytes) -> str:
        text = data.decode("utf-8", "replace")
        self.secrets.learn(text)
        return self.secrets.clean(text)


def bindable(host: str, port: int) -> int:
    """Give the port, a free one for 0, where it can be bound.  Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host, port))
        return int(probe.getsockname()[1])

"""Waiting until a serve answers.

Every request has a connection and a short time of its own, because t3 never answers what arrives
before it handles requests.
"""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Self

from t3safe.adapters._support.http_client import Address
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
    with _Knocks(address) as knocks:
        while (waited := time.monotonic() - since) < deadline and not ended():
            knocks.add()
            pause = min(max(_PAUSE, waited * _SHARE), deadline - waited)
            if knocks.answered(pause):
                return True, time.monotonic() - since
        return False, waited


class _Knocks:
    """Requests that wait for an answer, each on a connection of its own, for a while."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._waiting: list[tuple[float, socket.socket]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        for _, knock in self._waiting:
            knock.close()

    def add(self) -> None:
        """Send one more request, if something takes connections at all."""
        try:
            knock = socket.create_connection(
                (self._address.host, self._address.port), timeout=_CONNECTED
            )
        except OSError:
            return
        self._waiting.append((time.monotonic() + _PATIENCE, knock))
        with suppress(OSError):
            knock.sendall(_KNOCK)

    def answered(self, seconds: float) -> bool:
        """Whether one of them is answered within so many seconds; those that fail are gone."""
        now = time.monotonic()
        ready = select.select([knock for _, knock in self._waiting], [], [], seconds)[0]
        if any(map(_speaks_http, ready)):
            return True
        gone = [knock for until, knock in self._waiting if until < now or knock in ready]
        for knock in gone:
            knock.close()
        self._waiting = [waiting for waiting in self._waiting if waiting[1] not in gone]
        return False


def _speaks_http(knock: socket.socket) -> bool:
    try:
        return knock.recv(len(_HTTP)) == _HTTP
    except OSError:
        return False

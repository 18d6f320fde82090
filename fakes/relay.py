"""A relay in front of a server: it loses answers and requests on demand."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from enum import StrEnum
from typing import Self

from attrs import frozen


class RelayLoss(StrEnum):
    """What the relay loses of the next request to a path."""

    REQUEST = "request"
    """The server never hears it."""
    ANSWER = "answer"
    """The server does it."""


@frozen
class _PlannedLoss:
    loss: RelayLoss
    path: bytes


class Relay:
    """Hands each connection on to a port of this host; a connection is one request."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._losses: list[_PlannedLoss] = []
        self._lock = threading.Lock()
        self._listener: socket.socket | None = None
        self.port = 0

    def __enter__(self) -> Self:
        self.up()
        return self

    def __exit__(self, *_: object) -> None:
        self.down()

    def lose(self, loss: RelayLoss, path: str) -> None:
        """Lose this of the next request to the path."""
        with self._lock:
            self._losses.append(_PlannedLoss(loss, path.encode()))

    def forget(self) -> None:
        """Lose nothing that was planned and did not happen."""
        with self._lock:
            self._losses.clear()

    def up(self) -> None:
        """Listen; again on the same port after `down`."""
        listener = socket.create_server(("127.0.0.1", self.port))
        self.port = listener.getsockname()[1]
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def down(self) -> None:
        """Refuse connections."""
        if self._listener is not None:
            # Else the thread that accepts keeps the socket.
            with suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=self._carry, args=(connection,), daemon=True).start()

    def _carry(self, client: socket.socket) -> None:
        with client, suppress(OSError, ValueError):
            request = _whole(client)
            if not request:
                return
            line = request.partition(b"\r\n")[0]
            with self._lock:
                planned = next((one for one in self._losses if one.path in line), None)
                if planned is not None:
                    self._losses.remove(planned)
            if planned is not None and planned.loss is RelayLoss.REQUEST:
                return
            with self._connect() as server:
                server.sendall(_closing(request))
                answer = b"".join(iter(lambda: server.recv(65536), b""))
            if planned is None:
                client.sendall(answer)

    def _connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self._target), 5)


def _whole(client: socket.socket) -> bytes:
    """Read one request; raises ValueError if it breaks off."""
    client.settimeout(30)
    taken = b""
    while b"\r\n\r\n" not in taken:
        more = client.recv(65536)
        if not more:
            return b""
        taken += more
    head, _, body = taken.partition(b"\r\n\r\n")
    lines = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
    length = int(lines.get(b"content-length", b"0"))
    while len(body) < length:
        body += client.recv(65536)
    return head + b"\r\n\r\n" + body


def _closing(request: bytes) -> bytes:
    """Ask for the connection to end with the answer."""
    head, _, rest = request.partition(b"\r\n")
    return head + b"\r\nConnection: close\r\n" + rest

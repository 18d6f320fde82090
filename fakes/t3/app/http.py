"""A small HTTP server that can be as rude as t3 is while it starts.

The port accepts connections from the bind on.  A request that arrives before `ready` is set is
never answered: its connection stays open until the client gives up.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import NamedTuple

_REASONS = {
    101: "Switching Protocols",
    200: "OK",
    302: "Found",
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    405: "Method Not Allowed",
    426: "Upgrade Required",
    500: "Internal Server Error",
}
_HEAD_LIMIT = 64 * 1024


class FakeRequest(NamedTuple):
    """One request; header names are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    def cookie(self, name: str) -> str:
        """The value of a cookie, empty when it was not sent."""
        for part in self.headers.get("cookie", "").split(";"):
            found, _, value = part.strip().partition("=")
            if found == name:
                return value
        return ""

    def json(self) -> dict[str, object]:
        """The body as a JSON object, an empty one when it is none."""
        try:
            found = json.loads(self.body or b"{}")
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}


class Response(NamedTuple):
    """One answer; with `hold` it never ends, as that of a web socket."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    hold: bool = False


def json_response(
    status: int, content: object, headers: tuple[tuple[str, str], ...] = ()
) -> Response:
    """Make an answer of JSON."""
    body = json.dumps(content, separators=(",", ":")).encode()
    return Response(status, body, (("Content-Type", "application/json"), *headers))


class HttpServer:
    """Binds on construction (OSError when it cannot) and serves each connection in a thread."""

    def __init__(self, host: str, port: int, handle: Callable[[FakeRequest], Response]) -> None:
        self.ready = threading.Event()
        self._handle = handle
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._socket.bind((host, port))
            self._socket.listen(511)
        except OSError:
            self._socket.close()
            raise
        self.port = int(self._socket.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Take no more connections."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for request in _requests(connection):
                if not self.ready.is_set():
                    _park(connection)
                    return
                response = self._handle(request)
                connection.sendall(_encode(request, response))
                if response.hold:
                    _park(connection)
                    return
                if request.headers.get("connection", "").lower() == "close":
                    return


def _park(connection: socket.socket) -> None:
    while connection.recv(4096):
        pass


def _requests(connection: socket.socket) -> Iterator[FakeRequest]:
    """The requests of one connection, until it closes or sends what is no HTTP."""
    pending = b""
    while True:
        while b"\r\n\r\n" not in pending:
            received = connection.recv(16384)
            pending += received
            if not received or len(pending) > _HEAD_LIMIT:
                return
        head, _, rest = pending.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        words = first.split(" ")
        if len(words) != 3:
            return
        pairs = (line.partition(":") for line in lines)
        headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
        length = headers.get("content-length", "0")
        if not length.isdigit():
            return
        while len(rest) < int(length):
            received = connection.recv(65536)
            if not received:
                return
            rest += received
        pending = rest[int(length) :]
        yield FakeRequest(words[0], words[1], headers, rest[: int(length)])


def _encode(request: FakeRequest, response: Response) -> bytes:
    lines = [f"HTTP/1.1 {response.status} {_REASONS.get(response.status, 'Unknown')}"]
    lines += [f"{name}: {value}" for name, value in response.headers]
    lines += [] if response.hold else [f"Content-Length: {len(response.body)}"]
    body = b"" if request.method == "HEAD" else response.body
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body

"""An etcd of one process that speaks the JSON gateway, good on demand and bad on demand.

In a test: `with EtcdServer() as etcd: etcd.fail(EtcdFault.LOST_AFTER)`.  What it holds, and what
its answers mean, is `fakes.etcdstate`.
"""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from enum import StrEnum
from typing import Any, Final

from attrs import frozen

from fakes.etcdstate import EtcdRefusalError, EtcdState
from fakes.service import FakeServer, Service, ServiceHandler

REQUEST_BYTES_MAX: Final = 1_572_864
"""etcd's own limit of a request (`--max-request-bytes`)."""
_HUGE: Final = 40 * 1024**2


class EtcdFault(StrEnum):
    """What befalls one request."""

    LOST_BEFORE = "lost before"
    """The connection breaks, and nothing was done."""
    LOST_AFTER = "lost after"
    """It is done, and the connection breaks."""
    PENDING = "pending"
    """The connection breaks, and it is done when the server says `deliver`."""
    UNAVAILABLE = "unavailable"
    """etcd gives up waiting for its leader; nothing was done."""
    TIMED_OUT = "timed out"
    """It is done, and etcd gives up waiting for that."""
    LATE = "late"
    """It is done, and the answer comes after `seconds`."""
    CUT = "cut"
    """It is done, and half of the answer comes."""
    HTML = "html"
    """A page of something else, with status 200."""
    PROXY = "proxy"
    """A page of a proxy, with status 502."""
    FOREIGN = "foreign"
    """JSON of something else."""
    HUGE = "huge"
    """An answer without end."""
    TOKEN = "token"
    """All tokens are refused from now on, as after a restart."""
    OLD_AUTH = "old auth"
    """The users were changed since the token was made."""
    FULL = "full"
    """The database has no space left."""


@frozen
class _Planned:
    fault: EtcdFault
    path: str
    seconds: float


class EtcdServer(FakeServer):
    """The server, what it holds, and its faults; everything may change while it serves."""

    def __init__(self, state: EtcdState | None = None) -> None:
        self.state = state or EtcdState()
        self.log: list[str] = []
        self._service = Service(self._handle, "127.0.0.1", 0)
        self._lock = threading.RLock()
        self._planned: deque[_Planned] = deque()
        self._pending: deque[tuple[str, dict[str, Any], str]] = deque()

    def fail(
        self, *faults: EtcdFault, path: str = "", seconds: float = 1.0, times: int = 1
    ) -> None:
        """Let the next requests of this path fail so, one fault each."""
        for fault in faults * times:
            self._planned.append(_Planned(fault, path, seconds))

    def deliver(self) -> None:
        """Do what is pending, as far as its conditions still hold."""
        with self._lock:
            while self._pending:
                self.state.call(*self._pending.popleft())

    def wipe(self, cluster: str = "1") -> None:
        """Lose everything, and begin again as another cluster."""
        with self._lock:
            self.state = EtcdState(cluster)

    def _handle(self, handler: ServiceHandler) -> None:
        body = handler.read_body()
        path = handler.path.removeprefix("/v3/")
        with self._lock:
            self.log.append(path)
            planned = next((one for one in self._planned if one.path in path), None)
            if planned is not None:
                self._planned.remove(planned)
        token = handler.headers.get("Authorization", "")
        if planned is None:
            self._send(handler, *self._answer(handler.path, body, token))
        else:
            self._misbehave(handler, planned, body, token)

    def _answer(self, path: str, body: bytes, token: str) -> tuple[int, bytes]:
        if path == "/version":
            return 200, b'{"etcdserver":"3.4.23","etcdcluster":"3.4.0"}'
        if not path.startswith("/v3/"):
            return 404, b"404 page not found\n"
        if len(body) > REQUEST_BYTES_MAX * 4 // 3:
            return _refusal(EtcdRefusalError(400, 3, "etcdserver: request is too large"))
        try:
            with self._lock:
                answer = self.state.call(path.removeprefix("/v3/"), json.loads(body), token)
        except EtcdRefusalError as refusal:
            return _refusal(refusal)
        except (ValueError, LookupError, TypeError) as error:
            return _refusal(EtcdRefusalError(400, 3, str(error)))
        return 200, json.dumps(answer).encode()

    def _misbehave(
        self, handler: ServiceHandler, planned: _Planned, body: bytes, token: str
    ) -> None:
        path = handler.path.removeprefix("/v3/")
        match planned.fault:
            case EtcdFault.LOST_BEFORE:
                self._cut(handler)
            case EtcdFault.PENDING:
                with self._lock:
                    self._pending.append((path, json.loads(body), token))
                self._cut(handler)
            case EtcdFault.LOST_AFTER:
                self._answer(handler.path, body, token)
                self._cut(handler)
            case EtcdFault.TIMED_OUT:
                self._answer(handler.path, body, token)
                late = EtcdRefusalError(504, 14, "etcdserver: request timed out")
                self._send(handler, *_refusal(late))
            case EtcdFault.LATE:
                answer = self._answer(handler.path, body, token)
                time.sleep(planned.seconds)
                self._send(handler, *answer)
            case EtcdFault.CUT:
                _, content = self._answer(handler.path, body, token)
                handler.send_response_only(200)
                handler.send_header("Content-Length", str(len(content)))
                handler.end_headers()
                handler.wfile.write(content[: len(content) // 2])
                self._cut(handler)
            case EtcdFault.HUGE:
                handler.send_response_only(200)
                handler.send_header("Content-Length", str(_HUGE))
                handler.end_headers()
                for _ in range(_HUGE // 65536):
                    handler.wfile.write(b" " * 65536)
            case EtcdFault.TOKEN:
                with self._lock:
                    self.state.tokens.clear()
                self._send(handler, *self._answer(handler.path, body, token))
            case _:
                self._send(handler, *_SAID[planned.fault])

    @staticmethod
    def _send(handler: ServiceHandler, status: int, body: bytes) -> None:
        handler.reply(status, body, ("Content-Type", "application/json"))

    @staticmethod
    def _cut(handler: ServiceHandler) -> None:
        handler.close_connection = True


def _refusal(refusal: EtcdRefusalError) -> tuple[int, bytes]:
    said = {"error": refusal.text, "message": refusal.text, "code": refusal.code}
    return refusal.status, json.dumps(said).encode()


_SAID: Final = {
    EtcdFault.UNAVAILABLE: _refusal(EtcdRefusalError(503, 14, "etcdserver: no leader")),
    EtcdFault.OLD_AUTH: _refusal(
        EtcdRefusalError(400, 3, "etcdserver: revision of auth store is old")
    ),
    EtcdFault.FULL: _refusal(EtcdRefusalError(429, 8, "etcdserver: mvcc: database space exceeded")),
    EtcdFault.HTML: (200, b"<!doctype html><h1>Sign in</h1>"),
    EtcdFault.PROXY: (502, b"<html>502 Bad Gateway</html>"),
    EtcdFault.FOREIGN: (200, b'{"status": "ok"}'),
}
"""What is said in place of an answer; nothing was done."""

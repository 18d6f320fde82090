"""One HTTP request on a connection of its own, bounded in time and size whoever answers.

The gate and the verification of a move ask with it, so that they see the same.

Rules:

1. A serve belongs to a person, so its answers are a stranger's: every read counts against one
   deadline, a body is read to a limit, and no more of it than asked for is ever shown.
2. Nothing of the environment (proxies, netrc) takes part, and no redirect is followed.
3. What an answer means is read in `t3safe.t3.sign_in` alone.

It is `http.client` and not requests, because a request there cannot be bounded as a whole: a
stranger who sends a byte a second would be listened to for hours.
"""

from __future__ import annotations

import http.client
import socket
import time
from collections.abc import Mapping
from typing import Any, Final, Self
from urllib.parse import urlsplit

from attrs import field, frozen

from t3safe.domain.text import duration
from t3safe.t3.sign_in import SESSION_PATH, Cookies, Session, session_of

BODY_MAX: Final = 256 * 1024
"""Bytes; a session is some hundred."""
_ANY: Final = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - looked for


class NoAnswerError(Exception):
    """Raised when nobody answered; the text says what happened instead."""


@frozen
class Address:
    """Where something listens."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `host:port`; raises ValueError."""
        parts = urlsplit(f"http://{text}")
        if not parts.hostname or not parts.port or parts.netloc != text or parts.username:
            message = f"{text!r} is not host:port"
            raise ValueError(message)
        return cls(parts.hostname, parts.port)

    @classmethod
    def bound(cls, host: str, port: int) -> Self:
        """Give where something is asked that is bound to a host, all of them perhaps."""
        return cls(_ANY.get(host, host), port)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


@frozen
class HttpAnswer:
    """What came back; `body` is cut at BODY_MAX and may hold secrets."""

    status: int
    cookies: Cookies
    body: bytes = field(repr=False)


class _Bounded(socket.socket):
    """A socket whose every read and write counts against one deadline."""

    deadline: float = 0.0

    def _spend(self) -> None:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self.settimeout(left)

    def recv_into(self, *given: Any, **more: Any) -> int:  # noqa: ANN401 - as the method it extends
        self._spend()
        return super().recv_into(*given, **more)

    def sendall(self, *given: Any, **more: Any) -> None:  # noqa: ANN401
        self._spend()
        super().sendall(*given, **more)


def ask(
    address: Address,
    path: str,
    headers: Mapping[str, str],
    seconds: float,
    body: bytes | None = None,
) -> HttpAnswer:
    """GET a path, or POST the body to it, within so many seconds.  Raises NoAnswerError."""
    connection = http.client.HTTPConnection(address.host, address.port)
    try:
        connection.sock = _connected(address, seconds)
        sent = {"Connection": "close", "Accept-Encoding": "identity", **headers}
        connection.request("GET" if body is None else "POST", path, body, sent)
        response = connection.getresponse()
        cookies = Cookies.set_by(response.headers.get_all("Set-Cookie") or [])
        return HttpAnswer(response.status, cookies, response.read(BODY_MAX))
    except TimeoutError as error:
        message = f"did not answer within {duration(seconds)}"
        raise NoAnswerError(message) from error
    except http.client.HTTPException as error:
        message = f"does not answer in HTTP ({type(error).__name__})"
        raise NoAnswerError(message) from error
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else None
        message = f"cannot be reached ({why or type(error).__name__})"
        raise NoAnswerError(message) from error
    finally:
        connection.close()


def session(
    address: Address, headers: Mapping[str, str], seconds: float
) -> tuple[Session | int, Cookies]:
    """Ask whose session this is, and which cookies the answer sets.  Raises NoAnswerError."""
    answer = ask(address, SESSION_PATH, headers, seconds)
    return session_of(answer.status, answer.body), answer.cookies


def _connected(address: Address, seconds: float) -> _Bounded:
    deadline = time.monotonic() + seconds
    plain = socket.create_connection((address.host, address.port), timeout=seconds)
    bounded = _Bounded(fileno=plain.detach())
    bounded.deadline = deadline
    return bounded

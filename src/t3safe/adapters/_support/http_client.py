"""One HTTP request to a serve, the dispatch or the registry, bounded in time and size.

Rules:

1. The server is not trusted: name lookup, connection, headers and body have one deadline, and
   a body is read to a limit.  Once the time is over the connection is cut.
2. No redirect is followed, and no more of an answer than asked for is ever shown.
3. Nothing of the environment (proxies, netrc) takes part, except in what goes `outside` this host.
4. What an answer means is read elsewhere: in `t3safe.t3.sign_in`, and by the registry's adapter.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import time
from collections.abc import Mapping
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, Final, Self
from urllib.parse import urlsplit

import requests
import urllib3
from attrs import field, frozen
from requests.adapters import HTTPAdapter

from t3safe.domain.text import duration
from t3safe.t3.sign_in import SESSION_PATH, Cookies, Session, session_of

BODY_MAX: Final = 256 * 1024
"""Bytes; a session is some hundred."""
_CHUNK: Final = 64 * 1024
_ANY: Final = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - looked for


class NoAnswerError(Exception):
    """Raised when nobody answered; the text says what happened instead.

    `sent` is False if the request certainly did not reach the other side.
    """

    def __init__(self, message: str, *, sent: bool = True) -> None:
        super().__init__(message)
        self.sent = sent


class UntrustedError(NoAnswerError):
    """Raised when whoever answered has no certificate that is trusted here."""


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
    """What came back; `body` is cut at the limit and may hold secrets.

    `location` is where a redirect leads, empty where it is none.
    """

    status: int
    cookies: Cookies
    body: bytes = field(repr=False)
    location: str = ""


@frozen
class WayOut:
    """How something outside of this host is asked.

    `connect` is how many seconds a connection may take, `read` how many may pass without a byte;
    `cafile` has the certificates to trust, empty for the system's.  `environment` says whether
    proxies of the environment take part.
    """

    connect: float
    read: float
    cafile: str = ""
    environment: bool = True


def fetch(
    url: str,
    headers: Mapping[str, str],
    seconds: float,
    *,
    body: bytes | None = None,
    most: int = BODY_MAX,
    outside: WayOut | None = None,
) -> HttpAnswer:
    """GET a URL, or POST the body to it, within so many seconds.

    `most` is the limit of the answer's body in bytes; what comes from outside may be compressed.
    Raises NoAnswerError.  The work is done by a thread: a name lookup cannot be interrupted.
    """
    answers: SimpleQueue[HttpAnswer | Exception] = SimpleQueue()
    deadline = time.monotonic() + seconds
    wire = _Wire()

    def work() -> None:
        try:
            with (
                _BareSession(wire, outside is not None and outside.environment, headers) as session,
                session.request(
                    "GET" if body is None else "POST",
                    url,
                    data=body,
                    headers={"User-Agent": "t3safe", **headers},
                    timeout=(outside.connect, outside.read) if outside else seconds,
                    allow_redirects=False,
                    stream=True,
                    verify=(outside and outside.cafile) or True,
                ) as response,
            ):
                content = _content(response, most, deadline, decode=outside is not None)
                cookies = Cookies.set_by(response.raw.headers.getlist("Set-Cookie"))
                location = response.headers["Location"] if response.is_redirect else ""
                answers.put(HttpAnswer(response.status_code, cookies, content, location))
        except Exception as error:  # noqa: BLE001 - told where it was asked
            answers.put(error)

    late = f"did not answer within {duration(max(seconds, 0.0))}"
    if seconds <= 0:
        raise NoAnswerError(late, sent=False)
    Thread(target=work, name="http", daemon=True).start()
    try:
        answer = answers.get(timeout=seconds)
    except Empty:
        wire.cut()
        raise NoAnswerError(late) from None
    if isinstance(answer, HttpAnswer):
        if time.monotonic() >= deadline:
            raise NoAnswerError(late)
        return answer
    if not isinstance(
        answer, OSError | ValueError | urllib3.exceptions.HTTPError | http.client.HTTPException
    ):
        raise answer
    cause, sent = _root(answer), _reached(answer)
    if isinstance(cause, TimeoutError):
        message = late if outside is None else "did not answer in time"
        raise NoAnswerError(message, sent=sent) from answer
    if isinstance(cause, ssl.SSLCertVerificationError):
        message = f"has no certificate that is trusted here ({cause.verify_message})"
        raise UntrustedError(message, sent=False) from answer
    if isinstance(cause, http.client.HTTPException):
        message = f"does not answer in HTTP, or broke off ({type(cause).__name__})"
        raise NoAnswerError(message) from answer
    why = cause.strerror if isinstance(cause, OSError) else None
    message = f"cannot be reached ({why or type(cause).__name__})"
    raise NoAnswerError(message, sent=sent) from answer


def ask(
    address: Address,
    path: str,
    headers: Mapping[str, str],
    seconds: float,
    body: bytes | None = None,
) -> HttpAnswer:
    """GET a path here, or POST the body to it, within so many seconds.  Raises NoAnswerError."""
    sent = {"Connection": "close", "Accept-Encoding": "identity", **headers}
    return fetch(f"http://{address}{path}", sent, seconds, body=body)


def session(
    address: Address, headers: Mapping[str, str], seconds: float
) -> tuple[Session | int, Cookies]:
    """Ask whose session this is, and which cookies the answer sets.  Raises NoAnswerError."""
    answer = ask(address, SESSION_PATH, headers, seconds)
    return session_of(answer.status, answer.body), answer.cookies


class _Wire(HTTPAdapter):
    """Keeps hold of its connections, so that they can be cut from beside the thread that reads."""

    def __init__(self) -> None:
        super().__init__()
        self._made: list[http.client.HTTPConnection] = []

    def get_connection_with_tls_context(self, *given: Any, **more: Any) -> Any:  # noqa: ANN401
        pool: Any = super().get_connection_with_tls_context(*given, **more)
        make = pool.ConnectionCls

        def made(*given: Any, **more: Any) -> Any:  # noqa: ANN401
            self._made.append(make(*given, **more))
            return self._made[-1]

        pool.ConnectionCls = made
        return pool

    def cut(self) -> None:
        for connection in self._made:
            if (wire := connection.sock) is not None:
                with suppress(OSError):
                    wire.shutdown(socket.SHUT_RDWR)


class _BareSession(requests.Session):
    """Sends nothing that it was not given, and reads no body of a redirect."""

    def __init__(self, wire: _Wire, environment: bool, headers: Mapping[str, str]) -> None:
        super().__init__()
        self.headers.clear()
        self.trust_env = environment
        if "Authorization" in headers:
            # Else a netrc would replace what was given.
            self.auth = lambda request: request
        self.mount("http://", wire)
        self.mount("https://", wire)

    def get_redirect_target(self, resp: requests.Response) -> None:
        """None: a session reads the body of what it could follow, however long it is."""


def _content(response: requests.Response, most: int, deadline: float, *, decode: bool) -> bytes:
    """Read a body up to its limit, one read of the socket at a time, so that each is counted."""
    content = bytearray()
    while (left := most - len(content)) > 0 and time.monotonic() < deadline:
        chunk = response.raw.read1(min(left, _CHUNK), decode_content=decode)
        if not chunk:
            break
        content += chunk
    return bytes(content[:most])


def _reached(error: BaseException | None) -> bool:
    """Whether the request may have reached the other side: not if no connection was made."""
    while error is not None:
        if isinstance(
            error,
            urllib3.exceptions.NewConnectionError | urllib3.exceptions.ConnectTimeoutError,
        ):
            return False
        error = error.__cause__ or error.__context__
    return True


def _root(error: BaseException) -> BaseException:
    """Give the innermost cause: the outer ones repeat addresses and objects."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    return error

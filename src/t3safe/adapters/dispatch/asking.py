"""One HTTP request on a connection of its own, bounded in time and size whoever answers.

Rules:

1. A serve belongs to a person, so its answers are a stranger's: every read counts against one
   deadline, a body is read to a limit, and no more of it than asked for is ever shown.
2. Nothing of the environment (proxies, netrc) takes part, and no redirect is followed.
3. Of cookies only those are taken that can be sent back as they came: an answer must not be able
   to put a header into the next request.

It is `http.client` and not requests, because a request there cannot be bounded as a whole: a
stranger who sends a byte a second would be listened to for hours.
"""

from __future__ import annotations

import http.client
import re
import socket
import time
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final, Self
from urllib.parse import urlsplit

from attrs import field, frozen

from t3safe.adapters._support.bodies import json_object

BODY_MAX: Final = 256 * 1024
"""Bytes; a session is some hundred."""
SESSION_PATH: Final = "/api/auth/session"
_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}")
_VALUE: Final = re.compile(r"[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]{1,4096}")
"""Names and values of cookies by RFC 6265, section 4.1.1, and no longer than browsers keep."""


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

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


@frozen
class Cookies:
    """Session cookies by name; the values are secrets and never shown."""

    values: Mapping[str, str] = field(factory=dict, repr=False)

    @property
    def names(self) -> tuple[str, ...]:
        """The names, sorted, short enough to be shown."""
        return tuple(name[:64] for name in sorted(self.values))

    @property
    def header(self) -> str:
        """What a request sends to have them all."""
        return "; ".join(f"{name}={value}" for name, value in self.values.items())


@frozen
class Answer:
    """What came back; `body` is cut at BODY_MAX and may hold secrets."""

    status: int
    cookies: Cookies
    body: bytes = field(repr=False)

    def json(self) -> Mapping[str, Any]:
        """The body as a JSON object, an empty one when it is none."""
        return json_object(self.body)


@frozen
class Session:
    """What GET /api/auth/session tells: `cookie` is the name that the serve looks for, if told."""

    authenticated: bool
    cookie: str


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
) -> Answer:
    """GET a path, or POST the body to it, within so many seconds.  Raises NoAnswerError."""
    connection = http.client.HTTPConnection(address.host, address.port)
    try:
        connection.sock = _connected(address, seconds)
        sent = {"Connection": "close", "Accept-Encoding": "identity", **headers}
        connection.request("GET" if body is None else "POST", path, body, sent)
        response = connection.getresponse()
        cookies = _cookies(response.headers.get_all("Set-Cookie") or [])
        return Answer(response.status, cookies, response.read(BODY_MAX))
    except TimeoutError as error:
        message = f"did not answer within {seconds:g} s"
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


def session(address: Address, headers: Mapping[str, str], seconds: float) -> Session | int:
    """Ask whose session this is; the status where it is not 200.  Raises NoAnswerError."""
    answer = ask(address, SESSION_PATH, headers, seconds)
    if answer.status != HTTPStatus.OK:
        return answer.status
    content = answer.json()
    auth = content.get("auth")
    name = auth.get("sessionCookieName") if isinstance(auth, dict) else None
    return Session(content.get("authenticated") is True, name if isinstance(name, str) else "")


def _connected(address: Address, seconds: float) -> _Bounded:
    deadline = time.monotonic() + seconds
    plain = socket.create_connection((address.host, address.port), timeout=seconds)
    bounded = _Bounded(fileno=plain.detach())
    bounded.deadline = deadline
    return bounded


def _cookies(set_cookies: list[str]) -> Cookies:
    """Take the cookies that can be sent back as they are (rule 3)."""
    found: dict[str, str] = {}
    for text in set_cookies:
        name, _, value = text.partition(";")[0].partition("=")
        name, value = name.strip(), value.strip()
        if _NAME.fullmatch(name) and _VALUE.fullmatch(value):
            found[name] = value
    return Cookies(found)

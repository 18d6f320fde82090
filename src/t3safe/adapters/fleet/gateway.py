"""Requests to etcd's JSON gateway, at the first of several endpoints that answers.

Rules:

1. Each request has a deadline and a limit of size, and so has one question over all endpoints.
   Proxies of the environment are used, but not on loopback; redirects and netrc are not.
2. A read goes on to the next endpoint until one answers.  A write goes on only if it certainly did
   not reach the endpoint before; else its outcome is unknown, and LostError says so.
3. Only an answer of etcd itself says that a write was refused.
4. User and password give a token, once.  If a token is refused: sign in once, repeat once.  A
   certificate of the client is not used: the gateway cannot sign in by it.
5. A message is one line with the endpoint, what happened and what to do.  It never has the password
   or the token.
"""

from __future__ import annotations

import io
import ipaddress
import json
import time
from collections.abc import Callable, Iterator
from typing import Any, Final, Self
from urllib.parse import urlsplit

import requests
from attrs import define, field, frozen
from etcd3gw import Etcd3Client
from etcd3gw.exceptions import Etcd3Exception

from t3safe.adapters._support.http_client import NoAnswerError, UntrustedError, WayOut, fetch
from t3safe.domain.errors import FleetError, FleetErrorKind, UnusableError

ANSWER_MAX: Final = 32 * 1024**2
"""Bytes: 500 hosts and their verdicts are 1 MiB."""
API_PATH: Final = "/v3/"
"""Of etcd 3.4 and newer; asking for it would be one more request a command."""
_SAID_MAX: Final = 160
_DEFINITE: Final = frozenset({3, 5, 7, 8, 9, 16})
"""Codes of gRPC with which etcd refuses a request before it is proposed: invalid argument, not
found, permission denied, resource exhausted, failed precondition, unauthenticated."""
_DENIED, _UNAUTHENTICATED, _EXHAUSTED = 7, 16, 8
_TOKEN_REFUSED: Final = ("user name is empty", "revision of auth store is old")
_USER_REFUSED: Final = ("authentication failed", "authentication is not enabled")
_RANK: Final = (
    FleetErrorKind.UNREACHABLE,
    FleetErrorKind.GARBAGE,
    FleetErrorKind.NOT_ETCD,
    FleetErrorKind.WRONG_CA,
    FleetErrorKind.CREDENTIALS,
)
"""From the least to the most telling, if endpoints fail in different ways."""


@frozen
class Endpoint:
    """Where a member of etcd listens."""

    scheme: str
    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `https://etcd1:2379`; raises UnusableError."""
        try:
            parts = urlsplit(text)
            port = parts.port
        except ValueError:
            parts, port = urlsplit(""), None
        plain = not (parts.username or parts.query or parts.fragment) and parts.path in {"", "/"}
        if parts.scheme not in {"http", "https"} or not parts.hostname or not port or not plain:
            message = f"{text!r} is not an endpoint such as https://etcd1.example.org:2379"
            raise UnusableError(message)
        return cls(parts.scheme, parts.hostname, port)

    @property
    def loopback(self) -> bool:
        """Whether it is on this host by its address."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"


@frozen
class EtcdUser:
    """The user of this host in etcd."""

    user: str
    password: str = field(repr=False)


@frozen
class FleetDeadlines:
    """How long etcd is waited for, in seconds.

    A transaction takes 42 ms (p99) on three nodes, and 2.1 s after the leader was lost (measured
    with etcd 3.4.23).  `total` bounds one question over all endpoints.
    """

    connect: float = 2.0
    answer: float = 5.0
    total: float = 15.0


class LostError(Exception):
    """Raised when it is not known what became of a write; the text says why."""


class _PassingError(Exception):
    """This endpoint gave no usable answer; another one may.  `sent` as in NoAnswerError."""

    def __init__(self, reason: str, kind: FleetErrorKind, *, sent: bool = True) -> None:
        super().__init__(reason)
        self.kind = kind
        self.sent = sent


class _TokenError(Exception):
    """The token was refused."""


@define
class Gateway:
    """The way to the fleet's etcd; raises FleetError, and LostError for a write.

    `cafile` has the certificates to trust, empty for the system's.
    """

    endpoints: tuple[Endpoint, ...] = field()
    cafile: str = ""
    sign_in: EtcdUser | None = None
    deadlines: FleetDeadlines = field(factory=FleetDeadlines)
    requests: int = 0
    """How many requests were sent."""
    _token: str = field(default="", repr=False)
    _first: int = 0

    @endpoints.validator
    def _some(self, _: object, endpoints: tuple[Endpoint, ...]) -> None:
        if not endpoints:
            message = "the fleet has no endpoint of etcd"
            raise UnusableError(message)

    def read(self, transaction: dict[str, Any]) -> dict[str, Any]:
        """Do a transaction that only reads; return etcd's answer, with its header."""
        return self._ask(lambda client: client.transaction(transaction), write=False)

    def write(self, transaction: dict[str, Any]) -> dict[str, Any]:
        """Do a transaction; return etcd's answer, with its header."""
        return self._ask(lambda client: client.transaction(transaction), write=True)

    def lease(self, seconds: int) -> int:
        """Make a lease; return its id."""

        def ask(client: Etcd3Client) -> dict[str, Any]:
            return {"header": {"cluster_id": "0"}, "ID": client.lease(seconds).id}

        # A lease whose answer was lost ends by itself.
        return int(self._ask(ask, write=False)["ID"])

    def _ask(self, ask: Callable[[Etcd3Client], Any], *, write: bool) -> dict[str, Any]:
        deadline = time.monotonic() + self.deadlines.total
        failures: list[tuple[Endpoint, _PassingError]] = []
        for at, endpoint in self._walk():
            if failures and time.monotonic() >= deadline:
                break
            try:
                answer = self._signed_in(endpoint, ask, deadline)
            except _PassingError as failure:
                if write and failure.sent:
                    message = f"{endpoint} {failure}"
                    raise LostError(message) from failure
                failures.append((endpoint, failure))
            else:
                self._first = at
                return answer
        raise _unusable(failures)

    def _walk(self) -> Iterator[tuple[int, Endpoint]]:
        """Give each endpoint once, the one that answered last first."""
        count = len(self.endpoints)
        for step in range(count):
            at = (self._first + step) % count
            yield at, self.endpoints[at]

    def _signed_in(
        self, endpoint: Endpoint, ask: Callable[[Etcd3Client], Any], deadline: float
    ) -> dict[str, Any]:
        """Ask with a token if there is a user (rule 4)."""
        fresh = self.sign_in is not None and not self._token
        if fresh:
            self._authenticate(endpoint, deadline)
        try:
            return self._once(endpoint, ask, deadline)
        except _TokenError as error:
            if self.sign_in is None or fresh:
                raise _credentials(endpoint, str(error)) from error
        self._authenticate(endpoint, deadline)
        try:
            return self._once(endpoint, ask, deadline)
        except _TokenError as error:
            self._token = ""
            raise _credentials(endpoint, str(error)) from error

    def _authenticate(self, endpoint: Endpoint, deadline: float) -> None:
        assert self.sign_in is not None  # noqa: S101 - the callers asked
        user, self._token = self.sign_in, ""

        def ask(client: Etcd3Client) -> Any:  # noqa: ANN401 - whatever JSON holds
            body = {"name": user.user, "password": user.password}
            return client.post(client.get_url("/auth/authenticate"), json=body)

        try:
            token = self._once(endpoint, ask, deadline).get("token")
        except _PassingError as failure:
            # The write itself was not sent yet.
            raise _PassingError(str(failure), failure.kind, sent=False) from failure
        except _TokenError as error:
            raise _credentials(endpoint, str(error)) from error
        if not isinstance(token, str) or not (token and token.isprintable() and token.isascii()):
            reason = "gives no token to sign in with"
            raise _PassingError(reason, FleetErrorKind.GARBAGE, sent=False)
        self._token = token

    def _once(
        self, endpoint: Endpoint, ask: Callable[[Etcd3Client], Any], deadline: float
    ) -> dict[str, Any]:
        """Send one request to one endpoint; return its answer, which has the form of etcd's."""
        self.requests += 1
        seconds = min(self.deadlines.answer, deadline - time.monotonic())
        session = _BoundedSession(self._way(endpoint), seconds, self._token)
        client = Etcd3Client(
            endpoint.host, endpoint.port, endpoint.scheme, api_path=API_PATH, session=session
        )
        try:
            answer = ask(client)
        except UntrustedError as error:
            raise _PassingError(str(error), FleetErrorKind.WRONG_CA, sent=False) from error
        except NoAnswerError as error:
            raise _PassingError(str(error), FleetErrorKind.UNREACHABLE, sent=error.sent) from error
        except Etcd3Exception as error:
            raise _meaning(endpoint, error.detail_text or "") from error
        # What is not JSON, or not of the form that etcd3gw reads.
        except (ValueError, RecursionError, LookupError, TypeError) as error:
            reason = "gives an answer that is broken or cut short, or is not etcd"
            raise _PassingError(reason, FleetErrorKind.GARBAGE) from error
        header = answer.get("header") if isinstance(answer, dict) else None
        if not isinstance(header, dict) or not isinstance(header.get("cluster_id"), str):
            reason = "gives an answer that is not etcd's"
            raise _PassingError(reason, FleetErrorKind.NOT_ETCD)
        return dict(answer)

    def _way(self, endpoint: Endpoint) -> WayOut:
        limits = self.deadlines
        return WayOut(limits.connect, limits.answer, self.cafile, environment=not endpoint.loopback)


class _BoundedSession(requests.Session):
    """What etcd3gw sends through: one request within one deadline, its answer within a limit."""

    def __init__(self, way: WayOut, seconds: float, token: str) -> None:
        super().__init__()
        self._way = way
        self._seconds = seconds
        self._token = token

    def post(self, url: Any, data: Any = None, json: Any = None, **_: Any) -> requests.Response:  # noqa: ANN401 - as requests has it
        """Send one POST; raises NoAnswerError."""
        body = data if json is None else _dumped(json)
        headers = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
        if self._token:
            headers["Authorization"] = self._token
        found = fetch(
            str(url),
            headers,
            self._seconds,
            body=body.encode(),
            most=ANSWER_MAX + 1,
            outside=self._way,
        )
        if len(found.body) > ANSWER_MAX:
            message = f"sends more than {ANSWER_MAX} bytes"
            raise NoAnswerError(message)
        response = requests.Response()
        response.status_code = found.status
        response.raw = io.BytesIO(found.body)
        response.encoding = "utf-8"
        return response


def _dumped(content: Any) -> str:  # noqa: ANN401 - whatever etcd3gw sends
    return json.dumps(content)


def _meaning(endpoint: Endpoint, text: str) -> Exception:
    """Say what an answer means that is not 200 (rule 3)."""
    try:
        found = json.loads(text)
        said, code = found["error"], found["code"]
    except (ValueError, RecursionError, LookupError, TypeError):
        said = code = None
    if not isinstance(said, str) or not isinstance(code, int):
        shown = _short(text) or "an empty body"
        return _PassingError(f"is not etcd: it answers {shown!r}", FleetErrorKind.NOT_ETCD)
    if code == _UNAUTHENTICATED or any(words in said for words in _TOKEN_REFUSED):
        return _TokenError(_short(said))
    if code == _DENIED or any(words in said for words in _USER_REFUSED):
        return _credentials(endpoint, _short(said))
    if code in _DEFINITE:
        kind = FleetErrorKind.UNREACHABLE if code == _EXHAUSTED else FleetErrorKind.GARBAGE
        message = (
            f"cannot use the fleet: {endpoint} refuses the request: {_short(said)}; {_ADVICE[kind]}"
        )
        return FleetError(message, kind)
    return _PassingError(f"says {_short(said)!r}", FleetErrorKind.UNREACHABLE)


_AGAIN: Final = "then try `t3safe fleet status`"
_ADVICE: Final = {
    FleetErrorKind.UNREACHABLE: f"check etcd and `fleet.endpoints`, {_AGAIN}",
    FleetErrorKind.GARBAGE: f"check etcd's log and its version (3.4 or newer), {_AGAIN}",
    FleetErrorKind.NOT_ETCD: f"check `fleet.endpoints`, {_AGAIN}",
    FleetErrorKind.WRONG_CA: f"check `fleet.ca` and etcd's certificate, {_AGAIN}",
    FleetErrorKind.CREDENTIALS: f"check `fleet.credentials` and its role in etcd, {_AGAIN}",
}


def _short(text: str) -> str:
    return " ".join(text.split())[:_SAID_MAX]


def _credentials(endpoint: Endpoint, said: str) -> FleetError:
    kind = FleetErrorKind.CREDENTIALS
    message = f"cannot use the fleet: {endpoint} refuses this host's user: {said}; {_ADVICE[kind]}"
    return FleetError(message, kind)


def _unusable(failures: list[tuple[Endpoint, _PassingError]]) -> FleetError:
    said = "; ".join(f"{endpoint} {failure}" for endpoint, failure in failures)
    kind = max((failure.kind for _, failure in failures), key=_RANK.index)
    return FleetError(f"cannot reach the fleet: {said}; {_ADVICE[kind]}", kind)

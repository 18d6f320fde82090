"""Asking a serve as the dispatch does: is it there, does it pair, who is signed in.

Every request has a connection and a short time of its own, because t3 never answers what arrives
before it handles requests.  No redirects are followed and no cookies are kept: what the dispatch
would see is what is judged.
"""

from __future__ import annotations

import json
import select
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from http.client import HTTPConnection, HTTPException, HTTPResponse
from typing import Any, Final, Self

from attrs import field, frozen

from t3safe.adapters._support.bodies import json_object
from t3safe.domain.gate import DispatchKnowledge, PairingFacts

SESSION: Final = "/api/auth/session"
HISTORICAL: Final = ("/api/auth/browser-session", "/api/auth/bootstrap")
"""Every path that a release has exchanged at, to tell a moved path from one that is gone."""
ANSWER_SECONDS: Final = 10.0
"""A serve that is ready answers in milliseconds; a busy machine gets a thousand times that."""
_BODY_MAX: Final = 1024 * 1024
_CHUNK: Final = 65536
_NOT_HERE: Final = frozenset({404, 405})
_PAUSE: Final = 0.03
_SHARE: Final = 1 / 40
"""Of the time that a serve has had, what passes until it is asked again: a hundred or so requests
wait at most."""
_PATIENCE: Final = 5.0
"""Seconds in which a serve that handles requests answers one while it starts."""
_CONNECTED: Final = 0.2
"""Seconds; a loopback connects at once, or what listens has too many waiting already."""
_HTTP: Final = b"HTTP/"
_KNOCK: Final = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
_OK: Final = 200
_WILDCARDS: Final = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104


@frozen
class Reply:
    """An answer; `cookies` are those that it sets."""

    status: int
    body: bytes = field(repr=False)
    cookies: Mapping[str, str] = field(repr=False)

    def json(self) -> dict[str, Any]:
        """The body as a JSON object, an empty one when it is none."""
        return json_object(self.body)


@frozen
class Site:
    """A serve by its address; a wildcard bind is asked on the loopback."""

    host: str
    port: int

    @property
    def address(self) -> tuple[str, int]:
        """Where it is asked."""
        return _WILDCARDS.get(self.host, self.host), self.port

    def ask(
        self, path: str, *, post: str = "", cookie: str = "", limit: float = ANSWER_SECONDS
    ) -> Reply | None:
        """Send one request, a POST when it has a body; None without an answer in `limit` s."""
        connection = HTTPConnection(*self.address, timeout=limit)
        headers = {"Connection": "close"} | ({"Cookie": cookie} if cookie else {})
        headers |= {"Content-Type": "application/json"} if post else {}
        end = time.monotonic() + limit
        try:
            connection.request("POST" if post else "GET", path, post or None, headers)
            response = connection.getresponse()
            return Reply(response.status, _read(response, end), _cookies(response))
        except (OSError, HTTPException):
            return None
        finally:
            connection.close()


def _read(response: HTTPResponse, end: float) -> bytes:
    body = b""
    while len(body) < _BODY_MAX and (chunk := response.read1(_CHUNK)):
        if time.monotonic() > end:
            raise TimeoutError
        body += chunk
    return body


def _cookies(response: HTTPResponse) -> dict[str, str]:
    found: dict[str, str] = {}
    for header in response.headers.get_all("Set-Cookie") or ():
        name, equals, value = header.partition(";")[0].partition("=")
        if equals and value:
            found[name.strip()] = value.strip()
    return found


def await_answer(
    site: Site, ended: Callable[[], bool], deadline: float, since: float
) -> tuple[bool, float]:
    """Ask until something answers, `ended` says so or `deadline` seconds are over `since` then.

    Returns whether it answered, and after how many seconds.  It is asked anew while earlier
    requests are still waiting: what arrives in the listen window is never answered, and a slow
    machine needs its time.
    """
    with _Knocks(site) as knocks:
        while (waited := time.monotonic() - since) < deadline and not ended():
            knocks.add()
            pause = min(max(_PAUSE, waited * _SHARE), deadline - waited)
            if knocks.answered(pause):
                return True, time.monotonic() - since
        return False, waited


class _Knocks:
    """Requests that wait for an answer, each on a connection of its own, for a while."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._waiting: list[tuple[float, socket.socket]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        for _, knock in self._waiting:
            knock.close()

    def add(self) -> None:
        """Send one more request, if something takes connections at all."""
        try:
            knock = socket.create_connection(self._site.address, timeout=_CONNECTED)
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


@frozen
class Exchange:
    """Where a credential was taken, and the session cookie that came of it.

    `unanswered` is the path of the last request that nothing answered, empty where none was left.
    """

    facts: PairingFacts
    unanswered: str = ""
    token: str = field(default="", repr=False)


def exchange(site: Site, credential: str, dispatch: DispatchKnowledge) -> Exchange:
    """Exchange a credential at the first known path that is there, and use the cookie twice."""
    tried: list[str] = []
    unanswered = ""
    for path in dict.fromkeys((*dispatch.paths, *HISTORICAL)):
        reply = site.ask(path, post=json.dumps({"credential": credential}))
        if reply is None:
            tried.append(f"{path} without an answer")
            unanswered = path
        elif reply.status in _NOT_HERE:
            tried.append(path)
        else:
            return _use(site, path, reply)
    return Exchange(PairingFacts(minted=True, tried=tuple(tried)), unanswered)


def _use(site: Site, path: str, reply: Reply) -> Exchange:
    name = _session_cookie(site, reply) if reply.status == _OK else ""
    token = reply.cookies.get(name, "")
    cookie = f"{name}={token}" if token else ""
    looks = [site.ask(SESSION, cookie=cookie) for _ in range(2)] if cookie else [None, None]
    facts = PairingFacts(
        minted=True,
        path=path,
        status=reply.status,
        cookie=name if token else "",
        authenticated=_authenticated(looks[0]),
        authenticated_again=_authenticated(looks[1]),
    )
    return Exchange(facts, SESSION if cookie and None in looks else "", token)


def _session_cookie(site: Site, reply: Reply) -> str:
    """Name the session's cookie as the serve itself does, else take the only one that was set."""
    asked = site.ask(SESSION)
    described = asked.json().get("auth") if asked is not None else None
    named = described.get("sessionCookieName") if isinstance(described, dict) else None
    if isinstance(named, str) and named in reply.cookies:
        return named
    return next(iter(reply.cookies)) if len(reply.cookies) == 1 else ""


def _authenticated(reply: Reply | None) -> bool:
    return reply is not None and reply.status == _OK and reply.json().get("authenticated") is True

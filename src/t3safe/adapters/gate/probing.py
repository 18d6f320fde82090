"""Asking a serve as the dispatch does: is it there, does it pair, who is signed in.

Every request has a connection and a short time of its own, because t3 never answers what arrives
before it handles requests.  No redirects are followed and no cookies are kept: what the dispatch
would see is what is judged.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from http.client import HTTPConnection, HTTPException, HTTPResponse
from typing import Any, Final

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
_FIRST_LIMIT: Final = 0.1
"""Seconds that a request gets at first: what arrives in the listen window is lost anyway."""
_LIMIT_MAX: Final = 2.0
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

    def ask(
        self, path: str, *, post: str = "", cookie: str = "", limit: float = ANSWER_SECONDS
    ) -> Reply | None:
        """Send one request, a POST when it has a body; None without an answer in `limit` s."""
        host = _WILDCARDS.get(self.host, self.host)
        connection = HTTPConnection(host, self.port, timeout=limit)
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


def await_answer(site: Site, ended: Callable[[], bool], deadline: float) -> tuple[bool, float]:
    """Ask until something answers, `ended` says so or `deadline` seconds are over.

    Returns whether it answered, and after how many seconds.  A request's time grows with the
    time that has passed, so that a slow machine is not mistaken for a silent serve.
    """
    begun = time.monotonic()
    waited = 0.0
    while waited < deadline and not ended():
        limit = min(_LIMIT_MAX, _FIRST_LIMIT + waited / 10, deadline - waited)
        if site.ask("/", limit=limit) is not None:
            return True, time.monotonic() - begun
        time.sleep(_PAUSE)
        waited = time.monotonic() - begun
    return False, waited


@frozen
class Exchange:
    """Where a credential was taken, and the session cookie that came of it."""

    facts: PairingFacts
    token: str = field(default="", repr=False)


def exchange(site: Site, credential: str, dispatch: DispatchKnowledge) -> Exchange:
    """Exchange a credential at the first known path that is there, and use the cookie twice."""
    tried: list[str] = []
    for path in dict.fromkeys((*dispatch.paths, *HISTORICAL)):
        reply = site.ask(path, post=json.dumps({"credential": credential}))
        if reply is None:
            tried.append(f"{path} without an answer")
        elif reply.status in _NOT_HERE:
            tried.append(path)
        else:
            return _use(site, path, reply)
    return Exchange(PairingFacts(minted=True, tried=tuple(tried)))


def _use(site: Site, path: str, reply: Reply) -> Exchange:
    name = _session_cookie(site, reply) if reply.status == _OK else ""
    token = reply.cookies.get(name, "")
    cookie = f"{name}={token}" if token else ""
    facts = PairingFacts(
        minted=True,
        path=path,
        status=reply.status,
        cookie=name if token else "",
        authenticated=bool(cookie) and _authenticated(site, cookie),
        authenticated_again=bool(cookie) and _authenticated(site, cookie),
    )
    return Exchange(facts, token)


def _session_cookie(site: Site, reply: Reply) -> str:
    """Name the session's cookie as the serve itself does, else take the only one that was set."""
    asked = site.ask(SESSION)
    described = asked.json().get("auth") if asked is not None else None
    named = described.get("sessionCookieName") if isinstance(described, dict) else None
    if isinstance(named, str) and named in reply.cookies:
        return named
    return next(iter(reply.cookies)) if len(reply.cookies) == 1 else ""


def _authenticated(site: Site, cookie: str) -> bool:
    reply = site.ask(SESSION, cookie=cookie)
    return reply is not None and reply.status == _OK and reply.json().get("authenticated") is True

"""The dispatch in front of the serves: knows a person by a header, mints, exchanges, proxies.

In a test: `with Dispatch(Knowledge(backends={...}, logins={...})) as dispatch: ...`.  As a
process: `python -m fakes.dispatch --port P --config FILE.json`; the files are read again for every
request:

    {"user_map": "FILE", "backends": {"ann": {"mint": ["t3", ...], "origin": "http://..."}},
     "paths": ["/api/auth/browser-session", ...], "cookies": ["t3_session"], "protocols": [1],
     "fault": ""}

- GET with `Sec-Fetch-Dest: document` and no valid session: mint, exchange at each known path,
  302 to the same path with the serve's own Set-Cookie.
- Anything else goes to the person's serve, with the known cookies only, and `/ws` without a
  protocol that is not known: a serve that needs it refuses the socket, and the page stays empty.
- 403: no or unknown login.  502 with the reason: no mint, no path, no known cookie, no answer.
"""

from __future__ import annotations

import argparse
import http.client
import json
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from attrs import Factory, define, frozen

from fakes.service import FakeServer, Service, ServiceHandler

PATHS: Final = ("/api/auth/browser-session", "/api/auth/bootstrap")
COOKIES: Final = ("t3_session", "t3_session_[0-9a-f]{12}")
PROTOCOLS: Final = (1, 2)
HEADER: Final = "X-authentik-username"
_HOP_BY_HOP: Final = {
    "connection",
    "content-length",
    "cookie",
    "host",
    "keep-alive",
    "transfer-encoding",
    "upgrade",
}


class DispatchFault(StrEnum):
    """How the dispatch fails while it is told to; `down()` is the one more way."""

    NONE = ""
    ALL_502 = "502"
    """Every request of everybody answers 502."""
    UNKNOWN_COOKIE = "unknown-cookie"
    """It sets the cookie under a name that it does not forward."""
    NO_COOKIE = "no-cookie"
    """302 without Set-Cookie."""
    WRONG_PERSON = "wrong-person"
    """Everybody is taken to the first person's serve."""
    SILENT = "silent"
    """Connections are taken and nothing is answered."""


@frozen
class Backend:
    """A person's serve: how to mint for it (an argument list) and where it is (http://h:p)."""

    mint: tuple[str, ...]
    origin: str


def mint_command(program: Sequence[str], base_dir: Path | str) -> tuple[str, ...]:
    """The mint of a person: `program` is their launcher with what must stand before it."""
    return (
        *program,
        "auth",
        "pairing",
        "create",
        "--base-dir",
        str(base_dir),
        "--ttl",
        "5m",
        "--json",
    )


class UnreachableError(Exception):
    """The person cannot be taken to their serve; the text is the 502's body."""


@define
class Knowledge:
    """What a dispatch knows; cookies are regular expressions for a whole name."""

    backends: Mapping[str, Backend] = Factory(dict)
    logins: Mapping[str, str] = Factory(dict)
    paths: tuple[str, ...] = PATHS
    cookies: tuple[str, ...] = COOKIES
    protocols: tuple[int, ...] = PROTOCOLS
    fault: DispatchFault = DispatchFault.NONE

    def knows_cookie(self, name: str) -> bool:
        """Whether a cookie of this name is forwarded."""
        return any(re.fullmatch(known, name) for known in self.cookies)

    def passed_on(self, path: str) -> str:
        """What becomes of a request's path and query: an unknown protocol is not passed on."""
        where, _, query = path.partition("?")
        named = re.fullmatch(r"orchestrationProtocol=(\d+)", query)
        unknown = where == "/ws" and named is not None and int(named[1]) not in self.protocols
        return where if unknown else path


@frozen
class Dispatched:
    """One request that was answered, and by whose login."""

    login: str
    method: str
    path: str
    status: int
    reason: str = ""


@define
class _Answer:
    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()


class Dispatch(FakeServer):
    """The dispatch; `knowledge` may be changed while it serves, `log` is what it answered.

    `config` names a file that replaces the knowledge on every request.
    """

    def __init__(
        self,
        knowledge: Knowledge | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        config: Path | None = None,
        timeout: float = 5.0,
    ) -> None:
        self.knowledge = knowledge if knowledge is not None else Knowledge()
        self.log: list[Dispatched] = []
        self._config, self._timeout = config, timeout
        self._service = Service(self._handle, host, port)
        self._closed = threading.Event()

    @property
    def address(self) -> str:
        """Its host:port."""
        return urlsplit(self.url).netloc

    def up(self) -> None:
        """Serve; again on the same port after `down`."""
        self._closed.clear()
        super().up()

    def down(self) -> None:
        """Refuse every connection and cut those that are open."""
        self._closed.set()
        super().down()

    def _handle(self, handler: ServiceHandler) -> None:
        body = handler.read_body()
        if self._config is not None:
            self.knowledge = read_config(self._config)
        login = handler.headers.get(HEADER, "").partition("@")[0]
        try:
            answer, reason = self._answer(handler, login, body), ""
        except UnreachableError as unreachable:
            reason = str(unreachable)
            text = f"cannot reach the serve of {login}: {reason}\n"
            answer = _Answer(502, text.encode(), (("Content-Type", "text/plain"),))
        self.log.append(Dispatched(login, handler.command, handler.path, answer.status, reason))
        handler.reply(answer.status, answer.body, *answer.headers)

    def _answer(self, handler: ServiceHandler, login: str, body: bytes) -> _Answer:
        knowledge = self.knowledge
        if knowledge.fault is DispatchFault.SILENT:
            self._closed.wait(60)
        if knowledge.fault is DispatchFault.ALL_502:
            raise UnreachableError("bad gateway")
        person = knowledge.logins.get(login)
        if person is None or person not in knowledge.backends:
            return _Answer(403, b"unknown login\n", (("Content-Type", "text/plain"),))
        if knowledge.fault is DispatchFault.WRONG_PERSON:
            person = next(iter(knowledge.backends))
        backend = knowledge.backends[person]
        cookie = _known_cookies(handler.headers.get("Cookie", ""), knowledge)
        wants_page = handler.headers.get("Sec-Fetch-Dest", "") == "document"
        if wants_page and handler.command == "GET" and not self._valid(backend, cookie):
            return self._pair(backend, handler.path)
        return self._proxy(handler, backend, cookie, body)

    def _valid(self, backend: Backend, cookie: str) -> bool:
        if not cookie:
            return False
        answer = self._send(backend, "GET", "/api/auth/session", {"Cookie": cookie}, b"")
        try:
            return json.loads(answer.body).get("authenticated") is True
        except ValueError:
            return False

    def _pair(self, backend: Backend, path: str) -> _Answer:
        credential = self._mint(backend)
        body = json.dumps({"credential": credential}).encode()
        kind = {"Content-Type": "application/json"}
        for known in self.knowledge.paths:
            answer = self._send(backend, "POST", known, kind, body)
            if answer.status == 404:
                continue
            if answer.status != 200:
                raise UnreachableError(f"POST {known} answers {answer.status}")
            return _Answer(302, b"", (("Location", path), *self._session_cookie(answer)))
        raise UnreachableError(
            f"no known path takes the credential ({', '.join(self.knowledge.paths)})"
        )

    def _session_cookie(self, answer: _Answer) -> tuple[tuple[str, str], ...]:
        set_cookies = [value for name, value in answer.headers if name.lower() == "set-cookie"]
        if not set_cookies:
            raise UnreachableError("the serve set no cookie")
        name, _, rest = set_cookies[0].partition("=")
        if not self.knowledge.knows_cookie(name):
            raise UnreachableError(
                f"the serve set the cookie {name}, which this dispatch does not know"
            )
        match self.knowledge.fault:
            case DispatchFault.NO_COOKIE:
                return ()
            case DispatchFault.UNKNOWN_COOKIE:
                return (("Set-Cookie", f"dispatch_session={rest}"),)
            case _:
                return (("Set-Cookie", set_cookies[0]),)

    def _mint(self, backend: Backend) -> str:
        try:
            ran = subprocess.run(
                backend.mint,
                capture_output=True,
                text=True,
                timeout=10,
                check=False,
                stdin=subprocess.DEVNULL,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise UnreachableError(f"cannot mint: {type(error).__name__}") from error
        try:
            return str(json.loads(ran.stdout)["credential"])
        except (ValueError, KeyError, TypeError) as error:
            said = (ran.stdout or ran.stderr).strip().splitlines()
            last = said[-1][:200] if said and ran.returncode else "nothing to read"
            raise UnreachableError(
                f"the mint ended with status {ran.returncode}: {last}"
            ) from error

    def _proxy(
        self, handler: ServiceHandler, backend: Backend, cookie: str, body: bytes
    ) -> _Answer:
        upgraded = {"connection", "upgrade"} if "Upgrade" in handler.headers else set()
        headers = {
            name: value
            for name, value in handler.headers.items()
            if name.lower() not in _HOP_BY_HOP - upgraded
        }
        if cookie:
            headers["Cookie"] = cookie
        path = self.knowledge.passed_on(handler.path)
        return self._send(backend, handler.command, path, headers, body)

    def _send(
        self, backend: Backend, method: str, path: str, headers: dict[str, str], body: bytes
    ) -> _Answer:
        connection = http.client.HTTPConnection(
            urlsplit(backend.origin).netloc, timeout=self._timeout
        )
        try:
            connection.request(method, path, body or None, {"Connection": "close"} | headers)
            response = connection.getresponse()
            kept = tuple(
                (name, value)
                for name, value in response.getheaders()
                if name.lower() not in _HOP_BY_HOP
            )
            return _Answer(response.status, response.read(), kept)
        except (OSError, http.client.HTTPException) as error:
            raise UnreachableError(
                f"{backend.origin} does not answer: {type(error).__name__}"
            ) from error
        finally:
            connection.close()


def _known_cookies(sent: str, knowledge: Knowledge) -> str:
    pairs = [part.strip() for part in sent.split(";") if "=" in part]
    return "; ".join(pair for pair in pairs if knowledge.knows_cookie(pair.partition("=")[0]))


def read_user_map(path: Path) -> dict[str, str]:
    """Read `login=os_user` lines; what is no such line is skipped, the first of a login wins."""
    found: dict[str, str] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        login, equals, person = line.partition("=")
        name = login.strip().partition("@")[0]
        if equals and name and person.strip() and not line.lstrip().startswith("#"):
            found.setdefault(name, person.strip())
    return found


def read_config(path: Path) -> Knowledge:
    """Read the configuration that the module's docstring shows."""
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    backends = {
        person: Backend(tuple(given["mint"]), given["origin"])
        for person, given in content["backends"].items()
    }
    return Knowledge(
        backends=backends,
        logins=read_user_map(Path(content["user_map"])),
        paths=tuple(content.get("paths", PATHS)),
        cookies=tuple(content.get("cookies", COOKIES)),
        protocols=tuple(content.get("protocols", PROTOCOLS)),
        fault=DispatchFault(content.get("fault", "")),
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m fakes.dispatch", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0: any free one")
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--url-file", type=Path, help="where to write the address once it serves")
    given = parser.parse_args(arguments)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    with Dispatch(host=given.host, port=given.port, config=given.config) as dispatch:
        if given.url_file is not None:
            given.url_file.write_text(dispatch.url, encoding="utf-8")
        print(dispatch.url, flush=True)
        while True:
            signal.pause()


if __name__ == "__main__":
    main()

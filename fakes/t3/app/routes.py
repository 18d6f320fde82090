"""What the serve answers over HTTP.

Beside t3's own paths there are `/api/fake/...`, which need the session cookie:

- POST `/api/fake/work` `{"thread", "text"}`: commits a message, answers `{"version", "rows"}` with
  the identifiers of the rows by table, after the commit.
- POST `/api/fake/turn` `{"action": "start" | "pending" | "finish", "thread", "pending": seconds}`:
  sets or clears the marks of a turn in flight; V2 takes the further actions of `v2work.mark`.
"""

from __future__ import annotations

import sqlite3
import time
from typing import TYPE_CHECKING, NamedTuple

from fakes.t3.app import auth
from fakes.t3.app.build import BOOTSTRAP, PROVIDER_CLIS, is_loopback
from fakes.t3.app.http import FakeRequest, Response, json_response
from fakes.t3.app.state import stamp

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fakes.t3.app.build import ReleaseBehaviour
    from fakes.t3.app.state import FakeDatabase, SmallFiles

PENDING_SECONDS = 0.5
"""How long a turn is only asked for before it runs."""
PAGE = b"<!doctype html><title>T3 Code</title><div id=root></div>"
NOT_FOUND = Response(404)


class Site(NamedTuple):
    """Everything that an answer depends on."""

    build: ReleaseBehaviour
    host: str
    port: int
    userdata: Path
    database: FakeDatabase
    files: SmallFiles
    log: Callable[[str], None]
    poisoned: bool
    seen: set[str]

    @property
    def cookie(self) -> str:
        """The name of the session cookie."""
        return self.build.cookie_name(
            self.host, self.port, self.files.environment, str(self.userdata.absolute())
        )

    def answer(self, request: FakeRequest) -> Response:
        """Answer one request; what a database refuses is a 500, never a dropped connection."""
        path = request.path.partition("?")[0]
        if request.method == "POST" and path == self.build.exchange_path:
            return self._exchange(request)
        match request.method, path:
            case "GET" | "HEAD", "/":
                return Response(200, PAGE, (("Content-Type", "text/html; charset=utf-8"),))
            case "GET", "/api/auth/session":
                return self._session(request)
            case "GET", "/ws":
                return self._socket(request)
            case "GET", "/.well-known/t3/environment" if self.build.describes:
                return json_response(200, descriptor_of(self.build, self.files))
            case _, fake if fake.startswith("/api/fake/"):
                return self._fake(request, path)
            case "POST", _ if self._odd == "405":
                return Response(405)
            case _:
                return NOT_FOUND

    @property
    def _odd(self) -> str:
        return self.build.faults.get("signs-in-oddly", "")

    def _exchange(self, request: FakeRequest) -> Response:
        if self._refuses_to_pair():
            return self._internal_error()
        credential = str(request.json().get("credential", ""))
        try:
            session = auth.exchange(
                self.database, self.build, self.files.signing_key, credential, self._before(request)
            )
        except sqlite3.Error:
            return self._internal_error()
        if session is None:
            return self._invalid_credential()
        if self.build.has("prints-tokens"):
            self._print_tokens(credential, session.token)
        body = {
            "authenticated": True,
            session.grant.column: session.grant.shown(),
            "sessionMethod": "browser-session-cookie",
            "expiresAt": stamp(session.expires),
        }
        status = {"redirect": 302, "401": 401}.get(self._odd, 200)
        moved = (("Location", "/"),) if status == 302 else ()
        kept = (("Cache-Control", "no-store"),) if self.build.orchestration == 2 else ()
        return json_response(status, body, (*kept, *moved, *self._set_cookie(session)))

    def _before(self, request: FakeRequest) -> str:
        """The token of a session that this sign-in puts an end to, empty where there is none."""
        token = self._token(request)
        ends = self.build.orchestration == 2 and token and self._granted(token) is not None
        return token if ends else ""

    def _socket(self, request: FakeRequest) -> Response:
        """Open a web socket; V2 looks at the protocol before it looks at the session."""
        query = request.path.partition("?")[2].split("&")
        protocol = self.build.protocol
        if protocol > 1 and f"orchestrationProtocol={protocol}" not in query:
            refused = {
                "code": "orchestration_protocol_incompatible",
                "message": "Update this client.",
                "orchestrationProtocolVersion": protocol,
            }
            return json_response(426, refused)
        if request.headers.get("upgrade", "").lower() != "websocket":
            return Response(426)
        if self._grant(request) is None:
            return self._invalid_credential()
        upgraded = (("Upgrade", "websocket"), ("Connection", "Upgrade"))
        return Response(101, b"", upgraded, hold=True)

    def _refuses_to_pair(self) -> bool:
        attachments = self.userdata / "attachments"
        return (
            self.poisoned
            or (self.build.has("breaks-with-provider") and provider_on_path())
            or (self.build.has("breaks-with-attachments") and any(attachments.iterdir()))
        )

    def _set_cookie(self, session: auth.FakeSession) -> tuple[tuple[str, str], ...]:
        if self.build.has("cookie-missing"):
            return ()
        expires = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(session.expires))
        token = f'"{session.token},x"' if self._odd == "quoted-cookie" else session.token
        value = f"{self.cookie}={token}; Path=/; Expires={expires}; HttpOnly; SameSite=Lax"
        other = (("Set-Cookie", "theme=dark; Path=/"),) if self._odd == "two-cookies" else ()
        return (*other, ("Set-Cookie", value))

    def _internal_error(self) -> Response:
        if self.build.exchange_path == BOOTSTRAP:
            return json_response(500, {"error": "Failed to validate bootstrap credential."})
        return json_response(
            500, {"_tag": "EnvironmentInternalError", "code": "internal_error", "traceId": "0"}
        )

    def _invalid_credential(self) -> Response:
        if self.build.exchange_path == BOOTSTRAP:
            return json_response(401, {"error": "Invalid bootstrap credential."})
        body = {
            "_tag": "EnvironmentAuthInvalidError",
            "code": "auth_invalid",
            "reason": "invalid_credential",
            "traceId": "0",
        }
        return json_response(401, body)

    def _print_tokens(self, credential: str, token: str) -> None:
        self.log(f"Pairing URL: http://{self.host}:{self.port}/pair#token={credential}")
        self.log(f"Set-Cookie: {self.cookie}={token}; Path=/")
        self.log(f'{{"credential": "{credential}", "accessToken": "{token}"}}')
        self.log(f"Authorization: Bearer {token}")
        self.log(f"Token:\n  {credential}")
        self.log(f"Pairing code {credential}, or: t3 pair --token {credential}")
        self.log(f"spent credential '{credential}' at /pair/{credential}")
        self.log(f"| id | credential |\n| p1 | {credential} |")

    def _token(self, request: FakeRequest) -> str:
        """The session's token: of the cookie as it is named now, else as it was before."""
        token = request.cookie(self.cookie)
        old = self.build.takes_plain_cookie(self.host)
        return token or (request.cookie("t3_session") if old else "")

    def _grant(self, request: FakeRequest) -> auth.Grant | None:
        token = self._token(request)
        if not token or self.build.has("session-never-authenticated"):
            return None
        if self.build.has("session-once") and token in self.seen:
            return None
        self.seen.add(token)
        return self._granted(token)

    def _granted(self, token: str) -> auth.Grant | None:
        try:
            return auth.session_of(self.database, self.build, self.files.signing_key, token)
        except sqlite3.Error:
            return None

    def _session(self, request: FakeRequest) -> Response:
        grant = self._grant(request)
        descriptor = {
            "policy": "loopback-browser" if is_loopback(self.host) else "remote-reachable",
            "bootstrapMethods": ["one-time-token"],
            "sessionMethods": ["browser-session-cookie", "bearer-session-token"],
            "sessionCookieName": self.cookie,
        }
        body: dict[str, object] = {"authenticated": grant is not None, "auth": descriptor}
        if grant is not None:
            body |= {grant.column: grant.shown(), "sessionMethod": "browser-session-cookie"}
        match self._odd:
            case "session-not-json":
                return Response(200, PAGE)
            case "session-huge":
                return json_response(200, {"padding": "x" * 1024 * 1024, **body})
            case "session-sets-cookie" if grant is not None:
                again = f"{self.cookie}_again={request.cookie(self.cookie)}; Path=/"
                return json_response(200, body, (("Set-Cookie", again),))
            case _ if grant is not None and not request.cookie(self.cookie):
                # It was known by its old name: made over beside the answer.
                renamed = f"{self.cookie}={self._token(request)}; Path=/; HttpOnly; SameSite=Lax"
                return json_response(200, body, (("Set-Cookie", renamed),))
            case _:
                return json_response(200, body)

    def _fake(self, request: FakeRequest, path: str) -> Response:
        if self._grant(request) is None:
            return self._invalid_credential()
        try:
            return self._do_fake(request, path)
        except sqlite3.Error as error:
            return json_response(500, {"error": str(error)})

    def _marks(self, action: str) -> bool:
        if self.build.orchestration == 1:
            return False
        from fakes.t3.app import v2work  # noqa: PLC0415 - only V2 pays for it

        return action in v2work.ACTIONS

    def _do_fake(self, request: FakeRequest, path: str) -> Response:
        body = request.json()
        thread = str(body.get("thread", "thread-1"))
        if self.build.orchestration == 2:
            from fakes.t3.app import v2work as work  # noqa: PLC0415 - only V2 pays for it
        else:
            from fakes.t3.app import work  # type: ignore[no-redef]  # noqa: PLC0415
        match request.method, path, body.get("action"):
            case "POST", "/api/fake/work", _:
                rows = work.work(self.database, thread, str(body.get("text", "more work")))
            case "POST", "/api/fake/turn", "pending":
                rows = work.request_turn(self.database, thread)
            case "POST", "/api/fake/turn", "start":
                pending = float(str(body.get("pending", PENDING_SECONDS)))
                rows = work.start_turn(self.database, thread, pending)
            case "POST", "/api/fake/turn", "finish":
                rows = work.finish_turn(self.database, thread)
            case "POST", "/api/fake/turn", str(action) if self._marks(action):
                rows = work.mark(self.database, thread, action)
            case _:
                return NOT_FOUND
        return json_response(200, {"version": self.build.version, "rows": rows})


def early_answer(
    build: ReleaseBehaviour, files: SmallFiles, request: FakeRequest
) -> Response | None:
    """Answer what a V2 serve answers while it still starts; None for what must wait."""
    match request.method, request.path.partition("?")[0]:
        case "GET" | "HEAD", "/":
            return Response(200, PAGE, (("Content-Type", "text/html; charset=utf-8"),))
        case "GET", "/.well-known/t3/environment":
            return json_response(200, descriptor_of(build, files))
        case _:
            return None


def descriptor_of(build: ReleaseBehaviour, files: SmallFiles) -> dict[str, object]:
    """Describe the serve as its public descriptor does; a V1 serve names no protocol."""
    shown: dict[str, object] = {
        "environmentId": files.environment,
        "label": "fake",
        "platform": {"os": "linux", "arch": "x64"},
        "serverVersion": build.faults.get("says-another-version", build.version),
    }
    protocol = {"orchestrationProtocolVersion": 2} if build.orchestration == 2 else {}
    return {**shown, **protocol, "capabilities": {}}


def provider_on_path() -> bool:
    """Whether a provider's CLI can be found on PATH."""
    import shutil  # noqa: PLC0415 - only two faults pay for it

    return any(shutil.which(name) for name in PROVIDER_CLIS)

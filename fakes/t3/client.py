"""A person who signs in through the dispatch and works, and remembers what was acknowledged.

An acknowledged row is one whose identifier the serve gave out after its commit: `missing_rows`
reads a person's databases and names those that are not there.
"""

from __future__ import annotations

import http.client
import json
import sqlite3
import threading
import time
from collections.abc import Iterable, Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import urlsplit

from attrs import define, field, frozen

from fakes.t3.app.work import COMPACTED, KEYS, V2_KEYS

HEADER: Final = "X-authentik-username"
V1: Final = "state.sqlite"
V2: Final = "statev2.sqlite"
"""The databases of the two generations."""


class SignInError(Exception):
    """The dispatch did not answer 302 with a cookie; the text says what it answered."""


class WorkRefusedError(Exception):
    """Work was not acknowledged; nothing is known about its rows."""


@frozen
class Acknowledged:
    """A row that a serve said it has committed, and the release that said so."""

    table: str
    key: str
    version: str


@define
class PersonClient:
    """One login at one dispatch (`url` as http://host:port); `timeout` is per request."""

    url: str
    login: str
    timeout: float = 5.0
    cookie: str = field(default="", repr=False)

    def sign_in(self) -> str:
        """Pair as a browser does and keep the cookie; returns its name."""
        status, headers, body = self.request("GET", "/", document=True)
        cookie = headers.get("Set-Cookie", "").partition(";")[0]
        if status != 302 or "=" not in cookie:
            reason = body[:200].decode(errors="replace")
            raise SignInError(f"{self.login}: {status} without a cookie: {reason}")
        self.cookie = cookie
        return cookie.partition("=")[0]

    def authenticated(self) -> bool:
        """Whether the serve takes the cookie."""
        _, _, body = self.request("GET", "/api/auth/session")
        try:
            return json.loads(body).get("authenticated") is True
        except ValueError:
            return False

    def opens(self) -> bool:
        """Whether the page opens its web socket, which it does in the protocol of its serve."""
        status, _, body = self.request("GET", "/.well-known/t3/environment")
        told = json.loads(body) if status == 200 else {}
        protocol = told.get("orchestrationProtocolVersion", 1)
        query = f"?orchestrationProtocol={protocol}" if protocol > 1 else ""
        headers = {"Connection": "Upgrade", "Upgrade": "websocket"}
        return self.request("GET", f"/ws{query}", headers=headers)[0] == 101

    def work(self, thread: str = "thread-1", text: str = "more work") -> list[Acknowledged]:
        """Post one message; WorkRefusedError when it is not acknowledged."""
        return self._post("/api/fake/work", {"thread": thread, "text": text})

    def turn(
        self, action: str, thread: str = "thread-1", pending: float = 0.0
    ) -> list[Acknowledged]:
        """`start`, `finish` or only `pending` a turn; WorkRefusedError when not acknowledged."""
        return self._post(
            "/api/fake/turn", {"action": action, "thread": thread, "pending": pending}
        )

    def request(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        *,
        document: bool = False,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        """Send one request as this person on a connection of its own; OSError when it fails."""
        headers = {HEADER: self.login, "Connection": "close", **(headers or {})}
        headers |= {"Cookie": self.cookie} if self.cookie and not document else {}
        headers |= {"Sec-Fetch-Dest": "document"} if document else {}
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=self.timeout)
        try:
            connection.request(method, path, body or None, headers)
            response = connection.getresponse()
            return response.status, response.headers, response.read()
        except http.client.HTTPException as error:
            raise ConnectionError(f"no answer from {self.url}: {error!r}") from error
        finally:
            connection.close()

    def _post(self, path: str, content: dict[str, Any]) -> list[Acknowledged]:
        status, _, body = self.request("POST", path, json.dumps(content).encode())
        if status != 200:
            raise WorkRefusedError(f"{self.login}: {path} answers {status}")
        answer = json.loads(body)
        return [
            Acknowledged(table, key, answer["version"])
            for table, keys in answer["rows"].items()
            for key in keys
        ]


TROUBLE: Final = (OSError, ValueError, SignInError, WorkRefusedError)


@define
class Worker:
    """A person at work without a pause, in a thread of their own, whatever happens to the serve.

    They write with the session that their browser has and keep it for as long as it is taken; with
    `newcomer` somebody pairs anew every so many rounds, which mints.  `with` ends the work.
    """

    client: PersonClient
    pause: float = 0.02
    newcomer: int = 0
    acknowledged: list[Acknowledged] = field(factory=list, init=False)
    _stop: threading.Event = field(factory=threading.Event, init=False)
    _thread: threading.Thread | None = field(default=None, init=False)

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.tell_to_stop()
        if self._thread is not None:
            self._thread.join()

    def tell_to_stop(self) -> None:
        """Let it end after the request in hand."""
        self._stop.set()

    def wait_for(self, rows: int, seconds: float = 10.0) -> bool:
        """Wait until so many more rows are acknowledged; False when the time is over."""
        wanted, deadline = len(self.acknowledged) + rows, time.monotonic() + seconds
        while len(self.acknowledged) < wanted and time.monotonic() < deadline:
            time.sleep(0.01)
        return len(self.acknowledged) >= wanted

    def _run(self) -> None:
        rounds = 0
        while not self._stop.wait(self.pause):
            rounds += 1
            if self.newcomer and rounds % self.newcomer == 0:
                with suppress(*TROUBLE):
                    self._another().sign_in()
            try:
                self.acknowledged += self.client.work()
            except TROUBLE:
                # The old session may yet be good where there is no new one to be had.
                another = self._another()
                with suppress(*TROUBLE):
                    another.sign_in()
                    self.client.cookie = another.cookie

    def _another(self) -> PersonClient:
        return PersonClient(self.client.url, self.client.login, self.client.timeout)


def live_database(base_dir: Path) -> Path:
    """Name a person's live database: V2's where it is there, and V1's is left over then."""
    second = base_dir / "userdata" / V2
    return second if second.exists() else second.with_name(V1)


def acknowledged_rows(connection: sqlite3.Connection) -> set[tuple[str, str]]:
    """Read the table and the key of every row that a serve could have acknowledged."""
    tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
    return {
        (table, str(row[0]))
        for table, key in (KEYS | V2_KEYS).items()
        if table in tables
        for row in connection.execute(f"SELECT {key} FROM {table}")
    }


def missing_rows(
    acknowledged: Iterable[Acknowledged], base_dir: Path, database: str = ""
) -> list[Acknowledged]:
    """The acknowledged rows that a person's database does not hold; the live one unless named.

    In V2's database the two tables that compaction shrinks on purpose are not looked at.
    """
    path = base_dir / "userdata" / database if database else live_database(base_dir)
    shrinking = COMPACTED if path.name == V2 else ()
    uri = f"{path.absolute().as_uri()}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True)) as connection:
        present = acknowledged_rows(connection)
    return [
        row
        for row in acknowledged
        if row.table not in shrinking and (row.table, row.key) not in present
    ]

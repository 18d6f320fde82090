"""An end of notifications that keeps what it is sent: HTTP on the loopback, as `json://` posts."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

SECRET = "tok3n-of-the-end"


class Inbox:
    """Answers every message with `status`; in silence it takes messages and never answers."""

    def __init__(self, *, silent: bool = False) -> None:
        self.status = 200
        self.messages: list[dict[str, Any]] = []
        self._over = threading.Event()
        inbox = self

        class InboxHandler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if silent:
                    inbox._over.wait(60)
                    return
                if inbox.status == 200:
                    inbox.messages.append(json.loads(body))
                self.send_response(inbox.status)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as inherited
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), InboxHandler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        """Its address as Apprise takes it, with a secret."""
        return f"json://user:{SECRET}@127.0.0.1:{self._server.server_address[1]}/{SECRET}"

    def take(self) -> list[dict[str, Any]]:
        """Give the messages that came since it was last asked."""
        taken, self.messages = self.messages, []
        return taken

"""An HTTP server in a thread that can go down, rudely, and come up again on its port."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self


class ServiceHandler(BaseHTTPRequestHandler):
    """Hands every method to the service's function; keeps connections open as real servers do."""

    protocol_version = "HTTP/1.1"
    timeout = 30
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        """Answer any method."""
        self.handle_one()

    def handle_one(self) -> None:
        """Answer a request; each service brings its own."""
        raise NotImplementedError

    do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_GET  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name it overrides
        """Stay quiet: the owner keeps its own log."""

    def read_body(self) -> bytes:
        """The body of the request."""
        length = self.headers.get("Content-Length", "0")
        return self.rfile.read(int(length) if length.isdigit() else 0)

    def reply(self, status: int, body: bytes = b"", *headers: tuple[str, str]) -> None:
        """Send a whole answer."""
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


_Request = socket.socket | tuple[bytes, socket.socket]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], handler: type[ServiceHandler]) -> None:
        self._open: set[socket.socket] = set()
        super().__init__(address, handler)

    def process_request(self, request: _Request, client_address: tuple[str, int]) -> None:
        if isinstance(request, socket.socket):
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: _Request) -> None:
        if isinstance(request, socket.socket):
            self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: _Request, client_address: tuple[str, int]) -> None:
        """A client that went away is no news."""

    def drop_all(self) -> None:
        for connection in list(self._open):
            super().shutdown_request(connection)


class Service:
    """A server bound on `up` and ended on `down` or at the end of the `with` block."""

    def __init__(self, handle: Callable[[ServiceHandler], None], host: str, port: int) -> None:
        def handle_one(handler: ServiceHandler) -> None:
            handle(handler)

        self._handler = type("ServiceHandler", (ServiceHandler,), {"handle_one": handle_one})
        self._host, self._port = host, port
        self._server: _Server | None = None

    @property
    def port(self) -> int:
        """The port; the system chooses it on the first `up` when it was given as 0."""
        return self._port

    @property
    def url(self) -> str:
        """The address, without a slash at its end."""
        return f"http://{self._host}:{self._port}"

    def up(self) -> None:
        """Bind and serve; nothing happens when it already does."""
        if self._server is not None:
            return
        self._server = _Server((self._host, self._port), self._handler)
        self._port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def down(self) -> None:
        """Refuse connections and cut the open ones; nothing happens when it already is."""
        if self._server is None:
            return
        self._server.shutdown()
        self._server.server_close()
        self._server.drop_all()
        self._server = None

    def __enter__(self) -> Self:
        self.up()
        return self

    def __exit__(self, *_: object) -> None:
        self.down()


class FakeServer:
    """A fake that serves while its `with` block lasts; `down` and `up` may come in between."""

    _service: Service

    def __enter__(self) -> Self:
        self.up()
        return self

    def __exit__(self, *_: object) -> None:
        self.down()

    @property
    def url(self) -> str:
        """Its address, without a slash at the end."""
        return self._service.url

    def up(self) -> None:
        """Serve; again on the same port after `down`."""
        self._service.up()

    def down(self) -> None:
        """Refuse every connection and cut those that are open."""
        self._service.down()

"""One request to a stranger: whatever a server does, it ends soon and small."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from t3safe.adapters._support.http_client import BODY_MAX, Address, NoAnswerError, ask
from t3safe.t3.sign_in import PLAIN_COOKIE, Cookies

HEAD = b"HTTP/1.1 200 OK\r\n"
SETS = f"Set-Cookie: {PLAIN_COOKIE}".encode()


@contextmanager
def stranger(behave: Callable[[socket.socket], None]) -> Iterator[tuple[Address, list[bytes]]]:
    """Give a server that reads each request and then behaves as it likes."""
    heard: list[bytes] = []
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listening.accept()
                with connection, suppress(OSError):
                    heard.append(connection.recv(65536))
                    behave(connection)
                    # What is left unread, a body that came late, would reset the answer.
                    connection.shutdown(socket.SHUT_WR)
                    connection.settimeout(5)
                    while connection.recv(65536):
                        pass

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield Address(*listening.getsockname()), heard
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join(5)


def says(answer: bytes) -> Callable[[socket.socket], None]:
    """Answer with these bytes."""
    return lambda connection: connection.sendall(answer)


def drips(prefix: bytes, drop: bytes) -> Callable[[socket.socket], None]:
    """Send a drop again and again, faster than any limit between two of them."""

    def behave(connection: socket.socket) -> None:
        connection.sendall(prefix)
        while True:
            connection.sendall(drop)
            time.sleep(0.02)

    return behave


def keeps_silent(connection: socket.socket) -> None:
    """Say nothing until the other side goes away."""
    connection.recv(1)


@pytest.mark.parametrize(
    "behave",
    [
        keeps_silent,
        drips(b"", b"H"),
        drips(HEAD, b"X-A: b\r\n"),
        drips(HEAD + b"X-A: ", b"a"),
        drips(HEAD + b"Content-Length: 100000\r\n\r\n", b"a"),
        drips(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n"),
    ],
)
def test_no_stranger_is_listened_to_for_longer_than_asked(
    behave: Callable[[socket.socket], None],
) -> None:
    """The limit is for the whole request, however little by little an answer comes."""
    with stranger(behave) as (address, _):
        began = time.monotonic()
        with pytest.raises(NoAnswerError):
            ask(address, "/", {}, 0.3)
        assert time.monotonic() - began < 2


@pytest.mark.parametrize("head", [HEAD, b"HTTP/1.1 302 Found\r\nLocation: /more\r\n"])
def test_huge_answer_is_cut(head: bytes) -> None:
    """No stranger fills our memory, one that leads elsewhere neither."""
    with stranger(says(head + b"\r\n" + b"x" * (BODY_MAX * 3))) as (address, heard):
        assert len(ask(address, "/", {}, 5.0).body) == BODY_MAX
    assert len(heard) == 1


@pytest.mark.parametrize("behave", [drips(b"", b"H"), drips(HEAD + b"X-A: ", b"a")])
def test_nothing_of_a_request_outlives_its_time(behave: Callable[[socket.socket], None]) -> None:
    """The connection is cut: no stranger keeps a thread of ours by dripping on."""
    with stranger(behave) as (address, _):
        with pytest.raises(NoAnswerError, match=r"did not answer within 0.3 s"):
            ask(address, "/", {}, 0.3)
        for thread in threading.enumerate():
            if thread.name == "http":
                thread.join(5)
                assert not thread.is_alive()


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        HEAD + b"A: " + b"x" * 70_000,
        HEAD + b"A: b\r\n" * 500 + b"\r\n",
    ],
)
def test_what_is_no_http_is_no_answer(answer: bytes) -> None:
    """It is told in one way, and never as an error of another family."""
    with stranger(says(answer)) as (address, _), pytest.raises(NoAnswerError):
        ask(address, "/", {}, 2.0)


def test_port_that_nobody_listens_on_is_no_answer() -> None:
    """The text says what happened, for whoever must fix it."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = Address(*taken.getsockname())
    with pytest.raises(NoAnswerError, match=r"cannot be reached \(Connection refused\)"):
        ask(address, "/", {}, 2.0)


def test_name_that_leads_nowhere_is_no_answer() -> None:
    """A dispatch whose name does not resolve."""
    with pytest.raises(NoAnswerError, match="cannot be reached"):
        ask(Address("dispatch.invalid", 80), "/", {}, 2.0)


def test_proxies_of_the_environment_take_no_part(monkeypatch: pytest.MonkeyPatch) -> None:
    """A session cookie goes to the address that was asked for and nowhere else."""
    with stranger(says(HEAD + b"\r\nok")) as (address, heard):
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
            monkeypatch.setenv(name, "http://127.0.0.1:9")
        assert ask(address, "/", {}, 2.0).body == b"ok"
    assert heard[0].startswith(b"GET / HTTP/1.1\r\n")
    assert b"Connection: close\r\n" in heard[0]


def test_body_is_posted() -> None:
    """With its length and what the caller says of it."""
    with stranger(says(HEAD + b"\r\n")) as (address, heard):
        ask(address, "/api", {"Content-Type": "application/json"}, 2.0, b"{}")
    assert heard[0].startswith(b"POST /api HTTP/1.1\r\n")
    assert b"Content-Length: 2\r\n" in heard[0]


@pytest.mark.parametrize(
    "line",
    [
        SETS + b"=a\r\n X-authentik-username: bob",
        SETS + b"=a\x0bb",
        b"Set-Cookie: t3 session=a",
        b"Set-Cookie: =a",
        SETS,
        SETS + b"=",
        SETS + b'="a,b"',
        SETS + b"=" + b"a" * 5000,
        SETS + b"=\xc3\xa9",
    ],
)
def test_cookie_that_cannot_be_sent_back_is_not_taken(line: bytes) -> None:
    """Nothing that a stranger sets can add a header to our next request."""
    with stranger(says(HEAD + line + b"\r\n\r\n")) as (address, _):
        assert ask(address, "/", {}, 2.0).cookies == Cookies()


def test_cookies_are_taken_by_name_and_never_shown() -> None:
    """Their values are secrets."""
    lines = SETS + b"=s3cret; Path=/; HttpOnly\r\nSet-Cookie: other=x\r\n"
    with stranger(says(HEAD + lines + b"\r\ns3cret")) as (address, _):
        answer = ask(address, "/", {}, 2.0)
    assert answer.cookies.names == ("other", PLAIN_COOKIE)
    assert answer.cookies.header == f"{PLAIN_COOKIE}=s3cret; other=x"
    assert "s3cret" not in repr(answer)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:3780", Address("127.0.0.1", 3780)),
        ("localhost:80", Address("localhost", 80)),
        ("[::1]:3780", Address("::1", 3780)),
    ],
)
def test_address_is_read_and_shown(text: str, address: Address) -> None:
    """As it is written in the settings."""
    assert Address.parse(text) == address
    assert str(address) == text

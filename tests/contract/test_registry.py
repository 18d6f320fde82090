"""The registry client over real HTTP, and the address that it gets from the real npm."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import pytest
from attrs import frozen

from fakes.packages import release_like
from fakes.registry import RegistryFault
from fakes.registry import RegistryServer as FakeRegistry
from t3safe.adapters.registry import NpmRegistry, RegistryAddress, RegistryLocation
from t3safe.adapters.registry.client import RequestLimits
from t3safe.contracts.registry import NEW, RegistryContract
from t3safe.domain.errors import Fault, RegistryError
from t3safe.domain.policy import Track
from t3safe.domain.versions import Version

BRIEF = RequestLimits(connect=1.0, read=0.3, attempts=3, pause=0.0, total=5.0)


class Given(RegistryAddress):
    """An address that never changes."""

    def __init__(self, address: RegistryLocation) -> None:
        super().__init__(Path("/nowhere"), fresh=True)
        self.address = address

    def known(self) -> RegistryLocation:
        """Give the address."""
        return self.address


@frozen
class RegistryWorld:
    server: FakeRegistry
    port: NpmRegistry

    def publish(self, version: str, *, tag: str | None = None, complete: bool = True) -> None:
        """Publish a version on its own day, without its tarball unless `complete`."""
        self.server.publish(release_like(version), tag=tag, tarball=complete)

    def tag(self, name: str, version: str | None) -> None:
        """Point a tag at a version, or take it away."""
        if version is None:
            self.server.untag(name)
        else:
            self.server.tag(name, version)

    def down(self) -> None:
        """Let nothing answer any more."""
        self.server.down()


@pytest.fixture
def bench() -> Iterator[RegistryWorld]:
    """Give an empty registry and a client with little patience."""
    with FakeRegistry() as server:
        yield RegistryWorld(
            server, NpmRegistry(Given(RegistryLocation(server.url.rstrip("/"))), BRIEF)
        )


class TestNpmRegistry(RegistryContract):
    """The contract, over HTTP."""


@pytest.mark.parametrize("history", [False, True])
@pytest.mark.parametrize(
    ("fault", "words", "asked"),
    [
        (RegistryFault.NOT_FOUND, "answers 404", 1),
        (RegistryFault.ERROR, r"answers 500 .*\(asked 3 times\)", 3),
        (RegistryFault.HTML, "page of HTML", 3),
        (RegistryFault.TRUNCATED, "broke off|cut short", 3),
        (RegistryFault.HALF_JSON, "broken or cut short", 3),
        (RegistryFault.SILENT, "did not answer in time", 3),
        (RegistryFault.REDIRECT_LOOP, "redirects more than 3 times", 4),
    ],
)
def test_bad_answer_is_later(
    bench: RegistryWorld, fault: RegistryFault, words: str, asked: int, *, history: bool
) -> None:
    """Each bad answer is named as what it was; only a passing error is asked for again."""
    bench.publish(NEW, tag="nightly")
    bench.server.fail(fault)

    with pytest.raises(RegistryError, match=words) as caught:
        bench.port.offer(Track.NIGHTLY, history=history)

    assert caught.value.fault is Fault.LATER
    assert "nothing was changed" in str(caught.value)
    assert len(bench.server.log) == asked


def test_passing_trouble_is_overcome(bench: RegistryWorld) -> None:
    """An error that is gone at the next attempt is no error."""
    bench.publish(NEW, tag="nightly")
    bench.server.fail(RegistryFault.ERROR)
    patient = NpmRegistry(bench.port.addresses, RequestLimits(pause=0.3))
    fix = threading.Timer(0.15, bench.server.fix)
    fix.start()

    assert patient.offer(Track.NIGHTLY, history=False).tag == Version.parse(NEW)
    fix.join()


def test_endless_answer_is_cut(bench: RegistryWorld) -> None:
    """An answer is read up to its limit and no further."""
    bench.publish(NEW, tag="nightly")
    bench.server.fail(RegistryFault.HUGE)

    with pytest.raises(RegistryError, match="more than 1048576 bytes") as caught:
        bench.port.offer(Track.NIGHTLY, history=False)

    assert caught.value.fault is Fault.LATER


# Answers that only a hand-made server gives.


@contextmanager
def saying(*answers: bytes, pause: float = 0.0) -> Iterator[NpmRegistry]:
    """Serve the first answer to the first who connects, and so on, the last to all others.

    With a pause (seconds) an answer is sent byte by byte.
    """
    done = threading.Event()

    def serve(listener: socket.socket) -> None:
        waiting = list(answers)
        while not done.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            answer = waiting.pop(0) if len(waiting) > 1 else waiting[0]
            with connection, suppress(OSError):
                connection.recv(65_536)
                step = 1 if pause else len(answer)
                for start in range(0, len(answer), step):
                    connection.sendall(answer[start : start + step])
                    if done.wait(pause):
                        return

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        try:
            port = listener.getsockname()[1]
            yield NpmRegistry(Given(RegistryLocation(f"http://127.0.0.1:{port}")), BRIEF)
        finally:
            done.set()
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def reply(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    """Write an HTTP response."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def offer_of(registry: NpmRegistry, *, history: bool = False) -> str:
    """Ask and give the message of the error that must follow."""
    with pytest.raises(RegistryError) as caught:
        registry.offer(Track.NIGHTLY, history=history)
    assert caught.value.fault is Fault.LATER
    return str(caught.value)


@pytest.mark.parametrize(
    ("location", "told"),
    [
        ("http://169.254.169.254/meta", "redirects to another host, '169.254.169.254'"),
        ("http://127.0.0.1:1/x", "redirects to another host, '127.0.0.1:1'"),
        ("http://127.0.0.1:99999/x", "redirects to what is not an address"),
    ],
)
def test_redirect_elsewhere_is_named_and_not_followed(location: str, told: str) -> None:
    """Another port is another server, too."""
    with saying(reply(b"", "302 Found", f"Location: {location}")) as registry:
        assert told in offer_of(registry)


def test_redirect_to_the_same_host_is_followed() -> None:
    """A registry may send a client along to another path of its own."""
    moved = reply(b"", "301 Moved Permanently", "Location: /moved/dist-tags")
    with saying(moved, reply(b'{"nightly": "0.0.28"}')) as registry:
        assert registry.offer(Track.NIGHTLY, history=False).tag == Version.parse("0.0.28")


@pytest.mark.parametrize("times", [{"time": {"0.0.28": "?"}}, {}])
def test_hostile_version_among_the_releases_is_left_out(times: dict[str, object]) -> None:
    """A version that does not parse, or cannot be fetched, costs that release, not the answer.

    One whose time cannot be read, or is not told, is of unknown age.
    """
    versions = {
        text: {"version": text, "dist": {"tarball": "http://x/"}}
        for text in ("../../x", "0.0.28", "v1", "0.0.27")
    }
    versions["0.0.26"] = {"version": "0.0.26", "dist": {}}
    tags = {"nightly": "0.0.28", "x": "../../x"}
    body = {"name": "t3", "dist-tags": tags, "versions": versions, **times}
    with saying(reply(json.dumps(body).encode())) as registry:
        offer = registry.offer(Track.NIGHTLY, history=True)

    assert [release.version.text for release in offer.releases] == ["0.0.27", "0.0.28"]
    assert {release.published for release in offer.releases} == {None}


NAMED: Final = b'{"name": "%b", "dist-tags": {"nightly": "0.0.28"}, "versions": {%b}}'


@pytest.mark.parametrize(
    ("body", "history", "told"),
    [
        *((body, False, "JSON") for body in (b"[]", b"null", b'"nightly"', b"[" * 9000)),
        (b'{"nightly": 7}', False, "JSON of another form"),
        (b'{"name": "t3", "versions": {}}', True, "JSON of another form"),
        (NAMED % (b"left-pad", b""), True, "answers for the package 'left-pad'"),
        # Listed without what can be fetched: published in parts.
        *(
            (NAMED % (b"t3", b'"0.0.28": ' + listed), True, "no tarball of it yet")
            for listed in (
                b"null",
                b"{}",
                b'{"version": "9.9.9", "dist": {"tarball": "x"}}',
                b'{"version": "0.0.28"}',
            )
        ),
    ],
)
def test_answer_of_another_form_is_later(body: bytes, *, history: bool, told: str) -> None:
    """What does not have the form that is documented is no answer."""
    with saying(reply(body)) as registry:
        assert told in offer_of(registry, history=history)


def test_long_hostile_text_is_shown_shortened_and_escaped() -> None:
    """What a registry says reaches the log in one short line without control characters."""
    body = b'{"nightly": "\\u001b[2J\\n' + b"A" * 5000 + b'"}'
    with saying(reply(body)) as registry:
        message = offer_of(registry)
    assert message.isprintable()
    assert len(message) < 400


def test_drop_by_drop_is_ended_by_the_total_time() -> None:
    """A server that sends a byte now and then cannot hold a run up for longer than the limit."""
    with saying(reply(b"{}"), pause=0.1) as registry:
        hurried = NpmRegistry(registry.addresses, RequestLimits(read=5.0, pause=0.0, total=0.5))
        began = time.monotonic()
        assert "did not answer within 0.5 s" in offer_of(hurried)
        assert time.monotonic() - began < 3.0


def test_credentials_in_the_address_are_never_shown() -> None:
    """An address may hold a password; no message does."""
    registry = NpmRegistry(Given(RegistryLocation("http://joe:hunter2@127.0.0.1:9")), BRIEF)

    message = offer_of(registry)

    assert "127.0.0.1:9" in message
    assert "hunter2" not in message


# The address.


@frozen
class CountedNpm:
    """A stand-in for npm's `config get` that counts how often it is asked."""

    folder: Path

    @property
    def program(self) -> str:
        """Give the path of the program."""
        return str(self.folder / "npm")

    @property
    def calls(self) -> int:
        """How often it was asked."""
        log = self.folder / "calls"
        return len(log.read_text().splitlines()) if log.exists() else 0

    def answers(self, url: str, *, status: int = 0) -> None:
        """Let it be set to this address."""
        rc = self.folder / "npmrc"
        rc.touch()
        self.folder.joinpath("npm").write_text(
            f"#!/bin/sh\necho x >> {self.folder}/calls\n"
            f"echo 'registry={url}'\necho cafile=null\n"
            f"echo userconfig={rc}\necho globalconfig=/none\n"
            f"echo 'npm warn something' >&2\nexit {status}\n"
        )
        self.folder.joinpath("npm").chmod(0o755)


@pytest.fixture
def npm(tmp_path: Path) -> CountedNpm:
    """Give a stand-in for npm that is set to a registry where nothing listens."""
    stand_in = CountedNpm(tmp_path)
    stand_in.answers("http://127.0.0.1:1/")
    return stand_in


def test_real_npm_is_asked_for_its_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The address is what npm says for the user that runs t3safe, not what a project says."""
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / ".npmrc").write_text("registry=http://127.0.0.1:1/mirror/\n")
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / ".npmrc").write_text("registry=http://127.0.0.1:2/\n")
    for name in [name for name in os.environ if name.lower().startswith("npm_config_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path / "project")

    assert RegistryAddress(tmp_path / "state" / "registry.json").known().url == (
        "http://127.0.0.1:1/mirror"
    )


def test_units_and_commands_by_hand_ask_npm_for_one_registry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A home's npmrc, which units cannot see, counts for neither; what is configured, for both."""
    for name in [name for name in os.environ if name.lower().startswith("npm_config_")]:
        monkeypatch.delenv(name)
    home, memory = tmp_path / "home", tmp_path / "registry.json"
    home.mkdir()
    (home / ".npmrc").write_text("registry=http://127.0.0.1:1/of-the-home/\n")
    found = {}
    for who, place in (("by hand", home), ("in a unit", tmp_path / "unseen")):
        monkeypatch.setenv("HOME", str(place))
        memory.unlink(missing_ok=True)
        found[who] = RegistryAddress(memory, homeless=True).known()
        stated = RegistryAddress(memory, stated="http://127.0.0.1:2/mirror/", homeless=True)
        assert stated.known().url == "http://127.0.0.1:2/mirror"

    assert found["by hand"] == found["in a unit"]
    assert "of-the-home" not in found["by hand"].url
    monkeypatch.setenv("HOME", str(home))
    memory.unlink()
    assert RegistryAddress(memory).known().url == "http://127.0.0.1:1/of-the-home"


def test_address_is_remembered(npm: CountedNpm, tmp_path: Path) -> None:
    """The client is asked once and not again by the next process."""
    memory = tmp_path / "state" / "registry.json"
    assert RegistryAddress(memory, npm.program).known() == RegistryLocation("http://127.0.0.1:1")

    again = RegistryAddress(memory, npm.program)

    assert again.known() == RegistryLocation("http://127.0.0.1:1")
    assert (npm.calls, again.fresh) == (1, False)


def test_address_is_asked_again_when_npm_is_set_anew(
    npm: CountedNpm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A changed npmrc, a variable of npm's or another day make the memory void."""
    memory = tmp_path / "registry.json"
    RegistryAddress(memory, npm.program).known()

    os.utime(tmp_path / "npmrc", ns=(1, 1))
    RegistryAddress(memory, npm.program).known()
    assert npm.calls == 2

    monkeypatch.setenv("NPM_CONFIG_REGISTRY", "http://127.0.0.1:3")
    RegistryAddress(memory, npm.program).known()
    assert npm.calls == 3

    tomorrow = time.time() + 86_401
    RegistryAddress(memory, npm.program, now=lambda: tomorrow).known()
    assert npm.calls == 4


@pytest.mark.parametrize("content", ["", "{", "[]", '{"address": 1}', "\x00"])
def test_broken_memory_is_no_trouble(npm: CountedNpm, tmp_path: Path, content: str) -> None:
    """A memory that cannot be read means that npm is asked."""
    memory = tmp_path / "registry.json"
    memory.write_text(content)

    assert RegistryAddress(memory, npm.program).known() == RegistryLocation("http://127.0.0.1:1")
    assert RegistryAddress(memory, npm.program).known() == RegistryLocation("http://127.0.0.1:1")
    assert npm.calls == 1


@pytest.mark.parametrize(
    "url", ["", "undefined", "ftp://x/", "file:///etc", "http://", "http://[x"]
)
def test_setting_that_is_no_address_is_told(npm: CountedNpm, tmp_path: Path, url: str) -> None:
    """A setting that is no http address is refused and not remembered."""
    npm.answers(url)

    with pytest.raises(RegistryError, match="npm config get registry") as caught:
        RegistryAddress(tmp_path / "registry.json", npm.program).known()

    assert caught.value.fault is Fault.LATER
    assert not (tmp_path / "registry.json").exists()


def test_npm_that_fails_or_is_missing_is_told(npm: CountedNpm, tmp_path: Path) -> None:
    """Without npm the address is unknown, and the message names the command to try."""
    npm.answers("http://127.0.0.1:1/", status=1)
    with pytest.raises(RegistryError, match="status 1: npm warn something"):
        RegistryAddress(tmp_path / "registry.json", npm.program).known()
    with pytest.raises(RegistryError, match="npm config get registry") as caught:
        RegistryAddress(tmp_path / "registry.json", str(tmp_path / "none")).known()

    assert caught.value.fault is Fault.LATER


def test_remembered_address_that_fails_is_asked_for_again(npm: CountedNpm, tmp_path: Path) -> None:
    """A registry that moved without a trace in npm's files is found at the next question."""
    memory = tmp_path / "registry.json"
    npm.answers("http://127.0.0.1:1/")
    RegistryAddress(memory, npm.program).known()
    with FakeRegistry() as server:
        server.publish(release_like(NEW), tag="nightly")
        npm.answers(server.url)
        registry = NpmRegistry(RegistryAddress(memory, npm.program), BRIEF)

        assert registry.offer(Track.NIGHTLY, history=False).tag == Version.parse(NEW)

    assert npm.calls == 2

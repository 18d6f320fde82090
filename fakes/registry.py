"""An npm registry that the real npm client installs from, good on demand and bad on demand.

In a test: `with Registry() as registry: registry.publish(FakeRelease(...), tag="nightly")`.
As a process: `python -m fakes.registry --port 0 --url-file FILE --releases FILE.json`, steered by
POST /-/fake/{publish,tag,untag,complete,fail,fix} with the JSON arguments of those methods, and
GET /-/fake/log.
"""

from __future__ import annotations

import argparse
import json
import re
import signal
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

from attrs import define, field, frozen

from fakes.packages import (
    FakeRelease,
    PackedRelease,
    pack,
    pack_contracts,
    pack_dependencies,
    pack_elsewhere,
    pack_platform,
    release_from_json,
)
from fakes.service import FakeServer, Service, ServiceHandler

ABBREVIATED: Final = "application/vnd.npm.install-v1+json"
HOSTILE_VERSION: Final = "../../x"
WRONG_INTEGRITY: Final = "sha512-" + "A" * 86 + "=="
_HUGE: Final = 512 * 1024 * 1024
_ABBREVIATED_KEYS: Final = (
    "name",
    "version",
    "bin",
    "engines",
    "dependencies",
    "optionalDependencies",
    "dist",
    "hasInstallScript",
    "os",
    "cpu",
)


class RegistryFault(StrEnum):
    """How the registry fails while it is told to."""

    NOT_FOUND = "404"
    ERROR = "500"
    HTML = "html"
    """200 with a page of a captive portal."""
    TRUNCATED = "truncated"
    """The announced length, half of the body, and the connection closes."""
    HALF_JSON = "half-json"
    """Half of the JSON as if it were all."""
    SLOW = "slow"
    """Every answer waits `seconds`."""
    SILENT = "silent"
    """The connection is taken and nothing is ever said."""
    HUGE = "huge"
    """JSON without end (512 MB at most)."""
    REDIRECT_LOOP = "redirect-loop"
    HOSTILE = "hostile-version"
    """Every tag names `../../x`, which is also among the versions."""


@frozen
class RequestSeen:
    """One request that was answered."""

    method: str
    path: str
    accept: str
    status: int


@define
class _Entry:
    package: PackedRelease
    published: datetime
    tarball: bool = True
    integrity: str = ""


@define
class _Shelf:
    """One package: its versions, in the order of publication, and its tags."""

    entries: dict[str, _Entry] = field(factory=dict)
    tags: dict[str, str] = field(factory=dict)


@frozen
class _FaultSet:
    fault: RegistryFault
    path: str
    seconds: float


class RegistryServer(FakeServer):
    """The registry, its contents and its faults; everything may change while it serves.

    `max_age` is how many seconds npm may believe what it has cached (the public one says 300).
    """

    def __init__(self, host: str = "127.0.0.1", port: int = 0, *, max_age: int = 0) -> None:
        self.log: list[RequestSeen] = []
        self._service = Service(self._handle, host, port)
        self._max_age = max_age
        self._lock = threading.RLock()
        self._shelves: dict[str, _Shelf] = {"t3": _Shelf()}
        self._faults: list[_FaultSet] = []
        for package in pack_dependencies():
            self._put(package, FakeRelease("0.0.0").published_at, tag="latest")

    @property
    def url(self) -> str:
        """What npm calls `registry`."""
        return f"{self._service.url}/"

    def publish(
        self,
        release: FakeRelease,
        tag: str | None = None,
        *,
        tarball: bool = True,
        integrity: str = "",
    ) -> PackedRelease:
        """Publish a release, and point a tag at it when one is given.

        Without `tarball` it is published in parts: named, and not there until `complete`.
        A release of the `platform` layout misses its platform package instead.  `integrity`
        replaces the true one.
        """
        package = pack(release)
        parts = release.layout == "platform"
        if parts:
            platforms = (*pack_elsewhere(release), *((pack_platform(release),) if tarball else ()))
            for platform in platforms:
                self._put(platform, release.published_at)
        with self._lock:
            self._put(package, release.published_at, tag=tag)
            entry = self._shelves["t3"].entries[release.version]
            entry.tarball, entry.integrity = tarball or parts, integrity
        return package

    def drift(self, version: str = "1.0.1") -> None:
        """Publish another release of what t3 depends on: a new npm install takes that."""
        self._put(pack_contracts(version), FakeRelease("0.0.0").published_at, tag="latest")

    def complete(self, version: str) -> None:
        """Let the missing tarball of a version arrive."""
        with self._lock:
            self._shelves["t3"].entries[version].tarball = True

    def unpublish(self, version: str) -> None:
        """Take a version away; tags stay where they point."""
        with self._lock:
            del self._shelves["t3"].entries[version]

    def tag(self, name: str, version: str) -> None:
        """Point a tag at a version, which need not exist."""
        with self._lock:
            self._shelves["t3"].tags[name] = version

    def untag(self, name: str) -> None:
        """Remove a tag; nothing happens when it is not there."""
        with self._lock:
            self._shelves["t3"].tags.pop(name, None)

    def fail(self, fault: RegistryFault | str, path: str = "", seconds: float = 2.0) -> None:
        """Fail so on every path that matches the regular expression `path`, until `fix`."""
        with self._lock:
            self._faults.append(_FaultSet(RegistryFault(fault), path, seconds))

    def fix(self) -> None:
        """End all faults."""
        with self._lock:
            self._faults.clear()

    def _put(self, package: PackedRelease, published: datetime, *, tag: str | None = None) -> None:
        with self._lock:
            shelf = self._shelves.setdefault(package.name, _Shelf())
            shelf.entries[package.version] = _Entry(package, published)
            if tag is not None:
                shelf.tags[tag] = package.version

    def _handle(self, handler: ServiceHandler) -> None:
        body = handler.read_body()
        path = unquote(handler.path.partition("?")[0])
        if path.startswith("/-/fake/"):
            self._control(handler, path.removeprefix("/-/fake/"), body)
            return
        with self._lock:
            fault_set = next((a for a in self._faults if re.search(a.path, path)), None)
        fault = fault_set.fault if fault_set is not None else None
        if fault_set is not None and fault is RegistryFault.SLOW:
            time.sleep(fault_set.seconds)
        status, content, headers = self._answer(handler, path, fault)
        accept = handler.headers.get("Accept", "")
        self.log.append(RequestSeen(handler.command, path, accept, status))
        _send(handler, status, content, headers, fault)

    def _answer(
        self, handler: ServiceHandler, path: str, fault: RegistryFault | None
    ) -> tuple[int, bytes, tuple[tuple[str, str], ...]]:
        match fault:
            case RegistryFault.NOT_FOUND:
                return _json(404, {"error": "Not found"})
            case RegistryFault.ERROR:
                return _json(500, {"error": "Internal Server Error"})
            case RegistryFault.HTML:
                return 200, b"<!doctype html><h1>Sign in</h1>", (("Content-Type", "text/html"),)
            case RegistryFault.REDIRECT_LOOP:
                return 302, b"", (("Location", handler.path),)
            case _:
                return self._content(handler, path, fault)

    def _content(
        self, handler: ServiceHandler, path: str, fault: RegistryFault | None
    ) -> tuple[int, bytes, tuple[tuple[str, str], ...]]:
        with self._lock:
            if tags := re.fullmatch(r"/-/package/(.+)/dist-tags", path):
                return self._tags(tags[1], fault)
            if path == "/-/npm/v1/security/advisories/bulk":
                return _json(200, {})
            if path == "/-/ping":
                return _json(200, {})
            if file := re.fullmatch(r"/(.+)/-/[^/]+-(\d+\.\d+\.\d+.*)\.tgz", path):
                return self._tarball(file[1], file[2])
            name, version = _name_and_version(path)
            if name not in self._shelves:
                return _json(404, {"error": "Not found"})
            document = self._packument(name, handler.headers.get("Host", ""), fault)
            if version:
                return _one_version(document, version)
            return self._whole(document, short=ABBREVIATED in handler.headers.get("Accept", ""))

    def _tags(
        self, name: str, fault: RegistryFault | None
    ) -> tuple[int, bytes, tuple[tuple[str, str], ...]]:
        shelf = self._shelves.get(name)
        if shelf is None:
            return _json(404, {"error": "Not found"})
        return _json(200, _tags_under(fault, shelf.tags))

    def _tarball(self, name: str, version: str) -> tuple[int, bytes, tuple[tuple[str, str], ...]]:
        shelf = self._shelves.get(name)
        entry = shelf.entries.get(version) if shelf is not None else None
        if entry is None or not entry.tarball:
            return _json(404, {"error": "Not found"})
        return 200, entry.package.tarball, (("Content-Type", "application/octet-stream"),)

    def _packument(self, name: str, host: str, fault: RegistryFault | None) -> dict[str, Any]:
        shelf = self._shelves[name]
        times = {version: _iso(entry.published) for version, entry in shelf.entries.items()}
        newest = max(times.values(), default=_iso(FakeRelease("0.0.0").published_at))
        document: dict[str, Any] = {
            "_id": name,
            "name": name,
            "dist-tags": _tags_under(fault, shelf.tags),
            "versions": {
                version: _manifest(entry, f"http://{host}/{name}")
                for version, entry in shelf.entries.items()
            },
            "time": {"created": min(times.values(), default=newest), "modified": newest} | times,
        }
        if fault is RegistryFault.HOSTILE:
            first = next(iter(document["versions"].values()), {"name": name})
            document["versions"][HOSTILE_VERSION] = first | {"version": HOSTILE_VERSION}
            document["time"][HOSTILE_VERSION] = newest
        return document

    def _whole(
        self, document: dict[str, Any], *, short: bool
    ) -> tuple[int, bytes, tuple[tuple[str, str], ...]]:
        caching = ("Cache-Control", f"public, max-age={self._max_age}")
        if not short:
            return _json(200, document, caching)
        shown = {
            "name": document["name"],
            "dist-tags": document.get("dist-tags", {}),
            "modified": document.get("time", {}).get("modified", ""),
            "versions": {
                version: {key: manifest[key] for key in _ABBREVIATED_KEYS if key in manifest}
                for version, manifest in document["versions"].items()
            },
        }
        status, body, _ = _json(200, shown)
        return status, body, (("Content-Type", ABBREVIATED), caching)

    def _control(self, handler: ServiceHandler, command: str, body: bytes) -> None:
        try:
            answer = self._do_control(command, json.loads(body or b"{}"))
        except (ValueError, KeyError, TypeError) as error:
            handler.reply(400, f"{type(error).__name__}: {error}\n".encode())
            return
        handler.reply(200, json.dumps(answer).encode(), ("Content-Type", "application/json"))

    def _do_control(self, command: str, given: dict[str, Any]) -> object:
        match command:
            case "publish":
                self.publish(release_from_json(given.pop("release")), **given)
            case "log":
                return [[seen.method, seen.path, seen.status] for seen in self.log]
            case "tag" | "untag" | "complete" | "unpublish" | "fail" | "fix":
                getattr(self, command)(**given)
            case _:
                raise ValueError(f"no control {command!r}")
        return {"ok": True}


def _json(
    status: int, content: object, *headers: tuple[str, str]
) -> tuple[int, bytes, tuple[tuple[str, str], ...]]:
    return status, json.dumps(content).encode(), (("Content-Type", "application/json"), *headers)


def _iso(moment: datetime) -> str:
    utc = moment.astimezone(UTC)
    return f"{utc:%Y-%m-%dT%H:%M:%S}.{utc.microsecond // 1000:03d}Z"


def _tags_under(fault: RegistryFault | None, tags: Mapping[str, str]) -> dict[str, str]:
    return dict.fromkeys(tags, HOSTILE_VERSION) if fault is RegistryFault.HOSTILE else dict(tags)


def _name_and_version(path: str) -> tuple[str, str]:
    parts = path.strip("/").split("/", 2 if path.startswith("/@") else 1)
    if path.startswith("/@"):
        return "/".join(parts[:2]), "".join(parts[2:])
    return parts[0], "".join(parts[1:])


def _one_version(
    document: dict[str, Any], wanted: str
) -> tuple[int, bytes, tuple[tuple[str, str], ...]]:
    version = document.get("dist-tags", {}).get(wanted, wanted)
    found = document["versions"].get(version)
    return _json(404, f"version not found: {wanted}") if found is None else _json(200, found)


def _manifest(entry: _Entry, home: str) -> dict[str, Any]:
    package = entry.package
    base = package.name.rpartition("/")[2]
    manifest = dict(package.manifest)
    if "install" in manifest.get("scripts", {}):
        manifest["hasInstallScript"] = True
    manifest["_id"] = f"{package.name}@{package.version}"
    manifest["dist"] = {
        "integrity": entry.integrity or package.integrity,
        "shasum": package.shasum,
        "tarball": f"{home}/-/{base}-{package.version}.tgz",
        "unpackedSize": len(package.tarball) * 4,
    }
    return manifest


def _send(
    handler: ServiceHandler,
    status: int,
    body: bytes,
    headers: tuple[tuple[str, str], ...],
    fault: RegistryFault | None,
) -> None:
    match fault:
        case RegistryFault.SILENT:
            handler.connection.recv(1)
            handler.close_connection = True
        case RegistryFault.HUGE:
            _flood(handler)
        case RegistryFault.TRUNCATED:
            handler.send_response_only(status)
            handler.send_header("Content-Type", "application/json")
            handler.send_header("Content-Length", str(len(body)))
            handler.end_headers()
            handler.wfile.write(body[: len(body) // 2])
            handler.close_connection = True
        case RegistryFault.HALF_JSON:
            handler.reply(status, body[: len(body) // 2], *headers)
        case _:
            handler.reply(status, body, *headers)


def _flood(handler: ServiceHandler) -> None:
    handler.send_response_only(200)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", str(_HUGE))
    handler.end_headers()
    handler.close_connection = True
    piece = b'{"name":"t3","versions":{' + b" " * (1 << 20)
    sent = 0
    while sent < _HUGE:
        handler.wfile.write(piece[: _HUGE - sent])
        sent += len(piece)
        piece = b" " * (1 << 20)


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m fakes.registry", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0: any free one")
    parser.add_argument("--max-age", type=int, default=0)
    parser.add_argument("--releases", type=Path, help="JSON list of FakeRelease fields")
    parser.add_argument("--tag", action="append", default=[], metavar="NAME=VERSION")
    parser.add_argument("--url-file", type=Path, help="where to write the address once it serves")
    given = parser.parse_args(arguments)
    registry = RegistryServer(given.host, given.port, max_age=given.max_age)
    if given.releases is not None:
        for content in json.loads(given.releases.read_text(encoding="utf-8")):
            registry.publish(release_from_json(content))
    for pair in given.tag:
        registry.tag(*pair.split("=", 1))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    with registry:
        if given.url_file is not None:
            given.url_file.write_text(registry.url, encoding="utf-8")
        print(registry.url, flush=True)
        while True:
            signal.pause()


if __name__ == "__main__":
    main()

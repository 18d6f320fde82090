"""Packs fake releases of t3, and what they depend on, as real npm packages.

The program inside is `fakes.t3.app`; the first line of its `bin` is stamped with the interpreter
that packs it, so a package works on the machine that made it.  The same release gives the same
bytes every time.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import importlib.util
import io
import json
import os
import py_compile
import re
import sys
import tarfile
import tempfile
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Final

from attrs import evolve, field, frozen

from fakes.t3.app.build import BOOTSTRAP, BROWSER_SESSION
from fakes.t3.app.faults import parse_faults

REPOSITORY: Final = "https://github.com/pingdotgg/t3code"
REAL_ENGINES: Final = "^22.16 || ^23.11 || >=24.10"
"""What real releases ask of node; the fakes ask less, so that they install anywhere."""
FAKE_ENGINES: Final = ">=18"

PLATFORM_PACKAGE: Final = "@t3code/t3-linux-x64"
CONTRACTS: Final = "@t3tools/contracts"
NODE_PTY: Final = "node-pty"

_EPOCH: Final = datetime(2026, 1, 1, tzinfo=UTC)
_NIGHTLY: Final = re.compile(r"\d+\.\d+\.\d+-nightly\.(\d{8})\.(\d+)")

_NIGHTLY_SCHEMAS: Final = {44: 24, 55: 25, 104: 26, 158: 28, 200: 29, 236: 30, 445: 31, 473: 32}
"""From which CI run on a nightly knows which schema, as released."""
_STABLE_SCHEMAS: Final = {20: 24, 21: 26, 22: 29, 23: 30, 25: 31, 26: 32, 29: 34, 32: 37, 33: 40}
"""From which 0.0.N on a stable release knows which schema, as released."""
_QUIET_RUN: Final = 864
_SCOPED_STABLE: Final = 29


def _as_tuple(faults: Iterable[str]) -> tuple[str, ...]:
    return tuple(faults)


def _as_pairs(pairs: Iterable[Iterable[str]]) -> tuple[tuple[str, str], ...]:
    return tuple((name, text) for name, text in pairs)


def _check_faults(_instance: object, _attribute: object, faults: tuple[str, ...]) -> None:
    parse_faults(faults)


@frozen
class FakeRelease:
    """One release to be packed; times in seconds.

    `cookie` is plain, loopback or everywhere; `faults` are of the table in
    `fakes.t3.app.faults` (ValueError on others); `published` may be left out: a nightly is
    published on its own day.  `native` depends on a node-pty whose install script must run, and
    `compiled` on one that node-gyp compiles.
    `layout` is `bin` (dist/bin.mjs), or `platform`: a launcher over `PLATFORM_PACKAGE`.  `weight`
    adds so many bytes of ballast.  `scripts` are npm's own, by name: an `install` script is run by
    sh in the package's folder.
    """

    version: str
    schema: int = 32
    pairing: str = BROWSER_SESSION
    cookie: str = "plain"
    faults: tuple[str, ...] = field(default=(), converter=_as_tuple, validator=_check_faults)
    engines: str = FAKE_ENGINES
    published: datetime | None = None
    database: str = "state.sqlite"
    start_time: float = 0.05
    listen_window: float = 0.2
    command_time: float = 0.0
    tab_stop: float = 0.1
    quiet_migrations: bool = False
    native: bool = True
    compiled: bool = False
    layout: str = "bin"
    repository: str = REPOSITORY
    bin_name: str = "t3"
    weight: int = 0
    scripts: tuple[tuple[str, str], ...] = field(default=(), converter=_as_pairs)

    @property
    def published_at(self) -> datetime:
        """When the registry says it was published."""
        if self.published is not None:
            return self.published
        nightly = _NIGHTLY.fullmatch(self.version)
        if nightly is None:
            return _EPOCH
        day = datetime.strptime(nightly[1], "%Y%m%d").replace(tzinfo=UTC)
        return day + timedelta(seconds=int(nightly[2]) % 86400)


def release_like(version: str, **changes: Any) -> FakeRelease:
    """Make the release of this version behave as the real one of that name did."""
    nightly = _NIGHTLY.fullmatch(version)
    number = int(nightly[2]) if nightly else int(version.split("-", maxsplit=1)[0].split(".")[2])
    schemas = _NIGHTLY_SCHEMAS if nightly else _STABLE_SCHEMAS
    schema = max((known for since, known in schemas.items() if since <= number), default=24)
    release = FakeRelease(
        version,
        schema=schema,
        pairing=BOOTSTRAP if schema < 31 else BROWSER_SESSION,
        cookie="loopback" if not nightly and number >= _SCOPED_STABLE else "plain",
        quiet_migrations=number >= (_QUIET_RUN if nightly else _SCOPED_STABLE),
    )
    return evolve(release, **changes)


def release_from_json(content: Mapping[str, Any]) -> FakeRelease:
    """Make a release from its fields as JSON; TypeError or ValueError when they are no such."""
    given = dict(content)
    if given.get("published"):
        given["published"] = datetime.fromisoformat(given["published"])
    return FakeRelease(**given)


@frozen
class Package:
    """One packed version: its manifest as package.json has it, and its tarball."""

    manifest: Mapping[str, Any]
    tarball: bytes = field(repr=False)

    @property
    def name(self) -> str:
        """The package's name."""
        return str(self.manifest["name"])

    @property
    def version(self) -> str:
        """The package's version."""
        return str(self.manifest["version"])

    @property
    def integrity(self) -> str:
        """The sha512 that npm checks."""
        return "sha512-" + base64.b64encode(hashlib.sha512(self.tarball).digest()).decode()

    @property
    def shasum(self) -> str:
        """The sha1 that old clients check."""
        return hashlib.sha1(self.tarball, usedforsecurity=False).hexdigest()


def interpreter() -> str:
    """Find the interpreter that a packed program runs on: never that of a virtual environment."""
    return os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable)


@cache
def pack(release: FakeRelease) -> Package:
    """Pack a release of t3."""
    pty = "1.2.0" if release.compiled else "1.1.0"
    program = {"bin": "dist/bin.mjs", "platform": "bin/t3.mjs"}[release.layout]
    manifest: dict[str, Any] = {
        "name": "t3",
        "version": release.version,
        "license": "MIT",
        "repository": {"type": "git", "url": release.repository},
        "bin": {release.bin_name: program},
        "type": "module",
        "files": ["dist", "bin"],
        "engines": {"node": release.engines},
        "dependencies": {CONTRACTS: "1.0.0"} | ({NODE_PTY: pty} if release.native else {}),
        "fakeT3": _traits(release),
    }
    if release.scripts:
        manifest["scripts"] = dict(release.scripts)
    files = {program: _launcher() if release.layout == "platform" else _entry()}
    if release.layout == "platform":
        manifest["optionalDependencies"] = {PLATFORM_PACKAGE: release.version}
    else:
        files |= _program()
    if release.weight:
        files["dist/client/ballast.bin"] = bytes(release.weight)
    return _package(manifest, files)


def pack_platform(release: FakeRelease) -> Package:
    """Pack what a release of the `platform` layout launches."""
    manifest = {"name": PLATFORM_PACKAGE, "version": release.version, "license": "MIT"}
    return _package(manifest, _program())


@cache
def pack_dependencies() -> tuple[Package, ...]:
    """Pack what releases depend on: a plain package, and one with an install script.

    Of the latter one that only says that it was built, and one that has to be compiled.
    """
    contracts = {"name": CONTRACTS, "version": "1.0.0", "license": "MIT", "main": "index.js"}
    node_pty = {
        "name": NODE_PTY,
        "version": "1.1.0",
        "license": "MIT",
        "main": "lib/index.js",
        "scripts": {"install": "sh scripts/build.sh"},
    }
    build = b"mkdir -p build/Release && printf built > build/Release/pty.node\n"
    compiled = node_pty | {"version": "1.2.0", "scripts": {"install": "node-gyp rebuild"}}
    sources = {
        "binding.gyp": b'{"targets": [{"target_name": "pty", "sources": ["pty.c"]}]}\n',
        "pty.c": _ADDON,
        "lib/index.js": b'module.exports = require("../build/Release/pty.node");\n',
    }
    return (
        _package(contracts, {"index.js": b"module.exports = {};\n"}),
        _package(node_pty, {"lib/index.js": b"module.exports = {};\n", "scripts/build.sh": build}),
        _package(compiled, sources),
    )


_ADDON: Final = b"""\
#include <node_api.h>

static napi_value begin(napi_env env, napi_value exports) { return exports; }

NAPI_MODULE(pty, begin)
"""
"""The smallest native module."""


def unpack(release: FakeRelease, prefix: Path, *, scripts: bool = True) -> Path:
    """Lay a release out under a prefix as npm would, without npm; returns its `.bin` entry.

    Without `scripts` it looks as when npm skipped them: node-pty is there and not built.
    """
    modules = prefix / "node_modules"
    packages = [pack(release), *(one for one in pack_dependencies() if one.version != "1.2.0")]
    if release.layout == "platform":
        packages.append(pack_platform(release))
    for package in packages:
        _extract(package, modules / package.name)
    if scripts:
        built = modules / NODE_PTY / "build" / "Release" / "pty.node"
        built.parent.mkdir(parents=True, exist_ok=True)
        built.write_text("built", encoding="utf-8")
    entry = modules / ".bin" / release.bin_name
    entry.parent.mkdir(exist_ok=True)
    program = pack(release).manifest["bin"][release.bin_name]
    entry.symlink_to(Path("..", "t3", program))
    return entry


def _extract(package: Package, folder: Path) -> None:
    with tarfile.open(fileobj=io.BytesIO(package.tarball), mode="r:gz") as archive:
        for member in archive.getmembers():
            path = folder / member.name.removeprefix("package/")
            path.parent.mkdir(parents=True, exist_ok=True)
            file = archive.extractfile(member)
            path.write_bytes(file.read() if file is not None else b"")
            path.chmod(member.mode)


def _traits(release: FakeRelease) -> dict[str, Any]:
    return {
        "schema": release.schema,
        "pairing": release.pairing,
        "cookie": release.cookie,
        "database": release.database,
        "startTime": release.start_time,
        "listenWindow": release.listen_window,
        "commandTime": release.command_time,
        "tabStop": release.tab_stop,
        "quietMigrations": release.quiet_migrations,
        "native": release.native,
        "faults": list(release.faults),
    }


_OWN_LIB: Final = """\
LIB = os.path.join(PACKAGE, "dist", "lib")
"""
_PLATFORM_LIB: Final = f"""\
LIB, folder = "", PACKAGE
while folder != "/" and not os.path.isdir(LIB):
    LIB = os.path.join(folder, "node_modules", "{PLATFORM_PACKAGE}", "dist", "lib")
    folder = os.path.dirname(folder)
if not os.path.isdir(LIB):
    print("Error: Cannot find package '{PLATFORM_PACKAGE}'")
    sys.exit(1)
"""


def _entry() -> bytes:
    """A program that is t3 itself."""
    return (
        f"{_head()}"
        f"{_OWN_LIB}"
        "sys.path.insert(0, LIB)\n\n"
        "from fakes.t3.app.main import main\n\n"
        "main(PACKAGE, sys.argv[1:])\n"
    ).encode()


def _launcher() -> bytes:
    """A program that starts t3 as its child, as t3's own launcher does.

    The child inherits standard input and output alone: no other descriptor, and no signal.
    """
    return (
        f"{_head()}"
        "import subprocess\n\n"
        f"{_PLATFORM_LIB}"
        "CODE = 'import sys; sys.path.insert(0, sys.argv[1]); '\n"
        "CODE += 'from fakes.t3.app.main import main; main(sys.argv[2], sys.argv[3:])'\n"
        "words = [sys.executable, '-IBS', '-c', CODE, LIB, PACKAGE, *sys.argv[1:]]\n"
        "sys.exit(subprocess.call(words))\n"
    ).encode()


def _head() -> str:
    return (
        f"#!{interpreter()} -IBS\n"
        "import os\nimport sys\n\n"
        "PACKAGE = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))\n"
    )


@cache
def _program() -> Mapping[str, bytes]:
    """Give the program's modules, each with its compiled form: compiling costs a start 50 ms."""
    files: dict[str, bytes] = {}
    with tempfile.TemporaryDirectory() as scratch:
        compiled = Path(scratch, "module.pyc")
        for path in sorted((Path(__file__).parent / "t3" / "app").glob("*.py")):
            name = f"dist/lib/fakes/t3/app/{path.name}"
            py_compile.compile(
                str(path),
                cfile=str(compiled),
                dfile=name,
                doraise=True,
                invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
            )
            files[name] = path.read_bytes()
            files[importlib.util.cache_from_source(name)] = compiled.read_bytes()
    return files


def _package(manifest: Mapping[str, Any], files: Mapping[str, bytes]) -> Package:
    content = {"package.json": json.dumps(manifest, indent=2).encode(), **files}
    packed = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=packed, mode="wb", mtime=0, filename="") as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for name, data in sorted(content.items()):
            entry = tarfile.TarInfo(f"package/{name}")
            entry.size, entry.mtime = len(data), 499162500
            entry.mode = 0o755 if data.startswith(b"#!") else 0o644
            archive.addfile(entry, io.BytesIO(data))
    return Package(manifest, packed.getvalue())

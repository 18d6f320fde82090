"""Packs fake releases of t3, and what they depend on, as real npm packages.

The program inside is `fakes.t3.app`; the first line of its `bin` is stamped with the interpreter
that packs it, and a native program (`fakes.native`) with its library, so a package works on the
machine that made it.  The same release gives the same bytes every time.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import importlib.util
import io
import json
import py_compile
import re
import tarfile
import tempfile
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Final

from attrs import evolve, field, frozen
from attrs.validators import in_

from fakes import native
from fakes.t3.app.build import BOOTSTRAP, BROWSER_SESSION
from fakes.t3.app.faults import parse_faults

REPOSITORY: Final = "https://github.com/pingdotgg/t3code"
FAKE_ENGINES: Final = ">=18"
"""What releases ask of node: less than real ones do, so that they install anywhere."""

PLATFORM_PACKAGES: Final = {
    ("darwin", "arm64"): "@t3code/t3-darwin-arm64",
    ("linux", "arm64"): "@t3code/t3-linux-arm64",
    ("linux", "x64"): "@t3code/t3-linux-x64",
}
PLATFORM_PACKAGE: Final = PLATFORM_PACKAGES["linux", native.ARCHITECTURE]
"""That of this machine."""
PLATFORM_FAULTS: Final = {
    "none": "the launcher depends on no platform package",
    "elsewhere": "the launcher depends on a platform package for another system alone",
    "other-release": "the launcher depends on the platform package of another version",
    "other-version": "the platform package says that it is of another version",
    "other-architecture": "the native program is for another machine",
    "not-executable": "the native program is not executable",
    "text": "a text file is in place of the native program",
    "needs-library": "the native program needs a library that no host has",
    "other-libc": "the native program names a loader that no host has",
}
CONTRACTS: Final = "@t3tools/contracts"
NODE_PTY: Final = "node-pty"

_EPOCH: Final = datetime(2026, 1, 1, tzinfo=UTC)
_NIGHTLY: Final = re.compile(r"\d+\.\d+\.\d+-nightly\.(\d{8})\.(\d+)")

_NIGHTLY_SCHEMAS: Final = {
    44: 24,
    55: 25,
    104: 26,
    158: 28,
    200: 29,
    236: 30,
    445: 31,
    473: 32,
    875: 33,
    1033: 38,
} | {1387: 49, 1439: 50, 1700: 52, 1837: 53, 2375: 54, 2610: 56, 2644: 58, 2873: 60}
"""From which CI run on a nightly knows which schema.

As released up to 864, and for 1033, 2375, 2610 and 2922; between these nobody knows, and the
others are chosen to lie between.
"""
_STABLE_SCHEMAS: Final = {
    20: 24,
    21: 26,
    22: 29,
    23: 30,
    25: 31,
    26: 32,
    29: 34,
    32: 37,
    33: 40,
} | {34: 41, 36: 44, 38: 48, 40: 50, 41: 52, 42: 53, 43: 54, 46: 60}
"""From which 0.0.N on a stable release knows which schema: as released up to 33, and for 43 to 45.

No stable release from 46 on is known.
"""
_V2_RUN: Final = 2610
"""The first CI run whose nightly has V2's orchestration."""
_V2_STABLE: Final = 46
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

    `cookie` is plain, loopback, environment or everywhere; `faults` are of the table in
    `fakes.t3.app.faults` (ValueError on others); `published` may be left out: a nightly is
    published on its own day.  `native` depends on a node-pty whose install script must run, and
    `compiled` on one that node-gyp compiles.
    `orchestration` 2 is V2 (statev2.sqlite, schema 55 to 60), `compaction` when such a release
    deletes superseded rows: `never`, at a `start`, or `always`.
    `layout` is `bin` (dist/bin.mjs), or `platform`: a launcher over a native program in
    `PLATFORM_PACKAGE`, which brings its modules along; `platform_fault` is one of
    `PLATFORM_FAULTS`.  `weight` adds so many bytes of ballast.  `scripts` are npm's own, by name:
    an `install` script is run by sh in the package's folder.
    """

    version: str
    schema: int = 32
    pairing: str = BROWSER_SESSION
    cookie: str = "plain"
    faults: tuple[str, ...] = field(default=(), converter=_as_tuple, validator=_check_faults)
    engines: str = FAKE_ENGINES
    published: datetime | None = None
    orchestration: int = 1
    compaction: str = "start"
    start_time: float = 0.05
    listen_window: float = 0.2
    command_time: float = 0.0
    quiet_migrations: bool = False
    native: bool = True
    compiled: bool = False
    layout: str = "bin"
    platform_fault: str = field(default="", validator=in_(("", *PLATFORM_FAULTS)))
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
    second = number >= (_V2_RUN if nightly else _V2_STABLE)
    release = FakeRelease(
        version,
        schema=schema,
        pairing=BOOTSTRAP if schema < 31 else BROWSER_SESSION,
        cookie=_cookie(number, nightly=nightly is not None),
        orchestration=2 if second else 1,
        quiet_migrations=number >= (_QUIET_RUN if nightly else _SCOPED_STABLE),
    )
    return evolve(release, **changes)


def _cookie(number: int, *, nightly: bool) -> str:
    """Name cookies as the release did: read off source for the named ones, chosen between them."""
    loopback, environment = (1033, 1387) if nightly else (_SCOPED_STABLE, 38)
    if number >= environment:
        return "environment"
    return "loopback" if number >= loopback else "plain"


def release_from_json(content: Mapping[str, Any]) -> FakeRelease:
    """Make a release from its fields as JSON; TypeError or ValueError when they are no such."""
    given = dict(content)
    if given.get("published"):
        given["published"] = datetime.fromisoformat(given["published"])
    return FakeRelease(**given)


@frozen
class PackedRelease:
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


@cache
def pack(release: FakeRelease) -> PackedRelease:
    """Pack a release of t3."""
    if release.layout == "platform":
        return _package(*_launching(release))
    pty = "1.2.0" if release.compiled else "1.1.0"
    manifest: dict[str, Any] = {
        **_described(release),
        "bin": {release.bin_name: _NODE_PROGRAM},
        "type": "module",
        "engines": {"node": release.engines},
        "dependencies": {CONTRACTS: "^1.0.0"} | ({NODE_PTY: pty} if release.native else {}),
        "fakeT3": _traits(release),
    }
    files = {_NODE_PROGRAM: _entry(), **_program("dist/lib")}
    if release.weight:
        files["dist/client/ballast.bin"] = bytes(release.weight)
    return _package(manifest, files)


_NODE_PROGRAM: Final = "dist/bin.mjs"
_LAUNCHER: Final = "bin/t3.js"


def _described(release: FakeRelease) -> dict[str, Any]:
    scripts = {"scripts": dict(release.scripts)} if release.scripts else {}
    return {
        "name": "t3",
        "version": release.version,
        "license": "MIT",
        "repository": {"type": "git", "url": release.repository},
        "files": ["dist", "bin"],
        **scripts,
    }


def _launching(release: FakeRelease) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Give the launcher's package: it asks nothing of node, and depends on a program alone."""
    names = {
        "none": (),
        "elsewhere": (PLATFORM_PACKAGES["darwin", "arm64"],),
    }.get(release.platform_fault, tuple(PLATFORM_PACKAGES.values()))
    version = OTHER_VERSION if release.platform_fault == "other-release" else release.version
    manifest = {**_described(release), "bin": {release.bin_name: _LAUNCHER}}
    if names:
        manifest["optionalDependencies"] = dict.fromkeys(names, version)
    # The file that is t3 in the other layout is a launcher, too, for those who start it by path.
    return manifest, {_LAUNCHER: _launcher(), _NODE_PROGRAM: _launcher()}


OTHER_VERSION: Final = "0.0.41"
"""Of a platform package that is not of its launcher's release."""


def pack_elsewhere(release: FakeRelease) -> tuple[PackedRelease, ...]:
    """Pack what a release of the `platform` layout launches on other machines: nothing to run."""
    others = (name for name in PLATFORM_PACKAGES.values() if name != PLATFORM_PACKAGE)
    return tuple(_package(_platform(release, name), {}) for name in others)


def _platform(release: FakeRelease, name: str) -> dict[str, Any]:
    ((system, architecture),) = (at for at, one in PLATFORM_PACKAGES.items() if one == name)
    wrong = release.platform_fault == "other-release"
    return {
        "name": name,
        "version": OTHER_VERSION if wrong else release.version,
        "license": "MIT",
        "repository": {"type": "git", "url": release.repository},
        "os": [system],
        "cpu": [architecture],
    }


@cache
def pack_platform(release: FakeRelease) -> PackedRelease:
    """Pack what a release of the `platform` layout launches: the native program with its modules.

    Where the launcher asks for another release, the package is that one's.
    """
    fault = release.platform_fault
    traits = {**_traits(release), "native": False}
    manifest = {**_platform(release, PLATFORM_PACKAGE), "fakeT3": traits}
    executable = b"text\n" if fault == "text" else native.program(fault)
    files = {"t3": executable, **_program("lib")}
    if release.weight:
        files["client/ballast.bin"] = bytes(release.weight)
    packed = {**manifest, "version": OTHER_VERSION} if fault == "other-version" else manifest
    plain = ("t3",) if fault == "not-executable" else ()
    return PackedRelease(manifest, _package(packed, files, plain=plain).tarball)


def pack_contracts(version: str) -> PackedRelease:
    """Pack a release of the plain package; t3 depends on any from 1.0.0 on below 2."""
    contracts = {"name": CONTRACTS, "version": version, "license": "MIT", "main": "index.js"}
    return _package(contracts, {"index.js": b"module.exports = {};\n"})


@cache
def pack_dependencies() -> tuple[PackedRelease, ...]:
    """Pack what releases depend on: a plain package, and one with an install script.

    Of the latter one that only says that it was built, and one that has to be compiled.
    """
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
        pack_contracts("1.0.0"),
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

    That of a native program leads to the program, as in a sealed build.  Without `scripts` it
    looks as when npm skipped them: node-pty is there and not built.
    """
    modules = prefix / "node_modules"
    if release.layout == "platform":
        packages, scripts = [pack(release), pack_platform(release)], False
    else:
        packages = [pack(release), *(one for one in pack_dependencies() if one.version != "1.2.0")]
    for package in packages:
        _extract(package, modules / package.name)
    if scripts:
        built = modules / NODE_PTY / "build" / "Release" / "pty.node"
        built.parent.mkdir(parents=True, exist_ok=True)
        built.write_text("built", encoding="utf-8")
    entry = modules / ".bin" / release.bin_name
    entry.parent.mkdir(exist_ok=True)
    entry.symlink_to(Path("..", executed(release)))
    return entry


def executed(release: FakeRelease) -> str:
    """What is executed of a release in a sealed build, below `node_modules`."""
    if release.layout == "platform":
        return f"{PLATFORM_PACKAGE}/t3"
    return f"t3/{pack(release).manifest['bin'][release.bin_name]}"


def _extract(package: PackedRelease, folder: Path) -> None:
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
        "orchestration": release.orchestration,
        "compaction": release.compaction,
        "startTime": release.start_time,
        "listenWindow": release.listen_window,
        "commandTime": release.command_time,
        "quietMigrations": release.quiet_migrations,
        "native": release.native,
        "faults": list(release.faults),
    }


def _entry() -> bytes:
    """A program that is t3 itself."""
    return (
        f"{_head()}"
        'LIB = os.path.join(PACKAGE, "dist", "lib")\n'
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
        'PROGRAM, folder = "", PACKAGE\n'
        'while folder != "/" and not os.path.isfile(PROGRAM):\n'
        f'    PROGRAM = os.path.join(folder, "node_modules", "{PLATFORM_PACKAGE}", "t3")\n'
        "    folder = os.path.dirname(folder)\n"
        "if not os.path.isfile(PROGRAM):\n"
        f'    WORDS = "t3: {NO_PLATFORM} (linux-{native.ARCHITECTURE})."\n'
        "    print(WORDS, file=sys.stderr)\n"
        "    sys.exit(1)\n"
        "ended = subprocess.call([PROGRAM, *sys.argv[1:]])\n"
        "sys.exit(128 - ended if ended < 0 else ended)\n"
    ).encode()


NO_PLATFORM: Final = "no T3 Code CLI build is available for this platform"


def _head() -> str:
    return (
        f"#!{native.interpreter()} -IBS\n"
        "import os\nimport sys\n\n"
        "PACKAGE = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))\n"
    )


@cache
def _program(folder: str) -> Mapping[str, bytes]:
    """Give the program's modules, each with its compiled form: compiling costs a start 50 ms."""
    files: dict[str, bytes] = {}
    with tempfile.TemporaryDirectory() as scratch:
        compiled = Path(scratch, "module.pyc")
        for path in sorted((Path(__file__).parent / "t3" / "app").glob("*.py")):
            name = f"{folder}/fakes/t3/app/{path.name}"
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


_EXECUTABLE: Final = (b"#!", b"\x7fELF")


def _package(
    manifest: Mapping[str, Any], files: Mapping[str, bytes], *, plain: tuple[str, ...] = ()
) -> PackedRelease:
    """Pack files; programs are executable but those in `plain`."""
    content = {"package.json": json.dumps(manifest, indent=2).encode(), **files}
    packed = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=packed, mode="wb", mtime=0, filename="") as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for name, data in sorted(content.items()):
            entry = tarfile.TarInfo(f"package/{name}")
            entry.size, entry.mtime = len(data), 499162500
            program = data.startswith(_EXECUTABLE) and name not in plain
            entry.mode = 0o755 if program else 0o644
            archive.addfile(entry, io.BytesIO(data))
    return PackedRelease(manifest, packed.getvalue())

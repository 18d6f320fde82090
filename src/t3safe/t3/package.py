"""The npm package `t3`: its shapes, its program, and what that needs from a host.

Rules:

1. A package is recognised by its package.json, never by its version.  A program at another path
   than the two known ones is an unknown shape.
2. t3safe executes t3 itself, never its launcher: a launcher passes on no signal and no descriptor,
   and a service manager would watch the wrong process.
3. A package is untrusted: a value of an unexpected form counts as absent, and nothing here raises.

Shapes:

- Node program: `bin` is `dist/bin.mjs`, which node runs.  Measured up to
  0.0.29-nightly.20260721.864 (2026-07-21); still published on 2026-09-13.
- Launcher: `bin` is `bin/t3.js`, a few lines that start the native program of an optional
  dependency, one for each platform, all of the same exact version.  First seen in
  0.0.41-nightly.20260914.1700 (2026-09-14).  Such a package has `dist/bin.mjs` again, for services
  of older versions: another launcher, which is not to be taken for the node program.  Read off
  scripts/build-npm-platform-packages.ts (znoraka/t3code, a fork that follows upstream, at
  175b5d1ba4), not measured.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final, NamedTuple

NAME: Final = "t3"
"""The package, and its command."""
REPOSITORY: Final = "github.com/pingdotgg/t3code"
"""Where the real package comes from; `t3@0.0.1` is an unrelated program."""
FOLDER: Final = f"node_modules/{NAME}"
"""Where npm puts the package, below the folder that it installs into."""
ENTRY: Final = f"node_modules/.bin/{NAME}"
"""Where npm links what `bin` names, whatever its path inside the package is."""
PLATFORMS: Final = f"@t3code/{NAME}-"
"""How the packages are called that hold the native program, followed by a platform."""
NODE_PROGRAM: Final = "dist/bin.mjs"
LAUNCHER: Final = "bin/t3.js"
NATIVE_SINCE: Final = "0.0.41-nightly.20260914.1700"
"""The first release that was seen with a native program."""
NATIVE_PROGRAM: Final = "t3"
"""The native program inside its package; an ELF file of 161 MB in 0.0.42 (a third party)."""
LIBRARIES: Final = ("libatomic.so.1",)
"""What the native program was reported to need and a minimal host to lack."""
LIBC_HELP: Final = "t3 has no build for musl: use a system with glibc (Debian, Ubuntu, Fedora)"

PLACES: Final = (
    f".local/bin/{NAME}",
    f"bin/{NAME}",
    f".npm-global/bin/{NAME}",
    f".npm/bin/{NAME}",
    ENTRY,
    f".nvm/versions/node/*/bin/{NAME}",
    f".volta/bin/{NAME}",
    f".asdf/shims/{NAME}",
    f".local/share/mise/shims/{NAME}",
    f".local/share/pnpm/{NAME}",
    f".bun/bin/{NAME}",
    f".yarn/bin/{NAME}",
)
"""Where npm with a prefix in the home, and the usual managers of node, put a person's own t3."""
GLOBAL_INSTALL: Final = re.compile(
    r"^[^#\n]*\bnpm\s+(?=[^\n;&|]*(?:-g|--global)\b)(?:[^\n;&|]*\s)?(?:i|install|add|update)\s"
    rf"(?:[^\n;&|]*\s)?[\"']?{NAME}(?:@|[\"'\s;&|]|$)",
    re.MULTILINE,
)
"""A line of a job that installs a global t3."""


# What a launcher adds to the native program that it starts: nothing that a direct start lacks.


LAUNCHER_ENVIRONMENT: Final[Mapping[str, str]] = MappingProxyType({})
"""Variables that `bin/t3.js` sets for the native program: none, it has those of its caller."""


def launcher_status(ended: int) -> int:
    """Give the exit status of `bin/t3.js` where its program ended so.

    `ended` is a status, or a negative number of a signal.  A direct start ends as the program does.
    """
    return 128 - ended if ended < 0 else ended


NO_PLATFORM: Final = "no T3 Code CLI build is available for this platform"
"""What `bin/t3.js` says on standard error, with status 1, where no platform package is there.

npm takes an optional dependency that cannot be had for no failure.
"""


# Machines.


class Platform(NamedTuple):
    """One platform: how its package ends, and what an ELF file for it says and asks for.

    `number` is `e_machine` of elf(5), `loader` where glibc's loader is.
    """

    key: str
    number: int
    loader: str


MACHINES: Final[Mapping[str, Platform]] = MappingProxyType(
    {
        "x86_64": Platform("linux-x64", 62, "/lib64/ld-linux-x86-64.so.2"),
        "aarch64": Platform("linux-arm64", 183, "/lib/ld-linux-aarch64.so.1"),
    }
)
"""By the machine's name in uname(2); t3 is published for no other one with Linux."""
_NUMBERS: Final = {machine.number: machine.key for machine in MACHINES.values()}

ELF_ENDS: Final = (b"\x7fELF", 2, 1)
"""How an ELF file of 64 bits begins that has the lowest byte first: mark, class, data."""
_HEADER: Final = struct.Struct("<18xH12xQ14xHH6x")
"""`e_machine`, `e_phoff`, `e_phentsize` and `e_phnum` of the header."""
_SEGMENT: Final = struct.Struct("<I4xQ16xQ16x")
"""`p_type`, `p_offset` and `p_filesz` of an entry in the table of segments."""
_INTERPRETER: Final = 3
"""The type of the segment that holds the path of the loader."""
_SEGMENTS_MAX: Final = 64
_PATH_MAX: Final = 4096


class Elf(NamedTuple):
    """What an ELF file says: for which machine it is, and its loader (empty if it names none)."""

    machine: int
    loader: str


def read_elf(read: Callable[[int, int], bytes]) -> Elf | None:
    """Read the head of a file; None where it is no ELF file for a machine that t3 is made for.

    `read` gives so many bytes from an offset on, or fewer where the file ends.  As in Linux, the
    first segment with a loader counts, and its path ends at the first NUL.
    """
    head = read(0, _HEADER.size)
    mark, width, order = ELF_ENDS
    if len(head) < _HEADER.size or head[:4] != mark or (head[4], head[5]) != (width, order):
        return None
    machine, offset, size, count = _HEADER.unpack(head)
    if size != _SEGMENT.size:
        return Elf(machine, "")
    table = read(offset, size * min(count, _SEGMENTS_MAX))
    for kind, start, length in _SEGMENT.iter_unpack(table[: len(table) // size * size]):
        if kind == _INTERPRETER:
            path, _, _ = read(start, min(length, _PATH_MAX)).partition(b"\0")
            return Elf(machine, path.decode(errors="replace"))
    return Elf(machine, "")


# The package.


class Shape(StrEnum):
    """How a package starts t3."""

    NODE = "node program"
    LAUNCHER = "launcher"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class PackageManifest:
    """The content of a package.json, unjudged; a missing value is empty (rule 3).

    `bins` are the paths of programs by name, `platforms` the versions of the packages that hold the
    native program, by their names.
    """

    name: str = ""
    version: str = ""
    repository: str = ""
    engines: str = ""
    bins: Mapping[str, str] = field(default_factory=dict)
    platforms: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, body: object) -> PackageManifest:
        """Read what a package.json holds."""
        found = body if isinstance(body, dict) else {}
        name, bins = _text(found.get("name")), found.get("bin")
        if isinstance(bins, str):
            # A `bin` that is one path is a program with the package's name.
            bins = {name: bins}
        optional = _texts(found.get("optionalDependencies"))
        return cls(
            name=name,
            version=_text(found.get("version")),
            repository=_text(_inside(found.get("repository"), "url")),
            engines=_text(_inside(found.get("engines"), "node")),
            bins={one: path.removeprefix("./") for one, path in _texts(bins).items()},
            platforms={one: text for one, text in optional.items() if one.startswith(PLATFORMS)},
        )

    @property
    def entry(self) -> str:
        """The file that the command is, below the package; empty where it has no such command."""
        return self.bins.get(NAME, "")

    @property
    def shape(self) -> Shape:
        """How it starts t3 (rule 1)."""
        if self.entry == LAUNCHER or self.platforms:
            return Shape.LAUNCHER
        return Shape.NODE if self.entry == NODE_PROGRAM else Shape.UNKNOWN

    def launches(self, program: str) -> str:
        """Name the package whose program is started as a child of `program`, empty where none is.

        `program` is the path of what is executed, below the folder that npm installed into.
        """
        if self.shape is not Shape.LAUNCHER:
            return ""
        own = {f"{folder}/{NATIVE_PROGRAM}" for name in self.platforms for folder in homes(name)}
        return "" if program in own else min(self.platforms, default=f"{PLATFORMS}*")


def homes(name: str) -> tuple[str, ...]:
    """Where a package may lie that t3 depends on, as node looks for it, the first place first."""
    return f"{FOLDER}/node_modules/{name}", f"node_modules/{name}"


def is_own(path: str) -> bool:
    """Whether a program is a file of t3's package, or of one that it brings for a platform."""
    _, _, inside = path.rpartition("/node_modules/")
    return inside.startswith((f"{NAME}/", PLATFORMS)) and inside != path


def is_program(path: str) -> bool:
    """Whether a program is called as t3's command is, or its node program."""
    return path.rpartition("/")[2] in _COMMANDS


_COMMANDS: Final = frozenset({NAME, NODE_PROGRAM.rpartition("/")[2]})
_STARTED: Final = (f"/{ENTRY}", f"/{FOLDER}/{NODE_PROGRAM}", f"/{FOLDER}/{LAUNCHER}")


def is_installed_program(path: str) -> bool:
    """Whether a path is one by which an installed t3 is started, its native program included."""
    folder, _, name = path.rpartition("/")
    _, _, last = folder.rpartition("/node_modules/")
    in_platform = last.startswith(PLATFORMS) and "/" not in last.removeprefix(PLATFORMS)
    return path.endswith(_STARTED) or (in_platform and name == NATIVE_PROGRAM)


# What may keep a native program from running on a host.


class Whose(StrEnum):
    """What a problem blames: the package, this host, or nothing yet."""

    PACKAGE = "package"
    HOST = "host"
    LATER = "later"


class Problem(NamedTuple):
    """Why a native program cannot run, and its fix (empty when only another release helps)."""

    what: str
    whose: Whose
    fix: str = ""


def platform_package(package: PackageManifest, machine: str) -> str | Problem:
    """Name the package with the native program for a machine (as uname(2) calls it)."""
    if not package.platforms:
        what = f"its program only starts another one, of {PLATFORMS}*, and it depends on none"
        return Problem(what, Whose.PACKAGE)
    known = MACHINES.get(machine)
    if known is not None and (name := f"{PLATFORMS}{known.key}") in package.platforms:
        return name
    named = ", ".join(sorted(one.removeprefix(PLATFORMS) for one in package.platforms))
    what = f"the package has a program for {named}, and none for this host"
    return Problem(f"{what} (linux, {machine})", Whose.HOST, "use a host of such a platform")


def absent(name: str, npm: str) -> Problem:
    """Build the problem of a package that npm was to install and did not; `npm` is its version."""
    what = f"npm reports success, and did not install {name}, which holds t3's program"
    fix = (
        f"it is published in parts, or npm {npm or '(unknown)'} left it out as optional; the next "
        "run tries again, and a newer npm helps where that goes on"
    )
    return Problem(what, Whose.LATER, fix)


class NativeFile(NamedTuple):
    """What was found in place of a native program; `elf` is None where it is no such file."""

    path: str
    elf: Elf | None
    executable: bool


def judge_native(
    package: PackageManifest, platform: PackageManifest, machine: str, found: NativeFile
) -> Problem | None:
    """Judge the native program before it is executed: for this t3, for this machine, a program.

    `platform` is what the package says that holds it, on a machine of `MACHINES`.
    """
    key = MACHINES[machine].key
    name = f"{PLATFORMS}{key}"
    if platform.name != name:
        return Problem(f"{name} calls itself {platform.name[:64]!r}", Whose.PACKAGE)
    for told in (package.platforms.get(name, ""), platform.version):
        if told != package.version:
            what = f"{name} is of version {told[:64] or 'none'}, t3 of {package.version[:64]}"
            return Problem(what, Whose.PACKAGE)
    if found.elf is None:
        return Problem(f"{found.path} is no native program (no ELF file)", Whose.PACKAGE)
    if found.elf.machine != MACHINES[machine].number:
        told = _NUMBERS.get(found.elf.machine, f"machine {found.elf.machine}")
        what = f"{found.path} is a program for {told}, not for {key}"
        return Problem(what, Whose.PACKAGE)
    if not found.executable:
        return Problem(f"{found.path} is not executable", Whose.PACKAGE)
    return None


def lacks_loader(loader: str) -> Problem:
    """Build the problem of a host without the loader that a native program names."""
    what = f"t3's program needs glibc, whose loader {loader[:64]} this host does not have"
    return Problem(what, Whose.HOST, LIBC_HELP)


class NativeHost(NamedTuple):
    """A host as far as a native program cares: `there` are loader and libraries that it has."""

    machine: str
    there: frozenset[str]


def lacks(host: NativeHost) -> tuple[Problem, ...]:
    """Give what a host is known to lack, before any native program is there to be tried."""
    loader, libraries = wanted(host.machine)
    if not loader:
        keys = ", ".join(machine.key for machine in MACHINES.values())
        what = f"t3 has no native program for this machine ({host.machine}), only for {keys}"
        return (Problem(what, Whose.HOST, "use a host of such a platform"),)
    if loader not in host.there:
        return (lacks_loader(loader),)
    return tuple(_lacks_library(name) for name in libraries if name not in host.there)


def _lacks_library(name: str) -> Problem:
    what = f"t3's program needs {name}, which this host does not have"
    other = f"install the package of the system that has {name}"
    return Problem(what, Whose.HOST, _PACKAGED.get(name, other))


_LIBRARY: Final = re.compile(
    r"error while loading shared libraries: ([A-Za-z0-9._+-]{1,64}): cannot open"
)
_NEWER: Final = re.compile(r"version `([A-Z]+_[0-9.]{1,16})' not found \(required by")
_PACKAGED: Final = {
    "libatomic.so.1": "Debian and Ubuntu: apt-get install libatomic1; Fedora: dnf install libatomic"
}


def lacking(printed: str) -> Problem | None:
    """Read in what a program printed which library, or which version of one, the host lacks.

    The words are those of glibc's loader (measured with 2.36), which also gives status 127 or 1.
    """
    if found := _LIBRARY.search(printed):
        return _lacks_library(found[1])
    if found := _NEWER.search(printed):
        what = f"t3's program needs {found[1]}, this host's libraries are older"
        return Problem(what, Whose.HOST, "use a newer release of the system")
    return None


def wanted(machine: str) -> tuple[str, tuple[str, ...]]:
    """Give the loader and the libraries that a native program takes on a machine.

    The loader is empty where t3 has no native program for it.
    """
    known = MACHINES.get(machine)
    return (known.loader if known is not None else "", LIBRARIES)


def platform_files(package: PackageManifest, name: str) -> Iterator[tuple[str, str]]:
    """Give the paths of the platform package's package.json and program, in each place it may be.

    All are below the folder that npm installed into.
    """
    if name in package.platforms:
        for folder in homes(name):
            yield f"{folder}/package.json", f"{folder}/{NATIVE_PROGRAM}"


def _inside(value: object, key: str) -> object:
    """Take `key` of an object, or the value itself where it is a text (npm allows both)."""
    return value.get(key) if isinstance(value, dict) else value


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _texts(value: object) -> dict[str, str]:
    found = value if isinstance(value, dict) else {}
    return {k: v for k, v in found.items() if isinstance(k, str) and isinstance(v, str)}

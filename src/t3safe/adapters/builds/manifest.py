"""What is recorded of a build: `build.json`, and the facts that it is made from.

Everything in a staged tree was written by npm or by a package's script: it is read up to a limit,
only where it lies inside the tree, and believed only where it has the documented form.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final, TypeVar

import cattrs
from attrs import frozen
from cattrs.preconf.json import make_converter

from t3safe.domain import events as ev
from t3safe.domain.ledgers import SetLedger
from t3safe.t3 import package
from t3safe.t3.package import PackageManifest

READ_MAX: Final = 16 * 1024**2
"""Bytes that are read of one JSON file; npm's list of 190 packages takes some 100 kB."""
LOCK: Final = "node_modules/.package-lock.json"
"""npm's own list of what it installed, since npm 7."""
_T = TypeVar("_T")

_CONVERTER: Final = make_converter(forbid_extra_keys=True, omit_if_default=True)

NODE_PROGRAM: Final = f"{package.FOLDER}/{package.NODE_PROGRAM}"


def platform_of(node: str) -> str:
    """Return this host's system, processor, libc and node's major version.

    `node` is its version, empty if unknown.  Such as `linux-x86_64-glibc-node24`.  Whether t3 runs
    on node or is an executable is decided by the package, so its version covers that.
    """
    major = node.partition(".")[0]
    parts = platform.system().lower(), platform.machine(), platform.libc_ver()[0]
    return "-".join(part for part in (*parts, f"node{major}" if major else "") if part)


class UnreadableError(Exception):
    """Raised when a file of a build is missing, too large, or not of its documented form."""


@frozen
class BuildManifest:
    """What is known of a sealed build.

    `integrity` is the registry's, as npm checked it; `tree` and `lock` are sha256 digests of the
    whole tree and of npm's list of packages; `scripts` are the packages whose install scripts
    were run.  `installed_at` is ISO 8601 in UTC, `size` the sum of the files' lengths in bytes.
    `program` is what is executed, below the build: the file that `layout.PROGRAM` leads to.  Builds
    that were sealed before there were others have the node program, and do not name it.
    `shared` is the digest of the lock file that hosts share, empty if the tree cannot be shared.
    `platform` is as in `platform_of`.  Builds that were sealed earlier have neither.
    """

    version: str
    integrity: str
    name: str
    repository: str
    bins: tuple[str, ...]
    engines: str
    reported: str
    npm: str
    node: str
    scripts: tuple[str, ...]
    tree: str
    lock: str
    files: int
    size: int
    installed_at: str
    program: str = NODE_PROGRAM
    shared: str = ""
    platform: str = ""

    @property
    def staged(self) -> ev.Staged:
        """The bytes that a verdict is about."""
        return ev.Staged(self.shared or self.lock, self.platform or platform_of(self.node))

    @property
    def native(self) -> bool:
        """Whether what is executed is a native program, not one that node runs."""
        return self.program != NODE_PROGRAM

    def dumps(self) -> bytes:
        """Give the text of `build.json`."""
        return (_CONVERTER.dumps(self, indent=2) + "\n").encode()

    @classmethod
    def load(cls, path: Path) -> BuildManifest:
        """Read a `build.json`; raises UnreadableError."""
        return _loads(path, cls)


def dump_schema(schema: SetLedger) -> bytes:
    """Give the text that `load_schema` reads."""
    return (_CONVERTER.dumps(schema) + "\n").encode()


def load_schema(path: Path) -> SetLedger:
    """Read a schema ledger; raises UnreadableError."""
    return _loads(path, SetLedger)


def installed(prefix: Path) -> PackageManifest:
    """Read what the installed package says; raises UnreadableError."""
    return PackageManifest.read(read_json(prefix, f"{package.FOLDER}/package.json"))


@frozen
class Lock:
    """npm's list of what it installed."""

    integrity: str
    scripted: tuple[str, ...]
    """The packages with an install script, by the name under which the registry knows them."""
    installed: frozenset[str]
    digest: str

    @classmethod
    def of(cls, prefix: Path) -> Lock:
        """Read the list; raises UnreadableError."""
        packages = read_json(prefix, LOCK).get("packages")
        if not isinstance(packages, dict):
            message = f"{LOCK} has no list of packages"
            raise UnreadableError(message)
        found = {path: body for path, body in packages.items() if isinstance(body, dict)}
        scripted = {
            _text(body.get("name")) or path.rpartition("node_modules/")[2]
            for path, body in found.items()
            if not body.get("inBundle")
            and (body.get("hasInstallScript") or (prefix / path / "binding.gyp").is_file())
        }
        return cls(
            integrity=_text(found.get(package.FOLDER, {}).get("integrity")),
            scripted=tuple(sorted(scripted)),
            installed=frozenset(found),
            digest=lock_digest(prefix),
        )


def lock_digest(prefix: Path) -> str:
    """Digest npm's list of packages (sha256, hexadecimal); raises UnreadableError."""
    return hashlib.sha256(_bytes(prefix, LOCK)).hexdigest()


def _loads(path: Path, form: type[_T]) -> _T:
    try:
        return _CONVERTER.loads(_bytes(path.parent, path.name), form)
    except (ValueError, TypeError, AttributeError, cattrs.BaseValidationError) as error:
        message = f"{path} is not of its form ({type(error).__name__})"
        raise UnreadableError(message) from error


def read_json(prefix: Path, relative: str) -> dict[str, Any]:
    """Read a JSON object below the prefix; raises UnreadableError."""
    try:
        body = json.loads(_bytes(prefix, relative))
    except (ValueError, RecursionError) as error:
        message = f"{relative} is not JSON"
        raise UnreadableError(message) from error
    if not isinstance(body, dict):
        message = f"{relative} is not a JSON object"
        raise UnreadableError(message)
    return body


@contextmanager
def opened(prefix: Path, relative: str) -> Iterator[IO[bytes]]:
    """Open a file below the prefix, which no link leads to; raises UnreadableError."""
    path = prefix / relative
    try:
        if (
            path.resolve(strict=True) != prefix.resolve(strict=True) / relative
            or not path.is_file()
        ):
            message = f"{relative} is not a file of the build"
            raise UnreadableError(message)
        with path.open("rb") as file:
            yield file
    except (OSError, RuntimeError) as error:
        message = f"{relative} cannot be read ({error})"
        raise UnreadableError(message) from error


def _bytes(prefix: Path, relative: str) -> bytes:
    with opened(prefix, relative) as file:
        content = file.read(READ_MAX + 1)
    if len(content) > READ_MAX:
        message = f"{relative} is larger than {READ_MAX} bytes"
        raise UnreadableError(message)
    return content


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""

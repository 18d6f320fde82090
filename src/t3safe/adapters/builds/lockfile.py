"""npm's lock file as hosts share it: which package lies where, and no more.

Rules:

1. The text names t3 as the only root dependency, and place, version and integrity of each package,
   of all platforms.  All else (addresses, dependencies, scripts) this host's registry says.  So two
   hosts that installed the same bytes have the same text, also with another npm or registry.
2. A text of another host is hostile: it counts only if this module would write the same characters.
3. A tree that the text cannot describe is not shared: links, addresses in place of versions,
   packages inside packages, packages without integrity, optional packages that are left out.
4. At each place lies the package that is asked for there, by its name in the registry: npm would
   take another one of a fitting version.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from attrs import frozen

from t3safe.adapters.builds.manifest import UnreadableError
from t3safe.domain.lockfile import LOCK_FILE_MAX
from t3safe.t3 import package

FILE: Final = "package-lock.json"
PACKAGES_MAX: Final = 5000
"""npm asks the registry about each package of a published lock file once; t3 has some 190."""
_VERSION_OF_LOCK: Final = 3
_PEERS: Final = "peerDependencies"
_REQUIRING: Final = ("dependencies", "optionalDependencies", _PEERS)
_PLACE_MAX: Final = 400
_BEFORE: Final = "node_modules/"
_ONE: Final = (
    r"(?:@[a-z0-9~_-][a-z0-9._~-]*/)?(?!node_modules(?:/|$))[A-Za-z0-9~_-][A-Za-z0-9._~-]*"
)
_NAME: Final = re.compile(_ONE, re.ASCII)
_PLACE: Final = re.compile(rf"{_BEFORE}{_ONE}(?:/{_BEFORE}{_ONE})*", re.ASCII)
_VERSION: Final = re.compile(r"\d{1,16}(?:\.\d{1,16}){2}(?:[-+][0-9A-Za-z.+-]{1,100})?", re.ASCII)
_HASH: Final = r"sha(?:1|256|384|512)-[A-Za-z0-9+/]{20,88}={0,2}"
_INTEGRITY: Final = re.compile(rf"{_HASH}(?: {_HASH}){{0,3}}", re.ASCII)


class UnsharedError(UnreadableError):
    """Raised for a tree that is not shared, or a text that does not describe one.

    `str(error)` names the package.
    """


@frozen
class _Package:
    """One package of the tree; `name` is the registry's where its place has another one."""

    version: str
    integrity: str
    name: str = ""


@frozen
class SharedTree:
    """The packages of one build of t3, by their place."""

    build: str
    packages: Mapping[str, _Package]

    @property
    def text(self) -> str:
        """The shared text (rule 1)."""
        root = {"dependencies": {package.NAME: self.build}}
        packages: dict[str, object] = {"": root}
        for place, one in self.packages.items():
            named = {"name": one.name} if one.name else {}
            packages[place] = {**named, "integrity": one.integrity, "version": one.version}
        lock = {"lockfileVersion": _VERSION_OF_LOCK, "packages": packages}
        return json.dumps(lock, sort_keys=True, separators=(",", ":"))

    def asking(self) -> dict[str, Any]:
        """Return places and versions as a lock file of version 1.

        It has nothing else of a package, so that npm asks its registry for it, integrity included.
        """
        root: dict[str, Any] = {"lockfileVersion": 1, "requires": True}
        for place in sorted(self.packages, key=lambda place: len(_names(place))):
            one, at = self.packages[place], root
            *outer, last = _names(place)
            for name in outer:
                at = at["dependencies"][name]
            version = f"npm:{one.name}@{one.version}" if one.name else one.version
            at.setdefault("dependencies", {})[last] = {"version": version}
        return root

    def difference(self, here: SharedTree) -> str:
        """Name the first package that this host's registry has otherwise; empty if none is."""
        for place in sorted({*self.packages, *here.packages}):
            theirs, ours = self.packages.get(place), here.packages.get(place)
            if theirs != ours:
                return (
                    f"{_called(place)}: it has {_shown(theirs)}, npm here makes it {_shown(ours)}"
                )
        return ""


def _names(place: str) -> list[str]:
    """Return the names on the way to a package, from the outermost one."""
    return place.removeprefix(_BEFORE).split(f"/{_BEFORE}")


def _called(place: str) -> str:
    return _names(place)[-1]


def _shown(one: _Package | None) -> str:
    return f"{one.name}@{one.version} {one.integrity}".lstrip("@") if one is not None else "none"


def read_shared(text: str, build: str) -> SharedTree:
    """Read the text that another host published for this build (rule 2).  Raises UnsharedError."""
    if len(text) > LOCK_FILE_MAX:
        raise UnsharedError(f"{package.NAME}: the text has more than {LOCK_FILE_MAX} characters")
    try:
        lock = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UnsharedError(f"{package.NAME}: the text is not JSON") from error
    tree = shared_tree(lock, build)
    if tree.text != text:
        raise UnsharedError(f"{package.NAME}: the text has more than places, versions, integrity")
    return tree


def shared_tree(lock: object, build: str) -> SharedTree:
    """Make the tree of npm's lock file of this build (rules 1 and 3).  Raises UnsharedError."""
    packages = lock.get("packages") if isinstance(lock, dict) else None
    if not isinstance(lock, dict) or not isinstance(packages, dict):
        raise UnsharedError(f"{package.NAME}: there is no list of packages")
    if lock.get("lockfileVersion") not in (2, _VERSION_OF_LOCK):
        raise UnsharedError(f"{package.NAME}: the lock file is of an unknown version")
    root = packages.get("")
    if not isinstance(root, dict) or root.get("dependencies") != {package.NAME: build}:
        raise UnsharedError(f"{package.NAME}: {build} is not the only root dependency")
    if len(packages) > PACKAGES_MAX:
        raise UnsharedError(f"{package.NAME}: there are more than {PACKAGES_MAX} packages")
    found = {place: _package(place, body) for place, body in packages.items() if place}
    own = found.get(package.FOLDER)
    if own is None or own.name or own.version != build:
        raise UnsharedError(f"{package.NAME}: {package.FOLDER} is not {build}")
    for place in found:
        if _outer(place) and _outer(place) not in found:
            raise UnsharedError(f"{_called(place)}: it lies in a package that is not there")
        for kind in _REQUIRING:
            for name, spec in packages[place].get(kind, {}).items():
                _require(found, place, name, spec, must=kind != _PEERS)
    return SharedTree(build, found)


def _package(place: str, body: object) -> _Package:
    """Read one package of a lock file (rule 3)."""
    if len(place) > _PLACE_MAX or not _PLACE.fullmatch(place):
        raise UnsharedError(f"{place[:80]!r}: no package lies there")
    called = _called(place)
    if not isinstance(body, dict):
        raise UnsharedError(f"{called}: it is not described")
    for kind in ("link", "inBundle", "bundleDependencies"):
        if body.get(kind):
            raise UnsharedError(f"{called}: it is a link, or brings packages inside ({kind})")
    for kind in _REQUIRING:
        asked = body.get(kind, {})
        if not isinstance(asked, dict) or not all(map(_from_registry, asked.values())):
            raise UnsharedError(f"{called}: it depends on more than versions of the registry")
    name, version, integrity = (body.get(key, "") for key in ("name", "version", "integrity"))
    if not isinstance(name, str) or (name and not _NAME.fullmatch(name)):
        raise UnsharedError(f"{called}: it has no name of the registry")
    if not isinstance(version, str) or not _VERSION.fullmatch(version):
        raise UnsharedError(f"{called}: it has no version of the registry")
    if not isinstance(integrity, str) or not _INTEGRITY.fullmatch(integrity):
        raise UnsharedError(f"{called}: it has no integrity")
    return _Package(version, integrity, name if name != called else "")


def _require(
    found: Mapping[str, _Package], place: str, name: str, spec: str, *, must: bool
) -> None:
    """See that the package which node finds from this place is the one that is asked for.

    npm compares versions only: it takes another package of a fitting version for it.
    """
    wanted = spec.removeprefix("npm:") if spec.startswith("npm:") else name
    wanted = wanted[:1] + wanted[1:].partition("@")[0]
    places = (f"{at}{_BEFORE}{name}" for at in _above(place))
    there = next((found[at].name or name for at in places if at in found), None)
    if there is None and must:
        raise UnsharedError(f"{name}: it is required, and left out")
    if there not in (None, wanted):
        raise UnsharedError(f"{name}: {there} lies in its place, not {wanted}")


def _from_registry(spec: object) -> bool:
    """Whether a dependency asks for a version or a tag, and not for an address or a folder."""
    return isinstance(spec, str) and (spec.startswith("npm:") or not {":", "/"} & set(spec))


def _outer(place: str) -> str:
    """Return in which package one lies, empty at the top."""
    return place.rpartition(f"/{_BEFORE}")[0]


def _above(place: str) -> list[str]:
    """Return where node looks for what a package requires, as beginnings of places."""
    found = [f"{place}/"]
    while place := _outer(place):
        found.append(f"{place}/")
    return [*found, ""]

"""What the registry offers, implementing the port Registry.

Rules:

1. Nothing that a registry answers speaks against a build: every failure has the fault LATER.
2. An answer is believed only where it has the form that is documented for it; a version's text is
   parsed before it is used for anything.
3. A remembered address that fails is asked for again, once: npm may have been set anew.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final, Protocol, TypeVar

import cattrs
from attrs import field, frozen
from cattrs.gen import make_dict_structure_fn, override

from t3safe.adapters.registry.address import RegistryLocation
from t3safe.adapters.registry.question import RequestLimits, ask, later, shown
from t3safe.domain.errors import RegistryError
from t3safe.domain.policy import Offer, Release, Track
from t3safe.domain.versions import InvalidVersion, Version
from t3safe.t3 import package

TAGS_BYTES_MAX: Final = 1024**2
"""A few tags take some hundred bytes."""
PACKUMENT_BYTES_MAX: Final = 128 * 1024**2
"""172 nightlies in 68 days at some 10 kB each are 10 MB a year."""

_T = TypeVar("_T")


class Addresses(Protocol):
    """Tells where the registry is.  Raises RegistryError."""

    @property
    def fresh(self) -> bool:
        """Whether npm itself was asked since this object was made."""

    def known(self) -> RegistryLocation:
        """Give the remembered address, or a fresh one."""

    def ask(self) -> RegistryLocation:
        """Give a fresh address."""


@frozen
class NpmRegistry:
    """Implements the port Registry; raises RegistryError alone."""

    addresses: Addresses
    patience: RequestLimits = field(factory=RequestLimits)
    package: str = package.NAME

    def metadata(self) -> tuple[Metadata, ...]:
        """Everything that the registry tells of each release that can be fetched, ascending."""
        address = self.addresses.known()
        return _metadata(self._packument(address))

    def offer(self, track: Track, *, history: bool) -> Offer:
        """Where the track's tag points; with `history` also every release and its publish time.

        Without `history` some hundred bytes are asked for; with it the whole packument, because
        only that holds the publish times.  A release that cannot be fetched (no tarball) or whose
        version does not parse is left out.
        """
        address = self.addresses.known()
        try:
            return self._offer(address, track, history=history)
        except RegistryError:
            if self.addresses.fresh:
                raise
            fresh = self.addresses.ask()
            if fresh == address:
                raise
            return self._offer(fresh, track, history=history)

    def _offer(self, address: RegistryLocation, track: Track, *, history: bool) -> Offer:
        if not history:
            path = f"/-/package/{self.package}/dist-tags"
            body = ask(address, path, TAGS_BYTES_MAX, self.patience)
            tags = _structure(address, body, dict[str, str])
            return Offer(_tag(address, tags, track))
        packument = self._packument(address)
        tag = _tag(address, packument.dist_tags, track)
        releases = _releases(packument)
        if tag not in {release.version for release in releases}:
            raise later(address, f"names {tag} as {track} and has no tarball of it yet")
        return Offer(tag, releases)

    def _packument(self, address: RegistryLocation) -> _Packument:
        body = ask(address, f"/{self.package}", PACKUMENT_BYTES_MAX, self.patience)
        packument = _structure(address, body, _Packument)
        if packument.name != self.package:
            raise later(address, f"answers for the package {shown(packument.name)}")
        return packument


@frozen
class Metadata:
    """What the registry tells of one release; texts are empty where it tells nothing.

    `node` is `engines.node`.  `published` is None where it tells no time.
    """

    version: Version
    published: datetime | None
    node: str
    repository: str


@frozen
class _Dist:
    tarball: str


@frozen
class _Manifest:
    version: str
    dist: _Dist
    engines: Any = None
    repository: Any = None


@frozen
class _Packument:
    """What is read of a package's document; each of `versions` is looked at on its own."""

    name: str
    dist_tags: dict[str, str]
    versions: dict[str, Any]
    time: dict[str, Any] = field(factory=dict)


def _text(value: object, _: type) -> str:
    if not isinstance(value, str):
        message = f"expected a text, got {type(value).__name__}"
        raise TypeError(message)
    return value


_CONVERTER: Final = cattrs.Converter(detailed_validation=False)
_CONVERTER.register_structure_hook(str, _text)
_CONVERTER.register_structure_hook(
    _Packument,
    make_dict_structure_fn(_Packument, _CONVERTER, dist_tags=override(rename="dist-tags")),
)


def _structure(address: RegistryLocation, body: object, form: type[_T]) -> _T:
    try:
        return _CONVERTER.structure(body, form)
    except (cattrs.BaseValidationError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise later(address, f"answers JSON of another form ({shown(str(error))})") from error


def _tag(address: RegistryLocation, tags: dict[str, str], track: Track) -> Version:
    text = tags.get(track.value)
    if text is None:
        known = ", ".join(sorted(shown(tag) for tag in tags)[:5]) or "none"
        raise later(address, f"has no tag {track} (tags: {known})")
    try:
        return Version.parse(text)
    except InvalidVersion as error:
        raise later(address, f"names {shown(text)} as {track}, which is no version") from error


def _releases(packument: _Packument) -> tuple[Release, ...]:
    """The releases that can be fetched, ascending."""
    found = (_release(text, body, packument.time) for text, body in packument.versions.items())
    return tuple(sorted(filter(None, found), key=lambda release: release.version))


def _metadata(packument: _Packument) -> tuple[Metadata, ...]:
    found = []
    for release in _releases(packument):
        manifest = _CONVERTER.structure(packument.versions[release.version.text], _Manifest)
        found.append(
            Metadata(
                release.version,
                release.published,
                _said(manifest.engines, "node"),
                _said(manifest.repository, "url"),
            )
        )
    return tuple(found)


def _said(body: object, key: str) -> str:
    """A text below a key of an object that may be anything."""
    value = body.get(key) if isinstance(body, dict) else body
    return value if isinstance(value, str) else ""


def _release(text: str, body: object, times: dict[str, Any]) -> Release | None:
    try:
        version = Version.parse(text)
        manifest = _CONVERTER.structure(body, _Manifest)
    except (cattrs.BaseValidationError, KeyError, TypeError, ValueError):
        return None
    if manifest.version != text or not manifest.dist.tarball:
        return None
    return Release(version, _published(times.get(text)))


def _published(text: object) -> datetime | None:
    """Read a publish time; one that cannot be read is none, and never old enough."""
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment.astimezone(UTC) if moment.tzinfo is not None else None

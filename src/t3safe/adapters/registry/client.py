"""What the registry offers, implementing the port Registry.

Rules:

1. Nothing that a registry answers speaks against a build: every failure has the fault LATER.
2. An answer is believed only where it has the form that is documented for it; a version's text is
   parsed before it is used for anything.
3. A remembered address that fails is asked for again, once: npm may have been set anew.
4. Redirects are followed to the same host alone, and never from https to http.
5. What is passing (no connection, time-outs, 408, 429, 5xx, a body cut short or not JSON) is tried
   again a few times; what is an answer (404, a body too large, a strange redirect) is not.
6. Messages show the host alone: the address may hold credentials.
"""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final, TypeVar
from urllib.parse import urljoin, urlsplit

import cattrs
from attrs import field, frozen
from cattrs.gen import make_dict_structure_fn, override

from t3safe.adapters._support.http_client import NoAnswerError, UntrustedError, WayOut, fetch
from t3safe.adapters.registry.address import RegistryAddress, RegistryLocation
from t3safe.domain.errors import Fault, RegistryError
from t3safe.domain.policy import Offer, Release, Track
from t3safe.domain.versions import InvalidVersion, Version
from t3safe.t3 import package
from t3safe.t3.package import PackageManifest

TAGS_BYTES_MAX: Final = 1024**2
"""A few tags take some hundred bytes."""
PACKUMENT_BYTES_MAX: Final = 128 * 1024**2
"""172 nightlies in 68 days at some 10 kB each are 10 MB a year."""

REDIRECTS_MAX: Final = 3
SHOWN_MAX: Final = 80
"""Characters of a strange answer that a message repeats."""
_PASSING: Final = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS})

_T = TypeVar("_T")


@frozen
class RequestLimits:
    """How long the registry is waited for; seconds but for `attempts`.

    `total` bounds one question from the first attempt to the last, name lookups included.
    """

    connect: float = 5.0
    read: float = 15.0
    attempts: int = 3
    pause: float = 1.0
    """The wait before the second attempt; it doubles with each further one."""
    total: float = 60.0


@frozen
class NpmRegistry:
    """Implements the port Registry; raises RegistryError alone."""

    addresses: RegistryAddress
    patience: RequestLimits = field(factory=RequestLimits)
    package: str = package.NAME

    def metadata(self) -> tuple[Metadata, ...]:
        """Everything that the registry tells of each release that can be fetched, ascending."""
        packument = self._packument(self.addresses.known())
        return tuple(
            Metadata(release.version, release.published, told.engines, told.repository)
            for release in _releases(packument)
            for told in [PackageManifest.read(packument.versions[release.version.text])]
        )

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
            tags = _structure(address, self._asked(address, path, TAGS_BYTES_MAX), dict[str, str])
            return Offer(_tag(address, tags, track))
        packument = self._packument(address)
        tag = _tag(address, packument.dist_tags, track)
        releases = _releases(packument)
        if tag not in {release.version for release in releases}:
            raise _later(address, f"names {tag} as {track} and has no tarball of it yet")
        return Offer(tag, releases)

    def _packument(self, address: RegistryLocation) -> _Packument:
        body = self._asked(address, f"/{self.package}", PACKUMENT_BYTES_MAX)
        packument = _structure(address, body, _Packument)
        if packument.name != self.package:
            raise _later(address, f"answers for the package {_shown(packument.name)}")
        return packument

    def _asked(self, address: RegistryLocation, path: str, most: int) -> object:
        """Ask for the JSON at this path of the registry (rule 5)."""
        limits = self.patience
        deadline = time.monotonic() + limits.total
        for attempt in range(1, limits.attempts + 1):
            try:
                body = _fetched(address, path, most, limits, deadline)
                try:
                    return json.loads(body)
                except (ValueError, RecursionError) as error:
                    raise NoAnswerError(_not_json(body)) from error
            except UntrustedError as error:
                raise _later(address, str(error)) from error
            except NoAnswerError as error:
                pause = limits.pause * 2 ** (attempt - 1)
                if attempt == limits.attempts or time.monotonic() + pause >= deadline:
                    asked = f" (asked {attempt} times)" if attempt > 1 else ""
                    raise _later(address, f"{error}{asked}") from error
            time.sleep(pause)
        message = f"patience with {limits.attempts} attempts"
        raise AssertionError(message)


def _fetched(
    address: RegistryLocation, path: str, most: int, limits: RequestLimits, deadline: float
) -> bytes:
    url = address.url + path
    for _ in range(REDIRECTS_MAX + 1):
        answer = fetch(
            url,
            {"Accept": "application/json", "Accept-Encoding": "gzip, deflate"},
            deadline - time.monotonic(),
            most=most + 1,
            outside=WayOut(limits.connect, limits.read, address.cafile),
        )
        status = answer.status
        if answer.location:
            url = _redirected(address, url, answer.location)
        elif status in _PASSING or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            message = f"answers {status} to {path}"
            raise NoAnswerError(message)
        elif status != HTTPStatus.OK:
            raise _later(address, f"answers {status} to {path}")
        elif len(answer.body) > most:
            raise _later(address, f"sends more than {most} bytes for {path}")
        else:
            return answer.body
    raise _later(address, f"redirects more than {REDIRECTS_MAX} times")


def _redirected(address: RegistryLocation, url: str, location: str) -> str:
    old = urlsplit(url)
    try:
        new = urlsplit(urljoin(url, location))
        same = new.hostname == old.hostname and (new.scheme, new.port) == (old.scheme, old.port)
    except ValueError as error:
        raise _later(address, f"redirects to what is not an address, {_shown(location)}") from error
    upgraded = new.hostname == old.hostname and (old.scheme, new.scheme) == ("http", "https")
    if not (same or upgraded):
        where = new.netloc.rpartition("@")[2] or location
        raise _later(address, f"redirects to another host, {_shown(where)}")
    return new.geturl()


def _not_json(body: bytes) -> str:
    if body.lstrip()[:1] == b"<":
        return "answers with a page of HTML where JSON is due"
    return f"answers with JSON that is broken or cut short after {len(body)} bytes"


def _later(address: RegistryLocation, what: str) -> RegistryError:
    """Build the error for what the registry did, with what to do next."""
    message = f"cannot use the registry's answer: {address.host} {what}"
    how = "nothing was changed, the next run asks again; `npm ping` tells whether npm gets through"
    return RegistryError(f"{message}; {how}", fault=Fault.LATER)


def _shown(text: str) -> str:
    """Give a strange text in a form that is safe in a log line."""
    return ascii(text if len(text) <= SHOWN_MAX else f"{text[:SHOWN_MAX]}...")


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
        raise _later(address, f"answers JSON of another form ({_shown(str(error))})") from error


def _tag(address: RegistryLocation, tags: dict[str, str], track: Track) -> Version:
    text = tags.get(track.value)
    if text is None:
        known = ", ".join(sorted(_shown(tag) for tag in tags)[:5]) or "none"
        raise _later(address, f"has no tag {track} (tags: {known})")
    try:
        return Version.parse(text)
    except InvalidVersion as error:
        raise _later(address, f"names {_shown(text)} as {track}, which is no version") from error


def _releases(packument: _Packument) -> tuple[Release, ...]:
    """The releases that can be fetched, ascending."""
    found = (_release(text, body, packument.time) for text, body in packument.versions.items())
    return tuple(sorted(filter(None, found), key=lambda release: release.version))


def _release(text: str, body: object, times: dict[str, Any]) -> Release | None:
    dist = body.get("dist") if isinstance(body, dict) else None
    tarball = dist.get("tarball") if isinstance(dist, dict) else None
    if not isinstance(body, dict) or body.get("version") != text:
        return None
    if not isinstance(tarball, str) or not tarball:
        return None
    try:
        return Release(Version.parse(text), _published(times.get(text)))
    except InvalidVersion:
        return None


def _published(text: object) -> datetime | None:
    """Read a publish time; one that cannot be read is none, and never old enough."""
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment.astimezone(UTC) if moment.tzinfo is not None else None

"""Files of the simulation: read strictly, every trouble in one line that says where.

A history and a list of incidents are JSON, a fleet is TOML.  The package brings one of each.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Any, Final, TypeVar

import attrs
from attrs import field, frozen
from cattrs import Converter
from cattrs.gen import make_dict_structure_fn, override

from t3safe.adapters._support.strict import INVALID, exactly, plain_text, strict_converter, trouble
from t3safe.domain.ledgers import Migration
from t3safe.domain.versions import InvalidVersion, Version
from t3safe.simulation.fleet import Fleet
from t3safe.simulation.history import (
    NO_PAIRING,
    UNKNOWN,
    History,
    HistoryError,
    PastRelease,
)
from t3safe.simulation.incidents import Behaviour, Incident, Incidents

BYTES_MAX: Final = 64 * 1024**2
"""A history of ten years at six releases a day is below this."""
_T = TypeVar("_T")


@frozen
class _HistoryFile:
    about: str
    migrations: tuple[Migration, ...]
    releases: tuple[PastRelease, ...]


@frozen
class _IncidentsFile:
    about: str
    incidents: tuple[Incident, ...] = field(factory=tuple)


def history(file: Path | None = None) -> History:
    """Read a history, the package's own without a file.  Raises HistoryError."""
    found = _read(file, "releases.json", json.loads, _HistoryFile)
    try:
        return History(found.about, found.migrations, found.releases)
    except HistoryError as error:
        message = f"{_named(file, 'releases.json')}: {error}"
        raise HistoryError(message) from error


def incidents(file: Path | None = None) -> Incidents:
    """Read the list of incidents, the package's own without a file.  Raises HistoryError."""
    found = _read(file, "incidents.json", json.loads, _IncidentsFile)
    names = [incident.id for incident in found.incidents]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        message = f"{_named(file, 'incidents.json')}: {twice[0]}: is there twice"
        raise HistoryError(message)
    if file is None:
        return Incidents(found.about, found.incidents)
    # A file that does not say how an incident is enacted means what the package's own says.
    own = {incident.id: incident for incident in incidents().incidents}
    return Incidents(found.about, tuple(_enacted(each, own) for each in found.incidents))


def _enacted(incident: Incident, own: Mapping[str, Incident]) -> Incident:
    known = own.get(incident.id)
    if incident.behaviour is not None or known is None:
        return incident
    return attrs.evolve(incident, behaviour=known.behaviour, not_enacted=known.not_enacted)


def fleet(file: Path | None = None) -> Fleet:
    """Read a fleet, the package's own without a file.  Raises HistoryError."""
    found = _read(file, "fleet.toml", tomllib.loads, Fleet)
    try:
        found.check()
    except HistoryError as error:
        message = f"{_named(file, 'fleet.toml')}: {error}"
        raise HistoryError(message) from error
    return found


def dump_history(found: History) -> str:
    """Write a history as `history` reads it, a release a line."""
    migrations = ",\n".join(
        json.dumps({"id": item.id, "name": item.name}) for item in found.migrations
    )
    releases = ",\n".join(json.dumps(_as_row(release)) for release in found.releases)
    about = json.dumps(found.about)
    lists = f'"migrations": [\n{migrations}\n],\n"releases": [\n{releases}\n]'
    return f'{{\n"about": {about},\n{lists}\n}}\n'


def _as_row(release: PastRelease) -> dict[str, object]:
    pairing: str | None = release.pairing
    row: dict[str, object] = {
        "version": release.version.text,
        "channel": release.channel.value,
        "committed": UNKNOWN if release.committed is None else _stamp(release.committed),
        "schema": UNKNOWN if release.schema is None else release.schema,
        "pairing": UNKNOWN if pairing is None else pairing or None,
        "loopback_cookie": release.loopback_cookie.value,
        "node": UNKNOWN if release.node is None else release.node,
        "layout": release.layout.value,
        "remote_cookie": release.remote_cookie.value,
        "package": release.package.value,
    }
    if release.published is not None:
        row["published"] = _stamp(release.published)
    if release.day is not None:
        row["day"] = release.day.isoformat()
    if release.how:
        row["how"] = release.how
    return row


def _stamp(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _named(file: Path | None, own: str) -> str:
    return str(file) if file is not None else own


def _read(file: Path | None, own: str, parse: Callable[[str], Any], kind: type[_T]) -> _T:
    where = _named(file, own)
    text = _text(file, own, where)
    try:
        raw = parse(text)
    except (ValueError, RecursionError) as error:
        message = f"{where}: cannot be understood: {error}"
        raise HistoryError(message) from error
    try:
        return _CONVERTER.structure(raw, kind)
    except (*INVALID, TypeError, ValueError, AttributeError, KeyError) as error:
        message = f"{where}: {trouble(error)}"
        raise HistoryError(message) from error


def _text(file: Path | None, own: str, where: str) -> str:
    try:
        if file is None:
            return (resources.files("t3safe.simulation") / "data" / own).read_text("utf-8")
        if file.stat().st_size > BYTES_MAX:
            message = f"{where}: is larger than {BYTES_MAX} bytes"
            raise HistoryError(message)
        return file.read_text("utf-8")
    except OSError as error:
        message = f"{where}: cannot be read: {error.strerror}"
        raise HistoryError(message) from error
    except UnicodeDecodeError as error:
        message = f"{where}: is not UTF-8: {error}"
        raise HistoryError(message) from error


def _version(value: Any) -> Version:  # noqa: ANN401 - whatever the file holds
    try:
        return Version.parse(plain_text(value))
    except InvalidVersion as error:
        raise ValueError(str(error)) from error


def _moment(value: Any) -> datetime:  # noqa: ANN401 - whatever the file holds
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(plain_text(value))
    if moment.tzinfo is None:
        message = f"{value!r} names no zone; write 2026-06-09T04:00:00Z"
        raise ValueError(message)
    return moment.astimezone(UTC)


def _day(value: Any) -> date:  # noqa: ANN401 - whatever the file holds
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    return date.fromisoformat(plain_text(value))


def _schema(value: Any) -> int:  # noqa: ANN401 - whatever the file holds
    return int(exactly(value, int, f"a whole number or {UNKNOWN!r}"))


def _unless(absent: object, read: Callable[[Any], object]) -> Callable[[Any, Any], object]:
    """Read a value, or take None where it is `absent`."""
    return lambda value, _: None if value == absent else read(value)


def _pairing(value: Any, _: object) -> object:  # noqa: ANN401 - whatever the file holds
    return NO_PAIRING if value is None else _unless(UNKNOWN, plain_text)(value, None)


def _read_by(read: Callable[[Any], object], value: Any, _: object) -> object:  # noqa: ANN401
    return read(value)


def _made() -> Converter:
    made = strict_converter()
    reads = {Version: _version, datetime: _moment, date: _day}
    for kind, read in reads.items():
        made.register_structure_hook(kind, partial(_read_by, read))
        made.register_structure_hook(kind | None, _unless(None, read))
    made.register_structure_hook(
        Behaviour | None, _unless(None, lambda value: Behaviour(plain_text(value)))
    )
    made.register_structure_hook(
        PastRelease,
        make_dict_structure_fn(
            PastRelease,
            made,
            schema=override(struct_hook=_unless(UNKNOWN, _schema)),
            pairing=override(struct_hook=_pairing),
            node=override(struct_hook=_unless(UNKNOWN, plain_text)),
            committed=override(struct_hook=_unless(UNKNOWN, _moment)),
            _cattrs_forbid_extra_keys=True,
        ),
    )
    return made


_CONVERTER: Final = _made()

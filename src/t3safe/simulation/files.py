"""Files of the simulation: read strictly, every error is one line that says where.

A history and a list of incidents are JSON, a fleet is TOML.  The package brings one of each.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from datetime import UTC, date, datetime
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Any, Final, TypeVar, get_args

import attrs
from cattrs import Converter
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override

from t3safe.adapters._support.strict import (
    INVALID,
    exactly,
    first_error,
    plain_text,
    strict_converter,
)
from t3safe.domain.versions import Version
from t3safe.simulation.fleet import Fleet
from t3safe.simulation.history import (
    History,
    HistoryError,
    Layout,
    LoopbackCookie,
    PackageKind,
    PastRelease,
    RemoteCookie,
)
from t3safe.simulation.incidents import Incidents

BYTES_MAX: Final = 64 * 1024**2
"""A history of ten years at six releases a day is below this."""
_UNKNOWN: Final = "unknown"
_File = TypeVar("_File", History, Incidents, Fleet)


def history(file: Path | None = None) -> History:
    """Read a history, the package's own without a file.  Raises HistoryError."""
    return _read(file, "releases.json", json.loads, History)


def incidents(file: Path | None = None) -> Incidents:
    """Read the list of incidents, the package's own without a file.  Raises HistoryError."""
    found = _read(file, "incidents.json", json.loads, Incidents)
    if file is None:
        return found
    # A file that does not say how an incident is enacted means what the package's own says.
    own = {each.id: each for each in incidents().incidents}
    enacted = (
        attrs.evolve(each, behaviour=own[each.id].behaviour, not_enacted=own[each.id].not_enacted)
        if each.behaviour is None and each.id in own
        else each
        for each in found.incidents
    )
    return attrs.evolve(found, incidents=tuple(enacted))


def fleet(file: Path | None = None) -> Fleet:
    """Read a fleet, the package's own without a file.  Raises HistoryError."""
    return _read(file, "fleet.toml", tomllib.loads, Fleet)


def dump_history(found: History) -> str:
    """Write a history as `history` reads it, a release a line."""
    written = _CONVERTER.unstructure(found)
    about = json.dumps(written["about"])
    migrations, releases = (
        ",\n".join(map(json.dumps, written[name])) for name in ("migrations", "releases")
    )
    lists = f'"migrations": [\n{migrations}\n],\n"releases": [\n{releases}\n]'
    return f'{{\n"about": {about},\n{lists}\n}}\n'


def _read(file: Path | None, own: str, parse: Callable[[str], Any], kind: type[_File]) -> _File:
    where = str(file) if file is not None else own
    text = _text(file, own, where)
    try:
        raw = parse(text)
    except (ValueError, RecursionError) as error:
        raise HistoryError(f"{where}: cannot be understood: {error}") from error
    try:
        found = _CONVERTER.structure(raw, kind)
        found.check()
    except HistoryError as error:
        raise HistoryError(f"{where}: {error}") from error
    except (*INVALID, TypeError, ValueError, AttributeError, KeyError) as error:
        raise HistoryError(f"{where}: {first_error(error)}") from error
    return found


def _text(file: Path | None, own: str, where: str) -> str:
    try:
        if file is None:
            return (resources.files("t3safe.simulation") / "data" / own).read_text("utf-8")
        if file.stat().st_size > BYTES_MAX:
            raise HistoryError(f"{where}: is larger than {BYTES_MAX} bytes")
        return file.read_text("utf-8")
    except OSError as error:
        raise HistoryError(f"{where}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise HistoryError(f"{where}: is not UTF-8: {error}") from error


def _version(value: Any) -> Version:  # noqa: ANN401 - whatever the file holds
    return Version.parse(plain_text(value))


def _moment(value: Any) -> datetime:  # noqa: ANN401 - whatever the file holds
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(plain_text(value))
    if moment.tzinfo is None:
        raise ValueError(f"{value!r} names no zone; write 2026-06-09T04:00:00Z")
    return moment.astimezone(UTC)


def _day(value: Any) -> date:  # noqa: ANN401 - whatever the file holds
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    return date.fromisoformat(plain_text(value))


def _stamp(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _read_by(read: Callable[[Any], object], value: Any, _: object) -> object:  # noqa: ANN401
    return read(value)


def _one_of(literal: object) -> Callable[[Any], object]:
    """Read one of these texts."""

    def read(value: Any) -> object:  # noqa: ANN401 - whatever the file holds
        if value not in get_args(literal):
            raise ValueError(f"{value!r} is not {' or '.join(get_args(literal))}")
        return value

    return read


def _or_unknown(
    read: Callable[[Any], object], write: Callable[[Any], object] = lambda value: value
) -> Any:  # noqa: ANN401 - what cattrs takes
    """Read and write a fact that may be unknown, which is None in a release."""
    return override(
        struct_hook=lambda value, _: None if value == _UNKNOWN else read(value),
        unstruct_hook=lambda value: _UNKNOWN if value is None else write(value),
    )


def _made() -> Converter:
    made = strict_converter()
    reads: dict[Any, Callable[[Any], object]] = {Version: _version, datetime: _moment, date: _day}
    for kind, read in reads.items():
        made.register_structure_hook(kind, partial(_read_by, read))
    made.register_unstructure_hook(Version, lambda version: version.text)
    made.register_unstructure_hook(datetime, _stamp)
    made.register_unstructure_hook(date, date.isoformat)
    facts: dict[str, Any] = {
        "committed": _or_unknown(_moment, _stamp),
        "schema": _or_unknown(lambda value: exactly(value, int, f"a whole number or {_UNKNOWN!r}")),
        # A release without pairing has null in the file.
        "pairing": _or_unknown(
            lambda value: "" if value is None else plain_text(value), lambda value: value or None
        ),
        "loopback_cookie": _or_unknown(_one_of(LoopbackCookie)),
        "node": _or_unknown(plain_text),
        "layout": _or_unknown(_one_of(Layout)),
        "remote_cookie": _or_unknown(_one_of(RemoteCookie)),
        "package": _or_unknown(_one_of(PackageKind)),
    }
    made.register_structure_hook(
        PastRelease,
        make_dict_structure_fn(PastRelease, made, _cattrs_forbid_extra_keys=True, **facts),
    )
    facts |= {name: override(omit_if_default=True) for name in ("published", "day", "how")}
    made.register_unstructure_hook(
        PastRelease, make_dict_unstructure_fn(PastRelease, made, **facts)
    )
    return made


_CONVERTER: Final = _made()

"""Records of the fleet as JSON text and back.

Rules:

1. What another host wrote is not trusted: each field has its type and its limits, or the record is
   `Unreadable`, with one line that says why.
2. A record has the number of its `format`.  A higher one is Unreadable: its fields may mean
   something else.
3. Unknown fields, from a newer t3safe with the same format, are ignored in what is only read.  In
   the policy and in slots they are refused: a rule that is not understood cannot be followed, and
   slots are written back whole.
4. Times are ISO 8601 with their zone, versions their text.  The text of a record does not change
   with the code: `test_fleet_codec.py` keeps an example of each.
"""

from __future__ import annotations

import json
from datetime import datetime
from functools import cache
from typing import Any, Final, get_args

from cattrs import Converter
from cattrs.gen import make_dict_structure_fn

from t3safe.adapters._support.strict import (
    INVALID,
    first_error,
    plain_text,
    strict_converter,
    zoned_time,
)
from t3safe.domain.fleet.records import (
    Artifact,
    FleetFreeze,
    FleetPolicy,
    FleetVerdict,
    Halt,
    Holders,
    HostReport,
    PublishedLock,
    Record,
)
from t3safe.domain.fleet.view import (
    FREEZE,
    HALTS,
    HOSTS,
    LOCK_FILES,
    LOCKS,
    POLICY,
    SLOTS,
    VERDICTS,
    Unreadable,
)
from t3safe.domain.lockfile import LockFile
from t3safe.domain.versions import Version

FORMAT: Final = 1
_KINDS: Final[dict[str, type[Record]]] = {
    POLICY: FleetPolicy,
    FREEZE: FleetFreeze,
    HALTS: Halt,
    SLOTS: Holders,
    HOSTS: HostReport,
    VERDICTS: FleetVerdict,
    LOCKS: PublishedLock,
    LOCK_FILES: LockFile,
}
_TOLERANT: Final = (FleetFreeze, Halt, HostReport, FleetVerdict, Artifact, PublishedLock)
_SHOWN_MAX: Final = 200


def encode(record: Record) -> bytes:
    """Give a record as JSON."""
    data = {"format": FORMAT, **converter().unstructure(record)}
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")


def decode(key: str, value: bytes) -> Record | Unreadable:
    """Read the record at a key."""
    folder, slash, _ = key.partition("/")
    kind = _KINDS.get(folder + slash)
    if kind is None:
        return Unreadable("is no key of this t3safe")
    try:
        data = json.loads(value, parse_constant=_no_number)
    except (ValueError, RecursionError):
        return Unreadable("is not JSON")
    if not isinstance(data, dict) or type(data.get("format")) is not int:
        return Unreadable("is not a record of t3safe")
    written = data.pop("format")
    if written > FORMAT:
        how = "update t3safe on this host"
        return Unreadable(f"was written by a newer t3safe (format {written}): {how}")
    try:
        record: Record = converter().structure(data, kind)
    except INVALID as error:
        return Unreadable(" ".join(first_error(error).split())[:_SHOWN_MAX])
    return record


@cache
def converter() -> Converter:
    """Return the one converter of the fleet's records and of this host's memory."""
    made = strict_converter()
    made.register_unstructure_hook(Version, str)
    made.register_structure_hook(Version, lambda text, _: Version.parse(plain_text(text)))
    made.register_unstructure_hook(datetime, datetime.isoformat)
    made.register_structure_hook(datetime, lambda text, _: zoned_time(text))
    made.register_structure_hook_func(
        lambda kind: getattr(kind, "__origin__", None) is tuple,
        lambda value, kind: _listed(made, value, kind),
    )
    for kind in _TOLERANT:
        hook = make_dict_structure_fn(kind, made, _cattrs_forbid_extra_keys=False)
        made.register_structure_hook(kind, hook)
    return made


def _listed(made: Converter, value: Any, kind: Any) -> Any:  # noqa: ANN401 - whatever JSON holds
    if not isinstance(value, list):
        message = f"{str(value)[:_SHOWN_MAX]!r} is not a list"
        raise TypeError(message)
    return tuple(made.structure(each, get_args(kind)[0]) for each in value)


def _no_number(text: str) -> float:
    message = f"{text} is no number"
    raise ValueError(message)

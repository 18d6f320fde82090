"""Events as JSON text and back.

Rules:

1. Every union is tagged by its class's name (`type`), every enumeration is its string, every time
   is ISO 8601 with its zone.  Nothing is kept by position or ordinal.
2. Unknown keys, unknown tags and values of a wrong type are refused: a journal that is not
   understood in full is not acted upon.
"""

from __future__ import annotations

import json
from datetime import datetime
from functools import cache
from typing import Any

from cattrs import Converter
from cattrs.errors import BaseValidationError
from cattrs.strategies import configure_tagged_union

from t3safe.domain.effects import Effect
from t3safe.domain.errors import DamagedJournalError
from t3safe.domain.events import Answer, Event
from t3safe.domain.versions import Version

TAG = "type"


@cache
def converter() -> Converter:
    """Give the one converter of the journal."""
    made = Converter(forbid_extra_keys=True)
    made.register_unstructure_hook(Version, str)
    made.register_structure_hook(Version, lambda text, _: Version.parse(_text(text)))
    made.register_unstructure_hook(datetime, datetime.isoformat)
    made.register_structure_hook(datetime, lambda text, _: _time(text))
    made.register_structure_hook(str, _text_or_member)
    made.register_structure_hook(int, lambda number, _: _whole(number))
    made.register_structure_hook(bool, lambda flag, _: _flag(flag))
    for union in (Effect, Answer, Event):
        configure_tagged_union(union, made, tag_name=TAG)
    return made


def _text(value: Any) -> str:  # noqa: ANN401 - whatever JSON holds
    if not isinstance(value, str):
        message = f"{value!r} is no text"
        raise TypeError(message)
    return value


def _whole(value: Any) -> int:  # noqa: ANN401 - whatever JSON holds
    if isinstance(value, bool) or not isinstance(value, int):
        message = f"{value!r} is no whole number"
        raise TypeError(message)
    return value


def _flag(value: Any) -> bool:  # noqa: ANN401 - whatever JSON holds
    if not isinstance(value, bool):
        message = f"{value!r} is neither true nor false"
        raise TypeError(message)
    return value


def _time(value: Any) -> datetime:  # noqa: ANN401 - whatever JSON holds
    moment = datetime.fromisoformat(_text(value))
    if moment.tzinfo is None:
        message = f"{value!r} names no zone"
        raise ValueError(message)
    return moment


def _text_or_member(value: Any, kind: type[str]) -> str:  # noqa: ANN401 - whatever JSON holds
    """Read a text; cattrs asks here for string enumerations too, which are texts to it."""
    return kind(_text(value))


def encode(event: Event) -> str:
    """Give an event as one line of JSON."""
    return json.dumps(
        as_data(event),
        ensure_ascii=False,
        separators=(",", ":"),
    )


def decode(text: str) -> Event:
    """Read an event; raises DamagedJournalError where it is not wholly understood (rule 2)."""
    try:
        event: Event = converter().structure(json.loads(text), Event)  # type: ignore[arg-type]
    except (ValueError, TypeError, KeyError, AttributeError, BaseValidationError) as error:
        message = f"cannot understand the journal's record {text[:120]!r}: {error}"
        raise DamagedJournalError(message) from error
    return event


def as_data(event: Event) -> dict[str, Any]:
    """Give an event as the plain values that its JSON holds, to show."""
    data: dict[str, Any] = converter().unstructure(event, unstructure_as=Event)
    return data

"""Data from outside into attrs classes, strictly: nothing is guessed and nothing is left over.

A key that a class does not have, a wrong type and a missing key are errors; `first_error` says the
first of them as `key: what`, for one line to a person.
"""

from __future__ import annotations

from datetime import datetime, time
from pathlib import Path
from typing import Any

from cattrs import Converter
from cattrs.errors import ClassValidationError, ForbiddenExtraKeysError, IterableValidationError

INVALID = (ClassValidationError, IterableValidationError)
"""What a converter of this module raises."""


def strict_converter() -> Converter:
    """Make a converter that takes each value as what it is; raises what `INVALID` names."""
    made = Converter(forbid_extra_keys=True)
    made.register_structure_hook(str, _text)
    made.register_structure_hook(bool, lambda value, _: exactly(value, bool, "true or false"))
    made.register_structure_hook(int, lambda value, _: exactly(value, int, "a whole number"))
    made.register_structure_hook(float, lambda value, _: _decimal(value))
    made.register_structure_hook(Path, lambda value, _: Path(plain_text(value)))
    # An empty text names no path.
    made.register_structure_hook(
        Path | None, lambda value, _: Path(value) if plain_text(value) else None
    )
    plain = made.get_structure_hook(tuple[str, ...])
    made.register_structure_hook_func(
        lambda kind: kind == tuple[str, ...], lambda value, kind: plain(_listed(value), kind)
    )
    made.register_structure_hook(time, lambda value, _: _clock_time(value))
    return made


def plain_text(value: Any) -> str:  # noqa: ANN401 - whatever the file holds
    """Give the value where it is text; raises TypeError."""
    if not isinstance(value, str):
        message = f"{value!r} is not text"
        raise TypeError(message)
    return value


def exactly(value: Any, kind: type, name: str) -> Any:  # noqa: ANN401 - whatever the file holds
    """Give the value where it is of just this type; raises TypeError that calls it `name`."""
    if type(value) is not kind:
        message = f"{value!r} is not {name}"
        raise TypeError(message)
    return value


def zoned_time(value: Any) -> datetime:  # noqa: ANN401 - whatever the file holds
    """Give the moment that an ISO 8601 text with its zone names; raises TypeError, ValueError."""
    moment = datetime.fromisoformat(plain_text(value))
    if moment.tzinfo is None:
        message = f"{value!r} names no zone"
        raise ValueError(message)
    return moment


def first_error(error: BaseException, path: str = "") -> str:
    """Say the first error of a nested validation error as `key: what`."""
    if isinstance(error, ForbiddenExtraKeysError):
        extra = ", ".join(sorted(error.extra_fields))
        return f"{path + '.' if path else ''}{extra}: unknown key"
    if isinstance(error, ClassValidationError | IterableValidationError):
        inner = error.exceptions[0]
        return first_error(inner, ".".join(filter(None, (path, _noted(inner)))))
    if isinstance(error, KeyError):
        return f"{path}: missing"
    return f"{path}: {error}"


def _text(value: Any, kind: type[str]) -> str:  # noqa: ANN401 - whatever the file holds
    """Read a text; cattrs asks here for string enumerations too."""
    return kind(plain_text(value))


def _listed(value: Any) -> Any:  # noqa: ANN401 - whatever the file holds
    # A text is a sequence of letters, too.
    if not isinstance(value, list | tuple):
        message = f"{value!r} is not a list of texts"
        raise TypeError(message)
    return value


def _decimal(value: Any) -> float:  # noqa: ANN401 - whatever the file holds
    if isinstance(value, bool) or not isinstance(value, int | float):
        message = f"{value!r} is not a number"
        raise TypeError(message)
    return float(value)


def _clock_time(value: Any) -> time:  # noqa: ANN401 - whatever the file holds
    if isinstance(value, time):
        return value
    message = f"{value!r} is not a time such as 01:30:00"
    raise TypeError(message)


def _noted(error: BaseException) -> str:
    for note in getattr(error, "__notes__", ()):
        name = getattr(note, "name", None)
        if name is not None:
            return str(name)
        index = getattr(note, "index", None)
        if index is not None:
            return str(index)
    return ""

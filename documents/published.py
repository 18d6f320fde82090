"""The schemas that were ever published, and what would break whoever reads by one of them.

Rules, those of docs/json.md:

1. A field that was told stays, of the type that it had, and as sure to be there as it was.
2. Fields are added, and values to those that a text may have; descriptions are free.
3. Whatever else changes needs a number of its own, and the schema of the earlier one stays.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from t3safe.entrypoints.shapes import SHAPES, schema

Schema = Mapping[str, Any]


class BrokenPromise(Exception):  # noqa: N818 - named as what was found
    """A schema that was published would not hold any more; the text says where."""


def published() -> dict[str, Schema]:
    """Give the schema of every document that this t3safe prints, by its name."""
    return {made["title"]: made for made in map(schema, SHAPES)}


def recorded(earlier: Mapping[str, Schema], now: Mapping[str, Schema]) -> dict[str, Schema]:
    """Add what is published now to what was before.  Raises BrokenPromise."""
    broken = [trouble for name in earlier for trouble in _broken(name, earlier, now)]
    if broken:
        how = "keep it, or raise the document's number in `terminal.NUMBERS`"
        raise BrokenPromise("\n".join([*broken, how]))
    return {**earlier, **now}


def written(schemas: Mapping[str, Schema]) -> str:
    """Write the record as it is kept."""
    return json.dumps(schemas, indent=1, sort_keys=True) + "\n"


def _broken(name: str, earlier: Mapping[str, Schema], now: Mapping[str, Schema]) -> Iterator[str]:
    if name in now:
        yield from _Pair(earlier[name], now[name]).breaks(earlier[name], now[name], name)
    elif not any(_later(name, other) for other in now):
        yield f"{name} is gone"


def _later(name: str, other: str) -> bool:
    (kind, _, number), (known, _, newer) = name.rpartition("/"), other.rpartition("/")
    return kind == known and int(newer) > int(number)


class _Pair:
    """An earlier schema and a present one, whose references are followed side by side."""

    def __init__(self, old: Schema, new: Schema) -> None:
        self._old, self._new = old["$defs"], new["$defs"]
        self._seen: set[tuple[str, str]] = set()

    def breaks(self, old: Schema, new: Schema, at: str) -> Iterator[str]:
        """Tell what was promised at a place and does not hold any more."""
        pair = old.get("$ref", ""), new.get("$ref", "")
        if all(pair):
            if pair in self._seen:
                return
            self._seen.add(pair)
        old, new = _followed(old, self._old), _followed(new, self._new)
        if _kind(old) != _kind(new):
            yield f"{at} was {_kind(old)} and is {_kind(new)}"
            return
        yield from self._fields(old, new, at)
        for key in ("items", "additionalProperties"):
            if isinstance(old.get(key), Mapping):
                yield from self.breaks(old[key], new[key], f"{at}[]")
        for key in ("anyOf", "prefixItems"):
            pairs = zip(old.get(key, ()), new.get(key, ()), strict=True)
            for number, (one, other) in enumerate(pairs):
                yield from self.breaks(one, other, f"{at}({number})")

    def _fields(self, old: Schema, new: Schema, at: str) -> Iterator[str]:
        fields, sure, surer = (
            new.get("properties", {}),
            old.get("required", ()),
            new.get("required", ()),
        )
        for key, value in old.get("properties", {}).items():
            if key not in fields:
                yield f"{at}.{key} is gone"
                continue
            if (key in sure) != (key in surer):
                told = "need not be there any more" if key in sure else "must be there now"
                yield f"{at}.{key} {told}"
            yield from self.breaks(value, fields[key], f"{at}.{key}")


def _followed(told: Schema, classes: Mapping[str, Schema]) -> Schema:
    where = told.get("$ref")
    return classes[where.rpartition("/")[2]] if where else told


def _kind(told: Schema) -> str:
    """Name a type as far as it can be told without what it is made of."""
    if "const" in told:
        return repr(told["const"])
    for key in ("anyOf", "prefixItems"):
        if key in told:
            parts = [each.get("type", "object") + each.get("format", "") for each in told[key]]
            return f"{key}({', '.join(parts)})"
    what = told.get("type", "anything")
    inner = [key for key in ("properties", "items", "additionalProperties") if told.get(key)]
    return " ".join([what, told.get("format", ""), *inner]).strip()

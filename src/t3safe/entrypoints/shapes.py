"""The documents that `--json` prints: JSON Schema, made from the classes of what is printed.

What is promised of them: docs/json.md.
"""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from enum import Enum
from typing import Any, Final, is_typeddict

import attrs
from attrs import field, frozen

from t3safe.bootstrap.live import Verified
from t3safe.domain.accounts import RunTold
from t3safe.domain.doctor import Finding
from t3safe.domain.versions import Version
from t3safe.entrypoints.bodies import (
    ExportBody,
    GoingBackBody,
    NotifyBody,
    PruneBody,
    ResultBody,
    RunBody,
    SnapshotBody,
    TakenBody,
    TriedBody,
    VerdictBody,
    WholeBody,
)
from t3safe.entrypoints.terminal import schema_name
from t3safe.overview import HostStatus
from t3safe.simulation.scores import Simulation

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


@frozen
class Shape:
    """One document: the type of its body, and the commands that print it."""

    body: Any
    commands: tuple[str, ...]


SHAPES: Final[Mapping[str, Shape]] = {
    "result": Shape(ResultBody, ("run", "drain", "recover", "check", "restore", "rollback")),
    "status": Shape(HostStatus, ("status",)),
    "history": Shape(tuple[RunTold, ...], ("history",)),
    "run": Shape(RunBody, ("show",)),
    "doctor": Shape(tuple[Finding, ...], ("doctor",)),
    "verify": Shape(tuple[Verified, ...], ("verify", "snapshots verify")),
    "snapshot": Shape(tuple[TakenBody, ...], ("snapshot",)),
    "snapshots": Shape(tuple[SnapshotBody, ...], ("snapshots",)),
    "prune": Shape(PruneBody, ("snapshots prune",)),
    "export": Shape(ExportBody, ("export",)),
    "going-back": Shape(GoingBackBody, ("restore --dry-run", "rollback --dry-run")),
    "going-back-all": Shape(WholeBody, ("rollback --all --dry-run",)),
    "notify": Shape(tuple[NotifyBody, ...], ("notify show",)),
    "notify-test": Shape(tuple[TriedBody, ...], ("notify test",)),
    "verdict": Shape(VerdictBody, ("check --standalone",)),
    "simulation": Shape(Simulation, ("simulate",)),
}
"""Each document by the kind that its `schema` names.

A command that takes `--json` is named here, or the tests fail.
"""


def schema(kind: str, *, strict: bool = False) -> dict[str, Any]:
    """Give the schema of one document.

    `strict` forbids what it does not name: to test what is printed.  Whoever reads documents must
    let further fields pass, because later versions of t3safe may add some.
    """
    made = _Schemas(strict)
    body = made.of(SHAPES[kind].body)
    return {
        "$schema": _DIALECT,
        "title": schema_name(kind),
        "type": "object",
        "properties": {"schema": {"const": schema_name(kind)}, kind: body},
        "required": ["schema", kind],
        **({"additionalProperties": False} if strict else {}),
        "$defs": made.classes,
    }


@frozen
class _Schemas:
    """Makes schemas of types; `classes` are those of every class met on the way."""

    strict: bool
    classes: dict[str, Any] = field(factory=dict)

    def of(self, hint: Any) -> dict[str, Any]:  # noqa: ANN401 - a type, in whatever form
        """Give the schema of a type.  Raises TypeError for one that has none."""
        if isinstance(hint, types.UnionType):
            return {"anyOf": [self.of(choice) for choice in typing.get_args(hint)]}
        origin, inner = typing.get_origin(hint), typing.get_args(hint)
        if origin is tuple and inner[-1] is not Ellipsis:
            pairs = {"minItems": len(inner), "maxItems": len(inner)}
            return {"type": "array", "prefixItems": [self.of(each) for each in inner], **pairs}
        if origin in {tuple, list}:
            return {"type": "array", "items": self.of(inner[0])}
        if origin is Mapping:
            return {"type": "object", "additionalProperties": self.of(inner[1])}
        return {} if hint is Any else self._of_class(hint)

    def _of_class(self, hint: type) -> dict[str, Any]:
        if hint in _SIMPLE:
            return dict(_SIMPLE[hint])
        if issubclass(hint, Enum):
            return {"type": "string", "examples": [member.value for member in hint]}
        if attrs.has(hint) or is_typeddict(hint):
            return self._of_fields(hint)
        message = f"no schema is known for {hint!r}"
        raise TypeError(message)

    def _of_fields(self, hint: type) -> dict[str, Any]:
        name = hint.__name__.removesuffix("Body")
        if name not in self.classes:
            self.classes[name] = {}
            hints = typing.get_type_hints(hint)
            optional: frozenset[str] = getattr(hint, "__optional_keys__", frozenset())
            properties = {key: self.of(hints[key]) for key in _field_names(hint)}
            self.classes[name] = {
                "description": " ".join((inspect.getdoc(hint) or "").split()),
                "type": "object",
                "properties": properties,
                "required": [key for key in properties if key not in optional],
                **({"additionalProperties": False} if self.strict else {}),
            }
        return {"$ref": f"#/$defs/{name}"}


_SIMPLE: Final[Mapping[type, Mapping[str, str]]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    type(None): {"type": "null"},
    Version: {"type": "string"},
    datetime: {"type": "string", "format": "date-time"},
    date: {"type": "string", "format": "date"},
}


def _field_names(hint: type) -> Iterator[str]:
    if attrs.has(hint):
        yield from (each.name for each in attrs.fields(hint))
    else:
        yield from typing.get_type_hints(hint)


def commands() -> frozenset[str]:
    """Give the names of every command that prints a document."""
    every = (command for shape in SHAPES.values() for command in shape.commands)
    return frozenset(command.split()[0] for command in every)

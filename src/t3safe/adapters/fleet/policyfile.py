"""The fleet's policy as a TOML file that a person edits.

Rules:

1. What is shown can be edited and given back.
2. An unknown key, a wrong type or a value out of range is one line that names the key.
3. `version` is not in the file: the store counts it.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator

import attrs

from t3safe.adapters._support.strict import INVALID, first_error, strict_converter
from t3safe.domain.errors import UnusableError
from t3safe.domain.fleet.records import FleetPolicy, Ring


def policy_text(policy: FleetPolicy) -> str:
    """Return the policy as TOML, under a comment with its version (rule 1)."""
    return "\n".join(_lines(policy)) + "\n"


def _lines(policy: FleetPolicy) -> Iterator[str]:
    yield f"# version {policy.version}"
    for item in attrs.fields(FleetPolicy):
        if item.name not in {"rings", "version"}:
            yield f"{item.name} = {json.dumps(getattr(policy, item.name))}"
    for ring in policy.rings:
        yield from ("", "[[rings]]")
        for item in attrs.fields(Ring):
            yield f"{item.name} = {json.dumps(getattr(ring, item.name))}"


def read_policy(text: str) -> FleetPolicy:
    """Read a policy from TOML.  Raises UnusableError (rule 2)."""
    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message = f"is not TOML: {error}"
        raise UnusableError(message) from error
    if "version" in found:
        message = "version: leave it out, t3safe counts it"
        raise UnusableError(message)
    if not found.get("rings"):
        message = "rings: the policy names no ring; add `[[rings]]` with a `name`"
        raise UnusableError(message)
    converter = strict_converter()
    rings = converter.get_structure_hook(tuple[Ring, ...])
    converter.register_structure_hook_func(
        lambda kind: kind == tuple[Ring, ...],
        lambda value, kind: rings(_tables(value), kind),
    )
    try:
        return converter.structure(found, FleetPolicy)
    except INVALID as error:
        raise UnusableError(first_error(error).removeprefix(": ")) from error


def _tables(value: object) -> object:
    if not isinstance(value, list):
        message = "it is not a list of tables; write `[[rings]]`"
        raise TypeError(message)
    return value

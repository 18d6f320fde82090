"""Holds what `--json` printed to its schema, with nothing left over."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, Final

import jsonschema

from t3safe.entrypoints.shapes import schema

_FORMATS: Final = jsonschema.FormatChecker(formats=())


@_FORMATS.checks("date-time", raises=ValueError)
def _is_moment(value: object) -> bool:
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


def body_of(text: str, kind: str) -> Any:  # noqa: ANN401 - whatever JSON holds
    """Give the body of a document of this kind, once it is what the schema says, and no more."""
    document = json.loads(text)
    made = schema(kind, strict=True)
    jsonschema.Draft202012Validator(made, format_checker=_FORMATS).validate(document)
    return document[kind]

"""The page of what `--json` prints, read off the schemas."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from t3safe.entrypoints.shapes import SHAPES, schema
from t3safe.entrypoints.terminal import schema_name

_HEAD = """\
# JSON

What commands print with `--json`, made from the code by `make docs`.

A document is one JSON object on standard output. `schema` names its kind and its version, and the
body stands under the name of the kind:

```json
{ "schema": "t3safe/history/1", "history": [] }
```

Progress and warnings go to standard error. A command that cannot do what was asked at all (usage,
the lock, a journal that cannot be read) prints no document: one line on standard error, and the
exit status ([what they mean](runbook.md#exit-statuses)). A run that was refused, frozen or rolled
back is a document like any other; its `exit` is the exit status.

## What is promised

- The number in `schema` is raised when a field goes away or changes its type or its meaning. Read
  it first.
- Within a number fields are added, and values are added to those that a text may have. Let pass
  what you do not know.
- Every field that a table below names is there, unless the table says otherwise. What is not known
  is `null` or an empty text.
- Times are ISO 8601 with their zone. Sizes are bytes, durations seconds.
- Not promised: the words in texts for people (`reason`, `why`, `said`, `seen`, `problem`), and what
  stands in `events` of a run.

`t3safe schema COMMAND` prints the JSON Schema (2020-12) of a command's document, `t3safe schema`
lists them. [schemas.json](schemas.json) holds each that was published, by its name. A change that
breaks one of them fails the tests.
"""


def shapes_page() -> str:
    """Give the page: what is promised, then a section for each document."""
    return "\n".join([_HEAD, *(_section(kind) for kind in SHAPES)])


def _section(kind: str) -> str:
    made = schema(kind)
    printed = ", ".join(f"`{command} --json`" for command in SHAPES[kind].commands)
    body = _type(made["properties"][kind])
    tables = "\n".join(_table(name, told) for name, told in reversed(made["$defs"].items()))
    return f"## {kind}\n\n`{schema_name(kind)}`, printed by {printed}: {body}.\n\n{tables}"


def _table(name: str, told: Mapping[str, Any]) -> str:
    always = told["required"]
    rows = "".join(
        f"| `{key}` | {_type(of)}{'' if key in always else ', where there is one'} |\n"
        for key, of in told["properties"].items()
    )
    described = _cell(told["description"])
    return f"**{name}**. {described}\n\n| field | what it is |\n|---|---|\n{rows}"


def _type(told: Mapping[str, Any]) -> str:
    """Say in words what a schema asks for."""
    match told:
        case {"$ref": str() as where}:
            return f"**{where.rpartition('/')[2]}**"
        case {"anyOf": list() as choices}:
            return " or ".join(map(_type, choices))
        case {"type": "array", "prefixItems": list() as items}:
            return f"list of exactly: {', '.join(map(_type, items))}"
        case {"type": "array", "items": items}:
            return f"list of {_type(items)}"
        case {"additionalProperties": dict() as values}:
            return f"object, each value {_type(values)}"
        case {"examples": list() as known}:
            return f"text: {', '.join(f'`{value}`' for value in known)}"
        case {"format": "date-time"}:
            return "time"
        case _:
            return _WORDS[told.get("type", "")]


_WORDS: Mapping[str, str] = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
    "null": "`null`",
    "": "anything",
}


def _cell(text: str) -> str:
    return text.replace("|", "\\|")

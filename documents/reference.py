"""The reference of every setting, read off the classes that hold them."""

from __future__ import annotations

import ast
import inspect
import types
import typing
from collections.abc import Iterator, Mapping
from datetime import time
from enum import Enum
from itertools import pairwise
from pathlib import Path
from typing import Any

import attrs

from t3safe import configuration
from t3safe.configuration import Settings
from t3safe.entrypoints.settings import DEFAULT_FILE, ENVIRONMENT

_HEAD = f"""\
# Configuration

Every setting, made from the code by `make docs`. All of it is optional.

The file is `{DEFAULT_FILE}`, or what `--config` names; it is TOML. The environment wins over the
file, the file over the defaults. An unknown key, a wrong type or a value out of range is one line
that names the file and the key, and exit status 2.
"""
_TABLE = "| key | kind | default | what it is |\n|---|---|---|---|\n"


def reference() -> str:
    """Give the page: the settings at the top level, then a section for each table."""
    variables = {key: name for name, key in ENVIRONMENT.items()}
    return "\n".join([_HEAD, *_section("At the top level", "", Settings, variables)])


def _section(heading: str, table: str, kind: type, variables: Mapping[str, str]) -> Iterator[str]:
    told, hints = _told(kind), typing.get_type_hints(kind)
    yield f"## {heading}\n"
    if table:
        yield f"{_one_line(inspect.getdoc(kind) or '')}\n"
    tables: list[tuple[str, type]] = []
    rows = ""
    for item in attrs.fields(kind):
        below = _settings_class(hints[item.name])
        if below is not None:
            tables.append((f"{table}.{item.name}" if table else item.name, below))
            continue
        variable = f" Variable: `{variables[item.name]}`." if item.name in variables else ""
        what = f"{told.get(item.name, '')}{variable}".strip()
        rows += f"| `{item.name}` | {_kind(hints[item.name])} | {_default(item)} | {what} |\n"
    yield _TABLE + rows
    for name, below in tables:
        yield from _section(f"`[{name}]`", name, below, {})


def _settings_class(hint: object) -> type | None:
    """Give the class of settings that a hint stands for, also where it may be left out."""
    choices = typing.get_args(hint) or (hint,)
    for choice in choices:
        if isinstance(choice, type) and attrs.has(choice):
            return choice
    return None


def _kind(hint: object) -> str:
    if isinstance(hint, types.UnionType):
        (only,) = (choice for choice in typing.get_args(hint) if choice is not types.NoneType)
        return f"{_kind(only)}, or empty"
    if typing.get_origin(hint) is tuple:
        return "list of texts"
    if typing.get_origin(hint) is dict:
        return "table"
    if isinstance(hint, type) and issubclass(hint, Enum):
        return " or ".join(f"`{member.value}`" for member in hint)
    named = {str: "text", int: "whole number", float: "number", bool: "true or false"}
    named |= {Path: "path", time: "time of day"}
    return named[hint] if isinstance(hint, type) else str(hint)


def _default(item: attrs.Attribute[object]) -> str:
    value: Any = item.default
    # What attrs keeps where a default is made anew for each instance.
    if hasattr(value, "factory"):
        value = value.factory()
    if value is attrs.NOTHING:
        return "must be given"
    if value in ((), {}, "", None):
        return "empty"
    shown = value.value if isinstance(value, Enum) else value
    match shown:
        case bool():
            return f"`{str(shown).lower()}`"
        case tuple():
            return ", ".join(f"`{each}`" for each in shown)
        case _:
            return f"`{shown}`".replace("|", "\\|")


def _told(kind: type) -> dict[str, str]:
    """Read what stands below each setting in the source."""
    tree = ast.parse(inspect.getsource(configuration))
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name == kind.__name__:
            return dict(_docstrings(node.body))
    return {}


def _docstrings(body: list[ast.stmt]) -> Iterator[tuple[str, str]]:
    for setting, below in pairwise(body):
        match setting, below:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str() as text)),
            ):
                yield name, _one_line(inspect.cleandoc(text))
            case _:
                pass


def _one_line(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")

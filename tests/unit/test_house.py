"""The house rules that a reader relies on: one name for one thing, and modules that can be read."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCES = sorted(
    path for top in ("src", "tests", "fakes", "documents") for path in (ROOT / top).rglob("*.py")
)
LINES_MAX = 500
NAMED_ING = {"pairing", "rendering"}
"""Both are nouns of the field; every other module is named for what it holds."""


def test_a_class_name_occurs_once_in_the_tree() -> None:
    """Whoever looks a class up finds the one that is meant."""
    places = defaultdict[str, list[str]](list)
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert {name: where for name, where in places.items() if len(where) > 1} == {}


def test_a_module_is_named_for_what_it_holds() -> None:
    """Not for what happens in it."""
    modules = {path.stem for path in SOURCES if path.is_relative_to(ROOT / "src")}
    assert {name for name in modules if name.endswith("ing")} <= NAMED_ING


def test_no_module_is_longer_than_a_reader_can_hold() -> None:
    """A longer one has a second subject."""
    lines = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in SOURCES}
    own = {path: count for path, count in lines.items() if path.is_relative_to(ROOT / "src")}
    assert {path.name: count for path, count in own.items() if count > LINES_MAX} == {}

"""The page of what is known of t3, read off `t3safe.t3`."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import is_dataclass
from itertools import pairwise
from types import ModuleType

import t3safe.t3
from t3safe.t3 import work
from t3safe.t3.generations import GENERATIONS, Generation, KeptRows

_HEAD = """\
# What t3safe knows of t3

Made from `src/t3safe/t3/` by `make docs`: every name, path, table and line of t3 that t3safe acts
by, with its source and its date. A test checks that none of them is anywhere else in `src` and
`fakes` (`tests/unit/test_t3_is_known_in_one_place.py`).

A fact is *measured* (somebody ran that release), *read off* (its public source says so), *derived*
or *reported*. What is not measured may make a guard tighter, never looser.

`t3safe doctor` shows under `generations` the generation of each person and of the newest build, and
under `updater` what t3's own updater left in their data. A build that fits no generation is
unknown: the gate refuses it, and says what is new about it.
"""

_NEXT = """\
## How to add the next generation

Follow these steps when every nightly is refused with "fits no generation of t3 known here".
You do not need to know how t3safe moves people.

1. **See what is new.** `t3safe check VERSION --json` names it: a database, a ledger, a shape of the
   package, a protocol. Keep the evidence folder. Read the source of that release for the rest.
2. **Write it down**, in `src/t3safe/t3/`, each fact with its source and date:
    - `files.py`: databases and files below the base directory; what an interrupted start leaves.
    - `ledger.py`: the migration that marks the generation; rows that are renumbered in place.
    - `generations.py`: a `Generation`, and its place in `GENERATIONS`: which database is live, what
      it is copied from, rows that must stay, tables that may shrink, and why.
    - `work.py`: tables and statuses that are work in flight. An unknown status counts as work.
    - `harmless.py`: what its start does by itself, and how t3safe prevents that on a copy.
    - `sign_in.py`: where a credential is exchanged, the name of the cookie, which protocol.
    - `package.py`: how the package starts the program, and what that needs on a host.
    - `commands.py`, `serve_log.py`, `updater.py`: words, lines and traces that changed.
3. **Teach the fake** the same (`fakes/t3/`), from the facts and not from these modules: an error in
   one must not hide in the other. `fakes/t3/README.md` lists what it can do.
4. **Run** `make test`: the contract tests run for each generation, and the test of names finds
   names that are written elsewhere. Then `t3safe check VERSION` on a copy of somebody's data.
5. **Announce it**: a line in `CHANGELOG.md`, releases and incidents in
   `src/t3safe/simulation/data/`, then `make docs`. Operators read this page to see what
   t3safe knows.

Add nothing that t3 does not do yet. A generation that was only announced is unknown, and refused.
"""

_SHOWN_MAX = 160


def known_page() -> str:
    """Give the page: the generations side by side, how to add one, and each module."""
    modules = sorted(module.name for module in pkgutil.iter_modules(t3safe.t3.__path__))
    parts = (_section(importlib.import_module(f"t3safe.t3.{name}")) for name in modules)
    return "\n".join([_HEAD, _generations(), _NEXT, *parts])


# The generations side by side.


def _generations() -> str:
    names = " | ".join(generation.name for generation in GENERATIONS)
    rule = "---|" * (len(GENERATIONS) + 1)
    rows = "\n".join(
        f"| {what} | {' | '.join(_cell(say(generation)) for generation in GENERATIONS)} |"
        for what, say in _ROWS
    )
    return f"## The generations\n\n| | {names} |\n|{rule}\n{rows}\n"


def _recognised(generation: Generation) -> str:
    but = f", and not `{generation.not_yet}`" if generation.not_yet else ""
    return f"`{generation.marked_by}` in the ledger of `{generation.database}`{but}"


def _work(generation: Generation) -> str:
    tables = {marks.table for marks in (*work.V1_MARKS, *work.V2_MARKS)}
    found = work.marks_of(generation.database, tables)
    return "; ".join(f"`{marks.table}` ({marks.what})" for marks in found)


def _kept(rows: KeptRows) -> str:
    which = f" where {rows.where}" if rows.where else ""
    into = f", in `{rows.into}` after the copy" if rows.into else ""
    return f"`{rows.table}`{which}{into}"


_ROWS: tuple[tuple[str, Callable[[Generation], str]], ...] = (
    ("first release", lambda one: f"{one.first_release} ({one.seen})"),
    ("recognised by", _recognised),
    ("live database", lambda one: f"`{one.database}`"),
    ("made from", lambda one: f"a copy of `{one.copied_from}`" if one.copied_from else "nothing"),
    ("package", lambda one: ", then ".join(one.shapes)),
    ("sign-in", lambda one: f"`{one.sign_in.path}`"),
    ("cookie names", lambda one: ", then ".join(one.sign_in.cookies)),
    ("protocol", lambda one: str(one.sign_in.protocol)),
    ("work in flight", _work),
    ("rows that stay", lambda one: "; ".join(map(_kept, one.kept))),
    ("may shrink", lambda one: "; ".join(f"`{k}`: {why}" for k, why in one.may_shrink.items())),
    ("projections follow the log", lambda one: "yes" if one.follows_log else "not said"),
)


# Module by module.


def _section(module: ModuleType) -> str:
    title, _, rest = (inspect.getdoc(module) or "").partition("\n")
    name = module.__name__.rpartition(".")[2]
    table = "".join(f"| `{key}` | {value} | {told} |\n" for key, value, told in _values(module))
    shown = f"\n| name | value | what it is |\n|---|---|---|\n{table}" if table else ""
    return f"## {name}.py\n\n{title}\n{rest}\n{shown}"


def _values(module: ModuleType) -> Iterator[tuple[str, str, str]]:
    """Give the public values of a module with what stands below each in the source."""
    body = ast.parse(inspect.getsource(module)).body
    for node, below in pairwise([*body, ast.Pass()]):
        if not isinstance(node, ast.AnnAssign) or not isinstance(node.target, ast.Name):
            continue
        name = node.target.id
        shown = _shown(getattr(module, name))
        if not name.startswith("_") and shown:
            yield name, shown, _cell(" ".join(_text(below).split()))


def _text(node: ast.stmt) -> str:
    match node:
        case ast.Expr(value=ast.Constant(value=str() as text)):
            return inspect.cleandoc(text)
        case _:
            return ""


def _shown(value: object) -> str:
    """Show a value that is a text, a number or some of them; other values are shown above."""
    match value:
        case str() | int():
            return _code(str(value))
        case bytes():
            return _code(repr(value))
        case re.Pattern():
            return _code(str(value.pattern))
        case Mapping():
            pairs = [(key, _shown(each)) for key, each in value.items()]
            return ", ".join(f"{_code(str(key))}: {shown}" for key, shown in pairs if shown)
        case _ if is_dataclass(value) or isinstance(value, type):
            return ""
        case Collection():
            ordered = sorted(value, key=str) if isinstance(value, frozenset) else value
            return ", ".join(filter(None, map(_shown, ordered)))
        case _:
            return ""


def _code(text: str) -> str:
    if "`" in text:
        return _cell(text)
    short = text if len(text) <= _SHOWN_MAX else f"{text[:_SHOWN_MAX]} ..."
    return f"`{_cell(short)}`" if short else "empty"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")

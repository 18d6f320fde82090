"""The list of modules: each with the first sentence of its docstring."""

from __future__ import annotations

import ast
from itertools import groupby
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "src" / "t3safe"
_HEAD = """# Modules

Made from the code by `make docs`: each module below `src/t3safe/` with its first sentence.
Its rules follow there.
"""


def modules_page() -> str:
    """Give the page, a section for each package."""
    paths = sorted(path for path in PACKAGE.rglob("*.py") if path.name != "__init__.py")
    paths.sort(key=lambda path: path.parent.relative_to(PACKAGE).parts)
    parts = [_HEAD]
    for folder, inside in groupby(paths, key=lambda path: path.parent):
        about = _first(folder / "__init__.py")
        rows = "\n".join(f"| `{path.name}` | {_first(path)} |" for path in inside)
        title = folder.relative_to(PACKAGE).as_posix().replace(".", "t3safe")
        parts.append(f"## {title}\n\n{about}\n\n| module | what it holds |\n|---|---|\n{rows}\n")
    return "\n".join(parts)


def _first(path: Path) -> str:
    """Give the first line of a module's docstring."""
    return (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").partition("\n")[0]

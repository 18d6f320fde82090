"""Holds what `--json` printed to the example of its kind, in `tests/golden/json`.

Rules, those of docs/json.md:

1. A document has the keys of its example, at every depth, and values of the same types.
2. `null` may stand where another value may, and another value where the example has `null`.
3. A list holds what its example's items look like, each like one of them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

FOLDER: Final = Path(__file__).parents[1] / "golden" / "json"
KINDS: Final = sorted(path.stem for path in FOLDER.glob("*.json"))
NAMED: Final = frozenset({"people", "rows", "ledger", "timings", "staying", "stuck", "problems"})
"""Keys below which an object has names as keys: of people, tables, databases or checks."""


def example(kind: str) -> dict[str, Any]:
    """Give the example of a kind of documents."""
    found: dict[str, Any] = json.loads((FOLDER / f"{kind}.json").read_text(encoding="ascii"))
    return found


def body_of(text: str, kind: str) -> Any:  # noqa: ANN401 - whatever JSON holds
    """Give the body of a document of this kind, once it is like the example."""
    document, golden = json.loads(text), example(kind)
    assert document.keys() == golden.keys()
    assert (document["schema"], document["version"]) == (golden["schema"], golden["version"])
    assert differences(document[kind], golden[kind], kind) == []
    return document[kind]


def differences(found: object, golden: object, where: str) -> list[str]:
    """Say where a value is not like its example."""
    match found, golden:
        case dict(), dict() if where.rpartition(".")[2] in NAMED:
            return differences(list(found.values()), list(golden.values()), f"{where}.*")
        case dict(), dict():
            if found.keys() != golden.keys():
                return [f"{where}: {sorted(found.keys() ^ golden.keys())}"]
            each = (differences(found[key], golden[key], f"{where}.{key}") for key in found)
            return [line for lines in each for line in lines]
        case list(), list():
            several = [[differences(item, one, f"{where}[]") for one in golden] for item in found]
            return [line for lines in several if lines for line in min(lines, key=len)]
        case _ if found is None or golden is None or _kind(found) == _kind(golden):
            return []
        case _:
            return [f"{where}: {found!r} is not like {golden!r}"]


def _kind(value: object) -> type:
    return float if type(value) is int else type(value)

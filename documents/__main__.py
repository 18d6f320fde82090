"""Writes what is made from the code: `make docs`."""

from __future__ import annotations

from pathlib import Path

from documents.known import known_page
from documents.manual import write_manual
from documents.modules import modules_page
from documents.reference import reference
from fakes import statechart

DOCS = Path(__file__).parents[1] / "docs"

if __name__ == "__main__":
    (DOCS / "states.md").write_text(statechart.page(), encoding="utf-8")
    (DOCS / "configuration.md").write_text(reference(), encoding="utf-8")
    (DOCS / "modules.md").write_text(modules_page(), encoding="utf-8")
    (DOCS / "t3.md").write_text(known_page(), encoding="utf-8")
    write_manual(DOCS / "man")

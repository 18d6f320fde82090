"""Writes what is made from the code: `make docs`."""

from __future__ import annotations

import json
from pathlib import Path

from documents.known import known_page
from documents.manual import write_manual
from documents.published import published, recorded, written
from documents.reference import reference
from documents.shapes import shapes_page
from fakes.statechart.page import explore_all, page

DOCS = Path(__file__).parents[1] / "docs"

if __name__ == "__main__":
    (DOCS / "states.md").write_text(page(explore_all()), encoding="utf-8")
    (DOCS / "configuration.md").write_text(reference(), encoding="utf-8")
    (DOCS / "t3.md").write_text(known_page(), encoding="utf-8")
    (DOCS / "json.md").write_text(shapes_page(), encoding="utf-8")
    record = DOCS / "schemas.json"
    earlier = json.loads(record.read_text(encoding="utf-8"))
    record.write_text(written(recorded(earlier, published())), encoding="utf-8")
    write_manual(DOCS / "man")

"""Writes docs/states.md."""

from __future__ import annotations

from pathlib import Path

from fakes.statechart.page import explore_all, page

DOCUMENT = Path(__file__).parents[2] / "docs" / "states.md"

if __name__ == "__main__":
    DOCUMENT.write_text(page(explore_all()), encoding="utf-8")

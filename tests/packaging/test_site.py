"""The site: every link on it leads to a page or a file that is there, and to a heading of it."""

from __future__ import annotations

import html
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote, urldefrag

import pytest

ROOT = Path(__file__).parents[2]
_ID = re.compile(r'\bid="([^"]+)"')
_LINK = re.compile(r'(?:href|src)="((?!https?:|mailto:|data:|/)[^"]+)"')


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the site."""
    folder = tmp_path_factory.mktemp("site")
    words = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "-d", str(folder)]
    built = subprocess.run(words, check=False, cwd=ROOT, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    return folder


def test_every_link_leads_somewhere(site: Path) -> None:
    """What is no page of the site is named without a link."""
    pages = {page: page.read_text(encoding="utf-8") for page in site.rglob("*.html")}
    ids = {page: set(_ID.findall(text)) for page, text in pages.items()}
    links = [
        (page, *urldefrag(html.unescape(link)))
        for page, text in pages.items()
        for link in _LINK.findall(text)
    ]
    assert links
    for page, path, anchor in links:
        target = (page.parent / unquote(path)).resolve() if path else page
        target = target / "index.html" if target.is_dir() else target
        assert target.exists(), (page.name, path)
        assert not anchor or target not in ids or unquote(anchor) in ids[target], (page.name, path)


def test_no_page_loads_what_lies_on_another_host(site: Path) -> None:
    """And every page that others link to is there."""
    pages = list(site.rglob("*.html"))
    assert {"index.html", "configuration.html", "moving-over.html"} <= {p.name for p in pages}
    for page in pages:
        text = page.read_text(encoding="utf-8")
        loaded = re.findall(r"<(?:script|link|img)[^>]+(?:src|href)=\"([^\"]+)", text)
        assert [where for where in loaded if where.startswith(("http:", "https:", "//"))] == []

"""Puts the site together: the pages of docs/, and those that lie at the top of the project.

MkDocs calls it (mkdocs.yml).  Links are written for whoever reads the files where they lie; on the
site the pages lie beside one another.
"""

from __future__ import annotations

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
TOP = {
    "README.md": "index.md",
    "ARCHITECTURE.md": "architecture.md",
    "CHANGELOG.md": "changelog.md",
}
_NAMED_LINK = re.compile(r"\[([^\]]+)\]\((?!https?:|#|mailto:)([^)\s#]+)(?:#[^)\s]*)?\)")
_LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)\s#]+)(#[^)\s]*)?\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages from the top of the project."""
    for name, page in TOP.items():
        text = (ROOT / name).read_text(encoding="utf-8")
        files.append(File.generated(config, page, content=_at_the_top(text)))
    return files


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Let links of a page in docs/ to the top of the project lead to where those pages are.

    What lies outside docs/ and is no page is only named.
    """
    up = "../" * page.file.src_uri.count("/")
    for name, target in TOP.items():
        markdown = markdown.replace(f"](../{up}{name}", f"]({up}{target}")
    folder = (DOCS / page.file.src_uri).parent
    return _NAMED_LINK.sub(lambda found: _named(folder, found), markdown)


def _named(folder: Path, found: re.Match[str]) -> str:
    text, path = found.group(1), found.group(2)
    outside = DOCS not in (folder / path).resolve().parents and path not in TOP.values()
    return text if outside and (folder / path).exists() else found.group(0)


def _at_the_top(text: str) -> str:
    return _LINK.sub(lambda found: _led(found.group(0), found.group(1), found.group(2)), text)


def _led(whole: str, path: str, anchor: str | None) -> str:
    """Let a link from the top lead to its page; what is no page is only named."""
    if path in TOP:
        return f"]({TOP[path]}{anchor or ''})"
    if path.startswith("docs/"):
        return f"]({path.removeprefix('docs/')}{anchor or ''})"
    return "](#)" if (ROOT / path).exists() else whole

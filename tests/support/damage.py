"""What befalls the file of a journal."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path


def random_header(path: Path) -> None:
    """Overwrite its first page."""
    path.write_bytes(b"\xd7" * 4096 + path.read_bytes()[4096:])


def truncated(path: Path) -> None:
    """Lose its second half."""
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def emptied(path: Path) -> None:
    """Lose everything in it."""
    path.write_bytes(b"")


def folder(path: Path) -> None:
    """Have a folder in its place."""
    path.unlink()
    path.mkdir()


def changed(path: Path, statement: str) -> None:
    """Change its rows by a statement of SQL."""
    with closing(sqlite3.connect(path)) as opened, opened:
        opened.execute(statement)


def nonsense(path: Path, kind: str) -> None:
    """Have events of a kind that nobody knows in place of those of `kind`."""
    changed(path, f"UPDATE events SET body = '{{\"type\":\"Nonsense\"}}' WHERE kind = '{kind}'")

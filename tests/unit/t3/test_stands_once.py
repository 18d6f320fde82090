"""What is known of t3's package, sign-in, commands and log stands in `t3safe.t3` alone."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import t3safe
from t3safe.t3 import package, serve_log, sign_in

SOURCE = Path(t3safe.__file__).parent
KNOWN = {
    "package": "|".join(
        map(
            re.escape,
            (
                *(package.FOLDER, package.ENTRY, package.PLATFORMS.partition("/")[0]),
                *(package.LAUNCHER, package.NODE_PROGRAM.rpartition("/")[2]),
                *(package.REPOSITORY, *package.LIBRARIES),
            ),
        )
    ),
    "endpoints": "|".join(
        map(
            re.escape,
            (*sign_in.EXCHANGE_PATHS, sign_in.SESSION_PATH, sign_in.DESCRIPTOR_PATH, "/ws?"),
        )
    ),
    "cookies": re.escape(sign_in.PLAIN_COOKIE),
    "variables": r"T3CODE_",
    "options": r"--base-dir|--ttl",
    "log": "|".join(
        map(
            re.escape,
            (serve_log.READY, serve_log.RECOVERED, serve_log.LOCKED, *serve_log.REFUSALS),
        )
    ),
    "labels": r"(?i)pairing (?:url|link|code)",
    "answers": r"invalid_credential|orchestration_?protocol|serverVersion|sessionCookieName",
}


def texts(file: Path) -> Iterator[str]:
    """Give the texts of a module that are no docstrings: what it works with."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    told = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in told:
            yield node.value


@pytest.mark.parametrize("kind", KNOWN)
def test_it_stands_in_one_package(kind: str) -> None:
    """A change of t3's is a change there."""
    pattern = re.compile(KNOWN[kind])
    files = [
        file for file in SOURCE.rglob("*.py") if "t3" not in file.relative_to(SOURCE).parts[:1]
    ]
    assert len(files) > 100
    found = [
        f"{file.relative_to(SOURCE)}: {text[:60]}"
        for file in files
        for text in texts(file)
        if pattern.search(text)
    ]
    assert found == []

"""What t3 calls its things stands in `t3safe.t3` alone: src and fakes import it from there.

Rules:

1. What is held are the names that `t3safe.t3` has as values, found there by themselves, and the
   families of names below.  Words that others use too (`logs`, `--port`) are left out.
2. Held are all strings, docstrings and comments of src and fakes.  Whoever needs an exception says
   why.
3. A test may spell what a person reads: a sentence, a document.  A name alone, a path or a table of
   a query is imported there too, from the fake t3 where `t3safe.t3` does not have it.  Tests of the
   fake t3 and of `t3safe.t3` itself spell what is right, and are aside.
"""

from __future__ import annotations

import ast
import importlib
import io
import pkgutil
import re
import tokenize
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from pathlib import Path
from typing import NamedTuple

import t3safe.t3
from t3safe.t3 import files, harmless, serve_log

ROOT = Path(__file__).parents[2]

ASIDE = {
    "src/t3safe/t3/": "is where they stand",
    "src/t3safe/simulation/data/": "data: what became known of each release, with its source",
    "fakes/t3/": "the fake t3 is t3, and must not share an error with what it is judged by",
    "fakes/packages.py": "makes the packages of the fake t3",
    "fakes/native.py": "makes the native program of the fake t3",
    "fakes/dispatch.py": "stands for a program of the host's owner, which knows t3 by itself; it "
    "runs where t3safe cannot be imported",
    "tests/fakes/": "tests of the fake t3, against the facts",
    "tests/unit/t3/": "tests of `t3safe.t3`: they say what is right",
    "tests/unit/test_t3_is_known_in_one_place.py": "this file",
    "fakes/guest.py": "runs inside a container, where t3safe cannot be imported",
}
"""What is not looked at, with the reason."""

EXCEPTIONS = {
    ("src/t3safe/configuration.py", "orchestrationProtocol"): "the reference of the settings shows "
    "what the dispatch must pass on",
    ("tests/e2e/test_commands.py", "Pairing URL:"): "t3's label must not be followed by a secret",
    ("tests/unit/domain/test_redaction.py", "Pairing URL:"): "a sample of what redaction hides",
    ("tests/unit/domain/test_redaction.py", "Pairing code:"): "a sample of what redaction hides",
}
"""Names that may stand somewhere, with the reason."""

COMMON = frozenset(
    {
        "--help",
        "--host",
        "--port",
        "--version",
        "linux-arm64",
        "linux-x64",
        "x86_64",
        "/lib/ld-linux-aarch64.so.1",
        "/lib64/ld-linux-x86-64.so.2",
        "application/json",
        "Content-Type",
        "Sec-WebSocket-Key",
        "Sec-WebSocket-Version",
        "rolled-back",
        "event_id",
        "expires_at",
        "message_id",
        "project_id",
        "session_id",
        "stream_id",
        "task_id",
        "thread_id",
        serve_log.LOCKED,
    }
)
"""What others call their things too (rule 1)."""

FAMILIES = (
    r"state(?:v\d+)?\.sqlite",
    r"(?:orchestration|projection)_[a-z0-9_]+",
    r"scheduled_tasks?[a-z_]*",
    r"checkpoint_diff_blobs|provider_session_runtime",
    r"server-signing-key|anonymous-id|keybindings\.json",
    r"T3CODE_[A-Z_]*",
    r"/api/auth/[a-z-]+",
    r"t3_session[_a-z0-9]*",
    r"orchestrationProtocol[A-Za-z]*|sessionCookieName|serverVersion",
    r"t3code|bin\.mjs|--ttl",
    r"(?i:pairing (?:url|code|link):)",
)
"""Names of the same kinds, so that one is found that `t3safe.t3` has not yet either."""

QUERY = re.compile(r"\b(?:SELECT|INSERT INTO|UPDATE|DELETE FROM|CREATE|DROP|ALTER TABLE) ")
"""What makes a text a query, or a script with one; its columns may be spelled (rule 3)."""

COLUMNS = {column for edit in harmless.EDITS for column in edit.columns} | {
    column for _, column, _ in harmless.CHECKOUTS
}


class Spelled(NamedTuple):
    """A name where it should not be."""

    file: str
    line: int
    name: str
    alone: bool

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.name}"


@cache
def names() -> frozenset[str]:
    """Collect what `t3safe.t3` calls things of t3 (rule 1)."""
    found = {files.USERDATA}
    for module in pkgutil.iter_modules(t3safe.t3.__path__):
        known = importlib.import_module(f"t3safe.t3.{module.name}")
        texts = {text for key, value in vars(known).items() for text in _texts(key, value)}
        log = known is serve_log
        found |= {text for text in texts if _is_name(text, log=log)}
    return frozenset(found - COMMON)


def _texts(key: str, value: object) -> Iterator[str]:
    if key.startswith("__") or isinstance(value, Enum | type):
        return
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from _texts("", [*value.keys(), *value.values()])
    elif isinstance(value, tuple | frozenset | list | set):
        for each in value:
            yield from _texts("", each)
    elif is_dataclass(value):
        for field in fields(value):
            yield from _texts("", getattr(value, field.name))


def _is_name(text: str, *, log: bool) -> bool:
    """Tell a name, or a line of the log, from a word, a sentence of ours, a query, a pattern."""
    if re.search(r"[\\\[\]{}()|*?=$]", text) or re.match(r"\d", text):
        return False
    if log:
        return " " in text or text.endswith("Error")
    # A place of a t3 is no name of t3's: `/usr/bin/t3` is what this host calls it.
    ours = " " in text or (text.endswith("bin/t3") and "node_modules" not in text)
    return not ours and re.search(r"[._/-].*[A-Za-z]|[A-Za-z].*[._/-]|[a-z][A-Z]", text) is not None


@cache
def pattern() -> re.Pattern[str]:
    """Build what finds every name, the longest first, where a word begins and ends."""
    listed = [re.escape(name) for name in sorted(names(), key=len, reverse=True)]
    return re.compile(rf"(?<![A-Za-z0-9_-])(?:{'|'.join([*listed, *FAMILIES])})(?![A-Za-z0-9_])")


def looked_at(*folders: str) -> Iterator[Path]:
    """Give the files below these folders that are not aside."""
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*")):
            shown = str(path.relative_to(ROOT))
            text = path.suffix in {".py", ".j2", ".toml", ".sh", ".js", ".css", ".html"}
            if text and not shown.startswith(tuple(ASIDE)) and path.is_file():
                yield path


def spelled(path: Path) -> Iterator[Spelled]:
    """Find every name that a file spells: in strings, docstrings and comments of Python."""
    shown, source = str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")
    if not pattern().search(source):
        return
    parts = _python(source) if path.suffix == ".py" else enumerate(source.splitlines(), 1)
    for line, text in parts:
        for found in pattern().finditer(text):
            yield Spelled(shown, line, found[0], _is_alone(found[0], text.strip()))


def _is_alone(name: str, text: str) -> bool:
    """Tell a name, a path or a query from what a person reads (rule 3)."""
    queried = QUERY.search(text) is not None and name not in COLUMNS
    return text == name or " " not in text or queried


def _python(source: str) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str | bytes):
            text = node.value if isinstance(node.value, str) else node.value.decode("latin-1")
            yield node.lineno, text
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def strange(found: Iterable[Spelled]) -> list[str]:
    """Say which of these are no exceptions."""
    return [str(each) for each in found if (each.file, each.name) not in EXCEPTIONS]


def test_names_of_every_kind_are_found() -> None:
    """Databases, files, tables, paths, cookies, variables, packages and lines are collected."""
    expected = {
        "state.sqlite",
        "statev2.sqlite",
        "userdata",
        "server-runtime.json",
        "effect_sql_migrations",
        "projection_turns",
        "orchestration_v2_projection_runs",
        "/api/auth/session",
        "/ws",
        "t3_session",
        "T3CODE_TELEMETRY_ENABLED",
        "@t3code/t3-",
        "dist/bin.mjs",
        "T3 Code server is ready.",
        "AuthAuthorizationScopes",
    }
    assert expected <= names()


def test_src_and_fakes_spell_no_name_of_t3() -> None:
    """Every other module imports what t3 calls its things."""
    found = (each for path in looked_at("src", "fakes") for each in spelled(path))
    assert strange(found) == [], "import these from t3safe.t3"


def test_every_exception_is_needed() -> None:
    """What is aside is there, and each exception is one that somebody uses."""
    assert all((ROOT / path).exists() for path in ASIDE)
    used = {(each.file, each.name) for path in looked_at("src", "tests") for each in spelled(path)}
    assert set(EXCEPTIONS) <= used


def test_no_module_of_ours_is_called_like_the_folder_of_t3() -> None:
    """A reader who looks for t3's folder does not find a module of ours."""
    modules = [*(ROOT / "src").rglob("*"), *(ROOT / "fakes").rglob("*")]
    assert [str(path) for path in modules if path.stem == files.USERDATA] == []


def test_tests_spell_no_name_alone() -> None:
    """Tests import the names, paths and queries that they work with (rule 3)."""
    found = (each for path in looked_at("tests") for each in spelled(path) if each.alone)
    assert strange(found) == [], "import these from t3safe.t3, or from the fake t3"

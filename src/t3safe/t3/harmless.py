"""The effects of a t3 start on the world, and the edits of a copy that prevent them, as values.

Rules:

1. A start continues work: it resumes threads, replays effects, runs schedules, pulls projects,
   opens a tunnel.  On a copy it would do that in the real worktrees.  So the copy is edited before
   the start until no work is due.  No edit adds or removes a row.
2. An edit belongs to its table: without the table there is nothing to edit.  A table of another
   form, or of the same kind but unknown here, cannot be edited safely: `StrangeError`.
3. `settings.json` is JSON with comments and trailing commas, as t3 reads it.  A file that is not an
   object cannot be edited: `StrangeError`.

Sources, read off t3's public source of October 2026 and not measured, for V1 since 2026-09-02 and
V2: `continueThreadsAfterServerUpdate` (RestartContinuation.ts, ProviderRuntimeRecoveryService.ts),
`defaultAutoPull`, `projectAutoPullOverrides`, `projectSettingsOverrides` (contracts/settings.ts),
`autoResumeLimitedThreads` and a thread's `limitRecovery.autoResume` (UsageLimitRecoveryWorker.ts),
`providers.*.enabled` and `providerInstances.*.enabled` (contracts/settings.ts: an instance may name
its program by a path of its own), secrets of T3 Connect (cloud/config.ts, cloud/CliState.ts,
auth/ServerSecretStore.ts).  The tables: v2 migrations 45, 55 and 57.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from t3safe.t3.generations import OUTBOX, PROJECTS, SCHEDULES, THREADS, V2_THREADS, is_expected

PROGRAMS: Final = frozenset(
    {
        *("claude", "codex", "cursor", "cursor-agent", "opencode"),
        *("agy", "antigravity", "cloudflared", "devin", "gemini", "grok", "pi"),
    }
)
"""The programs that a start runs when it finds them: providers' CLIs, and the tunnel's program."""
LINK_SECRETS: Final = "cloud-"
"""How the files below `secrets` begin that link a server to T3 Connect: tunnel, relay, webhooks."""
OFF: Final = (
    "continueThreadsAfterServerUpdate",
    "defaultAutoPull",
    "autoResumeLimitedThreads",
    "resumeActiveTurnsAfterRestart",
)
"""Settings that are off in a rehearsal, globally and for each project."""
_PROJECTS: Final = "projectSettingsOverrides"
_PULLED: Final = "projectAutoPullOverrides"
_PROVIDERS: Final = ("providers", "providerInstances")


class StrangeError(ValueError):
    """A copy has an unknown form and cannot be made harmless; the text says which."""


@dataclass(frozen=True)
class Edit:
    """One edit of one table: `sets` where `where` holds (SQL); `columns` are those that it needs.

    `later` says that a later migration adds them: without them there is nothing to edit.
    """

    table: str
    columns: tuple[str, ...]
    sets: str
    where: str
    later: bool = False

    @property
    def wanted(self) -> str:
        """The query whose one number says whether there are rows to edit."""
        return f"SELECT EXISTS (SELECT 1 FROM {self.table} WHERE {self.where})"  # noqa: S608

    @property
    def statement(self) -> str:
        """The statement that edits."""
        return f"UPDATE {self.table} SET {self.sets} WHERE {self.where}"  # noqa: S608


AUTO_PULL: Final = "auto_pull"
"""The column of a project that lets a start pull it, from migration 45 on."""
_RESUMES: Final = (
    "CASE WHEN json_valid(payload_json) "
    "THEN coalesce(json_extract(payload_json, '$.limitRecovery.autoResume'), 0) ELSE 0 END"
)
EDITS: Final = (
    Edit(PROJECTS, (AUTO_PULL,), "auto_pull = 0", "auto_pull <> 0", later=True),
    Edit(
        OUTBOX,
        ("status", "lease_owner", "lease_expires_at"),
        "status = 'cancelled', lease_owner = NULL, lease_expires_at = NULL",
        "status IN ('pending', 'running')",
    ),
    Edit(SCHEDULES, ("enabled",), "enabled = 0", "enabled <> 0"),
    Edit(
        V2_THREADS,
        ("payload_json",),
        "payload_json = json_set(payload_json, '$.limitRecovery.autoResume', json('false'))",
        f"{_RESUMES} <> 0",
    ),
)
"""The edits of each database."""
_KINDS: Final = (
    (re.compile(r"orchestration_v\d+_effect_outbox", re.ASCII), OUTBOX),
    (re.compile(r"scheduled_tasks_?v?\d*", re.ASCII), SCHEDULES),
)
"""Patterns of tables of one kind, each with the known table of that kind."""

CHECKOUTS: Final = (
    (PROJECTS, "workspace_root", f"SELECT workspace_root FROM {PROJECTS}"),  # noqa: S608
    (THREADS, "worktree_path", f"SELECT worktree_path FROM {THREADS}"),  # noqa: S608
    (
        V2_THREADS,
        "payload_json",
        (
            "SELECT json_extract(payload_json, '$.worktreePath') "  # noqa: S608 - constants
            f"FROM {V2_THREADS} WHERE json_valid(payload_json)"
        ),
    ),
)
"""Queries for the paths of real checkouts, each with the table and the column that it reads."""


def edits(database: str, tables: Mapping[str, Collection[str]]) -> tuple[Edit, ...]:
    """Return the edits of a database with these tables and their columns.  Raises StrangeError."""
    if not is_expected(database):
        raise StrangeError(f"{database}: no generation of t3 known here has such a database")
    for name in sorted(tables):
        for kind, known in _KINDS:
            if kind.fullmatch(name) and name != known:
                raise StrangeError(f"{database}: no generation of t3 known here has a table {name}")
    return tuple(edit for edit in EDITS if _applies(database, edit, tables.get(edit.table)))


def _applies(database: str, edit: Edit, columns: Collection[str] | None) -> bool:
    if columns is None:
        return False
    missing = [each for each in edit.columns if each not in columns]
    if missing and not edit.later:
        message = f"{database}: {edit.table} has no column {', '.join(missing)}"
        raise StrangeError(message)
    return not missing


def checkouts(tables: Mapping[str, Collection[str]]) -> tuple[str, ...]:
    """Return the queries for the paths of checkouts in a database with these tables."""
    return tuple(query for table, column, query in CHECKOUTS if column in tables.get(table, ()))


def settings(content: bytes) -> bytes:
    """Return the edited content of `settings.json`.  Raises StrangeError."""
    try:
        found = json.loads(_strict(content.decode()))
    except (ValueError, RecursionError) as error:
        raise StrangeError(f"settings.json is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise StrangeError("settings.json holds no object")
    found.update(dict.fromkeys(OFF, False))
    for own in _entries(found, _PROJECTS):
        own.update(dict.fromkeys(OFF, False))
    for kind in _PROVIDERS:
        for provider in _entries(found, kind):
            provider["enabled"] = False
    if isinstance(pulled := found.get(_PULLED), dict):
        found[_PULLED] = dict.fromkeys(pulled, False)
    return json.dumps(found, indent=2).encode() + b"\n"


def _entries(found: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """Return the objects below a setting; t3 ignores other values there."""
    entries = found.get(name)
    values = entries.values() if isinstance(entries, dict) else ()
    return [value for value in values if isinstance(value, dict)]


_TOKENS: Final = re.compile(r'"(?:\\.|[^"\\])*"|//[^\n]*|/\*.*?\*/', re.DOTALL)
_COMMAS: Final = re.compile(r'("(?:\\.|[^"\\])*")|,(?=\s*[}\]])', re.DOTALL)


def _strict(text: str) -> str:
    """Remove comments and trailing commas."""
    bare = _TOKENS.sub(lambda found: found[0] if found[0].startswith('"') else " ", text)
    return _COMMAS.sub(lambda found: found[1] or "", bare)

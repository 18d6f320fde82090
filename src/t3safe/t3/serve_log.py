"""What t3 prints while it starts, serves and fails: good signs, bad signs, secrets.

Rules:

1. A missing good sign proves nothing, because wording changes; pairing must work.
2. A bad sign is a line about an error of migration, decoding, persistence or memory, or one with
   which t3 refuses a start.  A warning of t3 is not a bad sign.
3. Values under the labels below are secrets.

Sources: good starts and errors up to 864 measured; V2, from 0.0.46-nightly.20261003.2610: read off
public source (serverRuntimeStartup.ts, initializeV2Database.ts, Migrations.ts), not measured.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

READY: Final = "T3 Code server is ready."
"""The banner, which comes last: in every release from 0.0.24 on, V2 included."""
RECOVERED: Final = "V2 orchestration recovery completed"
"""V2: the marks of work that an earlier serve left are settled now."""
LISTENING: Final = "Listening on"
MIGRATING: Final = "Running all migrations..."
MIGRATED: Final = "Migrations ran successfully"
"""From 864 on neither line where no migration was to be run."""
DIVERGED: Final = "Database migration history diverges from this build"
"""V2: a warning alone; a newer database starts with it."""

COPY_FAILED: Final = "Could not copy the V1 database"
OTHER_MIGRATIONS: Final = "This database recorded other migrations at ids"
STRANGE_PREVIEW: Final = "Cannot upgrade V2 preview"
STARTUP_FAILED: Final = "server runtime startup failed"
REFUSALS: Final = (COPY_FAILED, OTHER_MIGRATIONS, STRANGE_PREVIEW, STARTUP_FAILED)
"""V2: t3 refuses the start; its port may answer all the same for a moment."""

NO_ROLE: Final = "table auth_pairing_links has no column named role"
"""A command from before scoped pairing met a database of after it.  Measured."""
HEAP: Final = "FATAL ERROR: JavaScript heap out of memory"
"""Node ends the serve, with the status of a signal."""
UNDECODABLE: Final = "PersistenceDecodeError"
"""A row is not of the form that the build reads."""
LOCKED: Final = "database is locked"
"""A command met a writer; it may be tried again."""
_MEMORY: Final = r"heap out of memory|out of memory|Allocation failed"
_ERROR: Final = re.compile(
    r"migration failed|failed to migrate|no such (?:column|table)|has no column named"
    r"|NOT NULL constraint failed|Persistence\w*Error|V2DatabaseImportError"
    rf"|{_MEMORY}|SQLITE_(?:CORRUPT|ERROR|NOTADB)|disk image is malformed"
    rf"|{'|'.join(map(re.escape, REFUSALS))}",
    re.IGNORECASE,
)
_OUT_OF_MEMORY: Final = re.compile(_MEMORY, re.IGNORECASE)
_TELLING: Final = re.compile(r"error|fail|fatal|cannot|denied|could not|recorded other", re.I)

LABELS: Final = r"pairing (?:url|code|link)|connection string"
"""A regular expression for what stands before a secret, beside the usual words."""
NAMED_SECRETS: Final = r"(?:pairing|one-time|bootstrap) (?:code|url|link)s?|connection string"
"""A regular expression for what t3 calls a secret for a person, beside the usual words."""
CODE: Final = r"[2-9A-HJ-NP-Z]{12}"
"""A regular expression for a pairing code: twelve of these characters."""
MIGRATION: Final = r"\d{1,3}_[A-Z][A-Za-z]+(?:V\d)?"
"""A regular expression for the name of a migration, which looks random and is no secret."""
_LABELLED: Final = re.compile(r"(?im)(?:^token:\s*|[#?&](?:token|credential)=)([^\s\"'&]+)")


def is_ready(log: str) -> bool:
    """Whether a serve says that it is ready (rule 1)."""
    return READY in log


def error_lines(lines: Iterable[str]) -> tuple[str, ...]:
    """Return the lines that are bad signs (rule 2), stripped."""
    return tuple(line.strip() for line in lines if _ERROR.search(line))


def is_locked(printed: str) -> bool:
    """Whether a command failed because another process was writing."""
    return LOCKED in printed


def is_out_of_memory(text: str) -> bool:
    """Whether a line says that memory ran out."""
    return _OUT_OF_MEMORY.search(text) is not None


def last_words(lines: Iterable[str]) -> str:
    """Return the line that best explains why a serve ended, empty when there is none."""
    said = [line.strip() for line in lines if line.strip()]
    return next((line for line in said if _TELLING.search(line)), said[-1] if said else "")


def secrets_in(log: str) -> tuple[str, ...]:
    """Return the values under a label or in a link (rule 3)."""
    return tuple(found[1] for found in _LABELLED.finditer(log))

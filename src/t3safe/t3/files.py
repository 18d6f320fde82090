"""The files of t3 below a base directory: what belongs to a person's data, and what does not.

Rules:

1. Every database belongs to the data; so do small files: settings, keys, identities.
2. Logs, attachments and the file of a running serve do not: they are never restored.
3. The folder of an interrupted import (V2's first start) is left over: no snapshot holds it, and a
   restore removes it.

Measured up to 0.0.29-nightly.20260721.864; what is V2's was read off t3's public source of October
2026 (apps/server/src/config.ts, persistence/initializeV2Database.ts).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

USERDATA: Final = "userdata"
"""The folder of a person's data, below the base directory."""
HOME_BASE: Final = ".t3"
"""The default base directory below a home."""
BASE_TEMPLATE: Final = f"/home/{{person}}/{HOME_BASE}"
"""The default base directory of each person of a host."""
V1_DATABASE: Final = "state.sqlite"
V2_DATABASE: Final = "statev2.sqlite"
RUNTIME: Final = "server-runtime.json"
"""The file of a running serve: `pid`, `startedAt`, `port`."""
SETTINGS: Final = "settings.json"
ENVIRONMENT_ID: Final = "environment-id"
SECRETS: Final = "secrets"
LOGS: Final = "logs"
ATTACHMENTS: Final = "attachments"
LEFT_OUT: Final = frozenset({LOGS, ATTACHMENTS, RUNTIME})
"""The entries of `userdata` that do not belong to the data (rule 2)."""
IMPORT_PREFIX: Final = ".v2-import-"
"""The folder in which V2 copies V1's database before it links the copy to its name."""
WORKTREES: Final = "worktrees"
SCRATCH: Final = "scratch"
CACHES: Final = "caches"
RUNTIME_VERSIONS: Final = "runtime"
"""t3's own updater: `runtime/versions/<version>/t3`, `runtime/service-state.json`."""

_OWN_DATABASE: Final = re.compile(r"state\w*\.sqlite", re.ASCII)
"""`state.sqlite`, `statev2.sqlite`, and what a later t3 may name so."""


def copied_by_a_start(sizes: Mapping[str, int]) -> int:
    """Return how many bytes V2's first start copies within `userdata`; 0 when it copies nothing.

    `sizes` are those of the databases in bytes, by name.
    """
    return 0 if V2_DATABASE in sizes else sizes.get(V1_DATABASE, 0)


def is_of_t3(database: str) -> bool:
    """Whether a database has a name that t3 gives, or a later t3 may give."""
    return _OWN_DATABASE.fullmatch(database) is not None


def is_broken_import(name: str) -> bool:
    """Whether an entry of `userdata` is left from an interrupted import (rule 3)."""
    return name.startswith(IMPORT_PREFIX)

"""The files of t3 below a base directory: what belongs to a person's set, and what does not.

Rules:

1. Every database belongs to the set; so do small files: settings, keys, identities.
2. Logs, attachments and the file of a running serve do not: they are never put back.
3. A folder of an import that was broken off (V2's first start) is left over: no copy holds it, and
   it goes when a set is put back.

Measured up to 0.0.29-nightly.20260721.864; what is V2's was read off t3's public source of October
2026 (apps/server/src/config.ts, persistence/initializeV2Database.ts).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

USERDATA: Final = "userdata"
"""The folder of a person's set, below the base directory."""
HOME_BASE: Final = ".t3"
"""The base directory below a home, where nothing else is configured."""
BASE_TEMPLATE: Final = f"/home/{{person}}/{HOME_BASE}"
"""The base directory of each person of a host, where nothing else is configured."""
V1_DATABASE: Final = "state.sqlite"
V2_DATABASE: Final = "statev2.sqlite"
RUNTIME: Final = "server-runtime.json"
"""What a running serve says of itself: `pid`, `startedAt`, `port`."""
SETTINGS: Final = "settings.json"
ENVIRONMENT_ID: Final = "environment-id"
SECRETS: Final = "secrets"
LOGS: Final = "logs"
ATTACHMENTS: Final = "attachments"
LEFT_OUT: Final = frozenset({LOGS, ATTACHMENTS, RUNTIME})
"""What lies in `userdata` and is no part of the set (rule 2)."""
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
    """Say how many bytes V2's first start copies within `userdata`; 0 where it copies nothing.

    `sizes` are those of the databases in bytes, by name.
    """
    return 0 if V2_DATABASE in sizes else sizes.get(V1_DATABASE, 0)


def is_of_t3(database: str) -> bool:
    """Whether a database bears a name that t3 itself gives, or a later one may give."""
    return _OWN_DATABASE.fullmatch(database) is not None


def is_broken_import(name: str) -> bool:
    """Whether an entry of `userdata` is left of an import that was broken off (rule 3)."""
    return name.startswith(IMPORT_PREFIX)

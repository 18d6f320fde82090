"""t3's command line: its commands, their words, and the environment that t3safe sets.

Rules:

1. A command is a list of words, never a line for a shell.
2. `--version` and `--help` change nothing.  Every other command that we run opens the database and
   migrates it silently, even under a running serve: serve and mint are always of one build.  The
   first command of V2 copies the database of V1, once and for all.

Sources: measured on 0.0.24 to 0.0.29-nightly.20260721.864.  V2, from 0.0.46-nightly.20261003.2610:
read off public source (apps/server/src/cli), not measured.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Final

PROGRAM: Final = "t3"
SERVE: Final = "serve"
BASE_OPTION: Final = "--base-dir"
"""Equal to `T3CODE_HOME`, which it outranks."""
HOST_OPTION: Final = "--host"
PORT_OPTION: Final = "--port"
VERSION_OPTION: Final = "--version"
TTL: Final = "5m"
"""The lifetime of a credential that we mint."""
MINTING: Final = "`auth pairing create`"
"""The name of a mint in messages."""

VARIABLES: Final = re.compile(r"T3CODE_[A-Z_]+")
"""The names of t3's own variables: settings, never secrets."""
NO_TELEMETRY: Final[Mapping[str, str]] = {"T3CODE_TELEMETRY_ENABLED": "false"}
"""No calls home: they are on by default, and log an error each second without a network."""
UNATTENDED: Final[Mapping[str, str]] = {"T3CODE_NO_BROWSER": "1", **NO_TELEMETRY}
"""For a serve without a person at its machine."""

_VERSION: Final = re.compile(r"^(?:.*\s)?v(\d\S*)\s*$", re.MULTILINE)
"""`t3 v0.0.28` as measured.  The text before the version is unknown in V2; t3's own updater reads
only the end of the line, and so does this (apps/server/src/cli/update.ts)."""
_UNTOUCHING: Final = frozenset({VERSION_OPTION, "--help"})
_WITHOUT_DATABASE: Final = frozenset({"service", "update", "uninstall"})
"""They make folders below the base directory, and open no database (V2, read off source)."""


def serve(program: str, host: str, port: int | str, base: str) -> list[str]:
    """Return the command that starts a serve."""
    where = [HOST_OPTION, host, PORT_OPTION, str(port), BASE_OPTION, base]
    return [program, SERVE, *where]


def mint(program: str, base: str) -> list[str]:
    """Return the command that makes a credential and prints it as JSON."""
    return [program, "auth", "pairing", "create", BASE_OPTION, base, "--ttl", TTL, "--json"]


def version(program: str) -> list[str]:
    """Return the command that prints the program's version."""
    return [program, VERSION_OPTION]


def version_of(printed: str) -> str:
    """Read the version that `--version` printed, empty when it is not one."""
    found = _VERSION.search(printed)
    return found[1] if found else ""


def is_serve(words: Sequence[str]) -> bool:
    """Whether a command line is that of a serve, at any path of its program."""
    return tuple(words[1:2]) == (SERVE,) and words[0].rpartition("/")[2] == PROGRAM


def base_of(words: Sequence[str]) -> str:
    """Return the base directory of a command line, empty when it names none."""
    for word, following in pairwise((*words, "")):
        if word == BASE_OPTION:
            return following
        if word.startswith(f"{BASE_OPTION}="):
            return word.partition("=")[2]
    return ""


def opens_database(words: Sequence[str]) -> bool:
    """Whether t3 opens and migrates the database for these words (without the program).

    An unknown word counts: up to 864 it starts a serve on the default directory.
    """
    return not _UNTOUCHING.intersection(words) and not _WITHOUT_DATABASE.intersection(words[:1])

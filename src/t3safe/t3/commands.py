"""t3's command line: what is run, by which words, and what t3safe sets in its environment.

Rules:

1. A command is a list of words, never a line for a shell.
2. `--version` and `--help` touch nothing.  Every other command that we run opens the database and
   migrates it, silently, under a running serve too: serve and mint are always of one build.  On the
   first command of V2 the database of V1 is copied, once and for all.

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
"""How long a credential lasts that we mint."""
MINTING: Final = "`auth pairing create`"
"""How a mint is called in messages."""

VARIABLES: Final = re.compile(r"T3CODE_[A-Z_]+")
"""The names of t3's own variables: settings, never secrets."""
NO_TELEMETRY: Final[Mapping[str, str]] = {"T3CODE_TELEMETRY_ENABLED": "false"}
"""No calls home: they are on by default, and log an error each second without a network."""
UNATTENDED: Final[Mapping[str, str]] = {"T3CODE_NO_BROWSER": "1", **NO_TELEMETRY}
"""For a serve that nobody sits before."""

_VERSION: Final = re.compile(r"^(?:.*\s)?v(\d\S*)\s*$", re.MULTILINE)
"""`t3 v0.0.28` as measured.  What stands before the version in V2 is not known; t3's own updater
reads the end of the line alone, and so does this (apps/server/src/cli/update.ts)."""
_UNTOUCHING: Final = frozenset({VERSION_OPTION, "--help"})
_WITHOUT_DATABASE: Final = frozenset({"service", "update", "uninstall"})
"""They make folders below the base directory, and open no database (V2, read off source)."""


def serve(program: str, host: str, port: int | str, base: str) -> list[str]:
    """Start a serve."""
    where = [HOST_OPTION, host, PORT_OPTION, str(port), BASE_OPTION, base]
    return [program, SERVE, *where]


def mint(program: str, base: str) -> list[str]:
    """Make a credential and print it as JSON."""
    return [program, "auth", "pairing", "create", BASE_OPTION, base, "--ttl", TTL, "--json"]


def version(program: str) -> list[str]:
    """Have the program tell its version."""
    return [program, VERSION_OPTION]


def version_of(printed: str) -> str:
    """Read what `--version` printed, empty where it is no version."""
    found = _VERSION.search(printed)
    return found[1] if found else ""


def is_serve(words: Sequence[str]) -> bool:
    """Whether a command line is that of a serve, by whatever path its program is called."""
    program = words[0].rpartition("/")[2] if words else ""
    return tuple(words[1:2]) == (SERVE,) and program == PROGRAM


def base_of(words: Sequence[str]) -> str:
    """Give the base directory that a command line names, empty where it names none."""
    for word, following in pairwise((*words, "")):
        if word == BASE_OPTION:
            return following
        if word.startswith(f"{BASE_OPTION}="):
            return word.partition("=")[2]
    return ""


def opens_database(words: Sequence[str]) -> bool:
    """Whether t3 opens and migrates the database for these words, its program left out.

    An unknown word counts: up to 864 it starts a serve on the default directory.
    """
    return not _UNTOUCHING.intersection(words) and not _WITHOUT_DATABASE.intersection(words[:1])

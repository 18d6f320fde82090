"""The command line of the fake t3.  Errors go to stdout, stderr stays empty, exit 1."""

from __future__ import annotations

import json
import os
import sys
import time
from typing import TYPE_CHECKING, NoReturn

from fakes.t3.app.build import ReleaseBehaviour, read_build

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fakes.t3.app.state import FakeDatabase

HELP = "USAGE\n  t3 [serve | auth | project] [flags] [<cwd>]"
DEFAULT_PORT = "3773"
_SWITCHES = {"--json", "--no-browser", "--help", "--version", "--yes"}
_OPTIONS = {
    *("--host", "--port", "--base-dir", "--ttl", "--label", "--role", "--scope", "--base-url"),
    *("--mode", "--origin"),
}


class UsageError(Exception):
    """The command line cannot be read."""


def main(package: str, arguments: list[str]) -> NoReturn:
    """Run one command of the release that lies in `package`, and exit."""
    build = read_build(package)
    if build.has("exits-silently"):
        sys.exit(0)
    try:
        words, options = parse(arguments)
        if "--version" in options or words[:1] in (["auth"], ["project"]):
            # A real one loads itself before it does anything; for a serve that is its start.
            time.sleep(build.command_time)
        _run(build, package, words, options)
    except UsageError as problem:
        print(problem)
        sys.exit(1)
    sys.exit(0)


def parse(arguments: list[str]) -> tuple[list[str], dict[str, str]]:
    """Split a command line into its words and its options; UsageError names what is unknown."""
    words: list[str] = []
    options: dict[str, str] = {}
    rest = list(arguments)
    while rest:
        first = rest.pop(0)
        name, equals, value = first.partition("=")
        if not first.startswith("-"):
            words.append(first)
        elif name in _SWITCHES:
            options[name] = "true"
        elif name in _OPTIONS and (equals or rest):
            options[name] = value if equals else rest.pop(0)
        else:
            raise UsageError(f"Received unknown argument: '{first}'")
    return words, options


def _run(build: ReleaseBehaviour, package: str, words: list[str], options: dict[str, str]) -> None:
    if "--version" in options:
        print(f"t3 v{build.faults.get('wrong-version', build.version)}")
        return
    if "--help" in options:
        print(HELP)
        return
    match words:
        case ["auth", "pairing", "create"]:
            _mint(build, options)
        case ["auth", "session", "list"] | ["project", "add", _]:
            with_database(build, options, lambda _database: None)
        case ["auth" | "project", *_]:
            raise UsageError(HELP)
        case ["serve", *_]:
            _serve(build, package, options)
        case _:
            if build.orchestration == 2:
                _refuse_what_starts_no_server(words, base_of(options))
            _serve(build, package, options)


def _refuse_what_starts_no_server(words: list[str], base: Path) -> None:
    """With V2 an unknown bare word is an error, and a bare `t3` or `start` looks for a serve."""
    word = words[0] if words else "start"
    if word == "start":
        try:
            text = (base / "userdata" / "server-runtime.json").read_text(encoding="utf-8")
            found = int(json.loads(text)["pid"])
            os.kill(found, 0)
        except (OSError, ValueError, KeyError, TypeError):
            return
        raise UsageError(f"A T3 Code server is already running for {base} (pid {found}).")
    if word in (".", "..", "~") or "/" in word or os.path.isdir(word):  # noqa: PTH112 - as in build.py
        return
    raise UsageError(f'Unknown command "{word}". Use "t3 --help" to see the available commands.')


def base_of(options: dict[str, str]) -> Path:
    """Give the base directory: the option's, the environment's or the default."""
    from pathlib import Path  # noqa: PLC0415 - `--version` does without it

    given = options.get("--base-dir") or os.environ.get("T3CODE_HOME")
    return Path(given) if given else Path.home() / ".t3"


def _serve(build: ReleaseBehaviour, package: str, options: dict[str, str]) -> NoReturn:
    from fakes.t3.app.serve import ServeSettings, serve  # noqa: PLC0415 - only a serve pays for it

    host = options.get("--host") or os.environ.get("T3CODE_HOST", "127.0.0.1")
    port = options.get("--port") or os.environ.get("T3CODE_PORT", DEFAULT_PORT)
    if not port.isdigit():
        raise UsageError(f"Invalid port: {port}")
    serve(
        build,
        ServeSettings(host, int(port), base_of(options)),
        native=_native_module_works(build, package),
    )


def _native_module_works(build: ReleaseBehaviour, package: str) -> bool:
    """Whether node-pty was built: its install script was run, not skipped."""
    if not build.native:
        return True
    folder = os.path.realpath(package)
    while folder != "/":
        module = f"{folder}/node_modules/node-pty"
        if os.path.isdir(module):  # noqa: PTH112 - as in build.py
            return os.path.exists(f"{module}/build/Release/pty.node")  # noqa: PTH110
        folder = os.path.dirname(folder)
    return False


def with_database(
    build: ReleaseBehaviour, options: dict[str, str], act: Callable[[FakeDatabase], object]
) -> None:
    """Open the database and migrate it, as every such command does, silently; then act."""
    import sqlite3  # noqa: PLC0415 - `--version` does without it

    from fakes.t3.app.state import (  # noqa: PLC0415
        MigrationError,
        migrate,
        open_database,
    )

    try:
        database = open_database(base_of(options), build)
        migrate(database, build)
        act(database)
        database.close()
    except (sqlite3.Error, MigrationError, OSError, ValueError) as error:
        print(f"Error: {error}")
        sys.exit(1)


def _mint(build: ReleaseBehaviour, options: dict[str, str]) -> None:
    if build.has("mint-prints-nothing"):
        return
    if build.has("mint-database-locked") and _locked_once_more(build, base_of(options)):
        raise UsageError("Error: database is locked")

    def mint(database: FakeDatabase) -> None:
        from fakes.t3.app import auth  # noqa: PLC0415

        if build.has("mint-fails"):
            raise ValueError("Failed to create pairing credential.")
        ttl = auth.seconds_of(options.get("--ttl", "5m"))
        role = options.get("--role", "client")
        link = auth.create_link(database, build, ttl, "one-time-token", role)
        shown = {
            "id": link.id,
            "credential": link.credential,
            link.grant.column: link.grant.shown(),
            "expiresAt": link.expires_at,
        }
        print(json.dumps(shown, indent=2) if "--json" in options else link.credential)
        print()

    with_database(build, options, mint)


def _locked_once_more(build: ReleaseBehaviour, base: Path) -> bool:
    """Count the mints on this base directory that the fault has failed."""
    counter = base / "caches" / f"locked-mints-{build.version}"
    counter.parent.mkdir(parents=True, exist_ok=True)
    failed = int(counter.read_text(encoding="utf-8")) if counter.exists() else 0
    if failed >= build.number("mint-database-locked"):
        return False
    counter.write_text(str(failed + 1), encoding="utf-8")
    time.sleep(0.05)
    return True

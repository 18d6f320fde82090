"""What V2's command line has beside the measured one.

Read off public source: an unknown bare word starts no server, a bare `t3` and `start` refuse where
a serve runs (`serve` itself does not look), `pair` mints into the database of the serve that runs.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from fakes.t3.app import auth
from fakes.t3.app.main import HELP, UsageError, base_of, with_database
from fakes.t3.app.state import stamp

if TYPE_CHECKING:
    from pathlib import Path

    from fakes.t3.app.build import Build
    from fakes.t3.app.state import Database

DESCRIPTOR_SECONDS = 2.5
"""How long `pair` waits for a serve's descriptor."""


def run(build: Build, words: list[str], options: dict[str, str]) -> bool:
    """Run a command; False where what was asked for is a serve.  UsageError refuses it."""
    match words:
        case [] | ["start", *_]:
            _refuse_a_second(base_of(options))
            return False
        case ["pair"]:
            _pair(build, options)
        case ["auth" | "project", *_]:
            _run_auth(build, words, options)
        case ["service" | "update", *_]:
            for folder in ("userdata", "caches", "runtime"):
                (base_of(options) / folder).mkdir(parents=True, exist_ok=True)
            print("Nothing to do.")
        case [word, *_]:
            _refuse_a_word(word)
            return False
        case _:
            raise UsageError(HELP)
    return True


def _refuse_a_word(word: str) -> None:
    if word in (".", "..", "~") or "/" in word or os.path.isdir(word):  # noqa: PTH112 - as in build.py
        return
    raise UsageError(f'Unknown command "{word}". Use "t3 --help" to see the available commands.')


def _run_auth(build: Build, words: list[str], options: dict[str, str]) -> None:
    match words:
        case ["auth", "pairing", "revoke", link]:
            _revoke(build, options, ("auth_pairing_links", "id"), link)
        case ["auth", "session", "revoke", session]:
            _revoke(build, options, ("auth_sessions", "session_id"), session)
        case _:
            raise UsageError(HELP)


def _runtime(base: Path) -> dict[str, object]:
    """Read server-runtime.json of a serve that lives; empty when there is none."""
    try:
        found = json.loads((base / "userdata" / "server-runtime.json").read_text(encoding="utf-8"))
        os.kill(found["pid"], 0)
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return dict(found)


def _refuse_a_second(base: Path) -> None:
    found = _runtime(base)
    if found:
        raise UsageError(f"A T3 Code server is already running for {base} (pid {found['pid']}).")


def _pair(build: Build, options: dict[str, str]) -> None:
    import urllib.request  # noqa: PLC0415 - only `pair` pays for it

    base = base_of(options)
    origin = str(_runtime(base).get("origin", ""))
    try:
        address = f"{origin}/.well-known/t3/environment"
        with urllib.request.urlopen(address, timeout=DESCRIPTOR_SECONDS) as answer:
            label = json.loads(answer.read())["label"]
    except (OSError, ValueError, KeyError) as error:
        looked = base / "userdata" / "server-runtime.json"
        raise UsageError(f"No running T3 Code server found.\n  {looked}") from error

    def mint(database: Database) -> None:
        ttl = auth.seconds_of(options.get("--ttl", "5m"))
        link = auth.create_link(database, build, ttl, "one-time-token", "client")
        shown = {
            "origin": origin,
            "pairingUrl": f"{origin}/pair#token={link.credential}",
            "token": link.credential,
            "expiresAt": link.expires_at,
            "serverLabel": label,
        }
        print(json.dumps(shown) if "--json" in options else shown["pairingUrl"])

    with_database(build, options, mint)


def _revoke(build: Build, options: dict[str, str], column: tuple[str, str], found: str) -> None:
    table, key = column

    def revoke(database: Database) -> None:
        with database.write() as connection:
            connection.execute(
                f"UPDATE {table} SET revoked_at = ? WHERE {key} = ?", (stamp(), found)
            )

    with_database(build, options, revoke)

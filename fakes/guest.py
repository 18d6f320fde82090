"""What is done inside the host image: people are moved in, releases published, sign-ins tried.

    python3 -m fakes.guest VERB < ARGUMENTS.json > ANSWER.json

The image has no other tools than Debian's, so this module needs the standard library and attrs
alone.  It runs as root; whatever it does to a person's files it does as that person.
"""

from __future__ import annotations

import http.client
import json
import os
import pwd
import shutil
import sqlite3
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

from fakes.t3.client import PersonClient, SignInError, WorkRefusedError, live_database
from fakes.t3.states import count_rows, populate

DISPATCH: Final = "http://127.0.0.1:3780"
REGISTRY: Final = "127.0.0.1:4873"
KEPT: Final = Path("/var/lib/t3-pristine")
"""What `restore` goes back to: a copy of each of these, as it was when `save` was called."""
PARTS: Final = (
    "/etc/systemd/system",
    "/etc/t3-dispatch",
    "/etc/t3-serve",
    "/etc/t3safe",
    "/etc/ttyd-user-map",
    "/opt/t3safe",
    "/usr/bin/t3",
    "/usr/lib/node_modules",
    "/var/lib/t3-autoupdate",
)
GONE: Final = (
    "/etc/t3-autoupdate.freeze",
    "/var/backups/t3-state",
    "/etc/default/t3-autoupdate",
)
FOLDERS: Final = "/etc/tmpfiles.d/t3safe.conf"
PEOPLE: Final = ("ann", "ben", "cat", "wizard")


def as_person(person: str, act: Callable[[], object]) -> None:
    """Do something in a child that is this person."""
    entry = pwd.getpwnam(person)
    child = os.fork()
    if child == 0:
        try:
            os.initgroups(person, entry.pw_gid)
            os.setgid(entry.pw_gid)
            os.setuid(entry.pw_uid)
            os.umask(0o022)
            os.chdir(entry.pw_dir)
            act()
        except BaseException:  # noqa: BLE001 - a fork must not run on in its parent's place
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        raise RuntimeError(f"a child that works as {person} failed")


def base(person: str) -> Path:
    """A person's base directory."""
    return Path("/home", person, ".t3")


def database(person: str) -> Path:
    """A person's live database: that of the newest generation that is there."""
    return live_database(base(person))


def port(person: str) -> int:
    """The port of a person's serve."""
    text = Path(f"/etc/t3-serve/{person}.env").read_text(encoding="utf-8")
    return int(text.partition("T3_PORT=")[2].split()[0])


def systemctl(*words: str, check: bool = True) -> str:
    """Call systemctl and give what it printed."""
    ran = subprocess.run(["systemctl", *words], check=check, capture_output=True, text=True)
    return ran.stdout


# The verbs.


def move_in(people: dict[str, dict[str, Any]]) -> None:
    """Give these people a state set each (see `populate`), in place of what they have."""
    for person, holds in people.items():
        as_person(person, partial(_settle, base(person), {"level": 30} | holds))


def _settle(folder: Path, holds: dict[str, Any]) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    populate(folder, **holds)


def start(people: Iterable[str]) -> None:
    """Start these people's serves, and wait until each answers."""
    systemctl("start", *(f"t3-serve@{person}" for person in people))
    for person in people:
        wait_for(person)


def wait_for(person: str, seconds: float = 15.0) -> None:
    """Wait until a person's serve answers; TimeoutError when it does not."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        connection = http.client.HTTPConnection("127.0.0.1", port(person), timeout=0.3)
        with closing(connection), suppress(OSError, http.client.HTTPException):
            connection.request("GET", "/api/auth/session")
            if connection.getresponse().status == 200:
                return
        time.sleep(0.02)
    raise TimeoutError(f"the serve of {person} does not answer")


def save() -> None:
    """Keep the host as it is now."""
    shutil.rmtree(KEPT, ignore_errors=True)
    KEPT.mkdir(mode=0o700)
    there = [part for part in (*PARTS, *homes()) if os.path.lexists(part)]
    subprocess.run(["tar", "-cpf", str(KEPT / "host.tar"), "-C", "/", *_below(there)], check=True)


def _below(paths: Iterable[str]) -> list[str]:
    return [path.lstrip("/") for path in paths]


def homes() -> list[str]:
    """What the people have below their homes."""
    return [str(base(person)) for person in PEOPLE]


def restore(running: Iterable[str] = (), user_map: str = "") -> None:
    """Go back to what was kept, with no freeze, snapshot, drop-in or process of later days."""
    systemctl("kill", "-s", "KILL", "t3-serve@*", "t3safe-*", "t3-autoupdate*", check=False)
    systemctl("stop", "t3-serve@*", "t3safe-*", "t3-autoupdate*", "t3-migrate-idle*", check=False)
    _clear()
    if (KEPT / "host.tar").exists():
        subprocess.run(["tar", "-xpf", str(KEPT / "host.tar"), "-C", "/"], check=True)
    if user_map:
        Path("/etc/ttyd-user-map").write_text(user_map, encoding="utf-8")
    if Path(FOLDERS).exists():
        subprocess.run(["systemd-tmpfiles", "--create", FOLDERS], check=True)
    systemctl("daemon-reload")
    systemctl("reset-failed", check=False)
    systemctl("restart", "npm-registry", "t3-dispatch")
    start(tuple(running))


def _clear() -> None:
    """Remove everything that a test may have made or changed."""
    for part in (*PARTS, *homes(), *GONE):
        _remove(part)
    for person in PEOPLE:
        for path in Path("/home", person).iterdir():
            if path.name not in {".bashrc", ".profile", ".bash_logout"}:
                _remove(str(path))
    for path in Path("/var/tmp").glob("t3safe-*"):
        _remove(str(path))


def _remove(path: str) -> None:
    if Path(path).is_dir() and not Path(path).is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(FileNotFoundError):
            os.unlink(path)


def registry(command: str, **given: Any) -> object:
    """Steer the registry: publish, tag, untag, fail, fix."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        connection = http.client.HTTPConnection(REGISTRY, timeout=10)
        with closing(connection), suppress(ConnectionRefusedError):
            connection.request("POST", f"/-/fake/{command}", json.dumps(given))
            answer = connection.getresponse()
            body = answer.read()
            if answer.status != 200:
                raise RuntimeError(body.decode())
            return json.loads(body)
        time.sleep(0.02)
    raise TimeoutError("the registry does not answer")


def sign_in(login: str) -> dict[str, Any]:
    """Sign in through the dispatch as a browser does, and work once."""
    client = PersonClient(DISPATCH, login)
    try:
        cookie = client.sign_in()
        held = client.authenticated()
        rows = client.work() if held else []
    except (SignInError, WorkRefusedError, OSError) as error:
        return {"ok": False, "why": str(error)}
    return {
        "ok": held,
        "cookie": cookie,
        "secret": client.cookie.partition("=")[2],
        "rows": [[row.table, row.key] for row in rows],
        "version": rows[0].version if rows else "",
    }


def turn(login: str, action: str) -> None:
    """Start or finish a turn of a person."""
    client = PersonClient(DISPATCH, login)
    client.sign_in()
    client.turn(action)


def look(people: Iterable[str]) -> dict[str, Any]:
    """Read how people stand: link, ledger, rows, process and what it runs."""
    return {person: _person(person) for person in people}


def _person(person: str) -> dict[str, Any]:
    link = Path("/opt/t3safe/users", person)
    pid = int(systemctl("show", "-p", "MainPID", "--value", f"t3-serve@{person}") or 0)
    words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0") if pid else []
    builds = [word.decode().split("/")[4] for word in words if word.startswith(b"/opt/t3safe/b")]
    return {
        "link": os.readlink(link) if link.is_symlink() else "",
        "ledger": ledger(person),
        "rows": count_rows(database(person)) if database(person).exists() else {},
        "pid": pid,
        "runs": builds[0] if builds else "",
    }


def ledger(person: str) -> list[list[Any]]:
    """The pairs of a person's ledger."""
    if not database(person).exists():
        return []
    with closing(sqlite3.connect(f"{database(person).as_uri()}?mode=ro", uri=True)) as opened:
        query = "SELECT migration_id, name FROM effect_sql_migrations ORDER BY 1"
        return [list(row) for row in opened.execute(query)]


def holds(person: str, rows: list[list[str]]) -> list[list[str]]:
    """The rows among these that a person's database does not hold."""
    from fakes.t3.app.work import KEYS, V2_KEYS  # noqa: PLC0415 - one verb needs it

    keys = KEYS | V2_KEYS

    with closing(sqlite3.connect(f"{database(person).as_uri()}?mode=ro", uri=True)) as opened:
        return [
            [table, key]
            for table, key in rows
            if not opened.execute(
                f"SELECT 1 FROM {table} WHERE {keys[table]} = ?", (key,)
            ).fetchone()
        ]


# Measuring.


def timed(commands: Iterable[list[str]], environment: dict[str, str] | None = None) -> list[Any]:
    """Run commands one after another; wall and processor seconds, peak memory (KiB), status.

    Processor time and memory are those of the command and of everything that it waited for.
    """
    return [_timed(words, {**os.environ, **(environment or {})}) for words in commands]


def _timed(words: list[str], environment: dict[str, str]) -> dict[str, float]:
    begun = time.perf_counter()
    with subprocess.Popen(
        words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, env=environment
    ) as running:
        _, status, used = os.wait4(running.pid, 0)
        wall = time.perf_counter() - begun
        running.returncode = os.waitstatus_to_exitcode(status)
    return {
        "wall": wall,
        "cpu": used.ru_utime + used.ru_stime,
        "kib": used.ru_maxrss,
        "status": running.returncode,
    }


def bare_move(person: str, build: str = "") -> float:
    """Stop a person's serve, let the link lead to a build, start it, sign in; the seconds it took.

    What no updater can be faster than.  Without a build the link stays as it is.
    """
    begun = time.perf_counter()
    systemctl("stop", f"t3-serve@{person}")
    if build:
        fresh = Path(f"/opt/t3safe/users/.{person}.bench")
        fresh.symlink_to(f"../builds/{build}")
        fresh.replace(Path("/opt/t3safe/users", person))
    systemctl("start", f"t3-serve@{person}")
    signed_in(person)
    return time.perf_counter() - begun


def bare_moves(people: Iterable[str], build: str = "") -> float:
    """Move people side by side; the seconds until the last one signed in."""
    begun = time.perf_counter()
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda person: bare_move(person, build), people))
    return time.perf_counter() - begun


def signed_in(person: str, seconds: float = 120.0) -> float:
    """Wait until a person can sign in through the dispatch; when that was (s since the epoch)."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        wait_for(person, deadline - time.monotonic())
        client = PersonClient(DISPATCH, person)
        with suppress(SignInError, OSError):
            client.sign_in()
            if client.authenticated():
                return time.time()
        time.sleep(0.02)
    raise TimeoutError(f"{person} cannot sign in")


def journaled() -> list[dict[str, Any]]:
    """Every event of the newest run, as the journal holds it."""
    path = Path("/var/lib/t3-autoupdate/journal.sqlite")
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as opened:
        query = "SELECT body FROM events WHERE run = (SELECT run FROM events ORDER BY number DESC)"
        return [json.loads(body) for (body,) in opened.execute(f"{query} ORDER BY number")]


VERBS: Final[dict[str, Callable[..., object]]] = {
    "move_in": move_in,
    "start": start,
    "wait_for": wait_for,
    "save": save,
    "restore": restore,
    "registry": registry,
    "sign_in": sign_in,
    "turn": turn,
    "look": look,
    "holds": holds,
    "timed": timed,
    "bare_move": bare_move,
    "bare_moves": bare_moves,
    "signed_in": signed_in,
    "journaled": journaled,
}


def main() -> None:
    """Do the steps on standard input, a list of [verb, arguments], and print each answer."""
    steps = json.load(sys.stdin)
    answers = [VERBS[verb](**given) for verb, given in steps]
    json.dump(answers, sys.stdout)


if __name__ == "__main__":
    main()

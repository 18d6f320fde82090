"""`t3 serve`: the order of events is the measured one, the times are a fifth of it.

Bind (a port in use ends it before any migration), migrate, `Listening on`, answer, banner with its
secrets; SIGTERM or SIGINT end it with 130 and no log beside the database.

V2 (read off public source, not measured) answers `/` and the descriptor from the migrations on,
while it still starts, and keeps every other request waiting.  It imports V1's threads and settles
what was in flight before it is ready; then it imports transcripts, and does what `startwork` lists.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from fakes.t3.app import auth
from fakes.t3.app.http import FakeRequest, HttpServer, Response
from fakes.t3.app.routes import Site, early_answer, provider_on_path
from fakes.t3.app.state import (
    FakeDatabase,
    MigrationError,
    SmallFiles,
    ensure_small_files,
    has_legacy_rows,
    migrate,
    open_database,
    stamp,
)

if TYPE_CHECKING:
    from pathlib import Path

    from fakes.t3.app.build import ReleaseBehaviour
    from fakes.t3.app.startwork import StartWork

STOPPED = 130
"""The exit status of a clean stop."""
STOP_TIME = 0.02


class StopError(Exception):
    """A signal asked the serve to stop."""


class StartError(Exception):
    """The serve cannot start; the text is its last line."""


class ServeSettings(NamedTuple):
    """Where a serve binds and what it works on."""

    host: str
    port: int
    base: Path


def log(text: str, level: str = "INFO") -> None:
    """Write a line as t3's logger does, at once."""
    now = time.time()
    clock = time.strftime("%H:%M:%S", time.gmtime(now))
    print(f"[{clock}.{int(now * 1000) % 1000:03d}] {level} (#1): {text}", flush=True)


def serve(build: ReleaseBehaviour, settings: ServeSettings, *, native: bool) -> NoReturn:
    """Run a serve until a signal ends it."""
    _install_signals(build)
    server = FakeServe(build, settings)
    try:
        if not native:
            raise StartError(
                "Error: Failed to load native module: pty.node, checked: build/Release,"
                " build/Debug: Error: Cannot find module '../build/Release/pty.node'"
                " (node_modules/node-pty/lib/index.js)"
            )
        server.start()
        while True:
            signal.pause()
    except StopError:
        server.stop()
        _leave(STOPPED)
    except StartError as problem:
        print(problem, flush=True)
    except (sqlite3.Error, MigrationError, OSError) as error:
        log(f"{type(error).__name__}: {error}", "ERROR")
    _leave(1)


def _leave(status: int) -> NoReturn:
    sys.stdout.flush()
    os._exit(status)


def _install_signals(build: ReleaseBehaviour) -> None:
    # Whoever started this may have it ignored (nohup does); t3 dies of it all the same.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

    def stop(_number: int, _frame: object) -> None:
        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, signal.SIG_IGN)
        raise StopError

    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, signal.SIG_IGN if build.has("ignores-sigterm") else stop)


class FakeServe:
    """One run of `t3 serve`."""

    def __init__(self, build: ReleaseBehaviour, settings: ServeSettings) -> None:
        self._build = build
        self._host, self._port, self._base = settings
        self._userdata = settings.base / "userdata"
        self._http: HttpServer | None = None
        self._database: FakeDatabase | None = None
        self._files: SmallFiles | None = None
        self._site: Site | None = None
        self._opened = threading.Event()
        self._work: StartWork | None = None

    def start(self) -> None:
        """Start in the measured order; StartError, sqlite3.Error or MigrationError end it."""
        self._run_foreign()
        time.sleep(self._build.start_time)
        self._wear_out()
        if self._build.has("forks-and-stays"):
            self._leave_a_child()
        listening = time.monotonic()
        self._bind()
        files = self._files = ensure_small_files(self._userdata, self._build.schema)
        self._start_badly()
        self._database = open_database(self._base, self._build)
        self._migrate(self._database)
        if self._build.orchestration == 2:
            self._answer_early()
            self._take_over(self._database)
        self._open_site(self._database, files)
        self._write_runtime()
        time.sleep(max(0.0, listening + self._window() - time.monotonic()))
        if self._http is None:
            return
        log(f"Listening on http://{self._host}:{self._http.port}")
        self._greet(self._database)
        self._opened.set()
        if not self._build.has("listens-never-answers"):
            self._http.ready.set()
        self._haunt()
        if self._build.orchestration == 2:
            threading.Thread(target=self._work_beside, args=(self._database,), daemon=True).start()

    def stop(self) -> None:
        """Stop cleanly: nothing half-written, no log, no runtime file."""
        time.sleep(self._build.number("slow-stop") if self._build.has("slow-stop") else STOP_TIME)
        if self._http is not None:
            self._http.close()
        if self._build.orchestration == 2 and self._opened.is_set():
            self._reconcile()
        with suppress(OSError):
            (self._userdata / "server-runtime.json").unlink()
        if self._database is not None:
            self._database.close()

    # --- V2 alone --------------------------------------------------------------------------------

    def _start_badly(self) -> None:
        """Answer and not get on with the start, or never to its end, where a fault says so."""
        build = self._build
        if build.has("startup-fails"):
            self._answer_early()
            time.sleep(build.number("startup-fails"))
            raise StartError("ERROR: server runtime startup failed")
        if build.has("startup-takes"):
            self._answer_early()
            time.sleep(build.number("startup-takes"))

    def _answer_early(self) -> None:
        """Answer the front page and the descriptor from now on, whatever comes of the start."""
        for folder in ("caches", "worktrees", "scratch", "runtime"):
            (self._base / folder).mkdir(exist_ok=True)
        if self._http is not None and not self._build.has("listens-never-answers"):
            _after(self._build.listen_window, self._http.ready.set)

    def _take_over(self, database: FakeDatabase) -> None:
        """Import V1's threads, settle what was in flight, delete what is superseded."""
        from fakes.t3.app import compaction, recovery, v1import  # noqa: PLC0415 - only V2 pays

        imported = v1import.import_shells(database, self._build)
        if imported:
            log(f"Imported legacy v1 thread shells {{ importedThreadCount: {imported} }}")
        settled = recovery.settle(database, graceful=False)
        log(f"V2 orchestration recovery completed {settled.shown()}")
        if self._build.compaction != "never":
            compaction.compact(database)
        compaction.misbehave(database, self._build)

    def _work_beside(self, database: FakeDatabase) -> None:
        """Do what goes on after the banner; a stop may close the database in the middle."""
        from fakes.t3.app import compaction, startwork, v1import  # noqa: PLC0415 - only V2 pays

        with suppress(sqlite3.Error):
            self._work = startwork.StartWork(database, self._userdata, log)
            self._work.do_all()
            hydrated = v1import.hydrate(database)
            if hydrated:
                log(f"Hydrated legacy v1 thread transcripts {{ hydratedThreadCount: {hydrated} }}")
            if self._build.compaction == "always":
                compaction.compact(database)
            if hydrated:
                compaction.misbehave(database, self._build)

    def _reconcile(self) -> None:
        """Settle what is in flight, as a stop does itself."""
        from fakes.t3.app import recovery  # noqa: PLC0415 - only V2 pays for it

        if self._work is not None:
            self._work.end()
        if self._database is not None:
            with suppress(sqlite3.Error):
                settled = recovery.settle(self._database, graceful=True)
                log(f"V2 orchestration shutdown reconciliation completed {settled.shown()}")

    def _bind(self) -> None:
        if self._build.has("never-listens"):
            return
        port = self._port
        try:
            self._http = HttpServer(self._host, port, self._answer)
        except OSError as error:
            raise StartError(
                f"Error: listen EADDRINUSE: address already in use {self._host}:{port}"
                if error.errno == 98
                else f"Error: listen {error.strerror}: {self._host}:{port}"
            ) from error

    def _answer(self, request: FakeRequest) -> Response:
        if self._build.orchestration == 1:
            return self._site.answer(request) if self._site is not None else Response(500)
        if self._site is None and self._files is not None:
            early = early_answer(self._build, self._files, request)
            if early is not None:
                return early
        self._opened.wait()
        return self._site.answer(request) if self._site is not None else Response(500)

    def _window(self) -> float:
        extra = 0.0
        if self._build.has("slow-provider-probe") and provider_on_path():
            extra = self._build.number("slow-provider-probe")
        return self._build.listen_window + extra

    def _migrate(self, database: FakeDatabase) -> None:
        if not self._build.quiet_migrations:
            log("Running all migrations...")
        ran = migrate(database, self._build, lambda text: log(text, "WARN"))
        if ran and self._build.quiet_migrations:
            log("Running all migrations...")
        if ran or not self._build.quiet_migrations:
            names = ", ".join(f"'{name}'" for name in ran)
            log(f"Migrations ran successfully {{ migrations: [{names and f' {names} '}] }}")

    def _open_site(self, database: FakeDatabase, files: SmallFiles) -> None:
        poisoned = self._build.has("migration-fails-on-legacy-rows") and has_legacy_rows(database)
        if poisoned:
            log(
                "PersistenceDecodeError: Failed to decode row of orchestration_events:"
                ' Missing key at ["payload"]["turnId"]',
                "ERROR",
            )
        port = self._http.port if self._http is not None else self._port
        self._site = Site(
            self._build, self._host, port, self._userdata, database, files, log, poisoned, set()
        )

    def _write_runtime(self) -> None:
        port = self._http.port if self._http is not None else self._port
        content = {"version": 1, "pid": os.getpid(), "host": self._host, "port": port}
        if self._build.orchestration == 2:
            content |= {"origin": f"http://{self._host}:{port}", "serviceManaged": False}
        content |= {"startedAt": stamp()}
        path = self._userdata / "server-runtime.json"
        path.write_text(json.dumps(content, indent=2), encoding="utf-8")
        with (self._userdata / "logs" / "server.trace.ndjson").open("a", encoding="utf-8") as file:
            file.write(json.dumps({"name": "serve", "startedAt": content["startedAt"]}) + "\n")

    def _greet(self, database: FakeDatabase) -> None:
        """Add the start's own pairing link and show it; without the link there is no banner."""
        try:
            link = auth.create_link(database, self._build, 300, "owner-bootstrap", "owner")
        except sqlite3.Error:
            return
        port = self._http.port if self._http is not None else self._port
        address = f"http://{self._host}:{port}"
        print("T3 Code server is ready.", flush=True)
        print(f"Connection string: {address}", flush=True)
        print(f"Token: {link.credential}", flush=True)
        print(f"Pairing URL: {address}/pair#token={link.credential}", flush=True)
        print(auth.drawn(link.credential), flush=True)

    def _wear_out(self) -> None:
        if not self._build.has("works-once"):
            return
        marker = self._userdata / "logs" / f"ran-{self._build.version}"
        if marker.exists():
            raise StartError("Error: Cannot find module './chunks/server.mjs'")
        marker.parent.mkdir(parents=True, exist_ok=True)
        marker.touch()

    def _run_foreign(self) -> None:
        """Start what a hostile release brings; what it prints goes to the serve's own log."""
        if not self._build.has("runs"):
            return
        import subprocess  # noqa: PLC0415 - only this fault pays for it

        subprocess.Popen(["/bin/sh", "-c", self._build.faults["runs"]], start_new_session=True)

    def _leave_a_child(self) -> None:
        if os.fork():
            return
        os.setsid()
        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, signal.SIG_DFL)
        null = os.open(os.devnull, os.O_RDWR)
        for descriptor in range(3):
            os.dup2(null, descriptor)
        self._userdata.mkdir(parents=True, exist_ok=True)
        with (self._userdata / self._build.database).open("ab"):
            time.sleep(self._build.number("forks-and-stays"))
        os._exit(0)

    def _haunt(self) -> None:
        """Start what a fault, or telemetry without a network, does beside the work."""
        build = self._build
        if os.environ.get("T3CODE_TELEMETRY_ENABLED", "true").lower() not in ("false", "0"):
            _every(1.0, lambda: log("telemetry flush failed\n  cause: getaddrinfo", "ERROR"))
        if build.has("logs-persistence-errors"):
            period = build.number("logs-persistence-errors")
            text = "PersistenceSqlError: Failed to append event: SQLITE_ERROR: no such column"
            _every(period, lambda: log(text, "ERROR"))
        if build.has("dies-after"):
            _after(build.number("dies-after"), lambda: os._exit(1))
        if build.has("heap-exhausted"):
            _after(build.number("heap-exhausted"), _exhaust_heap)


def _exhaust_heap() -> None:
    import resource  # noqa: PLC0415 - only this fault pays for it

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    print(
        "FATAL ERROR: Ineffective mark-compacts near heap limit Allocation failed"
        " - JavaScript heap out of memory",
        flush=True,
    )
    os.abort()


def _after(seconds: float, act: Callable[[], object]) -> None:
    timer = threading.Timer(seconds, act)
    timer.daemon = True
    timer.start()


def _every(seconds: float, act: Callable[[], object]) -> None:
    def repeat() -> None:
        while True:
            act()
            time.sleep(seconds)

    threading.Thread(target=repeat, daemon=True).start()

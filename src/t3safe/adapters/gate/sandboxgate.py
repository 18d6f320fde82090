"""The port Gate: who is rehearsed when, with how much disk space, and what is made of it.

Rules:

1. The ledger of empty data is what every other copy must end with: each is held to it once all
   have been rehearsed.
2. They are held side by side, as many at a time as are allowed and as processors, memory and disk
   have space for.
3. A failed check is an answer, unless a time limit ran out on an overloaded host.  Whatever keeps
   a rehearsal from being held is a GateError, and then every other rehearsal of the batch is ended
   too: half a batch proves nothing.
4. A snapshot is never touched: builds see copies.  What is handed out of one goes to the worker
   in the sandbox, which unpacks it as who the build will run as; it never passes through us.
5. Evidence of each rehearsal is kept for the person who asks why a build was refused, in
   `<root>/<time>-<build>-<subject>/`: `report.json`, and `serve.log`, the redacted last part of the
   serve's log.  Only root (or the one user of an embedded host) can read it: people's tables are
   named there, and their counts.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, nullcontext, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Final, Protocol

import psutil
from attrs import astuple, field, frozen

from t3safe.adapters._support import durable
from t3safe.adapters._support.archive import SLACK
from t3safe.adapters._support.identity import powerless
from t3safe.adapters._support.units import RehearsalUnits
from t3safe.adapters.gate.messages import (
    STEP_SECONDS,
    RehearsalReport,
    RehearsalRequest,
    SandboxUser,
    plain,
)
from t3safe.adapters.gate.programs import node_program, node_version, sealed_version
from t3safe.adapters.gate.sandbox import Sandbox, Workers
from t3safe.adapters.gate.scratch import ScratchSpace, free_bytes
from t3safe.adapters.gate.view import worker_folders
from t3safe.domain.allowance import Allowance
from t3safe.domain.checks import Check, DispatchKnowledge, held_to
from t3safe.domain.effects import Subject
from t3safe.domain.errors import Fault, GateError, PortError
from t3safe.domain.gate import EMPTY, Rehearsal
from t3safe.domain.ledgers import SetLedger
from t3safe.domain.people import valid_person
from t3safe.domain.redaction import redact
from t3safe.domain.versions import Version
from t3safe.t3.harmless import PROGRAMS

GATE: Final = 5
"""The version of the gate's judgement; raise it when a build that failed might pass now."""
SERVE_BYTES: Final = 768 * 1024**2
"""Memory for one rehearsal: a serve takes up to 305 MB and a mint runs beside it."""
_SOAK: Final = Allowance(90.0, 30.0)
_DEADLINE: Final = Allowance(30.0, 60.0)
_SLACK: Final = 600.0
"""Seconds beside starts, stops and soak: the commands and requests have limits of their own."""


class HandedOut(Protocol):
    """A person's set on its way: an archive that ends, or breaks off where `finish` raises."""

    @property
    def stream(self) -> IO[bytes]:
        """The archive; it is read until its end or not at all."""

    def finish(self) -> None:
        """Hear that all was handed out, or that nobody wanted it.

        May raise what the context that gave it turns into a PortError.
        """


@frozen
class SandboxGate:
    """Rehearses builds in sandboxes; sizes in bytes, times in seconds.

    Args:
        program: the program of a build, `layout.PROGRAM` below its folder.
        hand_out: hands out the set of (person, snapshot) as an archive, laid out as it lies at
            home; may raise a PortError or OSError, also on the way out and in `finish`.
        set_size: the size of that set.
        evidence: the folder below which evidence is kept.
        tmp: where sandboxes are made, with space for copies of databases.
        sandbox: what rehearsals run in, see `choose_sandbox`.
        units: what units may see, for the sandbox that is a unit; None elsewhere.
        user: whom rehearsals run as when we are root, a user who owns nothing on this host; None
            where they run as we do, or in a unit, which brings a user of its own.
        node: the node that the units run, a path or a name on our PATH.
        bind_host: where serves bind; production binds 0.0.0.0, and t3 names its cookie by it.
        port: where serves bind in a network of their own; elsewhere any free port is taken.
        soak: how long a serve must hold out.
        deadline: for one start.  Both grow with the set, as `units.memory` does.
        stop_limit: for one stop.
        tolerance: the share of a table's rows that a migration may clean up.
        dispatch: what the host's dispatch knows.
        jobs: how many rehearsals may be held at a time, as loaded as the host is now.
        strained: why a time limit that ran out is the host's fault, empty where it is not.
        evidence_keep: of how many batches evidence is kept.
        alone: whether no control is tried where a copy is no good: then nothing is proven.
        slack: how much longer than all of its limits a rehearsal may take.
        python: the interpreter that has t3safe; `user` must be able to run it.
        free_space: the bytes that are free at a path.
        learned: hears which migrations a build that passed on empty data was seen to know; may
            raise a PortError, and hears it again then after the next rehearsal.
        at: hears at which step a person's rehearsal is and how many seconds that lasts, 0 where
            nobody knows; an empty step says that it ended.
    """

    program: Callable[[Version], Path]
    hand_out: Callable[[str, str], AbstractContextManager[HandedOut]]
    set_size: Callable[[str, str], int]
    evidence: Path
    tmp: Path
    sandbox: Sandbox
    units: RehearsalUnits | None = None
    user: str | None = None
    node: str = "node"
    bind_host: str = "0.0.0.0"  # noqa: S104 - as production binds
    port: int = 3799
    soak: Allowance = _SOAK
    deadline: Allowance = _DEADLINE
    stop_limit: float = 30.0
    tolerance: float = 0.05
    dispatch: DispatchKnowledge = field(factory=DispatchKnowledge)
    jobs: Callable[[], int] = lambda: 4
    strained: Callable[[], str] = str
    evidence_keep: int = 20
    alone: bool = False
    slack: float = _SLACK
    python: str = sys.executable
    free_space: Callable[[Path], int] = free_bytes
    learned: Callable[[Version, SetLedger], None] = lambda _, __: None
    at: Callable[[str, str, float], None] = lambda _, __, ___: None

    def rehearse(self, build: Version, subjects: tuple[Subject, ...]) -> tuple[Rehearsal, ...]:
        """Run the build through the eight checks on a copy for each subject, in the order asked.

        Raises GateError when any of the rehearsals could not be held.
        """
        for subject in subjects:
            if subject.person != EMPTY and not valid_person(subject.person):
                message = f"cannot rehearse {build} on {subject.person[:64]!r}: not a user name"
                raise GateError(message)
        program = self.program(build)
        if not program.is_file():
            message = f"cannot rehearse {build}: the store has no program {program}; stage it again"
            raise GateError(message)
        node = node_program(self.node)
        if not node:
            raise self._without_node()
        space = ScratchSpace(self.tmp, self._account(), self.free_space)
        # Of what an earlier gate left, units are ended before their scratch directories go.
        if self.units is not None:
            try:
                self.units.sweep()
            except OSError as error:
                message = f"cannot end the units of an earlier gate: {error}"
                raise GateError(message) from error
        space.sweep()
        batch = _Batch(self, build, program, node, space)
        # Empty data is rehearsed even when it is not asked for: its ledger is needed.
        held = batch.hold_all([Subject(EMPTY, ""), *(s for s in subjects if s.person != EMPTY)])
        schema = held[EMPTY].report.after
        told = {person: batch.conclude(each, schema) for person, each in held.items()}
        _prune(self.evidence, self.evidence_keep)
        if told[EMPTY].passed and schema is not None:
            # No verdict hangs on whether it can be kept.
            with suppress(PortError):
                self.learned(build, schema)
        return tuple(told[subject.person] for subject in subjects)

    def fingerprint(self) -> str:
        """Identify this gate.  Raises GateError when `node --version` prints no version."""
        node = node_version(node_program(self.node))
        if not node:
            raise self._without_node()
        content = {
            "gate": GATE,
            "bind": self.bind_host,
            "deadline": [*astuple(self.deadline), self.stop_limit, STEP_SECONDS],
            "dispatch": astuple(self.dispatch),
            "memory": None if self.units is None else astuple(self.units.memory),
            "node": node,
            "providers": sorted(PROGRAMS),
            "sandbox": self.sandbox.kind,
            "soak": astuple(self.soak),
            "tolerance": self.tolerance,
            "user": self.user,
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def _account(self) -> SandboxUser | None:
        if self.user is None:
            return None
        try:
            entry = powerless(self.user)
        except PermissionError as error:
            message = f"cannot rehearse: {error}"
            raise GateError(message) from error
        return SandboxUser(entry.pw_uid, entry.pw_gid)

    def _without_node(self) -> GateError:
        return GateError(
            f"`{self.node} --version` tells no version; install node, or set the gate's"
        )


@frozen
class _Held:
    """A rehearsal that was held, before it is known what the build made of empty data."""

    subject: Subject
    report: RehearsalReport
    seconds: float


@frozen
class _Batch:
    """One build's rehearsals, begun together."""

    gate: SandboxGate
    build: Version
    program: Path
    node: str
    space: ScratchSpace
    at: datetime = field(factory=lambda: datetime.now(UTC))
    stop: threading.Event = field(factory=threading.Event)

    def hold_all(self, subjects: list[Subject]) -> dict[str, _Held]:
        """Rehearse on each subject's copy; the first that cannot be held ends all (rule 3)."""
        fitting = psutil.virtual_memory().available // SERVE_BYTES
        with ThreadPoolExecutor(max(1, min(self.gate.jobs(), fitting))) as pool:
            futures = {subject.person: pool.submit(self._hold, subject) for subject in subjects}
            try:
                ended, _ = wait(futures.values(), return_when=FIRST_EXCEPTION)
                for future in ended:
                    future.result()
                return {person: future.result() for person, future in futures.items()}
            finally:
                # Also when a person or a signal interrupts the wait: the pool waits for its
                # threads, and these for their workers.
                self.stop.set()
                for future in futures.values():
                    future.cancel()

    def _hold(self, subject: Subject) -> _Held:
        """Rehearse on one subject's copy.  Raises GateError."""
        what = f"cannot rehearse {self.build} on {subject.person or 'empty data'}"
        begun = time.monotonic()
        self.gate.at(subject.person, "copying", 0.0)
        try:
            report = self._held(subject, what)
        except GateError:
            raise
        except (PortError, OSError) as error:
            # Whatever a copy's failure says of itself: no build has run yet.
            later = isinstance(error, PortError) and error.fault is Fault.LATER
            message = f"{what}: no copy of the set: {error}"
            raise GateError(message, fault=Fault.LATER if later else Fault.HOST) from error
        finally:
            self.gate.at(subject.person, "", 0.0)
        strained = self.gate.strained() if report.timed_out else ""
        if strained:
            message = f"{what}: {report.timed_out}; {strained}"
            raise GateError(message, fault=Fault.LATER)
        return _Held(subject, report, round(time.monotonic() - begun, 3))

    def _held(self, subject: Subject, what: str) -> RehearsalReport:
        gate, person = self.gate, subject.person
        empty = person == EMPTY
        size = 0 if empty else gate.set_size(person, subject.snapshot)
        sandbox, units = gate.sandbox, gate.units
        with (
            self.space.scratch(self.node, size, person or "empty data") as scratch,
            nullcontext()
            if empty or self.stop.is_set()
            else gate.hand_out(person, subject.snapshot) as copy,
        ):
            request = RehearsalRequest(
                build=self.build.text,
                program=str(self.program),
                node=self.node,
                folder=str(scratch.folder),
                host=gate.bind_host,
                port=gate.port if sandbox.closed else 0,
                view=sandbox.view,
                shown=(*worker_folders(), self.node, str(self.program.parents[2]))
                if sandbox.closed
                else None,
                alone=gate.alone,
                account=self.space.account,
                deadline=gate.deadline.of(size),
                soak=gate.soak.of(size),
                stop_limit=gate.stop_limit,
                tolerance=gate.tolerance,
                dispatch=gate.dispatch,
                copy_max=None if copy is None else size + SLACK,
                sealed=sealed_version(self.program),
                memory_max=0 if units is None else int(units.memory.of(size)),
            )
            limit = 2 * (request.deadline + request.stop_limit) + request.soak + gate.slack

            def hear(check: Check) -> None:
                gate.at(person, check.value, request.soak if check is Check.SOAK else 0.0)

            try:
                stream = None if copy is None else copy.stream
                workers = Workers(sandbox, gate.python, units)
                return workers.hold(request, what, limit, self.stop, hear, stream)
            finally:
                # Who handed it out knows best why it broke off, and no verdict stands without it.
                if copy is not None:
                    copy.finish()

    def conclude(self, held: _Held, schema: SetLedger | None) -> Rehearsal:
        """Hold a rehearsal to what the build made of empty data, and keep the evidence.

        Raises GateError: what is not on record did not happen.
        """
        subject, report = held.subject, held.report
        name = f"{self.at:%Y%m%dT%H%M%S%f}Z-{self.build}-{subject.person or NOBODY}"
        folder = self.gate.evidence / name
        rehearsal = Rehearsal(
            subject=subject.person,
            build=self.build,
            checks=held_to(report.checks, report.after, schema),
            schema=report.after,
            evidence=str(folder),
            seconds=held.seconds,
        )
        told = {
            "build": self.build.text,
            "subject": subject.person or "empty set",
            "snapshot": subject.snapshot,
            "passed": rehearsal.passed,
            "reason": rehearsal.reason,
            "seconds": rehearsal.seconds,
            "checks": plain(rehearsal.checks),
            "timings": report.timings,
            "ledger_before": plain(report.before),
            "ledger_after": plain(report.after),
            "rows_before": report.rows_before,
            "rows_after": report.rows_after,
            "rows_lost": report.rows_lost,
            "leftovers": report.leftovers,
        }
        content = json.dumps(told, indent=1) + "\n"
        try:
            durable.make_folders(self.gate.evidence, 0o700)
            durable.make_folders(folder, 0o700)
            durable.write_file(folder / "serve.log", redact(report.log_tail).encode(), 0o600)
            durable.write_file(folder / "report.json", content.encode("ascii"), 0o600)
        except OSError as error:
            message = f"cannot keep the evidence {folder}: {error.strerror}; free some space"
            raise GateError(message) from error
        return rehearsal


NOBODY: Final = "+empty"
"""Stands for empty data; no person's name has a `+`."""
_BATCH: Final = re.compile(r"(\d{8}T\d{12}Z)-.+", re.ASCII)


def _prune(evidence: Path, keep: int) -> None:
    """Throw away the evidence of all but the newest batches.  Raises GateError."""
    kept = {
        folder: found[1]
        for folder in evidence.iterdir()
        if (found := _BATCH.fullmatch(folder.name))
    }
    newest = sorted(set(kept.values()), reverse=True)[:keep]
    for folder in (folder for folder, batch in kept.items() if batch not in newest):
        try:
            shutil.rmtree(folder)
        except FileNotFoundError:
            continue
        except OSError as error:
            message = f"cannot delete old evidence {folder}: {error}; delete it by hand"
            raise GateError(message) from error

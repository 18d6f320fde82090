"""The port Gate: who is rehearsed when, with how much disk space, and what is made of it.

Rules:

1. The ledger of the empty set is what every other copy must end with: each is held to it once all
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
import pwd
import re
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Final, Protocol

import psutil
from attrs import astuple, evolve, field, frozen

from t3safe.adapters._support import durable
from t3safe.adapters._support.archive import SLACK
from t3safe.adapters._support.units import RehearsalUnits
from t3safe.adapters.gate.messages import RehearsalReport, RehearsalRequest, SandboxUser, plain
from t3safe.adapters.gate.programs import node_program, node_version, sealed_version
from t3safe.adapters.gate.sandbox import Sandbox, Workers
from t3safe.adapters.gate.scratch import Scratch, ScratchSpace, free_bytes
from t3safe.adapters.gate.view import worker_folders
from t3safe.domain.allowance import Allowance
from t3safe.domain.effects import Subject
from t3safe.domain.errors import Fault, GateError, PortError
from t3safe.domain.gate import EMPTY, Check, DispatchKnowledge, Rehearsal, held_to
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


def _now() -> datetime:
    return datetime.now(UTC)


def _unheard(_: str, __: str, ___: float) -> None:
    """Tell nobody where a rehearsal is."""


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
        step_limit: for one command of the build.
        tolerance: the share of a table's rows that a migration may clean up.
        dispatch: what the host's dispatch knows.
        jobs: how many rehearsals may be held at a time, as loaded as the host is now.
        strained: why a time limit that ran out is the host's fault, empty where it is not.
        evidence_keep: of how many batches evidence is kept.
        alone: whether no control is tried where a copy is no good: then nothing is proven.
        slack: how much longer than all of its limits a rehearsal may take.
        python: the interpreter that has t3safe; `user` must be able to run it.
        free_space: the bytes that are free at a path.
        now: the clock by which evidence is named, in UTC.
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
    step_limit: float = 30.0
    tolerance: float = 0.05
    dispatch: DispatchKnowledge = field(factory=DispatchKnowledge)
    jobs: Callable[[], int] = lambda: 4
    strained: Callable[[], str] = str
    evidence_keep: int = 20
    alone: bool = False
    slack: float = _SLACK
    python: str = sys.executable
    free_space: Callable[[Path], int] = free_bytes
    now: Callable[[], datetime] = _now
    at: Callable[[str, str, float], None] = _unheard

    def rehearse(self, build: Version, subjects: tuple[Subject, ...]) -> tuple[Rehearsal, ...]:
        """Run the build through the eight checks on a copy for each subject, in the order asked.

        Raises GateError when any of the rehearsals could not be held.
        """
        # The empty set is rehearsed also where nobody asks for it: its ledger is needed.
        others = [subject for subject in subjects if subject.person != EMPTY]
        batch = self._batch(build, others)
        self._sweep(batch.space)
        held = batch.hold_all([Subject(EMPTY, ""), *others], self._at_a_time())
        schema = held[EMPTY].report.after
        told = {person: batch.conclude(each, schema) for person, each in held.items()}
        EvidenceFolder(self.evidence, self.evidence_keep).prune()
        return tuple(told[subject.person] for subject in subjects)

    def _sweep(self, space: ScratchSpace) -> None:
        """End and delete what an earlier gate left behind, units before scratch directories."""
        if self.units is not None:
            try:
                self.units.sweep()
            except OSError as error:
                message = f"cannot end the units of an earlier gate: {error}"
                raise GateError(message) from error
        space.sweep()

    def fingerprint(self) -> str:
        """Identify this gate.  Raises GateError when `node --version` prints no version."""
        content = {
            "gate": GATE,
            "bind": self.bind_host,
            "deadline": [*astuple(self.deadline), self.stop_limit, self.step_limit],
            "dispatch": astuple(self.dispatch),
            "memory": None if self.units is None else astuple(self.units.memory),
            "node": self._node_version(),
            "providers": sorted(PROGRAMS),
            "sandbox": self.sandbox.kind,
            "soak": astuple(self.soak),
            "tolerance": self.tolerance,
            "user": self.user,
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def _batch(self, build: Version, others: list[Subject]) -> _Batch:
        for subject in others:
            if not valid_person(subject.person):
                message = f"cannot rehearse {build} on {subject.person[:64]!r}: not a user name"
                raise GateError(message)
        program = self.program(build)
        if not program.is_file():
            message = f"cannot rehearse {build}: the store has no program {program}; stage it again"
            raise GateError(message)
        if not node_program(self.node):
            raise self._without_node()
        space = ScratchSpace(self.tmp, self._account(), self.free_space)
        return _Batch(self, build, program, self.now(), space)

    def _account(self) -> SandboxUser | None:
        if self.user is None:
            return None
        try:
            entry = pwd.getpwnam(self.user)
        except KeyError:
            message = f"there is no user {self.user!r} to rehearse as; make one, or set another"
            raise GateError(message) from None
        if entry.pw_uid == 0:
            message = f"{self.user!r} is root, and no build is rehearsed as root; set another user"
            raise GateError(message)
        return SandboxUser(entry.pw_uid, entry.pw_gid)

    def _node_version(self) -> str:
        found = node_version(node_program(self.node))
        if not found:
            raise self._without_node()
        return found

    def _without_node(self) -> GateError:
        return GateError(
            f"`{self.node} --version` tells no version; install node, or set the gate's"
        )

    def _at_a_time(self) -> int:
        fitting = psutil.virtual_memory().available // SERVE_BYTES
        return max(1, min(self.jobs(), fitting))


@frozen
class _Held:
    """A rehearsal that was held, before it is known what the build made of the empty set."""

    subject: Subject
    report: RehearsalReport
    seconds: float


@frozen
class _Batch:
    """One build's rehearsals, begun together."""

    gate: SandboxGate
    build: Version
    program: Path
    at: datetime
    space: ScratchSpace
    stop: threading.Event = field(factory=threading.Event)

    def hold_all(self, subjects: list[Subject], at_a_time: int) -> dict[str, _Held]:
        """Rehearse on each subject's copy; the first that cannot be held ends all (rule 3)."""
        with ThreadPoolExecutor(at_a_time) as pool:
            futures = {subject.person: pool.submit(self.hold, subject) for subject in subjects}
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

    def hold(self, subject: Subject) -> _Held:
        """Rehearse on one subject's copy.  Raises GateError."""
        whose = subject.person or "the empty set"
        begun = time.monotonic()
        self.gate.at(subject.person, "copying", 0.0)
        try:
            report = self._held(subject, whose)
        except GateError:
            raise
        except (PortError, OSError) as error:
            # Whatever a copy's failure says of itself: no build has run yet.
            later = isinstance(error, PortError) and error.fault is Fault.LATER
            message = f"cannot rehearse {self.build} on {whose}: no copy of the set: {error}"
            raise GateError(message, fault=Fault.LATER if later else Fault.HOST) from error
        finally:
            self.gate.at(subject.person, "", 0.0)
        self._refuse_haste(report, whose)
        return _Held(subject, report, round(time.monotonic() - begun, 3))

    def _refuse_haste(self, report: RehearsalReport, whose: str) -> None:
        """Raise GateError where what failed is that time ran out, and the host was too loaded."""
        strained = self.gate.strained() if report.timed_out else ""
        if strained:
            message = f"cannot rehearse {self.build} on {whose}: {report.timed_out}; {strained}"
            raise GateError(message, fault=Fault.LATER)

    def conclude(self, held: _Held, schema: SetLedger | None) -> Rehearsal:
        """Hold a rehearsal to what the build made of the empty set, and keep the evidence."""
        evidence = EvidenceFolder(self.gate.evidence, self.gate.evidence_keep)
        folder = evidence.folder(self.at, self.build.text, held.subject)
        report = evolve(held.report, checks=held_to(held.report.checks, held.report.after, schema))
        rehearsal = Rehearsal(
            subject=held.subject.person,
            build=self.build,
            checks=report.checks,
            schema=report.after,
            evidence=str(folder),
            seconds=held.seconds,
        )
        evidence.write(folder, rehearsal, held.subject, report)
        return rehearsal

    def _held(self, subject: Subject, whose: str) -> RehearsalReport:
        gate, person = self.gate, subject.person
        size = 0 if person == EMPTY else gate.set_size(person, subject.snapshot)
        with (
            self.space.scratch(node_program(gate.node), size, whose) as scratch,
            self._handed_out(subject) as copy,
        ):
            request = self._request(scratch, size, copied=copy is not None)
            limit = 2 * (request.deadline + request.stop_limit) + request.soak + gate.slack
            workers = Workers(gate.sandbox, gate.python, gate.units)
            try:
                stream = None if copy is None else copy.stream
                hear = self._hearing(person, request.soak)
                return workers.hold(request, whose, limit, self.stop, hear, stream)
            finally:
                # Who handed it out knows best why it broke off, and no verdict stands without it.
                if copy is not None:
                    copy.finish()

    def _shown(self) -> tuple[str, ...] | None:
        """Name what the sandbox shows of the host beside the system's folders."""
        if not self.gate.sandbox.hides:
            return None
        build = str(self.program.parents[2])
        return (*worker_folders(), node_program(self.gate.node), build)

    def _handed_out(self, subject: Subject) -> AbstractContextManager[HandedOut | None]:
        if subject.person == EMPTY or self.stop.is_set():
            return nullcontext()
        return self.gate.hand_out(subject.person, subject.snapshot)

    def _hearing(self, person: str, soak: float) -> Callable[[Check], None]:
        def hear(check: Check) -> None:
            self.gate.at(person, check.value, soak if check is Check.SOAK else 0.0)

        return hear

    def _request(self, scratch: Scratch, size: int, *, copied: bool) -> RehearsalRequest:
        gate = self.gate
        return RehearsalRequest(
            build=self.build.text,
            program=str(self.program),
            node=node_program(gate.node),
            folder=str(scratch.folder),
            host=gate.bind_host,
            port=gate.port if gate.sandbox.own_network else 0,
            raise_loopback=gate.sandbox.own_network and gate.units is None,
            view=gate.sandbox.view,
            shown=self._shown(),
            alone=gate.alone,
            account=self.space.account,
            deadline=gate.deadline.of(size),
            soak=gate.soak.of(size),
            stop_limit=gate.stop_limit,
            step_limit=gate.step_limit,
            tolerance=gate.tolerance,
            dispatch=gate.dispatch,
            copy_max=size + SLACK if copied else None,
            sealed=sealed_version(self.program),
            memory_max=0 if gate.units is None else int(gate.units.memory.of(size)),
        )


NOBODY: Final = "+empty"
"""Stands for the empty set; no person's name has a `+`."""
_BATCH: Final = re.compile(r"(\d{8}T\d{12}Z)-.+", re.ASCII)


@frozen
class EvidenceFolder:
    """Keeps evidence below `root`, of the last `keep` times that a build was rehearsed.

    Raises GateError: what is not on record did not happen.
    """

    root: Path
    keep: int

    def folder(self, at: datetime, build: str, subject: Subject) -> Path:
        """Where the evidence of one rehearsal goes; `at` is when its batch began, in UTC."""
        return self.root / f"{at:%Y%m%dT%H%M%S%f}Z-{build}-{subject.person or NOBODY}"

    def write(
        self, folder: Path, rehearsal: Rehearsal, subject: Subject, report: RehearsalReport
    ) -> None:
        """Keep what was seen in a rehearsal."""
        content = json.dumps(_told(rehearsal, subject, report), indent=1) + "\n"
        try:
            durable.make_folders(self.root, 0o700)
            durable.make_folders(folder, 0o700)
            durable.write_file(folder / "serve.log", redact(report.log_tail).encode(), 0o600)
            durable.write_file(folder / "report.json", content.encode("ascii"), 0o600)
        except OSError as error:
            message = f"cannot keep the evidence {folder}: {error.strerror}; free some space"
            raise GateError(message) from error

    def prune(self) -> None:
        """Throw away all but the newest batches."""
        for folder in _beyond(self.keep, self._folders()):
            try:
                shutil.rmtree(folder)
            except FileNotFoundError:
                continue
            except OSError as error:
                message = f"cannot delete old evidence {folder}: {error}; delete it by hand"
                raise GateError(message) from error

    def _folders(self) -> list[Path]:
        try:
            return [path for path in self.root.iterdir() if _BATCH.fullmatch(path.name)]
        except FileNotFoundError:
            return []


def _beyond(keep: int, folders: Iterable[Path]) -> list[Path]:
    stamped = [(path.name.partition("-")[0], path) for path in folders]
    newest = sorted({stamp for stamp, _ in stamped}, reverse=True)[:keep]
    return [path for stamp, path in stamped if stamp not in newest]


def _told(rehearsal: Rehearsal, subject: Subject, report: RehearsalReport) -> dict[str, object]:
    return {
        "build": rehearsal.build.text,
        "subject": "empty set" if subject.person == EMPTY else subject.person,
        "snapshot": subject.snapshot,
        "passed": rehearsal.passed,
        "reason": rehearsal.reason,
        "seconds": rehearsal.seconds,
        "checks": plain(report.checks),
        "timings": report.timings,
        "ledger_before": plain(report.before),
        "ledger_after": plain(report.after),
        "rows_before": report.rows_before,
        "rows_after": report.rows_after,
        "rows_lost": report.rows_lost,
        "leftovers": report.leftovers,
    }

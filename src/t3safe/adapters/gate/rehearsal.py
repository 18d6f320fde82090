"""One rehearsal, held inside the sandbox: `python -m t3safe.adapters.gate.rehearsal`.

It takes a `RehearsalRequest` as one line from the socket that is its standard input, with the open
stream of the set to rehearse on, and prints a `RehearsalReport` or `NoRehearsal`.

Rules:

1. The eight checks are judged in order, by the domain, from facts that were measured here; the
   first that fails ends the rehearsal.  The serve starts already while the program tells its
   version, once the package has said that it is the right one.
2. Nothing of the build runs any more when the answer is printed, nor when the parent goes away.
3. What the build did not do raises NoRehearsalError and is never a failed check: a port that
   another process took, a copy that was unreadable before the build saw it, a node that does not
   run.
4. No secret leaves: not in the answer, not in a command line, not in the environment.
"""

from __future__ import annotations

import importlib
import os
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

import attrs
from attrs import define, field

from t3safe.adapters._support.archive import BadStream, unpack
from t3safe.adapters._support.child import why
from t3safe.adapters._support.http_client import Address
from t3safe.adapters._support.pairing import Exchanged, described, exchange, reuse, sockets
from t3safe.adapters._support.personaldata.discovery import Look
from t3safe.adapters._support.reports import report as progress
from t3safe.adapters._support.subreaper import StubbornError, end_all
from t3safe.adapters.gate import copied
from t3safe.adapters.gate.copied import HarmfulError, make_harmless, require_out_of_sight
from t3safe.adapters.gate.messages import (
    HERE,
    NoRehearsal,
    RehearsalReport,
    RehearsalRequest,
    dumps_answer,
)
from t3safe.adapters.gate.programs import (
    RehearsedServe,
    mint,
    package_facts,
    printed_facts,
)
from t3safe.adapters.gate.scratch import Scratch
from t3safe.adapters.gate.serve import ANSWER_SECONDS, Secrets, ServeLog, await_answer, bindable
from t3safe.adapters.gate.view import confine
from t3safe.domain import checks
from t3safe.domain.checks import Check, CheckResult
from t3safe.domain.errors import Fault
from t3safe.domain.ledgers import SetLedger
from t3safe.domain.text import duration
from t3safe.domain.versions import Version
from t3safe.t3 import commands, generations
from t3safe.t3.sign_in import FIRST_PROTOCOL

ORPHANED: Final = 3
"""Exit status of a worker whose parent went away."""
_SOAK_POLL: Final = 0.1
_DYING: Final = 0.2
"""Seconds in which a serve that dropped its connections shows its exit status."""
_LINE_MAX: Final = 1024 * 1024
_LOADED_LATE: Final = ("encodings.idna", "semantic_version", "tarfile")
"""What is loaded where it is used, by connections, a judgement and a copy: who is to become another
account loads it before, which may not be let to where it lies, and who is to hide the host too."""
_LAST_STOP: Final = 3.0
"""Seconds that a serve gets to end by itself where nothing is judged any more."""


class NoRehearsalError(Exception):
    """Raised where no rehearsal can be held, through no fault of the build (rule 3)."""

    def __init__(self, reason: str, fault: Fault = Fault.HOST) -> None:
        super().__init__(reason)
        self.fault = fault


@define
class Rehearsing:
    """A rehearsal in progress; `run` holds it once."""

    request: RehearsalRequest
    _scratch: Scratch = field(init=False)
    _secrets: Secrets = field(factory=Secrets, init=False)
    _log: ServeLog = field(init=False)
    _site: Address = field(init=False)
    _report: RehearsalReport = field(factory=RehearsalReport.begun, init=False)
    _serve: RehearsedServe | None = field(default=None, init=False)
    _begun: float = field(default=0.0, init=False)
    _unstartable: OSError | None = field(default=None, init=False)
    _looks: dict[str, Look] = field(factory=dict, init=False)
    _paired: Exchanged = field(factory=lambda: Exchanged(checks.PairingFacts(False)), init=False)

    def __attrs_post_init__(self) -> None:
        self._scratch = Scratch(Path(self.request.folder))
        self._log = ServeLog(self._scratch.log, self._secrets)
        self._site = Address.bound(self.request.host, self.request.port)

    def run(self) -> RehearsalReport:
        """Run the checks until one fails (rule 1).  Raises NoRehearsalError."""
        report, userdata = self._report, self._scratch.userdata
        try:
            report.before = copied.ledger(userdata)
            report.rows_before = copied.rows(userdata)
            copied.keep_rows(userdata, self._scratch.kept)
            self._looks = copied.looks(userdata)
        except copied.UnreadableSetError as error:
            message = f"the copy cannot be read before the build has run on it: {error}"
            raise NoRehearsalError(message) from error
        checks = (
            self._identity,
            self._live,
            self._migrated,
            self._preserved,
            self._pair,
            self._contract,
            self._reopened,
            self._soak,
        )
        for name, check in zip(Check, checks, strict=True):
            begun = time.monotonic()
            # Whoever waits is told which check begins.
            with suppress(OSError):
                os.write(2, progress("check", name.value))
            result = check()
            report.checks += (result,)
            report.timings[result.check] = round(time.monotonic() - begun, 3)
            if not result.passed:
                break
        else:
            report.timed_out = ""
        # A serve that still runs is stopped, so that the log has its last words.
        if self._serve is not None and self._serve.exited() is None:
            self._serve.stop(min(self.request.stop_limit, _LAST_STOP))
        report.leftovers += end_all()
        report.log_tail = self._log.tail()
        # Once the log is read whole: it shows secrets, too.
        clean = self._secrets.clean
        report.checks = tuple(
            attrs.evolve(each, reason=clean(each.reason), notes=tuple(map(clean, each.notes)))
            for each in report.checks
        )
        return report

    # --- the checks ------------------------------------------------------------------------------

    def _identity(self) -> CheckResult:
        try:
            facts = package_facts(self.request)
            if checks.judge_package(facts).passed:
                # `--version` touches no base directory: the serve may start beside it.
                self._begin()
            facts = printed_facts(facts, self.request, self._scratch)
        except PermissionError as error:
            message = (
                f"user {os.geteuid()} may not execute {error.filename} or its interpreter; "
                "let the gate's user into the store and to node"
            )
            raise NoRehearsalError(message) from error
        if not facts.node:
            message = f"{self.request.node} --version tells no version: set the gate's node"
            raise NoRehearsalError(message)
        return checks.judge_identity(Version.parse(self.request.build), facts)

    def _live(self) -> CheckResult:
        return checks.judge_live(self._started())

    def _migrated(self) -> CheckResult:
        self._report.after, damage = copied.ledger_facts(self._scratch.userdata)
        return checks.judge_migrated(
            checks.MigratedFacts(self._report.before, self._report.after, None, damage)
        )

    def _preserved(self) -> CheckResult:
        """Hold the set against what the generation of the build keeps."""
        report, userdata = self._report, self._scratch.userdata
        try:
            report.rows_after = copied.rows(userdata)
            written = copied.written(self._looks, copied.looks(userdata))
            # A build that did not write to the database of a generation is not of it.
            passed_by = set(generations.newer(report.before.names)) - written
            own = (report.after or SetLedger()).without(passed_by)
            became = generations.became(set(report.before.names) - passed_by, own.names)
            generation = own.generation or generations.V1
            lost = copied.rows_lost(userdata, self._scratch.kept, generation, became)
            if generation.follows_log:
                lost += tuple(filter(None, [copied.behind_log(userdata, generation.database)]))
        except copied.UnreadableSetError as error:
            return checks.failed(Check.PRESERVED, f"the migrated copy cannot be read, {error}")
        report.rows_lost = lost
        facts = checks.PreservedFacts(
            report.rows_before,
            report.rows_after,
            lost,
            became,
            tuple(n for n in report.before.names if became.get(n) != n and n in written),
            generation.may_shrink,
        )
        return checks.judge_preserved(facts, self.request.tolerance)

    def _pair(self) -> CheckResult:
        minted = mint(self.request, self._scratch, self._secrets)
        self._report.timed_out = minted.timed_out
        if minted.credential:
            paths = self.request.dispatch.paths
            self._noted(exchange(self._site, minted.credential, paths, ANSWER_SECONDS))
        else:
            facts = checks.PairingFacts(minted=False, mint_problem=minted.problem)
            self._paired = Exchanged(facts)
        return self._unless_ended(checks.judge_paired(self._paired.facts))

    def _contract(self) -> CheckResult:
        facts = self._paired.facts
        asked = sockets(self._site, ANSWER_SECONDS)
        known = self.request.dispatch
        return self._unless_ended(checks.judge_contract(facts.path, facts.cookie, known, asked))

    def _reopened(self) -> CheckResult:
        stopping = self._unless_ended(checks.passed(Check.REOPENED))
        if not stopping.passed:
            return stopping
        limit = self.request.stop_limit
        if not self._running().stop(limit):
            reason = f"the serve did not stop within {duration(limit)} of SIGTERM"
            self._report.timed_out = reason
            return checks.failed(Check.REOPENED, reason)
        # A service manager ends what is left of a unit, too.
        self._report.leftovers = end_all()
        self._begin()
        live = self._started()
        started = checks.judge_live(live, Check.REOPENED)
        if not started.passed:
            return started
        self._noted(reuse(self._site, self._paired, ANSWER_SECONDS))
        return self._unless_ended(checks.judge_reopened(live, self._paired.facts))

    def _soak(self) -> CheckResult:
        begun = time.monotonic()
        asked = self.request.soak
        serve = self._running()
        while (endured := time.monotonic() - begun) < asked:
            if serve.exited() is not None or self._log.errors():
                break
            time.sleep(min(_SOAK_POLL, asked - endured))
        facts = checks.SoakFacts(
            asked,
            time.monotonic() - begun,
            serve.exited(),
            self._log.errors(),
            self.request.memory_max,
        )
        result = checks.judge_soak(facts)
        if not result.passed:
            return attrs.evolve(result, notes=facts.log_errors)
        still = checks.judge_live(self._answering(ANSWER_SECONDS, time.monotonic()), Check.SOAK)
        return result if still.passed else still

    # --- the serve -------------------------------------------------------------------------------

    def _running(self) -> RehearsedServe:
        if self._serve is None:
            message = "no serve was started"
            raise NoRehearsalError(message)
        return self._serve

    def _begin(self) -> None:
        """Start the serve, which is waited for later."""
        self._site = attrs.evolve(self._site, port=self._free_port())
        request = self.request
        base = str(self._scratch.base)
        command = commands.serve(request.program, request.host, self._site.port, base)
        self._begun = time.monotonic()
        try:
            self._serve = RehearsedServe.start(self._scratch, command)
        except OSError as error:
            self._serve, self._unstartable = None, error

    def _started(self) -> checks.LiveFacts:
        """Wait for the serve that was begun."""
        deadline = self.request.deadline
        if self._serve is None:
            why = self._unstartable.strerror if self._unstartable else "it was not started"
            # 126 is a shell's status for a program that is there and cannot be executed.
            words = f"cannot be executed: {why}"
            return checks.LiveFacts(False, False, 126, 0.0, deadline, words)
        facts = self._answering(deadline, self._begun)
        if facts.answered and facts.exited is None:
            facts = self._ready(facts)
        if facts.exited is not None:
            # One that found its port taken did not end for a reason of its own.
            end_all()
            self._free_port()
        return facts

    def _ready(self, facts: checks.LiveFacts) -> checks.LiveFacts:
        """Hear what the serve says that it is, and wait for one whose answers prove nothing yet.

        From protocol 2 on the port answers while the start still goes on, and may still fail.  A
        serve that never says that it is ready is judged by the checks that follow.
        """
        told = described(self._site, ANSWER_SECONDS)
        if told is None:
            return facts
        serve, until = self._running(), self._begun + facts.deadline
        if told.protocol > FIRST_PROTOCOL:
            while not self._log.says_ready(serve.log_start) and serve.exited() is None:
                if time.monotonic() >= until:
                    self._report.timed_out = (
                        f"the serve was not ready within {duration(facts.deadline)}"
                    )
                    break
                time.sleep(_SOAK_POLL)
        exited = serve.exited()
        words = self._log.last_words(serve.log_start) if exited is not None else ""
        return attrs.evolve(facts, exited=exited, log_tail=words, version=told.version)

    def _answering(self, deadline: float, since: float) -> checks.LiveFacts:
        serve = self._running()
        answered, seconds = await_answer(
            self._site, lambda: serve.exited() is not None, deadline, since
        )
        own = answered and serve.listens_on(self._site.port)
        exited = serve.exited()
        words = self._log.last_words(serve.log_start) if exited is not None else ""
        if not answered and exited is None:
            self._report.timed_out = f"the serve did not answer within {duration(deadline)}"
        facts = checks.LiveFacts(answered, own, exited, seconds, deadline, words)
        return attrs.evolve(facts, build=self.request.build, memory_max=self.request.memory_max)

    def _unless_ended(self, result: CheckResult) -> CheckResult:
        """Give the result, unless the serve ended by itself meanwhile: that is why it failed."""
        serve = self._running()
        # Its connections close a moment before its status can be had.
        exited = serve.exited(within=0.0 if result.passed else _DYING)
        if exited is None:
            return result
        self._report.timed_out = ""
        words = self._log.last_words(serve.log_start)
        limit = self.request.memory_max
        facts = checks.LiveFacts(False, False, exited, 0.0, 0.0, words, memory_max=limit)
        return checks.judge_live(facts, result.check)

    def _free_port(self) -> int:
        """The port to bind; one that cannot be bound now is no fault of the build (rule 3)."""
        # A second start takes the first one's port, as a unit does.
        wanted = self._site.port
        try:
            return bindable(self.request.host, wanted)
        except OSError as error:
            message = f"port {wanted} of {self.request.host} cannot be bound: {error.strerror}"
            raise NoRehearsalError(message, Fault.LATER) from error

    def _noted(self, paired: Exchanged) -> None:
        """Note a sign-in: its secrets, and whether a request of it was not answered."""
        self._paired = paired
        for value in paired.cookies.values.values():
            self._secrets.add(value)
        if paired.unanswered:
            self._report.timed_out = f"the serve did not answer {paired.unanswered} in time"


def hold(request: RehearsalRequest, stream: int | None = None) -> RehearsalReport | NoRehearsal:
    """Hold a rehearsal and leave nothing of it running; whatever goes wrong is an answer.

    `stream` is an archive of the set to rehearse on, None for an empty one.
    """
    try:
        try:
            confine(request)
            _take(request, stream)
            report = Rehearsing(request).run()
        finally:
            end_all()
    except HarmfulError as error:
        # Whichever build it is, none may start on this copy: none is blamed.
        reason = f"not started: the copy cannot be made harmless: {error}"
        if request.alone:
            return NoRehearsal(reason)
        return RehearsalReport.begun(checks.failed(Check.LIVE, reason))
    except NoRehearsalError as error:
        return NoRehearsal(str(error), error.fault)
    except (OSError, sqlite3.Error, subprocess.SubprocessError, StubbornError) as error:
        return NoRehearsal(f"{type(error).__name__}: {why(error)}")
    return report


def _take(request: RehearsalRequest, stream: int | None) -> None:
    """Unpack what was handed over, as the user whom the build will run as, and make it harmless.

    Nothing may be due on the copy, and none of its checkouts be there.  Raises HarmfulError.
    """
    if request.copy_max is None:
        return
    if stream is None:
        message = "the set to rehearse on was not handed over"
        raise NoRehearsalError(message)
    userdata = Scratch(Path(request.folder)).userdata
    try:
        unpack(stream, userdata, request.copy_max)
    except BadStream as error:
        message = f"the set that was handed out cannot be taken: {error}"
        raise NoRehearsalError(message) from error
    finally:
        os.close(stream)
    make_harmless(userdata)
    if request.shown is not None:
        require_out_of_sight(userdata, request.shown)


def _die_with_parent() -> None:
    # A parent that dies before it has heard everything resets the connection.
    with suppress(OSError):
        while os.read(0, 1024):
            pass
    with suppress(StubbornError):
        end_all()
    os._exit(ORPHANED)


def main() -> None:
    """Answer the request on standard input, unless the parent goes away first (rule 2)."""
    with socket.socket(fileno=os.dup(0)) as parent:
        parent.sendall(HERE)
        line, streams, _, _ = socket.recv_fds(parent, _LINE_MAX, 1)
        while not line.endswith(b"\n") and (more := parent.recv(_LINE_MAX)):
            line += more
    request = RehearsalRequest.loads(line)
    if request.account is not None or request.view:
        for module in _LOADED_LATE:
            importlib.import_module(module)
    threading.Thread(target=_die_with_parent, daemon=True).start()
    answer = hold(request, next(iter(streams), None))
    sys.stdout.write(dumps_answer(answer))
    sys.stdout.flush()
    # The watching thread sits in a read that never returns; nothing else is left to be done.
    os._exit(0)


if __name__ == "__main__":
    main()

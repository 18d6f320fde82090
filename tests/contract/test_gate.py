"""The gate on real parts: real processes, HTTP and SQLite, a sandbox where one can be had."""

from __future__ import annotations

import json
import re
import sqlite3
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
from attrs import frozen

from fakes.t3.app.work import ACTIVITIES
from fakes.t3.v2states import (
    add_import_directory,
    add_unmigrated,
    populate_preview,
    populate_v2,
    rename,
)
from t3safe.adapters._support.layout import MANIFEST
from t3safe.adapters.gate.programs import node_program, node_version
from t3safe.adapters.gate.sandbox import PLAIN
from t3safe.contracts.gate import NOBODY, GateContract
from t3safe.domain.checks import Check, DispatchKnowledge
from t3safe.domain.effects import Subject
from t3safe.domain.errors import BuildError, Fault
from t3safe.domain.gate import Rehearsal
from t3safe.domain.versions import Version
from t3safe.t3.files import USERDATA, V1_DATABASE, V2_DATABASE
from t3safe.t3.generations import EVENT_LOG, THREADS
from t3safe.t3.package import LAUNCHER, NODE_PROGRAM
from t3safe.t3.serve_log import COPY_FAILED, LISTENING
from t3safe.t3.sign_in import BOOTSTRAP, BROWSER_SESSION, PLAIN_COOKIE
from t3safe.t3.work import APPROVALS
from tests.support.gate import NEW, OLD, RealGate, script


@pytest.fixture
def bench(tmp_path: Path) -> RealGate:
    """A gate over an empty store."""
    return RealGate(tmp_path)


class TestSandboxGate(GateContract):
    """The contract of Gate."""

    @pytest.fixture
    def bench(self, bench: RealGate) -> RealGate:
        """The bench of this module."""
        return bench


def rehearse_empty(bench: RealGate, build: Version) -> Rehearsal:
    """Rehearse on empty data and see that nothing is left of it."""
    (rehearsal,) = bench.port.rehearse(build, (NOBODY,))
    assert bench.running() == []
    assert list((bench.root / "sandboxes").iterdir()) == []
    return rehearsal


def rehearse_alice(bench: RealGate, build: Version, **snapshot: int | str) -> Rehearsal:
    """Rehearse on Alice's set and see that it is untouched and nothing is left."""
    alice = bench.snapshot("alice", **snapshot)  # type: ignore[arg-type]
    before = bench.traces()
    (rehearsal,) = bench.port.rehearse(build, (alice,))
    assert bench.traces() == before
    return rehearsal


V2: Final[Mapping[str, Any]] = {"orchestration": 2, "schema": 60, "cookie": "environment"}
V2_COOKIE: Final = f"{PLAIN_COOKIE}_[0-9a-f]{{12}}"


@frozen
class Case:
    """A build with faults and other changes, on a gate that is set so; what comes of it.

    `check` is the one that fails, None where all pass; `reason` a regular expression for its words.
    """

    check: Check | None
    reason: str
    faults: tuple[str, ...]
    gate: Mapping[str, Any]
    release: Mapping[str, Any]

    def __str__(self) -> str:
        return " ".join((*self.faults, *self.release, *self.gate))

    def holds(self, bench: RealGate, rehearse: Callable[[RealGate, Version], Rehearsal]) -> None:
        """Rehearse, and see what comes of it."""
        bench.tune(**self.gate)
        rehearsal = rehearse(bench, bench.faulty(*self.faults, **self.release))
        failed = next((each.check for each in rehearsal.checks if not each.passed), None)
        assert (failed, rehearsal.passed) == (self.check, self.check is None), rehearsal.reason
        assert re.search(self.reason, rehearsal.reason)


def fails(
    check: Check, reason: str, *faults: str, gate: Mapping[str, Any] = {}, **release: object
) -> Case:
    """Give the case of a build that fails."""
    return Case(check, reason, faults, gate, release)


def passes(*faults: str, gate: Mapping[str, Any] = {}, **release: object) -> Case:
    """Give the case of a build that passes."""
    return Case(None, "", faults, gate, release)


ON_THE_EMPTY_SET: Final = [
    fails(Check.IDENTITY, "prints nothing, expected", "exits-silently"),
    fails(Check.IDENTITY, "prints 0.0.1, expected", "wrong-version"),
    # A package that is another one, or not for this host's node.
    fails(Check.IDENTITY, r"needs node >=99, the units run node \d+", engines=">=99"),
    fails(Check.IDENTITY, "a foreign one", repository="https://github.com/somebody/else"),
    fails(Check.IDENTITY, "no program 't3' in its bin entry", bin_name="other"),
    # What answers early proves nothing: `/` and the descriptor do while a start of V2 goes on.
    fails(Check.LIVE, "the serve says that it is '0.0.1', not", "says-another-version", **V2),
    fails(Check.LIVE, "ended with status 1: ERROR: server runtime", "startup-fails", **V2),
    passes("startup-takes:1.5", **V2),
    fails(Check.PAIRED, "exits 1: Error: Failed to create", "mint-fails"),
    fails(Check.PAIRED, "exits 0: nothing printed", "mint-prints-nothing"),
    # As the serve holds its database for moments.
    passes("mint-database-locked:2"),
    fails(Check.PAIRED, "no path takes the credential", "pairing-moved"),
    fails(Check.PAIRED, "200 without a session cookie", "cookie-missing"),
    fails(Check.PAIRED, "a second request with the cookie", "session-once"),
    # By the name that production's bind gives.
    passes(cookie="loopback"),
    # The dispatch comes first: people would not get in, or see an empty page.
    fails(
        Check.CONTRACT,
        f"^(?=.*update the dispatch first)(?=.*{BROWSER_SESSION})",
        gate={"dispatch": DispatchKnowledge(paths=(BOOTSTRAP,))},
    ),
    fails(
        Check.CONTRACT,
        "update the dispatch first: it is not known to pass on protocol 2",
        gate={"dispatch": DispatchKnowledge(cookies=(V2_COOKIE,))},
        **V2,
    ),
    # It would hold up every stop.
    fails(Check.REOPENED, "within 0.5 s of SIGTERM", "ignores-sigterm", gate={"stop_limit": 0.5}),
    # What left the serve's session is ended with it, in every kind of sandbox.
    passes("forks-and-stays:60"),
    passes("forks-and-stays:60", gate={"sandbox": PLAIN, "bind_host": "127.0.0.1"}),
]


@pytest.mark.parametrize("case", ON_THE_EMPTY_SET, ids=str)
def test_what_shows_on_the_empty_set(bench: RealGate, case: Case) -> None:
    """What is wrong with any start of a build needs nobody's data to show."""
    case.holds(bench, rehearse_empty)


ON_A_COPY: Final = [
    fails(Check.LIVE, r"status 1: .*Migration .32_\w+. failed", "migration-fails"),
    fails(Check.MIGRATED, r"does not know state.sqlite: 31_\w+Reworked", "migration-wrong-names"),
    fails(Check.MIGRATED, "quick_check: state.sqlite", "corrupts-database"),
    fails(Check.PRESERVED, "projection_threads: 4 -> 2 rows", "migration-loses-threads"),
    # Through the link that the launcher follows, too.
    passes(layout="platform"),
    # A start of V2 that still migrates is waited for.
    passes("startup-takes:1", **V2),
    # What a first start of V2 lost of V1's data is named by its table.
    fails(Check.PRESERVED, r"are gone \(statev2.sqlite\)", "v2-import-loses-threads", **V2),
    fails(Check.PRESERVED, "projections of statev2.sqlite are at event", "projection-behind", **V2),
    fails(Check.LIVE, "", "startup-fails", **V2),
    # In t3's own words: V2 cannot begin there, and says that it copied nothing.
    fails(Check.LIVE, f"V2DatabaseImportError: {COPY_FAILED}", "no-hard-links", **V2),
    # Wherever a first start dies, what it left is in the sandbox alone.
    *(
        fails(Check.LIVE, "", f"v2-import-dies:{at}", **V2)
        for at in ("snapshot", "linked", "migrating", "importing")
    ),
]


@pytest.mark.parametrize("case", ON_A_COPY, ids=str)
def test_what_shows_on_a_copy(bench: RealGate, case: Case) -> None:
    """What a start does to work shows on a copy of it, never on the work itself."""
    case.holds(bench, rehearse_alice)


def test_launcher_over_a_native_program_is_not_started(bench: RealGate) -> None:
    """As an earlier t3safe sealed it: the program would be a child without the start lock."""
    build = bench.faulty(layout="platform")
    bench.program(build).unlink()
    bench.program(build).symlink_to(f"../t3/{LAUNCHER}")
    rehearsal = rehearse_empty(bench, build)
    assert [result.check for result in rehearsal.checks] == [Check.IDENTITY]
    assert re.search(r"only starts another one, of @t3code/t3-", rehearsal.reason)


@pytest.mark.parametrize("version", [OLD, NEW])
def test_releases_of_either_handshake_pass(bench: RealGate, version: str) -> None:
    """The handshake before June 2026 and the one since both pass, in their measured timing."""
    build = bench.faulty(version=version, start_time=0.05, listen_window=0.3)
    rehearsal = rehearse_empty(bench, build)
    assert rehearsal.reason == ""
    path = BOOTSTRAP if version == OLD else BROWSER_SESSION
    assert rehearsal.checks[4].notes == (f"{path}, cookie {PLAIN_COOKIE}",)


def test_report_tells_what_happened_to_the_copy(bench: RealGate) -> None:
    """Ledgers, counts and times of a rehearsal are kept; lost sign-ins are said, not fatal."""
    rehearsal = rehearse_alice(bench, bench.faulty())
    report = bench.evidence_of(rehearsal)
    assert rehearsal.reason == ""
    assert rehearsal.checks[2].notes == ("ledger 30 -> 32",)
    assert report["rows_before"][f"{V1_DATABASE}:{EVENT_LOG}"] == 20
    assert report["rows_after"][f"{V1_DATABASE}:{EVENT_LOG}"] == 20
    assert report["rows_lost"] == []
    assert set(report["timings"]) == set(Check)
    assert len(report["ledger_before"]["databases"][0][1]["entries"]) == 30
    assert "Running all migrations" in Path(rehearsal.evidence, "serve.log").read_text()
    assert {path.stat().st_mode & 0o77 for path in Path(rehearsal.evidence).iterdir()} == {0}


def test_what_a_build_knows_is_told_once_it_has_passed_on_the_empty_set(bench: RealGate) -> None:
    """Whatever comes of other copies; what cannot be kept is no failure of the rehearsal."""
    told: list[tuple[Version, object]] = []

    def learned(build: Version, schema: object) -> None:
        told.append((build, schema))
        message = "no space"
        raise BuildError(message, fault=Fault.HOST)

    bench.tune(learned=learned)
    sound = bench.faulty("migration-loses-threads")
    assert not rehearse_alice(bench, sound).passed
    rehearse_empty(bench, bench.faulty("pairing-moved", version=OLD))
    ((build, schema),) = told
    (rehearsal,) = bench.port.rehearse(sound, (NOBODY,))
    assert (build, schema) == (sound, rehearsal.schema)


def test_old_build_on_a_newer_set_does_not_pass(bench: RealGate) -> None:
    """A build that looks healthy on a newer database fails: it does not know the migrations."""
    rehearsal = rehearse_alice(bench, bench.faulty(version=OLD), version=NEW)
    assert rehearsal.checks[-1].check is Check.MIGRATED
    assert "the build does not know state.sqlite: 31_AuthAuthorizationScopes" in rehearsal.reason


def test_every_database_is_judged(bench: RealGate) -> None:
    """A build that keeps its state in a second file is judged by that one; the first is left."""
    rehearsal = rehearse_alice(bench, bench.faulty(**V2))
    report = bench.evidence_of(rehearsal)
    assert [name for name, _ in report["ledger_before"]["databases"]] == [V1_DATABASE]
    assert [name for name, _ in report["ledger_after"]["databases"]] == [
        V1_DATABASE,
        V2_DATABASE,
    ]
    assert rehearsal.reason == ""


def cut_off(bench: RealGate, base: Path) -> None:
    """V2's database is there at V1's ledger: its first start was cut off."""
    bench.snapshot("alice", version="0.0.45")
    add_unmigrated(base)
    add_import_directory(base)


def of_a_later_nightly(_: RealGate, base: Path) -> None:
    """It would start with a warning; nobody has measured what it does then."""
    populate_v2(base, 60)
    rename(base, {61: "FromTheFuture"})


@pytest.mark.parametrize(
    ("lay_out", "passes", "told"),
    [
        (cut_off, True, "ledger 54 -> 60"),
        # The start moves the rows in place; nothing of it counts as unknown.
        (lambda _, base: populate_preview(base, 53), True, ""),
        # V2 never looks at V1's database again.
        (lambda _, base: populate_v2(base, 56, keep_v1=False), True, ""),
        (of_a_later_nightly, False, "does not know statev2.sqlite: 61_FromTheFuture"),
    ],
)
def test_a_set_of_v2_in_each_form_in_which_it_may_lie(
    bench: RealGate, lay_out: Callable[[RealGate, Path], object], told: str, *, passes: bool
) -> None:
    """Nothing of V1 is missing after a start that goes on with what is there."""
    lay_out(bench, bench.root / "snapshots" / "alice" / "s1")
    (rehearsal,) = bench.port.rehearse(bench.faulty(**V2), (Subject("alice", "s1"),))
    assert rehearsal.passed is passes, rehearsal.reason
    assert told in " ".join((rehearsal.reason, *rehearsal.checks[2].notes))


@pytest.mark.parametrize(("approvals", "passes"), [(5, True), (40, False)])
def test_clean_up_is_tolerated_up_to_a_share(bench: RealGate, approvals: int, passes: bool) -> None:
    """A migration that cleans up is reported with its counts, and fatal above the tolerance."""
    bench.tune(tolerance=1.0 if passes else 0.5)
    build = bench.faulty("migration-cleans-approvals")
    rehearsal = rehearse_alice(bench, build, approvals=approvals)
    told = f"{APPROVALS.table}: {approvals} -> 0 rows"
    assert rehearsal.passed is passes
    assert told in " ".join((*rehearsal.checks[3].notes, rehearsal.checks[3].reason))


def test_serve_that_answers_and_dies_is_found(bench: RealGate) -> None:
    """A serve that answers and then dies fails with its exit status, wherever that strikes."""
    rehearsal = rehearse_empty(bench, bench.faulty("dies-after:0.05"))
    assert not rehearsal.passed
    assert "the serve ended with status 1" in rehearsal.reason


def test_heap_exhausted_in_the_soak_is_found(bench: RealGate) -> None:
    """A serve that runs out of memory while nothing happens fails the soak."""
    bench.tune(soak=3.0)
    rehearsal = rehearse_empty(bench, bench.faulty("heap-exhausted:1.5"))
    assert rehearsal.checks[-1].check is Check.SOAK
    assert "ended with status 134" in rehearsal.reason
    assert "heap out of memory" in rehearsal.checks[-1].notes[0]


def test_trouble_in_the_log_ends_the_soak(bench: RealGate) -> None:
    """The soak ends at the first error line, not when its time is over."""
    bench.tune(soak=60.0)
    rehearsal = rehearse_empty(bench, bench.faulty("logs-persistence-errors"))
    assert rehearsal.checks[-1].check is Check.SOAK
    assert "PersistenceSqlError" in rehearsal.reason
    assert rehearsal.seconds < 30


FOREIGN = """\
#!/usr/bin/env -S python3 -I
import os, socket, sys, time
if "--version" in sys.argv:
    print("t3 v{version}")
    sys.exit()
if os.fork():
    time.sleep(60)
os.setsid()
if os.fork():
    os._exit(0)
door = socket.socket()
door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
door.bind(("0.0.0.0", int(sys.argv[sys.argv.index("--port") + 1])))
door.listen()
while True:
    guest, _ = door.accept()
    guest.recv(4096)
    guest.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 0\\r\\n\\r\\n")
    guest.close()
"""


def test_answer_of_another_process_is_no_life(bench: RealGate) -> None:
    """An answer counts only when the serve that was started gave it."""
    build = bench.faulty()
    program = bench.program(build)
    program.unlink()
    script(program, FOREIGN.format(version=build))
    rehearsal = rehearse_empty(bench, build)
    assert rehearsal.checks[-1].check is Check.LIVE
    assert "answered by another process" in rehearsal.reason


def test_program_that_cannot_be_executed_is_found(bench: RealGate) -> None:
    """A program without an interpreter is the build's own fault."""
    build = bench.faulty()
    bench.program(build).unlink()
    script(bench.program(build), "#!/nowhere/node\n")
    assert rehearse_empty(bench, build).checks[-1].check is Check.IDENTITY


@pytest.mark.parametrize("fault", ["breaks-with-provider", "slow-provider-probe:600"])
def test_provider_clis_are_out_of_reach(
    bench: RealGate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    """A build finds no provider's CLI in the sandbox, whatever is on our own PATH.

    So one that hangs when it is probed holds nobody up.
    """
    script(tmp_path / "bin" / "claude", "#!/bin/sh\nsleep 600\n")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/local/bin:/usr/bin:/bin")
    assert rehearse_empty(bench, bench.faulty(fault)).reason == ""


def test_secrets_stay_out_of_the_evidence(bench: RealGate, tmp_path: Path) -> None:
    """No credential and no session that a rehearsal used is found in what is kept of it."""
    bench.tune(sandbox=PLAIN, bind_host="127.0.0.1")  # What it saw is written out of it.
    build = bench.faulty("prints-tokens")
    program = bench.program(build)
    program.unlink()
    seen = tmp_path / "seen"
    script(
        program,
        f"#!/bin/sh\nreal={program.parent.parent}/t3/{NODE_PROGRAM}\n"
        f'case "$1" in auth) "$real" "$@" | tee -a {seen};; *) exec "$real" "$@";; esac\n',
    )

    rehearsal = rehearse_alice(bench, build)

    credentials = re.findall(r'"credential": "(\w+)"', seen.read_text())
    kept = bench.kept_text()
    assert rehearsal.reason == ""
    assert len(set(credentials)) == len(credentials) == 2
    assert LISTENING in kept
    assert not [secret for secret in credentials if secret in kept]
    assert "eyJ" not in kept
    assert not re.search(r"Token: (?!\[redacted\])", kept)
    assert not set("█▀▄") & set(kept)


def noting(bench: RealGate, build: Version, seen: Path) -> Path:
    """Write down the first word of each call of a build's program; gives the program."""
    bench.tune(sandbox=PLAIN, bind_host="127.0.0.1")  # What it saw is written out of it.
    program = bench.program(build)
    program.unlink()
    real = program.parent.parent / "t3" / NODE_PROGRAM
    return script(program, f'#!/bin/sh\necho "$1" >> {seen}\nexec {real} "$@"\n')


def test_rehearsal_starts_no_more_of_t3_than_it_must(bench: RealGate, tmp_path: Path) -> None:
    """Two serves and one mint each, one `--version` for all: a start of t3 takes a second."""
    build, seen = bench.faulty(), tmp_path / "seen"
    noting(bench, build, seen)
    assert rehearse_alice(bench, build).reason == ""
    assert Counter(seen.read_text().split()) == {"--version": 1, "auth": 2, "serve": 4}


def test_a_build_is_not_asked_again_what_it_printed_when_it_was_sealed(
    bench: RealGate, tmp_path: Path
) -> None:
    """Under the same node it prints the same; under another one, or unsealed, it is asked."""
    build, seen = bench.faulty(), tmp_path / "seen"
    program = noting(bench, build, seen)
    node = node_version(node_program("node"))

    def asked(**sealed: str) -> int:
        (program.parents[2] / MANIFEST).write_text(json.dumps(sealed))
        seen.write_text("")
        assert rehearse_empty(bench, build).reason == ""
        return seen.read_text().split().count("--version")

    assert asked(reported=build.text, node=node) == 0
    assert asked(reported=build.text, node="1.0.0") == 1
    assert asked(node=node) == 1


def test_a_build_that_was_sealed_as_another_version_fails(bench: RealGate) -> None:
    """What is sealed is judged as what is printed."""
    build = bench.faulty()
    sealed = {"reported": "0.0.1", "node": node_version(node_program("node"))}
    (bench.program(build).parents[2] / MANIFEST).write_text(json.dumps(sealed))
    rehearsal = rehearse_empty(bench, build)
    assert rehearsal.checks[-1].check is Check.IDENTITY
    assert "prints 0.0.1, expected" in rehearsal.reason


def test_evidence_of_the_last_batches_is_kept(bench: RealGate) -> None:
    """Evidence is kept by batch: a new one drives out the oldest one whole."""
    bench.tune(evidence_keep=1)
    build = bench.faulty("wrong-version")
    first = rehearse_empty(bench, build)
    second = rehearse_empty(bench, build)
    assert not Path(first.evidence).exists()
    assert Path(second.evidence).exists()


def test_copy_with_a_log_beside_it_is_read_whole(bench: RealGate) -> None:
    """Rows that are only in a copy's write-ahead log count as there before."""
    alice = bench.snapshot("alice")
    source = bench.root / "snapshots" / "alice" / "s1" / USERDATA / V1_DATABASE
    live = sqlite3.connect(source)
    live.execute(f"UPDATE {THREADS} SET title = 'in the log'")
    live.execute(f"DELETE FROM {ACTIVITIES} WHERE rowid = 1")
    live.commit()
    build = bench.faulty()
    (rehearsal,) = bench.port.rehearse(build, (alice,))
    live.close()
    report = bench.evidence_of(rehearsal)
    assert rehearsal.reason == ""
    assert report["rows_before"][f"{V1_DATABASE}:{ACTIVITIES}"] == 11

"""The gate on real parts: real processes, HTTP and SQLite, a sandbox where one can be had."""

from __future__ import annotations

import json
import re
import sqlite3
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest

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
from t3safe.domain.effects import Subject
from t3safe.domain.gate import Check, DispatchKnowledge, Rehearsal
from t3safe.domain.versions import Version
from t3safe.t3.files import USERDATA, V1_DATABASE, V2_DATABASE
from t3safe.t3.generations import EVENT_LOG, THREADS
from t3safe.t3.package import LAUNCHER, NODE_PROGRAM
from t3safe.t3.serve_log import COPY_FAILED, LISTENING
from t3safe.t3.sign_in import BOOTSTRAP, BROWSER_SESSION, PLAIN_COOKIE
from t3safe.t3.work import APPROVALS
from tests.contract.gate_contract import NOBODY, GateContract
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
    """Rehearse on the empty set and see that nothing is left of it."""
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


ON_THE_EMPTY_SET = [
    (("exits-silently",), Check.IDENTITY, "prints nothing, expected"),
    (("wrong-version",), Check.IDENTITY, "prints 0.0.1, expected"),
    (("mint-fails",), Check.PAIRED, "exits 1: Error: Failed to create"),
    (("mint-prints-nothing",), Check.PAIRED, "exits 0: nothing printed"),
    (("pairing-moved",), Check.PAIRED, "no path takes the credential"),
    (("cookie-missing",), Check.PAIRED, "200 without a session cookie"),
    (("session-once",), Check.PAIRED, "a second request with the cookie"),
]


@pytest.mark.parametrize(("faults", "check", "reason"), ON_THE_EMPTY_SET)
def test_fault_shows_on_the_empty_set(
    bench: RealGate, faults: tuple[str, ...], check: Check, reason: str
) -> None:
    """What is wrong with any start of a build needs nobody's data to show."""
    rehearsal = rehearse_empty(bench, bench.faulty(*faults))
    assert rehearsal.checks[-1].check is check
    assert reason in rehearsal.reason


ON_A_COPY = [
    (("migration-fails",), Check.LIVE, r"status 1: .*Migration .32_\w+. failed"),
    (("migration-wrong-names",), Check.MIGRATED, r"does not know state.sqlite: 31_\w+Reworked"),
    (("corrupts-database",), Check.MIGRATED, r"quick_check: state.sqlite"),
    (("migration-loses-threads",), Check.PRESERVED, r"projection_threads: 4 -> 2 rows"),
]


@pytest.mark.parametrize(("faults", "check", "reason"), ON_A_COPY)
def test_fault_shows_on_a_copy(
    bench: RealGate, faults: tuple[str, ...], check: Check, reason: str
) -> None:
    """What a migration does to work shows on a copy of it, never on the work itself."""
    rehearsal = rehearse_alice(bench, bench.faulty(*faults))
    assert rehearsal.checks[-1].check is check
    assert re.search(reason, rehearsal.reason)


PACKAGES = [
    ({"engines": ">=99"}, r"needs node >=99, the units run node \d+"),
    ({"repository": "https://github.com/somebody/else"}, r"a foreign one"),
    ({"bin_name": "other"}, r"no program 't3' in its bin entry"),
]


@pytest.mark.parametrize(("changes", "reason"), PACKAGES)
def test_package_that_is_not_t3_is_not_started(
    bench: RealGate, changes: dict[str, str], reason: str
) -> None:
    """A package that is another one, or not for this host's node, never serves."""
    rehearsal = rehearse_empty(bench, bench.faulty(**changes))
    assert [result.check for result in rehearsal.checks] == [Check.IDENTITY]
    assert re.search(reason, rehearsal.reason)


def test_native_program_is_rehearsed_as_what_is_executed(bench: RealGate) -> None:
    """Through the link that the launcher follows, too: serve, mint and stop are of one program."""
    build = bench.faulty(layout="platform")
    rehearsal = rehearse_alice(bench, build)
    assert rehearsal.passed, rehearsal.reason


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


def test_a_start_of_v2_that_still_migrates_is_waited_for(bench: RealGate) -> None:
    """`/` is answered from the migrations on; the ledger is read once the serve is ready."""
    build = bench.faulty("startup-takes:1", **V2)
    assert rehearse_alice(bench, build).reason == ""


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("v2-import-loses-threads", "are gone (statev2.sqlite)"),
        ("projection-behind", "the projections of statev2.sqlite are at event"),
        ("startup-fails", "live: "),
    ],
)
def test_a_first_start_of_v2_that_goes_wrong_is_refused(
    bench: RealGate, fault: str, reason: str
) -> None:
    """What it lost of V1's data is named by its table."""
    rehearsal = rehearse_alice(bench, bench.faulty(fault, **V2))
    assert reason in rehearsal.reason


V2: Mapping[str, Any] = {"orchestration": 2, "schema": 60, "cookie": "environment"}


def test_a_protocol_that_the_dispatch_is_not_known_to_pass_on(bench: RealGate) -> None:
    """The dispatch comes first: people would sign in and see an empty page."""
    build = bench.faulty(**V2)
    bench.tune(dispatch=DispatchKnowledge(cookies=(f"{PLAIN_COOKIE}_[0-9a-f]{{12}}",)))
    rehearsal = rehearse_empty(bench, build)
    assert rehearsal.checks[-1].check is Check.CONTRACT
    assert "update the dispatch first: it is not known to pass on protocol 2" in rehearsal.reason


@pytest.mark.parametrize(
    ("faults", "check", "words"),
    [
        (("says-another-version",), Check.LIVE, "the serve says that it is '0.0.1', not"),
        (("startup-fails",), Check.LIVE, "the serve ended with status 1: ERROR: server runtime"),
        (("startup-takes:1.5",), None, ""),
    ],
)
def test_what_answers_early_proves_nothing(
    bench: RealGate, faults: tuple[str, ...], check: Check | None, words: str
) -> None:
    """The front page and the descriptor answer while a start of V2 goes on, or fails."""
    rehearsal = rehearse_empty(bench, bench.faulty(*faults, **V2))
    failing = next((each.check for each in rehearsal.checks if not each.passed), None)
    assert failing is check
    assert words in rehearsal.reason


IMPORTS: Final = ("snapshot", "linked", "migrating", "importing")


@pytest.mark.parametrize("at", IMPORTS)
def test_a_first_start_of_v2_that_dies_is_refused(bench: RealGate, at: str) -> None:
    """Wherever it dies, what it left is in the sandbox alone."""
    rehearsal = rehearse_alice(bench, bench.faulty(f"v2-import-dies:{at}", **V2))
    assert rehearsal.checks[-1].check is Check.LIVE


def test_a_file_system_without_hard_links_is_told_in_t3s_own_words(bench: RealGate) -> None:
    """V2 cannot begin there, and says that it copied nothing."""
    build = bench.faulty("no-hard-links", **V2)
    rehearsal = rehearse_alice(bench, build)
    assert rehearsal.checks[-1].check is Check.LIVE
    assert f"V2DatabaseImportError: {COPY_FAILED}" in rehearsal.reason


def second_of_alice(bench: RealGate) -> tuple[Subject, Path]:
    """Seal a snapshot of Alice's set; it, and the base directory that her set is below."""
    alice = bench.snapshot("alice", version="0.0.45")
    return alice, bench.root / "snapshots" / "alice" / "s1"


def test_a_first_start_that_was_cut_off_is_gone_on_with(bench: RealGate) -> None:
    """V2's database is there at V1's ledger: nothing of V1 is missing after the start."""
    alice, base = second_of_alice(bench)
    add_unmigrated(base)
    add_import_directory(base)
    (rehearsal,) = bench.port.rehearse(bench.faulty(**V2), (alice,))
    assert rehearsal.reason == ""
    assert rehearsal.checks[2].notes == ("ledger 54 -> 60",)


def test_a_set_of_a_preview_passes_though_its_ledger_is_numbered_otherwise(
    bench: RealGate,
) -> None:
    """The start moves the rows in place; nothing of it counts as unknown."""
    base = bench.root / "snapshots" / "alice" / "s1"
    populate_preview(base, 53)
    (rehearsal,) = bench.port.rehearse(bench.faulty(**V2), (Subject("alice", "s1"),))
    assert rehearsal.reason == ""


def test_a_set_whose_v1_database_is_gone_passes(bench: RealGate) -> None:
    """V2 never looks at it again."""
    base = bench.root / "snapshots" / "alice" / "s1"
    populate_v2(base, 56, keep_v1=False)
    (rehearsal,) = bench.port.rehearse(bench.faulty(**V2), (Subject("alice", "s1"),))
    assert rehearsal.reason == ""


def test_a_set_of_a_later_nightly_is_refused(bench: RealGate) -> None:
    """It would start with a warning; nobody has measured what it does then."""
    base = bench.root / "snapshots" / "alice" / "s1"
    populate_v2(base, 60)
    rename(base, {61: "FromTheFuture"})
    (rehearsal,) = bench.port.rehearse(bench.faulty(**V2), (Subject("alice", "s1"),))
    assert rehearsal.checks[-1].check is Check.MIGRATED
    assert "the build does not know statev2.sqlite: 61_FromTheFuture" in rehearsal.reason


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
    """The soak ends at the first line of trouble, not when its time is over."""
    bench.tune(soak=60.0)
    rehearsal = rehearse_empty(bench, bench.faulty("logs-persistence-errors"))
    assert rehearsal.checks[-1].check is Check.SOAK
    assert "PersistenceSqlError" in rehearsal.reason
    assert rehearsal.seconds < 30


def test_serve_that_cannot_be_stopped_is_found(bench: RealGate) -> None:
    """A serve that survives SIGTERM would hold up every stop; it is killed and does not pass."""
    bench.tune(stop_limit=0.5)
    rehearsal = rehearse_empty(bench, bench.faulty("ignores-sigterm"))
    assert rehearsal.checks[-1].check is Check.REOPENED
    assert "did not stop within 0.5 s of SIGTERM" in rehearsal.reason


@pytest.mark.parametrize("plain", [False, True])
def test_daemon_that_stays_is_ended(bench: RealGate, plain: bool) -> None:
    """What left the serve's session is ended with it, in every kind of sandbox."""
    if plain:
        bench.tune(sandbox=PLAIN, bind_host="127.0.0.1")
    assert rehearse_empty(bench, bench.faulty("forks-and-stays:60")).reason == ""


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


def test_locked_database_is_tried_again(bench: RealGate) -> None:
    """A mint that meets a locked database is repeated, as the serve holds it for moments."""
    assert rehearse_empty(bench, bench.faulty("mint-database-locked:2")).reason == ""


def test_dispatch_that_lags_behind_is_named(bench: RealGate) -> None:
    """A path that the build takes and the dispatch does not know is the dispatch's to learn."""
    bench.tune(dispatch=DispatchKnowledge(paths=(BOOTSTRAP,)))
    rehearsal = rehearse_empty(bench, bench.faulty())
    assert rehearsal.checks[-1].check is Check.CONTRACT
    assert "update the dispatch first" in rehearsal.reason
    assert BROWSER_SESSION in rehearsal.reason


def test_cookie_is_named_by_the_bind_of_production(bench: RealGate) -> None:
    """A build that names its cookie by a loopback bind is judged by the name that 0.0.0.0 gives."""
    assert rehearse_empty(bench, bench.faulty(cookie="loopback")).reason == ""


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


def test_rehearsal_starts_no_more_of_t3_than_it_must(bench: RealGate, tmp_path: Path) -> None:
    """Two serves and one mint each, one `--version` for all: a start of t3 takes a second."""
    bench.tune(sandbox=PLAIN, bind_host="127.0.0.1")  # What it saw is written out of it.
    build = bench.faulty()
    program, seen = bench.program(build), tmp_path / "seen"
    program.unlink()
    real = program.parent.parent / "t3" / NODE_PROGRAM
    script(program, f'#!/bin/sh\necho "$1" >> {seen}\nexec {real} "$@"\n')
    assert rehearse_alice(bench, build).reason == ""
    assert Counter(seen.read_text().split()) == {"--version": 1, "auth": 2, "serve": 4}


def test_a_build_is_not_asked_again_what_it_printed_when_it_was_sealed(
    bench: RealGate, tmp_path: Path
) -> None:
    """Under the same node it prints the same; under another one, or unsealed, it is asked."""
    bench.tune(sandbox=PLAIN, bind_host="127.0.0.1")  # What it saw is written out of it.
    build = bench.faulty()
    program, seen = bench.program(build), tmp_path / "seen"
    program.unlink()
    real = program.parent.parent / "t3" / NODE_PROGRAM
    script(program, f'#!/bin/sh\necho "$1" >> {seen}\nexec {real} "$@"\n')
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

"""Which build a process runs, on real processes: a native program, an interpreter, an editor."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fakes import native
from fakes.packages import FakeRelease, unpack
from t3safe.adapters._support.buildpaths import BuildPaths, ProcessSeen, seen
from t3safe.adapters._support.layout import PROGRAM, build_folder
from t3safe.adapters.pairing.check import look
from t3safe.adapters.residents import T3Processes
from t3safe.adapters.selection.locks import StartLocks
from t3safe.domain.ports import Running
from t3safe.domain.versions import Version
from t3safe.t3.commands import BASE_OPTION
from tests.unit.adapters.conftest import Start

BUILD = Version.parse("0.0.46-nightly.20261003.2610")
READS = "import sys; print(flush=True); sys.stdin.read()"


@pytest.fixture
def entry(tmp_path: Path) -> Path:
    """Give the program of a native build in a store."""
    release = FakeRelease(BUILD.text, layout="platform", start_time=0.0)
    return unpack(release, build_folder(tmp_path, BUILD))


def serve(entry: Path, base: Path) -> tuple[str, ...]:
    """Give the words of a serve, by whatever name its program is called."""
    return (str(entry), "serve", "--host", "127.0.0.1", "--port", "0", BASE_OPTION, str(base))


def test_a_native_program_is_known_by_its_executable_whatever_it_is_called(
    tmp_path: Path, entry: Path, start: Start
) -> None:
    """Words may be anything; what the kernel tells is believed by all three readers."""
    pid = start(*serve(Path("whatever"), tmp_path / "base"), executable=entry)

    one = seen(pid)
    assert one.program == str(entry.resolve())
    assert list(BuildPaths.of(tmp_path).named(one)) == [BUILD.text]
    assert BuildPaths.of(tmp_path).executed(one)
    found = look(tmp_path, pid, BUILD)
    assert found is not None
    assert found.runs_build
    assert found.shown == BUILD.text
    residents = T3Processes(tmp_path, lambda _, __: "ann", others=False)()
    assert [(it.pid, it.build) for it in residents] == [(pid, BUILD)]
    assert StartLocks(tmp_path)._runs_a_build(pid)


def test_a_native_serve_is_one_process_that_serves(
    tmp_path: Path, entry: Path, start: Start
) -> None:
    """Started by its link, as the launcher does: itself, no child of a launcher."""
    pid = start(*serve(entry, tmp_path / "base"))

    residents = T3Processes(tmp_path, lambda _, __: "ann", others=False)()
    assert list(residents) == [Running("ann", pid, BUILD, serves=True)]


def test_an_interpreter_executes_a_build_by_its_first_words(tmp_path: Path, start: Start) -> None:
    """A program of the build, through the store's name or through a link to it."""
    other = tmp_path / "other"
    other.symlink_to(tmp_path)
    script = build_folder(tmp_path, BUILD) / PROGRAM
    script.parent.mkdir(parents=True)
    script.write_text(READS)

    for store in (tmp_path, other):
        pid = start(sys.executable, build_folder(store, BUILD) / PROGRAM, "serve")
        assert BuildPaths.of(other).executed(seen(pid))


def test_what_only_names_a_file_of_a_build_does_not_execute_it(
    tmp_path: Path, start: Start
) -> None:
    """An editor is of the build, and nobody ends it; nor what names the program in a later word."""
    builds = BuildPaths.of(tmp_path)
    folder = build_folder(tmp_path, BUILD)
    for words in (
        ("editor", f"{folder}/build.json"),
        ("editor", "-x", "-y", f"{folder}/{PROGRAM}"),
    ):
        one = seen(start(sys.executable, "-c", READS, *words))
        assert list(builds.named(one)) == [BUILD.text]
        assert not builds.executed(one)
        assert not builds.executed(ProcessSeen("/usr/bin/editor", words))
    assert not builds.executed(ProcessSeen("", (f"{folder.parent}/",)))


def test_a_process_that_ended_has_no_words(entry: Path) -> None:
    """One that nobody has reaped has neither executable nor words; one that is gone is an error."""
    with subprocess.Popen([entry, "--version"], stdout=subprocess.DEVNULL) as process:
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert seen(process.pid) == ProcessSeen()
    with pytest.raises(OSError, match="No such"):
        seen(process.pid)


def test_a_native_program_that_was_deleted_is_still_of_its_build(
    tmp_path: Path, entry: Path, start: Start
) -> None:
    """A build is deleted under a serve only by hand; what still runs of it is found."""
    pid = start(*serve(entry, tmp_path / "base"))
    program = entry.resolve()
    program.unlink()
    assert seen(pid).program == str(program)


def test_a_machine_without_the_library_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """A script in place of the native program would prove nothing."""
    monkeypatch.setattr("sysconfig.get_config_var", lambda _: "nowhere")
    with pytest.raises(native.CannotCompileError, match="needs libpythonnowhere"):
        native.library()

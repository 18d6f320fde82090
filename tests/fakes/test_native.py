"""The native shape of the fake t3: a launcher over a program that is itself the running process."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import tarfile
import time
from contextlib import suppress
from pathlib import Path

import psutil

from fakes.packages import FakeRelease, pack_platform, release_like
from fakes.t3.process import QUIET, RunningServe, run_t3
from t3safe.t3.package import LAUNCHER_ENVIRONMENT, MACHINES, launcher_status, read_elf
from tests.fakes.conftest import Program, Start

NATIVE = release_like("0.0.45", layout="platform", start_time=0.0, listen_window=0.05)


def launcher(program: Path) -> Path:
    """Give what the package's command is, where the link leads to the native program."""
    return program.parent.parent / "t3" / "bin" / "t3.js"


def test_a_serve_is_the_executable_itself(program: Program, start: Start) -> None:
    """Main process, executable and listener are one; it ends by SIGTERM as t3 does."""
    serve = start(NATIVE)
    found = psutil.Process(serve.process.pid)
    assert found.exe() == str(program(NATIVE).resolve())
    assert found.children(recursive=True) == []
    assert serve.port in {it.laddr.port for it in found.net_connections()}
    assert serve.stop(signal.SIGTERM) == 130


def test_the_launcher_passes_no_signal_on(program: Program, tmp_path: Path) -> None:
    """SIGTERM ends it at once; its serve goes on, with the port and the database."""
    with RunningServe(launcher(program(NATIVE)), tmp_path / "base") as serve:
        serve.wait_until_up()
        (child,) = psutil.Process(serve.process.pid).children()
        try:
            assert child.exe() == str(program(NATIVE).resolve())
            serve.process.send_signal(signal.SIGTERM)
            assert serve.process.wait() == -signal.SIGTERM
            assert child.is_running()
            assert serve.request("GET", "/").status == 200
        finally:
            with suppress(psutil.NoSuchProcess):
                child.kill()


def test_the_launcher_adds_nothing(program: Program, tmp_path: Path) -> None:
    """A direct start has the same environment, and ends in the same way but for a signal's name."""
    through, straight = launcher(program(NATIVE)), program(NATIVE)
    assert dict(LAUNCHER_ENVIRONMENT) == {}
    for words in (("--version",), ("--nonsense",)):
        one, other = run_t3(through, *words), run_t3(straight, *words)
        assert (one.returncode, one.stdout) == (launcher_status(other.returncode), other.stdout)
    # Python would set a variable of its own for a plain C locale.
    env = {**QUIET, "LC_ALL": "C.UTF-8"}
    with RunningServe(through, tmp_path / "base", env=env) as serve:
        serve.wait_until_up()
        (child,) = psutil.Process(serve.process.pid).children()
        mine = psutil.Process(serve.process.pid).environ()
        assert child.environ() == mine
        child.kill()
        assert serve.process.wait() == launcher_status(-signal.SIGKILL) == 137


def test_no_descriptor_reaches_what_the_launcher_starts(program: Program, tmp_path: Path) -> None:
    """A start lock that it was given would end with it; the program itself keeps it."""
    (tmp_path / "lock").touch()
    for number, (at, kept) in enumerate(((launcher(program(NATIVE)), 0), (program(NATIVE), 1))):
        handle = os.open(tmp_path / "lock", os.O_RDONLY)
        words = [str(at), "serve", "--port", "0", "--base-dir", str(tmp_path / f"base-{number}")]
        process = subprocess.Popen(words, pass_fds=(handle,), stdout=subprocess.PIPE)
        os.close(handle)
        try:
            deadline = time.monotonic() + 60
            while not (runs := [it for it in _tree(process.pid) if it.exe().endswith("/t3")]):
                assert time.monotonic() < deadline
                time.sleep(0.01)
            assert _opened(runs[0].pid).count(str(tmp_path / "lock")) == kept
        finally:
            for one in _tree(process.pid):
                one.kill()
            process.communicate()


def _opened(pid: int) -> list[str]:
    """What a process has open; it closes some of it meanwhile, as it is starting."""
    folder, found = Path(f"/proc/{pid}/fd"), list[str]()
    for name in os.listdir(folder):
        with suppress(FileNotFoundError):
            found.append(os.readlink(folder / name))
    return found


def _tree(pid: int) -> list[psutil.Process]:
    main = psutil.Process(pid)
    return [main, *main.children(recursive=True)]


def test_the_same_release_gives_the_same_bytes() -> None:
    """A compiler run again makes the same file; a fault of the file another one."""
    pack_platform.cache_clear()
    first = pack_platform(NATIVE).integrity
    pack_platform.cache_clear()
    assert pack_platform(NATIVE).integrity == first


def test_what_is_compiled_is_read_as_a_native_program() -> None:
    """By the very reader that judges a real one."""
    release = FakeRelease("0.0.45", layout="platform")
    file = native_file(release)
    found = read_elf(lambda offset, size: file[offset : offset + size])
    assert found is not None
    machine = MACHINES[os.uname().machine]
    assert found == (machine.number, machine.loader)


def native_file(release: FakeRelease) -> bytes:
    """Give the native program of a release as it was packed."""
    with tarfile.open(fileobj=io.BytesIO(pack_platform(release).tarball)) as archive:
        file = archive.extractfile("package/t3")
        assert file is not None
        return file.read()

"""Hooks as real processes: which are run, in which order, with what, and for how long."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from attrs import evolve

from t3safe.adapters.hooks import LINES_MAX, PATH, HookFolders, HookSeen
from t3safe.domain.hook_events import HookEvent, Moment
from t3safe.domain.messages import LogLevel, LogLine

RUN = HookEvent(Moment.BEFORE_RUN, "r1", old="0.0.1", new="0.0.2")
BACK = HookEvent(Moment.BEFORE_ROLLBACK, "r1", "ann", "0.0.2", "0.0.1", reason="it died")

Lay = Callable[..., Path]


class LinesKept(list[LogLine]):
    """Keeps the lines that are logged."""

    @property
    def texts(self) -> list[str]:
        """The lines as they are logged."""
        return [str(line) for line in self]


@pytest.fixture
def said() -> LinesKept:
    """Give what hears the hooks."""
    return LinesKept()


@pytest.fixture
def hooks(tmp_path: Path, said: LinesKept) -> HookFolders:
    """Give hooks below an empty folder, which none of them outlives for long."""
    folder = tmp_path / "hooks"
    folder.mkdir(mode=0o755)
    return HookFolders(folder, 20.0, said.append)


@pytest.fixture
def lay(hooks: HookFolders) -> Lay:
    """Give a way to lay a hook down."""

    def laid(name: str, body: str = "exit 0", of: Moment = Moment.BEFORE_RUN) -> Path:
        path = hooks.folder / f"{of}.d" / name
        path.parent.mkdir(mode=0o755, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
        path.chmod(0o755)
        return path

    return laid


def test_where_there_are_no_hooks_nothing_is_said(hooks: HookFolders, said: LinesKept) -> None:
    """Neither an absent folder nor an empty one is worth a line."""
    assert hooks.call(RUN) == ""
    (hooks.folder / "before-run.d").mkdir(mode=0o755)
    assert hooks.call(RUN) == ""
    assert evolve(hooks, folder=hooks.folder / "nowhere").call(RUN) == ""
    assert said == []


def test_hooks_run_in_the_order_of_their_names_and_each_line_is_said(
    hooks: HookFolders, lay: Lay, said: LinesKept
) -> None:
    """Both streams; what an editor left and what is hidden is no hook, nor is what cannot run."""
    lay("20-second", "echo two; echo too >&2")
    lay("10-first", "printf one")
    lay("10-first~", "echo never")
    lay(".hidden", "echo never")
    lay("30-plain").chmod(0o644)
    lay("10-other", "echo never", Moment.AFTER_RUN)
    assert hooks.call(RUN) == ""
    assert said.texts == [
        "before-run.d/10-first: one",
        "before-run.d/20-second: two",
        "before-run.d/20-second: too",
        "hook before-run.d/30-plain is not executable and left out",
    ]


def test_a_hook_finds_what_is_documented_and_nothing_else(
    hooks: HookFolders, lay: Lay, said: LinesKept, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No variable of ours, no input, no terminal, the root folder as its own."""
    monkeypatch.setenv("SECRET", "of-ours")
    lay("10-env", "env | sort; pwd; umask; cat; ps -o sid= -p $$ | tr -d ' '", BACK.moment)
    assert hooks.call(BACK) == ""
    *seen, folder, mask, session = [
        text.removeprefix("before-rollback.d/10-env: ") for text in said.texts
    ]
    found = dict(line.split("=", 1) for line in seen)
    shells_own = {"PWD", "OLDPWD", "SHLVL", "_"}
    assert {name: text for name, text in found.items() if name not in shells_own | {"HOME"}} == {
        "PATH": PATH,
        "LANG": "C.UTF-8",
        "T3SAFE_EVENT": "before-rollback",
        "T3SAFE_RUN": "r1",
        "T3SAFE_PERSON": "ann",
        "T3SAFE_FROM": "0.0.2",
        "T3SAFE_TO": "0.0.1",
        "T3SAFE_OUTCOME": "",
        "T3SAFE_REASON": "it died",
    }
    assert (folder, mask) == ("/", "0022")
    assert session != str(os.getsid(0))


def test_the_first_failure_ends_a_moment_that_it_decides(
    hooks: HookFolders, lay: Lay, said: LinesKept
) -> None:
    """Nothing is started then, so that the hooks after it have nothing to come before."""
    lay("10-fails", "echo no backup; exit 3")
    lay("20-never", "echo never")
    assert hooks.call(RUN) == "hook before-run.d/10-fails failed with exit status 3"
    assert said.texts == [
        "before-run.d/10-fails: no backup",
        f"hook before-run.d/10-fails failed with exit status 3; {RUN.consequence()}",
    ]
    assert said[-1].level is LogLevel.WARNING


def test_elsewhere_every_hook_has_its_turn(hooks: HookFolders, lay: Lay, said: LinesKept) -> None:
    """Nobody is kept from being taken back, and the second hook may matter more than the first."""
    lay("10-fails", "exit 3", BACK.moment)
    lay("20-dies", "kill -TERM $$", BACK.moment)
    lay("30-works", "echo here", BACK.moment)
    assert hooks.call(BACK) == "hook before-rollback.d/10-fails failed with exit status 3"
    assert said.texts == [
        "hook before-rollback.d/10-fails failed with exit status 3; ann gets the rollback anyway",
        "hook before-rollback.d/20-dies was ended by signal 15; ann gets the rollback anyway",
        "before-rollback.d/30-works: here",
    ]
    assert {line.person for line in said} == {"ann"}


@pytest.mark.parametrize("body", ["sleep 60", "sleep 60 & wait", "exec >&- 2>&-; sleep 60"])
def test_a_hook_that_hangs_is_killed_with_what_it_started(
    hooks: HookFolders, lay: Lay, tmp_path: Path, body: str
) -> None:
    """At its timeout and not much later, also where its output is closed or a child runs."""
    lay("10-hangs", f"echo $$ > {tmp_path}/leader\n{body}")
    began = time.monotonic()
    failed = evolve(hooks, timeout=0.5).call(RUN)
    assert failed == "hook before-run.d/10-hangs was killed after 0.5 s (hooks.timeout)"
    assert time.monotonic() - began < 10
    leader = int((tmp_path / "leader").read_text())
    # What was killed is reaped in a moment.
    deadline = time.monotonic() + 5
    with suppress(ProcessLookupError):
        while time.monotonic() < deadline:
            os.killpg(leader, 0)
            time.sleep(0.01)
        pytest.fail("a process of its group is left")


def test_nobody_waits_for_what_a_hook_left_running(
    hooks: HookFolders, lay: Lay, said: LinesKept
) -> None:
    """A child that holds the output open is not listened to once its hook has ended."""
    lay("10-leaves", "echo before\nsleep 15 &")
    began = time.monotonic()
    assert hooks.call(RUN) == ""
    assert time.monotonic() - began < 10
    assert said.texts == ["before-run.d/10-leaves: before"]


def test_what_a_hook_prints_is_bounded_and_cannot_raise_an_alert(
    hooks: HookFolders, lay: Lay, said: LinesKept
) -> None:
    """No secret, no alert word, no escape of a terminal, no endless line and no endless text."""
    lay(
        "10-loud",
        "echo token=abcdef0123456789; printf 'FROZEN \\033[2Jrolled back\\n'\n"
        "head -c 300000 /dev/zero | tr '\\0' x; echo; seq 1000",
    )
    assert hooks.call(RUN) == ""
    name = "before-run.d/10-loud"
    assert said.texts[:2] == [f"{name}: token=[redacted]", f"{name}: Frozen [2Jrolled-back"]
    assert said.texts[2] == f"{name}: {'x' * 500}..."
    assert len(said.texts) == LINES_MAX + 1
    assert said.texts[-1] == f"{name}: {1003 - LINES_MAX} more lines are left out"


def test_a_hook_that_cannot_be_started_is_a_failure(hooks: HookFolders, lay: Lay) -> None:
    """No program, no interpreter, or a file in the place of the folder: unknown what was to run."""
    path = lay("10-nothing")
    path.write_bytes(b"\x7fELF no program")
    assert hooks.call(RUN) == "hook before-run.d/10-nothing could not be run: Exec format error"
    path.write_text("#!/nowhere/sh\n", encoding="utf-8")
    assert "10-nothing could not be run: No such file or directory" in hooks.call(RUN)
    path.unlink()
    path.parent.rmdir()
    path.parent.touch()
    assert "before-run.d cannot be read: Not a directory" in hooks.call(RUN)


def spoil(how: str, path: Path, hooks: HookFolders) -> str:
    """Spoil a hook, or what is above it; what the refusal must name."""
    match how:
        case "writable":
            path.chmod(0o775)
        case "folder writable, if sticky":
            path.parent.chmod(0o1777)
            return str(path.parent)
        case "writable above the hooks":
            hooks.folder.parent.chmod(0o777)
            return str(hooks.folder.parent)
        case "a link out of the hooks":
            target = hooks.folder.parent / "elsewhere"
            path.rename(target)
            path.symlink_to(target)
            return str(target)
        case "folder a link":
            path.parent.rename(hooks.folder / "real.d")
            path.parent.symlink_to(hooks.folder / "real.d")
            return str(path.parent)
        case "a pipe":
            path.unlink()
            os.mkfifo(path, 0o755)
        case _:
            path.rename(path.with_name(".gone"))
            path.symlink_to(path.with_name("nowhere"))
            return "could not be run: No such file"
    return str(path)


@pytest.mark.parametrize(
    "how",
    [
        *("writable", "folder writable, if sticky", "writable above the hooks"),
        *("a link out of the hooks", "folder a link", "a pipe", "a link to nothing"),
    ],
)
def test_what_others_could_have_put_there_is_never_run(
    hooks: HookFolders, lay: Lay, said: LinesKept, tmp_path: Path, how: str
) -> None:
    """The message names the file or folder, and it counts as a failure: nothing starts."""
    mark = tmp_path / "mark"
    named = spoil(how, lay("10-bad", f"touch {mark}"), hooks)
    failed = hooks.call(RUN)
    assert named in failed
    assert failed.startswith("hook before-run.d/10-bad ")
    assert [(one.name, bool(one.refused)) for one in hooks.look()] == [
        ("before-run.d/10-bad", True)
    ]
    assert not mark.exists()
    assert said[-1].level is LogLevel.WARNING


def test_what_belongs_to_another_user_is_never_run(
    hooks: HookFolders, lay: Lay, tmp_path: Path
) -> None:
    """Root's hooks are root's."""
    path = lay("10-theirs", f"touch {tmp_path}/mark")
    strict = evolve(hooks, owners=frozenset({0}))
    if os.geteuid() == 0:
        os.chown(path, 12345, 12345)
    assert "belongs to user" in strict.call(RUN)
    assert not (tmp_path / "mark").exists()


def test_a_link_to_a_hook_beside_it_is_run(hooks: HookFolders, lay: Lay, said: LinesKept) -> None:
    """One program may serve several moments."""
    real = lay("10-real", "echo $T3SAFE_EVENT", Moment.AFTER_RUN)
    link = lay("10-link")
    link.unlink()
    link.symlink_to(real)
    assert hooks.call(RUN) == ""
    assert said.texts == ["before-run.d/10-link: before-run"]


def test_a_look_tells_what_would_be_run_and_what_is_misplaced(hooks: HookFolders, lay: Lay) -> None:
    """Of every moment; a folder of no moment is named."""
    assert (hooks.look(), hooks.strangers()) == ((), ())
    lay("10-first")
    lay("20-plain", of=Moment.AFTER_RUN).chmod(0o644)
    (hooks.folder / "before_run.d").mkdir()
    assert hooks.look() == (
        HookSeen("before-run.d/10-first", "", executable=True),
        HookSeen("after-run.d/20-plain", "", executable=False),
    )
    assert hooks.strangers() == ("before_run.d",)

"""The selection on a real file system, with the launcher run by a real shell."""

from __future__ import annotations

import errno
import os
import pwd
import stat
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from attrs import evolve, frozen

from fakes.fixed_launcher import render_fixed_launcher
from t3safe.adapters._support import layout
from t3safe.adapters._support.personaldata import NOTE
from t3safe.adapters.selection.launcher import render_launcher
from t3safe.adapters.selection.links import SymlinkSelection
from t3safe.contracts.selection import NEW, NEWEST, OLD, SelectionContract
from t3safe.domain.errors import DeadLinkError, SelectionError
from t3safe.domain.people import valid_person
from t3safe.domain.ports import Selected
from t3safe.domain.versions import Version
from t3safe.t3.files import HOME_BASE, USERDATA
from tests.unit.domain.test_people import NOBODYS, REAL

NOBODY = "nobody"


def hold(store: Path, build: Version) -> Path:
    """Put a build into the store whose program tells its own path and arguments."""
    program = store / "builds" / build.text / "node_modules" / ".bin" / "t3"
    program.parent.mkdir(parents=True, exist_ok=True)
    program.write_text('#!/bin/sh\necho "$0" "$@"\n')
    program.chmod(0o755)
    (store / "builds" / build.text / "build.json").write_text("{}")
    return program


@frozen
class SelectionWorld:
    port: SymlinkSelection

    def hold(self, *builds: Version) -> None:
        """Let the store hold these builds."""
        for build in builds:
            hold(self.port.store, build)

    def link(self, person: str) -> Path:
        """Give the person's link."""
        return self.port.store / "users" / person

    @property
    def launcher(self) -> Path:
        """The launcher's place, in a folder that is there."""
        assert self.port.launcher is not None
        self.port.launcher.parent.mkdir(exist_ok=True)
        return self.port.launcher

    def traces(self) -> dict[str, str]:
        """Give every link and record, to be compared."""
        found = {}
        for folder in (self.port.store, self.port.store / "users", self.port.state):
            for path in sorted(folder.iterdir()) if folder.exists() else []:
                if path.is_symlink():
                    found[str(path)] = str(path.readlink())
                elif path.is_file():
                    found[str(path)] = path.read_text()
        return found


@pytest.fixture
def bench(tmp_path: Path) -> SelectionWorld:
    """Give a selection over an empty store, with a launcher to keep."""
    return SelectionWorld(
        SymlinkSelection(tmp_path / "store", tmp_path / "state", tmp_path / "bin" / "t3")
    )


class TestSymlinkSelection(SelectionContract):
    """The contract, on symbolic links."""


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("../builds/0.0.99", "which the store does not hold"),
        ("../builds/../../etc", "not a link to a version"),
        ("/etc", "which is not a build of the store"),
        ("builds/0.0.28-nightly.20260615.567", "which is not a build of the store"),
        ("../default", "which is not a build of the store"),
    ],
)
def test_link_of_another_form_is_not_believed(
    bench: SelectionWorld, target: str, words: str
) -> None:
    """A link that this module never writes is told with what fixes it, and left as it is."""
    bench.hold(OLD)
    bench.port.promote(OLD)
    bench.port.fence("alice")
    link = bench.link("alice")
    link.unlink()
    link.symlink_to(target)

    with pytest.raises(DeadLinkError, match=words) as caught:
        bench.port.selected("alice")

    assert bench.port.linked() == ("alice",)
    assert "`t3safe rollback alice --to VERSION`" in str(caught.value)
    assert str(link.readlink()) == target


def test_what_stands_in_place_of_a_link_is_replaced_but_for_a_folder(
    bench: SelectionWorld,
) -> None:
    """A file is not a selection, and selecting replaces it; a folder stays with what it holds."""
    bench.hold(OLD)
    bench.port.promote(OLD)
    bench.port.fence("bob")
    bench.link("alice").write_text("0.0.28")
    with pytest.raises(SelectionError, match="not a link"):
        bench.port.selected("alice")
    bench.port.select("alice", OLD)
    assert bench.port.selected("alice") == Selected(OLD)

    kept = bench.link("carl") / "kept"
    kept.mkdir(parents=True)
    with pytest.raises(SelectionError, match="cannot fence carl"):
        bench.port.fence("carl")
    with pytest.raises(SelectionError, match="cannot select"):
        bench.port.select("carl", OLD)
    assert kept.is_dir()


def test_record_is_one_line_with_the_version(bench: SelectionWorld) -> None:
    """Other programs read last-good; one that is no version is named, and nothing is promoted."""
    bench.hold(OLD, NEW)
    bench.port.promote(OLD)
    record = bench.port.state / "last-good"
    assert record.read_text() == f"{OLD}\n"

    record.write_text(f"  {NEW} \n\n")
    assert bench.port.last_good() == NEW
    record.write_text("")
    assert bench.port.last_good() is None
    record.write_text("latest\n")
    with pytest.raises(SelectionError, match="last-good"):
        bench.port.promote(NEW)
    assert bench.port.default() == OLD


@pytest.mark.parametrize("cut", ["previous-good", "last-good"])
def test_promotion_that_was_cut_off_ends_the_same(bench: SelectionWorld, cut: str) -> None:
    """Whatever part of a promotion was written before a power cut, the next call completes it."""
    bench.hold(OLD, NEW, NEWEST)
    bench.port.promote(OLD)
    bench.port.promote(NEW)
    (bench.port.state / "previous-good").write_text(f"{NEW}\n")
    if cut == "last-good":
        (bench.port.state / "last-good").write_text(f"{NEWEST}\n")
    assert bench.port.default() == NEW

    bench.port.promote(NEWEST)

    assert bench.port.default() == NEWEST
    assert (bench.port.last_good(), bench.port.previous_good()) == (NEWEST, NEW)


def test_temporary_link_of_a_dead_process_is_no_obstacle(bench: SelectionWorld) -> None:
    """A process that died before the rename leaves a file that the next call replaces."""
    bench.hold(OLD)
    bench.port.fence("alice")
    (bench.link("alice").parent / ".alice.new").symlink_to("../builds/0.0.99")

    bench.port.select("alice", OLD)

    assert bench.port.selected("alice") == Selected(OLD)
    assert os.listdir(bench.link("alice").parent) == ["alice"]


@pytest.fixture
def full_disk(bench: SelectionWorld, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Give a switch: from then on there is room for one link more for each reserve that goes."""

    def fill() -> None:
        reserve, symlink = bench.port.store / ".reserve", os.symlink

        def full(target: str, path: str, *_: object) -> None:
            if reserve.exists():
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
            symlink(target, path)

        def no_room(*_: int) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(os, "symlink", full)
        monkeypatch.setattr(os, "posix_fallocate", no_room)

    return fill


def test_a_full_disk_keeps_nobody_fenced(
    bench: SelectionWorld, full_disk: Callable[[], None]
) -> None:
    """The reserve that was laid by before the fence is given up for the link that lifts it."""
    bench.hold(OLD)
    bench.port.select("alice", OLD)
    bench.port.fence("alice")
    full_disk()

    bench.port.select("alice", OLD)

    assert bench.port.selected("alice") == Selected(OLD)
    assert not (bench.port.store / ".reserve").exists()


def test_nobody_is_fenced_without_a_reserve(
    bench: SelectionWorld, full_disk: Callable[[], None]
) -> None:
    """The disk being full is found out before anybody is touched."""
    bench.hold(OLD)
    bench.port.select("alice", OLD)
    full_disk()

    with pytest.raises(SelectionError, match="cannot fence alice"):
        bench.port.fence("alice")

    assert bench.port.selected("alice") == Selected(OLD)
    bench.port.select("alice", OLD)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_store_that_cannot_be_written_is_told(bench: SelectionWorld) -> None:
    """A store on a read-only place keeps its selection, and the message says what failed."""
    bench.hold(OLD, NEW)
    bench.port.select("alice", OLD)
    bench.link("alice").parent.chmod(0o555)
    try:
        with pytest.raises(SelectionError, match=f"cannot select {NEW} for alice"):
            bench.port.select("alice", NEW)
    finally:
        bench.link("alice").parent.chmod(0o755)

    assert bench.port.selected("alice") == Selected(OLD)


def test_stub_says_try_again_and_ends_with_75(bench: SelectionWorld) -> None:
    """A fenced mint prints nothing like a credential; a damaged stub is written again."""
    bench.port.fence("alice")
    program = bench.link("alice") / "node_modules" / ".bin" / "t3"
    program.chmod(0o644)

    bench.port.fence("alice")

    done = subprocess.run([program, "serve"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (75, "")
    assert "being updated, try again" in done.stderr


# The launcher.


def test_launcher_is_left_alone_before_adoption(bench: SelectionWorld) -> None:
    """On a host without a default the launcher could run nothing: another's t3 stays."""
    bench.launcher.write_text("another's t3")

    assert bench.port.ensure_launcher() == ""
    assert bench.launcher.read_text() == "another's t3"


@pytest.mark.parametrize("found", ["link", "file", "missing", "mode"])
def test_replaced_launcher_is_put_back(bench: SelectionWorld, found: str) -> None:
    """Whatever another installer left, the launcher is ours again, and it is said."""
    bench.hold(OLD)
    bench.port.promote(OLD)
    launcher = bench.launcher
    other = bench.port.state / "another"
    other.write_text("another's t3")
    match found:
        case "link":
            launcher.symlink_to(other)
        case "file":
            launcher.write_text("another's t3")
        case "mode":
            launcher.write_text(render_launcher(bench.port.store))
            launcher.chmod(0o777)
        case _:
            assert not launcher.exists()

    told = bench.port.ensure_launcher()

    assert str(launcher) in told
    assert told.endswith("the launcher was put back")
    assert launcher.read_text() == render_launcher(bench.port.store)
    assert stat.S_IMODE(launcher.lstat().st_mode) == 0o755
    assert other.read_text() == "another's t3"
    assert os.listdir(launcher.parent) == ["t3"]
    assert bench.port.ensure_launcher() == ""


def test_ejection_leaves_one_program_for_everybody(bench: SelectionWorld) -> None:
    """The launcher's place leads to the build, and nothing is selected any more; twice is once."""
    bench.hold(OLD, NEW)
    bench.port.promote(OLD)
    bench.port.select("alice", NEW)
    bench.port.select("bob", OLD)
    launcher = bench.launcher
    bench.port.ensure_launcher()
    for _ in range(2):
        assert "whatever npm installs next" in bench.port.eject(NEW)
        assert subprocess.check_output([launcher, "x"], text=True) == f"{launcher} x\n"
        assert launcher.resolve().parts[-4:-1] == (NEW.text, "node_modules", ".bin")
        assert bench.port.default() is None
        assert os.listdir(bench.port.store / "users") == []
    assert bench.port.last_good() == OLD
    # Nothing is adopted any more, so that what an installer puts there is left alone.
    assert bench.port.ensure_launcher() == ""
    assert launcher.is_symlink()


def test_ejection_to_a_build_that_is_not_there_changes_nothing(bench: SelectionWorld) -> None:
    """Neither the launcher nor a selection."""
    bench.hold(OLD)
    bench.port.promote(OLD)
    bench.port.select("alice", OLD)
    launcher = bench.launcher
    bench.port.ensure_launcher()
    before = bench.traces()
    with pytest.raises(SelectionError, match="cannot eject to"):
        bench.port.eject(NEW)
    embedded = evolve(bench.port, launcher=None)
    assert embedded.ensure_launcher() == ""
    with pytest.raises(SelectionError, match="has no launcher"):
        embedded.eject(OLD)
    assert bench.traces() == before
    assert launcher.read_text() == render_launcher(bench.port.store)


def test_folder_in_place_of_the_launcher_is_told(bench: SelectionWorld) -> None:
    """A folder where the launcher belongs is nothing to replace."""
    bench.hold(OLD)
    bench.port.promote(OLD)
    bench.launcher.mkdir()

    with pytest.raises(SelectionError, match="neither a file nor a link"):
        bench.port.ensure_launcher()

    assert bench.launcher.is_dir()


@pytest.fixture
def open_store() -> Iterator[Path]:
    """A store that another user can reach, with a blank and a quote in its path."""
    with tempfile.TemporaryDirectory(prefix="t3safe it's ") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def me() -> tuple[str, str | None]:
    """Give a name that is not root's, and the user to become for it, None for nobody else."""
    if os.geteuid() == 0:
        return NOBODY, NOBODY
    return pwd.getpwuid(os.geteuid()).pw_name, None


def launch(
    store: Path, *arguments: str, user: str | int | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the launcher of a store as a user, in an environment that tries to mislead it."""
    launcher = store / "t3"
    if not launcher.exists():
        launcher.write_text(render_launcher(store))
        launcher.chmod(0o755)
    return subprocess.run(
        [launcher, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={"USER": "root", "LOGNAME": "root", "HOME": "/", "PATH": "/nowhere", "T3_STORE": "/x"},
        user=user,
    )


def test_launcher_runs_the_selected_build_by_its_own_path(open_store: Path) -> None:
    """The command line names the build's folder, and arguments arrive as they were given.

    A caller without a selection of their own runs the default.
    """
    name, user = me()
    selection = SymlinkSelection(open_store, open_store / "state")
    default, program = hold(open_store, OLD), hold(open_store, NEW)
    selection.promote(OLD)
    assert launch(open_store, "--version", user=user).stdout == f"{default} --version\n"

    selection.select(name, NEW)

    done = launch(open_store, "serve", "a b", "*", user=user)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{program} serve a b *\n"


@frozen
class Follower:
    """A caller without a link, with a base directory and a launcher that takes them for carl."""

    folder: Path

    @property
    def base(self) -> Path:
        """Where carl's data lies."""
        return self.folder / "carl" / HOME_BASE

    def runs(self, store: Path) -> str:
        """Start t3; the build that ran, or the exit status and what was said."""
        ids = self.folder / "id"
        ids.write_text('#!/bin/sh\n[ "$1" = -u ] && echo 1000 || echo carl\n')
        ids.chmod(0o755)
        launcher = self.folder / "t3"
        text = render_launcher(store, f"{self.folder}/{{person}}/{HOME_BASE}")
        launcher.write_text(text.replace("/usr/bin/id", str(ids)))
        launcher.chmod(0o755)
        done = subprocess.run([launcher], capture_output=True, text=True, check=False)
        if done.returncode:
            return f"{done.returncode}: {done.stderr}"
        return Path(done.stdout.strip()).parents[2].name


@pytest.fixture
def follower(bench: SelectionWorld, tmp_path: Path) -> Follower:
    """Give a caller on a host whose default is OLD, with data that nothing was noted beside."""
    bench.hold(OLD, NEW, NEWEST)
    bench.port.promote(OLD)
    bench.port.ensure_launcher()
    found = Follower(tmp_path)
    (found.base / USERDATA).mkdir(parents=True)
    return found


@pytest.mark.parametrize("ahead", [True, False])
def test_a_first_start_is_noted_where_the_data_comes(
    bench: SelectionWorld, follower: Follower, *, ahead: bool
) -> None:
    """Before there is data the default of the day runs, and stays, whatever the clock said.

    It may have been a month ahead when the first default was noted.
    """
    if ahead:
        first = bench.port.store / layout.FIRST_DEFAULT
        later = first.stat().st_mtime + 30 * 86400
        os.utime(first, (later, later))
    (follower.base / USERDATA).rmdir()
    follower.base.rmdir()
    bench.port.promote(NEW)
    assert follower.runs(bench.port.store) == NEW.text
    (follower.base / USERDATA).mkdir(parents=True)
    bench.port.promote(NEWEST)

    assert follower.runs(bench.port.store) == NEW.text


def test_a_caller_who_follows_the_default_stays_where_it_moves(
    bench: SelectionWorld, follower: Follower
) -> None:
    """A caller whom t3safe cannot see never gets a newer build than the one that opened the data.

    A link of their own ends it.
    """
    assert follower.runs(bench.port.store) == OLD.text
    bench.port.promote(NEW)
    assert follower.runs(bench.port.store) == OLD.text
    bench.port.promote(NEWEST)
    assert follower.runs(bench.port.store) == OLD.text

    bench.port.select("carl", NEW)
    assert follower.runs(bench.port.store) == NEW.text


def test_data_from_before_the_launcher_stays_on_what_was_the_default_then(
    bench: SelectionWorld, follower: Follower
) -> None:
    """Nothing was noted yet, and the default moved before the first start."""
    bench.port.promote(NEW)
    bench.port.ensure_launcher()

    assert follower.runs(bench.port.store) == OLD.text


@pytest.mark.parametrize(
    ("noted", "runs"),
    [
        # It is the caller's own file: a build of the store runs, or nothing does.
        *((f"{noted} ERA", OLD.text) for noted in ("", "../../etc", "a b", ".stage-x", "$(id)")),
        # t3 was given back and adopted again since: other builds opened the data in between.
        (f"{NEW} 0123456789abcdef", OLD.text),
        # Its build is gone: not the default either, which may be newer.
        ("0.0.27 ERA", "78: t3: no build is selected for carl"),
    ],
)
def test_a_note_that_names_no_build_of_this_adoption_is_not_followed(
    bench: SelectionWorld, follower: Follower, noted: str, runs: str
) -> None:
    """Data was opened by what was the default when the launcher came, as far as is known."""
    era = (bench.port.store / layout.FIRST_DEFAULT).read_text().split()[1]
    (follower.base / NOTE).write_text(f"{noted.replace('ERA', era)}\n")

    assert follower.runs(bench.port.store).startswith(runs)


def test_nothing_runs_on_data_beside_which_nothing_can_be_noted(
    bench: SelectionWorld, follower: Follower
) -> None:
    """Else it would be unknown later which build had opened it."""
    (follower.base / NOTE).mkdir()

    assert follower.runs(bench.port.store).startswith("73: t3: cannot note")


def test_launcher_fails_closed_without_a_build(open_store: Path) -> None:
    """A dangling selection runs nothing, not the default either."""
    name, user = me()
    selection = SymlinkSelection(open_store, open_store / "state")
    assert launch(open_store, user=user).returncode == 78

    hold(open_store, OLD)
    selection.promote(OLD)
    selection.fence(name)
    assert launch(open_store, user=user).returncode == 75

    (open_store / "users" / name).unlink()
    (open_store / "users" / name).symlink_to("../builds/0.0.99")
    done = launch(open_store, user=user)
    assert (done.returncode, done.stdout) == (78, "")
    assert "no build is selected" in done.stderr


@pytest.mark.parametrize("name", [*REAL, *(name for name in NOBODYS if "\x00" not in name)])
def test_launcher_takes_the_names_that_t3safe_takes(tmp_path: Path, name: str) -> None:
    """Whom t3safe can give no link runs nothing: they would follow the default."""
    fake = tmp_path / "id"
    fake.write_text('#!/bin/sh\n[ "$1" = -u ] && echo 1000 || printf "%s" "$NAME"\n')
    fake.chmod(0o755)
    selection = SymlinkSelection(tmp_path / "store", tmp_path / "state")
    hold(selection.store, OLD)
    selection.promote(OLD)
    launcher = tmp_path / "t3"
    launcher.write_text(render_launcher(selection.store).replace("/usr/bin/id", str(fake)))
    launcher.chmod(0o755)

    done = subprocess.run([launcher], env={"NAME": name}, capture_output=True, check=False)

    # The shell takes a line's end off what a command prints.
    assert done.returncode == (0 if valid_person(name.rstrip("\n")) else 70)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to try")
@pytest.mark.parametrize(
    ("user", "status", "words"),
    [(None, 77, "runuser"), (4242424, 70, "cannot tell who is calling")],
)
def test_launcher_starts_nothing_for_root_or_a_user_without_a_name(
    open_store: Path, user: int | None, status: int, words: str
) -> None:
    """Whatever is selected."""
    hold(open_store, OLD)
    SymlinkSelection(open_store, open_store / "state").promote(OLD)

    done = launch(open_store, "--version", user=user)

    assert (done.returncode, done.stdout) == (status, "")
    assert words in done.stderr


def test_fixed_launcher_runs_one_persons_build(tmp_path: Path) -> None:
    """The launcher of an embedded host knows its person by its text alone."""
    selection = SymlinkSelection(tmp_path / "store", tmp_path / "state")
    default, program = hold(selection.store, OLD), hold(selection.store, NEW)
    selection.promote(OLD)
    launcher = tmp_path / "t3-alice"
    launcher.write_text(render_fixed_launcher(selection.store, "alice"))
    launcher.chmod(0o755)

    assert subprocess.check_output([launcher, "x"], text=True) == f"{default} x\n"
    selection.select("alice", NEW)
    assert subprocess.check_output([launcher, "x"], text=True) == f"{program} x\n"
    with pytest.raises(SelectionError, match="not a person's name"):
        render_fixed_launcher(selection.store, "../alice")

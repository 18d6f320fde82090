"""t3safe is upgraded and downgraded while a run is under way: launcher, units, lock, journal."""

from __future__ import annotations

import base64
import io
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import t3safe
from t3safe.adapters.journal import codec
from t3safe.entrypoints.exits import Exit
from tests.e2e.realhost.machine import NEW, OLD, HostContainer, script_until

pytestmark = pytest.mark.docker

ROOT = Path(__file__).parents[3]
LATER = "99.0.0"
PIP = "/usr/local/lib/t3safe/bin/pip install --quiet --no-index --no-deps --force-reinstall"
FOLDER = "/usr/local/share/t3safe"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel of this t3safe."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (made,) = folder.glob("*.whl")
    return made


def later(wheel: Path, *, journal: int = codec.FORMAT) -> bytes:
    """Give the same t3safe as a later version, whose journal has this format."""
    made = io.BytesIO()
    renamed = (f"t3safe-{t3safe.__version__}.", f"t3safe-{LATER}.")
    with zipfile.ZipFile(wheel) as source, zipfile.ZipFile(made, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name == "t3safe/__init__.py":
                content = _changed(content, t3safe.__version__, LATER)
            if name.endswith("/METADATA"):
                content = _changed(content, f"Version: {t3safe.__version__}", f"Version: {LATER}")
            if name == "t3safe/adapters/journal/codec.py":
                text = re.sub(
                    r"^(FORMAT\b.*= )\d+", rf"\g<1>{journal}", content.decode(), flags=re.M
                )
                content = text.encode()
            if name.endswith("/RECORD"):
                files = (entry.replace(*renamed) for entry in source.namelist())
                content = "".join(f"{file},,\n" for file in files).encode()
            target.writestr(name.replace(*renamed), content)
    return made.getvalue()


def _changed(content: bytes, old: str, new: str) -> bytes:
    assert old.encode() in content
    return content.replace(old.encode(), new.encode())


@pytest.fixture
def restored(host: HostContainer) -> object:
    """Leave the host with the t3safe of the image."""
    yield host
    host.sh(f"{PIP} {FOLDER}/t3safe/*.whl")


def install(host: HostContainer, wheel: bytes) -> None:
    """Install a t3safe as an administrator does: pip, over the one that is there."""
    place = f"{FOLDER}/t3safe-{LATER}-py3-none-any.whl"
    host.run("sh", "-euc", f"base64 -d >{place}", given=base64.b64encode(wheel).decode())
    host.sh(f"{PIP} {place}")
    assert LATER in host.t3safe("--version").out


def back(host: HostContainer) -> None:
    """Install the t3safe of the image again."""
    host.sh(f"{PIP} {FOLDER}/t3safe/*.whl")
    assert LATER not in host.t3safe("--version").out


def cut_off(host: HostContainer, words: str) -> None:
    """Begin a run and kill it with all that it started, once it says these words."""
    kill = "systemctl kill -s KILL t3-autoupdate; systemctl reset-failed t3-autoupdate || true"
    host.run("sh", "-euc", f"{script_until(words)}; {kill}")


def settled(host: HostContainer, rows: dict[str, object]) -> None:
    """Everybody is on NEW with their rows, signs in, and no unit of t3safe was changed."""
    if {person.build for person in host.look().values()} != {NEW.version}:
        assert host.night().status == Exit.OK
    assert {person.runs for person in host.look().values()} == {NEW.version}
    for name in host.people:
        assert host.sign_in(name)["version"] == NEW.version
        assert host.do(("holds", {"person": name, "rows": rows[name]})) == [[]]
    assert host.last_good() == NEW.version
    (launcher,) = (line for line in host.t3safe("doctor").out.splitlines() if " launcher:" in line)
    assert launcher.split()[0] == "ok"


@pytest.mark.usefixtures("restored")
@pytest.mark.parametrize("words", ["rehearsing", "copying ann's data at rest", "starting ann"])
def test_a_run_that_was_cut_off_is_settled_by_a_later_t3safe(
    host: HostContainer, wheel: Path, words: str
) -> None:
    """Upgraded in between, the next night reads its journal and leaves nobody behind a fence."""
    rows = {name: host.sign_in(name)["rows"] for name in host.people}
    cut_off(host, words)
    install(host, later(wheel))
    assert host.night().status == Exit.OK
    settled(host, rows)


@pytest.mark.usefixtures("restored")
@pytest.mark.parametrize("words", ["rehearsing", "stopping ann"])
def test_a_run_goes_on_while_its_files_are_replaced(
    host: HostContainer, wheel: Path, words: str
) -> None:
    """Upgraded under a run that goes on: it holds the lock, and ends; the next one is the new's."""
    rows = {name: host.sign_in(name)["rows"] for name in host.people}
    host.run("sh", "-euc", script_until(words))
    install(host, later(wheel))
    host.sh(
        "while [ $(systemctl show -p ActiveState --value t3-autoupdate) != inactive ] &&"
        " [ $(systemctl show -p ActiveState --value t3-autoupdate) != failed ]; do sleep 0.1; done"
    )
    assert all(person.runs == person.build for person in host.look().values())
    assert host.night().status == Exit.OK
    settled(host, rows)


@pytest.mark.usefixtures("restored")
def test_a_run_that_was_cut_off_is_settled_after_a_downgrade(
    host: HostContainer, wheel: Path
) -> None:
    """Of the same format of the journal: the earlier t3safe goes on where the later one died."""
    rows = {name: host.sign_in(name)["rows"] for name in host.people}
    install(host, later(wheel))
    cut_off(host, "copying ann's data at rest")
    back(host)
    assert host.night().status == Exit.OK
    settled(host, rows)


@pytest.mark.usefixtures("restored")
def test_a_downgrade_below_the_journals_format_touches_nobody(
    host: HostContainer, wheel: Path
) -> None:
    """It says which t3safe is needed; with that one everybody is settled."""
    rows = {name: host.sign_in(name)["rows"] for name in host.people}
    newer = later(wheel, journal=codec.FORMAT + 1)
    install(host, newer)
    cut_off(host, "copying ann's data at rest")
    back(host)
    before = host.look(), host.run("sha256sum", "/var/lib/t3-autoupdate/journal.sqlite").out
    said = host.night()
    assert said.status == Exit.NEWER
    assert LATER in said.out
    after = host.look(), host.run("sha256sum", "/var/lib/t3-autoupdate/journal.sqlite").out
    assert after == before
    assert host.sign_in("ben")["version"] == OLD.version
    install(host, newer)
    assert host.night().status == Exit.OK
    settled(host, rows)

"""One person for themselves: no root, no dispatch, no user map; the real command line."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from attrs import evolve

from fakes.embedded import SAFE
from t3safe.entrypoints.exits import Exit
from t3safe.t3.commands import BASE_OPTION
from t3safe.t3.files import HOME_BASE, USERDATA
from t3safe.t3.sign_in import LINKS, SESSIONS
from tests.e2e.hosts import NEW, OLD
from tests.support.single import OnePerson

pytestmark = pytest.mark.skipif(
    os.geteuid() == 0 and shutil.which("setpriv") is None,
    reason="as root this needs setpriv(1), to become somebody else",
)


@contextmanager
def _adopted() -> Iterator[OnePerson]:
    """Give a person with a global t3 in their home, adopted, their serve running.

    Not below a folder that is closed to others: access(2) asks by whom we are alone.
    """
    with tempfile.TemporaryDirectory(prefix="t3safe-one-") as root, OnePerson(Path(root)) as made:
        made.publish(OLD)
        prefix = str(made.home / ".local")
        said = made.run("npm", "install", "--global", "--prefix", prefix, f"t3@{OLD.version}")
        assert said.status == 0, said
        assert made.launcher.is_symlink()
        said = made.t3safe("adopt", OLD.version)
        assert said.status == Exit.OK, said
        made.serve("start")
        yield made


@pytest.fixture
def person() -> Iterator[OnePerson]:
    """Give such a person."""
    with _adopted() as made:
        yield made


@pytest.fixture(scope="module")
def calm() -> Iterator[OnePerson]:
    """Give the same to every test that only looks."""
    with _adopted() as made:
        yield made


def selected(person: OnePerson) -> str:
    """The build that the person runs."""
    return (person.store / "users" / person.name).readlink().name


def test_a_good_nightly_is_promoted_and_a_bad_one_taken_back_with_every_row(
    person: OnePerson,
) -> None:
    """Adopted in place; verified at the serve; what was written before the bad night is there."""
    assert "Kept by t3safe" in person.launcher.read_text()
    person.publish(NEW)
    said = person.t3safe("run")
    assert said.status == Exit.OK, said
    assert "(via serve," in said.out
    assert selected(person) == NEW.version
    state = json.loads(person.t3safe("status", "--json").out)["status"]
    assert state["last_good"] == NEW.version

    browser = person.client()
    assert browser.authenticated()
    browser.work()
    written = person.rows()
    attachments = person.home / HOME_BASE / USERDATA / "attachments"
    assert person.run("mkdir", "-p", str(attachments)).status == 0
    assert person.run("cp", "/etc/hostname", str(attachments / "note.txt")).status == 0
    bad = evolve(NEW, version="0.0.25-nightly.20260609.500", faults=("breaks-with-attachments",))
    person.publish(bad)
    said = person.t3safe("run")
    assert said.status == Exit.ROLLED_BACK, said
    assert f"rolled back {person.name}" in said.out
    assert selected(person) == NEW.version
    kept = person.rows()
    signing_in = {SESSIONS, LINKS}
    for table, rows in written.items():
        assert table in signing_in or rows <= kept[table], table
    assert person.client().authenticated()
    said = person.t3safe("run")
    assert (said.status, "FROZEN" in said.out) == (Exit.FROZEN, True)
    assert (person.home / ".local/state/t3safe/freeze").exists()


def test_looking_works_without_root(calm: OnePerson) -> None:
    """Doctor finds no fault but what a host without systemd has none of; nothing is of root's."""
    said = calm.t3safe("doctor", "--json")
    found = {f["check"]: f for f in json.loads(said.out)["doctor"]}
    assert {name for name, f in found.items() if f["level"] not in {"ok", "warning"}} == set()
    assert "without a dispatch" in found["dispatch"]["seen"]
    assert found["user-map"]["seen"] == "1 people"


def test_a_person_names_themselves_nowhere(person: OnePerson) -> None:
    """There is nobody else whom a command could be for."""
    person.publish(NEW)
    assert person.t3safe("run").status == Exit.OK
    back = person.t3safe("rollback", "--yes", "--json")
    assert back.status == Exit.OK, back
    assert selected(person) == OLD.version
    kept = json.loads(back.out)["result"]["people"][person.name]["undo"].split()[-1]
    said = person.t3safe("restore", kept, "--yes")
    assert (said.status, selected(person)) == (Exit.OK, NEW.version), said
    assert person.t3safe("snapshot").status == Exit.OK
    file = person.root / "home" / "mine.tar"
    said = person.t3safe("export", kept, str(file))
    assert (said.status, file.exists()) == (Exit.OK, True), said
    assert person.t3safe("export", str(file)).status == Exit.USAGE


def test_a_serve_is_stopped_and_started_by_hand(person: OnePerson) -> None:
    """Where t3safe runs it nobody else does; a person in transition is left as they are."""
    said = person.t3safe("serves", "stop")
    assert said.status == Exit.OK, said
    assert "stopped" in person.t3safe("status").out
    found = json.loads(person.t3safe("doctor", "--json").out)["doctor"]
    (told,) = [one for one in found if one["check"] == "serves"]
    assert told["fix"] == f"t3safe serves start {person.name}"

    link = person.store / "users" / person.name
    build = link.readlink()
    assert person.run("ln", "-sfn", "../fence", str(link)).status == 0
    said = person.t3safe("serves", "start")
    assert said.status == Exit.LATER
    assert "t3safe recover" in said.err + said.out
    assert "stopped" in person.t3safe("status").out
    assert person.run("ln", "-sfn", str(build), str(link)).status == 0

    said = person.t3safe("serves", "start")
    assert said.status == Exit.OK, said
    assert "stopped" not in person.t3safe("status").out
    assert "runs already" in person.t3safe("serves", "start").out


def test_whoever_may_not_act_is_told_so_in_one_line(calm: OnePerson) -> None:
    """A state directory of somebody else's is no defect of ours; nothing was done."""
    said = calm.run("env", "T3SAFE_SCOPE=system", "T3_STATE_DIR=/etc/t3safe-no", *SAFE, "freeze")
    assert said.status == Exit.USAGE, said
    assert "T3SAFE_SCOPE=user" in said.err
    assert "Traceback" not in said.err


def test_a_t3_that_comes_first_on_the_path_is_a_problem(calm: OnePerson) -> None:
    """It bypasses the launcher, and doctor names it."""
    other = calm.root / "first"
    other.mkdir()
    (other / "t3").symlink_to("/bin/true")
    said = calm.run(*("env", f"PATH={other}:{calm.environment['PATH']}", *SAFE, "doctor", "--json"))
    found = [f for f in json.loads(said.out)["doctor"] if f["check"] == "installers"]
    assert said.status == Exit.NEEDS_HUMAN
    assert found[0]["level"] == "problem"
    assert str(other / "t3") in found[0]["seen"]


def test_units_are_shown_below_the_persons_configuration(calm: OnePerson) -> None:
    """None lies in /etc, and none makes a user."""
    said = calm.t3safe("units", "show")
    assert said.status == Exit.OK, said
    paths = [line[2:] for line in said.out.splitlines() if line.startswith("# /")]
    assert len(paths) == 6
    folder = str(calm.home / ".config" / "systemd" / "user")
    assert all(path.startswith(folder) for path in paths)


# The first configuration.


@pytest.fixture
def newcomer() -> Iterator[OnePerson]:
    """Give a person who has no configuration yet."""
    with tempfile.TemporaryDirectory(prefix="t3safe-one-") as root, OnePerson(Path(root)) as made:
        yield made


def test_init_writes_what_fits_and_only_when_it_may(newcomer: OnePerson) -> None:
    """`--print` writes nothing; a file that is there is kept beside the new one."""
    file = newcomer.home / ".config" / "t3safe" / "config.toml"
    before = file.read_text()
    tool = newcomer.root / "systemctl"
    unit = f"{newcomer.launcher} serve {BASE_OPTION} /data/t3"
    tool.write_text(
        f"#!/bin/sh\ncase \"$*\" in *list-unit-files*) ;; *) echo 'Id=code.service'\n"
        f"echo 'ExecStart={{ path=x ; argv[]={unit} ; ignore_errors=no }}' ;; esac\n"
    )
    tool.chmod(0o755)
    path = ("env", f"PATH={newcomer.root}:{newcomer.environment['PATH']}", *SAFE)

    shown = newcomer.run(*path, "init", "--print")
    assert shown.status == Exit.OK, shown
    read = tomllib.loads(shown.out)
    assert (read["scope"], read["base_dir"]) == ("user", "/data/t3")
    assert read["services"]["unit"] == "code.service"
    assert file.read_text() == before

    said = newcomer.run(*path, "init")
    assert said.status == Exit.USAGE
    assert file.read_text() == before

    said = newcomer.run(*path, "init", "--yes")
    assert said.status == Exit.OK, said
    assert file.read_text() == shown.out
    assert file.with_name("config.toml.before").read_text() == before
    assert "t3safe adopt" in said.out
    assert "loginctl enable-linger" in said.out
    assert "is as it would be written" in newcomer.run(*path, "init", "--yes").out


def test_init_that_cannot_find_the_port_says_so(newcomer: OnePerson) -> None:
    """Without systemd and without a terminal nothing is made up, and nothing written."""
    file = newcomer.home / ".config" / "t3safe" / "config.toml"
    before = file.read_text()
    tool = newcomer.root / "systemctl"
    tool.write_text("#!/bin/sh\nexit 1\n")
    tool.chmod(0o755)
    path = f"PATH={newcomer.root}:{newcomer.environment['PATH']}"
    said = newcomer.run("env", path, *SAFE, "init", "--yes")
    assert said.status == Exit.USAGE
    assert "unknown services.ports: the port of your serve" in said.err
    assert file.read_text() == before

"""What a host of a fleet keeps in files: who it is, its user in etcd, the policy as TOML."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from attrs import evolve

from t3safe.adapters.fleet.local import INSTALL_FILE, Credentials, InstallId, read_credentials
from t3safe.adapters.fleet.policyfile import policy_text, read_policy
from t3safe.contracts.fleetstore import POLICY_OF_TWO
from t3safe.domain.errors import UnusableError
from t3safe.domain.fleet.records import FleetPolicy, Ring
from t3safe.domain.redaction import redact

GOOD = 'user = "web1"\npassword = "s3cret"\n'


def test_host_makes_up_who_it_is_once(tmp_path: Path) -> None:
    """In a folder that is made for it, for nobody else to read; another host differs."""
    install = InstallId(tmp_path / "state")
    assert install.kept() == ""
    assert not install.folder.exists()

    made = install.made()

    assert install.made() == install.kept() == made
    assert stat.S_IMODE(install.file.stat().st_mode) == 0o600
    assert InstallId(tmp_path / "other").made() != made


@pytest.mark.parametrize("content", [b"", b"web1\n", b"\xff"])
def test_host_that_does_not_know_who_it_is_makes_nothing_anew(
    tmp_path: Path, content: bytes
) -> None:
    """It would be another host; a person decides that."""
    (tmp_path / INSTALL_FILE).write_bytes(content)

    with pytest.raises(UnusableError, match=r"is damaged.*`t3safe fleet join --replace`"):
        InstallId(tmp_path).made()

    assert (tmp_path / INSTALL_FILE).read_bytes() == content


def test_state_folder_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    """When it is read and when it is written."""
    (tmp_path / "file").write_text("")
    (tmp_path / "state" / INSTALL_FILE).mkdir(parents=True)

    with pytest.raises(UnusableError, match=r"cannot read .*fleet-install: Is a directory"):
        InstallId(tmp_path / "state").kept()
    gone = tmp_path / "gone"
    gone.symlink_to(tmp_path / "file" / "below")
    with pytest.raises(UnusableError, match=r"cannot (read|write) "):
        InstallId(gone).made()


def test_credentials_are_read_from_a_file_of_ones_own(tmp_path: Path) -> None:
    """The password is in no text that is made of them."""
    file = tmp_path / "etcd.toml"
    file.write_text(GOOD)
    file.chmod(0o600)

    found = read_credentials(file)

    assert found == Credentials("web1", "s3cret")
    assert "s3cret" not in repr(found)


@pytest.mark.parametrize("mode", [0o604, 0o640, 0o620, 0o644])
def test_credentials_that_others_may_read_are_refused(tmp_path: Path, mode: int) -> None:
    """With the command that sets it right."""
    file = tmp_path / "etcd.toml"
    file.write_text(GOOD)
    file.chmod(mode)

    with pytest.raises(UnusableError, match=f"others may read it; run `chmod 0600 {file}`"):
        read_credentials(file)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a file away")
def test_credentials_of_another_user_are_refused(tmp_path: Path) -> None:
    """Whoever owns them may change to which user this host signs in."""
    file = tmp_path / "etcd.toml"
    file.write_text(GOOD)
    file.chmod(0o600)
    os.chown(file, 12345, -1)

    with pytest.raises(UnusableError, match="its owner is neither you nor root"):
        read_credentials(file)


@pytest.mark.parametrize(
    "content",
    [
        b"web1:s3cret",
        b'user = "web1"\npassword = s3cret',
        b'user = "web1\xff"\npassword = "s3cret"',
        b'user = "web1"',
        b'user = ""\npassword = "s3cret"',
        b'user = "web1"\npassword = ["s3cret"]',
        b'user = "web1"\npassword = "s3cret"\ntoken = "s3cret"',
    ],
)
def test_credentials_that_cannot_be_used_are_not_quoted(tmp_path: Path, content: bytes) -> None:
    """The line names the file and what must be in it, and is shown whole in the log, too."""
    file = tmp_path / "etcd.toml"
    file.write_bytes(content)
    file.chmod(0o600)

    with pytest.raises(UnusableError, match=r"^`fleet.credentials` .*`user` and `pass") as error:
        read_credentials(file)

    assert "s3cret" not in str(error.value)
    assert error.value.__cause__ is None
    said = str(error.value).replace(str(tmp_path), "/etc/t3safe")
    assert redact(said) == said


def test_credentials_that_are_not_there_are_told(tmp_path: Path) -> None:
    """With the system's own reason."""
    with pytest.raises(UnusableError, match="cannot be read: No such file or directory"):
        read_credentials(tmp_path / "etcd.toml")


@pytest.mark.parametrize("policy", [POLICY_OF_TWO, FleetPolicy((Ring("main"),), version=7)])
def test_policy_that_is_shown_can_be_given_back(policy: FleetPolicy) -> None:
    """All but its version, which stands in a comment."""
    text = policy_text(policy)

    assert text.startswith(f"# version {policy.version}\n")
    assert read_policy(text) == evolve(policy, version=1)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rings", "is not TOML: "),
        ("", "rings: the policy names no ring; add `[[rings]]`"),
        ("rings = []", "rings: the policy names no ring"),
        ('rings = "main"', "rings: it is not a list of tables"),
        ('[rings]\nname = "main"', "rings: it is not a list of tables"),
        ("[[rings]]\nlimit = 1", "rings.0.name: missing"),
        ('[[rings]]\nname = "Main"', "name 'Main': use at most 63 lower-case letters"),
        ('[[rings]]\nname = "main"\nlimit = 0', "limit is 0: use at least 1"),
        ('[[rings]]\nname = "main"\nlimit = "1"', "rings.0.limit: '1' is not a whole number"),
        ('[[rings]]\nname = "main"\nopens = 1', "rings.0.opens: unknown key"),
        ('[[rings]]\nname = "a"\n[[rings]]\nname = "a"', "rings: two rings have the name a"),
        ('slot_deadline = 1\n[[rings]]\nname = "a"', "slot_deadline is 1: use at least 60"),
        ('wait = 1\n[[rings]]\nname = "a"', "wait: unknown key"),
        ('version = 2\n[[rings]]\nname = "a"', "version: leave it out"),
    ],
)
def test_policy_that_cannot_be_used_is_one_line(text: str, said: str) -> None:
    """It names the key."""
    with pytest.raises(UnusableError) as error:
        read_policy(text)

    assert said in str(error.value)
    assert str(error.value).isprintable()
    assert not str(error.value).startswith(":")

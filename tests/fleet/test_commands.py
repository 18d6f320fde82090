"""`t3safe fleet` on a real etcd with TLS and users."""

from __future__ import annotations

from pathlib import Path

from t3safe.entrypoints.exits import Exit
from tests.fleet.realetcd import Certificates, RealEtcd
from tests.support.fleetmember import FleetMember


def member(root: Path, etcd: RealEtcd, user: str, password: str = "secret") -> FleetMember:
    """Give the host `web1`, with a user of this etcd and its authority."""
    assert etcd.certificates is not None
    root.mkdir()
    file = root / "etcd.toml"
    file.write_text(f'user = "{user}"\npassword = "{password}"\n')
    file.chmod(0o600)
    chosen = {"credentials": str(file), "ca": str(etcd.certificates.authority)}
    return FleetMember(root, etcd.url, "web1", dict(chosen))


def test_commands_work_on_a_guarded_etcd(guarded: RealEtcd, tmp_path: Path) -> None:
    """The owner sets the policy; the host's own user joins, looks and leaves, and no more."""
    owner, web1 = (member(tmp_path / user, guarded, user) for user in ("owner", "web1"))
    owner.done("init")
    line = web1.fails(Exit.LATER, "init", "edge")
    assert "the fleet has a policy already (version 1)" in line

    assert web1.done("join").startswith("web1 joined fleet lab in ring main")
    found = web1.status()
    assert (found["joined"], found["problems"], found["policy"]) == (True, [], 1)
    file = tmp_path / "policy.toml"
    file.write_text(web1.done("policy").replace("limit = 1", "limit = 2"))
    line = web1.fails(Exit.LATER, "policy", str(file))
    assert "permission denied; check `fleet.credentials` and its role in etcd" in line
    assert "version 2 is set" in owner.done("policy", str(file))
    assert web1.done("leave") == "web1 left fleet lab\n"
    assert owner.status()["hosts"] == []


def test_wrong_authority_and_wrong_password_are_one_line(guarded: RealEtcd, tmp_path: Path) -> None:
    """Each with what to check; no password is shown."""
    web1 = member(tmp_path / "wrong", guarded, "web1", "other-secret")
    line = web1.fails(Exit.LATER, "status")
    assert "invalid user ID or password; check `fleet.credentials`" in line
    assert "other-secret" not in line

    stranger = Certificates.made(tmp_path / "made")
    for authority in (str(stranger.authority), None):
        web1.settings.pop("ca", None)
        if authority is not None:
            web1.settings["ca"] = authority
        line = web1.fails(Exit.LATER, "status")
        assert "check `fleet.ca` and etcd's certificate" in line


def test_orders_need_a_role_and_hold_until_they_are_taken_back(
    guarded: RealEtcd, tmp_path: Path
) -> None:
    """A host may halt, lift and release; the freeze is the owner's, unless its role says more."""
    owner, web1 = (member(tmp_path / user, guarded, user) for user in ("owner", "web1"))
    owner.fleet("init")
    line = web1.fails(Exit.LATER, "freeze", "--reason", "disk swap")
    assert "cannot freeze fleet lab: " in line
    assert "permission denied" in line
    assert "is frozen: disk swap" in owner.done("freeze", "--reason", "disk swap")
    assert web1.status()["frozen"].startswith("disk swap (host web1")
    assert "permission denied" in web1.fails(Exit.LATER, "thaw")
    assert "is thawed" in owner.done("thaw")

    build = "0.0.29-nightly.20260721.864"
    assert "is halted" in web1.done("halt", build, "--reason", "lost a row")
    assert "is halted already" in owner.done("halt", build, "--reason", "too")
    assert "may be tried again" in web1.done("lift", build)
    assert "holds nothing" in web1.done("lift", build)
    assert "holds no slot" in web1.done("release", "web2", "--reason", "gone")

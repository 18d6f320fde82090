"""t3safe's own units: what is written, and what installing and removing leave."""

from __future__ import annotations

import configparser
from datetime import UTC, datetime
from pathlib import Path

import attrs
import pytest

from t3safe.adapters.units import ENABLED, UnitFiles, Units, UserUnits
from t3safe.domain.errors import ServiceError
from t3safe.domain.forecast import Timer

SERVICES = ("t3-autoupdate", "t3-migrate-idle", "t3safe-recover")


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand-ins for systemd's tools that note how they are called, and the file that they note in.

    They fail once there is a file `refuse` beside it.
    """
    folder = tmp_path / "bin"
    folder.mkdir()
    noted = tmp_path / "calls"
    noted.touch()
    for name in ("systemctl", "systemd-sysusers", "systemd-tmpfiles"):
        program = folder / name
        program.write_text(
            f'#!/bin/sh\necho "{name} $*" >>{noted}\n'
            f"if [ -e {tmp_path}/refuse ]; then echo 'not permitted' >&2; exit 1; fi\n"
        )
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return noted


@pytest.fixture
def units(tmp_path: Path) -> Units:
    """Units of a host whose configuration lies below a folder of the test's."""
    return Units(
        program="/usr/lib/t3safe/bin/t3safe",
        folders=(
            (Path("/opt/t3safe"), 0o755),
            (Path("/var/lib/t3-autoupdate"), 0o755),
            (Path("/var/backups/t3-state"), 0o711),
        ),
        writable=(Path("/var/tmp"), Path("/etc"), Path("/usr/bin")),
        serve="t3-serve@.service",
        npm_user="t3safe-npm",
        gate_user="t3safe-gate",
        etc=tmp_path / "etc",
    )


def read(units: Units, name: str) -> configparser.ConfigParser:
    """One of the units as it is written."""
    parsed = configparser.ConfigParser(interpolation=None)
    parsed.optionxform = str  # type: ignore[assignment,method-assign]
    parsed.read_string({path.name: text for path, text in units.files()}[name])
    return parsed


def test_run_and_drain_come_by_night_and_are_not_made_up_for(units: Units) -> None:
    """04:00 with up to 1 h random delay, and every 20 minutes from midnight to seven."""
    run, drain = (read(units, f"{name}.timer")["Timer"] for name in SERVICES[:2])
    assert (run["OnCalendar"], run["RandomizedDelaySec"]) == ("*-*-* 04:00:00", "1h")
    assert drain["OnCalendar"] == "*-*-* 00..06:00/20:00"
    assert run["Persistent"] == drain["Persistent"] == "false"


def test_serves_wait_for_recovery_and_do_not_start_it(units: Units) -> None:
    """Order alone: with a dependency a serve that starts in a run would start a recovery in it."""
    drop_in = read(units, "10-t3safe.conf")
    assert dict(drop_in["Unit"]) == {"After": "t3safe-recover.service"}


@pytest.mark.parametrize(
    ("name", "identifier"),
    # Identifiers are those that alert rules know: recovery logs as the run does.
    [(SERVICES[0], SERVICES[0]), (SERVICES[1], SERVICES[1]), (SERVICES[2], SERVICES[0])],
)
def test_services_see_no_home_and_may_write_their_own_alone(
    units: Units, name: str, identifier: str
) -> None:
    """Each of them is without homes, read-only but for t3safe's folders, and keeps no privilege.

    Notifications may leave the host: it reaches any network, and its configuration's folder.
    """
    service = read(units, f"{name}.service")["Service"]
    assert service["SyslogIdentifier"] == identifier
    assert {"AF_INET", "AF_INET6", "AF_UNIX"} <= set(service["RestrictAddressFamilies"].split())
    barred = ("PrivateNetwork", "IPAddressDeny", "InaccessiblePaths", "TemporaryFileSystem")
    assert [key for key in barred if key in service] == []
    assert service["ProtectHome"] == "yes"
    assert service["ProtectSystem"] == "strict"
    assert service["NoNewPrivileges"] == "yes"
    assert "CAP_SYS_ADMIN" not in service["CapabilityBoundingSet"]
    assert "CAP_SETUID" not in service["CapabilityBoundingSet"]
    assert service["ReadWritePaths"].split() == [
        *("/etc", "/opt/t3safe", "/usr/bin", "/var/backups/t3-state"),
        *("/var/lib/t3-autoupdate", "/var/tmp"),
    ]


def test_install_writes_all_enables_the_timers_and_starts_nothing(
    units: Units, calls: Path
) -> None:
    """Users, folders and units are made; no call starts anything."""
    done = units.install()
    assert len(done) == len(units.files())
    assert all(path.read_text() == text for path, text in units.files())
    said = calls.read_text().splitlines()
    assert [line.split()[0] for line in said[:2]] == ["systemd-sysusers", "systemd-tmpfiles"]
    assert said[2:] == [
        "systemctl daemon-reload",
        "systemctl enable --quiet t3-autoupdate.timer t3-migrate-idle.timer t3safe-recover.service",
    ]


def test_second_install_changes_nothing_and_fixes_what_was_changed(
    units: Units, calls: Path
) -> None:
    """What is there stays; what somebody wrote over is written again, a link in its place too."""
    units.install()
    assert units.install() == ()
    changed, linked = units.files()[2][0], units.files()[3][0]
    changed.write_text(f"{changed.read_text()}other\n")
    linked.unlink()
    linked.symlink_to(calls)
    kept = f"kept what was there as {linked}.before-t3safe"
    assert units.install() == (f"wrote {changed}", kept, f"wrote {linked}")
    assert not linked.is_symlink()


def test_units_of_another_updater_are_kept_and_put_back(units: Units, calls: Path) -> None:
    """Their names are the same; what the host had is not lost by trying t3safe (rule 4)."""
    folder = units.etc / "systemd" / "system"
    folder.mkdir(parents=True)
    theirs = folder / "t3-autoupdate.service", folder / "t3-autoupdate.timer"
    theirs[0].write_text("[Service]\nExecStart=/usr/local/sbin/t3-autoupdate.sh\n")
    theirs[1].symlink_to("/usr/local/lib/t3-autoupdate.timer")
    done = units.install()
    assert f"kept what was there as {theirs[0]}.before-t3safe" in done
    assert theirs[0].read_text().startswith("# Kept by t3safe")
    assert not theirs[1].is_symlink()
    theirs[0].write_text(theirs[0].read_text() + "# tuned\n")
    assert units.install() == (f"wrote {theirs[0]}",), "one of ours is no other updater's"

    done = units.remove()
    starts = "`systemctl enable --now t3-autoupdate.timer` starts it"
    assert f"put back {theirs[1]}, as it was before t3safe; {starts}" in done
    assert theirs[0].read_text() == "[Service]\nExecStart=/usr/local/sbin/t3-autoupdate.sh\n"
    assert theirs[1].readlink() == Path("/usr/local/lib/t3-autoupdate.timer")
    calls.write_text("")
    assert units.remove() == (), "what was put back is not ours to remove"
    assert all(path.is_file() or path.is_symlink() for path in theirs)
    assert "disable" not in calls.read_text()


def test_remove_takes_away_what_was_installed_and_nothing_else(units: Units, calls: Path) -> None:
    """A drop-in of the administrator's own stays, with its folder."""
    units.install()
    folder = units.etc / "systemd" / "system" / "t3-serve@.service.d"
    (folder / "own.conf").write_text("[Service]\nNice=5\n")
    calls.write_text("")
    units.remove()
    assert not any(path.exists() for path, _ in units.files())
    assert (folder / "own.conf").exists()
    assert "disable --quiet --now" in calls.read_text().splitlines()[0]
    calls.write_text("")
    assert units.remove() == ()
    assert "disable" not in calls.read_text()


def test_a_look_tells_what_is_missing_changed_disabled_and_persistent(
    units: Units, calls: Path
) -> None:
    """What `install` writes is compared with what is there; installing fixes the files."""
    tool = calls.parent / "bin" / "systemctl"
    plain = tool.read_text()
    tool.write_text(f"{plain}echo UnitFileState=disabled\necho Persistent=yes\n")
    before = units.look()
    assert len(before.missing) == len(units.files())
    assert before.disabled == before.persistent
    assert len(before.disabled) == 3

    units.install()
    changed, _ = units.files()[-1]
    changed.write_text("[Unit]\n")
    assert units.look().changed == (str(changed),)

    units.install()
    tool.write_text(f"{plain}echo UnitFileState=enabled\necho Persistent=no\n")
    fixed = units.look()
    assert (fixed.missing, fixed.changed, fixed.disabled, fixed.persistent) == ((), (), (), ())
    (calls.parent / "refuse").touch()
    with pytest.raises(ServiceError, match="cannot look at"):
        units.look()
    with pytest.raises(ServiceError, match="cannot make the users: not permitted; it needs root"):
        units.install()


@pytest.mark.parametrize(
    ("told", "moment"),
    [
        ("Thu 2026-11-26 04:12:33 UTC", datetime(2026, 11, 26, 4, 12, 33, tzinfo=UTC)),
        ("", None),
        ("n/a", None),
    ],
)
def test_timers_tell_when_they_start_next(
    units: Units, calls: Path, told: str, moment: datetime | None
) -> None:
    """Asked under UTC and without a language; a timer that is not set, or unknown, has no time."""
    tool = calls.parent / "bin" / "systemctl"
    tool.write_text(f'#!/bin/sh\necho "$TZ $LC_ALL $*" >>{calls}\necho "{told}"\n')
    assert units.timers() == (
        Timer("t3-autoupdate.timer", moment),
        Timer("t3-migrate-idle.timer", moment),
    )
    asked = "UTC C show -p NextElapseUSecRealtime --value t3-autoupdate.timer"
    assert calls.read_text().splitlines()[0] == asked
    tool.write_text("#!/bin/sh\necho not permitted >&2; exit 1\n")
    for timer in units.timers():
        assert timer.next is None
        assert f"cannot look at {timer.name}: not permitted" in timer.trouble


@pytest.fixture
def own(tmp_path: Path) -> UserUnits:
    """Units of a person who keeps their own serve."""
    return UserUnits(
        program="/home/ann/.local/bin/t3safe",
        serve="t3-serve.service",
        search=("/home/ann/100%/bin", "/usr/bin"),
        folder=tmp_path / "home" / ".config" / "systemd" / "user",
    )


def test_persons_own_units_need_no_root_and_make_no_users(own: UserUnits, calls: Path) -> None:
    """Only files below their folder are written, and only their own manager is asked."""
    done = own.install()
    assert done == tuple(f"wrote {path}" for path, _ in own.files())
    assert all(path.is_relative_to(own.folder) for path, _ in own.files())
    assert calls.read_text().splitlines() == [
        "systemctl --user daemon-reload",
        "systemctl --user enable --quiet " + " ".join(ENABLED),
    ]
    assert own.install() == ()


def test_persons_services_find_node_and_keep_to_their_scope(own: UserUnits) -> None:
    """A timer has neither the PATH nor the variables of a shell; a percent sign is one.

    Serve and recovery are wanted by the same target of their manager, in this order.
    """
    texts = {path.name: text for path, text in own.files()}
    run, recovery = texts["t3-autoupdate.service"], texts["t3safe-recover.service"]
    assert "ExecStart=/home/ann/.local/bin/t3safe run\n" in run
    assert 'Environment="PATH=/home/ann/100%%/bin:/usr/bin"\n' in run
    assert "Environment=T3SAFE_SCOPE=user\n" in run
    assert "ProtectHome" not in run
    assert "Before=t3-serve.service\n" in recovery
    assert "WantedBy=default.target\n" in recovery
    assert own.folder / "t3-serve.service.d" / "10-t3safe.conf" in dict(own.files())
    assert "network-online.target" not in "".join(texts.values())


def test_persons_own_units_are_looked_at_and_removed(own: UserUnits, calls: Path) -> None:
    """A look changes nothing; what is removed is what was installed."""
    assert len(own.look().missing) == len(own.files())
    assert not own.folder.exists()
    own.install()
    assert own.look().missing == own.look().changed == ()
    own.remove()
    assert not any(path.exists() for path, _ in own.files())
    (calls.parent / "refuse").touch()
    with pytest.raises(ServiceError, match="it needs your own systemd"):
        own.look()


def fleet_files(units: UnitFiles) -> list[Path]:
    """Give those of the timer of the fleet."""
    made = attrs.evolve(units, fleet=True)  # type: ignore[misc]
    return [path for path, _ in made.files() if path.name.startswith("t3safe-fleet.")]


@pytest.fixture(params=["host", "person"])
def either(request: pytest.FixtureRequest, units: Units, own: UserUnits) -> UnitFiles:
    """Give the units of a host, then those of a person."""
    return units if request.param == "host" else own


def test_host_of_a_fleet_sends_every_hour(units: Units) -> None:
    """With up to 15 minutes random delay, as a run does; cut off or locked is no failure."""
    made = attrs.evolve(units, fleet=True)
    timer = read(made, "t3safe-fleet.timer")["Timer"]
    assert (timer["OnCalendar"], timer["RandomizedDelaySec"]) == ("hourly", "15min")
    service = read(made, "t3safe-fleet.service")["Service"]
    assert service["ExecStart"] == "/usr/lib/t3safe/bin/t3safe fleet sync"
    assert {"12", "16"} <= set(service["SuccessExitStatus"].split())
    assert service["ProtectHome"] == "yes"
    assert made.enabled == (*ENABLED, "t3safe-fleet.timer")


def test_only_a_host_of_a_fleet_has_its_timer(either: UnitFiles, calls: Path) -> None:
    """Without a fleet neither a file nor a call names it."""
    either.install()
    either.look()
    either.remove()
    assert "t3safe-fleet" not in calls.read_text()
    assert len(fleet_files(either)) == 2
    assert not {path for path, _ in either.files()} & {*fleet_files(either)}


def test_timer_of_the_fleet_comes_and_goes_with_the_others(either: UnitFiles, calls: Path) -> None:
    """It is enabled, looked at, shown among the timers, and removed."""
    made = attrs.evolve(either, fleet=True)  # type: ignore[misc]
    made.install()
    assert all(path.is_file() for path in fleet_files(either))
    assert calls.read_text().splitlines()[-1].endswith(" t3safe-fleet.timer")
    assert made.look().missing == made.look().changed == ()
    assert made.timers()[-1].name == "t3safe-fleet.timer"
    calls.write_text("")
    made.remove()
    assert not any(path.exists() for path in fleet_files(either))
    assert calls.read_text().splitlines()[0].endswith(" t3safe-fleet.timer")


@pytest.mark.parametrize("how", ["install", "remove"])
def test_what_a_fleet_left_is_taken_away(either: UnitFiles, calls: Path, how: str) -> None:
    """Once `[fleet]` has gone from the configuration; a look names it until then."""
    attrs.evolve(either, fleet=True).install()  # type: ignore[misc]
    assert either.look().changed == tuple(map(str, fleet_files(either)))
    calls.write_text("")
    done = getattr(either, how)()
    for path in fleet_files(either):
        assert f"removed {path}" in done
        assert not path.exists()
    assert "t3safe-fleet.timer" in calls.read_text().splitlines()[0]
    assert "disable --quiet --now" in calls.read_text().splitlines()[0]
    calls.write_text("")
    either.install()
    assert "disable" not in calls.read_text()

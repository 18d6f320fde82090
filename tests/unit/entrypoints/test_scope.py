"""Which file is read and which defaults hold: a host's, or a person's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from t3safe.configuration import Manager, Settings, Verify
from t3safe.domain.policy import Track
from t3safe.domain.scope import Caller, Scope
from t3safe.entrypoints import settings as module
from t3safe.entrypoints.settings import SettingsError, load
from t3safe.t3.files import HOME_BASE


@pytest.fixture
def ann(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Caller:
    """Give a person with a home, on a host without a configuration of its own."""
    monkeypatch.setattr(module, "DEFAULT_FILE", tmp_path / "etc" / "config.toml")
    monkeypatch.setattr(module, "UNITS_FILE", tmp_path / "default")
    return Caller(1000, str(tmp_path / "ann"))


def own(caller: Caller, text: str = "") -> Path:
    """Write the person's own configuration."""
    file = Path(caller.home, ".config", "t3safe", "config.toml")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def test_a_person_with_a_file_of_their_own_keeps_their_own_serve(ann: Caller) -> None:
    """The defaults are those of a person, and nothing is root's."""
    own(ann)
    settings = load(None, {}, ann)
    assert settings.scope is Scope.USER
    assert settings.store == Path(ann.home, ".local/share/t3safe")
    assert settings.state_dir == Path(ann.home, ".local/state/t3safe")
    assert settings.base_dir == f"{ann.home}/{HOME_BASE}"
    assert settings.launcher == Path(ann.home, ".local/bin/t3")
    assert settings.t3 == str(settings.launcher)
    assert settings.services.manager is Manager.SYSTEMD_USER
    assert settings.verify is Verify.DIRECT
    assert settings.shared_user


def test_every_setting_wins_over_a_persons_defaults(ann: Caller) -> None:
    """File and environment say what they always say."""
    own(ann, 'store = "/s"\nverify = "dispatch"\n[services]\nunit = "mine.service"\n')
    settings = load(None, {"T3_STATE_DIR": "/state"}, ann)
    assert (settings.store, settings.state_dir) == (Path("/s"), Path("/state"))
    assert settings.verify is Verify.DISPATCH
    assert settings.services.unit == "mine.service"
    assert settings.services.manager is Manager.SYSTEMD_USER


def test_the_hosts_file_comes_before_a_persons(ann: Caller) -> None:
    """On a shared host `t3safe status` shows the host, to everybody."""
    own(ann, 'pin = "0.0.27"\n')
    module.DEFAULT_FILE.parent.mkdir()
    module.DEFAULT_FILE.write_text('pin = "0.0.28"\n')
    settings = load(None, {}, ann)
    assert (settings.scope, settings.pin) == (Scope.SYSTEM, "0.0.28")
    assert load(None, {"T3SAFE_SCOPE": "user"}, ann).pin == "0.0.27"


def test_a_file_that_is_named_is_the_hosts_unless_it_says_otherwise(
    ann: Caller, tmp_path: Path
) -> None:
    """`--config` alone changes no scope."""
    file = tmp_path / "other.toml"
    file.write_text("")
    assert load(file, {}, ann).scope is Scope.SYSTEM
    file.write_text('scope = "user"\n')
    assert load(file, {}, ann).scope is Scope.USER
    assert load(file, {"T3SAFE_SCOPE": "system"}, ann).scope is Scope.SYSTEM


def test_naming_ones_own_file_changes_nothing(ann: Caller) -> None:
    """It is the same file, named or found."""
    file = own(ann)
    assert load(file, {}, ann) == load(None, {}, ann)


@pytest.mark.parametrize("text", ["", 'scope = "user"\n'])
def test_root_is_never_in_a_persons_scope(ann: Caller, tmp_path: Path, text: str) -> None:
    """Builds would run as root: it is refused whoever says so."""
    file = tmp_path / "other.toml"
    file.write_text(text)
    told = {} if text else {"T3SAFE_SCOPE": "user"}
    with pytest.raises(SettingsError, match=r"other\.toml: scope: user is never root's"):
        load(file, told, Caller(0, "/root"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('scope = "home"\n', r"config\.toml: .*scope"),
        ('[services]\nmanager = "systemd"\n', r"config\.toml: services\.manager: systemd is the"),
        ("shared_user = false\n", r"config\.toml: shared_user: false"),
        ("services = 5\n", r"config\.toml: .*services"),
    ],
)
def test_what_does_not_fit_a_persons_scope_is_one_line(ann: Caller, text: str, words: str) -> None:
    """It names the file and the key."""
    own(ann, text)
    with pytest.raises(SettingsError, match=words) as caught:
        load(None, {}, ann)
    assert "\n" not in str(caught.value)


def test_a_scope_that_is_none_is_named_with_its_variable(ann: Caller) -> None:
    """As every other wrong variable."""
    with pytest.raises(SettingsError, match=r"environment T3SAFE_SCOPE='all': it is neither"):
        load(None, {"T3SAFE_SCOPE": "all"}, ann)


def test_a_persons_service_manager_is_not_a_hosts(ann: Caller, tmp_path: Path) -> None:
    """Nobody else's serve would be found by it."""
    file = tmp_path / "other.toml"
    file.write_text('[services]\nmanager = "systemd-user"\n')
    with pytest.raises(SettingsError, match=r"services\.manager: systemd-user is for one person"):
        load(file, {}, ann)


def test_commands_for_one_person_need_not_name_them(ann: Caller, tmp_path: Path) -> None:
    """In a person's own scope there is nobody else whom a command could be for."""
    file = tmp_path / "config.toml"
    words = "".join(
        f'{verb} = ["docker", "{verb}", "t3"]\n' for verb in ("start", "stop", "status")
    )
    text = f'[services]\nmanager = "commands"\n{words}'
    file.write_text(f'scope = "user"\n{text}')
    assert load(file, {}, ann).services.stop == ("docker", "stop", "t3")
    file.write_text(text)
    with pytest.raises(SettingsError, match=r"services\.start: no word holds \{person\}"):
        load(file, {}, ann)


def test_what_the_hosts_units_are_given_counts_at_a_terminal_too(ann: Caller) -> None:
    """Else `t3safe freeze` would make a file at which no timer looks; the environment wins."""
    module.UNITS_FILE.write_text(
        "# how the host is kept\nT3_FREEZE_FILE=/srv/freeze\n T3_TRACK = latest\n"
        "T3_BACKUP_DEST=\"/srv/t3 backups\"\nT3_PIN=\nOTHER='a\\b'\nexport T3_TMPDIR=/x\n"
    )
    settings = load(None, {"T3_TRACK": "nightly"}, ann)
    assert settings.freeze_file == Path("/srv/freeze")
    assert settings.backup_dest == Path("/srv/t3 backups")
    assert (settings.track, settings.pin) == (Track.NIGHTLY, "")
    assert settings.tmpdir == Path("/var/tmp")
    assert load(None, {"T3_FREEZE_FILE": ""}, ann).freeze_file == Settings().freeze_file


def test_a_named_file_and_a_persons_own_scope_leave_the_units_variables_out(ann: Caller) -> None:
    """They stand for another host than the one that the units keep."""
    module.UNITS_FILE.write_text("T3_PIN=0.0.27\n")
    assert load(own(ann, 'scope = "system"\n'), {}, ann).pin == ""
    own(ann)
    assert load(None, {}, ann).pin == ""


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("T3_PIN=newest\n", "T3_PIN='newest': pin: "),
        ("T3_SMOKE_PORT=many\n", "T3_SMOKE_PORT='many': smoke_port: "),
        ("T3_PIN='0.0.27\n", "T3_PIN: a quote or a backslash within"),
        ("T3_PIN=0.0.\\\n27\n", "T3_PIN: a quote or a backslash within"),
    ],
)
def test_a_mistake_in_the_units_variables_names_their_file(
    ann: Caller, text: str, told: str
) -> None:
    """One line that says where, and nothing is guessed."""
    module.UNITS_FILE.write_text(text)
    with pytest.raises(SettingsError) as caught:
        load(None, {}, ann)
    assert str(module.UNITS_FILE) in str(caught.value)
    assert told in str(caught.value)


def test_unreadable_variables_of_the_units_are_one_clear_line(ann: Caller) -> None:
    """A host is not looked at with half of what steers it."""
    module.UNITS_FILE.mkdir()
    with pytest.raises(SettingsError, match="default: cannot be read: Is a directory"):
        load(None, {}, ann)
    module.UNITS_FILE.rmdir()
    module.UNITS_FILE.write_bytes(b"T3_PIN=\xff\n")
    with pytest.raises(SettingsError, match="default: is not UTF-8"):
        load(None, {}, ann)

"""Which file is read and which defaults hold: a host's, or a person's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from t3safe.configuration import Manager, Verify
from t3safe.domain.scope import Caller, Scope
from t3safe.entrypoints import settings as module
from t3safe.entrypoints.settings import SettingsError, load


@pytest.fixture
def ann(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Caller:
    """Give a person with a home, on a host without a configuration of its own."""
    monkeypatch.setattr(module, "DEFAULT_FILE", tmp_path / "etc" / "config.toml")
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
    assert settings.base_dir == f"{ann.home}/.t3"
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

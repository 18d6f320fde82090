"""Whose serves are kept, and where a person's own files lie."""

from __future__ import annotations

import pytest

from t3safe.domain.scope import (
    Caller,
    PersonPaths,
    Scope,
    choose,
    merged,
    own_defaults,
    own_file,
    places,
)
from t3safe.t3.files import HOME_BASE

ROOT, ANN = Caller(0, "/root"), Caller(1000, "/home/ann")


@pytest.mark.parametrize(
    ("stated", "caller", "host_file", "own_file", "expected"),
    [
        (Scope.USER, ANN, True, False, Scope.USER),
        (Scope.USER, ROOT, False, False, Scope.USER),
        (Scope.SYSTEM, ANN, False, True, Scope.SYSTEM),
        (None, ANN, True, True, Scope.SYSTEM),
        (None, ROOT, False, True, Scope.SYSTEM),
        (None, ANN, False, True, Scope.USER),
        (None, ANN, False, False, Scope.SYSTEM),
    ],
)
def test_scope_is_what_is_said_else_what_is_there(
    stated: Scope | None, caller: Caller, host_file: bool, own_file: bool, expected: Scope
) -> None:
    """Words count before files, the host's file before a person's, and root keeps a host."""
    assert choose(stated, caller, host_file=host_file, own_file=own_file) is expected


def test_files_lie_where_the_specification_says() -> None:
    """Below the home where no variable names another folder."""
    assert places(ANN, {}) == PersonPaths(
        "/home/ann/.config", "/home/ann/.local/share", "/home/ann/.local/state"
    )
    assert own_file(ANN, {}) == "/home/ann/.config/t3safe/config.toml"


def test_variables_name_other_folders_if_they_are_absolute() -> None:
    """`All paths set in these environment variables must be absolute`; others do not count."""
    told = {
        "XDG_CONFIG_HOME": "/c/",
        "XDG_DATA_HOME": "",
        "XDG_STATE_HOME": "relative",
    }
    assert places(ANN, told) == PersonPaths(
        "/c", "/home/ann/.local/share", "/home/ann/.local/state"
    )


def test_each_variable_names_its_own_folder() -> None:
    """What lies in a folder follows its variable, and none of the others."""
    told = {"XDG_CONFIG_HOME": "/c", "XDG_DATA_HOME": "/d", "XDG_STATE_HOME": "/X/"}
    assert places(ANN, told) == PersonPaths("/c", "/d", "/X")
    assert own_file(ANN, told) == "/c/t3safe/config.toml"


def test_a_persons_defaults_lie_in_their_folders() -> None:
    """All of them, as a file would state them; nothing lies outside of the person's home."""
    state = "/home/ann/.local/state/t3safe"
    assert own_defaults(ANN, {}) == {
        "freeze_file": f"{state}/freeze",
        "state_dir": state,
        "backup_dest": f"{state}/snapshots",
        "verify": "direct",
        "store": "/home/ann/.local/share/t3safe",
        "launcher": "/home/ann/.local/bin/t3",
        "t3": "/home/ann/.local/bin/t3",
        "base_dir": f"/home/ann/{HOME_BASE}",
        "shared_user": True,
        "hooks": {"folder": "/home/ann/.config/t3safe/hooks"},
        "services": {
            "manager": "systemd-user",
            "unit": "t3-serve.service",
            "run_dir": f"{state}/run",
        },
    }


def test_where_a_persons_files_lie_is_the_same_with_and_without_a_session() -> None:
    """A job of cron has no runtime folder, and must find the serve that a session started."""
    assert own_defaults(ANN, {"XDG_RUNTIME_DIR": "/run/user/1000"}) == own_defaults(ANN, {})


def test_what_a_file_says_wins_key_by_key() -> None:
    """A table that sets one key keeps the other defaults; a wrong type is kept to be refused."""
    defaults = {"a": 1, "table": {"x": 1, "y": 2}}
    assert merged(defaults, {"table": {"y": 3}, "b": 2}) == {
        "a": 1,
        "b": 2,
        "table": {"x": 1, "y": 3},
    }
    assert merged(defaults, {"table": 5}) == {"a": 1, "table": 5}

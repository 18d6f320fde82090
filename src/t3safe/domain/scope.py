"""The scope of t3safe, a whole host or one person's serve, and the paths of its files.

Rules:

1. An explicit scope wins: `T3SAFE_SCOPE` before `scope` in the file.
2. Otherwise a named file or the host's own file means the whole host, and so does root.
3. Otherwise a person with a configuration of their own manages their own serve.
4. Otherwise it is the whole host.
5. Root manages a whole host or nothing: in a person's scope root would run foreign code.
6. A person's paths follow the XDG base directory specification: a variable that is empty or not an
   absolute path does not count.

Every setting overrides these defaults.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from attrs import frozen

from t3safe.t3.files import HOME_BASE


class Scope(StrEnum):
    """Whose serves t3safe manages: all on a host, or the caller's own."""

    SYSTEM = "system"
    USER = "user"


@frozen
class Caller:
    """The calling user; `home` is absolute, `uid` 0 is root."""

    uid: int
    home: str

    @property
    def root(self) -> bool:
        """Whether the caller is root."""
        return self.uid == 0


def choose(stated: Scope | None, caller: Caller, *, host_file: bool, own_file: bool) -> Scope:
    """Choose the scope (rules 1 to 4).

    `host_file` says that a file was named or the host has one, `own_file` that the person has.
    """
    if stated is not None:
        return stated
    if host_file or caller.root or not own_file:
        return Scope.SYSTEM
    return Scope.USER


@frozen
class PersonPaths:
    """The paths of a person's files (rule 6)."""

    config: str
    data: str
    state: str


def places(caller: Caller, environment: Mapping[str, str]) -> PersonPaths:
    """Return the paths of this person's files."""
    return PersonPaths(
        config=_absolute(environment, "XDG_CONFIG_HOME", f"{caller.home}/.config"),
        data=_absolute(environment, "XDG_DATA_HOME", f"{caller.home}/.local/share"),
        state=_absolute(environment, "XDG_STATE_HOME", f"{caller.home}/.local/state"),
    )


def own_file(caller: Caller, environment: Mapping[str, str]) -> str:
    """Return the path of a person's configuration."""
    return f"{places(caller, environment).config}/t3safe/config.toml"


def _absolute(environment: Mapping[str, str], variable: str, otherwise: str) -> str:
    value = environment.get(variable, otherwise)
    return value.rstrip("/") if value.startswith("/") else otherwise


def own_defaults(caller: Caller, environment: Mapping[str, str]) -> dict[str, object]:
    """Return the defaults of a person's scope that differ from a host's, as a file states them."""
    lie = places(caller, environment)
    state, launcher = f"{lie.state}/t3safe", f"{caller.home}/.local/bin/t3"
    return {
        "freeze_file": f"{state}/freeze",
        "state_dir": state,
        "backup_dest": f"{state}/snapshots",
        "verify": "direct",
        "store": f"{lie.data}/t3safe",
        "launcher": launcher,
        "t3": launcher,
        "base_dir": f"{caller.home}/{HOME_BASE}",
        "shared_user": True,
        "hooks": {"folder": f"{lie.config}/t3safe/hooks"},
        "services": {
            "manager": "systemd-user",
            "unit": "t3-serve.service",
            # Not below XDG_RUNTIME_DIR: a job of cron has none, and at logout it is emptied.
            "run_dir": f"{state}/run",
        },
    }


def merged(defaults: Mapping[str, object], said: Mapping[str, object]) -> dict[str, object]:
    """Merge the values of a file over defaults, table by table."""
    laid = dict(defaults)
    for key, value in said.items():
        below = defaults.get(key)
        both = isinstance(below, Mapping) and isinstance(value, Mapping)
        laid[key] = merged(below, value) if both else value  # type: ignore[arg-type]
    return laid

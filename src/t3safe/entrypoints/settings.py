"""Read the configuration: defaults, then the TOML file, then the environment.

Rules:

1. The environment wins over the file, the file over the defaults.
2. An unknown key, a wrong type or a value out of range is one clear line that names the file (or
   the variable) and the key.  Nothing is guessed.
3. A file that was named must be there; the default file may be missing.
4. Which file is the default, and which the defaults are, depends on the scope: `domain.scope`.
5. The variables that a host's units get from a file count wherever no other configuration is named:
   a person at a terminal must see, freeze and take back the same host that the timers act on.
"""

from __future__ import annotations

import os
import pwd
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import attrs
from attrs import frozen

from t3safe.adapters._support.http_client import Address
from t3safe.adapters._support.strict import INVALID, strict_converter, trouble
from t3safe.configuration import Manager, Settings, Verify, WindowSettings
from t3safe.domain import scope
from t3safe.domain.errors import UnusableError
from t3safe.domain.scope import Caller, Scope
from t3safe.domain.versions import InvalidVersion, Version
from t3safe.t3.sign_in import SESSION_PATH

DEFAULT_FILE: Final = Path("/etc/t3safe/config.toml")

ENVIRONMENT: Final = {
    "T3_TRACK": "track",
    "T3_PIN": "pin",
    "T3_FREEZE_FILE": "freeze_file",
    "T3_STATE_DIR": "state_dir",
    "T3_BACKUP_DEST": "backup_dest",
    "T3_SMOKE_PORT": "smoke_port",
    "T3_DISPATCH": "dispatch",
    "T3_USER_MAP": "user_map",
    "T3_DRY_RUN": "dry_run",
    "T3_TMPDIR": "tmpdir",
    "T3_BACKUP_TIMEOUT": "backup_timeout",
}
"""The variables that the host's units set already, and the settings that they stand for."""


UNITS_FILE: Final = Path("/etc/default/t3-autoupdate")
"""Where the host's units get these variables from; need not be there."""

SCOPE_VARIABLE: Final = "T3SAFE_SCOPE"
"""Chooses the scope, and with it the default file; wins over `scope` in the file."""


class SettingsError(UnusableError):
    """Raised when the configuration cannot be used; the text is one line that says where."""


@frozen
class _Variable:
    """A variable that is set, and where: in the environment, or in the file of the units."""

    name: str
    text: str
    where: str

    @property
    def key(self) -> str:
        """The setting that it stands for."""
        return ENVIRONMENT[self.name]

    def __str__(self) -> str:
        return f"{self.where} {self.name}={self.text!r}"


def load(
    file: Path | None, environment: Mapping[str, str], caller: Caller | None = None
) -> Settings:
    """Read the configuration (rules 1 to 5).

    `file` None means the default file if it is there, `caller` None who we are.  Raises
    SettingsError.
    """
    caller = caller or present_caller(environment)
    where = file or default_file(environment, caller)
    raw = _scoped(_read(where, needed=file is not None), where, environment, caller)
    settings = _structured(raw, str(where))
    units = _of_units() if file is None and settings.scope is Scope.SYSTEM else {}
    variables = _variables(units, environment)
    for variable in variables:
        settings = _with_variable(settings, variable)
    try:
        return _checked(settings)
    except SettingsError as error:
        raise SettingsError(f"{_origin(error, where, variables)}: {error}") from error


def present_caller(environment: Mapping[str, str]) -> Caller:
    """Tell who calls."""
    uid = os.geteuid()
    home = environment.get("HOME", "")
    if not home.startswith("/"):
        try:
            home = pwd.getpwuid(uid).pw_dir
        except KeyError:
            home = "/"
    return Caller(uid, home.rstrip("/"))


def default_file(environment: Mapping[str, str], caller: Caller) -> Path:
    """Tell which file is read where none is named.  Raises SettingsError."""
    own = Path(scope.own_file(caller, environment))
    chosen = scope.choose(
        stated_scope(environment),
        caller,
        host_file=os.path.exists(DEFAULT_FILE),  # noqa: PTH110 - what may not be seen is not there
        own_file=os.path.exists(own),  # noqa: PTH110
    )
    return own if chosen is Scope.USER else DEFAULT_FILE


def _variables(units: Mapping[str, str], environment: Mapping[str, str]) -> tuple[_Variable, ...]:
    """Give what is set: the environment wins over the units' file, an empty text sets nothing."""
    told = {
        name: _Variable(name, environment[name], "environment")
        if name in environment
        else _Variable(name, units[name], str(UNITS_FILE))
        for name in ENVIRONMENT
        if name in environment or name in units
    }
    return tuple(variable for variable in told.values() if variable.text)


def _of_units() -> dict[str, str]:
    """Read the file of the units as systemd does (rule 5)."""
    try:
        lines = UNITS_FILE.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise SettingsError(f"{UNITS_FILE}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{UNITS_FILE}: is not UTF-8: {error}") from error
    parted = (line.partition("=") for line in lines)
    return {
        name.strip(): _unquoted(name.strip(), text.strip())
        for name, _, text in parted
        if name.strip() in ENVIRONMENT
    }


def _unquoted(name: str, text: str) -> str:
    """Take the quotes off; what systemd would read in another way than it looks is refused."""
    inner = text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'" else text
    if any(sign in inner for sign in "\"'\\"):
        message = f"{UNITS_FILE}: {name}: a quote or a backslash within {text!r}"
        raise SettingsError(f"{message}; write the value without them")
    return inner


def stated_scope(environment: Mapping[str, str]) -> Scope | None:
    """Tell which scope T3SAFE_SCOPE states, None where it states none.  Raises SettingsError."""
    text = environment.get(SCOPE_VARIABLE, "")
    try:
        return Scope(text) if text else None
    except ValueError as error:
        message = f"environment {SCOPE_VARIABLE}={text!r}: it is neither system nor user"
        raise SettingsError(message) from error


def _scoped(
    raw: dict[str, Any], where: Path, environment: Mapping[str, str], caller: Caller
) -> dict[str, Any]:
    """Lay what the file says over the defaults of its scope."""
    said = raw.get("scope", "")
    if said not in ("", *Scope):
        # What reads the file refuses it with its place.
        return raw
    own = str(where) == scope.own_file(caller, environment)
    stated = stated_scope(environment) or (Scope(said) if said else None)
    chosen = scope.choose(stated, caller, host_file=not own, own_file=own)
    if chosen is Scope.SYSTEM:
        return {**raw, "scope": chosen.value}
    if caller.root:
        how = "run it as the person whose serve it is, or let `scope` be system"
        raise SettingsError(f"{where}: scope: user is never root's; {how}")
    return scope.merged(scope.own_defaults(caller, environment), {**raw, "scope": chosen.value})


def _origin(error: SettingsError, where: Path, variables: Iterable[_Variable]) -> str:
    """Name where the key that an error begins with was set: a variable wins over the file."""
    key = str(error).partition(":")[0]
    return next((str(variable) for variable in variables if variable.key == key), str(where))


def _read(path: Path, *, needed: bool) -> dict[str, Any]:
    try:
        with path.open("rb") as handle:
            return tomllib.load(handle)
    except FileNotFoundError as error:
        if not needed:
            return {}
        message = f"{path}: no such configuration file"
        raise SettingsError(message) from error
    except OSError as error:
        message = f"{path}: cannot be read: {error.strerror}"
        raise SettingsError(message) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        message = f"{path}: is not TOML: {error}"
        raise SettingsError(message) from error


def _structured(raw: Mapping[str, Any], where: str) -> Settings:
    _texts_of_urls(raw, where)
    try:
        return strict_converter().structure(raw, Settings)
    except INVALID as error:
        message = f"{where}: {trouble(error)}"
        raise SettingsError(message) from error


def _texts_of_urls(raw: Mapping[str, Any], where: str) -> None:
    """See that URLs are a list of texts; they are secrets, so that no error may quote one."""
    table = raw.get("notify")
    urls = table.get("urls", []) if isinstance(table, dict) else []
    if not isinstance(urls, list) or not all(isinstance(url, str) and url.strip() for url in urls):
        message = f"{where}: notify.urls: it is not a list of texts (what it holds is not shown)"
        raise SettingsError(message)


def _with_variable(settings: Settings, variable: _Variable) -> Settings:
    key, name = variable.key, variable.name
    raw: dict[str, Any] = {key: _of_text(key, variable.text)}
    try:
        value = getattr(_structured(raw, name), key)
    except SettingsError as error:
        message = f"{variable}: {str(error).removeprefix(name + ': ')}"
        raise SettingsError(message) from error
    return attrs.evolve(settings, **{key: value})


def _of_text(key: str, text: str) -> object:
    """Turn a variable's text into what TOML would hold for that key."""
    kind = type(getattr(Settings(), key))
    if kind is bool:
        return {"0": False, "1": True}.get(text, text)
    if kind in {int, float}:
        return _number(text)
    return text


def _number(text: str) -> float | int | str:
    for read in (int, float):
        try:
            return read(text)
        except ValueError:
            continue
    return text


def _checked(settings: Settings) -> Settings:
    """See that values fit; each error begins with its key."""
    _paths(settings)
    _templates(settings)
    if settings.pin:
        _version(settings.pin)
    if settings.policy.window is not None:
        _window(settings.policy.window)
    if settings.notify.urls and settings.notify.urls_file is not None:
        message = "notify.urls_file: `notify.urls` is set too; keep one of the two"
        raise SettingsError(message)
    _dispatch(settings)
    _registry(settings)
    for person, port in settings.services.ports.items():
        _between(f"services.ports.{person}", port, 1, 65535)
    _at_least(settings)
    return settings


def _paths(settings: Settings) -> None:
    names = (
        *("freeze_file", "state_dir", "backup_dest", "user_map", "tmpdir", "store", "launcher"),
        *("metrics_file", "npm_node_headers"),
    )
    paths = {name: getattr(settings, name) for name in names}
    paths["services.run_dir"] = settings.services.run_dir
    paths["notify.urls_file"] = settings.notify.urls_file
    paths["hooks.folder"] = settings.hooks.folder
    for name, path in paths.items():
        if path is not None and not path.is_absolute():
            raise SettingsError(f"{name}: {str(path)!r} is not an absolute path")


def _templates(settings: Settings) -> None:
    services = settings.services
    if settings.scope is Scope.SYSTEM:
        _for_everybody(settings)
    else:
        _for_one(settings)
    if services.manager is Manager.PROCESSES and not services.command:
        message = "services.command: it is empty, so that no serve could be started"
        raise SettingsError(message)
    _commands(settings)
    for name, text in (
        ("npm", settings.npm),
        ("t3", settings.t3),
        ("gate.node", settings.gate.node),
    ):
        if not text.strip():
            raise SettingsError(f"{name}: it is empty; name a program")


def _for_everybody(settings: Settings) -> None:
    services = settings.services
    if "{person}" not in settings.base_dir:
        raise SettingsError(f"base_dir: {settings.base_dir!r} does not hold {{person}}")
    if services.manager is Manager.SYSTEMD_USER:
        message = "services.manager: systemd-user is for one person: it needs `scope` to be user"
        raise SettingsError(message)
    if services.manager is Manager.SYSTEMD and "{person}" not in services.unit:
        raise SettingsError(f"services.unit: {services.unit!r} does not hold {{person}}")


def _for_one(settings: Settings) -> None:
    if settings.services.manager is Manager.SYSTEMD:
        message = "services.manager: systemd is the host's; a person's own is systemd-user"
        raise SettingsError(message)
    if not settings.shared_user:
        message = "shared_user: false; where `scope` is user, everybody is that user"
        raise SettingsError(message)


def _commands(settings: Settings) -> None:
    """See that commands of the owner's own are there where they are needed, and can be started."""
    services = settings.services
    owned: dict[str, tuple[str, ...]] = {}
    if services.manager is Manager.COMMANDS:
        named = {"start": services.start, "stop": services.stop, "status": services.status}
        owned |= {f"services.{name}": words for name, words in named.items()}
    if settings.verify is Verify.COMMAND:
        owned["verify_command"] = settings.verify_command
    for key, words in owned.items():
        if not words or not words[0].strip():
            raise SettingsError(f"{key}: it is empty; name a program and its words")
        if any("\0" in word for word in words):
            raise SettingsError(f"{key}: a word holds a zero byte")
        if settings.scope is Scope.SYSTEM and not any("{person}" in word for word in words):
            raise SettingsError(
                f"{key}: no word holds {{person}}, so it cannot know whom it is for"
            )


def _registry(settings: Settings) -> None:
    """See that the registry's address is one, and holds no secret: others may read the file."""
    if not settings.registry:
        return
    found = re.fullmatch(r"https?://([^\s/?#@]+)(/\S*)?", settings.registry)
    if found is None:
        shown = re.sub(r"//[^/]*@", "//[redacted]@", settings.registry)
        message = f"registry: {shown!r} is no http or https address without credentials"
        raise SettingsError(message)


def _dispatch(settings: Settings) -> None:
    knows = settings.dispatch_knows
    try:
        Address.parse(settings.dispatch)
    except ValueError as error:
        raise SettingsError(f"dispatch: {error}") from error
    if not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", knows.header):
        raise SettingsError(f"dispatch_knows.header: {knows.header!r} is no name of a header")
    for path in knows.paths:
        if not re.fullmatch(r"/[!-~]*", path):
            raise SettingsError(f"dispatch_knows.paths: {path!r} is no path such as {SESSION_PATH}")
    for pattern in knows.cookies:
        _pattern(pattern)
    for protocol in knows.protocols:
        _between("dispatch_knows.protocols", protocol, 1, 1000)


def _window(window: WindowSettings) -> None:
    if window.opens == window.closes:
        message = f"policy.window: it opens and closes at {window.opens}, so it never is"
        raise SettingsError(message)


def _pattern(text: str) -> None:
    try:
        re.compile(text)
    except re.error as error:
        message = f"dispatch_knows.cookies: {text!r} is no regular expression: {error}"
        raise SettingsError(message) from error


def _version(text: str) -> None:
    try:
        Version.parse(text)
    except InvalidVersion as error:
        message = f"pin: {error}"
        raise SettingsError(message) from error


def _at_least(settings: Settings) -> None:
    limits: tuple[tuple[str, float, float, float], ...] = (
        ("smoke_port", settings.smoke_port, 0, 65535),
        ("backup_timeout", settings.backup_timeout, 1, 86400),
        ("gate.soak", settings.gate.soak, 0, 86400),
        ("gate.soak_per_gib", settings.gate.soak_per_gib, 0, 86400),
        ("gate.deadline", settings.gate.deadline, 0.001, 86400),
        ("gate.deadline_per_gib", settings.gate.deadline_per_gib, 0, 86400),
        ("gate.stop_limit", settings.gate.stop_limit, 0.001, 86400),
        ("gate.memory_max", settings.gate.memory_max, 64 * 1024**2, 2**50),
        ("gate.memory_max_per_gib", settings.gate.memory_max_per_gib, 0, 2**50),
        ("gate.evidence_keep", settings.gate.evidence_keep, 1, 10000),
        ("npm_free_bytes", settings.npm_free_bytes, 0, 2**50),
        ("rollout.verify_stay", settings.rollout.verify_stay, 0, 3600),
        ("retention.snapshot_bytes", settings.retention.snapshot_bytes, 0, 2**60),
        ("gate.tolerance", settings.gate.tolerance, 0, 1),
        ("gate.jobs", settings.gate.jobs, 1, 64),
        ("rollout.bake", settings.rollout.bake, 0, 7 * 86400),
        ("rollout.bake_interval", settings.rollout.bake_interval, 0.1, 86400),
        ("rollout.quiet", settings.rollout.quiet, 0, 7 * 86400),
        ("rollout.attempts_max", settings.rollout.attempts_max, 1, 10),
        ("rollout.verify_deadline", settings.rollout.verify_deadline, 1, 3600),
        ("rollout.verify_grace", settings.rollout.verify_grace, 0, 3600),
        ("rollout.stop_timeout", settings.rollout.stop_timeout, 1, 3600),
        ("pressure.cpu_max", settings.pressure.cpu_max, 1, 100),
        ("pressure.io_max", settings.pressure.io_max, 1, 100),
        ("pressure.load_max", settings.pressure.load_max, 0.1, 10000),
        ("pressure.sign_ins", settings.pressure.sign_ins, 1, 64),
        ("pressure.loud_days", settings.pressure.loud_days, 0, 3650),
        ("policy.age_min_days", settings.policy.age_min_days, 0, 3650),
        ("policy.stale_days", settings.policy.stale_days, 0, 3650),
        ("policy.deferred_max_days", settings.policy.deferred_max_days, 0, 3650),
        ("verify_timeout", settings.verify_timeout, 0.1, 3600),
        ("services.timeout", settings.services.timeout, 0.1, 3600),
        ("hooks.timeout", settings.hooks.timeout, 0.1, 3600),
        ("notify.timeout", settings.notify.timeout, 1, 300),
        ("retention.snapshots", settings.retention.snapshots, 1, 1000),
        ("retention.builds", settings.retention.builds, 0, 100),
        ("retention.journal_days", settings.retention.journal_days, 30, 36500),
    )
    for key, value, low, high in limits:
        _between(key, value, low, high)


def _between(key: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        message = f"{key}: {value} is not between {low} and {high}"
        raise SettingsError(message)

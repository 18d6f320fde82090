"""Read the configuration: defaults, then the TOML file, then the environment.

Rules:

1. The environment wins over the file, the file over the defaults.
2. An unknown key, a wrong type or a value out of range is one clear line that names the file (or
   the variable) and the key.  Nothing is guessed.
3. A named file must exist; the default file may be missing.
4. The default file and the defaults depend on the scope: `domain.scope`.
5. The variables that a host's units get from a file count when no other configuration is named: a
   person at a terminal must see, freeze and roll back the same host that the timers act on.
"""

from __future__ import annotations

import os
import pwd
import re
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import attrs
from attrs import frozen

from t3safe.adapters._support.http_client import Address
from t3safe.adapters._support.strict import INVALID, first_error, strict_converter
from t3safe.configuration import (
    FleetSettings,
    Manager,
    Settings,
    Verify,
    each_setting,
    out_of_range,
)
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


PORT_MAX: Final = 65535
PROTOCOL_MAX: Final = 1000


class SettingsError(UnusableError):
    """Raised when the configuration cannot be used; the text is one line that says where."""


@frozen
class _Variable:
    """A variable that is set, and where: in the environment, or in the units' file."""

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

    `file` None means the default file if it exists, `caller` None the present process.  Raises
    SettingsError.
    """
    caller = caller or present_caller(environment)
    where = file or default_file(environment, caller)
    raw = _scoped(_read(where, needed=file is not None), where, environment, caller)
    _texts_of_urls(raw, where)
    try:
        settings = strict_converter().structure(raw, Settings)
    except INVALID as error:
        raise SettingsError(f"{where}: {first_error(error)}") from error
    units = _of_units() if file is None and settings.scope is Scope.SYSTEM else {}
    variables = _variables(units, environment)
    for variable in variables:
        settings = _with_variable(settings, variable)
    for problem in _problems(settings):
        # A variable wins over the file, so the message names it.
        key = problem.partition(":")[0]
        origin = next((str(each) for each in variables if each.key == key), str(where))
        raise SettingsError(f"{origin}: {problem}")
    return settings


def present_caller(environment: Mapping[str, str]) -> Caller:
    """Return the calling user."""
    uid = os.geteuid()
    home = environment.get("HOME", "")
    if not home.startswith("/"):
        try:
            home = pwd.getpwuid(uid).pw_dir
        except KeyError:
            home = "/"
    return Caller(uid, home.rstrip("/"))


def default_file(environment: Mapping[str, str], caller: Caller) -> Path:
    """Return the file to read when none is named.  Raises SettingsError."""
    own = Path(scope.own_file(caller, environment))
    chosen = scope.choose(
        stated_scope(environment),
        caller,
        host_file=os.path.exists(DEFAULT_FILE),  # noqa: PTH110 - what may not be seen is not there
        own_file=os.path.exists(own),  # noqa: PTH110
    )
    return own if chosen is Scope.USER else DEFAULT_FILE


def _variables(units: Mapping[str, str], environment: Mapping[str, str]) -> tuple[_Variable, ...]:
    """Return what is set: the environment wins over the units' file, an empty text sets nothing."""
    found = {name: _Variable(name, text, str(UNITS_FILE)) for name, text in units.items()}
    for name in ENVIRONMENT.keys() & environment.keys():
        found[name] = _Variable(name, environment[name], "environment")
    return tuple(found[name] for name in ENVIRONMENT if name in found and found[name].text)


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
    """Remove the quotes; refuse a text that systemd would read in another way."""
    inner = text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'" else text
    if any(sign in inner for sign in "\"'\\"):
        message = f"{UNITS_FILE}: {name}: a quote or a backslash within {text!r}"
        raise SettingsError(f"{message}; write the value without them")
    return inner


def stated_scope(environment: Mapping[str, str]) -> Scope | None:
    """Return the scope in T3SAFE_SCOPE, None when it is not set.  Raises SettingsError."""
    text = environment.get(SCOPE_VARIABLE, "")
    try:
        return Scope(text) if text else None
    except ValueError as error:
        message = f"environment {SCOPE_VARIABLE}={text!r}: it is neither system nor user"
        raise SettingsError(message) from error


def _scoped(
    raw: dict[str, Any], where: Path, environment: Mapping[str, str], caller: Caller
) -> dict[str, Any]:
    """Merge the file over the defaults of its scope."""
    said = raw.get("scope", "")
    if said not in ("", *Scope):
        # `load` refuses it with its place.
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


def _read(path: Path, *, needed: bool) -> dict[str, Any]:
    try:
        with path.open("rb") as handle:
            return tomllib.load(handle)
    except FileNotFoundError as error:
        if not needed:
            return {}
        raise SettingsError(f"{path}: no such configuration file") from error
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: is not TOML: {error}") from error


def _texts_of_urls(raw: Mapping[str, Any], where: Path) -> None:
    """Check that URLs are a list of texts; they are secrets, so no error quotes one."""
    table = raw.get("notify")
    urls = table.get("urls", []) if isinstance(table, dict) else []
    if not isinstance(urls, list) or not all(isinstance(url, str) and url.strip() for url in urls):
        message = f"{where}: notify.urls: it is not a list of texts (what it holds is not shown)"
        raise SettingsError(message)


def _with_variable(settings: Settings, variable: _Variable) -> Settings:
    key, text = variable.key, variable.text
    value: object = text
    # The type that TOML has for that key.
    present = getattr(settings, key)
    if isinstance(present, bool):
        value = {"0": False, "1": True}.get(text, text)
    elif isinstance(present, int | float):
        with suppress(ValueError):
            value = type(present)(text)
    try:
        read = strict_converter().structure({key: value}, Settings)
    except INVALID as error:
        raise SettingsError(f"{variable}: {first_error(error)}") from error
    return attrs.evolve(settings, **{key: getattr(read, key)})


def _problems(settings: Settings) -> Iterator[str]:
    """Yield what is wrong; each line begins with its key."""
    yield from out_of_range(settings)
    for key, _, value in each_setting(settings):
        if isinstance(value, Path) and not value.is_absolute():
            yield f"{key}: {str(value)!r} is not an absolute path"
    for person, port in settings.services.ports.items():
        if not 1 <= port <= PORT_MAX:
            yield f"services.ports.{person}: {port} is not between 1 and {PORT_MAX}"
    yield from _of_scope(settings)
    yield from _of_programs(settings)
    yield from _of_addresses(settings)
    if settings.fleet is not None:
        yield from _of_fleet(settings.fleet)
    if settings.pin:
        try:
            Version.parse(settings.pin)
        except InvalidVersion as error:
            yield f"pin: {error}"
    window = settings.policy.window
    if window is not None and window.opens == window.closes:
        yield f"policy.window: it opens and closes at {window.opens}, so it is never open"
    if settings.notify.urls and settings.notify.urls_file is not None:
        yield "notify.urls_file: `notify.urls` is set too; keep one of the two"


def _of_fleet(fleet: FleetSettings) -> Iterator[str]:
    from t3safe.domain.fleet.records import check_name  # noqa: PLC0415 - only for a fleet's host

    for key in ("name", "ring", "host"):
        text = getattr(fleet, key)
        if text or key != "host":
            try:
                check_name("name", text)
            except UnusableError as error:
                yield f"fleet.{key}: {error}"
    if not fleet.endpoints:
        yield "fleet.endpoints: it is empty; name at least one, such as https://etcd1:2379"
    for text in fleet.endpoints:
        # An endpoint with credentials in it is not quoted: other users may read the message.
        if not re.fullmatch(r"https?://[^\s/?#@]+:\d{1,5}/?", text):
            shown = re.sub(r"//[^/]*@", "//[redacted]@", text)
            yield f"fleet.endpoints: {shown!r} is not an endpoint such as https://etcd1:2379"


def _of_scope(settings: Settings) -> Iterator[str]:
    services = settings.services
    if settings.scope is Scope.USER:
        if services.manager is Manager.SYSTEMD:
            yield "services.manager: systemd is the host's; a person's own is systemd-user"
        if not settings.shared_user:
            yield "shared_user: false; with `scope` user, all people are that user"
        return
    if "{person}" not in settings.base_dir:
        yield f"base_dir: {settings.base_dir!r} does not hold {{person}}"
    if services.manager is Manager.SYSTEMD_USER:
        yield "services.manager: systemd-user is for one person: it needs `scope` to be user"
    if services.manager is Manager.SYSTEMD and "{person}" not in services.unit:
        yield f"services.unit: {services.unit!r} does not hold {{person}}"


def _of_programs(settings: Settings) -> Iterator[str]:
    """Check that required commands are given and can be started."""
    services = settings.services
    if services.manager is Manager.PROCESSES and not services.command:
        yield "services.command: it is empty, so that no serve could be started"
    owned: dict[str, tuple[str, ...]] = {}
    if services.manager is Manager.COMMANDS:
        named = {"start": services.start, "stop": services.stop, "status": services.status}
        owned |= {f"services.{name}": words for name, words in named.items()}
    if settings.verify is Verify.COMMAND:
        owned["verify_command"] = settings.verify_command
    for key, words in owned.items():
        if not words or not words[0].strip():
            yield f"{key}: it is empty; name a program and its words"
        if any("\0" in word for word in words):
            yield f"{key}: a word holds a zero byte"
        if settings.scope is Scope.SYSTEM and not any("{person}" in word for word in words):
            yield f"{key}: no word holds {{person}}, so it cannot know whom it is for"
    programs = {"npm": settings.npm, "t3": settings.t3, "gate.node": settings.gate.node}
    for key, text in programs.items():
        if not text.strip():
            yield f"{key}: it is empty; name a program"


def _of_addresses(settings: Settings) -> Iterator[str]:
    knows = settings.dispatch_knows
    try:
        Address.parse(settings.dispatch)
    except ValueError as error:
        yield f"dispatch: {error}"
    if not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", knows.header):
        yield f"dispatch_knows.header: {knows.header!r} is no name of a header"
    for path in knows.paths:
        if not re.fullmatch(r"/[!-~]*", path):
            yield f"dispatch_knows.paths: {path!r} is no path such as {SESSION_PATH}"
    for pattern in knows.cookies:
        try:
            re.compile(pattern)
        except re.error as error:
            yield f"dispatch_knows.cookies: {pattern!r} is no regular expression: {error}"
    for protocol in knows.protocols:
        if not 1 <= protocol <= PROTOCOL_MAX:
            yield f"dispatch_knows.protocols: {protocol} is not between 1 and {PROTOCOL_MAX}"
    # Other users may read the file: a registry's address must not contain a secret.
    registry = settings.registry
    if registry and not re.fullmatch(r"https?://([^\s/?#@]+)(/\S*)?", registry):
        shown = re.sub(r"//[^/]*@", "//[redacted]@", registry)
        yield f"registry: {shown!r} is no http or https address without credentials"

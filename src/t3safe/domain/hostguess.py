"""Derive the configuration of a host from its facts, and the questions for its owner.

Rules:

1. Facts come in as values; this module reads nothing.
2. Root manages a whole host, any other user their own serve.
3. A setting is written when a fact differs from the default, with the fact beside it.
4. A setting without a fact is asked for.  Its default, if there is one, is the proposed answer;
   without a proposal it must be answered.
5. The next commands name the installed version.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping

from attrs import frozen

from t3safe.domain.scope import Caller, Scope
from t3safe.t3 import commands
from t3safe.t3.files import HOME_BASE

DISPATCH = "127.0.0.1:3780"
USER_MAP = "/etc/ttyd-user-map"
UNIT = "t3-serve@{person}.service"
OWN_UNIT = "t3-serve.service"
_BARE = re.compile(r"[A-Za-z0-9_-]+")
"""What is a key of TOML without quotes."""
_KEY = re.compile(r'(?:(?P<table>.+)\.)?(?P<name>"[^"]+"|[^".]+)')
_INSTANCE = re.compile(r"(?P<name>[^@]+)@.*\.service")


@frozen
class UnitSeen:
    """A unit and the words that it starts."""

    name: str
    words: tuple[str, ...]

    @property
    def serves(self) -> bool:
        """Whether it runs `t3 serve`, at any path."""
        return commands.is_serve(self.words)

    @property
    def base(self) -> str:
        """The base directory that it names, empty for none."""
        return commands.base_of(self.words)


@frozen
class HostFacts:
    """The facts of a host.  A path is empty when nothing was found.

    `units` are those of the host's systemd or of the person's own, `manager` says whether that
    answers.  `user_map` and `dispatch` say whether there is one at its usual place.  `standard` are
    the folders on the PATH of units.  `overruled` is the host's own file when it counts and the
    person's does not.
    """

    caller: Caller
    units: tuple[UnitSeen, ...]
    manager: bool
    user_map: bool
    dispatch: bool
    t3: str
    version: str
    npm: str
    node: str
    registry: str
    standard: tuple[str, ...]
    overruled: str = ""


@frozen
class Setting:
    """A line of the configuration: its dotted key, its value, and the fact that it follows from.

    The key is written as in TOML: the last part is quoted when it holds a dot.
    """

    key: str
    value: str | bool | tuple[str, ...] | int
    why: str


@frozen
class OwnerQuestion:
    """A question for the owner; `proposed` is empty when it must be answered (rule 4)."""

    key: str
    text: str
    proposed: str = ""


@frozen
class Guess:
    """The configuration of the host; `problems` are what a run needs and the host lacks."""

    scope: Scope
    settings: tuple[Setting, ...]
    questions: tuple[OwnerQuestion, ...]
    problems: tuple[str, ...]
    following: tuple[str, ...]


def guess(seen: HostFacts) -> Guess:
    """Derive the configuration from the facts."""
    scope = Scope.SYSTEM if seen.caller.root else Scope.USER
    parts = _for_a_host(seen) if scope is Scope.SYSTEM else _for_oneself(seen)
    found = (*parts, *_programs(seen))
    return Guess(
        scope,
        tuple(item for item in found if isinstance(item, Setting)),
        tuple(item for item in found if isinstance(item, OwnerQuestion)),
        tuple(_troubles(seen)),
        tuple(_following(seen, scope)),
    )


def _for_a_host(seen: HostFacts) -> Iterator[Setting | OwnerQuestion]:
    names = sorted({_template(unit.name) for unit in seen.units if unit.serves} - {""})
    if len(names) == 1:
        if names[0] != UNIT:
            yield Setting("services.unit", names[0], "the units here that run `t3 serve`")
    else:
        several = f" ({', '.join(names)})" if names else ""
        yield OwnerQuestion("services.unit", f"the unit of a person's serve{several}", UNIT)
    if not seen.user_map:
        yield OwnerQuestion("user_map", "the file that says `login=os_user` a line", USER_MAP)
    if not seen.dispatch:
        text = f"host:port of the dispatch; nothing listens at {DISPATCH} (`-` for none)"
        yield OwnerQuestion("dispatch", text, DISPATCH)


def _template(name: str) -> str:
    found = _INSTANCE.fullmatch(name)
    return f"{found['name']}@{{person}}.service" if found else ""


def _for_oneself(seen: HostFacts) -> Iterator[Setting | OwnerQuestion]:
    serving = tuple(unit for unit in seen.units if unit.serves)
    if len(serving) == 1:
        yield from _by_unit(seen, serving[0])
        return
    if seen.manager:
        several = f" ({', '.join(unit.name for unit in serving)})" if serving else ""
        yield OwnerQuestion("services.unit", f"the unit of your serve{several}", OWN_UNIT)
    else:
        yield Setting("services.manager", "processes", "you have no systemd of your own here")
        words = tuple(commands.serve("{t3}", "127.0.0.1", "{port}", "{base}"))
        yield Setting("services.command", words, "by which t3safe starts your serve")
        yield OwnerQuestion("services.ports", "the port of your serve")
    if seen.t3.startswith(f"{seen.caller.home}/"):
        yield from _launcher(seen, seen.t3, "the `t3` on your PATH")


def _by_unit(seen: HostFacts, unit: UnitSeen) -> Iterator[Setting | OwnerQuestion]:
    if unit.name != OWN_UNIT:
        yield Setting("services.unit", unit.name, "your unit that runs `t3 serve`")
    base = unit.base
    if base and base != f"{seen.caller.home}/{HOME_BASE}":
        yield Setting("base_dir", base, f"as {unit.name} says")
    if unit.words[0].startswith(f"{seen.caller.home}/"):
        yield from _launcher(seen, unit.words[0], f"what {unit.name} starts")


def _launcher(seen: HostFacts, path: str, why: str) -> Iterator[Setting]:
    if path != f"{seen.caller.home}/.local/bin/t3":
        yield Setting("launcher", path, why)
        yield Setting("t3", path, "the same")


def _programs(seen: HostFacts) -> Iterator[Setting]:
    """Yield the programs off the PATH of units, and the registry of the caller's own npm."""
    if seen.registry:
        yield Setting("registry", seen.registry, "what your npm asks; timers cannot see your npmrc")
    for key, path in (("npm", seen.npm), ("gate.node", seen.node)):
        if path and path.rpartition("/")[0] not in seen.standard:
            yield Setting(key, path, "not on the PATH of units")


def _troubles(seen: HostFacts) -> Iterator[str]:
    for name, path in (("npm", seen.npm), ("node", seen.node)):
        if not path:
            yield f"there is no {name} on your PATH: install it, then `t3safe init` again"
    if seen.overruled:
        counts = f"{seen.overruled} is there, and counts before your file"
        yield f"{counts}: set T3SAFE_SCOPE=user wherever you call t3safe"
    if seen.caller.root:
        return
    own = f"{seen.caller.home}/"
    serving = [unit for unit in seen.units if unit.serves]
    if seen.manager and not serving:
        file = f"{own}.config/systemd/user/{OWN_UNIT}"
        yield f"no unit of yours runs `t3 serve`: write {file} as docs/single-user.md shows it"
    for unit in serving:
        if not unit.words[0].startswith(own):
            path = f"{own}.local/bin/t3"
            yield f"{unit.name} starts {unit.words[0]}, not yours: let its ExecStart be {path}"


def _following(seen: HostFacts, scope: Scope) -> Iterator[str]:
    own = " --user" if scope is Scope.USER else ""
    if seen.manager:
        yield "t3safe units install"
    yield f"t3safe adopt {seen.version or 'VERSION'}"
    if seen.manager:
        yield f"systemctl{own} start t3-autoupdate.timer t3-migrate-idle.timer"
    if seen.manager and scope is Scope.USER:
        yield "loginctl enable-linger"
    if not seen.manager and scope is Scope.USER:
        yield "t3safe serves start"
    yield "t3safe doctor"


def render(guessed: Guess, answers: Mapping[str, Setting]) -> str:
    """Return the configuration as TOML: the derived settings, then the answers by key."""
    settings = (*guessed.settings, *answers.values())
    head = [
        "# Written by `t3safe init`.  What is not here has its default; all of it is in",
        "# docs/configuration.md.",
    ]
    top = Setting(
        "scope", guessed.scope.value, "whose serves t3safe manages: all on the host, or your own"
    )
    lines = [*head, "", *_lines("", (top, *settings))]
    for table in sorted({_split(setting)[0] for setting in settings} - {""}):
        lines += ["", f"[{table}]", *_lines(table, settings)]
    return "\n".join(lines) + "\n"


def _lines(table: str, settings: tuple[Setting, ...]) -> Iterator[str]:
    for setting in settings:
        where, name = _split(setting)
        if where == table:
            yield f"# {setting.why}"
            # JSON's strings, numbers, booleans and lists are TOML's.
            yield f"{name} = {json.dumps(setting.value)}"


def _split(setting: Setting) -> tuple[str, str]:
    found = _KEY.fullmatch(setting.key)
    assert found is not None, "keys are ours, and the name of a person is quoted"
    return found["table"] or "", found["name"]


def answered(question: OwnerQuestion, answer: str, person: str) -> tuple[Setting, ...]:
    """Turn an answer into settings; none when it is the default."""
    why = "as you answered"
    if question.key == "dispatch" and answer == "-":
        return (Setting("verify", "direct", "there is no dispatch before the serves"),)
    if question.key == "services.ports":
        port = int(answer) if answer.isdecimal() else answer
        name = person if _BARE.fullmatch(person) else json.dumps(person)
        return (Setting(f"services.ports.{name}", port, why),)
    if answer == question.proposed:
        return ()
    return (Setting(question.key, answer, why),)

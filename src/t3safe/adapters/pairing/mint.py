"""A pairing credential, minted as the dispatch does it: by the person's launcher, as the person.

Rules:

1. The mint runs as the person, never as root, with a clean environment and no descriptor of ours.
2. What it prints is a secret until it failed; then its end is shown without secrets.
3. Its output and its time are bounded, and nothing of it is left running.  Where there is systemd
   it has a unit of its own, without a network, and sees no home but the person's.
4. The id of each link that was minted is kept, so that it can be taken out of the data again.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Final

from attrs import field, frozen

from t3safe.adapters._support import child
from t3safe.adapters._support.child import ChildEnd
from t3safe.adapters._support.identity import Identity, identity_of
from t3safe.adapters._support.units import UnitSpec, as_person
from t3safe.domain.errors import DispatchError, Fault
from t3safe.t3 import commands
from t3safe.t3.files import BASE_TEMPLATE
from t3safe.t3.sign_in import credential_of, link_of

OUTPUT_MAX: Final = 64 * 1024
"""Bytes; a credential with its frame is some hundred."""
MEMORY_MAX: Final = 1024**3
TASKS_MAX: Final = 256
"""Of a mint in a unit: a mint of the real t3 takes some 230 MB and as many threads as a serve."""
_FENCED: Final = 75
"""Exit status of what runs in place of a build while a person is fenced (EX_TEMPFAIL)."""
_UNSELECTED: Final = 78
"""Exit status of the launcher where no build is selected (EX_CONFIG)."""


@frozen
class LauncherMint:
    """Mints for a person: `mint(person)` gives a credential that works once.

    `command` may hold `{t3}`, `{base}` and `{person}`, and must print JSON; `t3` and `base` may
    hold `{person}`.  With `switch_user` false everybody is the user that we are.  `timeout` is in
    seconds; a mint takes one.  `in_units` runs it in a unit of systemd.
    """

    t3: str = "/usr/bin/t3"
    base: str = BASE_TEMPLATE
    command: tuple[str, ...] = tuple(commands.mint("{t3}", "{base}"))
    switch_user: bool = True
    timeout: float = 30.0
    in_units: bool = False
    links: dict[str, list[str]] = field(factory=dict, init=False, eq=False)
    """The ids of the links that were minted, by person."""

    def __call__(self, person: str) -> str:
        """Mint.  Raises DispatchError; its fault is BUILD where the program itself failed."""
        try:
            identity = identity_of(person, switch_user=self.switch_user)
            ended = self._run(identity, self.command)
        except OSError as error:
            raise _failure(person, error.strerror or str(error), Fault.HOST) from error
        if ended.status == 0:
            return self._minted(person, ended.text)
        raise _refused(person, ended)

    def version(self, person: str) -> str:
        """Ask what mints for its version; empty where it could not be told."""
        try:
            identity = identity_of(person, switch_user=self.switch_user)
            ended = self._run(identity, commands.version("{t3}"))
        except (OSError, DispatchError):
            return ""
        return commands.version_of(ended.text) if ended.status == 0 else ""

    def _minted(self, person: str, printed: str) -> str:
        credential, link = credential_of(printed), link_of(printed)
        if link:
            self.links.setdefault(person, []).append(link)
        if not credential:
            what = "something else than a credential" if printed.strip() else "nothing"
            raise _failure(person, f"the mint prints {what}", Fault.BUILD)
        return credential

    def _words(self, person: str, command: Sequence[str]) -> list[str]:
        t3, base = (text.replace("{person}", person) for text in (self.t3, self.base))
        filled = (word.replace("{t3}", t3).replace("{base}", base) for word in command)
        return [word.replace("{person}", person) for word in filled]

    def _run(self, who: Identity, command: Sequence[str]) -> ChildEnd:
        try:
            ended = child.run(
                self._words(who.name, command),
                self.timeout,
                _environment(who),
                most=OUTPUT_MAX,
                umask=0o077,
                who=who,
                unit=self._unit(who) if self.in_units else None,
            )
        except child.FloodError:
            # It may never end by itself; what it printed is no credential either way.
            return ChildEnd(0, self.timeout, b"...")
        return ended

    def _unit(self, who: Identity) -> UnitSpec:
        given = _environment(who)
        caps = {"memory_max": MEMORY_MAX, "tasks_max": TASKS_MAX}
        return as_person("mint", who, given, self.timeout, **caps)


def _environment(who: Identity) -> dict[str, str]:
    path = os.environ.get("PATH", os.defpath)
    return {
        "PATH": path,
        "HOME": who.home,
        "USER": who.name,
        "LOGNAME": who.name,
        "LANG": "C.UTF-8",
    }


def _refused(person: str, ended: ChildEnd) -> DispatchError:
    if ended.status is None:
        return _failure(person, "the mint did not end in time", Fault.BUILD)
    if ended.status == _FENCED:
        why = "they are fenced, no build can run; `t3safe recover` lifts the fence"
        return _failure(person, why, Fault.HOST)
    if ended.status == _UNSELECTED:
        why = "no build is selected for them; look with `t3safe status`"
        return _failure(person, why, Fault.HOST)
    return _failure(person, f"the mint {ended.told}", Fault.BUILD)


def _failure(person: str, why: str, fault: Fault) -> DispatchError:
    return DispatchError(f"cannot mint for {person}: {why}", fault=fault)

"""The port Residents: all people who can run t3 here, in the user map or not.

Rules:

1. A person who owns a process of t3, a unit or a base directory with data is found.  What cannot be
   asked at all is an error: the default must not move under a person unseen.
2. A name that `domain.people` does not take is left out: the launcher runs nothing for it.
3. A process runs a build of the store where its program, or a word that it was started with, lies
   in that build.  With `others`, what was started as `t3 serve` counts too, wherever that t3 is.
   It is a serve where the word after t3 is `serve`.
4. Our own rehearsals and installs run builds as well: they belong to no person, and are no serves.
5. Base directories are looked at as their owners.  A directory service does not list its users: one
   that passwd does not list is looked at by name, where the user map, a process or a unit has it.
   Any other user stays on the build that the launcher noted (rule 6 of `selection.launcher`).
6. The build that opened a person's data last is read as the launcher reads it: the note of this
   era, the one beside the data first; else what was the default when the launcher came.
"""

from __future__ import annotations

import glob
import json
import os
import pwd
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Final

import psutil
from attrs import frozen

from t3safe.adapters._support import child, layout, units
from t3safe.adapters._support.buildpaths import BuildPaths, ProcessSeen, seen
from t3safe.adapters._support.units import PREFIX
from t3safe.domain.errors import PeopleError, PortError
from t3safe.domain.people import valid_person
from t3safe.domain.ports import Resident, Running
from t3safe.domain.text import duration
from t3safe.domain.versions import InvalidVersion, Version
from t3safe.t3 import commands
from t3safe.t3.files import HOME_BASE, USERDATA
from t3safe.t3.package import is_program


@frozen
class HostResidents:
    """Implements the port Residents; raises PeopleError alone.

    `units` names all people with a unit, `bases` all with data and the build that opened it last,
    these names among others; they may raise a PortError or OSError.
    """

    processes: T3Processes
    units: Callable[[], Iterable[str]]
    bases: Callable[[Collection[str]], Mapping[str, Version | None]]

    def running(self) -> tuple[Running, ...]:
        """Every process of t3, of any user and of any build."""
        try:
            return tuple(self.processes())
        except (psutil.Error, OSError) as error:
            message = f"cannot tell which processes run t3: {error}"
            raise PeopleError(message) from error

    def found(self, named: Collection[str]) -> tuple[Resident, ...]:
        """All people with a serve, a unit or a base directory of their own, named or listed."""
        try:
            found: dict[str, Version | None] = dict.fromkeys(self.units())
            found |= dict.fromkeys(process.person for process in self.running())
            found |= self.bases({*found, *named})
        except (PortError, OSError) as error:
            message = f"cannot tell who can run t3 here beside the user map: {error}"
            raise PeopleError(message) from error
        return tuple(
            Resident(name, build) for name, build in sorted(found.items()) if valid_person(name)
        )


Owner = Callable[[psutil.Process, list[str]], str]
"""Names the person of a process, by itself and its words; empty where it is ours or unknown."""
_GONE: Final = (psutil.NoSuchProcess, ProcessLookupError, FileNotFoundError)


@frozen
class T3Processes:
    """Finds them; `store` is the store of builds."""

    store: Path
    owner: Owner
    others: bool = True

    def __call__(self) -> Iterator[Running]:
        """Give every process of t3 that there is now."""
        builds = BuildPaths.of(self.store)
        for process in psutil.process_iter():
            with suppress(*_GONE):
                try:
                    one = seen(process.pid)
                except PermissionError:
                    # It hides its words, as where only root may see them.
                    one = ProcessSeen()
                named = tuple(builds.named(one))
                serves = any(
                    word == commands.SERVE
                    and (program.startswith(builds.roots) or is_program(program))
                    for program, word in pairwise(one.all)
                )
                if named or (serves and self.others):
                    person = self.owner(process, list(one.all))
                    build = next((build for name in named if (build := _version(name))), None)
                    yield Running(person, process.pid, build, serves and bool(person))


def _version(name: str) -> Version | None:
    try:
        return Version.parse(name)
    except InvalidVersion:
        return None


def by_user(ours: frozenset[str]) -> Owner:
    """Name the person of a process by its user; `ours` are users that work for t3safe alone."""

    def owner(process: psutil.Process, _: list[str]) -> str:
        uid = process.uids().effective
        if uid == 0 or PREFIX in Path(f"/proc/{process.pid}/cgroup").read_text(encoding="utf-8"):
            return ""
        try:
            name = pwd.getpwuid(uid).pw_name
        except KeyError:
            return ""
        return "" if name in ours else name

    return owner


def by_mark(variable: str, folder: Path, base: str) -> Owner:
    """Name the person of a process where all share one user.

    By the mark of a serve in its environment, or by the base directory that it was started with.
    """
    before, _, after = base.partition("{person}")

    def owner(process: psutil.Process, words: list[str]) -> str:
        with suppress(psutil.AccessDenied, OSError):
            mark = Path(process.environ().get(variable, ""))
            if mark.parent == folder:
                return mark.name
        given = commands.base_of(words)
        if after and given.startswith(before) and given.endswith(after):
            return given[len(before) : -len(after)]
        return ""

    return owner


_LOOK: Final = child.main_of("t3safe.adapters.personaldata.worker.bases")
_SECONDS: Final = 300.0
"""For all users together; one takes a millisecond, or five seconds where the home hangs."""


@frozen
class PasswdBases:
    """Looks below the home of every ordinary user that passwd lists.

    `base` is the template of base directories; t3's own default at home is looked at too.  In
    `store` lies what was the default when the launcher came.  With `in_unit` a unit looks, for an
    orchestrator that sees no homes.
    """

    base: str
    store: Path
    in_unit: bool = False
    python: str = sys.executable

    def __call__(self, named: Collection[str]) -> Mapping[str, Version | None]:
        """Name all people who have data, with the build that opened it last (rule 6).

        Those of `named` are looked at, listed or not.  Raises OSError.
        """
        listed = list(pwd.getpwall())
        for name in sorted(set(named) - {entry.pw_name for entry in listed}):
            with suppress(KeyError):
                listed.append(pwd.getpwnam(name))
        users = {
            entry.pw_name: {
                "name": entry.pw_name,
                "uid": entry.pw_uid,
                "gid": entry.pw_gid,
                "bases": [
                    self.base.replace("{person}", entry.pw_name),
                    f"{entry.pw_dir}/{HOME_BASE}",
                ],
            }
            for entry in listed
            if entry.pw_uid != 0 and valid_person(entry.pw_name)
        }
        first = ""
        with suppress(FileNotFoundError):
            # The default when the launcher came, and the era that began then.
            first = (self.store / layout.FIRST_DEFAULT).read_text(encoding="utf-8")
        default, _, era = " ".join(first.split()).partition(" ")
        answers = self._asked(json.dumps(list(users.values())))
        found = dict[str, Version | None]()
        for name in users:
            has_data, notes = answers.get(name, (None, []))
            if has_data:
                pairs = (note.partition(" ") for note in notes)
                noted = next((build for build, _, of in pairs if build and of == era), default)
                found[name] = _version(noted)
            elif has_data is None:
                found[name] = None
        return found

    def _asked(self, question: str) -> Mapping[str, tuple[bool | None, list[str]]]:
        ran = child.run(
            child.isolated(self.python, _LOOK),
            _SECONDS,
            {"LC_ALL": "C.UTF-8", "PATH": os.defpath},
            stdin=question.encode(),
            unit=units.look(_SECONDS) if self.in_unit else None,
        )
        if ran.status is None:
            message = f"looking for base directories took longer than {duration(_SECONDS)}"
            raise OSError(message)
        try:
            return dict(json.loads(ran.out))
        except ValueError as error:
            message = f"looking for base directories {ran.told}"
            raise OSError(message) from error


@frozen
class SharedBases:
    """Looks where all people share the user that we are; `base` is the template."""

    base: str

    def __call__(self, _: Collection[str]) -> Mapping[str, Version | None]:
        """Name all people who have data."""
        before, person, after = self.base.partition("{person}")
        if not person:
            return {}
        pattern = f"{glob.escape(before)}*{glob.escape(after)}/{USERDATA}"
        end = len(f"{after}/{USERDATA}")
        return {path[len(before) : -end]: None for path in glob.glob(pattern)}

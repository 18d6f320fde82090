"""Base directories with data in them: whose there are, looked at as their owners.

Rules:

1. A directory service does not list its users.  A user that passwd does not list is looked at by
   name, where the user map, a process or a unit has it.  Any other user stays on the build that the
   launcher noted (rule 6 of `selection.launcher`).
2. The build that opened somebody's data last is read as the launcher reads it: the note of this
   era, the one beside the data first; else what was the default when the launcher came.
"""

from __future__ import annotations

import glob
import json
import os
import pwd
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from attrs import frozen

from t3safe.adapters._support import child, layout, transient
from t3safe.adapters._support.transient import Job
from t3safe.domain.people import valid_person
from t3safe.domain.versions import InvalidVersion, Version
from t3safe.t3.files import HOME_BASE, USERDATA

_BOOT: Final = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
    "from t3safe.adapters.personaldata.worker.bases import main; main()"
)
_SOURCES: Final = str(Path(__file__).parents[3])
_SECONDS: Final = 300.0
"""For all users together; one takes a millisecond, or five seconds where the home hangs."""


def look_job() -> Job:
    """Give the unit that looks: it may become other users, and can do nothing else."""
    properties = (
        *transient.HARDENED,
        *transient.NO_NETWORK,
        *transient.NO_RUNTIME,
        "CapabilityBoundingSet=CAP_SETUID CAP_SETGID CAP_KILL",
        "ProtectHome=read-only",
        "MemoryMax=256M",
        "TasksMax=64",
        f"RuntimeMaxSec={_SECONDS + 30:.0f}",
    )
    return Job(transient.new_name("bases"), properties, {"LC_ALL": "C.UTF-8"})


@frozen
class PasswdBases:
    """Looks below the home of every ordinary user that passwd lists.

    `base` is the template of base directories; t3's own default at home is looked at too.  In
    `store` lies what was the default when the launcher came.  `job` gives a unit to look from, for
    an orchestrator that sees no homes.
    """

    base: str
    store: Path
    job: Callable[[], Job] | None = None
    python: str = sys.executable

    def __call__(self, named: Collection[str]) -> Mapping[str, Version | None]:
        """Name everybody who has data, with the build that opened it last (rule 2).

        Those of `named` are looked at, listed or not.  Raises OSError.
        """
        first, _, era = _first(self.store).partition(" ")
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
            for entry in _users(named)
            if entry.pw_uid != 0 and valid_person(entry.pw_name)
        }
        answers = self._asked(json.dumps(list(users.values())))
        found = dict[str, Version | None]()
        for name in users:
            seen, notes = answers.get(name, (None, []))
            if seen:
                found[name] = _version(_of_era(notes, era) or first)
            elif seen is None:
                found[name] = None
        return found

    def _asked(self, question: str) -> Mapping[str, tuple[bool | None, list[str]]]:
        words = (self.python, "-I", "-S", "-X", "utf8", "-c", _BOOT, _SOURCES)
        job = self.job() if self.job is not None else None
        ran = child.run(
            words,
            _SECONDS,
            {"LC_ALL": "C.UTF-8", "PATH": os.defpath},
            stdin=question.encode(),
            unit=job,
        )
        if ran.status is None:
            message = f"looking for base directories took longer than {_SECONDS:g} s"
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
        """Name everybody who has data."""
        before, person, after = self.base.partition("{person}")
        if not person:
            return {}
        pattern = f"{glob.escape(before)}*{glob.escape(after)}/{USERDATA}"
        end = len(f"{after}/{USERDATA}")
        return {path[len(before) : -end]: None for path in glob.glob(pattern)}


def no_bases(_: Collection[str]) -> Mapping[str, Version | None]:
    """Name nobody, where one person keeps their own serve."""
    return {}


def _users(named: Collection[str]) -> Iterator[pwd.struct_passwd]:
    """Give the users that passwd lists, and those of `named` that the system knows by name."""
    listed = pwd.getpwall()
    yield from listed
    for name in sorted(set(named) - {entry.pw_name for entry in listed}):
        with suppress(KeyError):
            yield pwd.getpwnam(name)


def _first(store: Path) -> str:
    """What was the default when the launcher came, and the era that began then; else nothing."""
    with suppress(FileNotFoundError):
        return " ".join((store / layout.FIRST_DEFAULT).read_text(encoding="utf-8").split())
    return ""


def _of_era(notes: list[str], era: str) -> str:
    """The build of the first note of this era; nothing where there is none."""
    for note in notes:
        build, _, of = note.partition(" ")
        if build and of == era:
            return build
    return ""


def _version(text: str) -> Version | None:
    try:
        return Version.parse(text)
    except InvalidVersion:
        return None

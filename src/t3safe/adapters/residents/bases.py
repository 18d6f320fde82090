"""Base directories with data in them: whose there are, looked at as their owners.

A directory service does not list its users; whom passwd does not list is found by a process or a
unit, and else kept on the build that the launcher noted (see `selection.launcher`).
"""

from __future__ import annotations

import glob
import json
import os
import pwd
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from attrs import frozen

from t3safe.adapters._support import transient
from t3safe.adapters._support.transient import Job
from t3safe.domain.people import valid_person
from t3safe.domain.versions import InvalidVersion, Version
from t3safe.t3.files import HOME_BASE, USERDATA

_BOOT: Final = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
    "from t3safe.adapters.stateworker.bases import main; main()"
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

    `base` is the template of base directories; t3's own default at home is looked at too.
    `job` gives a unit to look from, for an orchestrator that sees no homes.
    """

    base: str
    job: Callable[[], Job] | None = None
    python: str = sys.executable

    def __call__(self) -> Mapping[str, Version | None]:
        """Name everybody who has data, with the build that is noted there.  Raises OSError."""
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
            for entry in pwd.getpwall()
            if entry.pw_uid != 0 and valid_person(entry.pw_name)
        }
        answers = self._asked(json.dumps(list(users.values())))
        return {
            name: _version(noted)
            for name in users
            for seen, noted in [answers.get(name, (None, ""))]
            if seen is not False
        }

    def _asked(self, question: str) -> Mapping[str, tuple[bool | None, str]]:
        words = (self.python, "-I", "-S", "-X", "utf8", "-c", _BOOT, _SOURCES)
        job = self.job() if self.job is not None else None
        try:
            ran = subprocess.run(
                words if job is None else job.command(*words),
                input=question,
                capture_output=True,
                text=True,
                timeout=_SECONDS,
                cwd="/",
                env={"LC_ALL": "C.UTF-8", "PATH": os.defpath},
                start_new_session=True,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            if job is not None:
                job.end()
            message = f"looking for base directories took longer than {_SECONDS:g} s"
            raise OSError(message) from error
        try:
            return dict(json.loads(ran.stdout))
        except ValueError as error:
            said = " ".join(ran.stderr.split())[-300:]
            message = f"looking for base directories ended with {ran.returncode}: {said}"
            raise OSError(message) from error


@frozen
class SharedBases:
    """Looks where all people share the user that we are; `base` is the template."""

    base: str

    def __call__(self) -> Mapping[str, Version | None]:
        """Name everybody who has data."""
        before, person, after = self.base.partition("{person}")
        if not person:
            return {}
        pattern = f"{glob.escape(before)}*{glob.escape(after)}/{USERDATA}"
        end = len(f"{after}/{USERDATA}")
        return {path[len(before) : -end]: None for path in glob.glob(pattern)}


def no_bases() -> Mapping[str, Version | None]:
    """Name nobody, where one person keeps their own serve."""
    return {}


def _version(text: str) -> Version | None:
    try:
        return Version.parse(text)
    except InvalidVersion:
        return None

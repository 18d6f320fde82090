"""Where the registry is: npm's own setting, asked once and remembered, or what a person configured.

Where t3safe's units keep a host, npm is asked as these units see it: without anybody's own npmrc,
which they cannot read.  By hand the same is asked, so that both have one registry.

To ask npm costs a tenth of a second and more, and most runs have nothing to do; so the answer is
kept in a file.  It counts as long as npm, its settings files and the variables that steer them are
the ones that were asked, and for a day at most.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from attrs import asdict, define, evolve, frozen

from t3safe.adapters._support import child, durable
from t3safe.adapters._support.child import why
from t3safe.domain.errors import Fault, RegistryError

AGE_MAX: Final = 86_400.0
"""Seconds for which an answer of npm is believed."""
TIMEOUT: Final = 30.0
"""Seconds for npm to answer; it takes 0.15 s to 0.5 s."""
STEERING: Final = (
    "HOME",
    "PREFIX",
    "npm_config_cafile",
    "npm_config_globalconfig",
    "npm_config_prefix",
    "npm_config_registry",
    "npm_config_userconfig",
)
"""Variables that change what npm answers; npm takes those of its own in any case."""

_NO_NPMRC: Final = "/nonexistent/npmrc"
"""A settings file of nobody: what npm finds where homes cannot be seen."""


@frozen
class RegistryLocation:
    """Where the registry is, and which authorities npm trusts there.

    `url` is http or https and has no slash at its end; `cafile` is empty for the system's own.
    """

    url: str
    cafile: str = ""

    @property
    def host(self) -> str:
        """The host, and the port where one is given, for messages: no credentials."""
        return urlsplit(self.url).netloc.rpartition("@")[2]


@define
class RegistryAddress:
    """Tells the registry's address; raises RegistryError alone.

    `memory` is the file in which the answer is kept, in a folder that only root writes.  `npm` is
    the client's name or path.  `stated` is the address that a person configured, empty where npm
    says it.  `homeless` asks npm without the npmrc of a home.  `now` gives the time in seconds
    since the epoch.  `fresh` says that npm itself was asked, or is not to be asked once more where
    the address fails: somebody looks on.
    """

    memory: Path
    npm: str = "npm"
    stated: str = ""
    homeless: bool = False
    now: Callable[[], float] = time.time
    timeout: float = TIMEOUT
    fresh: bool = False

    def known(self) -> RegistryLocation:
        """Give the remembered address where it still counts, else ask npm."""
        try:
            remembered = json.loads(self.memory.read_text(encoding="utf-8"))
            asked = self._asked(remembered["asked"]["files"])
            age = self.now() - remembered["at"]
            if 0 <= age < AGE_MAX and remembered["asked"] == asked:
                kept = remembered["address"]
                return self._stated(RegistryLocation(_url(kept["url"]), str(kept["cafile"])))
        # Whatever is wrong with the memory: npm is asked.
        except (OSError, ValueError, TypeError, AttributeError, LookupError, RegistryError):
            pass
        return self.ask()

    def ask(self) -> RegistryLocation:
        """Ask npm and remember the answer; a failure to remember it is ignored."""
        settings = self._settings()
        cafile = settings["cafile"]
        address = RegistryLocation(
            _url(settings["registry"]), "" if cafile in {"null", "undefined"} else cafile
        )
        asked = self._asked([settings["userconfig"], settings["globalconfig"]])
        remembered = {"address": asdict(address), "asked": asked, "at": self.now()}
        self.fresh = True
        with suppress(OSError):
            durable.make_folders(self.memory.parent)
            durable.write_file(self.memory, json.dumps(remembered).encode(), 0o600)
        return self._stated(address)

    def _stated(self, address: RegistryLocation) -> RegistryLocation:
        return evolve(address, url=_url(self.stated)) if self.stated else address

    def _asked(self, files: Iterable[str]) -> dict[str, object]:
        """Say what is asked: the client, the variables, the settings files with their times."""
        lowered = {name.lower(): value for name, value in os.environ.items()}
        steering = {name: lowered[name.lower()] for name in STEERING if name.lower() in lowered}
        if self.homeless:
            steering.setdefault("npm_config_userconfig", _NO_NPMRC)
        times = {}
        for name in files:
            times[name] = 0
            with suppress(OSError):
                times[name] = os.stat(name).st_mtime_ns
        return {"npm": shutil.which(self.npm) or "", "steering": steering, "files": times}

    def _settings(self) -> dict[str, str]:
        names = ("registry", "cafile", "userconfig", "globalconfig")
        own = {"npm_config_userconfig": _NO_NPMRC} if self.homeless else {}
        try:
            # In `/` no project's settings are taken by accident.
            words = [self.npm, "config", "get", *names]
            done = child.run(words, self.timeout, {**own, **os.environ}).in_time()
        except OSError as error:
            raise _unknown(why(error)) from error
        pairs = (line.partition("=") for line in done.text.splitlines())
        settings = {name: value for name, _, value in pairs}
        if done.status != 0 or not set(names) <= set(settings):
            raise _unknown(f"npm {done.told}")
        return settings


def _unknown(why: str) -> RegistryError:
    message = f"cannot tell where the registry is: {why}"
    how = "`npm config get registry` must answer for the user that runs t3safe"
    return RegistryError(f"{message}; {how}", fault=Fault.LATER)


def _url(text: str) -> str:
    url = text.strip().rstrip("/")
    try:
        parts = urlsplit(url)
        sound = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        sound = False
    if not sound:
        raise _unknown("npm's setting `registry` is not an http or https address")
    return url

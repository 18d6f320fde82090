"""npm, the real client, kept where it can do no harm.

Rules:

1. npm and whatever it starts run as a user without privileges where one is given, with a home and
   a cache that are thrown away afterwards: nothing that a package's script leaves there reaches a
   later build, and nothing of it still runs when a call returns.  Where there is systemd each call
   has a unit of its own (rule 3 of `units`).
2. Only the registry's address is handed in, and nothing is read of anybody's home.  Of the system's
   npmrc counts what says how to get out, and what may be installed at all.  What would change what
   is installed, or how it is reported, is forced (`FORCED`).
3. What it prints is kept without secrets.  Its words are judged by npm's documented error codes.
4. A failure of npm is never held against a build: a wrong integrity too is LATER, because no byte
   of the package was run or measured; what came was not what the registry promised, be it a proxy,
   a release in the middle of its publication, or an attack, and the message says so loudly.
5. Where a setting of npm may be what decides, it is named, with its value and where it is set.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from attrs import field, frozen

from t3safe.adapters._support import child, durable
from t3safe.adapters._support.identity import powerless
from t3safe.adapters._support.subreaper import ENDING_MAX
from t3safe.adapters._support.units import NpmUnits, UnitSpec
from t3safe.adapters.builds import reaper
from t3safe.domain.errors import BuildError, Fault, PortError
from t3safe.domain.redaction import redact
from t3safe.domain.text import duration
from t3safe.t3 import commands

OUTPUT_MAX: Final = 512 * 1024
"""Bytes of output that are kept, the last ones; npm reports its errors at the end."""
_GRACE: Final = 2 * ENDING_MAX
"""Seconds beyond a command's own time in which the reaper has ended everything."""
_TRY_SECONDS: Final = 30.0
"""For a run of an installed program."""
PASSED_ON: Final = (
    "PATH",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "NODE_EXTRA_CA_CERTS",
    "SSL_CERT_FILE",
)
"""Variables of the service that npm gets too: how to find programs and the way out."""
FORCED: Final = {
    "bin_links": "true",
    "color": "false",
    "dry_run": "false",
    "global": "false",
    "heading": "npm",
    "ignore_scripts": "false",
    "install_strategy": "hoisted",
    "json": "false",
    "legacy_peer_deps": "false",
    "location": "project",
    "lockfile_version": "3",
    "loglevel": "notice",
    "offline": "false",
    "package_lock": "true",
    "package_lock_only": "false",
    "prefer_offline": "false",
    "save": "true",
    "strict_peer_deps": "false",
    "update_notifier": "false",
}
"""Settings that do not hang on the host: npm takes variables before any npmrc."""
AGE: Final = ("before", "min-release-age")
"""Settings that keep npm from releases that are young."""
WAY_OUT: Final = ("proxy", "https-proxy", "noproxy", "cafile", "ca", "strict-ssl")
"""Settings by which npm gets to the registry, or does not."""
_CODE: Final = re.compile(r"^npm (?:error|ERR!) code (\S+)", re.MULTILINE)
_UNPACKING: Final = re.compile(r"TAR_ENTRY_ERROR\s+([A-Z]+\b)?")
"""npm only warns of a file that it could not unpack, and may end with status 0 all the same."""
_ERROR: Final = re.compile(
    r"^npm (?:error|ERR!) (?!(?:code|syscall|errno|path|dest|address|port|cwd|command) |\s*/)(.+)$",
    re.MULTILINE,
)
_REASON: Final = re.compile(
    r"^(?:npm (?:error|ERR!) )?(?:gyp ERR! stack )?([A-Za-z]*Error(?: \[\w+\])?: .+)$", re.MULTILINE
)
"""How node, and what runs on it, say why: the last line is node's version."""
_SOURCE: Final = re.compile(r'^; "\w+" config from (.+)$')
_TOO_YOUNG: Final = " with a date before "
_LOG: Final = "A complete log of this run"
_PROXIES: Final = frozenset({"http_proxy", "https_proxy", "no_proxy"})
_HOST_CODES: Final = frozenset(
    {
        "EACCES", "EBADPLATFORM", "EDQUOT", "EIO", "EMFILE", "ENOEXEC", "ENOMEM", "ENOSPC",
        "EPERM", "EROFS", "EBADENGINE",
    }
)  # fmt: skip
_MISSING_CODES: Final = frozenset({"E404", "ETARGET", "ENOVERSIONS"})


@frozen
class NpmRun:
    """How a command ended; `status` is None where it did not end by itself.

    `output` is the last part of what it printed, both streams; it may hold secrets.
    """

    status: int | None
    timed_out: bool
    problem: str
    output: str = field(repr=False)

    @property
    def shown(self) -> str:
        """What it printed, without secrets."""
        return redact(self.output)

    @property
    def code(self) -> str:
        """The error code that npm named, empty if none."""
        found = _CODE.search(self.output) or _UNPACKING.search(self.output)
        return (found[1] or "") if found else ""

    @property
    def complete(self) -> bool:
        """Whether it ended well and npm could unpack every file."""
        return self.status == 0 and _UNPACKING.search(self.output) is None

    @property
    def gist(self) -> str:
        """What npm said in a few words, on one line."""
        said = [line for line in self.shown.splitlines() if line.strip() and _LOG not in line]
        text = "\n".join(said)
        lines = _REASON.findall(text) or _ERROR.findall(text) or said[-1:]
        return (lines[0] if lines else "it said nothing")[:200].strip()


@frozen
class Workplace:
    """A folder in which npm may work: `prefix` becomes the build, `home` is thrown away."""

    folder: Path
    prefix: Path
    home: Path


@frozen
class Npm:
    """Runs npm and what it installed; raises BuildError alone.

    `registry` gives the address of the registry and may raise a PortError.  `user` is a user who
    owns nothing on this host; None runs npm as the caller, which is for hosts without root.
    `units` are the units that npm works in, None where there is no systemd.
    `headers` gives npm_config_* and the like by which node's headers are found, for what compiles.
    `timeout` bounds each run of npm, in seconds.
    """

    registry: Callable[[], str]
    user: str | None = None
    npm: str = "npm"
    units: NpmUnits | None = None
    headers: Callable[[], Mapping[str, str]] = dict
    timeout: float = 900.0

    def prepare(self, folder: Path) -> Workplace:
        """Make a workplace below the new folder, which npm's user can use and nobody else."""
        place = Workplace(folder, folder / "prefix", folder / "home")
        ids = self._ids()
        folder.mkdir(mode=0o755)
        for inner in (place.prefix, place.home):
            inner.mkdir(mode=0o755)
            if ids is not None:
                os.chown(inner, *ids)
        return place

    def hand(self, place: Workplace, name: str, content: bytes) -> None:
        """Write a file into the prefix that npm's user may change.  Raises OSError."""
        path, ids = place.prefix / name, self._ids()
        durable.write_file(path, content)
        if ids is not None:
            os.chown(path, *ids, follow_symlinks=False)

    def call(self, place: Workplace, *arguments: str) -> NpmRun:
        """Run npm in the workplace's prefix."""
        program = shutil.which(self.npm)
        if program is None:
            message = f"cannot find {self.npm}: install npm, or put it on the service's PATH"
            raise BuildError(message, fault=Fault.HOST)
        try:
            registry = self.registry()
        except PortError as error:
            raise BuildError(str(error), fault=error.fault) from error
        environment = {
            **{f"npm_config_{name}": value for name, value in FORCED.items()},
            "npm_config_cache": str(place.home / "cache"),
            "npm_config_fetch_retries": "2",
            "npm_config_fetch_retry_factor": "2",
            "npm_config_fetch_retry_mintimeout": "1000",
            "npm_config_registry": registry,
            "npm_config_userconfig": str(place.home / ".npmrc"),
        }
        # Without scripts npm runs no code but its own; only then it needs the registry, too.
        trusted = "--ignore-scripts" in arguments
        if arguments[:1] == ("rebuild",):
            environment |= self.headers()
        return self._run(place, (program, *arguments), environment, self.timeout, trusted=trusted)

    def attempt(self, place: Workplace, *command: str) -> NpmRun:
        """Run something of what was installed, as npm's user, for a short time."""
        quiet = dict(commands.NO_TELEMETRY)
        return self._run(place, command, quiet, _TRY_SECONDS, trusted=False)

    def failure(self, place: Workplace, what: str, ended: NpmRun) -> BuildError:
        """Build the error for a run of npm that did not succeed; `what` could not be done."""
        fault, how = Fault.LATER, "the next run tries again"
        told = f"npm ended with status {ended.status}, {ended.code or 'no code'}: {ended.gist}"
        if ended.timed_out:
            told = f"npm took longer than {duration(self.timeout)} and was ended"
        elif ended.problem:
            return BuildError(f"{what}: npm could not run, {ended.problem}", fault=Fault.HOST)
        elif ended.status is not None and ended.status < 0:
            told, how = f"npm was ended by signal {-ended.status}", "is memory short?"
            fault = Fault.HOST
        elif ended.code in _HOST_CODES:
            fault, how = Fault.HOST, "fix the disk, the permissions or the versions that it names"
        elif ended.code == "EINTEGRITY":
            how = f"INTEGRITY: what came is not what the registry promised; {how}"
        elif ended.code in _MISSING_CODES:
            if _TOO_YOUNG in ended.output:
                told = f"npm is set to install nothing so young: {self._set(place, AGE)}"
                how = "an older release is chosen where `policy.age_min_days` says the same as npm"
            else:
                how = f"it is published in parts or withdrawn; {how}"
        if fault is Fault.LATER and ended.code not in {"EINTEGRITY", *_MISSING_CODES}:
            settings = self._set(place, WAY_OUT)
            how += f"; npm is set to get out by {settings}" if settings else ""
        return BuildError(f"{what}: {told}; {how}", fault=fault)

    def _set(self, place: Workplace, names: tuple[str, ...]) -> str:
        """Say which of these settings are set, to what, and where (rule 5)."""
        listed = self.call(place, "config", "list")
        found, source = [], ""
        for line in listed.shown.splitlines() if listed.status == 0 else ():
            header = _SOURCE.match(line)
            source = header[1] if header else source
            if line.partition(" = ")[0] in names:
                found.append(f"{line} (from {source})")
        variables = sorted(name for name in PASSED_ON if name.lower() in _PROXIES)
        if names is WAY_OUT:
            found += [f"${name}" for name in variables if os.environ.get(name)]
        return ", ".join(found)

    def _ids(self) -> tuple[int, int] | None:
        if self.user is None or os.geteuid() != 0:
            return None
        try:
            entry = powerless(self.user)
        except PermissionError as error:
            message = f"cannot run npm: {error}"
            raise BuildError(message, fault=Fault.HOST) from error
        return entry.pw_uid, entry.pw_gid

    def _run(
        self,
        place: Workplace,
        argv: tuple[str, ...],
        more: dict[str, str],
        timeout: float,
        *,
        trusted: bool,
    ) -> NpmRun:
        ids = self._ids()
        unit: UnitSpec | None = None
        if self.units is not None:
            unit, ids = self.units.unit(place.folder, timeout, trusted=trusted), None
        passed_on = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        job = {
            "argv": argv,
            "env": {**passed_on, "HOME": str(place.home), "LANG": "C.UTF-8", **more},
            "cwd": str(place.prefix),
            "user": ids[0] if ids else None,
            "group": ids[1] if ids else None,
            "timeout": timeout,
            "parent": os.getpid() if unit is None else None,
        }
        try:
            # The reaper lives by its input, and knows best how the command ended.
            ran = child.run(
                (sys.executable, "-I", reaper.__file__),
                timeout + _GRACE,
                {"PATH": os.environ.get("PATH", os.defpath)},
                stdin=json.dumps(job).encode() + b"\n",
                hold=True,
                grace=ENDING_MAX,
                unit=unit,
            )
            if ran.out:
                output = ran.err[-OUTPUT_MAX:].decode("utf-8", "replace")
                return NpmRun(**json.loads(ran.out), output=output)
            reason = f"its supervisor ended with status {ran.status}"
        except (OSError, ValueError) as error:
            reason = str(error)
        message = f"cannot run {Path(argv[0]).name}: {reason}; run again"
        raise BuildError(message, fault=Fault.HOST)

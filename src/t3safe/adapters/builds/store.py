"""The store of builds, implementing the port Builds.

Rules:

1. A build is in the store or it is not: it is made in a folder of its own beside the others, read
   back, sealed, made durable, and renamed into place.  Whatever a process that died left behind is
   deleted by the next call that stages or removes.
2. No code of a package is run before its identity is known: npm installs without scripts first,
   then the identity is judged, and only then the install scripts are run, by `npm rebuild`, with
   each package that has one allowed by name.  So a script that npm skips is an error here, and not
   a build that dies in the serve.
3. A sealed build is never changed.  What is learnt later lies beside it (`schemas/`).  But where
   an earlier t3safe sealed a launcher over a native program, its link is led to that program.
4. Only a foreign package, one that names another version than its own, or a native program that is
   none, is a fault of the BUILD; what may come from this machine, from npm or from the registry is
   not.
5. What is executed is the program itself, never a launcher of it (`program.py`).
6. A lock file that another host published is hostile (`lockfile.py`).  Only its places and versions
   reach npm, which makes a lock file of them by asking this host's registry.  It must be the
   published one, and `npm ls` must find nothing wrong with it; then `npm ci` installs it.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from attrs import evolve, frozen

from t3safe.adapters._support import durable, layout
from t3safe.adapters.builds import lockfile, program, tree
from t3safe.adapters.builds.manifest import (
    BuildManifest,
    Lock,
    UnreadableError,
    dump_schema,
    installed,
    load_schema,
    lock_digest,
    platform_of,
    read_json,
)
from t3safe.adapters.builds.npm import Npm, NpmRun, Workplace
from t3safe.domain import events as ev
from t3safe.domain.checks import IdentityFacts, judge_identity
from t3safe.domain.errors import BuildError, Fault
from t3safe.domain.ledgers import SetLedger
from t3safe.domain.lockfile import LOCK_FILE_MAX, SharedLock
from t3safe.domain.text import size
from t3safe.domain.versions import InvalidVersion, Version
from t3safe.t3 import commands, package
from t3safe.t3.package import PackageManifest, Problem, Shape, Whose

SPACE_MIN: Final = 2 * 1024**3
"""Bytes free before npm starts: a build takes 444 to 627 MB, and npm's cache the packed part of
it once more while it works."""
NATIVES: Final = ("node-pty",)
"""Modules that must load under this host's node where they are installed."""
_STAGE: Final = ".stage-"
_TRASH: Final = ".trash-"
_FLAGS: Final = (
    "--ignore-scripts",
    "--no-audit",
    "--no-fund",
    "--omit=dev",
    # Whatever this host is set to: the native program is an optional dependency.
    "--include=optional",
)
_FAULTS: Final = {
    Whose.PACKAGE: Fault.BUILD,
    Whose.HOST: Fault.HOST,
    Whose.LATER: Fault.LATER,
}


@frozen
class BuildStore:
    """Implements the port Builds; raises BuildError alone.

    `store` is the root of the store, `logs` the folder for what npm printed.  `space_min` is in
    bytes.
    """

    store: Path
    logs: Path
    npm: Npm
    space_min: int = SPACE_MIN

    def stage(self, build: Version, shared: SharedLock | None = None) -> ev.Staged:
        """Have the build installed, checked and sealed; nothing happens when it already is.

        A build that is there is checked against its manifest quickly: npm's list of packages and
        the program; `verify` reads every file.
        """
        with _errors(f"cannot stage {build}"):
            if layout.build_folder(self.store, build).exists():
                self._look_over(build)
                return self.manifest(build).staged
            self._sweep()
            free = shutil.disk_usage(self._builds).free
            if free < self.space_min:
                message = f"cannot stage {build}: {size(free)} are free in {self._builds}"
                how = f"{size(self.space_min)} are needed; remove builds or snapshots"
                raise BuildError(f"{message}, {how}", fault=Fault.HOST)
            folder = self._builds / f"{_STAGE}{build}-{secrets.token_hex(4)}"
            try:
                self._fill(self.npm.prepare(folder), build, shared)
            finally:
                tree.delete(folder)
        return self.manifest(build).staged

    def staged(self, build: Version) -> ev.Staged | None:
        """Tell the bytes of a sealed build; None if it is not there or its record is damaged."""
        try:
            return BuildManifest.load(
                layout.build_folder(self.store, build) / layout.MANIFEST
            ).staged
        except UnreadableError:
            return None

    def lock_file(self, build: Version) -> str:
        """Give the lock file of a build as hosts share it, empty if it cannot be shared."""
        recorded = self.manifest(build)
        if not recorded.shared:
            return ""
        try:
            lock = read_json(layout.build_folder(self.store, build), lockfile.FILE)
            text = lockfile.shared_tree(lock, build.text).text
        except UnreadableError as error:
            raise self._damaged(build, str(error)) from error
        if _digest(text) != recorded.shared:
            raise self._damaged(build, "npm's lock file was changed")
        return text

    def present(self) -> tuple[Version, ...]:
        """The sealed builds, ascending."""
        with _errors("cannot list the builds"):
            names = os.listdir(self._builds) if self._builds.exists() else []
        found = set()
        for name in names:
            with suppress(InvalidVersion):
                build = Version.parse(name)
                if layout.holds(self.store, build):
                    found.add(build)
        return tuple(sorted(found))

    def remove(self, build: Version) -> None:
        """Delete a build from the store; nothing happens when it is not there.

        It is out of the store at once, by a rename; a deletion that is cut off is ended later.
        """
        folder = layout.build_folder(self.store, build)
        with _errors(f"cannot remove {build}"):
            self._schema(build).unlink(missing_ok=True)
            if folder.exists():
                folder.rename(self._builds / f"{_TRASH}{build}-{secrets.token_hex(4)}")
                durable.sync_folder(self._builds)
            self._sweep()

    def program(self, build: Version) -> Path:
        """Give the path of the build's program."""
        return layout.build_folder(self.store, build) / layout.PROGRAM

    def log(self, build: Version) -> Path:
        """Where it is kept what npm printed; not there where npm was never asked."""
        return self.logs / f"npm-{build}.log"

    def manifest(self, build: Version) -> BuildManifest:
        """Read what is recorded of a sealed build."""
        try:
            return BuildManifest.load(layout.build_folder(self.store, build) / layout.MANIFEST)
        except UnreadableError as error:
            raise self._damaged(build, str(error)) from error

    def verify(self, build: Version) -> None:
        """Read every file of a build and compare it with its manifest."""
        recorded = self.manifest(build)
        with _errors(f"cannot verify {build}"):
            found = tree.digest(layout.build_folder(self.store, build))
        if found.digest != recorded.tree:
            raise self._damaged(build, "its files are not those that were installed")

    def record_schema(self, build: Version, schema: SetLedger) -> None:
        """Keep which migrations a build knows, as the gate measured it."""
        with _errors(f"cannot keep the schema of {build}"):
            path = self._schema(build)
            durable.make_folders(path.parent)
            durable.write_file(path, dump_schema(schema))

    def schema(self, build: Version) -> SetLedger | None:
        """Which migrations a build knows; None where that was never measured."""
        path = self._schema(build)
        if not path.exists():
            return None
        try:
            return load_schema(path)
        except UnreadableError as error:
            message = f"cannot tell what {build} knows: {error}; delete {path}, the gate measures"
            raise BuildError(f"{message} it again") from error

    @property
    def _builds(self) -> Path:
        return self.store / layout.BUILDS

    def _schema(self, build: Version) -> Path:
        return self.store / "schemas" / f"{build}.json"

    def _sweep(self) -> None:
        durable.make_folders(self._builds)
        for name in os.listdir(self._builds):
            if name.startswith((_STAGE, _TRASH)):
                tree.delete(self._builds / name)

    def _look_over(self, build: Version) -> None:
        """Check a build that is there quickly, and bring it up to date.

        A launcher that an earlier t3safe sealed is executed as its native program (rule 3).  Cut
        off at any moment, the next call begins again: the tree is first as it was sealed.
        """
        folder = layout.build_folder(self.store, build)
        recorded = self.manifest(build)
        if recorded.version != build.text or not layout.holds(self.store, build):
            raise self._damaged(build, "its manifest or its program is another's")
        if recorded.native and not program.leads(folder, recorded.program):
            raise self._damaged(build, f"what is executed is not {recorded.program}")
        try:
            changed, found = lock_digest(folder) != recorded.lock, installed(folder)
        except UnreadableError as error:
            raise self._damaged(build, str(error)) from error
        if changed:
            raise self._damaged(build, "npm's list of packages was changed")
        if found.shape is Shape.LAUNCHER and not recorded.native:
            executed = _executed(folder, build, found, recorded.npm)
            program.lead(folder, f"{package.FOLDER}/{found.entry}")
            self.verify(build)
            program.lead(folder, executed)
            sealed = evolve(recorded, program=executed, tree=tree.digest(folder).digest)
            durable.write_file(folder / layout.MANIFEST, sealed.dumps(), 0o444)

    def _damaged(self, build: Version, why: str) -> BuildError:
        folder = layout.build_folder(self.store, build)
        how = (
            "where nobody is selected on it (`t3safe status`), delete it: the next run installs it"
        )
        return BuildError(f"the build {folder} is damaged: {why}; {how}", fault=Fault.HOST)

    def _fill(self, place: Workplace, build: Version, shared: SharedLock | None) -> None:
        """Install, judge, run the scripts, try the program, seal, rename."""
        if shared is not None:
            self._follow(place, build, shared)
        found, lock = self._install(place, build, "install" if shared is None else "ci")
        text = self._shareable(place, build) if shared is None else shared.file.text
        npm = self.npm.call(place, "--version").output.strip()[:64]
        executed = _executed(place.prefix, build, found, npm)
        node = self._try(place, build, found, lock, executed)
        program.lead(place.prefix, executed)
        sealed = tree.digest(place.prefix, sealing=True)
        manifest = BuildManifest(
            version=build.text,
            integrity=lock.integrity,
            name=found.name,
            repository=found.repository,
            bins=tuple(found.bins),
            engines=found.engines,
            reported=build.text,
            npm=npm,
            node=node,
            scripts=lock.scripted,
            tree=sealed.digest,
            lock=lock.digest,
            files=sealed.files,
            size=sealed.size,
            installed_at=datetime.now(UTC).isoformat(),
            program=executed,
            shared=_digest(text) if text else "",
            platform=platform_of(node),
        )
        durable.write_file(place.prefix / layout.MANIFEST, manifest.dumps(), 0o444)
        durable.sync_filesystem(place.prefix)
        place.prefix.rename(layout.build_folder(self.store, build))
        durable.sync_folder(self._builds)

    def _follow(self, place: Workplace, build: Version, shared: SharedLock) -> None:
        """Have npm make the lock file that another host published (rule 6); install nothing."""
        what = f"cannot stage {build}"
        _project(place, build, ())
        try:
            theirs = lockfile.read_shared(shared.file.text, build.text)
            self.npm.hand(place, lockfile.FILE, json.dumps(theirs.asking()).encode())
            ended = self._npm(place, "install", "--package-lock-only", *_FLAGS)
            self._log(build, ended)
            if not ended.complete:
                raise self.npm.failure(place, f"{what}: the registry's packages", ended)
            ours = lockfile.shared_tree(read_json(place.prefix, lockfile.FILE), build.text)
            why = theirs.difference(ours) or self._wrong(place)
        except UnreadableError as error:
            why = str(error)
        if why:
            message = (
                f"{what}: the lock file of host {shared.host} does not fit this host's registry"
            )
            raise BuildError(f"{message}: {why}; nothing was installed", fault=Fault.LATER)

    def _shareable(self, place: Workplace, build: Version) -> str:
        """Give the lock file of what was installed as hosts share it, empty if they cannot."""
        try:
            made = lockfile.shared_tree(read_json(place.prefix, lockfile.FILE), build.text)
        except UnreadableError:
            return ""
        return "" if len(made.text) > LOCK_FILE_MAX or self._wrong(place) else made.text

    def _wrong(self, place: Workplace) -> str:
        """Say what npm finds wrong with the lock file: a package that nobody asks for, or none."""
        listed = self._npm(place, "ls", "--all", "--package-lock-only", "--omit=dev")
        return "" if listed.complete else listed.gist

    def _npm(self, place: Workplace, *arguments: str) -> NpmRun:
        return self.npm.call(place, *arguments, "--prefix", str(place.prefix))

    def _install(
        self, place: Workplace, build: Version, command: str
    ) -> tuple[PackageManifest, Lock]:
        """Install without scripts, judge what came, and run the install scripts (rule 2)."""
        what = f"cannot stage {build}"
        _project(place, build, ())
        ended = self._npm(place, command, *_FLAGS)
        self._log(build, ended)
        if not ended.complete:
            raise self.npm.failure(place, f"{what}: the registry's packages", ended)
        try:
            found, lock = installed(place.prefix), Lock.of(place.prefix)
        except UnreadableError as error:
            message = f"{what}: npm reports success, and {error}; the next run tries again"
            raise BuildError(message, fault=Fault.LATER) from error
        # Leaving aside how it runs here, which `_try` sees.
        facts = evolve(IdentityFacts.of(found, reported=found.version), engines="")
        judged = judge_identity(build, facts)
        if not judged.passed:
            raise BuildError(f"{what}: {judged.reason}; it was discarded", fault=Fault.BUILD)
        if lock.scripted:
            _project(place, build, lock.scripted)
            rebuilt = self._npm(place, "rebuild", "--strict-allow-scripts")
            self._log(build, ended, rebuilt)
            if rebuilt.status is not None and rebuilt.status > 0:
                scripted = ", ".join(lock.scripted)
                message = f"{what}: an install script of {scripted} fails: {rebuilt.gist}"
                how = "are make, g++, python3 and node's headers here?"
                how = f"{how} `t3safe doctor` says what is missing"
                how = f"{how}; what it printed is in {self.logs}"
                raise BuildError(f"{message}; {how}", fault=Fault.HOST)
            if not rebuilt.complete:
                raise self.npm.failure(place, f"{what}: install scripts", rebuilt)
        return found, lock

    def _try(
        self, place: Workplace, build: Version, found: PackageManifest, lock: Lock, executed: str
    ) -> str:
        """Run what was installed, as npm's user; give the version of node.

        All of it side by side: each mostly waits for a unit, and t3 for itself.  Native modules are
        loaded: `t3 --version` works without them, `t3 serve` does not.
        """
        what = f"cannot stage {build}"
        natives = [name for name in NATIVES if f"node_modules/{name}" in lock.installed]
        asked = [
            commands.version(str(place.prefix / executed)),
            ("node", "--version"),
            *(("node", "-e", f"require({json.dumps(name)})") for name in natives),
        ]
        with ThreadPoolExecutor() as pool:
            ended, told, *loaded = pool.map(lambda words: self.npm.attempt(place, *words), asked)
        node = told.output.strip().removeprefix("v")[:64] if told.status == 0 else ""
        reported = commands.version_of(ended.output)
        if ended.status != 0 or reported != build.text:
            lacking = package.lacking(ended.shown)
            if found.shape is Shape.LAUNCHER and lacking is not None:
                raise _unusable(build, lacking)
            facts = IdentityFacts.of(found, node=node, reported=build.text)
            fitting = judge_identity(build, facts)
            if not reported and not fitting.passed:
                message = f"{what}: `t3 --version` prints nothing: {fitting.reason}"
                raise BuildError(f"{message}; install such a node", fault=Fault.HOST)
            if reported and reported != build.text:
                message = f"{what}: its program says that it is {reported[:64]}; it was discarded"
                raise BuildError(message, fault=Fault.BUILD)
            how = "took too long" if ended.timed_out else f"ended with status {ended.status}"
            detail = ended.problem or ended.gist
            message = f"{what}: `t3 --version` {how} without a version: {detail}"
            raise BuildError(f"{message}; the next run tries again", fault=Fault.LATER)
        for name, tried in zip(natives, loaded, strict=True):
            if tried.status != 0:
                message = f"{what}: its module {name} does not load: {tried.gist}"
                how = "are make, g++, python3 and node's headers here, and is node new enough?"
                raise BuildError(f"{message}; {how}", fault=Fault.HOST)
        return node

    def _log(self, build: Version, *calls: NpmRun) -> None:
        text = "".join(f"{call.shown.rstrip()}\n[status {call.status}]\n" for call in calls)
        try:
            durable.make_folders(self.logs)
            durable.write_file(self.log(build), text.encode(), 0o640)
        except OSError:
            # Where npm failed, its failure says more than that of its log on the same full disk.
            if all(call.status == 0 for call in calls):
                raise


def _executed(prefix: Path, build: Version, found: PackageManifest, npm: str) -> str:
    """Find what is executed of what was installed, below the prefix."""
    try:
        return program.find(prefix, found, npm)
    except program.ProblemError as error:
        raise _unusable(build, error.problem) from error
    except UnreadableError as error:
        message = f"cannot stage {build}: npm reports success, and {error}"
        raise BuildError(f"{message}; the next run tries again", fault=Fault.LATER) from error


def _unusable(build: Version, problem: Problem) -> BuildError:
    """Build the error for a package whose program cannot be executed here."""
    fault = _FAULTS[problem.whose]
    how = "it was discarded" if fault is Fault.BUILD else problem.fix
    return BuildError(f"cannot stage {build}: {problem.what}; {how}", fault=fault)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _project(place: Workplace, build: Version, scripted: tuple[str, ...]) -> None:
    """Write the prefix's package.json.

    `allowScripts` is where npm from 11.16 on looks which packages' scripts a project allows, each
    by name; older ones run all of them and pass over the field.
    """
    body = {
        "private": True,
        "dependencies": {package.NAME: build.text},
        "allowScripts": dict.fromkeys(scripted, True),
    }
    durable.write_file(place.prefix / "package.json", json.dumps(body, indent=2).encode())


@contextmanager
def _errors(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        message = f"{what}: {error}; check the disk and who owns the folder, then run again"
        raise BuildError(message, fault=Fault.HOST) from error
    except tree.StrangeTreeError as error:
        message = f"{what}: {error}, which no package has; it was discarded, look at its log"
        raise BuildError(message, fault=Fault.LATER) from error

"""The store of builds, filled by the real npm from a registry on this machine."""

from __future__ import annotations

import json
import os
import pwd
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import psutil
import pytest
from attrs import evolve, field, frozen

from fakes.native import LIBRARY
from fakes.packages import PLATFORM_PACKAGE, release_like
from fakes.registry import WRONG_INTEGRITY, RegistryServer
from t3safe.adapters._support.layout import PROGRAM
from t3safe.adapters.builds import BuildStore, NodeHeaders, Npm, tree
from t3safe.adapters.builds.manifest import NODE_PROGRAM
from t3safe.adapters.builds.npm import FORCED
from t3safe.contracts.builds import NEW, OLD, BuildsContract
from t3safe.domain.errors import BuildError, Fault, RegistryError
from t3safe.domain.ledgers import Ledger, SetLedger
from t3safe.domain.versions import Version
from t3safe.t3 import package
from t3safe.t3.files import V1_DATABASE
from t3safe.t3.package import ENTRY, FOLDER, LAUNCHER, REPOSITORY
from tests.support.gate import script, wait_until


def traces(root: Path) -> dict[str, tuple[int, str]]:
    """Give every path below the store, but the folder of builds itself, with mode and content."""
    found = {}
    for folder, folders, files in os.walk(root):
        for name in (*folders, *files):
            path = Path(folder, name)
            mode = stat.S_IMODE(path.lstat().st_mode)
            if path.is_symlink():
                found[str(path.relative_to(root))] = (mode, str(path.readlink()))
            elif path.is_file():
                found[str(path.relative_to(root))] = (mode, path.read_bytes().hex())
            elif name != "builds":
                found[str(path.relative_to(root))] = (mode, "")
    return found


@frozen
class BuildsWorld:
    """A store and the registry that its npm installs from."""

    registry: RegistryServer
    port: BuildStore

    def publish(self, version: Version, *, foreign: bool = False, complete: bool = True) -> None:
        """Let a version be installable: the real package, a foreign one, or one in parts."""
        release = release_like(version.text)
        if foreign:
            release = evolve(release, repository="https://github.com/somebody/else")
        self.registry.publish(release, tarball=complete)

    def withdraw(self, version: Version) -> None:
        """Let a version not be installable any more."""
        self.registry.unpublish(version.text)

    def drift(self) -> None:
        """Let what versions depend on have a newer release."""
        self.registry.drift()

    def traces(self) -> object:
        """Give everything that the store holds, to be compared."""
        return traces(self.port.store)

    def refusal(self, build: Version = NEW) -> BuildError:
        """Stage a build that must fail, and check that the store is as it was."""
        before = self.traces()
        with pytest.raises(BuildError, match=f"cannot stage {build}") as caught:
            self.port.stage(build)
        assert self.traces() == before
        assert self.port.present() == ()
        return caught.value


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[BuildsWorld]:
    """Give an empty store whose real npm installs from a registry on this machine."""
    with RegistryServer() as registry:
        npm = Npm(lambda: registry.url)
        yield BuildsWorld(
            registry, BuildStore(tmp_path / "store", tmp_path / "logs", npm, space_min=0)
        )


class TestBuildStore(BuildsContract):
    """The contract, with the real npm."""


def test_sealed_build_is_recorded_complete_and_read_only(bench: BuildsWorld) -> None:
    """A staged build runs, tells what it is, passes its full check, and nobody may write to it."""
    published = bench.registry.publish(release_like(NEW.text))

    bench.port.stage(NEW)

    manifest = bench.port.manifest(NEW)
    assert manifest.integrity == published.integrity
    assert manifest.scripts == ("node-pty",)
    assert manifest.repository == f"https://{REPOSITORY}"
    assert (manifest.bins, manifest.engines, manifest.reported) == (("t3",), ">=18", NEW.text)
    folder = bench.port.store / "builds" / NEW.text
    assert (folder / "node_modules" / "node-pty" / "build" / "Release" / "pty.node").exists()
    program = bench.port.program(NEW)
    assert program == folder / "node_modules" / ".bin" / "t3"
    assert subprocess.check_output([program, "--version"], text=True) == f"t3 v{NEW}\n"
    writable = [
        path
        for path in (folder / "node_modules").rglob("*")
        if not path.is_symlink() and path.stat().st_mode & 0o222
    ]
    assert writable == []
    bench.port.verify(NEW)
    assert os.listdir(bench.port.store / "builds") == [NEW.text]


def test_native_program_is_executed_itself(bench: BuildsWorld) -> None:
    """What a launcher would start is what the build's program is, and what was tried and noted."""
    bench.registry.publish(release_like(NEW.text, layout="platform"))

    bench.port.stage(NEW)

    folder = bench.port.store / "builds" / NEW.text
    native = folder / "node_modules" / PLATFORM_PACKAGE / "t3"
    program = bench.port.program(NEW)
    assert program == folder / "node_modules" / ".bin" / "t3"
    assert program.resolve() == native
    assert native.read_bytes()[:4] == b"\x7fELF"
    assert bench.port.manifest(NEW).program == str(native.relative_to(folder))
    assert subprocess.check_output([program, "--version"], text=True) == f"t3 v{NEW}\n"
    bench.port.verify(NEW)
    bench.port.stage(NEW)


def test_native_program_is_installed_where_npm_leaves_optional_packages_out(
    bench: BuildsWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A setting of the host does not decide whether t3 is there."""
    monkeypatch.setattr("t3safe.adapters.builds.npm.FORCED", {**FORCED, "omit": "optional"})
    bench.registry.publish(release_like(NEW.text, layout="platform"))

    bench.port.stage(NEW)

    assert bench.port.present() == (NEW,)


NATIVE: Final = {"layout": "platform"}


def flawed(flaw: str) -> dict[str, str]:
    """Describe a release whose native program has a flaw."""
    return {**NATIVE, "platform_fault": flaw}


SILENT: Final = {"faults": ("exits-silently",)}
FLAWS: Final = [
    (flawed("none"), Fault.BUILD, r"starts another one, of @t3code/t3-\*, and it depends on none"),
    (flawed("elsewhere"), Fault.HOST, "has a program for darwin-arm64, and none for this host"),
    (flawed("other-release"), Fault.BUILD, f"is of version 0.0.41, t3 of {NEW}"),
    (flawed("other-version"), Fault.BUILD, f"is of version 0.0.41, t3 of {NEW}"),
    (flawed("other-architecture"), Fault.BUILD, "is a program for linux-.*, not for linux-"),
    (flawed("not-executable"), Fault.BUILD, "is not executable"),
    (flawed("text"), Fault.BUILD, "is no native program"),
    (
        flawed("needs-library"),
        Fault.HOST,
        f"needs {LIBRARY}, which this host does not have; install",
    ),
    (flawed("other-libc"), Fault.HOST, "needs glibc, whose loader .* this host does not have"),
    ({"faults": ("wrong-version:0.0.1",)}, Fault.BUILD, "says that it is 0.0.1"),
    ({"bin_name": "t4"}, Fault.BUILD, "no program 't3'"),
    # Silence may be this host's node.
    (SILENT, Fault.LATER, "ended with status 0 without a version"),
    ({**SILENT, "engines": ">=999"}, Fault.HOST, "needs node >=999.*install such a node"),
]
LATER_TARBALL: Final = f"did not install {PLATFORM_PACKAGE}.*published in parts"


@pytest.mark.parametrize(
    ("changes", "published", "fault", "words"),
    [
        # A tarball that is not what was promised is no verdict.
        ({}, {"integrity": WRONG_INTEGRITY}, Fault.LATER, "INTEGRITY"),
        # An optional package that is not there yet is passed over by npm, which names none.
        (NATIVE, {"tarball": False}, Fault.LATER, LATER_TARBALL),
        *(pytest.param(changes, {}, *rest, marks=pytest.mark.long) for changes, *rest in FLAWS),
    ],
)
def test_release_that_cannot_be_staged(
    bench: BuildsWorld,
    changes: dict[str, Any],
    published: dict[str, Any],
    fault: Fault,
    words: str,
) -> None:
    """Each flaw is found at the installation, by its name; only the package's own is its fault."""
    bench.registry.publish(release_like(NEW.text, **changes), **published)
    error = bench.refusal()
    assert error.fault is fault
    assert re.search(words, str(error))


def test_launcher_that_an_earlier_t3safe_sealed_is_led_to_its_program(bench: BuildsWorld) -> None:
    """The build stays, whoever runs it: its link leads to the program, and its record says so.

    Also where an earlier call was cut off between the two; a tree that was tampered with stays.
    """
    bench.registry.publish(release_like(NEW.text, layout="platform"))
    bench.port.stage(NEW)
    now = bench.port.manifest(NEW)
    folder = bench.port.store / "builds" / NEW.text
    tree.lead(folder, PROGRAM, f"../t3/{LAUNCHER}")
    earlier = evolve(now, tree=tree.digest(folder).digest, program=NODE_PROGRAM)
    assert b'"program"' not in earlier.dumps()
    for cut_off in (False, True):
        (folder / "build.json").unlink()
        (folder / "build.json").write_bytes(earlier.dumps())
        if not cut_off:
            tree.lead(folder, PROGRAM, f"../t3/{LAUNCHER}")

        bench.port.stage(NEW)

        assert bench.port.manifest(NEW) == now
        bench.port.verify(NEW)

    (folder / "build.json").unlink()
    (folder / "build.json").write_bytes(evolve(earlier, tree="0").dumps())
    with pytest.raises(BuildError, match="is damaged"):
        bench.port.stage(NEW)


def test_native_build_that_executes_something_else_is_damaged(bench: BuildsWorld) -> None:
    """The quick check sees where the link leads."""
    bench.registry.publish(release_like(NEW.text, layout="platform"))
    bench.port.stage(NEW)
    tree.lead(bench.port.store / "builds" / NEW.text, PROGRAM, f"../t3/{LAUNCHER}")

    with pytest.raises(BuildError, match="what is executed is not node_modules/@t3code"):
        bench.port.stage(NEW)


def test_registry_that_is_down_is_later(bench: BuildsWorld) -> None:
    """An error of npm with the network is not the build's fault."""
    bench.publish(NEW)
    bench.registry.down()

    assert bench.refusal().fault is Fault.LATER


def test_address_that_cannot_be_told_is_later(bench: BuildsWorld) -> None:
    """An unknown registry ends the attempt before npm is started, in this port's own family."""

    def unknown() -> str:
        message = f"cannot stage {NEW}: no address"
        raise RegistryError(message, fault=Fault.LATER)

    bench = evolve(bench, port=evolve(bench.port, npm=Npm(unknown)))

    assert bench.refusal().fault is Fault.LATER


def set_by_the_system(bench: BuildsWorld, folder: Path, *settings: str) -> BuildsWorld:
    """Give npm these lines as the system's npmrc."""
    (folder / "npmrc").write_text("".join(f"{line}\n" for line in settings))
    npm = folder / "npm"
    npm.write_text(f'#!/bin/sh\nnpm_config_globalconfig={folder}/npmrc exec npm "$@"\n')
    npm.chmod(0o755)
    return evolve(bench, port=evolve(bench.port, npm=evolve(bench.port.npm, npm=str(npm))))


def test_what_is_installed_does_not_hang_on_the_hosts_npmrc(
    bench: BuildsWorld, tmp_path: Path
) -> None:
    """No setting of the host changes what is installed, or keeps an install script from running."""
    bench = set_by_the_system(
        bench,
        tmp_path,
        *("bin-links=false", "color=always", "dry-run=true", "global=true", "heading=other"),
        *("ignore-scripts=true", "install-strategy=linked", "json=true", "location=global"),
        *("offline=true", "package-lock-only=true", "strict-peer-deps=true"),
    )
    scripts = (("install", "echo ran > ran"),)
    bench.registry.publish(evolve(release_like(NEW.text, native=False), scripts=scripts))
    bench.port.stage(NEW)
    assert bench.port.present() == (NEW,)
    ran = bench.port.program(NEW).resolve().parents[1] / "ran"
    assert ran.read_text() == "ran\n"


@pytest.mark.parametrize(
    ("setting", "code", "told"),
    [
        ("min-release-age=36500", "", "npm is set to install nothing so young: min-release-age"),
        ("before=2020-01-01", "", 'npm is set to install nothing so young: before = "2020-01-01'),
        (
            "proxy=http://u:secret@127.0.0.1:9",
            "ECONNREFUSED 127.0.0.1:9",
            'npm is set to get out by proxy = "http://[redacted]@127.0.0.1:9"',
        ),
    ],
)
def test_a_setting_of_npm_that_decides_is_named(
    bench: BuildsWorld, tmp_path: Path, setting: str, code: str, told: str
) -> None:
    """With its value and the file that sets it; nothing is held against the build."""
    bench.publish(NEW)
    error = set_by_the_system(bench, tmp_path, setting).refusal()
    assert error.fault is Fault.LATER
    assert told in str(error)
    assert re.search(r"\(from /\S+/npmrc\)", str(error))
    assert code in str(error)
    assert "published in parts" not in str(error)
    assert "secret" not in str(error)


def test_too_little_space_is_told_before_npm_starts(bench: BuildsWorld) -> None:
    """A full disk is found before the first byte is written."""
    bench.publish(NEW)
    bench = evolve(bench, port=evolve(bench.port, space_min=2**62))

    error = bench.refusal()
    assert error.fault is Fault.HOST
    assert re.search("B are free in .*B are needed", str(error))
    assert bench.registry.log == []


STAGE = """\
import sys
from pathlib import Path
from t3safe.adapters.builds import BuildStore, Npm
from t3safe.domain.errors import BuildError
from t3safe.domain.versions import Version

folder, npm, registry, version = sys.argv[1:]
client = Npm(lambda: registry, npm=npm)
store = BuildStore(Path(folder, "store"), Path(folder, "logs"), client, space_min=0)
try:
    store.stage(Version.parse(version))
except BuildError as error:
    print(error.fault, error)
print([str(path.relative_to(folder)) for path in Path(folder, "store").rglob("*")])
"""


def test_disk_that_fills_up_is_the_hosts_fault(bench: BuildsWorld, tmp_path: Path) -> None:
    """A disk that is full in the middle of an install is told, and the stage is deleted."""
    alone = ["unshare", "--user", "--map-root-user", "--mount"]
    if subprocess.run([*alone, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("needs a mount namespace of its own")
    bench.registry.publish(release_like(NEW.text, weight=8 * 1024**2))
    (tmp_path / "disk").mkdir()
    fill = 'mount -t tmpfs -o size=4m tmpfs "$0" && exec "$@"'

    disk = str(tmp_path / "disk")
    stage = [sys.executable, "-c", STAGE, disk, "npm", bench.registry.url, NEW.text]
    told = subprocess.check_output([*alone, "sh", "-c", fill, disk, *stage], text=True).splitlines()

    assert told[0].startswith(f"host cannot stage {NEW}")
    assert "ENOSPC" in told[0]
    assert told[1] == "['store/builds']"


# A stand-in for npm, for what the real one does not do on demand.

INSTALL = f"""\
version=$(sed -n 's/.*"t3": "\\(.*\\)".*/\\1/p' package.json)
mkdir -p {FOLDER}/dist node_modules/.bin node_modules/node-pty/lib
cat > {FOLDER}/package.json <<END
{{"name": "t3", "version": "$version", "bin": {{"t3": "{package.NODE_PROGRAM}"}},
 "repository": {{"url": "git+https://{REPOSITORY}.git"}}}}
END
cat > node_modules/.package-lock.json <<END
{{"packages": {{"{FOLDER}": {{"version": "$version", "integrity": "sha512-x"}},
 "node_modules/node-pty": {{"version": "1.1.0", "hasInstallScript": true}}}}}}
END
printf '#!/bin/sh\\necho t3 v%s\\n' "$version" > {NODE_PROGRAM}
chmod 755 {NODE_PROGRAM}
ln -s ../t3/{package.NODE_PROGRAM} {ENTRY}
echo 'module.exports = {{}}' > node_modules/node-pty/lib/index.js
echo '{{"name": "node-pty", "main": "lib/index.js"}}' > node_modules/node-pty/package.json
"""


@frozen
class Sham:
    """A store over a stand-in for npm that runs these lines of sh."""

    folder: Path
    user: str | None = None
    timeout: float = 20.0
    store: BuildStore = field(init=False)

    @store.default
    def _make(self) -> BuildStore:
        npm = Npm(
            lambda: "http://127.0.0.1:1",
            user=self.user,
            npm=str(self.folder / "npm"),
            timeout=self.timeout,
        )
        return BuildStore(self.folder / "store", self.folder / "logs", npm, space_min=0)

    def does(self, *, install: str = INSTALL, rebuild: str = "true") -> None:
        """Let npm run these lines for `npm install` and `npm rebuild`."""
        (self.folder / "npm").write_text(
            f'#!/bin/sh\ncase "$1" in\n--version) echo 99.0.0 ;;\ninstall)\n{install}\n;;\n'
            f"rebuild)\n{rebuild}\n;;\nesac\n"
        )
        (self.folder / "npm").chmod(0o755)

    def refusal(self) -> BuildError:
        """Stage a build that must fail, and check that the store is empty."""
        with pytest.raises(BuildError) as caught:
            self.store.stage(NEW)
        assert traces(self.folder / "store") == {}
        assert self.store.present() == ()
        assert os.listdir(self.folder / "store" / "builds") == []
        return caught.value


@pytest.fixture
def sham(tmp_path: Path) -> Sham:
    """Give an empty store over a stand-in for npm."""
    return Sham(tmp_path)


def test_same_tree_has_the_same_digest(sham: Sham, tmp_path: Path) -> None:
    """The digest depends on what was installed, and not on where or when."""
    sham.does()
    sham.store.stage(NEW)
    other = evolve(sham.store, store=tmp_path / "other")
    other.stage(NEW)

    here, there = sham.store.manifest(NEW), other.manifest(NEW)
    assert here.npm == "99.0.0"
    assert (here.tree, here.files, here.size) == (there.tree, there.files, there.size)


@pytest.mark.parametrize(
    ("tamper", "full"),
    [
        (f"chmod 555 {FOLDER}/package.json", True),
        (f"chmod 755 {FOLDER}; touch {FOLDER}/extra; chmod 555 {FOLDER}", True),
        (
            f"cd {FOLDER}; chmod 644 package.json; echo >> package.json; chmod 444 package.json",
            True,
        ),
        ("chmod 644 build.json; echo '{' > build.json", False),
        ("rm -f build.json", False),
        ("cd node_modules; chmod 644 .package-lock.json; echo {} > .package-lock.json", False),
        ("chmod 755 node_modules/.bin; rm node_modules/.bin/t3", False),
    ],
)
def test_damaged_build_is_told_and_left_to_a_person(sham: Sham, tamper: str, *, full: bool) -> None:
    """The quick check sees the record, the list and the program, the full one every file.

    It is not held against the build, and somebody may run it: deleting it is not for a program.
    """
    sham.does()
    sham.store.stage(OLD)
    sham.store.verify(OLD)
    folder = sham.store.store / "builds" / OLD.text
    subprocess.run(["sh", "-c", tamper], cwd=folder, check=True)
    before = traces(sham.store.store)

    with pytest.raises(BuildError, match="is damaged") as caught:
        (sham.store.verify if full else sham.store.stage)(OLD)

    assert caught.value.fault is Fault.HOST
    assert traces(sham.store.store) == before


def test_log_that_cannot_be_written_is_the_hosts_fault(sham: Sham) -> None:
    """An error of our own files ends the attempt as npm's does: reported, and without a trace."""
    sham.does()
    (sham.folder / "logs").touch()

    error = sham.refusal()

    assert error.fault is Fault.HOST
    assert "check the disk" in str(error)


@pytest.mark.parametrize(
    ("install", "fault", "words"),
    [
        (f"{INSTALL}\nexit 1", Fault.LATER, "status 1, no code"),
        ("exit 0", Fault.LATER, "npm reports success, and .* cannot be read"),
        (f"{INSTALL}\nrm {ENTRY}", Fault.LATER, f"there is no {ENTRY}"),
        (
            f"{INSTALL}\nln -sf /bin/true {ENTRY}",
            Fault.LATER,
            f"there is no {ENTRY}",
        ),
        (f"{INSTALL}\nrm node_modules/.package-lock.json", Fault.LATER, "cannot be read"),
        (f"{INSTALL}\necho '[' > {FOLDER}/package.json", Fault.LATER, "is not JSON"),
        (
            f"{INSTALL}\nln -sf /etc/passwd {FOLDER}/package.json",
            Fault.LATER,
            "is not a file of the build",
        ),
        (f"{INSTALL}\nmkfifo {FOLDER}/pipe", Fault.LATER, "neither a file nor"),
        (
            f"{INSTALL}\nln {FOLDER}/package.json ../twin",
            Fault.LATER,
            "one of 2 names of a file",
        ),
        (f"{INSTALL}\nprintf '#!/bin/sh\\nexit 3\\n' > {NODE_PROGRAM}",
         Fault.LATER, "ended with status 3 without a version"),
        ("echo 'npm error code ENOSPC' >&2\nexit 228", Fault.HOST, "ENOSPC.*fix the disk"),
        ("echo 'npm ERR! code EACCES' >&2\nexit 243", Fault.HOST, "EACCES"),
        (
            "echo 'npm error code ETARGET' >&2\necho 'npm error notarget None.' >&2\nexit 1",
            Fault.LATER,
            "ETARGET: notarget None.; it is published in parts",
        ),
        (
            f"{INSTALL}\necho 'npm warn tar TAR_ENTRY_ERROR ENOSPC: no space left' >&2",
            Fault.HOST,
            "status 0, ENOSPC: npm warn tar",
        ),
        ("kill -9 $$", Fault.HOST, "ended by signal 9"),
        ("", Fault.HOST, "cannot find .*/npm: install npm"),
        # `t3 --version` works without its native module, and `t3 serve` does not.
        (
            f"{INSTALL}\necho 'throw Error(\"pty\")' > node_modules/node-pty/lib/index.js",
            Fault.HOST,
            "node-pty does not load: Error: pty;",
        ),
    ],
)  # fmt: skip
def test_npm_that_fails_leaves_no_trace(sham: Sham, install: str, fault: Fault, words: str) -> None:
    """However npm fails, half-way or with status 0, the store is empty and the cause is named."""
    if install:
        sham.does(install=install)
    error = sham.refusal()
    assert error.fault is fault
    assert re.search(words, str(error))


def test_install_script_that_fails_is_the_hosts_fault(sham: Sham) -> None:
    """A module that cannot be compiled here is told with the tools that it takes."""
    sham.does(rebuild="echo 'npm error gyp ERR! not ok' >&2; exit 1")
    error = sham.refusal()
    assert error.fault is Fault.HOST
    told = "install script of node-pty fails: gyp ERR! not ok; are make, g++"
    assert told in str(error)
    assert "not ok" in (sham.folder / "logs" / f"npm-{NEW}.log").read_text()


def test_a_file_with_two_names_in_the_tree_is_well(sham: Sham) -> None:
    """`make` links what it has compiled; only a name elsewhere could change a sealed build."""
    sham.does(install=f"{INSTALL}\nln {FOLDER}/package.json {FOLDER}/twin")

    sham.store.stage(NEW)

    sham.store.verify(NEW)
    assert sham.store.present() == (NEW,)


HERE: Final = NodeHeaders().found()
COMPILES = pytest.mark.skipif(
    HERE is None or not shutil.which("g++") or not shutil.which("make"),
    reason="needs g++, make and the headers of this node (libnode-dev)",
)


@COMPILES
def test_native_module_is_compiled_without_a_network(bench: BuildsWorld) -> None:
    """Install scripts have no network: node-gyp compiles with the headers that are here."""
    bench.registry.publish(release_like(NEW.text, compiled=True))
    unreachable = {"HTTP_PROXY": "http://127.0.0.1:1", "HTTPS_PROXY": "http://127.0.0.1:1"}
    without = evolve(
        bench.port.npm, headers=lambda: {"npm_config_disturl": "http://127.0.0.1:1/", **unreachable}
    )
    before = bench.traces()
    with pytest.raises(BuildError, match=r"headers here.*t3safe doctor") as caught:
        evolve(bench.port, npm=without).stage(NEW)
    assert caught.value.fault is Fault.HOST
    assert bench.traces() == before

    told = NodeHeaders()
    with_headers = evolve(bench.port.npm, headers=lambda: {**without.headers(), **told()})
    evolve(bench.port, npm=with_headers).stage(NEW)

    assert bench.port.present() == (NEW,)


def laid_out(folder: Path, major: int) -> Path:
    """Lay headers of such a node out below a folder."""
    header = folder / "include" / "node" / "node_version.h"
    header.parent.mkdir(parents=True)
    header.write_text(
        f"// a comment\n#define NODE_MAJOR_VERSION {major}\n"
        f"#define NODE_MINOR_VERSION 1\n#define NODE_PATCH_VERSION 0\n"
    )
    return folder


def test_headers_are_those_of_this_node(tmp_path: Path) -> None:
    """A node that lies elsewhere brings its own, whatever the system has; links are followed.

    Those of another major version make modules that do not load; what a person named counts alone.
    """
    prefix = laid_out(tmp_path / "node", 99)
    script(prefix / "bin" / "node", "#!/bin/sh\necho v99.2.0\n")
    node = tmp_path / "node-link"
    node.symlink_to(prefix / "bin" / "node")

    told = NodeHeaders(str(node))()
    assert told["npm_config_nodedir"] == str(prefix)
    assert set(told.values()) == {str(prefix)}
    assert NodeHeaders(str(node), tmp_path / "nothing")() == {}

    shutil.rmtree(prefix / "include")
    laid_out(prefix, 98)
    assert NodeHeaders(str(node))() == {}
    fitting = laid_out(tmp_path / "given", 99)
    assert NodeHeaders(str(node), fitting)()["npm_config_nodedir"] == str(fitting)
    (prefix / "include" / "node" / "node_version.h").write_text("#define NODE_MAJOR_VERSION 99\n")
    assert NodeHeaders(str(node))() == {}
    assert NodeHeaders(str(tmp_path / "no-node"))() == {}


def test_foreign_package_is_refused_before_its_scripts_run(sham: Sham) -> None:
    """No line of a foreign package is executed: its install script is never reached."""
    mark = sham.folder / "ran"
    sham.does(
        install=f"{INSTALL}\nsed -i s/pingdotgg/elsewhere/ {FOLDER}/package.json\n"
        f"printf '#!/bin/sh\\ntouch {mark}\\n' > {NODE_PROGRAM}",
        rebuild=f"touch {mark}",
    )

    assert sham.refusal().fault is Fault.BUILD
    assert not mark.exists()


def test_scripts_are_allowed_by_name(sham: Sham) -> None:
    """Each package with an install script is named in `allowScripts`, and no other."""
    sham.does(rebuild=f"cp package.json {sham.folder}/seen")

    sham.store.stage(NEW)

    body = json.loads((sham.folder / "seen").read_text())
    assert body["allowScripts"] == {"node-pty": True}


def test_secrets_in_the_output_are_not_kept(sham: Sham) -> None:
    """What npm printed is kept for a person, without the registry's credentials."""
    secret = "npm_abcdefghijklmnopqrstuvwxyz0123456789"
    sham.does(
        install=f"echo '//registry/:_authToken={secret}' 'https://joe:hunter2@registry/x' >&2\n"
        f"echo 'npm error code E401' >&2\necho 'npm error token {secret}' >&2\nexit 1"
    )

    error = sham.refusal()

    log = (sham.folder / "logs" / f"npm-{NEW}.log").read_text()
    for text in (log, str(error)):
        assert secret not in text
        assert "hunter2" not in text
    assert "code E401" in log


def test_nothing_of_npm_outlives_its_time(tmp_path: Path) -> None:
    """When the time is up, npm ends with all it started, also what left its session."""
    sham = Sham(tmp_path, timeout=0.5)
    sham.does(install=f"setsid sh -c 'echo $$ > {tmp_path}/pid; sleep 60' &\nsleep 60")

    error = sham.refusal()

    assert error.fault is Fault.LATER
    assert "took longer than" in str(error)
    assert not psutil.pid_exists(int((tmp_path / "pid").read_text()))


def test_nothing_of_npm_outlives_its_success(sham: Sham) -> None:
    """A process that an install script leaves behind cannot touch the sealed build."""
    sham.does(
        rebuild=f"setsid sh -c 'echo $$ > {sham.folder}/pid; sleep 60' &\n"
        f"while ! [ -s {sham.folder}/pid ]; do sleep 0.01; done"
    )

    sham.store.stage(NEW)

    assert not psutil.pid_exists(int((sham.folder / "pid").read_text()))


def test_npm_ends_with_us_and_its_stage_is_garbage(sham: Sham) -> None:
    """After a SIGKILL in the middle of an install nothing runs on, and the next run cleans up."""
    sham.does(install=f"{INSTALL}\necho $$ > {sham.folder}/pid\nsleep 60")
    folder = str(sham.folder)
    command = [sys.executable, "-c", STAGE, folder, f"{folder}/npm", "http://x", NEW.text]
    with subprocess.Popen(command) as process:
        noted = sham.folder / "pid"
        wait_until(lambda: noted.exists() and noted.read_text().endswith("\n"))
        process.send_signal(signal.SIGKILL)
    wait_until(lambda: not psutil.pid_exists(int(noted.read_text())))
    assert sham.store.present() == ()
    assert len(os.listdir(sham.folder / "store" / "builds")) == 1

    sham.does()
    sham.store.stage(NEW)

    assert os.listdir(sham.folder / "store" / "builds") == [NEW.text]


def test_deletion_that_was_cut_off_is_ended_later(sham: Sham) -> None:
    """What a removal left behind is out of the store, and the next call deletes it."""
    sham.does()
    sham.store.stage(NEW)
    builds = sham.store.store / "builds"
    (builds / NEW.text).rename(builds / f".trash-{NEW}-0")
    assert sham.store.present() == ()

    sham.store.remove(OLD)

    assert os.listdir(builds) == []


def test_strange_entries_are_no_builds(sham: Sham) -> None:
    """Links, files and folders without a seal are passed over, and never deleted."""
    sham.does()
    sham.store.stage(NEW)
    builds = sham.store.store / "builds"
    (builds / "0.0.1").symlink_to(NEW.text)
    (builds / "0.0.2").mkdir()
    (builds / "notes.txt").touch()

    assert sham.store.present() == (NEW,)
    sham.store.remove(OLD)
    assert set(os.listdir(builds)) == {NEW.text, "0.0.1", "0.0.2", "notes.txt"}


def test_schema_lies_beside_the_sealed_build(sham: Sham) -> None:
    """What the gate measured of a build is kept outside of it, and goes with it."""
    sham.does()
    sham.store.stage(NEW)
    schema = SetLedger.of({V1_DATABASE: Ledger.of([(1, "A"), (31, "B")])})
    assert sham.store.schema(NEW) is None

    sham.store.record_schema(NEW, schema)
    assert sham.store.schema(NEW) == schema
    sham.store.verify(NEW)

    (sham.store.store / "schemas" / f"{NEW}.json").write_text("[]")
    with pytest.raises(BuildError, match="the gate measures it again"):
        sham.store.schema(NEW)

    sham.store.remove(NEW)
    assert sham.store.schema(NEW) is None


def test_unknown_user_is_told(tmp_path: Path) -> None:
    """A host without npm's user is told how to make one, and npm never runs as root instead."""
    if os.geteuid() != 0:
        pytest.skip("needs root: others run npm as themselves")
    sham = Sham(tmp_path, user="t3safe-no-such")
    sham.does()
    error = sham.refusal()
    assert error.fault is Fault.HOST
    assert "useradd --system t3safe-no-such" in str(error)

    error = Sham(tmp_path, user="root").refusal()
    assert "is root" in str(error)


def test_npm_runs_without_rights_and_owns_nothing_afterwards() -> None:
    """As root, npm and the program run as a user without rights; the sealed tree is root's."""
    if os.geteuid() != 0:
        pytest.skip("needs root to become another user")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        sham = Sham(folder, user="nobody")
        note = f'echo "$(id -u) $HOME" > {FOLDER}/'
        sham.does(
            install=f"{INSTALL}\nchmod u+s {NODE_PROGRAM}\n{note}install",
            rebuild=f"{note}rebuild\ntouch {folder}/store/builds/own || touch {FOLDER}/kept-out",
        )

        sham.store.stage(NEW)

        found = folder / "store" / "builds" / NEW.text / FOLDER
        nobody = str(pwd.getpwnam("nobody").pw_uid)
        assert (found / "install").read_text().split()[0] == nobody
        assert (found / "rebuild").read_text().split()[0] == nobody
        assert (found / "kept-out").exists()
        assert {path.lstat().st_uid for path in found.parents[1].rglob("*")} == {0}
        assert stat.S_IMODE((found / package.NODE_PROGRAM).stat().st_mode) == 0o555
        sham.store.verify(NEW)

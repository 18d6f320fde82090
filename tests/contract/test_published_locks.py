"""Lock files that another host published, installed by the real npm, or refused."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve, frozen

from fakes.packages import CONTRACTS, PLATFORM_PACKAGES, pack_contracts, release_like
from fakes.registry import WRONG_INTEGRITY, RegistryServer
from t3safe.adapters.builds import BuildStore, Npm
from t3safe.adapters.builds.manifest import platform_of
from t3safe.contracts.builds import NEW
from t3safe.domain.errors import BuildError, Fault
from t3safe.domain.lockfile import LockFile, SharedLock
from tests.contract.test_builds import traces

pytestmark = pytest.mark.long

PLACE = f"node_modules/{CONTRACTS}"


@frozen
class TwoHosts:
    """A host that has installed NEW, another one that has not, and the registry of both."""

    registry: RegistryServer
    first: BuildStore
    second: BuildStore

    @property
    def published(self) -> SharedLock:
        """What the first host publishes."""
        return SharedLock("a", LockFile(self.first.lock_file(NEW)))

    def refusal(self, text: str) -> BuildError:
        """Stage a published text that must not fit; see that nothing was fetched or left."""
        del self.registry.log[:]
        with pytest.raises(BuildError, match="the lock file of host a does not fit") as caught:
            self.second.stage(NEW, SharedLock("a", LockFile(text)))
        assert caught.value.fault is Fault.LATER
        assert str(caught.value).endswith("; nothing was installed")
        assert "\n" not in str(caught.value)
        assert traces(self.second.store) == {}
        assert not [seen.path for seen in self.registry.log if seen.path.endswith(".tgz")]
        return caught.value


def store_of(folder: Path, registry: RegistryServer, user: str | None = None) -> BuildStore:
    """Make an empty store."""
    npm = Npm(lambda: registry.url, user=user)
    return BuildStore(folder / "store", folder / "logs", npm, space_min=0)


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[TwoHosts]:
    """Two hosts, one of which has installed NEW."""
    with RegistryServer() as registry:
        registry.publish(release_like(NEW.text))
        first = store_of(tmp_path / "a", registry)
        first.stage(NEW)
        yield TwoHosts(registry, first, store_of(tmp_path / "b", registry))


def changed(text: str, change: Callable[[dict[str, Any]], object]) -> str:
    """Change the packages of a published text, which stays of its form."""
    lock = json.loads(text)
    change(lock["packages"])
    return json.dumps(lock, sort_keys=True, separators=(",", ":"))


def packed(version: str) -> dict[str, str]:
    """Describe a true release of the plain package."""
    return {"version": version, "integrity": pack_contracts(version).integrity}


HOSTILE: list[tuple[str, Callable[[dict[str, Any]], object], str]] = [
    (
        "integrity of other bytes",
        lambda packages: packages[PLACE].update(integrity=WRONG_INTEGRITY),
        f"{CONTRACTS}: it has 1.0.0 {WRONG_INTEGRITY}, npm here makes it 1.0.0 sha512-",
    ),
    (
        "a package that nobody asks for",
        lambda packages: packages.update({f"{PLACE}/{PLACE}": packed("1.0.0")}),
        f"{CONTRACTS}: it has .*, npm here makes it none",
    ),
    (
        "a release that t3 does not allow",
        lambda packages: packages.update({PLACE: packed("2.0.0")}),
        f"invalid: {CONTRACTS}@2.0.0",
    ),
    (
        "a release that does not exist",
        lambda packages: packages[PLACE].update(version="1.7.7"),
        f"{CONTRACTS}: it has no integrity",
    ),
    (
        "a package in place of another",
        lambda packages: packages.update(
            {PLACE: packages["node_modules/node-pty"] | {"name": "node-pty"}}
        ),
        f"{CONTRACTS}: node-pty lies in its place, not {CONTRACTS}",
    ),
    (
        "a package that is left out",
        lambda packages: packages.pop(PLACE),
        f"{CONTRACTS}: it is required, and left out",
    ),
]


@pytest.mark.parametrize(
    ("change", "words"), [case[1:] for case in HOSTILE], ids=[case[0] for case in HOSTILE]
)
def test_a_lock_that_this_hosts_registry_does_not_confirm_is_not_installed(
    hosts: TwoHosts, change: Callable[[dict[str, Any]], object], words: str
) -> None:
    """The line names host and package; no tarball was fetched."""
    hosts.registry.drift("2.0.0")
    error = hosts.refusal(changed(hosts.published.file.text, change))
    assert re.search(words, str(error))


def test_all_platforms_are_in_the_lock_and_none_may_be_left_out(tmp_path: Path) -> None:
    """The native program of each platform; the digest is the same on all of them."""
    with RegistryServer() as registry:
        registry.publish(release_like(NEW.text, layout="platform"))
        hosts = TwoHosts(
            registry, store_of(tmp_path / "a", registry), store_of(tmp_path / "b", registry)
        )
        answer = hosts.first.stage(NEW)
        text = hosts.published.file.text
        places = {f"node_modules/{name}" for name in PLATFORM_PACKAGES.values()}
        assert places <= set(json.loads(text)["packages"])

        left_out = sorted(places)[0]
        error = hosts.refusal(changed(text, lambda packages: packages.pop(left_out)))
        assert f"{left_out.removeprefix('node_modules/')}: it is required" in str(error)

        assert hosts.second.stage(NEW, hosts.published) == answer


def test_published_files_are_those_that_are_installed(hosts: TwoHosts) -> None:
    """All but npm's own lists are the same, after the registry went on."""
    hosts.registry.drift()
    answer = hosts.second.stage(NEW, hosts.published)

    here, there = (
        {
            path: entry
            for path, entry in traces(store.store / "builds" / NEW.text).items()
            if path not in {"build.json", "package-lock.json", "node_modules/.package-lock.json"}
        }
        for store in (hosts.first, hosts.second)
    )
    assert here == there
    assert hosts.first.staged(NEW) == answer
    assert hosts.second.lock_file(NEW) == hosts.published.file.text
    hosts.second.verify(NEW)


def test_another_registry_with_the_same_packages_is_the_same(
    hosts: TwoHosts, tmp_path: Path
) -> None:
    """Addresses are each host's own."""
    with RegistryServer() as other:
        other.publish(release_like(NEW.text))
        elsewhere = store_of(tmp_path / "c", other)
        assert elsewhere.stage(NEW, hosts.published) == hosts.first.staged(NEW)
        assert [seen for seen in other.log if seen.path.endswith(".tgz")]


def test_a_registry_that_is_down_is_later(hosts: TwoHosts) -> None:
    """Nothing is said of the published lock."""
    published = hosts.published
    hosts.registry.fail("500")
    with pytest.raises(BuildError) as caught:
        hosts.second.stage(NEW, published)
    assert caught.value.fault is Fault.LATER
    assert traces(hosts.second.store) == {}


def test_bytes_and_platform_are_recorded(hosts: TwoHosts) -> None:
    """The record of the build has what verdicts are about."""
    manifest = hosts.first.manifest(NEW)
    assert manifest.shared == hosts.published.file.digest
    assert manifest.platform == platform_of(manifest.node)
    assert manifest.platform.endswith(f"-node{manifest.node.partition('.')[0]}")


def test_a_build_that_was_sealed_earlier_is_not_shared(hosts: TwoHosts) -> None:
    """Its bytes are those of npm's own list."""
    manifest = hosts.first.manifest(NEW)
    earlier = evolve(manifest, shared="", platform="")
    record = hosts.first.store / "builds" / NEW.text / "build.json"
    record.chmod(0o644)
    record.write_bytes(earlier.dumps())
    assert b'"shared"' not in earlier.dumps()

    answer = hosts.first.stage(NEW)

    assert (answer.lock, answer.platform) == (manifest.lock, manifest.platform)
    assert hosts.first.staged(NEW) == answer
    assert hosts.first.lock_file(NEW) == ""


@pytest.mark.parametrize("tampered", ["{", '{"lockfileVersion": 3}', ""])
def test_a_lock_file_that_was_changed_is_damage(hosts: TwoHosts, tampered: str) -> None:
    """It is not published."""
    file = hosts.first.store / "builds" / NEW.text / "package-lock.json"
    text = tampered or file.read_text().replace('"1.0.0"', '"1.0.7"')
    file.chmod(0o644)
    file.write_text(text)
    with pytest.raises(BuildError, match="is damaged"):
        hosts.first.lock_file(NEW)


def test_npms_user_may_complete_a_lock_file_that_root_wrote() -> None:
    """It is theirs, and of nobody else."""
    if os.geteuid() != 0:
        pytest.skip("needs root to become another user")
    with tempfile.TemporaryDirectory() as name, RegistryServer() as registry:
        Path(name).chmod(0o755)
        npm = Npm(lambda: registry.url, user="nobody")
        place = npm.prepare(Path(name, "work"))
        (place.prefix / "package.json").write_text(f'{{"dependencies": {{"{CONTRACTS}": "1"}}}}')
        asked = {CONTRACTS: {"version": "1.0.0"}}
        lock = json.dumps({"lockfileVersion": 1, "dependencies": asked})
        npm.hand(place, "package-lock.json", lock.encode())
        file = place.prefix / "package-lock.json"
        assert (file.owner(), file.stat().st_mode & 0o777) == ("nobody", 0o644)

        prefix = ("--prefix", str(place.prefix))
        ended = npm.call(place, "install", "--package-lock-only", "--ignore-scripts", *prefix)

        assert ended.complete, ended.shown
        assert json.loads(file.read_text())["packages"][PLACE]["integrity"].startswith("sha512-")

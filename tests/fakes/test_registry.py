"""The real npm client installs from the fake registry, and fails as it should."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from fakes.packages import NO_PLATFORM, PLATFORM_PACKAGE, FakeRelease, pack, release_like
from fakes.registry import ABBREVIATED, HOSTILE_VERSION, WRONG_INTEGRITY, Registry, Trouble
from fakes.t3.process import run_t3

OLD = release_like("0.0.24")
NIGHTLY = release_like("0.0.25-nightly.20260608.497")


@pytest.fixture
def registry() -> Iterator[Registry]:
    """A registry with one stable release and one nightly."""
    with Registry() as registry:
        registry.publish(OLD, tag="latest")
        registry.publish(NIGHTLY, tag="nightly")
        yield registry


def get(registry: Registry, path: str, accept: str = "application/json") -> dict[str, Any]:
    """Read a JSON document."""
    request = urllib.request.Request(registry.url + path, headers={"Accept": accept})
    with urllib.request.urlopen(request, timeout=2) as response:
        found: dict[str, Any] = json.loads(response.read())
        return found


def npm(registry: Registry, prefix: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the real npm against the registry, with a cache and a configuration of its own."""
    home = prefix.parent / "home"
    home.mkdir(exist_ok=True)
    prefix.mkdir(exist_ok=True)
    return subprocess.run(
        ["npm", *arguments, "--prefix", str(prefix), "--no-audit", "--no-fund"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "npm_config_registry": registry.url,
            "npm_config_cache": str(home / "cache"),
            "npm_config_userconfig": str(home / "npmrc"),
            "npm_config_update_notifier": "false",
            "npm_config_fetch_retries": "0",
        },
    )


def allow_scripts(prefix: Path) -> None:
    """Make a prefix that lets node-pty's install script run."""
    prefix.mkdir()
    content = json.dumps({"allowScripts": {"node-pty": True}})
    (prefix / "package.json").write_text(content, encoding="utf-8")


class TestNpm:
    def test_install(self, registry: Registry, tmp_path: Path) -> None:
        """The real npm installs a nightly by its tag with its scripts, and it runs."""
        prefix = tmp_path / "build"
        allow_scripts(prefix)
        ran = npm(registry, prefix, "install", "t3@nightly")
        assert ran.returncode == 0, ran.stderr
        program = prefix / "node_modules" / ".bin" / "t3"
        assert run_t3(program, "--version").stdout == f"t3 v{NIGHTLY.version}\n"
        assert (prefix / "node_modules" / "node-pty" / "build" / "Release" / "pty.node").exists()

    def test_scripts_skipped(self, registry: Registry, tmp_path: Path) -> None:
        """With scripts skipped npm exits 0, `--version` works and serve dies on node-pty."""
        prefix = tmp_path / "build"
        assert npm(registry, prefix, "install", "t3@0.0.24", "--ignore-scripts").returncode == 0
        program = prefix / "node_modules" / ".bin" / "t3"
        assert run_t3(program, "--version").returncode == 0
        ran = run_t3(program, "serve", "--port", "1", "--base-dir", str(tmp_path / "base"))
        assert ran.returncode == 1
        assert "node-pty" in ran.stdout

    def test_published_in_parts(self, registry: Registry, tmp_path: Path) -> None:
        """A version without its tarball fails with 404 and works once it is complete."""
        later = FakeRelease("0.0.25-nightly.20260609.510")
        registry.publish(later, tag="nightly", tarball=False)
        ran = npm(registry, tmp_path / "a", "install", "t3@nightly")
        assert ran.returncode == 1
        assert "E404" in ran.stderr
        registry.complete(later.version)
        assert npm(registry, tmp_path / "b", "install", "t3@nightly").returncode == 0

    def test_platform_package_missing(self, registry: Registry, tmp_path: Path) -> None:
        """A launcher without its platform package installs, and cannot run."""
        release = FakeRelease("0.0.43", layout="platform")
        registry.publish(release, tarball=False)
        prefix = tmp_path / "build"
        assert npm(registry, prefix, "install", "t3@0.0.43").returncode == 0
        ran = run_t3(prefix / "node_modules" / ".bin" / "t3", "--version")
        assert (ran.returncode, ran.stdout) == (1, "")
        assert NO_PLATFORM in ran.stderr
        registry.publish(release)
        whole = tmp_path / "whole"
        assert npm(registry, whole, "install", "t3@0.0.43").returncode == 0
        program = whole / "node_modules" / ".bin" / "t3"
        assert run_t3(program, "--version").stdout == "t3 v0.0.43\n"
        assert os.listdir(whole / "node_modules" / "@t3code") == [
            PLATFORM_PACKAGE.partition("/")[2]
        ]

    @pytest.mark.parametrize("case", ["no-target", "integrity"])
    def test_no_install(self, registry: Registry, tmp_path: Path, case: str) -> None:
        """A tag that names nothing is ETARGET, a wrong integrity EINTEGRITY."""
        expected = {"no-target": "ETARGET", "integrity": "EINTEGRITY"}[case]
        registry.tag("nightly", "9.9.9")
        if case == "integrity":
            registry.publish(FakeRelease("9.9.9"), integrity=WRONG_INTEGRITY)
        ran = npm(registry, tmp_path / "a", "install", "t3@nightly")
        assert ran.returncode == 1
        assert expected in ran.stderr


class TestContents:
    def test_packument(self, registry: Registry) -> None:
        """The full document has tags, times and manifests; the short one has no times."""
        document = get(registry, "t3")
        assert document["dist-tags"] == {"latest": "0.0.24", "nightly": NIGHTLY.version}
        assert document["time"][NIGHTLY.version].startswith("2026-06-08T")
        manifest = document["versions"][NIGHTLY.version]
        assert manifest["repository"]["url"] == "https://github.com/pingdotgg/t3code"
        assert manifest["bin"] == {"t3": "dist/bin.mjs"}
        assert manifest["dist"]["integrity"] == pack(NIGHTLY).integrity
        short = get(registry, "t3", ABBREVIATED)
        assert "time" not in short
        assert "repository" not in short["versions"][NIGHTLY.version]
        assert get(registry, "node-pty")["versions"]["1.1.0"]["hasInstallScript"] is True
        assert get(registry, "@t3tools%2fcontracts")["name"] == "@t3tools/contracts"

    def test_tags(self, registry: Registry) -> None:
        """Tags can be read, moved and removed; a version can be read by its tag."""
        assert get(registry, "-/package/t3/dist-tags")["nightly"] == NIGHTLY.version
        assert get(registry, "t3/nightly")["version"] == NIGHTLY.version
        registry.tag("nightly", "0.0.24")
        registry.untag("latest")
        assert get(registry, "-/package/t3/dist-tags") == {"nightly": "0.0.24"}

    def test_publish_time(self, registry: Registry) -> None:
        """A release may be given its publish time."""
        at = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
        registry.publish(FakeRelease("0.0.31", published=at))
        assert get(registry, "t3")["time"]["0.0.31"] == "2026-05-04T03:02:01.000Z"

    def test_same_bytes(self) -> None:
        """The same release packs to the same bytes."""
        pack.cache_clear()
        first = pack(NIGHTLY).tarball
        pack.cache_clear()
        assert pack(NIGHTLY).tarball == first


class TestTrouble:
    @pytest.mark.parametrize(
        ("trouble", "status"), [(Trouble.NOT_FOUND, 404), (Trouble.ERROR, 500)]
    )
    def test_status(self, registry: Registry, trouble: Trouble, status: int) -> None:
        """It answers a status until it is mended, on the paths that were asked for."""
        registry.fail(trouble, path="^/t3$")
        with pytest.raises(urllib.error.HTTPError) as caught:
            get(registry, "t3")
        caught.value.close()
        assert caught.value.code == status
        assert get(registry, "-/package/t3/dist-tags")
        registry.mend()
        assert get(registry, "t3")
        assert [(seen.path, seen.status) for seen in registry.log] == [
            ("/t3", status),
            ("/-/package/t3/dist-tags", 200),
            ("/t3", 200),
        ]

    @pytest.mark.parametrize("trouble", [Trouble.HTML, Trouble.HALF_JSON])
    def test_no_json(self, registry: Registry, trouble: Trouble) -> None:
        """It answers 200 with what is no JSON."""
        registry.fail(trouble)
        with pytest.raises(json.JSONDecodeError):
            get(registry, "t3")

    def test_truncated(self, registry: Registry) -> None:
        """It closes before the announced end."""
        registry.fail(Trouble.TRUNCATED)
        with pytest.raises(http.client.IncompleteRead):
            get(registry, "t3")

    def test_down(self, registry: Registry) -> None:
        """It refuses connections and comes back on the same address."""
        url = registry.url
        registry.down()
        with pytest.raises(urllib.error.URLError, match="refused"):
            get(registry, "t3")
        registry.up()
        assert registry.url == url
        assert get(registry, "t3")

    def test_slow_and_silent(self, registry: Registry) -> None:
        """It answers late, or never."""
        registry.fail(Trouble.SLOW, seconds=0.3)
        began = time.monotonic()
        assert get(registry, "t3")
        assert time.monotonic() - began >= 0.3
        registry.mend()
        registry.fail(Trouble.SILENT)
        request = urllib.request.Request(registry.url + "t3")
        with pytest.raises(TimeoutError):
            urllib.request.urlopen(request, timeout=0.2)

    def test_redirect_loop(self, registry: Registry) -> None:
        """It redirects to itself."""
        registry.fail(Trouble.REDIRECT_LOOP)
        with pytest.raises(urllib.error.HTTPError, match="infinite loop") as caught:
            get(registry, "t3")
        caught.value.close()

    def test_huge(self, registry: Registry) -> None:
        """It sends JSON without end; a reader may leave."""
        registry.fail(Trouble.HUGE)
        with urllib.request.urlopen(registry.url + "t3", timeout=2) as response:
            assert len(response.read(5_000_000)) == 5_000_000

    def test_hostile_documents(self, registry: Registry) -> None:
        """Tags name a path, or tags and times are missing."""
        registry.fail(Trouble.HOSTILE)
        assert set(get(registry, "-/package/t3/dist-tags").values()) == {HOSTILE_VERSION}
        assert get(registry, "t3")["versions"][HOSTILE_VERSION]["version"] == HOSTILE_VERSION
        registry.mend()
        registry.fail(Trouble.NO_TAGS)
        registry.fail(Trouble.NO_TIMES)
        assert "dist-tags" not in get(registry, "t3")
        registry.mend()
        registry.fail(Trouble.NO_TIMES)
        assert "time" not in get(registry, "t3")


def test_as_a_process(tmp_path: Path, spawn: Callable[..., str]) -> None:
    """`python -m fakes.registry` serves what a file names and is steered over HTTP."""
    releases = tmp_path / "releases.json"
    releases.write_text(json.dumps([{"version": "0.0.24", "schema": 30}]), encoding="utf-8")
    url = spawn("fakes.registry", "--releases", str(releases), "--tag", "latest=0.0.24")

    def post(command: str, content: object) -> None:
        data = json.dumps(content).encode()
        with urllib.request.urlopen(f"{url}-/fake/{command}", data, timeout=2) as response:
            assert json.loads(response.read()) == {"ok": True}

    release = {"version": NIGHTLY.version, "faults": ["dies-after:1"]}
    post("publish", {"release": release, "tag": "nightly"})
    with urllib.request.urlopen(f"{url}-/package/t3/dist-tags", timeout=2) as response:
        found = json.loads(response.read())
    assert found == {"latest": "0.0.24", "nightly": NIGHTLY.version}
    with urllib.request.urlopen(f"{url}-/fake/log", timeout=2) as response:
        assert json.loads(response.read()) == [["GET", "/-/package/t3/dist-tags", 200]]
    with pytest.raises(urllib.error.HTTPError) as caught:
        post("publish", {"release": {"version": "1.0.0", "faults": ["sleepy"]}})
    caught.value.close()
    assert caught.value.code == 400

"""The real npm client installs from the fake registry, and fails as it should."""

from __future__ import annotations

import json
import os
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fakes.packages import NO_PLATFORM, PLATFORM_PACKAGE, FakeRelease, pack, release_like
from fakes.registry import ABBREVIATED, RegistryServer
from fakes.t3.process import run_t3

OLD = release_like("0.0.24")
NIGHTLY = release_like("0.0.25-nightly.20260608.497")


@pytest.fixture
def registry() -> Iterator[RegistryServer]:
    """A registry with one stable release and one nightly."""
    with RegistryServer() as registry:
        registry.publish(OLD, tag="latest")
        registry.publish(NIGHTLY, tag="nightly")
        yield registry


def get(registry: RegistryServer, path: str, accept: str = "application/json") -> dict[str, Any]:
    """Read a JSON document."""
    request = urllib.request.Request(registry.url + path, headers={"Accept": accept})
    with urllib.request.urlopen(request, timeout=2) as response:
        found: dict[str, Any] = json.loads(response.read())
        return found


def npm(
    registry: RegistryServer, prefix: Path, *arguments: str
) -> subprocess.CompletedProcess[str]:
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
    def test_install(self, registry: RegistryServer, tmp_path: Path) -> None:
        """The real npm installs a nightly by its tag with its scripts, and it runs."""
        prefix = tmp_path / "build"
        allow_scripts(prefix)
        ran = npm(registry, prefix, "install", "t3@nightly")
        assert ran.returncode == 0, ran.stderr
        program = prefix / "node_modules" / ".bin" / "t3"
        assert run_t3(program, "--version").stdout == f"t3 v{NIGHTLY.version}\n"
        assert (prefix / "node_modules" / "node-pty" / "build" / "Release" / "pty.node").exists()

    def test_platform_package_missing(self, registry: RegistryServer, tmp_path: Path) -> None:
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


class TestContents:
    def test_packument(self, registry: RegistryServer) -> None:
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

    def test_same_bytes(self) -> None:
        """The same release packs to the same bytes."""
        pack.cache_clear()
        first = pack(NIGHTLY).tarball
        pack.cache_clear()
        assert pack(NIGHTLY).tarball == first


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

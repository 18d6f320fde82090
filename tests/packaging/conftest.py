"""What is handed out, built once and installed beside the dependencies."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest
from attrs import frozen

ROOT = Path(__file__).parents[2]
BUILD = (sys.executable, "-m", "hatchling", "build", "-d")


@frozen
class BuiltPackage:
    """The two files of a build, and an environment with the wheel alone in it."""

    wheel: Path
    sdist: Path
    environment: Path

    def run(self, *words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
        """Run the installed `t3safe`, from a folder that holds no source."""
        program = self.environment / "bin" / "t3safe"
        return subprocess.run(
            [program, *words], cwd=cwd, env={}, capture_output=True, text=True, check=False
        )


def built(source: Path, folder: Path, *targets: str) -> None:
    """Build below a folder."""
    wanted = [word for target in targets for word in ("-t", target)]
    subprocess.run([*BUILD, folder, *wanted], cwd=source, check=True, capture_output=True)


@pytest.fixture(scope="module")
def handed(tmp_path_factory: pytest.TempPathFactory) -> BuiltPackage:
    """Build both, and install the wheel beside the dependencies that are in place."""
    folder = tmp_path_factory.mktemp("dist")
    built(ROOT, folder, "sdist", "wheel")
    (wheel,) = folder.glob("*.whl")
    (sdist,) = folder.glob("*.tar.gz")
    environment = folder / "environment"
    venv.create(environment, with_pip=False, symlinks=True)
    pip = (sys.executable, "-m", "pip", "--python", str(environment / "bin" / "python"))
    options = ("install", "--quiet", "--no-index", "--no-deps", "--disable-pip-version-check")
    subprocess.run([*pip, *options, wheel], check=True, capture_output=True)
    (packages,) = environment.glob("lib/python*/site-packages")
    # Dependencies alone: what a file of paths names is searched last, and its own are not read.
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return BuiltPackage(wheel, sdist, environment)

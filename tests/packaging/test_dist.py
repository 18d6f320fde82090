"""What is handed out: wheel and sdist, built without the network, and a wheel that works alone."""

from __future__ import annotations

import subprocess
import tarfile
import zipfile
from pathlib import Path

import t3safe
from tests.packaging.conftest import ROOT, BuiltPackage, built


def test_installed_wheel_is_the_one_that_runs(handed: BuiltPackage, tmp_path: Path) -> None:
    """It states the version of the source, and comes from the environment's own folder."""
    said = handed.run("--version", cwd=tmp_path)
    assert (said.returncode, said.stderr) == (0, "")
    assert t3safe.__version__ in said.stdout
    python = handed.environment / "bin" / "python"
    where = subprocess.run(
        [python, "-c", "import t3safe; print(t3safe.__file__)"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert Path(where.stdout.strip()).is_relative_to(handed.environment)


def test_first_look_on_a_bare_machine_is_one_clear_word(
    handed: BuiltPackage, tmp_path: Path
) -> None:
    """Before there is any host, `status` ends with a documented status, without a traceback."""
    config = tmp_path / "config.toml"
    folders = ("state_dir", "store", "backup_dest", "tmpdir", "user_map", "freeze_file", "launcher")
    lines = [f'{name} = "{tmp_path / name}"' for name in folders]
    config.write_text("\n".join(lines) + "\n")
    said = handed.run("--config", str(config), "status", cwd=tmp_path)
    assert "Traceback" not in said.stderr
    assert said.returncode != 1, said
    assert (said.stdout + said.stderr).strip()


def test_simulation_finds_its_data_in_the_wheel(handed: BuiltPackage, tmp_path: Path) -> None:
    """The releases, the host and the page's template are part of the package."""
    page = tmp_path / "page.html"
    said = handed.run("simulate", "--html", str(page), cwd=tmp_path)
    assert said.returncode == 0, said.stderr
    assert page.stat().st_size > 10_000


def test_manual_pages_and_contrib_are_where_they_were_promised(handed: BuiltPackage) -> None:
    """`man t3safe` finds its pages below the prefix, and what is beside t3safe lies in share."""
    share = handed.environment / "share"
    pages = {page.name for page in (ROOT / "docs" / "man").iterdir()}
    assert {page.name for page in (share / "man" / "man1").iterdir()} == pages
    ours = [path for path in (ROOT / "contrib").rglob("*") if path.is_file()]
    assert ours
    for path in ours:
        copy = share / "t3safe" / "contrib" / path.relative_to(ROOT / "contrib")
        assert copy.read_bytes() == path.read_bytes()


def test_wheel_ships_the_package_alone_and_its_types(handed: BuiltPackage) -> None:
    """No fake, no test and no lock file reaches a host; `py.typed` does."""
    with zipfile.ZipFile(handed.wheel) as archive:
        names = archive.namelist()
    tops = {name.partition("/")[0] for name in names}
    version = t3safe.__version__
    assert tops == {"t3safe", f"t3safe-{version}.dist-info", f"t3safe-{version}.data"}
    assert "t3safe/py.typed" in names


def test_sdist_builds_the_same_wheel(handed: BuiltPackage, tmp_path: Path) -> None:
    """Whoever builds from the source that is handed out gets the very bytes."""
    with tarfile.open(handed.sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    (source,) = tmp_path.iterdir()
    built(source, tmp_path / "again", "wheel")
    (again,) = (tmp_path / "again").glob("*.whl")
    assert contents(again) == contents(handed.wheel)


def contents(wheel: Path) -> dict[str, bytes]:
    """Read every file of a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}

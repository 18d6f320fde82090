"""The library as an adapter's author has it: the wheel, and the examples of docs/library.md."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.packaging.conftest import ROOT, BuiltPackage

SWITCH, CORE = "test_database_switch.py", "test_core.py"
EXAMPLES = dict(
    re.findall(
        r"```python\n# (test_\w+\.py)\n(.*?)```",
        (ROOT / "docs" / "library.md").read_text(encoding="utf-8"),
        re.DOTALL,
    )
)


def tried(handed: BuiltPackage, place: Path, code: str) -> subprocess.CompletedProcess[str]:
    """Run a test file in the environment that has the wheel, from a folder without source."""
    (place / "test_it.py").write_text(code, encoding="utf-8")
    python = handed.environment / "bin" / "python"
    return subprocess.run(
        [python, "-P", "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_it.py"],
        cwd=place,
        env={},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("name", [SWITCH, CORE])
def test_each_example_passes_beside_the_installed_wheel(
    handed: BuiltPackage, tmp_path: Path, name: str
) -> None:
    """An adapter of one's own passes its port's suite; the core runs without a host."""
    done = tried(handed, tmp_path, EXAMPLES[name])
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"[1-9]\d* passed", done.stdout)


def test_a_suite_finds_an_adapter_that_breaks_its_promise(
    handed: BuiltPackage, tmp_path: Path
) -> None:
    """A freeze that replaces an earlier reason fails the one test that says so."""
    broken = EXAMPLES[SWITCH].replace("INSERT OR IGNORE", "INSERT OR REPLACE")
    done = tried(handed, tmp_path, broken)
    failed = re.findall(r"^FAILED \S+::(\w+)", done.stdout, re.MULTILINE)
    assert failed == ["test_earlier_reason_stays"]

"""What is executed of a build, in a tree that no npm made."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from t3safe.adapters.builds import program
from t3safe.t3 import package
from t3safe.t3.package import PackageManifest, Whose
from tests.support.elf import Segment, elf

VERSION = "0.0.46"


@pytest.mark.skipif(os.uname().machine not in package.MACHINES, reason="t3 has no program for it")
@pytest.mark.parametrize(
    ("loader", "told"),
    [
        (b"/no/such/loader\0", "/no/such/loader"),
        # More than a file system takes, in one name and in all.
        (b"/" + b"x" * 300, "/" + "x" * 63),
        (b"/x" * 4000, "/x" * 32),
        (b"/\xff\0", "/\ufffd"),
    ],
)
def test_a_loader_that_cannot_be_there_is_lacking(tmp_path: Path, loader: bytes, told: str) -> None:
    """Whatever a package writes in its place: it is a stranger's word."""
    machine = package.MACHINES[os.uname().machine]
    name = f"{package.PLATFORMS}{machine.key}"
    body = {"name": package.NAME, "version": VERSION, "optionalDependencies": {name: VERSION}}
    folder = tmp_path / "node_modules" / name
    folder.mkdir(parents=True)
    (folder / "package.json").write_text(json.dumps({"name": name, "version": VERSION}))
    native = folder / package.NATIVE_PROGRAM
    native.write_bytes(elf(Segment(path=loader), machine=machine.number))
    native.chmod(0o755)
    with pytest.raises(program.ProblemError) as error:
        program.find(tmp_path, PackageManifest.read(body), "11.19.1")
    assert error.value.problem.whose is Whose.HOST
    assert f"whose loader {told} this host does not have" in str(error.value)

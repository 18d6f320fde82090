"""A disk that is full from a certain moment on: a real one, small, of the host's own.

Each runs in a mount namespace of its own, as `make kills` does.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from fakes.kills.striking import REPOSITORY, Prepared

PLACES = (
    "canary:full-store:after:Started.Select.ben",
    "canary:full-backups:after:Started.Quarantine.ben",
)

pytestmark = pytest.mark.timeout(600)


@pytest.mark.skipif(
    os.geteuid() != 0, reason="NOT SHOWN without root: a small disk of our own must be mounted"
)
def test_a_full_disk_strands_nobody_in_silence(prepared: Prepared) -> None:
    """Whoever is not served is named with the cause; with room again all is well."""
    ran = subprocess.run(
        [sys.executable, "-m", "fakes.kills", "--once", "--prepared", str(prepared.root), *PLACES],
        check=False,
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        timeout=580,
    )
    if "NOT SHOWN" in ran.stderr:
        pytest.skip(f"NOT SHOWN: {ran.stderr}")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "violations  0" in ran.stdout

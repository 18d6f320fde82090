"""Sign-ins in flight at the fence, on a real host: nobody is stranded by one that opens late."""

from __future__ import annotations

import sqlite3
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from fakes.embedded import EmbeddedHost, HostPerson
from fakes.packages import FakeRelease
from t3safe.entrypoints.exits import Exit
from t3safe.t3 import commands
from t3safe.t3.ledger import NEWEST
from t3safe.t3.sign_in import BOOTSTRAP

MINT_SECONDS = 2.0
"""A sign-in resolves its build at once and opens the data only after this; real ones take 1 s."""
OLD = FakeRelease("0.0.25-nightly.20260601.420", schema=30, pairing=BOOTSTRAP)
BAD = FakeRelease(
    "0.0.25-nightly.20260608.497",
    faults=("breaks-with-attachments",),
    command_time=MINT_SECONDS,
)
"""Passes the gate, which runs on a copy of the databases, and pairs nobody with an attachment."""
CONFIG = {"rollout.verify_deadline": 30.0 + 4 * MINT_SECONDS, "gate.deadline": 30.0}


@contextmanager
def signing_in(host: EmbeddedHost) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Begin a sign-in every half second while the failing build is selected for ann."""
    begun: list[subprocess.Popen[bytes]] = []
    over = threading.Event()
    words = commands.mint(str(host.launcher("ann")), str(host.base("ann")))

    def begin() -> None:
        while not over.wait(0.05):
            with suppress(OSError):
                if (host.store / "users" / "ann").readlink().name == BAD.version:
                    quiet = subprocess.DEVNULL
                    begun.append(subprocess.Popen(words, stdin=quiet, stdout=quiet, stderr=quiet))
                    over.wait(0.5)

    worker = threading.Thread(target=begin, daemon=True)
    worker.start()
    try:
        yield begun
    finally:
        over.set()
        worker.join()
        for process in begun:
            process.wait(120)


def level(host: EmbeddedHost) -> int:
    """Read the highest migration of ann's database."""
    with closing(sqlite3.connect(host.database("ann"))) as opened:
        return int(opened.execute(NEWEST).fetchone()[0])


def test_a_sign_in_that_opens_late_does_not_migrate_the_restored_data(tmp_path: Path) -> None:
    """She signs in on the old build and data; the build is refused, and the next run is kept off.

    One begins every half second while the failing build is selected, and takes two.
    """
    people = (HostPerson("ann", {"attachments": 1}),)
    with EmbeddedHost(tmp_path, people, config=dict(CONFIG)) as host:
        host.adopt(OLD)
        host.publish(BAD, tag="nightly")
        with signing_in(host) as begun:
            said = host.t3safe("run")
        assert begun, "no sign-in was in flight"
        assert said.status == Exit.ROLLED_BACK, said
        assert level(host) == OLD.schema
        client = host.client("ann")
        client.sign_in()
        assert client.authenticated()
        assert host.freeze_file.exists()
        assert host.t3safe("run").status == Exit.FROZEN
        assert level(host) == OLD.schema

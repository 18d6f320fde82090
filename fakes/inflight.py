"""Sign-ins in flight at the fence: does any of them open the data after the way back?

An embedded host, a build that fails in production, and a sign-in that is started every so often
while that build is selected, none after the fence.  Each sign-in resolves its build at once and
opens the data only after a while, as a real one does (0.8 to 1.1 s).

    python -m fakes.inflight --tries 20 --mint 0.9 2 5
"""

from __future__ import annotations

import argparse
import shutil
import sqlite3
import subprocess
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from attrs import evolve, frozen

from fakes.embedded import EmbeddedHost, HostPerson
from fakes.packages import FakeRelease
from fakes.t3 import PersonClient, SignInError
from t3safe.entrypoints.exits import Exit
from t3safe.t3 import commands
from t3safe.t3.ledger import NEWEST
from t3safe.t3.sign_in import BOOTSTRAP

OLD = FakeRelease("0.0.25-nightly.20260601.420", schema=30, pairing=BOOTSTRAP)
BAD = FakeRelease("0.0.25-nightly.20260608.497", faults=("breaks-with-attachments",))
"""Passes the gate, which runs on a copy of the databases, and pairs nobody with an attachment."""
LOOK_SECONDS = 0.05
MINT_TIMEOUT_SECONDS = 120.0


@frozen
class Try:
    """What one night left behind; everything as it must be where `wrong` is empty."""

    began: int
    """Sign-ins that were started while the failing build was selected."""
    status: int
    level: int
    signs_in: str
    """Empty where the person signs in after the night, else why not."""
    frozen: bool
    next_status: int
    """How the next run ended: it must not take the build that failed."""
    next_level: int

    @property
    def wrong(self) -> str:
        """Why somebody is stranded or something untrue was said; empty when all is well."""
        if not self.began:
            return "no sign-in was in flight: nothing was tried"
        if (self.level, self.next_level) != (OLD.schema, OLD.schema):
            return f"the restored data is at {self.level}, then {self.next_level}"
        if self.signs_in:
            return f"the person cannot sign in: {self.signs_in}"
        if self.status != Exit.ROLLED_BACK:
            return f"the run ended with {self.status}"
        if not self.frozen or self.next_status != Exit.FROZEN:
            return f"the next run was not kept from the build: {self.next_status}"
        return ""


def attempt(root: Path, mint: float, every: float = 1.0) -> Try:
    """Play one night on an empty folder: sign-ins take `mint` s, one begins every `every` s."""
    config = {"rollout.verify_deadline": 30.0 + 4 * mint, "gate.deadline": 30.0}
    people = (HostPerson("ann", {"attachments": 1}),)
    with EmbeddedHost(root, people, config=config) as host:
        host.adopt(OLD)
        host.publish(evolve(BAD, command_time=mint), tag="nightly")
        with _signing_in(host, every) as began:
            status = host.t3safe("run", timeout=300 + 20 * mint).status
        level = _level(host)
        signs_in = _sign_in(host)
        frozen = host.freeze_file.exists()
        after = host.t3safe("run").status
        return Try(began[0], status, level, signs_in, frozen, after, _level(host))


def _sign_in(host: EmbeddedHost) -> str:
    client = PersonClient(host.dispatch.url, "ann", timeout=30.0)
    try:
        client.sign_in()
    except SignInError as error:
        return str(error)
    return "" if client.authenticated() else "the serve does not know the session"


@contextmanager
def _signing_in(host: EmbeddedHost, every: float) -> Iterator[list[int]]:
    """Begin a sign-in every so often while the failing build is selected for ann."""
    began, over = [0], threading.Event()
    minted: list[subprocess.Popen[bytes]] = []

    def selected() -> bool:
        with suppress(OSError):
            return (host.store / "users" / "ann").readlink().name == BAD.version
        return False

    def begin() -> None:
        words = commands.mint(str(host.launcher("ann")), str(host.base("ann")))
        while not over.wait(LOOK_SECONDS):
            if selected():
                quiet = subprocess.DEVNULL
                minted.append(subprocess.Popen(words, stdin=quiet, stdout=quiet, stderr=quiet))
                began[0] += 1
                over.wait(every)

    worker = threading.Thread(target=begin, daemon=True)
    worker.start()
    try:
        yield began
    finally:
        over.set()
        worker.join()
        for process in minted:
            process.wait(MINT_TIMEOUT_SECONDS)


def _level(host: EmbeddedHost) -> int:
    with closing(sqlite3.connect(host.database("ann"))) as opened:
        return int(opened.execute(NEWEST).fetchone()[0])


def main() -> None:
    """Try as often as asked, and count what came of it."""
    parser = argparse.ArgumentParser(prog="python -m fakes.inflight", description=__doc__)
    parser.add_argument("--tries", type=int, default=20, help="nights for each length")
    parser.add_argument("--mint", type=float, nargs="+", default=[0.9, 2.0, 5.0], help="seconds")
    asked = parser.parse_args()
    stranded = 0
    for mint in asked.mint:
        found: Counter[str] = Counter()
        began = 0
        for _ in range(asked.tries):
            root = Path(tempfile.mkdtemp(prefix="t3safe-inflight-"))
            try:
                tried = attempt(root, mint)
            finally:
                shutil.rmtree(root, ignore_errors=True)
            found[tried.wrong or "well"] += 1
            began += tried.began
        stranded += asked.tries - found["well"]
        told = ", ".join(f"{what}: {count}" for what, count in found.most_common())
        print(
            f"sign-ins of {mint:g} s, {began} in flight, {asked.tries} nights: {told}", flush=True
        )
    raise SystemExit(1 if stranded else 0)


if __name__ == "__main__":
    main()

"""A small keeper of serves, as a host's owner might write one.  Standard library only.

    python keeper.py FOLDER start|stop|status PERSON

`FOLDER/PERSON.json` describes a serve: its `argv`, and how `status`, `start` or `stop` misbehave.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def main(folder: Path, verb: str, person: str) -> int:
    """Do what is asked, or misbehave as it is described."""
    described = json.loads((folder / f"{person}.json").read_text())
    with (folder / "calls").open("a") as calls:
        calls.write(f"{verb} {person}\n")
    trick = described.get(verb)
    if trick is not None:
        print(trick.get("out", ""))
        print(trick.get("err", ""), file=sys.stderr)
        time.sleep(trick.get("sleep", 0))
        return int(trick["status"])
    file = folder / f"{person}.pid"
    pid = int(file.read_text()) if file.exists() else 0
    if verb == "status":
        print(pid if _alive(pid) else f"no serve of {person}")
        return 0 if _alive(pid) else 3
    if verb == "start":
        with (folder / f"{person}.log").open("ab") as log:
            serve = subprocess.Popen(
                described["argv"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=os.environ | described.get("environment", {}),
                start_new_session=True,
            )
        fresh = folder / f"{person}.new"
        fresh.write_text(str(serve.pid))
        fresh.replace(file)
        return 0
    deadline = time.monotonic() + 8
    if _alive(pid):
        os.kill(pid, signal.SIGTERM)
    while _alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return 1 if _alive(pid) else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3]))

"""A night of rehearsals on a person whose t3 would work at any start: nothing of theirs changes."""

from __future__ import annotations

import json
from typing import Final

import pytest
from attrs import evolve

from fakes.packages import release_like
from t3safe.t3.files import HOME_BASE
from t3safe.t3.serve_log import LISTENING, RECOVERED
from tests.e2e.realhost.machine import NEW, HostContainer, published

pytestmark = pytest.mark.docker

V2: Final = evolve(release_like("0.0.46-nightly.20261010.2922"), compaction="never")
HOME: Final = "/home/ann/worktree"
OUTSIDE: Final = ("/srv/project", "/data/project", "/var/lib/project")
PORT: Final = 4999
SCENE: Final = f"""
import pathlib, sqlite3, sys
from fakes.t3.v2states import add_marks, allow_everything, populate_v2
base = pathlib.Path(sys.argv[1])
populate_v2(base, threads=1, own_messages=1)
marks = ["running", "title", "capture", "due-task", "webhook"]
for number, checkout in enumerate({(HOME, *OUTSIDE)!r}):
    add_marks(base, marks, f"thread-{{number}}", worktree=pathlib.Path(checkout))
allow_everything(base, "127.0.0.1:{PORT}")
"""
LISTEN: Final = f"""
import socket
door = socket.create_server(("127.0.0.1", {PORT}))
while True:
    guest, _ = door.accept()
    with open("/tmp/heard", "ab") as file:
        file.write(guest.recv(1000))
    guest.close()
"""
CLI: Final = '#!/bin/sh\\necho "$0 in $PWD: $*" >>/tmp/calls\\n'
LAY_OUT: Final = f"""
for folder in {HOME} {" ".join(OUTSIDE)}; do
    mkdir -p $folder; echo mine >$folder/work.txt; chmod -R 777 $folder
done
chown -R ann: {HOME}
for name in codex claude cloudflared; do
    printf '{CLI}' >/usr/bin/$name; chmod 755 /usr/bin/$name
done
: >/tmp/calls; : >/tmp/heard; chmod 666 /tmp/calls /tmp/heard
"""
CLEAR: Final = f"""
pkill -F /tmp/listener || true
rm -rf {HOME} {" ".join(OUTSIDE)} /data /usr/bin/codex /usr/bin/claude /usr/bin/cloudflared
rm -rf /tmp/calls /tmp/heard /tmp/listener /tmp/listen.py /tmp/scene.py
"""


def world(host: HostContainer) -> str:
    """Give the digest of every file of every checkout, who was run, and what was heard."""
    folders = " ".join((HOME, *OUTSIDE))
    return host.sh(
        f"find {folders} -type f -exec sha256sum {{}} + | sort; cat /tmp/calls /tmp/heard"
    ).out


def test_a_night_of_rehearsals_touches_no_checkout_runs_no_provider_and_reaches_nobody(
    alone: HostContainer,
) -> None:
    """In her home, in /srv, in a folder at the top and in /var: each as it was, by its digest."""
    host = alone
    host.sh(LAY_OUT)
    try:
        host.run("tee", "/tmp/scene.py", given=SCENE)
        host.run("tee", "/tmp/listen.py", given=LISTEN)
        host.sh("setsid python3 /tmp/listen.py </dev/null >/dev/null 2>&1 & echo $! >/tmp/listener")
        host.sh(
            "systemctl stop t3-serve@ann; cd /home/ann; "
            f"rm -rf {HOME_BASE}; install -d -o ann {HOME_BASE}"
        )
        host.run(
            *("python3", "-B", "/tmp/scene.py", f"/home/ann/{HOME_BASE}"),
            user="ann",
            PYTHONPATH="/opt/fakes",
        )
        before = world(host)
        host.do(published(V2, "nightly"))
        said = host.t3safe("check", V2.version, "--json")
        logs = host.sh("cat /var/lib/t3-autoupdate/evidence/*-ann/serve.log").out
        reports = host.sh("cat /var/lib/t3-autoupdate/evidence/*-ann/report.json").out
        assert RECOVERED in logs, (said, reports)
        deeds = {
            line.partition("start work: ")[2].split()[0]
            for line in logs.splitlines()
            if "start work: " in line
        }
        assert deeds <= {"manifest"}
        assert ": done" not in logs
        assert world(host) == before
        assert json.loads(said.out)
    finally:
        host.sh(CLEAR, check=False)


PROBES: Final = "; ".join(
    f"{what} {folder}/work.txt 2>/dev/null && echo PROBE {name} {folder}"
    for folder in (HOME, *OUTSIDE)
    for name, what in (("read", "cat"), ("write", "touch"))
)


@pytest.mark.parametrize("sandbox", ["auto", "plain"])
def test_unit_alone_shows_no_checkout(alone: HostContainer, sandbox: str) -> None:
    """A build that looks for them finds none, and without the unit every one outside of homes."""
    host = alone
    host.sh(LAY_OUT)
    try:
        bad = evolve(NEW, version="0.0.25-nightly.20260609.500", faults=(f"runs:{PROBES}",))
        host.do(published(bad, "nightly"))
        host.configure(gate__sandbox=sandbox)
        said = host.t3safe("check", bad.version)
        logs = host.sh("cat /var/lib/t3-autoupdate/evidence/*/serve.log").out
        found = {line.partition("PROBE ")[2] for line in logs.splitlines() if "PROBE " in line}
        everything = {f"{name} {folder}" for name in ("read", "write") for folder in OUTSIDE}
        assert LISTENING in logs, said
        assert found == (everything if sandbox == "plain" else set()), (said, logs)
    finally:
        host.sh(CLEAR, check=False)

"""The picture of a run, drawn from a real one: `make picture`.

A host of two lives for one good night and one bad one; npm, the registry, SQLite, HTTP and every
process are real, t3 itself is the fake of this project.  What is drawn is what a terminal shows
in the end: nothing that was said is left out or changed, but for the progress that is overwritten.
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.terminal_theme import DIMMED_MONOKAI
from rich.text import Text

from fakes.embedded import SAFE, EmbeddedHost, HostPerson
from fakes.packages import release_like

WIDTH: Final = 118
RESIDENTS: Final = (
    HostPerson("ann", {"threads": 4, "messages": 20}),
    HostPerson("wizard", {"threads": 3, "messages": 12, "attachments": 1}),
)
FIRST: Final = release_like("0.0.25-nightly.20260602.440", schema=30)
GOOD: Final = release_like("0.0.25-nightly.20260608.497")
BAD: Final = release_like(
    "0.0.28-nightly.20260616.571", schema=33, faults=("breaks-with-attachments",)
)
OVERWRITTEN: Final = re.compile(r"^.*(?:\r|\x1b\[2K)")
"""What stood in a line before it was cleared."""
TAKEN_BACK: Final = re.compile(r"[^\n]*\n\r?\x1b\[1A\r?\x1b\[2K")
"""A line that was gone back to and cleared."""
CURSOR: Final = re.compile(r"\x1b\[\?25[hl]")
FONTS: Final = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)
"""What the drawing would fetch from elsewhere; a reader's own font does."""


def picture() -> str:
    """Live through the two nights and draw what was seen, as SVG."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    with (
        tempfile.TemporaryDirectory(prefix="t3safe-picture-") as folder,
        EmbeddedHost(Path(folder), RESIDENTS) as host,
    ):
        host.adopt(FIRST)
        for release in (GOOD, BAD):
            host.publish(release, tag="nightly")
            _show(console, host, "run")
        _show(console, host, "status")
    drawn = console.export_svg(title="t3safe", theme=DIMMED_MONOKAI, unique_id="run")
    return FONTS.sub("", drawn).replace("Fira Code", "ui-monospace")


def _show(console: Console, host: EmbeddedHost, command: str) -> None:
    status, seen = _at_a_terminal(host, command)
    console.print(Text(f"$ t3safe {command}", style="bold cyan"))
    for line in TAKEN_BACK.sub("", CURSOR.sub("", seen)).rstrip().split("\n"):
        kept = OVERWRITTEN.sub("", line.rstrip("\r"))
        console.print(Text.from_ansi(kept))
    console.print(Text(f"exit {status}\n", style="dim"))


def _at_a_terminal(host: EmbeddedHost, command: str) -> tuple[int, str]:
    """Run a command at a terminal of its own; gives its status and all that was written there."""
    ours, theirs = os.openpty()
    running = subprocess.Popen(
        [*SAFE, "--config", str(host.config_file), command],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=host.environment | {"TERM": "xterm-256color", "COLUMNS": str(WIDTH), "LINES": "60"},
        cwd=host.root,
    )
    os.close(theirs)
    seen = bytearray()
    with suppress(OSError):  # how Linux says that nobody is at the other end any more
        while chunk := os.read(ours, 65536):
            seen += chunk
    os.close(ours)
    return running.wait(), seen.decode()


def main() -> None:
    """Write the picture to the file that is named."""
    Path(sys.argv[1]).write_text(picture(), encoding="utf-8")


if __name__ == "__main__":
    main()

"""A process that behaves as a serve does towards a service manager.  Standard library only.

    python plain_serve.py [ignores-term] [agent=PROGRAM] [detached=PROGRAM]

It exits with 130 on SIGTERM.  `agent` is started below it, `detached` in a session of its own.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys


def main(words: list[str]) -> None:
    """Behave."""
    for word in words:
        name, _, program = word.partition("=")
        if name in {"agent", "detached"}:
            subprocess.Popen([program], start_new_session=name == "detached")
    if "ignores-term" in words:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    else:
        signal.signal(signal.SIGTERM, lambda *_: os._exit(130))
    while True:
        signal.pause()


if __name__ == "__main__":
    main(sys.argv[1:])

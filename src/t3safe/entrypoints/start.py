"""Where the program starts: the last answer again, or the whole command line."""

from __future__ import annotations

import os
import sys
import time

from t3safe.entrypoints import output
from t3safe.entrypoints.standstill import given_again


def main() -> None:
    """Start the program."""
    sys.exit(output.run(_begun))


def _begun() -> None:
    status = given_again(sys.argv[1:], os.environ, time.time())
    if status is not None:
        sys.exit(status)
    from t3safe.entrypoints.cli import main as whole  # noqa: PLC0415 - most ticks need none of it

    whole()


if __name__ == "__main__":
    main()

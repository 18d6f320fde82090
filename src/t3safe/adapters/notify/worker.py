"""The child process that speaks to the ends: `python -m t3safe.adapters.notify.worker`.

It reads one JSON list from its standard input and prints `[number, why]` for each end as soon
as that is known.  Of what Apprise logs it keeps a status of HTTP and nothing else: the rest may
name a host, a user or a token.
"""

from __future__ import annotations

import json
import os
import re
import sys
import threading
from typing import Any, Final

import apprise

_STATUS: Final = re.compile(r"\berror=(\d{3})\b")
_ANSWERS = threading.Lock()


def main() -> None:
    """Send what standard input says."""
    jobs = json.load(sys.stdin)
    threads = [
        threading.Thread(target=_tell, args=(number, job), daemon=True)
        for number, job in enumerate(jobs)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sys.stdout.flush()
    # Whatever a service left running must not keep whoever waits.
    os._exit(0)


def _tell(number: int, job: dict[str, Any]) -> None:
    try:
        why = _error_of(job)
    except Exception as error:  # noqa: BLE001 - one end's error is its own
        why = f"failed ({type(error).__name__})"
    with _ANSWERS:
        print(json.dumps([number, why]), flush=True)  # noqa: T201 - it is the answer


def _error_of(job: dict[str, Any]) -> str:
    """Send one letter; why it did not go out, empty where it did."""
    sender = apprise.Apprise()
    if not sender.add(job["url"]):
        return "the URL is not one that Apprise understands"
    if not job["body"]:
        return ""
    kind = apprise.NotifyType.FAILURE if job["urgent"] else apprise.NotifyType.WARNING
    body_format = apprise.NotifyFormat.TEXT.value
    result = sender.notify(job["body"], job["title"], kind, body_format)
    if result:
        return ""
    logged = (_STATUS.search(entry.message) for entry in result.logs())
    statuses = [found[1] for found in logged if found]
    return f"it answered {statuses[-1]}" if statuses else "it was not reached, or took nothing"


if __name__ == "__main__":
    main()

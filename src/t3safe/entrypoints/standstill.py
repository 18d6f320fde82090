"""The last answer of a timer's run, given again while all it was drawn from stands still.

Most ticks of a timer find nothing to do.  What a run answers then is a function of a few files,
of the environment and of where the registry's tag points.  As long as none of these has changed
the answer is the same one, and to look at them costs a tenth of what it costs to draw it anew.

Rules:

1. Only "frozen" and "nothing to do" without a warning are kept, and only where neither a clock
   nor another end (metrics, notifications) is asked.  Whatever else a run answers is drawn anew
   each time.
2. An answer is kept only where its sources were the same before and after it was drawn, and have
   been so for longer than a file system's clock takes to tick.
3. What is gone, new, unreadable or different in any source means that the answer is drawn anew;
   so does anything that the registry says but the one tag that was answered.
4. An answer is given again for a day at most.

This module is imported before anything else, so it imports next to nothing.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

FORMAT = "t3safe standstill 1"
FOLDER = "/var/lib/t3-autoupdate"
"""Where answers are kept unless `T3_STATE_DIR` names another folder."""
COMMANDS = {"run": "t3-autoupdate", "drain": "t3-migrate-idle"}
"""The commands of timers, with the identifier under which each speaks to the system log."""
STEERING = ("HOME", "PATH", "PREFIX", "TZ")
PREFIXES = ("t3_", "t3safe_", "npm_config_")
"""Variables that change what a run answers, by their name or how it begins."""
PROXIES = ("http_proxy", "https_proxy", "all_proxy")
AGE_MAX = 86_400.0
"""Seconds for which an answer is given again; npm is asked where the registry is as often."""
RACY = 2.0
"""Seconds for which a file must have stood still before its times prove anything."""
PATIENCE = 5.0
"""Seconds for the registry; where it takes longer the run asks again, with more patience."""
TAGS_BYTES_MAX = 1024**2


def given_again(words: list[str], environment: Mapping[str, str], now: float) -> int | None:
    """Say the last answer again and give its exit status; None where it must be drawn anew.

    `words` are those of the command line, without the program; `now` is in seconds since the epoch.
    """
    command = command_of(words)
    if not command or sys.stdout.isatty():
        return None
    try:
        with open(place(environment, command), encoding="utf-8") as handle:  # noqa: PTH123 - cheap
            lines = handle.read().split("\n")
        head, asked, status, level, at, url, cafile, tag, text = lines[:9]
        if head != FORMAT or asked != repr(words) or not 0 <= now - float(at) < AGE_MAX:
            return None
        if lines[9] != steering(environment) or not all(map(_stands, filter(None, lines[10:]))):
            return None
        if url and not _still_tagged(url, cafile, tag, environment):
            return None
        _say(command, text, alarming=level == "alert")
        _mark(place(environment, command))
        return int(status)
    except (OSError, ValueError):
        return None


def command_of(words: list[str]) -> str:
    """Give the command where it is a timer's and nothing else is asked for; empty otherwise."""
    match words:
        case [command] | ["--config", _, command] if command in COMMANDS:
            return command
    return ""


def place(environment: Mapping[str, str], command: str) -> str:
    """Where the answer to a command is kept."""
    folder = environment.get("T3_STATE_DIR") or FOLDER
    return f"{folder}/standstill-{command}"


def steering(environment: Mapping[str, str]) -> str:
    """Put what steers a run in its environment in one line, with who runs what of t3safe."""
    named = (
        f"{name}={value!r}"
        for name, value in sorted(environment.items())
        if name in STEERING or name.lower().startswith(PREFIXES)
    )
    return f"{os.geteuid()} {sys.executable} {' '.join(named)}"


def signature(path: str) -> str:
    """Tell in one word what a path is now; two that are the same mean that nothing changed.

    A link is told by where it leads, a folder by its own times: what is in it comes and goes with
    them.  `-` where nothing is there.  Raises OSError where it may not be looked at.
    """
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return "-"
    times = f"{found.st_mode:o}:{found.st_ino}:{found.st_size}:{found.st_mtime_ns}"
    return f"{times}:{found.st_ctime_ns}"


def signatures(paths: Iterable[str]) -> Iterator[str]:
    """Give a line for each source; none of the paths holds a newline."""
    for path in paths:
        yield f"{signature(path)} {path}"


def _stands(line: str) -> bool:
    told, _, path = line.partition(" ")
    return signature(path) == told


def _still_tagged(url: str, cafile: str, tag: str, environment: Mapping[str, str]) -> bool:
    """Ask the registry where the tag points: `url` is that of the tags, `tag` is `name=version`."""
    if any(environment.get(name) or environment.get(name.upper()) for name in PROXIES):
        return False
    import http.client  # noqa: PLC0415 - not where the host is frozen
    import json  # noqa: PLC0415 - the same

    scheme, _, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    connection = http.client.HTTPConnection(host, timeout=PATIENCE)
    if scheme != "http":
        import ssl  # noqa: PLC0415 - not where the registry is a plain one

        trusted = ssl.create_default_context(cafile=cafile or None)
        connection = http.client.HTTPSConnection(host, timeout=PATIENCE, context=trusted)
    try:
        connection.request("GET", slash + path, headers={"Accept": "application/json"})
        answer = connection.getresponse()
        body = answer.read(TAGS_BYTES_MAX)
        name, _, version = tag.partition("=")
        return answer.status == http.client.OK and json.loads(body)[name] == version
    except (http.client.HTTPException, KeyError, TypeError):
        return False
    finally:
        connection.close()


def _mark(answer: str) -> None:
    """Note beside the kept answer that the command ended, as `adapters.ended` does."""
    folder, _, name = answer.rpartition("/")
    try:
        os.utime(f"{folder}/{name.replace('standstill', 'ended')}")
    except OSError:
        return


def _say(command: str, text: str, *, alarming: bool) -> None:
    """Say the answer as the run said it: on standard output, and by hand as root in the log."""
    by_hand = os.geteuid() == 0 and "JOURNAL_STREAM" not in os.environ
    if by_hand and os.path.exists("/dev/log"):  # noqa: PTH110 - cheap
        import syslog  # noqa: PLC0415 - under a unit the service manager reads the output

        syslog.openlog(COMMANDS[command], syslog.LOG_PID, syslog.LOG_DAEMON)
        syslog.syslog(syslog.LOG_ERR if alarming else syslog.LOG_INFO, text)
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()

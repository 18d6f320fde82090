"""Findings of `doctor`: a precondition, how it stands, and the command that fixes it.

Rules:

1. Facts come in as values; nothing here reads the host.
2. A finding that is not ok names what was seen and what fixes it.
3. What could not be checked is unknown, never ok.
4. A cause is reported once: a check that could not be made for a cause that another check reports
   is skipped, and says so.
"""

from __future__ import annotations

from enum import StrEnum

from attrs import frozen


class Health(StrEnum):
    """How a precondition stands."""

    OK = "ok"
    WARNING = "warning"
    UNKNOWN = "unknown"
    PROBLEM = "problem"


class Precondition(StrEnum):
    """The preconditions, in the order of the report."""

    NPM = "npm"
    NODE = "node"
    PROGRAM = "program"
    REGISTRY = "registry"
    LAUNCHER = "launcher"
    INSTALLERS = "installers"
    UPDATER = "updater"
    DISPATCH = "dispatch"
    COOKIES = "cookies"
    PATHS = "paths"
    PROTOCOLS = "protocols"
    UNITS = "units"
    TIMERS = "timers"
    HOOKS = "hooks"
    USERS = "users"
    SANDBOX = "sandbox"
    USER_MAP = "user-map"
    SERVES = "serves"
    DATA = "data"
    GENERATIONS = "generations"
    DISK = "disk"
    LOAD = "load"
    CLOCK = "clock"
    JOURNAL = "journal"
    NOTES = "notes"
    UNFINISHED = "unfinished"
    SNAPSHOTS = "snapshots"
    FOLDERS = "folders"
    NOTIFICATIONS = "notifications"
    FLEET = "fleet"


@frozen
class Finding:
    """One conclusion; `fix` is empty when nothing needs a fix."""

    check: Precondition
    level: Health
    seen: str
    fix: str = ""

    @property
    def cause(self) -> str:
        """What was seen, without the advice that an error may end with."""
        return self.seen.partition("; ")[0]


def ok(check: Precondition, seen: str) -> Finding:
    """Conclude that a precondition holds."""
    return Finding(check, Health.OK, seen)


def unknown(check: Precondition, why: str) -> Finding:
    """Conclude that the state is unknown (rule 3)."""
    fix = "run `t3safe doctor` as the user that runs t3safe; fix what the line names"
    return Finding(check, Health.UNKNOWN, why, fix)


def problem(check: Precondition, seen: str, fix: str) -> Finding:
    """Conclude that a precondition fails."""
    return Finding(check, Health.PROBLEM, seen, fix)


def warning(check: Precondition, seen: str, fix: str) -> Finding:
    """Conclude that a person should look."""
    return Finding(check, Health.WARNING, seen, fix)


def without_repeats(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """Report each cause once, as a problem where it is one (rule 4)."""
    first = {found.cause: found for found in reversed(findings)}
    first |= {found.cause: found for found in findings if found.level is Health.PROBLEM}
    return tuple(
        Finding(
            found.check,
            Health.UNKNOWN,
            f"{SKIPPED}{found.cause}",
            f"see {first[found.cause].check}",
        )
        if found.level is Health.UNKNOWN and first[found.cause] is not found
        else found
        for found in findings
    )


SKIPPED = "skipped: "


def worst(findings: tuple[Finding, ...]) -> Health:
    """Give the most serious level: a problem before unknown, before a warning."""
    order = (Health.OK, Health.WARNING, Health.UNKNOWN, Health.PROBLEM)
    return max((found.level for found in findings), key=order.index, default=Health.OK)

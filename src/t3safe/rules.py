"""Build the rules and limits from the settings, for real and replayed hosts."""

from __future__ import annotations

from datetime import timedelta

from attrs import frozen

from t3safe.configuration import Settings
from t3safe.domain import effects as fx
from t3safe.domain import events as ev
from t3safe.domain.lockfile import SharedLock
from t3safe.domain.policy import Policy, Skip, Window
from t3safe.domain.pressure import PressureLimits
from t3safe.domain.versions import Version
from t3safe.interpreter import Limits
from t3safe.usecases.host import Rules


@frozen
class AlwaysPermitted:
    """The local Permit: this host coordinates with no other."""

    ring: str = ""

    def may_start(self, plan: ev.Plan) -> Skip | None:  # noqa: ARG002 - the port's shape
        """Let every rollout start."""
        return None

    def lock_of(self, build: Version) -> SharedLock | None:  # noqa: ARG002 - the port's shape
        """Know of no lock file: nobody published one."""
        return None

    def take_slot(self, wanted: fx.TakeSlot) -> ev.SlotTaken:  # noqa: ARG002 - the port's shape
        """Give a slot to whoever asks; no plan of a host of its own does."""
        return ev.SlotTaken(0)

    def send(self) -> tuple[str, ...]:
        """Send nothing: nobody listens."""
        return ()

    def membership(self) -> None:
        """Belong to no fleet."""


def pressure_limits(settings: Settings) -> PressureLimits:
    """Return the limits above which the host counts as loaded."""
    pressure = settings.pressure
    return PressureLimits(cpu=pressure.cpu_max, io=pressure.io_max, load=pressure.load_max)


def limits(settings: Settings) -> Limits:
    """Return the idle and retention limits of effects."""
    return Limits(
        quiet=timedelta(seconds=settings.rollout.quiet),
        snapshots_keep=settings.retention.snapshots,
        snapshots_bytes_max=settings.retention.snapshot_bytes,
        builds_keep=settings.retention.builds,
    )


def rules(settings: Settings) -> Rules:
    """Return the rules for planning runs."""
    policy = settings.policy
    window = Window(policy.window.opens, policy.window.closes) if policy.window else None
    return Rules(
        policy=Policy(
            track=settings.track,
            pin=Version.parse(settings.pin) if settings.pin else None,
            age_min=timedelta(days=policy.age_min_days),
            window=window,
        ),
        bake=settings.rollout.bake,
        attempts_max=settings.rollout.attempts_max,
        on_person_failure=policy.on_person_failure,
        stale_after=timedelta(days=policy.stale_days),
        deferred_max=timedelta(days=policy.deferred_max_days),
        journal_keep=timedelta(days=settings.retention.journal_days),
    )

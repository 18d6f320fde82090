"""Which snapshots are kept and why, and the giving up of the others by hand.

Rules are those of `domain.retention`.
"""

from __future__ import annotations

from t3safe.domain.errors import StateError
from t3safe.domain.retention import Judged, judged, ways_back
from t3safe.operations import Host


def judge(host: Host, person: str) -> tuple[Judged, ...]:
    """Tell of each snapshot of a person whether it is kept, oldest first; looks only.

    Raises BuildError; StateError also while a run is unfinished: its rollback points are in use.
    """
    unfinished = host.engine.journal.unfinished()
    if unfinished is not None:
        message = f"cannot prune the snapshots of {person}: run {unfinished} is unfinished"
        raise StateError(f"{message}; `t3safe recover` settles it")
    infos = host.perform.states.snapshots(person)
    stored = tuple(info.stored for info in infos)
    ways = ways_back(((info.stored, info.build) for info in infos), host.perform.builds.present())
    limits = host.perform.limits
    return judged(
        stored, {**ways, **host.pins(person)}, limits.snapshots_keep, limits.snapshots_bytes_max
    )


def prune(host: Host, person: str) -> tuple[Judged, ...]:
    """Give up what `judge` does not keep; done again it gives up nothing more.

    Raises StateError; what was given up until then stays given up.
    """
    found = judge(host, person)
    for item in found:
        if not item.kept:
            host.perform.states.remove(person, item.stored.id)
    return found

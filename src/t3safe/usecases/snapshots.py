"""Judge which snapshots are kept and why; prune the others by hand.

Rules are those of `domain.retention`.
"""

from __future__ import annotations

from t3safe.domain.errors import PersonalDataError
from t3safe.domain.retention import Judged, judged, ways_back
from t3safe.usecases.host import Host
from t3safe.usecases.rollback import pins


def judge(host: Host, person: str) -> tuple[Judged, ...]:
    """Judge each snapshot of a person, oldest first; change nothing.

    Raises BuildError; PersonalDataError, also while a run is unfinished: its rollback points are in
    use.
    """
    unfinished = host.ports.journal.unfinished()
    if unfinished is not None:
        message = f"cannot prune the snapshots of {person}: run {unfinished} is unfinished"
        raise PersonalDataError(f"{message}; `t3safe recover` settles it")
    infos = host.ports.personal_data.snapshots(person)
    stored = tuple(info.stored for info in infos)
    ways = ways_back(((info.stored, info.build) for info in infos), host.ports.builds.present())
    pinned = {**ways, **pins(host, person)}
    return judged(stored, pinned, host.limits.snapshots_keep, host.limits.snapshots_bytes_max)


def prune(host: Host, person: str) -> tuple[Judged, ...]:
    """Remove the snapshots that `judge` does not keep; a second call removes nothing more.

    Raises PersonalDataError; snapshots removed before the error stay removed.
    """
    found = judge(host, person)
    for item in found:
        if not item.kept:
            host.ports.personal_data.remove(person, item.stored.id)
    return found

"""Which snapshots are kept and why; pruning the others by hand.

Rules are those of `domain.retention`.
"""

from __future__ import annotations

from t3safe.domain.errors import PersonalDataError
from t3safe.domain.retention import Judged, judged, ways_back
from t3safe.usecases.host import Host
from t3safe.usecases.rollback import pins


def judge(host: Host, person: str) -> tuple[Judged, ...]:
    """Say of each snapshot of a person whether it is kept, oldest first; looks only.

    Raises BuildError; PersonalDataError also while a run is unfinished: its rollback points are in
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
    """Remove the snapshots that `judge` does not keep; done again it removes nothing more.

    Raises PersonalDataError; what was removed until then stays removed.
    """
    found = judge(host, person)
    for item in found:
        if not item.kept:
            host.ports.personal_data.remove(person, item.stored.id)
    return found

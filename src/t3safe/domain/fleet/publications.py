"""Publications: what a host tells the others, as transactions that may be sent more than once.

Rules:

1. A verdict and a lock file are created and never replaced.  NOT_MET means that the record was
   there before: for a verdict that is as good as DONE.
2. The first lock file of a build is the one that all hosts install from.
3. A host writes its own report only, and only while it is in the fleet.
"""

from __future__ import annotations

from t3safe.domain.fleet.records import (
    FleetVerdict,
    HostReport,
    PublishedLock,
)
from t3safe.domain.fleet.view import (
    Change,
    Expected,
    Transaction,
    View,
    host_key,
    lock_file_key,
    lock_key,
    verdict_key,
)
from t3safe.domain.lockfile import LockFile
from t3safe.domain.versions import Version


def publish_verdict(verdict: FleetVerdict) -> Transaction:
    """Return the transaction that publishes a verdict (rule 1)."""
    key = verdict_key(verdict)
    return Transaction((Expected(key, 0),), (Change(key, verdict),))


def publish_lock(build: Version, host: str, file: LockFile) -> Transaction:
    """Return the transaction that publishes the lock file of a build; not met if one is there."""
    key, published = lock_key(build), PublishedLock(build, file.digest, host)
    changes = Change(key, published), Change(lock_file_key(file.digest), file)
    return Transaction((Expected(key, 0),), changes)


def publish_report(view: View, report: HostReport) -> Transaction | None:
    """Return the transaction that replaces a host's report, None if it is not its own (rule 3)."""
    own = view.hosts.get(report.host)
    if own is None or own.install != report.install:
        return None
    key = host_key(report.host)
    return Transaction((view.expect(key),), (Change(key, report),))

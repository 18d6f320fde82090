"""Sign-ins in flight at the fence, on a real host: nobody is stranded by one that opens late."""

from __future__ import annotations

from pathlib import Path

from fakes.inflight import attempt


def test_a_sign_in_that_opens_late_does_not_migrate_the_restored_data(tmp_path: Path) -> None:
    """One begins every half second while the failing build is selected, and takes two.

    The person signs in on the old build and the old data, the build is refused, the host is frozen
    and the next run moves nobody.
    """
    tried = attempt(tmp_path, 2.0, every=0.5)
    assert tried.wrong == "", tried

"""Exit statuses: what a timer, a script or a monitor learns without reading a line.

| status | meaning |
|---|---|
| 0 | done, or nothing to do |
| 1 | a defect of t3safe itself |
| 2 | usage or configuration: nothing was done |
| 10 | frozen: a person must look and thaw |
| 11 | refused: a guard or the gate said no, for the build or for one person |
| 12 | later: nothing is proven either way, or interrupted; the next run tries again |
| 13 | rolled back: the build failed in production, the host is frozen |
| 14 | gate broken: nothing is held against the build |
| 15 | needs a human |
| 16 | locked: another t3safe is running on this host |
| 17 | newer: a newer t3safe wrote the journal; nothing was done |
"""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """The statuses with which a command ends."""

    OK = 0
    DEFECT = 1
    USAGE = 2
    FROZEN = 10
    REFUSED = 11
    LATER = 12
    ROLLED_BACK = 13
    GATE_BROKEN = 14
    NEEDS_HUMAN = 15
    LOCKED = 16
    NEWER = 17

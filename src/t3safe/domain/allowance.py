"""What a rehearsal is allowed: a base, and more with the size of the set it is held on.

Rules:

1. Each limit is a base, for a set of no size, and so much more for each GiB of the set.
2. A limit that ran out says which settings it came from: a set may need more than the default.
3. A serve that was killed in a unit, or whose heap was exhausted, names the limit of memory: the
   kernel kills at it, and node sizes its heap by it.
"""

from __future__ import annotations

from typing import Final

from attrs import frozen

from t3safe.domain.text import size
from t3safe.t3 import serve_log

GIB: Final = 1024**3
DEADLINE: Final = "`gate.deadline`, `gate.deadline_per_gib`"
"""The settings of a limit, as messages name them."""
MEMORY: Final = "`gate.memory_max`, `gate.memory_max_per_gib`"
_KILLED: Final = frozenset({-9, 137})
_ABORTED: Final = frozenset({-6, 134})


@frozen
class Allowance:
    """A limit in seconds or bytes: `base`, and `per_gib` more for each GiB of a set."""

    base: float
    per_gib: float = 0.0

    def of(self, size: int) -> float:
        """Give the limit for a set of so many bytes."""
        return self.base + self.per_gib * max(0, size) / GIB


def memory_words(exited: int, said: str, memory_max: int) -> str:
    """Say what a serve's end has to do with its limit of memory (rule 3); empty where nothing has.

    `memory_max` is in bytes, 0 where there was no limit.
    """
    if not memory_max:
        return ""
    limit = f"its limit is {size(memory_max)} ({MEMORY})"
    if exited in _KILLED:
        return f"it was killed, perhaps for memory: {limit}"
    if exited in _ABORTED or serve_log.is_out_of_memory(said):
        return f"its heap follows its limit of memory: {limit}"
    return ""

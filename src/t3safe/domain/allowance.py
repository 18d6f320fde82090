"""The time and memory limits of a rehearsal, which grow with the size of the data.

Rules:

1. Each limit is a base, for empty data, and an addition for each GiB of the data.
2. An exceeded limit names its settings: large data may need more than the default.
3. When a serve was killed in a unit, or its heap was exhausted, the message names the memory limit:
   the kernel kills at it, and node sizes its heap by it.
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
    """A limit in seconds or bytes: `base`, and `per_gib` more for each GiB of data."""

    base: float
    per_gib: float = 0.0

    def of(self, size: int) -> float:
        """Return the limit for data of `size` bytes."""
        return self.base + self.per_gib * max(0, size) / GIB


def memory_words(exited: int, said: str, memory_max: int) -> str:
    """Say how the memory limit caused a serve's end (rule 3); empty when it did not.

    `memory_max` is in bytes, 0 for no limit.
    """
    if not memory_max:
        return ""
    limit = f"its limit is {size(memory_max)} ({MEMORY})"
    if exited in _KILLED:
        return f"it was killed, perhaps for memory: {limit}"
    if exited in _ABORTED or serve_log.is_out_of_memory(said):
        return f"its heap follows its limit of memory: {limit}"
    return ""

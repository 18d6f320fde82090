"""Whether others may change what lies at a path: asked before it is believed or written."""

from __future__ import annotations

import os
import stat
from typing import Final

_OTHERS: Final = stat.S_IWGRP | stat.S_IWOTH


def others_write(found: os.stat_result, *, sticky: bool = False) -> bool:
    """Whether others than the owner may write a file, or make and replace names in a folder.

    With `sticky` a sticky folder is accepted: others replace in it only what is theirs.
    """
    kept = sticky and found.st_mode & stat.S_ISVTX
    return bool(found.st_mode & _OTHERS) and not kept

"""Launchers of the embedded host, where all people share one OS user.

There the calling user says nothing, so each person has a launcher of their own with the name fixed
in its text.  The production launcher has no such way.
"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Final

from t3safe.adapters._support import layout
from t3safe.adapters.selection.launcher import TAKE_LOCK
from t3safe.domain.errors import SelectionError
from t3safe.domain.people import valid_person

_FIXED: Final = """\
#!/bin/sh
# Runs the t3 build that is selected for one person of an embedded host.
store=@STORE@
lock=@LOCK@
@TAKE@
selected=@SELECTED@
if ! [ -e "$selected" ] && ! [ -L "$selected" ]; then
  selected=@DEFAULT@
fi
program=$(readlink -f "$selected")/@PROGRAM@
if ! [ -x "$program" ]; then
  echo "t3: no build is selected ($selected); look with: t3safe status" >&2
  exit 78
fi
exec "$program" "$@"
"""


def render_fixed_launcher(store: Path, person: str) -> str:
    """Give the text of the launcher of one person.

    Raises SelectionError for a name that cannot be a person's.
    """
    if not valid_person(person):
        message = f"cannot write a launcher for {person!r}: not a person's name"
        raise SelectionError(message)
    text = _FIXED.replace("@TAKE@", TAKE_LOCK).replace("@PROGRAM@", layout.PROGRAM)
    for mark, path in (
        ("@SELECTED@", store / "users" / person),
        ("@DEFAULT@", store / "default"),
        ("@STORE@", store),
        ("@LOCK@", store / layout.LOCKS / person),
    ):
        text = text.replace(mark, shlex.quote(str(path)))
    return text

"""The launcher, `/usr/bin/t3`: a few lines of sh that execute the caller's selected build.

Rules:

1. The caller's OS user alone decides; no argument and no variable of the environment does.
2. It executes `layout.PROGRAM` below `<store>/builds/<version>`, with the links of the selection
   resolved, so that the process's command line names its build and a later change of the
   selection never moves a running process to another build.
3. Where nothing is selected it says so and ends with 78 (EX_CONFIG); where the caller is unknown,
   or has a name that `domain.people` does not take, with 70 (EX_SOFTWARE): t3safe could not give
   them a link, so they run nothing.
4. Root is refused with 77 (EX_NOPERM): a nightly's code never runs as root.
5. While a person is fenced the stub runs in place of a build and ends with 75 (EX_TEMPFAIL).
6. A person without a link of their own runs the default once, and from then on the build that
   opened their data last: it is noted in their base directory, which is theirs.  So a default that
   moves does not move a person whom t3safe cannot see.  Data without a note was opened by what was
   the default when this launcher came.  Where nothing can be noted beside data: 73 (EX_CANTCREAT).
7. It takes the caller's start lock (`locks.py`) shared before it reads the selection, and keeps it
   across `exec`, as descriptor 9.  While a move has the lock it waits a moment, then ends with 75;
   where the lock cannot be opened or taken at all, with 70.

The figures are those of sysexits.h.
"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Final

from t3safe.adapters._support import layout
from t3safe.adapters._support.personaldata import NOTE
from t3safe.domain import people
from t3safe.t3.files import BASE_TEMPLATE, HOME_BASE, USERDATA

_LAUNCHER: Final = """\
#!/bin/sh
# Runs the t3 build that is selected for the calling user.  Kept by t3safe: `t3safe status` shows
# who runs what, and every run puts this file back where another installer replaced it.
store=@STORE@
if [ "$(/usr/bin/id -u)" = 0 ]; then
  echo "t3: root runs no t3; use: runuser -u USER -- t3 ..." >&2
  exit 77
fi
person=$(/usr/bin/id -un) || person=
case ${person%"$"} in '' | [!@FIRST@]* | *[!@REST@]*) person= ;; esac
case $person in root) person= ;; *[!0-9]*) ;; *) person= ;; esac
if [ -z "$person" ] || [ "${#person}" -gt @MAX@ ]; then
  echo "t3: cannot tell who is calling (user '$(/usr/bin/id -un)'); nothing was started" >&2
  exit 70
fi
lock=$store/@LOCKS@/$person
@TAKE@
selected=$store/users/$person
if ! [ -e "$selected" ] && ! [ -L "$selected" ]; then
  selected=$store/default
@KEEP@
fi
program=$(/usr/bin/readlink -f "$selected")/@PROGRAM@
if ! [ -x "$program" ]; then
  echo "t3: no build is selected for $person ($selected); ask an administrator: t3safe status" >&2
  exit 78
fi
exec "$program" "$@"
"""

_KEEP: Final = """\
  if [ -d "$selected" ]; then
    build=$(/usr/bin/readlink -f "$selected")
    build=${build##*/}
    home=$(/usr/bin/getent passwd "$person")
    home=${home%:*}
    home=${home##*:}/@HOME_BASE@
    base=@BASE@
    if ! [ -d "$base/@USERDATA@" ] && [ -d "$home/@USERDATA@" ]; then base=$home; fi
    first= era=
    if [ -f "$store/@FIRST_DEFAULT@" ]; then read -r first era <"$store/@FIRST_DEFAULT@"; fi
    here= noted=
    for note in "$home/@NOTE@" @BASE@/@NOTE@ "$base/@NOTE@"; do
      if [ -f "$note" ]; then
        read -r here of <"$note"
        if [ "$of" = "$era" ]; then noted=$here; else here=; fi
      else
        here=
      fi
    done
    if [ -d "$base/@USERDATA@" ]; then
      wanted=${noted:-$first}
      case $wanted in '' | .* | *[!A-Za-z0-9.-]*) wanted=$build ;; esac
      build=$wanted
      selected=$store/@BUILDS@/$build
    fi
    if [ "$here" != "$build" ]; then
      {
        /bin/mkdir -p "$base" && echo "$build $era" >"$note.$$" && /bin/mv -fT "$note.$$" "$note"
      } 2>/dev/null ||
        if [ -d "$base/@USERDATA@" ]; then
          echo "t3: cannot note in $note which build opens your data; nothing was started" >&2
          exit 73
        fi
    fi
  fi"""
"""Keeps a caller without a link on the build that opened their data last (rule 6), in sh.

The last note that is read is the one beside the data, where it is written.  A note of another era,
from before t3 was given back and adopted again, counts as none.
"""

_UPDATED: Final = "t3 is being updated, try again in a minute"
STUB: Final = f"""\
#!/bin/sh
echo "{_UPDATED}" >&2
exit 75
"""
"""What runs in place of a build while a person is fenced."""
LOCK_SECONDS: Final = 10
"""How long a start waits for a move to give the lock back: a person is away for some seconds."""
TAKE_LOCK: Final = f"""\
[ -r "$lock" ] || lock=$store/{layout.DEFAULT_LOCK}
if [ -r "$lock" ]; then
  exec 9<"$lock"
  flock -s -w {LOCK_SECONDS} -E 75 9
  case $? in
    0) ;;
    75)
      echo "{_UPDATED}" >&2
      exit 75 ;;
    *)
      echo "t3: the start lock $lock cannot be taken; tell an administrator" >&2
      exit 70 ;;
  esac
elif [ -e "$store/default" ]; then
  echo "t3: the start lock $lock cannot be opened; ask an administrator: t3safe run" >&2
  exit 70
fi"""
"""Takes the start lock that `$lock` names, in sh; before the first adoption there is none.

A person who cannot open their lock (a copy of the store without access control lists) starts all
the same: with the lock of the default, whose holders are told apart by their user.
"""


def render_launcher(store: Path, base: str = BASE_TEMPLATE) -> str:
    """Give the text of the production launcher for a store with this absolute path.

    `base` is the template of base directories.
    """
    where = '"$person"'.join(shlex.quote(part) for part in base.split("{person}"))
    filled = {
        "@KEEP@": _KEEP,
        "@BASE@": where,
        "@HOME_BASE@": HOME_BASE,
        "@USERDATA@": USERDATA,
        "@NOTE@": NOTE,
        "@FIRST_DEFAULT@": layout.FIRST_DEFAULT,
        "@BUILDS@": layout.BUILDS,
        "@STORE@": shlex.quote(str(store)),
        "@PROGRAM@": layout.PROGRAM,
        "@LOCKS@": layout.LOCKS,
        "@TAKE@": TAKE_LOCK.replace("flock", "/usr/bin/flock"),
        "@FIRST@": people.NAME_FIRST,
        "@REST@": people.NAME_REST,
        "@MAX@": str(people.NAME_MAX),
    }
    text = _LAUNCHER
    for mark, value in filled.items():
        text = text.replace(mark, value)
    return text

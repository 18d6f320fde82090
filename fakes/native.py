"""Compiles the native program of the fake t3: an ELF file that is itself the running process.

It loads Python's shared library and runs `fakes.t3.app` beside it, so that the executable of a
serve, its signals and its process id are those of a native program.  Library and interpreter are
stamped into it: it runs on the machine that compiled it.

It takes a C compiler and the shared library of the Python that packs, and says so where one is
missing: a script in its place would prove nothing.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import sysconfig
import tempfile
from functools import cache
from pathlib import Path
from typing import Final

ARCHITECTURE: Final = {"aarch64": "arm64"}.get(platform.machine(), "x64")
"""As npm calls that of this machine."""
LIBRARY: Final = "libt3-needs.so.1"
"""What a program with the fault `needs-library` needs."""
_LOADERS: Final = (b"/lib64/ld-linux-x86-64.so.2", b"/lib/ld-linux-aarch64.so.1")
_MACHINES: Final = {62: 183, 183: 62}
"""x86-64 and AArch64 in `e_machine` of elf(5), each with the other one."""
_CODE: Final = (
    "import sys; sys.path.insert(0, sys.argv[1] + '/lib'); "
    "from fakes.t3.app.main import main; main(sys.argv[1], sys.argv[2:])"
)
_SOURCE: Final = """\
#define _GNU_SOURCE
#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int count, char **given)
{
\tstatic char folder[PATH_MAX];
\tssize_t length = readlink("/proc/self/exe", folder, sizeof folder - 1);
\tvoid *python = dlopen(LIBPYTHON, RTLD_NOW | RTLD_GLOBAL);
\tchar **words = calloc(count + 5, sizeof *words);
\tint (*run)(int, char **);

\tif (!python) {
\t\tfprintf(stderr, "the fake t3 cannot load its library: %s\\n", dlerror());
\t\treturn 127;
\t}
\trun = (int (*)(int, char **))dlsym(python, "Py_BytesMain");
\tif (length < 0 || !run || !words || count < 1)
\t\treturn 127;
\t*strrchr(folder, '/') = 0;
\twords[0] = INTERPRETER;
\twords[1] = "-IBS";
\twords[2] = "-c";
\twords[3] = CODE;
\twords[4] = folder;
\tmemcpy(words + 5, given + 1, (count - 1) * sizeof *words);
\treturn run(count + 4, words);
}
"""


class CannotCompileError(Exception):
    """Raised where this machine lacks what the native program takes; the text says what."""


def interpreter() -> str:
    """Find the interpreter that a packed program runs on: never that of a virtual environment."""
    return os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable)


def library() -> Path:
    """Find Python's shared library; raises CannotCompileError."""
    said = {name: str(sysconfig.get_config_var(name) or "") for name in ("LIBDIR", "MULTIARCH")}
    name = f"libpython{sysconfig.get_config_var('LDVERSION')}.so.1.0"
    folders = (Path(interpreter()).parent.parent / "lib", Path(said["LIBDIR"]))
    for folder in (place for at in folders for place in (at, at / said["MULTIARCH"])):
        if (folder / name).is_file():
            return folder / name
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    message = (
        f"the native fake t3 needs {name}, the shared library of {interpreter()}; "
        f"where that is Debian's: apt-get install libpython{version}"
    )
    raise CannotCompileError(message)


@cache
def program(fault: str = "") -> bytes:
    """Compile the program, with one of the faults of `fakes.packages.PLATFORM_FAULTS`.

    Faults that are not of the file itself change nothing.  Raises CannotCompileError.
    """
    with tempfile.TemporaryDirectory(prefix="fake-t3-") as scratch:
        folder = Path(scratch)
        more: tuple[str, ...] = ()
        if fault == "needs-library":
            (folder / "needed.c").write_text("int needed;\n", encoding="ascii")
            name = f"-Wl,-soname,{LIBRARY}"
            _compile(folder, "-shared", name, "-o", "needed.so", "needed.c")
            more = ("-Wl,--no-as-needed", "needed.so")
        (folder / "t3.c").write_text(_SOURCE, encoding="ascii")
        stamped = {"LIBPYTHON": str(library()), "INTERPRETER": interpreter(), "CODE": _CODE}
        defined = (f'-D{name}="{value}"' for name, value in stamped.items())
        _compile(folder, "-O1", "-Wall", "-Wextra", *defined, "-o", "t3", "t3.c", *more, "-ldl")
        found = (folder / "t3").read_bytes()
    if fault == "other-architecture":
        machine = _MACHINES[int.from_bytes(found[18:20], "little")]
        found = found[:18] + machine.to_bytes(2, "little") + found[20:]
    if fault == "other-libc":
        for loader in _LOADERS:
            found = found.replace(loader, loader[:-1] + b"0")
    return found


def _compile(folder: Path, *words: str) -> None:
    try:
        done = subprocess.run(
            ["cc", *words], cwd=folder, capture_output=True, text=True, timeout=120, check=False
        )
    except FileNotFoundError as error:
        message = "the native fake t3 needs a C compiler: apt-get install gcc libc6-dev"
        raise CannotCompileError(message) from error
    if done.returncode != 0:
        message = f"the native fake t3 does not compile: {done.stderr.strip()[-400:]}"
        raise CannotCompileError(message)

"""Heads of ELF files, as elf(5) describes them, for programs that nobody executes."""

from __future__ import annotations

from struct import pack
from typing import NamedTuple

LOAD, INTERPRETER = 1, 3


class Segment(NamedTuple):
    """One entry of the table of segments: `path` is what the segment holds."""

    kind: int = INTERPRETER
    path: bytes = b"/lib64/ld.so.2\0"


def elf(
    *segments: Segment, machine: int = 62, entry: int = 56, counted: int | None = None
) -> bytes:
    """Make the head of an ELF file with these segments, whose table stands at the end.

    Fields that do not matter have values, too, as in a real file (elf(5)).  `entry` is the size of
    an entry that the header says, `counted` how many there are by its word.
    """
    holds = b"".join(segment.path for segment in segments)
    ident = b"\x7fELF" + bytes((2, 1, 1)) + bytes(9)
    count = len(segments) if counted is None else counted
    sizes = (64, entry, count, 64, 9, 8)
    head = ident + pack("<HHIQQQI6H", 3, machine, 1, 0x401000, 64 + len(holds), 4096, 0, *sizes)
    table, at = b"", 64
    for kind, path in segments:
        table += pack("<IIQQQQQQ", kind, 4, at, at + 4096, at + 4096, len(path), 8192, 8)
        at += len(path)
    return head + holds + table

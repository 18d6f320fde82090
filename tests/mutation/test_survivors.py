"""The list of mutants that are let live: that it speaks of code that is there, and is kept to."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.mutation.survivors import (
    LISTED,
    Difference,
    Mutant,
    Score,
    Survivor,
    change,
    compare,
    listed,
    only_wording,
)

MODULE = "t3safe.domain.idle"
MUTANT = Mutant(MODULE, "busy", "return a < b", "return a <= b")
OTHER = Mutant(MODULE, "busy", "return a and b", "return a or b")
ENTRY = """
[[survivor]]
module = "t3safe.domain.idle"
function = "busy"
old = "return a < b"
new = "return a <= b"
reason = "they are never equal"
"""


def _lines(module: str) -> set[str]:
    path = Path("src", *module.split(".")).with_suffix(".py")
    return {line.strip() for line in path.read_text(encoding="utf-8").splitlines()}


def test_every_entry_names_lines_that_are_there() -> None:
    """An entry whose function or line has gone, or changed, is taken off the list."""
    for survivor in listed(LISTED.read_text(encoding="utf-8")):
        mutant, lines = survivor.mutant, _lines(survivor.mutant.module)
        name = mutant.function.rpartition(".")[2]
        assert any(line.startswith(f"def {name}(") for line in lines), mutant
        assert set(mutant.old.splitlines()) <= lines, mutant


def test_no_mutant_is_listed_twice() -> None:
    """One entry, with one reason, says how often."""
    mutants = [survivor.mutant for survivor in listed(LISTED.read_text(encoding="utf-8"))]

    assert len(set(mutants)) == len(mutants)
    assert all(mutant.old != mutant.new for mutant in mutants)


def test_an_entry_is_read_as_it_is_written() -> None:
    """The lines, the reason, and once where nothing else is said."""
    assert listed(ENTRY) == (Survivor(MUTANT, "they are never equal"),)
    assert listed(ENTRY + "times = 2\n") == (Survivor(MUTANT, "they are never equal", 2),)


@pytest.mark.parametrize(
    "text",
    [
        ENTRY.replace("they are never equal", " "),
        ENTRY.replace('reason = "they are never equal"', ""),
        ENTRY + 'resaon = "x"\n',
        ENTRY + 'times = "often"\n',
    ],
)
def test_an_entry_without_a_reason_or_with_more_is_no_entry(text: str) -> None:
    """Nothing is let live by a slip of the pen."""
    with pytest.raises((KeyError, ValueError)):
        listed(text)


def test_what_survives_and_is_not_listed_is_told() -> None:
    """Also where the same line survives more often than it is listed."""
    once = (Survivor(MUTANT, "why"),)

    assert compare(once, [MUTANT], {MODULE}) == Difference()
    assert compare(once, [MUTANT, OTHER], {MODULE}).unlisted == (OTHER,)
    assert compare(once, [MUTANT, MUTANT], {MODULE}).unlisted == (MUTANT,)
    assert compare((Survivor(MUTANT, "why", 2),), [MUTANT, MUTANT], {MODULE}) == Difference()


def test_what_is_listed_and_does_not_survive_is_told() -> None:
    """Only of modules that were run: of the others nothing is known."""
    once = (Survivor(MUTANT, "why"),)

    assert compare(once, [], {MODULE}).gone == (MUTANT,)
    assert compare(once, [], {"t3safe.engine"}) == Difference()


def test_a_change_is_told_by_its_lines() -> None:
    """Without the lines around it, and without their indentation."""
    diff = "--- a\n+++ a\n@@ -1,3 +1,3 @@\n def busy():\n-    return a < b\n+    return a <= b\n"

    assert change(diff) == (MUTANT.old, MUTANT.new)


def test_a_mutant_without_a_test_counts_against_the_score() -> None:
    """And one that ran out of time was found out."""
    score = Score(killed=6, timeout=1) + Score(killed=1, survived=1, untested=1)

    assert (score.total, score.percent) == (10, 80.0)
    assert Score().percent == 100.0


@pytest.mark.parametrize(
    ("old", "new", "only"),
    [
        ('say("it is busy")', 'say("XXit is busyXX")', True),
        ('say("it is busy", 1)', 'say("IT IS BUSY", 1)', True),
        ('say("it is busy", 1)', 'say("it is busy", 2)', False),
        ('say("it is busy")', "say(None)", False),
        ('ask("SELECT name FROM people")', 'ask("select name from people")', False),
        ('find("busy")', 'find("XXbusyXX")', False),
        ('say("it is busy", "and so")', 'say("it is busy", )', False),
        ('say("it is busy" or "it may be")', 'say("it is busy" and "it may be")', False),
        ("return a < b", "return a <= b", False),
    ],
)
def test_what_changes_only_the_letters_of_a_sentence_is_counted_apart(
    old: str, new: str, only: bool
) -> None:
    """A name, a statement of SQL, a sentence left out or exchanged is behaviour."""
    assert only_wording(Mutant(MODULE, "busy", old, new)) is only

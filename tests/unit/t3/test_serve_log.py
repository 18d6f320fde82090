"""What t3 prints: good signs, bad signs, secrets."""

from __future__ import annotations

import pytest

from t3safe.t3 import serve_log


@pytest.mark.parametrize(
    "line",
    [
        "Migration failed: 24",
        "Failed to migrate the database",
        "SqliteError: no such column: auto_pull",
        "no such table: projection_threads",
        "table auth_pairing_links has no column named role",
        "NOT NULL constraint failed: auth_pairing_links.scopes",
        "PersistenceDecodeError: missing turnId",
        "PersistenceSqlError",
        "FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory",
        "Out of memory",
        "code: 'SQLITE_CORRUPT'",
        "code: 'SQLITE_ERROR'",
        "SQLITE_NOTADB",
        "database disk image is malformed",
    ],
)
def test_a_line_that_speaks_of_broken_data_or_memory_is_trouble(line: str) -> None:
    """It is given as it stands, without the blanks around it."""
    assert serve_log.error_lines(["ready", f"  {line}\n", "bye"]) == (line,)


@pytest.mark.parametrize(
    "line",
    [
        "Running all migrations...",
        "Migrations ran successfully",
        "Listening on http://0.0.0.0:3773",
        "SQLITE_BUSY, trying again",
        "provider claude is not installed",
        "",
        "Database migration history diverges from this build; recorded migration ids are skipped",
        "V2 orchestration recovery completed { terminalizedRuns: 0 }",
        "Imported legacy v1 thread shells",
    ],
)
def test_a_line_of_a_good_start_is_no_trouble(line: str) -> None:
    """Lines of healthy releases do not fail a soak."""
    assert serve_log.error_lines([line]) == ()


@pytest.mark.parametrize("line", serve_log.REFUSALS)
def test_a_start_that_v2_refuses_is_trouble(line: str) -> None:
    """Its port may answer meanwhile."""
    assert serve_log.error_lines([f"[1] ERROR: {line} at /x"]) == (f"[1] ERROR: {line} at /x",)


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (["Listening on x", "Error: no such file", "at line 5"], "Error: no such file"),
        (["one", "", "  two  "], "two"),
        (["one"], "one"),
        (["one", "two", "three"], "three"),
        (["hello", "Could not copy the V1 database at a to b.", "bye"], serve_log.COPY_FAILED),
        ([], ""),
    ],
)
def test_the_line_that_tells_best_why_a_serve_ended(lines: list[str], told: str) -> None:
    """The first that speaks of an error, else the last."""
    assert serve_log.last_words(lines).startswith(told)
    assert bool(serve_log.last_words(lines)) is bool(told)


def test_secrets_stand_under_their_labels() -> None:
    """And in the links that t3 prints."""
    log = "Token: ABC\nPairing URL: http://h/pair#token=DEF\nother: GHI\n"
    assert serve_log.secrets_in(log) == ("ABC", "DEF")


def test_a_banner_says_that_a_serve_is_ready() -> None:
    """And nothing else does: a port may listen long before."""
    assert serve_log.is_ready("Listening on x\nT3 Code server is ready.\n")
    assert not serve_log.is_ready("Listening on x\n")


def test_a_locked_database_and_a_full_memory_are_recognised() -> None:
    """One may be tried again, the other is a matter of a limit."""
    assert serve_log.is_locked("Error: database is locked\n")
    assert not serve_log.is_locked("Error: disk is full\n")
    assert serve_log.is_out_of_memory("FATAL ERROR: Reached heap limit Allocation failed")
    assert not serve_log.is_out_of_memory("Error: disk is full")

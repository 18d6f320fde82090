"""The journal of rollouts and the memory of verdicts, in one SQLite file."""

from t3safe.adapters.journal.store import SqliteJournal

__all__ = ["SqliteJournal"]

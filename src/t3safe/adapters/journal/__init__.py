"""The journal of rollouts, verdicts and notes, in one SQLite file."""

from t3safe.adapters.journal.notes import Notes
from t3safe.adapters.journal.store import SqliteJournal

__all__ = ["Notes", "SqliteJournal"]

"""Whole runs on real parts: npm, HTTP, SQLite and processes."""

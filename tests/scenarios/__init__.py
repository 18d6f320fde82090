"""Whole runs in the fake world."""

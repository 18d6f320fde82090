"""Helpers that several adapters share; they know no adapter and raise OSError alone."""

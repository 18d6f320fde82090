"""Whole runs with a fault at each step; the invariants are checked after every one."""

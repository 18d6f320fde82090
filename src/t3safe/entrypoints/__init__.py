"""How people and timers reach t3safe: commands and settings."""

"""The composition root: from settings to a wired host, real (`live`) or replayed (`replays`)."""

"""The composition root: from settings to a wired engine."""

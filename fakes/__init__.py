"""The fake world: parts that behave like the real ones, good and bad, for tests and the demo."""

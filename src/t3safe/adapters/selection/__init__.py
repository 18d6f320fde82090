"""Which build each person runs: one symbolic link per person, and the launcher that follows it."""

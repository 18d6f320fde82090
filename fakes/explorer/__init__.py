"""The explorer: every fault at every step of a rollout, judged after every step.

It plays t3safe's own engine over the fake world one turn of the loop at a time.  Before each turn
it branches: once for every way in which that turn can go wrong, once for the turn going well.  Two
histories that have led to the same state are one from there on, so that all pairs of faults can be
played to their end and not only a sample of them.

- `scenes`: whose rollout it is, and what is wrong with whom.
- `turns`: one turn through some faults, and which faults there are.
- `states`: when two histories have led to the same state.
- `search`: all histories with at most so many faults, and random ones with many.
- `report`: what was found, and the command that shows it again.
"""

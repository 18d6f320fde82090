"""The state chart: every state that `decide` and `evolve` can reach, explored and drawn.

`make docs` writes it to `docs/states.md`; a test fails when that file is not what the code gives.
Nothing of the chart is listed by hand: it is read off the transitions.  What is chosen by hand is
in `trials.py`: the plans to begin with, and what a port may answer.
"""

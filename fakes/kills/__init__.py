"""The real command line struck at an exact place, on a whole host, and judged from outside.

`places` names where and how, `launcher` and `hook` strike there, `striking` takes one host through
it, `judge` looks at what is left.  `make kills` goes through all places.
"""

"""The fake t3 itself: standard library only, packed as it is into the npm package.

What it does is measured on real releases; the figures stand beside the code that follows them.
What it does wrong is chosen by the `fakeT3` key of its own package.json, see `faults`.
"""

"""Personal data on this machine: the port's adapter, its calls, and the worker that they start.

It imports nothing: the worker, which has the standard library only, is below it.
"""

"""The gate on real parts: every rehearsal is a worker process inside a sandbox of its own.

Nothing is imported here: each worker would load it.
"""

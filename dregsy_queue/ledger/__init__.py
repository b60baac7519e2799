"""The ledger in Redis: runs and their jobs, who may run what now, and which workers live.

Every change of state is one atomic script in ``lua/``, on Redis' own clock; the modules here are their typed
wrappers. ``keys.py`` has the table of keys and the states of a job.
"""

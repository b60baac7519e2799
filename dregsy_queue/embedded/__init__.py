"""One-command mode: the whole system, private to one call.

A Redis on a socket in a private folder, the scheduler where tasks are periodic, and a worker run as children of
this process; they end with it, and nothing is left behind.
"""

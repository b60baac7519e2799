"""The laboratory: every real component that tests and the demo need, on free ports of 127.0.0.1.

Nothing here imports pytest, so that the demo and benchmarks use it as well.
"""

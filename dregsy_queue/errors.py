"""The root of all errors that are told to people."""

from __future__ import annotations


class DregsyError(Exception):
    """Something cannot be done; the text is one line for people, without secrets: what, where, what to do.

    `temporary`: trying again later may help. Each class derives it from its code or status.
    """

    temporary: bool = False

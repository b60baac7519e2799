"""What a request must be allowed to do, as token servers are asked for it.

Source: CNCF Distribution, "Token Scope Documentation".
"""

from __future__ import annotations


def pull(repository: str) -> str:
    return f"repository:{repository}:pull"


def push(repository: str) -> str:
    """Pushing includes looking at what is there."""
    return f"repository:{repository}:pull,push"

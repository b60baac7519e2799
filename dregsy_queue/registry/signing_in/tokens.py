"""Bearer tokens: fetched once for many requests, renewed before they expire.

Source: distribution's token specification (docs/spec/auth/token).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from dregsy_queue.clock import SYSTEM, Clock
from dregsy_queue.concurrency import SingleFlight
from dregsy_queue.registry.go_json import member

#: Life of a token without `expires_in`, in seconds (token specification).
DEFAULT_LIFE = 60.0
#: Longest life that is believed, in seconds.
LONGEST_LIFE = 86400.0
#: A token is renewed when this part of its life is left, or this many seconds.
MARGIN, LONGEST_MARGIN = 0.1, 30.0


@dataclass(frozen=True)
class Token:
    text: str = field(repr=False)
    #: seconds after its fetch
    renew_after: float


def parse_token(body: bytes) -> Token:
    """A token server's answer. Raises: ValueError, which holds nothing of it."""
    try:
        document = json.loads(body)
        text = member(document, "token") or member(document, "access_token")
    except (ValueError, AttributeError, TypeError, RecursionError):
        text = None
    if not isinstance(text, str) or not text:
        raise ValueError("the token server's answer holds no token")
    life = _life(member(document, "expires_in"))
    return Token(text, life - min(life * MARGIN, LONGEST_MARGIN))


def _life(said: object) -> float:
    """Seconds; what is said is a number, a number in quotes, or nothing that can be understood."""
    try:
        seconds = float(said) if isinstance(said, int | float | str) else 0.0
    except (ValueError, OverflowError):
        seconds = 0.0
    return min(seconds, LONGEST_LIFE) if seconds > 0 else DEFAULT_LIFE


class TokenCache:
    """Tokens by scope; many requests that need the same token cause one fetch."""

    def __init__(self, clock: Clock = SYSTEM) -> None:
        self._clock = clock
        #: by scope: a token, and when it must be renewed, on the monotonic clock
        self._tokens: dict[str, tuple[Token, float]] = {}
        self._fetches = SingleFlight[str, Token]()

    def get(self, scope: str) -> Token | None:
        """A token that is good for a while yet; None: there is none."""
        token, until = self._tokens.get(scope, (None, 0.0))
        return token if self._clock.monotonic() < until else None

    async def fetch(self, scope: str, refused: Token | None, fetch: Callable[[], Coroutine[Any, Any, Token]]) -> Token:
        """A token other than `refused`, from the cache or by `fetch`."""
        current = self.get(scope)
        if current is not None and current is not refused:
            return current

        async def renew() -> Token:
            token = await fetch()
            self._tokens[scope] = token, self._clock.monotonic() + token.renew_after
            return token

        return await self._fetches.run(scope, renew, remember=False)

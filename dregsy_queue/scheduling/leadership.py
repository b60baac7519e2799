"""Which scheduler leads? The one whose name stands in Redis; it has to say so again before its time is over."""

from __future__ import annotations

import contextlib
import threading

from redis import RedisError

from dregsy_queue.ledger.roles import Roles

#: Seconds for which a scheduler leads without saying so again.
LOCK = 10.0
#: Longest time that giving up the lead may take at the end, in seconds.
_LEAVING = 2.0


class Leadership:
    def __init__(self, roles: Roles, name: str) -> None:
        """`name` is this scheduler's, and no other's."""
        self._roles, self._name = roles, name
        #: as far as known here
        self.leads = False
        #: it leads, and did not before
        self.new = False

    def keep_or_take(self) -> bool:
        """Lead (again) for `LOCK` seconds; False while another scheduler does. Raises: redis.RedisError."""
        self._ask()
        return self.leads

    def keep(self) -> bool:
        """Lead for another `LOCK` seconds; False when another scheduler may have led meanwhile.

        Raises: redis.RedisError.
        """
        return self._ask() == "still"

    def _ask(self) -> str:
        answer = self._roles.lead(self._name, LOCK)
        self.new = answer != "no" and (self.new or answer == "anew" or not self.leads)
        self.leads = answer != "no"
        return answer

    def leave(self) -> None:
        """Let another scheduler lead at once, and be lost to nobody; returns soon, also where Redis does not answer."""
        led, self.leads = self.leads, False

        def release() -> None:
            with contextlib.suppress(RedisError, OSError):
                if led:
                    self._roles.stop_leading(self._name)
                self._roles.leave("scheduler", self._name)

        # A thread: the signal that ends us may have come in the middle of a call to Redis.
        thread = threading.Thread(target=release, name="leaving", daemon=True)
        thread.start()
        thread.join(_LEAVING)

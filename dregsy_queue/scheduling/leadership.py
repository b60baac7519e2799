"""Which scheduler leads? The one that holds a lock in Redis; it ends by itself when its holder is gone."""

from __future__ import annotations

import contextlib
import threading

from redis import RedisError
from redis.exceptions import LockError

from dregsy_queue.ledger.connection import Connection
from dregsy_queue.ledger.keys import key

#: Seconds for which the lock stands without being renewed.
LOCK = 10.0
#: Seconds that giving the lock back may take at the end, whatever Redis does.
_LEAVING = 2.0


class Leadership:
    def __init__(self, connection: Connection) -> None:
        self._lock = connection.lock(key("beat", "", "lock"), timeout=LOCK, thread_local=False)
        #: as far as known here
        self.leads = False
        #: it leads, and did not before
        self.new = False

    def keep_or_take(self) -> bool:
        """Lead (again) for `LOCK` seconds; False while another scheduler does. Raises: redis.RedisError."""
        if self.leads and self.keep():
            return True
        self.leads = self.new = bool(self._lock.acquire(blocking=False))
        return self.leads

    def keep(self) -> bool:
        """Lead for another `LOCK` seconds; False when another scheduler may by now. Raises: redis.RedisError."""
        try:
            self._lock.reacquire()
        except LockError:
            self.leads = False
        return self.leads

    def leave(self) -> None:
        """Let another scheduler lead at once; returns soon, also where Redis does not answer."""
        if not self.leads:
            return
        self.leads = False

        def release() -> None:
            with contextlib.suppress(RedisError, OSError):
                self._lock.release()

        # A thread: the signal that ends us may have come in the middle of a call to Redis.
        thread = threading.Thread(target=release, name="leaving", daemon=True)
        thread.start()
        thread.join(_LEAVING)

"""What do all slots of a worker share?"""

from __future__ import annotations

import threading
from collections.abc import Callable

from redis import RedisError

from dregsy_queue.access.clients import RegistryAccess
from dregsy_queue.config.current import CurrentConfig
from dregsy_queue.config.registries import limits_for
from dregsy_queue.ledger.admission import Admission
from dregsy_queue.ledger.blobs import BlobIndex
from dregsy_queue.ledger.claims import Claims
from dregsy_queue.ledger.connection import connect
from dregsy_queue.ledger.head_refusals import HeadRefusals
from dregsy_queue.ledger.in_hand import InHand
from dregsy_queue.ledger.levels import Levels
from dregsy_queue.ledger.orders import Orders
from dregsy_queue.ledger.plan_waits import PlanWaits
from dregsy_queue.ledger.presence import Presence
from dregsy_queue.ledger.quotas import Quotas
from dregsy_queue.ledger.records import Records
from dregsy_queue.ledger.registry_limits import RegistryLimiter
from dregsy_queue.ledger.repository_lists import RepositoryLists
from dregsy_queue.ledger.roles import Roles
from dregsy_queue.ledger.runs import Runs
from dregsy_queue.scheduling.order_desk import OrderDesk
from dregsy_queue.scheduling.starter import RunStarter
from dregsy_queue.settings import Settings
from workers.cluster_blobs import ClusterBlobs
from workers.current_access import CurrentAccess
from workers.dispatcher import Dispatcher
from workers.event_loop import EventLoopThread
from workers.head_memory import ClusterHeadMemory
from workers.levels import LevelKeeper
from workers.meters import Meters
from workers.throttle import ClusterPacer

#: Seconds for which an order to start a run is left to the leading scheduler.
ORDERS_AFTER = 4.0


class Services:
    """The config, the event loop, the ledger and the registries of one worker process; thread-safe."""

    def __init__(self, settings: Settings, send: Callable[[Admission], object]) -> None:
        """Read the config; Redis need not be there yet. `send` brings what may run now to slots, here or elsewhere.

        Raises: ConfigError.
        """
        self.settings = settings
        self._admit_and_send = send
        self.config = CurrentConfig(settings.config)
        self.loop = EventLoopThread()
        redis = self.redis = connect(settings.redis_url)
        self.in_hand = InHand()
        self.meters = Meters()
        self.claims, self.runs = Claims(redis, self.in_hand), Runs(redis, self.in_hand)
        self.records = Records(redis)
        self.lists, self.plan_waits, self.orders = RepositoryLists(redis), PlanWaits(redis), Orders(redis)
        self.admission = Admission(redis)
        self.limiter, self.quotas = RegistryLimiter(redis), Quotas(redis)
        self.presence, self.roles = Presence(redis), Roles(redis)
        # The leading scheduler comes first: its config decides what a task is.
        self.desk = OrderDesk(
            redis,
            self.config,
            RunStarter(settings, redis),
            least_age=0.0 if settings.alone else ORDERS_AFTER,
            kept_for=settings.keep_days * 86400,
            tells_ends=not settings.alone,
        )
        self._rates_of, self._rates = self.config.get(), dict[str, tuple[int, float] | None]()
        self.levels = LevelKeeper(Levels(redis))
        self.pacer = ClusterPacer(self.limiter, self.quotas, self._request_rate, self.levels)
        #: set when somebody should look at once for what may run now
        self.wake = threading.Event()
        self._dispatcher = Dispatcher(self._send_or_wake)
        self._dispatcher.start()
        #: what other workers know of blobs at targets; a worker that is alone knows it all itself
        self.others = None if settings.alone else ClusterBlobs(BlobIndex(redis))
        self.registries = CurrentAccess(self.config, self.pacer, self.loop, ClusterHeadMemory(HeadRefusals(redis)))

    def access(self) -> RegistryAccess:
        """Registries under the config of now; sessions and tokens live as long as the config does."""
        return self.registries.get()

    def send(self) -> None:
        """Send what may run now. Raises: RedisError or OSError."""
        self._admit_and_send(self.admission)

    def dispatch(self) -> None:
        """Send what may run now, soon and in a thread of its own."""
        self._dispatcher.soon()

    def _send_or_wake(self) -> None:
        """Where Redis does not answer, the coordinator tries again."""
        try:
            self.send()
        except (RedisError, OSError):
            self.wake.set()

    def close(self) -> None:
        """Close sessions and stop the event loop; nothing may be running any more."""
        self._dispatcher.stop()
        if self.others is not None:
            self.loop.run(self.others.aclose())
        self.registries.close()
        self.loop.close()

    def _request_rate(self, registry: str) -> tuple[int, float] | None:
        """Asked before each request, so each registry is looked up once per config."""
        loaded = self.config.get()
        if loaded is not self._rates_of:
            self._rates_of, self._rates = loaded, {}
        if registry not in self._rates:
            self._rates[registry] = limits_for(loaded.config.registries, registry).requests
        return self._rates[registry]

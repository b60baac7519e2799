"""The HTTP server of `dregsy metrics`: a Redis that is away is one line, for Prometheus and in the log."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable, Iterable
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app
from redis import RedisError

from dregsy_queue.ledger.overview import Overview
from dregsy_queue.serve.metrics import ClusterCollector

log = logging.getLogger(__name__)

_WsgiApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _ServerV6(_Server):
    address_family = socket.AF_INET6


class _Handler(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Log nothing: a line per scrape would tell nothing."""


class _Application:
    """Metrics, or 503 and one line; the log tells of an outage once."""

    def __init__(self, overview: Overview) -> None:
        registry = CollectorRegistry()
        registry.register(ClusterCollector(overview))
        self._metrics: _WsgiApp = make_wsgi_app(registry)
        self._out = False

    def __call__(self, environment: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        try:
            body = self._metrics(environment, start)
        except (RedisError, OSError) as error:
            if not self._out:
                log.error("no metrics: Redis does not answer: %s", error)
            self._out = True
            start("503 Service Unavailable", [("Content-Type", "text/plain; charset=utf-8")])
            return [f"Redis does not answer: {error}\n".encode()]
        if self._out:
            log.info("Redis answers again")
        self._out = False
        return body


def serve(overview: Overview, port: int, address: str) -> threading.Thread:
    """Serve ``/metrics`` in a thread of its own. Raises: OSError when it cannot listen there."""
    server = make_server(
        address, port, _Application(overview), _ServerV6 if ":" in address else _Server, handler_class=_Handler
    )
    thread = threading.Thread(target=server.serve_forever, name="metrics", daemon=True)
    thread.start()
    return thread

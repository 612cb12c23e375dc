"""Runs the application under uvicorn, with time limits on slow clients and a graceful end."""

from __future__ import annotations

import asyncio
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from gatecast.web.app import create_app
from gatecast.web.settings import ServeSettings
from gatecast.web.worker import log

_KEEP_ALIVE = 15  # seconds that an idle connection is kept
_GRACE = 10  # seconds in which requests under way may end
_BACKLOG = 2048  # connections that wait to be accepted


def serve(settings: ServeSettings) -> None:
    """Serve until SIGINT or SIGTERM; jobs under way go back to the queue and on from their checkpoints later."""
    app = create_app(settings)
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        http=_timed(settings.header_timeout),
        ws="none",
        loop="asyncio",
        log_config=None,  # no access log: `observe` writes one line of JSON a request
        access_log=False,
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE,
        timeout_graceful_shutdown=_GRACE,
        backlog=_BACKLOG,
        h11_max_incomplete_event_size=32 * 1024,  # bytes of a request's headers
    )
    log("started", host=settings.host, port=settings.port, workers=settings.workers)
    uvicorn.Server(config).run()
    log("ended")


def _timed(seconds: float) -> type[asyncio.Protocol]:
    """HTTP/1.1 that ends a connection on which a request's line and headers do not come whole within a time."""

    class Timed(H11Protocol):
        _deadline: asyncio.TimerHandle | None = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._arm()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            if not self._between():
                self._disarm()
            elif self._deadline is None:  # the next request on this connection has begun
                self._arm()

        def connection_lost(self, exc: Exception | None) -> None:
            self._disarm()
            super().connection_lost(exc)

        def _between(self) -> bool:
            """Whether no request is under way."""
            return self.cycle is None or self.cycle.response_complete

        def _arm(self) -> None:
            self._deadline = self.loop.call_later(seconds, self._end_slow)

        def _disarm(self) -> None:
            if self._deadline is not None:
                self._deadline.cancel()
                self._deadline = None

        def _end_slow(self) -> None:
            self._deadline = None
            if self._between() and not self.transport.is_closing():
                self.transport.close()

    return Timed

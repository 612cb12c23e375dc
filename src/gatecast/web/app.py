"""The application: API, pages, static files, health and metrics, behind the guard."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from gatecast.errors import GatecastError, LedgerError, NotFound, QueueFull, TooLarge, briefly
from gatecast.text import clean
from gatecast.version import __version__
from gatecast.web import api, login, pages
from gatecast.web.guard import Guard, Limits
from gatecast.web.observe import Metrics, Observed
from gatecast.web.service import Service, error_text
from gatecast.web.settings import ServeSettings
from gatecast.web.supervisor import Supervisor
from gatecast.web.watch.watch import Watch

STATIC = Path(__file__).parent / "static"
Handler = Callable[[Request, Exception], JSONResponse]


def create_app(settings: ServeSettings) -> FastAPI:
    """The application of one server; its workers live from its start to its end.

    `app.state` holds `settings`, `service`, `supervisor`, `watch` (None without one) and `metrics`. Raises
    `LedgerError` where the database cannot be used.
    """
    service = Service(settings)
    supervisor = Supervisor(service.store)
    watch = None if settings.watch is None else Watch(service, settings.watch)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        supervisor.start()
        watching = None if watch is None else asyncio.create_task(watch.run())
        try:
            yield
        finally:
            if watching is not None:
                watching.cancel()
                await asyncio.wait([watching])
            await asyncio.to_thread(supervisor.stop)
            await service.close()

    app = FastAPI(
        title="gatecast",
        version=__version__,
        description="Forecasts of prices as fans of simulated paths, held against history.",
        openapi_url="/api/v1/openapi.json",
        docs_url=None,  # these pages would load scripts of another server
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.settings, app.state.service, app.state.supervisor = settings, service, supervisor
    app.state.watch, app.state.metrics = watch, Metrics()
    app.include_router(api.router)
    app.include_router(login.router)
    app.include_router(pages.router)
    _add_signs(app, service, supervisor)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    for kind, handler in _HANDLERS.items():
        app.add_exception_handler(kind, handler)
    app.add_middleware(Limits, settings=settings)  # the last one added stands outermost
    app.add_middleware(Guard, settings=settings)
    app.add_middleware(Observed, metrics=app.state.metrics)
    app.add_middleware(Rooted, root_path=settings.root_path)
    return app


class Rooted:
    """ASGI middleware that tells the application what a proxy in front puts before every path, and took away."""

    def __init__(self, app: ASGIApp, root_path: str) -> None:
        self.app, self.root_path = app, root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if self.root_path and scope["type"] == "http":
            path = scope["path"].removeprefix(self.root_path) or "/"
            scope = {**scope, "root_path": self.root_path, "path": self.root_path + path}
        await self.app(scope, receive, send)


def _add_signs(app: FastAPI, service: Service, supervisor: Supervisor) -> None:
    """What tells others how the server is."""

    @app.get("/health", include_in_schema=False)
    async def health() -> Response:
        counts = await asyncio.to_thread(service.store.counts)
        return JSONResponse({"status": "ok", "version": __version__, "queued": counts.get("queued", 0)})

    @app.get("/metrics", include_in_schema=False)
    async def metrics() -> Response:
        counts = await asyncio.to_thread(service.store.counts)
        for state in ("queued", "running", "done", "failed", "stopped"):
            app.state.metrics.jobs.labels(state).set(counts.get(state, 0))
        app.state.metrics.workers.set(supervisor.alive())
        return Response(app.state.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


def _refusal(_: Request, error: Exception) -> JSONResponse:
    status, headers = 400, {}
    if isinstance(error, NotFound):
        status = 404
    elif isinstance(error, TooLarge):
        status = 413
    elif isinstance(error, QueueFull):
        status, headers = 429, {"retry-after": str(error.seconds)}
    elif isinstance(error, LedgerError):
        status, headers = 503, {"retry-after": "5"}
    assert isinstance(error, GatecastError)
    return JSONResponse({"error": error_text(error)}, status, headers=headers)


def _wrong_shape(_: Request, error: Exception) -> JSONResponse:
    """The first field that is wrong, in one line."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"][1:]) or "the body"
    if first["type"] == "missing":
        rule = f"a request needs '{clean(field, 80)}'; this one has none"
    else:
        told = clean(first["msg"], 160).removeprefix("Value error, ").removeprefix("Input ")
        rule = f"'{clean(field, 80)}' {told}; got {briefly(first.get('input'))}"
    return JSONResponse({"error": f"{rule}. See /api/v1/openapi.json."}, 422)


def _http(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    line = _LINES.get(str(error.detail), str(error.detail))
    return JSONResponse({"error": line}, error.status_code, headers=error.headers)


def _system(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, OSError)
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        line = "the disk of the service is full. Nothing of this was kept; free some space."
        return JSONResponse({"error": line}, 507)
    return JSONResponse({"error": f"the system refused this ({error.strerror or 'no reason given'})."}, 503)


_LINES = {  # of the framework's own refusals
    "Not Found": "there is nothing at this address. See /api/v1/openapi.json.",
    "Method Not Allowed": "this address does not take this method. See /api/v1/openapi.json.",
    "There was an error parsing the body": "the body is no form or JSON that can be read. See /api/v1/openapi.json.",
}
_HANDLERS: dict[type[Exception], Handler] = {
    GatecastError: _refusal,
    RequestValidationError: _wrong_shape,
    HTTPException: _http,
    OSError: _system,
}

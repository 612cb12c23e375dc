"""`gatecast serve`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gatecast.cli.app import Command, app
from gatecast.cli.console import say
from gatecast.cli.options import Database
from gatecast.errors import UsageError

Watch = Annotated[
    list[str] | None,
    typer.Option(
        metavar="FOLDER|yahoo:TICKER,...",
        help="Forecast the files of a folder, or tickers, each trading day, and settle what is due. May be repeated.",
    ),
]
At = Annotated[str | None, typer.Option(metavar="HH:MM", help="When, in local time; 18:00 if not given.")]
Sessions = Annotated[
    str | None, typer.Option(help="The exchange whose sessions are the trading days watched, such as XNYS.")
]
Webhook = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        envvar="GATECAST_WEBHOOK",
        show_default=False,
        help="Call it when a price leaves its band, coverage drifts or a run of the watch fails.",
    ),
]


@app.command(cls=Command)
def serve(
    host: Annotated[str, typer.Option(help="Where to listen; beyond loopback with --token.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port.")] = 8000,
    database: Database = None,
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where sources and results are kept.", readable=False)
    ] = None,
    token: Annotated[
        str | None, typer.Option(envvar="GATECAST_TOKEN", help="What every request must know.", show_default=False)
    ] = None,
    root_path: Annotated[str, typer.Option(help="What a proxy in front puts before every path.")] = "",
    workers: Annotated[
        int | None, typer.Option(min=0, help="Processes that forecast; one a core if not given.")
    ] = None,
    queue: Annotated[int, typer.Option(min=1, help="Jobs that may wait.")] = 64,
    watch: Watch = None,
    at: At = None,
    calendar: Sessions = None,
    webhook: Webhook = None,
) -> None:
    """Serve a page and an HTTP API, with forecasts made in worker processes."""
    if not watch and any(given is not None for given in (at, calendar, webhook)):
        raise UsageError("--at, --calendar and --webhook are of a watch; there is none. Give --watch too.")
    try:
        import fastapi  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as error:
        raise UsageError(f"serve needs the package {error.name}. Install it: pip install 'gatecast[serve]'.") from None
    from gatecast.web.server import serve as run
    from gatecast.web.settings import ServeSettings, cores, data_folder
    from gatecast.web.watch.settings import watch_settings

    settings = ServeSettings(
        host=host,
        port=port,
        database=database,
        data=data or data_folder(),
        token=token,
        root_path=root_path,
        workers=cores() if workers is None else workers,
        queue_limit=queue,
        watch=watch_settings(watch, at=at or "18:00", calendar=calendar, webhook=webhook) if watch else None,
    )
    say(f"serving at http://{host}:{port}{root_path}/ (Ctrl-C ends it)")
    run(settings)

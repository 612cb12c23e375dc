"""A watch for a test: its files, its clock, its webhook, and a service without processes of its own."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gatecast.ledger.records import Recorded
from gatecast.prices import PriceSeries
from gatecast.web.helper import QUESTIONS
from gatecast.web.leases import claim, end
from gatecast.web.service import Service
from gatecast.web.settings import ServeSettings
from gatecast.web.store import Job
from gatecast.web.watch.settings import watch_settings
from gatecast.web.watch.watch import Watch
from ledgers import recorded

DAYS = pd.bdate_range("2023-09-01", "2024-12-31").to_numpy()


class AtOnce:
    """Helpers that answer in this process."""

    async def ask(self, question: str, **of: Any) -> dict[str, Any]:
        return QUESTIONS[question](**of)

    async def close(self) -> None:
        pass


@dataclass
class Clock:
    """A local clock that a test sets."""

    moment: datetime

    def __call__(self) -> datetime:
        return self.moment

    def set(self, text: str) -> None:
        self.moment = datetime.fromisoformat(text)


def write_prices(path: Path, until: str, *, jumps: tuple[str, ...] = ()) -> PriceSeries:
    """A file of closes up to a day, which rise by 10% on the days of `jumps`; what it holds."""
    days = DAYS[np.datetime64(until, "ns") >= DAYS]
    moves = 0.01 * np.where(np.arange(len(days)) % 2, 1, -1)
    moves = np.where(np.isin(days, np.array(jumps, dtype="datetime64[ns]")), 0.1, moves)
    series = PriceSeries(item_id=path.stem, timestamps=days, close=np.round(100 * np.exp(moves.cumsum()), 6))
    pd.DataFrame({"date": days, "close": series.close}).to_csv(path, index=False)
    return series


@dataclass
class Server:
    """A server's service and watch on a database, without its loop: `tick` is one look at the clock."""

    watch: Watch
    clock: Clock
    service: Service = field(init=False)

    def __post_init__(self) -> None:
        self.service = self.watch.service

    def at(self, moment: str) -> list[Job]:
        """The jobs there are after a look at the clock at a local moment."""
        self.clock.set(moment)
        asyncio.run(self.watch.tick())
        return self.jobs()

    def jobs(self) -> list[Job]:
        """All jobs, the first one first."""
        return self.service.store.jobs()[::-1]

    def calls(self) -> None:
        """Make the calls that wait."""
        assert self.watch.caller is not None
        asyncio.run(self.watch.caller.round())

    def work(self, forecasts: Callable[[Job], list[Recorded]] = lambda _: [], error: str | None = None) -> None:
        """Do all jobs that wait, with these forecasts for the ledger."""
        while (job := claim(self.service.store, server="s", owner="o")) is not None:
            state: Any = "done" if error is None else "failed"
            end(self.service.store, job, "o", state=state, seconds=1.0, error=error, records=forecasts(job))

    def forecast_as(self, series: PriceSeries) -> None:
        """Do all jobs that wait, each a one-step forecast from the last row of a series with a band of 4.5%."""
        self.work(lambda _: [recorded(series, len(series) - 1, horizon=1)])


@contextmanager
def server(folder: Path, *watch: str, data: str = "data", **more: Any) -> Iterator[Server]:
    """A server whose database is in `folder`; it watches `folder/prices` unless told otherwise."""
    (folder / "prices").mkdir(exist_ok=True)
    about = {name: more.pop(name) for name in ("at", "calendar", "webhook") if name in more}
    settings = ServeSettings(
        database=more.pop("database", str(folder / "ledger.db")),
        data=folder / data,
        workers=0,
        watch=watch_settings(watch or [str(folder / "prices")], **about),
        **more,
    )
    service = Service(settings)
    service.helpers = AtOnce()  # type: ignore[assignment]
    clock = Clock(datetime(2024, 3, 1, 12))
    assert settings.watch is not None
    try:
        yield Server(watch=Watch(service, settings.watch, clock=clock), clock=clock)
    finally:
        service.store.close()


@dataclass
class Hook:
    """A webhook on loopback: the documents it was sent, and how it answers."""

    address: str
    sent: list[dict[str, Any]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    status: int = 204
    headers: dict[str, str] = field(default_factory=dict)

    def kinds(self) -> list[str]:
        return [document["kind"] for document in self.sent]


@contextmanager
def webhook() -> Iterator[Hook]:
    """A webhook that lives as long as the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            hook.sent.append(json.loads(body))
            hook.paths.append(self.path)
            self.send_response(hook.status)
            for name, value in hook.headers.items():
                self.send_header(name, value)
            self.end_headers()

        def do_GET(self) -> None:
            hook.paths.append(f"GET {self.path}")
            self.send_error(404)

        def log_message(self, *_: object) -> None:
            pass

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hook = Hook(address=f"http://127.0.0.1:{listening.server_port}/secret-path")
    thread = threading.Thread(target=listening.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield hook
    finally:
        listening.shutdown()
        listening.server_close()
        thread.join()

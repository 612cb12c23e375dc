"""What the service is started with."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from gatecast.errors import UsageError, check_whole
from gatecast.ledger.database import default_file
from gatecast.text import shown
from gatecast.web.watch.settings import WatchSettings

LOOPBACK = ("127.0.0.1", "localhost", "::1")
_LEAST_TOKEN = 16  # characters; a shorter one can be guessed over a network
_ROOT_PATH = re.compile(r"(/[A-Za-z0-9._~-]+)*")


def data_folder() -> Path:
    """Where sources and results are kept unless said otherwise: beside the user's ledger."""
    return default_file().parent / "service"


def cores() -> int:
    """How many processes there is room for."""
    return os.cpu_count() or 1


@dataclass(frozen=True, kw_only=True)
class ServeSettings:
    """Settings of the service; raises `UsageError` for values that cannot be meant.

    Only loopback may be served without a token: everybody who reaches the service may use all of it.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    database: str | None = None  # URL or SQLite file of ledger and service; the user's own ledger unless given
    data: Path = field(default_factory=data_folder)  # sources and results; servers on one database share it
    token: str | None = field(default=None, repr=False)
    root_path: str = ""  # what a proxy in front puts before every path, such as /gatecast
    workers: int = field(default_factory=cores)  # processes that forecast; 0: another server's do
    queue_limit: int = 64  # jobs that wait; more are refused with a time to come back
    upload_limit: int = 200 * 1024**2  # bytes of a source
    watch: WatchSettings | None = None  # files and tickers to forecast each trading day
    lease: float = 15.0  # seconds without a sign of life after which a job is given to another worker
    header_timeout: float = 10.0  # seconds for a request's line and headers
    body_timeout: float = 20.0  # seconds between two parts of a request's body

    def __post_init__(self) -> None:
        check_whole("port", self.port, least=0, example=8000)
        check_whole("workers", self.workers, least=0, example=2)
        check_whole("queue_limit", self.queue_limit, least=1, example=64)
        check_whole("upload_limit", self.upload_limit, least=1, example=200_000_000)
        if self.port > 65535:
            raise UsageError(f"a port is at most 65535; got {self.port}. Give for example port=8000.")
        if self.token is not None and len(self.token) < _LEAST_TOKEN:
            raise UsageError(
                f"a token has at least {_LEAST_TOKEN} characters; got {len(self.token)}. Make one, for example with "
                "`openssl rand -hex 16`."
            )
        if not self.loopback and self.token is None:
            raise UsageError(
                f"beyond loopback the service demands a token; host={shown(self.host)} has none. Give token=..., or "
                'leave host="127.0.0.1".'
            )
        if not _ROOT_PATH.fullmatch(self.root_path):
            raise UsageError(f"a root path begins with / and does not end with it; got {shown(self.root_path)}.")

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach it."""
        return self.host in LOOPBACK

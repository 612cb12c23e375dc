"""A service for a test: the command in a process of its own, on a free port, with its data in a folder."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_STARTS = 60.0  # seconds


def free_port() -> int:
    """A port of loopback that nobody listens on now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


_LAUNCH = """
import json, sys
from pathlib import Path
from gatecast.web.server import serve
from gatecast.web.settings import ServeSettings
told = json.loads(sys.argv[1])
serve(ServeSettings(**{**told, "data": Path(told["data"])}))
"""


@dataclass(frozen=True, kw_only=True)
class Launched:
    """A service with settings that the command does not have."""

    address: str
    port: int
    pid: int
    log: Path

    def peak(self) -> int:
        """Bytes of memory that the server has held at most; its workers and helpers are other processes."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return 1024 * int(status.partition("VmHWM:")[2].split()[0])


@contextmanager
def launched(folder: Path, **settings: object) -> Iterator[Launched]:
    """A service by `ServeSettings`, with its database and files in `folder`; it ends with the block."""
    port, log = free_port(), folder / "served.log"
    told = {"port": port, "database": str(folder / "ledger.db"), "data": str(folder / "data"), **settings}
    with _running([sys.executable, "-c", _LAUNCH, json.dumps(told)], port, folder) as process:
        yield Launched(address=f"http://127.0.0.1:{port}", port=port, pid=process.pid, log=log)


@contextmanager
def served(folder: Path, *options: str, workers: int = 1) -> Iterator[str]:
    """The address of a service with its database and files in `folder`; it ends with the block."""
    port = free_port()
    about = ["--port", str(port), "--database", str(folder / "ledger.db"), "--data", str(folder / "data")]
    command = [sys.executable, "-m", "gatecast", "serve", *about, "--workers", str(workers), *options]
    with _running(command, port, folder):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def _running(command: list[str], port: int, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "XDG_CACHE_HOME": str(folder / "cache")}
    with (folder / "served.log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
    try:
        _wait_for(process, f"http://127.0.0.1:{port}/health")
        yield process
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for(process: subprocess.Popen[bytes], address: str) -> None:
    end = time.monotonic() + _STARTS
    while time.monotonic() < end:
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            if process.poll() is not None:
                break
            time.sleep(0.1)
    raise AssertionError("the service did not start; see served.log in its folder")

"""A service for a test: the command in a process of its own, on a free port, with its data in a folder."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_STARTS = 60.0  # seconds


def free_port() -> int:
    """A port of loopback that nobody listens on now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def served(folder: Path, *options: str, workers: int = 1) -> Iterator[str]:
    """The address of a service with its database and files in `folder`; it ends with the block."""
    port = free_port()
    about = ["--port", str(port), "--database", str(folder / "ledger.db"), "--data", str(folder / "data")]
    with (folder / "served.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "gatecast", "serve", *about, "--workers", str(workers), *options],
            stdout=log,
            stderr=log,
            env={**os.environ, "OMP_NUM_THREADS": "1", "XDG_CACHE_HOME": str(folder / "cache")},
        )
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_for(process, f"{address}/health")
        yield address
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

"""The supervisor of a server: starts its workers, replaces those that die, keeps their leases, finds abandoned jobs."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field

from gatecast.errors import GatecastError
from gatecast.web.leases import Vigil, beat, release
from gatecast.web.store import Store
from gatecast.web.worker import DATABASE_AWAY, log

TICK = 0.25  # seconds
_BEAT = 1.0  # seconds between two signs of life
_PATIENCE = 30.0  # seconds at most before a worker that dies at once is started again


@dataclass
class _Worker:
    """A place for a worker: the process in it, and when it may be started."""

    process: subprocess.Popen[bytes] | None = None
    owner: str = ""
    started: float = 0.0
    wait: float = 0.0  # seconds after `started`


@dataclass
class Supervisor:
    """Runs in a thread of the server; `start` and `stop` it."""

    store: Store
    server: str = field(default_factory=lambda: secrets.token_hex(8))
    _workers: list[_Worker] = field(init=False)
    _ended: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __post_init__(self) -> None:
        self._workers = [_Worker() for _ in range(self.store.settings.workers)]
        self._vigil = Vigil(self.store)
        self._last_beat = 0.0

    def start(self) -> None:
        """Begin."""
        self._thread = threading.Thread(target=self._watch, name="supervisor", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the workers and give their jobs back to the queue; each goes on from its checkpoint when it is begun."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()
        for worker in self._workers:
            if worker.process is not None:
                worker.process.kill()
                worker.process.wait()
                self._safely(lambda owner=worker.owner: release(self.store, owner=owner, died=False))
                _close(worker.process)

    def alive(self) -> int:
        """How many workers there are now."""
        return sum(worker.process is not None and worker.process.poll() is None for worker in self._workers)

    def pids(self) -> list[int]:
        """Of the workers."""
        return [worker.process.pid for worker in self._workers if worker.process is not None]

    def _watch(self) -> None:
        while not self._ended.wait(TICK):
            self._safely(self._tick)

    def _tick(self) -> None:
        moment = time.monotonic()
        for worker in self._workers:
            self._look_after(worker, moment)
        if moment - self._last_beat >= min(_BEAT, self.store.settings.lease / 5):
            self._last_beat = moment
            beat(self.store, self.server)
            if given := self._vigil.give_back():
                log("jobs_given_back", jobs=given)

    def _look_after(self, worker: _Worker, moment: float) -> None:
        if worker.process is not None and worker.process.poll() is not None:
            code = worker.process.returncode
            release(self.store, owner=worker.owner, died=code != DATABASE_AWAY)  # where it fails, the next tick tries
            log("worker_died", code=code)
            lived = moment - worker.started
            worker.wait = min(_PATIENCE, max(2 * worker.wait, 0.5)) if lived < 10 else 0.0
            _close(worker.process)
            worker.process = None
        if worker.process is None and moment >= worker.started + worker.wait:
            worker.owner, worker.started = secrets.token_hex(8), moment
            worker.process = self._begin(worker.owner)

    def _begin(self, owner: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-m", "gatecast.web.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            env={"OMP_NUM_THREADS": "1", **os.environ},
        )
        settings = {**asdict(self.store.settings), "data": str(self.store.settings.data), "token": None}
        settings |= {"host": "127.0.0.1", "watch": None}  # a worker serves and watches nothing, and needs no token
        told = {"settings": settings, "server": self.server, "owner": owner}
        assert process.stdin is not None
        try:  # by a pipe: a password in a command line can be read by every user of the machine
            process.stdin.write(json.dumps(told).encode() + b"\n")
            process.stdin.flush()
        except BrokenPipeError:
            pass  # it died; the next tick sees to it
        return process

    def _safely(self, act: object) -> None:
        """A database that cannot be used for a while (a full disk) must not end the supervisor."""
        assert callable(act)
        try:
            act()
        except (GatecastError, OSError) as error:
            log("supervisor_error", kind=type(error).__name__)


def _close(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        with suppress(BrokenPipeError):
            process.stdin.close()

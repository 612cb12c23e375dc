"""A foreign model in a process of its own: it may raise, hang, crash or answer nonsense, and costs only itself."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
import weakref
from contextlib import suppress
from dataclasses import replace
from typing import Any

from gatecast.errors import ForeignError, UsageError
from gatecast.forecast import Forecast
from gatecast.models.foreign.targets import Target
from gatecast.notes import Note
from gatecast.prices import PriceTable, check_prices

_AFTER = 5.0  # seconds for the pipe of a process that was stopped
TIMEOUT = 300.0  # seconds of a fit or of a forecast; a daily model that needs more is most likely stuck


class Child:
    """The process of one fitted model. A request that is not answered in time ends it."""

    def __init__(self) -> None:
        command = [sys.executable, "-P", "-W", "ignore", "-m", "gatecast.models.foreign.child"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
        self.stop = weakref.finalize(self, _end, self._process)
        self._asked = 0

    def ask(self, request: tuple[Any, ...], timeout: float) -> Any:
        """The answer to a request; raises `ForeignError` where there is none within `timeout` seconds."""
        answers: list[tuple[str, Any]] = []
        # In a thread, since a process that hangs may not even take the request from its pipe.
        exchange = threading.Thread(target=self._exchange, args=(request, answers), daemon=True)
        exchange.start()
        try:
            exchange.join(timeout)
        finally:
            if not answers:  # too late, or Ctrl-C while it was waited for
                late = exchange.is_alive()
                self.stop()
                exchange.join(_AFTER)  # a process that the model has left behind may hold the pipe open
        if not answers:
            if late:
                raise ForeignError(
                    f"its {request[0]} took longer than {timeout:g} seconds. Give it more: timeout={4 * timeout:g}."
                )
            code = self._process.returncode
            raise ForeignError(f"its process ended during {request[0]} (exit status {code}). Correct it.")
        state, answer = answers[0]
        if state == "failed":
            self.stop()
            raise ForeignError(answer)
        return answer

    def _exchange(self, request: tuple[Any, ...], answers: list[tuple[str, Any]]) -> None:
        requests, replies = self._process.stdin, self._process.stdout
        assert requests is not None
        assert replies is not None
        with suppress(OSError, EOFError, ValueError, pickle.UnpicklingError):
            self._asked += 1
            pickle.dump((self._asked, *request), requests)
            requests.flush()
            number, pid, state, answer = pickle.load(replies)
            if (number, pid) != (self._asked, self._process.pid):
                state, answer = "failed", "another process than its own answered. Correct it: a model must not fork."
            answers.append((state, answer))


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill the process and what it started, and close its pipes."""
    with suppress(OSError):
        os.killpg(process.pid, signal.SIGKILL) if hasattr(os, "killpg") else process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        with suppress(OSError, ValueError):
            if pipe is not None:
                pipe.close()


class Isolated:
    """A model that gatecast did not make, as a `Model`; every fit is in a process of its own.

    A fresh process for each fit, so that nothing of a later cutoff can be left over in the model's module. `timeout`:
    seconds that a fit, and each forecast, may take. Every failure is a `ForeignError` of one line.
    """

    def __init__(self, target: Target, *, name: str, timeout: float = TIMEOUT) -> None:
        self.target = target
        self.name = name
        self.timeout = timeout
        # Code that may change without a new version has no text that only equal code has: its folds are not stored.
        self.code = target.version or object()

    def fit(self, prices: PriceTable) -> Isolated:
        """Load the model in a new process and fit it there; returns self."""
        check_prices(prices)
        self.child_ = Child()
        self.child_.ask(("fit", self.target, prices), self.timeout)
        return self

    def predict(self, prices: PriceTable, horizon: int, *, paths: int = 1000, seed: int = 0) -> Forecast:
        """What the model forecasts, checked."""
        if not hasattr(self, "child_"):
            raise UsageError(f"a model predicts after it is fitted; '{self.name}' is not. Call fit(prices) first.")
        check_prices(prices)
        answer = self.child_.ask(("predict", prices, horizon, paths, seed), self.timeout)
        assert isinstance(answer, Forecast)
        return replace(answer, items=tuple(replace(item, notes=self._named(item.notes)) for item in answer))

    def _named(self, notes: tuple[Note, ...]) -> tuple[Note, ...]:
        """The model's notes under the name by which it is judged, which its process does not know."""
        return tuple(replace(note, text=f"{self.name}: {note.text}") for note in notes)

"""Global training on the wide panel, one definition for gatecast and every rival: its data, networks and clock.

Two networks. `recipe`: LSTM 3 x 128, dropout 0.2, dense 64-32 before the output; `small`: LSTM 1 x 16, as `quick` has
it. Two ways to learn the next day's log return, 64 sequences an update in both:

- `windows`: one target after each window of 60 days;
- `steps`: a target after every step of a sequence of 120 days.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from rivals.recipe import DENSE, DROPOUT, HIDDEN, LAYERS

SEQUENCE = 120  # days of a sequence that is learned from at every step: two contexts
WARM = 5  # updates before the clock starts


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A network's size, and how many updates of it are timed."""

    layers: int
    hidden: int
    dropout: float
    dense: tuple[int, ...]


SHAPES = {
    "recipe": Shape(layers=LAYERS, hidden=HIDDEN, dropout=DROPOUT, dense=DENSE),
    "small": Shape(layers=1, hidden=16, dropout=0.0, dense=()),
}
WAYS = ("windows", "steps")


class Enough(Exception):
    """Enough updates have been timed."""


@dataclass(kw_only=True)
class Clock:
    """Notes when each update ended; the first ones warm up."""

    updates: int
    began: float = field(default_factory=time.perf_counter)
    ends: list[float] = field(default_factory=list)

    def tick(self) -> bool:
        """An update has ended; whether it was the last to be timed."""
        self.ends.append(time.perf_counter())
        return len(self.ends) == WARM + self.updates

    def found(self, targets: int) -> dict[str, float]:
        """Seconds of the timed updates, targets learned from in one, and seconds until the first had ended."""
        seconds = self.ends[WARM + self.updates - 1] - self.ends[WARM - 1]
        return {"seconds": seconds, "targets": targets * self.updates, "first_update": self.ends[0] - self.began}


def closes(path: str | Path) -> list[np.ndarray]:
    """The closes of each asset, adjusted for splits and dividends, oldest first."""
    with np.load(path) as data:
        return np.split(data["close"].astype(np.float64), np.cumsum(data["lengths"])[:-1])


def returns(path: str | Path) -> list[np.ndarray]:
    """The log returns of each asset in units of all their deviations, within ten of them, as float32."""
    moves = [np.diff(np.log(close)) for close in closes(path)]
    deviation = np.concatenate(moves).std()
    return [np.clip(move / deviation, -10, 10).astype(np.float32) for move in moves]

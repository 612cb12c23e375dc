"""The recipe in gatecast, through its own training loop and its own simulator; and what else is timed of gatecast."""

from __future__ import annotations

import contextlib
import resource
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from gatecast import Config, Forecaster, PriceTable, read_prices
from gatecast.executors import prepare_process
from gatecast.features.windows import Panel
from gatecast.nn.network import Network, build
from gatecast.nn.precision import in_sixteen_bits, supported
from gatecast.nn.training.loop import Progress
from gatecast.nn.training.recipe import train_recipe
from rivals.recipe import CONTEXT, FEATURES, answer, rows


class Enough(Exception):
    """Enough has been timed."""


class Clock:
    """Seconds since it was made, at the end of each epoch: an epoch ends where its last update does."""

    def __init__(self) -> None:
        self.began, self.ends = time.perf_counter(), list[float]()

    def __call__(self, now: Progress) -> None:
        """Called by the training loop after each update."""
        if round(now.share * now.epochs, 9) == now.epoch:
            self.ends.append(time.perf_counter() - self.began)


def panel_of(
    features: np.ndarray, target: np.ndarray, config: Config, *, trained: int, held_out: int
) -> tuple[Panel, np.datetime64]:
    """A panel of one item of which the last rows are targets, and the stamp that splits them."""
    padding, count = max(config.context_length, config.chunk_length), len(target)
    row = np.arange(count)
    pad = np.zeros(padding, dtype=np.float32)
    zeros = np.zeros((padding, features.shape[1]), dtype=np.float32)
    stamps = np.datetime64("2000-01-01", "ns") + row * np.timedelta64(1, "D")
    panel = Panel(
        inputs=np.concatenate([zeros, features, zeros]),
        target=np.concatenate([pad, target, pad]),
        usable=np.concatenate([pad, row >= count - trained - held_out, pad]).astype(bool),
        stamps=np.concatenate([np.repeat(stamps[:1], padding), stamps, np.repeat(stamps[-1:], padding)]),
        first_rows=np.array([padding]),
    )
    return panel, stamps[count - held_out - 1]


def epoch(windows: int, epochs: int, precision: str = "float32") -> dict[str, Any]:
    """Seconds of each epoch after the first, from last update to last update: the held-out window is in them."""
    config = Config.from_preset("reference").replace(epochs=1 + epochs, precision=precision)
    panel, split = panel_of(*rows(windows), config, trained=windows, held_out=1)
    network, clock = build(config, FEATURES, torch.device("cpu")), Clock()
    train_recipe(network, panel, split, config, progress=clock)
    return {"seconds": np.diff(clock.ends).tolist()}


def sixteen_bits() -> dict[str, Any]:
    """Whether the processor has bfloat16, what `auto` makes of it, and in how many seconds."""
    began = time.perf_counter()
    taken = in_sixteen_bits("auto")
    return {"supported": supported(), "auto_takes_it": taken, "decided_in": time.perf_counter() - began}


def sample(runs: list[int], days: int, tries: int) -> dict[str, Any]:
    """Median seconds of `predict` by number of paths: the reference network, every feature recomputed each day."""
    prices = read_prices("sample:aapl")
    prices = PriceTable(series=(prices.series[0].rows(-400, len(prices.series[0])),))
    forecaster = Forecaster(Config.from_preset("reference").replace(epochs=1)).fit(prices)
    found = {}
    for paths in runs:
        seconds = []
        for number in range(1 + tries):
            began = time.perf_counter()
            forecaster.predict(prices, days, paths=paths, seed=number)
            seconds.append(time.perf_counter() - began)
        found[str(paths)] = float(np.median(seconds[1:]))
    return {"seconds": found, "features": list(forecaster.networks_.networks[0].features.spec.names)}


def quality(path: str, settings: dict[str, Any], seeds: int, goal: float | None) -> dict[str, Any]:
    """Validation loss and seconds since the start by epoch, for each seed; with a goal, until it is reached.

    After each epoch the loop is held up to judge the held-out windows, the very ones Keras is judged on: each from
    a zero state, no row before it. That time counts.
    """
    with np.load(path) as data:
        features, target = data["features"], data["target"]
        windows = torch.from_numpy(data["windows"])
        wanted, share = torch.from_numpy(data["targets"]), float(data["validation"])
    held_out = len(wanted) - int(len(wanted) * (1 - share))  # as Keras cuts
    windows, wanted = windows[-held_out:].transpose(0, 1).contiguous(), wanted[-held_out:]
    found = []
    for seed in range(seeds):
        config = Config(**{"loss": "huber", "huber_delta": 1.0, "patience": 0, **settings, "seed": seed})
        panel, split = panel_of(
            features, target, config, trained=len(target) - CONTEXT + 1 - held_out, held_out=held_out
        )
        network = build(config, FEATURES, torch.device("cpu"))
        race = Race(network=network, config=config, windows=windows, wanted=wanted, goal=goal)
        with contextlib.suppress(Enough):
            train_recipe(network, panel, split, config, progress=race)
        found.append({"seconds": race.clock.ends, "losses": race.losses})
    return {"seeds": found}


@dataclass(kw_only=True)
class Race:
    """Judges the held-out windows (time, window, feature) after each epoch, until the goal is reached."""

    network: Network
    config: Config
    windows: torch.Tensor
    wanted: torch.Tensor
    goal: float | None
    clock: Clock = field(default_factory=Clock)
    losses: list[float] = field(default_factory=list)

    def __call__(self, now: Progress) -> None:
        """Called by the training loop after each update."""
        self.clock(now)
        if len(self.clock.ends) == len(self.losses):
            return
        with torch.no_grad():
            next_day, _ = self.network(self.windows, last=1)
            self.losses.append(-float(next_day.log_prob(self.wanted[None]).mean()))
        self.clock.ends[-1] = time.perf_counter() - self.clock.began
        if self.goal is not None and self.losses[-1] <= self.goal:
            raise Enough


def memory(context: int, count: int, windows: int, held_out: int) -> dict[str, Any]:
    """Seconds of the second epoch of the reference network on the last windows of so many rows; peak resident GiB."""
    config = Config.from_preset("reference").replace(context_length=context, epochs=2)
    panel, split = panel_of(*rows(count - CONTEXT), config, trained=windows, held_out=held_out)
    network, clock = build(config, FEATURES, torch.device("cpu")), Clock()
    train_recipe(network, panel, split, config, progress=clock)
    return {"seconds": clock.ends[1] - clock.ends[0], "peak_gib": peak_gib()}


def default_memory(context: int, count: int, epochs: int) -> dict[str, Any]:
    """The same of the default network from scratch, by `fit` on a whole table."""
    config = Config(context_length=context, epochs=epochs, patience=0)
    prices, began = walk(1, count), time.perf_counter()
    Forecaster(config).fit(prices)
    return {"seconds": time.perf_counter() - began, "peak_gib": peak_gib()}


def scale(assets: int, count: int, epochs: int, tries: int) -> dict[str, Any]:
    """Median seconds of `fit` of the default network from scratch, after a short one that warms up."""
    config = Config(epochs=epochs, patience=0)
    Forecaster(config.replace(epochs=1)).fit(walk(1, 400))
    prices, seconds = walk(assets, count), []
    for _ in range(tries):
        began = time.perf_counter()
        Forecaster(config).fit(prices)
        seconds.append(time.perf_counter() - began)
    return {"seconds": float(np.median(seconds))}


def walk(assets: int, count: int) -> PriceTable:
    """Random walks of daily closes."""
    rng = np.random.default_rng(assets)
    stamps = np.datetime64("1900-01-01") + np.arange(count) * np.timedelta64(1, "D")
    closes = 100 * np.exp(np.cumsum(0.005 * rng.standard_normal((assets, count)), axis=1))
    return PriceTable.from_close({f"A{number}": (close, stamps) for number, close in enumerate(closes)})


def peak_gib() -> float:
    """The most memory this process ever held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


if __name__ == "__main__":
    prepare_process()  # as the command does
    answer(
        {
            "epoch": epoch,
            "sixteen_bits": sixteen_bits,
            "sample": sample,
            "quality": quality,
            "memory": memory,
            "default_memory": default_memory,
            "scale": scale,
        }
    )

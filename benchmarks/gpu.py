"""What a GPU is worth: a recipe epoch and 1,000 paths of 30 days beside cuDNN's own LSTM; and the base network.

    python benchmarks/gpu.py [--device cuda] [--rounds 3]

Each in 32 and in 16 bits, beside the processor, medians over rounds in turn. "The layer alone" is torch's `nn.LSTM`,
which is cuDNN's on a GPU, with the same widths, on as many sequences of as many steps: what no program that computes
with it can beat. The base network is computed on the processor wherever it runs (its rows say so). Prices are made up.
Under five minutes on one GPU; `--device cpu` shows that it runs.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable

import numpy as np
import pandas as pd
import torch
from torch import nn

from gatecast.config import Config
from gatecast.models.forecaster import Forecaster
from gatecast.nn.precision import recurrent
from gatecast.prices import PriceSeries, PriceTable

PRECISIONS = ("float32", "bfloat16")
PATHS, HORIZON, ASSETS, ROWS = 1000, 30, 80, 1200


def series(name: str, rows: int, seed: int) -> PriceSeries:
    """Prices with ranges and volumes, whose volatility comes and goes."""
    rng = np.random.default_rng(seed)
    sigma = 0.01 * np.exp(0.5 * np.sin(np.arange(rows) / 40))
    close = 50 * np.exp(np.cumsum(sigma * rng.standard_t(5, rows)))
    spread = 1 + sigma * rng.random((2, rows))
    days = pd.bdate_range("2016-01-04", periods=rows).to_numpy()
    volume = np.exp(12 + rng.normal(0, 0.3, rows))
    return PriceSeries(
        item_id=name, timestamps=days, close=close, high=close * spread[0], low=close / spread[1], volume=volume
    )


def in_turn(works: dict[str, Callable[[], object]], device: str, rounds: int) -> dict[str, float]:
    """Median seconds of each, taken in turn, after one round to warm up."""
    taken: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds + 1):
        for name, work in works.items():
            began = time.perf_counter()
            work()
            if device == "cuda":
                torch.cuda.synchronize()
            taken[name].append(time.perf_counter() - began)
    return {name: statistics.median(times[1:]) for name, times in taken.items()}


def report(title: str, seconds: dict[str, float]) -> None:
    print(title)
    least = min(seconds.values())
    for name, value in seconds.items():
        print(f"    {name:34}{1000 * value:10.1f} ms {value / least:8.2f}", flush=True)


def recipe(device: str, precision: str) -> Config:
    return Config.from_preset(
        "reference", ["epochs=1", "calibrate=false", f"device={device}", f"precision={precision}"]
    )


class Layers(nn.Module):
    """The recipe's three layers and nothing else."""

    def __init__(self, inputs: int, config: Config, precision: str) -> None:
        super().__init__()
        widths = [inputs] + [config.hidden] * (config.layers - 1)
        self.layers = nn.ModuleList(nn.LSTM(width, config.hidden) for width in widths)
        self.sixteen_bits = precision == "bfloat16"

    def forward(self, seen: torch.Tensor, states: list[tuple[torch.Tensor, ...] | None]) -> torch.Tensor:
        for place, layer in enumerate(self.layers):
            assert isinstance(layer, nn.LSTM)
            seen, states[place] = recurrent(layer, seen, states[place], self.sixteen_bits)
        return seen


def epoch_of(layers: Layers, batches: int, config: Config, inputs: int, device: str) -> None:
    """Forward and backward over as many windows as an epoch of the recipe has; no loss, no optimiser, no data moved."""
    seen = torch.zeros(config.context_length, config.batch, inputs, device=device)
    for _ in range(batches):
        layers(seen, [None] * config.layers)[-1].sum().backward()


@torch.inference_mode()
def paths_of(layers: Layers, config: Config, inputs: int, device: str) -> None:
    """A context once, then a step of every path at a time, as paths need it: each day is seen before the next."""
    states: list[tuple[torch.Tensor, ...] | None] = [None] * config.layers
    layers(torch.zeros(config.context_length, 1, inputs, device=device), states)
    states = [tuple(part.repeat(1, PATHS, 1) for part in state) for state in states if state]
    step = torch.zeros(1, PATHS, inputs, device=device)
    for _ in range(HORIZON):
        layers(step, states)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    if asked.device == "cuda" and not torch.cuda.is_available():
        sys.exit("this benchmark needs a CUDA GPU; torch finds none here. Take --device cpu to see that it runs.")
    name = torch.cuda.get_device_name() if asked.device == "cuda" else "the processor"
    print(f"{name}; torch {torch.__version__}; medians of {asked.rounds} rounds in turn, and times the quickest")
    prices = PriceTable(series=(series("X", ROWS, 0),))
    devices = list(dict.fromkeys([asked.device, "cpu"]))

    trained = {
        (device, precision): Forecaster(recipe(device, precision)).fit(prices)
        for device in devices
        for precision in PRECISIONS
    }
    first = next(iter(trained.values()))
    inputs = next(size for key, size in sizes(first).items() if key.endswith("weight_ih_l0"))
    config = first.config
    windows = int(ROWS * (1 - config.validation)) - config.context_length
    alone = {precision: Layers(inputs, config, precision).to(asked.device) for precision in PRECISIONS}

    works: dict[str, Callable[[], object]] = {}
    for device, precision in trained:
        works[f"recipe, {precision}, {device}"] = lambda d=device, p=precision: Forecaster(recipe(d, p)).fit(prices)
    for precision, layers in alone.items():
        works[f"the layer alone, {precision}, {asked.device}"] = lambda of=layers: epoch_of(
            of, -(-windows // config.batch), config, inputs, asked.device
        )
    report("an epoch of the recipe, with reading, held-out days and start", in_turn(works, asked.device, asked.rounds))

    works = {}
    for (device, precision), model in trained.items():
        works[f"recipe, {precision}, {device}"] = lambda of=model: of.predict(prices, HORIZON, paths=PATHS)
    for precision, layers in alone.items():
        works[f"the layer alone, {precision}, {asked.device}"] = lambda of=layers: paths_of(
            of, config, inputs, asked.device
        )
    report(f"{PATHS:,} paths of {HORIZON} days", in_turn(works, asked.device, asked.rounds))

    table = PriceTable(series=tuple(series(f"A{number}", ROWS, number) for number in range(ASSETS)))
    works = {}
    for precision in PRECISIONS:
        base = Config.from_preset("base", [f"device={asked.device}", f"precision={precision}"])
        works[f"base, {precision}, on the processor"] = lambda of=base: (
            Forecaster(of).fit(table).predict(table, HORIZON, paths=PATHS)
        )
    report(f"{ASSETS} assets by the base network, calibrated", in_turn(works, asked.device, 1))


def sizes(model: Forecaster) -> dict[str, int]:
    """The last size of each weight."""
    return {key: int(tensor.shape[-1]) for key, tensor in model.tensors().items()}


if __name__ == "__main__":
    main()

"""What bfloat16 is worth: a recipe epoch, paths of the recipe and of the base network, and the loss after training.

    python benchmarks/precision.py

Both precisions in turn, one core each, medians; the held-out loss of five seeds of `quick` on the sample, and the bands
of the base network. Says so where the processor has no bfloat16.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch

from gatecast.config import Config
from gatecast.models.forecaster import Forecaster
from gatecast.nn.precision import speed, supported
from gatecast.prices import PriceTable
from gatecast.readers.read import read_prices

PRECISIONS = ("float32", "bfloat16")


def in_turn(work: Callable[[str], object], rounds: int) -> tuple[float, float]:
    """Median seconds of processor time of each precision, taken in turn."""
    taken: dict[str, list[float]] = {precision: [] for precision in PRECISIONS}
    for _ in range(rounds + 1):
        for precision in PRECISIONS:
            began = time.process_time()
            work(precision)
            taken[precision].append(time.process_time() - began)
    single, half = (statistics.median(times[1:]) for times in taken.values())
    return single, half


def report(name: str, seconds: tuple[float, float]) -> None:
    print(f"{name:28}{seconds[0]:8.2f} s{seconds[1]:8.2f} s{seconds[0] / seconds[1]:8.2f}", flush=True)


def losses(prices: PriceTable, seeds: int) -> None:
    """The best held-out loss of each precision, over seeds."""
    best = {
        precision: [
            min(loss for *_, loss in Forecaster(quick(precision, seed)).fit(prices).losses) for seed in range(seeds)
        ]
        for precision in PRECISIONS
    }
    single, half = (np.array(values) for values in best.values())
    each = ", ".join(f"{100 * (b / a - 1):+.2f}" for a, b in zip(single, half, strict=True))
    print(f"held-out loss, bfloat16 over float32, %: {each}; mean {100 * (half.mean() / single.mean() - 1):+.2f}")


def quick(precision: str, seed: int) -> Config:
    return Config.from_preset("quick", [f"precision={precision}", f"seed={seed}", "hidden=32"])


def bands(prices: PriceTable) -> None:
    """How far apart the base network's bands are, in their own width."""
    made = [
        Forecaster(Config.from_preset("base", [f"precision={precision}", "calibrate=false"]))
        .fit(prices)
        .predict(prices, 20, paths=4000)
        .items[0]
        for precision in PRECISIONS
    ]
    edges = [np.quantile(item.log_returns(), [0.05, 0.95], axis=0) for item in made]
    width = edges[0][1] - edges[0][0]
    print(
        f"base network, 90% band: ends apart by {100 * (np.abs(edges[1] - edges[0]) / width).max():.2f}% of its width"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    prices = read_prices("sample:aapl")
    told = f"a layer learns {speed():.2f} times as fast" if supported() else "the processor has none"
    print(f"bfloat16: {told}\n{'':28}{'float32':>10}{'bfloat16':>10}{'ratio':>8}")
    one = ["epochs=1", "calibrate=false"]
    trained = {
        precision: Forecaster(Config.from_preset("reference", [*one, f"precision={precision}"])).fit(prices)
        for precision in PRECISIONS
    }
    report(
        "recipe, an epoch",
        in_turn(
            lambda p: Forecaster(Config.from_preset("reference", [*one, f"precision={p}"])).fit(prices),
            arguments.rounds,
        ),
    )
    report("recipe, 1,000 paths x 30", in_turn(lambda p: trained[p].predict(prices, 30, paths=1000), arguments.rounds))
    base = {
        precision: Forecaster(Config.from_preset("base", [f"precision={precision}", "calibrate=false"])).fit(prices)
        for precision in PRECISIONS
    }
    report("base, 1,000 paths x 30", in_turn(lambda p: base[p].predict(prices, 30, paths=1000), arguments.rounds))
    losses(prices, arguments.seeds)
    bands(prices)


if __name__ == "__main__":
    main()

"""The wide panel in gatecast: global training by `Forecaster.fit`, GARCH and theta of each asset."""

from __future__ import annotations

import contextlib
import time
from typing import Any

import numpy as np

from gatecast import Config, Forecaster, PriceTable, Theta
from gatecast.executors import prepare_process
from gatecast.models.baselines.gjr import fit_gjr
from gatecast.nn.training.loop import Progress
from rivals.panel import SEQUENCE, SHAPES, WAYS, Clock, Enough, closes
from rivals.recipe import BATCH, CONTEXT, answer


def train(path: str, updates: dict[str, int], precision: str = "float32") -> dict[str, Any]:
    """Seconds of so many updates of each network: `fit` on the closes of all assets, eight indicators as inputs."""
    prices = table(closes(path))
    found = {}
    for name, timed in updates.items():
        for way in WAYS:
            shape = SHAPES[name]
            config = Config(
                context_length=CONTEXT,
                chunk_length=SEQUENCE,
                training="windows" if way == "windows" else "dense",
                layers=shape.layers,
                hidden=shape.hidden,
                dropout=shape.dropout,
                dense=shape.dense,
                batch=BATCH,
                precision=precision,
            )
            clock = Clock(updates=timed)

            def progress(now: Progress, clock: Clock = clock) -> None:
                if clock.tick():
                    raise Enough

            with contextlib.suppress(Enough):
                Forecaster(config).fit(prices, progress=progress)
            found[f"{name}, {way}"] = clock.found(BATCH * (1 if way == "windows" else SEQUENCE))
    return found


def garch(path: str, rows: int) -> dict[str, Any]:
    """Seconds to fit GJR-GARCH(1,1) with Student-t errors to the last returns of each asset."""
    moves = [np.diff(np.log(close[-rows - 1 :])) for close in closes(path)]
    fit_gjr(moves[0])  # warms up
    began = time.perf_counter()
    for move in moves:
        fit_gjr(move)
    return {"seconds": time.perf_counter() - began}


def theta(path: str, rows: int) -> dict[str, Any]:
    """Seconds to fit the theta method to the last closes of each asset."""
    of_assets = [close[-rows:] for close in closes(path)]
    Theta().fit(table(of_assets[:1]))
    prices = table(of_assets)
    began = time.perf_counter()
    Theta().fit(prices)
    return {"seconds": time.perf_counter() - began}


def table(of_assets: list[np.ndarray]) -> PriceTable:
    """The closes as a table whose last days coincide."""
    end = np.datetime64("2021-12-31")
    days = {len(close): end - np.arange(len(close))[::-1] * np.timedelta64(1, "D") for close in of_assets}
    return PriceTable.from_close(
        {f"A{number:04d}": (close, days[len(close)]) for number, close in enumerate(of_assets)}
    )


if __name__ == "__main__":
    prepare_process()  # as the command does
    answer({"train": train, "garch": garch, "theta": theta})

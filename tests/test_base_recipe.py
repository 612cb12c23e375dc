"""What the base network learns from: bars that are none are left out, near copies and pegs weigh less."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

from conftest import simulated_series
from gatecast.nn.training.sequences import Pool, TrainingSequence
from gatecast.prices import PriceSeries


@pytest.fixture(scope="module")
def recipe() -> ModuleType:
    place = Path(__file__).parents[1] / "scripts" / "make_base.py"
    spec = importlib.util.spec_from_file_location("make_base", place)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["make_base"] = module  # its dataclasses look up their own module
    spec.loader.exec_module(module)
    return module


def frame(item: str, kind: str, seed: int, blank: int = 0) -> pd.DataFrame:
    series = simulated_series(item, 300, seed)
    rows = pd.DataFrame({"date": series.timestamps, **series.columns()})
    rows["adj_close"] = rows["close"]
    rows.loc[rows.index[:blank], ["open", "high", "low"]] = np.nan
    return rows.assign(ticker=item, **{"class": kind}, source="A")


def test_currencies_and_series_with_blank_bars_are_read_as_closes_alone(recipe: ModuleType) -> None:
    parts = [
        frame("EURUSD", "fx", 1),
        frame("CL", "future", 2, 2),
        frame("SI", "future", 3, 60),
        frame("SPY", "etf_equity", 4),
    ]
    found = recipe.other_markets(pd.concat(parts, ignore_index=True))
    columns = {series.item_id: series.has_range for table in found.values() for series in table}
    assert columns == {"EURUSD": False, "CL": True, "SI": False, "SPY": True}
    assert set(found) == {"fx", "future", "etf_equity"}
    assert set(recipe.CLASS_SHARES) >= set(found)


def test_series_that_move_alike_are_counted(recipe: ModuleType) -> None:
    first, other = simulated_series("A", 400, 1), simulated_series("C", 400, 2)
    twice = PriceSeries(item_id="B", timestamps=first.timestamps, close=1 / first.close)  # an inverse fund
    assert recipe.copies([first, twice, other]) == {"A": 2, "B": 2, "C": 1}


def test_chunks_are_drawn_by_the_weights_of_their_items() -> None:
    sequences = [TrainingSequence.of_table([simulated_series(name, 400, seed)])[0] for seed, name in enumerate("AB")]
    pool = Pool.of({"all": (1.0, sequences)}, weights={"B": 0.25})
    chunks = pool.draw(2000, np.random.default_rng(0))
    rows = {name: sequence.inputs.signals for name, sequence in zip("AB", sequences, strict=True)}
    drawn = chunks.inputs.signals[0]  # the first row of each chunk
    share = np.mean([(rows["B"] == row).all(dim=1).any().item() for row in drawn[:400]])
    assert 0.14 < share < 0.26

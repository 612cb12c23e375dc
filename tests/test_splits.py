"""Likely splits: the note names its remedy, repair=True makes it, and columns that disagree follow the close."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from conftest import texts
from gatecast.config import Config
from gatecast.models.forecaster import Forecaster
from gatecast.prices import PriceSeries
from gatecast.readers.read import read_prices
from gatecast.readers.splits import find_splits

ROW = 120  # of the split
PRICES = ["open", "high", "low", "close"]


def adjusted(rows: int = 300, seed: int = 5) -> pd.DataFrame:
    """A stock without a split, with one sharp day that is none."""
    rng = np.random.default_rng(seed)
    moves = rng.normal(0, 0.01, rows)
    moves[40] = -0.08
    close = 100 * np.exp(np.cumsum(moves))
    opens = np.concatenate([[100.0], close[:-1]]) * np.exp(rng.normal(0, 0.001, rows))
    spread = 1 + 0.005 * rng.random(rows)
    return pd.DataFrame(
        {
            "date": pd.bdate_range("2023-01-02", periods=rows),
            "open": opens,
            "high": np.maximum(opens, close) * spread,
            "low": np.minimum(opens, close) / spread,
            "close": close,
            "volume": np.round(1e6 * np.exp(rng.normal(0, 0.3, rows))),
        }
    )


def scaled(frame: pd.DataFrame, columns: list[str], ratio: float, row: int = ROW) -> pd.DataFrame:
    """The frame with some columns multiplied before the split."""
    frame = frame.copy()
    frame.loc[: row - 1, columns] *= ratio
    return frame


def read(frame: pd.DataFrame, *, repair: bool = False) -> tuple[PriceSeries, tuple[str, ...]]:
    (series,) = read_prices(frame, repair=repair)
    return series, texts(series.notes)


@pytest.mark.parametrize(("ratio", "name"), [(4.0, "4-for-1 split"), (1.5, "3-for-2 split"), (0.1, "1-for-10 reverse")])
def test_a_split_names_its_remedy_and_repair_makes_it(ratio: float, name: str) -> None:
    raw = scaled(scaled(adjusted(), PRICES, ratio), ["volume"], 1 / ratio)
    series, (note,) = read(raw)
    assert (series.close == raw["close"]).all()
    change = "divide" if ratio > 1 else "multiply"
    assert name in note and f"pass repair=True to {change} the prices before it by {max(ratio, 1 / ratio):g}" in note
    series, (note,) = read(raw, repair=True)
    for column, values in series.columns().items():
        np.testing.assert_allclose(values, adjusted()[column], err_msg=column)
    assert note.startswith(f"repair: {change[:-1]}") and name in note and str(raw["date"][ROW])[:10] in note
    assert "the volumes." in note


def test_volumes_that_do_not_jump_are_adjusted_already() -> None:
    series, (note,) = read(scaled(adjusted(), PRICES, 4.0), repair=True)
    assert series.volume is not None and (series.volume == adjusted()["volume"]).all()
    assert "the volumes, which do not change with it, were left" in note


def test_two_splits_are_both_made() -> None:
    raw = scaled(scaled(adjusted(), PRICES, 4.0), PRICES, 2.0, row=200)
    series, notes = read(raw, repair=True)
    np.testing.assert_allclose(series.close, adjusted()["close"])
    assert len(notes) == 2


def test_a_close_that_alone_is_unadjusted_takes_the_others_along() -> None:
    raw = scaled(adjusted(), ["close"], 2.0)
    series, notes = read(raw)
    for column in PRICES:
        np.testing.assert_allclose(series.columns()[column], scaled(adjusted(), PRICES, 2.0)[column])
    assert len(notes) == 2 and sum("split." in note for note in notes) == 1
    assert f"brought open, high and low to the scale of the close in {ROW} rows" in notes[0]
    assert "2-for-1 split" in notes[1] and str(raw["date"][ROW])[:10] in notes[1]
    series, notes = read(raw, repair=True)
    for column in [*PRICES, "volume"]:
        np.testing.assert_allclose(series.columns()[column], adjusted()[column])
    head, _ = read(raw.iloc[: ROW - 10])
    assert (head.columns()["high"] == 2 * adjusted()["high"][: ROW - 10]).all()  # no later row decides it


@pytest.mark.parametrize("columns", [["open", "high", "low"], ["open"]])
def test_a_close_that_alone_is_adjusted_is_no_split(columns: list[str]) -> None:
    series, (note,) = read(scaled(adjusted(), columns, 4.0))
    for column in PRICES:
        np.testing.assert_allclose(series.columns()[column], adjusted()[column])
    assert "to the scale of the close" in note


@pytest.mark.parametrize(("rows", "factor"), [(3, 3.0), (10, 2.6)])
def test_a_few_bad_opens_or_no_ratio_of_splits_are_no_split(rows: int, factor: float) -> None:
    frame = adjusted()
    frame.loc[50 : 49 + rows, "open"] *= factor
    series, (note,) = read(frame)
    assert (series.columns()["open"] == frame["open"]).all() and note.startswith("widened low and high")


def test_opens_elsewhere_on_a_sharp_day_are_no_split() -> None:
    frame = adjusted()
    assert find_splits(frame["close"].to_numpy(), (2 * frame["open"]).to_numpy()) == []


def test_an_adjusted_close_leaves_nothing_to_split() -> None:
    raw = scaled(adjusted(), PRICES, 4.0).assign(adj_close=adjusted()["close"])
    series, notes = read(raw, repair=True)
    np.testing.assert_allclose(series.close, adjusted()["close"])
    assert not any("split." in note for note in notes)


def test_a_repaired_split_forecasts_as_its_adjusted_twin(shared_data: Path) -> None:
    quantiles = []
    for name in ("unadjusted_split_4to1", "adjusted_twin_of_split"):
        table = read_prices(pd.read_csv(shared_data / "cases" / f"{name}.csv"), repair=True)
        network = Forecaster(Config.from_preset("base", ["calibrate=false"])).fit(table)
        paths = network.predict(table, 20, paths=200, seed=1).items[0].paths
        quantiles.append(np.quantile(paths, [0.05, 0.5, 0.95], axis=0))
    np.testing.assert_allclose(*quantiles, rtol=1e-3)


def test_a_file_whose_close_alone_is_unadjusted(shared_data: Path) -> None:
    notes = texts(read_prices(shared_data / "cases" / "kaggle_google_close_unadjusted.csv").all_notes())
    (note,) = [note for note in notes if "split." in note]
    assert note.startswith("2026-01-21")

"""Likely splits: noted, made by repair=True where no real move looks so; and columns that disagree follow the close."""

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
from gatecast.readers.split_evidence import doubt
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


@pytest.mark.parametrize(
    ("ratio", "name"),
    [
        (4.0, "4-for-1 split"),
        (1.5, "3-for-2 split"),
        (0.1, "1-for-10 reverse"),
        (1.25, "5-for-4 split"),
        (50.0, "50-for-1 split"),
        (1 / 12, "1-for-12 reverse"),
    ],
)
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


FALL = adjusted(seed=6).assign(volume=1e6)


def fallen(columns: list[str], ratio: float = 2.0) -> pd.DataFrame:
    """A 2-for-1 split with the volumes of each day alike, of which a source gives these columns."""
    return scaled(FALL, PRICES, ratio)[["date", *columns]]


def with_row(column: str, times: float, row: int = ROW) -> pd.DataFrame:
    frame = fallen([*PRICES, "volume"])
    frame.loc[row, column] *= times
    return frame


def restless(columns: list[str]) -> pd.DataFrame:
    frame = fallen(columns)
    frame.loc[ROW + 1 :, columns] *= np.exp(0.06 * (np.arange(len(frame) - ROW - 1) % 2))[:, None]
    return frame


@pytest.mark.parametrize(
    ("frame", "why"),
    [
        (with_row("volume", 10.0), "the volume of that day was unusual"),
        (with_row("volume", 0.1), "the volume of that day was unusual"),
        (with_row("high", 1.08), "that day's own prices moved more"),
        (with_row("close", 0.96), "that day's own prices moved more"),
        (fallen([*PRICES, "volume"], 2.06), "it misses the ratio"),
        (fallen(PRICES, 1.5), "only opens and volumes could tell"),
        (fallen(["close", "volume"], 1.5), "only opens and volumes could tell"),
        (fallen([*PRICES, "volume"]).drop(index=range(ROW - 5, ROW)), "rows are missing before it"),
        (restless(PRICES), "what came after it"),
        (fallen(PRICES).iloc[: ROW + 2], "what came after it"),
        (fallen(PRICES).iloc[ROW - 10 :], "it takes 20 moves before it"),
    ],
)
def test_a_move_that_may_be_real_is_left(frame: pd.DataFrame, why: str) -> None:
    series, notes = read(frame, repair=True)
    np.testing.assert_array_equal(series.close, frame["close"])
    (note,) = [note for note in notes if "split" in note]
    assert f"It may be a real move, which repair=True leaves: {why}" in note


@pytest.mark.parametrize(("columns", "least"), [([*PRICES, "volume"], 10), (PRICES, 12), (["close"], 30)])
def test_the_less_is_known_the_more_usual_moves_a_split_must_be(columns: list[str], least: int) -> None:
    for share, doubted in ((1.15, True), (0.85, False)):
        moves = np.where(np.arange(300) % 2, 1, -1) * share * np.log(2) / least
        close = 100 * np.exp(np.cumsum(moves))
        rows = {"open": close * np.exp(-moves), "high": close * 1.2, "low": close / 1.2, "close": close}
        values = {name: (rows | {"volume": np.ones(300)})[name].copy() for name in columns}
        for name in set(columns) & set(PRICES):
            values[name][:ROW] *= 2 * (np.exp(-moves[ROW]) if columns == ["close"] else 1)
        text = doubt(pd.bdate_range("2023-01-02", periods=300).to_numpy(), values, ROW, 2.0)
        assert (text is not None and "times a usual move" in text) == doubted, text


def test_opens_copied_from_the_close_are_no_evidence() -> None:
    close = scaled(FALL, PRICES, 2.0)["close"] * np.exp(np.where(FALL.index % 2, 0.02, -0.02))
    copied = pd.DataFrame({"date": FALL["date"], **dict.fromkeys(PRICES, close)})
    for frame in (copied, copied[["date", "close"]]):
        _, (note,) = read(frame, repair=True)
        assert "times a usual move" in note


@pytest.mark.parametrize(
    ("file", "day"), [("wti_spot_close_1986_2021", "1991-01-17"), ("vix_ohlc_1990_2021", "1991-11-15")]
)
def test_a_war_and_a_panic_are_no_splits(file: str, day: str, shared_data: Path) -> None:
    raw = pd.read_csv(shared_data / "daily" / f"{file}.csv").query("close > 0")
    series, notes = read(raw, repair=True)
    np.testing.assert_array_equal(series.close, raw["close"])
    assert any(note.startswith(day) and "It may be a real move" in note for note in notes)


def test_the_real_splits_of_an_unadjusted_file_are_made(shared_data: Path) -> None:
    raw = pd.read_csv(shared_data / "daily" / "aapl_raw_unadjusted_ohlcv_2000_2013.csv").drop(columns="adj_close")
    series, _ = read(raw, repair=True)
    assert series.close[0] == pytest.approx(raw["close"][0] / 4)


def test_a_move_of_a_quarter_is_a_split_only_beyond_doubt() -> None:
    _, notes = read(scaled(adjusted(), PRICES, 1.25)[["date", "close"]])
    assert notes == ()

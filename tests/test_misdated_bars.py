"""Bars whose range belongs to the next day are left unused, sound ones kept; a model that lives of them is named."""

from __future__ import annotations

import datetime

import numpy as np
import pandas as pd
import pytest

from conftest import independent_walks, simulated_series, texts
from gatecast import read_prices
from gatecast.faces.report import backtest_report
from gatecast.faces.tables import foresight_text
from gatecast.forecast import Forecast
from gatecast.judge.audit import audit
from gatecast.judge.walkforward import backtest
from gatecast.models.baselines import EwmaT, RandomWalk
from gatecast.prices import PriceTable
from gatecast.readers.misdated_bars import range_correlations

TODAY = datetime.date(2026, 1, 1)


def bars(rows: int = 900, *, misdated_from: int | None = None, seed: int = 0) -> pd.DataFrame:
    """Days of 24 hourly moves whose volatility wanders; from a row on the day's start is stamped as its close."""
    rng = np.random.default_rng(seed)
    sigma = 0.001 * np.exp(np.cumsum(rng.normal(0, 0.02, rows)) + 0.5 * rng.standard_normal(rows))
    path = np.cumsum((sigma[:, None] * rng.standard_normal((rows, 24))).ravel()).reshape(rows, 24)
    before = np.concatenate([[0.0], path[:-1, -1]])
    high, low = np.maximum(path.max(axis=1), before), np.minimum(path.min(axis=1), before)
    close = path[:, -1].copy()
    if misdated_from is not None:
        close[misdated_from:] = before[misdated_from:]
    values = {"open": before, "high": high, "low": low, "close": close}
    frame = pd.DataFrame({name: 1.2 * np.exp(column) for name, column in values.items()})
    frame.insert(0, "date", pd.bdate_range("2010-01-01", periods=rows))
    return frame


@pytest.mark.parametrize(("rows", "misdated_from"), [(900, 0), (900, 350), (3000, 2500)])
def test_ranges_of_the_next_day_are_left_unused_and_noted(rows: int, misdated_from: int) -> None:
    (series,) = read_prices(bars(rows, misdated_from=misdated_from), today=TODAY).series
    assert list(series.columns()) == ["close"]
    (note,) = [text for text in texts(series.notes) if "ranges go with the next day's move" in text]
    assert "left open, high and low unused" in note


@pytest.mark.parametrize("seed", range(5))
def test_sound_bars_are_kept(seed: int) -> None:
    (series,) = read_prices(bars(seed=seed), today=TODAY).series
    assert list(series.columns()) == ["open", "high", "low", "close"]
    assert not texts(series.notes)


def test_correlations_of_little_or_nothing_accuse_nobody() -> None:
    for frame in (bars(60, misdated_from=0), bars(200).assign(open=1.0, high=1.0, low=1.0, close=1.0)):
        found = range_correlations(*(frame[name].to_numpy() for name in ("close", "high", "low")))
        assert not found.misdated
    series = simulated_series("A", 900)
    assert series.high is not None and series.low is not None
    assert not range_correlations(series.close, series.high, series.low).misdated


class Foreseeing:
    """Bands as wide as the next day's range, which a table of its own tells it a day early."""

    def __init__(self, whole: PriceTable, *, sign: bool = False) -> None:
        self.name, self.whole, self.sign = "foreseeing", whole, sign

    def fit(self, prices: PriceTable) -> Foreseeing:
        return self

    def predict(self, prices: PriceTable, horizon: int, *, paths: int = 1000, seed: int = 0) -> Forecast:
        forecast = RandomWalk().fit(prices).predict(prices, horizon, paths=paths, seed=seed)
        items = []
        for item in forecast:
            series = self.whole[item.item_id]
            row = int(np.searchsorted(series.timestamps, item.last_timestamp))
            move = float(np.log(series.close[row + 1] / series.close[row]))
            moves = item.log_returns() * (1 if self.sign else 60 * abs(move)) + (0.3 * move if self.sign else 0.0)
            items.append(item.moved(item.last_close * np.exp(moves)))
        return Forecast(items=tuple(items), seed=seed)


@pytest.mark.parametrize("sign", [False, True])
def test_the_audit_names_a_model_that_knows_the_next_day(sign: bool) -> None:
    table = independent_walks(np.full(400, 0.01), items=2)
    report = backtest([Foreseeing(table, sign=sign), EwmaT()], table, horizon=2, cutoffs=80, paths=100, jobs=1)
    found = audit(report.forecasts, table)
    assert found.foresight["foreseen"].tolist() == [True, False]
    assert "Too good to be a forecast" in foresight_text(found, "foreseeing")
    assert foresight_text(found, "ewma_t") == ""
    assert found.to_dict()["foresight"][0]["n"] == 160
    page = backtest_report(report, table, config={}, title="t", audit=found)
    assert ("Too good to be a forecast" in page) == (report.verdict.model == "foreseeing")


def test_too_few_forecasts_accuse_nobody() -> None:
    table = independent_walks(np.full(300, 0.01), items=2)
    found = audit(backtest([Foreseeing(table)], table, horizon=2, cutoffs=12, paths=100, jobs=1).forecasts, table)
    assert found.foresight["foreseen"].tolist() == [False]
    assert found.to_dict()["foresight"][0]["width"] is None

"""The forecasts recorded of an item, what changed between two of them, and the record by period."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import gatecast as gc
from gatecast.faces.change_text import change_texts
from gatecast.ledger.database import Database
from gatecast.ledger.issued import Issued, change_between, due, issued
from gatecast.ledger.periods import _periods, score_by_period
from gatecast.ledger.recording import void
from gatecast.ledger.summary import summarize
from ledgers import keep, recorded, settled_ledger


@pytest.fixture(scope="module")
def prices() -> gc.PriceTable:
    return gc.read_prices("sample:eurusd")


def test_the_forecasts_of_an_item_are_given_latest_first_and_void_ones_left_out(tmp_path: Path, prices) -> None:
    path = tmp_path / "ledger.db"
    ids = settled_ledger(path, prices, forecasts=5)
    with Database(str(path)) as database:
        item = prices.item_ids[0]
        assert [each.id for each in issued(database, item)] == ids[::-1]
        assert [each.id for each in issued(database, item, most=2)] == ids[:-3:-1]
        void(database, ids[-1], "a test")
        assert [each.id for each in issued(database, item)] == ids[-2::-1]
        assert issued(database, "no such item") == ()


def test_a_forecast_is_due_once_a_later_row_is_there(tmp_path: Path, prices) -> None:
    path, series = tmp_path / "ledger.db", prices.series[0]
    settled_ledger(path, prices, forecasts=3)  # the first of the two steps of the last, of row 106, is settled
    with Database(str(path)) as database:
        for days, count in ((0, 0), (1, 0), (2, 1), (9, 1)):
            assert due(database, {series.item_id: series.timestamps[106] + np.timedelta64(days, "D")}) == count
        many = {f"other {number}": series.timestamps[-1] for number in range(600)}
        assert due(database, many) == due(database, {}) == 0
        assert due(database, {**many, series.item_id: series.timestamps[-1]}) == 1


def both(prices: gc.PriceTable, first: int = 300, second: int = 303, horizon: int = 5):
    series = prices.series[0]
    earlier, later = (recorded(series, place, horizon=horizon) for place in (first, second))
    return Issued("a" * 64, earlier), later, series


def test_a_change_tells_the_price_from_the_rest(prices) -> None:
    earlier, later, series = both(prices)
    change = change_between(earlier, later, series)
    assert change.by_price == pytest.approx(math.log(series.close[303] / series.close[300]))
    assert change.moved == pytest.approx(change.by_price)  # the medians are the last closes
    assert change.next == pytest.approx(change.next_before)
    assert change.other == () and change.revised == 0 and change.ratio == 1
    texts = dict(change_texts(change.to_dict()))
    assert "as wide as it was" in texts["Volatility"]
    assert texts["Data"] == "The closes that both forecasts know are the same."
    assert texts["Model"] == "The same model, settings and version."


def test_a_wider_band_and_another_model_are_said(prices) -> None:
    earlier, later, series = both(prices)
    last = later.last_close
    wide = tuple(tuple(last * (price / last) ** 2 for price in row) for row in later.quantiles)
    change = change_between(earlier, later.model_copy(update={"quantiles": wide, "model": "other"}), series)
    assert change.next > 1.9 * change.next_before
    assert change.other == ("model",)
    texts = dict(change_texts(change.to_dict()))
    assert "wider" in texts["Volatility"]
    assert "another model" in texts["Model"].lower()


def test_a_split_between_two_forecasts_is_no_move_of_the_price(prices) -> None:
    earlier, later, series = both(prices)
    half = replace(series, close=series.close / 2, open=None, high=None, low=None)
    halved = recorded(half, 303, horizon=5)
    change = change_between(earlier, halved, half)
    assert change.ratio == pytest.approx(0.5)
    assert change.by_price == pytest.approx(change_between(earlier, later, series).by_price)
    assert "split" in dict(change_texts(change.to_dict()))["Data"]


def test_a_revised_close_is_said(prices) -> None:
    earlier, later, series = both(prices)
    close = series.close.copy()
    close[295] *= 1.03
    change = change_between(earlier, later, replace(series, close=close, open=None, high=None, low=None))
    assert change.revised == pytest.approx(0.03)
    assert "revised" in dict(change_texts(change.to_dict()))["Data"]


def test_forecasts_without_a_common_day_are_compared_as_far_as_they_go(prices) -> None:
    earlier, later, series = both(prices, 300, 340)
    change = change_between(earlier, later, series)
    assert change.timestamp is None and change.moved is None and change.expected is None
    assert dict(change_texts(change.to_dict()))["Forecast"] == "No day is in both forecasts."


def test_the_periods_hold_every_settled_step_once(tmp_path: Path, prices) -> None:
    path = tmp_path / "ledger.db"
    settled_ledger(path, prices, forecasts=40)
    with Database(str(path)) as database:
        whole = summarize(database).record[0]
        parts = score_by_period(database, whole.model)
        assert 1 < len(parts) <= 16
        assert sum(part.n for part in parts) == whole.parts[0].n
        assert [part.first for part in parts] == sorted(part.first for part in parts)
        assert np.average([part.crps for part in parts], weights=[part.days for part in parts]) == pytest.approx(
            whole.parts[0].crps
        )
        assert len({part.first[:7] for part in parts}) == len(parts)  # months: quarters would be three
        assert all(part.first[:7] == part.last[:7] for part in parts)
        assert len(score_by_period(database, whole.model, most=2)) <= 2
        assert score_by_period(database, "no such model") == ()


def test_a_period_has_ten_days_of_issue_on_average_where_that_leaves_four() -> None:
    every_day = np.arange(4000, 5000)
    for step, least in ((1, 10), (7, 10), (30, 1)):
        days = every_day[::step]
        periods = _periods(days, 16)
        count = len(np.unique(periods))
        assert 1 < count <= 16
        assert len(days) / count >= least or count <= 4
        assert (np.diff(periods) >= 0).all()


def test_an_empty_ledger_has_no_periods(tmp_path: Path, prices) -> None:
    keep(tmp_path / "ledger.db", [recorded(prices.series[0], 300)])
    with Database(str(tmp_path / "ledger.db")) as database:
        assert score_by_period(database, "gatecast") == ()

"""Future timestamps: after the last, increasing, on the days and hours on which the series trades."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatecast.calendars import describe, future_timestamps, gaps
from gatecast.errors import UsageError
from gatecast.prices import PriceSeries


def series(stamps: object) -> PriceSeries:
    index = pd.DatetimeIndex(stamps)  # type: ignore[arg-type]
    return PriceSeries(item_id="X", timestamps=index.to_numpy(), close=np.ones(len(index)))


def future_of(stamps: object, horizon: int = 10, calendar: str | None = None) -> pd.DatetimeIndex:
    history = series(stamps)
    future = future_timestamps(history, horizon, calendar)
    assert future.shape == (horizon,) and future.dtype == np.dtype("datetime64[ns]")
    assert future[0] > history.timestamps[-1] and (np.diff(future) > np.timedelta64(0)).all()
    return pd.DatetimeIndex(future)


def test_business_days() -> None:
    history = pd.bdate_range("2021-01-04", "2021-12-31")
    assert future_of(history).equals(pd.bdate_range("2022-01-03", periods=10))
    assert describe(history.to_numpy()).freq == "B"


def test_seven_days_a_week() -> None:
    history = pd.date_range("2021-01-04", "2021-12-31")
    assert future_of(history).equals(pd.date_range("2022-01-01", periods=10))
    assert describe(history.to_numpy()).freq == "D"


def test_one_odd_saturday_makes_no_weekend_trader() -> None:
    history = pd.bdate_range("2021-01-04", "2021-12-31").append(pd.DatetimeIndex(["2021-11-06"])).sort_values()
    assert describe(history.to_numpy()).freq == "B" and (future_of(history).day_of_week < 5).all()


def test_sunday_to_thursday() -> None:
    history = pd.bdate_range("2021-01-03", "2021-12-30", freq="C", weekmask="Sun Mon Tue Wed Thu")
    assert set(future_of(history, 20).day_of_week) == {6, 0, 1, 2, 3}


def test_one_row() -> None:
    assert future_of(["2021-12-31"]).equals(pd.bdate_range("2022-01-03", periods=10))


def test_exchange_sessions() -> None:
    history = pd.bdate_range("2021-06-01", "2021-12-31")
    future = future_of(history, 300, "XNYS")
    assert pd.Timestamp("2022-01-17") not in future  # Martin Luther King Day
    assert pd.Timestamp("2022-01-03") == future[0]
    assert len(future.intersection(pd.DatetimeIndex(["2022-07-04", "2022-11-24", "2022-12-26"]))) == 0
    assert future_of(pd.bdate_range("2031-06-02", "2031-12-31"), 30, "XNYS")[0] > pd.Timestamp("2031-12-31")


def test_beyond_the_calendar_is_one_clear_line() -> None:
    with pytest.raises(UsageError, match="XKRX") as error:
        future_of(pd.bdate_range("2021-06-01", "2021-12-31"), 20_000, "XKRX")
    assert "\n" not in str(error.value)


def test_weeks_and_months() -> None:
    fridays = pd.date_range("2020-01-03", periods=100, freq="W-FRI")
    assert future_of(fridays).equals(pd.date_range(fridays[-1], periods=11, freq="W-FRI")[1:])
    thursday_once = fridays[:-1].append(fridays[-1:] - pd.Timedelta(days=1))
    assert future_of(thursday_once)[0] == fridays[-1] + pd.Timedelta(days=7)
    for freq in ("ME", "MS", "BME", "BMS", "QE", "QS", "YE"):
        history = pd.date_range("2000-01-31", periods=60, freq=freq)
        assert future_of(history).equals(pd.date_range(history[-1], periods=11, freq=freq)[1:]), freq
    fifteenth = pd.date_range("2018-01-01", periods=40, freq="MS") + pd.Timedelta(days=14)
    assert set(future_of(fifteenth).day) == {15}


def test_hours_of_an_exchange() -> None:
    days = pd.bdate_range("2021-09-01", "2021-12-31")
    history = pd.DatetimeIndex([day + pd.Timedelta(hours=hour) for day in days for hour in range(10, 17)])
    future = future_of(history, 14)
    assert future.equals(pd.DatetimeIndex([f"2022-01-0{day} {hour}:00" for day in (3, 4) for hour in range(10, 17)]))
    assert pd.Timestamp("2022-01-17 10:00") not in future_of(history, 200, "XNYS")


def test_hours_without_a_break() -> None:
    history = pd.date_range("2021-11-01", "2021-12-31 13:00", freq="h")
    assert future_of(history, 100).equals(pd.date_range("2021-12-31 14:00", periods=100, freq="h"))


def test_hours_of_foreign_exchange(shared_data: object) -> None:
    frame = pd.read_csv(f"{shared_data}/intraday/eurusd_hourly_ohlcv_2017.csv.gz", parse_dates=["datetime"])
    cut = frame["datetime"] < "2017-11-01"
    future = future_of(frame.loc[cut, "datetime"], 300)
    assert (future.day_of_week != 5).all() and (future[future.day_of_week == 6].hour >= 21).all()
    real = pd.DatetimeIndex(frame.loc[~cut, "datetime"])
    assert len(future.intersection(real)) > 290


def test_gaps_count_missing_sessions() -> None:
    days = pd.DatetimeIndex(["2021-01-04", "2021-01-05", "2021-01-08", "2021-01-11", "2021-02-01"])
    assert list(gaps(days.to_numpy())) == [0, 2, 0, 14]
    assert len(gaps(days[:1].to_numpy())) == 0


@pytest.mark.parametrize("horizon", [0, -1, 10**9])
def test_horizons_that_cannot_be(horizon: int) -> None:
    with pytest.raises(UsageError):
        future_timestamps(series(pd.bdate_range("2021-01-04", periods=50)), horizon)


@settings(max_examples=150, deadline=None)
@given(
    steps=st.lists(st.integers(1, 60 * 24 * 70), min_size=0, max_size=60),
    unit=st.sampled_from(["m", "h", "D"]),
    horizon=st.integers(1, 60),
)
def test_any_history_has_a_future(steps: list[int], unit: str, horizon: int) -> None:
    stamps = np.datetime64("2001-02-03T04:05", "m") + np.cumsum([0, *steps]).astype(f"timedelta64[{unit}]")
    stamps = stamps[stamps < np.datetime64("2030-01-01")]
    try:
        future_of(stamps, horizon)
    except UsageError as error:
        assert "2200" in str(error)

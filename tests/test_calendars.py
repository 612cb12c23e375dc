"""Future timestamps: after the last, increasing, on the days and hours on which the series trades."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatecast.calendars import clock_text, describe, future_timestamps, gaps, likely_holidays, off_calendar
from gatecast.calendars.clocks import Clock, find_clock
from gatecast.errors import UsageError
from gatecast.prices import PriceSeries


def series(stamps: object) -> PriceSeries:
    index = pd.DatetimeIndex(stamps)  # type: ignore[arg-type]
    return PriceSeries(item_id="X", timestamps=index.to_numpy(), close=np.ones(len(index)))


def future_of(stamps: object, horizon: int = 10, calendar: str | None = None) -> pd.DatetimeIndex:
    history = series(stamps)
    future = future_timestamps(history, horizon, calendar)
    assert future.shape == (horizon,) and future.dtype == np.dtype("datetime64[ns]")
    assert future[0] > history.timestamps[-1] and (np.diff(future) > np.timedelta64(0, "ns")).all()
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


def bars(
    zone: str, first: str, last: str, *, start: str, end: str, minutes: int, written: str = "UTC"
) -> pd.DatetimeIndex:
    """Bars of every weekday from `start` to before `end` by the clock of `zone`, as another clock writes them."""
    days = pd.bdate_range(first, last)
    times = pd.timedelta_range(start, end, freq=f"{minutes}min", closed="left")
    local = pd.DatetimeIndex((days.to_numpy()[:, None] + times.to_numpy()).ravel())
    return local.tz_localize(zone).tz_convert(written).tz_localize(None)


def of_days(future: pd.DatetimeIndex) -> dict[str, tuple[str, str, int]]:
    """First bar, last bar and number of bars of each day."""
    groups = future.to_series().groupby(future.date)
    return {str(day): (f"{part.min():%H:%M}", f"{part.max():%H:%M}", len(part)) for day, part in groups}


def test_sessions_keep_the_clock_of_their_exchange() -> None:
    """Two weeks after New York's clocks changed, bars in UTC have used both summer's hours and winter's."""
    history = bars("America/New_York", "2026-10-12", "2026-11-13", start="9:30:00", end="16:00:00", minutes=15)
    future = future_of(history, 3 * 26)
    assert of_days(future) == {f"2026-11-{day}": ("14:30", "20:45", 26) for day in (16, 17, 18)}


@pytest.mark.parametrize(
    ("zone", "written", "kept"),
    [
        ("America/New_York", "UTC", "America/New_York"),
        ("Europe/Berlin", "UTC", "Europe/London"),  # which change their clocks on the same day
        ("Australia/Sydney", "UTC", "Australia/Sydney"),
        ("America/New_York", "Europe/Berlin", "America/New_York"),
        ("Asia/Tokyo", "UTC", "UTC"),
        ("America/New_York", "America/New_York", "UTC"),
        ("Europe/Berlin", "Europe/Athens", "UTC"),
    ],
)
def test_the_clock_of_a_market_is_found(zone: str, written: str, kept: str) -> None:
    history = bars(zone, "2026-01-05", "2026-11-13", start="10:00:00", end="16:00:00", minutes=60, written=written)
    assert find_clock(history.to_numpy()).kept == kept
    thin = history[np.random.default_rng(0).random(len(history)) < 0.8]
    assert find_clock(thin.to_numpy()).kept == kept


def test_a_market_without_sessions_keeps_no_clock() -> None:
    always = pd.date_range("2025-10-01", "2026-11-20", freq="h")
    some = always[np.random.default_rng(0).random(len(always)) < 0.5]
    assert find_clock(always.to_numpy()) == find_clock(some.to_numpy()) == Clock()


def test_the_clock_is_found_without_looking_ahead() -> None:
    history = bars("America/New_York", "2026-10-12", "2026-11-13", start="9:30:00", end="16:00:00", minutes=15)
    before = history[history < "2026-11-01"]
    assert find_clock(before.to_numpy()) == Clock() and future_of(before, 26)[0].hour == 13
    first_bar = history[: len(before) + 1]  # an hour late, on the very day on which the clocks changed
    assert of_days(future_of(first_bar, 30))["2026-11-03"][0] == "14:30"


def test_a_calendar_knows_half_days_and_the_clock_of_the_exchange() -> None:
    """Also before any clock change is in the history; bars may be stamped with their start or with their end."""
    history = bars("America/New_York", "2026-09-14", "2026-10-23", start="9:30:00", end="16:00:00", minutes=30)
    days = of_days(future_of(history, 13 * 26, "XNYS"))
    assert days["2026-10-30"] == ("13:30", "19:30", 13) and days["2026-11-02"] == ("14:30", "20:30", 13)
    assert "2026-11-26" not in days and days["2026-11-27"] == ("14:30", "17:30", 7)
    ends = bars("America/New_York", "2026-10-12", "2026-11-24", start="10:00:00", end="16:30:00", minutes=30,
                written="America/New_York")  # fmt: skip
    days = of_days(future_of(ends, 26, "XNYS"))
    assert days["2026-11-25"] == ("10:00", "16:00", 13) and days["2026-11-27"] == ("10:00", "13:00", 7)


@pytest.mark.parametrize("written", ["UTC", "Asia/Hong_Kong"])
def test_a_calendar_knows_breaks(written: str) -> None:
    """Before Christmas Hong Kong trades in the morning only; a stray bar in the break makes no future one."""
    history = bars("Asia/Hong_Kong", "2026-11-02", "2026-12-18", start="9:30:00", end="16:00:00", minutes=30,
                   written=written)  # fmt: skip
    future = future_of(history, 50, "XHKG").tz_localize(written).tz_convert("Asia/Hong_Kong").tz_localize(None)
    assert of_days(future)["2026-12-24"] == ("09:30", "11:30", 5) and "2026-12-25" not in of_days(future)
    assert of_days(future)["2026-12-23"][2] == 11 and not future.indexer_between_time("12:00", "12:59").any()


def test_bars_outside_the_hours_of_a_calendar_follow_its_days() -> None:
    history = bars("America/New_York", "2026-10-12", "2026-11-13", start="4:00:00", end="20:00:00", minutes=60)
    future = future_of(history, 16 * 9, "XNYS").tz_localize("UTC").tz_convert("America/New_York").tz_localize(None)
    assert of_days(future)["2026-11-16"] == ("04:00", "19:00", 16) and "2026-11-26" not in of_days(future)
    assert "only its days" in str(clock_text(history[history > "2026-11-02"].to_numpy(), "XNYS"))


def test_the_clock_is_said() -> None:
    history = bars("America/New_York", "2026-10-12", "2026-11-13", start="9:30:00", end="16:00:00", minutes=30)
    assert "New York" in str(clock_text(history.to_numpy(), None)) and "UTC" in str(
        clock_text(history.to_numpy(), "XNYS")
    )
    local = bars("America/New_York", "2026-10-12", "2026-11-13", start="9:30:00", end="16:00:00", minutes=30,
                 written="America/New_York")  # fmt: skip
    assert clock_text(local.to_numpy(), None) is clock_text(local.to_numpy(), "XNYS") is None


def test_rows_off_a_calendar_are_known_on_the_clock_of_the_exchange() -> None:
    """Sydney's Monday begins on Sunday in UTC."""
    history = bars("Australia/Sydney", "2026-10-12", "2026-11-13", start="10:00:00", end="16:00:00", minutes=60)
    assert (history.day_of_week == 6).any() and not off_calendar(history.to_numpy(), "XASX").any()
    assert off_calendar(history.append(history[-1:] + pd.Timedelta(days=1)).to_numpy(), "XASX").sum() == 1
    early = bars("America/New_York", "2026-11-16", "2026-11-25", start="4:00:00", end="20:00:00", minutes=60,
                 written="America/New_York")  # fmt: skip
    assert not off_calendar(early.to_numpy(), "XNYS").any()


def test_days_that_past_years_skipped_may_be_holidays() -> None:
    week = (0, 1, 2, 3, 4)
    days = pd.bdate_range("2023-01-02", "2025-11-20")
    skipped = pd.DatetimeIndex(["2023-12-25", "2024-07-04", "2024-12-25"])
    traded, future = days.difference(skipped).to_numpy(), pd.bdate_range("2025-12-01", "2026-01-30").to_numpy()
    found = likely_holidays(traded, future, week)
    assert found is not None and np.datetime64("2025-12-25") in found and len(found) < 8
    assert (np.abs(found - np.datetime64("2025-12-25")) <= np.timedelta64(4, "D")).all()
    assert np.size(likely_holidays(days.to_numpy(), future, week)) == 0  # it trades on Christmas
    assert likely_holidays(traded[-100:], future, week) is None  # it cannot tell
    half = traded[traded > np.datetime64("2025-01-15")]  # begins within the year before the first days ahead
    assert likely_holidays(half, future, week) is None
    always = pd.date_range("2025-06-01", "2025-11-20").to_numpy()
    assert np.size(likely_holidays(always, future, tuple(range(7)))) == 0
    assert np.size(likely_holidays(traded[::2], future, week)) == 0  # gaps, not holidays

"""A live last row is merged into its period with a note, and the forecast skips no period."""

from __future__ import annotations

import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from conftest import texts
from gatecast.calendars import future_timestamps
from gatecast.prices import PriceSeries
from gatecast.readers.read import read_prices


def frame(days: pd.DatetimeIndex | list[str]) -> pd.DataFrame:
    close = 100 + np.arange(len(days)) / 4
    columns = {"open": close - 0.5, "high": close + 1, "low": close - 1, "close": close, "volume": 10.0}
    return pd.DataFrame({"date": pd.DatetimeIndex(days), **columns})


def with_live(days: pd.DatetimeIndex, live: str, **cells: float) -> pd.DataFrame:
    """Full periods and a last row of a day."""
    prices = {"open": 110.0, "high": 130.0, "low": 90.0, "close": 120.0, "volume": 4.0, **cells}
    return pd.concat([frame(days), pd.DataFrame({"date": [pd.Timestamp(live)], **prices})], ignore_index=True)


def read(table: pd.DataFrame) -> tuple[PriceSeries, tuple[str, ...], str]:
    """The series, its notes, and the first day of its forecast."""
    (series,) = read_prices(table, today=datetime.date(2026, 1, 1))
    return series, texts(series.notes), str(future_timestamps(series, 1)[0])[:10]


MONDAYS = pd.date_range("2021-01-04", periods=30, freq="7D")  # the last is 2021-07-26
MONTHS = pd.date_range("2020-01-01", periods=19, freq="MS")  # the last is 2021-07-01
QUARTERS = pd.date_range("2016-01-01", periods=19, freq="QS")  # the last is 2020-07-01


@pytest.mark.parametrize(
    ("days", "live", "following"),
    [
        (MONDAYS, "2021-07-30", "2021-08-02"),
        (MONTHS, "2021-07-20", "2021-08-01"),
        (QUARTERS, "2020-09-09", "2020-10-01"),
    ],
)
def test_a_live_row_joins_the_row_of_its_period(days: pd.DatetimeIndex, live: str, following: str) -> None:
    series, (note,), step = read(with_live(days, live))
    assert len(series) == len(days) and series.timestamps[-1] == days[-1].to_numpy()
    last = {name: float(values[-1]) for name, values in series.columns().items()}
    before = frame(days).iloc[-1]
    assert last == {"open": before["open"], "high": 130, "low": 90, "close": 120, "volume": 14}
    assert note.startswith(f"merged the last row, of {live}, into that of its ") and str(days[-1])[:10] in note
    assert step == following
    pd.testing.assert_frame_equal(
        pd.DataFrame(series.columns()).iloc[:-1], frame(days).drop(columns="date").iloc[:-1], check_like=True
    )


def test_a_live_row_that_repeats_its_period_does_not_count_the_volume_twice() -> None:
    series, _, _ = read(with_live(MONDAYS, "2021-07-30", open=float(frame(MONDAYS)["open"].iloc[-1]), volume=10.0))
    assert series.volume is not None and series.volume[-1] == 10


@pytest.mark.parametrize(
    ("days", "live", "own", "following"),
    [
        (MONDAYS, "2021-08-06", "2021-08-02", "2021-08-09"),
        (MONTHS, "2021-08-20", "2021-08-01", "2021-09-01"),
        (QUARTERS, "2020-11-20", "2020-10-01", "2021-01-01"),
    ],
)
def test_a_live_row_without_another_of_its_period_is_stamped_as_one(
    days: pd.DatetimeIndex, live: str, own: str, following: str
) -> None:
    series, notes, step = read(with_live(days, live))
    assert len(series) == len(days) + 1 and str(series.timestamps[-1])[:10] == own
    assert f"took the last row, of {live}, as that of its " in notes[0] and own in notes[0]
    assert step == following


@pytest.mark.parametrize(("days", "first", "live"), [(MONDAYS, 4, "2021-08-06"), (MONTHS, 14, "2021-08-12")])
def test_a_download_that_began_late_in_its_period(days: pd.DatetimeIndex, first: int, live: str) -> None:
    late = days.to_series().reset_index(drop=True)
    late[0] += pd.Timedelta(days=first)
    series, notes, _ = read(with_live(pd.DatetimeIndex(late), live))
    assert series.timestamps[0] == late[0].to_numpy() and f"took the last row, of {live}" in notes[0]


def test_a_blank_row_of_the_period_gives_way_to_the_live_row() -> None:
    table = with_live(MONDAYS, "2021-07-30")
    table.loc[29, ["open", "high", "low", "close", "volume"]] = np.nan
    series, _, step = read(table)
    assert series.timestamps[-1] == MONDAYS[-1].to_numpy() and series.close[-1] == 120 and step == "2021-08-02"


def test_a_live_row_of_today_joins_the_daily_row() -> None:
    table = with_live(pd.bdate_range("2021-01-04", periods=30), "2021-02-12 15:32")
    series, notes, step = read(table)
    assert len(series) == 30 and series.close[-1] == 120 and step == "2021-02-15"
    assert "into that of its day, 2021-02-12" in notes[0]


@pytest.mark.parametrize(
    "days",
    [
        [*pd.date_range("2021-01-08", periods=46, freq="7D"), "2021-11-25"],  # a Friday off
        pd.date_range("2021-01-31", periods=20, freq="ME"),
        MONDAYS,
        MONTHS,
        pd.DatetimeIndex(["2021-01-01", "2021-01-20"]),  # too few to say
    ],
)
def test_regular_rows_stay(days: pd.DatetimeIndex | list[str]) -> None:
    table = frame(days)
    series, notes, _ = read(table)
    assert (series.timestamps == table["date"].to_numpy()).all() and not any("live" in note for note in notes)


def test_a_week_that_begins_after_a_holiday_keeps_its_tuesday() -> None:
    days = MONDAYS.to_series().reset_index(drop=True)
    days[[5, 13, 29]] += pd.Timedelta(days=1)
    series, notes, step = read(frame(pd.DatetimeIndex(days)))
    assert notes == () and str(series.timestamps[-1])[:10] == "2021-07-27" and step == "2021-08-02"


def test_the_weekly_file_of_yahoo(shared_data: Path) -> None:
    table = read_prices(shared_data / "cases" / "yahoo_weekly_partial_last.csv", today=datetime.date(2026, 11, 27))
    (series,) = table
    assert series.close[-1] == 204.95 and str(future_timestamps(series, 1)[0])[:10] == "2026-11-23"
    assert series.volume is not None and series.volume[-1] == 682147
    assert "live" in " ".join(texts(series.notes))

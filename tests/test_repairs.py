"""Safe repairs are made and noted; unsafe ones are refused by line and date, and made only on request."""

from __future__ import annotations

import datetime

import numpy as np
import pandas as pd
import pytest

from conftest import texts
from gatecast.errors import UnsafeData
from gatecast.readers.diagnostics import diagnose
from gatecast.readers.read import read_prices

DAYS = pd.bdate_range("2021-01-04", periods=40)


def frame(rows: int = 40) -> pd.DataFrame:
    close = 100 + np.arange(rows) / 4
    return pd.DataFrame(
        {
            "date": DAYS[:rows].strftime("%Y-%m-%d"),
            "open": close - 0.5,
            "high": close + 1,
            "low": close - 1,
            "close": close,
            "volume": 10.0,
        }
    )


def refused(bad: pd.DataFrame, *words: str) -> None:
    with pytest.raises(UnsafeData) as error:
        read_prices(bad, today=datetime.date(2022, 1, 1))
    text = str(error.value)
    assert "\n" not in text and "repair=True" in text
    for word in words:
        assert word in text, text


def repaired(bad: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    table = read_prices(bad, repair=True, today=datetime.date(2022, 1, 1))
    (series,) = table
    notes = " ".join(texts(table.all_notes()))
    assert "repair: " in notes
    return pd.DataFrame({"date": series.timestamps, **series.columns()}), notes


def test_a_clean_frame_needs_nothing() -> None:
    table = read_prices(frame())
    assert table.all_notes() == ()


def test_shuffled_rows_are_sorted_to_the_same_table() -> None:
    mixed = frame().sample(frac=1, random_state=1)
    table = read_prices(mixed)
    assert table.data_hash() == read_prices(frame()).data_hash()
    assert texts(table["item"].notes) == ("sorted 40 rows by date.",)


def test_exact_duplicates_are_dropped() -> None:
    table = read_prices(pd.concat([frame(), frame().iloc[[3, 7]]]))
    assert table.data_hash() == read_prices(frame()).data_hash()
    assert texts(table["item"].notes)[-1] == "dropped 2 exact duplicate rows."


def test_conflicting_duplicates() -> None:
    bad = pd.concat([frame(), frame().iloc[[3]].assign(close=101.0)], ignore_index=True)
    refused(bad, "a single row per date", "row 41 (2021-01-07)")
    good, notes = repaired(bad)
    assert len(good) == 40 and good["close"][3] == 101 and "kept the last" in notes


@pytest.mark.parametrize("cell", [np.nan, np.inf, -np.inf, 0.0, -3.0, "oops", "1,2,3", "None"])
def test_a_close_that_is_no_price(cell: object) -> None:
    bad = frame().astype({"close": object})
    bad.loc[5, "close"] = cell
    refused(bad, "close", "row 6 (2021-01-11)")
    good, notes = repaired(bad)
    assert len(good) == 39 and pd.Timestamp("2021-01-11") not in set(good["date"])
    assert "dropped 1 row for an unusable close: row 6 (2021-01-11)" in notes


@pytest.mark.parametrize("name", ["open", "high", "low"])
@pytest.mark.parametrize("cell", [np.nan, np.inf, 0.0, -3.0])
def test_a_companion_that_is_no_price(name: str, cell: float) -> None:
    bad = frame()
    bad.loc[5, name] = cell
    refused(bad, name, "row 6 (2021-01-11)")
    good, notes = repaired(bad)
    assert len(good) == 40 and (good["low"] <= good["close"]).all() and (good["close"] <= good["high"]).all()
    assert f"replaced the {name} with the close" in notes


def test_high_below_low() -> None:
    bad = frame()
    bad.loc[5, "high"], bad.loc[5, "low"] = bad["low"][5], bad["high"][5]
    refused(bad, "high can't be below low", "row 6 (2021-01-11)")
    good, notes = repaired(bad)
    assert "swapped" in notes
    pd.testing.assert_frame_equal(good.drop(columns="date"), frame().drop(columns="date"))


def test_a_close_a_little_outside_the_range_widens_it() -> None:
    odd = frame()
    odd.loc[5, "close"] = odd.loc[5, "high"] + 0.01
    series = read_prices(odd)["item"]
    assert series.high is not None and series.high[5] == series.close[5]
    assert texts(series.notes) == ("widened low and high to include open and close in 1 row: row 6 (2021-01-11).",)


@pytest.mark.parametrize("factor", [10, 100, 0.1, 0.01])
@pytest.mark.parametrize("length", [1, 3])
def test_a_decimal_slip_that_reverts(factor: float, length: int) -> None:
    bad = frame()
    bad.loc[5 : 4 + length, ["open", "high", "low", "close"]] *= factor
    refused(bad, "tenfold", "row 6 (2021-01-11)", "Other problems found: 3.")
    good, notes = repaired(bad)
    np.testing.assert_allclose(good["close"], frame()["close"])
    assert "moved the decimal point of close" in notes


def test_a_leap_that_stays_or_comes_back_elsewhere_is_no_slip() -> None:
    close = np.where(np.arange(40) < 20, 1.0, 10.0)
    assert read_prices(frame().assign(open=close, high=close, low=close, close=close))
    close = np.where(np.arange(40) == 20, 6.0, 1.0)
    assert read_prices(frame().assign(open=close, high=close, low=close, close=close))


def test_dates_after_today_are_refused() -> None:
    with pytest.raises(UnsafeData, match=r"future \(today is 2021-02-24\); row 39 has"):
        read_prices(frame(), today=datetime.date(2021, 2, 24))
    assert read_prices(frame(), today=datetime.date(2021, 2, 26))
    table = read_prices(frame(), repair=True, today=datetime.date(2021, 2, 24))
    assert len(table["item"]) == 38 and "dropped 2 rows" in texts(table.notes)[0]


def test_several_kinds_name_the_first_and_count_the_others() -> None:
    bad = frame()
    bad.loc[5, "close"], bad.loc[9, "open"], bad.loc[12, "close"] = np.nan, -1.0, 0.0
    refused(bad, "close must be present", "Other problems found: 2.")


def test_blank_heads_and_tails_are_dropped() -> None:
    odd = frame()
    odd.loc[[0, 1, 39], ["open", "high", "low", "close", "volume"]] = np.nan
    series = read_prices(odd)["item"]
    assert len(series) == 37
    assert texts(series.notes) == (
        "dropped 2 blank rows before the first price.",
        "dropped 1 blank row after the last price.",
    )


def test_volume_never_stops_a_forecast() -> None:
    odd = frame()
    odd.loc[[3, 4], "volume"] = [np.nan, -5.0]
    series = read_prices(odd)["item"]
    assert series.volume is not None and list(series.volume[2:6]) == [10, 0, 0, 10]
    assert "set the volume to 0 in 2 rows" in texts(series.notes)[0]
    blank = read_prices(frame().assign(volume=np.nan))["item"]
    assert blank.volume is None and "ignored column volume" in texts(blank.notes)[0]


@pytest.mark.parametrize(
    ("ratio", "parts"),
    [(1.5, (3, 2)), *((ratio, (ratio, 1)) for ratio in (2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 20, 25, 30, 40, 50))],
)
@pytest.mark.parametrize("up", [True, False])
def test_a_likely_split_is_noted_and_nothing_changed(ratio: float, parts: tuple[int, int], up: bool) -> None:
    rng = np.random.default_rng(3)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, 100)))
    close[60:] *= ratio if up else 1 / ratio
    stamps = pd.bdate_range("2021-01-04", periods=100).to_numpy().astype("datetime64[ns]")
    ((note, row),) = diagnose(stamps, {"close": close})
    many, few = parts
    kind = f"{few}-for-{many} reverse split" if up else f"{many}-for-{few} split"
    assert str(stamps[60])[:10] in note and kind in note and row == 60
    assert diagnose(stamps, {"close": close}, adjusted=True) == []
    wild = 100 * np.exp(np.cumsum(rng.normal(0, 0.2, 100)))
    assert diagnose(stamps, {"close": wild}) == []


def test_the_real_splits_are_noted_where_no_adjusted_close_is(shared_data: object) -> None:
    raw = pd.read_csv(f"{shared_data}/daily/aapl_raw_unadjusted_ohlcv_2000_2013.csv").drop(columns="adj_close")
    notes = " ".join(texts(read_prices(raw)["item"].notes))
    assert "2000-06-21" in notes and "2005-02-28" in notes


def test_a_gap_is_noted() -> None:
    series = read_prices(frame().drop(index=range(10, 21)))["item"]
    assert texts(series.notes) == (
        "11 sessions are missing between 2021-01-15 and 2021-02-02; the move across the gap counts as a single step.",
    )
    assert read_prices(frame().drop(index=range(10, 20)))["item"].notes == ()


def test_daily_rows_lose_their_hour_and_hourly_rows_keep_it() -> None:
    daily = frame().assign(date=DAYS + pd.Timedelta(hours=16))
    assert texts(read_prices(daily)["item"].notes) == ("removed the time of day from daily rows.",)
    hourly = frame().assign(date=pd.date_range("2021-01-04", periods=40, freq="h"))
    assert read_prices(hourly)["item"].timestamps[1] == np.datetime64("2021-01-04T01:00")


def test_the_future_decides_no_repair_of_a_clean_past() -> None:
    """Reading the first rows gives the first rows of the table: later rows change nothing before them."""
    whole, head = read_prices(frame())["item"], read_prices(frame(25))["item"]
    assert (whole.rows(0, 25).close == head.close).all()


def test_a_repair_that_would_drop_most_rows_is_not_offered() -> None:
    with pytest.raises(UnsafeData, match="close must be a number") as error:
        read_prices(frame().assign(close="12.5 oz"), today=datetime.date(2022, 1, 1))
    assert "repair" not in str(error.value)
    with pytest.raises(UnsafeData, match="no date may be in the future") as error:
        read_prices(frame(), today=datetime.date(2021, 2, 1))
    assert str(error.value).endswith("Correct the source.")


def test_a_volume_of_words_is_ignored() -> None:
    (series,) = read_prices(frame().assign(volume="n.v."), today=datetime.date(2022, 1, 1))
    assert series.volume is None
    assert "ignored column volume: more than half of it is no number, such as 'n.v.'." in texts(series.notes)


def test_a_name_on_the_first_row_of_a_block_is_filled_down() -> None:
    ticker = np.where(np.arange(40) == 0, "AAA", "")
    both = pd.concat([frame().assign(ticker=ticker), frame().assign(ticker=np.where(ticker == "AAA", "BBB", ""))])
    table = read_prices(both, today=datetime.date(2022, 1, 1))
    assert [(series.item_id, len(series)) for series in table] == [("AAA", 40), ("BBB", 40)]
    assert "column 'ticker' names an asset on its first row alone: filled it down." in texts(table.notes)


def test_one_row_without_a_name_is_not_filled_down() -> None:
    refused(frame().assign(ticker=np.where(np.arange(40) == 3, "", "AAA")), "every row needs an item")


def test_negative_prices_of_crsp_are_averages_of_bid_and_ask() -> None:
    table = frame().rename(columns={"close": "PRC"})[["date", "PRC"]]
    table.loc[[5, 9], "PRC"] *= -1
    (series,) = read_prices(table, today=datetime.date(2022, 1, 1))
    assert (series.close == frame()["close"]).all()
    assert "took 2 negative closes as CRSP writes averages of bid and ask, without the sign" in texts(series.notes)[0]
    refused(table.rename(columns={"PRC": "close"}), "close must be positive")


def test_a_wide_table_is_sorted_once() -> None:
    wide = pd.DataFrame({"date": DAYS, "AAA": np.arange(1.0, 41), "BBB": np.arange(2.0, 42)})[::-1]
    table = read_prices(wide, today=datetime.date(2022, 1, 1))
    assert texts(table.all_notes()) == ("sorted 40 rows by date.",)
    assert table["BBB"].close.tolist() == list(range(2, 42))

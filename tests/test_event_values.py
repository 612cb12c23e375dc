"""Values of events, known with their dates: read, kept with them, and seen by a network trained on the prices."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from conftest import TINY, simulated_series
from gatecast import Events, Forecaster, PriceSeries, PriceTable, read_events
from gatecast.errors import DataError, UnreadableSource
from gatecast.events import _numbers
from gatecast.features.event_features import event_features, event_names

FRAME = pd.DataFrame(
    {
        "item": ["KO", "KO", "PEP", "KO"],
        "date": ["2024-02-13", "2024-04-30", "2024-02-09", "2024-02-13"],
        "kind": ["dividend"] * 4,
        "announced": ["2024-01-20", "", "2024-02-01", "2024-01-10"],
        "amount": ["0.46", "", "1.2", "0.47"],
    }
)


def values_of(events: Events) -> list[float]:
    assert events.values is not None
    return events.values.tolist()


@pytest.mark.parametrize("ending", ["csv", "json", "parquet"])
def test_a_column_of_values_is_read(ending: str, tmp_path: Path) -> None:
    file = tmp_path / f"dates.{ending}"
    if ending == "csv":
        FRAME.to_csv(file, index=False)
    elif ending == "json":
        FRAME.to_json(file, orient="records")
    else:
        FRAME.assign(amount=pd.to_numeric(FRAME["amount"])).to_parquet(file)
    events = read_events(file)
    assert [str(date) for date in events.dates] == ["2024-02-09", "2024-02-13", "2024-04-30"]
    np.testing.assert_array_equal(values_of(events), [1.2, 0.47, np.nan])  # of the event that was announced first
    assert events.valued_kinds == ("dividend",)
    assert read_events(FRAME.drop(columns="amount")).valued_kinds == ()


def test_values_that_are_no_numbers_are_left_out_with_a_note_or_refused_where_they_were_named() -> None:
    frame = FRAME.assign(amount=["0.46 or so", "", "1.2", "0.47"])
    events = read_events(frame)
    assert np.isnan(values_of(events)).all()
    assert any("left out the values of column 'amount'" in note.text for note in events.notes)
    with pytest.raises(UnreadableSource, match=r"values of events are numbers; column 'amount' has '0.46 or so'"):
        read_events(frame, value="amount")
    named = read_events(frame.assign(rate=[1, 2, 3, 4]), value="rate")
    np.testing.assert_array_equal(values_of(named), [3, 4, 2])
    with pytest.raises(UnreadableSource, match="none of dates or kinds"):
        read_events(frame, value="date")


def test_values_stay_with_their_events() -> None:
    rows = [("KO", "2024-02-13", "dividend", "2024-01-10", 0.47), ("", "2024-02-09", "meeting", None, 5.25)]
    events = Events.of_rows([*rows, ("PEP", "2024-02-01", "dividend", None)])
    of_ko = events.of("KO")
    assert of_ko is not None and values_of(of_ko) == [5.25, 0.47]
    assert values_of(events)[1:] == [5.25, 0.47] and np.isnan(values_of(events)[0])
    known, dividends = events.known(np.datetime64("2024-01-09")), events.of_kind("dividend")
    assert known is not None and values_of(known) == [5.25]
    assert dividends is not None and values_of(dividends)[1:] == [0.47]
    later = Events.of_rows([("KO", "2024-02-13", "dividend", "2024-02-01", 0.5)])
    assert values_of(later.joined(events.of_kind("dividend")))[1:] == [0.47]  # that of the earlier announcement
    assert values_of(events.joined(later))[2] == 0.47
    assert later.digest() != Events.of_rows([("KO", "2024-02-13", "dividend", "2024-02-01")]).digest()
    with pytest.raises(DataError, match="finite values, if any; the value of one of 'KO' is 'inf'"):
        Events.of_rows([("KO", "2024-02-13", "dividend", None, np.inf)])
    with pytest.raises(DataError, match="a list of numbers"):
        _numbers(["x"])


@pytest.mark.parametrize("in_order", [True, False])
def test_the_next_and_the_last_value_are_features_of_a_row(in_order: bool) -> None:
    """Against a search through all events, one after the other; some are announced after others that come later."""
    series, rng = simulated_series("A", 120), np.random.default_rng(0)
    days = series.timestamps.astype("datetime64[D]")
    dates = np.unique(rng.choice(np.arange(days[0], days[-1] + 40), 25))
    ahead = np.full(len(dates), 20) if in_order else rng.integers(-3, 60, len(dates))
    values = np.arange(1.0, len(dates) + 1)
    rows = list(zip(["A"] * len(dates), dates, ["rate"] * len(dates), dates - ahead, values, strict=True))
    series = PriceSeries(item_id="A", timestamps=series.timestamps, close=series.close, events=Events.of_rows(rows))
    found = event_features(series, ("gala", "rate"), valued=("rate",))
    assert event_names(("gala", "rate"), ("rate",))[3:] == (
        "rate: until", "rate: since", "rate: reaction", "rate: next value", "rate: last value",
    )  # fmt: skip
    assert found.shape == (120, 8) and not found[:, :3].any()
    future = days[-1] + np.arange(1, 31)
    later = event_features(series, ("rate",), future.astype("datetime64[ns]"), ("rate",))
    seen_on = np.concatenate([days, np.full(30, days[-1])])
    asked, features_of = np.concatenate([days, future]), np.concatenate([found[:, 3:], later])
    for seen, day, features in zip(seen_on, asked, features_of, strict=True):
        known = [(date, value) for _, date, _, announced, value in rows if announced <= seen]
        following, last = [of for of in known if of[0] > day], [of for of in known if of[0] <= day]
        until = 1 / max(np.busday_count(day + 1, following[0][0] + 1), 1) if following else 0.0
        since = 1 / (1 + np.busday_count(last[-1][0], day)) if last else 0.0
        expected = [until, since, following[0][1] if following else 0.0, last[-1][1] if last else 0.0]
        np.testing.assert_allclose(features[[0, 1, 3, 4]], expected)


def planted(rows: int, ahead: float) -> PriceTable:
    """Each day's return is a fiftieth of a value that was known long before; that of the next day is given."""
    rng = np.random.default_rng(0)
    days = pd.bdate_range("2021-01-04", periods=rows + 1).to_numpy()
    values = rng.choice([-1.0, 1.0], rows + 1)
    values[-1] = ahead
    close = 100 * np.exp(np.cumsum(0.02 * values[:rows] + 0.002 * rng.standard_normal(rows)))
    told = [("A", day, "demand", days[0], value) for day, value in zip(days, values, strict=True)]
    series = PriceSeries(item_id="A", timestamps=days[:rows], close=close, events=Events.of_rows(told))
    return PriceTable(series=(series,))


def test_a_network_learns_what_a_value_known_ahead_does(tmp_path: Path) -> None:
    config = TINY.replace(events=True, head="normal", epochs=30, patience=30, learning_rate=0.02)
    forecaster = Forecaster(config).fit(planted(500, 1.0))
    up, down = (forecaster.predict(planted(500, ahead), 1, paths=200).items[0].log_returns() for ahead in (1.0, -1.0))
    assert np.median(up) > 0.01 and np.median(down) < -0.01
    blind = Forecaster(config.replace(events=False)).fit(planted(500, 1.0))
    up, down = (blind.predict(planted(500, ahead), 1, paths=200).items[0].log_returns() for ahead in (1.0, -1.0))
    assert np.median(up) == np.median(down)
    forecaster.save(tmp_path)
    both = (forecaster, Forecaster.load(tmp_path))
    ours, theirs = (of.predict(planted(500, 1.0), 3, paths=20).items[0] for of in both)
    assert ours.paths.tobytes() == theirs.paths.tobytes()

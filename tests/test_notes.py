"""Notes: named items come before the text; the same sentence on several items becomes a single note."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from conftest import texts
from gatecast.config import Config
from gatecast.judge.fold_store import Fold, FoldStore
from gatecast.model import forecasts_at
from gatecast.models.forecaster import Forecaster
from gatecast.notes import Note, merged
from gatecast.readers.read import read_prices

LATE = 150  # of 200 rows


def test_a_note_names_at_most_three_items() -> None:
    assert str(Note("data", "sorted")) == "sorted"
    assert str(Note("data", "sorted", ("A", "B", "C"))) == "A, B, C: sorted"
    assert str(Note("data", "sorted", ("A", "B", "C", "D"))) == "A, B, C and 1 more: sorted"


def test_merged_notes_keep_their_order_and_gather_items() -> None:
    notes = [Note("data", "x", ("A",)), Note("data", "y"), Note("data", "x", ("B",)), Note("data", "x", ("A",))]
    assert merged(notes) == (Note("data", "x", ("A", "B")), Note("data", "y"))
    assert merged(merged(notes)) == merged(notes)


def test_a_note_on_every_item_names_none() -> None:
    notes = [Note("data", "x", ("A",)), Note("data", "x", ("B",))]
    assert merged(notes, ["B", "A"]) == (Note("data", "x"),)
    assert merged(notes, ["A", "B", "C"]) == (Note("data", "x", ("A", "B")),)
    assert merged([*notes, Note("data", "x")]) == (Note("data", "x"),)  # it already holds for all


def test_notes_of_other_kinds_stay_apart() -> None:
    notes = (Note("data", "x", ("A",)), Note("model", "x", ("B",)))
    assert merged(notes) == notes


def history(freq: str = "B") -> pd.DataFrame:
    close = 100 * np.exp(np.cumsum(np.random.default_rng(2).normal(0, 0.01, 200)))
    days = pd.date_range("2020-01-06", periods=200, freq=freq)
    high, low = close * 1.01, close / 1.01
    return pd.DataFrame({"date": days, "open": close, "high": high, "low": low, "close": close, "volume": 10.0})


def with_cell(column: str, value: float) -> pd.DataFrame:
    frame = history()
    frame.loc[LATE, column] = value
    return frame


def with_a_split() -> pd.DataFrame:
    frame = history()
    frame.loc[: LATE - 1, ["open", "high", "low", "close"]] *= 4
    return frame


def with_hours_and_a_bad_last_row() -> pd.DataFrame:
    frame = history()
    frame["date"] += pd.Timedelta(hours=16)
    frame.loc[199, "volume"] = -1
    return frame


def with_a_live_row() -> pd.DataFrame:
    frame = history("W-MON")
    frame.loc[199, "date"] += pd.Timedelta(days=2)
    frame.loc[199, "volume"] = -1
    return frame


@pytest.mark.parametrize(
    ("frame", "words", "row"),
    [
        (with_a_split(), "like an unadjusted 4-for-1 split", LATE),
        (history().drop(index=range(LATE, LATE + 12)), "sessions are missing", LATE),
        (with_cell("volume", -1), "set the volume to 0", LATE),
        (with_cell("open", 93), "widened low and high", LATE),
        (with_cell("close", -1), "repair: dropped 1 row", LATE),
        (pd.concat([history(), history().loc[[LATE]]]), "exact duplicate", LATE),
        (history().assign(close=lambda frame: frame["close"].where(frame.index < 199)), "after the last price", 198),
        (with_hours_and_a_bad_last_row(), "set the volume to 0", 199),
        (with_a_live_row(), "it is a live price", 199),
        (with_a_live_row(), "set the volume to 0", 199),
    ],
)
def test_a_note_on_a_row_is_not_known_before_it(frame: pd.DataFrame, words: str, row: int) -> None:
    table = read_prices(frame, repair=words.startswith("repair"))
    stamps = table.series[0].timestamps
    place = min(row, len(stamps) - 1) - (words == "repair: dropped 1 row")
    cutoffs = [stamps[place - 1], stamps[min(place + 1, len(stamps) - 1)], stamps[-1]]
    seen = [table.until(cutoff).all_notes() for cutoff in cutoffs]
    assert [" ".join(texts(notes)).count(words) for notes in seen] == [0, 1, 1], table.all_notes()


def test_a_forecast_from_before_a_split_does_not_tell_of_it() -> None:
    table = read_prices(with_a_split())
    stamps = table.series[0].timestamps
    model = Forecaster(Config.from_preset("base", ["calibrate=false"])).fit(table)
    forecasts = forecasts_at(model, table, [stamps[LATE - 1], stamps[LATE]], 2, paths=10, seeds=[1, 1])
    assert [sum("split" in note.text for note in forecast.items[0].notes) for forecast in forecasts] == [0, 1]


def test_a_stored_fold_keeps_a_note_on_a_row(tmp_path: Path) -> None:
    store, cutoff = FoldStore(tmp_path, {"about": 1}), np.datetime64("2020-01-01", "ns")
    store.save(cutoff, Fold({"step": np.ones(1)}, (Note("data", "x", ("A",), "2019-01-01"),)))
    fold = store.load(cutoff)
    assert fold is not None and fold.notes == (Note("data", "x", ("A",)),)

"""Calibration along the rows: which origins it walks, which items count, what is kept, what a reader is told."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from conftest import FixedVolatility, independent_walks, texts
from gatecast.calibration import online
from gatecast.calibration.bands import EAGER, FEW, HORIZON, SETTLING, Calibrator
from gatecast.calibration.online import (
    EVERY,
    EVERY_OF_MANY,
    ITEMS,
    LEAST_BEFORE,
    LEAST_ORIGINS,
    PATHS,
    OnlineCalibration,
    calibrate,
    revived,
    tail_of,
    timestamps,
)
from gatecast.calibration.raw_bands import RawBands
from gatecast.calibration.walked import walking_seed
from gatecast.errors import ModelError
from gatecast.forecast import Forecast
from gatecast.model import Request
from gatecast.prices import PriceTable

MODEL = FixedVolatility(0.006)  # of walks of 0.01: its bands are far too narrow
TABLE = independent_walks(np.full(260, 0.01), items=3)
DAYS = timestamps(TABLE)


class Recording:
    """A model that keeps what it was asked: the last day seen, its items, the horizon, the paths and the seed."""

    def __init__(self) -> None:
        self.asked: list[tuple[np.datetime64, tuple[str, ...], int, int, int]] = []

    def predict(self, prices: PriceTable, horizon: int, *, paths: int = 1000, seed: int = 0) -> Forecast:
        self.asked.append((timestamps(prices)[-1], prices.item_ids, horizon, paths, seed))
        return MODEL.predict(prices, horizon, paths=paths, seed=seed)

    @property
    def days(self) -> list[np.datetime64]:
        return [day for day, *_ in self.asked]


def learned(origins: Sequence[np.datetime64] = tuple(DAYS[60:160:5]), steps: int = 2) -> Calibrator:
    return Calibrator.fresh(steps).learn(MODEL, TABLE, origins, paths=50)


def same(ours: Calibrator, theirs: Calibrator) -> bool:
    return ours.to_dict() == theirs.to_dict()


def test_it_learns_from_every_fifth_row_counted_from_the_first_of_the_last_500_rows() -> None:
    assert list(tail_of(np.arange(20), 10, 5)) == [10, 15]
    assert list(tail_of(np.arange(21), 500, 5)) == [0, 5, 10, 15]  # the last row has no outcome
    assert list(tail_of(np.arange(22), 500, 5)) == [0, 5, 10, 15, 20]
    assert list(tail_of(np.arange(7), 4, 1)) == [2, 3, 4, 5]
    table = independent_walks(np.full(703, 0.01), items=2)
    model = Recording()
    known = calibrate(model, table, after=table.series[0].timestamps[0], least=80, steps=3)
    days = timestamps(table)
    assert model.days == list(days[205:705:5])
    assert {asked[2:4] for asked in model.asked} == {(3, PATHS)}
    assert [asked[4] for asked in model.asked] == [walking_seed(day) for day in model.days]
    assert known.since == days[-1]
    assert known.items == ("A0", "A1")
    assert (known.every, known.paths, known.least) == (5, 100, 80)
    by_hand = Calibrator.fresh(3)
    for day in days[205:705:5]:
        seen = table.until(day)
        by_hand = by_hand.settle(seen).record(MODEL.predict(seen, 3, paths=100, seed=walking_seed(day)))
    assert same(known.learned, by_hand)
    longer = Recording()
    calibrate(longer, table.until(days[-2]), after=days[0], steps=3)
    assert longer.days == model.days  # a row more changes no origin


def test_it_learns_from_rows_after_those_the_model_learned_from_and_after_enough_of_each_item() -> None:
    model = Recording()
    calibrate(model, TABLE, after=DAYS[204])
    assert model.days == list(DAYS[205:260:5])
    assert model.asked[0][2] == HORIZON
    model = Recording()
    calibrate(model, TABLE, after=DAYS[0])
    assert model.days[0] == DAYS[LEAST_BEFORE]  # 60: the first fifth row with sixty before it
    exact = Recording()
    calibrate(exact, TABLE, after=DAYS[0], least=66)
    assert exact.days[0] == DAYS[65]


def test_an_item_that_comes_late_is_left_out_and_half_of_the_items_must_take_part() -> None:
    late, later = TABLE.series[1].rows(100, 260), TABLE.series[2].rows(150, 260)
    model = Recording()
    known = calibrate(model, PriceTable(series=(TABLE.series[0], late, later)), after=DAYS[0])
    assert known.items == ("A0", "A1")
    assert model.days[0] == DAYS[160]  # the second of three has sixty rows from 159 on
    assert {items for _, items, *_ in model.asked} == {("A0", "A1")}
    model = Recording()
    known = calibrate(model, PriceTable(series=(TABLE.series[0], late)), after=DAYS[0])
    assert known.items == ("A0",)
    assert model.days[0] == DAYS[60]
    soon = TABLE.series[2].rows(3, 260)  # has sixty a little after the first origin
    known = calibrate(MODEL, PriceTable(series=(*TABLE.series[:2], soon)), after=DAYS[0])
    assert known.items == ("A0", "A1")
    exact = (TABLE.series[1].rows(0, 60), TABLE.series[2].rows(0, 60))
    assert calibrate(MODEL, PriceTable(series=(TABLE.series[0], *exact)), after=DAYS[0]).items == TABLE.item_ids
    short = TABLE.series[2].rows(230, 260)  # never has sixty
    known = calibrate(Recording(), PriceTable(series=(TABLE.series[0], short)), after=DAYS[0])
    assert known.items == ("A0",)


def test_with_no_row_to_learn_from_it_knows_nothing_and_walks_on_from_the_last() -> None:
    for table, after in ((TABLE, DAYS[256]), (TABLE.until(DAYS[50]), DAYS[0])):
        model = Recording()
        known = calibrate(model, table, after=after, steps=3, least=70)
        assert not model.asked
        assert same(known.learned, Calibrator.fresh(3))
        assert (known.since, known.items, known.least) == (timestamps(table)[-1], TABLE.item_ids, 70)


def test_of_many_items_some_evenly_spaced_ones_count() -> None:
    for rows in (40, 80):  # too short to learn from, and long enough
        table = independent_walks(np.full(rows, 0.01), items=2 * ITEMS - 1)
        known = calibrate(MODEL, table, after=DAYS[0], steps=1)
        assert known.items == tuple(f"A{place}" for place in range(0, 2 * ITEMS - 1, 2))
        assert len(known.items) == ITEMS
    table = independent_walks(np.full(40, 0.01), items=ITEMS)
    assert calibrate(MODEL, table, after=DAYS[0], steps=1).items == table.item_ids


def test_items_of_a_large_table_take_turns_which_an_origin_keeps_as_rows_are_added() -> None:
    table = independent_walks(np.full(340, 0.01), items=ITEMS)
    days = timestamps(table)
    model = Recording()
    known = calibrate(model, table.until(days[319]), after=days[79], steps=2)
    halves = [table.item_ids[0::2], table.item_ids[1::2]]
    turns = {day: halves[place // EVERY_OF_MANY % 2] for place, day in enumerate(days)}
    learned_on = days[80:319:EVERY_OF_MANY]
    assert {day: items for day, items, *_ in model.asked} == {day: turns[day] for day in learned_on}
    assert known.items == table.item_ids
    known.at(model, table, [days[-1]])
    assert {day: items for day, items, *_ in model.asked[len(learned_on) :]} == {
        day: turns[day] for day in days[320:339:EVERY_OF_MANY]
    }
    small = Recording()
    calibrate(small, table.select(table.item_ids[:15]), after=days[79], steps=2)
    assert {items for _, items, *_ in small.asked} == {table.item_ids[:15]}
    assert [day for day, *_ in small.asked] == list(days[80:339:EVERY])
    short = Recording()  # with too few origins to be ten rows apart
    calibrate(short, table.until(days[200]), after=days[79], steps=2)
    assert [day for day, *_ in short.asked] == list(days[80:200:EVERY])


def test_items_that_begin_too_late_to_be_followed_do_not_move_the_origins() -> None:
    table = independent_walks(np.full(340, 0.01), items=ITEMS - 1)
    late = replace(independent_walks(np.full(340, 0.01), items=ITEMS).series[-1].rows(250, 340), item_id="late")
    alone, beside = Recording(), Recording()
    known = calibrate(beside, PriceTable(series=(*table.series, late)), after=timestamps(table)[79], steps=2)
    calibrate(alone, table, after=timestamps(table)[79], steps=2)
    assert known.items == table.item_ids
    assert beside.asked == alone.asked


def test_an_origin_counts_for_the_rows_up_to_the_next() -> None:
    """What it tells counts twice where it stands for two, and what was told before fades as over two."""
    bands = RawBands.of(MODEL.predict(TABLE.until(DAYS[100]), 2, paths=100), 2)
    known = replace(learned(), lost=np.ones((3, 2)))
    once, twice = known.record(bands), known.record(bands, pace=2.0)
    eager = 1 + EAGER * 0.5 ** (np.array([1, 2]) * known.origins / SETTLING)
    for one, two in zip(once.waiting[-3:], twice.waiting[-3:], strict=True):
        assert two.weight / one.weight == pytest.approx(2 * eager[1] / eager[0])
        assert two.tells == pytest.approx(2 * one.tells)
    np.testing.assert_allclose(twice.lost, once.lost**2)
    np.testing.assert_allclose(
        (bands.log_width - twice.usual) / (bands.log_width - known.usual),
        ((bands.log_width - once.usual) / (bands.log_width - known.usual)) ** 2,
    )
    rows = independent_walks(np.full(340, 0.01), items=ITEMS)
    far = calibrate(MODEL, rows, after=timestamps(rows)[79], steps=1)
    near = calibrate(MODEL, rows.select(rows.item_ids[:15]), after=timestamps(rows)[79], steps=1)
    assert (far.every, far.pace, near.every, near.pace) == (EVERY_OF_MANY, EVERY_OF_MANY / EVERY, EVERY, 1.0)
    (walked,) = far.past[:1]
    assert {band.weight for band in walked[1].calibrator.waiting} == {2 * (1 + EAGER) / (ITEMS / 2 + FEW)}


@pytest.mark.parametrize("row", [61, 120, 121, 160, 199])
def test_what_was_known_at_a_row_before_is_what_a_walk_up_to_there_learned(row: int) -> None:
    """Whatever came later, and whatever was asked before."""
    table = TABLE.until(DAYS[200])
    known = calibrate(MODEL, table, after=DAYS[60], steps=7)
    seen = table.until(DAYS[row])
    then = calibrate(MODEL, seen, after=DAYS[60], steps=7)
    assert then.items == known.items
    (answer,) = known.at(MODEL, table, [DAYS[row]])
    assert same(answer, then.learned.settle(seen))
    both = known.at(MODEL, TABLE, [DAYS[row], DAYS[230]])  # one before the last that was learned from, and one after
    assert same(both[0], answer)
    assert both[1].origins == known.learned.origins + 6
    assert known.at(MODEL, table, [DAYS[60]])[0].origins == 0


def test_what_is_known_at_a_row_comes_from_every_fifth_row_since_the_last_fitted_one() -> None:
    start = learned(steps=7)  # outcomes that are not all known by the next origin
    known = OnlineCalibration(start, DAYS[160], TABLE.item_ids, paths=70)
    model = Recording()
    answers = known.at(model, TABLE, [DAYS[row] for row in (100, 159, 160, 161, 173, 190)])
    assert model.days == list(DAYS[160:190:5])
    assert {asked[2:4] for asked in model.asked} == {(7, 70)}
    assert [asked[4] for asked in model.asked] == [walking_seed(day) for day in model.days]
    for answer in answers[:2]:
        assert same(answer, Calibrator.fresh(7))
    (alone,) = known.at(model, TABLE, [DAYS[160]])
    assert same(alone, answers[2])
    assert same(answers[2], start.settle(TABLE.until(DAYS[160])))
    walked = start
    for row in range(160, 190, 5):
        walked = walked.settle(TABLE.until(DAYS[row])).record(
            MODEL.predict(TABLE.until(DAYS[row]), 7, paths=70, seed=walking_seed(DAYS[row]))
        )
        for place, at in ((3, 161), (4, 173), (5, 190)):
            if row < at <= row + 5:
                assert same(answers[place], walked.settle(TABLE.until(DAYS[at])))
    assert answers[5].origins == start.origins + 6


def test_rows_walked_already_are_not_walked_again_unless_prices_or_time_have_changed() -> None:
    known, model = OnlineCalibration(learned(), DAYS[160], TABLE.item_ids, every=4), Recording()

    def asked(prices: PriceTable, *rows: int) -> list[np.datetime64]:
        model.asked.clear()
        answers = known.at(model, prices, [DAYS[row] for row in rows])
        fresh = OnlineCalibration(learned(), DAYS[160], TABLE.item_ids, every=4)
        for ours, theirs in zip(answers, fresh.at(MODEL, prices, [DAYS[row] for row in rows]), strict=True):
            assert same(ours, theirs)
        return model.days

    assert asked(TABLE, 175) == list(DAYS[160:175:4])
    assert asked(TABLE, 175) == []
    assert asked(TABLE, 176) == []
    assert asked(TABLE, 177, 185) == list(DAYS[176:185:4])
    assert asked(TABLE, 184) == list(DAYS[160:184:4])  # the day of the last origin: its own forecast is not counted yet
    assert asked(TABLE, 170, 186) == list(DAYS[160:186:4])  # back in time
    other = PriceTable.from_close({series.item_id: (2 * series.close, series.timestamps) for series in TABLE})
    assert asked(other, 190) == list(DAYS[160:190:4])
    assert asked(other, 150) == []
    assert asked(other, 191) == []
    assert asked(other, 150, 193) == list(DAYS[160:193:4])


class InBatches(Recording):
    """A recording model that is asked for many days at once."""

    def predict_at(self, prices: PriceTable, request: Request) -> list[Forecast]:
        pairs = zip(request.cutoffs, request.seeds, strict=True)
        return [self.predict(prices.until(day), request.horizon, paths=request.paths, seed=seed) for day, seed in pairs]


def test_no_day_is_walked_whose_forecast_is_not_counted() -> None:
    model = InBatches()
    OnlineCalibration(learned(), DAYS[160], TABLE.item_ids).at(model, TABLE, [DAYS[165]])
    assert model.days == [DAYS[160]]


def test_only_items_that_were_learned_from_count_and_only_where_each_has_enough_rows() -> None:
    start = learned()
    known = OnlineCalibration(start, DAYS[160], ("A0", "A2", "gone"), least=100)
    model = Recording()
    cut = PriceTable(series=(TABLE.series[0].rows(72, 260), TABLE.series[1], TABLE.series[2].rows(30, 260)))
    known.at(model, cut, [DAYS[190]])
    assert {items for _, items, *_ in model.asked} == {("A0", "A2")}
    assert model.days == list(DAYS[175:190:5])  # A0 has its hundred rows at 171
    model = Recording()
    exact = PriceTable(series=(TABLE.series[0].rows(66, 167), TABLE.series[2].rows(170, 260)))
    known.at(model, exact, [DAYS[190]])
    assert [items for _, items, *_ in model.asked] == [("A0",)]  # a hundred rows from 165 on
    assert model.days == [DAYS[166]]


def test_where_none_of_its_items_is_there_it_says_what_it_learned() -> None:
    start, model = learned(), Recording()
    known = OnlineCalibration(start, DAYS[160], ("A0",), least=300)
    answers = known.at(model, TABLE, [DAYS[row] for row in (159, 160, 200)])
    assert [same(answer, Calibrator.fresh(2)) for answer in answers] == [True, False, False]
    assert answers[1] is answers[2] is start
    known = OnlineCalibration(start, DAYS[160], ("other",))
    assert known.at(model, TABLE, [DAYS[200]]) == [start]
    assert not model.asked


def notes_of(known: OnlineCalibration, row: int, prices: PriceTable = TABLE) -> tuple[bool, tuple[str, ...]]:
    """Whether the bands of a forecast from a row were moved, and the notes on it."""
    raw = MODEL.predict(prices.until(DAYS[row]), 2, paths=60)
    (forecast,) = known.apply(MODEL, prices, [DAYS[row]], [raw])
    (calibrator,) = known.at(MODEL, prices, [DAYS[row]])
    moved = not np.array_equal(forecast.items[0].paths, raw.items[0].paths)
    if moved:
        np.testing.assert_array_equal(forecast.items[0].paths, calibrator.apply(raw).items[0].paths)
    assert {note.kind for item in forecast for note in item.notes} == {"bands" if moved else "uncalibrated"}
    return moved, texts(forecast.items[0].notes)


def test_a_forecast_is_stretched_where_enough_is_known_and_says_which_it_was() -> None:
    known = OnlineCalibration(learned(), DAYS[160], TABLE.item_ids)
    assert notes_of(known, 171) == (True, ("the bands are calibrated by what those of 23 past forecasts held",))
    assert notes_of(known, 160) == (True, ("the bands are calibrated by what those of 20 past forecasts held",))
    date = pd.Timestamp(DAYS[160]).date()
    too_early = (
        f"the bands are not calibrated: what this model knows of its past bands was learned up to {date}, and these "
        "prices end before"
    )
    assert notes_of(known, 159) == (False, (too_early,))
    strange = OnlineCalibration(learned(), DAYS[160], ("P", "Q"))
    text = "the bands are calibrated by what those of 20 past forecasts of P, Q held"
    assert notes_of(strange, 171) == (True, (text,))
    mixed = OnlineCalibration(learned(), DAYS[160], ("P", "A0"))
    assert notes_of(mixed, 171)[1] == ("the bands are calibrated by what those of 23 past forecasts held",)


def test_fewer_than_ten_origins_move_nothing_and_the_note_says_how_many_rows_it_takes() -> None:
    nine = OnlineCalibration(learned(DAYS[60:105:5]), DAYS[160], TABLE.item_ids, every=3, least=7)
    assert LEAST_ORIGINS == 10
    few = "the bands are not calibrated: that takes 30 rows that the network has not learned from, and 7 before them"
    assert notes_of(nine, 162) == (False, (few,))
    moved, (text,) = notes_of(nine, 163)  # after the first third row, counted from the table's first
    assert moved
    assert "10 past forecasts" in text


def test_forecasts_from_several_rows_each_take_what_is_known_there() -> None:
    known = OnlineCalibration(learned(), DAYS[160], TABLE.item_ids)
    rows = (150, 171, 200)
    raw = [MODEL.predict(TABLE.until(DAYS[row]), 2, paths=60) for row in rows]
    together = known.apply(MODEL, TABLE, [DAYS[row] for row in rows], raw)
    for row, before, after in zip(rows, raw, together, strict=True):
        (alone,) = OnlineCalibration(learned(), DAYS[160], TABLE.item_ids).apply(MODEL, TABLE, [DAYS[row]], [before])
        np.testing.assert_array_equal(after.items[2].paths, alone.items[2].paths)
        assert after.items[2].notes == alone.items[2].notes
    with pytest.raises(IndexError):
        list(known.apply(MODEL, TABLE, [DAYS[171]], raw))


def test_a_calibration_survives_json() -> None:
    known = OnlineCalibration(learned(), DAYS[160], ("A0", "A2"), every=4, paths=60, least=30, pace=0.8)
    document = known.to_dict()
    assert {key: value for key, value in document.items() if key != "calibrator"} == {
        "since": str(pd.Timestamp(DAYS[160]).date()),
        "items": ["A0", "A2"],
        "every": 4,
        "paths": 60,
        "least": 30,
        "pace": 0.8,
    }
    assert document["calibrator"] == known.learned.to_dict()
    again = revived(json.loads(json.dumps(document)))
    assert again is not None
    assert again.to_dict() == document
    assert (again.since, again.items) == (known.since, known.items)
    (ours,), (theirs,) = (calibration.at(MODEL, TABLE, [DAYS[200]]) for calibration in (known, again))
    assert same(ours, theirs)
    assert revived(None) is None


@pytest.mark.parametrize(
    ("change", "culprit"),
    [
        ({"pace": 0.0}, "an origin stands for 0.0"),
        ({"pace": 2.1}, "an origin stands for 2.1"),
        ({"every": 0}, "every 0 rows"),
        ({"paths": 10_001}, "10001 paths"),
        ({"least": 0}, "after 0 rows"),
        ({"least": "x"}, "invalid literal"),
        ({"since": "NaT"}, "NaT"),
        ({"since": "never"}, "never"),
        ({"items": 3}, "not iterable"),
        ({"calibrator": {}}, "missed"),
    ],
)
def test_a_description_that_cannot_be_is_refused_in_one_line(change: dict[str, Any], culprit: str) -> None:
    document = {**OnlineCalibration(learned(), DAYS[160], TABLE.item_ids).to_dict(), **change}
    with pytest.raises(ModelError) as refused:
        OnlineCalibration.from_dict(document)
    text = str(refused.value)
    assert culprit in text
    assert text.startswith("a calibrator's description must fit this gatecast; this one does not (")
    assert text.endswith("). Save the model again.")
    assert len(text) < 300


def test_a_missing_field_is_refused_and_the_bounds_themselves_are_not() -> None:
    document = OnlineCalibration(learned(), DAYS[160], TABLE.item_ids).to_dict()
    assert OnlineCalibration.from_dict({**document, "pace": 1.0}).to_dict() == document
    assert document.pop("pace") == 1.0  # which models that were saved before it have not
    assert OnlineCalibration.from_dict(document).pace == 1.0
    for key in document:
        with pytest.raises(ModelError, match=key):
            OnlineCalibration.from_dict({name: value for name, value in document.items() if name != key})
    widest = {**document, "every": 1, "paths": 10_000, "least": 1, "items": [7]}
    assert OnlineCalibration.from_dict(widest).items == ("7",)
    long = {**document, "every": "x" * 400}
    with pytest.raises(ModelError) as refused:
        OnlineCalibration.from_dict(long)
    assert len(str(refused.value)) == len(str(refused.value).split("(")[0]) + 1 + 160 + len("). Save the model again.")


def test_the_names_that_the_bands_page_gives_stand() -> None:
    assert (online.EVERY, online.TAIL, online.LEAST_BEFORE, online.ITEMS, online.PATHS) == (5, 500, 60, 16, 100)
    plain = OnlineCalibration(learned(), DAYS[160], ("A0",))
    assert (plain.every, plain.paths, plain.least) == (5, 100, 1)

"""The calibrator's arithmetic, worked out again beside it: what is recorded, counted, stretched, and refused."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from conftest import calibrator_of
from gatecast.calibration.bands import EAGER, FEW, LEVELS, MEMORY, NARROWEST, SETTLING, WIDEST, Calibrator
from gatecast.calibration.gains import BELIEF, GAINS, HALF_LIFE, RATE, TOGETHER
from gatecast.calibration.walked import walking_seed
from gatecast.errors import ModelError, UsageError
from gatecast.forecast import Density, Forecast, ItemForecast
from gatecast.model import Forecasting, Request
from gatecast.prices import PriceTable

DAYS = pd.bdate_range("2020-01-01", periods=40).to_numpy()


def fan(item_id: str, row: int, seed: int, *, horizon: int = 3, paths: int = 33, close: float = 50.0) -> ItemForecast:
    """A skewed fan from a row whose middle drifts, with a density."""
    rng = np.random.default_rng(seed)
    moves = 0.003 + np.cumsum(0.01 * rng.gamma(2.0, 1.0, (paths, horizon)), axis=1)
    return ItemForecast(
        item_id=item_id,
        last_timestamp=DAYS[row],
        last_close=close,
        timestamps=DAYS[row + 1 : row + 1 + horizon],
        paths=close * np.exp(moves),
        density=Density(loc=0.5 * moves, scale=0.01 + moves, df=np.full_like(moves, 5.0)),
    )


def forecast(row: int, *items: str, horizon: int = 3, seed: int = 0) -> Forecast:
    made = (fan(item, row, 100 * row + place + seed, horizon=horizon) for place, item in enumerate(items))
    return Forecast(items=tuple(made), seed=0)


def log_width(fans: Forecast, steps: int) -> np.ndarray:
    """Median over the items of the log of the distance between the 5% and the 95% quantile."""
    ends = [np.quantile(np.log(item.paths[:, :steps] / item.last_close), [0.05, 0.95], axis=0) for item in fans]
    return np.median([np.log(high - low) for low, high in ends], axis=0)


def distances(item: ItemForecast, steps: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The median and each level's distance below and above it, with rank p (P + 1) as the quantile p."""
    moves = np.sort(np.log(item.paths[:, :steps] / item.last_close), axis=0)

    def at(probability: float) -> np.ndarray:
        rank = min(max(probability * (len(moves) + 1), 1), len(moves)) - 1
        low = int(rank)
        high = min(low + 1, len(moves) - 1)
        return moves[low] + (rank - low) * (moves[high] - moves[low])

    middle = at(0.5)
    below = np.stack([middle - at((1 - level) / 2) for level in LEVELS], axis=1)
    above = np.stack([at((1 + level) / 2) - middle for level in LEVELS], axis=1)
    return middle, below, above


@pytest.mark.parametrize("origins", [0, 20, 33])
def test_what_is_recorded_of_a_forecast(origins: int) -> None:
    rng = np.random.default_rng(origins)
    usual = np.array([-3.0, -2.5]) if origins else np.zeros(2)
    missed, lost = rng.normal(0, 0.6, (len(GAINS), 2, len(LEVELS))), rng.normal(0, 1, (len(GAINS), 2))
    known = Calibrator(missed=missed, lost=lost, usual=usual, origins=origins)
    raw = forecast(10, "A", "B")
    width = log_width(raw, 2)
    after = known.record(raw)
    expected = usual + (1 - 0.5 ** (1 / MEMORY)) * (width - usual) if origins else width
    np.testing.assert_allclose(after.usual, expected, rtol=1e-12)
    np.testing.assert_allclose(after.lost, lost * 0.5 ** (1 / HALF_LIFE), rtol=1e-12)
    assert after.origins == origins + 1
    theta = GAINS[:, None, None] * missed / np.exp(np.maximum(width - expected, -0.5))[:, None]
    weights = BELIEF[:, None] * np.exp(-RATE * lost)
    mean = (weights[:, :, None] * theta).sum(axis=0) / weights.sum(axis=0)[:, None]
    np.testing.assert_allclose(known.stretch(raw)[:2], mean, rtol=1e-10)
    for band, item in zip(after.waiting, raw, strict=True):
        assert (band.item_id, band.cutoff, band.settled) == (item.item_id, DAYS[10], 0)
        assert band.weight == pytest.approx((1 + EAGER * 0.5 ** (origins / SETTLING)) / (2 + FEW), rel=1e-12)
        assert band.tells == pytest.approx(1 / (1 + TOGETHER), rel=1e-12)  # two that move together, a share each
        for ours, theirs in zip((band.middle, band.below, band.above), distances(item, 2), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-10)
        np.testing.assert_allclose(band.stretch, theta, rtol=1e-10)


def test_outcomes_are_counted_once_each_when_their_row_is_there() -> None:
    raw = forecast(10, "A", "B", "gone")
    fresh = Calibrator.fresh(3)
    waiting = fresh.record(raw)
    rng = np.random.default_rng(3)
    closes = {item: 50 * np.exp(np.cumsum(rng.normal(0, 0.05, 40))) for item in "AB"}
    table = PriceTable.from_close({item: (close, DAYS) for item, close in closes.items()})
    for last in (10, 11, 11, 13, 20):
        waiting = waiting.settle(table.until(DAYS[last]))
        missed, lost = np.zeros((3, len(LEVELS))), np.zeros((len(GAINS), 3))
        for band in fresh.record(raw).waiting:
            if band.item_id == "gone":
                continue
            for step in range(min(last - 10, 3)):
                move = np.log(closes[band.item_id][11 + step] / closes[band.item_id][10])
                lower, upper = band.middle[step] - band.below[step], band.middle[step] + band.above[step]
                missed[step] += band.weight * (LEVELS - ((lower <= move) & (move <= upper)))
        np.testing.assert_allclose(waiting.missed[1:], [missed] * 2, rtol=1e-10, atol=1e-12)
        np.testing.assert_array_equal(waiting.missed[0], 0)
        np.testing.assert_array_equal(waiting.lost, lost)  # of a fresh one every gain has the same bands
        assert [(band.item_id, band.settled) for band in waiting.waiting] == (
            [("A", last - 10), ("B", last - 10)] if last < 13 else []
        )


def test_learning_sees_at_each_origin_the_rows_up_to_it_alone() -> None:
    """Three steps with an origin every row: no outcome is counted before its day."""
    walk = 50 * np.exp(np.cumsum(np.random.default_rng(5).normal(0, 0.05, 40)))
    table = PriceTable.from_close({"A": (walk, DAYS)})

    class Walking:
        def predict(self, prices: PriceTable, horizon: int, *, paths: int = 1000, seed: int = 0) -> Forecast:
            row = len(prices.series[0]) - 1
            return Forecast(items=(fan("A", row, row, close=walk[row], paths=paths),), seed=seed)

    by_hand = Calibrator.fresh(3)
    for row in range(10, 30):
        seen = table.until(DAYS[row])
        by_hand = by_hand.settle(seen).record(Walking().predict(seen, 3, paths=30))
    learned = Calibrator.fresh(3).learn(Walking(), table, list(DAYS[10:30]), paths=30)
    assert learned.to_dict() == by_hand.to_dict()
    assert [band.settled for band in learned.waiting] == [2, 1, 0]


def test_an_item_that_is_gone_or_begins_later_is_passed_over_and_the_next_one_counts() -> None:
    waiting = Calibrator.fresh(1).record(forecast(10, "gone", "late", "A", horizon=1))
    walk = 50 * np.exp(np.linspace(0, 1, 40))
    table = PriceTable.from_close({"late": (walk[20:], DAYS[20:]), "A": (walk, DAYS)})
    assert (waiting.settle(table).missed != 0).any()
    # The first row may be the origin's own: the next is its outcome.
    exact = PriceTable.from_close({"A": (walk[10:], DAYS[10:])})
    np.testing.assert_array_equal(waiting.settle(exact).missed, waiting.settle(table).missed)


def test_a_price_on_the_edge_of_its_band_is_inside_it() -> None:
    flat = ItemForecast(
        item_id="A", last_timestamp=DAYS[10], last_close=50.0, timestamps=DAYS[11:12], paths=np.full((9, 1), 50.0)
    )
    waiting = Calibrator.fresh(1).record(Forecast(items=(flat,), seed=0))
    still = PriceTable.from_close({"A": (np.full(40, 50.0), DAYS)})
    weight = 2 / (1 + FEW)
    np.testing.assert_allclose(waiting.settle(still).missed[1, 0], weight * (LEVELS - 1))
    for change in (1e-9, -1e-9):
        moved = PriceTable.from_close({"A": (np.r_[np.full(11, 50.0), np.full(29, 50.0 * (1 + change))], DAYS)})
        np.testing.assert_allclose(waiting.settle(moved).missed[1, 0], weight * LEVELS)


def test_the_stretch_and_what_was_missed_have_ends() -> None:
    raw = forecast(10, "A", horizon=4)
    usual = log_width(raw, 2)
    for sign, end in ((1, WIDEST), (-1, NARROWEST)):
        known = calibrator_of(np.full((2, len(LEVELS)), sign * 1e3), usual)
        np.testing.assert_array_equal(known.stretch(raw)[:2], np.full((2, len(LEVELS)), end))
        table = PriceTable.from_close({"A": (np.full(40, 50.0), DAYS)})
        np.testing.assert_allclose(known.settle(table).missed[1], np.full((2, len(LEVELS)), end / 0.18))
    known = calibrator_of(np.array([[0.1] * 8, [0.3] * 8]), usual)
    steps = known.stretch(raw)
    assert (steps[0] < steps[1]).all()
    # Beyond, the last stretch counts by its steps' share of the variance.
    np.testing.assert_allclose(steps[2:], [steps[1] * 2 / 3, steps[1] * 2 / 4])


@pytest.mark.parametrize("paths", [4, 5, 40])
def test_paths_move_from_the_median_by_the_stretch_of_their_level(paths: int) -> None:
    item = fan("A", 10, 5, paths=paths)
    rng = np.random.default_rng(1)
    missed = np.sort(rng.normal(0, 2, (3, len(LEVELS))), axis=1)
    raw = Forecast(items=(item,), seed=0)
    known = calibrator_of(missed, log_width(raw, 3))
    (after,) = known.apply(raw)
    theta = known.stretch(raw)
    moves = np.log(item.paths / 50)
    middle = np.median(moves, axis=0)
    for step in range(3):
        rank = moves[:, step].argsort().argsort() + 1
        level = np.abs(2 * (rank - 0.5) / paths - 1)
        reach = np.exp(np.interp(level, LEVELS, theta[step])) * (moves[:, step] - middle[step])
        # A path farther out than another stays so; here the stretch grows with the level, so nothing else is needed.
        np.testing.assert_allclose(np.log(after.paths[:, step] / 50), middle[step] + reach, rtol=1e-10)
    factor = np.exp(theta.mean(axis=1))
    assert item.density is not None and after.density is not None
    np.testing.assert_allclose(after.density.loc, middle + factor * (item.density.loc - middle), rtol=1e-12)
    np.testing.assert_allclose(after.density.scale, factor * item.density.scale, rtol=1e-12)
    np.testing.assert_array_equal(after.density.df, item.density.df)


def test_paths_of_one_price_keep_their_order_and_a_step_does_not_lean_on_another() -> None:
    item = fan("A", 10, 6, paths=30)
    missed = np.zeros((3, len(LEVELS)))
    missed[1, -2:] = -8.0  # the outer levels of the middle step fold in upon the inner ones
    raw = Forecast(items=(item,), seed=0)
    known = calibrator_of(missed, log_width(raw, 3))
    (after,) = known.apply(raw)
    np.testing.assert_allclose(after.paths[:, [0, 2]], item.paths[:, [0, 2]], rtol=1e-12)
    ordered = np.sort(np.log(after.paths[:, 1] / 50))
    offsets = np.abs(ordered - np.median(ordered))
    assert (np.diff(offsets[15:]) >= -1e-15).all()
    assert (np.diff(offsets[:15]) <= 1e-15).all()


def test_paths_of_the_same_price_keep_their_order() -> None:
    moves = np.repeat([0.01, -0.01], 30)
    item = ItemForecast(
        item_id="A", last_timestamp=DAYS[10], last_close=50.0, timestamps=DAYS[11:12], paths=50 * np.exp(moves)[:, None]
    )
    known = calibrator_of(np.linspace(0, 2, 8)[None], log_width(Forecast(items=(item,), seed=0), 1))
    (after,) = known.apply(Forecast(items=(item,), seed=0))
    above, below = after.paths[:30, 0], after.paths[30:, 0]
    assert (np.diff(above) >= 0).all()
    assert above[-1] > above[0]
    assert (np.diff(below) >= 0).all()
    assert below[-1] > below[0]


def test_each_days_seed_is_its_seconds_within_31_bits() -> None:
    assert walking_seed(np.datetime64("1970-01-02", "ns")) == 86_400
    assert walking_seed(np.datetime64("2021-03-04T05:06:07", "ns")) == 1_614_834_367
    assert walking_seed(np.datetime64("2050-01-01", "ns")) == 2_524_608_000 - 2**31


def test_a_model_that_answers_too_few_days_is_refused() -> None:
    class Silent:
        def predict_at(self, prices: PriceTable, request: Request) -> list[Forecast]:
            return []

    table = PriceTable.from_close({"A": (np.full(40, 50.0), DAYS)})
    silent: Forecasting = Silent()
    with pytest.raises(ValueError, match="zip"):
        Calibrator.fresh(1).learn(silent, table, [DAYS[20]], paths=5)
    with pytest.raises(UsageError) as refused:
        Calibrator.fresh(0)
    assert str(refused.value) == "a calibrator has at least 1 step; got 0. Give for example 20."


def document(**changes: Any) -> dict[str, Any]:
    return {**json.loads(json.dumps(Calibrator.fresh(2).record(forecast(10, "A")).to_dict())), **changes}


def band(**changes: Any) -> dict[str, Any]:
    return document(waiting=[{**document()["waiting"][0], **changes}])


OLD_BAND = {
    "item_id": "A",
    "cutoff": "2020-01-15",
    "lower": (-0.01 * LEVELS * np.ones((2, 1)) + 0.001).tolist(),
    "upper": (0.02 * LEVELS * np.ones((2, 1)) + 0.001).tolist(),
    "weight": 0.5,
    "settled": 0,
}


def old(**changes: Any) -> dict[str, Any]:
    """A document of when there was one gain, 0.18, and bands waited as they were calibrated."""
    return {"missed": [[1.0] * 8, [-1.0] * 8], "usual": [-3.0, -2.5], "origins": 30, "waiting": [OLD_BAND], **changes}


def test_a_document_of_one_gain_goes_on_with_it() -> None:
    known, raw = Calibrator.from_dict(old()), forecast(10, "A", "B")
    one = calibrator_of(np.array([[1.0] * 8, [-1.0] * 8]), np.array([-3.0, -2.5]), 30)
    np.testing.assert_allclose(known.stretch(raw), one.stretch(raw), rtol=1e-12)
    for close, inside in ((50 * np.exp(0.001), 1), (55.0, 0)):
        table = PriceTable.from_close({"A": (np.r_[np.full(11, 50.0), np.full(29, close)], DAYS)})
        expected = np.array([[1.0], [-1.0]]) + 0.5 * (LEVELS - inside)
        np.testing.assert_allclose(known.settle(table).missed[1], expected)
    assert Calibrator.from_dict(known.to_dict()).to_dict() == known.to_dict()


def test_what_to_dict_wrote_comes_back_to_the_last_field() -> None:
    written = band(settled=1)
    assert Calibrator.from_dict(written).to_dict() == written
    flat = np.zeros((2, 8)).tolist()
    whole = {
        "gains": GAINS.tolist(),
        "missed": [[[0] * 8] * 2] * 3,
        "lost": [[0] * 2] * 3,
        "usual": [-100, 100],
        "origins": 0,
        "stretches": [],
        "waiting": [],
    }
    for bound in (
        band(weight=2.0),
        band(tells=2.0),
        band(weight=1e-9),
        band(tells=0.0),
        band(below=flat, above=flat),
        whole,
    ):
        assert Calibrator.from_dict(bound).to_dict() == bound
    assert Calibrator.from_dict(whole).missed.dtype == np.float64


@pytest.mark.parametrize(
    ("changed", "culprit"),
    [
        (band(settled=2), "its counts or widths cannot be"),
        (band(settled=-1), "its counts or widths cannot be"),
        (band(weight=0.0), "its counts or widths cannot be"),
        (band(weight=2.01), "its counts or widths cannot be"),
        (band(tells=2.01), "its counts or widths cannot be"),
        (band(below=np.full((2, 8), -1.0).tolist()), "its counts or widths cannot be"),
        (document(origins=-1), "its counts or widths cannot be"),
        (document(usual=[0, 100.5]), "its counts or widths cannot be"),
        (band(above=[[0.0] * 8]), "its numbers have another shape, or are none"),
        (band(middle=[0.0]), "its numbers have another shape, or are none"),
        (band(stretch=1), "list index out of range"),
        (document(usual=[0, float("nan")]), "its numbers have another shape, or are none"),
        (document(missed=[[[0] * 7] * 2] * 3), "its numbers have another shape, or are none"),
        (document(lost=[[0] * 2] * 2), "its numbers have another shape, or are none"),
        (document(gains=[0.18]), "its gains are [0.18]"),
        (document(usual=[], stretches=[], waiting=[]), "its counts or widths cannot be"),
        (old(missed=[[0] * 7] * 2), "missed has shape (2, 7)"),
        (old(missed=[], usual=[]), "missed has shape (0,)"),
        (
            old(waiting=[{**OLD_BAND, "lower": OLD_BAND["upper"], "upper": OLD_BAND["lower"]}]),
            "its counts or widths cannot be",
        ),
    ],
)
def test_what_no_calibrator_wrote_is_refused_in_one_line(changed: dict[str, Any], culprit: str) -> None:
    with pytest.raises(ModelError) as refused:
        Calibrator.from_dict(changed)
    text = str(refused.value)
    assert text == (
        f"a calibrator's description must fit this gatecast; this one does not ({culprit}). Save the model again."
    )


def test_a_refusal_repeats_no_more_than_160_characters_of_what_is_wrong() -> None:
    with pytest.raises(ModelError) as refused:
        Calibrator.from_dict(document(origins="a" * 300))
    assert len(str(refused.value).partition("not (")[2]) == 160 + len("). Save the model again.")

"""A combination of quantiles: how it is made, what moves its weights, what it keeps, what a file may hold of it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import ndtri

from conftest import FixedVolatility, independent_walks, simulated_series, texts
from gatecast.calibration.combination import (
    _LEARNED_AT,
    AWAY,
    HALF_LIFE,
    MEMBERS,
    MOST_AWAY,
    RATE,
    START,
    Combination,
    Rivals,
    _gradient,
    away_from_ewma,
)
from gatecast.calibration.online import OnlineCalibration, calibrate, revived, timestamps
from gatecast.calibration.raw_bands import LEVELS, PROBABILITIES, RawBands
from gatecast.config import Config
from gatecast.errors import ModelError
from gatecast.forecast import Density, Forecast, ItemForecast
from gatecast.judge.recent import recent_walk
from gatecast.judge.recent_risk import recent_risk
from gatecast.judge.scores import score_forecast
from gatecast.models.choice import choose
from gatecast.prices import PriceSeries, PriceTable

TABLE = independent_walks(np.full(260, 0.01), items=3)
DAYS = timestamps(TABLE)
RIGHT, NARROW = FixedVolatility(0.01), FixedVolatility(0.004)


class Scaled(Rivals):
    """Rivals whose quantiles are those of a normal walk of these volatilities; nothing of an item named `unknown`."""

    def __init__(self, *sigmas: float, unknown: str = "", drift: float = 0.0) -> None:
        self.sigmas, self.unknown, self.drift = np.array(sigmas), unknown, drift

    def quantiles(self, series: PriceSeries, rows: np.ndarray, steps: int) -> np.ndarray:
        z = ndtri(PROBABILITIES)
        each = self.sigmas[:, None, None] * np.sqrt(np.arange(1.0, steps + 1))[None, :, None] * z + self.drift
        found = np.repeat(each[None], len(rows), axis=0)
        return np.full_like(found, np.nan) if series.item_id == self.unknown else found

    def sorted_paths(self, series: PriceSeries, horizon: int, paths: int, seed: int) -> np.ndarray | None:
        rng = np.random.default_rng(seed)
        drawn = self.drift + self.sigmas[:, None, None] * np.cumsum(rng.standard_normal((3, paths, horizon)), axis=2)
        return None if series.item_id == self.unknown else np.sort(drawn, axis=1)


def raw_of(model: FixedVolatility, row: int, steps: int = 2, paths: int = 400) -> RawBands:
    return RawBands.of(model.predict(TABLE.until(DAYS[row]), steps, paths=paths, seed=row), steps)


def said(rivals: Scaled, row: int, steps: int = 2) -> np.ndarray:
    return np.stack([rivals.quantiles(series, np.array([row + 1]), steps)[0] for series in TABLE])


def walked(network: FixedVolatility, rivals: Scaled, steps: int = 2) -> Combination:
    known = Combination.fresh(steps)
    for row in range(60, 255, 5):
        known = known.settle(TABLE.until(DAYS[row])).record(raw_of(network, row, steps), said(rivals, row, steps))
    return known


def test_weights_are_shares_and_begin_with_what_many_series_taught() -> None:
    fresh = Combination.fresh(3)
    assert fresh.weights.shape == (len(MEMBERS), 3)
    np.testing.assert_allclose(fresh.weights, np.repeat(START[:, None], 3, axis=1))
    moved = replace(fresh, slopes=np.array([[0.0] * 3, [0.1] * 3, [0.0] * 3, [1e3] * 3]))
    assert moved.weights.sum(axis=0) == pytest.approx(1)
    assert moved.weights[1, 0] / moved.weights[0, 0] == pytest.approx(START[1] / START[0] * np.exp(-0.1 * RATE))
    assert moved.weights[3, 0] < 1e-9


@pytest.mark.parametrize("steps", [1, 3])
def test_weight_goes_from_members_that_are_wrong_to_those_that_are_right(steps: int) -> None:
    wrong_network = walked(NARROW, Scaled(0.01, 0.004, 0.004), steps).weights
    assert (wrong_network[1] > START[1] + 0.1).all()
    assert (wrong_network[0] < START[0]).all()
    right_network = walked(RIGHT, Scaled(0.03, 0.03, 0.03), steps).weights
    assert (right_network[0] > START[0] + 0.1).all()


def test_the_slope_is_the_derivative_of_the_quantile_loss() -> None:
    rng = np.random.default_rng(0)
    members = np.sort(rng.normal(0, 0.01, (4, 2, 5)), axis=2)
    weights, move = np.full((4, 2), 0.25), np.array([0.004, -0.02])
    shares, nearest = PROBABILITIES[_LEARNED_AT], np.array([0.15, 0.225, 0.25, 0.225, 0.15])
    assert shares.round(3).tolist() == [0.05, 0.25, 0.5, 0.75, 0.95]

    def loss(weights: np.ndarray) -> np.ndarray:
        error = move[:, None] - (weights[:, :, None] * members).sum(axis=0)
        return (nearest * np.maximum(shares * error, (shares - 1) * error)).sum(axis=1)

    mean = (weights[:, :, None] * members).sum(axis=0)
    for member in range(4):  # a step towards one member, from all
        toward = weights * (1 - 1e-7) + 1e-7 * (np.arange(4) == member)[:, None]
        expected = (loss(toward) - loss(weights)) / 1e-7 / ((mean[:, -1] - mean[:, 0]) / 4)
        np.testing.assert_allclose(_gradient(members, weights, move, np.inf)[member], expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("weights", [START, np.array([0.8, 0.1, 0.05, 0.05])])
def test_the_network_is_not_blamed_for_the_few_paths_of_a_past_day(weights: np.ndarray) -> None:
    """All say the truth, the network by its sampled quantiles: over samples and outcomes the slopes are level."""
    rng, paths, samples, outcomes = np.random.default_rng(5), 100, 3000, 49
    z = ndtri(PROBABILITIES[_LEARNED_AT])
    drawn = rng.standard_normal((paths, samples))
    sampled = np.quantile(drawn, PROBABILITIES[_LEARNED_AT], axis=0, method="weibull").T.repeat(outcomes, axis=0)
    members = np.stack([sampled, *[np.tile(z, (len(sampled), 1))] * 3])
    moves = np.tile(ndtri((np.arange(outcomes) + 0.5) / outcomes), samples)
    each = np.repeat(weights[:, None], len(moves), axis=1)
    blamed, fair = (_gradient(members, each, moves, of).mean(axis=1) for of in (np.inf, paths))
    assert blamed[0] - blamed[1] > 0.0025 * weights[0] / START[0]
    assert abs(fair[0] - fair[1]) < 0.15 * (blamed[0] - blamed[1])
    np.testing.assert_allclose([weights @ blamed, weights @ fair], 0, atol=1e-12)


@pytest.mark.parametrize(("wider", "ratio"), [(0.5, 0.5), (2.0, 2.0), (50.0, 3.0)])
def test_what_a_sampling_error_adds_grows_with_the_square_of_the_networks_width(wider: float, ratio: float) -> None:
    z, weights = ndtri(PROBABILITIES[_LEARNED_AT])[None], np.array([[0.2], [0.8], [0.0], [0.0]])
    rival = (1 - 0.2 * wider) / 0.8 * z  # so that the mean is a standard normal's
    members, move = np.stack([wider * z, rival, z, z]), np.array([0.3])
    added = _gradient(members, weights, move, np.inf) - _gradient(members, weights, move, 50)
    shares = PROBABILITIES[_LEARNED_AT]
    density = np.exp(-(z[0] ** 2) / 2) / np.sqrt(2 * np.pi)
    nearest = np.array([0.15, 0.225, 0.25, 0.225, 0.15])
    expected = 0.2 * ratio**2 * (nearest * shares * (1 - shares) / density).sum() / 50 / (2 * z[0, -1] / 4)
    np.testing.assert_allclose(added[:, 0], expected * np.array([0.8, -0.2, -0.2, -0.2]), rtol=1e-6)


def test_an_outcome_counts_once_and_not_before_its_row() -> None:
    fresh = Combination.fresh(2)
    assert {of.paths for of in fresh.record(raw_of(RIGHT, 100, paths=50), said(Scaled(1, 1, 1), 100)).waiting} == {50}
    waiting = fresh.record(raw_of(RIGHT, 100), said(Scaled(0.01, 0.02, 0.03), 100))
    assert {band.item_id for band in waiting.waiting} == set(TABLE.item_ids)
    np.testing.assert_array_equal(waiting.settle(TABLE.until(DAYS[100])).slopes, 0)
    one = waiting.settle(TABLE.until(DAYS[101]))
    assert (one.slopes[:, 0] != 0).all()
    np.testing.assert_array_equal(one.slopes[:, 1], 0)
    both = waiting.settle(TABLE)
    np.testing.assert_allclose(one.settle(TABLE).settle(TABLE).slopes, both.slopes, rtol=1e-12)
    assert both.waiting == ()
    expected = np.zeros((4, 2))
    for pending, series in zip(waiting.waiting, TABLE, strict=True):
        move = np.log(series.close[101:103] / series.close[100])
        expected += _gradient(pending.members, fresh.weights, move, 400) / (1 + 0.35 * 2)  # three that move together
    np.testing.assert_allclose(both.slopes, expected, rtol=1e-10)
    again = both.record(raw_of(RIGHT, 105), said(Scaled(0.01, 0.02, 0.03), 105))
    np.testing.assert_allclose(again.slopes, expected * 0.5 ** (1 / HALF_LIFE), rtol=1e-10)
    twice = both.record(raw_of(RIGHT, 105), said(Scaled(0.01, 0.02, 0.03), 105), pace=2.0)  # it stands for two
    np.testing.assert_allclose(twice.slopes, expected * 0.5 ** (2 / HALF_LIFE), rtol=1e-10)
    assert [band.tells for band in twice.waiting] == [2 * band.tells for band in again.waiting]


def test_bands_are_weighted_means_and_an_item_without_rivals_keeps_the_networks() -> None:
    known, raw = Combination.fresh(2), raw_of(NARROW, 100)
    rivals = said(Scaled(0.01, 0.02, 0.03, unknown="A1"), 100)
    combined = known.combine(raw, rivals)
    low, centre, high = (int(np.argmin(np.abs(PROBABILITIES - share))) for share in (0.05, 0.5, 0.95))
    ends = np.stack([raw.middle[0] - raw.below[0, :, 5], raw.middle[0], raw.middle[0] + raw.above[0, :, 5]])
    mean = START[0] * ends + np.tensordot(START[1:], rivals[0][:, :, [low, centre, high]], axes=1).T
    now = rivals[0, -1, :, high] - rivals[0, -1, :, low]
    away = np.maximum((mean[2] - mean[0]) / now, np.exp(-MOST_AWAY)) ** (AWAY * np.array([0.0, 0.5]))
    np.testing.assert_allclose(combined.middle[0], mean[1], rtol=1e-10)
    np.testing.assert_allclose(combined.below[0, :, 5], away * (mean[1] - mean[0]), rtol=1e-10)
    np.testing.assert_allclose(combined.above[0, :, 5], away * (mean[2] - mean[1]), rtol=1e-10)
    assert away[1] < 0.97  # EWMA is wider
    np.testing.assert_allclose(combined.above[1], raw.above[1])
    assert (combined.log_width > raw.log_width).all()
    noted = known.record(raw, rivals)
    assert [pending.item_id for pending in noted.waiting] == ["A0", "A2"]


def test_paths_keep_their_ranks_at_the_mean_of_the_quantiles() -> None:
    rng = np.random.default_rng(2)
    moves = np.cumsum(0.01 * rng.standard_normal((40, 6)), axis=1)
    series = TABLE.series[0]
    item = ItemForecast(
        item_id="A0",
        last_timestamp=DAYS[-1],
        last_close=float(series.close[-1]),
        timestamps=pd.bdate_range(DAYS[-1], periods=7).to_numpy()[1:],
        paths=series.close[-1] * np.exp(moves),
        density=Density(loc=moves, scale=np.full_like(moves, 0.01), df=np.full_like(moves, 5.0)),
    )
    rivals, known = Scaled(0.02, 0.02, 0.03, drift=0.01), Combination.fresh(3)
    (after,) = known.apply(Forecast(items=(item,), seed=4), TABLE, rivals)
    np.testing.assert_array_equal(after.paths.argsort(axis=0), item.paths.argsort(axis=0))
    others = rivals.sorted_paths(series, 6, 40, 4)
    assert others is not None
    for step, share in enumerate([1, 1, 1, 3 / 4, 3 / 5, 3 / 6]):  # beyond its steps the rivals' share falls
        weights = np.r_[1 - share * START[1:].sum(), share * START[1:]]
        mean = weights[0] * np.sort(moves[:, step]) + weights[1:] @ others[:, :, step]
        wide, now = (np.ptp(np.quantile(of, [0.05, 0.95]))[None] for of in (mean, others[-1, :, step]))
        mean = np.median(mean) + away_from_ewma(wide, now, np.array([step + 1.0])) ** share * (mean - np.median(mean))
        np.testing.assert_allclose(np.sort(np.log(after.paths[:, step] / item.last_close)), mean, rtol=1e-9)
    shares = np.array(
        [[START[0], *START[1:]]] * 3 + [[1 - of * START[1:].sum(), *(of * START[1:])] for of in (3 / 4, 3 / 5, 1 / 2)]
    )
    assert item.noise is None and after.noise is not None
    np.testing.assert_allclose(after.noise, np.square(shares).sum(axis=1))
    assert after.density is not None
    ends = [(1 - LEVELS) / 2, (1 + LEVELS) / 2]
    before, since = (
        np.diff(np.quantile(of, ends, axis=0), axis=0)[0] for of in (moves, np.log(after.paths / item.last_close))
    )
    factor = np.exp(np.log(since / before).mean(axis=0))
    np.testing.assert_allclose(after.density.scale, 0.01 * np.tile(factor, (40, 1)), rtol=1e-9)
    centre = np.median(after.density.loc, axis=0)
    np.testing.assert_allclose(centre, np.median(np.log(after.paths / item.last_close), axis=0), atol=1e-9)
    (note,) = texts(after.notes)
    assert note.startswith("the forecast combines network 45%, GARCH 25%, HAR 20%, EWMA 10% at step 1; network")
    (alone,) = known.apply(Forecast(items=(item,), seed=4), TABLE, Scaled(1, 1, 1, unknown="A0"))
    np.testing.assert_array_equal(alone.paths, item.paths)
    assert "network's alone" in texts(alone.notes)[0]


def test_bands_far_ahead_are_moved_away_from_those_of_ewma_within_bounds() -> None:
    steps = np.array([1.0, 2.0, 20.0])
    calm, wild = (
        away_from_ewma(np.full(3, 1.5), np.ones(3), steps),
        away_from_ewma(np.full(3, 1 / 1.5), np.ones(3), steps),
    )
    assert calm[0] == wild[0] == 1
    assert calm[2] > calm[1] > 1
    np.testing.assert_allclose(calm * wild, 1)
    np.testing.assert_allclose(
        away_from_ewma(np.full(3, 1e9), np.ones(3), steps), np.exp(MOST_AWAY * np.log(calm) / np.log(1.5))
    )
    np.testing.assert_array_equal(away_from_ewma(np.array([np.nan]), np.ones(1), np.array([5.0])), 1)
    np.testing.assert_array_equal(away_from_ewma(np.zeros(1), np.zeros(1), np.array([5.0])), 1)


def test_the_walk_learns_weights_and_calibrates_what_is_combined() -> None:
    rivals = Scaled(0.01, 0.01, 0.01)
    known = calibrate(NARROW, TABLE, after=DAYS[0], steps=2, rivals=rivals)
    assert known.combination is not None
    assert (known.combination.weights[0] < 0.95 * START[0]).all()
    alone = calibrate(NARROW, TABLE, after=DAYS[0], steps=2)
    # The combination's bands are less narrow than the network's, so that less is missing to them.
    assert (known.learned.missed[1, :, 3:] < alone.learned.missed[1, :, 3:]).all()
    raw = NARROW.predict(TABLE, 2, paths=100)
    (forecast,) = known.apply(NARROW, TABLE, [DAYS[-1]], [raw])
    (now,) = known.known_at(NARROW, TABLE, [DAYS[-1]])
    assert now.combination is not None
    by_hand = now.calibrator.apply(now.combination.apply(raw, TABLE, rivals))
    for ours, theirs in zip(forecast, by_hand, strict=True):
        np.testing.assert_array_equal(ours.paths, theirs.paths)


def test_walking_on_from_a_file_is_walking_on() -> None:
    rivals = Scaled(0.01, 0.02, 0.005)
    known = calibrate(NARROW, TABLE.until(DAYS[200]), after=DAYS[0], steps=7, rivals=rivals)
    again = revived(json.loads(json.dumps(known.to_dict(), allow_nan=False)), rivals)
    assert again is not None and again.combination is not None and again.combination.waiting
    raw = NARROW.predict(TABLE, 7, paths=60)
    ours, theirs = (next(of.apply(NARROW, TABLE, [DAYS[-1]], [raw])) for of in (known, again))
    for item, other in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(item.paths, other.paths)
    without = revived(known.to_dict())  # a model that is not to be combined
    assert without is not None and without.combination is None


DOCUMENT = Combination.fresh(2).record(raw_of(RIGHT, 100), said(Scaled(0.01, 0.02, 0.03), 100)).to_dict()


@pytest.mark.parametrize(
    ("changes", "culprit"),
    [
        ({"members": ["network", "GARCH"]}, "its members are"),
        ({"slopes": [[0.0] * 2] * 3}, "slopes has shape"),
        ({"slopes": [[1e9] * 2] * 4}, "numbers cannot be"),
        ({"slopes": [[float("nan")] * 2] * 4}, "its numbers have another shape"),
        ({"weights": []}, "list index out of range"),
        ({"waiting": [{**DOCUMENT["waiting"][0], "settled": 2}]}, "its counts cannot be"),
        ({"waiting": [{**DOCUMENT["waiting"][0], "tells": 0.0}]}, "its counts cannot be"),
        ({"waiting": [{**DOCUMENT["waiting"][0], "paths": 0}]}, "its counts cannot be"),
        ({"waiting": [{**DOCUMENT["waiting"][0], "paths": 10**9}]}, "its counts cannot be"),
        ({"waiting": [{**DOCUMENT["waiting"][0], "paths": float("inf")}]}, "infinity to integer"),
        ({"waiting": [{name: of for name, of in DOCUMENT["waiting"][0].items() if name != "paths"}]}, "paths"),
        ({"waiting": [{**DOCUMENT["waiting"][0], "members": [0.0]}]}, "its numbers have another shape"),
        ({"waiting": [{"item_id": "A0"}]}, "cutoff"),
    ],
)
def test_what_no_combination_wrote_is_refused_in_one_line(changes: dict[str, Any], culprit: str) -> None:
    assert Combination.from_dict(DOCUMENT).to_dict() == DOCUMENT
    with pytest.raises(ModelError, match="a combination's description must fit") as refused:
        Combination.from_dict({**DOCUMENT, **changes})
    assert culprit in str(refused.value)
    assert "\n" not in str(refused.value)


def test_steps_of_a_combination_are_those_of_its_calibrator() -> None:
    known = calibrate(NARROW, TABLE, after=DAYS[0], steps=3, rivals=Scaled(1, 1, 1)).to_dict()
    with pytest.raises(ModelError, match="as many steps"):
        OnlineCalibration.from_dict({**known, "combination": Combination.fresh(2).to_dict()}, Scaled(1, 1, 1))


@pytest.mark.parametrize(("rows", "said"), [(1000, "It was judged as it forecasts"), (900, "In 30 of 40 forecasts")])
def test_the_verdict_of_a_forecast_says_how_much_of_a_combination_it_judged(rows: int, said: str) -> None:
    prices = PriceTable(series=(simulated_series("X", rows, 3, start="2016-01-04"),))
    config = Config.from_preset("base")
    walk = recent_walk(choose(config, prices), prices, horizon=5)
    assert said in walk.verdict.text and "combined with GARCH, HAR and EWMA" in walk.verdict.text
    alone = recent_walk(choose(config.replace(combine=False), prices), prices, horizon=5)
    assert "combined" not in alone.verdict.text


def test_the_verdict_of_risk_answers_says_that_a_combination_was_judged() -> None:
    prices = PriceTable(series=(simulated_series("X", 1000, 3, start="2016-01-04"),))
    choice = choose(Config.from_preset("base"), prices)
    verdict = recent_risk(choice, prices, recent_walk(choice, prices, horizon=5, risk=True))
    assert "It was judged as it forecasts: combined with GARCH, HAR and EWMA." in verdict.text


def test_scores_allow_for_the_noise_that_an_average_is_free_of() -> None:
    seen = TABLE.until(DAYS[200]).select(("A0",))
    whole = RIGHT.predict(seen, 2, paths=50)
    less = replace(whole, items=(replace(whole["A0"], noise=np.array([0.3, 1.0])),))
    ours, theirs = (score_forecast(of, seen, TABLE, cutoff=DAYS[200], horizon=2)["crps"] for of in (less, whole))
    moves = np.sort(whole["A0"].log_returns()[:, 0])
    apart = np.abs(moves[:, None] - moves).sum() / (50 * 49)  # the mean distance of two paths
    assert ours[0] - theirs[0] == pytest.approx((1 - 0.3) / 50 * apart / 2)
    assert ours[1] == theirs[1]

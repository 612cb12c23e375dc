"""Joint paths: what moved together moves together, each item keeps its own distribution, strangers stay strangers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ks_2samp, rankdata

from conftest import TINY, base_networks, simulated_series
from gatecast.calibration import dependence
from gatecast.calibration.dependence import Dependence, Outcomes
from gatecast.errors import UsageError
from gatecast.features.cross_section import LEAST_ITEMS
from gatecast.features.extremes import CloseInRange
from gatecast.features.signal_rows import BaseInputs, signal_rows
from gatecast.features.signal_windows import SignalWindows
from gatecast.forecast import Forecast
from gatecast.model import Request
from gatecast.models.forecaster import Forecaster
from gatecast.models.shipped import shipped
from gatecast.nn.sampling import blocks
from gatecast.prices import PriceSeries, PriceTable

DAYS = pd.bdate_range("2022-01-03", periods=1500).to_numpy()
TOGETHER, FREEDOM = 0.6, 4.0
PLANTED, STRANGERS = ("P0", "P1", "P2"), ("U0", "U1", "U2", "U3", "U4")


def learned(table: PriceTable) -> Dependence:
    return Dependence.learn(Outcomes.of_table(table.series))


def drawn(rows: int, items: int = 2, seed: int = 0) -> np.ndarray:
    """Moves of a multivariate Student-t, so that their tails meet; (row, item)."""
    rng = np.random.default_rng(seed)
    common = rng.standard_normal((rows, 1))
    normal = np.sqrt(1 - TOGETHER) * rng.standard_normal((rows, items)) + np.sqrt(TOGETHER) * common
    return np.asarray(normal * np.sqrt(FREEDOM / rng.chisquare(FREEDOM, (rows, 1))))


def planted(seed: int = 0) -> PriceTable:
    """Three items that move together, and five that know nothing of each other."""
    apart = np.random.default_rng([seed, 1]).standard_t(5, (len(DAYS), len(STRANGERS)))
    moves = 0.01 * np.column_stack([drawn(len(DAYS), len(PLANTED), seed), apart])
    return PriceTable(
        series=tuple(
            PriceSeries(item_id=name, timestamps=DAYS, close=100 * np.exp(np.cumsum(of)))
            for name, of in zip((*PLANTED, *STRANGERS), moves.T, strict=True)
        )
    )


def forecast(table: PriceTable, *, joint: bool = True, paths: int = 2000, horizon: int = 20, seed: int = 0) -> Forecast:
    networks = replace(base_networks(shipped()[-1]), joint=joint)
    last = max(series.timestamps[-1] for series in table)
    return networks.predict_at(table, Request(cutoffs=[last], horizon=horizon, paths=paths, seeds=[seed]))[0]


def pairs(values: Sequence[np.ndarray]) -> float:
    return float(np.mean([np.corrcoef(first, second)[0, 1] for first, second in combinations(values, 2)]))


def lower_tail(values: Sequence[np.ndarray], share: float = 0.05) -> float:
    """How often both of a pair are in their worst twentieth, as a share of that twentieth."""
    worst = [of < np.quantile(of, share) for of in values]
    return float(np.mean([(first & second).mean() / share for first, second in combinations(worst, 2)]))


@pytest.fixture(scope="module")
def table() -> PriceTable:
    return planted()


@pytest.fixture(scope="module")
def joint(table: PriceTable) -> Forecast:
    return forecast(table, paths=4000)


@pytest.mark.parametrize("step", [1, 5, 20])
def test_planted_dependence_is_in_the_paths_and_strangers_stay_strangers(
    table: PriceTable, joint: Forecast, step: int
) -> None:
    moves = [np.diff(np.log(table[name].close)) for name in PLANTED]
    linked = [joint[name].log_returns()[:, step - 1] for name in PLANTED]
    assert pairs([rankdata(of) for of in linked]) == pytest.approx(pairs([rankdata(of) for of in moves]), abs=0.05)
    sums = drawn(50_000 * step).reshape(-1, step, 2).sum(axis=1)
    assert lower_tail(linked) == pytest.approx(lower_tail(list(sums.T)), abs=0.1)
    apart = [joint[name].log_returns()[:, step - 1] for name in STRANGERS]
    assert max(abs(np.corrcoef(first, second)[0, 1]) for first, second in combinations(apart, 2)) < 0.14
    assert abs(pairs(apart)) < 0.06


def test_independent_paths_have_none_of_it(table: PriceTable) -> None:
    apart = forecast(table, joint=False, horizon=5)
    assert abs(pairs([apart[name].log_returns()[:, 4] for name in PLANTED])) < 0.06
    assert not apart.joint
    with pytest.raises(UsageError, match="joint=true"):
        apart.paths_of(PLANTED)


def test_each_items_own_distribution_is_unchanged(table: PriceTable) -> None:
    few = table.select(table.item_ids[: LEAST_ITEMS - 1])  # without a cross-section, so that nothing else differs
    ours, theirs = forecast(few, paths=8000), forecast(few, joint=False, paths=8000)
    for item, other in zip(ours, theirs, strict=True):
        for step in (0, 4, 19):  # 0.045 apart has a chance of one in five million
            assert ks_2samp(item.paths[:, step], other.paths[:, step]).statistic < 0.045


def test_the_places_of_an_item_are_independent_uniform_draws(table: PriceTable) -> None:
    futures = [pd.bdate_range(DAYS[-1] + np.timedelta64(1, "D"), periods=20).to_numpy()] * len(table)
    places = np.stack(learned(table).places(futures, 500, seed=3))
    assert places.shape == (len(table), 20, 500)
    assert places.min() > 0 and places.max() < 1
    assert places.var() == pytest.approx(1 / 12, abs=0.002)
    # The means of draws have a variance of 1 / (12 x 500); those of evenly spaced places have next to none.
    apart = places[len(PLANTED) :]
    assert apart.mean(axis=2).var() * 12 * 500 == pytest.approx(1.0, abs=0.5)
    assert all(abs(np.corrcoef(item[:-1].ravel(), item[1:].ravel())[0, 1]) < 0.05 for item in places)


def test_outcomes_are_held_against_the_markets_volatility_of_the_days_before() -> None:
    """Each day's mean size over all items, those of the days before, the last of them counting most; by hand."""
    table = [simulated_series(f"X{of}", 60 + of, of) for of in range(LEAST_ITEMS)]
    alone, ours = [Outcomes.of(series) for series in table], Outcomes.of_table(table)
    days = np.unique(np.concatenate([item.timestamps for item in alone]))
    decay, market, before = 0.5 ** (1 / dependence.MARKET_HALF_LIFE), np.sqrt(2 / np.pi), {}
    for day in days:
        before[day] = market
        sizes = [abs(of) for item in alone for of in item.values[item.timestamps == day]]
        if len(sizes) >= LEAST_ITEMS:
            market = decay * market + (1 - decay) * np.mean(sizes)
    assert len(set(before.values())) > 30
    for item, of in zip(ours, alone, strict=True):
        np.testing.assert_allclose(item.values, of.values / [before[day] for day in of.timestamps], rtol=1e-9)
    turned = Outcomes.of_table(table[::-1])
    assert all((item.values == of.values).all() for item, of in zip(ours, turned[::-1], strict=True))
    few = Outcomes.of_table(table[1:])
    assert all((item.values == of.values).all() for item, of in zip(few, alone[1:], strict=True))


def test_items_meet_on_days_that_they_have_in_common(table: PriceTable) -> None:
    """A coin trades on Saturdays: on Monday it moves with the stock, whatever step that is for it."""
    rng = np.random.default_rng(0)
    stock, days = table["P0"], pd.date_range(DAYS[0], DAYS[-1]).to_numpy()
    moves = 0.01 * rng.standard_t(5, len(days))
    moves[np.isin(days, DAYS)] = np.diff(np.log(stock.close), prepend=np.log(100.0))
    coin = PriceSeries(item_id="coin", timestamps=days, close=100 * np.exp(np.cumsum(moves)))
    both = PriceTable(series=(stock, coin))
    futures = [np.array([day], dtype="datetime64[D]") for day in ("2027-10-04", "2027-10-04")]
    futures[1] = np.array(["2027-10-02", "2027-10-03", "2027-10-04"], dtype="datetime64[D]")
    own, other = learned(both).places([f.astype(DAYS.dtype) for f in futures], 2000, seed=0)
    assert np.corrcoef(own[0], other[2])[0, 1] > 0.9
    assert abs(np.corrcoef(own[0], other[0])[0, 1]) < 0.15


def test_a_new_item_moves_by_itself_and_the_others_as_before(table: PriceTable) -> None:
    young = table["P1"].rows(len(DAYS) - dependence.LEAST, len(DAYS))
    with_young = PriceTable(series=(table["P0"], table["P2"], replace(young, item_id="young")))
    of_young = learned(with_young)
    assert np.isnan(of_young.ranks[:, 2]).all()
    future = [pd.bdate_range("2027-10-04", periods=3).to_numpy()] * 3
    first, second, new = of_young.places(future, 2000, seed=0)
    assert np.corrcoef(first[0], second[0])[0, 1] > 0.45
    assert abs(np.corrcoef(first[0], new[0])[0, 1]) < 0.08


def test_the_order_of_the_items_is_the_order_of_the_answer(table: PriceTable) -> None:
    ours = forecast(table, paths=50)
    turned = forecast(table.select(table.item_ids[::-1]), paths=50)
    assert [item.item_id for item in turned] == list(table.item_ids[::-1])
    for item in ours:
        np.testing.assert_allclose(turned[item.item_id].paths, item.paths, rtol=1e-5)


def test_the_same_seed_gives_the_same_bytes(table: PriceTable) -> None:
    ours, again, other = (forecast(table, paths=30, horizon=5, seed=seed) for seed in (0, 0, 1))
    for item in ours:
        np.testing.assert_array_equal(again[item.item_id].paths, item.paths)
        assert (other[item.item_id].paths != item.paths).any()


def test_an_unrelated_item_changes_no_other_beyond_sampling_error(table: PriceTable) -> None:
    few = table.select(table.item_ids[:3])
    ours, wider = (
        forecast(few, paths=4000, horizon=5),
        forecast(table.select(table.item_ids[:4]), paths=4000, horizon=5),
    )
    for item in ours:
        spread = item.log_returns().std(axis=0)
        for q in (0.05, 0.5, 0.95):
            shift = np.log(wider[item.item_id].quantile(q) / item.quantile(q)) / spread
            assert np.abs(shift).max() < (0.08 if q == 0.5 else 0.16)


def test_the_cross_section_along_a_path_is_that_of_a_history_with_its_days(
    table: PriceTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After every day that all items have simulated, each sees what it would see of the others in a longer history."""
    seen: list[np.ndarray] = []
    honest = SignalWindows.see

    def watching(self: SignalWindows, cross_section: np.ndarray) -> None:
        seen.append(cross_section)
        honest(self, cross_section)

    read: list[np.ndarray | None] = []
    own_inputs = SignalWindows.inputs

    def reading(self: SignalWindows) -> BaseInputs:
        inputs = own_inputs(self)
        read.append(inputs.cross_section)
        return inputs

    monkeypatch.setattr(SignalWindows, "see", watching)
    monkeypatch.setattr(SignalWindows, "inputs", reading)
    ahead = forecast(table, paths=6, horizon=4)
    assert len(seen) == 3  # not after the last day
    for given, cross_section in zip(read[1:], seen, strict=True):  # the first are the histories' own
        assert given is not None
        np.testing.assert_array_equal(given[0], cross_section.reshape(given[0].shape))
    for path in (0, 5):
        grown = []
        for series, item in zip(table, ahead, strict=True):
            close = np.append(series.close, item.paths[path])
            stamps = np.append(series.timestamps, item.timestamps)
            grown.append(PriceSeries(item_id=series.item_id, timestamps=stamps, close=close))
        for place, rows in enumerate(signal_rows(grown)):
            for day, cross_section in enumerate(seen):
                np.testing.assert_allclose(
                    cross_section[place, path], rows.cross_section[day - 4], rtol=1e-6, atol=1e-8
                )


def test_a_large_table_is_simulated_in_shares_of_its_paths(table: PriceTable, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = forecast(table, paths=1500, horizon=5)
    monkeypatch.setattr(blocks, "PATHS_AT_ONCE", 100)
    shared = forecast(table, paths=1500, horizon=5)
    assert shared.n_paths == 1500
    linked = [pairs([of[name].log_returns()[:, 4] for name in PLANTED]) for of in (whole, shared)]
    assert linked[1] == pytest.approx(linked[0], abs=0.1)
    for item in whole:  # 0.1 apart has a chance of one in a million
        assert ks_2samp(shared[item.item_id].paths[:, 4], item.paths[:, 4]).statistic < 0.1


def test_a_trained_network_is_simulated_jointly_too_one_for_each_item_as_well() -> None:
    rng = np.random.default_rng(5)
    moves = 0.01 * (rng.standard_normal((400, 1)) + 0.3 * rng.standard_normal((400, 2)))
    days = pd.bdate_range("2022-01-03", periods=400).to_numpy()
    table = PriceTable(
        series=tuple(
            PriceSeries(item_id=name, timestamps=days, close=100 * np.exp(np.cumsum(of)))
            for name, of in zip("AB", moves.T, strict=True)
        )
    )
    for per_asset in (False, True):
        config = TINY.replace(per_asset=per_asset, calibrate=False)
        both = Forecaster(config).fit(table).predict(table, 3, paths=500)
        assert both.joint
        first, second = (item.log_returns()[:, 2] for item in both)
        assert np.corrcoef(first, second)[0, 1] > 0.7
        assert both.paths_of(["A", "B"]).shape == (2, 500, 3)


def test_highs_and_lows_stand_around_the_closes_as_those_of_past_days_did() -> None:
    """A history whose every day closes at its high; a simulated day's does so, too."""
    series = simulated_series("X", 400, 3)
    assert series.low is not None
    rising = replace(series, high=series.close)
    for history, highest in ((series, False), (rising, True)):
        item = forecast(PriceTable(series=(history,)), paths=2000, horizon=5).items[0]
        assert item.highs is not None and item.lows is not None
        assert (item.highs >= item.paths * (1 - 1e-12)).all() and (item.lows <= item.paths * (1 + 1e-12)).all()
        assert (item.highs > item.lows).all()
        up = np.diff(item.log_returns(), axis=1, prepend=0) > 0
        at_high = np.isclose(item.highs, item.paths)
        assert at_high[up].mean() > 0.9 if highest else at_high[up].mean() < 0.5
    closes = PriceTable.from_close({"X": (series.close, series.timestamps)})
    assert forecast(closes, paths=20, horizon=2).items[0].highs is None


def test_the_close_of_a_day_lies_where_it_lay_on_past_days_of_that_shape() -> None:
    days = np.arange(1000)
    rng = np.random.default_rng(0)
    ratio = np.sort(rng.uniform(-1, 1, 1000))
    known = CloseInRange(ratio=ratio, place=0.5 + 0.5 * ratio)
    moves, ranges = 0.01 * ratio[None, :], np.full((1, 1000), 0.01 / np.sqrt(4 * np.log(2)))
    above, below = known.extremes(moves, ranges, np.random.default_rng(1))
    np.testing.assert_allclose(above + below, 0.01)
    np.testing.assert_allclose(below[0] / 0.01, 0.5 + 0.5 * ratio, atol=0.05)
    few = CloseInRange(ratio=ratio[:5], place=np.zeros(5))  # too few to go by
    np.testing.assert_allclose(few.extremes(moves, ranges, rng)[1][0, days] / 0.01, 0.5 + 0.5 * ratio)

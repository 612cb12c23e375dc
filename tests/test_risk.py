"""Questions asked of simulated paths: by hand where paths are few, by known distributions where they are many."""

from __future__ import annotations

import math
import tracemalloc
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import betainc
from scipy.stats import norm

from gatecast.errors import DataError, GatecastError, UnreadableSource, UsageError
from gatecast.forecast import Forecast, ItemForecast
from gatecast.risk.answers import Risk
from gatecast.risk.assess import assess_risk
from gatecast.risk.contributions import contributions
from gatecast.risk.drawdown import drawdown, under_water, worst_falls
from gatecast.risk.estimates import Estimate, chance, mean, quantile
from gatecast.risk.levels import first_touch, level_chances, named_price, stop_before_target, touched
from gatecast.risk.portfolio import portfolio_paths
from gatecast.risk.questions import RiskQuestions
from gatecast.risk.scenario import Scenario, scenario_paths
from gatecast.risk.tails import implied_move, periods_per_year, tail_risks, tail_weights, volatility
from gatecast.risk.weights import Portfolio, read_weights
from gatecast.runs.risk import run_risk

BUSINESS = pd.bdate_range("2024-01-01", periods=30)
DAYS = np.arange("2024-01-02", "2025-01-02", dtype="M8[D]").astype("M8[ns]")


def item(paths: object, item_id: str = "X", *, highs: object = None, lows: object = None, days: object = None):
    closes = np.asarray(paths, dtype=float)
    stamps = DAYS[1 : closes.shape[1] + 1] if days is None else np.asarray(days, dtype="M8[ns]")
    return ItemForecast(
        item_id=item_id,
        last_timestamp=stamps[0] - np.timedelta64(1, "D"),
        last_close=100.0,
        timestamps=stamps,
        paths=closes,
        highs=None if highs is None else np.asarray(highs, dtype=float),
        lows=None if lows is None else np.asarray(lows, dtype=float),
    )


def walk(seed: int, paths: int = 1000, horizon: int = 10, sigma: float = 0.02) -> np.ndarray:
    return 100 * np.exp(np.cumsum(sigma * np.random.default_rng(seed).standard_normal((paths, horizon)), axis=1))


def joint(*items: ItemForecast, together: bool = True) -> Forecast:
    return Forecast(items=items, seed=0, joint=together)


def correlated(count: int = 3, paths: int = 1000, horizon: int = 5) -> Forecast:
    common = np.random.default_rng(9).standard_normal((paths, horizon))
    items = []
    for number in range(count):
        own = np.random.default_rng(number).standard_normal((paths, horizon))
        moves = np.cumsum(0.02 * (0.7 * common + 0.7 * own), axis=1)
        items.append(item(100 * np.exp(moves), "ABCDEFGH"[number]))
    return joint(*items)


# Levels


def test_a_price_is_touched_by_the_days_range_where_there_is_one_and_by_closes_else() -> None:
    closes = [[101, 102, 99], [100, 98, 97]]
    ranged = item(closes, highs=[[104, 103, 100], [101, 99, 98]], lows=[[100, 101, 95], [99, 97, 96]])
    assert touched(ranged, 104.0).tolist() == [[True, True, True], [False, False, False]]
    assert touched(item(closes), 104.0).tolist() == [[False] * 3, [False] * 3]
    assert touched(ranged, 97.0).tolist() == [[False, False, True], [False, True, True]]
    assert first_touch(ranged, 97.0).tolist() == [2, 1]
    assert first_touch(item(closes), 102.0).tolist() == [1, 3]  # 3: never
    assert touched(ranged, 100.0).all()  # the last close


def test_a_price_that_a_path_reaches_but_for_rounding_is_touched() -> None:
    assert touched(item([[0.1 * 3 * 1000 / 3 + 10]]), 110.00000000001).all()
    assert not touched(item([[110.0]]), 110.001).any()


def test_a_farther_price_is_touched_no_more_often_and_a_close_beyond_is_a_touch() -> None:
    simulated = item(walk(1))
    found = [level_chances(simulated, price) for price in (101.0, 105.0, 110.0, 1e6)]
    for near, far in pairwise(found):
        assert (near.touch.value >= far.touch.value).all()
    for level in found:
        assert (np.diff(level.touch.value) >= 0).all()
        assert (level.touch.value >= level.close_above.value).all()
        assert level.close_above.value + level.close_below.value == pytest.approx(np.ones(10))
    assert found[-1].touch.value[-1] == 0.0 and found[-1].touch.error[-1] > 0
    assert [level_chances(simulated, price).side for price in (99.0, 100.0, 101.0)] == ["below", "at", "above"]


def test_the_chance_to_touch_agrees_with_the_reflection_principle() -> None:
    """Of a fine walk it is twice the chance to end beyond (Feller 1968, chapter III)."""
    steps, sigma, barrier = 400, 0.01, 115.0
    simulated = item(walk(3, 4000, steps, sigma), days=np.arange(steps).astype("M8[D]"))
    told = level_chances(simulated, barrier).touch[-1]
    # Siegmund (1979): a walk overshoots a barrier by 0.583 of a step.
    expected = 2 * norm.sf((math.log(1.15) + 0.583 * sigma) / (sigma * math.sqrt(steps)))
    assert abs(float(told.value) - expected) < 3 * float(told.error)


def test_stop_and_target_are_told_apart_by_day_and_one_day_counts_as_the_stop() -> None:
    simulated = item(
        [[100, 100], [100, 100], [100, 100], [100, 100]],
        highs=[[106, 101], [101, 106], [106, 100], [101, 101]],
        lows=[[94, 99], [99, 99], [99, 94], [99, 94]],
    )
    found = stop_before_target(simulated, 95.0, 105.0)
    assert found.stop_first.value.tolist() == [0.25, 0.5]
    assert found.target_first.value.tolist() == [0.25, 0.5]
    assert float(found.same_day.value) == 0.25
    assert float(found.stop_step.value) == float(found.target_step.value) == 1.5
    short = stop_before_target(simulated, 105.0, 95.0)  # of a short position
    assert short.stop_first.value.tolist() == [0.5, 0.75] and short.target_first.value.tolist() == [0.0, 0.25]


def test_paths_that_touch_neither_price_have_no_day() -> None:
    found = stop_before_target(item([[100.0, 101.0]]), 50.0, 200.0)
    assert found.stop_step is None and found.target_step is None
    assert found.stop_first.value[-1] == found.target_first.value[-1] == found.same_day.value == 0.0


@pytest.mark.parametrize(("stop", "target"), [(90.0, 95.0), (105.0, 110.0), (100.0, 110.0)])
def test_a_stop_and_a_target_on_one_side_are_refused(stop: float, target: float) -> None:
    with pytest.raises(UsageError, match="two sides of the last close"):
        stop_before_target(item([[100.0]]), stop, target)


@pytest.mark.parametrize("price", [0, -5, math.nan, math.inf, "x", "A=", "A=0", "", True])
def test_a_price_is_a_positive_number(price: object) -> None:
    with pytest.raises(GatecastError, match="positive number"):
        named_price(price, ["A"])  # type: ignore[arg-type]


def test_a_bare_price_of_several_items_is_refused_with_how_to_write_it() -> None:
    with pytest.raises(UsageError, match="there are 2, and 60 names none. Write for example 'A=60'"):
        named_price(60, ["A", "B"])
    with pytest.raises(UsageError, match="no item 'C' in this forecast. It has: A, B"):
        named_price("C=60", ["A", "B"])


def test_a_stop_and_a_target_of_two_items_are_refused() -> None:
    with pytest.raises(UsageError, match="these are of 'A' and 'B'"):
        assess_risk(correlated(), RiskQuestions(stop="A=95", target="B=105"))


# Tails


def test_errors_by_hand() -> None:
    assert mean(np.array([0.0, 2.0])).error == pytest.approx(1.0)
    first = betainc(0.75, 2.25, 0.5)  # the chance that the quarter's quantile of two draws is the lower
    assert quantile(np.array([0.0, 1.0]), 0.25).error == pytest.approx(math.sqrt(first * (1 - first)))


def test_expected_shortfall_is_the_mean_of_the_worst_with_a_part_of_the_path_on_the_boundary() -> None:
    relative = np.array([[0.9], [0.8], [1.0], [1.1], [0.95]])
    (risk,) = tail_risks(relative, [0.3])  # 1.5 paths
    assert risk.expected_shortfall.value.tolist() == pytest.approx([(0.2 + 0.5 * 0.1) / 1.5])
    assert risk.value_at_risk.value.tolist() == pytest.approx([1 - np.quantile(relative[:, 0], 0.3)])


def test_tails_of_a_normal_are_those_of_the_textbook() -> None:
    relative = 1 + 0.03 * np.random.default_rng(5).standard_normal((40_000, 1))
    for risk in tail_risks(relative, [0.01, 0.05, 0.1]):
        z = norm.ppf(risk.level)
        assert abs(risk.value_at_risk.value[0] + 0.03 * z) < 4 * risk.value_at_risk.error[0]
        assert (
            abs(risk.expected_shortfall.value[0] - 0.03 * norm.pdf(z) / risk.level)
            < 4 * risk.expected_shortfall.error[0]
        )
        textbook = 0.03 * math.sqrt(risk.level * (1 - risk.level) / 40_000) / norm.pdf(z)
        assert risk.value_at_risk.error[0] == pytest.approx(textbook, rel=0.25)


@pytest.mark.parametrize("paths", [1, 2, 7, 100, 999])
def test_shortfall_is_never_below_value_at_risk_and_both_grow_with_rarer_levels(paths: int) -> None:
    relative = np.exp(np.random.default_rng(paths).standard_t(3, (paths, 4)) / 30)
    risks = tail_risks(relative, [0.01, 0.05, 0.1, 0.5])
    for risk in risks:
        assert (risk.expected_shortfall.value >= risk.value_at_risk.value - 1e-12).all()
        assert np.isfinite(risk.value_at_risk.error).all() and np.isfinite(risk.expected_shortfall.error).all()
    for rarer, usual in pairwise(risks):
        assert (rarer.value_at_risk.value >= usual.value_at_risk.value - 1e-12).all()
        assert (rarer.expected_shortfall.value >= usual.expected_shortfall.value - 1e-12).all()


def test_sampling_errors_are_what_other_draws_differ_by() -> None:
    """Of 300 draws of 400 heavy-tailed paths each, the spread of a number is its mean error."""
    draws = 1 + 0.02 * np.random.default_rng(2).standard_t(8, (300, 400, 1))
    told: dict[str, list[tuple[float, float]]] = {}
    for relative in draws:
        (risk,) = tail_risks(relative, [0.05])
        estimates = {
            "value at risk": risk.value_at_risk[0],
            "shortfall": risk.expected_shortfall[0],
            "move": implied_move(relative)[0],
            "chance": chance(relative[:, 0] > 1.02),
            "median": quantile(relative[:, 0], 0.5),
            "mean": mean(relative[:, 0]),
            "volatility": volatility(relative, 252.0)[0],
        }
        for name, estimate in estimates.items():
            told.setdefault(name, []).append((float(estimate.value), float(estimate.error)))
    for name, pairs in told.items():
        values, errors = np.array(pairs).T
        slack = 0.3 if name in ("shortfall", "volatility") else 0.15  # their errors rest on the fourth moment
        assert errors.mean() == pytest.approx(values.std(), rel=slack), name


def test_a_chance_that_no_path_shows_is_not_told_as_certain() -> None:
    assert 0 < float(chance(np.zeros(1000, dtype=bool)).error) < 0.001
    assert float(chance(np.ones(1000, dtype=bool)).error) == float(chance(np.zeros(1000, dtype=bool)).error)


def test_volatility_is_that_of_the_walk_whatever_the_step() -> None:
    told = volatility(walk(4, 20_000, 10, 0.02) / 100, 252.0)
    assert told.value == pytest.approx(np.full(10, 0.02 * math.sqrt(252)), rel=0.03)


def test_constant_paths_have_no_risk_and_no_error() -> None:
    flat = np.ones((50, 3))
    assert volatility(flat, 252.0).error.tolist() == [0.0] * 3
    assert implied_move(flat).value.tolist() == [0.0] * 3
    assert tail_risks(flat, [0.05])[0].expected_shortfall.value.tolist() == pytest.approx([0.0] * 3, abs=1e-15)


@pytest.mark.parametrize(
    ("stamps", "periods"),
    [
        (pd.bdate_range("2024-01-01", periods=100), 252),
        (pd.date_range("2024-01-01", periods=100), 365),
        (pd.date_range("2024-01-05", periods=60, freq="W-FRI"), 52),
        (pd.date_range("2020-01-31", periods=40, freq="ME"), 12),
        (pd.date_range("2024-01-01", periods=24 * 30, freq="h"), 365 * 24),
        (pd.DatetimeIndex([day + pd.Timedelta(hours=hour) for day in BUSINESS for hour in range(10, 17)]), 252 * 7),
    ],
    ids=["business", "daily", "weekly", "monthly", "hourly", "session hours"],
)
def test_a_year_has_as_many_steps_as_the_series_trades(stamps: pd.DatetimeIndex, periods: float) -> None:
    assert periods_per_year(stamps.to_numpy().astype("M8[ns]")) == periods


def test_the_history_tells_the_steps_of_a_year_where_few_days_ahead_cannot() -> None:
    """Of a coin, Monday to Friday are no business days."""
    from gatecast.prices import PriceTable

    stamps = pd.date_range("2024-01-01", "2024-04-07").to_numpy()  # to a Sunday
    prices = PriceTable.from_close({"X": (np.full(len(stamps), 100.0), stamps)})
    ahead = pd.date_range("2024-04-09", periods=4).to_numpy()
    forecast = joint(item(walk(1, 100, 4), days=ahead))
    known, guessed = (assess_risk(forecast, prices=given)["X"].outlook.volatility for given in (prices, None))
    assert known.value / guessed.value == pytest.approx(np.full(4, math.sqrt(365 / 252)))


# Falls


def test_the_worst_fall_is_from_the_highest_close_before_it_to_the_low() -> None:
    relative, lows = np.array([[1.1, 1.05, 1.2, 0.9]]), np.array([[0.95, 1.0, 1.04, 0.9]])
    assert worst_falls(relative)[0] == pytest.approx([0, 1 - 1.05 / 1.1, 1 - 1.05 / 1.1, 0.25])
    assert worst_falls(relative, lows)[0] == pytest.approx([0.05, 1 - 1 / 1.1, 1 - 1 / 1.1, 0.25])
    assert under_water(relative).tolist() == [[False, True, False, True]]


def test_a_rising_path_never_falls_and_a_first_fall_is_from_the_last_close() -> None:
    told = drawdown(np.array([[1.1, 1.2], [0.8, 0.9]]), None, (0.1, 0.2, 0.21))
    assert {fall: float(found.value) for fall, found in told.falls.items()} == {0.1: 0.5, 0.2: 0.5, 0.21: 0.0}
    assert float(told.under_water.value) == 1.0 and float(told.still_under.value) == 0.5


# Portfolios


def total_of(shares: Mapping[str, Estimate]) -> float:
    return sum(float(share.value) for share in shares.values())


def test_equal_weights_of_one_item_are_the_item() -> None:
    forecast = joint(item(walk(1)))
    for rebalanced in (False, True):
        held = portfolio_paths(forecast, Portfolio(rebalanced=rebalanced))
        assert held.values == pytest.approx(forecast["X"].paths / 100)


def test_held_and_rebalanced_portfolios_by_hand() -> None:
    forecast = joint(item([[110, 121]], "A"), item([[100, 50]], "B"))
    weights = {"A": 0.6, "B": 0.2}  # a fifth is cash
    held = portfolio_paths(forecast, Portfolio(weights=weights))
    assert held.values[0] == pytest.approx([0.66 + 0.2 + 0.2, 0.726 + 0.1 + 0.2])
    again = portfolio_paths(forecast, Portfolio(weights=weights, rebalanced=True))
    assert again.values[0] == pytest.approx([1.06, 1.06 * (1 + 0.6 * 0.1 - 0.2 * 0.5)])


@pytest.mark.parametrize("rebalanced", [False, True])
@pytest.mark.parametrize("weights", [{"A": 0.5, "B": 0.5}, {"A": 1.4, "B": -0.9, "C": 0.2}, {"A": -3.0, "B": -5.0}])
def test_contributions_add_up_and_diversification_never_costs(weights: dict[str, float], rebalanced: bool) -> None:
    held = portfolio_paths(correlated(), Portfolio(weights=weights, rebalanced=rebalanced))
    assert sum(gains for _, gains in held.gains()) == pytest.approx(held.values - 1)
    levels = (0.01, 0.05, 0.0333)
    risks = tail_risks(held.values, levels)
    for part, risk in zip(contributions(held, levels), risks, strict=True):
        assert total_of(part.shares) == pytest.approx(float(part.total.value))
        assert float(part.total.value) == pytest.approx(risk.expected_shortfall.value[-1])
        assert float(part.total.error) == pytest.approx(risk.expected_shortfall.error[-1])
        assert total_of(part.alone) >= float(part.total.value) - 1e-12
        assert part.diversification is not None and float(part.diversification.value) >= 1 - 1e-12


def test_contributions_are_the_derivatives_of_the_shortfall() -> None:
    """Euler: the derivative by a holding, times the holding (Tasche 1999)."""
    forecast, weights, step = correlated(), {"A": 0.5, "B": 0.3, "C": -0.2}, 1e-6
    (part,) = contributions(portfolio_paths(forecast, Portfolio(weights=weights)), (0.05,))
    for name, weight in weights.items():
        ends = []
        for move in (step, -step):
            moved = portfolio_paths(forecast, Portfolio(weights={**weights, name: weight + move}))
            ends.append(float(contributions(moved, (0.05,))[0].total.value))
        assert weight * (ends[0] - ends[1]) / (2 * step) == pytest.approx(float(part.shares[name].value), rel=1e-4)


def test_errors_of_contributions_are_what_other_draws_differ_by() -> None:
    told: dict[str, list[tuple[float, float]]] = {}
    rng = np.random.default_rng(8)
    for _ in range(250):
        common = rng.standard_normal((600, 1))
        items = [item(100 + 2 * (common + rng.standard_normal((600, 1))), name) for name in "AB"]
        held = portfolio_paths(joint(*items), Portfolio(weights={"A": 0.7, "B": 0.3}))
        (part,) = contributions(held, (0.05,))
        for name, estimate in {
            "A": part.shares["A"],
            "B": part.shares["B"],
            "diversification": part.diversification,
        }.items():
            told.setdefault(name, []).append((float(estimate.value), float(estimate.error)))
    for name, pairs in told.items():
        values, errors = np.array(pairs).T
        assert errors.mean() == pytest.approx(values.std(), rel=0.2), name


def test_a_hedge_softens_the_loss() -> None:
    simulated = walk(1)
    held = portfolio_paths(joint(item(simulated, "A"), item(simulated, "B")), Portfolio(weights={"A": 1.0, "B": -0.5}))
    (part,) = contributions(held, (0.05,))
    assert float(part.shares["B"].value) < 0 < float(part.shares["A"].value)
    assert float(part.diversification.value) == pytest.approx(3.0, rel=0.3)


@pytest.mark.parametrize(
    ("rebalanced", "closes", "expected"),
    [
        (False, [150, 250, 100], [0.5, -0.5, -0.5]),  # the debt stays, whatever comes after
        (True, [150, 400, 100], [0.5, 0.5 * (1 - 5 / 3), 0.5 * (1 - 5 / 3)]),
        (False, [150, 200, 100], [0.5, 0.0, 0.0]),
    ],
)
def test_what_loses_everything_is_closed(rebalanced: bool, closes: list[float], expected: list[float]) -> None:
    forecast, portfolio = joint(item([closes])), Portfolio(weights={"X": -1.0}, rebalanced=rebalanced)
    held = portfolio_paths(forecast, portfolio)
    assert held.values[0] == pytest.approx(expected)
    assert held.ruined.all()
    assert sum(gains for _, gains in held.gains()) == pytest.approx(held.values - 1)
    risk = assess_risk(forecast, RiskQuestions(portfolio=portfolio))
    assert risk.portfolio is not None and risk.portfolio.outlook.volatility is None
    assert float(risk.portfolio.outlook.tails[0].value_at_risk.value[-1]) >= 1
    assert any("loses all of its value" in note.text for note in risk.notes)


def test_a_short_that_is_rebalanced_shrinks_with_its_losses() -> None:
    portfolio = Portfolio(weights={"X": -1.0}, rebalanced=True)
    held = portfolio_paths(joint(item([[150, 200, 100]])), portfolio)
    assert held.values[0] == pytest.approx([0.5, 0.5 * (1 - 1 / 3), 0.5 * (1 - 1 / 3) * 1.5])
    assert not held.ruined.any()


def test_items_of_different_calendars_meet_on_the_union_of_their_days() -> None:
    business = pd.bdate_range("2024-03-07", periods=5).to_numpy()
    daily = pd.date_range("2024-03-07", periods=6).to_numpy()
    stock = item([[101, 102, 103, 104, 105]], "S", days=business)
    coin = item([[90, 80, 70, 60, 50, 40]], "C", days=daily)
    held = portfolio_paths(joint(stock, coin), Portfolio())
    assert held.timestamps.tolist() == daily.astype("M8[ns]").tolist()  # Thursday to Tuesday
    stocks, coins = [101, 102, 102, 102, 103, 104], [90, 80, 70, 60, 50, 40]
    assert held.values[0] == pytest.approx([(s + c) / 200 for s, c in zip(stocks, coins, strict=True)])
    risk = assess_risk(joint(stock, coin), RiskQuestions(portfolio=Portfolio()))
    assert any("the portfolio ends on 2024-03-12" in note.text for note in risk.notes)


def test_forecasts_of_other_years_make_no_portfolio() -> None:
    old = item([[101.0]], "OLD", days=["2020-01-02"])
    with pytest.raises(UsageError, match="'OLD' ends on 2020-01-02, that of 'X' begins on 2024-01-03"):
        portfolio_paths(joint(item([[100.0]]), old), Portfolio())


def test_the_order_of_the_items_changes_nothing() -> None:
    forecast = correlated()
    questions = RiskQuestions(touch=("B=104",), portfolio=Portfolio(weights={"A": 0.5, "C": -0.2}), given="A<=-3%@5")
    told, turned = (assess_risk(joint(*items), questions).to_dict() for items in (forecast.items, forecast.items[::-1]))
    assert told["items"] == turned["items"][::-1]
    for key in ("portfolio", "scenario"):
        told[key].pop("moves", None), turned[key].pop("moves", None)
        assert told[key] == turned[key]


def test_independent_paths_are_said_to_be_of_no_use_to_a_portfolio() -> None:
    items = correlated().items
    for together in (True, False):
        risk = assess_risk(joint(*items, together=together), RiskQuestions(portfolio=Portfolio()))
        assert any("simulated independently" in note.text for note in risk.notes) is not together
    alone = assess_risk(joint(*items, together=False), RiskQuestions(portfolio=Portfolio(weights={"A": 1.0})))
    assert not any("simulated independently" in note.text for note in alone.notes)


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        ({"A": 0.4}, "60% is cash"),
        ({"A": 1.5}, "50% is borrowed cash"),
        ({"A": 2.0, "B": -1.0}, "nothing is left as cash"),
    ],
)
def test_the_rest_of_the_weights_is_said(weights: dict[str, float], said: str) -> None:
    risk = assess_risk(correlated(), RiskQuestions(portfolio=Portfolio(weights=weights)))
    assert any(said in note.text for note in risk.notes)


@pytest.mark.parametrize(
    "text",
    [
        "A,0.4\nB,-0.1\n",
        "item,weight\nA,0.4\nB,-0.1",
        "A;40%\nB;-10%\n",
        "A;0,4\n\nB;-0,1",
        "\ufeffA\t0.4\tx\nB\t-10%\n",
        '\ufeff"A",0.4\n"B",-0.1',
        'Item,w\n"A",0.4\nB, -0.1 \n',
        "item,shares,weight\nA,10,0.4\nB,3,-0.1\n",
        "weight,item\n40%,A\n-10%,B\n",
    ],
)
def test_weights_are_read_as_they_are_written(text: str, tmp_path: Path) -> None:
    path = tmp_path / "weights.csv"
    path.write_text(text, encoding="utf-8")
    assert read_weights(path) == pytest.approx({"A": 0.4, "B": -0.1})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("A,0.4\nA,0.1", "line 2 of .* repeats 'A'"),
        ("A,0.4\nB,nan", "line 2 of .* has 'nan'"),
        ("A,0.4\nB,inf", "line 2 of .* has 'inf'"),
        ("A,0.4\nB,", "line 2 of .* has ''"),
        ("A,0.4\nB", "line 2 of .* does not"),
        ("A,0.4\n,0.5", "line 2 of .* does not"),
        ("item,weight\n", "has no weights"),
        ("", "has no weights"),
    ],
)
def test_weights_that_cannot_be_meant_are_refused_with_their_line(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "weights.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=said):
        read_weights(path)


def test_a_file_that_is_no_text_or_not_there_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.csv"
    for content in (None, b"\xff\xfe\x00\xd8"):
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(UnreadableSource, match="cannot be read"):
            read_weights(path)


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        ({"A": 40.0, "B": 60.0}, "Write 40% or 0.4"),
        ({"A": 0.0}, "every weight is 0"),
        ({"A": math.nan}, "is a number"),
        ({}, "every weight is 0"),
    ],
)
def test_weights_out_of_reason_are_refused(weights: object, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        Portfolio(weights=weights)  # type: ignore[arg-type]


def test_weights_of_unknown_items_are_refused() -> None:
    with pytest.raises(UsageError, match="'Z' is none. It has: A, B, C"):
        portfolio_paths(correlated(), Portfolio(weights={"A": 0.5, "Z": 0.5}))


# Scenarios


def test_a_scenario_is_read_as_it_is_written() -> None:
    assert Scenario.parse("SPY<=-5%@5") == Scenario(item_id="SPY", below=True, move=-0.05, step=5)
    assert Scenario.parse(" A<=B >= 2.5 % ") == Scenario(item_id="A<=B", below=False, move=0.025)
    assert str(Scenario.parse("SPY<=-5%@5")) == "SPY<=-5%@5" and str(Scenario.parse("A>=2.5%")) == "A>=2.5%"


@pytest.mark.parametrize("text", ["SPY", "SPY<-5%", "SPY<=-5", "<=-5%", "SPY<=-100%", "SPY<=x%@5", "SPY<=-5%@x", ""])
def test_what_is_no_scenario_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="Write for example 'SPY<=-5%@5'"):
        RiskQuestions(given=text)


def test_a_scenario_takes_the_paths_in_which_it_holds_and_what_falls_together_falls() -> None:
    forecast = correlated()
    chosen = scenario_paths(forecast, Scenario.parse("A<=-3%@5"))
    assert chosen.tolist() == (forecast["A"].paths[:, 4] <= 97).tolist()
    up = scenario_paths(forecast, Scenario.parse("A>=3%@2"))
    assert up.tolist() == (forecast["A"].paths[:, 1] >= 103).tolist()
    risk = assess_risk(forecast, RiskQuestions(given="A<=-3%@5", portfolio=Portfolio()))
    assert risk.scenario is not None and risk.scenario.paths == chosen.sum()
    moves = {told.item_id: told for told in risk.scenario.moves}
    assert list(moves) == ["A", "B", "C", "(portfolio)"]
    for told in moves.values():
        assert float(told.given.median.value) < float(told.all_paths.median.value) - 0.01
        assert float(told.given.median.error) > 0
    assert float(moves["A"].given.q95.value) <= -0.03 < float(moves["B"].given.q95.value)


def test_a_scenario_of_too_few_paths_is_refused_with_what_would_do() -> None:
    forecast = joint(item(walk(1)))
    count = int((forecast["X"].paths[:, -1] <= 87).sum())
    assert 0 < count < 20
    with pytest.raises(UsageError, match=rf"holds in {count} of 1,000 .*Simulate \d+,000 paths, or take a milder one"):
        scenario_paths(forecast, Scenario.parse("X<=-13%"))
    with pytest.raises(UsageError, match=r"holds in 0 of 1,000 \(0%\). Take a milder one"):
        scenario_paths(forecast, Scenario.parse("X<=-90%"))


def test_a_scenario_needs_joint_paths_and_a_step_of_the_forecast() -> None:
    items = correlated().items
    with pytest.raises(UsageError, match="simulated independently"):
        scenario_paths(joint(*items, together=False), Scenario.parse("A<=-1%"))
    with pytest.raises(UsageError, match="within the forecast's 5 steps; got 6"):
        scenario_paths(joint(*items), Scenario.parse("A<=-1%@6"))
    with pytest.raises(UsageError, match="no item 'Z'"):
        scenario_paths(joint(*items), Scenario.parse("Z<=-1%"))


def test_a_scenario_of_a_coin_meets_a_stock_on_the_last_day_it_traded() -> None:
    business = pd.bdate_range("2024-03-08", periods=5).to_numpy()
    daily = pd.date_range("2024-03-08", periods=5).to_numpy()
    forecast = joint(item(walk(1, 200, 5), "S", days=business), item(walk(2, 200, 5), "C", days=daily))
    risk = assess_risk(forecast, RiskQuestions(given="C<=0%@3"))  # a Sunday
    stock = next(moves for moves in risk.scenario.moves if moves.item_id == "S")
    assert str(stock.timestamp)[:10] == "2024-03-08"


# All together


def everything(forecast: Forecast) -> Risk:
    name = forecast.items[0].item_id
    return assess_risk(
        forecast,
        RiskQuestions(
            touch=(f"{name}=103",), above=(f"{name}=99",), stop=f"{name}=95", target=f"{name}=105",
            portfolio=Portfolio(value=10_000.0), given=f"{name}<=0%",
        ),
    )  # fmt: skip


def test_the_table_has_every_number_of_the_answers() -> None:
    risk = everything(correlated())
    frame = risk.to_frame()
    assert list(frame) == ["item_id", "timestamp", "step", "measure", "level", "value", "error"]
    assert frame[["value", "error"]].notna().all().all() and not frame.duplicated(list(frame)[:5]).any()
    at = frame.set_index(["item_id", "step", "measure", "level"])["value"].sort_index()
    assert at["A", 5, "value_at_risk", 0.05] == risk["A"].outlook.tails[1].value_at_risk.value[-1]
    assert (
        at["(portfolio)", 5, "expected_shortfall", 0.01] == risk.portfolio.outlook.tails[0].expected_shortfall.value[-1]
    )
    assert at["A", 3, "touch", 103.0] == risk["A"].touch[0].touch.value[2]


def test_money_is_the_share_of_the_value() -> None:
    told = everything(correlated()).to_dict()["portfolio"]
    for tail in told["steps"][-1]["tails"]:
        assert tail["money"]["value_at_risk"] == pytest.approx(10_000 * tail["value_at_risk"]["value"])


def test_the_document_has_each_step_in_its_place() -> None:
    risk = everything(correlated())
    rows = risk.to_dict()["items"][0]["steps"]
    tail = risk["A"].outlook.tails[0]
    for part in ("value_at_risk", "expected_shortfall"):
        estimate = getattr(tail, part)
        assert [row["tails"][0][part]["value"] for row in rows] == estimate.value.tolist()
        assert [row["tails"][0][part]["error"] for row in rows] == estimate.error.tolist()


def test_prices_in_another_unit_change_no_share() -> None:
    from dataclasses import replace

    first = correlated(1)["A"]
    dear = replace(first, last_close=first.last_close * 1000, paths=first.paths * 1000)
    told, scaled = (assess_risk(joint(item)).to_dict()["items"][0]["steps"][-1] for item in (first, dear))
    for name in ("implied_move", "volatility"):
        assert told[name] == pytest.approx(scaled[name])


def test_notes_say_that_closes_alone_count_and_that_paths_are_few() -> None:
    blind = assess_risk(joint(item(walk(1, 100))), RiskQuestions(touch=(103.0,)))
    assert any("a touch within a day is missed" in note.text for note in blind.notes)
    assert any("100 paths tell the worst 1% only roughly; use 500 or more" in note.text for note in blind.notes)
    closes = walk(1)
    seeing = assess_risk(joint(item(closes, highs=closes * 1.01, lows=closes / 1.01)), RiskQuestions(touch=(103.0,)))
    assert not seeing.notes and seeing["X"].ranges
    assert not any("missed" in note.text for note in assess_risk(joint(item(closes))).notes)  # no touch was asked for


@pytest.mark.parametrize(
    "asked",
    [
        {"stop": 95.0}, {"target": 95.0}, {"levels": (0.95,)}, {"levels": (5.0,)}, {"levels": ()}, {"levels": (0.0,)},
        {"falls": (1.0,)}, {"falls": (20.0,)}, {"touch": "60"},
    ],
)  # fmt: skip
def test_questions_that_cannot_be_meant_are_refused(asked: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        RiskQuestions(**asked)  # type: ignore[arg-type]


def test_a_hundred_items_take_little_more_memory_than_their_paths() -> None:
    paths = np.ascontiguousarray(walk(1, 1000, 20))
    forecast = joint(*(item(paths, f"item {number}") for number in range(100)))
    tracemalloc.start()
    risk = assess_risk(forecast, RiskQuestions(portfolio=Portfolio()))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(risk.items) == 100
    assert peak < 8e6  # a stack of all paths would take 16 MB


def test_tail_weights_sum_to_one() -> None:
    for paths, level in ((10, 0.05), (1000, 0.0123), (7, 0.5), (3, 0.01)):
        assert tail_weights(paths, level).sum() == pytest.approx(1)


def test_answers_are_asked_for_by_name_and_one_after_the_other() -> None:
    risk = assess_risk(correlated())
    assert [item.item_id for item in risk] == [item.item_id for item in risk.items]
    assert all(risk[item.item_id] is item for item in risk)
    with pytest.raises(UsageError, match="no item 'NOPE' among these answers"):
        risk["NOPE"]


def test_paths_are_asked_for_by_the_names_of_items() -> None:
    forecast = correlated()
    for wrong in ([], forecast.items[0].item_id, None):
        with pytest.raises(UsageError):
            forecast.paths_of(wrong)  # type: ignore[arg-type]


def test_of_one_path_no_risk_is_told() -> None:
    with pytest.raises(UsageError, match="paths"):
        run_risk("sample:aapl", paths=1)

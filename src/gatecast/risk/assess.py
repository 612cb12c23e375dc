"""Questions asked of a forecast: each item in turn, then the portfolio, then the scenario, from the same paths."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

from gatecast.errors import check_type
from gatecast.forecast import Forecast, ItemForecast
from gatecast.notes import Note
from gatecast.prices import PriceTable, check_prices
from gatecast.risk.answers import PORTFOLIO, ItemRisk, Moves, Outlook, PortfolioRisk, Risk, ScenarioMoves, ScenarioRisk
from gatecast.risk.contributions import contributions
from gatecast.risk.drawdown import drawdown
from gatecast.risk.estimates import chance, mean, quantile
from gatecast.risk.levels import level_chances, stop_before_target
from gatecast.risk.limits import has_ranges, path_notes, portfolio_notes
from gatecast.risk.portfolio import PortfolioPaths, portfolio_paths
from gatecast.risk.questions import ItemPrices, RiskQuestions
from gatecast.risk.scenario import Scenario, scenario_paths
from gatecast.risk.tails import implied_move, periods_per_year, tail_risks, volatility
from gatecast.risk.weights import Portfolio

_DEFAULT = RiskQuestions()


def assess_risk(forecast: Forecast, questions: RiskQuestions = _DEFAULT, *, prices: PriceTable | None = None) -> Risk:
    """The answers to questions about risk, each with its sampling error, from the simulated paths of a forecast.

    `prices`, where given, tell how many steps of an item make a year; else the forecast's own timestamps do. Items are
    worked through one at a time, so that memory holds no more than the forecast and a portfolio's values. Raises
    `UsageError` for questions that this forecast cannot answer: items it has not, a stop and a target on one side of
    the last close, a scenario that holds in too few paths, or that needs joint paths.

    >>> from gatecast import Drift, PriceTable
    >>> import numpy as np, pandas as pd
    >>> days = pd.bdate_range("2024-01-01", periods=80)
    >>> table = PriceTable.from_close({"X": (100 * 1.001 ** np.arange(80), days)})
    >>> forecast = Drift().fit(table).predict(table, horizon=3, paths=50, seed=7)
    >>> assess_risk(forecast, RiskQuestions(touch=(500,)))["X"].touch[0].touch.value.tolist()
    [0.0, 0.0, 0.0]
    """
    check_type("forecast", forecast, Forecast, "Make one with predict(prices).")
    check_type("questions", questions, RiskQuestions, "Give for example RiskQuestions(touch=(60,)).")
    if prices is not None:
        check_prices(prices)
    by_item = questions.by_item([item.item_id for item in forecast])
    scenario = questions.scenario
    chosen = None if scenario is None else scenario_paths(forecast, scenario)
    held = None if questions.portfolio is None else portfolio_paths(forecast, questions.portfolio)
    periods = {item.item_id: _periods(item, prices) for item in forecast}
    items = tuple(
        _item_risk(item, by_item.get(item.item_id, ItemPrices()), questions, periods[item.item_id]) for item in forecast
    )
    portfolio, told = None, tuple[Note, ...]()
    if held is not None and questions.portfolio is not None:
        most = max(periods[item_id] for item_id in held.weights)
        portfolio = _portfolio_risk(held, questions.portfolio, questions, most)
        told = portfolio_notes(forecast, portfolio)
    return Risk(
        items=items,
        portfolio=portfolio,
        scenario=None if scenario is None or chosen is None else _scenario_risk(forecast, scenario, chosen, held),
        notes=(*path_notes(forecast, questions, by_item), *told),
    )


def _item_risk(item: ItemForecast, asked: ItemPrices, questions: RiskQuestions, periods: float) -> ItemRisk:
    lows = None if item.lows is None else item.lows / item.last_close
    return ItemRisk(
        item_id=item.item_id,
        last_timestamp=item.last_timestamp,
        last_close=item.last_close,
        ranges=has_ranges(item),
        outlook=_outlook(item.timestamps, item.paths / item.last_close, lows, questions, periods),
        touch=tuple(level_chances(item, price) for price in asked.touch),
        above=tuple(level_chances(item, price) for price in asked.above),
        stop_target=None if asked.stop_target is None else stop_before_target(item, *asked.stop_target),
    )


def _outlook(
    timestamps: np.ndarray,
    relative: Float[np.ndarray, "paths steps"],
    lows: Float[np.ndarray, "paths steps"] | None,
    questions: RiskQuestions,
    periods: float,
) -> Outlook:
    return Outlook(
        timestamps=timestamps,
        volatility=volatility(relative, periods) if (relative > 0).all() else None,
        implied_move=implied_move(relative),
        tails=tuple(tail_risks(relative, questions.levels)),
        drawdown=drawdown(relative, lows, questions.falls),
    )


def _periods(item: ItemForecast, prices: PriceTable | None) -> float:
    """Steps a year, by the history where it is there: a few days ahead may hold no weekend."""
    if prices is not None and item.item_id in prices.item_ids:
        return periods_per_year(prices[item.item_id].timestamps)
    last = np.asarray([item.last_timestamp], dtype="datetime64[ns]")
    return periods_per_year(np.concatenate([last, item.timestamps.astype("datetime64[ns]")]))


def _portfolio_risk(
    held: PortfolioPaths, portfolio: Portfolio, questions: RiskQuestions, periods: float
) -> PortfolioRisk:
    return PortfolioRisk(
        portfolio=portfolio,
        weights=held.weights,
        outlook=_outlook(held.timestamps, held.values, None, questions, periods),
        contributions=tuple(contributions(held, questions.levels)),
        ruined=chance(held.ruined),
    )


def _scenario_risk(
    forecast: Forecast, scenario: Scenario, chosen: Bool[np.ndarray, " paths"], held: PortfolioPaths | None
) -> ScenarioRisk:
    """What every item and the portfolio do in the chosen paths, by the scenario's day and by their last."""
    step = scenario.check([item.item_id for item in forecast], forecast.horizon)
    day = forecast[scenario.item_id].timestamps[step - 1]
    values = [(item.item_id, item.timestamps, item.paths, item.last_close) for item in forecast]
    if held is not None:
        values.append((PORTFOLIO, held.timestamps, held.values, 1.0))
    moves = []
    for name, timestamps, paths, first in values:
        by_day = int(np.searchsorted(timestamps, day, side="right")) - 1  # the last step on or before it
        for at in sorted({max(by_day, 0), len(timestamps) - 1}):
            change = paths[:, at] / first - 1.0
            moves.append(
                ScenarioMoves(
                    item_id=name, timestamp=timestamps[at], given=_moves(change[chosen]), all_paths=_moves(change)
                )
            )
    return ScenarioRisk(
        scenario=scenario, step=step, timestamp=day, paths=int(chosen.sum()), chance=chance(chosen), moves=tuple(moves)
    )


def _moves(change: Float[np.ndarray, " paths"]) -> Moves:
    low, middle, high = (quantile(change, q) for q in (0.05, 0.5, 0.95))
    return Moves(mean=mean(change), q05=low, median=middle, q95=high)

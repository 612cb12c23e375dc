"""What a reader of the answers should not take for granted, as notes."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from gatecast.forecast import Forecast, ItemForecast
from gatecast.notes import Note
from gatecast.prices import stamp_text
from gatecast.risk.answers import PortfolioRisk
from gatecast.risk.questions import ItemPrices, RiskQuestions
from gatecast.text import counted

LEANING = 3.0  # standard errors of the median's move that are no luck
LEAST_BEYOND = 5  # paths beyond a level; with fewer its value at risk is a few paths' luck


def has_ranges(item: ItemForecast) -> bool:
    """Whether the simulated days have highs and lows."""
    return item.highs is not None and item.lows is not None


def path_notes(forecast: Forecast, questions: RiskQuestions, asked: Mapping[str, ItemPrices]) -> tuple[Note, ...]:
    """Where closes alone count, and where the paths are too few for a level."""
    notes = []
    blind = tuple(
        item_id
        for item_id, prices in asked.items()
        if (prices.touch or prices.stop_target) and not has_ranges(forecast[item_id])
    )
    if blind:
        text = "the simulated days have no highs and lows, so that only closes count: a touch within a day is missed"
        notes.append(Note("risk", text, () if len(forecast.items) == 1 else blind))
    leaning = [item for item in forecast if abs(_lean(item)) > LEANING * _lean_error(item)]
    if leaning:
        steps, least_lean, most = counted(forecast.horizon, "step"), *(f(map(_lean, leaning)) for f in (min, max))
        span = f"{100 * most:+.1f}%" if len(leaning) == 1 else f"{100 * least_lean:+.1f}% to {100 * most:+.1f}%"
        text = f"the middle path moves by {span} in {steps}: a drift of the model, which tilts chances above and below"
        notes.append(
            Note("risk", text, () if len(leaning) == len(forecast.items) else tuple(i.item_id for i in leaning))
        )
    least = min(questions.levels)
    if forecast.n_paths * least < LEAST_BEYOND:
        enough = math.ceil(round(LEAST_BEYOND / least, 6))
        found = f"{counted(forecast.n_paths, 'path')} tell the worst {100 * least:.6g}% only roughly"
        notes.append(Note("risk", f"{found}; use {enough:,} or more"))
    return tuple(notes)


def _lean(item: ItemForecast) -> float:
    """How far the median has moved at the end, as a share of the last close."""
    return float(item.median[-1] / item.last_close - 1)


def _lean_error(item: ItemForecast) -> float:
    """The standard error of that, for about normal returns: sqrt(pi / 2) of that of the mean."""
    return float(np.sqrt(np.pi / 2 / len(item.paths)) * (item.paths[:, -1] / item.last_close).std())


def portfolio_notes(forecast: Forecast, risk: PortfolioRisk) -> tuple[Note, ...]:
    """What the weights leave, whether the paths belong together, on which days, and whether all can be lost."""
    notes = [_weights(risk)]
    items = [forecast[item_id] for item_id in risk.weights]
    if len(items) > 1 and not forecast.joint:
        notes.append(
            "the items were simulated independently, as if nothing moved them together: the losses of this portfolio "
            "are far too small, and what diversification saves is far too large"
        )
    lasts = sorted({stamp_text(item.last_timestamp) for item in items})
    if len(lasts) > 1:
        notes.append(
            f"the holdings' last closes are of different days, {lasts[0]} to {lasts[-1]}; each starts from its own"
        )
    if any(not np.array_equal(item.timestamps, risk.outlook.timestamps) for item in items):
        end = stamp_text(risk.outlook.timestamps[-1])
        notes.append(
            f"the holdings trade on different days: between its own a price stays, and the portfolio ends on {end}"
        )
    if float(risk.ruined.value) > 0:
        notes.append(
            f"in {100 * float(risk.ruined.value):.3g}% of the paths the portfolio loses all of its value; it is closed "
            "there, and a value below 0 is a debt"
        )
    return tuple(Note("risk", text) for text in notes)


def _weights(risk: PortfolioRisk) -> str:
    cash = risk.cash
    rest = "nothing is left as cash"
    if cash > 1e-9:
        rest = f"{100 * cash:.6g}% is cash, which earns nothing"
    elif cash < -1e-9:
        rest = f"{-100 * cash:.6g}% is borrowed cash, which costs nothing here"
    kept = (
        "brought back at every step" if risk.portfolio.rebalanced else "those of the first day; nothing is traded later"
    )
    return f"the weights sum to {100 * (1 - cash):.6g}%, so that {rest}; they are {kept}"

"""The page about risk: the answers in sentences, the pictures, the tables, notes, verdict and settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from gatecast.faces import figures, risk_text
from gatecast.faces.figures.risk import MOST_BARS
from gatecast.faces.report.page import render, setting_pairs, verdict_values
from gatecast.faces.wording import date_text, level_text, price_text
from gatecast.forecast import Forecast, ItemForecast
from gatecast.notes import Note
from gatecast.prices import PriceTable
from gatecast.risk.answers import PORTFOLIO, ItemRisk, Outlook, PortfolioRisk, Risk
from gatecast.risk.pairs import MOST_COMPARED, Pair, holding_pair
from gatecast.risk.portfolio import PortfolioPaths, portfolio_paths
from gatecast.text import counted

MOST_ITEMS = 30  # with pictures and tables of their own, so that the file stays small enough to mail
_PAR = 100.0  # a portfolio's value today, where it was not said in money
_WORDS = ("item", "date", "by")  # columns of words, to the left
_Drawings = dict[str, go.Figure]


def risk_report(
    risk: Risk,
    forecast: Forecast,
    prices: PriceTable,
    *,
    config: Mapping[str, object] | None = None,
    verdict: Mapping[str, object] | None = None,
    past: str | None = None,
    notes: Sequence[Note] = (),
    title: str,
) -> str:
    """One self-contained HTML page; the same arguments give the same text.

    `risk` are the answers (`assess_risk`) to questions asked of `forecast`, which `prices` were the history of. The
    answers stand first. Of many items the first 30 are shown in full, those that prices were asked of before the
    others. `verdict` has the keys of `Verdict.to_dict`; `past` says how answers on risk did on
    past days (`RiskVerdict.text`); `notes` say what a reader should know.
    """
    drawings: _Drawings = {}
    told = None if risk.portfolio is None else _portfolio_values(risk.portfolio, forecast, drawings)
    asked = {item.item_id: risk_text.asked_texts(item) for item in risk.items}
    items = [
        _item_values(item, forecast[item.item_id], prices, position, drawings)
        for position, item in enumerate(sorted(risk.items, key=lambda item: not asked[item.item_id])[:MOST_ITEMS])
    ]
    several, left_out = len(risk.items) > 1, len(risk.items) - len(items)
    level = risk_text.usual_tail(risk.items[0].outlook).level
    return render(
        "risk.html",
        drawings,
        {
            "title": title,
            "subtitle": _subtitle(forecast),
            "portfolio": told,
            "portfolio_falls": risk_text.portfolio_fall_text(risk),
            "past": past,
            "asked": [f"{name}: {text}" for name, texts in asked.items() for text in texts] if several else [],
            "summary": table(risk_text.summary_columns(risk.items)) if several else None,
            "links": {item["name"]: f"#{item['id']}" for item in items},
            "items": items,
            "left_out": f"{counted(left_out, 'more asset')} not shown in full; --csv writes every number."
            if left_out
            else "",
            "scenario": None
            if risk.scenario is None
            else {
                "title": risk_text.scenario_title(risk.scenario),
                "text": risk_text.scenario_text(risk.scenario),
                "table": table(risk_text.scenario_columns(risk.scenario.moves)),
            },
            "level": level_text(level),
            "verdict": verdict_values(verdict),
            "notes": [str(note) for note in notes],
            "config": setting_pairs(config),
        },
    )


def _subtitle(forecast: Forecast) -> str:
    paths = f"{counted(forecast.n_paths, 'simulated path')} of {counted(forecast.horizon, 'step')}"
    joint = f" of {len(forecast.items):,} assets, {'together' if forecast.joint else 'each for itself'}"
    return f"{paths}{joint if len(forecast.items) > 1 else ''} · seed {forecast.seed}"


def table(columns: risk_text.Columns) -> dict[str, object] | None:
    """Columns as the template takes them: heads and rows, each cell with its kind; None where there are none."""
    if not columns:
        return None
    heads = [(name[:1].upper() + name[1:], name in _WORDS) for name in columns]
    kinds = [name if name in _WORDS else "" for name in columns]
    return {"heads": heads, "body": [list(zip(kinds, row, strict=True)) for row in zip(*columns.values(), strict=True)]}


def step_table(outlook: Outlook, money: float | None = None) -> dict[str, object] | None:
    """Every step and every level; a wide table scrolls."""
    steps = range(1, len(outlook.timestamps) + 1)
    return table(risk_text.step_columns(outlook, steps, outlook.tails, money))


def facts(outlook: Outlook) -> list[tuple[str, str, str]]:
    """Name, value and explanation of the numbers that stand large."""
    tail, day = risk_text.usual_tail(outlook), date_text(outlook.timestamps[-1])
    level = level_text(tail.level)
    facts = [
        (f"Value at risk, {level}", risk_text.cell(tail.value_at_risk[-1]), f"by {day}"),
        (f"Expected shortfall, {level}", risk_text.cell(tail.expected_shortfall[-1]), f"by {day}"),
        ("Worst fall from a peak", risk_text.cell(outlook.drawdown.worst[0.5]), "median of the paths"),
    ]
    if outlook.volatility is not None:
        facts.append(("Volatility", risk_text.cell(outlook.volatility[-1]), "a year"))
    return facts


def _item_values(
    risk: ItemRisk, item: ItemForecast, prices: PriceTable, position: int, drawings: _Drawings
) -> dict[str, object]:
    like = item.last_close
    history = prices[item.item_id] if item.item_id in prices.item_ids else None
    drawings[f"touch-{position}"] = figures.touch_surface(item, history, marked=marked_prices(risk))
    drawings[f"falls-{position}"] = figures.drawdown_fan(item)
    return {
        "name": item.item_id,
        "id": f"item-{position}",
        "touch": f"touch-{position}",
        "falls": f"falls-{position}",
        "last_close": price_text(like, like),
        "last_date": date_text(item.last_timestamp),
        "answers": [
            risk_text.loss_text(risk.outlook),
            risk_text.move_text(risk.outlook),
            *risk_text.asked_texts(risk),
            risk_text.fall_text(risk.outlook),
        ],
        "facts": facts(risk.outlook),
        "ranges": risk.ranges,
        "levels": table(risk_text.level_columns(risk)),
        "steps": step_table(risk.outlook, None),
    }


def marked_prices(risk: ItemRisk) -> list[tuple[str, float]]:
    """The prices asked of an item, each once."""
    marked = {level.price: "price" for level in (*risk.touch, *risk.above)}
    if (found := risk.stop_target) is not None:
        marked |= {found.stop: "stop", found.target: "target"}
    return [(kind, price) for price, kind in marked.items()]


def _portfolio_values(risk: PortfolioRisk, forecast: Forecast, drawings: _Drawings) -> dict[str, object]:
    held, money = portfolio_paths(forecast, risk.portfolio), risk.portfolio.value
    level = risk_text.usual_tail(risk.outlook).level
    part, pair = risk_text.usual_part(risk), holding_pair(held, level=level)
    item = _as_item(held, money)
    drawings["portfolio-fan"] = figures.fan(item, title=False)
    drawings["portfolio-falls"] = figures.drawdown_fan(item)
    drawings["portfolio-parts"] = figures.shortfall_bars(part)
    if pair is not None:
        drawings["portfolio-pair"] = figures.joint_cloud(pair, level=level)
    kept = "brought back to their weights at every step" if risk.portfolio.rebalanced else "held without trading"
    return {
        "lead": f"{counted(len(risk.weights), 'holding')}, {kept}.",
        "answers": [
            risk_text.loss_text(risk.outlook, money),
            risk_text.move_text(risk.outlook),
            *filter(None, [risk_text.diversification_text(part)]),
            risk_text.fall_text(risk.outlook),
        ],
        "facts": facts(risk.outlook),
        "unit": "money" if money is not None else "per cent of today's value",
        "pair": None if pair is None else _pair_values(pair, risk.weights),
        "bars_height": 90 + 44 * min(len(part.shares), MOST_BARS),
        "holdings": table(risk_text.holding_columns(part, dict(risk.weights))),
        "steps": step_table(risk.outlook, money),
    }


def _pair_values(pair: Pair, weights: Mapping[str, float]) -> dict[str, object]:
    """The names of two holdings, why these were chosen (as `holding_pair` does), and how they move together."""
    second = sorted(map(abs, weights.values()))[-2]
    largest = min(sum(abs(weight) >= second for weight in weights.values()), MOST_COMPARED)
    why = f"Of the {largest} largest holdings the two that move together most." if largest > 2 else ""
    if not why and len(weights) > 2:
        why = "The two largest holdings."
    return {"names": pair.item_ids, "why": why, "correlation": f"{pair.correlation:.2f}"}


def _as_item(held: PortfolioPaths, money: float | None) -> ItemForecast:
    """The value of a portfolio as if it were an item: in money, or 100 today."""
    start = _PAR if money is None else money
    last = max(held.forecast[item_id].last_timestamp.astype("datetime64[ns]") for item_id in held.weights)
    return ItemForecast(
        item_id=PORTFOLIO, last_timestamp=last, last_close=start, timestamps=held.timestamps, paths=start * held.values
    )

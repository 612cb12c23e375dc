"""What the screens of a result show, as plain values: read from a job's folder by a helper, away from the server.

Texts are as the reports have them; figures are JSON for Plotly in which no text can end its <script>.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gatecast.errors import NotFound, UsageError
from gatecast.faces import figures, risk_text
from gatecast.faces.report.forecast import best_epoch, item_fan, item_values
from gatecast.faces.report.page import figure_json
from gatecast.faces.report.risk import facts, marked_prices, step_table, table
from gatecast.faces.sparks import spark_fan
from gatecast.faces.wording import (
    change_text,
    date_text,
    day_text,
    events_ahead,
    level_text,
    price_text,
    setting_text,
    share_text,
    step_texts,
)
from gatecast.forecast import Forecast, ItemForecast
from gatecast.prices import PriceSeries, PriceTable
from gatecast.risk.answers import ItemRisk
from gatecast.risk.assess import assess_risk
from gatecast.risk.questions import RiskQuestions
from gatecast.text import shown
from gatecast.web.saved import load_paths

_PAST = 40  # closes in a small fan
_SHOWN = 12  # settings that differ between two runs
Answer = dict[str, Any]


def document(folder: Path) -> Answer:
    """`result.json` of a job; raises `NotFound` where there is none."""
    try:
        found: Answer = json.loads((folder / "result.json").read_bytes())
    except FileNotFoundError:
        raise NotFound("this forecast is not there. Forecast again.") from None
    return found


def glance(folder: str) -> Answer:
    """A row for each item: texts, what they are sorted by, and a small fan."""
    told = document(Path(folder))
    level = told["level"]
    forecast, past = load_paths(Path(folder))
    return {"level": level_text(level), "rows": [_row(item, past[item.item_id], level) for item in forecast]}


def _row(item: ItemForecast, series: PriceSeries, level: float) -> Answer:
    like, (low, high), median = item.last_close, item.interval(level), item.median
    half = item.interval(0.5)
    above = float(item.probability_above(like)[-1])
    move = float(np.abs(item.paths[:, 0] / like - 1).mean())
    return {
        "name": item.item_id,
        "last": price_text(like, like),
        "median": price_text(float(median[-1]), like),
        "change": change_text(float(median[-1]), like),
        "low": price_text(float(low[-1]), like),
        "high": price_text(float(high[-1]), like),
        "move": f"{move:.1%}",
        "above": share_text(above),
        "spark": str(spark_fan(series.close[-_PAST:].tolist(), _edges((low, high), half), median.tolist())),
        "by": {
            "last": like,
            "change": float(median[-1]) / like - 1,
            "width": float(high[-1] - low[-1]) / like,
            "move": move,
            "above": above,
        },
    }


def _edges(*bands: tuple[np.ndarray, np.ndarray]) -> list[tuple[list[float], list[float]]]:
    return [(low.tolist(), high.tolist()) for low, high in bands]


def item_screen(folder: str, number: int) -> Answer:
    """The screen of an item: its texts, risk in sentences and tables, and its figures."""
    told = document(Path(folder))
    item, series = _item(folder, number)
    level = told["level"]
    risk = _assessed(item, series, RiskQuestions())
    outlook, like = risk.outlook, item.last_close
    low, high = item.interval(level)
    return {
        **item_values(item, level, series),
        "rows": [row._asdict() for row in step_texts(item, level, events_ahead(item, series))],
        "level": level_text(level),
        "like": like,
        "last_day": day_text(item.last_timestamp),
        "next": {
            "day": day_text(item.timestamps[0]),
            "low": price_text(float(low[0]), like),
            "high": price_text(float(high[0]), like),
            "low_change": change_text(float(low[0]), like),
            "high_change": change_text(float(high[0]), like),
            "move": risk_text.plain_share(outlook.implied_move[0]),
            "median": price_text(float(item.median[0]), like),
            "above": share_text(float(item.probability_above(like)[0])),
        },
        "answers": [risk_text.loss_text(outlook), risk_text.move_text(outlook), risk_text.fall_text(outlook)],
        "facts": facts(outlook),
        "ranges": risk.ranges,
        "steps": step_table(outlook),
        "cutoff": date_text(item.last_timestamp),
        "figures": {
            "fan": str(figure_json(item_fan(item, series, level))),
            "touch": str(figure_json(figures.touch_surface(item, series))),
            "falls": str(figure_json(figures.drawdown_fan(item))),
            **_loss_figure(told["losses"]),
        },
    }


def _loss_figure(losses: Sequence[Sequence[float | None]]) -> dict[str, str]:
    rows = [
        (int(epoch or 0), np.nan if training is None else training, np.nan if held is None else held)
        for epoch, training, held in losses
    ]
    if len(rows) < 2:
        return {}
    return {"losses": str(figure_json(figures.loss_curve(rows, best_epoch(rows))))}


def chances(folder: str, number: int, touch: Sequence[float], stop: float | None, target: float | None) -> Answer:
    """The answers on prices asked of an item: sentences, a table, and the surface with the prices marked."""
    item, series = _item(folder, number)
    risk = _assessed(item, series, RiskQuestions(touch=tuple(touch), stop=stop, target=target))
    return {
        "texts": risk_text.asked_texts(risk),
        "table": table(risk_text.level_columns(risk)),
        "ranges": risk.ranges,
        "figure": str(figure_json(figures.touch_surface(item, series, marked=marked_prices(risk)))),
    }


def compared(first: str, second: str, item_id: str | None) -> Answer:
    """Two results on an item that both have (the first, unless named): a figure, their steps by date, what differs."""
    (before, past), (after, later) = (load_paths(Path(folder)) for folder in (first, second))
    both = [item.item_id for item in before if item.item_id in {item.item_id for item in after}]
    if not both or item_id not in (None, *both):
        what = "no asset is in both forecasts" if not both else f"{shown(item_id)} is not in both forecasts"
        raise UsageError(f"two forecasts are compared on an asset that both have; {what}. Choose others.")
    name = item_id or both[0]
    left, right = before[name], after[name]
    series = max(past[name], later[name], key=lambda each: each.timestamps[-1])
    told = [document(Path(folder)) for folder in (first, second)]
    level = told[0]["level"]
    return {
        "item": name,
        "items": both,
        "level": level_text(level),
        "figure": str(figure_json(figures.two_fans(left, right, series, level=level))),
        "rows": _common_steps(left, right, level),
        "differs": _differences(*told),
    }


def _common_steps(left: ItemForecast, right: ItemForecast, level: float) -> list[Answer]:
    """The steps of dates that both forecast."""
    like = right.last_close
    sides = [(item, item.median, *item.interval(level)) for item in (left, right)]
    places = [{stamp: place for place, stamp in enumerate(item.timestamps.tolist())} for item, *_ in sides]
    rows = []
    for stamp, place in places[0].items():
        if stamp not in places[1]:
            continue
        at = (place, places[1][stamp])
        cells = [[price_text(float(end[k]), like) for end in ends] for (_, *ends), k in zip(sides, at, strict=True)]
        rows.append({"date": date_text(left.timestamps[place]), "first": cells[0], "second": cells[1]})
    return rows


def _differences(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Name, value in the first and in the second, of what the two were made with."""
    named = [
        {
            "source": told["source"],
            "model": told["model"],
            "paths": told["paths"],
            "seed": told["seed"],
            **told["config"],
        }
        for told in (first, second)
    ]
    keys = [key for key in named[0] if named[0].get(key) != named[1].get(key)]
    return [(key, setting_text(named[0][key]), setting_text(named[1].get(key))) for key in keys[:_SHOWN]]


def _item(folder: str, number: int) -> tuple[ItemForecast, PriceSeries]:
    forecast, past = load_paths(Path(folder))
    if not 0 <= number < len(forecast.items):
        raise NotFound(f"this forecast has {len(forecast.items)} assets, counted from 0; there is no {number}.")
    item = forecast.items[number]
    return item, past[item.item_id]


def _assessed(item: ItemForecast, series: PriceSeries, questions: RiskQuestions) -> ItemRisk:
    alone = Forecast(items=(item,), seed=0)
    return assess_risk(alone, questions, prices=PriceTable(series=(series,))).items[0]


SCREENS: Mapping[str, Callable[..., Answer]] = {
    "glance": glance,
    "item": item_screen,
    "chances": chances,
    "compared": compared,
}

"""The page that opens a network and takes its latest forecast apart."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import plotly.graph_objects as go
from markupsafe import Markup

from gatecast.explain.explanation import Cell, Explanation
from gatecast.faces.figures import contributions, ingredients, inside, recall
from gatecast.faces.figures.style import dates, plain
from gatecast.faces.names import feature_name
from gatecast.faces.report import explain_text as text
from gatecast.faces.report.page import render, setting_pairs
from gatecast.faces.wording import date_text, price_text
from gatecast.prices import PriceSeries

SHOWN_DAYS = 250  # of a longer context, so that the file stays small enough to mail


def explain_report(explanation: Explanation, *, title: str) -> str:
    """One self-contained HTML page; the same explanation gives the same text."""
    figures = _figures(explanation)
    cell = explanation.cell
    values = {
        "title": title,
        "subtitle": text.subtitle(explanation),
        "facts": text.facts(explanation),
        "learned": text.training(explanation),
        "context_length": len(explanation.inputs),
        "explained": text.EXPLAINED[explanation.network],
        "layers": explanation.layers,
        "kind": None if cell is None else cell.kind,
        "units": 0 if cell is None else cell.values["hidden"].shape[1],
        "days": [date_text(stamp) for stamp in _shown(explanation).timestamps],
        "cell_data": None if cell is None else _script(_cell_data(explanation, cell)),
        "first_unit": 0 if cell is None else int(np.argmax(_state(cell).std(axis=0))),  # the one that varies most
        "memory": text.memory(explanation),
        "moved": text.contributions(explanation),
        "bands": text.bands(explanation.bands),
        "sight": text.sight(explanation),
        "names": set(figures),
        "config": setting_pairs(explanation.config.model_dump()),
    }
    return render("explain.html", figures, values)


def _figures(explanation: Explanation) -> dict[str, go.Figure]:
    cell, series = explanation.cell, explanation.history
    figures: dict[str, go.Figure] = {}
    if cell is not None:
        days = _shown(explanation)
        figures["states"] = inside.cell_states(_last_days(cell), days.timestamps, days.close)
        if cell.half_lives is not None:
            figures["half-lives"] = inside.half_lives(cell, len(explanation.inputs))
    if explanation.attention is not None:
        figures["attention"] = inside.attention_map(explanation)
    if explanation.receptive_field is not None:
        figures["receptive"] = inside.receptive_field(explanation.dilations)
    if contributions.is_calibrated(explanation.bands):
        figures["stretch"] = contributions.band_stretch(explanation.bands)
    if explanation.network == "trained":
        figures |= {
            "losses": ingredients.losses(explanation.errors, delta=explanation.config.huber_delta),
            "recency": ingredients.recency(series.timestamps, explanation.config),
            "collapse": ingredients.collapsed_bands(series),
        }
    return {
        **figures,
        "gradients": recall.gradients(explanation.gradient, explanation.fresh),
        "features": contributions.feature_contributions(explanation),
        "contributions": contributions.contribution_map(explanation),
        "sources": contributions.band_sources(explanation.bands),
        "squashing": ingredients.squashing(cell),
        "returns": ingredients.price_and_returns(series),
    }


def _shown(explanation: Explanation) -> PriceSeries:
    """The last SHOWN_DAYS days of the context."""
    context = explanation.context
    return context.rows(max(len(context) - SHOWN_DAYS, 0), len(context))


def _last_days(cell: Cell) -> Cell:
    """The cell over its last SHOWN_DAYS days."""

    def tail(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {name: values[-SHOWN_DAYS:] for name, values in arrays.items()}

    inputs, hidden = tail(cell.from_inputs), tail(cell.from_hidden)
    return replace(cell, values=tail(cell.values), from_inputs=inputs, from_hidden=hidden)


def _state(cell: Cell) -> np.ndarray:
    """What the cell keeps from day to day, (time, hidden)."""
    return cell.values["cell_state" if cell.kind == "lstm" else "hidden"]


def _cell_data(explanation: Explanation, cell: Cell) -> dict[str, Any]:
    """What the page steps through; eight significant digits, so that the equations hold to 1e-6."""
    shown, days = _last_days(cell), _shown(explanation)
    closes = days.close.tolist()
    before, hidden_before = (
        values[-SHOWN_DAYS - 1] if len(values) > SHOWN_DAYS else np.zeros_like(values[0])
        for values in (_state(cell), cell.values["hidden"])
    )
    return {
        "kind": cell.kind,
        "days": [date_text(stamp) for stamp in days.timestamps],
        "axis": dates(days.timestamps),
        "close": [price_text(close, closes[-1]) for close in closes],
        "features": [plain(feature_name(name)) for name in explanation.features],
        "inputs": _rounded(explanation.inputs[-SHOWN_DAYS:]),
        "values": _all_rounded(shown.values),
        "fromInputs": _all_rounded(shown.from_inputs),
        "fromHidden": _all_rounded(shown.from_hidden),
        "bias": _all_rounded(cell.bias),
        "hiddenBias": _all_rounded(cell.hidden_bias),
        "before": _rounded(before),
        "hiddenBefore": _rounded(hidden_before),
    }


def _all_rounded(arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
    return {name: _rounded(values) for name, values in arrays.items()}


def _rounded(values: np.ndarray) -> Any:
    return np.array([float(f"{value:.8g}") for value in values.ravel()]).reshape(values.shape).tolist()


def _script(value: object) -> Markup:
    """JSON in which no text can end its <script>."""
    content = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return Markup(content.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))

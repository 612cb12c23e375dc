"""The page that opens a network and takes its latest forecast apart."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import plotly.graph_objects as go
from markupsafe import Markup

from gatecast.explain.explanation import Cell, Explanation
from gatecast.faces.figures import contributions, ingredients, inside, recall
from gatecast.faces.figures.style import dates
from gatecast.faces.names import FEATURE_NAMES
from gatecast.faces.report import explain_text as text
from gatecast.faces.report.cells import INTRODUCTIONS, STEPS
from gatecast.faces.report.page import render, setting_pairs
from gatecast.faces.wording import date_text, price_decimals, price_text

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
        "introduction": INTRODUCTIONS.get(explanation.encoder, ""),
        "steps": [] if cell is None else STEPS[cell.kind],
        "units": 0 if cell is None else cell.values["hidden"].shape[1],
        "days": [date_text(stamp) for stamp in _shown(explanation)],
        "cell_data": None if cell is None else _script(_cell_data(explanation, cell)),
        "first_unit": 0 if cell is None else _most_variable(cell),
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
        shown = _last_days(cell)
        context = explanation.context
        start = len(context) - len(shown.values["hidden"])
        figures["states"] = inside.cell_states(shown, context.timestamps[start:], context.close[start:])
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


def _last_days(cell: Cell) -> Cell:
    """The cell over its last SHOWN_DAYS days."""

    def tail(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {name: values[-SHOWN_DAYS:] for name, values in arrays.items()}

    return Cell(
        kind=cell.kind,
        values=tail(cell.values),
        from_inputs=tail(cell.from_inputs),
        from_hidden=tail(cell.from_hidden),
        bias=cell.bias,
        hidden_bias=cell.hidden_bias,
    )


def _shown(explanation: Explanation) -> np.ndarray:
    return explanation.context.timestamps[-SHOWN_DAYS:]


def _cell_data(explanation: Explanation, cell: Cell) -> dict[str, Any]:
    """What the page steps through; eight significant digits, so that the equations hold to 1e-6."""
    shown = _last_days(cell)
    state = "cell_state" if cell.kind == "lstm" else "hidden"
    earlier = cell.values[state][:-SHOWN_DAYS]
    before = earlier[-1] if len(earlier) else np.zeros_like(cell.values[state][0])
    hidden_before = cell.values["hidden"][:-SHOWN_DAYS][-1] if len(earlier) else np.zeros_like(before)
    context = explanation.context
    digits = price_decimals(float(context.close[-1]))
    return {
        "kind": cell.kind,
        "days": [date_text(stamp) for stamp in _shown(explanation)],
        "axis": dates(_shown(explanation)),
        "close": [price_text(float(close), digits) for close in context.close[-SHOWN_DAYS:]],
        "features": [FEATURE_NAMES[name] for name in explanation.features],
        "inputs": _rounded(explanation.inputs[-SHOWN_DAYS:]),
        "values": {name: _rounded(values) for name, values in shown.values.items()},
        "fromInputs": {name: _rounded(values) for name, values in shown.from_inputs.items()},
        "fromHidden": {name: _rounded(values) for name, values in shown.from_hidden.items()},
        "bias": {name: _rounded(values) for name, values in cell.bias.items()},
        "hiddenBias": {name: _rounded(values) for name, values in cell.hidden_bias.items()},
        "before": _rounded(before),
        "hiddenBefore": _rounded(hidden_before),
    }


def _rounded(values: np.ndarray) -> Any:
    return np.array([float(f"{value:.8g}") for value in values.ravel()]).reshape(values.shape).tolist()


def _script(value: object) -> Markup:
    """JSON in which no text can end its <script>."""
    content = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return Markup(content.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))


def _most_variable(cell: Cell) -> int:
    """The unit whose state varies most, shown first."""
    return int(np.argmax(cell.values["cell_state" if cell.kind == "lstm" else "hidden"].std(axis=0)))

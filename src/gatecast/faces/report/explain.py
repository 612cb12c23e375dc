"""The page that looks inside a network: a lesson made of its own numbers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import plotly.graph_objects as go
from markupsafe import Markup

from gatecast.calibration.online import LEAST_ORIGINS
from gatecast.explain.explanation import Bands, Cell, Explanation
from gatecast.faces.figures import contributions, ingredients, inside, recall
from gatecast.faces.figures.style import dates
from gatecast.faces.names import FAMILY_NAMES, FEATURE_NAMES
from gatecast.faces.report.cells import FIRST_WORDS, steps_of
from gatecast.faces.report.page import render, value_text
from gatecast.faces.wording import date_text, price_decimals, price_text

SHOWN_DAYS = 250  # of a longer context, so that the page stays a file one can mail
NO_WIDTH = 1e-6  # of a log return: a ten-thousandth of a per cent
_EXPLAINED = {
    "trained": "the mean move it predicts for the next day",
    "base": "the volatility it predicts for the next day, against the trailing volatility",
}
_UNITS = {"trained": "daily volatilities", "base": "log of predicted over trailing volatility"}
_ARTICLES = {
    "lstm": "An LSTM",
    "gru": "A GRU",
    "rnn": "A plain recurrent network",
    "tcn": "A temporal convolutional network",
    "transformer": "A transformer",
}


def explain_report(explanation: Explanation, *, title: str) -> str:
    """One HTML page without need of a network; the same explanation gives the same text."""
    figures = _figures(explanation)
    cell = explanation.cell
    values = {
        "title": title,
        "subtitle": _subtitle(explanation),
        "facts": _facts(explanation),
        "learned": _learned_words(explanation),
        "context_length": len(explanation.inputs),
        "explained": _EXPLAINED[explanation.network],
        "layers": explanation.layers,
        "first_words": FIRST_WORDS.get(explanation.encoder, ""),
        "steps": [] if cell is None else steps_of(cell.kind),
        "units": 0 if cell is None else cell.values["hidden"].shape[1],
        "days": [date_text(stamp) for stamp in _shown(explanation)],
        "cell_data": None if cell is None else _script(_cell_data(explanation, cell)),
        "first_unit": 0 if cell is None else _liveliest(cell),
        "memory": _memory_words(explanation),
        "moved": _moved_words(explanation),
        "bands": _band_words(explanation.bands),
        "sight": _sight_words(explanation),
        "names": set(figures),
        "config": [(key, value_text(value)) for key, value in explanation.config.model_dump().items()],
        "seed": explanation.config.seed,
    }
    return render("explain.html", figures, values)


def _figures(explanation: Explanation) -> dict[str, go.Figure]:
    cell, series = explanation.cell, explanation.history
    figures: dict[str, go.Figure] = {}
    if cell is not None:
        shown = _last_days(cell)
        context = explanation.context
        start = len(context) - len(shown.values["hidden"])
        figures["belt"] = inside.cell_states(shown, context.timestamps[start:], context.close[start:])
        if cell.half_lives is not None:
            figures["half-lives"] = inside.half_lives(cell, len(explanation.inputs))
    if explanation.attention is not None:
        figures["attention"] = inside.attention_map(explanation)
    if explanation.receptive_field is not None:
        figures["receptive"] = inside.receptive_field(explanation.dilations)
    if explanation.bands.calibrated is not None:
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
    """JSON that no text in it can lead out of its <script>."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))


def _liveliest(cell: Cell) -> int:
    """The unit whose state moves most, to begin with."""
    return int(np.argmax(cell.values["cell_state" if cell.kind == "lstm" else "hidden"].std(axis=0)))


def _learned_words(explanation: Explanation) -> str:
    """What the network was trained on, and whether on these very rows."""
    family, item = _ARTICLES[explanation.encoder], explanation.history.item_id
    still = f" Over these {len(explanation.inputs)} days the price stood still." if explanation.still else ""
    if explanation.network == "base":
        until = date_text(explanation.learned_until.astype("datetime64[D]"))
        seen = "some of these rows among them" if explanation.own_rows else "none of these rows among them"
        which = f"member {explanation.member} of the {explanation.members} of the base network"
        return (
            f"Opened here is {which}, an LSTM trained on many price histories up to {until}, {seen}.{still}"
        )
    items, place = explanation.learned_from, "" if explanation.own_rows else "elsewhere, "
    if items == (item,):
        said = f"on {item}" if explanation.own_rows else f"elsewhere, on other rows of {item}"
    elif item in items:
        said = f"{place}on {len(items)} items, {item} among them"
    else:
        named = ", ".join(items[:3])
        if len(items) > 3:
            named = f"{len(items)} items ({named} and others)"
        said = f"{place}on {named}; {item} is new to it"
    return f"{family} was trained {said}.{still}"


def _usual_day(explanation: Explanation) -> tuple[str, str]:
    if explanation.still:
        return "no move", f"in {len(explanation.inputs)} days"
    return f"±{100 * explanation.sigma:.3g}%", "trailing volatility"


def _subtitle(explanation: Explanation) -> str:
    config, last = explanation.config, date_text(explanation.history.timestamps[-1])
    layers = "" if explanation.layers == 1 else f"{explanation.layers} layers of "
    return f"{layers}{explanation.units} units · {len(explanation.inputs)} days up to {last} · seed {config.seed}"


def _facts(explanation: Explanation) -> list[tuple[str, str, str]]:
    last = explanation.history
    digits = price_decimals(float(last.close[-1]))
    facts = [
        ("Last close", price_text(float(last.close[-1]), digits), date_text(last.timestamps[-1])),
        (
            "Predicted mean move",
            _signed(100 * np.expm1(explanation.log_return), "+.2f") + "%",
            "next day, without dropout or noise",
        ),
        _second_fact(explanation),
        ("A usual day", *_usual_day(explanation)),
    ]
    if explanation.cell is not None and explanation.cell.half_lives is not None:
        middle = float(np.median(explanation.cell.half_lives))
        facts.append(("Memory halves in", f"{middle:.3g} days", "median unit"))
    elif explanation.receptive_field is not None:
        facts.append(("It sees", f"{explanation.receptive_field} days", "its receptive field"))
    else:
        facts.append(("Units", str(explanation.units), FAMILY_NAMES[explanation.encoder]))
    return facts


def _second_fact(explanation: Explanation) -> tuple[str, str, str]:
    """What the network knows best: the base network the next volatility, another the share of its moves that count."""
    if explanation.next_sigma is not None:
        return "Predicted volatility", f"±{100 * explanation.next_sigma:.3g}%", "scale of the next day's move"
    return "Shrinkage", f"{explanation.shrinkage:.0%}", "of predicted moves, confirmed on held-out days"


def _memory_words(explanation: Explanation) -> str:
    gradient = explanation.gradient
    back = min(30, len(gradient) - 1)
    share = float(gradient[back] / max(gradient[0], 1e-300))
    text = f"An input {back} days back moves this forecast {_share(share)} as strongly as today's."
    cell = explanation.cell
    if cell is None or cell.half_lives is None:
        return text
    lives = cell.half_lives
    if f"{np.median(lives):.3g}" == f"{lives.max():.3g}":
        return f"Half of a unit's state is lost within {lives.max():.3g} days, in a context of {len(gradient)}. {text}"
    return (
        f"Half of the units lose half of their state within {np.median(lives):.3g} days; the most patient one takes "
        f"{lives.max():.3g}, in a context of {len(gradient)}. {text}"
    )


def _share(share: float) -> str:
    if share >= 0.995:
        return f"{share:.1f} times"
    return f"{100 * share:.2g}%" if share >= 1e-4 else "less than a ten-thousandth"


def _signed(value: float, form: str) -> str:
    """A number with a true minus; without a sign where it rounds to zero."""
    text = f"{value:{form}}"
    return text.replace("-", "\u2212") if float(text) else text.lstrip("+-")


def _moved_words(explanation: Explanation) -> dict[str, str]:
    points = explanation.points.sum(axis=0)
    most = int(np.argmax(np.abs(points)))
    recent = np.abs(explanation.contributions).sum(axis=1)
    total = float(explanation.contributions.sum())
    sign = "\u2212" if total <= -0.00005 else "+"
    return {
        "sum": (
            f"{_signed(explanation.base, '.4f')} (average day) {sign} {abs(total):.4f} "
            f"(all contributions) = {_signed(explanation.value, '.4f')} {_UNITS[explanation.network]}"
        ),
        "error": f"{explanation.completeness:.2%}",
        "said": (
            f"Here no feature moved it by a hundredth of its unit ({explanation.point_unit})."
            if abs(points[most]) < 0.005
            else f"The largest contribution is {FEATURE_NAMES[explanation.features[most]]}: "
            f"{_signed(points[most], '+.2f')} {explanation.point_unit}. The last ten days made "
            f"{recent[-10:].sum() / recent.sum():.0%} of all contributions."
        ),
    }


def _band_words(bands: Bands) -> str:
    if bands.whole.max() < NO_WIDTH:
        return (
            "The bands have no width to speak of: neither noise nor dropout moves the simulated paths. Calibration "
            "stretches what is there, and there is nothing to stretch."
        )
    whole, noise, dropout = (_width(width) for width in (bands.whole, bands.noise, bands.dropout))
    return (
        f"At step {len(bands.whole)} dropout alone would make the 90% band {dropout} wide, noise alone {noise}; both "
        f"make it {whole}. Widths do not add up: independent spreads add as squares, and these two are not quite "
        f"independent, since each path goes on from what it drew. {_calibration_words(bands)}"
    )


def _calibration_words(bands: Bands) -> str:
    if bands.calibrated is None or bands.stretch is None:
        return "Calibration is no part of this model: its bands stay as the network gives them."
    if bands.origins < LEAST_ORIGINS:
        return "Calibration had too few rows to look back on, so the bands stay as the network gives them for now."
    low, high = bands.stretch.min(), bands.stretch.max()
    return (
        f"Calibration, learned from {bands.origins} past forecasts, makes it {_width(bands.calibrated)}: "
        f"{bands.stretch[-1]:.2f} times as wide (over all steps {low:.2f} to {high:.2f} times)."
    )


def _width(widths: np.ndarray) -> str:
    return f"{100 * float(widths[-1]):.1f}%"


def _sight_words(explanation: Explanation) -> str:
    if explanation.receptive_field is not None:
        return (
            f"Two convolutions at each dilation, three taps each: today's output is a function of the last "
            f"{explanation.receptive_field} days and of nothing before them."
        )
    if explanation.attention is None:
        return ""
    looks = explanation.attention[-1].mean(axis=0)[-1]
    first = int(np.argmax(looks))
    day = date_text(explanation.context.timestamps[first])
    return (
        "Each row is a day, and shows which days before it get more than an even share of its attention. Today "
        f"looks most at {day} ({looks[first]:.1%}); spread evenly, each day would get {1 / len(looks):.1%}."
    )

"""The sentences of the page that opens a network: what it learned from, how long it remembers, what moved it."""

from __future__ import annotations

import numpy as np

from gatecast.calibration.combination import OTHERS
from gatecast.calibration.online import LEAST_ORIGINS
from gatecast.explain.explanation import Bands, Explanation
from gatecast.faces.names import FAMILY_NAMES, feature_name
from gatecast.faces.wording import date_text, price_text, typeset
from gatecast.text import listed

NO_WIDTH = 1e-6  # of a log return: a ten-thousandth of a per cent
EXPLAINED = {
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


def subtitle(explanation: Explanation) -> str:
    """Size, context and seed."""
    config, last = explanation.config, date_text(explanation.history.timestamps[-1])
    layers = "" if explanation.layers == 1 else f"{explanation.layers} layers of "
    return f"{layers}{explanation.units} units · {len(explanation.inputs)} days up to {last} · seed {config.seed}"


def training(explanation: Explanation) -> str:
    """What the network was trained on, and whether on these very rows."""
    still = f" Over these {len(explanation.inputs)} days the price stood still." if explanation.still else ""
    if explanation.network == "base":
        until = date_text(explanation.learned_until.astype("datetime64[D]"))
        seen = "; it learned from none of the days of this history"
        if explanation.own_rows:
            seen = ", days of this history among them: there it may look better than on new days"
        which = f"member {explanation.member} of {explanation.members} of the base network"
        return f"This is {which}, an LSTM trained on many price histories up to {until}{seen}.{still}"
    items, item = explanation.learned_from, explanation.history.item_id
    place = "" if explanation.own_rows else "elsewhere, "
    if items == (item,):
        source = f"on {item}" if explanation.own_rows else f"elsewhere, on other rows of {item}"
    elif item in items:
        source = f"{place}on {len(items)} items, {item} among them"
    else:
        named = listed(items) if len(items) <= 3 else f"{len(items)} items ({listed(items)})"
        source = f"{place}on {named}; {item} is new to it"
    return f"{_ARTICLES[explanation.encoder]} was trained {source}.{still}"


def facts(explanation: Explanation) -> list[tuple[str, str, str]]:
    """Five facts: each a name, a value, and what the value means."""
    series, days = explanation.history, len(explanation.inputs)
    last = float(series.close[-1])
    move = _signed(100 * np.expm1(explanation.log_return), "+.2f") + "%"
    usual = ("no move", f"in {days} days")
    if not explanation.still:
        usual = (f"±{100 * explanation.sigma:.3g}%", "trailing volatility")
    return [
        ("Last close", price_text(last, last), date_text(series.timestamps[-1])),
        ("Predicted mean move", move, "next day, without dropout or noise"),
        _trust_fact(explanation),
        ("A usual day", *usual),
        _memory_fact(explanation),
    ]


def _trust_fact(explanation: Explanation) -> tuple[str, str, str]:
    """Of the base network the volatility it predicts, of another the share of its moves that the forecast uses."""
    if explanation.next_sigma is not None:
        return "Predicted volatility", f"±{100 * explanation.next_sigma:.3g}%", "size of the next day's move"
    share = f"{explanation.shrinkage:.0%}"
    if share == "0%":
        return ("Shrinkage", share, "held-out days show no evidence of direction: the predicted move is not used")
    return "Shrinkage", share, "the share of the predicted move that is used: held-out days confirm no more"


def _memory_fact(explanation: Explanation) -> tuple[str, str, str]:
    if explanation.cell is not None and explanation.cell.half_lives is not None:
        return "Memory half-life", f"{np.median(explanation.cell.half_lives):.3g} days", "of the median unit"
    if explanation.receptive_field is not None:
        return "Receptive field", f"{explanation.receptive_field} days", "no earlier day has an effect"
    return "Units", str(explanation.units), FAMILY_NAMES[explanation.encoder]


def memory(explanation: Explanation) -> str:
    """How long the units keep their state, and how strongly an early input still acts."""
    gradient = explanation.gradient
    back = min(30, len(gradient) - 1)
    share = float(gradient[back] / max(gradient[0], 1e-300))
    text = f"An input {back} days back moves this forecast {_share(share)} as strongly as today's."
    cell = explanation.cell
    if cell is None or cell.half_lives is None:
        return text
    middle, longest = f"{np.median(cell.half_lives):.3g}", f"{cell.half_lives.max():.3g}"
    if middle == longest:
        return f"Half of a unit's state is lost within {longest} days, in a context of {len(gradient)}. {text}"
    return (
        f"Half of the units lose half of their state within {middle} days; the slowest unit takes {longest}, in a "
        f"context of {len(gradient)}. {text}"
    )


def _share(share: float) -> str:
    if share >= 0.995:
        return f"{share:.1f} times"
    return f"{100 * share:.2g}%" if share >= 1e-4 else "less than a ten-thousandth"


def _signed(value: float, form: str) -> str:
    """A number with a true minus; without a sign where it rounds to zero."""
    text = f"{value:{form}}"
    return typeset(text) if float(text) else text.lstrip("+-")


def contributions(explanation: Explanation) -> dict[str, str]:
    """How the contributions add up, how far they miss the sum, and the largest of them."""
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
        "largest": (
            f"No feature moved it by as much as 0.01 {explanation.point_unit}."
            if abs(points[most]) < 0.005
            else f"The largest contribution is {feature_name(explanation.features[most])}: "
            f"{_signed(points[most], '+.2f')} {explanation.point_unit}. The last ten days made "
            f"{recent[-10:].sum() / recent.sum():.0%} of all contributions."
        ),
    }


def bands(bands: Bands) -> str:
    """What the width of the bands consists of, and whether it was calibrated."""
    if bands.whole.max() < NO_WIDTH:
        return (
            "The bands have almost no width: neither noise nor dropout moves the simulated paths, so calibration has "
            "nothing to stretch."
        )
    whole, noise, dropout = (_width(width) for width in (bands.whole, bands.noise, bands.dropout))
    return (
        f"At step {len(bands.whole)} dropout alone would make the 90% band {dropout} wide, noise alone {noise}; both "
        f"make it {whole}. Widths do not add up: independent spreads add as squares, and these two are not quite "
        f"independent, since each path continues from its own draws. {_combination(bands)}{_calibration(bands)}"
    )


def _combination(bands: Bands) -> str:
    if bands.combined is None:
        return ""
    return (
        f"Averaged with the quantiles of {OTHERS}, weighted by what past forecasts say of each, the band is "
        f"{_width(bands.combined)} wide. "
    )


def _calibration(bands: Bands) -> str:
    if bands.calibrated is None or bands.stretch is None:
        return "This model has no calibration: its bands were not checked against past prices."
    if bands.origins < LEAST_ORIGINS:
        return "There are too few past forecasts to calibrate from: these bands were not checked against past prices."
    low, high = bands.stretch.min(), bands.stretch.max()
    return (
        f"Calibration, learned from {bands.origins} past forecasts, makes it {_width(bands.calibrated)}: "
        f"{bands.stretch[-1]:.2f} times as wide (over all steps {low:.2f} to {high:.2f} times)."
    )


def _width(widths: np.ndarray) -> str:
    return f"{100 * float(widths[-1]):.1f}%"


def sight(explanation: Explanation) -> str:
    """Which days a network of convolutions or attention looks at."""
    if explanation.receptive_field is not None:
        return (
            f"Two convolutions at each dilation, three taps each: the forecast depends on the last "
            f"{explanation.receptive_field} days and on nothing before them."
        )
    if explanation.attention is None:
        return ""
    weights = explanation.attention[-1].mean(axis=0)[-1]
    first = int(np.argmax(weights))
    day = date_text(explanation.context.timestamps[first])
    return (
        "Each row is a day, and shows which days up to it get more than an even share of its attention. The last day "
        f"attends most to {day} ({weights[first]:.1%}); an even share would be {1 / len(weights):.1%}."
    )

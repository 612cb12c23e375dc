"""What changed from a forecast to the next one of the same asset, in sentences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gatecast.faces.wording import change_text, date_text, price_text, typeset
from gatecast.text import listed

_ALIKE = 0.02  # relative change of a band's width that nobody would act on
_OTHER = {
    "model": "another model",
    "settings": "other settings",
    "version": "another version of gatecast",
    "paths": "another number of paths",
    "seed": "another seed",
}


def change_texts(change: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What it is about and a sentence, of the document of a change (`ledger.issued.Change.to_dict`)."""
    return [
        ("Price", _price(change)),
        ("Volatility", _volatility(change)),
        ("Forecast", _forecast(change)),
        ("Model", _model(change["other"])),
        ("Data", _data(change)),
    ]


def _day(stamp: str) -> str:
    return date_text(np.datetime64(stamp))


def _price(change: Mapping[str, Any]) -> str:
    like, close, before = change["close"], change["close"], change["close_before"]
    if change["cutoff"] == change["cutoff_before"]:
        return f"Both forecasts start from the close of {_day(change['cutoff'])}, {price_text(close, like)}."
    told = (
        f"{price_text(before, like)} on {_day(change['cutoff_before'])}, {price_text(close, like)} on "
        f"{_day(change['cutoff'])}: {typeset(change_text(close, before))}."
    )
    if (expected := change["expected"]) is None:
        return f"{told} The earlier forecast did not reach that day."
    low, high = expected["low"], expected["high"]
    place = "inside" if low <= close <= high else "below" if close < low else "above"
    band = f"{price_text(low, like)} to {price_text(high, like)}"
    return f"{told} That is {place} the earlier 90% band for that day, {band}."


def _volatility(change: Mapping[str, Any]) -> str:
    before, now = change["next_before"], change["next"]
    widths = f"90% band for the next step: {before:.2%} wide before, {now:.2%} now"
    ratio = now / before if before else 1.0
    if abs(ratio - 1) <= _ALIKE:
        return f"{widths}, as wide as it was."
    return f"{widths}, {abs(ratio - 1):.0%} {'wider' if ratio > 1 else 'narrower'}."


def _forecast(change: Mapping[str, Any]) -> str:
    if change["timestamp"] is None:
        return "No day is in both forecasts."
    like, then, now = change["close"], change["then"], change["now"]
    day = _day(change["timestamp"])
    medians = f"Median for {day}: {price_text(then['median'], like)} before, {price_text(now['median'], like)} now"
    rest = change["moved"] - change["by_price"]
    price, model = (typeset(f"{part:+.1%}") for part in (change["by_price"], rest))
    parts = f"{price} from the price, {model} from the model and what it has seen since"
    ends = f"{price_text(now['low'], like)} to {price_text(now['high'], like)}"
    was = f"{price_text(then['low'], like)} to {price_text(then['high'], like)}"
    return f"{medians} ({parts}, in logs). 90% band: {was} before, {ends} now."


def _model(other: list[str]) -> str:
    if not other:
        return "The same model, settings and version."
    words = listed([_OTHER[name] for name in other], len(_OTHER))
    return f"{words[:1].upper()}{words[1:]}: part of the change may come from it."


def _data(change: Mapping[str, Any]) -> str:
    if change["data"]:
        return f"{change['data'][:1].upper()}{change['data'][1:]}."
    return "The closes that both forecasts know are the same."

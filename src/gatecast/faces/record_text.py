"""The record of a ledger in words and columns of text: shared by the page and the terminal."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from gatecast.faces.tables import p_text
from gatecast.faces.wording import date_text, price_text
from gatecast.forecast import BANDS, QUANTILES
from gatecast.text import counted, listed

_NAMES = {"random_walk": "the random walk", "har": "HAR", "garch": "GARCH"}
_TITLES = {"random_walk": "Random walk", "har": "HAR", "garch": "GARCH"}
_PLACES = {name: place for place, name in enumerate(QUANTILES)}
Columns = dict[str, list[str]]
Named = Callable[[str], str]  # how the name of an asset is shown


def documents(values: Iterable[Any]) -> list[dict[str, Any]]:
    """Dataclasses of the record as plain types, as its JSON document has them."""
    return [json.loads(json.dumps(asdict(value), allow_nan=False)) for value in values]


def sentence(model: str, part: Mapping[str, Any]) -> str:
    """What the record shows of a model over all steps: its score, its bands, its rivals."""
    nineties = next(band for band in part["coverage"] if band["level"] == 90)
    asked = f"{model}: {counted(part['n'], 'settled step')} of forecasts from {counted(part['days'], 'day')}, "
    text = asked + f"{part['first']} to {part['last']}, {part['apart']} of them without a forecast day in common. "
    if part["late"]:
        text += f"{part['late']:,} of the steps were forecast after their outcome could be known. "
    text += (
        f"CRPS {100 * part['crps']:.3f}%. Its 90% band held {_per_cent(nineties['held'])} of the prices (95% interval "
    )
    text += f"{_per_cent(nineties['low'])} to {_per_cent(nineties['high'])}). "
    if not part["enough"]:
        return text + "Too few to tell more."
    rivals = (f"{_NAMES[each['rival']]} ({100 * each['crps_rival']:.3f}%): {_word(each)}" for each in part["against"])
    return text + f"Against {'; '.join(rivals)}."


def _word(against: Mapping[str, Any]) -> str:
    word = against["word"]
    return word if word == "too few to tell" else f"{word}, p {p_text(against['p_holm'])}"


def step_columns(parts: Sequence[Mapping[str, Any]]) -> Columns:
    """Scores by step, of the parts of a model's record."""
    columns: Columns = {"step": [str(part["step"]) for part in parts], "n": [f"{p['n']:,}" for p in parts]}
    columns["CRPS"] = [f"{100 * part['crps']:.3f}%" for part in parts]
    for rival, name in (("random_walk", "walk"), ("har", "HAR"), ("garch", "GARCH")):
        found = [{each["rival"]: each["crps_rival"] for each in part["against"]} for part in parts]
        columns[name] = [f"{100 * each[rival]:.3f}%" if rival in each else "-" for each in found]
    for place, band in enumerate(parts[0]["coverage"]):
        columns[f"{band['level']}%"] = [_per_cent(part["coverage"][place]["held"]) for part in parts]
    return columns


def item_columns(items: Sequence[Mapping[str, Any]], named: Named = str) -> Columns:
    """Scores by asset."""
    walks = [each["crps_random_walk"] for each in items]
    return {
        "item": [named(each["item"]) for each in items],
        "n": [f"{each['n']:,}" for each in items],
        "CRPS": [f"{100 * each['crps']:.3f}%" for each in items],
        "walk": ["-" if walk is None else f"{100 * walk:.3f}%" for walk in walks],
        "90%": [_per_cent(each["held_90"]) for each in items],
    }


def miss_columns(misses: Sequence[Mapping[str, Any]], named: Named = str) -> Columns:
    """The largest misses."""
    return {
        "item": [named(each["item"]) for each in misses],
        "date": [date_text(np.datetime64(each["timestamp"])) for each in misses],
        "step": [str(each["step"]) for each in misses],
        "from": [price_text(each["low"], each["median"]) for each in misses],
        "to": [price_text(each["high"], each["median"]) for each in misses],
        "was": [price_text(each["observed"], each["median"]) for each in misses],
        "miss": [f"{each['miss']:.2f}" for each in misses],
        "id": [each["id"][:12] for each in misses],
    }


def drift_text(drift: Mapping[str, Any]) -> str:
    """What the test of a 90% band says (`ledger.drifts.BandDrift`)."""
    days = counted(drift["days"], "day")
    if drift["found"] is None:
        return f"no drift found in {days}"
    since, found = (date_text(np.datetime64(drift[name])) for name in ("since", "found"))
    text = f"coverage drifts since {since}, found on {found}: its 90% band held {_per_cent(drift['held'])} of "
    text += counted(drift["n"], "price")
    return text if not drift["quiet"] else f"{text}. None found in the {counted(drift['quiet'], 'day')} after that"


def drift_lines(record: Mapping[str, Any], named: Named = str) -> list[str]:
    """Whether the bands of a model (`ledger.summary.ModelRecord`) still hold their share, in a sentence each asset.

    Assets without drift are put together; of an asset asked for alone steps that drift are named, too.
    """
    tested = [(named(each["item"]), each["drift"]) for each in record["items"] if each["drift"]]
    if not tested:
        return []
    lines = [f"{item}, one step ahead: {drift_text(drift)}." for item, drift in tested if drift["found"]]
    calm = [(item, drift) for item, drift in tested if not drift["found"]]
    if len(calm) == 1:
        lines.append(f"{calm[0][0]}, one step ahead: {drift_text(calm[0][1])}.")
    elif calm:
        days = [drift["days"] for _, drift in calm]
        lines.append(
            f"One step ahead of {listed([item for item, _ in calm])}: no drift found in {min(days):,} to "
            f"{counted(max(days), 'day')}."
        )
    later = [part for part in record["parts"] if part["drift"] and part["step"] != 1 and part["drift"]["found"]]
    lines += [f"Step {part['step']}: {drift_text(part['drift'])}." for part in later]
    if (rest := len(record["items"]) - len(tested)) > 0:
        lines.append(f"{counted(rest, 'other asset')} of fewer settled steps: ask for one alone.")
    rate = 100 * tested[0][1]["false_alarms"]
    return [*lines, f"A band that holds its share is ever called drifting with a chance of {rate:g}% at most."]


def pit_text(part: Mapping[str, Any]) -> str:
    """Where the prices fell in their forecasts, and whether that is even."""
    tenths = " ".join(f"{100 * share:.0f}" for share in part["pit"])
    p_value = part["pit_p"]
    even = "too few days to tell if they are even" if p_value is None else f"p that they are even: {p_text(p_value)}"
    return (
        "CRPS is of log returns, from quantiles. Per cent of the prices in each tenth of the fan, bottom to top: "
        f"{tenths}; {even}."
    )


def _per_cent(share: float) -> str:
    return f"{100 * share:.1f}%"


def rival_rows(recorded: Mapping[str, Any], verdict: Mapping[str, Any] | None) -> list[dict[str, str]]:
    """A forecast and the rivals recorded beside it: the 90% band of the first and of the last step, and the verdict.

    `recorded` is the content of a record (`ledger.records.Recorded`), `verdict` as `Verdict.to_dict` has it.
    """
    like = recorded["last_close"]
    against = {} if verdict is None else verdict["against"]
    rows = [{"name": "This forecast", "found": "", **_ends(recorded["quantiles"], like)}]
    for rival, quantiles in recorded["rivals"].items():
        name = _TITLES.get(rival, rival)
        if quantiles is None:
            rows.append(
                {"name": name, "found": "had no forecast", "next": "-", "last": "-", "median": "-", "width": "-"}
            )
            continue
        words = against.get(rival) or _of_walk(rival, verdict)
        found = ", ".join(f"{part}: {word}" for part, word in words.items())
        rows.append({"name": name, "found": found or "not judged", **_ends(quantiles, like)})
    return rows


def _of_walk(rival: str, verdict: Mapping[str, Any] | None) -> Mapping[str, str]:
    """The verdict's words against the random walk stand by themselves."""
    if verdict is None or rival != "random_walk" or not verdict["origins"]:
        return {}
    return {part: verdict[part] for part in ("median", "bands")}


def _ends(quantiles: Sequence[Sequence[float]], like: float) -> dict[str, str]:
    low, high = (_PLACES[name] for name in BANDS[90])
    first, last = quantiles[0], quantiles[-1]
    told = {
        name: f"{price_text(row[low], like)} \u2013 {price_text(row[high], like)}"
        for name, row in (("next", first), ("last", last))
    }
    width = f"{(last[high] - last[low]) / like:.1%}"
    return {**told, "median": price_text(last[_PLACES["q50"]], like), "width": width}

"""The record of a ledger in the terminal: a sentence for each model, its scores by step and asset, its misses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from rich.console import Console
from rich.text import Text

from gatecast.faces.tables import p_text
from gatecast.faces.terminal.layout import fitted_table, safe, style_of
from gatecast.faces.wording import date_text, price_text
from gatecast.text import counted

_NAMES = {"random_walk": "the random walk", "har": "HAR", "garch": "GARCH"}
MOST = 20  # assets in the table


def show_record(document: Mapping[str, Any], console: Console | None = None) -> None:
    """Print the JSON document of a record (`ledger.summary.Summary.to_dict`)."""
    console = console or Console()
    for record in document["record"]:
        _show_model(console, record)
    if not document["record"]:
        console.print(
            Text("No recorded forecast is settled yet: bring new prices with `gatecast ledger score SOURCE`.")
        )
    for voided in document["voided"]:
        _say(console, f"Void, and not scored: {voided['id'][:12]}, {voided['voided'][:10]}: {voided['reason']}")
    rows = counted(document["rows"], "row")
    _hint(console, f"{rows}; forecasts with steps to come: {document['waiting']:,}; latest hash {document['head']}")


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


def _show_model(console: Console, record: Mapping[str, Any]) -> None:
    parts = record["parts"]
    _say(console, sentence(record["model"], parts[0]))
    console.print()
    console.print(fitted_table(_steps(parts), ("n", "GARCH", "HAR"), console))
    _hint(console, _pit_text(parts[0]))
    if len(record["items"]) > 1:
        console.print()
        console.print(fitted_table(_items(record["items"][:MOST], console), ("n",), console))
        if len(record["items"]) > MOST:
            _hint(console, f"and {len(record['items']) - MOST:,} more, in the JSON document")
    if record["misses"]:
        console.print()
        console.print(fitted_table(_misses(record["misses"], console), ("id", "forecast"), console))
        _hint(console, "The largest misses: distance from the median in half widths of the 90% band; 1 is its end.")
    console.print()


def _steps(parts: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    columns: dict[str, list[str]] = {"step": [str(part["step"]) for part in parts], "n": [f"{p['n']:,}" for p in parts]}
    columns["CRPS"] = [f"{100 * part['crps']:.3f}%" for part in parts]
    for rival, name in (("random_walk", "walk"), ("har", "HAR"), ("garch", "GARCH")):
        found = [{each["rival"]: each["crps_rival"] for each in part["against"]} for part in parts]
        columns[name] = [f"{100 * each[rival]:.3f}%" if rival in each else "-" for each in found]
    for place, band in enumerate(parts[0]["coverage"]):
        columns[f"{band['level']}%"] = [_per_cent(part["coverage"][place]["held"]) for part in parts]
    return columns


def _items(items: Sequence[Mapping[str, Any]], console: Console) -> dict[str, list[str]]:
    walks = [each["crps_random_walk"] for each in items]
    return {
        "item": [safe(each["item"], console) for each in items],
        "n": [f"{each['n']:,}" for each in items],
        "CRPS": [f"{100 * each['crps']:.3f}%" for each in items],
        "walk": ["-" if walk is None else f"{100 * walk:.3f}%" for walk in walks],
        "90%": [_per_cent(each["held_90"]) for each in items],
    }


def _misses(misses: Sequence[Mapping[str, Any]], console: Console) -> dict[str, list[str]]:
    return {
        "item": [safe(each["item"], console) for each in misses],
        "date": [date_text(np.datetime64(each["timestamp"])) for each in misses],
        "step": [str(each["step"]) for each in misses],
        "from": [price_text(each["low"], each["median"]) for each in misses],
        "to": [price_text(each["high"], each["median"]) for each in misses],
        "was": [price_text(each["observed"], each["median"]) for each in misses],
        "miss": [f"{each['miss']:.2f}" for each in misses],
        "id": [each["id"][:12] for each in misses],
    }


def _pit_text(part: Mapping[str, Any]) -> str:
    tenths = " ".join(f"{100 * share:.0f}" for share in part["pit"])
    p_value = part["pit_p"]
    even = "too few days to tell if they are even" if p_value is None else f"p that they are even: {p_text(p_value)}"
    return (
        "CRPS is of log returns, from quantiles. Per cent of the prices in each tenth of the fan, bottom to top: "
        f"{tenths}; {even}."
    )


def _per_cent(share: float) -> str:
    return f"{100 * share:.1f}%"


def _say(console: Console, text: str) -> None:
    console.print(Text(safe(text, console)))


def _hint(console: Console, text: str) -> None:
    console.print(Text(text, style=style_of("dim", console)))

"""The record of a ledger in the terminal: a sentence for each model, its scores by step and asset, its misses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.text import Text

from gatecast.faces.record_text import drift_lines, item_columns, miss_columns, pit_text, sentence, step_columns
from gatecast.faces.terminal.layout import fitted_table, safe, style_of
from gatecast.text import counted

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


def _show_model(console: Console, record: Mapping[str, Any]) -> None:
    parts = record["parts"]

    def named(item: str) -> str:
        return safe(item, console)

    _say(console, sentence(record["model"], parts[0]))
    console.print()
    console.print(fitted_table(step_columns(parts), ("n", "GARCH", "HAR"), console))
    _hint(console, pit_text(parts[0]))
    for line in drift_lines(record, named):
        _say(console, line)
    if len(record["items"]) > 1:
        console.print()
        console.print(fitted_table(item_columns(record["items"][:MOST], named), ("n",), console))
        if len(record["items"]) > MOST:
            _hint(console, f"and {len(record['items']) - MOST:,} more, in the JSON document")
    if record["misses"]:
        console.print()
        console.print(fitted_table(miss_columns(record["misses"], named), ("id", "forecast"), console))
        _hint(console, "The largest misses: distance from the median in half widths of the 90% band; 1 is its end.")
    console.print()


def _say(console: Console, text: str) -> None:
    console.print(Text(safe(text, console)))


def _hint(console: Console, text: str) -> None:
    console.print(Text(text, style=style_of("dim", console)))

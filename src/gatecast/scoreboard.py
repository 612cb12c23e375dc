"""The judge's results in the terminal: the verdict first, then a table."""

from __future__ import annotations

import math
from collections.abc import Callable

import pandas as pd
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gatecast.backtest import Report
from gatecast.comparisons import RANDOM_WALK

_COLUMNS: tuple[tuple[str, str, Callable[[float], str]], ...] = (
    ("CRPS", "crps", lambda value: f"{100 * value:.3f}%"),
    ("log score", "log_score", lambda value: f"{value:.3f}"),
    ("MAE", "mae", lambda value: f"{value:.4g}"),
    ("MASE", "mase", lambda value: f"{value:.3f}"),
    ("50%", "coverage_50", lambda value: f"{100 * value:.0f}%"),
    ("90%", "coverage_90", lambda value: f"{100 * value:.0f}%"),
    ("width", "width_90", lambda value: f"{100 * value:.1f}%"),
)


def show_scores(report: Report, *, console: Console) -> None:
    """The verdict, and each model's scores over all steps, best CRPS first, with its skill over the random walk."""
    console.print(Text(report.verdict.text))
    console.print()
    whole = report.scores[report.scores["step"] == "all"].sort_values("crps", kind="stable")
    walk = whole.loc[whole["model"] == RANDOM_WALK, "crps"]
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("model", overflow="fold")
    names = ["n", "CRPS", *(["skill"] if len(walk) else []), *(name for name, _, _ in _COLUMNS[1:])]
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    best = {column: _best(whole, column) for _, column, _ in _COLUMNS}
    for row in whole.to_dict("records"):
        cells = [_cell(row, column, form, best[column]) for _, column, form in _COLUMNS]
        if len(walk):
            cells.insert(1, Text(f"{100 * (1 - row['crps'] / walk.iloc[0]):+.1f}%"))
        table.add_row(Text(str(row["model"])), f"{row['n']:,}", *cells)
    console.print(table)
    console.print(
        Text(
            "CRPS, 50%, 90% (coverage) and width are of log returns from the last close; skill is CRPS saved "
            "against the random walk.",
            style="dim",
        )
    )


def _best(scores: pd.DataFrame, column: str) -> float | None:
    """The value to print in bold; None where there is no better."""
    values = scores[column].dropna()
    if column == "width_90" or len(values) < 2:
        return None
    if column.startswith("coverage"):
        wanted = int(column.rpartition("_")[2]) / 100
        return float(values.iloc[int((values - wanted).abs().to_numpy().argmin())])
    return float(values.max() if column == "log_score" else values.min())


def _cell(row: dict[object, float], column: str, form: Callable[[float], str], best: float | None) -> Text:
    value = row[column]
    if value is None or math.isnan(value):
        return Text("-")
    return Text(form(value), style="bold" if value == best else "")

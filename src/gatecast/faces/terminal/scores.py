"""The judge's results in the terminal: the verdict first, then a table."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gatecast.judge.ablation import Ablation
from gatecast.judge.audit import ALPHA, Audit
from gatecast.judge.comparisons import RANDOM_WALK
from gatecast.judge.walkforward import Report

_COLUMNS: tuple[tuple[str, str, Callable[[float], str]], ...] = (
    ("CRPS", "crps", lambda value: f"{100 * value:.3f}%"),
    ("log score", "log_score", lambda value: f"{value:.3f}"),
    ("MAE", "mae", lambda value: f"{value:.4g}"),
    ("MASE", "mase", lambda value: f"{value:.3f}"),
    ("50%", "coverage_50", lambda value: f"{100 * value:.0f}%"),
    ("90%", "coverage_90", lambda value: f"{100 * value:.0f}%"),
    ("width", "width_90", lambda value: f"{100 * value:.1f}%"),
)


def show_scores(report: Report) -> None:
    """The verdict, and each model's scores over all steps, best CRPS first, with its skill over the random walk."""
    console = Console()
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
            cells.insert(1, Text(_skill(row["crps"], walk.iloc[0])))
        table.add_row(Text(str(row["model"])), f"{row['n']:,}", *cells)
    console.print(table)
    console.print(
        Text(
            "CRPS, 50%, 90% (coverage) and width are of log returns from the last close; skill is CRPS saved "
            "against the random walk.",
            style="dim",
        )
    )


def _skill(crps: float, against: float) -> str:
    """The share of CRPS saved; none where there was nothing to save."""
    return f"{100 * (1 - crps / against):+.1f}%" if against > 0 else "-"


def show_ablation(ablation: Ablation) -> None:
    """One sentence, then a row for each switch: what turning it off did to CRPS, MAE and the 90% band."""
    console = Console()
    console.print(Text(ablation.text))
    console.print()
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("turned off", no_wrap=True)
    for name in ("", "CRPS", "95% interval", "MAE", "90% band held"):
        table.add_column(name, justify="right" if name else "left", no_wrap=True)
    by_switch: dict[str, dict[str, dict[str, Any]]] = {}
    for score in ("crps", "mae", "coverage_90"):
        for row in ablation.to_rows(score):
            by_switch.setdefault(row["switch"], {})[score] = row
    for switch, rows in by_switch.items():
        crps = rows["crps"]
        interval = "-" if crps["low"] is None else f"{100 * crps['low']:+.1f} to {100 * crps['high']:+.1f}%"
        changes = [_change(rows[score]["change"]) for score in ("crps", "mae", "coverage_90")]
        table.add_row(Text(switch), Text(crps["word"]), changes[0], interval, *changes[1:])
    console.print(table)
    about = f"{ablation.origins} origins, {ablation.seeds} seeds; a larger CRPS or MAE without it means that it helps."
    console.print(Text(about, style="dim"))


def show_audit(audit: Audit, model: str) -> None:
    """One model's bands by group, each share with its interval, and the tests of its misses and its PIT."""
    console = Console()
    console.print()
    console.print(Text(f"Audit of {model}: share held by each band, with its 95% interval."))
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("")
    mine = audit.coverage[audit.coverage["model"] == model]
    for level in dict.fromkeys(mine["level"]):
        table.add_column(f"{level}%", justify="right", no_wrap=True)
    for (by, group), rows in mine.groupby(["by", "group"], sort=False):
        name = "all" if by == "all" else f"{by} {group}"
        table.add_row(name, *(_share(row) for row in rows.to_dict("records")))
    console.print(table)
    console.print()
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("misses")
    for name in ("step", "expected", "found", "number p", "clusters p", "both p"):
        table.add_column(name, justify="right", no_wrap=True)
    tests = audit.violations[audit.violations["model"] == model]
    for row in tests[tests["step"].isin([tests["step"].min(), tests["step"].max()])].to_dict("records"):
        values = [_p_value(row[name]) for name in ("kupiec_p", "christoffersen_p", "both_p")]
        shares = f"{100 * row['expected']:.0f}%", f"{100 * row['found']:.1f}%"
        table.add_row(row["event"], str(row["step"]), *shares, *values)
    console.print(table)
    whole = audit.pit[(audit.pit["model"] == model) & (audit.pit["step"].astype(str) == "all")]
    tenths = " ".join(f"{100 * share:.0f}" for share in whole["shares"].iloc[0])
    text = (
        f"Percent of prices in each tenth of the fan, bottom to top: {tenths}; even with p = "
        f"{whole['p_value'].iloc[0]:.3f}. Number: Kupiec's test; clusters: Christoffersen's. Bold under 5%, "
        "which one honest test in twenty is."
    )
    console.print(Text(text, style="dim"))


def _share(row: dict[Any, Any]) -> Text:
    """A share and its interval, bold where the promise lies outside."""
    outside = not row["low"] <= row["level"] / 100 <= row["high"]
    text = f"{100 * row['held']:.0f} ({100 * row['low']:.0f} to {100 * row['high']:.0f})"
    return Text(text, style="bold" if outside else "")


def _p_value(value: float) -> Text:
    if math.isnan(value):
        return Text("-")
    return Text(f"{value:.3f}", style="bold" if value < ALPHA else "")


def _change(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:+.1f}%"


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

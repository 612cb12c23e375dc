"""The judge's results in the terminal: the verdict first, then a table."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from gatecast.faces import tables
from gatecast.faces.terminal.layout import broken_name
from gatecast.judge.ablation import SCORES, Ablation
from gatecast.judge.audit import Audit
from gatecast.judge.report import Report
from gatecast.judge.risk_record import RiskRecord
from gatecast.judge.risk_verdict import RiskVerdict
from gatecast.text import clean


def show_scores(report: Report) -> None:
    """The verdict, and each model's scores over all steps, best CRPS first, with its skill over the random walk."""
    console = Console()
    console.print(Text(report.verdict.text))
    console.print()
    frame = tables.score_frame(report.scores, report.tests)
    columns = [column for column in tables.TERMINAL_COLUMNS if column.name != "skill" or frame["skill"].notna().any()]
    rows = zip(frame["model"], tables.score_cells(frame, columns), strict=True)
    _print(console, "model", [column.heading for column in columns], list(rows), breaks=True)
    _hint(
        console,
        "CRPS, 50%, 90% (coverage) and width are of log returns from the last close; skill is CRPS saved "
        "against the random walk.",
    )


def show_ablation(ablation: Ablation) -> None:
    """A sentence, then a row for each switch: what turning it off did to CRPS, MAE and the 90% band."""
    console = Console()
    console.print(Text(ablation.text))
    console.print()
    change, rows = tables.change_percent, []
    for crps, mae, held in zip(*(ablation.to_rows(score) for score in SCORES), strict=True):
        interval = "-" if crps["low"] is None else f"{change(crps['low']).rstrip('%')} to {change(crps['high'])}"
        texts = [tables.number_text(row["change"], change) for row in (crps, mae, held)]
        texts[1:1] = [interval]
        rows.append((crps["switch"], [tables.Cell(crps["word"]), *map(tables.Cell, texts)]))
    _print(console, "turned off", ["", "CRPS", "95% interval", "MAE", "90% held"], rows)
    about = f"{ablation.origins} origins, {ablation.seeds} seeds; a larger CRPS or MAE without it means that it helps."
    _hint(console, about)


def show_audit(audit: Audit, model: str) -> None:
    """A model's bands by group, each share with its interval, and the tests of its misses and its PIT."""
    console = Console()
    console.print()
    console.print(Text(f"Audit of {model}: per cent of the prices in each band, with its 95% interval."))
    levels, rows = tables.coverage_rows(
        audit, model, lambda *shares: "{:.0f} ({:.0f}-{:.0f})".format(*(100 * share for share in shares))
    )
    _print(console, "", levels, rows)
    console.print()
    _print(console, "misses", tables.MISS_COLUMNS, tables.miss_rows(audit, model))
    if foreseen := tables.foresight_text(audit, model):
        console.print(Text(f"\n{foreseen}"))
    tenths, p_value = tables.pit_texts(audit, model)
    _hint(
        console,
        f"Per cent of the prices in each tenth of the fan, bottom to top: {tenths}; p that they are even: {p_value}. "
        "Number: Kupiec's test; clusters: Christoffersen's. Bold: p under 5%, which luck alone gives in one test of "
        "twenty.",
    )


def show_risk(record: RiskRecord, verdict: RiskVerdict) -> None:
    """What past days say of risk: the verdict, each model's value at risk, its chances, and portfolio bands."""
    console = Console()
    console.print()
    console.print(Text(f"Risk. {verdict.text}"))
    console.print()
    _print(console, "model", tables.LOSS_COLUMNS, tables.loss_rows(record), breaks=True)
    _hint(console, tables.LOSS_HINT)
    if chances := tables.chance_rows(record):
        console.print()
        _print(console, "model", tables.CHANCE_COLUMNS, chances, breaks=True)
        _hint(console, tables.CHANCE_HINT)
    if portfolio := tables.portfolio_rows(record):
        console.print()
        _print(console, "model", tables.PORTFOLIO_COLUMNS, portfolio, breaks=True)
        _hint(console, tables.PORTFOLIO_HINT)


def _print(
    console: Console,
    first: str,
    headings: Sequence[str],
    rows: Sequence[tuple[str, list[tables.Cell]]],
    *,
    breaks: bool = False,
) -> None:
    """A table of named rows; a column of words, without a heading, may wrap, and with `breaks` names may."""
    if breaks:
        columns = zip(headings, *([cell.text for cell in cells] for _, cells in rows), strict=True)
        room = console.width - sum(max(map(len, column)) + 2 for column in columns)
        rows = [(broken_name(clean(name), room), cells) for name, cells in rows]
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(first, **({"overflow": "fold"} if breaks else {"no_wrap": True}))
    for heading in headings:
        table.add_column(heading, justify="right" if heading else "left", no_wrap=bool(heading))
    for name, cells in rows:
        table.add_row(
            Text(name if breaks else clean(name)),
            *(Text(cell.text, style="bold" if cell.bold else "") for cell in cells),
        )
    console.print(table)


def _hint(console: Console, text: str) -> None:
    console.print(Text(text, style="dim"))

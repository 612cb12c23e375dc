"""Options that several commands share, each defined once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Source = Annotated[
    str, typer.Argument(help="A CSV or Parquet file, sample:aapl, sample:eurusd, yahoo:TICKER, or - for stdin.")
]
Preset = Annotated[str, typer.Option(help="default, base (no training), reference (3 x 128) or quick.")]
Settings = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change one setting; may be repeated.")
]
Seed = Annotated[int, typer.Option(min=0, help="Of training and of the simulated paths.")]
Repair = Annotated[bool, typer.Option("--repair", help="Make the repairs that are a guess, and say which.")]
Calendar = Annotated[
    str | None,
    typer.Option(help="An exchange whose sessions, half days and breaks the forecast follows, such as XNYS."),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
Report = Annotated[Path | None, typer.Option(metavar="FILE.html", help="Write a self-contained HTML report.")]
Table = Annotated[Path | None, typer.Option("--csv", metavar="FILE.csv", help="Write the forecast as a table.")]
Paths = Annotated[int, typer.Option(min=1, help="Simulated paths per asset.")]
Jobs = Annotated[int | None, typer.Option(min=1, help="Processes at work; the number of cores unless given.")]
Model = Annotated[Path | None, typer.Option(metavar="DIR", help="Use this saved model; no training.")]

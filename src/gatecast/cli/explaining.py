"""`gatecast explain` and `gatecast memory`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from gatecast.cli.app import Command, app
from gatecast.cli.console import progress_bar, say, say_notes
from gatecast.cli.forecasting import config_unless_saved
from gatecast.cli.options import Calendar, Jobs, Json, Model, Preset, Repair, Seed, Settings, Source, reads_source
from gatecast.cli.outputs import check_outputs
from gatecast.executors import prepare_process
from gatecast.forks import prepare_command
from gatecast.readers.choices import ReadOptions


@app.command(cls=Command)
@reads_source
def explain(
    source: Source,
    out: Annotated[Path, typer.Option(metavar="FILE.html", readable=False, help="Where the page goes.")] = Path(
        "inside.html"
    ),
    asset: Annotated[str | None, typer.Option(help="The asset to explain; the first unless given.")] = None,
    member: Annotated[int, typer.Option(min=1, help="Which member of the base network to open.")] = 1,
    seed: Seed = 0,
    preset: Preset = "default",
    settings: Settings = None,
    model: Model = None,
    calendar: Calendar = None,
    repair: Repair = False,
    *,
    reading: ReadOptions,
) -> None:
    """Write a page that opens the network of the latest forecast and takes it apart, step by step."""
    check_outputs(source, page=out, model=model, events=reading.events)
    config = config_unless_saved(model, preset, settings, seed)
    prepare_command()
    from gatecast.faces.report.explain import explain_report
    from gatecast.faces.report.page import write_html
    from gatecast.runs.explain import run_explanation

    with progress_bar("explaining") as show:
        run = run_explanation(
            source,
            config,
            model=model,
            item_id=asset,
            member=member,
            seed=seed,
            calendar=calendar,
            reading=reading,
            repair=repair,
            progress=show,
        )
    say_notes(run.notes)
    write_html(out, explain_report(run.explanation, title=f"Inside a forecast of {run.explanation.history.item_id}"))
    say(f"page written to {out}")


@app.command(cls=Command)
def memory(jobs: Jobs = None, as_json: Json = False) -> None:
    """Train every family to recall a value seen k steps ago, and show which can; some 5 to 10 minutes."""
    prepare_process()
    from gatecast.explain.memory import run_memory

    result = run_memory(jobs=jobs or -1)
    if as_json:
        print(json.dumps(result.to_dict(), allow_nan=False))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(title="Error after k steps (1 is nothing recalled), median over seeds", title_justify="left")
    table.add_column("network")
    for k in result.lags:
        table.add_column(f"k={k}", justify="right")
    for model, errors in result.median().iterrows():
        table.add_row(str(model), *(f"{error:.2f}" for error in errors))
    console = Console()
    console.print(table)
    console.print(result.finding, markup=False, highlight=False)

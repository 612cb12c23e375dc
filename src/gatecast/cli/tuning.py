"""`gatecast tune`: a search for settings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gatecast.cli.app import Command, app
from gatecast.cli.console import print_json, progress_bar, say, say_notes
from gatecast.cli.options import Calendar, Json, Preset, Repair, Seed, Settings, Source, reads_source, spreads_work
from gatecast.executors import Engine, prepare_process
from gatecast.readers.choices import ReadOptions

if TYPE_CHECKING:
    from gatecast.tuning.run import TuningRun

_GOES_ON = "finished trials are kept; the same command goes on from them"


@app.command(cls=Command)
@reads_source
@spreads_work
def tune(
    source: Source,
    trials: Annotated[int, typer.Option(min=1, help="How many settings are tried.")] = 20,
    preset: Preset = "quick",
    settings: Settings = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", readable=False, help="The search is kept here; else in the cache.")
    ] = None,
    storage: Annotated[
        str | None, typer.Option(metavar="URL", help="Keep the trials in this database, such as postgresql://...")
    ] = None,
    tail: Annotated[float, typer.Option(help="Share of the last rows that the search never sees.")] = 0.2,
    folds: Annotated[int, typer.Option(min=1, help="Fits of each trial, at past dates.")] = 4,
    horizon: Annotated[int, typer.Option(min=1, help="Steps ahead.")] = 5,
    paths: Annotated[int, typer.Option(min=2, help="Simulated paths per forecast.")] = 200,
    seed: Seed = 0,
    calendar: Calendar = None,
    repair: Repair = False,
    as_json: Json = False,
    *,
    engine: Engine,
    reading: ReadOptions,
) -> None:
    """Search settings of a network for SOURCE, and say whether they help on rows that the search never saw."""
    prepare_process()
    from gatecast.tuning.plan import TuningPlan
    from gatecast.tuning.run import run_tuning

    plan = TuningPlan(
        preset=preset,
        settings=tuple(settings or ()),
        trials=trials,
        tail=tail,
        folds=folds,
        horizon=horizon,
        paths=paths,
        seed=seed,
    )
    with progress_bar("tuning", folds_kept=_GOES_ON) as show:
        run = run_tuning(
            source,
            plan,
            out=out,
            storage=storage,
            engine=engine,
            calendar=calendar,
            repair=repair,
            reading=reading,
            progress=show,
            read_progress=show,
        )
    say_notes(run.notes)
    _write_page(run, source)
    if as_json:
        print_json(run.to_dict())
    else:
        _print(run)


def _write_page(run: TuningRun, source: str) -> None:
    from gatecast.faces.report.page import write_html
    from gatecast.faces.report.tuning import tuning_report

    page = run.out / "tuning.html"
    write_html(page, tuning_report(run.to_dict(), title=f"Settings for {source[:80]}"))
    say(f"report written to {page}")


def _print(run: TuningRun) -> None:
    """The best trials, what mattered, the verdict, and the command that uses what was found."""
    whole = sorted((row for row in run.trials if row["state"] == "complete"), key=lambda row: row["score"])
    print(f"{len(run.trials)} trials, {len(whole)} of them whole; the best by CRPS:")
    for row in whole[:5]:
        print(f"  {row['score']:.5f}  {' '.join(row['settings'])}{'  (the preset)' if row['index'] == 0 else ''}")
    if run.importances:
        print("importance: " + ", ".join(f"{key} {share:.0%}" for key, share in run.importances.items()))
    print(f"\n{run.unseen.text}\n\n{run.command}")

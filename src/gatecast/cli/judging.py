"""`gatecast backtest` and `gatecast ablate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gatecast.cli.app import Command, app
from gatecast.cli.console import print_json, progress_bar, say, say_notes
from gatecast.cli.forecasting import config_of
from gatecast.cli.options import (
    Calendar,
    Jobs,
    Json,
    Paths,
    Preset,
    Repair,
    Report,
    Seed,
    Settings,
    Source,
    reads_source,
    spreads_work,
)
from gatecast.cli.outputs import check_outputs, writing
from gatecast.executors import Engine, prepare_process
from gatecast.readers.choices import ReadOptions

if TYPE_CHECKING:
    from gatecast.runs.backtest import BacktestRun

_GOES_ON = "finished folds are kept; the same command goes on from them"
Models = Annotated[
    str | None,
    typer.Option(
        help="Comma-separated (gatecast,random_walk,garch unless given), such as gatecast:gru,sma:window=50; your own "
        "as FILE.py:NAME, a package's by its name."
    ),
]
Judge = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", readable=False, help="Judge the forecasts of this Parquet or CSV file, at its own cutoffs."
    ),
]
Cutoffs = Annotated[
    int | None,
    typer.Option(min=1, help="How many origins (12 unless given), spread over the history; with --every, the last."),
]
Horizon = Annotated[int, typer.Option(min=1, help="Steps ahead.")]
AuditToo = Annotated[bool, typer.Option("--audit", help="Examine the bands by year, step and volatility.")]
RiskToo = Annotated[
    bool, typer.Option("--risk", help="Judge value at risk and chances of levels too, against garch and historical.")
]
Timeout = Annotated[
    float, typer.Option(min=0.1, metavar="SECONDS", help="Limit of a fit or a forecast of a model that you bring.")
]
JudgedPaths = Annotated[
    int | None, typer.Option(min=1, help="Simulated paths per asset (500 unless given, with --risk 1,000).")
]
Forecasts = Annotated[
    Path | None, typer.Option(metavar="FILE.parquet", readable=False, help="Write a row per forecast.")
]


@app.command(cls=Command)
@reads_source
@spreads_work
def backtest(
    source: Source,
    models: Models = None,
    judge: Judge = None,
    horizon: Annotated[int | None, typer.Option(min=1, help="Steps ahead (5 unless given).")] = None,
    cutoffs: Cutoffs = None,
    every: Annotated[int | None, typer.Option(min=1, help="An origin every so many sessions.")] = None,
    start: Annotated[str | None, typer.Option(help="Date of the first origin.")] = None,
    span: Annotated[int | None, typer.Option(min=1, help="Rows of a sliding span; else expanding.")] = None,
    refit: Annotated[int, typer.Option(min=0, help="Refit every so many origins; 0: once.")] = 1,
    paths: JudgedPaths = None,
    seed: Seed = 0,
    preset: Preset = "default",
    settings: Settings = None,
    timeout: Timeout = 300.0,
    calendar: Calendar = None,
    repair: Repair = False,
    audit: AuditToo = False,
    risk: RiskToo = False,
    forecasts: Forecasts = None,
    report: Report = None,
    as_json: Json = False,
    *,
    engine: Engine,
    reading: ReadOptions,
) -> None:
    """Hold models against each other on days they have not seen, and say which deserve trust."""
    check_outputs(source, page=report, rows=forecasts, judge=judge, models=models, events=reading.events)
    prepare_process()
    from gatecast.runs.backtest import run_backtest

    with progress_bar("backtest", folds_kept=_GOES_ON) as show:
        run = run_backtest(
            source,
            models,
            judge=judge,
            preset=preset,
            settings=settings or (),
            horizon=horizon,
            cutoffs=cutoffs,
            every=every,
            start=start,
            span=span,
            refit=refit,
            paths=paths,
            seed=seed,
            with_audit=audit,
            with_risk=risk,
            engine=engine,
            timeout=timeout,
            calendar=calendar,
            reading=reading,
            repair=repair,
            progress=show,
        )
    say_notes(run.notes)
    try:
        _write_files(run, f"Walk-forward test of {source[:80]}", forecasts, report)
    finally:  # a file that cannot be written costs no result
        _print(run, as_json)


@app.command(cls=Command)
@reads_source
def ablate(
    source: Source,
    seeds: Annotated[int, typer.Option(help="Networks trained for each variant, 3 or more.")] = 3,
    horizon: Horizon = 5,
    cutoffs: Annotated[int, typer.Option(min=2, help="How many origins.")] = 48,
    refit: Annotated[int, typer.Option(min=0, help="Refit every so many origins; 0: once.")] = 12,
    paths: Paths = 1000,
    seed: Seed = 0,
    preset: Preset = "default",
    settings: Settings = None,
    jobs: Jobs = None,
    calendar: Calendar = None,
    repair: Repair = False,
    report: Report = None,
    as_json: Json = False,
    *,
    reading: ReadOptions,
) -> None:
    """Turn each of the five improvements of a trained network off, and say what it was worth."""
    check_outputs(source, page=report, events=reading.events)
    config = config_of(preset, settings, seed)
    prepare_process()
    from gatecast.runs.ablate import run_ablation

    with progress_bar("ablation", folds_kept=_GOES_ON) as show:
        run = run_ablation(
            source,
            config,
            horizon=horizon,
            cutoffs=cutoffs,
            seeds=seeds,
            refit=refit,
            paths=paths,
            jobs=jobs,
            calendar=calendar,
            reading=reading,
            repair=repair,
            progress=show,
        )
    say_notes(run.notes)
    if report is not None:
        from gatecast.faces.report import ablation_report, write_html

        title = f"What each improvement is worth on {source[:80]}"
        write_html(report, ablation_report(run.ablation, title=title))
        say(f"report written to {report}")
    if as_json:
        print_json(run.ablation.to_dict())
        return
    from gatecast.faces.terminal.scores import show_ablation

    show_ablation(run.ablation)


def _print(run: BacktestRun, as_json: bool) -> None:
    if as_json:
        print_json(run.to_dict())
        return
    from gatecast.faces.terminal.scores import show_audit, show_risk, show_scores

    show_scores(run.report)
    if run.audit is not None:
        show_audit(run.audit, run.report.verdict.model)
    if run.risk is not None:
        show_risk(run.risk.record, run.risk.verdict)


def _write_files(run: BacktestRun, title: str, forecasts: Path | None, report: Path | None) -> None:
    if forecasts is not None:
        with writing(forecasts):
            run.report.to_parquet(forecasts)
        say(f"forecasts written to {forecasts}")
    if report is not None:
        from gatecast.faces.report import backtest_report, write_html

        page = backtest_report(
            run.report,
            run.prices,
            config=run.settings,
            title=title,
            audit=run.audit,
            risk=None if run.risk is None else (run.risk.record, run.risk.verdict),
        )
        write_html(report, page)
        say(f"report written to {report}")

"""`gatecast backtest` and `gatecast ablate`."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gatecast.cli.app import app
from gatecast.cli.console import folds_bar, say
from gatecast.cli.forecasting import cache, config_of, read
from gatecast.cli.options import Calendar, Jobs, Json, Paths, Preset, Repair, Report, Seed, Settings, Source

if TYPE_CHECKING:
    from gatecast.prices import PriceTable

_MODELS = "gatecast,random_walk,garch"
Cutoffs = Annotated[int | None, typer.Option(min=1, help="How many origins, spread over the history.")]
Horizon = Annotated[int, typer.Option(min=1, help="Steps ahead.")]


@app.command()
def backtest(
    source: Source,
    models: Annotated[
        str, typer.Option(help="Comma-separated, such as gatecast,gatecast:gru,sma:window=50.")
    ] = _MODELS,
    horizon: Horizon = 5,
    cutoffs: Cutoffs = None,
    every: Annotated[int | None, typer.Option(min=1, help="An origin every so many sessions.")] = None,
    start: Annotated[str | None, typer.Option(help="Date of the first origin, with --every.")] = None,
    span: Annotated[
        int | None, typer.Option(min=1, help="Rows of a sliding span; expanding unless given.")
    ] = None,
    refit: Annotated[
        int, typer.Option(min=0, help="Refit every so many origins; 0 fits once before the first.")
    ] = 1,
    paths: Paths = 1000,
    seed: Seed = 0,
    preset: Preset = "default",
    settings: Settings = None,
    jobs: Jobs = None,
    calendar: Calendar = None,
    repair: Repair = False,
    forecasts: Annotated[
        Path | None, typer.Option(metavar="FILE.parquet", help="A row per forecast.")
    ] = None,
    report: Report = None,
    as_json: Json = False,
) -> None:
    """Hold models against each other on days they have not seen, and say which deserve trust."""
    from gatecast.backtest import backtest as run
    from gatecast.roster import parse_models

    config_of(preset, settings, seed)  # refused before anything is read
    chosen = parse_models(models, preset=preset, settings=_with_seed(settings, seed))
    prices = read(source, calendar, repair)
    plan = {
        "horizon": horizon,
        "cutoffs": cutoffs,
        "every": every,
        "start": start,
        "span": span,
        "refit": refit,
    }
    store = _store(
        prices,
        "backtest",
        {**plan, "models": models, "paths": paths, "seed": seed, "preset": preset},
        settings,
    )
    with folds_bar("backtest") as show:
        result = run(
            chosen,
            prices,
            horizon=horizon,
            cutoffs=cutoffs,
            every=every,
            start=start,
            span=span,
            refit=refit,
            paths=paths,
            seed=seed,
            jobs=jobs or os.cpu_count() or 1,
            store=store,
            progress=show,
        )
    for note in dict.fromkeys(
        (*prices.notes, *(note for one in prices for note in one.notes), *result.notes)
    ):
        say(note)
    if forecasts is not None:
        result.to_parquet(forecasts)
        say(f"forecasts written to {forecasts}")
    if report is not None:
        from gatecast.report import backtest_report, write_html

        shown: dict[str, Any] = {"models": models, **plan, "paths": paths, "seed": seed, "preset": preset}
        write_html(
            report, backtest_report(result, prices, config=shown, title=f"Walk-forward test of {source[:80]}")
        )
        say(f"report written to {report}")
    shutil.rmtree(store, ignore_errors=True)
    if as_json:
        print(json.dumps(result.to_dict(), allow_nan=False))
        return
    from rich.console import Console

    from gatecast.scoreboard import show_scores

    show_scores(result, console=Console())


def _with_seed(settings: list[str] | None, seed: int) -> tuple[str, ...]:
    return (f"seed={seed}", *(settings or []))


def _store(prices: PriceTable, command: str, plan: dict[str, Any], settings: list[str] | None) -> Path:
    """Where the finished folds of exactly this run wait until it has ended."""
    text = json.dumps([command, prices.data_hash(), plan, settings], sort_keys=True)
    return cache() / "folds" / hashlib.sha256(text.encode()).hexdigest()[:16]

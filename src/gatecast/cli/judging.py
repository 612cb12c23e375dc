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
from gatecast.cli.console import check_page, check_writable, folds_bar, say, writing
from gatecast.cli.forecasting import cache, config_of, read
from gatecast.cli.options import Calendar, Jobs, Json, Paths, Preset, Repair, Report, Seed, Settings, Source

if TYPE_CHECKING:
    from gatecast.judge.ablation import Ablation
    from gatecast.judge.audit import Audit
    from gatecast.judge.walkforward import Report as Results
    from gatecast.prices import PriceTable

_MODELS = "gatecast,random_walk,garch"
Models = Annotated[str, typer.Option(help="Comma-separated, such as gatecast,gatecast:gru,sma:window=50.")]
Cutoffs = Annotated[int | None, typer.Option(min=1, help="How many origins, spread over the history.")]
Horizon = Annotated[int, typer.Option(min=1, help="Steps ahead.")]
AuditToo = Annotated[bool, typer.Option("--audit", help="Examine the bands by year, step and volatility.")]
Forecasts = Annotated[Path | None, typer.Option(metavar="FILE.parquet", help="Write a row per forecast.")]


@app.command()
def backtest(
    source: Source,
    models: Models = _MODELS,
    horizon: Horizon = 5,
    cutoffs: Cutoffs = None,
    every: Annotated[int | None, typer.Option(min=1, help="An origin every so many sessions.")] = None,
    start: Annotated[str | None, typer.Option(help="Date of the first origin, with --every.")] = None,
    span: Annotated[int | None, typer.Option(min=1, help="Rows of a sliding span; else expanding.")] = None,
    refit: Annotated[int, typer.Option(min=0, help="Refit every so many origins; 0: once.")] = 1,
    paths: Paths = 1000,
    seed: Seed = 0,
    preset: Preset = "default",
    settings: Settings = None,
    jobs: Jobs = None,
    calendar: Calendar = None,
    repair: Repair = False,
    audit: AuditToo = False,
    forecasts: Forecasts = None,
    report: Report = None,
    as_json: Json = False,
) -> None:
    """Hold models against each other on days they have not seen, and say which deserve trust."""
    from gatecast.judge.walkforward import backtest as run
    from gatecast.models.registry import parse_models

    check_writable(forecasts)
    check_page(report)
    chosen = parse_models(models, preset=preset, settings=(f"seed={seed}", *(settings or [])))
    prices = read(source, calendar, repair)
    shown: dict[str, Any] = {
        "models": models,
        "horizon": horizon,
        "cutoffs": cutoffs,
        "every": every,
        "start": start,
    }
    shown |= {"span": span, "refit": refit, "paths": paths, "seed": seed, "preset": preset}
    store = _store(prices, {"command": "backtest", **shown, "settings": settings})
    with folds_bar("backtest") as show:
        result = run(
            chosen,
            prices,
            horizon=horizon,
            cutoffs=cutoffs,
            every=every,
            span=span,
            refit=refit,
            start=start,
            paths=paths,
            seed=seed,
            jobs=jobs or os.cpu_count() or 1,
            store=store,
            progress=show,
        )
    _tell(prices, result.notes)
    found = _audit(result, prices) if audit else None
    _write_files(result, prices, shown, f"Walk-forward test of {source[:80]}", forecasts, report, found)
    _print(result, found, as_json)
    shutil.rmtree(store, ignore_errors=True)


@app.command()
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
) -> None:
    """Turn each of the five improvements off, and say what it was worth."""
    from gatecast.judge.ablation import ablate as run

    check_page(report)
    # What is turned off are parts of a network of one's own: the one that comes trained has none of these switches.
    config = config_of(preset, settings, seed).replace(start="scratch")
    prices = read(source, calendar, repair)
    shown = {
        "horizon": horizon,
        "cutoffs": cutoffs,
        "refit": refit,
        "seeds": seeds,
        "paths": paths,
        "preset": preset,
    }
    store = _store(prices, {"command": "ablate", **shown, "seed": seed, "settings": settings})
    with folds_bar("ablation") as show:
        result = run(
            config,
            prices,
            horizon=horizon,
            cutoffs=cutoffs,
            seeds=seeds,
            refit=refit,
            paths=paths,
            jobs=jobs or os.cpu_count() or 1,
            store=store,
            progress=show,
        )
    _tell(prices, result.notes)
    if report is not None:
        _write_ablation(report, result, f"What each improvement is worth on {source[:80]}")
    if as_json:
        print(json.dumps(result.to_dict(), allow_nan=False))
    else:
        from gatecast.faces.terminal.scores import show_ablation

        show_ablation(result)
    shutil.rmtree(store, ignore_errors=True)


def _audit(result: Results, prices: PriceTable) -> Audit:
    from gatecast.judge.audit import audit

    return audit(result.forecasts, prices)


def _print(result: Results, found: Audit | None, as_json: bool) -> None:
    if as_json:
        more = {} if found is None else {"audit": found.to_dict()}
        print(json.dumps({**result.to_dict(), **more}, allow_nan=False))
        return
    from gatecast.faces.terminal.scores import show_audit, show_scores

    show_scores(result)
    if found is not None:
        show_audit(found, result.verdict.model)


def _tell(prices: PriceTable, more: tuple[str, ...]) -> None:
    """Every note once, on stderr."""
    for note in dict.fromkeys((*prices.notes, *(note for one in prices for note in one.notes), *more)):
        say(note)


def _write_files(
    result: Results,
    prices: PriceTable,
    shown: dict[str, Any],
    title: str,
    forecasts: Path | None,
    report: Path | None,
    found: Audit | None,
) -> None:
    if forecasts is not None:
        with writing(forecasts):
            result.to_parquet(forecasts)
        say(f"forecasts written to {forecasts}")
    if report is not None:
        from gatecast.faces.report import backtest_report, write_html

        write_html(report, backtest_report(result, prices, config=shown, title=title, audit=found))
        say(f"report written to {report}")


def _write_ablation(path: Path, result: Ablation, title: str) -> None:
    from gatecast.faces.report import ablation_report, write_html

    write_html(path, ablation_report(result, title=title))
    say(f"report written to {path}")


def _store(prices: PriceTable, about: dict[str, Any]) -> Path:
    """Where the finished folds of exactly this run wait until it has ended."""
    text = json.dumps([prices.data_hash(), about], sort_keys=True)
    return cache() / "folds" / hashlib.sha256(text.encode()).hexdigest()[:16]

"""`gatecast forecast`, `gatecast samples` and `gatecast settings`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gatecast.cli.app import Command, app
from gatecast.cli.console import print_json, progress_bar, say, say_notes
from gatecast.cli.ledger import check_ledger, record_run
from gatecast.cli.options import (
    Calendar,
    Database,
    Json,
    Model,
    Paths,
    Preset,
    Record,
    Repair,
    Report,
    Resume,
    Save,
    Seed,
    Settings,
    Source,
    Table,
    Verdict,
    reads_source,
)
from gatecast.cli.outputs import check_outputs, write_table
from gatecast.errors import UsageError
from gatecast.forks import prepare_command
from gatecast.readers.choices import ReadOptions

if TYPE_CHECKING:
    from gatecast.config import Config
    from gatecast.runs.forecast import ForecastRun

TRAINING_KEPT = "what was trained is kept; the same command with --resume goes on from it"


@app.command(cls=Command)
@reads_source
def forecast(
    source: Source,
    horizon: Annotated[int, typer.Option(min=1, help="Steps ahead.")] = 30,
    paths: Paths = 1000,
    level: Annotated[float, typer.Option(help="Share of the paths inside the band.")] = 0.9,
    seed: Seed = 0,
    preset: Preset = "default",
    settings: Settings = None,
    model: Model = None,
    save: Save = None,
    resume: Resume = False,
    report: Report = None,
    csv: Table = None,
    calendar: Calendar = None,
    repair: Repair = False,
    verdict: Verdict = True,
    record: Record = False,
    database: Database = None,
    as_json: Json = False,
    *,
    reading: ReadOptions,
) -> None:
    """Train on SOURCE, or take the base network, and simulate what the next steps may bring."""
    check_outputs(source, page=report, table=csv, save=save, model=model, events=reading.events, database=database)
    if model is not None and (settings or save or resume or preset != "default"):
        raise UsageError("--model brings its own settings; it goes with none of --preset, --set, --save, --resume.")
    check_ledger(record, database)
    config = None if model is not None else config_of(preset, settings, seed)
    prepare_command()
    from gatecast.runs.forecast import run_forecast

    with progress_bar("judging", training_kept=TRAINING_KEPT) as show:
        run = run_forecast(
            source,
            config,
            model=model,
            horizon=horizon,
            paths=paths,
            level=level,
            seed=seed,
            save=save,
            resume=resume,
            verdict=verdict,
            calendar=calendar,
            reading=reading,
            repair=repair,
            progress=show,
        )
    if save is not None:
        say(f"model saved to {save}")
    say_notes(run.notes)
    try:
        if record:
            record_run(run, source, database)
        _write_files(csv, report, source, run)
    finally:  # a file that cannot be written costs no forecast
        if as_json:
            print_json(run.to_dict())
        else:
            _print(run)


@app.command(cls=Command)
def samples() -> None:
    """List the price histories that come with gatecast."""
    from gatecast.readers.sources import SAMPLES

    for name, about in SAMPLES.items():
        print(f"sample:{name}  {about}")


@app.command(name="settings", cls=Command)
def show_settings(
    preset: Preset = "default",
    beside: Annotated[str | None, typer.Option(metavar="PRESET", help="A second preset, to see what differs.")] = None,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Every preset as a page, as in docs/settings.md.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Print every setting with its value, unit and reason, for one preset or beside another."""
    from gatecast.config import PRESETS, Config, setting_rows

    presets = PRESETS if markdown else tuple(filter(None, (preset, beside)))
    rows = list(setting_rows([Config.from_preset(name) for name in presets]))
    if markdown:
        from gatecast.faces.settings import settings_page

        print(settings_page(presets, rows), end="")
        return
    if as_json:
        keys = ("group", "key", "values", "description")
        print(json.dumps([dict(zip(keys, row, strict=True)) for row in rows], allow_nan=False))
        return
    from gatecast.faces.settings import show_rows

    show_rows(presets, rows)


def config_of(preset: str, settings: list[str] | None, seed: int) -> Config:
    """The settings asked for; `--seed` is the training's too unless `--set seed=` says otherwise."""
    from gatecast.config import Config

    given = settings or []
    chosen = any(setting.partition("=")[0].strip() == "seed" for setting in given)
    if chosen and seed:
        raise UsageError("--seed and --set seed= both name the seed of training; give one of them.")
    return Config.from_preset(preset, given if chosen else [*given, f"seed={seed}"])


def config_unless_saved(model: Path | None, preset: str, settings: list[str] | None, seed: int) -> Config | None:
    """The settings asked for; None where a saved model brings its own."""
    if model is None:
        return config_of(preset, settings, seed)
    if settings or preset != "default":
        raise UsageError("--model brings its own settings; it goes with neither --preset nor --set.")
    return None


def _print(run: ForecastRun) -> None:
    from rich.console import Console

    from gatecast.faces.terminal.forecast import show_forecast

    console = Console()
    show_forecast(run.forecast, run.prices, level=run.level, console=console)
    if run.verdict is not None:
        console.print(f"\n{run.verdict.text}", markup=False, highlight=False)


def _write_files(csv: Path | None, report: Path | None, source: str, run: ForecastRun) -> None:
    if csv is not None:
        write_table(csv, run.forecast.to_frame(run.level))
    if report is not None:
        _write_report(report, source, run)


def _write_report(path: Path, source: str, run: ForecastRun) -> None:
    from gatecast.config import in_effect
    from gatecast.faces.report import forecast_report, write_html
    from gatecast.faces.wording import setting_text

    settings = in_effect(run.config, base=run.forecaster.choice_.folder is not None)
    page = forecast_report(
        run.forecast,
        run.prices,
        level=run.level,
        config={key: setting_text(value) for key, value in settings.items()},
        losses=run.forecaster.losses,
        verdict=None if run.verdict is None else run.verdict.to_dict(),
        title=f"Forecast of {source}" if len(source) < 80 else "Forecast",
    )
    write_html(path, page)
    say(f"report written to {path}")

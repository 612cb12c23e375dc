"""`gatecast forecast` and `gatecast samples`."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gatecast.cli.app import app
from gatecast.cli.console import check_page, say, training_bar
from gatecast.cli.options import Calendar, Json, Model, Paths, Preset, Repair, Report, Seed, Settings, Source
from gatecast.errors import UsageError

if TYPE_CHECKING:
    from gatecast.config import Config
    from gatecast.forecast import Forecast
    from gatecast.models.base import BaseForecaster
    from gatecast.models.forecaster import Forecaster
    from gatecast.prices import PriceTable

MANY = 100_000  # paths; more take minutes
LEAST_BEYOND = 5  # paths beyond each end of a band; with fewer the end is a few paths' luck


@app.command()
def forecast(
    source: Source,
    horizon: Annotated[int, typer.Option(min=1, help="Steps ahead.")] = 30,
    paths: Paths = 1000,
    level: Annotated[float, typer.Option(help="Share of the paths inside the band.")] = 0.9,
    seed: Seed = 0,
    preset: Preset = "default",
    settings: Settings = None,
    model: Model = None,
    save: Annotated[Path | None, typer.Option(metavar="DIR", help="Save the trained model here.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a training that was cut off.")] = False,
    report: Report = None,
    calendar: Calendar = None,
    repair: Repair = False,
    verdict: Annotated[
        bool, typer.Option("--verdict/--no-verdict", help="Judge the model on recent days it has not seen.")
    ] = True,
    as_json: Json = False,
) -> None:
    """Train on SOURCE and simulate what the next steps may bring."""
    from gatecast.faces.wording import level_text
    from gatecast.forecast import check_level
    from gatecast.models.limits import check_sizes

    check_level(level)
    check_sizes(horizon, paths, seed)
    check_page(report)
    if save is not None and save.exists() and not save.is_dir():
        raise UsageError(f"--save names a folder; '{save}' is a file. Choose another name.")
    if model is not None and (settings or save or resume or preset != "default"):
        raise UsageError(
            "--model brings its own settings; it goes with none of --preset, --set, --save, --resume."
        )
    config = None if model is not None else config_of(preset, settings, seed)
    prices = read(source, calendar, repair)
    forecaster = fitted(prices, config, model, save=save, resume=resume)
    result = forecaster.predict(prices, horizon, paths=paths, seed=seed)
    for note in _notes(result):
        say(note)
    enough = math.ceil(round(2 * LEAST_BEYOND / (1 - level), 6))
    if paths < enough:
        remedy = f"give --paths {enough} or more" if enough <= MANY else "take a lower --level"
        say(f"{paths} paths draw a band of {level_text(level)} but roughly; {remedy}")
    judged = _judged(forecaster, prices, horizon, seed, saved=model) if verdict else None
    shown = forecaster.config.model_dump(mode="json")
    if report is not None:
        _write_report(report, source, result, prices, level, shown, forecaster, judged)
    if as_json:
        document = {"items": result.to_dict(level), "level": level, "paths": paths, "seed": seed}
        print(json.dumps({**document, "config": shown, "verdict": judged}, allow_nan=False))
        return
    from rich.console import Console

    from gatecast.faces.terminal.forecast import show_forecast

    console = Console()
    show_forecast(result, prices, level=level, console=console)
    if judged is not None:
        console.print(f"\n{judged['text']}", markup=False, highlight=False)


@app.command()
def samples() -> None:
    """List the price histories that come with gatecast."""
    from gatecast.readers.sources import SAMPLES

    for name, about in SAMPLES.items():
        print(f"sample:{name}  {about}")


def _notes(forecast: Forecast) -> list[str]:
    """Every note once; one that is not of all items with the names of those it is of."""
    whose: dict[str, list[str]] = {}
    for item in forecast:
        for note in dict.fromkeys(item.notes):
            whose.setdefault(note, []).append(item.item_id)
    told = []
    for note, names in whose.items():
        some = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        told.append(note if len(names) == len(forecast.items) else f"{some}: {note}")
    return told


def config_of(preset: str, settings: list[str] | None, seed: int) -> Config:
    """The settings asked for; `--seed` is the training's too unless `--set seed=` says otherwise."""
    from gatecast.config import Config

    given = settings or []
    chosen = any(setting.partition("=")[0].strip() == "seed" for setting in given)
    if chosen and seed:
        raise UsageError("--seed and --set seed= both name the seed of training; give one of them.")
    return Config.from_preset(preset, given if chosen else [*given, f"seed={seed}"])


def read(source: str, calendar: str | None, repair: bool) -> PriceTable:
    """The price table of SOURCE."""
    from gatecast.readers.read import read_prices

    return read_prices(source, calendar=calendar, repair=repair)


def fitted(
    prices: PriceTable,
    config: Config | None,
    model: Path | None,
    *,
    save: Path | None = None,
    resume: bool = False,
) -> Forecaster | BaseForecaster:
    """The saved model, or one trained with progress on stderr; a checkpoint waits until it is no longer needed."""
    from gatecast.config import Config
    from gatecast.models.base import load_forecaster, new_forecaster

    if model is not None:
        return load_forecaster(model)
    forecaster = new_forecaster(config or Config())
    checkpoint = save or cache() / forecaster.fingerprint(prices)[:16]
    with training_bar() as show:
        forecaster.fit(prices, checkpoint=checkpoint, resume=resume, progress=show)
    if save is not None:
        forecaster.save(save)
        say(f"model saved to {save}")
    if not forecaster.interrupted:
        for left in checkpoint.glob("training-*.safetensors"):
            left.unlink(missing_ok=True)
        if save is None and checkpoint.is_dir():
            checkpoint.rmdir()
    return forecaster


def cache() -> Path:
    """Where unfinished work waits: the user's cache folder (XDG Base Directory Specification)."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gatecast"


def _judged(
    forecaster: Forecaster | BaseForecaster,
    prices: PriceTable,
    horizon: int,
    seed: int,
    *,
    saved: Path | None,
) -> dict[str, Any]:
    from gatecast.cli.console import folds_bar
    from gatecast.judge.recent import recent_verdict
    from gatecast.models.base import BaseForecaster

    walked = forecaster.walked_ if isinstance(forecaster, BaseForecaster) else None
    with folds_bar("judging") as show:
        verdict = recent_verdict(
            forecaster.config,
            prices,
            horizon=horizon,
            seed=seed,
            saved=saved if walked else None,
            walked=walked,
            progress=show,
        )
    return verdict.to_dict()


def _write_report(
    path: Path,
    source: str,
    result: Forecast,
    prices: PriceTable,
    level: float,
    config: dict[str, Any],
    forecaster: Forecaster | BaseForecaster,
    verdict: dict[str, Any] | None,
) -> None:
    from gatecast.faces.report import forecast_report, write_html

    title = f"Forecast of {source}" if len(source) < 80 else "Forecast"
    page = forecast_report(
        result, prices, level=level, config=config, losses=forecaster.losses, verdict=verdict, title=title
    )
    write_html(path, page)
    say(f"report written to {path}")

"""The command: arguments in, one call to the library, one result on stdout. No mathematics here."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gatecast.errors import GatecastError, UsageError

if TYPE_CHECKING:
    from gatecast.forecaster import Forecaster
    from gatecast.nn.training import Progress
    from gatecast.prices import PriceTable

app = typer.Typer(
    name="gatecast",
    help="LSTM price forecasts as fans of simulated paths, held against history.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Source = Annotated[
    str, typer.Argument(help="A CSV or Parquet file, sample:aapl, sample:eurusd, yahoo:TICKER, or - for stdin.")
]
Preset = Annotated[str, typer.Option(help="default, reference (the 3 x 128 recipe) or quick.")]
Settings = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change one setting; may be repeated.")
]
Seed = Annotated[int, typer.Option(min=0, help="Of training and of the simulated paths.")]
Repair = Annotated[bool, typer.Option("--repair", help="Make the repairs that are a guess, and say which.")]
Calendar = Annotated[
    str | None, typer.Option(help="An exchange whose sessions the forecast follows, such as XNYS.")
]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
Report = Annotated[Path | None, typer.Option(metavar="FILE.html", help="Write a self-contained HTML report.")]


@app.callback(invoke_without_command=True)
def _options(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error; goes anywhere.")] = False,
) -> None:
    if version:
        from gatecast import __version__

        print(__version__)
        raise typer.Exit


@app.command()
def forecast(
    source: Source,
    horizon: Annotated[int, typer.Option(min=1, help="Steps ahead.")] = 30,
    paths: Annotated[int, typer.Option(min=1, help="Simulated paths per asset.")] = 1000,
    level: Annotated[float, typer.Option(help="Share of the paths inside the band.")] = 0.9,
    seed: Seed = 0,
    preset: Preset = "default",
    settings: Settings = None,
    model: Annotated[Path | None, typer.Option(metavar="DIR", help="Use this saved model; no training.")] = None,
    save: Annotated[Path | None, typer.Option(metavar="DIR", help="Save the trained model here.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a training that was cut off.")] = False,
    report: Report = None,
    calendar: Calendar = None,
    repair: Repair = False,
    as_json: Json = False,
) -> None:
    """Train on SOURCE and simulate what the next steps may bring."""
    from gatecast.forecast import check_level

    check_level(level)
    if model is not None and (settings or save or resume or preset != "default"):
        raise UsageError("--model brings its own settings; it goes with none of --preset, --set, --save, --resume.")
    config = None if model is not None else _config(preset, settings or [], seed)
    prices = _read(source, calendar, repair)
    from gatecast.forecaster import Forecaster, check_sizes

    check_sizes(horizon, paths)
    if model is not None:
        forecaster = Forecaster.load(model)
    else:
        forecaster = _train(Forecaster(config), prices, save, resume)
    result = forecaster.predict(prices, horizon, paths=paths, seed=seed)
    for note in dict.fromkeys(f"{item.item_id}: {note}" for item in result for note in item.notes):
        _say(note)
    shown = forecaster.config.model_dump(mode="json")
    if report is not None:
        from gatecast.report import forecast_report, write_html

        title = f"{source} forecast" if len(source) < 80 else "forecast"
        page = forecast_report(
            result, prices, level=level, config=shown, losses=forecaster.losses, verdict=None, title=title
        )
        write_html(report, page)
        _say(f"report written to {report}")
    if as_json:
        document = {"items": result.to_dict(level), "level": level, "paths": paths, "seed": seed}
        print(json.dumps({**document, "config": shown, "verdict": None}, allow_nan=False))
        return
    from rich.console import Console

    from gatecast.terminal import show_forecast

    show_forecast(result, prices, level=level, console=Console())


@app.command()
def samples() -> None:
    """List the price histories that come with gatecast."""
    from gatecast.readers import SAMPLES

    for name, about in SAMPLES.items():
        print(f"sample:{name}  {about}")


def _config(preset: str, settings: list[str], seed: int) -> Any:
    from gatecast.config import Config

    chosen = any(setting.partition("=")[0].strip() == "seed" for setting in settings)
    return Config.from_preset(preset, settings if chosen else [*settings, f"seed={seed}"])


def _read(source: str, calendar: str | None, repair: bool) -> PriceTable:
    from gatecast.readers import read_prices

    return read_prices(source, calendar=calendar, repair=repair)


def _train(forecaster: Forecaster, prices: PriceTable, save: Path | None, resume: bool) -> Forecaster:
    """Fit with progress on stderr; the checkpoint goes once the model, or the forecast, no longer needs it."""
    checkpoint = save or _cache() / forecaster.fingerprint(prices)[:16]
    with _progress() as show:
        forecaster.fit(prices, checkpoint=checkpoint, resume=resume, progress=show)
    if save is not None:
        forecaster.save(save)
        _say(f"model saved to {save}")
    if not forecaster.interrupted:
        for left in checkpoint.glob("training-*.safetensors"):
            left.unlink(missing_ok=True)
        if save is None and checkpoint.is_dir():
            checkpoint.rmdir()
    return forecaster


def _cache() -> Path:
    """Where unfinished trainings wait: the user's cache folder (XDG Base Directory Specification)."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "gatecast"


@contextmanager
def _progress() -> Iterator[Callable[[Progress], None] | None]:
    """A bar with loss, speed and time left on stderr; nothing where stderr is no terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from datetime import timedelta

    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn
    from rich.progress import Progress as Bar

    with Bar(
        TextColumn("training"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.description}"),
        console=Console(stderr=True),
        transient=True,
    ) as bar:
        task = bar.add_task("", total=1.0)

        def show(now: Progress) -> None:
            best = "" if now.validation_loss is None else f", held out {now.validation_loss:.4f}"
            left = timedelta(seconds=round(now.seconds_left))
            text = (
                f"epoch {now.epoch}/{now.epochs}, loss {now.loss:.4f}{best}, {now.rows_per_second:,.0f} rows/s, "
                f"at most {left} left (Ctrl-C keeps the best so far)"
            )
            bar.update(task, completed=now.share, description=text)

        yield show


def _say(text: str) -> None:
    """A note on stderr, free of control characters."""
    clean = "".join(character if character.isprintable() else " " for character in text)
    print(f"gatecast: {clean}", file=sys.stderr)


def main() -> None:
    """Run the command; a refusal is one line on stderr and exit 1 (data, model) or 2 (command)."""
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    debug = len(arguments) < len(sys.argv) - 1
    try:
        app(args=arguments)
    except GatecastError as error:
        if debug:
            raise
        _say(str(error))
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        _say("interrupted")
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)

"""Options that several commands share, each defined once."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any

import typer

from gatecast.errors import UsageError
from gatecast.executors import Engine
from gatecast.readers.choices import ReadOptions
from gatecast.text import shown

Source = Annotated[
    str,
    typer.Argument(
        help="A CSV, Parquet, JSON or spreadsheet file, sample:aapl, sample:eurusd, yahoo:TICKER, or - for stdin."
    ),
]
Preset = Annotated[str, typer.Option(help="default, base (no training), reference (3 x 128) or quick.")]


def _once(settings: list[str] | None) -> list[str] | None:
    """Refuse a setting that is given twice with different values: which of them was meant is not known."""
    given: dict[str, str] = {}
    for word in settings or ():
        key = word.partition("=")[0].strip()
        if given.setdefault(key, word) != word:
            raise UsageError(f"a setting has one value; got {shown(given[key])} and {shown(word)}. Leave one out.")
    return settings


Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", callback=_once, help="Change one setting; may be repeated."),
]
Seed = Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Of training and of the simulated paths.")]
Repair = Annotated[bool, typer.Option("--repair", help="Make the repairs that are a guess, and say which.")]
Calendar = Annotated[
    str | None,
    typer.Option(help="An exchange whose sessions, half days and breaks the forecast follows, such as XNYS."),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
Report = Annotated[
    Path | None, typer.Option(metavar="FILE.html", readable=False, help="Write a self-contained HTML report.")
]
Table = Annotated[
    Path | None, typer.Option("--csv", metavar="FILE.csv", readable=False, help="Write the forecast as a table.")
]
Database = Annotated[
    str | None,
    typer.Option(metavar="URL", help="The ledger: a SQLite file, or postgresql://...; the user's own unless given."),
]
Record = Annotated[
    bool, typer.Option("--record", help="Keep the forecast in the ledger, to be held against what comes.")
]
Save = Annotated[Path | None, typer.Option(metavar="DIR", readable=False, help="Save the trained model here.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with a training that was cut off.")]
Paths = Annotated[int, typer.Option(min=1, help="Simulated paths per asset.")]
Jobs = Annotated[
    int | None, typer.Option("--jobs", "--workers", min=1, help="Processes at work; the number of cores unless given.")
]
Verdict = Annotated[
    bool, typer.Option("--verdict/--no-verdict", help="Judge the model on recent days it has not seen.")
]
Model = Annotated[Path | None, typer.Option(metavar="DIR", help="Use this saved model; no training.")]


_PANEL = "What the source holds"


def _of_the_source(kind: Any, text: str, *names: str, metavar: str | None = None) -> Any:
    return Annotated[kind, typer.Option(*names, help=text, metavar=metavar, show_default=False, rich_help_panel=_PANEL)]


def _column(text: str) -> Any:
    return _of_the_source(str | None, text, metavar="COLUMN")


# Of each field of `ReadOptions` its option.
_READING = {
    "date": _column("The column of dates."),
    "close": _column("The column to forecast: it is not adjusted by another one."),
    "open": _column("The column of opens."),
    "high": _column("The column of highs."),
    "low": _column("The column of lows."),
    "volume": _column("The column of volumes."),
    "item": _column("The column that names the asset of each row."),
    "sheet": _of_the_source(str | None, "The sheet of a workbook.", metavar="NAME"),
    "header": _of_the_source(bool, "The first line holds prices; columns are named 1, 2, ...", " /--no-header"),
    "day_first": _of_the_source(bool | None, "Whether 03/04/2021 is 3 April or 4 March.", "--day-first/--month-first"),
    "decimal": _of_the_source(str | None, "The decimal sign, . or , (a comma).", metavar="SIGN"),
    "events": _of_the_source(str | None, "A file of dated events beside the prices: date, kind, item.", metavar="FILE"),
}


_ENGINE = {
    "jobs": Jobs,
    "engine": Annotated[
        str, typer.Option("--engine", metavar="local|ray", help="Processes of this machine, or a Ray cluster.")
    ],
    "ray_address": Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Of a running Ray cluster; else a Ray of this machine.")
    ],
}


def reads_source(command: Callable[..., None]) -> Callable[..., None]:
    """A command whose parameter `reading` is given by the options of `ReadOptions`."""
    given = [(field.name, field.default) for field in fields(ReadOptions)]
    return _taking(command, "reading", [_option(name, default, _READING[name]) for name, default in given], ReadOptions)


def spreads_work(command: Callable[..., None]) -> Callable[..., None]:
    """A command whose parameter `engine` is given by the options of an `Engine`."""
    defaults = {"jobs": None, "engine": Engine.kind, "ray_address": None}
    options = [_option(name, defaults[name], annotation) for name, annotation in _ENGINE.items()]

    def make(*, jobs: int | None, engine: str, ray_address: str | None) -> Engine:
        return Engine(kind=engine, workers=jobs, address=ray_address)

    return _taking(command, "engine", options, make)


def _option(name: str, default: object, annotation: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _taking(
    command: Callable[..., None], name: str, options: Sequence[inspect.Parameter], make: Callable[..., object]
) -> Callable[..., None]:
    """The command with `options` in the place of its keyword-only parameter `name`, which `make` makes of them."""
    signature = inspect.signature(command, eval_str=True)
    others = [parameter for parameter in signature.parameters.values() if parameter.name != name]

    @functools.wraps(command)
    def run(**given: Any) -> None:
        value = make(**{option.name: given.pop(option.name) for option in options})
        command(**given, **{name: value})

    run.__signature__ = signature.replace(parameters=[*others, *options])  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in (*others, *options)}
    return run

"""`gatecast fleet`: every asset of a source, on all cores or a Ray cluster."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gatecast.cli.app import Command, app
from gatecast.cli.console import print_json, progress_bar, say
from gatecast.cli.forecasting import config_of
from gatecast.cli.ledger import check_ledger
from gatecast.cli.options import (
    Calendar,
    Database,
    Json,
    Paths,
    Preset,
    Record,
    Repair,
    Seed,
    Settings,
    Source,
    reads_source,
    spreads_work,
)
from gatecast.errors import GatecastError
from gatecast.executors import Engine, prepare_process
from gatecast.readers.choices import ReadOptions

if TYPE_CHECKING:
    from gatecast.fleet.run import FleetRun

_GOES_ON = "finished assets are kept; the same command goes on from them"
_SHOWN = 20  # failures on stderr; the summary has them all


@app.command(cls=Command)
@reads_source
@spreads_work
def fleet(
    source: Source,
    out: Annotated[Path, typer.Option(metavar="DIR", readable=False, help="Write a Parquet file an asset here.")],
    per_asset: Annotated[bool, typer.Option("--per-asset", help="Forecast each asset by itself.")] = False,
    block: Annotated[int, typer.Option(min=1, help="Assets forecast together, unless --per-asset.")] = 40,
    horizon: Annotated[int, typer.Option(min=1, help="Steps ahead.")] = 30,
    paths: Paths = 1000,
    seed: Seed = 0,
    preset: Preset = "default",
    settings: Settings = None,
    calendar: Calendar = None,
    repair: Repair = False,
    record: Record = False,
    database: Database = None,
    as_json: Json = False,
    *,
    engine: Engine,
    reading: ReadOptions,
) -> None:
    """Forecast every asset of SOURCE, a table or a folder of files; a second run does what is missing only."""
    check_ledger(record, database)
    config = config_of(preset, settings, seed)
    prepare_process()
    from gatecast.fleet.run import run_fleet
    from gatecast.ledger.database import Database as Ledger
    from gatecast.readers.panels import Door

    opened = Ledger(database, create=True) if record else nullcontext()
    with progress_bar("fleet", folds_kept=_GOES_ON) as show, opened as ledger:
        run = run_fleet(
            source,
            config,
            out=out,
            per_asset=per_asset,
            block=block,
            horizon=horizon,
            paths=paths,
            seed=seed,
            engine=engine,
            door=Door(options=reading, calendar=calendar, repair=repair),
            database=ledger,
            progress=show,
            reading=show,
        )
    _tell(run)
    if as_json:
        print_json(run.to_dict())
    else:
        print(f"{len(run.made) + len(run.kept):,} of {run.document['assets']:,} assets: {run.out / 'forecasts'}")
    if not run.made and not run.kept:
        raise GatecastError(f"no asset could be forecast; see '{run.out / 'summary.json'}'. Correct the source.")


def _tell(run: FleetRun) -> None:
    """What happened, on stderr: a line for each asset that could not be forecast."""
    for failed in run.failed[:_SHOWN]:
        say(f"{failed.item or 'rows without an asset'}: {failed.reason}")
    if len(run.failed) > _SHOWN:
        say(f"{len(run.failed) - _SHOWN:,} more failed; '{run.out / 'summary.json'}' has all of them")
    more = f", {run.recorded:,} recorded" if run.recorded else ""
    say(f"{len(run.made):,} made, {len(run.kept):,} kept, {len(run.failed):,} failed{more}, {run.seconds:,.1f} s")

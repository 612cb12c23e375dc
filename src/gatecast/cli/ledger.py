"""`gatecast ledger`: the record of the forecasts that were issued, checked, settled, shown, moved."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gatecast.cli.app import Command, app
from gatecast.cli.console import print_json, progress_bar, say, say_notes
from gatecast.cli.options import Calendar, Database, Json, Repair, Source, reads_source
from gatecast.cli.outputs import is_same_file, writing
from gatecast.errors import UsageError
from gatecast.readers.choices import ReadOptions

if TYPE_CHECKING:
    from gatecast.runs.forecast import ForecastRun

ledger = typer.Typer(
    name="ledger",
    help="Forecasts that were recorded before their outcome, and how they did.",
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    no_args_is_help=True,
)
app.add_typer(ledger)


@ledger.command(cls=Command)
def show(
    item: Annotated[str | None, typer.Option("--asset", "--item", help="One asset alone.")] = None,
    model: Annotated[str | None, typer.Option(help="One model alone.")] = None,
    misses: Annotated[int, typer.Option(min=0, help="How many of the largest misses.")] = 10,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Show how recorded forecasts did: CRPS and coverage against the rivals recorded with them, the largest misses."""
    from gatecast.ledger.database import Database as Ledger
    from gatecast.ledger.summary import summarize

    with Ledger(database) as opened:
        document = summarize(opened, item=item, model=model, misses=misses).to_dict()
    if as_json:
        print_json(document)
        return
    from gatecast.faces.terminal.ledger import show_record

    show_record(document)


@ledger.command(cls=Command)
def verify(
    expect: Annotated[
        str | None, typer.Option(metavar="HASH", help="A hash that was printed earlier: the chain must contain it.")
    ] = None,
    rebuild: Annotated[bool, typer.Option("--rebuild", help="First make the summary tables anew.")] = False,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Name the first record that was changed, is missing or out of order; print the latest hash."""
    from dataclasses import asdict

    from gatecast.ledger.database import Database as Ledger
    from gatecast.ledger.verify import rebuild_derived
    from gatecast.ledger.verify import verify as verify_ledger
    from gatecast.text import counted

    with Ledger(database) as opened:
        if rebuild:
            rebuild_derived(opened)
            say("the summary tables were made anew")
        found = verify_ledger(opened, expect=expect)
    if as_json:
        print_json(asdict(found))
        return
    parts = (counted(found.forecasts, "forecast"), counted(found.outcomes, "outcome"), counted(found.voids, "void"))
    print(f"unbroken: {counted(found.rows, 'row')} ({', '.join(parts)}); latest hash {found.head}")


@ledger.command(cls=Command)
@reads_source
def score(
    source: Source,
    database: Database = None,
    calendar: Calendar = None,
    repair: Repair = False,
    as_json: Json = False,
    *,
    reading: ReadOptions,
) -> None:
    """Hold recorded forecasts that are due against the prices of SOURCE; each step is settled once."""
    from gatecast.ledger.database import Database as Ledger
    from gatecast.ledger.settling import settle
    from gatecast.readers.read import read_source
    from gatecast.text import counted

    with progress_bar("reading") as progress:
        prices = read_source(source, reading, calendar=calendar, repair=repair, progress=progress)
    with Ledger(database) as opened:
        done = settle(opened, prices, source=source)
    say_notes((*prices.all_notes(), *done.notes))
    if as_json:
        counts = {"forecasts": done.forecasts, "steps": done.steps, "waiting": done.waiting}
        print_json({**counts, "notes": [str(note) for note in done.notes]})
        return
    settled = f"settled {counted(done.steps, 'step')} of {counted(done.forecasts, 'forecast')}"
    print(f"{settled}; forecasts with steps to come: {done.waiting:,}")


@ledger.command(cls=Command)
def void(
    record: Annotated[str, typer.Argument(metavar="ID", help="The id of a record, or its first 6 characters or more.")],
    reason: Annotated[str, typer.Option(help="Why; kept with the record.")],
    database: Database = None,
) -> None:
    """Leave a recorded forecast out of every score; it stays in the ledger, with the reason."""
    from gatecast.ledger.database import Database as Ledger
    from gatecast.ledger.recording import void as void_record

    with Ledger(database) as opened:
        own = void_record(opened, record, reason)
    print(f"voided {own}")


@ledger.command(cls=Command)
def export(
    out: Annotated[
        Path | None, typer.Option(metavar="FILE.jsonl", readable=False, help="Write there; else to standard output.")
    ] = None,
    database: Database = None,
) -> None:
    """Write every record with its place in the chain, as JSON Lines."""
    from gatecast.files import write_whole
    from gatecast.ledger.database import Database as Ledger
    from gatecast.ledger.transfer import export_lines

    with Ledger(database) as opened:
        if out is not None and opened.url.database is not None and is_same_file(out, Path(opened.url.database)):
            raise UsageError(f"an output must not be the ledger; '{out}' is both. Choose another path.")
        if out is None:
            for line in export_lines(opened):
                print(line)
            return
        with writing(out):
            write_whole(out, "".join(f"{line}\n" for line in export_lines(opened)).encode())
    say(f"ledger written to {out}")


@ledger.command(name="import", cls=Command)
def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE.jsonl", help="What `gatecast ledger export` wrote.")],
    database: Database = None,
) -> None:
    """Take in an exported ledger, all of it or nothing; records that are there already are not doubled."""
    from gatecast.ledger.database import Database as Ledger
    from gatecast.ledger.transfer import import_lines
    from gatecast.text import counted, shown

    try:
        stream = sys.stdin if str(file) == "-" else file.open(encoding="utf-8", errors="replace")
    except OSError as error:
        raise UsageError(f"{shown(file)} can't be opened: {error.strerror or error}. Check the path.") from None
    with stream, Ledger(database, create=True) as opened:
        done = import_lines(opened, stream, str(file))
    print(f"imported {counted(done.new, 'new row')} of {done.rows:,}")
    if done.chained_anew:
        say("the ledger had other rows: the new ones follow these, under new hashes")


def check_ledger(record: bool, database: str | None) -> None:
    """Refuse, before hours of work and not after, a ledger that cannot be opened, or that nothing would be kept in."""
    if database is not None and not record:
        raise UsageError("--database is where --record keeps the forecast. Give --record too, or leave it out.")
    if record:
        from gatecast.ledger.database import Database as Ledger

        Ledger(database, create=True).close()


def record_run(run: ForecastRun, source: str, database: str | None) -> None:
    """Keep the forecast of a run, and say under which ids."""
    from gatecast.ledger.database import Database as Ledger
    from gatecast.ledger.recording import record, settings_hash
    from gatecast.text import counted, listed

    with Ledger(database, create=True) as opened:
        settings = settings_hash(run.config, run.forecaster.weights)
        ids = record(opened, run.forecast, run.prices, model=run.forecaster.name, settings=settings, source=source)
        say(f"recorded {counted(len(ids), 'forecast')} in {opened.name}: {listed([own[:12] for own in ids])}")

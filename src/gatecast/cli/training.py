"""`gatecast train`: one network of all assets of a source, learned on one worker or on many together."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gatecast.cli.app import Command, app
from gatecast.cli.console import progress_bar, say_notes
from gatecast.cli.forecasting import TRAINING_KEPT, config_of
from gatecast.cli.options import Calendar, Preset, Repair, Resume, Seed, Settings, Source, reads_source, spreads_work
from gatecast.cli.outputs import check_outputs
from gatecast.executors import Engine, prepare_process
from gatecast.readers.choices import ReadOptions
from gatecast.text import counted

if TYPE_CHECKING:
    from gatecast.runs.train import TrainRun


@app.command(cls=Command)
@reads_source
@spreads_work
def train(
    source: Source,
    save: Annotated[Path, typer.Option(metavar="DIR", readable=False, help="Save the trained model here.")],
    preset: Preset = "quick",
    settings: Settings = None,
    seed: Seed = 0,
    resume: Resume = False,
    calendar: Calendar = None,
    repair: Repair = False,
    *,
    engine: Engine,
    reading: ReadOptions,
) -> None:
    """Train one network on all assets of SOURCE, on workers that learn together, and save it."""
    check_outputs(source, save=save, events=reading.events)
    config = config_of(preset, settings, seed)
    prepare_process()
    from gatecast.runs.train import run_train

    with progress_bar("training", training_kept=TRAINING_KEPT) as show:
        run = run_train(
            source,
            config,
            save=save,
            resume=resume,
            engine=engine,
            calendar=calendar,
            repair=repair,
            reading=reading,
            progress=show,
        )
    say_notes(run.notes)
    print(_paragraph(run))


def _paragraph(run: TrainRun) -> str:
    """What was learned, how well, how long it took, and the command that uses it."""
    trained, record = run.trained, run.trained.record
    rows = sum(len(run.prices[item]) for item in trained.items)
    by_epoch = {epoch: loss for epoch, loss, _ in record.losses}
    return (
        f"One network learned from {counted(rows, 'row')} of {counted(len(trained.items), 'asset')} in "
        f"{counted(len(record.losses), 'epoch')}, on {counted(run.workers, 'worker')} in {run.seconds:,.1f} seconds. "
        f"Its loss on held-out days is {record.best_loss:.4f}, in training {by_epoch[record.best_epoch]:.4f}: those of "
        f"epoch {record.best_epoch}, the best. It is saved in {run.save}, and forecasts with: {run.command}"
    )

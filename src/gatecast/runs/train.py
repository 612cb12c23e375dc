"""The training run: one network learns from all items of a source, on one worker or on many together, and is saved."""

from __future__ import annotations

import secrets
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gatecast.config import Config
from gatecast.errors import TrainingError, UsageError
from gatecast.executors import LOCAL, Engine
from gatecast.groups import Member, run_group
from gatecast.models.forecaster import Forecaster
from gatecast.models.trained import Trained
from gatecast.models.trained_networks import TrainedNetworks
from gatecast.nn.together import Group
from gatecast.nn.training.loop import Progress as TrainingProgress
from gatecast.nn.training.recipe import shares_of_a_batch
from gatecast.notes import Note, merged
from gatecast.prices import PriceTable
from gatecast.readers.choices import AS_FOUND, ReadOptions, reading_words
from gatecast.readers.large import ReadProgress
from gatecast.readers.read import read_source
from gatecast.runs.forecast import settings_notes
from gatecast.runs.workspace import clear_checkpoint, has_checkpoint, model_target, timed, walked_days
from gatecast.text import counted

Progress = Callable[[TrainingProgress | ReadProgress], None]
_MARK = ".gatecast-train"


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainRun:
    """What a training made: the model in the folder `save`, of how many workers, in how many seconds.

    `command` makes forecasts with the model.
    """

    prices: PriceTable
    forecaster: Forecaster
    save: Path
    workers: int
    seconds: float
    command: str
    notes: tuple[Note, ...]

    @property
    def trained(self) -> Trained:
        """The network, and what is known of its training."""
        networks = self.forecaster.networks_
        assert isinstance(networks, TrainedNetworks)
        return networks.networks[0]


@dataclass(frozen=True, kw_only=True)
class _Job:
    """What each worker is given. `mark` is what it finds in the folder where it sees the same one."""

    prices: PriceTable
    config: Config
    save: Path
    resume: bool
    mark: str


def run_train(
    source: Any,
    config: Config,
    *,
    save: Path | str,
    resume: bool = False,
    engine: Engine = LOCAL,
    calendar: str | None = None,
    repair: bool = False,
    reading: ReadOptions = AS_FOUND,
    progress: Progress | None = None,
) -> TrainRun:
    """Train one network on all items of `source` (as `read_prices` takes it) and save it in the folder `save`.

    The workers of `engine` learn together, each from its shares of every batch: the weights are those of one process
    with the same batches, but for rounding, and come from the same rows, so that there is no look-ahead beyond its own.
    The state after each epoch is in `save` until the training has ended: a worker that dies costs the epoch at work,
    and `resume` goes on after anything else, with any number of workers. On a cluster of several machines `save` is on
    a disk that all of them see. Where `progress` raises `KeyboardInterrupt`, the run ends and the state stays. Raises
    `GatecastError` with one line.
    """
    _check(config, engine)
    folder = model_target(save).absolute()
    prices = read_source(source, reading, calendar=calendar, repair=repair, progress=progress)
    if not resume and has_checkpoint(folder):
        raise UsageError(
            f"the state of a training is kept until it has ended; '{folder}' holds that of one. Go on with "
            "resume=True, or choose another folder."
        )
    seconds: dict[str, float] = {}
    most = shares_of_a_batch(config)
    with _marked(folder) as mark, timed(seconds, "train"):
        job = _Job(prices=prices, config=config, save=folder, resume=resume, mark=mark)
        workers = run_group(_learn, job, most=most, engine=engine, told=progress or _unseen)
    forecaster = Forecaster.load(folder, walked=walked_days())
    clear_checkpoint(folder, keep_folder=True)
    of_training = forecaster.networks_.networks[0].notes if isinstance(forecaster.networks_, TrainedNetworks) else ()
    shown = str(source) if isinstance(source, str | Path) else "SOURCE"
    said = reading_words(reading, calendar, repair=repair)
    return TrainRun(
        prices=prices,
        forecaster=forecaster,
        save=folder,
        workers=workers,
        seconds=seconds["train"],
        command=shlex.join(["gatecast", "forecast", shown, *said, "--model", str(save)]),
        notes=(
            *merged(prices.all_notes(), prices.item_ids),
            *settings_notes(config),
            *of_training,
            *_idle(config, workers, most),
        ),
    )


def _unseen(progress: TrainingProgress) -> None:
    """Where nobody wants to see it."""


def _check(config: Config, engine: Engine) -> None:
    """Refuse what is not one network of the user's prices."""
    if config.start != "scratch":
        raise UsageError(
            f"a training makes a network of your prices alone; got start={config.start}, which takes the base network. "
            'Take preset="quick" or preset="reference".'
        )
    if config.per_asset:
        raise UsageError("a training makes one network of all items; got per_asset=true. Leave it out.")
    if config.device == "cuda" and (engine.kind == "ray" or engine.workers != 1):
        raise UsageError("workers learn together on processors; got device=cuda. Leave it out, or take workers=1.")


@contextmanager
def _marked(folder: Path) -> Iterator[str]:
    """A text in a file of the folder, by which a worker knows that it sees the same one."""
    mark = secrets.token_hex(8)
    try:
        (folder / _MARK).write_text(mark)
    except OSError as error:
        raise TrainingError(f"'{folder}' cannot be written ({error.strerror or error}). Free some space.") from None
    try:
        yield mark
    finally:
        with suppress(OSError):
            (folder / _MARK).unlink(missing_ok=True)


def _learn(job: _Job, member: Member) -> int:
    """What each worker does: learns its shares of every batch; the first one saves the model. How many they are."""
    with Group.met(member) as group:
        group.from_first(lambda: _check_folder(job))
        begun = group.from_first(lambda: job.resume or has_checkpoint(job.save))  # by those before, of whom one died
        config = job.config if group.size == 1 else job.config.replace(device="cpu")
        forecaster = Forecaster(config)
        forecaster.fit(job.prices, checkpoint=job.save, resume=begun, progress=member.tell, together=group)
        if forecaster.interrupted:  # half a training is no model, whose name it would have
            raise KeyboardInterrupt
        if group.rank == 0:
            forecaster.save(job.save)
        return group.size


def _check_folder(job: _Job) -> None:
    try:
        same = (job.save / _MARK).read_text() == job.mark
    except OSError:
        same = False
    if not same:
        raise UsageError(
            f"all machines of a cluster see the folder of the model; '{job.save}' is another one, or none, for a "
            "worker. Choose a folder on a disk that they share."
        )


def _idle(config: Config, workers: int, most: int) -> tuple[Note, ...]:
    """A note of the workers that had nothing to do."""
    if workers <= most:
        return ()
    idle = f"{workers - most} of {workers} workers had none to learn"
    return (Note("model", f"a batch of {config.batch} has {counted(most, 'share')}; {idle}. A larger batch has more"),)

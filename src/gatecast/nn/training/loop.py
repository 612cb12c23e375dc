"""The one training loop: early-stopped, and able to go on after any interruption, bit for bit.

What is learned is an `Objective`: a network on the user's prices (`recipe`), the base network (`base`), its adaptation
(`adapting`), the memory experiment (`recall`).
"""

from __future__ import annotations

import itertools
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from gatecast.errors import ModelError, TrainingError
from gatecast.nn.model_files import read_state, write_state
from gatecast.nn.parallel import Workers, workers_on
from gatecast.nn.together import ALONE, Group
from gatecast.nn.training.adam import FlatAdam
from gatecast.notes import Note

_FORMAT = 2  # of a checkpoint


@dataclass(frozen=True, kw_only=True)
class Batch:
    """What one update of one network learns from."""

    parts: Sequence[Callable[[], Float[Tensor, ""]]]  # the loss of a share each; their sum is the batch's
    rows: int  # targets predicted
    updates: int  # of its epoch at most
    member: int = 0  # which of the networks learns


class Objective(ABC):
    """What networks learn and how they are judged. All randomness of an epoch comes from a seed and its number."""

    @abstractmethod
    def epoch(self, number: int) -> Iterable[Sequence[Batch]]:
        """The batches of an epoch, counted from 1: of one update each, of as many networks, which learn side by side.

        Those of an update are drawn after the update before.
        """

    def held_out_loss(self, workers: Workers) -> float | None:
        """The loss on held-out data; None where there is none, so that the last weights are kept."""
        return None

    def promising(self) -> bool:
        """Whether what the held-out losses say so far is worth another epoch; asked after each."""
        return True


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Where training stands, reported after every update."""

    epoch: int
    epochs: int
    share: float  # of all updates there may be, 0 to 1
    loss: float  # training loss of this epoch so far
    validation_loss: float | None  # of the best epoch so far
    rows_per_second: float
    seconds_left: float


@dataclass(kw_only=True)
class TrainingRecord:
    """What happened: losses per epoch as (epoch, training, held-out), the best epoch (0: none), notes.

    The held-out loss is NaN where nothing is held out.
    """

    losses: list[tuple[int, float, float]] = field(default_factory=list)
    best_epoch: int = 0
    best_loss: float = math.inf
    interrupted: bool = False
    notes: list[Note] = field(default_factory=list)


@dataclass(frozen=True)
class Checkpoint:
    """The file (of several trainings: a folder) of the state after each epoch. `fingerprint` names data and settings.

    With `resume` a run goes on from it to the weights it would have had unbroken.
    """

    path: Path
    fingerprint: str
    resume: bool = False


@dataclass
class _Run:
    """One training: what a checkpoint holds and a resume restores, and what it works with."""

    objective: Objective
    optimisers: Sequence[FlatAdam]
    epochs: int
    progress: Callable[[Progress], None] | None
    workers: Workers
    best: list[Float[Tensor, " weight"]]  # weights of each network
    group: Group
    record: TrainingRecord = field(default_factory=TrainingRecord)


def train(
    objective: Objective,
    optimisers: Sequence[FlatAdam],
    *,
    epochs: int,
    patience: int = 0,
    improve: bool = False,
    checkpoint: Checkpoint | None = None,
    progress: Callable[[Progress], None] | None = None,
    group: Group = ALONE,
) -> TrainingRecord:
    """Train the networks of these optimisers and leave their best weights in them.

    Training ends after `epochs`, after `patience` of them (0: any number) without a smaller held-out loss, or where the
    objective is no longer promising; with `improve` an epoch must beat the weights as they were given. A checkpoint of
    other data or settings is refused (`ModelError`).
    An interrupt (Ctrl-C) after the first epoch keeps the best weights so far where there is a checkpoint to go on from;
    else it is raised. Raises `TrainingError` where the loss is no longer finite. The processes of a `group` train one
    network together: its first one reads and writes the checkpoint, and its held-out loss is everybody's.
    """
    with workers_on(optimisers[0].weights.device) as workers:
        kept = [optimiser.kept() for optimiser in optimisers]
        run = _Run(objective, optimisers, epochs, progress, workers, kept, group)
        given = _held_out_loss(run) if improve else None
        if given is not None:
            run.record.best_loss = given
        if checkpoint is not None and checkpoint.resume:
            _restore(run, checkpoint)
        try:
            _epochs(run, patience, checkpoint)
        except KeyboardInterrupt:
            if checkpoint is None or not run.record.best_epoch:
                raise  # a judge must not take half a training for a whole one
            run.record.interrupted = True
    for optimiser, best in zip(optimisers, run.best, strict=True):
        optimiser.weights.copy_(best)
    return run.record


def _epochs(run: _Run, patience: int, checkpoint: Checkpoint | None) -> None:
    """The epochs that are left, each judged and saved, until patience ends."""
    record = run.record
    for epoch in range(len(record.losses) + 1, run.epochs + 1):
        if patience and epoch - 1 - record.best_epoch >= patience:
            break
        if record.losses and not run.objective.promising():
            break
        loss = _finite(_epoch(run, epoch), epoch, run)
        held_out = _held_out_loss(run)
        record.losses.append((epoch, loss, math.nan if held_out is None else _finite(held_out, epoch, run)))
        if held_out is None or held_out < record.best_loss:
            record.best_epoch, record.best_loss = epoch, math.inf if held_out is None else held_out
            run.best = [optimiser.kept() for optimiser in run.optimisers]
        if checkpoint is not None and run.group.rank == 0:
            _save(run, checkpoint)


def _held_out_loss(run: _Run) -> float | None:
    """That of the first process, so that all of them end at the same epoch."""
    return run.group.from_first(lambda: run.objective.held_out_loss(run.workers))


def _epoch(run: _Run, number: int) -> float:
    """One pass over the batches; the mean training loss."""
    total, rows, began = torch.zeros((), device=run.optimisers[0].weights.device), 0, time.perf_counter()
    update = 0
    for update, batches in enumerate(run.objective.epoch(number), 1):
        total += _update(run, batches)
        rows += sum(batch.rows for batch in batches)
        if run.progress is None:
            continue
        spent = time.perf_counter() - began
        share = (number - 1 + update / batches[0].updates) / run.epochs
        run.progress(
            Progress(
                epoch=number,
                epochs=run.epochs,
                share=share,
                loss=float(total) / update,
                validation_loss=run.record.best_loss if run.record.best_epoch else None,
                rows_per_second=rows / max(spent, 1e-9),
                seconds_left=spent / update * batches[0].updates * run.epochs * (1 - share),
            )
        )
    return float(total) / max(update, 1)


def _update(run: _Run, batches: Sequence[Batch]) -> Float[Tensor, ""]:
    """One step of the optimiser of each batch, whose loss and gradient are the sums of its shares'; the mean loss."""
    own = [run.group.own(batch.parts) for batch in batches]
    shares = [(run.optimisers[batch.member], part) for batch, parts in zip(batches, own, strict=True) for part in parts]

    def learn(share: tuple[FlatAdam, Callable[[], Float[Tensor, ""]]]) -> tuple[Tensor, Tensor]:
        optimiser, part = share
        loss = part()
        return loss.detach(), optimiser.gradient_of(loss)

    learned = iter(run.workers.map(learn, shares))
    of_batches = [list(itertools.islice(learned, len(parts))) for parts in own]
    losses = [loss for of_batch in of_batches for loss, _ in of_batch]
    gradients = [[gradient for _, gradient in of_batch] for of_batch in of_batches]
    if run.group.size > 1:
        losses, gradients = _exchanged(run, batches, losses, gradients)

    def step(place: int) -> None:
        optimiser = run.optimisers[batches[place].member]
        optimiser.step(gradients[place])

    run.workers.map(step, range(len(batches)))
    return torch.stack(losses).sum() / len(batches)


def _exchanged(
    run: _Run, batches: Sequence[Batch], losses: Sequence[Tensor], gradients: Sequence[Sequence[Tensor]]
) -> tuple[list[Tensor], list[list[Tensor]]]:
    """The loss of all batches, and the gradient of each, summed over the processes of the group."""
    weights = [run.optimisers[batch.member].weights for batch in batches]
    zero = torch.zeros((), device=weights[0].device)
    own = [sum(of_batch, torch.zeros_like(of)) for of_batch, of in zip(gradients, weights, strict=True)]
    loss, *summed = run.group.summed([sum(losses, zero), *own])
    return [loss], [[gradient] for gradient in summed]


def _finite(loss: float, epoch: int, run: _Run) -> float:
    if not math.isfinite(loss):
        raise TrainingError(
            f"the loss must stay finite; it became {loss} in epoch {epoch}. Lower learning_rate "
            f"({run.optimisers[0].settings.learning_rate}) or set clip_norm=1."
        )
    return loss


def _save(run: _Run, checkpoint: Checkpoint) -> None:
    tensors: dict[str, Tensor] = {}
    for number, (optimiser, best) in enumerate(zip(run.optimisers, run.best, strict=True)):
        for name, tensor in (optimiser.state() | {"best": best}).items():
            tensors[f"{number}.{name}"] = tensor.cpu()
    record = run.record
    document = {
        "format": _FORMAT,
        "fingerprint": checkpoint.fingerprint,
        "steps": [optimiser.steps for optimiser in run.optimisers],
        "losses": record.losses,
        "best_epoch": record.best_epoch,
        "best_loss": record.best_loss,
    }
    try:
        write_state(checkpoint.path, tensors, document)
    except OSError as error:
        note = Note(
            "model",
            f"the checkpoint '{checkpoint.path}' could not be written ({error.strerror}); training went on, and cannot "
            "be resumed from its last epochs",
        )
        if note not in record.notes:
            record.notes.append(note)


def _restore(run: _Run, checkpoint: Checkpoint) -> None:
    state = run.group.from_first(lambda: read_state(checkpoint.path) if checkpoint.path.exists() else None)
    if state is None:
        run.record.notes.append(Note("model", "there was no checkpoint to resume; training started from the beginning"))
        return
    tensors, document = state
    if document.get("format") != _FORMAT or document["fingerprint"] != checkpoint.fingerprint:
        raise ModelError(
            f"resume goes on with the same prices, settings and gatecast; the checkpoint '{checkpoint.path}' is of "
            "others. Resume with those it was begun with, or train into another folder."
        )
    for number, (optimiser, steps) in enumerate(zip(run.optimisers, document["steps"], strict=True)):
        optimiser.restore({name: tensors[f"{number}.{name}"] for name in optimiser.state()}, steps)
        run.best[number] = tensors[f"{number}.best"].to(optimiser.weights)
    record = run.record
    record.losses = [(int(epoch), loss, held_out) for epoch, loss, held_out in document["losses"]]
    record.best_epoch, record.best_loss = document["best_epoch"], document["best_loss"]

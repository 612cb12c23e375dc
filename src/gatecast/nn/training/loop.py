"""The training loop: plain, weighted, early-stopped, and able to go on after any interruption, bit for bit."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from gatecast.config import Config
from gatecast.errors import ModelError, TrainingError
from gatecast.features.windows import Panel, Samples, training_samples, validation_samples
from gatecast.nn.model_files import read_state, write_state
from gatecast.nn.network import Network
from gatecast.nn.next_day import MixtureDay, PointDay
from gatecast.nn.parallel import Crew, shares, side_by_side
from gatecast.nn.training.adam import FlatAdam
from gatecast.nn.training.losses import weighted_mean


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Where training stands, told after every update."""

    epoch: int
    epochs: int
    share: float  # of all updates there may be, 0 to 1
    loss: float  # training loss of this epoch so far
    validation_loss: float | None  # of the best epoch so far
    rows_per_second: float
    seconds_left: float


@dataclass(kw_only=True)
class TrainingRecord:
    """What happened: losses per epoch as (epoch, training, validation), the best epoch, and anything to be told."""

    losses: list[tuple[int, float, float]] = field(default_factory=list)
    best_epoch: int = 0
    best_loss: float = math.inf
    interrupted: bool = False
    notes: list[str] = field(default_factory=list)


@dataclass(kw_only=True)
class _Run:
    """One training: what a checkpoint holds and a resume restores, and what it works with."""

    network: Network
    optimiser: FlatAdam
    record: TrainingRecord
    best: dict[str, Tensor]
    config: Config
    data: _Tensors
    crew: Crew


def train(
    network: Network,
    panel: Panel,
    split: np.datetime64,
    config: Config,
    *,
    checkpoint: Path | None = None,
    fingerprint: str = "",
    resume: bool = False,
    progress: Callable[[Progress], None] | None = None,
) -> TrainingRecord:
    """Train `network` in place and leave its best weights in it.

    After each epoch the whole state goes to `checkpoint`, atomically; with `resume` a run goes on from it to the
    weights it would have had unbroken. `fingerprint` names data and settings; another one's checkpoint is refused
    (`ModelError`). An interrupt (Ctrl-C) after the first epoch keeps the best weights so far
    where there is a checkpoint to go on from; else it is raised. Raises
    `TrainingError` where the loss is no longer finite.
    """
    device = next(network.parameters()).device
    with side_by_side(device) as crew:
        run = _Run(
            network=network,
            optimiser=FlatAdam(network, config),
            record=TrainingRecord(),
            best=_weights(network),
            config=config,
            data=_Tensors.of(panel, device),
            crew=crew,
        )
        if resume and checkpoint is not None:
            _restore(run, checkpoint, fingerprint)
        try:
            _epochs(run, panel, split, checkpoint, fingerprint, progress)
        except KeyboardInterrupt:
            if checkpoint is None or not run.record.best_epoch:
                raise  # a judge must not take half a training for a whole one
            run.record.interrupted = True
    network.load_state_dict(run.best)
    return run.record


def _epochs(
    run: _Run,
    panel: Panel,
    split: np.datetime64,
    checkpoint: Path | None,
    fingerprint: str,
    progress: Callable[[Progress], None] | None,
) -> None:
    """The epochs that are left, each judged and saved, until patience ends."""
    config, record = run.config, run.record
    held_out = validation_samples(panel, split, config)
    for epoch in range(len(record.losses) + 1, config.epochs + 1):
        if config.patience and epoch - 1 - record.best_epoch >= config.patience and record.best_epoch:
            break
        loss = _epoch(run, training_samples(panel, split, config, epoch), epoch, progress)
        _judge(run, epoch, loss, _finite(_validation_loss(run, held_out), epoch, config))
        if checkpoint is not None:
            _save(run, checkpoint, fingerprint)


@dataclass(frozen=True, kw_only=True)
class _Tensors:
    """The panel on the device: one tensor, seen through sliding views."""

    inputs: Float[Tensor, "row feature"]
    target: Float[Tensor, " row"]

    @classmethod
    def of(cls, panel: Panel, device: torch.device) -> _Tensors:
        return cls(
            inputs=torch.from_numpy(panel.inputs).to(device), target=torch.from_numpy(panel.target).to(device)
        )

    def windows(self, samples: Samples, chosen: Tensor) -> tuple[Tensor, Tensor]:
        """(time, batch, feature) inputs and (judged, batch) targets of the chosen samples."""
        rows = torch.arange(samples.length, device=chosen.device)[:, None] + chosen
        return self.inputs[rows], self.judged(self.target, samples, chosen)

    @staticmethod
    def judged(rows: Tensor, samples: Samples, chosen: Tensor) -> Tensor:
        first = chosen + samples.length - samples.judged
        return rows.unfold(0, samples.judged, 1)[first].T


def _epoch(run: _Run, samples: Samples, epoch: int, progress: Callable[[Progress], None] | None) -> float:
    """One pass over the samples in an order of its own; the mean training loss."""
    run.network.train()
    config, device = run.config, run.data.inputs.device
    entropy = np.random.SeedSequence([config.seed, epoch])
    order = np.random.default_rng(entropy).permutation(len(samples.starts))
    masks_from = torch.Generator(device).manual_seed(
        int(entropy.generate_state(1, np.uint64)[0] >> np.uint64(1))
    )
    starts = torch.from_numpy(samples.starts[order]).to(device)
    row_weights = torch.from_numpy(samples.row_weights).to(device)
    total, began = torch.zeros((), device=device), time.perf_counter()
    batches = torch.split(starts, config.batch)
    for number, chosen in enumerate(batches, 1):
        total += _update(run, samples, chosen, row_weights, masks_from)
        if progress is not None:
            spent = time.perf_counter() - began
            share = (epoch - 1 + number / len(batches)) / config.epochs
            progress(
                Progress(
                    epoch=epoch,
                    epochs=config.epochs,
                    share=share,
                    loss=float(total) / number,
                    validation_loss=run.record.best_loss if run.record.best_epoch else None,
                    rows_per_second=number * config.batch * samples.judged / max(spent, 1e-9),
                    seconds_left=spent / number * len(batches) * config.epochs * (1 - share),
                )
            )
    return _finite(float(total) / len(batches), epoch, config)


def _update(
    run: _Run, samples: Samples, chosen: Tensor, row_weights: Tensor, masks_from: torch.Generator
) -> Tensor:
    """One step of the optimiser on a batch, whose loss and gradient are the sums of its shares'; the loss."""
    masks = run.network.draw_masks(len(chosen), masks_from)
    weights = run.data.judged(row_weights, samples, chosen)
    judged = int((weights > 0).sum())

    def learn(share: slice) -> tuple[Tensor, Tensor]:
        inputs, target = run.data.windows(samples, chosen[share])
        own_masks = None if masks is None else masks.rows(share)
        next_day, _ = run.network(inputs, masks=own_masks, last=samples.judged)
        loss = weighted_mean(-next_day.log_prob(target), weights[:, share], judged)
        return loss.detach(), run.optimiser.gradient_of(loss)

    learned = run.crew.map(learn, shares(len(chosen), samples.length, chosen.device))
    run.optimiser.step([gradient for _, gradient in learned])
    return torch.stack([loss for loss, _ in learned]).sum()


def _finite(loss: float, epoch: int, config: Config) -> float:
    if not math.isfinite(loss):
        raise TrainingError(
            f"the loss must stay finite; it became {loss} in epoch {epoch}. Lower learning_rate "
            f"({config.learning_rate}) or set clip_norm=1."
        )
    return loss


def _validation_loss(run: _Run, samples: Samples) -> float:
    device = run.data.inputs.device
    weights = torch.from_numpy(samples.row_weights).to(device)
    starts = torch.from_numpy(samples.starts).to(device)

    def judge(share: slice) -> tuple[float, float]:
        next_day, target = _predicted(run.network, run.data, samples, starts[share])
        counts = run.data.judged(weights, samples, starts[share])
        return float((-next_day.log_prob(target) * counts).sum()), float(counts.sum())

    run.network.eval()
    losses, counts = zip(*run.crew.map(judge, shares(len(starts), samples.length, device)), strict=True)
    return math.fsum(losses) / max(math.fsum(counts), 1.0)


@torch.no_grad()
def _predicted(
    network: Network, data: _Tensors, samples: Samples, chosen: Tensor
) -> tuple[PointDay | MixtureDay, Tensor]:
    """What the network predicts of the chosen samples, without dropout, and what was observed."""
    inputs, target = data.windows(samples, chosen)
    return network(inputs, last=samples.judged)[0], target


def residuals(
    network: Network, panel: Panel, split: np.datetime64, config: Config
) -> tuple[Float[np.ndarray, " held_out"], np.ndarray]:
    """Out-of-sample errors of the held-out tail in units of each target's scale, and their panel rows."""
    network.eval()
    device = next(network.parameters()).device
    data, samples = _Tensors.of(panel, device), validation_samples(panel, split, config)
    starts, rows = torch.from_numpy(samples.starts), torch.arange(len(panel.target))

    def missed(share: slice) -> tuple[np.ndarray, np.ndarray]:
        next_day, target = _predicted(network, data, samples, starts[share].to(device))
        error = target - next_day.mean
        where = data.judged(rows, samples, starts[share])
        return error.T.flatten().cpu().numpy(), where.T.flatten().numpy()

    with side_by_side(device) as crew:
        errors, where = zip(*crew.map(missed, shares(len(starts), samples.length, device)), strict=True)
    error, row = np.concatenate(errors), np.concatenate(where)
    kept = samples.row_weights[row] > 0
    return error[kept].astype(np.float64), row[kept]


def _judge(run: _Run, epoch: int, loss: float, validation_loss: float) -> None:
    run.record.losses.append((epoch, loss, validation_loss))
    if validation_loss < run.record.best_loss:
        run.record.best_epoch, run.record.best_loss = epoch, validation_loss
        run.best = _weights(run.network)


def _weights(network: Network) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}


def _save(run: _Run, path: Path, fingerprint: str) -> None:
    tensors = {f"now.{name}": tensor for name, tensor in run.network.state_dict().items()}
    tensors |= {f"best.{name}": tensor for name, tensor in run.best.items()}
    tensors |= {"adam.mean": run.optimiser.mean, "adam.square": run.optimiser.square}
    record = run.record
    document = {
        "fingerprint": fingerprint,
        "steps": run.optimiser.steps,
        "losses": record.losses,
        "best_epoch": record.best_epoch,
        "best_loss": record.best_loss,
    }
    try:
        write_state(path, {name: tensor.detach().cpu().clone() for name, tensor in tensors.items()}, document)
    except OSError as error:
        note = f"the checkpoint '{path}' could not be written ({error.strerror}); training goes on without it"
        if note not in record.notes:
            record.notes.append(note)


def _restore(run: _Run, path: Path, fingerprint: str) -> None:
    if not path.exists():
        run.record.notes.append("there was no checkpoint to resume; training began anew")
        return
    tensors, document = read_state(path)
    if document["fingerprint"] != fingerprint:
        raise ModelError(
            f"--resume goes on with the same prices and settings; the checkpoint '{path}' has others. Train without "
            "--resume, or with what it was begun with."
        )
    run.network.load_state_dict(_part(tensors, "now."))
    run.best = _part(tensors, "best.")
    run.optimiser.mean.copy_(tensors["adam.mean"])
    run.optimiser.square.copy_(tensors["adam.square"])
    run.optimiser.steps = document["steps"]
    run.record.losses = [(int(epoch), loss, validation) for epoch, loss, validation in document["losses"]]
    run.record.best_epoch, run.record.best_loss = document["best_epoch"], document["best_loss"]


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}

"""How a network learns from the user's prices: windows or dense chunks of a panel, weighted by recency."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from gatecast.config import Config
from gatecast.features.windows import Panel, Samples, training_samples, validation_samples
from gatecast.nn.masks import Masks
from gatecast.nn.network import Network
from gatecast.nn.next_day import MixtureDay, PointDay
from gatecast.nn.parallel import Workers, shares, workers_on
from gatecast.nn.training.adam import AdamSettings, FlatAdam
from gatecast.nn.training.loop import Batch, Checkpoint, Epoch, Progress, TrainingRecord, train


def train_recipe(
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
    """Train `network` on the rows up to `split`, judged by those after; the rest as `train` has it."""
    return train(
        _Recipe(network, panel, split, config),
        [FlatAdam(network, AdamSettings.of(config))],
        epochs=config.epochs,
        patience=config.patience,
        checkpoint=None if checkpoint is None else Checkpoint(checkpoint, fingerprint, resume),
        progress=progress,
    )


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

    def predicted(
        self, network: Network, samples: Samples, chosen: Int[Tensor, " batch"], masks: Masks | None = None
    ) -> tuple[PointDay | MixtureDay, Float[Tensor, "judged batch"]]:
        """The days that the network predicts for the chosen samples, and what was observed."""
        rows = torch.arange(samples.length, device=chosen.device)[:, None] + chosen
        next_day, _ = network(self.inputs[rows], masks=masks, last=samples.judged)
        return next_day, judged(self.target, samples, chosen)


def judged(values: Tensor, samples: Samples, chosen: Int[Tensor, " batch"]) -> Tensor:
    """The values (row,) of the rows on which each of the chosen samples is judged, (judged, batch)."""
    first = chosen + samples.length - samples.judged
    return values.unfold(0, samples.judged, 1)[first].T


class _Recipe:
    """The objective: each epoch all samples in an order of its own; judged by the held-out tail."""

    def __init__(self, network: Network, panel: Panel, split: np.datetime64, config: Config) -> None:
        self.network, self.panel, self.split, self.config = network, panel, split, config
        self.device = next(network.parameters()).device
        self.data = _Tensors.of(panel, self.device)
        self.held_out = validation_samples(panel, split, config)

    def epoch(self, number: int) -> Epoch:
        samples = training_samples(self.panel, self.split, self.config, number)
        updates = math.ceil(len(samples.starts) / self.config.batch)
        return Epoch(updates=updates, batches=self._batches(samples, number))

    def _batches(self, samples: Samples, epoch: int) -> Iterator[Batch]:
        self.network.train()
        entropy = np.random.SeedSequence([self.config.seed, epoch])
        order = np.random.default_rng(entropy).permutation(len(samples.starts))
        masks_from = torch.Generator(self.device).manual_seed(
            int(entropy.generate_state(1, np.uint64)[0] >> np.uint64(1))
        )
        starts = torch.from_numpy(samples.starts[order]).to(self.device)
        row_weights = torch.from_numpy(samples.row_weights).to(self.device)
        for chosen in torch.split(starts, self.config.batch):
            masks = self.network.draw_masks(len(chosen), masks_from)
            weights = judged(row_weights, samples, chosen)
            count = int((weights > 0).sum())
            parts = [
                partial(
                    self._loss,
                    samples,
                    chosen[share],
                    None if masks is None else masks.rows(share),
                    weights[:, share],
                    count,
                )
                for share in shares(len(chosen), samples.length, self.device)
            ]
            yield Batch(parts=parts, rows=len(chosen) * samples.judged)

    def _loss(
        self, samples: Samples, chosen: Tensor, masks: Masks | None, weights: Tensor, count: int
    ) -> Float[Tensor, ""]:
        """The loss of a share of a batch that has `count` targets of any weight."""
        next_day, target = self.data.predicted(self.network, samples, chosen, masks)
        return weighted_mean(-next_day.log_prob(target), weights, count)

    def held_out_loss(self, workers: Workers) -> float:
        samples = self.held_out
        weights = torch.from_numpy(samples.row_weights).to(self.device)
        starts = torch.from_numpy(samples.starts).to(self.device)

        @torch.no_grad()
        def judge(share: slice) -> tuple[float, float]:
            next_day, target = self.data.predicted(self.network, samples, starts[share])
            counts = judged(weights, samples, starts[share])
            return float((-next_day.log_prob(target) * counts).sum()), float(counts.sum())

        self.network.eval()
        losses, counts = zip(
            *workers.map(judge, shares(len(starts), samples.length, self.device)), strict=True
        )
        return math.fsum(losses) / max(math.fsum(counts), 1.0)


def weighted_mean(
    losses: Float[Tensor, "*shape"], weights: Float[Tensor, "*shape"], judged: int
) -> Float[Tensor, ""]:
    """sum(w * loss) over the count of judged targets: weights of mean 1 keep the scale of the plain mean.

    `losses` may be a share of a batch that has `judged` targets; the means of its shares add up to its own.
    """
    return (losses * weights).sum() / max(judged, 1)


def residuals(
    network: Network, panel: Panel, split: np.datetime64, config: Config
) -> tuple[Float[np.ndarray, " held_out"], np.ndarray]:
    """Out-of-sample errors of the held-out tail in units of each target's scale, and their panel rows."""
    network.eval()
    device = next(network.parameters()).device
    data, samples = _Tensors.of(panel, device), validation_samples(panel, split, config)
    starts, rows = torch.from_numpy(samples.starts), torch.arange(len(panel.target))

    @torch.no_grad()
    def errors_of(share: slice) -> tuple[np.ndarray, np.ndarray]:
        next_day, target = data.predicted(network, samples, starts[share].to(device))
        error = target - next_day.mean
        where = judged(rows, samples, starts[share])
        return error.T.flatten().cpu().numpy(), where.T.flatten().numpy()

    with workers_on(device) as workers:
        errors, where = zip(*workers.map(errors_of, shares(len(starts), samples.length, device)), strict=True)
    error, row = np.concatenate(errors), np.concatenate(where)
    kept = samples.row_weights[row] > 0
    return error[kept].astype(np.float64), row[kept]

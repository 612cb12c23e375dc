"""How a network learns from the user's prices: windows or dense chunks of a panel, weighted by recency."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import TypeVar

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
from gatecast.nn.training.loop import Batch, Checkpoint, Objective, Progress, TrainingRecord, train

Result = TypeVar("Result")


def train_recipe(
    network: Network,
    panel: Panel,
    split: np.datetime64,
    config: Config,
    *,
    checkpoint: Checkpoint | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> TrainingRecord:
    """Train `network` on the rows up to `split`, judged by those after; the rest as `train` has it."""
    return train(
        _Recipe(network, panel, split, config),
        [FlatAdam(network, AdamSettings.of(config))],
        epochs=config.epochs,
        patience=config.patience,
        checkpoint=checkpoint,
        progress=progress,
    )


def residuals(
    network: Network, panel: Panel, split: np.datetime64, config: Config
) -> tuple[Float[np.ndarray, " held_out"], np.ndarray]:
    """Out-of-sample errors of the held-out tail in units of each target's scale, and their panel rows."""
    recipe, rows = _Recipe(network, panel, split, config), torch.arange(len(panel.target))

    def errors_of(next_day: PointDay | MixtureDay, target: Tensor, chosen: Tensor) -> tuple[np.ndarray, ...]:
        where = judged(rows, recipe.held_out, chosen.cpu())
        return (target - next_day.mean).T.flatten().cpu().numpy(), where.T.flatten().numpy()

    with workers_on(recipe.device) as workers:
        errors, where = zip(*recipe.on_held_out(errors_of, workers), strict=True)
    error, row = np.concatenate(errors), np.concatenate(where)
    kept = recipe.held_out.row_weights[row] > 0
    return error[kept].astype(np.float64), row[kept]


class _Recipe(Objective):
    """Each epoch all samples in an order of its own; judged by the held-out tail.

    The panel lies on the device as one tensor, seen through sliding views.
    """

    def __init__(self, network: Network, panel: Panel, split: np.datetime64, config: Config) -> None:
        self.network, self.panel, self.split, self.config = network, panel, split, config
        self.device = next(network.parameters()).device
        self.inputs, self.target = (torch.from_numpy(rows).to(self.device) for rows in (panel.inputs, panel.target))
        self.held_out = validation_samples(panel, split, config)

    def epoch(self, number: int) -> tuple[int, Iterator[Batch]]:
        samples = training_samples(self.panel, self.split, self.config, number)
        return math.ceil(len(samples.starts) / self.config.batch), self._batches(samples, number)

    def _batches(self, samples: Samples, epoch: int) -> Iterator[Batch]:
        self.network.train()
        entropy = np.random.SeedSequence([self.config.seed, epoch])
        order = np.random.default_rng(entropy).permutation(len(samples.starts))
        generator = torch.Generator(self.device).manual_seed(
            int(entropy.generate_state(1, np.uint64)[0] >> np.uint64(1))
        )
        starts = torch.from_numpy(samples.starts[order]).to(self.device)
        row_weights = torch.from_numpy(samples.row_weights).to(self.device)
        for chosen in torch.split(starts, self.config.batch):
            masks = self.network.draw_masks(len(chosen), generator)
            weights = judged(row_weights, samples, chosen)
            count = int((weights > 0).sum())
            loss = partial(self._loss, samples, chosen, masks, weights, count)
            parts = [partial(loss, share) for share in shares(len(chosen), samples.length, self.device)]
            yield Batch(parts=parts, rows=len(chosen) * samples.judged)

    def _loss(
        self, samples: Samples, chosen: Tensor, masks: Masks | None, weights: Tensor, count: int, share: slice
    ) -> Float[Tensor, ""]:
        """The loss of a share of a batch that has `count` targets of any weight."""
        next_day, target = self._predicted(samples, chosen[share], masks and masks.rows(share))
        return weighted_mean(-next_day.log_prob(target), weights[:, share], count)

    def held_out_loss(self, workers: Workers) -> float:
        weights = torch.from_numpy(self.held_out.row_weights).to(self.device)

        def judge(next_day: PointDay | MixtureDay, target: Tensor, chosen: Tensor) -> tuple[float, float]:
            counts = judged(weights, self.held_out, chosen)
            return float((-next_day.log_prob(target) * counts).sum()), float(counts.sum())

        losses, counts = zip(*self.on_held_out(judge, workers), strict=True)
        return math.fsum(losses) / max(math.fsum(counts), 1.0)

    def on_held_out(
        self, measure: Callable[[PointDay | MixtureDay, Tensor, Tensor], Result], workers: Workers
    ) -> list[Result]:
        """`measure` of the predicted days of the held-out samples, share by share, their targets and their starts."""
        starts = torch.from_numpy(self.held_out.starts).to(self.device)
        self.network.eval()

        @torch.no_grad()
        def measured(share: slice) -> Result:
            return measure(*self._predicted(self.held_out, starts[share]), starts[share])

        return workers.map(measured, shares(len(starts), self.held_out.length, self.device))

    def _predicted(
        self, samples: Samples, chosen: Int[Tensor, " batch"], masks: Masks | None = None
    ) -> tuple[PointDay | MixtureDay, Float[Tensor, "judged batch"]]:
        """The days that the network predicts for the chosen samples, and what was observed."""
        rows = torch.arange(samples.length, device=chosen.device)[:, None] + chosen
        next_day, _ = self.network(self.inputs[rows], masks=masks, last=samples.judged)
        return next_day, judged(self.target, samples, chosen)


def judged(values: Tensor, samples: Samples, chosen: Int[Tensor, " batch"]) -> Tensor:
    """The values (row,) of the rows on which each of the chosen samples is judged, (judged, batch)."""
    first = chosen + samples.length - samples.judged
    return values.unfold(0, samples.judged, 1)[first].T


def weighted_mean(losses: Float[Tensor, "*shape"], weights: Float[Tensor, "*shape"], judged: int) -> Float[Tensor, ""]:
    """sum(w * loss) over the count of judged targets: weights of mean 1 keep the scale of the plain mean.

    `losses` may be a share of a batch that has `judged` targets; the means of its shares add up to its own.
    """
    return (losses * weights).sum() / max(judged, 1)

"""How a network learns from the user's prices: windows or dense chunks of a panel, weighted by recency."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial

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
from gatecast.nn.together import ALONE, Group
from gatecast.nn.training.adam import AdamSettings, FlatAdam
from gatecast.nn.training.loop import Batch, Checkpoint, Objective, Progress, TrainingRecord, train


def train_recipe(
    network: Network,
    panel: Panel,
    split: np.datetime64,
    config: Config,
    *,
    checkpoint: Checkpoint | None = None,
    progress: Callable[[Progress], None] | None = None,
    group: Group = ALONE,
) -> TrainingRecord:
    """Train `network` on the rows up to `split`, judged by those after; the rest as `train` has it."""
    return train(
        _Recipe(network, panel, split, config),
        [FlatAdam(network, AdamSettings.of(config))],
        epochs=config.epochs,
        patience=config.patience,
        checkpoint=checkpoint,
        progress=progress,
        group=group,
    )


def shares_of_a_batch(config: Config) -> int:
    """In how many shares a batch is computed on a processor: more processes than that have nothing to learn.

    >>> shares_of_a_batch(Config.from_preset("reference"))
    2
    """
    length = config.context_length if config.training == "windows" else config.chunk_length
    return len(shares(config.batch, length, torch.device("cpu")))


def residuals(
    network: Network, panel: Panel, split: np.datetime64, config: Config
) -> tuple[Float[np.ndarray, " held_out"], np.ndarray]:
    """Out-of-sample errors of the held-out tail in units of each target's scale, and their panel rows."""
    recipe = _Recipe(network, panel, split, config)
    with workers_on(recipe.device) as workers:
        _, _, errors, rows = zip(*recipe.judge(workers), strict=True)
    error, row = np.concatenate(errors), np.concatenate(rows)
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

    def epoch(self, number: int) -> Iterator[list[Batch]]:
        samples = training_samples(self.panel, self.split, self.config, number)
        self.network.train()
        entropy = np.random.SeedSequence([self.config.seed, number])
        order = np.random.default_rng(entropy).permutation(len(samples.starts))
        seed = int(entropy.generate_state(1, np.uint64)[0] >> np.uint64(1))
        generator = torch.Generator(self.device).manual_seed(seed)
        starts = torch.from_numpy(samples.starts[order]).to(self.device)
        row_weights = torch.from_numpy(samples.row_weights).to(self.device)
        batches = torch.split(starts, self.config.batch)
        for chosen in batches:
            masks = self.network.draw_masks(len(chosen), generator)
            weights = judged(row_weights, samples, chosen)
            count = int((weights > 0).sum())
            loss = partial(self._loss, samples, chosen, masks, weights, count)
            parts = [partial(loss, share) for share in shares(len(chosen), samples.length, self.device)]
            yield [Batch(parts=parts, rows=len(chosen) * samples.judged, updates=len(batches))]

    def _loss(
        self, samples: Samples, chosen: Tensor, masks: Masks | None, weights: Tensor, count: int, share: slice
    ) -> Float[Tensor, ""]:
        """The loss of a share of a batch that has `count` targets of any weight."""
        next_day, target = self._predicted(samples, chosen[share], masks and masks.rows(share))
        return weighted_mean(-next_day.log_prob(target), weights[:, share], count)

    def held_out_loss(self, workers: Workers) -> float:
        losses, counts, _, _ = zip(*self.judge(workers), strict=True)
        return math.fsum(losses) / max(math.fsum(counts), 1.0)

    def judge(self, workers: Workers) -> list[tuple[float, float, np.ndarray, np.ndarray]]:
        """Of each share of the held-out samples the summed loss and weight, the errors and their panel rows."""
        samples = self.held_out
        weights, starts = (torch.from_numpy(part).to(self.device) for part in (samples.row_weights, samples.starts))
        rows = torch.arange(len(weights), device=self.device)
        self.network.eval()

        @torch.no_grad()
        def judge_share(share: slice) -> tuple[float, float, np.ndarray, np.ndarray]:
            next_day, target = self._predicted(samples, starts[share])
            counts, where = (judged(values, samples, starts[share]) for values in (weights, rows))
            loss = (-next_day.log_prob(target) * counts).sum()
            error, row = (part.T.flatten().cpu().numpy() for part in (target - next_day.mean, where))
            return float(loss), float(counts.sum()), error, row

        return workers.map(judge_share, shares(len(starts), samples.length, self.device))

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

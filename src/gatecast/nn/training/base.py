"""How the base network learns: chunks of many series, one cycle of the learning rate, and a running mean of weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from gatecast.nn.base_network import FLAGS, INPUTS, BaseNetwork, build_base
from gatecast.nn.masks import draw_kept
from gatecast.nn.next_day import FARTHEST, JointDay
from gatecast.nn.parallel import on_one_core
from gatecast.nn.training.adam import AdamSettings, FlatAdam
from gatecast.nn.training.loop import Batch, Objective, Progress, train
from gatecast.nn.training.sequences import Chunks, Pool, TrainingSequence

BATCH = 64  # chunks an update
UPDATES = 600
LEARNING_RATE = 3e-3  # the peak of one cycle
SHRINKAGE = 3e-4  # of the weights at every update of the peak's size
INPUT_DROPOUT = 0.15  # of whole columns, per chunk
NO_CROSS_SECTION = 0.35  # of the chunks of a table never see its cross-section: a single file has none
CROSS_SECTION_ENDS = 0.3  # of the chunks see it up to a row: along a path there is none
NO_KNOWN_EVENTS = 0.35  # of the chunks never see the dates of their events: most files come without
AVERAGE = 0.995  # decay of the running mean of weights, which is what is kept
RANGE_WEIGHT, VOLUME_WEIGHT = 0.3, 0.1  # of their losses beside the return's


def train_base(
    pool: Pool,
    standard: Sequence[TrainingSequence],
    seed: int,
    *,
    updates: int = UPDATES,
    kind: type[BaseNetwork] = BaseNetwork,
    progress: Callable[[Progress], None] | None = None,
) -> BaseNetwork:
    """One member of the ensemble: AdamW (Loshchilov and Hutter 2019) over one cycle (Smith and Topin 2018).

    `standard` gives the means and spreads of the inputs; its sequences have ranges, volumes, events and a
    cross-section.
    """
    network = build_base(seed, kind)
    on_one_core(partial(_standardise, network, standard))
    settings = AdamSettings(
        learning_rate=LEARNING_RATE,
        cycle=updates,
        weight_decay=SHRINKAGE / LEARNING_RATE,
        decay_vectors=False,
        clip_norm=1.0,
        average=AVERAGE,
    )
    train(_FromPool(network, pool, seed, updates), [FlatAdam(network, settings)], epochs=1, progress=progress)
    return network


def _standardise(network: BaseNetwork, standard: Sequence[TrainingSequence]) -> None:
    """Give the network the means and spreads of its inputs."""
    across = torch.cat([sequence.inputs.cross_section for sequence in standard])
    for name, values in (
        ("input", torch.cat([sequence.inputs.signals for sequence in standard])),
        ("cross_section", across[across.isfinite().all(dim=1)]),
        ("event", torch.cat([sequence.inputs.events for sequence in standard])),
    ):
        if len(values) > 1:  # a few series have no cross-section
            getattr(network, f"{name}_mean").copy_(values.mean(dim=0))
            getattr(network, f"{name}_std").copy_(values.std(dim=0) + 1e-6)


@dataclass(frozen=True)
class _FromPool(Objective):
    """One epoch of chunks drawn from a pool, nothing held out: the years that follow judge the ensemble."""

    network: BaseNetwork
    pool: Pool
    seed: int
    updates: int

    def epoch(self, number: int) -> Iterator[list[Batch]]:
        rng, generator = np.random.default_rng(self.seed), torch.Generator().manual_seed(self.seed)
        for _ in range(self.updates):
            chunks = self.pool.draw(BATCH, rng)
            loss = partial(chunk_loss, self.network, chunks, generator)
            yield [Batch(parts=[loss], rows=chunks.observed[..., 0].numel(), updates=self.updates)]


def chunk_loss(network: BaseNetwork, chunks: Chunks, generator: torch.Generator) -> Float[Tensor, ""]:
    """The training loss of these chunks, with dropout."""
    return joint_loss(predicted(network, chunks, generator), chunks.observed)


def predicted(network: BaseNetwork, chunks: Chunks, generator: torch.Generator | None = None) -> JointDay:
    """The day after each row from a zero state; with a generator, inputs and hidden units are dropped."""
    inputs, masks = chunks.inputs, None
    if generator is not None:
        inputs = replace(inputs, cross_section=_dropped(inputs.cross_section, generator))
        count = chunks.observed.shape[1]
        if network.known_events:
            dated = draw_kept((count, 1), 1 - NO_KNOWN_EVENTS, generator) > 0
            inputs = replace(inputs, known=inputs.known * dated, passed=inputs.passed * dated)
        kept = draw_kept((count, INPUTS), 1 - INPUT_DROPOUT, generator)
        kept[:, -FLAGS - 1 :] = 1.0
        masks = replace(network.draw_masks(count, generator), inputs=kept)
    day: JointDay = network(inputs, masks=masks)[0]
    return replace(day, location=day.location * chunks.drift_factor)


def _dropped(cross_section: Float[Tensor, "time batch cross_section"], generator: torch.Generator) -> Tensor:
    """The cross-section, absent from some chunks, and from others from some row on."""
    time, count = cross_section.shape[:2]
    present = draw_kept((count,), 1 - NO_CROSS_SECTION, generator) > 0
    ends = torch.randint(1, time, (count,), generator=generator)
    ends = torch.where(draw_kept((count,), CROSS_SECTION_ENDS, generator) > 0, ends, time)
    kept = present & (torch.arange(time)[:, None] < ends)
    return cross_section.where(kept[..., None], torch.nan)


def joint_loss(day: JointDay, observed: Float[Tensor, "*rows 3"]) -> Float[Tensor, ""]:
    """The mean negative log-likelihood of return, range and volume, the latter two where there are any."""
    known = observed.isfinite()
    y, log_range, volume = torch.where(known, observed, 0.0).unbind(dim=-1)
    y = y.clamp(-FARTHEST, FARTHEST)
    loss = _mean(-day.return_log_prob(y), known[..., 0])
    centre = day.range_centre(y)
    range_error = (log_range - centre) / day.range_spread
    loss = loss + RANGE_WEIGHT * _mean(0.5 * range_error.square() + day.range_spread.log(), known[..., 1])
    volume_error = volume.clamp(-3, 3) - day.volume_centre(range_error.detach() * known[..., 1])
    volume_error = volume_error / day.volume_spread
    return loss + VOLUME_WEIGHT * _mean(0.5 * volume_error.square() + day.volume_spread.log(), known[..., 2])


def _mean(losses: Float[Tensor, "*rows"], known: Tensor) -> Float[Tensor, ""]:
    return (losses * known).sum() / known.sum().clamp(min=1)

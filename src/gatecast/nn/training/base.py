"""How the base network learns: chunks of many series, some with their ranges or volumes hidden, and a mean of weights.

A version of a series without its ranges is a sequence of its own, as its scale differs.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from gatecast.features.signal_windows import BaseInputs, SignalRows, signal_rows
from gatecast.features.signals import next_day
from gatecast.nn.base_network import FLAGS, INPUTS, BaseNetwork, build_base
from gatecast.nn.masks import draw_kept
from gatecast.nn.next_day import FARTHEST, JointDay
from gatecast.prices import PriceSeries

CHUNK = 120  # rows; half a year
BATCH = 64  # chunks an update
UPDATES = 600
LEARNING_RATE = 3e-3  # the peak of one cycle
SHRINKAGE = 3e-3  # of the weights at every update of the peak's size
INPUT_DROPOUT = 0.15  # of whole columns, per chunk
NO_CROSS_SECTION = 0.35  # of the chunks of a table never see its market: a single file has none
CROSS_SECTION_ENDS = 0.3  # of the chunks see it up to a row: along a path there is none
AVERAGE = 0.995  # decay of the running mean of weights, which is what is kept
RANGE_WEIGHT, VOLUME_WEIGHT = 0.3, 0.1  # of their losses beside the return's


@dataclass(frozen=True, kw_only=True)
class TrainingSequence:
    """One version of one series as tensors, (time, ...): what is seen at each row, and the day observed after it."""

    inputs: BaseInputs
    observed: Float[Tensor, "time 3"]
    days: np.ndarray

    @classmethod
    def of_table(
        cls,
        table: Sequence[PriceSeries],
        *,
        ranges: bool = True,
        volumes: bool = True,
        cross_section: bool = True,
    ) -> list[TrainingSequence]:
        """A sequence each: the rows from START on whose next day is known; false hides these columns."""
        rows = signal_rows(table, ranges=ranges, volumes=volumes, cross_section=cross_section)
        return [cls._of(series, part) for series, part in zip(table, rows, strict=True)]

    @classmethod
    def _of(cls, series: PriceSeries, rows: SignalRows) -> TrainingSequence:
        arrays = BaseInputs(
            signals=rows.signals.values,
            flags=np.broadcast_to(rows.flags, (len(rows.events), FLAGS)),
            cross_section=rows.cross_section,
            events=rows.events,
            expected=rows.expected,
        )
        observed = next_day(rows.moves, rows.signals, rows.first)
        return cls(
            inputs=_each(arrays, lambda values: torch.tensor(values[:-1], dtype=torch.float32)),
            observed=torch.tensor(observed[:-1], dtype=torch.float32),
            days=series.timestamps[2 + rows.first :],
        )

    def __len__(self) -> int:
        return len(self.observed)

    def rows(self, start: int, stop: int) -> TrainingSequence:
        """The rows `start..stop` as a sequence of their own."""
        return TrainingSequence(
            inputs=_each(self.inputs, lambda values: values[start:stop]),
            observed=self.observed[start:stop],
            days=self.days[start:stop],
        )


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Chunks side by side, (time, batch, ...)."""

    inputs: BaseInputs
    observed: Float[Tensor, "time batch 3"]

    @classmethod
    def of(cls, chunks: Sequence[TrainingSequence]) -> Batch:
        """Sequences of one length as a batch."""
        names = [field.name for field in fields(BaseInputs)]
        return cls(
            inputs=BaseInputs(
                **{
                    name: torch.stack([getattr(chunk.inputs, name) for chunk in chunks], dim=1)
                    for name in names
                }
            ),
            observed=torch.stack([chunk.observed for chunk in chunks], dim=1),
        )


def _each(inputs: BaseInputs, change: Callable[[Any], Any]) -> BaseInputs:
    return BaseInputs(**{field.name: change(getattr(inputs, field.name)) for field in fields(inputs)})


@dataclass(frozen=True)
class Pool:
    """Sequences in groups: a group is drawn by its share, a chunk in it at any place, all equally likely."""

    groups: tuple[tuple[float, tuple[TrainingSequence, ...]], ...]

    @classmethod
    def of(cls, groups: Mapping[str, tuple[float, Sequence[TrainingSequence]]]) -> Pool:
        """Groups of (share, sequences); those too short for a chunk are left out."""
        kept = [
            (share, tuple(one for one in sequences if len(one) >= CHUNK))
            for share, sequences in groups.values()
        ]
        return cls(tuple((share, sequences) for share, sequences in kept if sequences))

    def draw(self, rng: np.random.Generator) -> Batch:
        """One batch of chunks."""
        shares = np.array([share for share, _ in self.groups])
        chunks = []
        for group in rng.choice(len(shares), BATCH, p=shares / shares.sum()):
            sequences = self.groups[group][1]
            places = np.cumsum([len(one) - CHUNK + 1 for one in sequences])
            place = int(rng.integers(places[-1]))
            which = int(np.searchsorted(places, place, side="right"))
            start = place - (int(places[which - 1]) if which else 0)
            chunks.append(sequences[which].rows(start, start + CHUNK))
        return Batch.of(chunks)


def predicted(network: BaseNetwork, batch: Batch, generator: torch.Generator | None = None) -> JointDay:
    """The day after each row from a blank memory; with a generator, inputs and hidden units are dropped."""
    if generator is None:
        day: JointDay = network(batch.inputs)[0]
        return day
    inputs = replace(batch.inputs, cross_section=_dropped(batch.inputs.cross_section, generator))
    count = batch.observed.shape[1]
    kept = draw_kept((count, INPUTS), 1 - INPUT_DROPOUT, generator)
    kept[:, -FLAGS - 1 :] = 1.0
    masks = replace(network.draw_masks(count, generator), inputs=kept)
    dropped: JointDay = network(inputs, masks=masks)[0]
    return dropped


def _dropped(
    cross_section: Float[Tensor, "time batch cross_section"], generator: torch.Generator
) -> Float[Tensor, "time batch cross_section"]:
    """The cross-section, absent from some chunks, and from others from some row on."""
    time, count = cross_section.shape[:2]
    there = draw_kept((count,), 1 - NO_CROSS_SECTION, generator) > 0
    ends = torch.randint(1, time, (count,), generator=generator)
    ends = torch.where(draw_kept((count,), CROSS_SECTION_ENDS, generator) > 0, ends, time)
    kept = there & (torch.arange(time)[:, None] < ends)
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


def train_base(
    pool: Pool,
    standard: Sequence[TrainingSequence],
    seed: int,
    *,
    updates: int = UPDATES,
    kind: type[BaseNetwork] = BaseNetwork,
) -> BaseNetwork:
    """One member of the ensemble: AdamW (Loshchilov and Hutter 2019) over one cycle (Smith and Topin 2018).

    `standard` gives the means and spreads of the inputs; its sequences have ranges, volumes, echoes and a market.
    """
    network = build_base(seed, kind)
    market = torch.cat([one.inputs.cross_section for one in standard])
    for name, values in (
        ("input", torch.cat([one.inputs.signals for one in standard])),
        ("cross_section", market[market.isfinite().all(dim=1)]),
        ("event", torch.cat([one.inputs.events for one in standard])),
    ):
        if len(values) > 1:  # a few series have no market
            getattr(network, f"{name}_mean").copy_(values.mean(dim=0))
            getattr(network, f"{name}_std").copy_(values.std(dim=0) + 1e-6)
    matrices = [weight for weight in network.parameters() if weight.dim() > 1]
    vectors = [weight for weight in network.parameters() if weight.dim() <= 1]
    optimiser = torch.optim.AdamW(
        [
            {"params": matrices, "weight_decay": SHRINKAGE / LEARNING_RATE},
            {"params": vectors, "weight_decay": 0},
        ],
        lr=LEARNING_RATE,
    )
    cycle = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, LEARNING_RATE, total_steps=updates, pct_start=0.1, div_factor=10, final_div_factor=50
    )
    rng, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    average = copy.deepcopy(network)
    for update in range(updates):
        batch = pool.draw(rng)
        loss = joint_loss(predicted(network, batch, generator), batch.observed)
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        cycle.step()
        decay = min(AVERAGE, (1 + update) / (10 + update))
        with torch.no_grad():
            for kept, weight in zip(average.parameters(), network.parameters(), strict=True):
                kept.lerp_(weight, 1 - decay)
    return average

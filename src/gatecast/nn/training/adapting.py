"""The base network on a user's own prices: a few small steps, kept only where they help on days held out."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import groupby

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from gatecast.config import Config
from gatecast.errors import TrainingError
from gatecast.features.signals import START
from gatecast.nn.base_network import BaseNetwork
from gatecast.nn.parallel import Workers
from gatecast.nn.training.adam import AdamSettings, FlatAdam
from gatecast.nn.training.base import chunk_loss, predicted
from gatecast.nn.training.loop import Batch, Objective, train
from gatecast.nn.training.sequences import CHUNK, Chunks, TrainingSequence
from gatecast.prices import PriceSeries

LEARNING_RATE = 3e-4  # a tenth of what the base learned with: the weights are nearly right
EPOCHS, PATIENCE = 12, 1  # held-out losses fall for many epochs or for none: more patience gains next to nothing
BATCH = 8  # chunks an update; one history has few
UPDATES = 20  # an epoch at most, whatever the table's size
NEEDED = 2.0  # standard errors that a gain must have to be kept, and half of them after the first epoch to go on
TAILS_AT_ONCE = 8  # held-out tails of one length that are read side by side
Tail = tuple[TrainingSequence, int]  # and the row from which it is held out
NEVER = np.datetime64("1678-01-01", "ns")  # before any price; an earlier one does not fit beside them in nanoseconds
LEAST_LEARNED, LEAST_HELD_OUT = 2 * CHUNK, 60  # rows; fewer cannot tell a gain from luck


@dataclass(frozen=True, kw_only=True)
class Adaptation:
    """The members to forecast with, and what the held-out days said of the change.

    `until` is the last day an adaptation learned from. `gain` is the mean log density gained a held-out day, in
    nats, `error` its standard error, the items of a day taken together, as they gain and lose together (Cameron and
    Miller 2015); both are 0 where nothing was tried. `losses` has (epoch, training, held-out) as
    every training record.
    """

    members: tuple[BaseNetwork, ...]
    kept: bool
    until: np.datetime64 = NEVER
    gain: float = 0.0
    error: float = 0.0
    held_out: int = 0
    losses: tuple[tuple[int, float, float], ...] = ()


def adapt(
    members: Sequence[BaseNetwork], series: Sequence[PriceSeries], config: Config, *, known: np.datetime64 = NEVER
) -> Adaptation:
    """Train every member further on the rows before the held-out tail; keep it if it gains twice the error there.

    The tail is the last `config.validation` of all timestamps, without those the members have learned from already, up
    to `known`. The best of the epochs there counts, and the best of many is lucky: a gain of one error would often be
    luck, so two are asked for.
    """
    unadapted = Adaptation(members=tuple(members), kept=False)
    # What is shorter adds nothing to the cross-section either.
    table = [item for item in series if len(item) > START + 2]
    sequences = TrainingSequence.of_table(table, cross_section=config.cross_section)
    sequences = [sequence for sequence in sequences if len(sequence) > CHUNK - START]
    if not sequences:
        return unadapted
    days = np.unique(np.concatenate([sequence.days for sequence in sequences]))
    split = max(days[int(len(days) * (1 - config.validation)) - 1], known)
    ends = [(sequence, int(np.searchsorted(sequence.days, split, side="right"))) for sequence in sequences]
    learned = [sequence.rows(0, end) for sequence, end in ends if end >= CHUNK]
    held_out = sum(len(sequence) - end for sequence, end in ends)
    if sum(map(len, learned)) < LEAST_LEARNED or held_out < LEAST_HELD_OUT:
        return unadapted
    tails = sorted(((sequence, end) for sequence, end in ends if end < len(sequence)), key=_rows_read)
    objective = _Adapting(members=copy.deepcopy(tuple(members)), learned=learned, tails=tails, seed=config.seed)
    settings = AdamSettings(learning_rate=LEARNING_RATE, clip_norm=1.0)
    optimisers = [FlatAdam(member, settings) for member in objective.members]
    tried = replace(unadapted, until=split, held_out=held_out)
    try:
        record = train(objective, optimisers, epochs=EPOCHS, patience=PATIENCE, improve=True)
    except TrainingError:  # the loss is no longer finite, so nothing is gained
        return tried
    gain, error = objective.gain(record.best_epoch)
    tried = replace(tried, gain=gain, error=error, losses=tuple(record.losses))
    return replace(tried, members=objective.members, kept=True) if gain > NEEDED * error else tried


@dataclass(frozen=True, kw_only=True)
class _Adapting(Objective):
    """The members one after another in each epoch, judged by the density that their mixture gives the tails.

    `tails` are those of one length one after the other. `densities` holds those of the members as they were
    given, then of each epoch.
    """

    members: tuple[BaseNetwork, ...]
    learned: Sequence[TrainingSequence]
    tails: Sequence[Tail]
    seed: int
    densities: list[Float[np.ndarray, " held_out"]] = field(default_factory=list)

    def epoch(self, number: int) -> Iterator[list[Batch]]:
        """Half-overlapping chunks in another order for each member, or as many updates as an epoch may have."""
        drawn = [self._drawn(np.random.default_rng([self.seed, number, which])) for which in range(len(self.members))]
        generators = [
            torch.Generator().manual_seed(int(np.random.default_rng([self.seed, number, which, 1]).integers(2**63)))
            for which in range(len(self.members))
        ]
        updates = min(map(len, drawn))  # a random first chunk may leave room for one more or less
        for parts in zip(*drawn, strict=False):
            batches = []
            for which, (places, member, generator) in enumerate(zip(parts, self.members, generators, strict=True)):
                chunks = Chunks.of([sequence.rows(start, start + CHUNK) for sequence, start in places])
                loss = partial(chunk_loss, member, chunks, generator)
                rows = chunks.observed[..., 0].numel()
                batches.append(Batch(parts=[loss], rows=rows, updates=updates, member=which))
            yield batches

    def _drawn(self, rng: np.random.Generator) -> list[list[tuple[TrainingSequence, int]]]:
        """The chunks of each update of an epoch."""
        places = []
        for sequence in self.learned:
            count = len(sequence) - CHUNK + 1
            starts = range(int(rng.integers(CHUNK // 2)) % count, count, CHUNK // 2)
            places += [(sequence, start) for start in starts]
        order = rng.permutation(len(places))[: UPDATES * BATCH]
        return [[places[place] for place in order[first : first + BATCH]] for first in range(0, len(order), BATCH)]

    def held_out_loss(self, workers: Workers) -> float:
        batches = [
            tails[first : first + TAILS_AT_ONCE]
            for tails in (list(alike) for _, alike in groupby(self.tails, _rows_read))
            for first in range(0, len(tails), TAILS_AT_ONCE)
        ]
        parts = [(member, tails) for tails in batches for member in self.members]
        each = workers.map(self._tail_density, parts)
        size = len(self.members)
        mixtures = [
            torch.logsumexp(torch.stack(each[first : first + size]), dim=0) - np.log(size)
            for first in range(0, len(each), size)
        ]
        of_tails = [
            mixture[-(len(sequence) - end) :, place]
            for mixture, tails in zip(mixtures, batches, strict=True)
            for place, (sequence, end) in enumerate(tails)
        ]
        self.densities.append(np.asarray(torch.cat(of_tails).numpy(), dtype=np.float64))
        return -float(self.densities[-1].mean())

    def promising(self) -> bool:
        """Whether the last epoch's gain is sure enough to be kept, or becoming so: few that are neither ever are."""
        before, now = (self.gain(number) for number in (len(self.densities) - 2, len(self.densities) - 1))
        sure = _errors(now)
        return sure >= NEEDED or (sure >= NEEDED / 2 and sure > _errors(before))

    def gain(self, epoch: int) -> tuple[float, float]:
        """The mean log density that the members have gained a held-out day since they were given; its standard error.

        Items of a day gain and lose together, and count as one.
        """
        gains = self.densities[epoch] - self.densities[0]
        _, day = np.unique(np.concatenate([of.days[end:] for of, end in self.tails]), return_inverse=True)
        of_day = np.bincount(day, weights=gains - gains.mean())
        return float(gains.mean()), float(np.sqrt(np.square(of_day).sum()) / len(gains))

    @staticmethod
    @torch.no_grad()
    def _tail_density(part: tuple[BaseNetwork, list[Tail]]) -> Float[Tensor, "row tail"]:
        """The log density that a member gave the returns of tails of one length, read from two chunks before them."""
        member, tails = part
        chunks = Chunks.of([sequence.rows(_first_read(end), len(sequence)) for sequence, end in tails])
        return predicted(member, chunks).return_log_prob(chunks.observed[..., 0])


def _first_read(end: int) -> int:
    return max(end - 2 * CHUNK, 0)


def _rows_read(tail: Tail) -> int:
    sequence, end = tail
    return len(sequence) - _first_read(end)


def _errors(gain: tuple[float, float]) -> float:
    """How many standard errors a gain is; 0 where there is none."""
    mean, error = gain
    return mean / error if error > 0 else 0.0

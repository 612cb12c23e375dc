"""The base network on a user's own prices: a few small steps, kept only where they help on days held out."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from gatecast.config import Config
from gatecast.features.signals import START
from gatecast.nn.base_network import BaseNetwork
from gatecast.nn.parallel import one_core
from gatecast.nn.training.adam import FlatAdam
from gatecast.nn.training.base import CHUNK, Batch, TrainingSequence, joint_loss, predicted
from gatecast.prices import PriceSeries

LEARNING_RATE = 3e-4  # a tenth of what the base learned with: the weights are nearly right
EPOCHS, PATIENCE = 12, 3
BATCH = 8  # chunks an update; one history has few
UPDATES = 40  # an epoch at most, whatever the table's size
NEVER = np.datetime64("0001-01-01")
LEAST_LEARNED, LEAST_HELD_OUT = 2 * CHUNK, 60  # rows; fewer cannot tell a gain from luck


@dataclass(frozen=True, kw_only=True)
class Adaptation:
    """The members to forecast with, and what the held-out days said of the change.

    `until` is the last day an adaptation learned from. `gain` is the mean log density gained a held-out day, in
    nats, `error` its standard error; both are 0 where nothing was tried. `losses` has (epoch, training, held-out) as
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
    members: Sequence[BaseNetwork],
    series: Sequence[PriceSeries],
    config: Config,
    *,
    known: np.datetime64 = NEVER,
) -> Adaptation:
    """Train every member further on the rows before the held-out tail; keep it if it gains twice the error there.

    The tail is the last `config.validation` of all timestamps, without those the members have learned from already, up
    to `known`. One core does it, so that the sums are the same on any number of them. The best of the epochs there
    counts, and the best of many is lucky: a gain of one error would often be luck, so two are asked for.
    """
    with one_core():
        return _adapted(members, series, config, known)


def _adapted(
    members: Sequence[BaseNetwork], series: Sequence[PriceSeries], config: Config, known: np.datetime64
) -> Adaptation:
    told = [one for one in series if len(one) > START + 2]  # the rest has nothing to tell the others either
    each = TrainingSequence.of_table(told, cross_section=config.cross_section)
    sequences = [one for one in each if len(one) > CHUNK - START]
    if not sequences:
        return Adaptation(members=tuple(members), kept=False)
    days = np.unique(np.concatenate([one.days for one in sequences]))
    split = max(days[int(len(days) * (1 - config.validation)) - 1], known)
    before = [int(np.searchsorted(one.days, split, side="right")) for one in sequences]
    learned = [one.rows(0, end) for one, end in zip(sequences, before, strict=True) if end >= CHUNK]
    tails = [len(one) - end for one, end in zip(sequences, before, strict=True)]
    if sum(map(len, learned)) < LEAST_LEARNED or sum(tails) < LEAST_HELD_OUT:
        return Adaptation(members=tuple(members), kept=False)
    ours = tuple(copy.deepcopy(member) for member in members)
    steps = Config(learning_rate=LEARNING_RATE)
    optimisers = [FlatAdam(one, steps) for one in ours]
    unadapted = _held_out(members, sequences, before)
    best, best_score, best_weights = 0, unadapted, [_weights(one) for one in ours]
    losses = []
    for epoch in range(1, EPOCHS + 1):
        rng = np.random.default_rng([config.seed, epoch])
        masks = torch.Generator().manual_seed(int(rng.integers(2**63)))
        loss = float(
            np.mean(
                [
                    _epoch(one, optimiser, learned, rng, masks)
                    for one, optimiser in zip(ours, optimisers, strict=True)
                ]
            )
        )
        score = _held_out(ours, sequences, before)
        losses.append((epoch, loss, -float(score.mean())))
        if score.mean() > best_score.mean():
            best, best_score, best_weights = epoch, score, [_weights(one) for one in ours]
        if epoch - best >= PATIENCE:
            break
    gains = best_score - unadapted
    gain, error = float(gains.mean()), float(gains.std() / np.sqrt(len(gains)))
    kept = best > 0 and gain > 2 * error
    for one, weights in zip(ours, best_weights, strict=True):
        one.load_state_dict(weights)
    return Adaptation(
        members=ours if kept else tuple(members),
        kept=kept,
        until=split,
        gain=gain,
        error=error,
        held_out=len(gains),
        losses=tuple(losses),
    )


def _epoch(
    network: BaseNetwork,
    optimiser: FlatAdam,
    sequences: Sequence[TrainingSequence],
    rng: np.random.Generator,
    masks: torch.Generator,
) -> float:
    """One pass over half-overlapping chunks, or as many updates as an epoch may have; the mean loss."""
    chunks = [
        (one, start)
        for one in sequences
        for start in range(
            int(rng.integers(CHUNK // 2)) % (len(one) - CHUNK + 1), len(one) - CHUNK + 1, CHUNK // 2
        )
    ]
    order = rng.permutation(len(chunks))[: UPDATES * BATCH]
    total = []
    for first in range(0, len(order), BATCH):
        chosen = [chunks[place] for place in order[first : first + BATCH]]
        batch = Batch.of([one.rows(start, start + CHUNK) for one, start in chosen])
        loss = joint_loss(predicted(network, batch, masks), batch.observed)
        optimiser.step([optimiser.gradient_of(loss)])
        total.append(loss.detach())
    return float(torch.stack(total).mean())


@torch.no_grad()
def _held_out(
    members: Sequence[BaseNetwork], sequences: Sequence[TrainingSequence], before: Sequence[int]
) -> Float[np.ndarray, " held_out"]:
    """The log density the members' mixture gave each held-out return."""
    scores = []
    for sequence, end in zip(sequences, before, strict=True):
        if end == len(sequence):
            continue
        first = max(end - 2 * CHUNK, 0)
        batch = Batch.of([sequence.rows(first, len(sequence))])
        y = batch.observed[end - first :, 0, 0]
        each = torch.stack([_tail_density(one, batch, y) for one in members])
        scores.append((torch.logsumexp(each, dim=0) - np.log(len(members))).numpy())
    return np.concatenate(scores).astype(np.float64)


def _tail_density(network: BaseNetwork, batch: Batch, y: Float[Tensor, " tail"]) -> Float[Tensor, " tail"]:
    day = predicted(network, batch)
    first = len(day.scale) - len(y)
    return day.return_log_prob(batch.observed[..., 0])[first:, 0]


def _weights(network: BaseNetwork) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}

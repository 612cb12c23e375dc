"""How the base network learns: chunks of many series, some with their ranges or volumes hidden, and a mean of weights.

A version of a series without its ranges is a lesson of its own, as its scale differs.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from gatecast.features.cross_section import Seen, market_rows
from gatecast.features.event_calendar import Almanac, history_echoes, summary
from gatecast.features.signals import START, Moves, Signals, history_signals, next_day
from gatecast.nn.joint import DROPOUT, FLAGS, HIDDEN, INPUTS, Day, JointNetwork, build_joint, draw_mask
from gatecast.prices import PriceSeries

CHUNK = 120  # rows; half a year
BATCH = 64  # chunks an update
UPDATES = 600
LEARNING_RATE = 3e-3  # the peak of one cycle
SHRINKAGE = 3e-3  # of the weights at every update of the peak's size
INPUT_DROPOUT = 0.15  # of whole columns, per chunk
NO_MARKET = 0.35  # of the chunks of a table never see its market: a single file has none
MARKET_ENDS = 0.3  # of the chunks see it up to a row: along a path there is none
AVERAGE = 0.995  # decay of the running mean of weights, which is what is kept
RANGE_WEIGHT, VOLUME_WEIGHT = 0.3, 0.1  # of their losses beside the return's
_FARTHEST = 30.0  # scales; an error beyond counts as this one


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """One version of one series as tensors, (time, ...): what is seen at each row, and the day after it."""

    signals: Float[Tensor, "time signal"]
    market: Float[Tensor, "time market"]
    flags: Float[Tensor, "time flag"]
    echoes: Float[Tensor, "time echo"]
    expected: Float[Tensor, "time summary"]
    after: Float[Tensor, "time 3"]
    days: np.ndarray

    @classmethod
    def of(cls, series: PriceSeries, *, ranges: bool = True, volumes: bool = True) -> Lesson:
        """The lesson of a series by itself."""
        return cls.of_table([series], ranges=ranges, volumes=volumes)[0]

    @classmethod
    def of_table(
        cls, table: Sequence[PriceSeries], *, ranges: bool = True, volumes: bool = True
    ) -> list[Lesson]:
        """A lesson each: the rows from START on whose next day is known; `ranges`, `volumes` false hides them."""
        parts = []
        for series in table:
            moves = Moves.of(series)
            moves = replace(
                moves,
                day_range=moves.day_range if ranges else None,
                log_volume=moves.log_volume if volumes else None,
            )
            parts.append((series, moves, history_signals(moves)))
        seen = [
            Seen(
                timestamps=series.timestamps[1 + START :],
                signals=signals.since(START),
                ranged=moves.day_range is not None,
            )
            for series, moves, signals in parts
        ]
        return [cls._of(*part, market) for part, market in zip(parts, market_rows(seen), strict=True)]

    @classmethod
    def _of(
        cls, series: PriceSeries, moves: Moves, signals: Signals, market: Float[np.ndarray, "row market"]
    ) -> Lesson:
        echoes = history_echoes(Almanac.of(series, moves), len(moves))
        expected = np.vstack([np.zeros((1, summary(echoes).shape[1])), summary(echoes)[:-1]])
        flags = np.broadcast_to(
            [moves.day_range is not None, moves.log_volume is not None], (len(moves), FLAGS)
        )
        rows = slice(START, len(moves) - 1)
        tensors = [
            torch.tensor(values[rows], dtype=torch.float32)
            for values in (signals.values, flags, echoes, expected, next_day(moves, signals))
        ]
        return cls(
            signals=tensors[0],
            market=torch.tensor(market[:-1], dtype=torch.float32),
            flags=tensors[1],
            echoes=tensors[2],
            expected=tensors[3],
            after=tensors[4],
            days=series.timestamps[2:][rows],
        )

    def __len__(self) -> int:
        return len(self.signals)

    def rows(self, start: int, stop: int) -> Lesson:
        """The rows `start..stop` as a lesson of their own."""
        return Lesson(
            signals=self.signals[start:stop],
            market=self.market[start:stop],
            flags=self.flags[start:stop],
            echoes=self.echoes[start:stop],
            expected=self.expected[start:stop],
            after=self.after[start:stop],
            days=self.days[start:stop],
        )


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Chunks side by side, (time, batch, ...), as `Lesson` has them."""

    signals: Float[Tensor, "time batch signal"]
    market: Float[Tensor, "time batch market"]
    flags: Float[Tensor, "time batch flag"]
    echoes: Float[Tensor, "time batch echo"]
    expected: Float[Tensor, "time batch summary"]
    after: Float[Tensor, "time batch 3"]

    @classmethod
    def of(cls, chunks: Sequence[Lesson]) -> Batch:
        """Lessons of one length as a batch."""
        return cls(
            signals=torch.stack([one.signals for one in chunks], dim=1),
            market=torch.stack([one.market for one in chunks], dim=1),
            flags=torch.stack([one.flags for one in chunks], dim=1),
            echoes=torch.stack([one.echoes for one in chunks], dim=1),
            expected=torch.stack([one.expected for one in chunks], dim=1),
            after=torch.stack([one.after for one in chunks], dim=1),
        )


@dataclass(frozen=True)
class Pool:
    """Lessons in groups; a group is drawn by its share, a chunk in it wherever one fits, all equally likely."""

    groups: tuple[tuple[float, tuple[Lesson, ...]], ...]

    @classmethod
    def of(cls, groups: Mapping[str, tuple[float, Sequence[Lesson]]]) -> Pool:
        """Groups of (share, lessons); those too short for a chunk are left out."""
        kept = [
            (share, tuple(one for one in lessons if len(one) >= CHUNK)) for share, lessons in groups.values()
        ]
        return cls(tuple((share, lessons) for share, lessons in kept if lessons))

    def draw(self, rng: np.random.Generator) -> Batch:
        """One batch of chunks."""
        shares = np.array([share for share, _ in self.groups])
        chunks = []
        for group in rng.choice(len(shares), BATCH, p=shares / shares.sum()):
            lessons = self.groups[group][1]
            places = np.cumsum([len(one) - CHUNK + 1 for one in lessons])
            place = int(rng.integers(places[-1]))
            which = int(np.searchsorted(places, place, side="right"))
            start = place - (int(places[which - 1]) if which else 0)
            chunks.append(lessons[which].rows(start, start + CHUNK))
        return Batch.of(chunks)


def foretold(network: JointNetwork, batch: Batch, generator: torch.Generator | None = None) -> Day:
    """The day after each row from a blank memory; with a generator, inputs and hidden units are dropped."""
    market = batch.market if generator is None else _dropped(batch.market, generator)
    inputs = network.standardise(batch.signals, batch.flags, market)
    count = inputs.shape[1]
    if generator is not None:
        kept = draw_mask((count, INPUTS), 1 - INPUT_DROPOUT, generator)
        kept[:, -FLAGS - 1 :] = 1.0
        inputs = inputs * kept
    hidden, _ = network.remember(inputs, batch.expected)
    if generator is not None:
        hidden = hidden * (draw_mask((count, HIDDEN), 1 - DROPOUT, generator) / (1 - DROPOUT))
    return network.foretell(hidden, inputs, batch.echoes)


def _dropped(
    market: Float[Tensor, "time batch market"], generator: torch.Generator
) -> Float[Tensor, "time batch market"]:
    """The market, absent from some chunks, and from others from some row on."""
    time, count = market.shape[:2]
    there = draw_mask((count,), 1 - NO_MARKET, generator) > 0
    ends = torch.randint(1, time, (count,), generator=generator)
    ends = torch.where(draw_mask((count,), MARKET_ENDS, generator) > 0, ends, time)
    kept = there & (torch.arange(time)[:, None] < ends)
    return market.where(kept[..., None], torch.nan)


def joint_loss(day: Day, after: Float[Tensor, "*rows 3"]) -> Float[Tensor, ""]:
    """The mean negative log-likelihood of return, range and volume, the latter two where there are any."""
    known = after.isfinite()
    y, log_range, volume = torch.where(known, after, 0.0).unbind(dim=-1)
    y = y.clamp(-_FARTHEST, _FARTHEST)
    loss = _mean(day.return_nll(y), known[..., 0])
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
    standard: Sequence[Lesson],
    seed: int,
    *,
    updates: int = UPDATES,
    kind: type[JointNetwork] = JointNetwork,
) -> JointNetwork:
    """One member of the ensemble: AdamW (Loshchilov and Hutter 2019) over one cycle (Smith and Topin 2018).

    `standard` gives the means and spreads of the inputs; its lessons have ranges, volumes, echoes and a market.
    """
    network = build_joint(seed, kind)
    market = torch.cat([one.market for one in standard])
    for name, values in (
        ("input", torch.cat([one.signals for one in standard])),
        ("market", market[market.isfinite().all(dim=1)]),
        ("echo", torch.cat([one.echoes for one in standard])),
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
        loss = joint_loss(foretold(network, batch, generator), batch.after)
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

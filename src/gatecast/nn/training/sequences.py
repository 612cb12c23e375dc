"""What the base network learns from: versions of series, and chunks of them side by side.

A version of a series without its ranges is a sequence of its own, as its scale differs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from gatecast.features.signal_rows import BaseInputs, signal_rows
from gatecast.features.signals import next_day
from gatecast.nn.base_network import FLAGS
from gatecast.prices import PriceSeries

CHUNK = 120  # rows; half a year


@dataclass(frozen=True, kw_only=True)
class TrainingSequence:
    """One version of one series as tensors, (time, ...): what is seen at each row, and the day observed after it.

    `scale` is the volatility, of a log return, in units of which it was observed; `drift_factor` multiplies a
    day's drift.
    """

    inputs: BaseInputs
    observed: Float[Tensor, "time 3"]
    days: np.ndarray
    scale: Float[np.ndarray, " time"]
    item_id: str
    drift_factor: float

    @classmethod
    def of_table(
        cls, table: Sequence[PriceSeries], *, ranges: bool = True, volumes: bool = True, cross_section: bool = True
    ) -> list[TrainingSequence]:
        """A sequence each: the rows from START on whose next day is known; false hides these columns."""

        def tensor(values: np.ndarray) -> Tensor:
            return torch.tensor(values[:-1], dtype=torch.float32)

        return [
            cls(
                inputs=BaseInputs(
                    signals=tensor(rows.signals.values),
                    flags=tensor(np.broadcast_to(rows.flags, (len(rows.events), FLAGS))),
                    cross_section=tensor(rows.cross_section),
                    events=tensor(rows.events),
                    expected=tensor(rows.expected),
                    known=tensor(rows.known),
                    passed=tensor(rows.passed),
                ),
                observed=tensor(next_day(rows.moves, rows.signals, rows.first)),
                days=rows.timestamps[1:],
                scale=rows.signals.scale[:-1],
                item_id=series.item_id,
                drift_factor=rows.drift_factor,
            )
            for series, rows in zip(
                table, signal_rows(table, ranges=ranges, volumes=volumes, cross_section=cross_section), strict=True
            )
        ]

    def __len__(self) -> int:
        return len(self.observed)

    def rows(self, start: int, stop: int) -> TrainingSequence:
        """The rows `start..stop` as a sequence of their own."""
        return TrainingSequence(
            inputs=_each(lambda values: values[start:stop], self.inputs),
            observed=self.observed[start:stop],
            days=self.days[start:stop],
            scale=self.scale[start:stop],
            item_id=self.item_id,
            drift_factor=self.drift_factor,
        )


@dataclass(frozen=True, kw_only=True)
class Chunks:
    """Sequences of one length side by side, (time, batch, ...)."""

    inputs: BaseInputs
    observed: Float[Tensor, "time batch 3"]
    drift_factor: Float[Tensor, " batch"]

    @classmethod
    def of(cls, sequences: Sequence[TrainingSequence]) -> Chunks:
        """Sequences of one length as a batch."""
        return cls(
            inputs=_each(lambda *parts: torch.stack(parts, dim=1), *(part.inputs for part in sequences)),
            observed=torch.stack([part.observed for part in sequences], dim=1),
            drift_factor=torch.tensor([part.drift_factor for part in sequences], dtype=torch.float32),
        )


def _each(change: Callable[..., Any], *inputs: BaseInputs) -> BaseInputs:
    """`change` of every field, that of several inputs together."""
    return BaseInputs(
        **{field.name: change(*(getattr(part, field.name) for part in inputs)) for field in fields(BaseInputs)}
    )


@dataclass(frozen=True)
class Pool:
    """Sequences in groups; a group is drawn by its share, a chunk in it wherever one fits, by the items' weights."""

    groups: tuple[tuple[float, tuple[TrainingSequence, ...], Float[np.ndarray, " sequence"]], ...]

    @classmethod
    def of(
        cls,
        groups: Mapping[str, tuple[float, Sequence[TrainingSequence]]],
        weights: Mapping[str, float] = MappingProxyType({}),
    ) -> Pool:
        """Groups of (share, sequences); those too short for a chunk are left out.

        A chunk is drawn as often as another of its group, or `weights` of its item times as often.
        """
        kept = []
        for share, sequences in groups.values():
            long = tuple(sequence for sequence in sequences if len(sequence) >= CHUNK)
            chunks = [weights.get(sequence.item_id, 1.0) * (len(sequence) - CHUNK + 1) for sequence in long]
            if long:
                kept.append((share, long, np.cumsum(chunks)))
        return cls(tuple(kept))

    def draw(self, count: int, rng: np.random.Generator) -> Chunks:
        """So many chunks."""
        shares = np.array([share for share, _, _ in self.groups])
        chunks = []
        for group in rng.choice(len(shares), count, p=shares / shares.sum()):
            _, sequences, places = self.groups[group]
            which = int(np.searchsorted(places, places[-1] * rng.random(), side="right"))
            start = int(rng.integers(len(sequences[which]) - CHUNK + 1))
            chunks.append(sequences[which].rows(start, start + CHUNK))
        return Chunks.of(chunks)

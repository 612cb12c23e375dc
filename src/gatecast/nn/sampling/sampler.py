"""The sampler: draw a day of every path, append it, look again, draw the next; the same for every network.

Monte Carlo dropout as Gal and Ghahramani (2016): one mask per path, drawn once and held along it, state carried.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int

from gatecast.features.contract import Day, Features, Inputs, Student, Windows
from gatecast.forecast import Density
from gatecast.nn.encoders import State
from gatecast.nn.network import PathNetwork, own_memory
from gatecast.nn.next_day import NextDay, joined
from gatecast.nn.parallel import INLINE, Workers, side_by_side, workers_on
from gatecast.nn.sampling.blocks import Block, blocks_of
from gatecast.nn.sampling.strands import Strand, each, read_histories, strands_of
from gatecast.prices import PriceSeries


@dataclass(frozen=True, kw_only=True)
class Start:
    """One place to forecast from: a series up to its last row, the timestamps to come, a random stream of its own.

    `places` says where the shock of each path stands in its distribution, in (0, 1); None: it is drawn.
    """

    series: PriceSeries
    future: np.ndarray
    rng: np.random.Generator
    places: Float[np.ndarray, "horizon paths"] | None = None


@dataclass(frozen=True, kw_only=True)
class Simulated:
    """Log returns since the start, (paths, horizon), their density where the network predicts one, and days' ranges.

    A range is a Parkinson volatility; None where the series has none.
    """

    log_returns: Float[np.ndarray, "paths horizon"]
    density: Density | None
    day_range: Float[np.ndarray, "paths horizon"] | None


@dataclass(frozen=True, kw_only=True)
class PathModel:
    """All that paths are made of: the networks of an ensemble, what they see, and which spread enters.

    The members share the paths in equal parts. Without `mc_dropout` no unit is dropped along a path; without `noise`
    every day is the expected day.
    """

    networks: tuple[PathNetwork, ...]
    features: Features
    mc_dropout: bool = True
    noise: bool = True

    def __post_init__(self) -> None:
        for network in self.networks:
            own_memory(network.eval())

    def simulate(self, tables: Sequence[Sequence[Start]], paths: int) -> list[Simulated]:
        """Paths from each start, table by table; all starts look equally far ahead.

        The starts of a table are read together, up to where they stand. Starts that are alike (`Features.alike`) are
        simulated in blocks, which changes the time it takes and the last digits of single precision: a step of a
        thousand rows costs little more than one of ten. Where starts are placed (`Start.places`) and what one does is
        seen by the others (`Features.across`), a block holds whole tables, with a share of their paths if need be.
        Blocks run side by side, or, where there is one alone, the shares of its paths do.
        """
        starts = [start for table in tables for start in table]
        if not starts:
            return []
        rows = self.features.history([[start.series for start in table] for table in tables])
        numbers = np.repeat(np.arange(len(tables)), [len(table) for table in tables])
        placed = starts[0].places is not None
        in_step = [placed and self.features.across(len(table)) for table in tables]
        blocks = blocks_of([self.features.alike(part) for part in rows], numbers, in_step, paths)
        job = _Job(model=self, starts=starts, rows=rows, tables=numbers, in_step=in_step, paths=paths)
        device = next(self.networks[0].parameters()).device
        with workers_on(device, 1) as single, workers_on(device) as several:
            job.prepare(blocks, several)
            if len(blocks) == 1 or device.type != "cpu":
                answers = single.map(lambda block: job.simulate(block, several), blocks)
            else:
                answers = side_by_side(lambda block: job.simulate(block, INLINE), blocks)
        return _whole(blocks, answers)


@dataclass(kw_only=True)
class _Job:
    """All that is simulated at once: every start, the rows it looks back on and the number of its table.

    Where the paths of a start are divided into shares, each share has a random stream of its own (`_streams`, by
    start); `_read` is the state of each network before the newest row of each start, where that is read once for all.
    """

    model: PathModel
    starts: Sequence[Start]
    rows: Sequence[Any]
    tables: Int[np.ndarray, " start"]
    in_step: Sequence[bool]
    paths: int
    _streams: list[list[np.random.Generator]] = field(default_factory=list)
    _read: list[State] = field(default_factory=list)

    def prepare(self, blocks: Sequence[Block], workers: Workers) -> None:
        """What the blocks share."""
        if blocks[-1].of > 1:
            self._streams = [start.rng.spawn(blocks[-1].of) for start in self.starts]
        readings = self.model.features.readings(self.rows)
        if readings:
            self._read = workers.map(
                lambda network: read_histories(network, readings, len(self.starts)), self.model.networks
            )

    @torch.inference_mode()
    def simulate(self, block: Block, workers: Workers) -> list[Simulated]:
        """The starts of a block, group by group, all in step."""
        groups = [self._group(places, block) for places in block.groups]
        meeting = self.in_step[self.tables[block.groups[0][0]]]
        for step in range(len(self.starts[0].future)):
            if step and meeting:
                windows = [group.windows for group in groups]
                self.model.features.meet(windows, [self.tables[places] for places in block.groups])
            for group in groups:
                group.advance(workers)
        return [simulated for group in groups for simulated in group.simulated()]

    def _group(self, places: Int[np.ndarray, " start"], block: Block) -> _Group:
        starts = [self.starts[place] for place in places]
        rngs = [self._streams[place][block.number] if self._streams else self.starts[place].rng for place in places]
        networks, dropout = self.model.networks, self.model.mc_dropout
        read = [[tuple(part[:, places] for part in layer) for layer in state] for state in self._read]
        strands = strands_of(networks, rngs, block.paths, self.paths, dropout=dropout, read=read)
        shocks = [start.places[:, block.paths.start : block.paths.stop] for start in starts if start.places is not None]
        return _Group(
            windows=self._windows(places, len(block.paths)),
            strands=strands,
            rngs=rngs,
            places=np.concatenate(shocks, axis=1) if shocks else None,
            noise=self.model.noise,
        )

    def _windows(self, places: Int[np.ndarray, " start"], paths: int) -> Windows:
        futures = [self.starts[place].future for place in places]
        return self.model.features.start([self.rows[place] for place in places], futures, paths)


@dataclass(kw_only=True)
class _Group:
    """The paths of starts that are alike; rows of every array are those of the first start, of the second, ..."""

    windows: Windows
    strands: Sequence[Strand]
    rngs: Sequence[np.random.Generator]
    places: Float[np.ndarray, "horizon row"] | None
    noise: bool
    _returns: list[np.ndarray] = field(default_factory=list)
    _densities: list[Student | None] = field(default_factory=list)
    _ranges: list[np.ndarray | None] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._order = np.argsort(np.concatenate([strand.rows for strand in self.strands]))

    def advance(self, workers: Workers) -> None:
        """One more day of every path."""
        inputs = each(self.windows.inputs(), lambda values: values.astype(np.float32))
        next_day = _predict(self.strands, inputs, self._order, workers)
        places = None if self.places is None else self.places[len(self._returns)]
        day: Day = next_day.sample(self.rngs, noise=self.noise, places=places)
        self._densities.append(self.windows.density(day))
        self.windows.append(day)
        self._returns.append(self.windows.log_return)
        self._ranges.append(self.windows.day_range)

    def simulated(self) -> list[Simulated]:
        """What was simulated from each start."""
        known = [density for density in self._densities if density is not None]
        ranges = [day_range for day_range in self._ranges if day_range is not None]
        location, scale, df = (
            self._split([getattr(density, name) for density in known]) for name in ("location", "scale", "df")
        )
        parts = zip(self._split(self._returns), location, scale, df, self._split(ranges), strict=True)
        return [
            Simulated(
                log_returns=log_returns,
                density=None if loc is None else Density(loc=loc, scale=spread, df=freedom),
                day_range=day_range,
            )
            for log_returns, loc, spread, freedom, day_range in parts
        ]

    def _split(self, steps: Sequence[np.ndarray]) -> list[Any]:
        """Arrays of each step as one of each start, (paths, horizon); None where there are none."""
        count = len(self.rngs)
        return np.split(np.stack(steps, axis=1), count) if steps else [None] * count


def _whole(blocks: Sequence[Block], answers: Sequence[list[Simulated]]) -> list[Simulated]:
    """The answers of all blocks by start, the paths of each in their order."""
    parts: dict[int, list[Simulated]] = {}
    for block, answered in zip(blocks, answers, strict=True):
        for place, answer in zip(np.concatenate(block.groups).tolist(), answered, strict=True):
            parts.setdefault(place, []).append(answer)
    return [_joined(parts.pop(place)) for place in sorted(parts)]


def _joined(parts: Sequence[Simulated]) -> Simulated:
    """Shares of the paths of a start as one."""
    if len(parts) == 1:
        return parts[0]
    densities = [part.density for part in parts if part.density is not None]
    ranges = [part.day_range for part in parts if part.day_range is not None]
    density = None
    if densities:
        loc, scale, df = (np.concatenate([getattr(d, name) for d in densities]) for name in ("loc", "scale", "df"))
        density = Density(loc=loc, scale=scale, df=df)
    return Simulated(
        log_returns=np.concatenate([part.log_returns for part in parts]),
        density=density,
        day_range=np.concatenate(ranges) if ranges else None,
    )


def _predict(strands: Sequence[Strand], inputs: Inputs, order: np.ndarray, workers: Workers) -> NextDay:
    """The next day of every path, rows in their order."""

    @torch.inference_mode()
    def predict(strand: Strand) -> NextDay:
        return strand.predict(inputs)

    return joined((workers if len(strands) > 1 else INLINE).map(predict, strands), order)

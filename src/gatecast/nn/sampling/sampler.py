"""The sampler: draw a day of every path, append it, look again, draw the next; the same for every network.

Monte Carlo dropout as Gal and Ghahramani (2016): one mask per path, drawn once and held along it, state carried.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from gatecast.features.contract import Features, Inputs
from gatecast.forecast import Density
from gatecast.nn.encoders import State, expanded, repeated
from gatecast.nn.masks import Masks
from gatecast.nn.network import PathNetwork, own_memory
from gatecast.nn.next_day import NextDay, joined
from gatecast.nn.parallel import INLINE, Workers, workers_on
from gatecast.prices import PriceSeries

_PATHS_AT_ONCE = 8192  # of all starts of a block; bounds memory, and more would leave the caches
_UNITS_AT_ONCE = 192_000  # paths times units of one thread: 500 paths of the recipe, whose state stays in its cache


@dataclass(frozen=True, kw_only=True)
class Start:
    """One place to forecast from: a series up to its last row, the timestamps to come, a random stream of its own."""

    series: PriceSeries
    future: np.ndarray
    rng: np.random.Generator


@dataclass(frozen=True, kw_only=True)
class Simulated:
    """Log returns since the start, (paths, horizon), and their density where the network predicts one."""

    log_returns: Float[np.ndarray, "paths horizon"]
    density: Density | None


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
        thousand rows costs little more than one of ten. Blocks run side by side, or, where there is one alone, the
        shares of its paths do.
        """
        starts = [start for table in tables for start in table]
        if not starts:
            return []
        rows = [part for table in tables for part in self.features.history([start.series for start in table])]
        alike: dict[object, list[int]] = {}
        for place, part in enumerate(rows):
            alike.setdefault(self.features.alike(part), []).append(place)
        at_once = max(_PATHS_AT_ONCE // paths, 1)
        blocks = [
            block
            for places in alike.values()
            for block in np.array_split(np.array(places), math.ceil(len(places) / at_once))
        ]
        device = next(self.networks[0].parameters()).device
        with workers_on(device, 1) as single, workers_on(device) as several:
            outside, inside = (several, INLINE) if len(blocks) > 1 else (single, several)

            def simulate_block(places: Int[np.ndarray, " start"]) -> list[Simulated]:
                block = [starts[place] for place in places]
                return _simulate_block(self, block, [rows[place] for place in places], paths, inside)

            answers = outside.map(simulate_block, blocks)
        flat = [answer for answered in answers for answer in answered]
        return [flat[place] for place in np.argsort(np.concatenate(blocks))]


@torch.inference_mode()
def _simulate_block(
    model: PathModel, starts: Sequence[Start], rows: Sequence[Any], paths: int, workers: Workers
) -> list[Simulated]:
    """`simulate` for starts that are alike; rows of every array are the paths of the first start, of the second, ..."""
    horizon, rngs = len(starts[0].future), [start.rng for start in starts]
    windows = model.features.start(rows, [start.future for start in starts], paths)
    strands = _strands(model, starts, paths)
    order = np.argsort(np.concatenate([strand.rows for strand in strands]))
    log_returns = np.empty((len(order), horizon))
    densities = []
    for step in range(horizon):
        next_day = _predict(strands, windows.inputs(), order, workers)
        day = next_day.sample(rngs, noise=model.noise)
        densities.append(windows.density(day))
        windows.append(day)
        log_returns[:, step] = windows.log_return
    known = [density for density in densities if density is not None]
    location, scale, df = (
        np.stack([getattr(density, name) for density in known], axis=1) if known else None
        for name in ("location", "scale", "df")
    )
    answers = []
    for first in range(0, len(log_returns), paths):
        mine = slice(first, first + paths)
        density = None
        if location is not None and scale is not None and df is not None:
            density = Density(loc=location[mine], scale=scale[mine], df=df[mine])
        answers.append(Simulated(log_returns=log_returns[mine], density=density))
    return answers


@dataclass(kw_only=True)
class _Strand:
    """A share of the paths of every start under one network: which rows they are, their masks, the state carried."""

    network: PathNetwork
    rows: Int[np.ndarray, " row"]
    starts: int
    masks: Masks | None
    state: State | None = None

    def predict(self, inputs: Inputs) -> NextDay:
        """The day after these inputs; a context is read once for all paths of a start."""
        given = self._tensors(inputs)
        next_day, state = self.network(given, self.state, self.masks, last=1)
        self.state = expanded(state, len(self.rows))
        parts = {
            field.name: repeated(getattr(next_day, field.name), len(self.rows))[0]
            for field in fields(next_day)
            if isinstance(getattr(next_day, field.name), Tensor)
        }
        return replace(next_day, **parts)  # type: ignore[no-any-return]

    def _tensors(self, inputs: Inputs) -> Any:
        """The inputs of this share as fresh tensors, whose memory is aligned; see `own_memory`."""
        if is_dataclass(inputs):
            parts = {field.name: getattr(inputs, field.name) for field in fields(inputs)}
            return replace(inputs, **{name: self._tensor(part) for name, part in parts.items()})  # type: ignore[type-var]
        return self._tensor(inputs)

    def _tensor(self, values: np.ndarray | None) -> Tensor | None:
        if values is None:
            return None
        if self.state is not None:  # along the paths; what holds for a start holds for each of its paths
            if values.shape[1] == self.starts:
                values = np.repeat(values, len(self.rows) // self.starts, axis=1)
            else:
                values = values[:, self.rows]
        device = next(self.network.parameters()).device
        return torch.tensor(values, dtype=torch.float32, device=device)


def _strands(model: PathModel, starts: Sequence[Start], paths: int) -> list[_Strand]:
    """The paths in shares, a network each or less, the same on every machine; each start draws its own masks."""
    generators = []
    device = next(model.networks[0].parameters()).device
    for start in starts:
        generators.append(torch.Generator(device).manual_seed(int(start.rng.integers(2**63))))
    first = np.arange(len(starts))[:, None] * paths
    strands = []
    for network, share in zip(model.networks, np.array_split(np.arange(paths), len(model.networks)), strict=True):
        if not len(share):
            continue
        masks = [network.draw_masks(len(share), generator) for generator in generators]
        most = max(_UNITS_AT_ONCE // (network.units * len(starts)), 1) if device.type == "cpu" else paths
        for begin in range(0, len(share), most):
            part = slice(begin, begin + most)
            drawn = [mask.rows(part) for mask in masks if mask is not None] if model.mc_dropout else []
            strands.append(
                _Strand(
                    network=network,
                    rows=(first + share[part]).ravel(),
                    starts=len(starts),
                    masks=Masks.joined(drawn) if drawn else None,
                )
            )
    return strands


def _predict(strands: Sequence[_Strand], inputs: Inputs, order: np.ndarray, workers: Workers) -> NextDay:
    """The next day of every path, rows in their order."""

    @torch.inference_mode()
    def predict(strand: _Strand) -> NextDay:
        return strand.predict(inputs)

    return joined((workers if len(strands) > 1 else INLINE).map(predict, strands), order)

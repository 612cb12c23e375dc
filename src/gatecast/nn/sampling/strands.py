"""Shares of the paths of a block, one network each: their masks, the state that they carry, what they see."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from gatecast.features.contract import Inputs, Reading
from gatecast.nn.encoders import State, expanded, repeated
from gatecast.nn.masks import Masks
from gatecast.nn.network import PathNetwork
from gatecast.nn.next_day import NextDay

_UNITS_AT_ONCE = 220_000  # paths times units of one thread: 570 paths of the recipe, whose state stays in its cache
_READ_AT_ONCE = 512  # histories of a batch that is read for its state alone; bounds memory


@dataclass(kw_only=True)
class Strand:
    """A share of the paths of every start under one network: which rows they are, their masks, the state carried.

    Until the first prediction the state is that of each start, None where no history has been read.
    """

    network: PathNetwork
    rows: Int[np.ndarray, " row"]
    starts: int
    masks: Masks | None
    state: State | None = None
    begun: bool = False

    def predict(self, inputs: Inputs) -> NextDay:
        """The day after these inputs; what comes before the first prediction is the same for all paths of a start."""
        given = tensors_of(each(inputs, self._rows_of) if self.begun else inputs, self.network)
        next_day, state = self.network(given, self.state, self.masks, last=1)
        self.state, self.begun = expanded(state, len(self.rows)), True
        parts = {
            field.name: repeated(getattr(next_day, field.name), len(self.rows))[0]
            for field in fields(next_day)
            if isinstance(getattr(next_day, field.name), Tensor)
        }
        return replace(next_day, **parts)  # type: ignore[no-any-return]

    def _rows_of(self, values: np.ndarray) -> np.ndarray:
        """Those of this share; what holds for a start holds for each of its paths."""
        return values if values.shape[1] == self.starts else values[:, self.rows]


def strands_of(
    networks: Sequence[PathNetwork],
    rngs: Sequence[np.random.Generator],
    paths: range,
    of: int,
    *,
    dropout: bool,
    read: Sequence[State],
) -> list[Strand]:
    """The paths `paths` of all `of` in shares, a network each or less; each start draws its own masks.

    The shares are the same on every machine, and a path has the same network in every item. `read` is the state of
    each network before the newest row of each start; empty where it has read none.
    """
    device = next(networks[0].parameters()).device
    generators = [torch.Generator(device).manual_seed(int(rng.integers(2**63))) for rng in rngs]
    first = np.arange(len(rngs))[:, None] * len(paths)
    strands = []
    for number, (network, whole) in enumerate(zip(networks, np.array_split(np.arange(of), len(networks)), strict=True)):
        share = whole[(whole >= paths.start) & (whole < paths.stop)] - paths.start
        if not len(share):
            continue
        masks = [network.draw_masks(len(share), generator) for generator in generators]
        most = max(_UNITS_AT_ONCE // (network.units * len(rngs)), 1) if device.type == "cpu" else len(paths)
        for some in np.array_split(np.arange(len(share)), math.ceil(len(share) / most)):
            part = slice(some[0], some[-1] + 1)
            rows = (first + share[part]).ravel()
            drawn = [mask.rows(part) for mask in masks if mask is not None] if dropout else []
            strands.append(
                Strand(
                    network=network,
                    rows=rows,
                    starts=len(rngs),
                    masks=Masks.joined(drawn) if drawn else None,
                    state=read[number] if read else None,
                )
            )
    return strands


@torch.inference_mode()
def read_histories(network: PathNetwork, readings: Sequence[Reading], starts: int) -> State:
    """The state of the network before the newest row of each start."""
    found: State = []
    for reading in readings:
        for begin in range(0, reading.starts.shape[1], _READ_AT_ONCE):
            some = slice(begin, begin + _READ_AT_ONCE)
            inputs = tensors_of(each(reading.inputs, lambda values, some=some: values[:, some]), network)
            state, read = None, 0
            for stop, numbers in zip(reading.stops, reading.starts[:, some], strict=True):
                if stop - 1 > read:
                    state = network(each(inputs, lambda v, s=slice(read, stop - 1): v[s]), state, None, last=1)[1]
                    read = stop - 1
                elif state is None:  # nothing comes before the newest row: as after no row
                    after = network(each(inputs, lambda values: values[:1]), None, None, last=1)[1]
                    state = [tuple(torch.zeros_like(part) for part in layer) for layer in after]
                found = found or [tuple(part.new_empty(1, starts, part.shape[2]) for part in layer) for layer in state]
                for layer, of in zip(found, state, strict=True):
                    for whole, part in zip(layer, of, strict=True):
                        whole[:, numbers] = part
    return found


def each(inputs: Inputs, change: Any) -> Inputs:
    """The inputs with every array changed; None stays None."""
    if is_dataclass(inputs):
        parts = {field.name: getattr(inputs, field.name) for field in fields(inputs)}
        changed = {name: None if part is None else change(part) for name, part in parts.items()}
        return replace(inputs, **changed)  # type: ignore[type-var]
    return change(inputs)


def tensors_of(inputs: Inputs, network: PathNetwork) -> Any:
    """The inputs as fresh tensors beside the network, whose memory is aligned; see `own_memory`."""
    device = next(network.parameters()).device
    return each(inputs, lambda values: torch.tensor(values, dtype=torch.float32, device=device))

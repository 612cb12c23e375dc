"""Shares of the paths of a block, one network each: their masks, the state that they carry, what they see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from gatecast.features.contract import Inputs
from gatecast.nn.encoders import State, expanded, repeated
from gatecast.nn.masks import Masks
from gatecast.nn.network import PathNetwork
from gatecast.nn.next_day import NextDay

_UNITS_AT_ONCE = 192_000  # paths times units of one thread: 500 paths of the recipe, whose state stays in its cache
_READ_AT_ONCE = 512  # histories of a batch that is read for its state alone; bounds memory


@dataclass(kw_only=True)
class Strand:
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
        if self.state is None:  # the histories
            return tensors_of(inputs, self.network)
        return tensors_of(each(inputs, self._rows_of), self.network)

    def _rows_of(self, values: np.ndarray) -> np.ndarray:
        """Along the paths: the newest row of each; what holds for a start holds for each of its paths."""
        newest = values[-1:]
        if newest.shape[1] == self.starts:
            return np.repeat(newest, len(self.rows) // self.starts, axis=1)
        return newest[:, self.rows]


def strands_of(
    networks: Sequence[PathNetwork],
    rngs: Sequence[np.random.Generator],
    paths: range,
    of: int,
    *,
    dropout: bool,
    read: Sequence[State] | None,
) -> list[Strand]:
    """The paths `paths` of all `of` in shares, a network each or less; each start draws its own masks.

    The shares are the same on every machine, and a path has the same network in every item. `read` is the state of
    each network after the histories but their last row, where they have been read.
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
        for begin in range(0, len(share), most):
            part = slice(begin, begin + most)
            rows = (first + share[part]).ravel()
            drawn = [mask.rows(part) for mask in masks if mask is not None] if dropout else []
            strands.append(
                Strand(
                    network=network,
                    rows=rows,
                    starts=len(rngs),
                    masks=Masks.joined(drawn) if drawn else None,
                    state=None if read is None else expanded(read[number], len(rows)),
                )
            )
    return strands


@torch.inference_mode()
def read_histories(networks: Sequence[PathNetwork], inputs: Inputs) -> list[State]:
    """The state of each network after all rows of these histories but the last, (time, start, ...)."""
    starts = next(value.shape[1] for value in vars(inputs).values()) if is_dataclass(inputs) else inputs.shape[1]
    states = []
    for network in networks:
        parts = []
        for begin in range(0, starts, _READ_AT_ONCE):
            here = slice(begin, begin + _READ_AT_ONCE)
            given = tensors_of(each(inputs, lambda values, here=here: values[:-1, here]), network)
            parts.append(network(given, None, None, last=1)[1])
        states.append(
            [
                tuple(torch.cat(carried, dim=1) for carried in zip(*layer, strict=True))
                for layer in zip(*parts, strict=True)
            ]
        )
    return states


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

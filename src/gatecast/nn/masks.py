"""Dropout masks: the one place where they are drawn, one for each sequence or path and held along it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class Masks:
    """One inverted-dropout mask after each layer, (sequence, hidden), and one on the inputs where these are dropped.

    Gal and Ghahramani (2016), section 4: the same along a sequence, in training and along a simulated path.
    """

    layers: tuple[Float[Tensor, "sequence hidden"], ...]
    inputs: Float[Tensor, "sequence input"] | None = None

    def rows(self, chosen: slice) -> Masks:
        """The masks of these sequences."""
        inputs = None if self.inputs is None else self.inputs[chosen]
        return Masks(tuple(layer[chosen] for layer in self.layers), inputs)

    @classmethod
    def joined(cls, parts: Sequence[Masks]) -> Masks:
        """Masks of sequences one after another; of layers alone."""
        return cls(tuple(torch.cat(layers) for layers in zip(*(part.layers for part in parts), strict=True)))


def draw_kept(shape: tuple[int, ...], keep: float, generator: torch.Generator) -> Float[Tensor, "*shape"]:
    """Ones with probability `keep`, else zeros, on the generator's device."""
    return (torch.rand(shape, generator=generator, device=generator.device) < keep).float()


def draw_masks(layers: int, sequences: int, hidden: int, dropout: float, generator: torch.Generator) -> Masks:
    """Masks whose mean is one: a kept unit counts 1 / (1 - dropout), so that sums keep their size."""
    keep = 1 - dropout
    return Masks(tuple((draw_kept((layers, sequences, hidden), keep, generator) / keep).unbind()))

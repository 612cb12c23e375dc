"""Encoders: what every family shares, and the recurrent ones (LSTM, GRU, RNN)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gatecast.config import Config
from gatecast.nn.masks import Masks
from gatecast.nn.precision import in_sixteen_bits, recurrent

Carried = tuple[Tensor, ...]  # what a layer carries from step to step; the second axis is the batch
State = list[Carried]  # of all layers

Sequences = Float[Tensor, "time batch feature"]

STRETCH = 3840  # steps of all sequences at a time: 128 units then need no block over 32 MiB (`nn.parallel`)

_LAYERS: dict[str, type[nn.LSTM | nn.GRU | nn.RNN]] = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}


class Encoder(nn.Module, ABC):
    """Features of a sequence in, `hidden` units a step out; step t sees steps up to t alone.

    Training, sampling and saving know no family by name. Dropout masks stay the same along a sequence (Gal and
    Ghahramani 2016, section 4), in training and along a simulated path alike; `masks=None` is the network without
    dropout. Each sequence of a batch may be given k masks, for k paths.
    """

    layers: nn.ModuleList

    def __init__(self, config: Config, inputs: int) -> None:
        super().__init__()
        self.depth, self.hidden = config.layers, config.hidden
        self.widths = [inputs] + [config.hidden] * (config.layers - 1)  # of what each layer reads

    def forward(
        self, inputs: Sequences, masks: Masks | None = None, state: State | None = None, last: int | None = None
    ) -> tuple[Float[Tensor, "last paths hidden"], State]:
        """The last layer's outputs of the last `last` steps (all unless given), and the state to carry on from."""
        outputs, carried = inputs, []
        for depth in range(self.depth):
            before, kept = None if state is None else state[depth], last if depth + 1 == self.depth else None
            outputs, after = self.layer(depth, outputs, before, kept)
            carried.append(after)
            if masks is not None and depth < len(masks.layers):
                outputs = masked(outputs, masks.layers[depth])
        return outputs, carried

    @abstractmethod
    def layer(self, depth: int, inputs: Tensor, before: Carried | None, last: int | None) -> tuple[Tensor, Carried]:
        """What one layer makes of its inputs before any mask, and what it carries on."""

    @abstractmethod
    def initialise(self, generator: torch.Generator) -> None:
        """Draw every weight from `generator`."""


class RecurrentEncoder(Encoder):
    """`layers` recurrent layers of `hidden` units over (time, batch, feature)."""

    def __init__(self, config: Config, inputs: int) -> None:
        super().__init__(config, inputs)
        self.layers = nn.ModuleList(_LAYERS[config.encoder](width, config.hidden) for width in self.widths)
        self.sixteen_bits = in_sixteen_bits(config.precision)

    def forward(
        self, inputs: Sequences, masks: Masks | None = None, state: State | None = None, last: int | None = None
    ) -> tuple[Float[Tensor, "last paths hidden"], State]:
        """On a processor a long sequence goes through all layers in stretches, which changes its last digits."""
        length = max(1, STRETCH // max(inputs.shape[1], 1)) if inputs.device.type == "cpu" else len(inputs)
        below = None if masks is None else Masks(masks.layers[:-1])
        stretches = []
        for stretch in torch.split(inputs, length):
            outputs, state = super().forward(stretch, below, state)
            stretches.append(outputs)
        assert state is not None
        outputs = stretches[0] if len(stretches) == 1 else torch.cat(stretches)
        if last is not None:
            outputs = outputs[-last:]  # before the masks: a thousand of them need no long context each
        return outputs if masks is None else masked(outputs, masks.layers[-1]), state

    def layer(self, depth: int, inputs: Tensor, before: Carried | None, last: int | None) -> tuple[Tensor, Carried]:
        """The hidden states of every step, and those of the last one."""
        layer = self.layers[depth]
        assert isinstance(layer, nn.LSTM | nn.GRU | nn.RNN)
        return recurrent(layer, inputs, before[0] if before and len(before) == 1 else before, self.sixteen_bits)

    def initialise(self, generator: torch.Generator) -> None:
        """Glorot-uniform inputs, orthogonal recurrence, zero biases, the LSTM's forget gate at +1.

        Glorot and Bengio (2010), equation 16; Saxe, McClelland and Ganguli (2014); Jozefowicz et al. (2015) on the
        forget gate. As in Keras, the LSTM and the RNN learn one bias per gate: torch's second stays at zero.
        """
        for layer in self.layers:
            weights = dict(layer.named_parameters())
            nn.init.xavier_uniform_(weights["weight_ih_l0"], generator=generator)
            nn.init.orthogonal_(weights["weight_hh_l0"], generator=generator)
            nn.init.zeros_(weights["bias_ih_l0"])
            nn.init.zeros_(weights["bias_hh_l0"])
            if isinstance(layer, nn.LSTM):
                nn.init.ones_(weights["bias_ih_l0"][self.hidden : 2 * self.hidden])
            if not isinstance(layer, nn.GRU):
                weights["bias_hh_l0"].requires_grad_(False)


def initialise_linear(network: nn.Module, draw: Callable[..., Tensor], generator: torch.Generator) -> None:
    """Weights of every linear layer as `draw` has them, zero biases."""
    for module in network.modules():
        if isinstance(module, nn.Linear):
            draw(module.weight, generator=generator)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def repeated(values: Tensor, rows: int) -> Tensor:
    """Values (time, batch, ...) with every sequence repeated so that there are `rows` of them."""
    count = values.shape[1]
    return values if count == rows else values.repeat_interleave(rows // count, dim=1)


def masked(outputs: Float[Tensor, "time batch hidden"], mask: Float[Tensor, "paths hidden"]) -> Tensor:
    """Outputs under each path's mask; a sequence that was read once is repeated for its paths."""
    if outputs.shape[1] == 1:
        return outputs * mask  # (T, 1, H) * (P, H), without a copy
    return repeated(outputs, len(mask)) * mask


def expanded(state: State, rows: int) -> State:
    """The same state for every path, where the context was encoded once for all paths of a start."""
    return [tuple(repeated(part, rows).contiguous() for part in layer) for layer in state]

"""Encoders: what every family shares, and the recurrent ones (LSTM, GRU, RNN), dropout with one mask per sequence."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gatecast.config import Config
from gatecast.nn.masks import Masks

State = list[tuple[Tensor, ...]]  # what is carried from step to step, by layer; the second axis is the batch

STRETCH = 3840  # steps of all sequences at a time: 128 units then need no block over 32 MiB (`nn.shares`)

_LAYERS: dict[str, type[nn.LSTM | nn.GRU | nn.RNN]] = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}


class Encoder(nn.Module):
    """Features of a sequence in, `hidden` units a step out; step t sees steps up to t alone.

    Every family keeps to the signatures below, so that training, sampling and saving know none of them by name.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.depth, self.hidden, self.dropout = config.layers, config.hidden, config.dropout

    def forward(
        self,
        inputs: Float[Tensor, "time batch feature"],
        masks: Masks | None = None,
        state: State | None = None,
        last: int | None = None,
    ) -> tuple[Float[Tensor, "last paths hidden"], State]:
        """The outputs of the last `last` steps (all unless given), and the state to carry on from."""
        raise NotImplementedError

    def initialise(self, generator: torch.Generator) -> None:
        """Draw every weight from `generator`."""
        raise NotImplementedError


class RecurrentEncoder(Encoder):
    """`layers` recurrent layers of `hidden` units over (time, batch, feature).

    Masks stay the same along a sequence (Gal and Ghahramani 2016, section 4), in training and along a simulated
    path alike; `masks=None` is the network without dropout. Each sequence of a batch may be given k masks, for k paths.
    """

    def __init__(self, config: Config, inputs: int) -> None:
        super().__init__(config)
        widths = [inputs] + [config.hidden] * (config.layers - 1)
        self.layers = nn.ModuleList(_LAYERS[config.encoder](width, config.hidden) for width in widths)

    def forward(
        self,
        inputs: Float[Tensor, "time batch feature"],
        masks: Masks | None = None,
        state: State | None = None,
        last: int | None = None,
    ) -> tuple[Float[Tensor, "last paths hidden"], State]:
        """The last layer's hidden states of the last `last` steps (all unless given), and the state to carry on.

        On a processor a long sequence goes through all layers stretch by stretch, which changes where its numbers lie,
        and their last digits.
        """
        carried: list[tuple[Tensor, ...] | None] = [None] * self.depth if state is None else list(state)
        length = max(1, STRETCH // max(inputs.shape[1], 1)) if inputs.device.type == "cpu" else len(inputs)
        stretches = []
        for stretch in torch.split(inputs, length):
            outputs = stretch
            for depth, layer in enumerate(self.layers):
                outputs, end = layer(outputs, _packed(carried[depth]))
                carried[depth] = end if isinstance(end, tuple) else (end,)
                if masks is not None and depth + 1 < self.depth:
                    outputs = masked(outputs, masks.layers[depth])
            stretches.append(outputs)
        outputs = stretches[0] if len(stretches) == 1 else torch.cat(stretches)
        if last is not None:
            outputs = outputs[-last:]  # before the masks: a thousand of them need no long context each
        if masks is not None:
            outputs = masked(outputs, masks.layers[-1])
        return outputs, [end for end in carried if end is not None]

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
                with torch.no_grad():
                    weights["bias_ih_l0"][self.hidden : 2 * self.hidden] = 1.0
            if not isinstance(layer, nn.GRU):
                weights["bias_hh_l0"].requires_grad_(False)


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


def _packed(state: tuple[Tensor, ...] | None) -> Tensor | tuple[Tensor, ...] | None:
    return state if state is None or len(state) > 1 else state[0]

"""Two encoders without recurrence, causal convolutions and causal attention, and the choice between all families."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gatecast.config import Config
from gatecast.nn.encoders import Carried, Encoder, RecurrentEncoder, initialise_linear

TAPS = 3  # inputs a convolution weighs: this step's and two before it, `dilation` steps apart
HEADS = 4  # ways of looking back at once, where the width allows it


def make_encoder(config: Config, inputs: int) -> Encoder:
    """The encoder that `config.encoder` names."""
    kinds: dict[str, Callable[[Config, int], Encoder]] = {"tcn": CausalConvolutions, "transformer": CausalAttention}
    return kinds.get(config.encoder, RecurrentEncoder)(config, inputs)


class CausalConvolutions(Encoder):
    """A temporal convolutional network: residual blocks whose dilation doubles until they see a full context.

    Bai, Kolter and Koltun (2018), section 3, with one layer norm after the blocks in place of their weight
    normalisation: a sum of rectified blocks grows with every one of them, and a simulated path feeds it back. Each of
    `layers` layers is such a stack, followed by dropout as in every other family. What lies before the first step is
    zero. The state carried on is, for each convolution, its last (TAPS - 1) * dilation inputs.
    """

    def __init__(self, config: Config, inputs: int) -> None:
        super().__init__(config, inputs)
        self.dilations = dilations(config.context_length)
        self.layers = nn.ModuleList(
            nn.ModuleList(
                _Block(config.hidden if depth else width, config.hidden, dilation)
                for depth, dilation in enumerate(self.dilations)
            )
            for width in self.widths
        )
        self.norms = nn.ModuleList(nn.LayerNorm(config.hidden) for _ in self.widths)

    def layer(self, depth: int, inputs: Tensor, before: Carried | None, last: int | None) -> tuple[Tensor, Carried]:
        """The last block's outputs, normalised, and the trailing inputs of each convolution, two a block."""
        stack, outputs = self.layers[depth], inputs
        assert isinstance(stack, nn.ModuleList)
        after: Carried = ()
        for block in stack:
            outputs, kept = block(outputs, before and before[len(after) : len(after) + 2])
            after += kept
        return self.norms[depth](outputs if last is None else outputs[-last:]), after

    def initialise(self, generator: torch.Generator) -> None:
        """Weights uniform with variance 2 / inputs, zero biases: He et al. (2015), equation 10, for ReLU."""
        initialise_linear(self, partial(nn.init.kaiming_uniform_, nonlinearity="relu"), generator)


def dilations(context_length: int) -> list[int]:
    """1, 2, 4, ... until two convolutions at each reach back over the whole context.

    >>> dilations(60), 1 + 2 * 2 * sum(dilations(60))
    ([1, 2, 4, 8], 61)
    """
    blocks = math.ceil(math.log2((context_length - 1) / (2 * (TAPS - 1)) + 1))
    return [2**block for block in range(max(blocks, 1))]


class _Block(nn.Module):
    """relu(x + relu(conv(relu(conv(x))))); x passes a linear map first where its width is another."""

    def __init__(self, width: int, hidden: int, dilation: int) -> None:
        super().__init__()
        self.dilation = dilation
        self.first, self.second = nn.Linear(TAPS * width, hidden), nn.Linear(TAPS * hidden, hidden)
        self.skip = nn.Linear(width, hidden) if width != hidden else None

    def forward(self, inputs: Tensor, kept: Carried | None) -> tuple[Tensor, Carried]:
        """Outputs, and the trailing inputs of both convolutions."""
        before_first, before_second = kept or (None, None)
        hidden, before_first = self._convolve(self.first, inputs, before_first)
        hidden, before_second = self._convolve(self.second, torch.relu(hidden), before_second)
        passed = inputs if self.skip is None else self.skip(inputs)
        return torch.relu(passed + torch.relu(hidden)), (before_first, before_second)

    def _convolve(self, weights: nn.Module, inputs: Tensor, before: Tensor | None) -> tuple[Tensor, Tensor]:
        """One dilated convolution as a linear map of its taps, oldest first; (time, batch, width)."""
        reach = (TAPS - 1) * self.dilation
        if before is None:
            before = inputs.new_zeros(reach, *inputs.shape[1:])
        longer = torch.cat([before, inputs])
        taps = [longer[tap * self.dilation :][: len(inputs)] for tap in range(TAPS)]
        return weights(torch.cat(taps, dim=-1)), longer[len(inputs) :]


class CausalAttention(Encoder):
    """A transformer encoder that attends to the last `context_length` steps, the present one included.

    Vaswani et al. (2017), section 3, normalised before each part (Xiong et al. 2020) so that it trains without a
    warm-up. Position enters as distance: a learned mixture of their sinusoids (section 3.5), taken of "how many steps
    back", is added to each score, so that a path may go on beyond any length seen in training. The state carried on
    is each layer's last keys and values.
    """

    def __init__(self, config: Config, inputs: int) -> None:
        super().__init__(config, inputs)
        self.window = config.context_length
        self.embed = nn.Linear(inputs, config.hidden)
        self.layers = nn.ModuleList(_Attention(config) for _ in self.widths)
        self.norm = nn.LayerNorm(config.hidden)

    def layer(self, depth: int, inputs: Tensor, before: Carried | None, last: int | None) -> tuple[Tensor, Carried]:
        """One layer of attention between the embedding of the first and the norm of the last; its keys and values."""
        outputs, after = self.layers[depth](inputs if depth else self.embed(inputs), before, last)
        return self.norm(outputs) if depth + 1 == self.depth else outputs, after

    @torch.no_grad()
    def attention(self, inputs: Float[Tensor, "time 1 feature"]) -> Float[Tensor, "layer head time time"]:
        """How much each step (rows) looks at each other (columns), per layer and head; each row sums to 1."""
        outputs, maps = self.embed(inputs), []
        for layer in self.layers:
            assert isinstance(layer, _Attention)
            query, key, _ = layer.project(outputs)
            maps.append(layer.weights(query, key)[:, :, 0].permute(2, 0, 1))
            outputs, _ = layer(outputs, None, None)
        return torch.stack(maps)

    def initialise(self, generator: torch.Generator) -> None:
        """Glorot-uniform weights, zero biases."""
        initialise_linear(self, nn.init.xavier_uniform_, generator)


class _Attention(nn.Module):
    """x + attention(norm(x)), then x + dense(norm(x)) four times as wide."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        hidden, self.window = config.hidden, config.context_length
        self.heads = math.gcd(hidden, HEADS)
        self.norm_1, self.norm_2 = nn.LayerNorm(hidden), nn.LayerNorm(hidden)
        self.projection, self.mix = nn.Linear(hidden, 3 * hidden), nn.Linear(hidden, hidden)
        self.distance = nn.Linear(2 * math.ceil(hidden / 2), self.heads, bias=False)
        self.wide, self.narrow = nn.Linear(hidden, 4 * hidden), nn.Linear(4 * hidden, hidden)

    def forward(self, inputs: Tensor, before: Carried | None, last: int | None) -> tuple[Tensor, Carried]:
        """Outputs of the last `last` steps, and the keys and values that a later step may still look at."""
        query, key, value = self.project(inputs)
        if before is not None:
            key, value = torch.cat([before[0], key]), torch.cat([before[1], value])
        if last is not None:
            inputs, query = inputs[-last:], query[-last:]
        weights = self.weights(query, key)  # (query, key, batch, head)
        seen = torch.einsum("qkbh,kbhw->qbhw", weights, self._split(value)).flatten(2)
        outputs = inputs + self.mix(seen)
        outputs = outputs + self.narrow(torch.relu(self.wide(self.norm_2(outputs))))
        kept = max(len(key) - self.window + 1, 0)
        return outputs, (key[kept:], value[kept:])

    def project(self, inputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values, each (time, batch, hidden)."""
        query, key, value = self.projection(self.norm_1(inputs)).chunk(3, dim=-1)
        return query, key, value

    def weights(self, query: Tensor, key: Tensor) -> Tensor:
        """softmax(q k / sqrt(width) + distance) over the keys of the window; the last query is the last key's."""
        query, key = self._split(query), self._split(key)
        score = torch.einsum("qbhw,kbhw->qkbh", query, key) / math.sqrt(query.shape[-1])
        here = torch.arange(len(key) - len(query), len(key), device=key.device)
        back = here[:, None] - torch.arange(len(key), device=key.device)  # steps from query back to key
        preference = self.distance(self._sinusoids(query))[back.clamp(0, self.window - 1)]  # (query, key, head)
        hidden = (back < 0) | (back >= self.window)
        score = (score + preference[:, :, None]).masked_fill(hidden[:, :, None, None], -torch.inf)
        return torch.softmax(score, dim=1)

    def _sinusoids(self, like: Tensor) -> Float[Tensor, "window pairs"]:
        """sin and cos of every distance at wavelengths from 2 pi to 20,000 pi steps."""
        pairs = self.distance.in_features // 2
        rates = 10_000 ** (-torch.arange(pairs, device=like.device, dtype=like.dtype) / pairs)
        angle = torch.arange(self.window, device=like.device, dtype=like.dtype)[:, None] * rates
        return torch.cat([angle.sin(), angle.cos()], dim=-1)

    def _split(self, values: Tensor) -> Tensor:
        return values.view(*values.shape[:-1], self.heads, -1)

"""One run of the memory experiment: a network learns to give, after k noisy steps, the value of the first step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gatecast.config import Config
from gatecast.nn.encoders import RecurrentEncoder, initialise_linear
from gatecast.nn.families import make_encoder
from gatecast.nn.network import drawn_from, matched
from gatecast.nn.parallel import on_one_core
from gatecast.nn.training.adam import AdamSettings, FlatAdam
from gatecast.nn.training.loop import Batch, Objective, train

LSTM_UNITS = 16  # of the LSTM; the other families have as many weights
BATCH = 32
LEARNED = 0.02  # of the variance, smoothed over some 20 updates: recalled, so training stops
_LEARNING_RATE = 5e-3  # the same for all
_JUDGED = 512  # sequences for the error, of which 64 for the gradients


@dataclass(frozen=True, kw_only=True)
class Recall:
    """How well one network recalled. `error` is the mean squared error over the variance: 1 is nothing recalled.

    `gradient_before` and `gradient_after` (training) are the mean norm of d output / d input k steps earlier; 1 after
    training is a perfect memory.
    """

    error: float
    gradient_before: float
    gradient_after: float
    updates: int


class _Recaller(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.encoder = make_encoder(config, 2)
        self.read = nn.Linear(config.hidden, 1)

    def forward(self, inputs: Float[Tensor, "time batch 2"]) -> Float[Tensor, " batch"]:
        hidden, _ = self.encoder(inputs, None, None, 1)
        return torch.as_tensor(self.read(hidden)[0, :, 0])


def recall(encoder: str, k: int, seed: int, *, updates: int, forget_bias: float | None = None) -> Recall:
    """Train one network on the task and measure it; the same arguments give the same numbers.

    A sequence has k + 1 steps of standard normal noise; a second input is 1 at the first step and 0 after it; the
    target, at the last step, is the first step's noise. `forget_bias` starts an LSTM's forget gate elsewhere than +1.
    """
    # The context is so long that what is to be recalled lies at the edge of no family's view.
    config = matched(Config(hidden=LSTM_UNITS, dropout=0.0, context_length=2 * k), encoder)
    generator = torch.Generator().manual_seed(seed)
    network = on_one_core(partial(_untrained, config, generator, forget_bias))
    _, gradient_before = on_one_core(partial(_measured, network, k, seed))
    objective = _Recalling(network, k, updates, generator)
    settings = AdamSettings(learning_rate=_LEARNING_RATE, clip_norm=config.clip_norm)
    train(objective, [FlatAdam(network, settings)], epochs=1)
    error, gradient_after = on_one_core(partial(_measured, network, k, seed))
    return Recall(error=error, gradient_before=gradient_before, gradient_after=gradient_after, updates=objective.used)


def _untrained(config: Config, generator: torch.Generator, forget_bias: float | None) -> _Recaller:
    with drawn_from(torch.Generator()):  # torch's layers draw weights of their own when they are made
        network = _Recaller(config)
    network.encoder.initialise(generator)
    initialise_linear(network.read, nn.init.xavier_uniform_, generator)
    if forget_bias is not None:
        assert isinstance(network.encoder, RecurrentEncoder)
        for layer in network.encoder.layers:
            layer.get_parameter("bias_ih_l0").data[config.hidden : 2 * config.hidden] = forget_bias
    return network


def _sequences(k: int, batch: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    inputs = torch.zeros(k + 1, batch, 2)
    inputs[:, :, 0] = torch.randn(k + 1, batch, generator=generator)
    inputs[0, :, 1] = 1.0
    return inputs, inputs[0, :, 0].clone()


@dataclass
class _Recalling(Objective):
    """New sequences until the smoothed loss is under LEARNED, so nothing need be held out."""

    network: _Recaller
    k: int
    updates: int
    generator: torch.Generator
    used: int = 0
    smoothed: float = 1.0

    def epoch(self, number: int) -> Iterator[list[Batch]]:
        while self.used < self.updates and self.smoothed >= LEARNED:
            self.used += 1
            inputs, target = _sequences(self.k, BATCH, self.generator)
            yield [Batch(parts=[partial(self._loss, inputs, target)], rows=BATCH, updates=self.updates)]

    def _loss(self, inputs: Tensor, target: Tensor) -> Float[Tensor, ""]:
        loss: Tensor = (self.network(inputs) - target).square().mean()
        self.smoothed = 0.95 * self.smoothed + 0.05 * loss.item()
        return loss


def _measured(network: _Recaller, k: int, seed: int) -> tuple[float, float]:
    """The error and the gradient of a `Recall`."""
    inputs, target = _sequences(k, _JUDGED, torch.Generator().manual_seed(seed + 1))
    with torch.no_grad():
        error = float((network(inputs) - target).square().mean() / target.square().mean())
    inputs, _ = _sequences(k, 64, torch.Generator().manual_seed(seed + 2))
    inputs.requires_grad_(True)
    (gradient,) = torch.autograd.grad(network(inputs).sum(), inputs)
    return error, float(gradient[0].double().norm(dim=-1).mean())

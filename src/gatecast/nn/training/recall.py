"""One run of the memory experiment: a network learns to say, after k noisy steps, the value it was shown first."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gatecast.config import Config
from gatecast.nn.encoders import RecurrentEncoder
from gatecast.nn.families import make_encoder
from gatecast.nn.sizes import matched
from gatecast.nn.training.adam import FlatAdam

LSTM_UNITS = 16  # of the LSTM; the other families have as many weights
BATCH = 32
LEARNED = 0.02  # of the variance, smoothed over some 20 updates: recalled, and no need to go on
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
    context_length = 2 * k  # so that what is to be recalled lies at the edge of no family's view
    base = Config(hidden=LSTM_UNITS, dropout=0.0, context_length=context_length, learning_rate=_LEARNING_RATE)
    config = matched(base, encoder)
    generator = torch.Generator().manual_seed(seed)
    network = _begun(config, generator, forget_bias)
    before = _gradient(network, k, seed)
    with _tiny_numbers_as_zero():
        used = _train(network, config, k, updates, generator)
    inputs, target = _sequences(k, _JUDGED, torch.Generator().manual_seed(seed + 1))
    with torch.no_grad():
        error = (network(inputs) - target).square().mean() / target.square().mean()
    return Recall(
        error=float(error), gradient_before=before, gradient_after=_gradient(network, k, seed), updates=used
    )


def _begun(config: Config, generator: torch.Generator, forget_bias: float | None) -> _Recaller:
    with torch.random.fork_rng(devices=[]):  # torch's layers draw weights of their own when they are made
        network = _Recaller(config)
    network.encoder.initialise(generator)
    nn.init.xavier_uniform_(network.read.weight, generator=generator)
    nn.init.zeros_(network.read.bias)
    if forget_bias is not None:
        assert isinstance(network.encoder, RecurrentEncoder)
        for layer in network.encoder.layers:
            bias = dict(layer.named_parameters())["bias_ih_l0"]
            bias.data[config.hidden : 2 * config.hidden] = forget_bias
    return network


def _sequences(k: int, batch: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    inputs = torch.zeros(k + 1, batch, 2)
    inputs[:, :, 0] = torch.randn(k + 1, batch, generator=generator)
    inputs[0, :, 1] = 1.0
    return inputs, inputs[0, :, 0].clone()


def _train(network: _Recaller, config: Config, k: int, updates: int, generator: torch.Generator) -> int:
    optimiser, smoothed = FlatAdam(network, config), 1.0
    for update in range(1, updates + 1):
        inputs, target = _sequences(k, BATCH, generator)
        loss = (network(inputs) - target).square().mean()
        optimiser.step([optimiser.gradient_of(loss)])
        smoothed = 0.95 * smoothed + 0.05 * loss.item()
        if smoothed < LEARNED:
            return update
    return updates


def _gradient(network: _Recaller, k: int, seed: int) -> float:
    inputs, _ = _sequences(k, 64, torch.Generator().manual_seed(seed + 2))
    inputs.requires_grad_(True)
    (gradient,) = torch.autograd.grad(network(inputs).sum(), inputs)
    return float(gradient[0].double().norm(dim=-1).mean())


@contextmanager
def _tiny_numbers_as_zero() -> Iterator[None]:
    """A gradient that has vanished is made of denormal numbers, which a processor handles many times slower."""
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)

"""The network contract, and the recipe's network: an encoder and a head, built from a config and a seed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_left
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from gatecast.config import Config
from gatecast.errors import UsageError
from gatecast.nn.encoders import Sequences, State
from gatecast.nn.families import make_encoder
from gatecast.nn.heads import Head
from gatecast.nn.masks import Masks, draw_masks
from gatecast.nn.next_day import HeldOutDays, MixtureDay, NextDay, PointDay
from gatecast.nn.parallel import on_one_core

INPUTS = 8  # features of every network; see `features.FeatureSpec.names`


class PathNetwork(nn.Module, ABC):
    """What training and sampling ask of a network: the day after each row, and a state to carry on from."""

    units: int  # of all layers together, by which paths are shared out

    @abstractmethod
    def forward(
        self, inputs: Any, state: State | None = None, masks: Masks | None = None, *, last: int | None = None
    ) -> tuple[NextDay, State]:
        """The days after the last `last` steps (all unless given), (last, sequence), and the state after them.

        `masks` may hold k for each sequence, for the k paths that go on from it; the answer then has as many.
        """

    @abstractmethod
    def draw_masks(self, sequences: int, generator: torch.Generator) -> Masks | None:
        """Dropout masks of so many sequences; None where nothing is dropped."""


class Network(PathNetwork):
    """Scaled features in, the day after every step out. `held_out` are the days its samples resample, once trained."""

    def __init__(self, config: Config, inputs: int) -> None:
        super().__init__()
        self.config = config
        self.units = config.layers * config.hidden
        self.encoder = make_encoder(config, inputs)
        self.head = Head(config)
        self.held_out: HeldOutDays | None = None

    def forward(
        self, inputs: Sequences, state: State | None = None, masks: Masks | None = None, *, last: int | None = None
    ) -> tuple[PointDay | MixtureDay, State]:
        """The days after the last `last` steps, in units of the target's scale, and the encoder's state."""
        hidden, state = self.encoder(inputs, masks, state, last)
        return self.head(hidden, self.held_out), state

    def draw_masks(self, sequences: int, generator: torch.Generator) -> Masks | None:
        """A mask after each layer."""
        if self.config.dropout == 0:
            return None
        return draw_masks(self.config.layers, sequences, self.config.hidden, self.config.dropout, generator)


def build(config: Config, inputs: int, device: torch.device) -> Network:
    """A network with weights drawn from `config.seed`; the global random state is neither read nor moved."""
    generator = torch.Generator().manual_seed(config.seed)

    def drawn() -> Network:
        with drawn_from(torch.Generator()):  # torch's layers draw weights of their own when they are made
            network = Network(config, inputs)
        network.encoder.initialise(generator)
        network.head.initialise(generator)
        return network

    return on_one_core(drawn).to(device)


def parameter_count(config: Config) -> int:
    """The weights that training moves.

    >>> parameter_count(Config(hidden=4, layers=1))  # 4 gates x (8 + 4 + 1) x 4 units, and 4 + 1 of the head
    213
    """
    parameters = build(config, INPUTS, torch.device("cpu")).parameters()
    return sum(weight.numel() for weight in parameters if weight.requires_grad)


def matched(config: Config, encoder: str) -> Config:
    """`config` with another encoder, as wide as makes its weights nearest in number to the LSTM's of `config`.

    >>> narrow = matched(Config(), "transformer")
    >>> narrow.hidden, parameter_count(Config()), parameter_count(narrow)
    (20, 5281, 5381)
    """
    config = config.replace(start="scratch")  # no other family comes trained
    target = parameter_count(config.replace(encoder="lstm"))

    def count(hidden: int) -> int:
        return parameter_count(config.replace(encoder=encoder, hidden=hidden))

    high = 2
    while count(high) < target:
        high *= 2
    enough = 2 + bisect_left(range(2, high), target, key=count)  # the least width from 2 with as many weights
    nearest = min((enough - 1, enough), key=lambda hidden: abs(count(hidden) - target))
    return config.replace(encoder=encoder, hidden=nearest)


class drawn_from(TorchFunctionMode):  # noqa: N801 - a context manager, like torch.no_grad
    """What torch's layers draw when they are made comes from this generator, not from the global random state.

    The state is the process's: to seed it, or to save and restore it, would reach into every other thread.
    """

    def __init__(self, generator: torch.Generator) -> None:
        super().__init__()
        self.generator = generator

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None) -> Any:
        """Call the function, with the generator where it would use the global one."""
        kwargs = kwargs or {}
        if "generator" in kwargs and kwargs["generator"] is None:
            kwargs = {**kwargs, "generator": self.generator}
        return func(*args, **kwargs)


ALIGNED = 64  # bytes; where torch puts what it allocates


def own_memory(network: nn.Module) -> None:
    """Give every weight aligned memory of its own, as a loaded network has; one that has it is left alone.

    While training, weights are views into one vector at any offset, and the last digits of a matrix product depend on
    the alignment of its factors: without this a saved network would not repeat the bytes of the one it was saved from.
    """
    for parameter in network.parameters():
        apart = parameter.untyped_storage().nbytes() == parameter.nbytes and not parameter.data_ptr() % ALIGNED
        if not apart and not parameter.is_cuda:
            parameter.data = parameter.data.clone()
    for module in network.modules():
        if isinstance(module, nn.RNNBase):
            module.flatten_parameters()  # on a GPU a layer's weights are read in one piece; here it does nothing


def pick_device(config: Config) -> torch.device:
    """The device asked for; raises `UsageError` for a GPU that is not there."""
    has_gpu = torch.cuda.is_available()
    if config.device == "cuda" and not has_gpu:
        raise UsageError("device=cuda needs a CUDA GPU; torch finds none here. Use device=auto.")
    return torch.device("cuda" if has_gpu and config.device != "cpu" else "cpu")

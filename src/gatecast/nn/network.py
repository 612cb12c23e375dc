"""The network: an encoder, dropout, a head; built from a config and a seed, nothing else."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gatecast.config import Config
from gatecast.errors import UsageError
from gatecast.nn.encoders import Masks, State
from gatecast.nn.families import make_encoder
from gatecast.nn.heads import make_head
from gatecast.nn.parallel import one_core


class Network(nn.Module):
    """Scaled features in, the forecast value of every judged step out."""

    def __init__(self, config: Config, inputs: int) -> None:
        super().__init__()
        self.encoder = make_encoder(config, inputs)
        self.head = make_head(config)

    def forward(
        self,
        inputs: Float[Tensor, "time batch feature"],
        masks: Masks | None = None,
        judged: int | None = None,
    ) -> Float[Tensor, "judged paths ..."]:
        """Values of the last `judged` steps (all of them unless given), or the parameters of their distribution."""
        hidden, _ = self.encoder(inputs, masks, judged=judged)
        return torch.as_tensor(self.head(hidden))

    def step(
        self, inputs: Float[Tensor, "time batch feature"], masks: Masks | None, state: State | None
    ) -> tuple[Float[Tensor, "paths ..."], State]:
        """The value (or the parameters) after the last of these inputs, and the state to carry on from."""
        hidden, state = self.encoder(inputs, masks, state, judged=1)
        return self.head(hidden)[0], state


def build(config: Config, inputs: int, device: torch.device) -> Network:
    """A network with weights drawn from `config.seed`; the global random state is neither read nor moved."""
    with torch.random.fork_rng(devices=[]):  # torch's layers draw weights of their own when they are made
        network = Network(config, inputs)
    generator = torch.Generator().manual_seed(config.seed)
    with one_core():
        network.encoder.initialise(generator)
        network.head.initialise(generator)
    return network.to(device)


def pick_device(config: Config) -> torch.device:
    """The device asked for; raises `UsageError` for a GPU that is not there."""
    has_gpu = torch.cuda.is_available()
    if config.device == "cuda" and not has_gpu:
        raise UsageError("device=cuda needs a CUDA GPU; torch finds none here. Use device=auto.")
    return torch.device("cuda" if has_gpu and config.device != "cpu" else "cpu")

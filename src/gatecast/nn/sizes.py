"""How many weights a network learns, and the width at which two families learn equally many."""

from __future__ import annotations

from gatecast.config import Config
from gatecast.nn.network import build, pick_device

INPUTS = 8  # features of every network; see `features.FeatureSpec.names`


def parameter_count(config: Config, inputs: int = INPUTS) -> int:
    """The weights that training moves.

    >>> parameter_count(Config(hidden=4, layers=1))  # 4 gates x (8 + 4 + 1) x 4 units, and 4 + 1 of the head
    213
    """
    network = build(config, inputs, pick_device(config.replace(device="cpu")))
    return sum(weight.numel() for weight in network.parameters() if weight.requires_grad)


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

    low, high = 1, 2
    while count(high) < target:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if count(middle) < target else (low, middle)
    nearest = min((low, high), key=lambda hidden: abs(count(hidden) - target))
    return config.replace(encoder=encoder, hidden=nearest)

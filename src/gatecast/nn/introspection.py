"""What a network can be asked about itself: its cells' weights, its gradients, and what each input contributed."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import fields
from typing import TypeVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from gatecast.config import Config
from gatecast.features.cross_section import CROSS_SECTION
from gatecast.features.event_calendar import EVENTS, SUMMARY
from gatecast.features.signal_rows import BaseInputs
from gatecast.features.signals import SIGNALS
from gatecast.nn.base_network import BaseNetwork
from gatecast.nn.cells import CellWeights
from gatecast.nn.families import CausalAttention, CausalConvolutions
from gatecast.nn.network import Network, build
from gatecast.nn.parallel import workers_on

COMPLETE = 1e-3  # of the change: how nearly the contributions must add up
_PIECES, _POINTS, _HALVINGS = 8, 4, 24  # of the line from the average day to the inputs
_ROUNDING = 1e-10  # of a daily volatility; under it a piece is as right as it can be

Value = Callable[[Tensor], Tensor]  # inputs (time, batch, feature) in float64 to the explained number, (batch,)
AnyNetwork = TypeVar("AnyNetwork", bound=nn.Module)


def exact(network: AnyNetwork) -> AnyNetwork:
    """A copy in float64 on the CPU, at rest: what follows is then exact to rounding."""
    return copy.deepcopy(network).double().cpu().eval()


def point_value(network: Network) -> Value:
    """The mean of the next day after the last input, without dropout, in units of the target's scale."""
    return lambda inputs: network(inputs, last=1)[0].mean[0]


def log_scale_value(network: BaseNetwork, inputs: BaseInputs) -> tuple[Value, np.ndarray]:
    """The log of the base network's predicted scale of the next day, and its inputs as one array, (time, feature).

    The inputs are scaled signals, cross-section and expected events of each row, then the scaled events of the next
    day, which enter at the last row alone. Flags stay as they are; so do dates that are known. `network` in float64,
    one sequence.
    """
    tensors = {field.name: torch.tensor(getattr(inputs, field.name), dtype=torch.float64) for field in fields(inputs)}
    seen = network.standardised(BaseInputs(**tensors))
    flags = seen[..., SIGNALS + CROSS_SECTION :]
    events = torch.zeros(*seen.shape[:2], EVENTS, dtype=torch.float64)
    told, ahead = network.calendar(BaseInputs(**tensors))
    events[-1] = ahead[-1, :, :EVENTS]
    whole = torch.cat([seen[..., : SIGNALS + CROSS_SECTION], tensors["expected"], events], dim=-1)
    passed, known = told[..., SUMMARY:], torch.zeros_like(ahead[..., EVENTS:])
    known[-1] = ahead[-1, :, EVENTS:]

    def value(rows: Float[Tensor, "time batch feature"]) -> Float[Tensor, " batch"]:
        across, expected, events = torch.split(rows, [SIGNALS + CROSS_SECTION, SUMMARY, EVENTS], dim=-1)
        given, expected, events = (
            torch.cat([part, fixed.expand(-1, rows.shape[1], -1)], dim=-1)
            for part, fixed in ((across, flags), (expected, passed), (events, known))
        )
        return network.predicted(given, expected, events, last=1)[0].scale[0].log()

    return value, np.asarray(whole[:, 0].detach().numpy())


def layer_weights(network: nn.Module) -> list[CellWeights]:
    """The weights of each recurrent layer; none for the families without recurrence."""
    layers = [layer for layer in network.modules() if isinstance(layer, nn.RNNBase)]
    return [CellWeights(*(weight.detach().numpy() for weight in layer.parameters())) for layer in layers]


def value_at(value_of: Value, inputs: Float[np.ndarray, "time feature"]) -> float:
    """The explained number for these inputs."""
    with torch.no_grad():
        return float(value_of(torch.from_numpy(inputs.astype(np.float64))[:, None]))


def gradient_by_lag(value: Value, inputs: Float[np.ndarray, "time feature"]) -> Float[np.ndarray, " time"]:
    """Norm of d value / d inputs, k steps back at index k."""
    _, gradient = _on_line(value, torch.from_numpy(inputs.astype(np.float64)), torch.ones(1, dtype=torch.float64))
    return np.asarray(gradient[:, 0].norm(dim=-1).numpy()[::-1])


def untrained(config: Config, encoder: str, inputs: int) -> Network:
    """A network of these settings and another encoder as it is before any training, in float64."""
    return exact(build(config.replace(encoder=encoder), inputs, torch.device("cpu")))


def integrated_gradients(
    value_of: Value, inputs: Float[np.ndarray, "time feature"]
) -> tuple[Float[np.ndarray, "time feature"], float, float]:
    """What each input added to the value, the value, and that of the average day (all inputs zero).

    (x - x0) times the mean gradient on the line from x0 to x: Sundararajan, Taly and Yan (2017), equation 1. The line
    is cut in pieces; one whose contributions miss its own change in output (a ReLU bends there) is halved until they
    do not.
    """
    rows = torch.from_numpy(inputs.astype(np.float64))
    base, value = _on_line(value_of, rows, torch.tensor([0.0, 1.0], dtype=torch.float64))[0].tolist()
    allowed = max(COMPLETE * abs(value - base) / 64, _ROUNDING)
    contributions = torch.zeros_like(rows)
    starts, width = torch.arange(_PIECES, dtype=torch.float64) / _PIECES, 1 / _PIECES
    for halvings_left in range(_HALVINGS, -1, -1):
        parts, change = _pieces(value_of, rows, starts, width)
        wrong = ((parts.sum((1, 2)) - change).abs() > allowed) & (halvings_left > 0)
        contributions += parts[~wrong].sum(dim=0)
        width /= 2
        starts = torch.cat([starts[wrong], starts[wrong] + width])
        if not len(starts):
            break
    return np.asarray(contributions.numpy()), value, base


def _pieces(
    value_of: Value, rows: Float[Tensor, "time feature"], starts: Float[Tensor, " piece"], width: float
) -> tuple[Float[Tensor, "piece time feature"], Float[Tensor, " piece"]]:
    """Contributions over each piece of the line, by Gauss and Legendre's points, and the change in output over it."""
    points, weights = np.polynomial.legendre.leggauss(_POINTS)
    on_line = starts[:, None] + width * torch.from_numpy(points + 1) / 2  # (piece, point)
    _, gradient = _on_line(value_of, rows, on_line.flatten())
    mean = torch.einsum("tpqf,q->ptf", gradient.reshape(len(rows), *on_line.shape, -1), torch.from_numpy(weights) / 2)
    ends = _on_line(value_of, rows, torch.cat([starts, starts + width]))[0]
    return rows * mean * width, ends[len(starts) :] - ends[: len(starts)]


def _on_line(
    value_of: Value, rows: Float[Tensor, "time feature"], shares: Float[Tensor, " point"]
) -> tuple[Float[Tensor, " point"], Float[Tensor, "time point feature"]]:
    """The forecast and its gradient with this share of every input.

    In a thread that takes denormal numbers for zero: on the average day gradients fade into them, ten times as slow.
    """

    def at(shares: Float[Tensor, " point"]) -> tuple[Float[Tensor, " point"], Float[Tensor, "time point feature"]]:
        batch = (rows[:, None] * shares[:, None]).requires_grad_(True)
        value = value_of(batch)
        (gradient,) = torch.autograd.grad(value.sum(), batch)
        return value.detach(), gradient

    with workers_on(torch.device("cpu"), 1) as single:
        return single.map(at, [shares])[0]


def dilations_of(network: Network) -> tuple[int, ...]:
    """The dilations of a network of convolutions, all its layers after one another; none for the others."""
    encoder = network.encoder
    return tuple(encoder.dilations) * encoder.depth if isinstance(encoder, CausalConvolutions) else ()


def attention(
    network: Network, inputs: Float[np.ndarray, "time feature"]
) -> Float[np.ndarray, "layer head time time"] | None:
    """How much each step looks at each other one, for a network of attention; None for the others."""
    if not isinstance(network.encoder, CausalAttention):
        return None
    return np.asarray(network.encoder.attention(torch.from_numpy(inputs.astype(np.float64))[:, None]).numpy())

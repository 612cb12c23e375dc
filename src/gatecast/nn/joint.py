"""The base network: an LSTM whose head foretells a day's return, its range given the return, its volume given both.

A day is drawn as y ~ t(location, scale, df); log range | y ~ normal about a size of y; log volume | range ~ normal.
The location is one learned number: a free one fits the noise of the training years and nothing beyond them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from gatecast.features.cross_section import MARKET
from gatecast.features.event_calendar import ECHOES, SUMMARY
from gatecast.features.signals import RANGE_SIGNALS, SIGNALS, VOLUME_SIGNALS

HIDDEN, DENSE = 64, 32
FLAGS = 2  # has ranges, has volumes
INPUTS = SIGNALS + MARKET + FLAGS + 1  # the last says whether there is a market
DROPOUT = 0.4  # of the hidden units; one mask per sequence or path (Gal and Ghahramani 2016)
_OUTPUTS = 8  # all but the location

State = tuple[Float[Tensor, "1 batch hidden"], Float[Tensor, "1 batch hidden"]]


@dataclass(frozen=True, kw_only=True)
class Day:
    """The distribution of the next day, in units of its row's scale; every field has the shape of the rows."""

    location: Float[Tensor, "*rows"]
    scale: Float[Tensor, "*rows"]
    df: Float[Tensor, "*rows"]
    range_level: Float[Tensor, "*rows"]
    range_slope: Float[Tensor, "*rows"]
    range_spread: Float[Tensor, "*rows"]
    volume_level: Float[Tensor, "*rows"]
    volume_slope: Float[Tensor, "*rows"]
    volume_spread: Float[Tensor, "*rows"]

    def return_nll(self, y: Float[Tensor, "*rows"]) -> Float[Tensor, "*rows"]:
        """The negative log density of the scaled return; nats."""
        squared = ((y - self.location) / self.scale).square()
        df = self.df
        log_constant = (
            torch.lgamma((df + 1) / 2)
            - torch.lgamma(df / 2)
            - 0.5 * torch.log(math.pi * df)
            - self.scale.log()
        )
        return (df + 1) / 2 * torch.log1p(squared / df) - log_constant

    def range_centre(self, y: Float[Tensor, "*rows"]) -> Float[Tensor, "*rows"]:
        """The mean of the log range of a day that returned `y`; training moves location and scale by `y` alone."""
        location, scale = self.location.detach(), self.scale.detach()
        size = 0.5 * torch.log(0.2 + ((y - location) / scale).square())
        return scale.log() + self.range_level + self.range_slope * size

    def volume_centre(self, range_error: Float[Tensor, "*rows"]) -> Float[Tensor, "*rows"]:
        """The mean of the volume of a day whose range was off by so many of its spreads."""
        return self.volume_level + self.volume_slope * range_error


class JointNetwork(nn.Module):
    """Signals and echoes in, the `Day` after every row out; absent ranges, volumes and markets are masked.

    Rows are (time, batch, ...). `standardise` comes first, so that training can drop inputs between.
    """

    input_mean: Tensor
    input_std: Tensor
    market_mean: Tensor
    market_std: Tensor
    echo_mean: Tensor
    echo_std: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("input_mean", torch.zeros(SIGNALS))
        self.register_buffer("input_std", torch.ones(SIGNALS))
        self.register_buffer("market_mean", torch.zeros(MARKET))
        self.register_buffer("market_std", torch.ones(MARKET))
        self.register_buffer("echo_mean", torch.zeros(ECHOES))
        self.register_buffer("echo_std", torch.ones(ECHOES))
        self.location = nn.Parameter(torch.tensor(0.03))
        self.lstm = nn.LSTM(INPUTS + SUMMARY, HIDDEN)
        self.dense = nn.Linear(HIDDEN + INPUTS + ECHOES, DENSE)
        self.head = nn.Linear(HIDDEN + INPUTS + ECHOES + DENSE, _OUTPUTS)
        with torch.no_grad():
            for name, weight in self.lstm.named_parameters():
                if name.startswith("bias"):
                    weight.zero_()
            self.lstm.get_parameter("bias_ih_l0")[HIDDEN : 2 * HIDDEN] = (
                1.0  # forget gates open: remember by default
            )
            self.head.weight.zero_()
            self.head.bias.zero_()
            self.head.bias[1] = 1.5  # df of some 3.8
            self.head.bias[3] = self.head.bias[5] = -1.0  # spreads of 0.37

    def standardise(
        self,
        signals: Float[Tensor, "*rows signal"],
        flags: Float[Tensor, "*rows flag"],
        market: Float[Tensor, "*rows market"] | None = None,
    ) -> Float[Tensor, "*rows input"]:
        """Centred, scaled and clipped signals and market, zeros where there are none, and what there is.

        `flags` tell of ranges and volumes; a `market` that is absent is NaN, or None for all rows.
        """
        present = torch.ones_like(signals)
        present[..., RANGE_SIGNALS] = flags[..., :1]
        present[..., VOLUME_SIGNALS] = flags[..., 1:]
        scaled = ((signals - self.input_mean) / self.input_std).clamp(-5, 5)
        if market is None:
            around = signals.new_zeros(*signals.shape[:-1], MARKET)
            known = around[..., :1]
        else:
            around = ((market - self.market_mean) / self.market_std).clamp(-5, 5).nan_to_num(0.0)
            known = market[..., :1].isfinite().to(signals)
        return torch.cat([scaled * present, around, flags, known], dim=-1)

    def remember(
        self,
        inputs: Float[Tensor, "time batch input"],
        expected: Float[Tensor, "time batch summary"],
        state: State | None = None,
    ) -> tuple[Float[Tensor, "time batch hidden"], State]:
        """The LSTM over rows; `expected` is the summary of the echoes made for each row before it came."""
        hidden, state = self.lstm(torch.cat([inputs, expected], dim=-1), state)
        return hidden, state

    def foretell(
        self,
        hidden: Float[Tensor, "*rows hidden"],
        inputs: Float[Tensor, "*rows input"],
        echoes: Float[Tensor, "*rows echo"],
    ) -> Day:
        """The day after each row, given the echoes made for it (all zero where the series has none)."""
        has_echoes = echoes.abs().sum(dim=-1, keepdim=True) > 0
        heard = ((echoes - self.echo_mean) / self.echo_std).clamp(-6, 8) * has_echoes
        seen = torch.cat([hidden, inputs, heard], dim=-1)
        out = self.head(torch.cat([seen, torch.tanh(self.dense(seen))], dim=-1)).unbind(dim=-1)
        return Day(
            location=self.location.expand(out[0].shape),
            scale=out[0].clamp(-3, 3).exp(),
            df=2.1 + functional.softplus(out[1].clamp(-20, 30)),
            range_level=out[2],
            range_spread=out[3].clamp(-4, 2).exp(),
            volume_level=out[4],
            volume_spread=out[5].clamp(-4, 2).exp(),
            range_slope=0.4 + out[6],
            volume_slope=0.2 + out[7],
        )


def build_joint(seed: int, kind: type[JointNetwork] = JointNetwork) -> JointNetwork:
    """A network of this kind with weights drawn from `seed`; the global random state is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return kind()


def draw_mask(shape: tuple[int, ...], keep: float, generator: torch.Generator) -> Float[Tensor, "*shape"]:
    """Ones with probability `keep`, else zeros; on the processor, where the base network lives."""
    return torch.bernoulli(torch.full(shape, keep), generator=generator)

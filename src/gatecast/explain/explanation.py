"""A forecast taken apart, as values: the cell's numbers, how long it remembers, what moved it, what its bands owe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float

from gatecast.config import Config
from gatecast.prices import PriceSeries

TAPS = 3  # of each convolution of a TCN; as in `nn.families`
_KEEPS = {"lstm": "forget_gate", "gru": "update_gate"}  # the gate that says how much of yesterday stays


@dataclass(frozen=True, kw_only=True)
class Cell:
    """The first recurrent layer unrolled over the context by its equations, in float64.

    `values` are all that the cell computes, (time, hidden) by name. Each gate's sum before its sigmoid or tanh is
    `from_inputs` + `from_hidden` + `bias` (GRU's candidate: the last two of `from_hidden` and `hidden_bias` under the
    reset gate); (time, hidden), (time, hidden) and (hidden,) by gate.
    """

    kind: str
    values: Mapping[str, Float[np.ndarray, "time hidden"]]
    from_inputs: Mapping[str, Float[np.ndarray, "time hidden"]]
    from_hidden: Mapping[str, Float[np.ndarray, "time hidden"]]
    bias: Mapping[str, Float[np.ndarray, " hidden"]]
    hidden_bias: Mapping[str, Float[np.ndarray, " hidden"]]

    @property
    def half_lives(self) -> Float[np.ndarray, " hidden"] | None:
        """Steps until half of a unit's state is left, ln 2 / -mean(ln gate); None for an RNN, which has no gate."""
        if self.kind not in _KEEPS:
            return None
        kept = np.log(np.clip(self.values[_KEEPS[self.kind]], 1e-12, 1 - 1e-12)).mean(axis=0)
        return np.asarray(-np.log(2) / kept)


@dataclass(frozen=True, kw_only=True)
class Bands:
    """Width of the 90% band of log returns at each step: as the network gives it, by noise alone, by dropout alone.

    `combined` is the width once the network's quantiles are averaged with those of other models; None where they are
    not. `calibrated` is the width after calibration, the last step, which learned from `origins` past forecasts'
    outcomes; None where calibration is no part of the model.
    """

    whole: Float[np.ndarray, " horizon"]
    noise: Float[np.ndarray, " horizon"]
    dropout: Float[np.ndarray, " horizon"]
    combined: Float[np.ndarray, " horizon"] | None = None
    calibrated: Float[np.ndarray, " horizon"] | None = None
    origins: int = 0

    @property
    def uncalibrated(self) -> Float[np.ndarray, " horizon"]:
        """The width that calibration begins with."""
        return self.whole if self.combined is None else self.combined

    @property
    def stretch(self) -> Float[np.ndarray, " horizon"] | None:
        """By what calibration multiplies the width of each step; 1 where there is no width."""
        if self.calibrated is None:
            return None
        before = self.uncalibrated
        return np.asarray(np.where(before > 0, self.calibrated, 1) / np.where(before > 0, before, 1))


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """All that the page shows of one item's forecast; lags count back from the last row, index 0.

    What is explained is, of a network trained on the prices, the mean return of the next day in trailing volatilities;
    of the base network, whose mean return is a constant, the log of the next day's predicted volatility over the
    trailing volatility, member by member (`member` of `members`). `inputs` (time, feature) are scaled as the network
    sees them; `value` and `base` are the explained number and that of the average day; `contributions` (time, feature)
    sum to value - base; `gradient` and `fresh` are norms of d value / d inputs by lag; `errors` (held_out,) those of
    the held-out days, empty for the base network.

    `log_return` is the predicted mean move of the price, `shrinkage` the share of it that enters a forecast
    (`nn.next_day.shrinkage_of`), `sigma` the trailing and `next_sigma` the predicted volatility of a day.
    `learned_from` are the items that the network was trained on, `own_rows` whether it was on these very prices, or for
    the base network whether it learned from days of these prices. `dilations` are a TCN's, two convolutions each;
    `attention` is a transformer's.
    """

    network: Literal["trained", "base"]
    member: int = 1
    members: int = 1
    encoder: str
    layers: int
    units: int
    config: Config
    history: PriceSeries
    features: tuple[str, ...]
    learned_from: tuple[str, ...]
    learned_until: np.datetime64
    own_rows: bool
    inputs: Float[np.ndarray, "time feature"]
    cell: Cell | None
    value: float
    base: float
    log_return: float
    shrinkage: float
    sigma: float
    next_sigma: float | None
    contributions: Float[np.ndarray, "time feature"]
    gradient: Float[np.ndarray, " time"]
    fresh: Mapping[str, Float[np.ndarray, " time"]]
    bands: Bands
    errors: Float[np.ndarray, " held_out"]
    dilations: tuple[int, ...] = ()
    attention: Float[np.ndarray, "layer head time time"] | None = None

    @property
    def points(self) -> Float[np.ndarray, "time feature"]:
        """Contributions in `point_unit`: basis points of the next return, or per cent of the predicted volatility."""
        return self.contributions * (100 if self.network == "base" else self.sigma * 1e4)

    @property
    def point_unit(self) -> str:
        """The unit of `points`."""
        return "% of volatility" if self.network == "base" else "basis points"

    @property
    def context(self) -> PriceSeries:
        """The rows the network looked at."""
        return self.history.rows(len(self.history) - len(self.inputs), len(self.history))

    @property
    def still(self) -> bool:
        """Whether the price did not move on any day of the context."""
        return bool(np.ptp(self.context.close) == 0)

    @property
    def receptive_field(self) -> int | None:
        """How many days a network of convolutions sees, the last included; None for the other families."""
        return 1 + 2 * (TAPS - 1) * sum(self.dilations) if self.dilations else None

    @property
    def completeness(self) -> float:
        """How far the contributions are from adding up, as a share of the change in output."""
        change = self.value - self.base
        return abs(float(self.contributions.sum()) - change) / max(abs(change), 1e-12)

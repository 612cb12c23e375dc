"""The rivals: simple models behind the same door as the networks, `fit` and `predict`."""

from __future__ import annotations

from gatecast.baselines.averages import Ema, Sma
from gatecast.baselines.contract import Model
from gatecast.baselines.ewma import EwmaT
from gatecast.baselines.garch import Garch
from gatecast.baselines.har import Har
from gatecast.baselines.kalman import Kalman
from gatecast.baselines.ols import Ols
from gatecast.baselines.random_walk import Drift, RandomWalk
from gatecast.baselines.theta import Theta

__all__ = [
    "Drift",
    "Ema",
    "EwmaT",
    "Garch",
    "Har",
    "Kalman",
    "Model",
    "Ols",
    "RandomWalk",
    "Sma",
    "Theta",
]

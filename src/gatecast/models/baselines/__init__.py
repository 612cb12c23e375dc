"""The baselines: simple models with the interface of the networks, `fit` and `predict`."""

from __future__ import annotations

from typing import Any

from gatecast.models.baselines.averages import Ema, Sma
from gatecast.models.baselines.ewma import EwmaT
from gatecast.models.baselines.garch import Garch
from gatecast.models.baselines.har import Har
from gatecast.models.baselines.historical import Historical
from gatecast.models.baselines.kalman import Kalman
from gatecast.models.baselines.ols import Ols
from gatecast.models.baselines.random_walk import Drift, RandomWalk
from gatecast.models.baselines.theta import Theta

__all__ = [
    "BASELINES", "Drift", "Ema", "EwmaT", "Garch", "Har", "Historical", "Kalman", "Ols", "RandomWalk", "Sma", "Theta",
]  # fmt: skip

_ALL = (RandomWalk, Drift, Sma, Ema, Kalman, Ols, Garch, Har, EwmaT, Theta, Historical)
BASELINES: dict[str, type[Any]] = {kind.name: kind for kind in _ALL}

"""gatecast: LSTM price forecasts as fans of simulated paths, held against history.

>>> import gatecast as gc
>>> gc.Config().encoder
'lstm'
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gatecast.ablation import Ablation, ablate
    from gatecast.base import BaseForecaster
    from gatecast.baselines import Drift, Ema, EwmaT, Garch, Har, Kalman, Ols, RandomWalk, Sma, Theta
    from gatecast.config import Config
    from gatecast.errors import GatecastError
    from gatecast.forecast import Forecast, ItemForecast
    from gatecast.forecaster import Forecaster
    from gatecast.prices import PriceSeries, PriceTable
    from gatecast.readers import read_prices
    from gatecast.verdict import Verdict
    from gatecast.walkforward import Report, backtest

__version__ = "0.1.0"

# Loaded when first asked for, so that `gatecast --help` loads neither torch nor pandas.
_HOMES = {
    "Ablation": "ablation",
    "BaseForecaster": "base",
    "Config": "config",
    "Drift": "baselines",
    "Ema": "baselines",
    "EwmaT": "baselines",
    "Forecast": "forecast",
    "Forecaster": "forecaster",
    "Garch": "baselines",
    "GatecastError": "errors",
    "Har": "baselines",
    "ItemForecast": "forecast",
    "Kalman": "baselines",
    "Ols": "baselines",
    "PriceSeries": "prices",
    "PriceTable": "prices",
    "RandomWalk": "baselines",
    "Report": "walkforward",
    "Sma": "baselines",
    "Theta": "baselines",
    "Verdict": "verdict",
    "ablate": "ablation",
    "backtest": "walkforward",
    "read_prices": "readers",
}

__all__ = [
    "Ablation",
    "BaseForecaster",
    "Config",
    "Drift",
    "Ema",
    "EwmaT",
    "Forecast",
    "Forecaster",
    "Garch",
    "GatecastError",
    "Har",
    "ItemForecast",
    "Kalman",
    "Ols",
    "PriceSeries",
    "PriceTable",
    "RandomWalk",
    "Report",
    "Sma",
    "Theta",
    "Verdict",
    "ablate",
    "backtest",
    "read_prices",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"gatecast.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'gatecast' has no attribute '{name}'")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]

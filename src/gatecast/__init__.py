"""gatecast: LSTM price forecasts as fans of simulated paths, held against history.

>>> import gatecast as gc
>>> gc.Config().encoder
'lstm'
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from gatecast.version import __version__ as __version__

if TYPE_CHECKING:
    from gatecast.config import Config
    from gatecast.errors import GatecastError
    from gatecast.faces.figures.fans import plot
    from gatecast.forecast import Forecast, ItemForecast
    from gatecast.judge.ablation import Ablation, ablate
    from gatecast.judge.verdict import Verdict
    from gatecast.judge.walkforward import Report, backtest
    from gatecast.models.baselines import Drift, Ema, EwmaT, Garch, Har, Kalman, Ols, RandomWalk, Sma, Theta
    from gatecast.models.forecaster import Forecaster
    from gatecast.prices import PriceSeries, PriceTable
    from gatecast.readers.read import read_prices

# Loaded when first asked for, so that `gatecast --help` loads neither torch nor pandas.
_HOMES = {
    "Ablation": "judge.ablation",
    "Config": "config",
    "Drift": "models.baselines",
    "Ema": "models.baselines",
    "EwmaT": "models.baselines",
    "Forecast": "forecast",
    "Forecaster": "models.forecaster",
    "Garch": "models.baselines",
    "GatecastError": "errors",
    "Har": "models.baselines",
    "ItemForecast": "forecast",
    "Kalman": "models.baselines",
    "Ols": "models.baselines",
    "PriceSeries": "prices",
    "PriceTable": "prices",
    "RandomWalk": "models.baselines",
    "Report": "judge.walkforward",
    "Sma": "models.baselines",
    "Theta": "models.baselines",
    "Verdict": "judge.verdict",
    "ablate": "judge.ablation",
    "backtest": "judge.walkforward",
    "plot": "faces.figures.fans",
    "read_prices": "readers.read",
}

__all__ = [
    "Ablation",
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
    "plot",
    "read_prices",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"gatecast.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'gatecast' has no attribute '{name}'")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]

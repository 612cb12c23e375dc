"""gatecast: LSTM price forecasts as fans of simulated paths, held against history.

>>> import gatecast as gc
>>> gc.Config().encoder
'lstm'
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gatecast.baselines import Drift, RandomWalk
    from gatecast.config import Config
    from gatecast.errors import GatecastError
    from gatecast.forecast import Forecast, ItemForecast
    from gatecast.forecaster import Forecaster
    from gatecast.prices import PriceSeries, PriceTable
    from gatecast.readers import read_prices

__version__ = "0.1.0"

# Loaded when first asked for, so that `gatecast --help` loads neither torch nor pandas.
_HOMES = {
    "Config": "config",
    "Drift": "baselines",
    "Forecast": "forecast",
    "Forecaster": "forecaster",
    "GatecastError": "errors",
    "ItemForecast": "forecast",
    "PriceSeries": "prices",
    "PriceTable": "prices",
    "RandomWalk": "baselines",
    "read_prices": "readers",
}

__all__ = [
    "Config",
    "Drift",
    "Forecast",
    "Forecaster",
    "GatecastError",
    "ItemForecast",
    "PriceSeries",
    "PriceTable",
    "RandomWalk",
    "read_prices",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"gatecast.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'gatecast' has no attribute '{name}'")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]

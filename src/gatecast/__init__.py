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
    from gatecast.events import Events
    from gatecast.faces.figures.fans import plot
    from gatecast.forecast import Forecast, ItemForecast
    from gatecast.judge.ablation import Ablation, ablate
    from gatecast.judge.report import Report
    from gatecast.judge.verdict import Verdict
    from gatecast.judge.walkforward import backtest
    from gatecast.models.baselines import Drift, Ema, EwmaT, Garch, Har, Kalman, Ols, RandomWalk, Sma, Theta
    from gatecast.models.forecaster import Forecaster
    from gatecast.prices import PriceSeries, PriceTable
    from gatecast.readers.events import read_events
    from gatecast.readers.read import read_prices
    from gatecast.risk.answers import Risk
    from gatecast.risk.assess import assess_risk
    from gatecast.risk.questions import RiskQuestions
    from gatecast.risk.weights import Portfolio

# Loaded when first asked for, so that `gatecast --help` loads neither torch nor pandas.
_NAMES = {
    "config": ["Config"],
    "errors": ["GatecastError"],
    "events": ["Events"],
    "faces.figures.fans": ["plot"],
    "forecast": ["Forecast", "ItemForecast"],
    "judge.ablation": ["Ablation", "ablate"],
    "judge.verdict": ["Verdict"],
    "judge.report": ["Report"],
    "judge.walkforward": ["backtest"],
    "models.baselines": ["Drift", "Ema", "EwmaT", "Garch", "Har", "Kalman", "Ols", "RandomWalk", "Sma", "Theta"],
    "models.forecaster": ["Forecaster"],
    "prices": ["PriceSeries", "PriceTable"],
    "readers.events": ["read_events"],
    "readers.read": ["read_prices"],
    "risk.answers": ["Risk"],
    "risk.assess": ["assess_risk"],
    "risk.questions": ["RiskQuestions"],
    "risk.weights": ["Portfolio"],
}
_HOMES = {name: f"gatecast.{module}" for module, names in _NAMES.items() for name in names}

__all__ = [
    "Ablation", "Config", "Drift", "Ema", "Events", "EwmaT", "Forecast", "Forecaster", "Garch", "GatecastError", "Har",
    "ItemForecast", "Kalman", "Ols", "Portfolio", "PriceSeries", "PriceTable", "RandomWalk", "Report", "Risk",
    "RiskQuestions", "Sma", "Theta", "Verdict", "ablate", "assess_risk", "backtest", "plot", "read_events",
    "read_prices",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'gatecast' has no attribute '{name}'")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]

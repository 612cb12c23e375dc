"""Limits of what a forecast may be asked for: sizes that fit in memory, histories that fit the network."""

from __future__ import annotations

from gatecast.config import Config
from gatecast.errors import DataError, TooFewRows, UsageError
from gatecast.features.indicators import CLOSES, WARMUP, FeatureSpec
from gatecast.prices import PriceSeries

MAX_CELLS = 100_000_000  # paths x (window + horizon) of one item: 0.8 GB of prices, a few times that at work


def check_sizes(horizon: int, paths: int, seed: int = 0) -> None:
    """Refuse a horizon, a number of paths or a seed that cannot be simulated."""
    if seed < 0:
        raise UsageError(f"a seed is 0 or more; got {seed}. Give for example 0.")
    if horizon < 1 or paths < 1:
        raise UsageError(f"horizon and paths are at least 1; got {horizon} and {paths}. Give for example 30 and 1000.")
    cells = paths * (horizon + CLOSES)
    if cells > MAX_CELLS:
        raise UsageError(
            f"paths x (horizon + {CLOSES} rows of history) is at most {MAX_CELLS:,}; got {cells:,}. Ask for fewer."
        )


def check_context(series: PriceSeries, config: Config) -> None:
    """Refuse a history without one full context."""
    needed = config.context_length + WARMUP
    if len(series) < needed:
        raise TooFewRows(
            f"a forecast needs at least {needed} rows (context_length {config.context_length} + {WARMUP} to warm up); "
            f"'{series.item_id}' has {len(series)}. Give more history, a smaller context_length, or leave it out."
        )


def check_columns(series: PriceSeries, spec: FeatureSpec) -> None:
    """A network sees what it was trained on: no feature is made up for a column that is not there."""
    missing = ["high and low"] if spec.has_range and not series.has_range else []
    if spec.has_volume and series.volume is None:
        missing.append("volume")
    if missing:
        raise DataError(
            f"a model needs the columns it was trained on; '{series.item_id}' has no {' and no '.join(missing)}. Give "
            "them, or train on closes alone."
        )

"""Where the base network's paths begin: the last rows of each series of a table, and the market they make."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from gatecast.features.cross_section import Seen, market_rows
from gatecast.features.event_calendar import Almanac, history_echoes, summary
from gatecast.features.signals import START, Moves, Signals, history_signals
from gatecast.prices import PriceSeries

MEMORY = 384  # rows the network reads before it speaks; it learned on 120, and what lies beyond has faded
LOOKBACK = MEMORY + 400  # rows kept of a series: the echoes look back 371 days and 64 rows from there


@dataclass(frozen=True, kw_only=True)
class Stand:
    """One place to forecast from: a series up to its last row, the timestamps to come, a random stream of its own."""

    series: PriceSeries
    future: np.ndarray
    rng: np.random.Generator


@dataclass(frozen=True, kw_only=True)
class Present:
    """Where a series stands: its last window, its almanac, and the last days as the network reads them."""

    moves: Moves
    signals: Signals
    market: Float[np.ndarray, "time market"]
    flags: Float[np.ndarray, " flag"]
    almanac: Almanac | None
    expected: Float[np.ndarray, "time summary"]


def read_tables(tables: Sequence[Sequence[Stand]]) -> list[Present]:
    """Every stand of every table; of each series the last rows, for older ones than LOOKBACK are not read."""
    return [present for table in tables for present in _read([one.series for one in table])]


def _read(table: Sequence[PriceSeries]) -> list[Present]:
    parts = []
    for series in table:
        recent = series.rows(max(len(series) - LOOKBACK, 0), len(series))
        moves = Moves.of(recent)
        first = max(START, len(moves) - MEMORY)
        parts.append((recent, moves, first, history_signals(moves, first)))
    seen = [
        Seen(timestamps=recent.timestamps[1 + first :], signals=signals, ranged=moves.day_range is not None)
        for recent, moves, first, signals in parts
    ]
    return [_present(*part, market=market) for part, market in zip(parts, market_rows(seen), strict=True)]


def _present(
    recent: PriceSeries, moves: Moves, first: int, signals: Signals, market: Float[np.ndarray, "time market"]
) -> Present:
    almanac = Almanac.of(recent, moves)
    return Present(
        moves=moves,
        signals=signals,
        market=market,
        flags=np.array([moves.day_range is not None, moves.log_volume is not None], dtype=np.float64),
        almanac=almanac,
        # A row's own day, as it was expected on the row before.
        expected=summary(history_echoes(almanac, len(moves) - 1, first - 1)),
    )

"""Models of volatility that stand beside the network in a combination: GJR-GARCH, HAR and EWMA, made fast."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Generic, TypeVar

import numpy as np
from jaxtyping import Float, Int
from numpy.lib.stride_tricks import sliding_window_view

from gatecast.calibration.combination import MEMBERS
from gatecast.calibration.raw_bands import PROBABILITIES
from gatecast.features.indicators import DECAY, last_volatility
from gatecast.forecast import item_rng
from gatecast.models.baselines.contract import Unfit
from gatecast.models.baselines.ewma import EwmaT
from gatecast.models.baselines.garch import Garch, GarchParameters
from gatecast.models.baselines.gjr import fit_gjr
from gatecast.models.baselines.har import MONTH, Har, HarParameters, variances_of
from gatecast.models.baselines.noise import Draws, StudentT
from gatecast.prices import PriceSeries

REFIT = 250  # rows between two fits: a year of sessions
LEAST = 750  # rows of the first fit: on fewer, rivals are worse than a network that learned from other prices
MOST = 3000  # rows of a fit; older ones add time and little else
PATHS = 2000  # of common shocks that the quantiles of all origins are read from; HAR's are fewer
HAR_PATHS = 200  # an origin: it has a state of 22 variances, and is simulated from each
# Starting variances that GARCH is simulated from, logs in units of the fitted returns'; between them quantiles are
# interpolated, beyond them they keep their ratio to the volatility.
_GRID = np.linspace(-5.0, 5.0, 17)
MOST_FITS, MOST_SAID = 512, 8192  # fits, and answers for an origin of an item, that the process holds
RIVALS = MEMBERS[1:]
_LEVELS_OF_PATHS = (np.arange(PATHS) + 0.5) / PATHS

Value = TypeVar("Value")


@dataclass(kw_only=True, eq=False)
class Newest(Generic[Value]):
    """The values that were made last, by a name of all they depend on: whoever asks again is answered from here."""

    most: int
    held: dict[str, Value] = field(default_factory=dict)
    _one: threading.Lock = field(default_factory=threading.Lock)

    def of(self, name: str, make: Callable[[], Value]) -> Value:
        """The value of this name, made where it is not held."""
        if name in self.held:
            return self.held[name]
        value = make()
        self.keep(name, value)
        return value

    def keep(self, name: str, value: Value) -> None:
        """Hold a value; the oldest goes where there are too many."""
        with self._one:
            while len(self.held) >= self.most:
                self.held.pop(next(iter(self.held)))
            self.held[name] = value


@dataclass(frozen=True, kw_only=True, eq=False)
class FittedRivals:
    """What the three models learned of one item."""

    garch: GarchParameters
    har: HarParameters | None
    ewma: StudentT

    def har_of(self, series: PriceSeries) -> HarParameters | None:
        """HAR's, where it could be fitted and these rows have the ranges that it learned from."""
        return None if self.har is None or (self.har.ranged and not series.has_range) else self.har


@dataclass(frozen=True, kw_only=True, eq=False)
class RivalModels:
    """Quantiles and paths of GJR-GARCH-t, HAR and EWMA-t, in this order, each fitted to an item's own rows.

    An origin at row n of an item is answered by parameters learned on its rows before the last multiple of REFIT, the
    newest MOST of them: what is said at a row depends on the rows up to it alone, and a walk takes a fit a year. Where
    an item has fewer than LEAST rows, or its price hardly moves, nothing is said of it; where HAR cannot be fitted
    GARCH answers in its place. What was fitted or said once is held for the process: a test that fits a forecaster anew
    at each origin asks for the same days again.
    """

    def unlearned(
        self, series: PriceSeries, rows: Int[np.ndarray, " origin"]
    ) -> list[Callable[[], tuple[str, FittedRivals | None]]]:
        """The fits, each with its name, that these numbers of rows ask for and that are not held; `keep` them."""
        anchors = np.unique(rows // REFIT * REFIT)
        histories = [_history(series, int(anchor)) for anchor in anchors if anchor >= LEAST]
        return [partial(_named_fit, name, known) for name, known in histories if name not in _fits.held]

    def keep(self, learned: tuple[str, FittedRivals | None]) -> None:
        """Hold a fit under its name."""
        _fits.keep(*learned)

    def quantiles(
        self, series: PriceSeries, rows: Int[np.ndarray, " origin"], steps: int
    ) -> Float[np.ndarray, "origin rival step probability"]:
        """Quantiles at PROBABILITIES of the log return since each of these rows, ascending; nan where there are none.

        `rows` are numbers of rows known at the origin: n sees rows 0..n-1.
        """
        found = np.empty((len(rows), len(RIVALS), steps, len(PROBABILITIES)))
        names = [f"{digest} {steps}" for digest in _digests(series, rows)]
        held = [_said.held.get(name) for name in names]
        for anchor in np.unique(rows // REFIT * REFIT):
            mine = np.array([place for place in np.flatnonzero(rows // REFIT * REFIT == anchor) if held[place] is None])
            fitted = self._fitted(series, int(anchor)) if len(mine) else None
            if fitted is not None:
                known = series.rows(0, int(rows[mine[-1]]))
                for place, said in zip(mine, _quantiles(known, fitted, rows[mine], steps), strict=True):
                    _said.keep(names[place], said)
                    held[place] = said
        for place, answer in enumerate(held):
            found[place] = np.nan if answer is None else answer
        return found

    def sorted_paths(
        self, series: PriceSeries, horizon: int, paths: int, seed: int
    ) -> Float[np.ndarray, "rival paths horizon"] | None:
        """Log returns since the last row, each step in ascending order; None where there are no rivals."""
        fitted = self._fitted(series, len(series) // REFIT * REFIT)
        if fitted is None:
            return None
        draws = [Draws(horizon, paths, item_rng(f"{name}: {series.item_id}", seed)) for name in RIVALS]
        har = fitted.har_of(series)
        simulated = (
            Garch()._simulate(series, fitted.garch, draws[0]),
            # Where GARCH stands in for HAR its paths are others: each member is a sample of its own.
            Garch()._simulate(series, fitted.garch, draws[1])
            if har is None
            else Har()._simulate(series, har, draws[1]),
            EwmaT()._simulate(series, fitted.ewma, draws[2]),
        )
        found = np.sort(np.stack([of.log_returns for of in simulated]), axis=1)
        return found if np.isfinite(found).all() else None

    def _fitted(self, series: PriceSeries, rows: int) -> FittedRivals | None:
        if rows < LEAST:
            return None
        name, known = _history(series, rows)
        return _fits.of(name, lambda: _fit(known))


def _history(series: PriceSeries, rows: int) -> tuple[str, PriceSeries]:
    """What a fit at this number of rows is made of, and a name of it."""
    known = series.rows(max(rows - MOST, 0), rows)
    columns = known.columns().values()
    return hashlib.sha256(b"".join(np.ascontiguousarray(column).tobytes() for column in columns)).hexdigest(), known


_fits: Newest[FittedRivals | None] = Newest(most=MOST_FITS)
_said: Newest[Float[np.ndarray, "rival step probability"]] = Newest(most=MOST_SAID)


def _digests(series: PriceSeries, rows: Int[np.ndarray, " origin"]) -> list[str]:
    """A hash of all columns of the rows before each of these numbers, ascending."""
    columns = [np.ascontiguousarray(column) for column in series.columns().values()]
    growing, done, found = [hashlib.sha256() for _ in columns], 0, []
    for row in rows:
        for digest, column in zip(growing, columns, strict=True):
            digest.update(column[done:row].data)
        done = int(row)
        found.append(" ".join(digest.hexdigest() for digest in growing))
    return found


def _named_fit(name: str, known: PriceSeries) -> tuple[str, FittedRivals | None]:
    return name, _fit(known)


def _fit(series: PriceSeries) -> FittedRivals | None:
    try:
        garch, ewma = fit_gjr(np.diff(np.log(series.close))), EwmaT()._learn(series)
    except (Unfit, np.linalg.LinAlgError):
        return None
    try:
        har = Har()._learn(series)
    except (Unfit, np.linalg.LinAlgError):
        har = None
    return FittedRivals(garch=garch, har=har, ewma=ewma)


def _quantiles(
    series: PriceSeries, fitted: FittedRivals, rows: Int[np.ndarray, " origin"], steps: int
) -> Float[np.ndarray, "origin rival step probability"]:
    """Of each rival, simulated with the same shocks from every origin: a difference of two is one of their states."""
    garch = _garch(fitted.garch, fitted.garch.variances(series)[rows - 1], steps)
    learned = fitted.har_of(series)
    har = garch if learned is None else _har(learned, series, rows, steps)
    # Each by itself: in a product of matrices the last bit of one would depend on the others.
    now = np.array([last_volatility(series.close[:row]) for row in rows])
    ewma = now[:, None, None] * _ewma(fitted.ewma, steps)
    return np.stack([garch, har, ewma], axis=1)


def _garch(
    learned: GarchParameters, variances: Float[np.ndarray, " origin"], steps: int
) -> Float[np.ndarray, "origin step probability"]:
    """Its only state is a variance: simulated from those of a grid that enclose them, and interpolated between."""
    shocks = learned.student.at(_LEVELS_OF_PATHS)[_common_orders(steps)]
    where = np.clip((np.log(variances) - _GRID[0]) / (_GRID[1] - _GRID[0]), 0, len(_GRID) - 1)
    left = np.minimum(where.astype(int), len(_GRID) - 2)
    grid = _GRID[left.min() : left.max() + 2]
    variance = np.tile(np.exp(grid)[:, None], (1, PATHS))
    place = np.zeros_like(variance)
    by_step = np.empty((len(grid), steps, len(PROBABILITIES)))
    for step in range(steps):
        error = np.sqrt(variance) * shocks[:, step]
        place = place + learned.mu + error
        by_step[:, step] = _quantiles_of(place)
        variance = learned.next_variance(error, variance)
    # In units of the starting volatility quantiles hardly bend along the grid.
    relative = by_step / np.exp(grid / 2)[:, None, None]
    share = (where - left)[:, None, None]
    left = left - left.min()
    found = (1 - share) * relative[left] + share * relative[left + 1]
    return np.asarray(found * np.sqrt(variances)[:, None, None] * learned.unit)


def _ewma(learned: StudentT, steps: int) -> Float[np.ndarray, "step probability"]:
    """In units of the volatility it starts from, to which its paths are proportional."""
    shocks = learned.at(_LEVELS_OF_PATHS)[_common_orders(steps)]
    variance, place = np.ones(PATHS), np.zeros(PATHS)
    found = np.empty((steps, len(PROBABILITIES)))
    for step in range(steps):
        move = np.sqrt(variance) * shocks[:, step]
        place = place + move
        found[step] = _quantiles_of(place)
        variance = DECAY * variance + (1 - DECAY) * move**2
    return found


def _har(
    learned: HarParameters, series: PriceSeries, rows: Int[np.ndarray, " origin"], steps: int
) -> Float[np.ndarray, "origin step probability"]:
    raw = np.maximum(variances_of(series, learned.ranged), learned.floor)
    past = sliding_window_view(raw, MONTH)[rows - 1 - MONTH]  # the last of them is that of row n - 1
    level = (np.arange(HAR_PATHS) + 0.5) / HAR_PATHS
    by_rank = learned.surprises[np.argsort(learned.ranks)]
    # Shocks of its own for each origin: so few paths have errors, which should not be the same for all of them.
    orders = np.concatenate([_orders(HAR_PATHS, steps, int(row)) for row in rows])
    surprises = by_rank[(level * len(by_rank)).astype(int)][orders]
    returns, _ = learned.paths(np.repeat(past, HAR_PATHS, axis=0), surprises, learned.student.at(level)[orders])
    ends = np.cumsum(returns, axis=1).reshape(len(rows), HAR_PATHS, steps)
    return _quantiles_of(np.moveaxis(ends, 1, 2))


@lru_cache(maxsize=4)
def _common_orders(steps: int) -> Int[np.ndarray, "paths step"]:
    """Those of the PATHS that all origins share."""
    orders = _orders(PATHS, steps, 0)
    orders.flags.writeable = False
    return orders


def _orders(paths: int, steps: int, seed: int) -> Int[np.ndarray, "paths step"]:
    """Which of as many evenly spaced shocks each path takes at each step: each one once (McKay, Beckman, Conover 1979).

    Step 1 has then no error of a sample, and later steps less.
    """
    rng = np.random.default_rng(seed)
    return np.asarray(rng.permuted(np.tile(np.arange(paths), (steps, 1)), axis=1).T)


def _quantiles_of(values: Float[np.ndarray, "*batch paths"]) -> Float[np.ndarray, "*batch probability"]:
    """Quantiles at PROBABILITIES of the last axis, at rank p P + 1/2: shocks are evenly spaced."""
    ordered = np.sort(values, axis=-1)
    rank = np.clip(PROBABILITIES * values.shape[-1] - 0.5, 0, values.shape[-1] - 1)
    low = rank.astype(int)
    high = np.minimum(low + 1, values.shape[-1] - 1)
    return np.asarray(ordered[..., low] + (rank - low) * (ordered[..., high] - ordered[..., low]))

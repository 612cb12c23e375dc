"""Models of volatility that stand beside the network in a combination: GJR-GARCH, HAR and EWMA, made fast."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Int
from numpy.lib.stride_tricks import sliding_window_view

from gatecast.calibration.combination import MEMBERS
from gatecast.calibration.raw_bands import PROBABILITIES
from gatecast.features.indicators import DECAY, volatility
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
PATHS = 4000  # of common shocks that the quantiles of all origins are read from; HAR's are fewer
HAR_PATHS = 200  # an origin: it has a state of 22 variances, and is simulated from each
# Starting variances that GARCH is simulated from, logs in units of the fitted returns'; between them quantiles are
# interpolated, beyond them they keep their ratio to the volatility.
_GRID = np.linspace(-5.0, 5.0, 17)
MOST_FITS = 512  # that are held
RIVALS = MEMBERS[1:]
_LEVELS_OF_PATHS = (np.arange(PATHS) + 0.5) / PATHS


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
    GARCH answers in its place.
    """

    fits: dict[str, FittedRivals | None] = field(default_factory=dict)

    def quantiles(
        self, series: PriceSeries, rows: Int[np.ndarray, " origin"], steps: int
    ) -> Float[np.ndarray, "origin rival step probability"]:
        """Quantiles at PROBABILITIES of the log return since each of these rows, ascending; nan where there are none.

        `rows` are numbers of rows known at the origin: n sees rows 0..n-1.
        """
        found = np.full((len(rows), len(RIVALS), steps, len(PROBABILITIES)), np.nan)
        for anchor in np.unique(rows // REFIT * REFIT):
            mine = np.flatnonzero(rows // REFIT * REFIT == anchor)
            fitted = self._fitted(series, int(anchor))
            if fitted is not None:
                known = series.rows(0, int(rows[mine[-1]]))
                found[mine] = _quantiles(known, fitted, rows[mine], steps)
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
        known = series.rows(max(rows - MOST, 0), rows)
        columns = [known.close, *known.columns().values()]
        digest = hashlib.sha256(b"".join(np.ascontiguousarray(column).tobytes() for column in columns)).hexdigest()
        if digest not in self.fits:
            while len(self.fits) >= MOST_FITS:
                self.fits.pop(next(iter(self.fits)))
            self.fits[digest] = _fit(known)
        return self.fits[digest]


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
    ewma = _ewma(fitted.ewma, steps)[None] * volatility(series.close)[rows - 1][:, None, None]
    return np.stack([garch, har, ewma], axis=1)


def _garch(
    learned: GarchParameters, variances: Float[np.ndarray, " origin"], steps: int
) -> Float[np.ndarray, "origin step probability"]:
    """Its only state is a variance: simulated from a grid of them, and interpolated between."""
    shocks = learned.student.at(_LEVELS_OF_PATHS)[_orders(PATHS, steps, 0)]
    logs = np.log(variances)
    variance = np.tile(np.exp(_GRID)[:, None], (1, PATHS))
    place = np.zeros_like(variance)
    by_step = np.empty((len(_GRID), steps, len(PROBABILITIES)))
    for step in range(steps):
        error = np.sqrt(variance) * shocks[:, step]
        place = place + learned.mu + error
        by_step[:, step] = _quantiles_of(place)
        variance = learned.next_variance(error, variance)
    # In units of the starting volatility quantiles hardly bend along the grid.
    relative = by_step / np.exp(_GRID / 2)[:, None, None]
    where = np.clip((logs - _GRID[0]) / (_GRID[1] - _GRID[0]), 0, len(_GRID) - 1)
    left = np.minimum(where.astype(int), len(_GRID) - 2)
    share = (where - left)[:, None, None]
    found = (1 - share) * relative[left] + share * relative[left + 1]
    return np.asarray(found * np.sqrt(variances)[:, None, None] * learned.unit)


def _ewma(learned: StudentT, steps: int) -> Float[np.ndarray, "step probability"]:
    """In units of the volatility it starts from, to which its paths are proportional."""
    shocks = learned.at(_LEVELS_OF_PATHS)[_orders(PATHS, steps, 0)]
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

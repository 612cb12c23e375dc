"""Bands that hold without belief in the model: each level's stretch follows what past bands have covered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from gatecast.calibration.raw_bands import LEAST_WIDTH, LEVELS, RawBands, log_width
from gatecast.calibration.walked import WalkedNetwork, bands_at
from gatecast.errors import ModelError, UsageError
from gatecast.forecast import Density, Forecast, ItemForecast
from gatecast.model import Forecasting
from gatecast.prices import PriceTable, stamp_text

HORIZON = 20  # steps with a stretch of their own; beyond them the last one's falls
GAIN = 0.18  # of the log stretch per origin; cost 0.15% of CRPS at most on 2008-2017 (benchmarks/gain.py)
PROMPT = 5  # steps whose outcomes are known by the next origin
GAIN_FALL = 0.35  # beyond PROMPT the gain falls as h^-0.35: outcomes come later, a strong answer would swing
EAGER = 1.0  # how much more the first origin counts: what is far off comes in soon
SETTLING = 20.0  # origins until half as much more
FEW = 3.0  # N assets weigh N / (N + FEW): one asset's hit or miss says little
NARROWEST, WIDEST = -1.5, 2.0  # log stretch: 0.22 to 7.4 times
MEMORY = 50  # origins; half-life of the usual width
CALMER = -0.5  # the least log of width over usual width: a calm spell answers at most 1.65 times as strongly


@dataclass(frozen=True, kw_only=True, eq=False)
class PendingBand:
    """One item's calibrated bands from one origin, the outcomes of `settled` steps counted; (H, levels)."""

    item_id: str
    cutoff: np.datetime64
    lower: Float[np.ndarray, "horizon levels"]
    upper: Float[np.ndarray, "horizon levels"]
    weight: float
    settled: int = 0


@dataclass(frozen=True, kw_only=True, eq=False)
class Calibrator:
    """How far to stretch each band at each step, learned from past origins alone; immutable.

    A band at level l and step h is median +- exp(theta) times the model's own distance, in log return. After
    each origin whose outcome is known, theta moves by gain times (l - share of assets covered): adaptive
    conformal inference (Gibbs and Candes 2021, equation 2) on the log stretch, with the assets of a date
    pooled, and the first origins counting more (step sizes that fall: Angelopoulos, Barber and Bates 2024).
    theta = gain * `missed` / w, where w is the present 90% width over its usual one: where the model
    has widened its bands itself, the shock is not counted twice.

    `missed` (horizon, levels) sums what was promised less what was covered, `usual` (horizon,) is the mean log
    width, `waiting` the bands whose outcomes are not all known.
    """

    missed: Float[np.ndarray, "horizon levels"]
    usual: Float[np.ndarray, " horizon"]
    origins: int = 0
    waiting: tuple[PendingBand, ...] = ()

    @classmethod
    def fresh(cls, horizon: int = HORIZON) -> Calibrator:
        """One that has seen nothing and changes nothing.

        >>> Calibrator.fresh(5).missed.shape
        (5, 8)
        """
        if horizon < 1:
            raise UsageError(f"a calibrator has at least 1 step; got {horizon}. Give for example 20.")
        return cls(missed=np.zeros((horizon, len(LEVELS))), usual=np.zeros(horizon))

    @property
    def horizon(self) -> int:
        """Steps with a stretch of their own."""
        return len(self.missed)

    @property
    def gain(self) -> Float[np.ndarray, " horizon"]:
        """How much one wholly missed origin moves the log stretch, by step."""
        late = np.maximum(np.arange(1.0, self.horizon + 1) / PROMPT, 1)
        return np.asarray(GAIN * late**-GAIN_FALL)

    def learn(
        self,
        model: Forecasting | WalkedNetwork,
        prices: PriceTable,
        cutoffs: Iterable[np.datetime64],
        *,
        paths: int,
        among: Sequence[np.datetime64] | None = None,
    ) -> Calibrator:
        """Walk a fitted model over past origins, ascending: at each, settle what is known, forecast, and wait.

        At a cutoff the model sees the rows of `prices` at or before it, and nothing else. `among` as `bands_at` has it.
        """
        calibrator = self
        days = list(cutoffs)
        for day, bands in zip(days, bands_at(model, prices, days, self.horizon, paths, among), strict=True):
            calibrator = calibrator.settle(prices.until(day)).record(bands)
        return calibrator

    def settle(self, prices: PriceTable) -> Calibrator:
        """Count every outcome that `prices` holds: step h of an origin is known h rows after it."""
        missed, waiting, present = self.missed.copy(), [], set(prices.item_ids)
        for band in self.waiting:
            if band.item_id not in present:
                continue
            series = prices[band.item_id]
            first = int(np.searchsorted(series.timestamps, band.cutoff, side="right"))
            if first == 0:  # the origin's own close is not among these rows
                continue
            known = min(len(series) - first, self.horizon)
            if known > band.settled:
                steps = slice(band.settled, known)
                close = series.close[first + band.settled : first + known]
                move = np.log(close / series.close[first - 1])[:, None]
                inside = (band.lower[steps] - LEAST_WIDTH <= move) & (move <= band.upper[steps] + LEAST_WIDTH)
                missed[steps] += band.weight * (LEVELS - inside)
            if known < self.horizon:
                waiting.append(replace(band, settled=max(known, band.settled)))
        # Past the ends of the stretch more misses would only delay the way back.
        missed = np.clip(missed, NARROWEST / self.gain[:, None], WIDEST / self.gain[:, None])
        return replace(self, missed=missed, waiting=tuple(waiting))

    def record(self, raw: Forecast | RawBands) -> Calibrator:
        """Note a raw forecast, so that its outcomes count once they are known; `horizon` steps or more.

        An item without a row since its last forecast, as one that no longer trades, is not noted twice.
        """
        steps = raw.steps if isinstance(raw, RawBands) else raw.horizon
        if steps < self.horizon:
            raise UsageError(
                f"a calibrator of {self.horizon} steps learns from as many; got {steps}. Forecast farther."
            )
        bands = raw.first(self.horizon) if isinstance(raw, RawBands) else RawBands.of(raw, self.horizon)
        theta = self._stretch(bands.log_width)
        noted = {(band.item_id, band.cutoff) for band in self.waiting}
        fresh = [place for place, of in enumerate(zip(bands.item_ids, bands.last, strict=True)) if of not in noted]
        eager = 1 + EAGER * 0.5 ** (self.origins / SETTLING)
        waiting = tuple(
            PendingBand(
                item_id=bands.item_ids[place],
                cutoff=bands.last[place],
                lower=bands.middle[place][:, None] - _nested(bands.below[place], theta),
                upper=bands.middle[place][:, None] + _nested(bands.above[place], theta),
                weight=eager / (len(fresh) + FEW),
            )
            for place in fresh
        )
        return replace(
            self, usual=self._usual_with(bands.log_width), origins=self.origins + 1, waiting=(*self.waiting, *waiting)
        )

    def stretch(self, forecast: Forecast) -> Float[np.ndarray, "steps levels"]:
        """The log stretch of this raw forecast's bands, by step and level.

        Beyond `horizon` that of its last step falls as that step's share of the variance does, horizon / step.
        """
        steps = min(forecast.horizon, self.horizon)
        theta = self._stretch(log_width(forecast, steps))
        share = self.horizon / np.arange(steps + 1.0, forecast.horizon + 1)
        return np.vstack([theta, share[:, None] * theta[-1]])

    def _stretch(self, width: Float[np.ndarray, " steps"]) -> Float[np.ndarray, "steps levels"]:
        """The log stretch of bands of these log widths."""
        wider = np.exp(np.maximum(width - self._usual_with(width), CALMER))
        moved = self.gain[: len(width), None] * self.missed[: len(width)] / wider[:, None]
        return np.asarray(np.clip(moved, NARROWEST, WIDEST))

    def apply(self, forecast: Forecast) -> Forecast:
        """The forecast with its bands stretched; medians and the order of the paths stay.

        Of the paths of a step in order, the one at rank i of P bounds the level |2 (i - 1/2) / P - 1| and moves
        from the median by the stretch of that level, interpolated. A density keeps its form and is scaled by the
        mean log stretch.
        """
        theta = self.stretch(forecast)
        return replace(forecast, items=tuple(_stretched(item, theta) for item in forecast))

    def to_dict(self) -> dict[str, Any]:
        """Plain types for JSON."""
        return {
            "missed": self.missed.tolist(),
            "usual": self.usual.tolist(),
            "origins": self.origins,
            "waiting": [
                {
                    "item_id": band.item_id,
                    "cutoff": stamp_text(band.cutoff),
                    "lower": band.lower.tolist(),
                    "upper": band.upper.tolist(),
                    "weight": band.weight,
                    "settled": band.settled,
                }
                for band in self.waiting
            ],
        }

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Calibrator:
        """What `to_dict` wrote; raises `ModelError` where it is no such thing."""
        try:
            missed, usual = _array(document["missed"]), _array(document["usual"])
            waiting = tuple(
                PendingBand(
                    item_id=str(band["item_id"]),
                    cutoff=pd.Timestamp(band["cutoff"]).as_unit("ns").to_datetime64(),
                    lower=_array(band["lower"], missed.shape),
                    upper=_array(band["upper"], missed.shape),
                    weight=float(band["weight"]),
                    settled=int(band["settled"]),
                )
                for band in document["waiting"]
            )
            sound = all(
                0 <= band.settled < len(usual) and 0 < band.weight <= 1 and (band.lower <= band.upper).all()
                for band in waiting
            )
            if not sound or int(document["origins"]) < 0 or np.abs(usual).max(initial=0) > 100:
                raise ValueError("its counts or widths cannot be")
            if missed.ndim != 2 or missed.shape != (len(usual), len(LEVELS)) or not len(usual):
                raise ValueError(f"missed has shape {missed.shape}")
            return cls(missed=missed, usual=usual, origins=int(document["origins"]), waiting=waiting)
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(
                f"a calibrator's description must fit this gatecast; this one does not ({str(error)[:160]}). "
                "Save the model again."
            ) from None

    def _usual_with(self, width: Float[np.ndarray, " steps"]) -> Float[np.ndarray, " steps"]:
        """The usual log width once this origin's is counted."""
        usual = self.usual[: len(width)]
        return usual + (1 - 0.5 ** (1 / MEMORY)) * (width - usual) if self.origins else width


def _nested(
    distance: Float[np.ndarray, "steps levels"], theta: Float[np.ndarray, "steps levels"]
) -> Float[np.ndarray, "steps levels"]:
    """Stretched distances; a level reaches at least as far as those inside it."""
    return np.asarray(np.maximum.accumulate(np.exp(theta) * distance, axis=1))


def _stretched(item: ItemForecast, theta: Float[np.ndarray, "steps levels"]) -> ItemForecast:
    moves = item.log_returns()
    order = np.argsort(moves, axis=0, kind="stable")
    count, half = len(moves), len(moves) // 2
    level = np.abs(2 * (np.arange(count) + 0.5) / count - 1)
    middle = np.median(moves, axis=0)
    by_level = np.stack([np.interp(level, LEVELS, at_step) for at_step in theta], axis=1)
    offsets = np.exp(by_level) * (np.take_along_axis(moves, order, axis=0) - middle)
    # From the centre out each path keeps at least the distance of the one inside it.
    offsets[half:] = np.maximum.accumulate(offsets[half:], axis=0)
    offsets[:half] = np.minimum.accumulate(offsets[:half][::-1], axis=0)[::-1]
    out = np.empty_like(moves)
    np.put_along_axis(out, order, middle + offsets, axis=0)
    density = _scaled(item.density, middle, np.exp(theta.mean(axis=1)))
    return replace(item.moved(item.last_close * np.exp(out)), density=density)


def _scaled(
    density: Density | None, middle: Float[np.ndarray, " steps"], factor: Float[np.ndarray, " steps"]
) -> Density | None:
    if density is None:
        return None
    return Density(loc=middle + factor * (density.loc - middle), scale=factor * density.scale, df=density.df)


def _array(values: Any, shape: tuple[int, ...] | None = None) -> np.ndarray:
    array = np.array(values, dtype=np.float64)
    if not np.isfinite(array).all() or (shape is not None and array.shape != shape):
        raise ValueError("its numbers have another shape, or are none")
    return array

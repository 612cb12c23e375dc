"""Bands that hold without belief in the model: each level's stretch follows what past bands have covered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from gatecast.calibration.documents import numbers
from gatecast.calibration.gains import GAINS, HALF_LIFE, MOST_PACE, beliefs, gains_of, lost, witnesses
from gatecast.calibration.moving import stretched
from gatecast.calibration.raw_bands import LEAST_WIDTH, LEVELS, RawBands, log_width
from gatecast.calibration.walked import WalkedNetwork, bands_at
from gatecast.errors import ModelError, UsageError
from gatecast.forecast import Forecast
from gatecast.model import Forecasting
from gatecast.prices import PriceTable, stamp_text

HORIZON = 20  # steps with a stretch of their own; beyond them the last one's falls
EAGER = 1.0  # how much more the first origin counts: what is far off comes in soon
SETTLING = 20.0  # origins until half as much more
FEW = 3.0  # N assets weigh N / (N + FEW): one asset's hit or miss says little
NARROWEST, WIDEST = -1.5, 2.0  # log stretch: 0.22 to 7.4 times
MEMORY = 50  # origins; half-life of the usual width
CALMER = -0.5  # the least log of width over usual width: a calm spell answers at most 1.65 times as strongly
_OLD_GAIN, _OLD_LOST = 1, 50.0  # documents of one gain had GAINS[1]: others lost so much, and come in as that fades


@dataclass(frozen=True, kw_only=True, eq=False)
class PendingBand:
    """One item's raw bands from one origin, the outcomes of `settled` steps counted.

    `below` and `above` are how far from the median they reach; `stretch` is the log stretch by which each gain
    calibrates them. Of what the origin says of coverage the item has the share `weight`, of losses the share `tells`.
    """

    item_id: str
    cutoff: np.datetime64
    middle: Float[np.ndarray, " horizon"]
    below: Float[np.ndarray, "horizon levels"]
    above: Float[np.ndarray, "horizon levels"]
    stretch: Float[np.ndarray, "gain horizon levels"]
    weight: float
    tells: float
    settled: int = 0


@dataclass(frozen=True, kw_only=True, eq=False)
class Calibrator:
    """How far to stretch each band at each step, learned from past origins alone; immutable.

    A band at level l and step h is median +- exp(theta) times the model's own distance, in log return. After
    each origin whose outcome is known, theta moves by gain times (l - share of assets covered): adaptive
    conformal inference (Gibbs and Candes 2021, equation 2) on the log stretch, with the assets of a date
    pooled, and the first origins counting more (step sizes that fall: Angelopoulos, Barber and Bates 2024).
    theta = gain * `missed` / w, where w is the present 90% width over its usual one: where the model
    has widened its bands itself, the shock is not counted twice. Several gains run side by side, none among them; theta
    is their mean, weighted at each step by the loss that each has earned (Gibbs and Candes 2024; `calibration.gains`).

    `missed` (gain, horizon, levels) sums what was promised less what each gain's bands covered, `lost` (gain, horizon)
    what they lost more than those as they come, `usual` (horizon,) is the mean log width, `waiting` the bands whose
    outcomes are not all known.
    """

    missed: Float[np.ndarray, "gain horizon levels"]
    lost: Float[np.ndarray, "gain horizon"]
    usual: Float[np.ndarray, " horizon"]
    origins: int = 0
    waiting: tuple[PendingBand, ...] = ()

    @classmethod
    def fresh(cls, horizon: int = HORIZON) -> Calibrator:
        """One that has seen nothing and changes nothing.

        >>> Calibrator.fresh(5).missed.shape
        (3, 5, 8)
        """
        if horizon < 1:
            raise UsageError(f"a calibrator has at least 1 step; got {horizon}. Give for example 20.")
        shape = (len(GAINS), horizon)
        return cls(missed=np.zeros((*shape, len(LEVELS))), lost=np.zeros(shape), usual=np.zeros(horizon))

    @property
    def horizon(self) -> int:
        """Steps with a stretch of their own."""
        return len(self.usual)

    @property
    def beliefs(self) -> Float[np.ndarray, "gain horizon"]:
        """How much each gain counts at each step; in sum 1."""
        return beliefs(self.lost)

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
        missed, losses = self.missed.copy(), self.lost.copy()
        waiting, present = [], set(prices.item_ids)
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
                move = np.log(close / series.close[first - 1]) - band.middle[steps]
                below, above = (_nested(of[steps], band.stretch[:, steps]) for of in (band.below, band.above))
                inside = (-below - LEAST_WIDTH <= move[:, None]) & (move[:, None] <= above + LEAST_WIDTH)
                missed[:, steps] += band.weight * (LEVELS - inside)
                width = band.below[steps] + band.above[steps]
                losses[:, steps] += band.tells * lost(below, above, width, move, band.settled)
            if known < self.horizon:
                waiting.append(replace(band, settled=max(known, band.settled)))
        return replace(self, missed=_limited(missed), lost=losses, waiting=tuple(waiting))

    def record(self, raw: Forecast | RawBands, pace: float = 1.0) -> Calibrator:
        """Note a raw forecast, so that its outcomes count once they are known; `horizon` steps or more.

        It stands for as many origins as `pace` says, where they are farther apart than those the gains were chosen for.
        An item without a row since its last forecast, as one that no longer trades, is not noted twice.
        """
        steps = raw.steps if isinstance(raw, RawBands) else raw.horizon
        if steps < self.horizon:
            raise UsageError(
                f"a calibrator of {self.horizon} steps learns from as many; got {steps}. Forecast farther."
            )
        bands = raw.first(self.horizon) if isinstance(raw, RawBands) else RawBands.of(raw, self.horizon)
        stretch = self._stretches(bands.log_width)
        noted = {(band.item_id, band.cutoff) for band in self.waiting}
        fresh = [place for place, of in enumerate(zip(bands.item_ids, bands.last, strict=True)) if of not in noted]
        eager = 1 + EAGER * 0.5 ** (pace * self.origins / SETTLING)
        waiting = tuple(
            PendingBand(
                item_id=bands.item_ids[place],
                cutoff=bands.last[place],
                middle=bands.middle[place],
                below=bands.below[place],
                above=bands.above[place],
                stretch=stretch,
                weight=pace * eager / (len(fresh) + FEW),
                tells=pace * witnesses(len(fresh)) / len(fresh),
            )
            for place in fresh
        )
        return replace(
            self,
            usual=self._usual_with(bands.log_width, pace),
            lost=0.5 ** (pace / HALF_LIFE) * self.lost,
            origins=self.origins + 1,
            waiting=(*self.waiting, *waiting),
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
        return np.asarray((self.beliefs[:, : len(width), None] * self._stretches(width)).sum(axis=0))

    def _stretches(self, width: Float[np.ndarray, " steps"]) -> Float[np.ndarray, "gain steps levels"]:
        """What each gain makes of them."""
        wider = np.exp(np.maximum(width - self._usual_with(width), CALMER))
        moved = gains_of(self.horizon)[:, : len(width), None] * self.missed[:, : len(width)] / wider[:, None]
        return np.asarray(np.clip(moved, NARROWEST, WIDEST))

    def apply(self, forecast: Forecast) -> Forecast:
        """The forecast with its bands stretched; medians and the order of the paths stay.

        Of the paths of a step in order, the one at rank i of P bounds the level |2 (i - 1/2) / P - 1| and moves
        from the median by the stretch of that level, interpolated. A density keeps its form and is scaled by the
        mean log stretch.
        """
        theta = self.stretch(forecast)
        return replace(forecast, items=tuple(stretched(item, theta) for item in forecast))

    def to_dict(self) -> dict[str, Any]:
        """Plain types for JSON; the stretches that items of an origin share are written once."""
        stretches = list({id(band.stretch): band.stretch for band in self.waiting}.values())
        number = {id(stretch): place for place, stretch in enumerate(stretches)}
        return {
            "gains": GAINS.tolist(),
            "missed": self.missed.tolist(),
            "lost": self.lost.tolist(),
            "usual": self.usual.tolist(),
            "origins": self.origins,
            "stretches": [stretch.tolist() for stretch in stretches],
            "waiting": [
                {
                    "item_id": band.item_id,
                    "cutoff": stamp_text(band.cutoff),
                    "middle": band.middle.tolist(),
                    "below": band.below.tolist(),
                    "above": band.above.tolist(),
                    "stretch": number[id(band.stretch)],
                    "weight": band.weight,
                    "tells": band.tells,
                    "settled": band.settled,
                }
                for band in self.waiting
            ],
        }

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Calibrator:
        """What `to_dict` wrote, or wrote when there was one gain; raises `ModelError` where it is no such thing."""
        try:
            return _read(document if "gains" in document else _of_one_gain(document))
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise ModelError(
                f"a calibrator's description must fit this gatecast; this one does not ({str(error)[:160]}). "
                "Save the model again."
            ) from None

    def _usual_with(self, width: Float[np.ndarray, " steps"], pace: float = 1.0) -> Float[np.ndarray, " steps"]:
        """The usual log width once this origin's is counted."""
        usual = self.usual[: len(width)]
        return usual + (1 - 0.5 ** (pace / MEMORY)) * (width - usual) if self.origins else width


def _read(document: Mapping[str, Any]) -> Calibrator:
    """What `Calibrator.to_dict` wrote; raises `ValueError` and its kin where it is no such thing."""
    if list(document["gains"]) != GAINS.tolist():
        raise ValueError(f"its gains are {document['gains']}")
    usual = numbers(document["usual"])
    shape = (len(GAINS), len(usual), len(LEVELS))
    stretches = [numbers(stretch, shape) for stretch in document["stretches"]]
    waiting = tuple(
        PendingBand(
            item_id=str(band["item_id"]),
            cutoff=pd.Timestamp(band["cutoff"]).as_unit("ns").to_datetime64(),
            middle=numbers(band["middle"], shape[1:2]),
            below=numbers(band["below"], shape[1:]),
            above=numbers(band["above"], shape[1:]),
            stretch=stretches[int(band["stretch"])],
            weight=float(band["weight"]),
            tells=float(band["tells"]),
            settled=int(band["settled"]),
        )
        for band in document["waiting"]
    )
    sound = all(
        0 <= band.settled < len(usual)
        and 0 < band.weight <= MOST_PACE
        and 0 <= band.tells <= MOST_PACE
        and min(band.below.min(), band.above.min()) >= 0
        for band in waiting
    )
    if not sound or int(document["origins"]) < 0 or not len(usual) or np.abs(usual).max() > 100:
        raise ValueError("its counts or widths cannot be")
    missed, losses = numbers(document["missed"], shape), numbers(document["lost"], shape[:2])
    return Calibrator(missed=missed, lost=losses, usual=usual, origins=int(document["origins"]), waiting=waiting)


def _of_one_gain(document: Mapping[str, Any]) -> dict[str, Any]:
    """A document of one gain as one of several: each gain but none has its stretch, and that one is believed.

    Its waiting bands were kept calibrated: they are taken as every gain's.
    """
    missed, usual = numbers(document["missed"]), numbers(document["usual"])
    if missed.shape != (len(usual), len(LEVELS)) or not len(usual):
        raise ValueError(f"missed has shape {missed.shape}")
    answers = gains_of(len(usual))[1:, :, None]
    evidence = np.full((len(GAINS), len(usual)), _OLD_LOST)
    evidence[_OLD_GAIN] = 0.0
    waiting = []
    for band in document["waiting"]:
        lower, upper = numbers(band["lower"], missed.shape), numbers(band["upper"], missed.shape)
        middle = (lower[:, 0] + upper[:, 0]) / 2
        if (lower > upper).any():
            raise ValueError("its counts or widths cannot be")
        sides = {"below": np.maximum(middle[:, None] - lower, 0), "above": np.maximum(upper - middle[:, None], 0)}
        waiting.append({**band, **sides, "middle": middle, "stretch": 0, "tells": 0.0})
    return {
        "gains": GAINS.tolist(),
        "missed": np.concatenate([np.zeros((1, *missed.shape)), answers[_OLD_GAIN - 1] * missed / answers]),
        "lost": evidence,
        "usual": usual,
        "origins": document["origins"],
        "stretches": np.zeros((1, len(GAINS), *missed.shape)),
        "waiting": waiting,
    }


def _limited(missed: Float[np.ndarray, "gain horizon levels"]) -> Float[np.ndarray, "gain horizon levels"]:
    """Past the ends of the stretch more misses would only delay the way back; without a gain none are counted."""
    gain = gains_of(missed.shape[1])[:, :, None]
    answers = np.maximum(gain, LEAST_WIDTH)
    return np.asarray(np.where(gain > 0, np.clip(missed, NARROWEST / answers, WIDEST / answers), 0.0))


def _nested(
    distance: Float[np.ndarray, "steps levels"], theta: Float[np.ndarray, "*gain steps levels"]
) -> Float[np.ndarray, "*gain steps levels"]:
    """Stretched distances; a level reaches at least as far as those inside it."""
    return np.asarray(np.maximum.accumulate(np.exp(theta) * distance, axis=-1))

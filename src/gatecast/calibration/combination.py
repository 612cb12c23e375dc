"""The network's quantiles averaged with those of models of volatility, each weighted by what past origins say of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Any, Protocol, runtime_checkable

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from gatecast.calibration.documents import numbers
from gatecast.calibration.gains import MOST_PACE, PROMPT, witnesses
from gatecast.calibration.moving import averaged
from gatecast.calibration.raw_bands import LEAST_WIDTH, LEVELS, MOST_PATHS, NINETY, PROBABILITIES, RawBands
from gatecast.errors import ModelError
from gatecast.forecast import Forecast, ItemForecast
from gatecast.forks import SideBySide, one_by_one
from gatecast.notes import Note
from gatecast.prices import PriceSeries, PriceTable, stamp_text
from gatecast.text import percentages

MEMBERS = ("network", "GARCH", "HAR", "EWMA")
OTHERS = "GARCH, HAR and EWMA"  # in a sentence
START = np.array([0.45, 0.25, 0.2, 0.1])  # weights before any evidence
RATE = 3.0  # how fast a loss, in the width of the 90% band over 4, moves a weight
MANY = 8  # items whose paths are made side by side; fewer take less time than it takes to begin
HALF_LIFE = 60  # origins; a loss from before counts half
MOST_LOST = 3.0  # of one asset at one origin: no single day decides
AWAY = 0.3  # share of the distance to EWMA's log width by which bands far ahead are moved away from it
MOST_AWAY = 1.0  # of that distance; no single member decides
_LEARNED_AT = [2, 5, 8, 11, 14]  # places in PROBABILITIES whose losses count: 5, 25, 50, 75 and 95%
_SHARES = PROBABILITIES[_LEARNED_AT]
_NEAREST = np.array([0.15, 0.225, 0.25, 0.225, 0.15])  # each stands for the nearest of the probabilities from 0 to 1
_MOST_WIDER = 3.0  # the network than the mean, where its sampling error is taken off
_NORMAL = NormalDist()
# What the sampling error of n paths adds to the slope of a loss, times n; in the width of a normal's 90% band over 4.
_SAMPLED = float(
    sum(near * p * (1 - p) / _NORMAL.pdf(_NORMAL.inv_cdf(p)) for near, p in zip(_NEAREST, _SHARES, strict=True))
    / (_NORMAL.inv_cdf(0.95) / 2)
)


@runtime_checkable
class Rivals(Protocol):
    """The other members: what they say of an item at any of its rows, from the rows up to there alone."""

    def unlearned(self, series: PriceSeries, rows: Int[np.ndarray, " origin"]) -> list[Callable[[], Any]]:
        """What they would first have to learn to answer at these rows, each by itself; `keep` takes what it gives."""
        return []

    def keep(self, learned: Any) -> None:
        """Hold what was learned, so that it is not learned again by whoever asks next."""

    def quantiles(
        self, series: PriceSeries, rows: Int[np.ndarray, " origin"], steps: int
    ) -> Float[np.ndarray, "origin rival step probability"]:
        """At PROBABILITIES, of the log return since the last of each of these numbers of rows; nan where there is none.

        `rows` ascend.
        """

    def sorted_paths(
        self, series: PriceSeries, horizon: int, paths: int, seed: int
    ) -> Float[np.ndarray, "rival paths horizon"] | None:
        """Log returns since the last row, each step ascending; None where there is nothing to say."""


@dataclass(frozen=True, kw_only=True, eq=False)
class PendingQuantiles:
    """What each member said of one item from one origin, at five probabilities; the first `settled` steps are counted.

    `weights` are those the members had then; `tells` is the share that the item has in what the origin says. The
    network's quantiles are of so many `paths`.
    """

    item_id: str
    cutoff: np.datetime64
    members: Float[np.ndarray, "member horizon five"]
    weights: Float[np.ndarray, "member horizon"]
    tells: float
    paths: int
    settled: int = 0


@dataclass(frozen=True, kw_only=True, eq=False)
class Combination:
    """Weights of MEMBERS by step, learned from past origins alone; immutable.

    The combination's quantile at p is the weighted mean of the members' quantiles at p (Vincent 1912; Lichtendahl,
    Grushka-Cockayne and Winkler 2013), whose widths are then moved away from EWMA's (`away_from_ewma`). `slopes`
    (member, horizon) sum, and slowly forget, the gradient of the quantile loss of the mean, before it is moved, by each
    weight, in the width of its band; weights are exponential in them (exponentiated gradient: Kivinen and Warmuth
    1997).

    >>> Combination.fresh(5).weights[:, 0].round(2).tolist()
    [0.45, 0.25, 0.2, 0.1]
    """

    slopes: Float[np.ndarray, "member horizon"]
    waiting: tuple[PendingQuantiles, ...] = ()

    @classmethod
    def fresh(cls, horizon: int) -> Combination:
        """One with the weights that many series taught."""
        return cls(slopes=np.zeros((len(MEMBERS), horizon)))

    @property
    def horizon(self) -> int:
        """Steps with weights of their own."""
        return int(self.slopes.shape[1])

    @property
    def weights(self) -> Float[np.ndarray, "member horizon"]:
        """How much each member counts at each step; in sum 1."""
        weights = START[:, None] * np.exp(-RATE * (self.slopes - self.slopes.min(axis=0)))
        return np.asarray(weights / weights.sum(axis=0))

    def settle(self, prices: PriceTable) -> Combination:
        """Count every outcome that `prices` holds: step h of an origin is known h rows after it."""
        slopes, waiting, present = self.slopes.copy(), [], set(prices.item_ids)
        late = np.maximum(np.arange(1.0, self.horizon + 1) / PROMPT, 1)
        for pending in self.waiting:
            if pending.item_id not in present:
                continue
            series = prices[pending.item_id]
            first = int(np.searchsorted(series.timestamps, pending.cutoff, side="right"))
            if first == 0:  # the origin's own close is not among these rows
                continue
            known = min(len(series) - first, self.horizon)
            if known > pending.settled:
                steps = slice(pending.settled, known)
                move = np.log(series.close[first + pending.settled : first + known] / series.close[first - 1])
                found = _gradient(pending.members[:, steps], pending.weights[:, steps], move, pending.paths)
                slopes[:, steps] += pending.tells * found / late[steps]
            if known < self.horizon:
                waiting.append(replace(pending, settled=max(known, pending.settled)))
        return replace(self, slopes=slopes, waiting=tuple(waiting))

    def record(
        self, raw: RawBands, rivals: Float[np.ndarray, "item rival step probability"], pace: float = 1.0
    ) -> Combination:
        """Note what the members say from an origin, so that its outcomes count once they are known.

        It stands for as many origins as `pace` says. `rivals` of the items of `raw`; an item of which they say nothing
        is not noted, nor one that was noted already.
        """
        noted = {(pending.item_id, pending.cutoff) for pending in self.waiting}
        members = _members(raw, rivals)[..., _LEARNED_AT]
        fresh = [
            place
            for place, of in enumerate(zip(raw.item_ids, raw.last, strict=True))
            if of not in noted and np.isfinite(members[place]).all()
        ]
        weights = self.weights
        waiting = tuple(
            PendingQuantiles(
                item_id=raw.item_ids[place],
                cutoff=raw.last[place],
                members=members[place],
                weights=weights,
                tells=pace * witnesses(len(fresh)) / len(fresh),
                paths=raw.paths,
            )
            for place in fresh
        )
        return replace(self, slopes=0.5 ** (pace / HALF_LIFE) * self.slopes, waiting=(*self.waiting, *waiting))

    def combine(self, raw: RawBands, rivals: Float[np.ndarray, "item rival step probability"]) -> RawBands:
        """The bands of the combination; an item of which the rivals say nothing keeps the network's."""
        members = _members(raw, rivals)
        mean = (self.weights[:, :, None] * members).sum(axis=1)
        alone = ~np.isfinite(mean).all(axis=2)
        mean = np.where(alone[..., None], members[:, 0], mean)
        count, middle = len(LEVELS), mean[..., len(LEVELS)]
        below, above = middle[..., None] - mean[..., :count][..., ::-1], mean[..., count + 1 :] - middle[..., None]
        ewma = members[:, -1, :, _LEARNED_AT[-1]] - members[:, -1, :, _LEARNED_AT[0]]
        factor = away_from_ewma(below[..., NINETY] + above[..., NINETY], ewma, np.arange(1.0, raw.steps + 1))
        below, above = (np.where(alone, 1.0, factor)[..., None] * of for of in (below, above))
        after, before = (
            np.log(np.maximum(low[..., NINETY] + high[..., NINETY], LEAST_WIDTH))
            for low, high in ((below, above), (raw.below, raw.above))
        )
        log_width = raw.log_width + np.median(after - before, axis=0)
        return replace(raw, middle=middle, below=below, above=above, log_width=log_width)

    def apply(
        self, forecast: Forecast, prices: PriceTable, rivals: Rivals, *, side_by_side: SideBySide = one_by_one
    ) -> Forecast:
        """The forecast with its paths at the quantiles of the combination, and a note of what that is made of.

        `prices` end where the forecast begins. Beyond `horizon` the rivals' weights, and how far bands are moved away
        from EWMA's, fall as horizon / step does: there the network's paths are held by the long-run scale of the
        series, theirs are not.
        """
        last = self.weights[:, -1:]
        share = self.horizon / np.arange(self.horizon + 1.0, forecast.horizon + 1)
        weights = np.concatenate([self.weights, share * last], axis=1)[:, : forecast.horizon]
        weights[0] = 1 - weights[1:].sum(axis=0)

        def applied(item: ItemForecast) -> ItemForecast:
            return self._applied(item, prices[item.item_id], forecast.seed, weights, rivals)

        spread = side_by_side if len(forecast.items) >= MANY else one_by_one
        return replace(forecast, items=tuple(spread(applied, forecast.items)))

    def _applied(
        self,
        item: ItemForecast,
        series: PriceSeries,
        seed: int,
        weights: Float[np.ndarray, "member steps"],
        rivals: Rivals,
    ) -> ItemForecast:
        others = rivals.sorted_paths(series, item.horizon, len(item.paths), seed)
        if others is None:
            text = (
                "the forecast is the network's alone: there are too few rows for the models that it is combined with, "
                "or the price hardly moves"
            )
            return replace(item, notes=(*item.notes, Note("uncombined", text)))
        made = [
            f"{', '.join(map(' '.join, zip(MEMBERS, percentages(weights[:, step].tolist()), strict=True)))} "
            f"at step {step + 1}"
            for step in dict.fromkeys([0, min(item.horizon, self.horizon) - 1])
        ]
        note = Note("combined", f"the forecast combines {'; '.join(made)}")
        steps = np.arange(1.0, item.horizon + 1)
        fading = np.minimum(self.horizon / steps, 1)
        combined = averaged(item, others, weights, lambda mean, ewma: away_from_ewma(mean, ewma, steps) ** fading)
        return replace(combined, notes=(*item.notes, note))

    def to_dict(self) -> dict[str, Any]:
        """Plain types for JSON; the weights that items of an origin share are written once."""
        shared = list({id(pending.weights): pending.weights for pending in self.waiting}.values())
        number = {id(weights): place for place, weights in enumerate(shared)}
        return {
            "members": list(MEMBERS),
            "slopes": self.slopes.tolist(),
            "weights": [weights.tolist() for weights in shared],
            "waiting": [
                {
                    "item_id": pending.item_id,
                    "cutoff": stamp_text(pending.cutoff),
                    "members": pending.members.tolist(),
                    "weights": number[id(pending.weights)],
                    "tells": pending.tells,
                    "paths": pending.paths,
                    "settled": pending.settled,
                }
                for pending in self.waiting
            ],
        }

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Combination:
        """What `to_dict` wrote; raises `ModelError` where it is no such thing."""
        try:
            if tuple(document["members"]) != MEMBERS:
                raise ValueError(f"its members are {document['members']}")
            slopes = numbers(document["slopes"])
            if slopes.ndim != 2 or len(slopes) != len(MEMBERS) or not slopes.size or np.abs(slopes).max() > 1e6:
                raise ValueError(f"slopes has shape {slopes.shape}, or its numbers cannot be")
            shared = [numbers(weights, slopes.shape) for weights in document["weights"]]
            waiting = tuple(
                PendingQuantiles(
                    item_id=str(pending["item_id"]),
                    cutoff=pd.Timestamp(pending["cutoff"]).as_unit("ns").to_datetime64(),
                    members=numbers(pending["members"], (*slopes.shape, len(_LEARNED_AT))),
                    weights=shared[int(pending["weights"])],
                    tells=float(pending["tells"]),
                    paths=int(pending["paths"]),
                    settled=int(pending["settled"]),
                )
                for pending in document["waiting"]
            )
            if not all(
                0 <= of.settled < slopes.shape[1] and 0 < of.tells <= MOST_PACE and 1 <= of.paths <= MOST_PATHS
                for of in waiting
            ):
                raise ValueError("its counts cannot be")
            return cls(slopes=slopes, waiting=waiting)
        except (KeyError, IndexError, TypeError, ValueError, OverflowError) as error:
            raise ModelError(
                f"a combination's description must fit this gatecast; this one does not ({str(error)[:160]}). "
                "Save the model again."
            ) from None


def away_from_ewma(
    average: Float[np.ndarray, "*batch steps"],
    ewma: Float[np.ndarray, "*batch steps"],
    step: Float[np.ndarray, " steps"],
) -> Float[np.ndarray, "*batch steps"]:
    """The factor by which to stretch an average's bands of these widths, given the widths of EWMA's; 1 where unknown.

    EWMA looks back a few weeks, and its volatility never returns to its mean. By `step` most of what it alone says is
    gone, and a mean of quantiles keeps too much of it: in logs, the best weight of its width is below zero far ahead,
    and no weight of a mean can be.

    >>> away_from_ewma(np.array([0.8, 0.8, 0.8]), np.ones(3), np.array([1.0, 5.0, 20.0])).round(3).tolist()
    [1.0, 0.948, 0.938]
    """
    away = np.clip(np.log(np.maximum(average, LEAST_WIDTH) / np.maximum(ewma, LEAST_WIDTH)), -MOST_AWAY, MOST_AWAY)
    return np.asarray(np.where(np.isfinite(away), np.exp(AWAY * (1 - 1 / step) * away), 1.0))


def _members(
    raw: RawBands, rivals: Float[np.ndarray, "item rival step probability"]
) -> Float[np.ndarray, "item member step probability"]:
    middle = raw.middle[..., None]
    own = np.concatenate([(middle - raw.below)[..., ::-1], middle, middle + raw.above], axis=-1)
    return np.concatenate([own[:, None], rivals[:, :, : raw.steps]], axis=1)


def _gradient(
    members: Float[np.ndarray, "member steps five"],
    weights: Float[np.ndarray, "member steps"],
    move: Float[np.ndarray, " steps"],
    paths: int | float,
) -> Float[np.ndarray, "member steps"]:
    """The derivative of the combination's mean quantile loss by each weight, less the loss's own; in its width.

    What the sampling error of the network's `paths` is expected to add to it, where the members agree, is taken off:
    the quantile at p of n paths has the variance p (1 - p) / (n f^2), and the loss the curvature f, the density there,
    taken for a normal's. A past day is simulated with few paths: without this the network would get too little weight.
    """
    mean = (weights[:, :, None] * members).sum(axis=0)
    widths = [np.maximum(of[:, -1] - of[:, 0], LEAST_WIDTH) for of in (mean, members[0])]
    by_quantile = _NEAREST * ((move[:, None] < mean) - _SHARES)
    found = np.clip((by_quantile * (members - mean)).sum(axis=2) / (widths[0] / 4), -MOST_LOST, MOST_LOST)
    error = _SAMPLED / paths * weights[0] * np.minimum(widths[1] / widths[0], _MOST_WIDER) ** 2
    network = (np.arange(len(members)) == 0)[:, None]
    return np.asarray(found - error * (network - weights[0]))

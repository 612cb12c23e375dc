"""Calibration along the rows: learned on the days held out of a fitted model, updated at every later origin."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

import numpy as np
import pandas as pd

from gatecast.calibration.bands import HORIZON, Calibrator
from gatecast.calibration.combination import Combination, Rivals
from gatecast.calibration.gains import MOST_PACE
from gatecast.calibration.raw_bands import RawBands
from gatecast.calibration.turns import Asked, side_by_side_of, turns_of, walk
from gatecast.calibration.walked import WalkedNetwork
from gatecast.errors import ModelError
from gatecast.forecast import Forecast
from gatecast.model import Forecasting
from gatecast.notes import Kind, Note
from gatecast.prices import PriceTable, stamp_text
from gatecast.text import listed

EVERY = 5  # sessions between the origins it learns from; the gain was chosen for this distance
EVERY_OF_MANY = 10  # of a table whose items take turns: as good (docs/bands.md), in half the time
TAIL = 500  # sessions of the history to learn the first stretch on: 100 origins
LEAST_BEFORE = 60  # rows an item needs before an origin to take part in calibration
LEAST_ORIGINS = 10  # fewer say nothing: one asset's ten move a band by a few percent
_MOST = 10_000  # of rows and paths that a file may ask for
ITEMS = 16  # of a table, evenly spaced; the stretch is one for all of them, and more add little (docs/bands.md)
PATHS = 100  # of each walked forecast: enough to have a 98% band, whose share of hits is right on average


@dataclass(frozen=True, kw_only=True, eq=False)
class Known:
    """What past forecasts have taught: the weights of a combination, if there is one, and the stretch of its bands."""

    calibrator: Calibrator
    combination: Combination | None = None

    @classmethod
    def fresh(cls, steps: int, *, combined: bool) -> Known:
        """Nothing yet."""
        return cls(calibrator=Calibrator.fresh(steps), combination=Combination.fresh(steps) if combined else None)

    def settle(self, prices: PriceTable) -> Known:
        """Count every outcome that `prices` holds."""
        combination = None if self.combination is None else self.combination.settle(prices)
        return Known(calibrator=self.calibrator.settle(prices), combination=combination)

    def record(self, raw: RawBands, rivals: np.ndarray | None, pace: float = 1.0) -> Known:
        """Note what the network says, and the rivals, whose quantiles are (item, rival, step, probability).

        The origin stands for as many as `pace` says.
        """
        if self.combination is None or rivals is None:
            return replace(self, calibrator=self.calibrator.record(raw, pace))
        combined = self.combination.combine(raw, rivals)
        return Known(
            calibrator=self.calibrator.record(combined, pace), combination=self.combination.record(raw, rivals, pace)
        )


@dataclass(frozen=True, eq=False)
class _Walked:
    """What is known, the last origin it comes from, and a hash of the rows up to there."""

    known: Known
    last: np.datetime64 | None = None
    rows: str = ""


class OnlineCalibration:
    """What a fitted model's past bands have covered, at any later row.

    Every fifth or tenth row of the table is an origin, counted from its first: it stays one as rows are added. After
    `since`, the last row the model was fitted on, they are walked over as they come. What is known at a row
    depends on the rows up to it alone, not on what was asked before. Only `items` count: those whose past
    the stretch was learned from; and only from where each of them has `least` rows, as where a history was cut off
    in front. Before `since` what was known at a row is told by `past`, the walk over the days before, if it is given;
    else nothing is: what was learned lies ahead.
    """

    def __init__(
        self,
        learned: Calibrator,
        since: np.datetime64,
        items: Sequence[str],
        *,
        every: int = EVERY,
        paths: int = PATHS,
        least: int = 1,
        combination: Combination | None = None,
        rivals: Rivals | None = None,
        past: Sequence[tuple[np.datetime64, Known]] = (),
        pace: float = 1.0,
    ) -> None:
        """`combination` holds the weights of the network beside these `rivals`; without it there is none.

        `past` has each origin that was learned from, ascending, and what was known with it. An origin stands for as
        many as `pace` says, so that an answer takes as many rows where they are farther apart.
        """
        self.learned = learned
        self.combination = combination
        self.rivals = rivals
        self.since = since
        self.items = tuple(items)
        self.every = every
        self.paths = paths
        self.least = least
        self.past = tuple(past)
        self.pace = pace
        self._walked = _Walked(self._start)

    def at(
        self, model: Forecasting | WalkedNetwork, prices: PriceTable, cutoffs: Sequence[np.datetime64]
    ) -> list[Calibrator]:
        """The stretch that is known at each of these rows of `prices`, ascending."""
        return [known.calibrator for known in self.known_at(model, prices, cutoffs)]

    def known_at(
        self, model: Forecasting | WalkedNetwork, prices: PriceTable, cutoffs: Sequence[np.datetime64]
    ) -> list[Known]:
        """All that is known at each of these rows of `prices`, ascending."""
        here = tuple(series.item_id for series in prices if series.item_id in self.items and len(series) >= self.least)
        if not here or cutoffs[-1] < self.since:
            return [self._start if cutoff >= self.since else self._before(cutoff, prices) for cutoff in cutoffs]
        prices = prices.select(here)
        calendar = timestamps(prices)
        origins = calendar[:: self.every]
        origins = origins[origins >= self.since]
        origins = origins[origins >= max(series.timestamps[self.least - 1] for series in prices)]
        walked = self._walked
        if not _holds(walked, prices, origins[origins < cutoffs[0]]):
            walked = _Walked(self._start)
        left = origins if walked.last is None else origins[origins > walked.last]
        left = left[left < cutoffs[-1]]
        asked = Asked(every=self.every, steps=self.learned.horizon, paths=self.paths)
        said = walk(model, self.rivals, prices, asked, calendar, left, left)
        known, last, done = walked.known, walked.last, 0
        found = []
        for cutoff in cutoffs:
            while done < len(left) and left[done] < cutoff:
                last, done = left[done], done + 1
                known = known.settle(prices.until(last)).record(*next(said), self.pace)
            seen = prices.until(cutoff)
            found.append(known.settle(seen) if cutoff >= self.since else self._before(cutoff, seen))
        if last is not None and last != walked.last:
            walked = _Walked(known, last, prices.until(last).data_hash())
        self._walked = walked
        return found

    def apply(
        self,
        model: Forecasting | WalkedNetwork,
        prices: PriceTable,
        cutoffs: Sequence[np.datetime64],
        raw: Iterable[Forecast],
    ) -> Iterator[Forecast]:
        """The model's raw forecasts from these rows, one a row, each combined and stretched by what is known there.

        Weights that many series taught serve from the first origin; bands are stretched where enough is known. No
        forecast is held longer than it is needed.
        """
        each, numbers = self.known_at(model, prices, cutoffs), count()
        for given in raw:  # not zipped: a zip keeps what it gave last
            forecast, number = given, next(numbers)
            del given
            cutoff, known = cutoffs[number], each[number]
            if known.combination is not None and self.rivals is not None:
                seen = prices.until(cutoff)
                forecast = known.combination.apply(forecast, seen, self.rivals, side_by_side=side_by_side_of(model))
            enough = known.calibrator.origins >= LEAST_ORIGINS
            note = self._note(known.calibrator, prices, cutoff)
            kind: Kind = "bands" if enough else "uncalibrated"
            if enough:
                forecast = known.calibrator.apply(forecast)
            yield forecast.noted(Note(kind, note))
            del forecast  # before the next is made

    @property
    def _start(self) -> Known:
        return Known(calibrator=self.learned, combination=self.combination)

    @property
    def _fresh(self) -> Known:
        return Known.fresh(self.learned.horizon, combined=self.combination is not None)

    def _before(self, cutoff: np.datetime64, prices: PriceTable) -> Known:
        """What was known at a row before `since`, of whose rows it depends on those up to there alone."""
        origins = np.array([origin for origin, _ in self.past], dtype="datetime64[ns]")
        done = int(np.searchsorted(origins, cutoff, side="left"))
        return self.past[done - 1][1].settle(prices.until(cutoff)) if done else self._fresh

    def _note(self, known: Calibrator, prices: PriceTable, cutoff: np.datetime64) -> str:
        """What a reader should know of the bands."""
        if cutoff < self.since and not self.past:
            return (
                f"the bands are not calibrated: what this model knows of its past bands was learned up to "
                f"{stamp_text(self.since)}, and these prices end before"
            )
        if known.origins < LEAST_ORIGINS:
            return (
                f"the bands are not calibrated: that takes {LEAST_ORIGINS * self.every} rows that the network has not "
                f"learned from, and {self.least} before them"
            )
        strange = set(prices.item_ids).isdisjoint(self.items)
        of = f" of {listed(self.items)}" if strange else ""
        return f"the bands are calibrated by what those of {known.origins} past forecasts{of} held"

    def to_dict(self) -> dict[str, Any]:
        """Plain types for JSON."""
        return {
            "since": stamp_text(self.since),
            "items": list(self.items),
            "every": self.every,
            "paths": self.paths,
            "least": self.least,
            "pace": self.pace,
            "calibrator": self.learned.to_dict(),
            **({} if self.combination is None else {"combination": self.combination.to_dict()}),
        }

    @classmethod
    def from_dict(cls, document: Mapping[str, Any], rivals: Rivals | None = None) -> OnlineCalibration:
        """What `to_dict` wrote; raises `ModelError` where it is no such thing."""
        try:
            since = pd.Timestamp(document["since"]).as_unit("ns").to_datetime64()
            every, paths, learned = int(document["every"]), int(document["paths"]), document["calibrator"]
            items = [str(item) for item in document["items"]]
            least, pace = int(document["least"]), float(document.get("pace", 1.0))
            if not all(1 <= number <= _MOST for number in (every, paths, least)) or np.isnat(since):
                raise ValueError(f"it walks from {since} every {every} rows with {paths} paths after {least} rows")
            if not 0 < pace <= MOST_PACE:
                raise ValueError(f"an origin stands for {pace}")
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(
                f"a calibrator's description must fit this gatecast; this one does not ({str(error)[:160]}). "
                "Save the model again."
            ) from None
        calibrator, described = Calibrator.from_dict(learned), document.get("combination")
        combination = None if described is None or rivals is None else Combination.from_dict(described)
        if combination is not None and combination.horizon != calibrator.horizon:
            raise ModelError("a model's combination has as many steps as its calibrator. Save the model again.")
        return cls(
            calibrator,
            since,
            items,
            every=every,
            paths=paths,
            least=least,
            combination=combination,
            rivals=rivals,
            pace=pace,
        )


def calibrate(
    model: Forecasting | WalkedNetwork,
    prices: PriceTable,
    *,
    after: np.datetime64,
    least: int = LEAST_BEFORE,
    steps: int = HORIZON,
    rivals: Rivals | None = None,
) -> OnlineCalibration:
    """Walk a fitted model over days it has not learned from: those after `after` among the last TAIL.

    Each step of a forecast has a stretch of its own, up to `steps`; what is learned of one is the same for any
    number of them. An item takes part that has `least` rows at the first of these origins; half of the items must.
    With `rivals` the model is combined with them, and the weights are learned in the same walk. What was known on the
    way answers for days before the last (`OnlineCalibration.past`).
    """
    calendar, known = timestamps(prices), Known.fresh(steps, combined=rivals is not None)
    every = EVERY_OF_MANY
    items, origins, among = _walk_of(prices, calendar, after, least, every)
    if turns_of(len(items)) == 1 or len(origins) < 2 * LEAST_ORIGINS:
        every = EVERY
        items, origins, among = _walk_of(prices, calendar, after, least, every)
    past: list[tuple[np.datetime64, Known]] = []
    pace, chosen = every / EVERY, prices.select(items)
    asked = Asked(every=every, steps=steps, paths=PATHS)
    walked = walk(model, rivals, chosen, asked, calendar, origins, among) if len(origins) else ()
    for origin, said in zip(origins, walked, strict=True):
        known = known.settle(chosen.until(origin)).record(*said, pace)
        past.append((origin, known))
    return OnlineCalibration(
        known.calibrator,
        calendar[-1],
        items,
        every=every,
        least=least,
        combination=known.combination,
        rivals=rivals,
        past=past,
        pace=pace,
    )


def _walk_of(
    prices: PriceTable, calendar: np.ndarray, after: np.datetime64, least: int, every: int
) -> tuple[tuple[str, ...], np.ndarray, np.ndarray]:
    """The items to look back on, the origins every so many rows, and all possible ones, of which they are the last."""
    ready = {series.item_id: series.timestamps[least - 1] for series in prices if len(series) >= least}
    possible = tail_of(calendar, len(calendar), every)
    possible = possible[possible > after]
    # The later half of the items may come too late for the first origins, and is left out then.
    possible = possible[possible >= sorted(ready.values())[(len(ready) - 1) // 2]] if ready else possible[:0]
    origins = possible[-(TAIL // every) :]
    if not len(origins):
        return _some(prices.item_ids), origins, origins
    items = _some([item for item, stamp in ready.items() if stamp <= origins[0]])
    return items, origins, possible[possible >= max(ready[item] for item in items)]


def revived(document: Mapping[str, Any] | None, rivals: Rivals | None = None) -> OnlineCalibration | None:
    """What a saved model holds of its calibration; None where it has none. `rivals` are those of its combination."""
    return None if document is None else OnlineCalibration.from_dict(document, rivals)


def tail_of(calendar: np.ndarray, tail: int, every: int) -> np.ndarray:
    """The origins in the last `tail` rows: every `every`-th of all, counted from the first, but not the last row."""
    return np.asarray(calendar[:-1][::every][-(tail // every) :])


def timestamps(prices: PriceTable) -> np.ndarray:
    """Every timestamp of a table once, ascending."""
    if len(prices) == 1:
        return prices.series[0].timestamps
    return np.unique(np.concatenate([series.timestamps for series in prices]))


def _some(items: Sequence[str]) -> tuple[str, ...]:
    if len(items) <= ITEMS:
        return tuple(items)
    return tuple(items[place] for place in np.linspace(0, len(items) - 1, ITEMS).round().astype(int))


def _holds(walked: _Walked, prices: PriceTable, origins: np.ndarray) -> bool:
    """Whether these prices begin with the rows already walked over, and those asked for lie beyond them."""
    if walked.last is None:
        return True
    if not len(origins) or origins[-1] < walked.last:
        return False
    return prices.until(walked.last).data_hash() == walked.rows

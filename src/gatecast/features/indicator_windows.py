"""The indicators along simulated paths: every feature recomputed from the simulated prices of a recipe network."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from gatecast.features.contract import FLOOR, RANGE_FLOOR, Day, Reading, Student, Windows
from gatecast.features.event_features import event_features
from gatecast.features.indicators import (
    CLOSES,
    FeatureSpec,
    Trailing,
    evaluate,
    log_volume,
    padded,
    recent_features,
    with_events,
)
from gatecast.features.long_run import LongRun, without_drift
from gatecast.features.targets import Scaler, to_log_return
from gatecast.prices import PriceSeries

MAX_STEP = float(np.log(10))  # a price may at most grow or shrink tenfold in a step
MAX_TOTAL = 200.0  # nor leave e^±200 of the last close: far beyond sense, well within float64
PULL = 1.0  # to the long run, whole: moves of 1.3 trailing volatilities would settle at 1.3^(1 / pull) times it
LONG_RUN = 784  # rows whose volatility is the long-run one, as many as the base network keeps
USUAL = 20  # rows whose mean log volume is the usual one


@dataclass(frozen=True, kw_only=True)
class Context:
    """The end of a series: its scaled features, (time, feature), and the closes and volumes a path goes on from.

    `long_run` is the volatility of its log returns, to which a path returns.
    """

    item_id: str
    features: Float[np.ndarray, "time feature"]
    log_close: Float[np.ndarray, " closes"]
    log_volume: Float[np.ndarray, " closes"] | None
    rows: int
    long_run: float
    series: PriceSeries


@dataclass(frozen=True, kw_only=True)
class Indicators:
    """The feature set of a recipe network: which indicators, how they are scaled, and how many rows it looks back."""

    spec: FeatureSpec
    scaler: Scaler
    context_length: int

    def history(self, tables: Sequence[Sequence[PriceSeries]]) -> list[Context]:
        """The last `context_length` rows of each series, table by table."""
        return [
            Context(
                item_id=series.item_id,
                features=self.scaled(series),
                log_close=padded(np.log(series.close))[-CLOSES:],
                log_volume=padded(log_volume(series))[-CLOSES:] if self.spec.has_volume else None,
                rows=len(series),
                series=series,
                long_run=float(np.sqrt(np.square(np.diff(np.log(series.close[-LONG_RUN:]))).mean() + FLOOR**2)),
            )
            for table in tables
            for series in table
        ]

    def readings(self, rows: Sequence[Context]) -> list[Reading]:
        """None: masks lie between the layers, so that each path reads its context under its own."""
        return []

    def across(self, items: int) -> bool:
        """No indicator looks at other items."""
        return False

    def meet(self, windows: Sequence[Windows], tables: Sequence[Int[np.ndarray, " start"]]) -> None:
        """No indicator looks at other items."""

    def alike(self, rows: Context) -> Hashable:
        """None is: each is simulated by itself, to the same last digit whatever stands beside it."""
        return id(rows)

    def start(self, rows: Sequence[Context], future: Sequence[np.ndarray], paths: int) -> IndicatorWindows:
        """Windows of `paths` paths from the end of each context."""
        return IndicatorWindows(self, rows, future, paths)

    def scaled(self, series: PriceSeries) -> Float[np.ndarray, "time feature"]:
        """The features of the last `context_length` rows as the network sees them."""
        return self.scaler.apply(recent_features(series, self.spec, self.context_length), series.item_id)


class IndicatorWindows:
    """The trailing closes and volumes of every path, grown in place by one simulated row at a time."""

    def __init__(
        self, features: Indicators, contexts: Sequence[Context], future: Sequence[np.ndarray], paths: int
    ) -> None:
        self._features, self._contexts, self._paths = features, contexts, paths
        horizon, spec = len(future[0]), features.spec
        self._events = [
            event_features(of.series, spec.event_kinds, ahead, spec.valued_kinds)
            for of, ahead in zip(contexts, future, strict=True)
        ]
        self._step = 0
        self._real_rows: Int[np.ndarray, " row"] = np.repeat([context.rows for context in contexts], paths)
        self._log_close = self._room([context.log_close for context in contexts], horizon)
        volumes = [context.log_volume for context in contexts if context.log_volume is not None]
        self._log_volume = self._room(volumes, horizon) if volumes else None
        self._log_range = np.zeros(len(self._log_close)) if features.spec.has_range else None
        self._long_run = LongRun(volatility=np.repeat([context.long_run for context in contexts], paths), pull=PULL)
        self._sigma = evaluate(self._trailing(), features.spec)[1]

    @property
    def log_return(self) -> Float[np.ndarray, " row"]:
        """The log return of each path since its start."""
        return np.asarray(self._log_close_now - self._start)

    @property
    def day_range(self) -> Float[np.ndarray, " row"] | None:
        """The Parkinson volatility of each path's newest day; None without ranges."""
        return None if self._log_range is None else np.exp(self._log_range)

    def inputs(self) -> Float[np.ndarray, "time batch feature"]:
        """Scaled features of the contexts, (time, start, feature); later of the newest row, (1, row, feature)."""
        if self._step == 0:
            return np.stack([context.features for context in self._contexts], axis=1)
        features, self._sigma = evaluate(self._trailing(), self._features.spec)
        scaler, day = self._features.scaler, self._step - 1
        parts = zip(self._contexts, np.split(features, len(self._contexts)), self._events, strict=True)
        seen = (
            (context, with_events(part, events[[day]].repeat(len(part), axis=0))) for context, part, events in parts
        )
        return np.concatenate([scaler.apply(part, context.item_id) for context, part in seen])[None]

    def density(self, day: Day) -> Student | None:
        """The density of the log return since the start; None for targets that are no log returns."""
        density = without_drift(day, self._step + 1).density
        if density is None or self._features.spec.returns != "log":
            return None
        return density.moved(self.log_return, self._scale)

    def append(self, day: Day) -> None:
        """Add a simulated row to every path."""
        center, scale = self._target_frame()
        if self._features.spec.returns != "none":  # a price level is no drift
            day = without_drift(day, self._step + 1)
        move = to_log_return(self._features.spec.returns, self._log_close_now, center + scale * day.value)
        moved = self.log_return + self._long_run.bounded(np.clip(move, -MAX_STEP, MAX_STEP), self._step + 1)
        end = self._step + CLOSES
        self._log_close[:, end] = self._start + np.clip(moved, -MAX_TOTAL, MAX_TOTAL)
        if self._log_range is not None:
            self._log_range = np.maximum(np.log(self._scale) + day.log_range, np.log(RANGE_FLOOR))
        if self._log_volume is not None:
            usual = self._log_volume[:, end - USUAL : end].mean(axis=1)
            self._log_volume[:, end] = np.maximum(usual + day.log_volume, 0.0)
        self._step += 1

    @property
    def _scale(self) -> Float[np.ndarray, " row"]:
        """The volatility that the next row is drawn in units of."""
        return self._long_run.scale(self._sigma, self._step + 1)

    @property
    def _start(self) -> Float[np.ndarray, " row"]:
        return np.asarray(self._log_close[:, CLOSES - 1])

    @property
    def _log_close_now(self) -> Float[np.ndarray, " row"]:
        return np.asarray(self._log_close[:, self._step + CLOSES - 1])

    def _room(self, starts: Sequence[np.ndarray], horizon: int) -> Float[np.ndarray, "row longer"]:
        room = np.empty((len(starts) * self._paths, CLOSES + horizon))
        room[:, :CLOSES] = np.repeat(np.stack(starts), self._paths, axis=0)
        return room

    def _target_frame(self) -> tuple[Float[np.ndarray, " row"], Float[np.ndarray, " row"]]:
        sigmas = np.split(self._scale, len(self._contexts))
        frames = [
            self._features.scaler.target_frame(context.item_id, sigma)
            for context, sigma in zip(self._contexts, sigmas, strict=True)
        ]
        center, scale = (np.concatenate(parts) for parts in zip(*frames, strict=True))
        return center, scale

    def _trailing(self) -> Trailing:
        now = slice(self._step, self._step + CLOSES)
        return Trailing(
            log_close=self._log_close[:, now],
            rows=np.minimum(self._real_rows + self._step, CLOSES),
            log_range=self._log_range,
            log_volume=None if self._log_volume is None else self._log_volume[:, now],
        )

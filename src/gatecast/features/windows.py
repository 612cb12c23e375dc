"""What a recipe network trains on: items end to end, a split in time, recency weights, windows as views."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from gatecast.config import Config
from gatecast.errors import DataError, TooFewRows
from gatecast.features.indicators import WARMUP, FeatureSpec, series_features, volatility
from gatecast.features.targets import CLIP, Scaler, next_value
from gatecast.prices import PriceSeries, stamp_text

MIN_SAMPLES = 20  # training targets under which nothing can be learned or held out


@dataclass(frozen=True, kw_only=True)
class Panel:
    """The rows of all items end to end, each item after `padding` rows of zeros: what a network trains on.

    `inputs` (row, feature) float32, `target` (row,) float32 in units of its own `scale`, `usable` (row,): rows
    that have both a past and a next value, `stamps` (row,): when the target becomes known.
    """

    inputs: Float[np.ndarray, "row feature"]
    target: Float[np.ndarray, " row"]
    usable: Bool[np.ndarray, " row"]
    stamps: np.ndarray
    first_rows: Int[np.ndarray, " item"]


@dataclass(frozen=True, kw_only=True)
class Samples:
    """Windows as start rows: each spans `length` rows and is judged on its last `judged`, weighted by row."""

    starts: Int[np.ndarray, " sample"]
    length: int
    judged: int
    row_weights: Float[np.ndarray, " row"]


def rows_needed(config: Config) -> int:
    """The shortest history a network can be trained on: warm-up, one context, and targets to learn from."""
    return WARMUP + config.context_length + MIN_SAMPLES


def split_timestamp(series: Sequence[PriceSeries], config: Config) -> np.datetime64:
    """The last timestamp of training: `validation` of all usable targets lie after it, for every item alike."""
    stamps = np.sort(np.concatenate([item.timestamps[_first_target(config) :] for item in series]))
    return np.datetime64(stamps[int(len(stamps) * (1 - config.validation)) - 1])


def _first_target(config: Config) -> int:
    """The row whose value is the first that a full context can be asked for."""
    return WARMUP + config.context_length - 1


def long_enough(series: Sequence[PriceSeries], config: Config) -> list[PriceSeries]:
    """The items with rows enough to train on; raises `TooFewRows` with the number needed where there is none."""
    needed = rows_needed(config)
    kept = [item for item in series if len(item) >= needed]
    if not kept:
        longest = max(series, key=len)
        raise TooFewRows(
            f"training needs at least {needed} rows (context_length {config.context_length} + {WARMUP} to warm up + "
            f"{MIN_SAMPLES} targets); '{longest.item_id}' has {len(longest)}. Give more history or a smaller "
            "context_length."
        )
    return kept


def learn_scaler(series: Sequence[PriceSeries], spec: FeatureSpec, split: np.datetime64) -> Scaler:
    """The scaler of the rows at or before `split`, warm-up rows left out."""
    rows = {}
    for item in series:
        features = checked_features(item, spec)[WARMUP - 1 :]
        rows[item.item_id] = features[item.timestamps[WARMUP - 1 :] <= split]
    return Scaler.fit({item_id: part for item_id, part in rows.items() if len(part)}, spec)


def checked_features(series: PriceSeries, spec: FeatureSpec) -> Float[np.ndarray, "time feature"]:
    """`series_features`, refused with the row where the unguarded Bollinger position is undefined."""
    features = series_features(series, spec)
    features[: WARMUP - 1] = np.where(np.isfinite(features[: WARMUP - 1]), features[: WARMUP - 1], 0.0)
    broken = ~np.isfinite(features).all(axis=1)
    if broken.any():
        row = int(np.argmax(broken))
        raise DataError(
            f"features must be finite; the Bollinger position of '{series.item_id}' is undefined on "
            f"{stamp_text(series.timestamps[row])}, where 20 equal prices collapse the bands ({int(broken.sum())} such "
            "rows). Keep bollinger_guard=true."
        )
    return features


def assemble(series: Sequence[PriceSeries], spec: FeatureSpec, scaler: Scaler, config: Config) -> Panel:
    """Lay the items end to end; the padding in front of each lets a window reach back past its first row."""
    padding = max(config.context_length, config.chunk_length)

    def blank(values: np.ndarray) -> np.ndarray:
        return np.zeros((padding, *values.shape[1:]), dtype=values.dtype)

    blocks: list[tuple[np.ndarray, ...]] = []
    first_rows, position = [], 0
    for item in series:
        center, scale = scaler.target_frame(item.item_id, volatility(item.close))
        inputs = scaler.apply(checked_features(item, spec), item.item_id)
        target = np.clip((next_value(spec.returns, item.close) - center) / scale, -CLIP, CLIP).astype(np.float32)
        row = np.arange(len(item))
        usable = (row >= _first_target(config) - 1) & (row < len(item) - 1)
        blocks += [
            (blank(inputs), blank(target), blank(usable), np.repeat(item.timestamps[:1], padding)),
            (inputs, target, usable, np.append(item.timestamps[1:], item.timestamps[-1])),
        ]
        first_rows.append(position + padding)
        position += padding + len(item)
    blocks.append(tuple(blank(column) for column in blocks[-1]))  # room for the last tile
    inputs, target, usable, stamps = (np.concatenate(column) for column in zip(*blocks, strict=True))
    return Panel(inputs=inputs, target=target, usable=usable, stamps=stamps, first_rows=np.array(first_rows))


def recency_weights(stamps: np.ndarray, config: Config) -> Float[np.ndarray, " sample"]:
    """The weight of each training target by its age, scaled to mean 1; oldest first is not required.

    t runs from 0 at the oldest to 1 at the newest: linear 0.5 + 0.5 t; exponential exp(3 t); half_life
    0.5 ** (age / half_life_days).
    """
    days = (stamps - stamps.min()) / np.timedelta64(1, "D")
    t = days / max(float(days.max()), 1e-9)
    if config.weights == "linear":
        weights = 0.5 + 0.5 * t
    elif config.weights == "exponential":
        weights = np.exp(3 * t)
    elif config.weights == "half_life":
        weights = 0.5 ** ((days.max() - days) / config.half_life_days)
    else:
        weights = np.ones(len(days))
    return np.asarray(weights / weights.mean())


def training_samples(panel: Panel, split: np.datetime64, config: Config, epoch: int) -> Samples:
    """The windows of one epoch. Dense chunks start on a grid shifted by the epoch, so that no row is always first."""
    trained = panel.usable & (panel.stamps <= split)
    row_weights = np.zeros(len(trained), dtype=np.float32)
    row_weights[trained] = recency_weights(panel.stamps[trained], config)
    rows = np.flatnonzero(trained)
    length = config.context_length
    if config.training == "windows":
        return Samples(starts=rows - length + 1, length=length, judged=1, row_weights=row_weights)
    length = config.chunk_length
    stride = max(length // 4, 1)
    shift = int(np.random.default_rng([config.seed, epoch]).integers(stride))
    ends = rows[(np.arange(len(rows)) + shift) % stride == stride - 1] if len(rows) >= stride else rows[-1:]
    return Samples(starts=ends - length + 1, length=length, judged=length, row_weights=row_weights)


def validation_samples(panel: Panel, split: np.datetime64, config: Config) -> Samples:
    """The held-out tail, every target judged once, after a full context."""
    held_out = panel.usable & (panel.stamps > split)
    rows, context, row_weights = np.flatnonzero(held_out), config.context_length, held_out.astype(np.float32)
    if config.training == "windows":
        return Samples(starts=rows - context + 1, length=context, judged=1, row_weights=row_weights)
    judged = config.chunk_length
    tiles = []
    for first in rows[np.diff(rows, prepend=-2) > 1]:  # the first held-out row of each item
        count = int(np.argmin(np.append(held_out[first:], False)))
        tiles.append(np.arange(first, first + count, judged))
    starts = np.concatenate(tiles) if tiles else rows
    return Samples(starts=starts - context + 1, length=context + judged - 1, judged=judged, row_weights=row_weights)

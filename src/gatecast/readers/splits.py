"""Likely splits that prices are not adjusted for: found, and with `repair` made where they are beyond doubt."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from gatecast.prices import stamp_text
from gatecast.readers.rows import ItemRows
from gatecast.readers.split_evidence import doubt
from gatecast.text import counted

_SPLITS = ((5, 4), (3, 2), *((many, 1) for many in (2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 20, 25, 30, 40, 50)))
_RATIOS = np.array([many / few for many, few in _SPLITS])
_SMALL = 1.4  # a ratio below it is a split only where nothing speaks against it: many real moves are as large
_SMALLEST = 1.2  # times the price before: less is near no ratio
_SCALES = np.array([1.5, 2, 3, 4, 5, 7, 10, 20])  # and their products: by what columns differ
_NEAR = 0.04  # a day's return blurs the ratio by a few percent
_LARGE = 6.0  # trailing volatilities; a stock that moves 12% a day can halve without a split
_TRAILING = 60  # returns of the trailing volatility: a quarter
_LATER = 5  # rows; a price that has returned after them was no split
_APART = np.log(1.35)  # no common day's open, high or low is so far from its close; the smallest split moves them more
_VOLUME_ROWS = 60  # on either side of a split, whose median volumes are compared: a quarter


@dataclass(frozen=True)
class Split:
    """From `row` on the price is `few / many` of what it was: 2-for-1 halves it."""

    row: int
    many: int
    few: int

    def __str__(self) -> str:
        """As investors write it: `2-for-1 split`."""
        return f"{self.many}-for-{self.few} {'split' if self.many > self.few else 'reverse split'}"

    @property
    def ratio(self) -> float:
        """How many times a price before the split is one after it."""
        return self.many / self.few

    @property
    def factor(self) -> str:
        """The larger of the ratio and its inverse, in words: `4`."""
        return f"{max(self.ratio, 1 / self.ratio):g}"


def find_splits(close: Float[np.ndarray, " time"], opens: Float[np.ndarray, " time"] | None = None) -> list[Split]:
    """Rows whose one-step ratio is near a split's, large for the series, and lasting.

    A split happens overnight: where there are opens, the ratio is the open's to the close before, so that the
    day's own return does not blur it. The close must have moved as well: where only the opens lie elsewhere,
    nothing was split.

    >>> find_splits(np.where(np.arange(60) < 30, 100.0, 50.0))
    [Split(row=30, many=2, few=1)]
    """
    if len(close) < 3:
        return []
    first, last = (close if opens is None else opens)[1:], close[:-1]
    end = np.flatnonzero((first > _SMALLEST * last) | (last > _SMALLEST * first))  # a few rows, of a long series too
    end = end[end >= 5]
    returns, overnight = np.log(close[end + 1] / last[end]), np.log(first[end] / last[end])
    size = np.exp(np.minimum(np.abs(overnight), 5.0))
    near = np.logical_or.reduce([np.abs(size / ratio - 1) < _NEAR for ratio in _RATIOS])
    near &= returns * np.sign(overnight) > np.abs(overnight) / 2
    near &= np.abs(returns) > _LARGE * _volatility(close, end)
    splits = []
    for row, step in zip((end[near] + 1).tolist(), overnight[near].tolist(), strict=True):
        after = float(np.log(np.median(close[row : row + _LATER])))
        if abs(after - np.log(close[row])) < abs(after - np.log(close[row - 1])):
            many, few = _SPLITS[int(np.abs(_RATIOS / np.exp(min(abs(step), 5.0)) - 1).argmin())]
            splits.append(Split(row, *((many, few) if step < 0 else (few, many))))
    return splits


def _volatility(close: Float[np.ndarray, " time"], rows: np.ndarray) -> Float[np.ndarray, " rows"]:
    """The standard deviation of the last returns up to each of these rows, at most `_TRAILING`."""
    parts = []
    for part in np.array_split(rows, len(rows) // 10_000 + 1):
        at = part[:, None] - np.arange(_TRAILING + 1)
        logs = np.log(np.where(at < 0, np.nan, close[np.maximum(at, 0)]))
        parts.append(np.nanstd(np.diff(logs, axis=1), axis=1))
    return np.concatenate(parts)


def split_remarks(stamps: np.ndarray, values: Mapping[str, np.ndarray]) -> list[tuple[str, int]]:
    """A sentence for each of the first likely splits, with its remedy, and its row."""
    close, opens = values["close"], values.get("open")
    splits = [
        split
        for split in find_splits(close, opens)
        if max(split.ratio, 1 / split.ratio) > _SMALL or doubt(stamps, values, split.row, split.ratio) is None
    ]
    remarks = []
    for split in splits[:3]:
        before, after = close[split.row - 1], (close if opens is None else opens)[split.row]
        likely = f"the price went from {before:g} to {after:g}, like an unadjusted {split}"
        why = doubt(stamps, values, split.row, split.ratio)
        if why is None:
            change = f"{'divide' if split.ratio > 1 else 'multiply'} the prices before it by {split.factor}"
            remedy = f"If it is one, use adjusted prices, or pass repair=True to {change} and adjust the volumes."
        else:
            remedy = f"It may be a real move, which repair=True leaves: {why}. If it is a split, use adjusted prices."
        remarks.append((f"{stamp_text(stamps[split.row])}: {likely}. {remedy}", split.row))
    if len(splits) > 3:
        more = counted(len(splits) - 3, "other row")
        remarks.append((f"{more} like an unadjusted split found.", splits[3].row))
    return remarks


def match_close(item: ItemRows) -> None:
    """Bring columns that are adjusted for a split where the close is not, or the reverse, to the scale of the close.

    Each row decides by its own prices: nothing before a split follows from it.
    """
    close, changed = item.values["close"], {}
    for name in ("open", "high", "low"):
        if name in item.values:
            scale = _scales(close, item.values[name])
            if scale is not None:
                item.values[name] = item.values[name] * scale
                changed[name] = scale != 1
    if changed:
        rows = np.logical_or.reduce(list(changed.values()))
        names = " and ".join(", ".join(changed).rsplit(", ", 1))
        item.note(
            f"brought {names} to the scale of the close in {counted(int(rows.sum()), 'row')}, where only they or only "
            f"the close were adjusted for a split: {item.places(rows)}.",
            int(rows.argmax()),
        )


def _scales(close: Float[np.ndarray, " time"], other: Float[np.ndarray, " time"]) -> Float[np.ndarray, " time"] | None:
    """How many times a column each row's close is, as a ratio of splits; None where it is not in a lasting way."""
    apart = close / other
    np.log(apart, out=apart)
    if len(apart) <= _LATER or (apart.max() < _APART and apart.min() > -_APART):
        return None
    starts = np.concatenate([[0], np.flatnonzero(np.abs(np.diff(apart)) > _APART) + 1, [len(apart)]])
    usual = [float(np.median(apart[start:end])) for start, end in itertools.pairwise(starts.tolist())]
    if abs(usual[-1]) < _APART:  # what is usual where both are alike: a close lies below the high
        usual = [level - usual[-1] for level in usual]
    ratios = np.unique(np.concatenate([_SCALES, np.outer(_SCALES, _SCALES).ravel()]))
    candidates = np.concatenate([[1.0], ratios, 1 / ratios])
    scale = np.ones(len(apart))
    for level, (start, end) in zip(usual, itertools.pairwise(starts.tolist()), strict=True):
        nearest = float(candidates[int(np.abs(np.log(candidates) - level).argmin())])
        if nearest != 1 and (end - start < _LATER or abs(np.log(nearest) - level) > _NEAR):
            return None  # a bad price is a few rows long, and need not be near any ratio
        scale[start:end] = nearest
    return None if (scale == 1).all() else scale


def repair_splits(item: ItemRows) -> None:
    """Divide the prices before each split beyond doubt by its ratio, and multiply the volumes unless they are adjusted.

    From the first to the last, so that each is judged by rows without a split.
    """
    for split in find_splits(item.values["close"], item.values.get("open")):
        if doubt(item.stamps, item.values, split.row, split.ratio) is not None:
            continue
        before = np.arange(len(item.stamps)) < split.row
        for name in ("open", "high", "low", "close"):
            if name in item.values:
                item.values[name] = np.where(before, item.values[name] / split.ratio, item.values[name])
        change, opposite = ("divided", "multiplied") if split.ratio > 1 else ("multiplied", "divided")
        volumes = ""
        if "volume" in item.values:
            volume = item.values["volume"]
            if not _jumps(volume, split):
                volumes = "; the volumes, which do not change with it, were left"
            else:
                item.values["volume"] = np.where(before, volume * split.ratio, volume)
                volumes = f" and {opposite} the volumes"
        day = stamp_text(item.stamps[split.row])
        item.note(f"repair: {change} the prices before {day} by {split.factor}, like a {split}{volumes}.", split.row)


def _jumps(volume: Float[np.ndarray, " time"], split: Split) -> bool:
    """Whether volumes count the shares of before the split before it: then their median changes by its ratio."""
    sides = (volume[max(0, split.row - _VOLUME_ROWS) : split.row], volume[split.row : split.row + _VOLUME_ROWS])
    before, after = (float(np.median(side[side > 0])) if (side > 0).any() else 0.0 for side in sides)
    if before == 0 or after == 0:
        return True
    return bool(np.log(after / before) * np.sign(np.log(split.ratio)) > abs(np.log(split.ratio)) / 2)

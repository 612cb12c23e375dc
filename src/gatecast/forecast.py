"""The Forecast: simulated price paths in price units, and what can be read off them."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy.special import gammaln

from gatecast.errors import UsageError, check_number, check_texts
from gatecast.notes import Note
from gatecast.prices import PriceSeries, stamp_text

# The quantiles that a stored forecast keeps, and the bands they bound, by name: "q025" is 0.025, "q10" is 0.1.
QUANTILES: dict[str, float] = {
    "q" + str(q).removeprefix("0.").ljust(2, "0"): q
    for q in (0.01, 0.025, 0.05, 0.1, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.9, 0.95, 0.975, 0.99)
}
BANDS = {50: ("q25", "q75"), 80: ("q10", "q90"), 90: ("q05", "q95"), 95: ("q025", "q975")}


def student_t_log_pdf(squared: Float[np.ndarray, "*shape"], df: Float[np.ndarray, "*shape"] | float) -> np.ndarray:
    """Log density of Student's t with `df` degrees of freedom (inf: a normal) at values with these squares; nats.

    Johnson, Kotz and Balakrishnan (1995), chapter 28.

    >>> student_t_log_pdf(np.array([0.0, 0.0]), np.array([1.0, np.inf])).round(3).tolist()
    [-1.145, -0.919]
    """
    normal = np.isinf(df)
    v = np.where(normal, 1.0, df)
    student = gammaln((v + 1) / 2) - gammaln(v / 2) - 0.5 * np.log(np.pi * v) - (v + 1) / 2 * np.log1p(squared / v)
    return np.asarray(np.where(normal, -0.5 * (squared + np.log(2 * np.pi)), student))


@dataclass(frozen=True, kw_only=True, eq=False)
class Density:
    """The predictive density of the log return from the last close, as a mixture over paths, per step.

    Path p at step h, given all it did before h, puts a Student-t with location `loc[p, h]`, scale `scale[p, h]`
    and `df[p, h]` degrees of freedom (inf: a normal) on log(price at h / last close). The mean of these
    densities over paths is the predictive density (Rao-Blackwell). All arrays are (paths, horizon).
    """

    loc: Float[np.ndarray, "paths horizon"]
    scale: Float[np.ndarray, "paths horizon"]
    df: Float[np.ndarray, "paths horizon"]

    def log_pdf(self, log_return: Float[np.ndarray, " steps"]) -> Float[np.ndarray, " steps"]:
        """Log density at the log returns of steps 1..len(log_return); nats."""
        steps = len(log_return)
        loc, scale, df = self.loc[:, :steps], self.scale[:, :steps], self.df[:, :steps]
        each = student_t_log_pdf(((log_return - loc) / scale) ** 2, df) - np.log(scale)
        most = each.max(axis=0)  # of the paths: their exponentials do not all vanish
        most = np.where(np.isfinite(most), most, 0.0)
        with np.errstate(divide="ignore"):  # of a density of 0
            return np.asarray(most + np.log(np.exp(each - most).mean(axis=0)))


FARTHEST = 10.0  # of a log return: tails explode after a crash, and 22,000-fold is enough for any price


@dataclass(frozen=True, kw_only=True, eq=False)
class ItemForecast:
    """One asset's simulated paths. `paths` is (paths, horizon) in price units; `timestamps` is (horizon,).

    `highs` and `lows` are those of each simulated day, as `paths` are its closes; None where the prices have no ranges.
    `noise` is, by step, the variance of the sampling error of the paths' quantiles over that of as many independent
    paths: under 1 for an average of several sorted samples; None: 1.
    """

    item_id: str
    last_timestamp: np.datetime64
    last_close: float
    timestamps: np.ndarray
    paths: Float[np.ndarray, "paths horizon"]
    density: Density | None = None
    notes: tuple[Note, ...] = ()
    highs: Float[np.ndarray, "paths horizon"] | None = None
    lows: Float[np.ndarray, "paths horizon"] | None = None
    noise: Float[np.ndarray, " horizon"] | None = None

    @classmethod
    def of(
        cls,
        series: PriceSeries,
        future: np.ndarray,
        log_returns: Float[np.ndarray, "paths horizon"],
        density: Density | None,
        notes: tuple[Note, ...],
    ) -> ItemForecast:
        """The forecast of a series at the timestamps `future` by log returns since its last close."""
        last_close = float(series.close[-1])
        return cls(
            item_id=series.item_id,
            last_timestamp=series.timestamps[-1],
            last_close=last_close,
            timestamps=future,
            paths=np.asarray(last_close * np.exp(np.clip(log_returns, -FARTHEST, FARTHEST))),
            density=density,
            notes=notes,
        )

    @property
    def horizon(self) -> int:
        """Number of steps ahead."""
        return int(self.paths.shape[1])

    @property
    def median(self) -> Float[np.ndarray, " horizon"]:
        """The median of the paths at each step; price units."""
        return self.quantile(0.5)

    @property
    def mean(self) -> Float[np.ndarray, " horizon"]:
        """The mean of the paths at each step; price units."""
        return np.asarray(self.paths.mean(axis=0))

    def quantile(self, q: float) -> Float[np.ndarray, " horizon"]:
        """The q-quantile of the paths at each step (linear interpolation); price units; 0 <= q <= 1."""
        check_number("q", q, example=0.05)
        if not 0 <= q <= 1:
            raise UsageError(f"a quantile lies in 0..1; got {q}. Give for example 0.05.")
        return np.asarray(np.quantile(self.paths, q, axis=0))

    def interval(self, level: float) -> tuple[Float[np.ndarray, " horizon"], Float[np.ndarray, " horizon"]]:
        """The central band that holds `level` of the paths at each step: (lower, upper); price units."""
        check_level(level)
        return self.quantile((1 - level) / 2), self.quantile((1 + level) / 2)

    def probability_above(self, price: float) -> Float[np.ndarray, " horizon"]:
        """The share of paths above `price` at each step."""
        check_number("price", price, example=100.0)
        return np.asarray((self.paths > price * (1 + 1e-12)).mean(axis=0))  # not above by rounding alone

    def log_returns(self) -> Float[np.ndarray, "paths horizon"]:
        """log(path / last close)."""
        return np.asarray(np.log(self.paths / self.last_close))

    def moved(self, paths: Float[np.ndarray, "paths horizon"]) -> ItemForecast:
        """The forecast with other closes; each day's high and low keep their distance, in logs, to its close."""
        factor = paths / self.paths
        highs, lows = (None if extreme is None else extreme * factor for extreme in (self.highs, self.lows))
        return replace(self, paths=paths, highs=highs, lows=lows)


@dataclass(frozen=True, kw_only=True, eq=False)
class Forecast:
    """One fan of paths for each asset; immutable, in price units, the last value of the chain.

    >>> from gatecast import Drift, PriceTable
    >>> import numpy as np, pandas as pd
    >>> days = pd.bdate_range("2024-01-01", periods=80)
    >>> table = PriceTable.from_close({"X": (100 * 1.001 ** np.arange(80), days)})
    >>> forecast = Drift().fit(table).predict(table, horizon=3, paths=50, seed=7)
    >>> forecast.interval(0.9).columns.tolist()
    ['item_id', 'timestamp', 'step', 'lower', 'upper']
    """

    items: tuple[ItemForecast, ...]
    seed: int
    joint: bool = False  # whether path p of one item belongs with path p of the others

    def __iter__(self) -> Iterator[ItemForecast]:
        return iter(self.items)

    def __getitem__(self, item_id: str) -> ItemForecast:
        for item in self.items:
            if item.item_id == item_id:
                return item
        raise UsageError(f"no item '{item_id}' in this forecast. It has: {', '.join(i.item_id for i in self.items)}.")

    @property
    def horizon(self) -> int:
        """Number of steps ahead."""
        return self.items[0].horizon

    @property
    def n_paths(self) -> int:
        """Number of simulated paths per asset."""
        return len(self.items[0].paths)

    def paths_of(self, item_ids: Sequence[str]) -> Float[np.ndarray, "items paths horizon"]:
        """The paths of these items, price units: path p is one future of them all.

        Raises `UsageError` where the items were simulated independently, or have different timestamps.
        """
        check_texts("item_ids", item_ids, self.items[0].item_id)
        if not item_ids:
            raise UsageError("paths are of one item or more; got none. Name some.")
        items = [self[item_id] for item_id in item_ids]
        if len(items) > 1 and not self.joint:
            raise UsageError(
                "paths of several items belong together only where they were simulated so; these were not. Forecast "
                "with joint=true."
            )
        if any(not np.array_equal(item.timestamps, items[0].timestamps) for item in items):
            raise UsageError(
                "paths of several items are aligned by step where these have the same timestamps; "
                f"{', '.join(item_ids)} have not. Ask for items that trade on the same days."
            )
        return np.stack([item.paths for item in items])

    def noted(self, *notes: Note) -> Forecast:
        """The forecast with more notes on every item."""
        return replace(self, items=tuple(replace(item, notes=(*item.notes, *notes)) for item in self.items))

    def _frame(self, columns: Callable[[ItemForecast], dict[str, np.ndarray]]) -> pd.DataFrame:
        parts = [
            pd.DataFrame(
                {
                    "item_id": item.item_id,
                    "timestamp": item.timestamps,
                    "step": np.arange(1, item.horizon + 1),
                    **columns(item),
                }
            )
            for item in self.items
        ]
        return pd.concat(parts, ignore_index=True)

    def median(self) -> pd.DataFrame:
        """The median price by item and step."""
        return self._frame(lambda item: {"median": item.median})

    def mean(self) -> pd.DataFrame:
        """The mean price by item and step."""
        return self._frame(lambda item: {"mean": item.mean})

    def quantile(self, q: float) -> pd.DataFrame:
        """The q-quantile of the price by item and step."""
        return self._frame(lambda item: {"quantile": item.quantile(q)})

    def interval(self, level: float = 0.9) -> pd.DataFrame:
        """The central band at `level` by item and step: columns `lower`, `upper`."""
        return self._frame(lambda item: dict(zip(("lower", "upper"), item.interval(level), strict=True)))

    def probability_above(self, price: float) -> pd.DataFrame:
        """The share of paths above `price` by item and step."""
        return self._frame(lambda item: {"probability": item.probability_above(price)})

    def to_frame(self, level: float = 0.9) -> pd.DataFrame:
        """Median, mean and band by item and step, in price units."""
        return self._frame(lambda item: _summary(item, level))

    def to_dict(self, level: float = 0.9) -> list[dict[str, Any]]:
        """The `items` of the JSON document: plain types, finite numbers."""
        return [_item_dict(item, level) for item in self.items]

    def to_json(self, level: float = 0.9) -> str:
        """`to_dict` as JSON text; no NaN or Infinity in it."""
        return json.dumps(self.to_dict(level), allow_nan=False)


def _summary(item: ItemForecast, level: float) -> dict[str, np.ndarray]:
    lower, upper = item.interval(level)
    return {"median": item.median, "mean": item.mean, "lower": lower, "upper": upper}


def _item_dict(item: ItemForecast, level: float) -> dict[str, Any]:
    columns = _summary(item, level)
    rows = zip(item.timestamps, np.column_stack(list(columns.values())).tolist(), strict=True)
    return {
        "item_id": item.item_id,
        "last": {"timestamp": stamp_text(item.last_timestamp), "close": item.last_close},
        "notes": [note.text for note in item.notes],
        "forecast": [
            {"timestamp": stamp_text(stamp), "step": step, **dict(zip(columns, row, strict=True))}
            for step, (stamp, row) in enumerate(rows, 1)
        ],
    }


def item_rng(item_id: str, seed: int) -> np.random.Generator:
    """The random stream of one item's paths: the other items of the table do not matter."""
    return np.random.default_rng([seed, zlib.crc32(item_id.encode())])


def check_level(level: float) -> None:
    """Refuse a level that is no number, or outside (0, 1)."""
    check_number("level", level, example=0.9)
    if not 0 < level < 1:
        likely = level / 100 if 1 < level < 100 else 0.9
        raise UsageError(f"a level lies between 0 and 1; got {level}. Give for example {likely:g}.")

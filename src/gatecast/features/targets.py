"""What a recipe network predicts, and back: scaled features and targets, log returns from either."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from gatecast.errors import DataError
from gatecast.features.indicators import FeatureSpec

CLIP = 10.0  # scaled inputs and targets beyond ten deviations count as ten: one crash must not own the gradient


@dataclass(frozen=True, kw_only=True)
class Scaler:
    """Mean and standard deviation of each feature, learned from training rows alone; (feature,).

    `levels` holds each item's mean and standard deviation of price, for `returns="none"` only: there the price
    itself is feature and target, and the scale is what ties it to its currency.
    """

    mean: Float[np.ndarray, " feature"]
    std: Float[np.ndarray, " feature"]
    levels: Mapping[str, tuple[float, float]]

    @classmethod
    def fit(cls, rows: Mapping[str, Float[np.ndarray, "row feature"]], spec: FeatureSpec) -> Scaler:
        """Learn from these rows, pooled over items; a feature that never varies keeps scale 1."""
        levels = {}
        if spec.returns == "none":
            levels = {item: (float(part[:, 0].mean()), float(_std(part[:, 0]))) for item, part in rows.items()}
        pooled = np.concatenate([_levelled(part, levels.get(item)) for item, part in rows.items()])
        return cls(mean=pooled.mean(axis=0), std=_std(pooled), levels=levels)

    def apply(self, features: Float[np.ndarray, "row feature"], item_id: str) -> Float[np.ndarray, "row feature"]:
        """Scaled features as float32, within ±CLIP; raises `DataError` for an item whose level is not known."""
        scaled = (_levelled(features, self._level(item_id)) - self.mean) / self.std
        return np.asarray(np.clip(scaled, -CLIP, CLIP), dtype=np.float32)

    def target_frame(
        self, item_id: str, sigma: Float[np.ndarray, " row"]
    ) -> tuple[Float[np.ndarray, " row"], Float[np.ndarray, " row"]]:
        """Centre and scale of each row's target: (0, trailing volatility), or the item's price level."""
        level = self._level(item_id)
        if level is None:
            return np.zeros_like(sigma), sigma
        return np.full_like(sigma, level[0]), np.full_like(sigma, level[1])

    def _level(self, item_id: str) -> tuple[float, float] | None:
        if not self.levels:
            return None
        if item_id not in self.levels:
            raise DataError(
                f"with returns=none a network knows only the price levels it was trained on; '{item_id}' is none "
                "of them. Train on it, or use returns=log."
            )
        return self.levels[item_id]


def _levelled(features: np.ndarray, level: tuple[float, float] | None) -> np.ndarray:
    if level is None:
        return features
    return np.column_stack([(features[:, 0] - level[0]) / level[1], features[:, 1:]])


def _std(values: np.ndarray) -> np.ndarray:
    std = values.std(axis=0)
    return np.asarray(np.where(std > 1e-12 * (1 + np.abs(values).max(axis=0)), std, 1.0))


def next_value(returns: str, close: Float[np.ndarray, " time"]) -> Float[np.ndarray, " time"]:
    """What row t is to predict: the next log return, simple return or price; the last row has 0 for want of one."""
    following = np.append(close[1:], close[-1])
    if returns == "none":
        return following
    return np.asarray(np.log(following / close) if returns == "log" else following / close - 1)


def to_log_return(
    returns: str, log_close: Float[np.ndarray, " row"], value: Float[np.ndarray, " row"]
) -> Float[np.ndarray, " row"]:
    """The log return that a predicted value means; prices stay positive: none falls below 1/1000 in a step."""
    if returns == "log":
        return value
    ratio = 1 + value if returns == "simple" else value * np.exp(-log_close)
    return np.asarray(np.log(np.maximum(ratio, 1e-3)))

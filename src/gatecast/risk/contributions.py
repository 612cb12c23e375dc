"""What each holding of a portfolio adds to its losses, and what diversification is worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from gatecast.risk.estimates import Estimate, mean
from gatecast.risk.portfolio import PortfolioPaths
from gatecast.risk.tails import tail_weights


@dataclass(frozen=True, kw_only=True, eq=False)
class Contributions:
    """What each holding adds to a portfolio's expected shortfall at its last step, at one level.

    `shares` sum to `total`, the shortfall as a share of the first value; below 0 a holding softens the loss. `alone` is
    the shortfall of each holding by itself, in the same unit. `diversification` is the sum of these over the total: 1
    or more; None where the portfolio has no loss.
    """

    level: float
    total: Estimate
    shares: Mapping[str, Estimate]
    alone: Mapping[str, Estimate]
    diversification: Estimate | None

    def to_dict(self) -> dict[str, Any]:
        """`{"level", "expected_shortfall", "diversification", "holdings": [{"item_id", "contribution", "alone"}]}`."""
        return {
            "level": self.level,
            "expected_shortfall": self.total.to_dict(),
            "diversification": None if self.diversification is None else self.diversification.to_dict(),
            "holdings": [
                {"item_id": item_id, "contribution": share.to_dict(), "alone": self.alone[item_id].to_dict()}
                for item_id, share in self.shares.items()
            ],
        }


def contributions(paths: PortfolioPaths, levels: Sequence[float]) -> list[Contributions]:
    """The mean loss of each holding in the paths of the portfolio's worst share, for each level.

    With what is held these are the Euler contributions, the derivative of the shortfall by a holding times the holding
    (Tasche 1999); with what is rebalanced they divide the same loss among the holdings, step by step. The holdings'
    own shortfalls are never less together (Acerbi and Tasche 2002).
    """
    tails = [_Tail(1.0 - paths.values[:, -1], level) for level in levels]
    for item_id, gains in paths.gains():
        for tail in tails:
            tail.add(item_id, -gains[:, -1])
    return [tail.contributions() for tail in tails]


class _Tail:
    """The worst paths of a portfolio at one level, to which holdings are added one at a time.

    Errors are those of means over paths of each number's influence function (Hampel 1974): that of a shortfall is
    `max(loss - value at risk, 0) / level`; that of a contribution is `(loss of the holding - its mean loss at the
    boundary) / level` in the tail, with a mean at the boundary in proportion to the loss, as elliptical returns have.
    """

    def __init__(self, losses: Float[np.ndarray, " paths"], level: float) -> None:
        self.level = level
        self.weights = np.empty(len(losses))
        self.weights[np.argsort(-losses, kind="stable")] = tail_weights(len(losses), level)
        self.total, self.influence = self._shortfall(losses, self.weights)
        at_risk = float(np.quantile(losses, 1 - level))
        self.boundary = at_risk / self.total if self.total > 0 else 0.0
        self.shares: dict[str, Estimate] = {}
        self.alone: dict[str, Estimate] = {}
        self.influence_alone = np.zeros(len(losses))

    def _shortfall(
        self, losses: Float[np.ndarray, " paths"], weights: Float[np.ndarray, " paths"]
    ) -> tuple[float, Float[np.ndarray, " paths"]]:
        """The mean of the worst, and its influence function up to a constant."""
        beyond = np.maximum(losses - np.quantile(losses, 1 - self.level), 0.0) / self.level
        return float(weights @ losses), np.asarray(beyond)

    def add(self, item_id: str, losses: Float[np.ndarray, " paths"]) -> None:
        """Put down what a holding adds, and what it loses alone."""
        share = float(self.weights @ losses)
        self.shares[item_id] = _estimate(share, self.weights * len(losses) * (losses - share * self.boundary))
        own = np.empty(len(losses))
        own[np.argsort(-losses, kind="stable")] = tail_weights(len(losses), self.level)
        alone, influence = self._shortfall(losses, own)
        self.alone[item_id] = _estimate(alone, influence)
        self.influence_alone += influence

    def contributions(self) -> Contributions:
        """The holdings together."""
        diversification = None
        if self.total > 0:
            ratio = sum(float(alone.value) for alone in self.alone.values()) / self.total
            diversification = _estimate(ratio, (self.influence_alone - ratio * self.influence) / self.total)
        return Contributions(
            level=self.level,
            total=_estimate(self.total, self.influence),
            shares=self.shares,
            alone=self.alone,
            diversification=diversification,
        )


def _estimate(value: float, influence: Float[np.ndarray, " paths"]) -> Estimate:
    return Estimate(value=np.asarray(value), error=mean(influence).error)

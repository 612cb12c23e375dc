"""The answers about risk, as values: of each item, of a portfolio, of a scenario; their JSON and their table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from gatecast.errors import UsageError
from gatecast.notes import Note
from gatecast.prices import stamp_text
from gatecast.risk.contributions import Contributions
from gatecast.risk.drawdown import Drawdown
from gatecast.risk.estimates import Estimate
from gatecast.risk.levels import LevelChances, StopTarget, level_dict, step_rows, stop_target_dict
from gatecast.risk.scenario import Scenario
from gatecast.risk.tails import TailRisk
from gatecast.risk.weights import Portfolio
from gatecast.text import listed

PORTFOLIO = "(portfolio)"  # its name in a table of items
Row = tuple[str, np.datetime64 | None, int | None, str, float | None, Estimate]


@dataclass(frozen=True, kw_only=True, eq=False)
class Outlook:
    """What an item or a portfolio may do: estimates by step are (horizon,), shares of the first value.

    `volatility` is annualised; None where a value may be 0 or less, which has no logarithm.
    """

    timestamps: np.ndarray
    volatility: Estimate | None
    implied_move: Estimate
    tails: tuple[TailRisk, ...]
    drawdown: Drawdown

    def to_dict(self) -> dict[str, Any]:
        """`{"steps": [{"timestamp", "step", "implied_move", "volatility", "tails": [...]}], "drawdown": {...}}`."""
        columns = {"implied_move": self.implied_move}
        if self.volatility is not None:
            columns["volatility"] = self.volatility
        rows = step_rows(self.timestamps, columns)
        for row in rows:
            row.setdefault("volatility", None)
            row["tails"] = [
                {
                    "level": tail.level,
                    "value_at_risk": tail.value_at_risk[row["step"] - 1].to_dict(),
                    "expected_shortfall": tail.expected_shortfall[row["step"] - 1].to_dict(),
                }
                for tail in self.tails
            ]
        return {"steps": rows, "drawdown": self.drawdown.to_dict()}

    def rows(self, name: str) -> Iterator[Row]:
        """The rows of a table."""
        by_step: list[tuple[str, float | None, Estimate]] = [("implied_move", None, self.implied_move)]
        if self.volatility is not None:
            by_step.append(("volatility", None, self.volatility))
        for tail in self.tails:
            by_step.append(("value_at_risk", tail.level, tail.value_at_risk))
            by_step.append(("expected_shortfall", tail.level, tail.expected_shortfall))
        yield from _by_step(name, self.timestamps, by_step)
        for q, estimate in self.drawdown.worst.items():
            yield name, None, None, "worst_fall_quantile", q, estimate
        for fall, estimate in self.drawdown.falls.items():
            yield name, None, None, "falls_at_least", fall, estimate
        yield name, None, None, "steps_under_water", None, self.drawdown.under_water
        yield name, None, None, "still_under_water", None, self.drawdown.still_under


@dataclass(frozen=True, kw_only=True, eq=False)
class ItemRisk:
    """The answers of one item. `ranges`: whether highs and lows of the simulated days count, or closes alone."""

    item_id: str
    last_timestamp: np.datetime64
    last_close: float
    ranges: bool
    outlook: Outlook
    touch: tuple[LevelChances, ...] = ()
    above: tuple[LevelChances, ...] = ()
    stop_target: StopTarget | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain types for JSON."""
        stamps = self.outlook.timestamps
        return {
            "item_id": self.item_id,
            "last": {"timestamp": stamp_text(self.last_timestamp), "close": self.last_close},
            "ranges": self.ranges,
            **self.outlook.to_dict(),
            "touch": [level_dict(level, stamps) for level in self.touch],
            "above": [level_dict(level, stamps) for level in self.above],
            "stop_target": None if self.stop_target is None else stop_target_dict(self.stop_target, stamps),
        }

    def rows(self) -> Iterator[Row]:
        """The rows of a table."""
        yield self.item_id, self.last_timestamp, 0, "last_close", None, _exact(self.last_close)
        yield from self.outlook.rows(self.item_id)
        by_step: list[tuple[str, float | None, Estimate]] = []
        for level in {level.price: level for level in (*self.touch, *self.above)}.values():
            by_step += [
                ("touch", level.price, level.touch),
                ("close_above", level.price, level.close_above),
                ("close_below", level.price, level.close_below),
            ]
        if (found := self.stop_target) is not None:
            by_step += [
                ("stop_first", found.stop, found.stop_first),
                ("target_first", found.target, found.target_first),
            ]
        yield from _by_step(self.item_id, self.outlook.timestamps, by_step)
        if found is not None:
            yield self.item_id, None, None, "same_day", None, found.same_day
            for measure, price, step in (
                ("stop_step", found.stop, found.stop_step),
                ("target_step", found.target, found.target_step),
            ):
                if step is not None:
                    yield self.item_id, None, None, measure, price, step


@dataclass(frozen=True, kw_only=True, eq=False)
class PortfolioRisk:
    """The answers of a portfolio; `weights` are those other than 0, `ruined` the chance to lose all of its value."""

    portfolio: Portfolio
    weights: Mapping[str, float]
    outlook: Outlook
    contributions: tuple[Contributions, ...]
    ruined: Estimate

    @property
    def cash(self) -> float:
        """What the weights leave of 1; below 0 it is borrowed."""
        return 1.0 - sum(self.weights.values())

    def to_dict(self) -> dict[str, Any]:
        """Plain types for JSON. With a `value`, each tail of a step has its losses in money beside the shares."""
        told = self.outlook.to_dict()
        value = self.portfolio.value
        if value is not None:
            for tail in (tail for row in told["steps"] for tail in row["tails"]):
                tail["money"] = {name: value * tail[name]["value"] for name in ("value_at_risk", "expected_shortfall")}
        return {
            "weights": dict(self.weights),
            "cash": self.cash,
            "rebalanced": self.portfolio.rebalanced,
            "value": value,
            **told,
            "contributions": [part.to_dict() for part in self.contributions],
            "ruined": self.ruined.to_dict(),
        }

    def rows(self) -> Iterator[Row]:
        """The rows of a table: the portfolio's, and its holdings' weights and contributions."""
        stamps, value = self.outlook.timestamps, self.portfolio.value
        last, step = stamps[-1], len(stamps)
        yield from self.outlook.rows(PORTFOLIO)
        yield PORTFOLIO, None, None, "ruined", None, self.ruined
        yield PORTFOLIO, None, None, "cash", None, _exact(self.cash)
        for item_id, weight in self.weights.items():
            yield item_id, None, None, "weight", None, _exact(weight)
        if value is not None:
            yield PORTFOLIO, None, None, "money", None, _exact(value)
            for tail in self.outlook.tails:
                losses = [
                    ("value_at_risk_money", tail.level, _times(value, tail.value_at_risk)),
                    ("expected_shortfall_money", tail.level, _times(value, tail.expected_shortfall)),
                ]
                yield from _by_step(PORTFOLIO, stamps, losses)
        for part in self.contributions:
            if part.diversification is not None:
                yield PORTFOLIO, last, step, "diversification", part.level, part.diversification
            for item_id, share in part.shares.items():
                yield item_id, last, step, "contribution", part.level, share
                yield item_id, last, step, "alone", part.level, part.alone[item_id]


@dataclass(frozen=True, kw_only=True, eq=False)
class Moves:
    """How far a value moves from the first, as a share: its mean, and three of its quantiles; single numbers."""

    mean: Estimate
    q05: Estimate
    median: Estimate
    q95: Estimate

    def to_dict(self) -> dict[str, Any]:
        """Plain types for JSON."""
        return {name: getattr(self, name).to_dict() for name in ("mean", "q05", "median", "q95")}

    def rows(self, name: str, stamp: np.datetime64, measure: str) -> Iterator[Row]:
        """The rows of a table: `measure` with "_mean" or "_quantile" after it."""
        yield name, stamp, None, f"{measure}_mean", None, self.mean
        for q, estimate in ((0.05, self.q05), (0.5, self.median), (0.95, self.q95)):
            yield name, stamp, None, f"{measure}_quantile", q, estimate


@dataclass(frozen=True, kw_only=True, eq=False)
class ScenarioMoves:
    """What an item, or the portfolio, does by a day: in the paths of a scenario, and in all paths."""

    item_id: str
    timestamp: np.datetime64
    given: Moves
    all_paths: Moves

    def to_dict(self) -> dict[str, Any]:
        """Plain types for JSON."""
        return {
            "item_id": self.item_id,
            "timestamp": stamp_text(self.timestamp),
            "given": self.given.to_dict(),
            "all_paths": self.all_paths.to_dict(),
        }


@dataclass(frozen=True, kw_only=True, eq=False)
class ScenarioRisk:
    """The answers in the paths of a scenario: how many these are, and the moves by its day and by the last day."""

    scenario: Scenario
    step: int
    timestamp: np.datetime64
    paths: int
    chance: Estimate
    moves: tuple[ScenarioMoves, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain types for JSON."""
        return {
            "given": str(self.scenario),
            "item_id": self.scenario.item_id,
            "move": self.scenario.move,
            "step": self.step,
            "timestamp": stamp_text(self.timestamp),
            "paths": self.paths,
            "chance": self.chance.to_dict(),
            "moves": [moves.to_dict() for moves in self.moves],
        }

    def rows(self) -> Iterator[Row]:
        """The rows of a table; the level of those of the scenario itself is its move."""
        about = self.scenario.item_id, self.timestamp, self.step
        yield *about, "scenario_paths", self.scenario.move, _exact(float(self.paths))
        yield *about, "scenario_chance", self.scenario.move, self.chance
        for moves in self.moves:
            yield from moves.given.rows(moves.item_id, moves.timestamp, "scenario_move")
            yield from moves.all_paths.rows(moves.item_id, moves.timestamp, "all_paths_move")


@dataclass(frozen=True, kw_only=True, eq=False)
class Risk:
    """The answers to `RiskQuestions`, each with its sampling error; `notes` say what a reader should know."""

    items: tuple[ItemRisk, ...]
    portfolio: PortfolioRisk | None
    scenario: ScenarioRisk | None
    notes: tuple[Note, ...]

    def __iter__(self) -> Iterator[ItemRisk]:
        return iter(self.items)

    def __getitem__(self, item_id: str) -> ItemRisk:
        for item in self.items:
            if item.item_id == item_id:
                return item
        raise UsageError(f"no item '{item_id}' among these answers. It has: {listed([i.item_id for i in self.items])}.")

    def to_dict(self) -> dict[str, Any]:
        """`{"items": [...], "portfolio": {...} or None, "scenario": {...} or None}`: plain types, finite numbers."""
        return {
            "items": [item.to_dict() for item in self.items],
            "portfolio": None if self.portfolio is None else self.portfolio.to_dict(),
            "scenario": None if self.scenario is None else self.scenario.to_dict(),
        }

    def to_frame(self) -> pd.DataFrame:
        """A row for each number of `to_dict`: `item_id, timestamp, step, measure, level, value, error`.

        `level` is the share, the quantile, the fall, the move or the price that a measure takes; what concerns the
        whole horizon has neither timestamp nor step. The error of what is not simulated is 0. The portfolio's rows
        have the item "(portfolio)"; "weight", "contribution" and "alone" are of each holding, the latter two and
        "diversification" at the last step. With a value, "value_at_risk_money" and "expected_shortfall_money" are in
        its unit. "scenario_move_mean" and "scenario_move_quantile" are moves in the paths of the scenario,
        "all_paths_move_mean" and "all_paths_move_quantile" those in all paths, by the timestamp of each.
        """
        rows = [row for item in self.items for row in item.rows()]
        if self.portfolio is not None:
            rows += self.portfolio.rows()
        if self.scenario is not None:
            rows += self.scenario.rows()
        names = ["item_id", "timestamp", "step", "measure", "level"]
        frame = pd.DataFrame([row[:5] for row in rows], columns=names).astype({"step": "Int64", "level": "float64"})
        for part in ("value", "error"):
            frame[part] = [float(getattr(row[5], part)) for row in rows]
        return frame


def _by_step(
    name: str, timestamps: np.ndarray, estimates: Sequence[tuple[str, float | None, Estimate]]
) -> Iterator[Row]:
    for measure, level, estimate in estimates:
        for step, stamp in enumerate(timestamps):
            yield name, stamp, step + 1, measure, level, estimate[step]


def _exact(value: float) -> Estimate:
    """A number that is not simulated."""
    return Estimate(value=np.asarray(value), error=np.asarray(0.0))


def _times(money: float, shares: Estimate) -> Estimate:
    return Estimate(value=money * shares.value, error=money * shares.error)

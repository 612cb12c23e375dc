"""The answers about risk as sentences and as columns of text: shared by the page and the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from gatecast.faces import wording
from gatecast.forecast import ItemForecast
from gatecast.risk.answers import ItemRisk, Moves, Outlook, PortfolioRisk, Risk, ScenarioMoves, ScenarioRisk
from gatecast.risk.contributions import Contributions
from gatecast.risk.estimates import Estimate
from gatecast.risk.levels import LevelChances, StopTarget, touched
from gatecast.risk.tails import TailRisk
from gatecast.text import counted

USUAL = 0.05  # the level that is told first where it was asked for
MOST_HOLDINGS = 20  # rows of contributions
MOVES = (3, 2, 1, -1, -2, -3)  # prices of a grid, in usual moves from the last close
GRID_STEPS = (1, 5, 10, 20)

Columns = dict[str, list[str]]


def cell(estimate: Estimate) -> str:
    """A single share with its sampling error in brackets, in per cent."""
    return wording.estimate_text(float(estimate.value), float(estimate.error))


def plain_share(estimate: Estimate) -> str:
    """A single share in per cent to the first digit of its error, without it: for a sentence."""
    return cell(estimate).partition(" (")[0]


def chance_text(estimate: Estimate) -> str:
    """A single chance for a sentence; of what no path does, the bound that would be seen once in 20 draws.

    That bound is three over the number of paths (Hanley and Lippman-Hand 1983), six of its sampling errors.
    """
    value, bound = float(estimate.value), 6 * float(estimate.error)
    if value == 0.0:
        return f"under {100 * bound:.2g}%"
    if value == 1.0:
        return f"over {100 * (1 - bound):.4g}%"
    return plain_share(estimate)


def usual_tail(outlook: Outlook) -> TailRisk:
    """The losses at 5%, or at the first level asked for."""
    return next((tail for tail in outlook.tails if tail.level == USUAL), outlook.tails[0])


def usual_part(risk: PortfolioRisk) -> Contributions:
    """The contributions at the level of `usual_tail`."""
    level = usual_tail(risk.outlook).level
    return next(part for part in risk.contributions if part.level == level)


# Sentences


def loss_text(outlook: Outlook, money: float | None = None) -> str:
    """What can be lost by the last step, as an answer: "5% chance to lose more than 8.9% by Friday 5 April 2024."."""
    tail, day = usual_tail(outlook), wording.day_text(outlook.timestamps[-1])
    level = wording.level_text(tail.level)
    at_risk, shortfall = tail.value_at_risk[-1], tail.expected_shortfall[-1]
    if float(at_risk.value) <= 0:
        gain = Estimate(value=np.asarray(-at_risk.value), error=at_risk.error)
        return f"{level} chance to gain less than {plain_share(gain)} by {day}."
    within = "" if money is None else f" ({money * float(at_risk.value):,.0f} of {money:,.0f})"
    return (
        f"{level} chance to lose more than {plain_share(at_risk)}{within} by {day}; where it comes to that, "
        f"{plain_share(shortfall)} is lost on average."
    )


def move_text(outlook: Outlook) -> str:
    """The implied move to the first and to the last step."""
    moves = [
        f"plus or minus {plain_share(outlook.implied_move[at])} by {wording.day_text(outlook.timestamps[at])}"
        for at in dict.fromkeys((0, len(outlook.timestamps) - 1))
    ]
    return f"Implied move: {', '.join(moves)}."


def touch_text(level: LevelChances, like: float, last: np.datetime64) -> str:
    """The chance to touch a price, and to close beyond it on the last day."""
    price, day = wording.price_text(level.price, like), wording.day_text(last)
    if level.side == "at":
        return f"{price} is the last close."
    beyond = level.close_above if level.side == "above" else level.close_below
    touch, close = chance_text(level.touch[-1]), chance_text(beyond[-1])
    return f"{_capital(touch)} chance to touch {price} by {day}; {close} to close {level.side} it that day."


def above_text(level: LevelChances, like: float, last: np.datetime64) -> str:
    """The chance to close above a price on the last day."""
    price, day = wording.price_text(level.price, like), wording.day_text(last)
    return f"{_capital(chance_text(level.close_above[-1]))} chance to close above {price} on {day}."


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def asked_texts(item: ItemRisk) -> list[str]:
    """The answers about the prices asked of an item, a sentence or two each."""
    like, last = item.last_close, item.outlook.timestamps[-1]
    texts = [touch_text(level, like, last) for level in item.touch]
    texts += [above_text(level, like, last) for level in item.above]
    if item.stop_target is not None:
        texts.append(stop_target_text(item.stop_target, like))
    return texts


def fall_text(outlook: Outlook) -> str:
    """The worst fall in sentences."""
    drawdown = outlook.drawdown
    chances = "; ".join(f"{wording.level_text(fall)}: {cell(chance)}" for fall, chance in drawdown.falls.items())
    told = f" Chance of a fall of at least {chances}." if chances else ""
    within = counted(len(outlook.timestamps), "step")
    steps = counted(round(float(drawdown.under_water.value)), "step")
    return (
        f"Worst fall from a peak within {within}: median {cell(drawdown.worst[0.5])}, in 1 path of 20 at least "
        f"{cell(drawdown.worst[0.95])}.{told} On average {steps} close below an earlier close."
    )


def stop_target_text(found: StopTarget, like: float) -> str:
    """The stop and the target in sentences."""
    stop, target = (wording.price_text(price, like) for price in (found.stop, found.target))
    stopped, gained = found.stop_first[-1], found.target_first[-1]
    neither = max(1.0 - float(stopped.value) - float(gained.value), 0.0)
    days = [
        f"the {name} after {float(step.value):.0f} steps"
        for name, step in (("stop", found.stop_step), ("target", found.target_step))
        if step is not None
    ]
    same = f" Both on one day, counted as the stop: {cell(found.same_day)}." if float(found.same_day.value) else ""
    when = f" On average {' and '.join(days)}." if days else ""
    return (
        f"Stop {stop} first: {cell(stopped)}; target {target} first: {cell(gained)}; neither: "
        f"{wording.share_text(neither)}.{when}{same}"
    )


def scenario_title(risk: ScenarioRisk) -> str:
    """A scenario in words: "If SPY closes 5% lower or worse on Friday 5 April 2024"."""
    scenario = risk.scenario
    size, way = f"{abs(100 * scenario.move):g}%", "lower" if scenario.move < 0 else "higher"
    more = "or lower" if scenario.below else "or higher"
    beyond = more if scenario.move == 0 else "or worse" if scenario.below else "or better"
    change = f"unchanged {beyond}" if scenario.move == 0 else f"{size} {way} {beyond}"
    return f"If {scenario.item_id} closes {change} on {wording.day_text(risk.timestamp)}"


def scenario_text(risk: ScenarioRisk) -> str:
    """How many paths a scenario has."""
    return f"{counted(risk.paths, 'path')}, {cell(risk.chance)} of all, by {wording.date_text(risk.timestamp)}."


def diversification_text(part: Contributions) -> str:
    """What the holdings would lose apart; empty where there is nothing to say."""
    if part.diversification is None or len(part.shares) < 2:
        return ""
    return f"Alone they would lose {float(part.diversification.value):.1f} times as much as together."


def portfolio_fall_text(risk: Risk) -> str:
    """That the falls of a portfolio and of its items are counted differently; empty where both count closes."""
    if not any(item.ranges for item in risk.items):
        return ""
    return "Its falls count closes only; those of an item count the lows of its days, too."


# Columns


def risk_columns(outlook: Outlook, steps: Sequence[int], tails: Sequence[TailRisk]) -> Columns:
    """Move, value at risk and expected shortfall at these steps, from 1."""
    columns = {"move": [cell(outlook.implied_move[step - 1]) for step in steps]}
    for tail in tails:
        level = wording.level_text(tail.level)
        columns[f"VaR {level}"] = [cell(tail.value_at_risk[step - 1]) for step in steps]
        columns[f"ES {level}"] = [cell(tail.expected_shortfall[step - 1]) for step in steps]
    return columns


def step_columns(
    outlook: Outlook, steps: Sequence[int], tails: Sequence[TailRisk], money: float | None = None
) -> Columns:
    """A table by step; with the usual value at risk and expected shortfall in money where there is a value."""
    columns = {
        "step": [str(step) for step in steps],
        "date": [wording.date_text(outlook.timestamps[step - 1]) for step in steps],
        **risk_columns(outlook, steps, tails),
    }
    if money is not None:
        usual = usual_tail(outlook)
        level = f" {wording.level_text(usual.level)}" if len(tails) > 1 else ""
        for name, losses in (("VaR", usual.value_at_risk), ("ES", usual.expected_shortfall)):
            columns[f"{name}{level} money"] = [f"{money * float(losses.value[step - 1]):,.0f}" for step in steps]
    if outlook.volatility is not None:
        columns["volatility"] = [cell(outlook.volatility[step - 1]) for step in steps]
    return columns


def summary_columns(items: Sequence[ItemRisk]) -> Columns:
    """A row for each item, at its last step."""
    columns: Columns = {
        "item": [item.item_id for item in items],
        "last": [wording.price_text(item.last_close, item.last_close) for item in items],
    }
    for item in items:
        last = len(item.outlook.timestamps)
        for name, cells in risk_columns(item.outlook, [last], [usual_tail(item.outlook)]).items():
            columns.setdefault(name, []).extend(cells)
    columns["fall"] = [cell(item.outlook.drawdown.worst[0.5]) for item in items]
    return columns


def level_columns(item: ItemRisk) -> Columns:
    """A row for each price asked, at the last step; empty where none was."""
    levels: list[LevelChances] = list({level.price: level for level in (*item.touch, *item.above)}.values())
    if not levels:
        return {}
    return {
        "price": [wording.price_text(level.price, item.last_close) for level in levels],
        "touched": [cell(level.touch[-1]) for level in levels],
        "closes above": [cell(level.close_above[-1]) for level in levels],
        "closes below": [cell(level.close_below[-1]) for level in levels],
    }


def holding_columns(part: Contributions, weights: dict[str, float]) -> Columns:
    """A row for each of the largest contributions to the shortfall."""
    largest = sorted(part.shares, key=lambda item_id: -abs(float(part.shares[item_id].value)))[:MOST_HOLDINGS]
    return {
        "item": largest,
        "weight": [f"{100 * weights[item_id]:.4g}%" for item_id in largest],
        "adds": [cell(part.shares[item_id]) for item_id in largest],
        "alone": [cell(part.alone[item_id]) for item_id in largest],
    }


def scenario_columns(shown: Sequence[ScenarioMoves]) -> Columns:
    """A row for each of the moves of a scenario."""

    def column(name: str, *, given: bool) -> list[str]:
        told: list[Moves] = [moves.given if given else moves.all_paths for moves in shown]
        return [cell(getattr(moves, name)) for moves in told]

    return {
        "item": [moves.item_id for moves in shown],
        "by": [wording.date_text(moves.timestamp) for moves in shown],
        "median": column("median", given=True),
        "5%": column("q05", given=True),
        "95%": column("q95", given=True),
        "median, all": column("median", given=False),
    }


class TouchRow(NamedTuple):
    """The chances to touch the price that lies some usual moves from the last close, by each of the grid's steps."""

    move: int
    price: float
    chances: list[float]


def touch_grid(item: ItemForecast) -> tuple[list[int], list[TouchRow]]:
    """Steps and rows of a grid of chances to touch, the highest price first; no rows where the paths do not move.

    A usual move is the standard deviation of the log return to the last step, over paths.
    """
    steps = sorted({step for step in GRID_STEPS if step < item.horizon} | {min(item.horizon, GRID_STEPS[-1])})
    usual = float(item.log_returns()[:, -1].std())
    if not 1e-9 < usual < 10:
        return steps, []
    rows = []
    for move in MOVES:
        price = item.last_close * float(np.exp(move * usual))
        chances = touched(item, price).mean(axis=0)
        rows.append(TouchRow(move, price, [float(chances[step - 1]) for step in steps]))
    return steps, rows

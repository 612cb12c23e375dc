"""The answers about risk in the terminal: tables that fit the width, each number with its sampling error."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from gatecast.faces import wording
from gatecast.faces.terminal.forecast import FULL_ITEMS, shown_steps
from gatecast.faces.terminal.layout import fitted_table, safe, style_of
from gatecast.risk.answers import ItemRisk, Moves, Outlook, PortfolioRisk, Risk, ScenarioRisk
from gatecast.risk.estimates import Estimate
from gatecast.risk.levels import LevelChances, StopTarget
from gatecast.risk.tails import TailRisk
from gatecast.text import counted

USUAL = 0.05  # the level shown where it was asked for; JSON and CSV have every level
MOST_HOLDINGS = 20  # rows of contributions; more scroll off the screen

_KEY = (
    "In brackets the sampling error, one standard deviation. move: mean change up or down. VaR {level}: the loss that "
    "{level} of the paths exceed; ES {level}: their mean loss. fall: from a peak, median of the worst."
)


def show_risk(risk: Risk, *, console: Console) -> None:
    """Print the answers of each item (of many items, a row each), of the portfolio and of the scenario.

    Fits the console's width, stays in ASCII where its encoding is not a Unicode encoding, and has no colour where the
    console has none.
    """
    if len(risk.items) > FULL_ITEMS:
        horizon = len(risk.items[0].outlook.timestamps)
        console.print(f"{len(risk.items)} items, after {horizon} steps:\n", highlight=False)
        console.print(_summary(risk, console))
    for item in risk.items:
        if len(risk.items) <= FULL_ITEMS:
            _title(item.item_id, console)
            last = wording.price_text(item.last_close, item.last_close)
            _say(f"From {last} on {wording.date_text(item.last_timestamp)}. {_falls(item.outlook)}", console)
            console.print()
            console.print(fitted_table(_steps(item.outlook, None), ("step", "volatility"), console))
        elif item.touch or item.above or item.stop_target is not None:
            _title(item.item_id, console)
        _show_levels(item, console)
        if item.stop_target is not None:
            _say(_stop_target(item.stop_target, item.last_close), console)
    if risk.portfolio is not None:
        _show_portfolio(risk.portfolio, console)
    if risk.scenario is not None:
        _show_scenario(risk.scenario, console)
    console.print()
    _say(_KEY.format(level=wording.level_text(_tail(risk.items[0].outlook).level)), console)


def _title(text: str, console: Console) -> None:
    console.print()
    console.print(Text(safe(text, console), style=style_of("bold", console)))


def _say(text: str, console: Console) -> None:
    console.print(Text(safe(text, console)))


def _cell(estimate: Estimate) -> str:
    return wording.estimate_text(float(estimate.value), float(estimate.error))


def _tail(outlook: Outlook) -> TailRisk:
    return next((tail for tail in outlook.tails if tail.level == USUAL), outlook.tails[0])


def _columns(outlook: Outlook, steps: list[int]) -> dict[str, list[str]]:
    """Move, value at risk and expected shortfall at these steps, from 1."""
    tail = _tail(outlook)
    level = wording.level_text(tail.level)
    return {
        "move": [_cell(outlook.implied_move[step - 1]) for step in steps],
        f"VaR {level}": [_cell(tail.value_at_risk[step - 1]) for step in steps],
        f"ES {level}": [_cell(tail.expected_shortfall[step - 1]) for step in steps],
    }


def _steps(outlook: Outlook, money: float | None) -> dict[str, list[str]]:
    """The columns of a table by step; with the expected shortfall in money where there is a value."""
    steps = shown_steps(len(outlook.timestamps))
    columns = {
        "step": [str(step) for step in steps],
        "date": [wording.date_text(outlook.timestamps[step - 1]) for step in steps],
        **_columns(outlook, steps),
    }
    if money is not None:
        shortfall = _tail(outlook).expected_shortfall.value
        columns["ES in money"] = [f"{money * float(shortfall[step - 1]):,.0f}" for step in steps]
    if outlook.volatility is not None:
        columns["volatility"] = [_cell(outlook.volatility[step - 1]) for step in steps]
    return columns


def _summary(risk: Risk, console: Console) -> object:
    rows = [(item, len(item.outlook.timestamps)) for item in risk.items]
    columns: dict[str, list[str]] = {
        "item": [safe(item.item_id, console) for item, _ in rows],
        "last": [wording.price_text(item.last_close, item.last_close) for item, _ in rows],
    }
    for item, last in rows:
        for name, cells in _columns(item.outlook, [last]).items():
            columns.setdefault(name, []).extend(cells)
    columns["fall"] = [_cell(item.outlook.drawdown.worst[0.5]) for item, _ in rows]
    return fitted_table(columns, ("last", "fall", "move"), console)


def _falls(outlook: Outlook) -> str:
    """The worst fall in a sentence."""
    drawdown = outlook.drawdown
    chances = "; ".join(f"{wording.level_text(fall)}: {_cell(chance)}" for fall, chance in drawdown.falls.items())
    told = f" Chance of a fall of at least {chances}." if chances else ""
    within = counted(len(outlook.timestamps), "step")
    steps = counted(round(float(drawdown.under_water.value)), "step")
    return (
        f"Worst fall from a peak within {within}: median {_cell(drawdown.worst[0.5])}, in 1 path of 20 at least "
        f"{_cell(drawdown.worst[0.95])}.{told} On average {steps} close below an earlier close."
    )


def _show_levels(item: ItemRisk, console: Console) -> None:
    """A row for each price asked, at the horizon's end."""
    levels: list[LevelChances] = list({level.price: level for level in (*item.touch, *item.above)}.values())
    if not levels:
        return
    columns = {
        "price": [wording.price_text(level.price, item.last_close) for level in levels],
        "touched": [_cell(level.touch[-1]) for level in levels],
        "closes above": [_cell(level.close_above[-1]) for level in levels],
        "closes below": [_cell(level.close_below[-1]) for level in levels],
    }
    console.print()
    console.print(fitted_table(columns, (), console))


def _stop_target(found: StopTarget, like: float) -> str:
    """The stop and the target in words."""
    stop, target = (wording.price_text(price, like) for price in (found.stop, found.target))
    stopped, gained = found.stop_first[-1], found.target_first[-1]
    neither = max(1.0 - float(stopped.value) - float(gained.value), 0.0)
    days = [
        f"the {name} after {float(step.value):.0f} steps"
        for name, step in (("stop", found.stop_step), ("target", found.target_step))
        if step is not None
    ]
    same = f" Both on one day, counted as the stop: {_cell(found.same_day)}." if float(found.same_day.value) else ""
    when = f" On average {' and '.join(days)}." if days else ""
    return (
        f"Stop {stop} first: {_cell(stopped)}; target {target} first: {_cell(gained)}; neither: "
        f"{wording.share_text(neither)}.{when}{same}"
    )


def _show_portfolio(risk: PortfolioRisk, console: Console) -> None:
    _title("Portfolio", console)
    _say(f"{counted(len(risk.weights), 'holding')}. {_falls(risk.outlook)}", console)
    console.print()
    console.print(fitted_table(_steps(risk.outlook, risk.portfolio.value), ("step", "volatility"), console))
    level = _tail(risk.outlook).level
    part = next(part for part in risk.contributions if part.level == level)
    largest = sorted(part.shares, key=lambda item_id: -abs(float(part.shares[item_id].value)))[:MOST_HOLDINGS]
    more = f" (the {MOST_HOLDINGS} largest)" if len(largest) < len(part.shares) else ""
    console.print()
    _say(f"What each holding adds to the expected shortfall at the end{more}:", console)
    columns = {
        "item": [safe(item_id, console) for item_id in largest],
        "weight": [f"{100 * risk.weights[item_id]:.1f}%" for item_id in largest],
        "adds": [_cell(part.shares[item_id]) for item_id in largest],
        "alone": [_cell(part.alone[item_id]) for item_id in largest],
    }
    console.print(fitted_table(columns, ("alone",), console))
    if part.diversification is not None and len(part.shares) > 1:
        _say(f"Alone they would lose {float(part.diversification.value):.1f} times as much as together.", console)


def _show_scenario(risk: ScenarioRisk, console: Console) -> None:
    _title(f"Given {risk.scenario}", console)
    _say(
        f"{counted(risk.paths, 'path')}, {_cell(risk.chance)} of all, by {wording.date_text(risk.timestamp)}.", console
    )
    console.print()

    def column(name: str, *, given: bool) -> list[str]:
        told: list[Moves] = [moves.given if given else moves.all_paths for moves in risk.moves]
        return [_cell(getattr(moves, name)) for moves in told]

    columns = {
        "item": [safe(moves.item_id, console) for moves in risk.moves],
        "by": [wording.date_text(moves.timestamp) for moves in risk.moves],
        "median": column("median", given=True),
        "5%": column("q05", given=True),
        "95%": column("q95", given=True),
        "median, all": column("median", given=False),
    }
    console.print(fitted_table(columns, ("median, all", "95%", "by"), console))

"""The answers about risk in the terminal: tables that fit the width, each number with its sampling error."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from gatecast.faces import risk_text, wording
from gatecast.faces.terminal.forecast import FULL_ITEMS, shown_steps
from gatecast.faces.terminal.layout import fitted_table, safe, style_of, table_width
from gatecast.forecast import Forecast, ItemForecast
from gatecast.risk.answers import PORTFOLIO, ItemRisk, Outlook, Risk, ScenarioRisk
from gatecast.text import counted

_KEY = (
    "In brackets the sampling error, one standard deviation. move: mean change up or down. VaR {level}: the loss that "
    "{level} of the paths exceed; ES {level}: their mean loss. fall: from a peak, median of the worst."
)
_SHADES = (" ", "░", "▒", "▓", "█")  # by the chance: under 1%, 10, 30, 60, and above
_ASCII_SHADES = (" ", ".", ":", "+", "#")
MOST_ROWS = 20  # of items in a table
_BOUNDS = (0.01, 0.1, 0.3, 0.6)


def show_risk(risk: Risk, *, console: Console, forecast: Forecast | None = None) -> None:
    """Print the answers of the portfolio, of each item (of many items, a row each for 20) and of the scenario.

    With their `forecast`, a grid of chances to touch for each of a few items, where it fits. Fits the console's width,
    stays in ASCII where its encoding is not a Unicode encoding, and has no colour where the console has none.
    """
    several = len(risk.items) > 1
    if several:
        _show_portfolio(risk, console)
    if len(risk.items) > FULL_ITEMS:
        horizon = len(risk.items[0].outlook.timestamps)
        console.print(f"\n{len(risk.items)} items, after {horizon} steps:\n", highlight=False)
        _table(risk_text.summary_columns(risk.items[:MOST_ROWS]), ("last", "fall", "move"), console)
        _say_left_out(len(risk.items) - MOST_ROWS, console)
    for item in risk.items:
        if len(risk.items) <= FULL_ITEMS:
            _show_item(item, console)
            if forecast is not None:
                _show_grid(forecast[item.item_id], console)
        elif item.touch or item.above or item.stop_target is not None:
            _title(item.item_id, console)
        _show_levels(item, console)
    if not several:
        _show_portfolio(risk, console)
    if risk.scenario is not None:
        _show_scenario(risk.scenario, console)
    console.print()
    level = risk_text.usual_tail(risk.items[0].outlook).level
    priced = risk.portfolio is not None and risk.portfolio.portfolio.value is not None
    money = " money: the same loss in the unit of --value." if priced else ""
    _say(_KEY.format(level=wording.level_text(level)) + money, console)


def _title(text: str, console: Console) -> None:
    console.print()
    console.print(Text(safe(text, console), style=style_of("bold", console)))


def _say(text: str, console: Console) -> None:
    console.print(Text(safe(text, console)))


def _say_left_out(count: int, console: Console) -> None:
    if count > 0:
        _say(f"{counted(count, 'more item')}; --csv FILE.csv writes every number.", console)


def _table(columns: risk_text.Columns, spare: tuple[str, ...], console: Console) -> None:
    if "item" in columns:
        columns = {**columns, "item": [safe(name, console) for name in columns["item"]]}
    console.print(fitted_table(columns, spare, console))


def _steps(outlook: Outlook, money: float | None, console: Console) -> None:
    steps = shown_steps(len(outlook.timestamps))
    tails = [risk_text.usual_tail(outlook)]
    spare = ("step", "volatility") if money is None else ("step", "move", "volatility")
    _table(risk_text.step_columns(outlook, steps, tails, money), spare, console)


def _show_item(item: ItemRisk, console: Console) -> None:
    _title(item.item_id, console)
    last = wording.price_text(item.last_close, item.last_close)
    _say(f"From {last} on {wording.date_text(item.last_timestamp)}. {risk_text.fall_text(item.outlook)}", console)
    console.print()
    _steps(item.outlook, None, console)


def _show_grid(item: ItemForecast, console: Console) -> None:
    """Chances to touch by price and step, shaded; nothing where it does not fit."""
    steps, rows = risk_text.touch_grid(item)
    if not rows:
        return
    shades = _ASCII_SHADES if console.options.ascii_only else _SHADES
    columns = {
        "price": [wording.price_text(row.price, item.last_close) for row in rows],
        "moves": [f"{row.move:+d}" for row in rows],
    }
    for place, step in enumerate(steps):
        columns[f"step {step}"] = [_shaded(row.chances[place], shades) for row in rows]
    table = fitted_table(columns, ("moves",), console)
    if table_width(columns) > console.width:
        return
    console.print()
    usual = f"one standard deviation over {counted(item.horizon, 'step')}"
    _say(f"Chance to touch a price by a step; a usual move is {usual}:", console)
    console.print(table)


def _shaded(chance: float, shades: tuple[str, ...]) -> str:
    """A chance with two blocks before it, the denser the likelier."""
    block = shades[sum(chance >= bound for bound in _BOUNDS)]
    return f"{2 * block} {wording.share_text(chance):>4}"


def _show_levels(item: ItemRisk, console: Console) -> None:
    """A row for each price asked, and the stop and the target."""
    columns = risk_text.level_columns(item)
    if columns:
        console.print()
        _table(columns, (), console)
    if item.stop_target is not None:
        _say(risk_text.stop_target_text(item.stop_target, item.last_close), console)


def _show_portfolio(risk: Risk, console: Console) -> None:
    """Its steps and its holdings; nothing where there is no portfolio."""
    if (held := risk.portfolio) is None:
        return
    _title("Portfolio", console)
    _say(f"{counted(len(held.weights), 'holding')}. {risk_text.fall_text(held.outlook)}", console)
    console.print()
    _steps(held.outlook, held.portfolio.value, console)
    if told := risk_text.portfolio_fall_text(risk):
        _say(told, console)
    part = risk_text.usual_part(held)
    more = f" (the {risk_text.MOST_HOLDINGS} largest)" if len(part.shares) > risk_text.MOST_HOLDINGS else ""
    console.print()
    _say(f"What each holding adds to the expected shortfall at the end{more}:", console)
    _table(risk_text.holding_columns(part, dict(held.weights)), ("alone",), console)
    if told := risk_text.diversification_text(part):
        _say(told, console)


def _show_scenario(risk: ScenarioRisk, console: Console) -> None:
    """A table for each day: the scenario's item first, the portfolio last."""
    _title(f"Given {risk.scenario}", console)
    _say(risk_text.scenario_text(risk), console)
    for day in dict.fromkeys(moves.timestamp for moves in risk.moves):
        rows = [moves for moves in risk.moves if moves.timestamp == day]
        items = [moves for moves in rows if moves.item_id != PORTFOLIO]
        items.sort(key=lambda moves: moves.item_id != risk.scenario.item_id)
        portfolio = [moves for moves in rows if moves.item_id == PORTFOLIO]
        columns = risk_text.scenario_columns([*items[:MOST_ROWS], *portfolio])
        console.print()
        _say(f"By {columns.pop('by')[0]}:", console)
        _table(columns, ("95%", "5%"), console)
        _say_left_out(len(items) - MOST_ROWS, console)

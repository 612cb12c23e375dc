"""What is asked of a forecast's paths, checked where it is said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from gatecast.errors import UsageError, briefly, check_number, check_type
from gatecast.risk.levels import Price, named_price
from gatecast.risk.scenario import Scenario
from gatecast.risk.weights import Portfolio
from gatecast.text import clean, shown


@dataclass(frozen=True, kw_only=True)
class RiskQuestions:
    """The questions to `assess_risk`; without any, it tells value at risk, volatility, moves and falls of each item.

    Prices are numbers where the forecast has one item, and name theirs where it has several: "AAPL=60". Raises
    `UsageError` for values that cannot be meant.

    >>> RiskQuestions(touch=(60,), stop=50, target=65, given="SPY<=-5%@5").scenario.step
    5
    """

    touch: Sequence[Price] = ()  # prices to touch
    above: Sequence[Price] = ()  # prices to close above
    stop: Price | None = None  # a price to touch before the target
    target: Price | None = None
    levels: Sequence[float] = (0.01, 0.05, 0.1)  # shares of worst paths: of value at risk and expected shortfall
    falls: Sequence[float] = (0.05, 0.1, 0.2)  # shares of a peak, of which the chance to fall as far is told
    portfolio: Portfolio | None = None
    given: Scenario | str | None = None  # a scenario, or its text: "SPY<=-5%@5"

    def __post_init__(self) -> None:
        for name in ("touch", "above", "levels", "falls"):
            if not isinstance(getattr(self, name), tuple | list):
                raise UsageError(
                    f"{name} is a list; got {briefly(getattr(self, name))}. Give for example {name}=(...,)."
                )
        if (self.stop is None) != (self.target is None):
            alone = self.stop if self.target is None else self.target
            raise UsageError(
                "a stop and a target go together: which is touched first? Give both of them; for the chance of one "
                f"alone ask for the touch of {clean(alone)}."
            )
        for level in self.levels:
            check_number("a level", level, example=0.05)
            if not 0 < level <= 0.5:
                likely = level / 100 if 1 <= level <= 50 else 1 - level if 0.5 < level < 1 else 0.05
                raise UsageError(f"a level is the share of the worst paths, up to 0.5; got {level}. Give {likely:.6g}.")
        for fall in self.falls:
            check_number("a fall", fall, example=0.1)
            if not 0 < fall < 1:
                raise UsageError(f"a fall is a share of the peak, in 0..1; got {fall}. Give for example 0.1.")
        if not self.levels:
            raise UsageError("levels hold at least one share of the worst paths; got none. Give for example (0.05,).")
        if self.portfolio is not None:
            check_type("portfolio", self.portfolio, Portfolio, "Give for example portfolio=Portfolio().")
        if isinstance(self.given, str):
            Scenario.parse(self.given)
        elif self.given is not None:
            check_type("given", self.given, Scenario, 'Give for example given="SPY<=-5%@5".')

    @property
    def scenario(self) -> Scenario | None:
        """The scenario asked for."""
        return Scenario.parse(self.given) if isinstance(self.given, str) else self.given

    def check(self, item_ids: Sequence[str], horizon: int) -> None:
        """Raise `UsageError` where they cannot be asked of so many steps of these items."""
        self.by_item(item_ids)
        if self.portfolio is not None:
            self.portfolio.over(item_ids)
        if self.scenario is not None:
            self.scenario.check(item_ids, horizon)

    def by_item(self, item_ids: Sequence[str]) -> dict[str, ItemPrices]:
        """The prices asked of each of these items; raises `UsageError` for prices of others, or of none."""
        asked: dict[str, ItemPrices] = {}
        for name in ("touch", "above"):
            for text in getattr(self, name):
                item_id, price = named_price(text, item_ids)
                getattr(asked.setdefault(item_id, ItemPrices()), name)[price] = None
        if self.stop is not None and self.target is not None:
            (item_id, stop), (other, target) = (named_price(text, item_ids) for text in (self.stop, self.target))
            if item_id != other:
                both = f"{shown(item_id)} and {shown(other)}"
                raise UsageError(f"a stop and a target are prices of one item; these are of {both}. Name the same one.")
            asked.setdefault(item_id, ItemPrices()).stop_target = (stop, target)
        return asked


@dataclass
class ItemPrices:
    """The prices asked of one item, each once, in order."""

    touch: dict[float, None] = field(default_factory=dict)
    above: dict[float, None] = field(default_factory=dict)
    stop_target: tuple[float, float] | None = None

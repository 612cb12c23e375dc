"""A scenario: the paths in which one item moves so far, and what everything else does in them."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool

from gatecast.errors import UsageError, briefly
from gatecast.forecast import Forecast
from gatecast.risk.estimates import chance
from gatecast.text import likely_first, shown

LEAST_PATHS = 20  # of a scenario; fewer say next to nothing
_WRITTEN = re.compile(
    r"\s*(?P<item>.+)\s*(?P<sign><=|>=)\s*(?P<move>[+-]?\d*\.?\d+)\s*%\s*(?:@\s*(?P<step>\d{1,6}))?\s*"
)


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """That an item closes at or below a move since its last close after a step, or at or above it.

    `move` is a share: -0.05 is a fall by 5%; `step` counts from 1, None is the last of the forecast.
    """

    item_id: str
    below: bool
    move: float
    step: int | None = None

    @classmethod
    def parse(cls, text: str) -> Scenario:
        """The scenario of a text such as "SPY<=-5%@5"; raises `UsageError` where it is none.

        >>> Scenario.parse("SPY<=-5%@5")
        Scenario(item_id='SPY', below=True, move=-0.05, step=5)
        """
        found = _WRITTEN.fullmatch(text) if isinstance(text, str) else None
        if found is not None and not -100 < float(found["move"]) < 1e6:
            raise UsageError(f"a price moves by more than -100%; got {briefly(text)}. Write for example 'SPY<=-5%@5'.")
        if found is None:
            raise UsageError(
                f"a scenario is an item, a move and a step; got {briefly(text)}. Write for example 'SPY<=-5%@5': SPY "
                "closes 5% lower or worse after 5 steps."
            )
        return cls(
            item_id=found["item"].strip(),
            below=found["sign"] == "<=",
            move=float(found["move"]) / 100,
            step=None if found["step"] is None else int(found["step"]),
        )

    def check(self, item_ids: Sequence[str], horizon: int) -> int:
        """Its step, from 1; raises `UsageError` where a forecast of these items and steps cannot have it."""
        if self.item_id not in item_ids:
            raise UsageError(
                f"no item {shown(self.item_id)} in this forecast. It has: {likely_first(item_ids, self.item_id)}."
            )
        step = horizon if self.step is None else self.step
        if not 1 <= step <= horizon:
            raise UsageError(
                f"a scenario lies within the forecast's {horizon} steps; got {step}. Lengthen the horizon."
            )
        return step

    def __str__(self) -> str:
        """As it is written: `SPY<=-5%@5`."""
        step = "" if self.step is None else f"@{self.step}"
        return f"{self.item_id}{'<=' if self.below else '>='}{100 * self.move:g}%{step}"


def scenario_paths(forecast: Forecast, scenario: Scenario) -> Bool[np.ndarray, " paths"]:
    """Which paths a scenario holds in.

    Raises `UsageError` where there are several items whose paths do not belong together, and where the scenario holds
    in fewer than 20 paths.
    """
    step = scenario.check([item.item_id for item in forecast], forecast.horizon)
    if len(forecast.items) > 1 and not forecast.joint:
        raise UsageError(
            "a scenario needs paths that belong together; those of this forecast were simulated independently. "
            "Forecast with joint=true, or give prices of one item."
        )
    item = forecast[scenario.item_id]
    limit = item.last_close * (1 + scenario.move)
    closes = item.paths[:, step - 1]
    held = closes <= limit * (1 + 1e-12) if scenario.below else closes >= limit * (1 - 1e-12)
    count = int(held.sum())
    if count < LEAST_PATHS:
        share = chance(held)
        enough = math.ceil(1.5 * LEAST_PATHS / share.value.item() / 1000) * 1000 if count else None
        more = "" if enough is None or enough > 100_000 else f"Simulate {enough:,} paths, or take"
        raise UsageError(
            f"a scenario needs at least {LEAST_PATHS} paths; {shown(str(scenario))} holds in {count} of {len(held):,} "
            f"({100 * share.value.item():.3g}%). {more or 'Take'} a milder one."
        )
    return np.asarray(held)

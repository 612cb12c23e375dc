"""Does a band hold as many prices as it states: a sequential test that may be looked at after every price.

A bettor who knows only the past bets on each price: inside the band or outside. Where the band holds its share, no bets
win on average, and a wealth of 1 ever reaches 1 / a with a chance of at most a (Ville's inequality; Shafer and Vovk,
"Game-Theoretic Foundations for Probability and Finance", 2019; for means of bounded values Waudby-Smith and Ramdas,
2024). So the false-alarm rate holds over the whole life of the test, whenever and however often one looks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int

from gatecast.errors import UsageError

FALSE_ALARMS = 0.01  # of a band that holds its share: the chance of an alarm, ever
# Shares of prices inside, each as odds of the misses: half as many as stated, ..., four times as many.
_MISSES = (0.15, 0.5, 1.6, 2.5, 4.0)
_CALM = 0.5  # of the wealth that is not bet: most bands do hold
_SHARE = 1 / 250  # of the wealth that is spread anew after each price: a change a year of sessions


@dataclass(frozen=True, kw_only=True)
class Alarm:
    """The test found at outcome `found` that the band does not hold its share, since about outcome `since` (from 0).

    `held` is the share of the outcomes from `since` to `found`, both included, that lay inside.
    """

    since: int
    found: int
    held: float


@dataclass(frozen=True, kw_only=True)
class CoverageDrift:
    """What the test says of `outcomes` outcomes; `quiet` of them came after the last of the `alarms`, if any.

    `wealth` is that of the test which began after the last alarm; an alarm is a wealth of 1 / `false_alarms`.
    """

    outcomes: int
    alarms: tuple[Alarm, ...]
    quiet: int
    wealth: float


def coverage_drift(
    inside: Bool[np.ndarray, " outcomes"] | Sequence[bool], *, level: float = 0.9, false_alarms: float = FALSE_ALARMS
) -> CoverageDrift:
    """Test that each outcome, in the order in which they came, lies inside its band with probability `level`.

    The outcomes must share no days, for the chance of each is asked given all before it (`apart_rows` chooses such).
    Two-sided: the bettor spreads the wealth over fewer and more prices inside than stated; the part on a share q is
    multiplied by q / `level` after a price inside, by (1 - q) / (1 - `level`) after one outside. After each price a
    small part of the whole is spread anew (Herbster and Warmuth, "Tracking the best expert", 1998), so that a band
    that held for years is found soon, too, when it no longer does. Both keep the mean wealth of a calibrated band at 1.

    After an alarm the test begins anew with a wealth of 1: k alarms of a calibrated band have a chance of at most
    `false_alarms` ** k. Raises `UsageError` for a level or rate outside 0 to 1.
    """
    for name, value in (("level", level), ("false_alarms", false_alarms)):
        if not 0 < value < 1:
            raise UsageError(f"{name} is a share between 0 and 1; got {value}. Give for example {name}=0.9.")
    shares = [level, *(1 - (1 - level) * times / (1 + (1 - level) * (times - 1)) for times in _MISSES)]
    prior = [_CALM, *[(1 - _CALM) / len(_MISSES)] * len(_MISSES)]
    won, lost = [share / level for share in shares], [(1 - share) / (1 - level) for share in shares]
    rows = np.asarray(inside, dtype=bool).tolist()
    alarms: list[Alarm] = []
    stakes, start, wealth = prior, 0, 1.0
    least, since = 1.0, 0  # the smallest wealth since the test began, and the outcome after it
    for place, hit in enumerate(rows):
        factors = won if hit else lost
        stakes = [stake * factor for stake, factor in zip(stakes, factors, strict=True)]
        wealth = sum(stakes)
        if wealth >= 1 / false_alarms:
            held = sum(rows[since : place + 1]) / (place + 1 - since)
            alarms.append(Alarm(since=since, found=place, held=held))
            stakes, start, wealth, least, since = prior, place + 1, 1.0, 1.0, place + 1
            continue
        if wealth <= least:
            least, since = wealth, place + 1
        stakes = [(1 - _SHARE) * stake + _SHARE * wealth * part for stake, part in zip(stakes, prior, strict=True)]
    return CoverageDrift(outcomes=len(rows), alarms=tuple(alarms), quiet=len(rows) - start, wealth=wealth)


def apart_rows(
    begins: Int[np.ndarray, " rows"], ends: Int[np.ndarray, " rows"], groups: np.ndarray | None = None
) -> Int[np.ndarray, " chosen"]:
    """The places of forecasts that share no days, the earliest first: each begins where the one before has ended.

    `begins` and `ends` are the days of cutoff and outcome, any whole number that grows with time. Of forecasts h days
    ahead, one a day, every h-th stays. The others are left out, not tested beside these: an average over the h offsets
    is no martingale on the days between, when part of an outcome is known already, and loses its false-alarm rate.
    Where a forecast begins and ends on one day, the next begins on a later one. `groups`, if given, tells the bars of a
    day apart: two forecasts may meet on a day only where they are of one group, such as a time of day.
    """
    kept: list[int] = []
    first, end = begins.tolist(), ends.tolist()
    alike = [0] * len(first) if groups is None else groups.tolist()
    for place in np.lexsort((ends, begins)).tolist():  # stable: of two alike the one that stands first
        if kept:
            last = kept[-1]
            meets = first[place] == end[last] > first[last] and alike[place] == alike[last]
            if first[place] <= end[last] and not meets:
                continue
        kept.append(place)
    return np.array(kept, dtype=np.int64)

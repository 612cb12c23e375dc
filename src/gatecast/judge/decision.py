"""What a walk-forward test shows of a model, as values: is there skill, and are the bands honest."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from gatecast.forecast import BANDS
from gatecast.judge.comparisons import RANDOM_WALK, apart_of, overlap_of, subject_of
from gatecast.judge.metrics import ROUNDING, inside
from gatecast.judge.significance import coverage_interval, freedom, holm

Word = Literal["skill", "no evidence", "worse"]

LEAST_ORIGINS = 8  # sharing no days; under this a t-test needs a gain of a whole standard deviation
ALPHA = 0.05  # two-sided: on a random walk each of the two claims is false skill in 2.5% of cases at most
LEVEL = 90  # percent; the band whose honesty is judged
MATERIAL = 1e-4  # share of the loss; a smaller difference is the rounding of simulated medians, and no use to anyone
NEAR = 0.10  # an interval of the coverage that reaches farther than this below 90% cannot call it honest
MEDIAN_LOSS, BANDS_LOSS = "absolute_error", "crps"


@dataclass(frozen=True, kw_only=True)
class Honesty:
    """Coverage of a band with its 95% interval; `ok` is None where the origins are too few to tell.

    The shares are None where there was no origin at all.
    """

    level: float
    coverage: float | None
    low: float | None
    high: float | None
    ok: bool | None

    @property
    def too_narrow(self) -> bool:
        """Whether less was held than promised."""
        return self.coverage is not None and self.coverage < self.level


NO_BANDS = Honesty(level=LEVEL / 100, coverage=None, low=None, high=None, ok=None)


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One part, median or bands, against the random walk."""

    word: Word
    gain: float  # share by which the loss is smaller; NaN where the random walk has no loss
    detectable: float  # smallest gain these origins would show four times in five; NaN if unknown
    p_value: float  # NaN where no claim can be made
    steps: tuple[int, ...]


Obstacle = Literal["no move", "no forecast", "few origins", "overlapping origins"]


@dataclass(frozen=True, kw_only=True)
class Decision:
    """All that a verdict says, as values; `verdict_text.paragraph` puts it into words.

    `first`, `last`: the cutoffs at both ends; `apart` of the `origins` share no days with each other. `fallbacks`: by
    model, how many of its `forecasts` are the random walk's. `seen`: how many of the subject's are of days it had
    learned from, `combined`: how many are a network's combined with others. `obstacle`: why no claim can be made, or
    None. `median` and `bands` are None where the random walk was not among the models.
    """

    model: str
    origins: int
    apart: int
    first: np.datetime64
    last: np.datetime64
    steps: int
    items: int
    forecasts: int
    fallbacks: Mapping[str, int]
    seen: int
    obstacle: Obstacle | None
    median: Finding | None
    bands: Finding | None
    honest: Honesty
    against: dict[str, dict[str, Word]]
    combined: int = 0
    point: bool = False  # it gives a price and no bands: `bands` is None, and only its median is judged

    @property
    def incomparable(self) -> bool:
        """Whether there is not even a difference in scores to report."""
        return self.obstacle in ("no move", "no forecast")


def decide(
    forecasts: pd.DataFrame,
    tests: pd.DataFrame,
    fallbacks: Mapping[str, int],
    seen: Mapping[str, int],
    combined: Mapping[str, int],
) -> Decision:
    """What the tests show of the first model that is not the random walk; arguments as `judge` has them."""
    model = subject_of(list(forecasts["model"].unique()))
    mine = forecasts[forecasts["model"] == model]
    overlap = overlap_of(mine)
    fallen = {name: count for name, count in fallbacks.items() if count}
    number = len(mine[["item_id", "cutoff"]].drop_duplicates())
    about = tests[tests["model"] == model]
    # A rival that had no answer of its own was the random walk under another name.
    about = about[~about["against"].isin([name for name, count in fallen.items() if count == number])]
    obstacle = _obstacle(mine, fallen.get(model) == number)
    points = [name for name, rows in forecasts.groupby("model") if obstacle != "no move" and _all_points(rows)]
    point = model in points
    about = about[(about["loss"] != BANDS_LOSS) | ~(about["against"].isin(points) | point)]
    cutoffs = np.sort(mine["cutoff"].to_numpy())
    return Decision(
        model=model,
        origins=int(mine["cutoff"].nunique()),
        apart=apart_of(mine),
        first=cutoffs[0],
        last=cutoffs[-1],
        steps=int(mine["step"].max()),
        items=int(mine["item_id"].nunique()),
        forecasts=number,
        fallbacks=fallen,
        seen=seen.get(model, 0),
        combined=combined.get(model, 0),
        obstacle=obstacle,
        median=_finding(about[about["loss"] == MEDIAN_LOSS], overlap, claimed=obstacle is None),
        bands=_finding(about[about["loss"] == BANDS_LOSS], overlap, claimed=obstacle is None),
        honest=NO_BANDS if point else _honesty(mine, overlap, claimed=obstacle is None),
        against=_against(about, claimed=obstacle is None),
        point=point,
    )


def _all_points(rows: pd.DataFrame) -> bool:
    """Whether a model's forecasts are prices without a spread."""
    low, high = (rows[name].to_numpy() for name in BANDS[95])
    return bool(np.allclose(low, high, rtol=ROUNDING, atol=0))


def _obstacle(rows: pd.DataFrame, all_fallen: bool) -> Obstacle | None:
    """Why these forecasts of the subject cannot carry a claim; None where they can."""
    if np.allclose(rows["actual"], rows["last_close"], rtol=ROUNDING, atol=0):
        return "no move"
    if all_fallen:
        return "no forecast"
    apart = apart_of(rows)
    if apart >= LEAST_ORIGINS:
        return None
    return "overlapping origins" if apart < int(rows["cutoff"].nunique()) else "few origins"


def _word(test: Mapping[Hashable, Any], p_value: float) -> Word:
    """The word for one row of `compare`, by this p-value."""
    gain, base = test["mean_loss_against"] - test["mean_loss"], test["mean_loss_against"]
    if p_value >= ALPHA or base < ROUNDING or abs(gain) < MATERIAL * base:
        return "no evidence"
    return "skill" if gain > 0 else "worse"


def _finding(tests: pd.DataFrame, overlap: int, *, claimed: bool) -> Finding | None:
    """From the subject's tests on one loss; None where the random walk was not among the models."""
    rows = tests[tests["against"] == RANDOM_WALK].to_dict("records")
    if not rows:
        return None
    whole, *single = sorted(rows, key=lambda row: 0 if row["step"] == "all" else row["step"])
    gap, base = whole["mean_loss_against"] - whole["mean_loss"], whole["mean_loss_against"]
    base = base if base >= ROUNDING else float("nan")
    error = abs(gap / whole["dm"]) if np.isfinite(whole["dm"]) else float("nan")
    reach = float(stdtrit(freedom(max(whole["n"], 2), overlap), [1 - ALPHA / 2, 0.8]).sum())
    adjusted = holm(np.array([row["p_value"] for row in single]))
    words = {row["step"]: _word(row, p_value) for row, p_value in zip(single, adjusted, strict=True)}
    return Finding(
        word=_word(whole, whole["p_value"]) if claimed else "no evidence",
        gain=gap / base,
        detectable=reach * error / base,
        p_value=whole["p_value"] if claimed else float("nan"),
        steps=tuple(step for step, word in words.items() if claimed and word == "skill"),
    )


def _honesty(rows: pd.DataFrame, overlap: int, *, claimed: bool) -> Honesty:
    low_name, high_name = BANDS[LEVEL]
    hits = inside(rows[low_name].to_numpy(), rows[high_name].to_numpy(), rows["actual"].to_numpy())
    share, low, high = coverage_interval(hits.astype(float), rows["cutoff"].to_numpy(), overlap=overlap)
    level = LEVEL / 100
    if not claimed:
        ok = None
    elif not low <= level <= high:
        ok = False
    else:
        ok = True if level - low <= NEAR else None
    return Honesty(level=level, coverage=share, low=low, high=high, ok=ok)


def _against(tests: pd.DataFrame, *, claimed: bool) -> dict[str, dict[str, Word]]:
    """The words for each rival but the random walk, on Holm's p-values over all rivals."""
    words: dict[str, dict[str, Word]] = {}
    whole = tests[(tests["step"] == "all") & (tests["against"] != RANDOM_WALK)]
    for part, name in (("median", MEDIAN_LOSS), ("bands", BANDS_LOSS)):
        for row in whole[whole["loss"] == name].to_dict("records"):
            word = _word(row, row["p_holm"]) if claimed else "no evidence"
            words.setdefault(row["against"], {})[part] = word
    return words

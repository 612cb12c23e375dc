"""The verdict: is there skill, are the bands honest, and what a person should do about it."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from gatecast.forecast import BANDS
from gatecast.judge.comparisons import RANDOM_WALK, apart_of, overlap_of, subject_of
from gatecast.judge.metrics import ROUNDING, inside
from gatecast.judge.significance import coverage_interval, freedom, holm
from gatecast.prices import stamp_text

Word = Literal["skill", "no evidence", "worse"]

LEAST_ORIGINS = 8  # sharing no days; under this a t-test needs a gain of a whole standard deviation
ALPHA = 0.05  # two-sided: on a random walk each of the two claims is false skill in 2.5% of cases at most
LEVEL = 90  # percent; the band whose honesty is judged
MATERIAL = (
    1e-4  # share of the loss; a smaller difference is the rounding of simulated medians, and no use to anyone
)
NEAR = 0.10  # an interval of the coverage that reaches farther than this from 90% cannot call it honest
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


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What the walk-forward test says of one model; `text` is the paragraph for a person.

    `median` and `bands` are against the random walk, over all steps: "skill" or "worse" where a two-sided
    Diebold-Mariano test at 5% says so, else "no evidence". The median is judged by its absolute error, the
    bands by CRPS, both of the log return. `steps` are those with skill, `against` the words for each other
    rival; both with Holm's correction. `origins` counts the cutoffs all this rests on; every one of them
    counts once, in the gains and in the coverage, however many items it has.
    """

    text: str
    median: Word
    bands: Word
    honest: Honesty
    origins: int
    model: str
    steps: dict[str, tuple[int, ...]]
    against: dict[str, dict[str, Word]]

    def __str__(self) -> str:
        """The paragraph."""
        return self.text

    def to_dict(self) -> dict[str, Any]:
        """Plain types for JSON."""
        steps = {part: list(steps) for part, steps in self.steps.items()}
        return {**asdict(self), "steps": steps}


@dataclass(frozen=True, kw_only=True)
class _Finding:
    """One part, median or bands, against the random walk."""

    word: Word
    gain: float  # share by which the loss is smaller
    unseen: float  # smallest gain these origins would show four times in five; NaN if unknown
    p_value: float  # NaN where it must not be told
    steps: tuple[int, ...]


def judge(
    forecasts: pd.DataFrame, tests: pd.DataFrame, fallbacks: Mapping[str, int] | None = None
) -> Verdict:
    """The verdict on the first model that is not the random walk, from `scores.COLUMNS` and `compare`.

    `fallbacks` counts by model the forecasts that are the random walk's, since the model had no answer.
    """
    names = list(forecasts["model"].unique())
    model = subject_of(names)
    mine = forecasts[forecasts["model"] == model]
    origins, overlap = int(mine["cutoff"].nunique()), overlap_of(mine)
    fallen = {name: count for name, count in (fallbacks or {}).items() if count}
    number = len(mine[["item_id", "cutoff"]].drop_duplicates())
    about = tests[tests["model"] == model]
    # A rival that had no answer of its own was the random walk under another name.
    about = about[~about["against"].isin([name for name, count in fallen.items() if count == number])]
    blind = _blind(mine, fallen.get(model, 0) == number)
    median = _finding(about[about["loss"] == MEDIAN_LOSS], overlap, told=blind is None)
    bands = _finding(about[about["loss"] == BANDS_LOSS], overlap, told=blind is None)
    honest = _honesty(mine, overlap, told=blind is None)
    against = _against(about, told=blind is None)
    nothing = blind is not None and blind.nothing
    sentences = [
        _opening(mine, model, origins),
        *(f"{fallback_text(name, count, number)}." for name, count in fallen.items()),
        *([] if blind is None else [blind.reason]),
        *([] if nothing else _evidence(median, bands, model, names)),
        *([] if nothing else [_honest_text(honest)]),
        *([] if nothing else _rivals_text(against)),
        *([] if model == RANDOM_WALK else [_advice(median, bands, honest, blind)]),
    ]
    return Verdict(
        text=" ".join(sentences),
        median=median.word if median else "no evidence",
        bands=bands.word if bands else "no evidence",
        honest=honest,
        origins=origins,
        model=model,
        steps={"median": median.steps if median else (), "bands": bands.steps if bands else ()},
        against=against,
    )


def fallback_text(model: str, count: int, forecasts: int) -> str:
    """How many of a model's forecasts are not its own."""
    return f"{model} fell back to the random walk in {count} of {_count(forecasts, 'forecast')}"


@dataclass(frozen=True, kw_only=True)
class _Blind:
    """Why no claim can be made, and what to do; `nothing` where there is not even a difference to tell of."""

    reason: str
    advice: str
    nothing: bool


def _blind(rows: pd.DataFrame, all_fallen: bool) -> _Blind | None:
    """None where these forecasts of the subject can carry a claim."""
    cannot = "These data cannot tell whether to trust it"
    if np.allclose(rows["actual"], rows["last_close"], rtol=ROUNDING, atol=0):
        reason = "No price moved, so there was nothing to forecast: no evidence of skill."
        return _Blind(reason=reason, advice=f"{cannot}: judge it on days that moved.", nothing=True)
    if all_fallen:
        reason = "None of its forecasts is its own, so it was not judged: no evidence of skill."
        return _Blind(reason=reason, advice=f"{cannot}; the notes say why it had no answer.", nothing=True)
    origins, alone = int(rows["cutoff"].nunique()), apart_of(rows)
    if alone >= LEAST_ORIGINS:
        return None
    which = f"Fewer than {LEAST_ORIGINS} origins"
    if alone < origins:
        which = f"Only {alone} of these origins share no days; fewer than {LEAST_ORIGINS} of these"
    advice = f"{cannot}: judge it beside random_walk on more origins."
    return _Blind(reason=f"{which} cannot tell skill from luck.", advice=advice, nothing=False)


def cannot_tell(model: str, reason: str) -> Verdict:
    """The verdict where no walk-forward test could be made; `reason` says why."""
    return Verdict(
        text=f"Whether this forecast deserves trust cannot be told: {reason.rstrip('.')}.",
        median="no evidence",
        bands="no evidence",
        honest=Honesty(level=LEVEL / 100, coverage=None, low=None, high=None, ok=None),
        origins=0,
        model=model,
        steps={"median": (), "bands": ()},
        against={},
    )


def _word(test: Mapping[Hashable, Any], p_value: float) -> Word:
    """The word for one row of `compare`, by this p-value."""
    gain, base = test["mean_loss_against"] - test["mean_loss"], test["mean_loss_against"]
    if p_value >= ALPHA or base < ROUNDING or abs(gain) < MATERIAL * base:
        return "no evidence"
    return "skill" if gain > 0 else "worse"


def _finding(tests: pd.DataFrame, overlap: int, *, told: bool) -> _Finding | None:
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
    return _Finding(
        word=_word(whole, whole["p_value"]) if told else "no evidence",
        gain=gap / base,
        unseen=reach * error / base,
        p_value=whole["p_value"] if told else float("nan"),
        steps=tuple(step for step, word in words.items() if told and word == "skill"),
    )


def _honesty(rows: pd.DataFrame, overlap: int, *, told: bool) -> Honesty:
    low_name, high_name = BANDS[LEVEL]
    hits = inside(rows[low_name].to_numpy(), rows[high_name].to_numpy(), rows["actual"].to_numpy())
    share, low, high = coverage_interval(hits.astype(float), rows["cutoff"].to_numpy(), overlap=overlap)
    level = LEVEL / 100
    if not told:
        ok = None
    elif not low <= level <= high:
        ok = False
    else:
        ok = True if level - low <= NEAR and high - level <= NEAR else None
    return Honesty(level=level, coverage=share, low=low, high=high, ok=ok)


def _against(tests: pd.DataFrame, *, told: bool) -> dict[str, dict[str, Word]]:
    """The words for each rival but the random walk, on Holm's p-values over all rivals."""
    words: dict[str, dict[str, Word]] = {}
    whole = tests[(tests["step"] == "all") & (tests["against"] != RANDOM_WALK)]
    for part, name in (("median", MEDIAN_LOSS), ("bands", BANDS_LOSS)):
        for row in whole[whole["loss"] == name].to_dict("records"):
            word = _word(row, row["p_holm"]) if told else "no evidence"
            words.setdefault(row["against"], {})[part] = word
    return words


def _opening(rows: pd.DataFrame, model: str, origins: int) -> str:
    first, last = (stamp_text(end) for end in np.sort(rows["cutoff"].to_numpy())[[0, -1]])
    span = f"{_count(origins, 'origin')} from {first} to {last}" if origins > 1 else f"one origin, {first}"
    steps, items = int(rows["step"].max()), int(rows["item_id"].nunique())
    return f"{model} was judged on {span}, {_count(steps, 'step')} ahead, {_count(items, 'item')}."


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _evidence(median: _Finding | None, bands: _Finding | None, model: str, names: list[str]) -> list[str]:
    if model == RANDOM_WALK:
        return ["It is the random walk itself, so there is nothing to hold it against."]
    if median is None or bands is None or RANDOM_WALK not in names:
        return ["The random walk was not among the models, so skill cannot be told; add random_walk."]
    return [
        _finding_text("median", "absolute error", median),
        _finding_text("bands", "CRPS, the score of the whole fan,", bands),
    ]


def _p_text(p_value: float) -> str:
    """Three significant digits, on the side of the threshold where the number is."""
    if p_value < 0.001:
        return "p < 0.001"
    text = f"{p_value:.3g}"
    return f"p < {ALPHA}" if p_value < ALPHA <= float(text) else f"p = {text}"


def _finding_text(part: str, score: str, finding: _Finding) -> str:
    if np.isnan(finding.gain):
        return f"{part.capitalize()}: no evidence of skill. The random walk made no error to better."
    if abs(finding.gain) < MATERIAL:
        return f"{part.capitalize()}: no evidence of skill. Its {score} is the random walk's."
    size = f"{abs(finding.gain):.1%} {'smaller' if finding.gain >= 0 else 'larger'} than the random walk's"
    if np.isnan(finding.p_value):
        return f"{part.capitalize()}: no evidence of skill. Its {score} is {size}."
    p_text = _p_text(finding.p_value)
    if finding.word == "worse":
        return f"{part.capitalize()}: worse. Its {score} is {size} ({p_text})."
    if finding.word == "skill":
        steps = f"; at step {', '.join(map(str, finding.steps))}" if finding.steps else ""
        return f"{part.capitalize()}: skill. Its {score} is {size} ({p_text}{steps})."
    blind = (
        f"; a gain under {finding.unseen:.1%} would often go unseen" if np.isfinite(finding.unseen) else ""
    )
    luck = f"which may be luck ({p_text}{blind})"
    return f"{part.capitalize()}: no evidence of skill. Its {score} is {size}, {luck}."


def _honest_text(honest: Honesty) -> str:
    if honest.ok is None:
        end = ", too few origins to call it honest or not"
    elif honest.ok:
        end = ", which is honest"
    else:
        end = ", so it is too narrow" if honest.too_narrow else ", so it is too wide"
    return (
        f"Its {honest.level:.0%} band held {honest.coverage:.1%} of what happened "
        f"(95% interval {honest.low:.0%} to {honest.high:.0%}){end}."
    )


def _rivals_text(against: dict[str, dict[str, Word]]) -> list[str]:
    if not against:
        return []
    parts = []
    for part in ("median", "bands"):
        verb = "is" if part == "median" else "are"
        for word, text in (
            ("skill", f"its {part} {verb} better than"),
            ("worse", f"its {part} {verb} worse than"),
        ):
            rivals = [rival for rival, words in against.items() if words.get(part) == word]
            if rivals:
                parts.append(f"{text} {', '.join(rivals)}")
    open_ones = [rival for rival, words in against.items() if set(words.values()) == {"no evidence"}]
    if open_ones:
        parts.append(f"no evidence either way against {', '.join(open_ones)}")
    return [f"Against the other rivals, with Holm's correction: {'; '.join(parts)}."]


def _advice(median: _Finding | None, bands: _Finding | None, honest: Honesty, blind: _Blind | None) -> str:
    if blind is not None:
        return blind.advice
    if median is None or bands is None:
        return "These data cannot tell whether to trust it: judge it beside random_walk."
    middle = {
        "skill": "Use its median as the forecast of the price",
        "no evidence": "Take the last price as the forecast of the middle",
        "worse": "Do not use its median, for the last price forecasts better",
    }[median.word]
    spread = {
        "skill": "use its bands for the risk around it",
        "no evidence": "for the risk around it, bands made of past returns may do as well",
        "worse": "do not use its bands, for those made of past returns are better",
    }[bands.word]
    mend = ""
    if honest.ok is False and bands.word != "worse":
        mend = " Calibrate the bands first, since they are " + (
            "too narrow." if honest.too_narrow else "too wide."
        )
    return f"{middle}; {spread}.{mend}"

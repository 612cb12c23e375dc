"""The wording of a verdict: sentences for a person, made of the decision's values alone."""

from __future__ import annotations

import numpy as np

from gatecast.calibration.combination import OTHERS
from gatecast.judge.comparisons import RANDOM_WALK
from gatecast.judge.decision import ALPHA, LEAST_ORIGINS, MATERIAL, Decision, Finding, Honesty, Word
from gatecast.prices import stamp_text
from gatecast.text import counted

COMBINED = f"It was judged as it forecasts: combined with {OTHERS}."


def paragraph(found: Decision) -> str:
    """The verdict as a paragraph for a person."""
    sentences = [
        _opening(found),
        *_combined_text(found),
        *(f"{fallback_text(*pair, found.forecasts)}." for pair in found.fallbacks.items()),
    ]
    if found.obstacle is not None:
        sentences.append(_obstacle_text(found))
    if not found.incomparable:
        honest = (
            "It gives prices and no bands, so only its median is judged." if found.point else _honest_text(found.honest)
        )
        sentences += [*_evidence(found), honest, *_rivals_text(found.against)]
    if found.model != RANDOM_WALK:
        sentences.append(_advice(found))
    if found.seen:
        count = f"{found.seen} of {counted(found.forecasts, 'forecast')}"
        sentences.append(f"In {count} it had learned from the very days it was judged on: it looks better than it is.")
    return " ".join(sentences)


def untested_text(reason: str) -> str:
    """The verdict where no walk-forward test could be made."""
    return f"This forecast could not be tested, so there is no evidence that it deserves trust: {reason.rstrip('.')}."


def fallback_text(model: str, count: int, forecasts: int) -> str:
    """How many of a model's forecasts are not its own."""
    return f"{model} fell back to the random walk in {count} of {counted(forecasts, 'forecast')}"


def _opening(found: Decision) -> str:
    first, last = stamp_text(found.first), stamp_text(found.last)
    dates = f"{found.origins:,} past dates (origins) from {first} to {last}"
    dates, known = (dates, "each date") if found.origins > 1 else (f"a past date (origin), {first}", "that date")
    what = f"{counted(found.steps, 'step')} ahead, {counted(found.items, 'asset')}"
    return f"{found.model} was tested on {dates}: {what}, with the prices up to {known} alone."


def _combined_text(found: Decision) -> list[str]:
    if not found.combined:
        return []
    if found.combined == found.forecasts:
        return [COMBINED]
    count = f"{found.combined} of {counted(found.forecasts, 'forecast')}"
    return [f"In {count} it was combined with {OTHERS}; the others are the network's alone."]


def _obstacle_text(found: Decision) -> str:
    """Why no claim can be made."""
    if found.obstacle == "no move":
        return "No price moved, so there was nothing to forecast: no evidence of skill."
    if found.obstacle == "no forecast":
        return "None of its forecasts is its own, so it was not judged: no evidence of skill."
    which = f"Fewer than {LEAST_ORIGINS} origins"
    if found.obstacle == "overlapping origins":
        which = f"Only {found.apart} of these origins share no days; fewer than {LEAST_ORIGINS} of these"
    return f"{which} cannot tell skill from luck."


def _evidence(found: Decision) -> list[str]:
    if found.model == RANDOM_WALK:
        return ["It is the random walk itself, so there is nothing to compare it with."]
    if found.median is None or (found.bands is None and not found.point):
        return ["The random walk was not among the models, so skill cannot be judged; add random_walk."]
    median = _finding_text("median", "absolute error of returns", found.median)
    if found.bands is None:
        return [median]
    return [median, _finding_text("bands", "CRPS, the score of the whole fan,", found.bands)]


def p_text(p_value: float) -> str:
    """Three significant digits, on the side of the threshold where the number is."""
    if p_value < 0.001:
        return "p < 0.001"
    text = f"{p_value:.3g}"
    return f"p < {ALPHA}" if p_value < ALPHA <= float(text) else f"p = {text}"


def _finding_text(part: str, score: str, finding: Finding) -> str:
    if np.isnan(finding.gain):
        return f"{part.capitalize()}: no evidence of skill. The random walk made no error, so none can be saved."
    if abs(finding.gain) < MATERIAL:
        return f"{part.capitalize()}: no evidence of skill. Its {score} equals the random walk's."
    size = f"{abs(finding.gain):.1%} {'smaller' if finding.gain >= 0 else 'larger'} than the random walk's"
    if np.isnan(finding.p_value):
        return f"{part.capitalize()}: no evidence of skill. Its {score} is {size}."
    p = p_text(finding.p_value)
    if finding.word == "worse":
        return f"{part.capitalize()}: worse. Its {score} is {size} ({p})."
    if finding.word == "skill":
        steps = f"; by itself at step {', '.join(map(str, finding.steps))}" if finding.steps else ""
        return f"{part.capitalize()}: skill. Its {score} is {size} ({p}{steps})."
    least = f"; a gain under {finding.detectable:.1%} would often go undetected"
    luck = f"which may be luck ({p}{least if np.isfinite(finding.detectable) else ''})"
    return f"{part.capitalize()}: no evidence of skill. Its {score} is {size}, {luck}."


def _honest_text(honest: Honesty) -> str:
    if honest.ok is None:
        end = ", too few origins to call it honest or not"
    elif honest.ok:
        end = ", which is honest"
    else:
        end = ", so it is too narrow" if honest.too_narrow else ", so it is too wide"
    return (
        f"Its {honest.level:.0%} band held {honest.coverage:.1%} of the observed prices "
        f"(95% interval {honest.low:.0%} to {honest.high:.0%}){end}."
    )


def _rivals_text(against: dict[str, dict[str, Word]]) -> list[str]:
    if not against:
        return []
    parts = []
    for part in ("median", "bands"):
        verb = "is" if part == "median" else "are"
        for word, text in (("skill", f"its {part} {verb} better than"), ("worse", f"its {part} {verb} worse than")):
            rivals = [rival for rival, words in against.items() if words.get(part) == word]
            if rivals:
                parts.append(f"{text} {', '.join(rivals)}")
    undecided = [rival for rival, words in against.items() if set(words.values()) == {"no evidence"}]
    if undecided:
        parts.append(f"no evidence either way against {', '.join(undecided)}")
    return [f"Against the other rivals, with Holm's correction: {'; '.join(parts)}."]


def _advice(found: Decision) -> str:
    cannot = "These data cannot tell whether to trust it"
    if found.obstacle == "no move":
        return f"{cannot}: judge it on days that moved."
    if found.obstacle == "no forecast":
        return f"{cannot}; the notes say why it had no answer."
    if found.obstacle is not None:
        return f"{cannot}: judge it beside random_walk on more origins."
    if found.median is None or (found.bands is None and not found.point):
        return f"{cannot}: judge it beside random_walk."
    middle = {
        "skill": "Use its median as the forecast of the price",
        "no evidence": "Use the last price as the median forecast",
        "worse": "Do not use its median, for the last price forecasts better",
    }[found.median.word]
    if found.bands is None:
        return f"{middle}; for the risk around it, take bands made of past returns."
    spread = {
        "skill": "use its bands for the risk around it",
        "no evidence": "for the risk around it, bands made of past returns may do as well",
        "worse": "do not use its bands, for those made of past returns are better",
    }[found.bands.word]
    mend = ""
    if found.honest.ok is False and found.bands.word != "worse":
        width = "too narrow" if found.honest.too_narrow else "too wide"
        mend = f" Of late its bands were {width}: calibrate them (calibrate=true), or allow for it."
    return f"{middle}; {spread}.{mend}"

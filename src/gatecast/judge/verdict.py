"""The verdict: what was decided (`decision`) with the paragraph that words it (`verdict_text`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from gatecast.judge.decision import LEVEL, Honesty, Word, decide
from gatecast.judge.verdict_text import paragraph, untested_text


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What the walk-forward test shows of a model; `text` is the paragraph for a person.

    `median` and `bands` are against the random walk, over all steps: "skill" or "worse" where a two-sided
    Diebold-Mariano test at 5% finds it, else "no evidence". The median is judged by its absolute error, the
    bands by CRPS, both of the log return. `steps` are those with skill, `against` the words for each other
    rival; both with Holm's correction. `origins` counts the cutoffs all this rests on; each of them
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


def judge(
    forecasts: pd.DataFrame,
    tests: pd.DataFrame,
    fallbacks: Mapping[str, int] | None = None,
    seen: Mapping[str, int] | None = None,
    combined: Mapping[str, int] | None = None,
) -> Verdict:
    """The verdict on the first model that is not the random walk, from `scores.COLUMNS` and `compare`.

    `fallbacks` counts by model the forecasts that are the random walk's, since the model had no answer, `seen`
    those of days that the model had learned from, `combined` those that are a combination.
    """
    found = decide(forecasts, tests, fallbacks or {}, seen or {}, combined or {})
    return Verdict(
        text=paragraph(found),
        median=found.median.word if found.median else "no evidence",
        bands=found.bands.word if found.bands else "no evidence",
        honest=found.honest,
        origins=found.origins,
        model=found.model,
        steps={"median": found.median.steps if found.median else (), "bands": found.bands.steps if found.bands else ()},
        against=found.against,
    )


def cannot_tell(model: str, reason: str) -> Verdict:
    """The verdict where no walk-forward test could be made; `reason` says why."""
    return Verdict(
        text=untested_text(reason),
        median="no evidence",
        bands="no evidence",
        honest=Honesty(level=LEVEL / 100, coverage=None, low=None, high=None, ok=None),
        origins=0,
        model=model,
        steps={"median": (), "bands": ()},
        against={},
    )

"""The wording of a verdict: the sentences that each decision gets, whole."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gatecast.judge.decision import Decision, Finding, Honesty, Obstacle, Word
from gatecast.judge.verdict_text import fallback_text, paragraph, untested_text

HONEST = Honesty(level=0.9, coverage=0.893, low=0.84, high=0.931, ok=True)
OPENING = (
    "m was tested on 60 past dates (origins) from 2020-01-01 to 2020-12-31: 5 steps ahead, 2 assets, with the prices "
    "up to each date alone."
)


def finding(word: Word = "no evidence", **changes: Any) -> Finding:
    usual = Finding(word=word, gain=-0.05 if word == "worse" else 0.05, detectable=0.08, p_value=0.0123, steps=())
    return replace(usual, **changes)


def text(**changes: Any) -> str:
    usual = Decision(
        model="m",
        origins=60,
        apart=60,
        first=np.datetime64("2020-01-01", "ns"),
        last=np.datetime64("2020-12-31", "ns"),
        steps=5,
        items=2,
        forecasts=120,
        fallbacks={},
        seen=0,
        obstacle=None,
        median=finding(),
        bands=finding("skill"),
        honest=HONEST,
        against={},
    )
    return paragraph(replace(usual, **changes))


def test_a_whole_verdict() -> None:
    against: dict[str, dict[str, Word]] = {
        "har": {"median": "skill", "bands": "skill"},
        "ema": {"median": "skill", "bands": "no evidence"},
        "garch": {"median": "no evidence", "bands": "worse"},
        "theta": {"median": "no evidence", "bands": "no evidence"},
        "ols": {"median": "no evidence", "bands": "no evidence"},
    }
    bands = finding("skill", gain=0.1234, p_value=0.0004, steps=(1, 3))
    assert text(against=against, bands=bands, fallbacks={"m": 3, "har": 120}, seen=2) == (
        f"{OPENING} "
        "m fell back to the random walk in 3 of 120 forecasts. "
        "har fell back to the random walk in 120 of 120 forecasts. "
        "Median: no evidence of skill. Its absolute error of returns is 5.0% smaller than the random walk's, which may "
        "be luck (p = 0.0123; a gain under 8.0% would often go undetected). "
        "Bands: skill. Its CRPS, the score of the whole fan, is 12.3% smaller than the random walk's "
        "(p < 0.001; by itself at step 1, 3). "
        "Its 90% band held 89.3% of the observed prices (95% interval 84% to 93%), which is honest. "
        "Against the other rivals, with Holm's correction: its median is better than har, ema; its bands are better "
        "than har; its bands are worse than garch; no evidence either way against theta, ols. "
        "Use the last price as the median forecast; use its bands for the risk around it. "
        "In 2 of 120 forecasts it had learned from the very days it was judged on: it looks better than it is."
    )


def test_it_says_that_a_combination_was_judged() -> None:
    assert text(combined=120).startswith(
        f"{OPENING} It was judged as it forecasts: combined with GARCH, HAR and EWMA. Median"
    )
    some = text(combined=30)
    assert (
        "In 30 of 120 forecasts it was combined with GARCH, HAR and EWMA; the others are the network's alone." in some
    )
    assert "combined" not in text()


def test_what_it_was_judged_on() -> None:
    opening = (
        "m was tested on a past date (origin), 2020-01-01: 1 step ahead, 1 asset, with the prices up to that date "
        "alone."
    )
    assert text(origins=1, steps=1, items=1).startswith(f"{opening} Median")
    assert text(origins=2).startswith(f"{OPENING.replace('60', '2')} Median")
    assert text().startswith(f"{OPENING} Median") and "Against" not in text()
    assert fallback_text("m", 1, 1) == "m fell back to the random walk in 1 of 1 forecast"


@pytest.mark.parametrize(
    ("obstacle", "sentence", "advice"),
    [
        (
            "no move",
            "No price moved, so there was nothing to forecast: no evidence of skill.",
            "These data cannot tell whether to trust it: judge it on days that moved.",
        ),
        (
            "no forecast",
            "None of its forecasts is its own, so it was not judged: no evidence of skill.",
            "These data cannot tell whether to trust it; the notes say why it had no answer.",
        ),
        (
            "few origins",
            "Fewer than 8 origins cannot tell skill from luck. Median: no evidence",
            "These data cannot tell whether to trust it: judge it beside random_walk on more origins.",
        ),
        (
            "overlapping origins",
            "Only 7 of these origins share no days; fewer than 8 of these cannot tell skill from luck. Median: no",
            "These data cannot tell whether to trust it: judge it beside random_walk on more origins.",
        ),
    ],
)
def test_an_obstacle_and_what_to_do_about_it(obstacle: Obstacle, sentence: str, advice: str) -> None:
    shown = text(obstacle=obstacle, apart=7)
    assert shown.startswith(f"{OPENING} {sentence}") and shown.endswith(f" {advice}")
    if obstacle in ("no move", "no forecast"):
        assert shown == f"{OPENING} {sentence} {advice}"


def test_what_is_said_of_the_random_walk_and_without_it() -> None:
    band = "Its 90% band held 89.3% of the observed prices (95% interval 84% to 93%), which is honest."
    walk = text(model="random_walk", median=None, bands=None)
    opening = OPENING.replace("m was", "random_walk was")
    assert walk == f"{opening} It is the random walk itself, so there is nothing to compare it with. {band}"
    for parts in ({"median": None}, {"bands": None}, {"median": None, "bands": None}):
        assert text(**parts) == (
            f"{OPENING} The random walk was not among the models, so skill cannot be judged; add random_walk. {band} "
            "These data cannot tell whether to trust it: judge it beside random_walk."
        )


@pytest.mark.parametrize(
    ("median", "sentence"),
    [
        (finding("skill"), "skill. Its absolute error of returns is 5.0% smaller than the random walk's (p = 0.0123)."),
        (finding("worse"), "worse. Its absolute error of returns is 5.0% larger than the random walk's (p = 0.0123)."),
        (
            finding(gain=-0.05, detectable=np.nan),
            "no evidence of skill. Its absolute error of returns is 5.0% larger than the random walk's, which may be "
            "luck (p = 0.0123).",
        ),
        (
            finding(p_value=np.nan),
            "no evidence of skill. Its absolute error of returns is 5.0% smaller than the random walk's.",
        ),
        (finding(gain=9e-5), "no evidence of skill. Its absolute error of returns equals the random walk's."),
        (finding(gain=-9e-5), "no evidence of skill. Its absolute error of returns equals the random walk's."),
        (
            finding(gain=1e-4, p_value=np.nan),
            "no evidence of skill. Its absolute error of returns is 0.0% smaller than the random walk's.",
        ),
        (finding(gain=np.nan), "no evidence of skill. The random walk made no error, so none can be saved."),
    ],
)
def test_a_finding_is_said_with_its_size_and_its_doubt(median: Finding, sentence: str) -> None:
    assert f" alone. Median: {sentence} Bands: skill." in text(median=median)


@pytest.mark.parametrize(
    ("p_value", "shown"),
    [
        (0.000999, "p < 0.001"),
        (0.001, "p = 0.001"),
        (0.01234, "p = 0.0123"),
        (0.04996, "p < 0.05"),
        (0.05, "p = 0.05"),
        (0.0501, "p = 0.0501"),
    ],
)
def test_a_p_value_has_three_digits_on_its_side_of_the_threshold(p_value: float, shown: str) -> None:
    assert f"the random walk's ({shown})." in text(bands=finding("skill", p_value=p_value))


@pytest.mark.parametrize(
    ("ok", "coverage", "end"),
    [
        (True, 0.8, "which is honest"),
        (None, 0.8, "too few origins to call it honest or not"),
        (False, 0.8, "so it is too narrow"),
        (False, 0.96, "so it is too wide"),
    ],
)
def test_coverage_is_said_with_its_interval(ok: bool | None, coverage: float, end: str) -> None:
    honest = Honesty(level=0.9, coverage=coverage, low=0.701, high=0.989, ok=ok)
    shown = f" Its 90% band held {coverage:.1%} of the observed prices (95% interval 70% to 99%), {end}. Use"
    assert shown in text(honest=honest)


@pytest.mark.parametrize("bands", ["skill", "no evidence", "worse"])
@pytest.mark.parametrize("median", ["skill", "no evidence", "worse"])
def test_the_advice_follows_from_the_two_words(median: Word, bands: Word) -> None:
    middle = {
        "skill": "Use its median as the forecast of the price",
        "no evidence": "Use the last price as the median forecast",
        "worse": "Do not use its median, for the last price forecasts better",
    }[median]
    spread = {
        "skill": "use its bands for the risk around it",
        "no evidence": "for the risk around it, bands made of past returns may do as well",
        "worse": "do not use its bands, for those made of past returns are better",
    }[bands]
    parts = {"median": finding(median), "bands": finding(bands)}
    assert text(**parts).endswith(f". {middle}; {spread}.")
    assert text(**parts, honest=replace(HONEST, ok=None)).endswith(f". {middle}; {spread}.")
    for coverage, width in ((0.8, "narrow"), (0.97, "wide")):
        shown = text(**parts, honest=replace(HONEST, ok=False, coverage=coverage))
        mend = (
            ""
            if bands == "worse"
            else f" Of late its bands were too {width}: calibrate them (calibrate=true), or allow for it."
        )
        assert shown.endswith(f". {middle}; {spread}.{mend}")


def test_a_verdict_without_a_test_says_why() -> None:
    for reason in ("there are 30 rows", "there are 30 rows."):
        assert untested_text(reason) == (
            "This forecast could not be tested, so there is no evidence that it deserves trust: there are 30 rows."
        )

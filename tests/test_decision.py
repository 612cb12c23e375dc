"""The decision: every threshold at both of its sides, and every number it reports by its formula."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from gatecast.judge import decision
from gatecast.judge.comparisons import compare
from gatecast.judge.decision import Decision, Finding, decide
from gatecast.judge.significance import coverage_interval, freedom
from gatecast.judge.verdict import cannot_tell, judge
from test_verdict import Planted, overlapping, planted_rows

PARTS = {"absolute_error": "median", "crps": "bands"}


def rows_of(origins: int = 10, *, steps: int = 2, items: int = 1, rivals: tuple[str, ...] = ()) -> pd.DataFrame:
    return planted_rows(
        Planted("m"), *map(Planted, ("random_walk", *rivals)), origins=origins, steps=steps, items=items
    )


def compared(against: str = "random_walk", **changes: Any) -> list[dict[str, Any]]:
    """Rows of `compare` for the two losses that count: a tenth saved, p = 0.01, over ten origins."""
    usual = {"model": "m", "step": "all", "dm": 3.0, "p_value": 0.01, "n": 10, "p_holm": 0.01}
    losses = {"mean_loss": 0.9, "mean_loss_against": 1.0}
    return [{**usual, **losses, "against": against, "loss": name, **changes} for name in PARTS]


def decided(*tests: list[dict[str, Any]], rows: pd.DataFrame | None = None, **counts: dict[str, int]) -> Decision:
    frame = pd.DataFrame([row for group in tests for row in group])
    counts = {"fallbacks": {}, "seen": {}, "combined": {}, **counts}
    return decide(rows_of() if rows is None else rows, frame, **counts)


def median_of(*tests: list[dict[str, Any]], **ways: Any) -> Finding:
    """The finding on the median, after a look that the bands' is the same."""
    found = decided(*tests, **ways)
    assert found.median is not None and repr(found.median) == repr(found.bands)
    return found.median


def test_it_says_what_it_rests_on() -> None:
    rows = rows_of(9, steps=3, items=2, rivals=("har", "garch"))
    shuffled = rows.groupby("model", sort=False).sample(frac=1, random_state=0)
    found = decided(compared(), rows=shuffled, fallbacks={"har": 0, "garch": 7}, seen={"m": 4, "har": 2})
    assert (found.model, found.origins, found.apart, found.steps, found.items) == ("m", 9, 9, 3, 2)
    assert (found.first, found.last) == (rows["cutoff"].min(), rows["cutoff"].max())
    assert (found.forecasts, found.fallbacks, found.seen) == (18, {"garch": 7}, 4)
    assert found.obstacle is None and not found.incomparable
    assert decided(compared()).seen == 0 == decided(compared(), combined={"har": 2}).combined
    assert decided(compared(), combined={"m": 9, "har": 2}).combined == 9
    single = rows_of(9, steps=1)
    found = decided(compared(), rows=single)
    assert (found.first, found.last) == (single["cutoff"].min(), single["cutoff"].max())


@pytest.mark.parametrize(("origins", "obstacle"), [(8, None), (7, "few origins"), (1, "few origins")])
def test_a_claim_needs_eight_origins(origins: int, obstacle: str | None) -> None:
    found = decided(compared(), rows=rows_of(origins))
    assert found.obstacle == obstacle and not found.incomparable
    assert found.median is not None and found.median.word == ("skill" if obstacle is None else "no evidence")
    assert (found.honest.ok is None) >= (obstacle is not None)


def test_origins_that_share_days_count_once() -> None:
    for origins, obstacle in ((23, None), (21, "overlapping origins")):
        rows = overlapping(rows_of(origins, steps=3), 3)
        found = decided(compared(), rows=rows)
        assert (found.origins, found.apart, found.obstacle) == (origins, (origins + 2) // 3, obstacle)


def test_there_must_be_a_move_and_a_forecast() -> None:
    rows = rows_of()
    still = rows.assign(actual=rows["last_close"] * (1 + 5e-10))
    assert decided(compared(), rows=still).obstacle == "no move" and decided(compared(), rows=still).incomparable
    assert decided(compared(), rows=rows.assign(actual=rows["last_close"] * (1 + 2e-9))).obstacle is None
    for price in (1e-9, 1e9):  # of any currency
        unit = rows.assign(actual=rows["actual"] * price, last_close=rows["last_close"] * price)
        assert decided(compared(), rows=unit).obstacle is None
    fallen = decided(compared(), fallbacks={"m": 10})
    assert fallen.obstacle == "no forecast" and fallen.incomparable and fallen.median.word == "no evidence"
    assert decided(compared(), fallbacks={"m": 9}).obstacle is None
    assert decided(compared(), rows=still, fallbacks={"m": 10}).obstacle == "no move"


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"p_value": 0.0499}, "skill"),
        ({"p_value": 0.05}, "no evidence"),
        ({"p_value": 0.0499, "mean_loss": 1.1}, "worse"),
        ({"mean_loss": 1 - 0.9e-4}, "no evidence"),
        ({"mean_loss": 1 - 1.1e-4}, "skill"),
        ({"mean_loss": 1 + 1.1e-4}, "worse"),
        ({"mean_loss": 5.0 - 4.5e-4, "mean_loss_against": 5.0}, "no evidence"),
        ({"mean_loss": 0.5 - 0.6e-4, "mean_loss_against": 0.5}, "skill"),
        ({"mean_loss": 0.0, "mean_loss_against": 0.9e-9}, "no evidence"),
        ({"mean_loss": 0.0, "mean_loss_against": 1e-9}, "skill"),
        ({"mean_loss": 1.0, "mean_loss_against": 0.0}, "no evidence"),
        ({"mean_loss": 9999.0, "mean_loss_against": 1e4}, "skill"),  # the least that matters
    ],
)
def test_a_word_needs_a_small_p_value_and_a_difference_that_matters(changes: dict[str, float], word: str) -> None:
    assert median_of(compared(**changes)).word == word


def test_a_finding_has_its_gain_and_the_least_gain_that_would_show() -> None:
    found = median_of(compared(mean_loss=1.5, mean_loss_against=2.0, dm=-2.5, n=30, p_value=0.02))
    assert (found.gain, found.p_value) == (0.25, 0.02)
    reach = stats.t.ppf(0.975, 29) + stats.t.ppf(0.8, 29)
    assert found.detectable == pytest.approx(reach * abs(0.5 / -2.5) / 2.0)
    shared = overlapping(rows_of(24, steps=3), 3)
    df = freedom(30, 2)
    reach = stats.t.ppf(0.975, df) + stats.t.ppf(0.8, df)
    found = median_of(compared(mean_loss=1.5, mean_loss_against=2.0, dm=2.5, n=30), rows=shared)
    assert found.detectable == pytest.approx(reach * 0.2 / 2.0)
    alone = median_of(compared(dm=3.0, n=1), rows=rows_of(1))
    assert alone.detectable == pytest.approx((stats.t.ppf(0.975, 1) + stats.t.ppf(0.8, 1)) * (1 - 0.9) / 3)
    for dm in (np.nan, np.inf):
        assert np.isnan(median_of(compared(dm=dm)).detectable)
    assert median_of(compared(mean_loss=0.0, mean_loss_against=decision.ROUNDING)).gain == 1.0
    nothing = median_of(compared(mean_loss_against=0.9e-9))
    assert np.isnan(nothing.gain) and np.isnan(nothing.detectable)


def test_without_a_claim_there_is_no_p_value_and_no_step() -> None:
    for rows in (rows_of(7), rows_of(8)):
        found = median_of(compared(), compared(step=1), rows=rows)
        claimed = len(rows) > 28
        assert np.isnan(found.p_value) == (not claimed)
        assert found.steps == ((1,) if claimed else ())
        assert found.gain == pytest.approx(0.1)


def test_steps_are_those_with_skill_after_holms_correction_in_their_order() -> None:
    by_step = {3: 0.02, 1: 0.001, 2: 0.03, 4: 0.012, 10: 0.9}  # times 5, 4, 3, 2, 1 in order of p: 1 and 4 stay
    tests = [compared(step=step, p_value=p) for step, p in by_step.items()]
    assert median_of(*tests, compared(), compared(step=5, p_value=0.95)).steps == (1,)
    assert median_of(*tests, compared()).steps == (1, 4)
    assert median_of(*tests, compared(), compared(step=5, p_value=1e-9, mean_loss=1.2)).steps == (1, 4)
    many = [compared(step=step, p_value=1e-4) for step in (10, 2, 1)]
    assert median_of(compared(p_value=0.5), *many).steps == (1, 2, 10)
    assert median_of(compared(p_value=0.5), *many).word == "no evidence"


def test_only_tests_of_the_subject_against_the_random_walk_make_a_finding() -> None:
    others = [compared("har", p_value=0.9), compared(model="har", p_value=0.8)]
    assert median_of(*others, compared()) == median_of(compared())
    alone = decided(compared("har"))
    assert alone.median is None and alone.bands is None
    apart = compared()
    apart[1] |= {"mean_loss": 1.2}
    found = decided(apart)
    assert found.median is not None and found.bands is not None
    assert (found.median.word, found.bands.word) == ("skill", "worse")


def test_rivals_are_judged_by_holms_p_value_over_all_steps_together() -> None:
    tests = (
        compared(p_holm=0.01),
        compared("har", p_value=0.9, p_holm=0.01),
        compared("garch", p_value=0.01, p_holm=0.05),
        compared("ema", mean_loss=1.2),
        compared("ema", step=1, p_holm=0.9),
        compared(model="har"),
    )
    words = {"har": "skill", "garch": "no evidence", "ema": "worse"}
    assert decided(*tests).against == {rival: {"median": word, "bands": word} for rival, word in words.items()}
    silent = decided(*tests, rows=rows_of(7)).against
    assert silent == {rival: {"median": "no evidence", "bands": "no evidence"} for rival in words}
    bands = compared("har", p_holm=0.5)
    bands[1] |= {"p_holm": 0.01}
    assert decided(compared(), bands).against == {"har": {"median": "no evidence", "bands": "skill"}}


def test_a_rival_that_fell_back_everywhere_is_none_and_one_that_did_at_times_is() -> None:
    tests = (compared(), compared("har"), compared("garch"))
    found = decided(*tests, fallbacks={"har": 10, "garch": 9})
    assert found.against.keys() == {"garch"} and found.fallbacks == {"har": 10, "garch": 9}


@pytest.mark.parametrize(
    ("low", "high", "ok"),
    [
        (0.81, 0.97, True),
        (0.79, 0.97, None),
        (0.5, 1.0, None),
        (0.81, 0.89, False),
        (0.9, 0.95, True),
        (0.85, 0.9, True),
        (0.91, 0.95, False),
    ],
)
def test_bands_are_honest_where_the_level_lies_in_an_interval_that_does_not_reach_far_below(
    low: float, high: float, ok: bool | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decision, "coverage_interval", lambda *given, **ways: (0.88, low, high))
    honest = decided(compared()).honest
    assert (honest.level, honest.coverage, honest.low, honest.high) == (0.9, 0.88, low, high)
    assert honest.ok is ok and honest.too_narrow
    assert decided(compared(), rows=rows_of(7)).honest.ok is None


def test_coverage_is_that_of_the_90_percent_band_of_the_subject() -> None:
    rows = overlapping(rows_of(30, steps=3, items=2), 3)
    mine = rows["model"] == "m"
    place = np.arange(len(rows)) % 10
    edges = np.where(place < 3, rows["q05"] * (1 - 1e-6), np.where(place < 5, rows["q95"] * (1 + 1e-6), rows["q50"]))
    rows = rows.assign(actual=np.where(mine, edges, rows["actual"]))
    honest = decided(compared(), rows=rows).honest
    hits = (place[mine] >= 5).astype(float)
    assert (honest.coverage, honest.low, honest.high) == coverage_interval(
        hits, rows["cutoff"][mine].to_numpy(), overlap=2
    )
    assert honest.coverage == pytest.approx(0.5) and honest.ok is False


def test_too_narrow_is_less_than_promised() -> None:
    for coverage, narrow in ((0.8, True), (0.9, False), (0.95, False), (None, False)):
        honest = decision.Honesty(level=0.9, coverage=coverage, low=None, high=None, ok=None)
        assert honest.too_narrow is narrow


def test_the_verdict_has_the_words_and_steps_of_the_decision() -> None:
    rows = planted_rows(Planted("m", error=0.8, crps=1.4), Planted("random_walk"), Planted("har"), origins=30)
    tests = compare(rows)
    found, verdict = decide(rows, tests, {"har": 3}, {"m": 2}, {}), judge(rows, tests, {"har": 3}, {"m": 2})
    assert found.median is not None and found.bands is not None
    assert (verdict.median, verdict.bands) == (found.median.word, found.bands.word) == ("skill", "worse")
    assert verdict.steps == {"median": found.median.steps, "bands": found.bands.steps}
    assert verdict.steps["median"] == (1, 2, 3) and verdict.steps["bands"] == ()
    assert (verdict.honest, verdict.origins, verdict.model) == (found.honest, 30, "m")
    assert verdict.against == found.against != {}
    assert "har fell back to the random walk in 3 of 60 forecasts" in verdict.text
    assert "In 2 of 60 forecasts it had learned from the very days it was judged on" in verdict.text
    assert verdict.to_dict()["steps"] == {"median": [1, 2, 3], "bands": []}
    bands = planted_rows(Planted("m", crps=0.5), Planted("random_walk"), origins=30)
    assert judge(bands, compare(bands)).steps == {"median": (), "bands": (1, 2, 3)}
    alone = planted_rows(Planted("m"), Planted("har"), origins=30)
    verdict = judge(alone, compare(alone))
    assert (verdict.median, verdict.bands, verdict.steps) == ("no evidence", "no evidence", {"median": (), "bands": ()})


def test_the_verdict_without_a_test_claims_nothing() -> None:
    verdict = cannot_tell("m", "there are 30 rows.")
    assert verdict.to_dict() == {
        "text": "This forecast could not be tested, so there is no evidence that it deserves trust: there are 30 rows.",
        "median": "no evidence",
        "bands": "no evidence",
        "honest": {"level": 0.9, "coverage": None, "low": None, "high": None, "ok": None},
        "origins": 0,
        "model": "m",
        "steps": {"median": [], "bands": []},
        "against": {},
    }
    assert str(verdict) == verdict.text

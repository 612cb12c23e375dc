"""Risk answers on past days: scores that the truth wins, outcomes by hand, words that few days do not earn."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from conftest import HERE, FixedVolatility, independent_walks, simulated_series
from gatecast.config import Config
from gatecast.errors import UsageError
from gatecast.faces.report import backtest_report
from gatecast.faces.terminal.scores import show_risk
from gatecast.forecast import Forecast
from gatecast.judge import recent_risk as recent
from gatecast.judge.coverage import miss_tests
from gatecast.judge.recent import recent_walk
from gatecast.judge.report import Report
from gatecast.judge.risk_answers import COLUMNS, LEVELS, PORTFOLIO, risk_answers
from gatecast.judge.risk_record import risk_record
from gatecast.judge.risk_tests import brier, fz0, reliability
from gatecast.judge.risk_verdict import RiskVerdict, risk_verdict
from gatecast.judge.walk_chances import first_of_two_chance, touch_chance
from gatecast.judge.walkforward import backtest
from gatecast.models.baselines import Historical, RandomWalk
from gatecast.models.choice import choose
from gatecast.prices import PriceSeries, PriceTable
from gatecast.runs.backtest import BacktestRun, run_backtest

SIGMA = 0.01

# Scores.


def test_fz0_by_hand() -> None:
    # Not crossed: v / e + log(-e) - 1. Crossed: -(v - y) / (level e) more.
    calm = 0.02 / 0.03 + np.log(0.03) - 1
    crossed = calm + 0.01 / (0.05 * 0.03)
    ours = fz0(np.full(3, -0.02), np.array([-0.03, -0.03, 0.0]), np.array([0.01, -0.03, 0.01]), 0.05)
    np.testing.assert_allclose(ours[:2], [calm, crossed])
    assert np.isnan(ours[2])


@pytest.mark.parametrize("level", LEVELS)
def test_the_true_pair_has_the_least_expected_fz0(level: float) -> None:
    """By quadrature, for a Student-t: no pair around the true one scores better."""
    law = stats.t(5, scale=SIGMA)
    at = (np.arange(200_000) + 0.5) / 200_000
    outcomes = law.ppf(at)
    var = float(law.ppf(level))
    es = float(outcomes[at < level].mean())

    def expected(v: float, e: float) -> float:
        return float(fz0(np.full(len(outcomes), v), np.full(len(outcomes), e), outcomes, level).mean())

    least = expected(var, es)
    for v, e in [(0.9, 1), (1.1, 1), (1, 0.9), (1, 1.1), (0.9, 0.9), (1.1, 1.1), (1.1, 0.95)]:
        assert expected(v * var, e * es) > least + 1e-5
    # Another unit shifts every score alike.
    scaled = fz0(*(100 * np.array([x]) for x in (var, es, -0.05)), level)
    np.testing.assert_allclose(scaled - fz0(*(np.array([x]) for x in (var, es, -0.05)), level), np.log(100))


def test_the_true_chance_has_the_least_brier_score() -> None:
    happened = np.arange(1000) < 300
    scores = {chance: brier(np.full(1000, chance), happened).mean() for chance in np.linspace(0, 1, 21).round(2)}
    assert min(scores, key=lambda chance: scores[chance]) == 0.3
    assert scores[0.3] == pytest.approx(0.3 * 0.7)


def test_tenths_hold_every_forecast_once_and_shares_of_paths_where_they_belong() -> None:
    chance = np.arange(1001) / 1000
    tenths = reliability(chance, chance > 0.5)
    assert [tenth.n for tenth in tenths] == [100] * 9 + [101]
    assert [tenth.observed for tenth in tenths] == [0.0] * 5 + [0.99] + [1.0] * 4
    assert all(0.1 * tenth.tenth <= tenth.predicted <= 0.1 * tenth.tenth + 0.1 for tenth in tenths)


@pytest.mark.parametrize("distance", [1.5, 3.0])
def test_chances_of_a_random_walk_are_those_of_simulated_ones(distance: float) -> None:
    rng, steps, paths = np.random.default_rng(1), 20, 10_000
    fine = np.cumsum(rng.standard_normal((paths, steps * 50), dtype=np.float32), axis=1) / np.sqrt(50)
    far = distance * np.sqrt(2)
    for walk, ranged in ((fine[:, 49::50], False), (fine, True)):
        up, down = walk >= far, walk <= -far
        first_up, first_down = (np.where(hit.any(1), hit.argmax(1), hit.shape[1]) for hit in (up, down))
        error = 4 * np.sqrt(0.25 / paths) + 0.01 * ranged  # 50 looks a day still miss some
        assert touch_chance(far, steps, ranged=ranged) == pytest.approx(up.any(1).mean(), abs=error)
        assert first_of_two_chance(far, steps, ranged=ranged) == pytest.approx(
            (first_up < first_down).mean(), abs=error
        )
    assert touch_chance(far, steps, ranged=True) > touch_chance(far, steps, ranged=False)
    assert first_of_two_chance(0.5, steps, ranged=True) == pytest.approx(0.5, abs=1e-9)


@pytest.mark.parametrize("overlap", [0, 4])
def test_a_true_value_at_risk_is_seldom_accused_even_where_outcomes_overlap(overlap: int) -> None:
    rng, n, trials = np.random.default_rng(2), 400, 400
    p_values = []
    for _ in range(trials):
        noise = rng.standard_normal(n + overlap)
        moves = sum(noise[lag : n + lag] for lag in range(overlap + 1)) / np.sqrt(overlap + 1)
        crossed = moves < stats.norm.ppf(0.05)
        p_values.append(miss_tests(crossed, np.zeros(n), np.arange(n), rate=0.05, overlap=overlap)["kupiec_p"])
    assert 0.01 < np.mean(np.array(p_values) < 0.05) < 0.08
    assert 0.35 < np.mean(np.array(p_values) < 0.5) < 0.65


def test_few_crossings_of_overlapping_outcomes_do_not_prove_caution() -> None:
    """At 1%, five steps ahead and a day apart, crossings come in groups: none in a long time is luck often enough."""
    rng, n, claims = np.random.default_rng(3), 1000, []
    days = pd.bdate_range("2015-01-01", periods=n + 5).to_numpy()
    about = {
        "model": "ours",
        "item_id": "X",
        "question": "loss",
        "step": 5,
        "at": 0.01,
        "shortfall": -0.06,
        "walk": 0.0,
    }
    for _ in range(100):
        noise = rng.standard_normal(n + 4)
        moves = SIGMA * sum(noise[lag : n + lag] for lag in range(5))
        rows = pd.DataFrame({"cutoff": days[:n], "timestamp": days[5:], "observed": moves})
        rows = rows.assign(**about, value=SIGMA * np.sqrt(5) * stats.norm.ppf(0.01), ranged=False, joint=False)
        claims.append(risk_verdict(risk_record(rows), "ours").losses[0].word)
    assert claims.count("too seldom") + claims.count("too often") <= 8


# What happened.


@dataclass
class Ranged(FixedVolatility):
    """Fixed volatility with highs and lows, a hundredth beyond the closes."""

    def predict(self, prices: PriceTable, horizon: int, *, paths: int = 1000, seed: int = 0) -> Forecast:
        forecast = super().predict(prices, horizon, paths=paths, seed=seed)
        items = (replace(item, highs=item.paths * 1.01, lows=item.paths / 1.01) for item in forecast)
        return replace(forecast, items=tuple(items))


def answered(model: FixedVolatility, days: dict[str, list[float]], rows: int = 60) -> pd.DataFrame:
    """The answers from day `rows` of a price that moved 1% a day before it, and then as `days` have it."""
    close = 100 * np.exp(SIGMA * (np.arange(rows) % 2))
    close = np.append(close * 100 / close[-1], days["close"])
    columns = {name: np.append(close[:rows], days[name]) for name in ("high", "low") if name in days}
    stamps = pd.bdate_range("2020-01-01", periods=len(close)).to_numpy()
    table = PriceTable(series=(PriceSeries(item_id="X", timestamps=stamps, close=close, **columns),))
    seen = table.until(stamps[rows - 1])
    forecast = model.predict(seen, 5, paths=2000, seed=1)
    return pd.DataFrame(risk_answers(forecast, seen, table, stamps[rows - 1], 5))


def test_a_touch_between_two_closes_counts_where_highs_and_lows_are_known_to_both() -> None:
    # A usual move within 5 days is 0.01 sqrt(5): levels 102.3 and 97.8, 104.6 and 95.6.
    days = {"close": [101.0] * 5, "high": [101.0, 105.0, 101.0, 101.0, 101.0], "low": [101.0] * 4 + [97.0]}
    for model, given, touched, stopped in [
        (Ranged(SIGMA), days, {1, 2, -1}, set()),
        (FixedVolatility(SIGMA), days, set(), set()),
        (Ranged(SIGMA), {"close": days["close"]}, set(), set()),
    ]:
        rows = answered(model, given)
        touches, stops = (rows[rows["question"] == question] for question in ("touch", "stop"))
        assert set(touches.loc[touches["observed"] == 1, "at"]) == touched
        assert set(stops.loc[stops["observed"] == 1, "at"]) == stopped
        assert touches["ranged"].all() == bool(touched)
        assert (touches["timestamp"] == rows["timestamp"].max()).all()


def test_a_day_that_touches_both_is_the_stops_and_a_gap_is_a_touch() -> None:
    both = {"close": [100.0] * 5, "high": [103.0] * 5, "low": [97.0] * 5}
    rows = answered(Ranged(SIGMA), both)
    assert rows.loc[(rows["question"] == "stop") & (rows["at"] == 1), "observed"].tolist() == [1.0]
    gap = answered(FixedVolatility(SIGMA), {"close": [90.0] * 5})
    assert set(gap.loc[(gap["question"] == "touch") & (gap["observed"] == 1), "at"]) == {-1, -2, -3}


def test_answers_are_those_of_the_paths() -> None:
    rows = answered(FixedVolatility(SIGMA), {"close": [99.0, 98.0, 97.0, 96.0, 95.0]})
    assert list(rows.columns) == list(COLUMNS)
    losses = rows[rows["question"] == "loss"].set_index(["step", "at"])
    for (step, level), row in losses.iterrows():
        true = np.expm1(SIGMA * np.sqrt(step) * stats.norm.ppf(level))
        assert row["value"] == pytest.approx(true, rel=0.15) and row["shortfall"] < row["value"]
        assert row["observed"] == pytest.approx(-0.01 * step)
    chances = rows[rows["question"].isin(["touch", "stop"])]
    np.testing.assert_allclose(chances["value"], chances["walk"], atol=0.05)  # the model is that random walk
    still = answered(FixedVolatility(SIGMA), {"close": [100.0] * 5}, rows=3)
    assert (still["question"] != "portfolio").all()


@dataclass
class Together:
    """Items that share half of their variance, simulated as one."""

    name: str = "together"

    def fit(self, prices: PriceTable) -> Together:
        return self

    def predict(self, prices: PriceTable, horizon: int, *, paths: int = 1000, seed: int = 0) -> Forecast:
        forecast = FixedVolatility(SIGMA * np.sqrt(0.5)).predict(prices, horizon, paths=paths, seed=seed)
        shared = SIGMA * np.sqrt(0.5) * np.random.default_rng(seed).standard_normal((paths, horizon))
        moves = np.exp(np.cumsum(shared, axis=1))
        return replace(forecast, joint=True, items=tuple(item.moved(item.paths * moves) for item in forecast))


def correlated(items: int = 6, rows: int = 700) -> PriceTable:
    rng, days = np.random.default_rng(4), pd.bdate_range("2015-01-01", periods=rows)
    moves = SIGMA * np.sqrt(0.5) * (rng.standard_normal((items, rows)) + rng.standard_normal(rows))
    return PriceTable.from_close({f"A{i}": (100 * np.exp(row.cumsum()), days) for i, row in enumerate(moves)})


def test_bands_of_a_portfolio_need_joint_paths() -> None:
    table = correlated()
    report = backtest([Together()], table, horizon=5, every=5, cutoffs=80, refit=0, risk=True)
    held = risk_record(report.risk).portfolio.set_index(["joint", "step", "level"])
    for step in (1, 5):
        joint, apart = held.loc[(True, step, 90)], held.loc[(False, step, 90)]
        assert joint["low"] <= 0.9 <= joint["high"] and joint["items"] == 6
        assert apart["held"] < joint["held"] - 0.1
    text = risk_verdict(risk_record(report.risk), "together").text
    assert "90% band of an equal-weight portfolio of 6 items" in text and "simulated independently would give" in text
    # The order of the items changes nothing.
    turned = table.select(table.item_ids[::-1])
    again = backtest([Together()], turned, horizon=5, every=5, cutoffs=4, refit=0, risk=True)
    ours, theirs = (
        of.risk[of.risk["item_id"] == PORTFOLIO].set_index(["cutoff", "joint", "step"])["value"]
        for of in (report, again)
    )
    assert len(theirs) == 16
    np.testing.assert_allclose(ours[theirs.index], theirs)


# The walk, the record, the words.


def walked(sigma: float, *, cutoffs: int = 300, items: int = 1, **rivals: float) -> Report:
    table = independent_walks(np.full(700, SIGMA), items=items)
    models = [FixedVolatility(sigma, "ours"), *(FixedVolatility(of, name) for name, of in rivals.items())]
    return backtest(models, table, horizon=1, every=1, cutoffs=cutoffs, refit=0, risk=True)


def word(verdict: RiskVerdict, level: float) -> str:
    return next(found.word for found in verdict.losses if found.level == level)


@pytest.mark.parametrize(
    ("sigma", "cutoffs", "five", "one"),
    [
        (SIGMA, 300, "no evidence against", "too few to tell"),
        (SIGMA, 40, "too few to tell", "too few to tell"),
        (0.5 * SIGMA, 300, "too often", "too often"),
        (0.4 * SIGMA, 40, "too often", "too often"),
        (2 * SIGMA, 300, "too seldom", "too few to tell"),
    ],
)
def test_the_word_is_what_the_days_can_tell(sigma: float, cutoffs: int, five: str, one: str) -> None:
    report = walked(sigma, cutoffs=cutoffs)
    record = risk_record(report.risk)
    verdict = risk_verdict(record, "ours")
    assert (word(verdict, 0.05), word(verdict, 0.01)) == (five, one)
    losses = report.risk[(report.risk["question"] == "loss") & (report.risk["at"] == 0.05)]
    crossed = int((losses["observed"] < losses["value"]).sum())
    row = record.losses.set_index("level").loc[0.05]
    assert row["n"] == cutoffs and row["crossed"] == crossed / cutoffs
    if five == "no evidence against":
        assert f"5% VaR was crossed on {crossed / cutoffs:.1%} of 300 past days (Kupiec p = " in verdict.text
    if five == "too few to tell":
        assert f"5% VaR was crossed on {crossed} of 40 past days, where 2 are expected: too few" in verdict.text


def test_crossings_in_clusters_are_told() -> None:
    calm_and_wild = SIGMA * np.where(np.arange(700) % 100 < 15, 4.0, 0.3)
    table = independent_walks(calm_and_wild, items=1)
    model = FixedVolatility(SIGMA, "ours")
    verdict = risk_verdict(
        risk_record(backtest([model], table, horizon=1, every=1, cutoffs=400, refit=0, risk=True).risk), "ours"
    )
    assert word(verdict, 0.05) == "in clusters"
    assert "but in clusters (Christoffersen p" in verdict.text


def test_the_better_shortfall_is_found_and_the_same_one_is_not() -> None:
    record = risk_record(walked(SIGMA, cutoffs=150, garch=2.5 * SIGMA, historical=SIGMA).risk)
    verdict = risk_verdict(record, "ours")
    words = {(found.question, found.against): found.word for found in verdict.scores if "VaR" in found.question}
    assert words[("5% VaR", "garch")] == "better" and words[("5% VaR", "historical")] == "no evidence"
    assert {found.word for found in risk_verdict(record, "garch").scores if "VaR" in found.question} == {"worse"}
    assert "better than garch in 2 of 2 comparisons; no evidence either way against historical" in verdict.text
    assert (record.against["p_holm"] >= record.against["p_value"]).all()


def test_chances_are_reliable_where_the_model_is_true_and_worse_than_the_walk_where_not() -> None:
    table = independent_walks(np.full(700, SIGMA), items=3)
    models = [FixedVolatility(SIGMA, "ours"), FixedVolatility(3 * SIGMA, "wild")]
    record = risk_record(backtest(models, table, horizon=5, every=5, cutoffs=80, refit=0, risk=True).risk)
    ours = record.chances[record.chances["at"] == "all"].set_index(["model", "question"])
    assert ours.loc[("ours", "touch"), "predicted"] == pytest.approx(ours.loc[("ours", "touch"), "observed"], abs=0.03)
    for question in ("touch", "stop"):
        assert ours.loc[("wild", question), "brier"] > ours.loc[("wild", question), "brier_walk"]
        assert ours.loc[("wild", question), "p_value"] < 0.05
    assert {found.word for found in risk_verdict(record, "wild").scores} == {"worse"}
    tenths = record.reliability.groupby(["model", "question"])["n"].sum()
    assert tenths.loc[("ours", "touch")] == 80 * 3 * 6 and tenths.loc[("ours", "stop")] == 80 * 3 * 2


def test_folds_keep_their_answers_and_processes_change_none(tmp_path: Path) -> None:
    table = independent_walks(np.full(300, SIGMA), items=2)

    def asked(**how: Any) -> pd.DataFrame:
        return backtest([RandomWalk()], table, horizon=5, cutoffs=4, paths=1000, risk=True, **how).risk

    whole = asked()
    pd.testing.assert_frame_equal(asked(store=tmp_path), whole)
    files = sorted(tmp_path.glob("*.risk.parquet"))
    assert len(files) == 4
    files[0].write_bytes(b"damaged")
    seen = []
    pd.testing.assert_frame_equal(asked(store=tmp_path, progress=seen.append), whole)
    assert seen[0].resumed == 3
    assert backtest([RandomWalk()], table, horizon=5, cutoffs=4, store=tmp_path).risk is None
    assert set(whole["item_id"]) == {"A0", "A1", PORTFOLIO}


def test_the_answers_of_some_models_are_those_of_all() -> None:
    table, models = independent_walks(np.full(300, SIGMA), items=2), [RandomWalk(), Historical()]
    every, some = (backtest(models, table, horizon=2, cutoffs=4, risk=of).risk for of in (True, ("historical",)))
    mine = every[every["model"] == "historical"].reset_index(drop=True)
    pd.testing.assert_frame_equal(some, mine)
    assert len(mine) < len(every)


def test_a_backtest_run_adds_the_rivals_and_the_field(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    source = tmp_path / "prices.csv"
    PriceTable(series=(simulated_series("X", 300, 1, columns=False),)).to_frame().to_csv(source, index=False)

    def asked(**how: Any) -> BacktestRun:
        return run_backtest(source, "ewma_t,random_walk", cutoffs=9, engine=HERE, **how)

    run = asked(with_risk=True)
    document = run.to_dict()["risk"]
    json.dumps(document, allow_nan=False)
    assert list(document) == ["losses", "against", "chances", "reliability", "portfolio", "verdict"]
    assert [row["model"] for row in document["losses"][::4]] == ["ewma_t", "random_walk", "garch", "historical"]
    assert document["verdict"]["model"] == "ewma_t" and document["portfolio"] == []
    assert "risk" not in asked().to_dict()
    page = backtest_report(run.report, run.prices, risk=(run.risk.record, run.risk.verdict))
    assert "Answers about risk" in page and "clusters p" in page and run.risk.verdict.text[:40] in page
    assert "Answers about risk" not in backtest_report(run.report, run.prices)
    show_risk(run.risk.record, run.risk.verdict)
    shown = capsys.readouterr().out
    assert "too few to tell" in " ".join(shown.split()) and max(map(len, shown.splitlines())) <= 80
    assert "…" not in shown
    with pytest.raises(UsageError, match="risk=True needs 1000 paths or more"):
        asked(with_risk=True, paths=999)
    with pytest.raises(UsageError, match="risk=True needs 1000 paths or more"):
        backtest([RandomWalk()], independent_walks(np.full(300, SIGMA)), paths=999, risk=True)


def test_recent_days_judge_the_risk_of_the_chosen_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recent, "DAYS", 20)
    monkeypatch.setattr("gatecast.judge.recent.ORIGINS", 3)
    table = PriceTable(series=tuple(simulated_series(name, 500, 1, start="2018-01-01") for name in "ABCD"))
    config = Config.from_preset("base", ["calibrate=false"])
    for items, daily in (("AB", 20), ("ABCD", 12)):  # of four items every fifth day is enough
        some = table.select(tuple(items))
        choice = choose(config, some)
        verdict = recent.recent_risk(choice, some, recent_walk(choice, some, horizon=20, risk=True))
        ahead = 3 * len(items)
        assert [(found.step, found.n) for found in verdict.losses] == [(1, daily), (1, daily), (5, ahead), (5, ahead)]
        assert {found.word for found in verdict.losses} <= {"too few to tell", "too often"}
        assert {found.question for found in verdict.scores} == {"1% VaR", "5% VaR", "touch", "stop"}
        assert verdict.text.endswith("Steps beyond 5 were not judged.")
        assert verdict.model == "gatecast"
    short = table.until(table.series[0].timestamps[30])
    walk = recent_walk(choice, short, horizon=5, risk=True)
    assert "could not be tested on past days: " in recent.recent_risk(choice, short, walk).text

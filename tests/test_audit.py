"""The audit: closed forms, honest sizes, findings where bands are planted to fail, and the faces that show it."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from conftest import FixedVolatility, independent_walks
from gatecast.faces.report import backtest_report
from gatecast.faces.terminal.scores import show_audit
from gatecast.judge.audit import TIMES, audit
from gatecast.judge.coverage import christoffersen, design_effect, kupiec, pairs, pit_test
from gatecast.judge.report import Report
from gatecast.judge.walkforward import backtest
from gatecast.models.baselines import EwmaT, RandomWalk
from gatecast.prices import PriceTable
from test_report import Reader


def test_kupiec_is_the_ratio_of_binomial_likelihoods() -> None:
    for x, n, p in [(0, 100, 0.05), (10, 250, 0.01), (100, 100, 0.9), (5, 100, 0.05), (37, 365, 0.1)]:
        closed = -2 * (stats.binom.logpmf(x, n, p) - stats.binom.logpmf(x, n, x / n))
        assert kupiec(x, n, p) == pytest.approx(closed, abs=1e-9)
    assert kupiec(5, 100, 0.05) == pytest.approx(0, abs=1e-12)


def test_christoffersen_is_the_ratio_of_markov_likelihoods() -> None:
    n00, n01, n10, n11 = 90, 5, 4, 6
    before, after, p = n01 / (n00 + n01), n11 / (n10 + n11), (n01 + n11) / 105
    alone = (n00 + n10) * math.log(1 - p) + (n01 + n11) * math.log(p)
    chain = n00 * math.log(1 - before) + n01 * math.log(before) + n10 * math.log(1 - after) + n11 * math.log(after)
    assert christoffersen(np.array([[n00, n01], [n10, n11]])) == pytest.approx(2 * (chain - alone))
    # It is the G-test of the two-by-two table.
    g = stats.chi2_contingency([[n00, n01], [n10, n11]], correction=False, lambda_="log-likelihood").statistic
    assert christoffersen(np.array([[n00, n01], [n10, n11]])) == pytest.approx(g)
    assert christoffersen(np.array([[50, 0], [0, 0]])) == 0
    assert christoffersen(np.array([[90, 10], [9, 1]])) == pytest.approx(0, abs=1e-9)


def test_pairs_follow_each_item_in_time_and_leave_out_origins_that_overlap() -> None:
    items = np.array(["A", "B", "A", "B", "A", "A"])
    dates = np.array([1, 1, 3, 2, 2, 4])
    violated = np.array([True, False, False, True, True, False])
    before, after, when = pairs(violated, items, dates)
    assert before.tolist() == [True, True, False, False]
    assert after.tolist() == [True, False, False, True]
    assert when.tolist() == [2, 3, 4, 2]
    assert pairs(violated, items, dates, gap=2)[2].tolist() == [3]


def test_assets_that_move_as_one_count_once() -> None:
    rng = np.random.default_rng(0)
    single = (rng.random(300) < 0.1).astype(float)
    dates = np.arange(300)
    assert design_effect(single, dates) == 1
    assert 18 < design_effect(np.repeat(single, 20), np.repeat(dates, 20)) < 30
    apart = (rng.random(6000) < 0.1).astype(float)
    assert design_effect(apart, np.repeat(dates, 20)) < 2
    assert design_effect(np.zeros(60), np.repeat(np.arange(20), 3)) == 3


@pytest.mark.parametrize(("n", "overlap", "items"), [(40, 0, 1), (200, 0, 10), (200, 3, 3)])
def test_honest_forecasts_are_seldom_accused_and_narrow_ones_often(n: int, overlap: int, items: int) -> None:
    rng = np.random.default_rng(5)
    dates, accused = np.repeat(np.arange(n), items), {1.0: [0, 0], 1.6: [0, 0]}
    for _ in range(150):
        both = 0.7 * rng.normal(size=(n + overlap, items)) + math.sqrt(0.51) * rng.normal(size=(n + overlap, 1))
        moves = sum(both[lag : n + lag] for lag in range(overlap + 1)).ravel() / math.sqrt(overlap + 1)
        for factor, counts in accused.items():
            pit = stats.norm.cdf(factor * moves)
            misses = np.abs(pit - 0.5) > 0.45
            effect = design_effect(misses.astype(float), dates, overlap=overlap)
            counts[0] += pit_test(pit, dates, gap=overlap + 1)[1] < 0.05
            counts[1] += stats.chi2.sf(kupiec(int(misses.sum()), len(misses), 0.1) / effect, 1) < 0.05
    assert max(accused[1.0]) <= 0.12 * 150
    assert min(accused[1.6]) >= 0.6 * 150


def test_too_few_dates_cannot_tell() -> None:
    statistic, p_value = pit_test(np.full(8, 0.99), np.arange(8))
    assert math.isnan(statistic)
    assert p_value == 1


@pytest.fixture(scope="module")
def found() -> tuple[Report, PriceTable]:
    """Bands of one volatility for ever, over a market that is wild in its second year."""
    sigma = np.where(np.arange(800) < 540, 0.01, 0.025)
    prices = independent_walks(sigma, items=4)
    report = backtest([FixedVolatility(0.01), RandomWalk()], prices, horizon=2, every=3, start="2011-01-03", refit=0)
    return report, prices


def test_the_year_and_the_wild_times_that_break_the_bands_are_found(found: tuple[Report, PriceTable]) -> None:
    report, prices = found
    table = audit(report.forecasts, prices)
    mine = table.coverage[(table.coverage["model"] == "fixed") & (table.coverage["level"] == 90)]
    by = mine.set_index(["by", "group"])
    assert set(by.index.get_level_values("by")) == {"all", "year", "step", "volatility"}
    assert (by["low"] <= by["held"]).all()
    assert (by["held"] <= by["high"]).all()
    assert by.loc[("year", "2011"), "low"] < 0.9 < by.loc[("year", "2011"), "high"]
    assert by.loc[("year", "2012"), "high"] < 0.9
    assert by.loc[("volatility", "wild"), "high"] < 0.9 < by.loc[("volatility", "calm"), "high"]
    assert mine[mine["by"] == "volatility"]["group"].tolist() == list(TIMES)
    for part in ("year", "step", "volatility"):
        assert mine[mine["by"] == part]["n"].sum() == by.loc[("all", "all"), "n"]
    tests = table.violations.set_index(["model", "step", "event"])
    for event in ("outside 90%", "below 1%"):
        row = tests.loc[("fixed", 1, event)]
        assert row["kupiec_p"] < 0.01
        assert row["christoffersen_p"] < 0.01  # misses come in the wild spell
        assert row["both"] == pytest.approx(row["kupiec"] + row["christoffersen"])
    whole = table.pit[(table.pit["model"] == "fixed") & (table.pit["step"] == "all")].iloc[0]
    assert whole["p_value"] < 0.01
    assert sum(whole["shares"]) == pytest.approx(1)
    assert min(whole["shares"][0], whole["shares"][-1]) > 0.12


def test_one_asset_without_overlap_has_the_classic_tests(found: tuple[Report, PriceTable]) -> None:
    report, prices = found
    rows = report.forecasts[(report.forecasts["item_id"] == "A0") & (report.forecasts["model"] == "fixed")]
    table = audit(rows, prices).violations
    row = table[(table["step"] == 1) & (table["event"] == "outside 80%")].iloc[0]
    misses = round(row["found"] * row["n"])
    assert row["kupiec"] == pytest.approx(kupiec(misses, int(row["n"]), 0.2))


def test_the_future_does_not_change_who_is_calm(found: tuple[Report, PriceTable]) -> None:
    report, prices = found
    last = report.forecasts["cutoff"].max()
    late = PriceTable.from_close(
        {
            series.item_id: (np.where(series.timestamps > last, 9 * series.close, series.close), series.timestamps)
            for series in prices
        }
    )
    ours, theirs = (audit(report.forecasts, table).coverage for table in (prices, late))
    pd.testing.assert_frame_equal(ours, theirs)


def test_short_walks_have_an_audit_that_claims_nothing() -> None:
    prices = independent_walks(np.full(120, 0.01), items=1)
    table = audit(backtest([EwmaT()], prices, horizon=2, cutoffs=2, paths=100).forecasts, prices)
    assert table.violations["kupiec_p"].isna().all()
    assert (table.pit["p_value"] == 1).all()
    assert set(table.coverage["by"]) == {"all", "year", "step"}
    assert table.to_dict()["violations"][0]["kupiec"] is None


def test_json_terminal_and_page_show_it(found: tuple[Report, PriceTable], capsys: pytest.CaptureFixture[str]) -> None:
    report, prices = found
    table = audit(report.forecasts, prices)
    again = json.loads(json.dumps(table.to_dict(), allow_nan=False))
    assert len(again["coverage"]) == len(table.coverage)
    assert len(again["pit"][0]["shares"]) == 10
    show_audit(table, "fixed")
    shown = capsys.readouterr().out
    assert "volatility wild" in shown
    assert "below 1%" in shown
    page = backtest_report(report, prices, audit=table)
    text = Reader(page).text
    assert "Audit of the bands" in text
    assert "volatility wild" in text
    assert "Audit of the bands" not in backtest_report(report, prices)


def test_the_command_adds_the_audit_to_its_json(tmp_path: Path) -> None:
    command = ("backtest", "sample:aapl", "--models", "ewma_t,random_walk", "--cutoffs", "20", "--horizon", "2")
    result = subprocess.run(
        [sys.executable, "-m", "gatecast", *command, "--paths", "100", "--jobs", "1", "--audit", "--json"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)},
    )
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)["audit"]
    assert set(found) == {"coverage", "violations", "pit", "foresight"}
    assert {row["model"] for row in found["pit"]} == {"ewma_t", "random_walk"}

"""The page of a walk-forward test and its figures, on a small frame of known forecasts."""

from __future__ import annotations

import functools
import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from gatecast.faces import figures
from gatecast.faces.report import backtest_report
from gatecast.faces.report.page import verdict_values
from gatecast.forecast import Forecast, ItemForecast
from gatecast.judge.comparisons import compare
from gatecast.judge.report import Report
from gatecast.judge.scores import COLUMNS, join_rows, score_forecast, score_table
from gatecast.judge.verdict import cannot_tell, judge
from gatecast.notes import Note
from gatecast.prices import PriceSeries, PriceTable
from test_figures import EVIL, colours, edges, trace
from test_report import Reader

MODELS = {"gatecast": 1.0, "random_walk": 1.6, "narrow": 0.3}  # how wide a fan is, as a share of the truth
SIGMA = 0.02


@functools.cache
def walk(items=("X", "Y"), cutoffs=16, horizon=3, models=tuple(MODELS)):
    """A report on random walks, forecast by fans that are right, too wide and too narrow."""
    rng = np.random.default_rng(11)
    days = pd.bdate_range("2023-01-02", periods=60 + cutoffs * horizon).to_numpy()
    prices = PriceTable(
        series=tuple(
            PriceSeries(item_id=name, timestamps=days, close=100 * np.exp(rng.normal(0, SIGMA, len(days)).cumsum()))
            for name in items
        )
    )
    parts = []
    for model in models:
        for at in range(60, 60 + cutoffs * horizon, horizon):
            seen = prices.until(days[at - 1])
            forecast = Forecast(
                items=tuple(fan_of(series, days[at : at + horizon], MODELS.get(model, 1.0), rng) for series in seen),
                seed=0,
            )
            rows = score_forecast(forecast, seen, prices, cutoff=days[at - 1], horizon=horizon)
            parts.append({"model": np.full(len(rows["step"]), model, dtype=object), **rows})
    forecasts = pd.DataFrame(join_rows(parts), columns=list(COLUMNS))
    tests = compare(forecasts)
    report = Report(
        forecasts=forecasts,
        scores=score_table(forecasts),
        tests=tests,
        verdict=judge(forecasts, tests),
        notes=(Note("test", "a note of the walk"),),
    )
    return report, prices


def fan_of(series, timestamps, width, rng):
    moves = rng.normal(0, SIGMA * width, (400, len(timestamps))).cumsum(axis=1)
    last = float(series.close[-1])
    return ItemForecast(
        item_id=series.item_id,
        last_timestamp=series.timestamps[-1],
        last_close=last,
        timestamps=timestamps,
        paths=last * np.exp(moves),
    )


ABLATION = [
    {"switch": "loss=mse", "change": 0.01, "low": -0.01, "high": 0.03, "word": "no difference"},
    {"switch": EVIL, "change": 0.05, "low": 0.03, "high": 0.07, "word": "helps"},
]


def test_skill_by_step_is_measured_from_the_random_walk():
    report, _ = walk()
    figure = figures.score_by_step(report.scores)
    assert trace(figure, "random_walk").y == (0.0, 0.0, 0.0)
    at = {(row["model"], row["step"]): row["crps"] for row in report.scores.to_dict("records")}
    expected = [1 - at["gatecast", step] / at["random_walk", step] for step in (1, 2, 3)]
    np.testing.assert_allclose(trace(figure, "gatecast").y, expected, atol=1e-5)
    assert figure.data[-1].name == "gatecast"  # the subject lies over the others


def test_without_a_random_walk_the_score_itself_is_drawn():
    report, _ = walk(models=("gatecast", "narrow"))
    figure = figures.score_by_step(report.scores)
    single = report.scores[(report.scores["model"] == "gatecast") & (report.scores["step"] != "all")]
    np.testing.assert_allclose(trace(figure, "gatecast").y, single["crps"], rtol=1e-5)


def test_reliability_shows_a_narrow_fan_as_too_steep_a_tail():
    report, _ = walk()
    figure = figures.reliability(report.forecasts)
    levels = np.array(trace(figure, "narrow").x)
    narrow, honest = (np.array(trace(figure, name).y) for name in ("narrow", "gatecast"))
    assert (narrow[levels < 0.3] > levels[levels < 0.3]).all()
    assert (narrow[levels > 0.7] < levels[levels > 0.7]).all()
    assert np.abs(honest - levels).max() < np.abs(narrow - levels).max()
    low, high = edges(figure, "95% interval")
    assert (low < high).all()


def test_pit_bars_are_shares_that_sum_to_one_and_a_narrow_fan_is_high_at_the_ends():
    report, _ = walk()
    bars = np.array(figures.pit_histogram(report.forecasts, model="narrow").data[0].y)
    assert bars.sum() == pytest.approx(1, abs=1e-5)
    assert bars[0] + bars[-1] > 0.5
    at_the_edge = report.forecasts.assign(pit=1.0)
    assert figures.pit_histogram(at_the_edge).data[0].y[-1] == 1.0


def test_skill_bars_carry_the_interval_of_the_test():
    report, _ = walk()
    bar = figures.skill_bars(report.tests, subject="gatecast").data[0]
    tests = report.tests
    row = tests[(tests["model"] == "gatecast") & (tests["against"] == "random_walk") & (tests["loss"] == "crps")]
    row = row[row["step"] == "all"].iloc[0]
    at = list(bar.marker.color).index("#2f5fe0")
    assert bar.x[at] == pytest.approx(1 - row["mean_loss"] / row["mean_loss_against"], abs=1e-5)
    reach = stats.t.ppf(0.975, row["n"] - 1) / row["dm"] * bar.x[at]
    assert bar.error_x.array[at] == pytest.approx(reach, rel=1e-4)
    touching = tests.assign(dm=stats.t.ppf(0.975, tests["n"] - 1))  # p = 0.05: the whisker ends at zero
    bar = figures.skill_bars(touching, subject="gatecast").data[0]
    assert bar.x[at] == pytest.approx(bar.error_x.array[at], rel=1e-4)
    assert list(bar.x) == sorted(bar.x)


def test_a_very_bad_rival_does_not_flatten_the_others():
    rows = [{"switch": "a", "change": 0.1, "low": 0.05, "high": 0.15, "word": "helps"}]
    worse = {"switch": "b", "change": -9.0, "low": -12.0, "high": -6.0, "word": "hurts"}
    alone, beside = (figures.ablation_bars(some).layout.xaxis.range for some in (rows, [*rows, worse]))
    assert alone[0] < 0 and alone[1] > 0.15
    assert beside[0] == pytest.approx(-0.422) and beside[1] > 0.15


def test_two_equal_models_have_a_bar_without_a_whisker():
    report, _ = walk()
    tests = report.tests.assign(dm=np.nan, mean_loss=report.tests["mean_loss_against"])
    bar = figures.skill_bars(tests).data[0]
    assert set(bar.x) == {0.0} and set(bar.error_x.array) == {None}


def test_the_strip_shows_each_fan_with_the_observed_prices_and_nothing_known_too_early():
    report, prices = walk()
    rows = report.forecasts[(report.forecasts["model"] == "gatecast") & (report.forecasts["item_id"] == "X")]
    figure = figures.fan_strip(rows, prices["X"], history_rows=7)
    steps = figure.layout.sliders[0].steps
    assert len(steps) == 16 and figure.layout.sliders[0].active == 15
    names = [each.name for each in figure.data]
    for step in steps:
        shown = dict(zip(names, zip(step.args[0]["x"], step.args[0]["y"], strict=True), strict=True))
        made = rows[rows["cutoff"] == np.datetime64(step.label)]
        assert max(shown["Known"][0]) == step.label and len(shown["Known"][0]) == 7
        assert min(shown["Observed"][0]) > step.label
        np.testing.assert_allclose(shown["Observed"][1], made["actual"], rtol=1e-5)
        np.testing.assert_allclose(shown["Median"][1][1:], made["q50"], rtol=1e-5)
    assert list(figure.data[-1].y) == steps[-1].args[0]["y"][-1]
    assert len(figures.fan_strip(rows, prices["X"], most=5).layout.sliders[0].steps) == 5


def test_ablation_bars_keep_their_order_from_the_top_and_show_the_finding():
    figure = figures.ablation_bars(ABLATION)
    labels = figure.layout.yaxis.ticktext
    assert labels[-1] == "loss=mse<br>no difference" and labels[0].endswith("<br>helps")
    assert "<script" not in "".join(labels)


def test_every_colour_has_a_dark_counterpart():
    report, prices = walk()
    drawn = [
        figures.score_by_step(report.scores),
        figures.reliability(report.forecasts),
        figures.pit_histogram(report.forecasts),
        figures.skill_bars(report.tests),
        figures.ablation_bars(ABLATION),
        figures.fan_strip(report.forecasts[report.forecasts["model"] == "narrow"].query("item_id == 'X'"), prices["X"]),
    ]
    for figure in drawn:
        assert colours(json.loads(figure.to_json())) <= set(figures.DARK)


def test_the_page_has_the_verdict_first_and_the_best_in_bold():
    report, prices = walk()
    html = backtest_report(report, prices, ABLATION, title="A walk")
    assert html == backtest_report(report, prices, ABLATION, title="A walk")
    text = " ".join(Reader(html).text.split())
    assert text.index(report.verdict.text[:60]) < text.index("Skill against the random walk")
    assert "3 models · 16 origins · 2 assets · 3 steps ahead" in text and "a note of the walk" in text
    whole = report.scores[report.scores["step"] == "all"].set_index("model")
    best = f'<td class="best">{100 * whole["crps"].min():.2f}%</td>'
    worst = f'<td class="best">{100 * whole["crps"].max():.2f}%</td>'
    assert best in html and worst not in html
    skill = 1 - whole.at["gatecast", "crps"] / whole.at["random_walk", "crps"]
    assert f"{100 * skill:+.1f}%".replace("-", "\u2212") in text
    words = text[text.index("Scores") : text.index("Model CRPS")]
    assert all(word in words for word in ("CRPS", "Skill", "p-value", "log score", "MAE", "RMSE", "MASE", "90% band"))


def test_a_page_of_one_model_has_no_best_and_no_rivals():
    report, prices = walk(models=("random_walk",))
    html = backtest_report(report, prices)
    assert 'class="best"' not in html
    text = Reader(html).text
    assert "Skill against the random walk" not in text and "Effect of each improvement" not in text


def test_names_of_items_and_models_are_shown_and_never_run():
    report, prices = walk(items=(EVIL, "Y"), models=("gatecast", "random_walk", EVIL))
    seen = Reader(backtest_report(report, prices, ABLATION, title=EVIL))
    assert seen.text.count(EVIL) >= 5
    clean = Reader(backtest_report(*walk(), ABLATION, title="t"))
    assert [tag for tag, _ in seen.tags] == [tag for tag, _ in clean.tags]
    for name, spec in seen.scripts.items():
        if name in ("steps", "reliability", "skill", "ablation"):
            assert "<script" not in json.dumps(json.loads(spec))


def test_numbers_that_do_not_exist_are_dashes():
    report, prices = walk()
    blank = replace(report, scores=report.scores.assign(mase=np.nan, log_score=np.nan))
    html = backtest_report(blank, prices)
    assert "nan" not in Reader(html).text.lower() and html.count("<td>\u2013</td>") >= 6


def test_a_verdict_without_origins_is_shown_as_unknown() -> None:
    verdict = cannot_tell("gatecast", "there are 30 rows").to_dict()
    values = verdict_values(verdict)
    assert values is not None
    assert values["chips"] == [
        ("Median", "cannot tell"),
        ("Bands", "cannot tell"),
        ("Bands honest", "cannot tell"),
        ("Origins", "0"),
    ]
    judged = verdict_values({**verdict, "origins": 20})
    assert judged is not None and judged["chips"][0] == ("Median", "no evidence")

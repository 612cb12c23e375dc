"""Ablation: the same days and seeds for every variant, words that planted worlds earn, the guard's effect shown."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from conftest import TINY, simulated_series, texts
from gatecast.config import Config
from gatecast.errors import UsageError
from gatecast.faces import figures
from gatecast.judge import ablation
from gatecast.judge.ablation import ALL, ALL_BUT_GUARD, OFF, SCORES, Ablation, ablate
from gatecast.judge.report import Report
from gatecast.judge.scores import score_table
from gatecast.judge.significance import change_interval
from gatecast.judge.walkforward import FoldProgress
from gatecast.models.forecaster import Forecaster
from gatecast.prices import PriceTable


def rising(rows: int = 260) -> PriceTable:
    """A price that grows eightfold: a network of price levels meets levels it has never seen."""
    series = simulated_series("A", rows, 1)
    growth = np.exp(np.linspace(0, np.log(8), rows))
    columns = {name: values * growth for name, values in series.columns().items() if name != "volume"}
    return PriceTable(series=(replace(series, **columns),))


def run(config: Config, table: PriceTable, **ways: object) -> Ablation:
    plan = {"horizon": 2, "cutoffs": 10, "refit": 0, "paths": 40, **ways}
    return ablate(config, table, **plan)  # type: ignore[arg-type]


def word(found: Ablation, switch: str, score: str = "crps") -> str:
    return next(row.word for row in found.rows if (row.switch, row.score) == (switch, score))


@pytest.fixture(scope="module")
def judged() -> tuple[Ablation, list[Forecaster], Report]:
    """An ablation on the rising price, with the models it judged and the judge's report."""
    seen: list[tuple[list[Forecaster], Report]] = []
    judge = ablation.backtest

    def listening(models: list[Forecaster], *given: object, **ways: object) -> Report:
        report = judge(models, *given, **ways)  # type: ignore[arg-type]
        seen.append((models, report))
        return report

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ablation, "backtest", listening)
        found = run(TINY, rising())
    return found, *seen[0]


def test_every_variant_is_judged_on_the_same_origins_with_the_same_seeds(
    judged: tuple[Ablation, list[Forecaster], Report],
) -> None:
    found, models, report = judged
    seeds: dict[Config, list[int]] = {}
    for model in models:
        seeds.setdefault(model.config.replace(seed=0), []).append(model.config.seed)
    assert list(seeds.values()) == [[0, 1, 2]] * 7
    off = [[switch for switch in OFF if getattr(config, switch) == OFF[switch]] for config in seeds]
    assert sorted(off, key=len) == [[], *([switch] for switch in OFF), list(OFF)]
    keys = ["item_id", "cutoff", "step", "actual"]
    first, *others = (part[keys].reset_index(drop=True) for _, part in report.forecasts.groupby("model"))
    for other in others:
        pd.testing.assert_frame_equal(first, other)
    assert (found.origins, found.seeds, found.items, found.horizon) == (10, 3, 1, 2)


def test_the_numbers_are_those_of_the_judge(judged: tuple[Ablation, list[Forecaster], Report]) -> None:
    found, _, report = judged
    scores = score_table(report.forecasts)
    whole = scores[scores["step"] == "all"].set_index("model")
    assert [(row.switch, row.score) for row in found.rows] == [(o, s) for o in (*OFF, ALL) for s in SCORES]
    for row in found.rows:
        variant = "as set" if row.switch not in (*OFF, ALL) else row.off
        with_it = whole[whole.index.str.startswith("as set (")][row.score].mean()
        without = whole[whole.index.str.startswith(f"{variant} (")][row.score].mean()
        assert row.with_it == pytest.approx(with_it)
        assert row.without == pytest.approx(without)
        unit = 1 if row.score == "coverage_90" else with_it
        assert row.change == pytest.approx((without - with_it) / unit, abs=1e-9)
        assert row.low is not None and row.high is not None
        assert row.low <= row.change <= row.high


def test_an_improvement_that_matters_helps_and_one_that_does_nothing_makes_no_difference(
    judged: tuple[Ablation, list[Forecaster], Report],
) -> None:
    found = judged[0]
    assert [word(found, "returns", score) for score in SCORES] == ["helps"] * 3
    assert word(found, ALL) == "helps"
    assert [word(found, "bollinger_guard", score) for score in SCORES] == ["no difference"] * 3
    assert "helps: returns, all five" in found.text
    assert any("no band collapses in this history" in note for note in texts(found.notes))


def test_without_dropout_paths_and_noise_no_band_is_left() -> None:
    found = run(TINY.replace(noise="none", dropout=0.5), rising(), cutoffs=40)
    row = next(row for row in found.rows if (row.switch, row.score) == ("mc_dropout", "coverage_90"))
    assert row.without == 0 and row.word == "helps"


def test_a_switch_that_changes_nothing_is_noted() -> None:
    found = run(TINY.replace(dropout=0, noise="none"), rising())
    same = [row for row in found.rows if row.switch == "mc_dropout"]
    assert [(row.change, row.low, row.high, row.word) for row in same] == [(0, 0, 0, "no difference")] * 3
    assert "mc_dropout=false: the forecasts are the same with it and without." in texts(found.notes)


def test_an_improvement_that_is_off_is_turned_on_for_its_own_comparison(
    judged: tuple[Ablation, list[Forecaster], Report],
) -> None:
    found = run(TINY.replace(weights="none"), rising())
    mine, usual = ([row for row in ablated.rows if row.switch == "weights"] for ablated in (found, judged[0]))
    assert mine == usual
    assert [row for row in found.rows if row.switch == ALL] == [row for row in judged[0].rows if row.switch == ALL]
    assert [row for row in found.rows if row.switch == "loss"] != [
        row for row in judged[0].rows if row.switch == "loss"
    ]


@pytest.mark.parametrize("guard", [True, False])
def test_where_the_naive_formula_breaks_it_is_noted_and_the_others_are_judged(guard: bool) -> None:
    series = rising()["A"]
    close = series.close.copy()
    close[150:180] = close[150]
    table = PriceTable(series=(replace(series, close=close, open=None, high=None, low=None),))
    found = run(TINY.replace(bollinger_guard=guard), table)
    day = str(series.timestamps[169])[:10]
    text = f"the naive formula divides by zero on 11 rows of 'A' (first on {day})"
    assert any(text in note for note in texts(found.notes))
    assert any("the settings turn it off" in note for note in texts(found.notes)) is not guard
    assert [word(found, "bollinger_guard", score) for score in SCORES] == ["breaks"] * 3
    assert word(found, "returns") == "helps"
    assert list(dict.fromkeys(row.switch for row in found.rows)) == [*OFF, ALL_BUT_GUARD]
    assert "bollinger_guard" not in next(row.off for row in found.rows if row.switch == ALL_BUT_GUARD)
    broken = [row for row in found.rows if row.word == "breaks"]
    assert all(row.change is None and row.with_it is None for row in broken)
    json.dumps(found.to_dict(), allow_nan=False)
    assert len(figures.ablation_bars(found.to_rows()).data[0].y) == 6


def test_the_guard_is_shown_on_a_still_stretch_whatever_the_history(
    judged: tuple[Ablation, list[Forecaster], Report],
) -> None:
    notes = [note for note in texts(judged[0].notes) if "25 equal closes" in note]
    assert len(notes) == 1
    assert "is 0/0 on 7 rows; the guard gives 0.5 there" in notes[0]  # 26 equal closes hold 7 windows of 20


def test_a_run_goes_on_from_its_folds_to_the_same_document(
    judged: tuple[Ablation, list[Forecaster], Report], tmp_path: Path
) -> None:
    progress: list[FoldProgress] = []
    for _ in range(2):
        progress.clear()
        again = run(TINY, rising(), store=tmp_path, progress=progress.append)
        assert again.to_dict() == judged[0].to_dict()
    assert progress == [FoldProgress(done=210, total=210, resumed=210)]


def test_too_few_seeds_are_refused_and_too_few_origins_claim_nothing() -> None:
    with pytest.raises(UsageError, match="needs 3 seeds or more; got 2"):
        run(TINY, rising(), seeds=2)
    found = run(TINY, rising(), cutoffs=2)
    assert {row.word for row in found.rows} == {"cannot tell"}
    assert {(row.low, row.high) for row in found.rows} == {(None, None)}
    assert any("2 origins are too few" in note for note in texts(found.notes))
    json.dumps(found.to_dict(), allow_nan=False)


def test_the_luck_of_a_seed_is_not_taken_for_merit() -> None:
    rng = np.random.default_rng(5)
    false = {"crossed": 0, "origins alone": 0}
    for _ in range(400):
        luck, days = rng.normal(0, 1, (3, 1)), rng.normal(0, 1, (1, 40))
        differences = luck + days + rng.normal(0, 1, (3, 40))
        _, low, high = change_interval(differences)
        false["crossed"] += not low <= 0 <= high
        _, low, high = change_interval(np.repeat(differences.mean(axis=0)[None], 2, axis=0))
        false["origins alone"] += not low <= 0 <= high
    assert false["crossed"] <= 0.06 * 400
    assert false["origins alone"] > 0.2 * 400


def test_the_interval_finds_a_true_change_and_shrinks_with_origins() -> None:
    rng = np.random.default_rng(6)
    widths = []
    for origins in (20, 320):
        mean, low, high = change_interval(1 + rng.normal(0, 0.5, (4, origins)), overlap=1)
        assert low < mean < high and low > 0.5
        widths.append(high - low)
    assert widths[1] < widths[0] / 2


def test_coverage_is_judged_by_its_distance_from_the_level() -> None:
    def coverage_word(on: float, off: float) -> str:
        rng = np.random.default_rng(7)
        noise = rng.normal(0, 0.01, (2, 3, 40))
        return ablation._coverage_word(on + noise[0], off + noise[1], 0)

    assert coverage_word(0.90, 0.80) == coverage_word(0.90, 0.99) == "helps"
    assert coverage_word(0.80, 0.90) == coverage_word(0.99, 0.92) == "hurts"
    assert coverage_word(0.85, 0.95) == coverage_word(0.9, 0.905) == "no difference"


def test_no_difference_is_said_only_where_none_can_be_large() -> None:
    """A CRPS six times as large is luck where the interval holds zero, yet it is no evidence of equality."""

    def found(*interval: float) -> str:
        return ablation._word(interval, material=1e-4, negligible=0.01)  # type: ignore[arg-type]

    assert found(5.13, -0.4, 10.7) == found(0.001, -0.02, 0.022) == "cannot tell"
    assert found(0.001, -0.004, 0.006) == found(0.00005, 0.00001, 0.00009) == "no difference"
    assert found(5.13, 0.4, 9.9) == "helps" and found(-0.1, -0.15, -0.05) == "hurts"

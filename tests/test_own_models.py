"""Models that a user brings: found, run in a process of their own, and left out with one line where they fail."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from conftest import simulated_series, texts
from gatecast.cli.outputs import check_outputs
from gatecast.errors import ForeignError, UsageError
from gatecast.forecast import QUANTILES, Forecast
from gatecast.judge.report import Report
from gatecast.judge.walkforward import backtest
from gatecast.models.baselines import RandomWalk
from gatecast.models.foreign.isolated import Isolated
from gatecast.models.foreign.quantiles import forecast_from, price_paths
from gatecast.models.foreign.targets import Target, find
from gatecast.models.registry import parse_models
from gatecast.prices import PriceTable

OWN = '''
import os, random, time
import numpy as np
import pandas as pd
from beside import SIGMA
from gatecast import RandomWalk

print("a model that prints")
fits = []

def bands(prices, horizon):
    assert isinstance(prices.index, pd.DatetimeIndex) and (prices > 0).all()
    width = SIGMA * np.sqrt(np.arange(1, horizon + 1))
    return {"q05": prices.iloc[-1] * np.exp(-1.645 * width), 0.5: np.full(horizon, prices.iloc[-1]),
            0.95: prices.iloc[-1] * np.exp(1.645 * width)}

def point(prices, horizon):
    return np.full(horizon, prices.iloc[-1])

def chance(prices, horizon):
    return np.full(horizon, prices.iloc[-1] * (1 + 0.01 * random.random() + 0.01 * np.random.rand()))

class Walk(RandomWalk):
    """A Model as gatecast has it."""

class Mapping:
    def __init__(self):
        fits.append(1)
        assert len(fits) == 1  # of each fit a fresh process
    def fit(self, prices):
        self.last = {series.item_id: series.close[-1] for series in prices}
    def predict(self, prices, horizon, *, paths, seed):
        return {item: bands(pd.Series([close], index=pd.to_datetime(["2020-01-01"])), horizon)
                for item, close in self.last.items()}

class Fails(Mapping):
    def fit(self, prices):
        raise KeyError("no such\\nfile")

class NoPaths(RandomWalk):
    def predict(self, prices, horizon, *, paths, seed):
        return super().predict(prices, horizon + 1, paths=paths, seed=seed)

def raises(prices, horizon):
    raise ValueError("the disk is gone")

def leaves(prices, horizon):
    raise SystemExit(0)

def crashes(prices, horizon):
    os._exit(7)

def hangs(prices, horizon):
    time.sleep(60)

def crossing(prices, horizon):
    return {0.1: np.full(horizon, 2.0), 0.9: np.full(horizon, 1.0)}

number = 5
'''
FAILURES = {
    "raises": "its predict raised ValueError: the disk is gone (line 45). Correct it.",
    "Fails": "its fit raised KeyError: 'no such\\nfile' (line 38). Correct it.",
    "leaves": "its predict raised SystemExit: 0 (line 48). Correct it.",
    "crashes": "its process ended during predict (exit status 7). Correct it.",
    "hangs": "its predict took longer than 20 seconds. Give it more: timeout=80.",
    "crossing": "quantiles must not cross; at step 1 that of 0.9 is 1, below 2 of 0.1",
    "NoPaths": "paths are (paths, 2), two or more; got an array of shape (50, 3)",
    "number": "a model has fit and predict, or is a function; got a int",
}


@pytest.fixture
def own(tmp_path: Path) -> Path:
    (tmp_path / "beside.py").write_text("SIGMA = 0.01\n")
    path = tmp_path / "own.py"
    path.write_text(OWN)
    return path


def prices(rows: int = 120) -> PriceTable:
    return PriceTable(series=(simulated_series("A", rows, 1), simulated_series("B", rows, 2)))


def judged(own: Path, names: Sequence[str], *, cutoffs: int = 1, refit: int = 1) -> Report:
    models = parse_models(",".join(f"{own}:{name}" for name in names))
    return backtest([*models, RandomWalk()], prices(), horizon=2, cutoffs=cutoffs, refit=refit, paths=50)


def test_functions_and_classes_of_a_file_are_judged_as_any_model(own: Path) -> None:
    modules = set(sys.modules)
    report = judged(own, ["bands", "Walk", "Mapping"], cutoffs=2)
    assert {"beside", "own", "own_model"}.isdisjoint(set(sys.modules) - modules)
    assert str(own.parent) not in sys.path
    rows = dict(iter(report.forecasts.groupby("model")))
    bands = rows[f"{own}:bands"]
    edge = bands["last_close"] * np.exp(1.645 * 0.01 * np.sqrt(bands["step"]))
    np.testing.assert_allclose(bands["q95"], edge, rtol=2e-3)
    np.testing.assert_allclose(bands["q50"], bands["last_close"], rtol=1e-6)
    numbers = [*QUANTILES, "crps", "mean", "log_score"]
    np.testing.assert_array_equal(rows[f"{own}:Walk"][numbers], rows["random_walk"][numbers])
    np.testing.assert_array_equal(rows[f"{own}:Mapping"]["q05"], bands["q05"])


@pytest.mark.parametrize("name", FAILURES)
def test_a_model_that_fails_gets_one_line(own: Path, name: str) -> None:
    (model,) = parse_models(f"{own}:{name}", timeout=20.0)  # a busy machine needs seconds to start a process
    began = time.monotonic()
    with pytest.raises(ForeignError) as error:
        model.fit(prices()).predict(prices(), 2, paths=50)
    assert FAILURES[name] in str(error.value)
    assert "\n" not in str(error.value)
    assert time.monotonic() - began < 50


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ([np.nan, 1.0], "the 0.5 quantile is nan, not finite, at step 1"),
        ({0.1: [1.0, 1.0], 0.9: [2.0, np.inf]}, "the 0.9 quantile is inf, not finite, at step 2"),
        ([1.0, -1.0], "the 0.5 quantile is -1, not positive, at step 2"),
        ({0.9: [1.0, 1.0], "q10": [2.0, 0.5]}, "cross; at step 1 that of 0.9 is 1, below 2 of 0.1"),
        ([1.0], "each quantile has 2 prices, one a step; got an array of shape (1,)"),
        ("up", "got other values"),
        ([[1.0], "x"], "got other values"),
        ({50: [1.0, 1.0]}, "keys are levels between 0 and 1, each once; got 50"),
        ({"q05": [1.0, 1.0], 0.05: [1.0, 1.0]}, "keys are levels between 0 and 1, each once"),
        ({0.9: [1.0, 1.0]}, "quantiles are two or more, or the median; got 0.9"),
        ({}, "quantiles are two or more, or the median; got none"),
    ],
)
def test_an_answer_that_is_no_forecast_is_refused_in_one_line(answer: object, why: str) -> None:
    table = PriceTable(series=(simulated_series("A", 50, 1),))
    with pytest.raises(ForeignError) as error:
        forecast_from(table, 2, {"A": answer}, paths=20, seed=0)
    assert "forecast of 'A': " in str(error.value) and why in str(error.value)


@pytest.mark.parametrize("answers", [{}, {"B": [1.0, 1.0]}, {"A": [1.0, 1.0], "B": [1.0, 1.0]}])
def test_every_item_is_forecast_and_no_other(answers: dict[str, list[float]]) -> None:
    table = PriceTable(series=(simulated_series("A", 50, 1),))
    with pytest.raises(ForeignError, match="every item, each once, and no other"):
        forecast_from(table, 2, answers, paths=20, seed=0)


def test_the_others_go_on_and_the_report_says_which_was_left_out(own: Path) -> None:
    report = judged(own, ["crossing", "bands", "raises"], cutoffs=3, refit=0)
    assert report.verdict.model == f"{own}:bands"
    assert set(report.forecasts["model"]) == {f"{own}:bands", "random_walk"}
    cutoff = str(report.forecasts["cutoff"].min())[:10]
    said = [note for note in texts(report.notes) if "left out" in note]
    assert len(said) == 2
    assert said[0].startswith(f"model '{own}:crossing' is left out: at cutoff {cutoff}: forecast of 'A': quantiles")
    assert f"model '{own}:raises' is left out: at cutoff {cutoff}: its predict raised ValueError" in said[1]


def test_where_no_model_is_left_the_test_is_refused(own: Path) -> None:
    with pytest.raises(ForeignError, match=r"model '.*own\.py:raises' is left out: at cutoff"):
        backtest(parse_models(f"{own}:raises"), prices(), horizon=2, cutoffs=1, paths=50)


def test_the_process_of_a_model_ends_with_it(own: Path) -> None:
    (model,) = parse_models(f"{own}:bands")
    assert isinstance(model, Isolated)
    process = model.fit(prices()).child_._process
    assert process.poll() is None
    del model.child_
    assert process.poll() is not None


def test_the_same_seed_gives_the_same_bytes_of_a_model_that_draws_from_the_world(own: Path) -> None:
    def paths(seed: int) -> np.ndarray:
        (model,) = parse_models(f"{own}:chance")
        forecast: Forecast = model.fit(prices()).predict(prices(), 2, paths=20, seed=seed)
        return forecast["A"].paths

    np.testing.assert_array_equal(paths(1), paths(1))
    assert (paths(1) != paths(2)).all()


def test_a_point_has_no_bands_and_only_its_median_is_judged(own: Path) -> None:
    report = judged(own, ["point"], cutoffs=10, refit=0)
    rows = report.forecasts[report.forecasts["model"] == f"{own}:point"]
    np.testing.assert_allclose(rows["crps"], np.abs(np.log(rows["actual"] / rows["last_close"])))
    verdict = report.verdict
    assert "It gives prices and no bands, so only its median is judged." in verdict.text
    assert "Bands:" not in verdict.text and verdict.honest.coverage is None and verdict.bands == "no evidence"
    assert any("a point and no bands" in note for note in texts(report.notes))


def test_paths_have_the_quantiles_that_were_given_and_the_tails_of_a_log_normal() -> None:
    levels = np.array([0.1, 0.5, 0.9])
    values = 100 * np.exp(np.outer([-1.2815515655, 0, 1.2815515655], 0.02 * np.sqrt([1, 2, 3])))
    paths = price_paths(levels, values, 4001, np.random.default_rng(0))
    np.testing.assert_allclose(np.quantile(paths, levels, axis=0), values, rtol=1e-4)
    np.testing.assert_allclose(
        np.quantile(paths, 0.99, axis=0), 100 * np.exp(2.3263 * 0.02 * np.sqrt([1, 2, 3])), rtol=2e-4
    )
    together = np.corrcoef(np.log(paths[:, 0]), np.log(paths[:, 2]))[0, 1]
    assert together == pytest.approx(np.sqrt(1 / 3), abs=0.05)  # as of a random walk


def test_scaled_prices_have_scaled_paths() -> None:
    table = PriceTable(series=(simulated_series("A", 50, 1, columns=False),))
    answer = {0.1: [90.0, 80.0], 0.6: [100.0, 101.0], 0.9: [110.0, 120.0]}
    plain = forecast_from(table, 2, {"A": answer}, paths=30, seed=3)["A"].paths
    scaled = {level: 7 * np.array(row) for level, row in answer.items()}
    np.testing.assert_allclose(forecast_from(table, 2, {"A": scaled}, paths=30, seed=3)["A"].paths, 7 * plain)


@pytest.mark.parametrize(
    ("word", "why"),
    [
        ("none.py:Walk", "'none.py' cannot (No such file"),
        ("{own}", "It has: bands, point"),
        ("{own}:Wakl", "got 'Wakl'"),
        ("{bad}:x", "is not at line 1"),
        ("nothing", "There are: gatecast, random_walk,"),
        ("statsforecast", "statsforecast"),
    ],
)
def test_a_word_that_names_no_model_is_refused_before_the_work(own: Path, word: str, why: str) -> None:
    bad = own.with_name("bad.py")
    bad.write_text("def x(:\n")
    with pytest.raises(UsageError) as error:
        parse_models(word.format(own=own, bad=bad))
    assert why in str(error.value)


def test_folds_of_a_file_are_not_stored_since_its_code_may_change(own: Path, tmp_path: Path) -> None:
    store = tmp_path / "folds"
    models = parse_models(f"{own}:point,random_walk")
    backtest(models, prices(), horizon=2, cutoffs=1, paths=50, store=store)
    assert len(list(store.glob("*.json"))) == 1


def test_an_entry_point_of_a_package_is_a_model_by_name(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package(own.parent)
    monkeypatch.syspath_prepend(str(own.parent))
    monkeypatch.setenv("PYTHONPATH", str(own.parent), prepend=":")
    assert find("owned") == Target(kind="entry point", place="owned")
    (model,) = parse_models("owned")
    assert model.fit(prices()).predict(prices(), 2, paths=20).n_paths == 20
    with pytest.raises(UsageError, match="owned"):
        parse_models("unowned")


def package(folder: Path) -> None:
    """An installed package that declares a model, as its metadata has it."""
    (folder / "owned_package.py").write_text("def forecast(prices, horizon):\n    return [prices.iloc[-1]] * horizon\n")
    info = folder / "owned_package-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: owned-package\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[gatecast.models]\nowned = owned_package:forecast\n")


def test_a_model_that_forks_is_left_out_and_a_file_of_a_model_is_no_output(tmp_path: Path) -> None:
    file = tmp_path / "forking.py"
    file.write_text("import os\ndef forked(p, h):\n    os.fork()\n    return [float(p.iloc[-1])] * h\n")
    table = PriceTable(series=(simulated_series("X", 200, 1),))
    model = Isolated(find(f"{file}:forked"), name="forked", timeout=30.0)
    cutoffs = table.series[0].timestamps[[120, 140, 160]]
    with pytest.raises(ForeignError, match="another process"):
        model.fit(table.until(cutoffs[0]))
        for cutoff in cutoffs:
            model.predict(table.until(cutoff), 2, paths=50)
    with pytest.raises(UsageError, match="file of a model"):
        check_outputs("sample:aapl", rows=file, models=f"random_walk,{file}:forked")

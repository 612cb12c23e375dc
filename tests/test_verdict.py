"""The verdict: right where the truth is planted, silent where the data cannot tell, and plain to read."""

from __future__ import annotations

import importlib.util
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

from gatecast.forecast import QUANTILES
from gatecast.judge.comparisons import compare, loss
from gatecast.judge.decision import decide
from gatecast.judge.scores import COLUMNS
from gatecast.judge.significance import diebold_mariano, holm
from gatecast.judge.verdict import Verdict, judge
from gatecast.judge.walkforward import backtest
from gatecast.models.baselines import Drift, Ema, RandomWalk, Sma
from gatecast.prices import PriceTable

WORDS = {"skill", "no evidence", "worse"}
Z_SCORES = (-2.3, -2, -1.6, -1.3, -0.8, -0.7, -0.5, -0.25, 0, 0.25, 0.5, 0.7, 0.8, 1.3, 1.6, 2, 2.3)
NORMAL = dict(zip(QUANTILES, Z_SCORES, strict=True))


@dataclass(frozen=True)
class Planted:
    """A model's forecasts by hand: its median's error and its fan's CRPS, as shares of the random walk's."""

    name: str
    error: float = 1.0
    crps: float = 1.0
    width: float = 1.0
    only_step: int | None = None  # where the shares hold; elsewhere it is like the random walk


def planted(*models: Planted, origins: int = 60) -> Verdict:
    forecasts = planted_rows(*models, origins=origins)
    return judge(forecasts, compare(forecasts))


def planted_rows(*models: Planted, origins: int = 60, steps: int = 3, items: int = 2) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    moved = 0.01 * rng.standard_normal((origins, items, steps))
    blur = np.exp(0.05 * rng.standard_normal((len(models), origins, items, steps)))
    days = pd.bdate_range("2020-01-01", periods=origins * steps + steps).to_numpy().astype("datetime64[ns]")
    rows = []
    for number, model in enumerate(models):
        for origin, item, step in np.ndindex(origins, items, steps):
            here = model.only_step in (None, step + 1)
            noise = blur[number, origin, item, step] if model.name != "random_walk" else 1.0
            move = moved[origin, item, step]
            median = move - move * (model.error if here else 1.0) * noise
            last = 100.0
            rows.append(
                {
                    "model": model.name,
                    "item_id": f"A{item}",
                    "cutoff": days[origin * steps],
                    "step": step + 1,
                    "timestamp": days[origin * steps + step + 1],
                    "last_close": last,
                    "actual": last * np.exp(move),
                    **{name: last * np.exp(median + 0.01 * z * model.width) for name, z in NORMAL.items()},
                    "log_score": np.nan,
                    "crps": 0.005 * noise * (model.crps if here else 1.0) + 0.3 * abs(move),
                    "pit": 0.5,
                    "mean": last,
                    "naive_scale": 1.0,
                }
            )
    return pd.DataFrame(rows, columns=list(COLUMNS))


def test_it_knows_skill_from_worse_in_the_median_and_in_the_bands_apart() -> None:
    walk = Planted("random_walk")
    good_middle = planted(Planted("m", error=0.9), walk)
    assert (good_middle.median, good_middle.bands) == ("skill", "no evidence")
    good_bands = planted(Planted("m", crps=0.8), walk)
    assert (good_bands.median, good_bands.bands) == ("no evidence", "skill")
    bad = planted(Planted("m", error=1.1, crps=1.3), walk)
    assert (bad.median, bad.bands) == ("worse", "worse")
    assert "Do not use its median" in bad.text and "do not use its bands" in bad.text
    assert "Use its median" in good_middle.text and "use its bands for the risk" in good_bands.text


def test_losses_are_of_the_median_and_the_mean_the_paths_and_the_density() -> None:
    rows = planted_rows(Planted("m"), origins=4)
    moved = np.log(rows["actual"] / rows["last_close"])
    middle = np.log(rows["q50"] / rows["last_close"])
    np.testing.assert_allclose(loss(rows, "absolute_error"), (moved - middle).abs())
    np.testing.assert_allclose(loss(rows, "squared_error"), (rows["actual"] / 100 - rows["mean"] / 100) ** 2)
    np.testing.assert_allclose(loss(rows, "crps"), rows["crps"])
    np.testing.assert_allclose(loss(rows.assign(log_score=3.0), "log_score"), -3.0)


def test_tests_average_assets_by_cutoff_first_and_correct_for_the_number_of_rivals() -> None:
    rows = planted_rows(Planted("m", crps=0.99), Planted("random_walk"), Planted("garch"), Planted("har"))
    tests = compare(rows).set_index(["model", "against", "loss", "step"]).sort_index()
    assert set(tests["n"]) == {60}
    of = {name: rows[rows["model"] == name] for name in ("m", "random_walk")}
    means = {name: table.groupby("cutoff")["crps"].mean().to_numpy() for name, table in of.items()}
    by_hand = diebold_mariano(means["random_walk"] - means["m"])
    row = tests.loc[("m", "random_walk", "crps", "all")]
    assert (row["dm"], row["p_value"]) == pytest.approx((by_hand.dm, by_hand.p_value))
    family = tests.xs(("m", "crps", 2), level=("model", "loss", "step"))
    np.testing.assert_allclose(family["p_holm"], holm(family["p_value"].to_numpy()))
    assert set(tests.loc["garch"].index.get_level_values("against")) == {"random_walk"}


def test_a_win_over_a_rival_counts_only_after_holms_correction() -> None:
    rows = planted_rows(Planted("m", crps=0.9), Planted("random_walk"), Planted("garch"))
    tests = compare(rows)
    assert judge(rows, tests).against["garch"]["bands"] == "skill"
    assert judge(rows, tests.assign(p_holm=0.2)).against["garch"]["bands"] == "no evidence"


def test_a_difference_in_the_eighth_digit_is_no_skill() -> None:
    rows = planted_rows(Planted("m"), Planted("random_walk"))
    rows["q50"] = rows["last_close"]
    mine = rows["model"] == "m"
    rows.loc[mine, "q50"] *= 1 + 1e-8 * np.sign(rows["actual"] - rows["last_close"])
    assert compare(rows).query("loss == 'absolute_error' and step == 'all'")["p_value"].item() < 1e-3
    verdict = judge(rows, compare(rows))
    assert verdict.median == "no evidence" and "absolute error of returns equals the random walk's." in verdict.text


def test_the_random_walk_may_be_named_first() -> None:
    verdict = planted(Planted("random_walk"), Planted("m", crps=0.8))
    assert (verdict.model, verdict.bands) == ("m", "skill")


def test_it_names_the_steps_where_the_skill_is() -> None:
    verdict = planted(Planted("m", error=0.8, crps=0.7, only_step=2), Planted("random_walk"))
    assert verdict.steps == {"median": (2,), "bands": (2,)}
    assert "at step 2)" in verdict.text


def test_it_holds_the_model_against_every_other_rival() -> None:
    models = (Planted("m", crps=0.8), Planted("random_walk"), Planted("garch", crps=0.5), Planted("har", crps=1.0))
    verdict = planted(*models)
    assert {rival: words["bands"] for rival, words in verdict.against.items()} == {"garch": "worse", "har": "skill"}
    assert "its bands are better than har; its bands are worse than garch" in verdict.text


@pytest.mark.parametrize(("width", "ok", "word"), [(1.0, True, "honest"), (0.5, False, "narrow"), (2.5, False, "wide")])
def test_honesty_is_coverage_with_its_interval(width: float, ok: bool, word: str) -> None:
    # A random walk's median at the last close, so that the bands hold what their width says.
    verdict = planted(Planted("m", error=1.0, width=width), Planted("random_walk"), origins=200)
    assert verdict.honest.ok is ok and word in verdict.text
    assert verdict.honest.low <= verdict.honest.coverage <= verdict.honest.high
    assert (verdict.honest.low <= 0.9 <= verdict.honest.high) is ok


def test_too_few_origins_cannot_tell_however_large_the_gain() -> None:
    verdict = planted(Planted("m", error=0.5, crps=0.3), Planted("random_walk"), Planted("garch"), origins=5)
    assert (verdict.median, verdict.bands, verdict.honest.ok, verdict.origins) == ("no evidence",) * 2 + (None, 5)
    assert verdict.steps == {"median": (), "bands": ()}
    assert set(verdict.against["garch"].values()) == {"no evidence"}
    assert "Fewer than 8 origins" in verdict.text and "cannot tell whether to trust it" in verdict.text


def test_without_a_random_walk_skill_cannot_be_judged() -> None:
    for verdict in (planted(Planted("m", crps=0.5), Planted("garch")), planted(Planted("random_walk"))):
        assert (verdict.median, verdict.bands) == ("no evidence", "no evidence")
    assert "add random_walk" in planted(Planted("m")).text


def test_prices_that_never_move_have_nothing_to_forecast() -> None:
    days = pd.bdate_range("2020-01-01", periods=300)
    flat = PriceTable.from_close({"X": (np.full(300, 71.3), days)})
    for model in (Drift(), Sma(), Ema()):
        report = backtest([model, RandomWalk()], flat, horizon=2, cutoffs=60, paths=20)
        verdict = report.verdict
        assert (verdict.median, verdict.bands, verdict.honest.ok) == ("no evidence", "no evidence", None)
        assert verdict.honest.coverage == 1.0
        assert "nan" not in verdict.text and "Do not use" not in verdict.text
        assert "No price moved, so there was nothing to forecast: no evidence" in verdict.text


def test_one_still_asset_does_not_hide_the_others_mase() -> None:
    days = pd.bdate_range("2020-01-01", periods=200)
    walk = 100 * np.exp(np.random.default_rng(0).normal(0, 0.01, 200).cumsum())
    both = PriceTable.from_close({"X": (walk, days), "still": (np.full(200, 5.0), days)})
    alone = PriceTable.from_close({"X": (walk, days)})
    of = [
        backtest([RandomWalk()], table, horizon=2, cutoffs=9, paths=20).scores["mase"].to_numpy()
        for table in (both, alone)
    ]
    np.testing.assert_allclose(of[0], of[1])


def overlapping(rows: pd.DataFrame, steps: int) -> pd.DataFrame:
    """The same forecasts, a day apart instead of `steps`."""
    days = pd.bdate_range("2020-01-01", periods=400).to_numpy().astype("datetime64[ns]")
    number = rows["cutoff"].rank(method="dense").astype(int).to_numpy()
    return rows.assign(cutoff=days[number], timestamp=days[number + rows["step"].to_numpy()])


def test_origins_that_share_days_are_not_counted_as_if_they_did_not() -> None:
    rows = planted_rows(Planted("m", error=0.5, crps=0.3), Planted("random_walk"), origins=20, steps=3)
    assert judge(rows, compare(rows)).median == "skill"
    shared = overlapping(rows, 3)
    verdict = judge(shared, compare(shared))
    assert (verdict.median, verdict.bands, verdict.honest.ok, verdict.origins) == (
        "no evidence",
        "no evidence",
        None,
        20,
    )
    assert "Only 7 of these origins share no days" in verdict.text and "luck (p" not in verdict.text
    more = planted_rows(Planted("m", error=0.5, crps=0.3), Planted("random_walk"), origins=90, steps=3)
    many = overlapping(more, 3)
    assert judge(many, compare(many)).median == "skill"


@pytest.mark.parametrize(
    ("p_value", "text"),
    [(0.0498, "p = 0.0498"), (0.04999, "p < 0.05"), (0.05001, "p = 0.05"), (0.7, "p = 0.7"), (9e-4, "p < 0.001")],
)
def test_a_p_value_stands_on_its_side_of_the_threshold(p_value: float, text: str) -> None:
    rows = planted_rows(Planted("m", crps=0.9), Planted("random_walk"))
    verdict = judge(rows, compare(rows).assign(p_value=p_value))
    assert text in verdict.text and (verdict.bands == "skill") is (p_value < 0.05)


@pytest.mark.parametrize("origins", [1, 2, 7])
def test_under_eight_origins_no_p_value_is_shown(origins: int) -> None:
    verdict = planted(Planted("m", error=0.5, crps=0.3), Planted("random_walk"), origins=origins)
    assert "(p" not in verdict.text and "luck" in verdict.text and "smaller than" in verdict.text


def test_gain_and_coverage_count_every_cutoff_once() -> None:
    rows = planted_rows(Planted("m", error=0.9), Planted("random_walk"), origins=40)
    half = rows[(rows["item_id"] == "A0") | (rows["cutoff"] > rows["cutoff"].median())]
    verdict = judge(half, compare(half))
    mine = half[half["model"] == "m"]
    held = (mine["q05"] <= mine["actual"]) & (mine["actual"] <= mine["q95"])
    assert verdict.honest.coverage == pytest.approx(held.groupby(mine["cutoff"]).mean().mean())


def test_it_is_one_paragraph_and_plain_json() -> None:
    verdict = planted(Planted("m", crps=0.8), Planted("random_walk"), Planted("garch"))
    document = json.loads(json.dumps(verdict.to_dict(), allow_nan=False))
    assert str(verdict) == verdict.text == document["text"] and "\n" not in verdict.text
    assert {document["median"], document["bands"], *document["against"]["garch"].values()} <= WORDS
    assert set(document["honest"]) == {"level", "coverage", "low", "high", "ok"}
    assert (document["origins"], document["model"]) == (60, "m")


@pytest.fixture(scope="module")
def truth() -> ModuleType:
    """The benchmark of the planted truth, of which the tests below are a smaller version."""
    path = Path(__file__).parents[1] / "benchmarks" / "truth.py"
    spec = importlib.util.spec_from_file_location("truth", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["truth"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def test_an_ar1_is_found_in_the_median_by_a_model_that_knows_it(truth: ModuleType) -> None:
    found = [claim for number in range(4) for claim in truth.claims("ar1", number, 900)]
    assert sum(median == "skill" for _, median, _ in found) >= 3


def test_regimes_are_found_in_the_bands_by_a_model_that_knows_them(truth: ModuleType) -> None:
    found = [claim for number in range(4) for claim in truth.claims("regimes", number, 500)]
    assert sum(bands == "skill" for _, _, bands in found) >= 3
    assert sum(median == "skill" for _, median, _ in found) == 0


def test_on_random_walks_skill_is_hardly_ever_claimed(truth: ModuleType) -> None:
    found = [claim for number in range(6) for claim in truth.claims("random_walk", number, 100)]
    assert sum("skill" in (median, bands) for _, median, bands in found) <= 2  # of 18; at most 2.5% a claim


def test_nor_where_five_days_are_forecast_every_day(truth: ModuleType) -> None:
    found = [claim for number in range(12) for claim in truth.claims("overlap", number, 60)]
    assert sum("skill" in (median, bands) for _, median, bands in found) <= 2  # of 24


def test_a_rival_without_an_answer_of_its_own_is_no_rival() -> None:
    rows = planted_rows(Planted("m", crps=0.5), Planted("random_walk"), Planted("har"))
    number = len(rows[rows["model"] == "har"][["item_id", "cutoff"]].drop_duplicates())
    tests = compare(rows)
    assert "har" in judge(rows, tests).against
    verdict = judge(rows, tests, {"har": number})
    assert "har" not in verdict.against and "har fell back" in verdict.text


@pytest.mark.parametrize(
    ("run", "misses", "ok"), [(1, 40, True), (50, 1, None), (80, 1, False)], ids=["near", "cannot tell", "narrow"]
)
def test_an_interval_that_reaches_far_from_its_level_calls_no_band_honest(
    run: int, misses: int, ok: bool | None
) -> None:
    """Hits in runs: about the same coverage, known to within a few points or hardly at all."""
    rows = planted_rows(Planted("m"), Planted("random_walk"), origins=400, steps=1, items=1)
    order = np.random.default_rng(1).permutation(400 // run)
    hits = np.repeat(order >= misses, run)
    rows.loc[:, "actual"] = 100.0 * np.exp(np.tile(np.where(hits, 0.001, 0.2), 2))
    honest = decide(rows, compare(rows), {}, {}, {}).honest
    assert honest.ok is ok
    assert (honest.low <= 0.9 <= honest.high) == (ok is not False)
    if ok is not False:
        assert (max(0.9 - honest.low, honest.high - 0.9) <= 0.10) == bool(ok)

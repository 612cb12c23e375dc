"""The walk-forward test: nothing after a cutoff matters, and nothing finished is done twice."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from conftest import texts
from gatecast.config import Config
from gatecast.errors import DataError, GatecastError, TooFewRows, UsageError
from gatecast.forecast import QUANTILES, Density, Forecast, ItemForecast
from gatecast.judge import metrics
from gatecast.judge.fold_store import settings_of
from gatecast.judge.plan import apart, overlaps, plan_walk
from gatecast.judge.report import Report
from gatecast.judge.scores import COLUMNS
from gatecast.judge.walkforward import backtest, cutoff_seed
from gatecast.models.baselines import BASELINES, Drift, RandomWalk, Sma
from gatecast.models.forecaster import Forecaster
from gatecast.notes import Note
from gatecast.prices import PriceTable

SIGMA = 0.01


@dataclass
class Bell:
    """Normal steps about the last close; notes each fit and predict in a file.

    Breaks at the date that a file `break` beside the log names.
    """

    log: Path
    name: str = "bell"
    least: int = 1

    def fit(self, prices: PriceTable) -> Self:
        self._tell("fit", prices)
        if max(len(series) for series in prices) < self.least:
            raise TooFewRows(f"needs {self.least} rows")
        self.sigma_ = SIGMA
        return self

    def predict(self, prices: PriceTable, horizon: int, *, paths: int = 1000, seed: int = 0) -> Forecast:
        self._tell("predict", prices)
        trap = self.log.with_name("break")
        if trap.exists() and str(prices.series[0].timestamps[-1]).startswith(trap.read_text()):
            raise DataError("the disk is full")
        items = []
        for series in prices:
            draws = np.random.default_rng(seed).normal(0, self.sigma_, (paths, horizon)).cumsum(axis=1)
            width = np.broadcast_to(self.sigma_ * np.sqrt(np.arange(1, horizon + 1)), (1, horizon))
            items.append(
                ItemForecast(
                    item_id=series.item_id,
                    last_timestamp=series.timestamps[-1],
                    last_close=float(series.close[-1]),
                    timestamps=series.timestamps[-1] + np.arange(1, horizon + 1) * np.timedelta64(1, "D"),
                    paths=series.close[-1] * np.exp(draws),
                    density=Density(loc=0 * width, scale=width, df=np.full((1, horizon), np.inf)),
                    notes=(Note("model", f"seen {len(series)}"),),
                )
            )
        return Forecast(items=tuple(items), seed=seed)

    def _tell(self, what: str, prices: PriceTable) -> None:
        last = max(str(series.timestamps[-1])[:10] for series in prices)
        with self.log.open("a") as log:
            log.write(f"{what} {last} {max(len(series) for series in prices)} {','.join(prices.item_ids)}\n")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log.txt"


def events(log: Path, what: str) -> list[list[str]]:
    return [line.split()[1:] for line in log.read_text().splitlines() if line.startswith(what)]


def walk(rows: int = 300, items: int = 1, seed: int = 0) -> PriceTable:
    rng, days = np.random.default_rng(seed), pd.bdate_range("2020-01-01", periods=rows)
    return PriceTable.from_close(
        {f"A{i}": (100 * np.exp(rng.normal(0, SIGMA, rows).cumsum()), days) for i in range(items)}
    )


def test_the_rows_are_those_of_the_plan_and_the_last_cutoff_leaves_just_the_horizon(log: Path) -> None:
    table = walk(items=2)
    report = backtest([Bell(log), RandomWalk()], table, horizon=3, cutoffs=7, paths=50)
    rows = report.forecasts
    assert tuple(rows.columns) == COLUMNS
    assert len(rows) == 2 * 2 * 7 * 3 and not rows.duplicated(["model", "item_id", "cutoff", "step"]).any()
    assert rows["cutoff"].max() == table["A0"].timestamps[-4]
    spaced = np.diff(np.searchsorted(table["A0"].timestamps, np.unique(rows["cutoff"])))
    assert spaced.min() >= 3 and np.ptp(spaced) <= 1
    row = rows[(rows["model"] == "bell") & (rows["item_id"] == "A1")].iloc[4]
    place = int(np.searchsorted(table["A1"].timestamps, row["cutoff"].to_datetime64())) + row["step"]
    assert (row["timestamp"], row["actual"]) == (table["A1"].timestamps[place], table["A1"].close[place])
    assert row["last_close"] == table["A1"].close[place - row["step"]]


def test_scores_are_recomputed_from_the_rows(log: Path) -> None:
    report = backtest([Bell(log), Drift()], walk(items=2), horizon=2, cutoffs=10, paths=2000)
    rows = report.forecasts[report.forecasts["model"] == "bell"]
    score = report.scores.set_index(["model", "step"]).loc[("bell", "all")]
    moved = np.log(rows["actual"] / rows["last_close"])
    published = stats.norm.logpdf(moved, 0, SIGMA * np.sqrt(rows["step"]))
    np.testing.assert_allclose(rows["log_score"], published)
    assert score["log_score"] == pytest.approx(published.mean())
    assert score["coverage_90"] == ((rows["q05"] <= rows["actual"]) & (rows["actual"] <= rows["q95"])).mean()
    assert score["width_90"] == pytest.approx(np.log(rows["q95"] / rows["q05"]).mean())
    assert score["mae"] == pytest.approx((rows["actual"] - rows["q50"]).abs().mean())
    levels = np.array(list(QUANTILES.values()))
    quantiles = np.log(rows[list(QUANTILES)].to_numpy() / rows["last_close"].to_numpy()[:, None])
    about = 2 * np.trapezoid(
        [metrics.pinball(quantiles[:, [k]], moved.to_numpy(), levels[[k]]).mean() for k in range(len(levels))], levels
    )
    assert score["crps"] == pytest.approx(about, rel=0.03)  # the stored quantiles stop at 1% and 99%
    assert set(report.scores["step"]) == {"all", 1, 2} and (score["n"] == len(rows))


def test_crps_and_pit_are_those_of_the_paths(log: Path) -> None:
    table = walk()
    rows = backtest([Bell(log)], table, horizon=2, cutoffs=3, paths=60).forecasts
    cutoff = rows["cutoff"].iloc[0]
    seed = cutoff_seed(0, cutoff.to_datetime64())
    item = Bell(log).fit(table).predict(table.until(cutoff), 2, paths=60, seed=seed)["A0"]
    first = rows[rows["cutoff"] == cutoff]
    moves, moved = (np.log(item.paths / item.last_close), np.log(first["actual"] / first["last_close"]).to_numpy())
    np.testing.assert_allclose(first["crps"], metrics.crps_paths(moves.T, moved))
    np.testing.assert_allclose(first["pit"], (moves < moved).mean(axis=0))
    np.testing.assert_allclose(first["q05"], item.quantile(0.05))
    np.testing.assert_allclose(first["mean"], item.mean)


@pytest.mark.parametrize("refit", [0, 1, 3])
def test_prices_after_a_cutoff_change_no_forecast_made_at_it(log: Path, refit: int) -> None:
    table = walk(items=2)
    models = [Bell(log), RandomWalk(), Drift()]
    before = backtest(models, table, horizon=2, cutoffs=6, paths=40, refit=refit).forecasts
    middle = np.unique(before["cutoff"])[3]
    after = tuple(replace(series, close=series.close * np.where(series.timestamps > middle, 2, 1)) for series in table)
    changed = backtest(models, replace(table, series=after), horizon=2, cutoffs=6, paths=40, refit=refit).forecasts
    made = [*QUANTILES, "mean", "last_close", "naive_scale", "timestamp"]
    early = (before["cutoff"] <= middle).to_numpy()
    pd.testing.assert_frame_equal(before.loc[early, made], changed.loc[early, made])
    assert not np.allclose(before.loc[~early, "q50"], changed.loc[~early, "q50"])
    at_middle = (before["cutoff"] == middle).to_numpy()
    np.testing.assert_allclose(changed.loc[at_middle, "actual"], 2 * before.loc[at_middle, "actual"])


def test_a_model_is_shown_nothing_after_the_cutoff_and_no_more_than_the_span(log: Path) -> None:
    table = walk(items=2)
    report = backtest([Bell(log)], table, horizon=2, cutoffs=5, span=40, paths=10)
    days = [str(stamp)[:10] for stamp in np.unique(report.forecasts["cutoff"])]
    assert [last for last, _, _ in events(log, "predict")] == days == [last for last, _, _ in events(log, "fit")]
    assert {rows for _, rows, _ in events(log, "fit") + events(log, "predict")} == {"40"}
    older = tuple(replace(series, close=np.r_[series.close[:60] * 3, series.close[60:]]) for series in table)
    again = backtest([Bell(log)], replace(table, series=older), horizon=2, cutoffs=5, span=40, paths=10)
    pd.testing.assert_frame_equal(report.forecasts, again.forecasts)


def test_refit_says_how_often_a_model_learns(log: Path) -> None:
    for refit, fits in ((1, 6), (2, 3), (4, 2), (0, 1)):
        log.unlink(missing_ok=True)
        backtest([Bell(log)], walk(), horizon=2, cutoffs=6, refit=refit, paths=10)
        assert (len(events(log, "fit")), len(events(log, "predict"))) == (fits, 6)


@dataclass
class Unlearned(Bell):
    """A model without weights."""

    learns: bool = False


def test_a_model_that_learns_no_weights_goes_on_while_the_items_are_the_same(log: Path) -> None:
    days = [str(stamp)[:10] for stamp in plan_walk(walk(), horizon=2, cutoffs=6).cutoffs]
    backtest([Unlearned(log)], walk(), horizon=2, cutoffs=6, paths=10)
    assert [last for last, _, _ in events(log, "fit")] == days[:1]
    assert len(events(log, "predict")) == 6
    log.unlink()
    first = walk().series[0]
    late = first.rows(int(np.searchsorted(first.timestamps, np.datetime64(days[3]))) - 29, len(first))
    table = PriceTable(series=(first, replace(late, item_id="late")))
    backtest([Unlearned(log)], table, horizon=2, cutoffs=6, paths=10, min_rows=30)
    begun = [str(stamp)[:10] for stamp in plan_walk(table, horizon=2, cutoffs=6, min_rows=30).cutoffs]
    joined = next(day for day in begun if np.datetime64(day) >= late.timestamps[29])
    assert [last for last, _, _ in events(log, "fit")] == sorted({begun[0], joined})
    log.unlink()
    backtest([Unlearned(log)], walk(), horizon=2, cutoffs=6, paths=10, span=40)
    assert len(events(log, "fit")) == 6


def test_the_base_network_learns_nothing_and_others_do() -> None:
    presets = ("base", "default", "quick")
    assert [Forecaster(Config.from_preset(preset)).learns for preset in presets] == [False, True, True]


def test_the_number_of_jobs_does_not_matter(log: Path) -> None:
    told_of: list[int] = []
    reports = [
        backtest([RandomWalk(), Drift()], walk(), horizon=2, cutoffs=4, paths=30, jobs=jobs, progress=progress)
        for jobs, progress in ((1, None), (2, lambda now: told_of.append(now.done)))
    ]
    pd.testing.assert_frame_equal(reports[0].forecasts, reports[1].forecasts)
    assert reports[0].to_dict() == reports[1].to_dict()
    assert told_of == list(range(1, 9))


@pytest.mark.parametrize("refit", [0, 1])
def test_a_run_cut_short_goes_on_without_repeating_a_fold(log: Path, tmp_path: Path, refit: int) -> None:
    models = [Bell(log), RandomWalk()]

    def run(store: Path | None) -> Report:
        log.write_text("")
        return backtest(models, walk(), horizon=2, cutoffs=6, paths=20, refit=refit, store=store)

    whole = run(None)
    days = [str(stamp)[:10] for stamp in np.unique(whole.forecasts["cutoff"])]
    log.with_name("break").write_text(days[3])
    with pytest.raises(DataError, match=f"^model 'bell' at cutoff {days[3]}: the disk is full$"):
        run(tmp_path / "folds")
    log.with_name("break").unlink()
    resumed = run(tmp_path / "folds")
    assert [last for last, _, _ in events(log, "predict")] == days[3:]
    assert len(events(log, "fit")) == (3 if refit else 1)
    pd.testing.assert_frame_equal(whole.forecasts, resumed.forecasts)


def test_finished_folds_are_read_back_and_damaged_ones_done_again(log: Path, tmp_path: Path) -> None:
    table, folder = walk(), tmp_path / "folds"

    def run(seed: int = 0) -> Report:
        log.write_text("")
        return backtest([Bell(log), RandomWalk()], table, horizon=2, cutoffs=4, paths=20, seed=seed, store=folder)

    fresh = run()
    assert len(events(log, "predict")) == 4
    again = run()
    assert log.read_text() == ""
    pd.testing.assert_frame_equal(fresh.forecasts, again.forecasts)
    assert fresh.to_dict() == again.to_dict()
    run(seed=1)
    assert len(events(log, "predict")) == 4
    for file in folder.glob("*.parquet"):
        file.write_bytes(file.read_bytes()[:-9] + b"!" * 9)
    for file in list(folder.glob("*.json"))[:3]:
        file.write_text("{")
    pd.testing.assert_frame_equal(fresh.forecasts, run().forecasts)
    assert len(events(log, "predict")) == 4


def test_early_cutoffs_too_short_for_a_model_are_left_out_for_all_with_a_note(log: Path) -> None:
    report = backtest([Bell(log, least=200), RandomWalk()], walk(), horizon=2, cutoffs=8, paths=10)
    assert report.forecasts.groupby("model")["cutoff"].nunique().tolist() == [5, 5]
    assert any(note.startswith("3 early cutoffs") and "needs 200 rows" in note for note in texts(report.notes))
    with pytest.raises(TooFewRows, match=r"model 'bell'.*needs 999 rows.*Start later"):
        backtest([Bell(log, least=999), RandomWalk()], walk(), horizon=2, cutoffs=8, paths=10)


def test_an_item_takes_part_once_it_is_long_enough_and_while_it_has_a_future(log: Path) -> None:
    long, late = walk(300)["A0"], walk(300, seed=1)["A0"]
    table = PriceTable(
        series=(long, replace(late.rows(200, 300), item_id="late"), replace(late.rows(0, 200), item_id="gone"))
    )
    report = backtest([Bell(log), RandomWalk()], table, horizon=5, every=10, start="2020-06-01", min_rows=50)
    last = report.forecasts.groupby("item_id")["cutoff"].agg(["min", "max"])
    assert last.loc["late", "min"] >= late.timestamps[249]
    assert last.loc["gone", "max"] <= late.timestamps[194]
    assert last.loc["A0", "min"] == pd.Timestamp("2020-06-01") and last.loc["A0", "max"] > late.timestamps[280]
    assert set(report.forecasts.groupby(["model", "item_id"]).size().unstack().nunique()) == {1}


@pytest.mark.parametrize(
    ("ways", "rule"),
    [
        ({"cutoffs": 0}, "cutoffs is at least 1"),
        ({"horizon": 0}, "horizon is at least 1"),
        ({"every": 0}, "every is at least 1"),
        ({"refit": -1}, "refit is at least 0"),
        ({"paths": 1}, "paths is at least 2"),
        ({"start": "yesterday-ish"}, "a start is a date"),
        ({"start": "NaT"}, "a start is a date; got 'NaT'"),
        ({"start": np.datetime64("NaT", "ns")}, "a start is a date; got 'NaT'"),
        ({"start": "now"}, "a start is a date; got 'now'"),
        ({"start": "5 May"}, "a start is a date; got '5 May'"),
        ({"start": "9999-01-01"}, "a start is a date; got '9999-01-01'"),
        ({"cutoffs": 200}, "200 cutoffs 5 rows apart need 995 rows"),
        ({"start": "2031-01-01"}, "2031-01-01 is after the last, LAST. Start earlier."),
        ({"start": "LAST"}, "cutoffs 5 rows apart"),
        ({"every": 3, "start": "LAST"}, "no cutoff after the start"),
        ({"min_rows": 299}, "needs 299 rows before a cutoff and 5 after it; the longest item has 300"),
    ],
)
def test_a_plan_that_cannot_be_is_refused_in_one_line(ways: dict[str, object], rule: str) -> None:
    last = str(walk()["A0"].timestamps[-1])[:10]
    given = {name: last if value == "LAST" else value for name, value in ways.items()}
    with pytest.raises((UsageError, TooFewRows)) as caught:
        backtest([RandomWalk()], walk(), **{"paths": 10, **given})  # type: ignore[arg-type]
    assert rule.replace("LAST", last) in str(caught.value) and "\n" not in str(caught.value)


def test_models_need_names_of_their_own_and_forecasts_of_every_item(log: Path) -> None:
    with pytest.raises(UsageError, match="a test needs a model; got none"):
        backtest([], walk())
    with pytest.raises(UsageError, match="random_walk, random_walk"):
        backtest([RandomWalk(), RandomWalk()], walk())

    class Forgetful(Bell):
        def predict(self, prices: PriceTable, horizon: int, *, paths: int = 1000, seed: int = 0) -> Forecast:
            full = super().predict(prices, horizon, paths=paths, seed=seed)
            return replace(full, items=full.items[:1])

    with pytest.raises(GatecastError, match=r"model 'bell' at cutoff .*'A1' is missing"):
        backtest([Forgetful(log)], walk(items=2), cutoffs=3, paths=10)


def test_every_and_cutoffs_together_count_back_from_the_end() -> None:
    table = walk()
    calendar = table["A0"].timestamps
    plan = plan_walk(table, horizon=5, every=3, cutoffs=4, refit=3)
    assert [int(np.searchsorted(calendar, cutoff)) for cutoff in plan.cutoffs] == [285, 288, 291, 294]
    assert [len(group) for group in plan.groups] == [3, 1]
    spaced = plan_walk(table, horizon=5, every=20, start=calendar[200])
    assert [int(np.searchsorted(calendar, cutoff)) for cutoff in spaced.cutoffs] == [200, 220, 240, 260, 280]


def test_overlap_counts_the_later_cutoffs_before_a_forecast_ends() -> None:
    days = np.arange(20).astype("datetime64[D]")
    assert overlaps(days[:10:5], days[5:20:5][:2]) == 0
    assert overlaps(days[:10], days[5:15]) == 4
    assert overlaps(days[:10:2], days[5:15:2]) == 2
    assert apart(days[:10:5], days[5:20:5][:2]) == 2
    assert apart(days[:10], days[5:15]) == 2
    assert apart(days[:10:2], days[5:15:2]) == 2
    assert apart(days[:3], days[1:4] + np.timedelta64(1, "D")) == 2


def test_items_that_are_not_judged_are_named_with_the_reason(log: Path) -> None:
    series = walk(300)["A0"]
    others = {"short": (250, 300), "gone": (0, 120), "late": (140, 300), "ill": (0, 300)}
    table = PriceTable(series=(series, *(replace(series.rows(*at), item_id=item) for item, at in others.items())))
    plan = {"horizon": 5, "every": 10, "start": series.timestamps[180], "min_rows": 60, "paths": 10}
    report = backtest([Bell(log), RandomWalk()], table, refit=0, **plan)  # type: ignore[arg-type]
    assert set(report.forecasts["item_id"]) == {"A0", "ill"}
    assert [note for note in report.notes if "not judged" in note.text] == [
        Note("test", "not judged: fewer than 60 rows before the last cutoff", ("short",)),
        Note("test", "not judged: ended less than 5 rows after the first cutoff with 60 rows of it", ("gone",)),
        Note("test", "not judged: fewer than 60 rows when the models were fitted", ("late",)),
    ]
    again = backtest([Bell(log), RandomWalk()], table, refit=1, **plan)  # type: ignore[arg-type]
    assert "late" in set(again.forecasts["item_id"])
    assert any("count every cutoff once" in note for note in texts(again.notes))
    assert not any("count every cutoff once" in note for note in texts(report.notes))
    many = PriceTable(series=(series, *(replace(series.rows(280, 300), item_id=f"S{k}") for k in range(9))))
    note = next(n for n in backtest([RandomWalk()], many, cutoffs=3, paths=10).notes if "not judged" in n.text)
    assert note.items == tuple(f"S{k}" for k in range(9))
    assert str(note).startswith("S0, S1, S2 and 6 more: not judged")


@dataclass
class Sometimes(Bell):
    """A bell whose first so many forecasts are, as its notes say, the random walk's."""

    fallen: int = 0

    def predict(self, prices: PriceTable, horizon: int, *, paths: int = 1000, seed: int = 0) -> Forecast:
        full = super().predict(prices, horizon, paths=paths, seed=seed)
        if len(events(self.log, "predict")) > self.fallen:
            return full
        note = Note("fallback", "bell cannot forecast: no")
        return replace(full, items=tuple(replace(item, notes=(note,)) for item in full.items))


@pytest.mark.parametrize("fallen", [3, 10])
def test_forecasts_that_are_not_its_own_are_counted(log: Path, fallen: int) -> None:
    report = backtest([Sometimes(log, fallen=fallen), RandomWalk()], walk(items=2), cutoffs=10, paths=20)
    assert f"bell fell back to the random walk in {2 * fallen} of 20 forecasts" in texts(report.notes)
    assert f"bell cannot forecast: no (in {2 * fallen} of 20 forecasts)" in texts(report.notes)
    assert f"bell fell back to the random walk in {2 * fallen} of 20 forecasts." in report.verdict.text
    none_its_own = "None of its forecasts is its own" in report.verdict.text
    assert none_its_own == (fallen == 10)
    if none_its_own:
        assert (report.verdict.median, report.verdict.bands) == ("no evidence", "no evidence")
        assert report.verdict.honest.ok is None


def test_a_baseline_that_cannot_learn_is_counted_as_the_random_walk() -> None:
    report = backtest([Sma(window=290), RandomWalk()], walk(), cutoffs=10, paths=20)
    assert "sma fell back to the random walk in 10 of 10 forecasts" in texts(report.notes)
    assert [note for note in texts(report.notes) if "cannot forecast" in note] == [
        "sma cannot forecast: it averages 290 rows, and there are fewer; this is the random walk's forecast "
        "(in 9 of 10 forecasts)",
        "sma cannot forecast: it needs 20 past forecasts of 5 steps, and there are fewer; this is the random walk's "
        "forecast",
    ]
    assert "None of its forecasts is its own" in report.verdict.text


def test_settings_are_told_apart_by_their_whole_value() -> None:
    @dataclass
    class Set(RandomWalk):
        weights: object = None

    def of(value: object) -> dict[str, str] | None:
        return settings_of(Set(weights=value))

    long = np.zeros(5000)
    other = long.copy()
    other[2500] = 1.0
    assert of(long) == of(long.copy()) != of(other)
    assert of([1, {"a": long}]) != of([1, {"a": other}]) and of(long[:4]) != of(long[:4].reshape(2, 2))
    assert of(long) != of(long.astype(np.float32)) and of(1) != of(1.0) != of("1.0")
    for unknown in (len, object(), Sma, [object()], np.array([len]), {"f": len}):
        assert of(unknown) is None
    assert all(settings_of(kind()) is not None for kind in BASELINES.values())
    assert settings_of(Forecaster(Config(seed=8))) != settings_of(Forecaster(Config(seed=9)))
    assert settings_of(Forecaster(Config(seed=8))) is not None


def test_folds_of_a_model_with_a_function_are_not_stored(log: Path, tmp_path: Path) -> None:
    def run(scale: Callable[[], float]) -> pd.DataFrame:
        model = Bell(log)
        model.scale = scale  # type: ignore[attr-defined]
        return backtest([model, RandomWalk()], walk(), cutoffs=3, paths=20, store=tmp_path / "f").forecasts

    run(lambda: 1.0)
    assert len(list((tmp_path / "f").glob("*.parquet"))) == 3  # the random walk's
    run(lambda: 2.0)
    assert len(events(log, "predict")) == 6


def test_the_document_is_json_of_plain_numbers(log: Path) -> None:
    flat = PriceTable.from_close({"X": (np.full(200, 5.0), pd.bdate_range("2020-01-01", periods=200))})
    report = backtest([Bell(log), RandomWalk()], flat, horizon=2, cutoffs=9, paths=20)
    document = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert document["scores"][0]["mase"] is None
    assert {"model", "step", "n", "mae", "rmse", "mase", "smape", "crps", "log_score", "width_90"} <= set(
        document["scores"][0]
    )
    assert {"model", "against", "loss", "step", "dm", "p_value", "n"} <= set(document["tests"][0])
    assert {"text", "median", "bands", "honest", "origins"} <= set(document["verdict"])


def test_prices_of_before_1970_are_judged_too(log: Path) -> None:
    days = pd.bdate_range("1960-01-01", periods=100)
    old = PriceTable.from_close({"X": (walk(100)["A0"].close, days)})
    assert len(backtest([Bell(log)], old, horizon=1, cutoffs=8, paths=10).forecasts) == 8


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_error_in_any_process_is_one_line_with_model_and_cutoff(log: Path, jobs: int) -> None:
    table = walk()
    day = str(plan_walk(table, horizon=5, cutoffs=4).cutoffs[1])[:10]
    log.with_name("break").write_text(day)
    with pytest.raises(DataError, match=f"^model 'bell' at cutoff {day}: the disk is full$"):
        backtest([Bell(log), RandomWalk()], table, cutoffs=4, paths=10, jobs=jobs)


def test_the_rows_survive_a_parquet_file(log: Path, tmp_path: Path) -> None:
    report = backtest([Bell(log)], walk(), cutoffs=3, paths=20)
    report.to_parquet(tmp_path / "f.parquet")
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "f.parquet"), report.forecasts)
    assert texts(report.notes)[0].startswith("seen ")


def test_twenty_assets_over_fifty_cutoffs_take_no_time() -> None:
    table = walk(600, items=20)
    begun = time.process_time()
    report = backtest([RandomWalk()], table, cutoffs=50, refit=0)
    assert len(report.forecasts) == 20 * 50 * 5
    assert time.process_time() - begun < 4  # about 1 s; processor time, since the machine may be busy

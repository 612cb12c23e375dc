"""Forecasts made elsewhere: judged as a model is, and refused where they break a rule or may know the price."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from conftest import HERE, simulated_series, texts
from gatecast.cli.outputs import check_outputs
from gatecast.errors import ForeignError, TooFewRows, UsageError
from gatecast.forecast import QUANTILES
from gatecast.judge.given import read_given
from gatecast.judge.judge_given import judge_given
from gatecast.judge.walkforward import backtest
from gatecast.models.baselines import Drift, EwmaT, RandomWalk
from gatecast.prices import PriceTable
from gatecast.runs.backtest import run_backtest


@pytest.fixture(scope="module")
def prices() -> PriceTable:
    return PriceTable(series=(simulated_series("A", 160, 1), simulated_series("B", 140, 2)))


def simple(prices: PriceTable, *, cutoffs: int = 10, steps: int = 2) -> pd.DataFrame:
    """Points and a band of item A, from every third row."""
    series, rows = prices["A"], []
    for place in range(100, 100 + 3 * cutoffs, 3):
        for step in range(1, steps + 1):
            last, width = series.close[place], 0.02 * np.sqrt(step)
            rows.append(
                {
                    "cutoff": series.timestamps[place],
                    "timestamp": series.timestamps[place + step],
                    "item": "A",
                    "q05": last * np.exp(-1.645 * width),
                    "0.5": last,
                    "q95": last * np.exp(1.645 * width),
                }
            )
    return pd.DataFrame(rows)


def written(frame: pd.DataFrame, folder: Path, name: str = "theirs.csv") -> Path:
    path = folder / name
    if path.suffix == ".csv":
        frame.to_csv(path, index=False)
    else:
        frame.to_parquet(path, index=False)
    return path


def test_forecasts_that_gatecast_wrote_are_judged_as_they_were(prices: PriceTable, tmp_path: Path) -> None:
    models = [EwmaT(), RandomWalk()]
    report = backtest(models, prices, horizon=2, cutoffs=10, paths=4000)
    report.to_parquet(tmp_path / "theirs.parquet")
    given = read_given(tmp_path / "theirs.parquet", prices)
    assert given.models == ["theirs:ewma_t", "theirs:random_walk"] and given.horizon == 2
    again = judge_given(given, models, prices, paths=4000)
    assert again.verdict.model == "theirs:ewma_t"
    rows = {name: of.reset_index(drop=True) for name, of in again.forecasts.groupby("model")}
    for name in ("ewma_t", "random_walk"):
        before = report.forecasts[report.forecasts["model"] == name].reset_index(drop=True)
        ours, theirs = rows[name], rows[f"theirs:{name}"]
        keys = ["item_id", "cutoff", "step", "timestamp", "last_close", "actual"]
        order = ["cutoff", "item_id", "step"]
        ours, theirs, before = (part.sort_values(order).reset_index(drop=True) for part in (ours, theirs, before))
        pd.testing.assert_frame_equal(ours[keys], before[keys])
        pd.testing.assert_frame_equal(theirs[keys], before[keys])
        np.testing.assert_array_equal(ours["mean"], before["mean"])  # a rival forecasts as without the file
        np.testing.assert_allclose(theirs["crps"], ours["crps"], rtol=1e-9)  # and is held to the same quantiles
        np.testing.assert_allclose(theirs[list(QUANTILES)], before[list(QUANTILES)], rtol=1e-3)
        np.testing.assert_allclose(theirs["crps"].mean(), before["crps"].mean(), rtol=5e-3)


@pytest.mark.parametrize("name", ["theirs.csv", "theirs.parquet"])
def test_a_simple_file_is_judged_on_its_own_days(prices: PriceTable, tmp_path: Path, name: str) -> None:
    frame = simple(prices)
    frame = frame[frame["timestamp"] != frame["timestamp"].iloc[2]]  # a step that is not given
    report = judge_given(read_given(written(frame, tmp_path, name), prices), [RandomWalk(), Drift()], prices, paths=50)
    assert report.verdict.model == "theirs" and report.verdict.origins == 10
    for _, rows in report.forecasts.groupby("model"):
        assert sorted(rows["timestamp"]) == sorted(frame["timestamp"]) and set(rows["item_id"]) == {"A"}
    mine = report.forecasts[report.forecasts["model"] == "theirs"]
    np.testing.assert_allclose(mine["q95"], frame["q95"], rtol=1e-4)
    shares = np.searchsorted(prices["A"].timestamps, mine["timestamp"])
    np.testing.assert_array_equal(mine["actual"], prices["A"].close[shares])


def test_points_are_judged_by_their_median_alone(prices: PriceTable, tmp_path: Path) -> None:
    frame = simple(prices)[["cutoff", "timestamp", "item", "0.5"]].rename(columns={"0.5": "my guess"})
    report = judge_given(read_given(written(frame, tmp_path), prices), [RandomWalk()], prices, paths=50)
    assert "only its median is judged" in report.verdict.text


def changed(column: str, row: int, value: object) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def change(frame: pd.DataFrame) -> pd.DataFrame:
        frame = frame.astype({column: object}) if isinstance(value, str) else frame
        frame.loc[row, column] = value
        return frame

    return change


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda frame: frame.assign(timestamp=frame["cutoff"]), "a forecast is of a day after its cutoff; 'A' from"),
        (changed("cutoff", 3, pd.Timestamp("2020-05-24")), "a cutoff is a row of the prices, 2020-01-01 to"),
        (changed("cutoff", 3, pd.Timestamp("1999-01-01")), "a cutoff is a row of the prices"),
        (lambda frame: pd.concat([frame, frame.iloc[[4]]]), "is given twice. Drop one"),
        (changed("q95", 3, np.nan), "the 0.95 quantile is nan, not finite, at step 2"),
        (changed("q95", 3, np.inf), "the 0.95 quantile is inf, not finite, at step 2"),
        (changed("q05", 2, -1.0), "the 0.05 quantile is -1, not positive, at step 1"),
        (changed("q05", 2, 1000.0), "quantiles must not cross; at step 1 that of 0.5"),
        (changed("cutoff", 2, "soon"), "cutoff holds dates; row 3 has 'soon'"),
        (lambda frame: frame.drop(columns="cutoff"), "forecasts have a column cutoff; the columns are timestamp"),
        (lambda frame: frame.drop(columns="item"), "forecasts of 2 items name theirs in a column item"),
        (lambda frame: frame.assign(item="Q"), "no forecast of the file is of an item and a day"),
        (lambda frame: frame[["cutoff", "timestamp", "item"]], "or one column of points"),
        (lambda frame: frame.drop(columns=["0.5", "q95"]), "quantiles are two or more, or the median; got 0.05"),
        (lambda frame: frame.iloc[:0], "has none"),
    ],
)
def test_what_cannot_be_judged_is_refused_in_one_line(
    prices: PriceTable, tmp_path: Path, change: Callable[[pd.DataFrame], pd.DataFrame], why: str
) -> None:
    with pytest.raises(ForeignError) as error:
        read_given(written(change(simple(prices)), tmp_path), prices)
    assert why in str(error.value) and "\n" not in str(error.value)


def test_a_cutoff_after_the_last_row_is_refused(prices: PriceTable, tmp_path: Path) -> None:
    path = written(simple(prices), tmp_path)
    with pytest.raises(ForeignError, match="a cutoff is a row of the prices"):
        read_given(path, prices.until(prices["A"].timestamps[110]))


def test_dates_and_items_that_the_prices_lack_are_said_and_left_out(prices: PriceTable, tmp_path: Path) -> None:
    frame = simple(prices)
    frame.loc[1, "timestamp"] = pd.Timestamp("2020-09-05")  # a Saturday
    frame.loc[5, "item"] = "Q"
    given = read_given(written(frame, tmp_path), prices)
    assert len(given.rows) == len(frame) - 2
    said = " ".join(texts(given.notes))
    assert "left out: the prices have no row at their date, such as 2020-09-05" in said and "'Q'" in said


def test_two_models_of_a_file_are_judged_on_what_both_have(prices: PriceTable, tmp_path: Path) -> None:
    frame = simple(prices)
    both = pd.concat([frame.assign(model="a"), frame.iloc[4:].assign(model="b")])
    report = judge_given(read_given(written(both, tmp_path), prices), [RandomWalk()], prices, paths=50)
    assert (report.forecasts.groupby("model").size() == len(frame) - 4).all()
    assert any(note.startswith(f"4 of {len(both)} forecasts of the file are left out") for note in texts(report.notes))


def test_too_early_forecasts_are_refused(prices: PriceTable, tmp_path: Path) -> None:
    path = written(simple(prices), tmp_path)
    early = prices["A"].rows(98, 160)
    with pytest.raises(TooFewRows, match="rows before its cutoff"):
        judge_given(read_given(path, PriceTable(series=(early,))), [], PriceTable(series=(early,)))


def test_prices_after_the_judged_days_do_not_matter(prices: PriceTable, tmp_path: Path) -> None:
    path = written(simple(prices, cutoffs=5), tmp_path)
    end = prices["A"].timestamps[100 + 3 * 4 + 2]
    whole = judge_given(read_given(path, prices), [RandomWalk()], prices, paths=50)
    cut = prices.until(end)
    np.testing.assert_array_equal(
        whole.forecasts["crps"], judge_given(read_given(path, cut), [RandomWalk()], cut, paths=50).forecasts["crps"]
    )


def test_the_run_judges_a_file_and_refuses_a_plan_beside_it(
    prices: PriceTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = written(simple(prices), tmp_path)
    run = run_backtest(prices.to_frame(), judge=path, paths=50, engine=HERE)
    assert list(run.report.forecasts["model"].unique()) == ["theirs", "random_walk", "garch"]
    with pytest.raises(UsageError, match="cutoffs and steps of its own"):
        run_backtest(prices.to_frame(), judge=path, horizon=3)


def test_no_output_replaces_the_file_of_forecasts(prices: PriceTable, tmp_path: Path) -> None:
    path = written(simple(prices), tmp_path, "theirs.parquet")
    with pytest.raises(UsageError, match="must not be the file to judge"):
        check_outputs("sample:aapl", rows=tmp_path / "." / "theirs.parquet", judge=path)


@pytest.mark.parametrize(("name", "why"), [("none.csv", "there is no file"), ("bad.parquet", "is not (")])
def test_what_is_no_file_of_forecasts_is_refused(prices: PriceTable, tmp_path: Path, name: str, why: str) -> None:
    (tmp_path / "bad.parquet").write_bytes(b"no parquet")
    with pytest.raises(ForeignError) as error:
        read_given(tmp_path / name, prices)
    assert why in str(error.value) and "\n" not in str(error.value)


def test_names_of_items_are_texts_as_they_stand(tmp_path: Path) -> None:
    """0005 is no number, and NA is a name."""
    rng = np.random.default_rng(0)
    days = pd.bdate_range("2022-01-03", periods=400).to_numpy()
    closes = {name: (50 * np.exp(np.cumsum(0.01 * rng.standard_normal(400))), days) for name in ("0005", "NA")}
    prices = PriceTable.from_close(closes)
    rows = [
        {"cutoff": days[place], "timestamp": days[place + 1], "item": name, "model": "007", "q10": close[place] * 0.98,
         "q90": close[place] * 1.02}
        for name, (close, _) in closes.items() for place in range(300, 390, 3)
    ]  # fmt: skip
    given = read_given(written(pd.DataFrame(rows), tmp_path), prices)
    assert set(given.rows["item_id"]) == {"0005", "NA"} and not given.notes
    assert given.models == ["theirs:007"]
    frame = pd.DataFrame(rows)
    with pytest.raises(ForeignError, match="a level has one column; 'q10' and '0.1' are of the same"):
        read_given(written(frame.assign(**{"0.1": frame["q10"]}), tmp_path), prices)
    blank = frame.assign(model=["a"] * (len(frame) - 1) + [""])
    with pytest.raises(ForeignError, match=f"names its model; row {len(frame)} has none"):
        read_given(written(blank, tmp_path), prices)
    parted = frame.assign(model=["a" if row % 2 else "b" for row in range(len(frame))])
    apart = read_given(written(parted, tmp_path), prices)
    with pytest.raises(ForeignError, match="have none in common"):
        judge_given(apart, [RandomWalk()], prices)

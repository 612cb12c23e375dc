"""The ledger: a forecast that was recorded is held against what came, once, as a walk-forward test would."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from conftest import simulated_series, texts
from gatecast.cli import app
from gatecast.errors import LedgerError, UsageError
from gatecast.forecast import QUANTILES, Forecast
from gatecast.judge.comparisons import compare
from gatecast.judge.coverage import moments_test
from gatecast.judge.metrics import crps_quantiles
from gatecast.judge.report import Report
from gatecast.judge.scores import held
from gatecast.judge.walkforward import backtest, cutoff_seed
from gatecast.ledger.database import Database
from gatecast.ledger.recording import record, void
from gatecast.ledger.records import RIVALS, Outcome
from gatecast.ledger.settling import Settlement, settle
from gatecast.ledger.summary import Part, _moments, summarize
from gatecast.ledger.verify import verify
from gatecast.models.baselines import EwmaT, Garch, Har, RandomWalk
from gatecast.prices import PriceSeries, PriceTable
from gatecast.readers.read import read_prices
from ledgers import execute, keep, recorded, settled_ledger

LEVELS = np.array(list(QUANTILES.values()))
LATER = datetime(2030, 1, 1, tzinfo=UTC)
HORIZON, PATHS = 3, 200


@pytest.fixture
def series() -> PriceSeries:
    return simulated_series("A", 160, 1, columns=False)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


def settled(path: Path, *series: PriceSeries, at: datetime = LATER) -> Settlement:
    with Database(str(path)) as database:
        return settle(database, PriceTable(series=series), source="later.csv", clock=lambda: at)


def all_steps(path: Path) -> Part:
    with Database(str(path)) as database:
        return summarize(database).record[0].parts[0]


@pytest.fixture(scope="module")
def eurusd() -> PriceTable:
    series = read_prices("sample:eurusd").series[0]
    return PriceTable(series=(series.rows(len(series) - 520, len(series)),))


@pytest.fixture(scope="module")
def report(eurusd: PriceTable) -> Report:
    start = eurusd.series[0].timestamps[300]
    models = [EwmaT(), RandomWalk(), Har(), Garch()]
    return backtest(models, eurusd, horizon=HORIZON, every=3, start=str(start)[:10], paths=PATHS, refit=60, jobs=1)


@pytest.fixture(scope="module")
def ledger(eurusd: PriceTable, report: Report, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("eurusd") / "ledger.db"
    cutoffs = report.forecasts["cutoff"].unique()[:60]
    assert len(cutoffs) == 60
    models = {model.name: model.fit(eurusd.until(cutoffs[0])) for model in (EwmaT(), RandomWalk(), Har(), Garch())}
    with Database(str(path), create=True) as database:
        for cutoff in cutoffs:
            seen, seed = eurusd.until(cutoff), cutoff_seed(0, np.datetime64(cutoff))
            made = {name: each.predict(seen, HORIZON, paths=PATHS, seed=seed) for name, each in models.items()}
            own = made.pop("ewma_t")
            record(database, own, seen, model="ewma_t", rivals=made, clock=lambda: LATER)
        assert settle(database, eurusd, clock=lambda: LATER).steps == 60 * HORIZON
    return path


@pytest.fixture(scope="module")
def rows(report: Report) -> pd.DataFrame:
    frame = report.forecasts
    frame = frame[frame["cutoff"].isin(frame["cutoff"].unique()[:60])]
    moves = np.log(frame[list(QUANTILES)].to_numpy() / frame["last_close"].to_numpy()[:, None])
    actual = np.log(frame["actual"] / frame["last_close"]).to_numpy()
    return frame.assign(exact=frame["crps"], crps=crps_quantiles(moves, actual, LEVELS))


def test_coverage_is_that_of_the_backtest(ledger: Path, rows: pd.DataFrame) -> None:
    mine = rows[rows["model"] == "ewma_t"]
    with Database(str(ledger)) as database:
        parts = summarize(database).record[0].parts
    assert [part.step for part in parts] == ["all", 1, 2, 3]
    for part in parts:
        of_step = mine if part.step == "all" else mine[mine["step"] == part.step]
        for band in part.coverage:
            assert band.held == pytest.approx(held(of_step, band.level).mean(), abs=1e-12)
            assert band.low < band.held < band.high or band.held in (0, 1)


def test_crps_and_its_tests_are_those_of_the_same_quantiles(ledger: Path, rows: pd.DataFrame) -> None:
    part, tests = all_steps(ledger), compare(rows)
    tests = tests[(tests["loss"] == "crps") & (tests["step"] == "all") & (tests["model"] == "ewma_t")]
    assert part.crps == pytest.approx(rows[rows["model"] == "ewma_t"]["crps"].mean(), rel=1e-9)
    for against in part.against:
        test = tests[tests["against"] == against.rival].iloc[0]
        assert against.crps_rival == pytest.approx(test["mean_loss_against"], rel=1e-8)
        assert (against.dm, against.p_holm) == pytest.approx((test["dm"], test["p_holm"]), rel=1e-4)
    assert [against.rival for against in part.against] == list(RIVALS)


def test_crps_of_quantiles_is_near_that_of_all_paths(rows: pd.DataFrame) -> None:
    for _, of_model in rows.groupby("model"):
        assert of_model["crps"].mean() == pytest.approx(of_model["exact"].mean(), rel=0.02)


def test_pit_has_the_tenths_of_the_backtest(ledger: Path, rows: pd.DataFrame) -> None:
    mine = rows[rows["model"] == "ewma_t"]
    counts = np.bincount(np.minimum((mine["pit"] * 10).astype(int), 9), minlength=10) / len(mine)
    np.testing.assert_allclose(all_steps(ledger).pit, counts, atol=2.5 / len(mine))  # ties at the ends of a tenth


def test_what_was_recorded_after_its_outcome_is_counted(ledger: Path) -> None:
    part = all_steps(ledger)
    assert part.late == part.n == 60 * HORIZON


def test_it_is_unbroken(ledger: Path) -> None:
    with Database(str(ledger)) as database:
        found = verify(database)
    assert (found.forecasts, found.outcomes, found.rows) == (60, 60, 120)


def test_rivals_are_made_with_the_paths_and_the_seed_of_the_forecast(path: Path, table: PriceTable) -> None:
    forecast = RandomWalk().fit(table).predict(table, 2, paths=50, seed=7)
    with Database(str(path), create=True) as database:
        record(database, forecast, table, model="m", source="x.csv")
    for (content,) in execute(path, "SELECT content FROM entries"):
        found = json.loads(str(content))
        assert found["rivals"]["random_walk"] == found["quantiles"]
        assert set(found["rivals"]) == set(RIVALS) and found["rivals"]["garch"] != found["quantiles"]


def test_a_rival_without_a_forecast_of_its_own_is_no_rival(path: Path) -> None:
    short = PriceTable(series=(simulated_series("A", 25, 1, columns=False),))
    with Database(str(path), create=True) as database:
        record(database, RandomWalk().fit(short).predict(short, 1, paths=50), short, model="m", source="x.csv")
    settled(path, simulated_series("A", 26, 1, columns=False))
    assert [against.rival for against in all_steps(path).against] == ["random_walk"]


def test_a_step_is_settled_when_its_day_has_ended_and_once(path: Path, series: PriceSeries) -> None:
    keep(path, [recorded(series, 100, horizon=2)])
    day = datetime.fromisoformat(str(series.timestamps[101])[:10]).replace(tzinfo=UTC)
    assert settled(path, series, at=day + timedelta(hours=20)).steps == 0
    assert settled(path, series, at=day + timedelta(hours=24)).steps == 1
    first = settled(path, series)
    assert (first.steps, first.waiting) == (1, 0)
    assert settled(path, series).steps == 0
    assert all_steps(path).n == 2


def test_a_step_that_is_settled_twice_in_the_chain_counts_once(path: Path, series: PriceSeries) -> None:
    """As after an import from a ledger that had settled it too: the first outcome counts."""
    keep(path, [recorded(series, 100)])
    settled(path, series)
    (content,) = execute(path, "SELECT content FROM entries WHERE kind = 'outcome'")[0]
    first = Outcome.model_validate_json(str(content))
    before = all_steps(path)
    keep(path, [recorded(series, 103)])
    partial = settled(path, series.rows(0, 105))
    assert partial.steps == 1
    (again,) = execute(path, "SELECT content FROM entries WHERE kind = 'outcome' ORDER BY seq DESC")[0]
    second = Outcome.model_validate_json(str(again))
    keep(path, [value.model_copy(update={"source": "another ledger"}) for value in (first, second)])
    assert all_steps(path).n == before.n + 1


def test_a_split_is_allowed_for_and_said(path: Path, series: PriceSeries, tmp_path: Path) -> None:
    keep(path, [recorded(series, 100)])
    keep(tmp_path / "split.db", [recorded(series, 100)])
    settled(path, series)
    halved = PriceSeries(item_id="A", timestamps=series.timestamps, close=np.round(series.close / 4, 4))
    said = settled(tmp_path / "split.db", halved).notes
    assert len(said) == 1 and "0.25 times" in str(said[0])
    assert all_steps(tmp_path / "split.db").crps == pytest.approx(all_steps(path).crps, rel=0.01)


def test_revised_prices_are_said_and_the_recorded_forecast_stays(path: Path, series: PriceSeries) -> None:
    keep(path, [recorded(series, 100)])
    close = series.close.copy()
    close[97] *= 1.03
    done = settled(path, PriceSeries(item_id="A", timestamps=series.timestamps, close=close))
    assert done.steps == 2 and "by +3%" in str(done.notes[0]) and str(series.timestamps[97])[:10] in str(done.notes[0])
    (content,) = execute(path, "SELECT content FROM entries WHERE kind = 'outcome'")[0]
    assert json.loads(str(content))["revised"] == pytest.approx(0.03)
    assert json.loads(str(content))["steps"][0]["log_return"] == pytest.approx(np.log(close[101] / series.close[100]))


@pytest.mark.parametrize(
    "other",
    [
        lambda series: series.rows(102, 160),  # begins after the last close
        lambda series: PriceSeries(item_id="A", timestamps=series.timestamps[::5], close=series.close[::5]),
        lambda series: PriceSeries(
            item_id="A",
            timestamps=np.sort(np.concatenate([series.timestamps, series.timestamps + np.timedelta64(6, "h")])),
            close=np.repeat(series.close, 2),
        ),
        lambda series: PriceSeries(item_id="A", timestamps=series.timestamps, close=3 * series.close[::-1]),
    ],
    ids=["later", "weekly", "twice a day", "another asset's"],
)
def test_prices_that_are_not_the_recorded_ones_settle_nothing(
    other: Callable[[PriceSeries], PriceSeries], path: Path, series: PriceSeries
) -> None:
    keep(path, [recorded(series, 101)])
    done = settled(path, other(series))
    assert (done.steps, done.waiting) == (0, 1)
    assert "not settled" in texts(done.notes)[0]


def test_prices_of_no_recorded_item_are_said(path: Path, series: PriceSeries) -> None:
    keep(path, [recorded(series, 100)])
    said = texts(settled(path, simulated_series("prices", 160, 1)).notes)
    assert len(said) == 1 and "no forecast of prices waits" in said[0] and "are of A." in said[0]
    assert texts(settled(path, series.rows(0, 101)).notes) == ()  # of the item, and not yet due


def test_a_price_that_all_quantiles_tie_with_is_in_the_middle(path: Path) -> None:
    pegged = PriceSeries(item_id="A", timestamps=simulated_series().timestamps, close=np.full(160, 7.0))
    flat = recorded(pegged, 100)
    keep(path, [flat.model_copy(update={"quantiles": tuple((7.0,) * len(LEVELS) for _ in flat.quantiles)})])
    settled(path, pegged)
    part = all_steps(path)
    assert part.crps == 0 and part.pit[4] == 1 and all(band.held == 1 for band in part.coverage)


def test_even_tenths_are_called_even() -> None:
    """The middles of tenths have moments of their own, which must not count against a PIT that is even."""
    rng = np.random.default_rng(0)
    shares = rng.multinomial(5000, np.full(10, 0.1), size=200) / 5000
    assert moments_test(shares @ _moments())[1] > 0.01
    assert moments_test(np.tile(np.full(10, 0.1), (20, 1)) @ _moments() + rng.normal(0, 1e-6, (20, 4)))[1] > 0.01


def test_a_void_record_is_not_scored_and_stays(path: Path, table: PriceTable) -> None:
    ids = settled_ledger(path, table)
    before = all_steps(path)
    with Database(str(path)) as database:
        assert void(database, ids[0][:8], "the file was wrong") == ids[0]
        assert void(database, ids[-1], "not yet settled") == ids[-1]
        found = summarize(database)
        assert verify(database).voids == 2
        for name in (ids[0], "123", "zzzzzzzz", "f" * 64):
            with pytest.raises(UsageError):
                void(database, name, "again")
        with pytest.raises(UsageError, match="got none"):
            void(database, ids[1], " ")
    assert found.record[0].parts[0].n == before.n - 3  # of the last, one step was settled
    assert {each.id: each.reason for each in found.voided}[ids[0]] == "the file was wrong"
    assert settled(path, *table).steps == 1  # of the last of the other item


def test_the_record_can_be_of_an_item_or_a_model(path: Path, table: PriceTable) -> None:
    settled_ledger(path, table)
    keep(path, [recorded(table["A"], place, model="other") for place in (100, 110)])
    settled(path, *table)
    with Database(str(path)) as database:
        whole = {each.model: each for each in summarize(database).record}
        assert set(whole) == {"gatecast", "other"}
        of_items = {name: summarize(database, item=name, model="gatecast").record[0] for name in "AB"}
        assert sum(each.parts[0].n for each in of_items.values()) == whole["gatecast"].parts[0].n
        for item in whole["gatecast"].items:
            assert item.crps == pytest.approx(of_items[item.item].parts[0].crps)
            assert {miss.item for miss in of_items[item.item].misses} == {item.item}
        misses = [miss.miss for miss in whole["gatecast"].misses]
        assert misses == sorted(misses, reverse=True)
        for asked in ({"item": "C"}, {"model": "C"}):
            with pytest.raises(UsageError, match="'C'"):
                summarize(database, **asked)


def test_few_days_are_too_few_to_tell_and_many_tell(path: Path, series: PriceSeries) -> None:
    keep(path, [recorded(series, place) for place in range(20, 34, 2)])
    settled(path, series)
    few = all_steps(path)
    assert not few.enough and {against.word for against in few.against} == {"too few to tell"} and few.pit_p is None
    keep(path, [recorded(series, place) for place in range(34, 150, 2)])
    settled(path, series)
    many = all_steps(path)
    assert many.enough and many.pit_p is not None
    for against in many.against:
        better = against.crps < against.crps_rival
        assert against.word == ("no evidence" if against.p_holm >= 0.05 else "skill" if better else "worse")
    assert {against.word for against in many.against} != {"no evidence"}
    assert {against.word for against in many.against} <= {"skill", "worse", "no evidence"}


def test_the_forecast_must_be_of_the_prices(path: Path, table: PriceTable) -> None:
    forecast: Forecast = RandomWalk().fit(table).predict(table, 2, paths=50)
    with Database(str(path), create=True) as database, pytest.raises(UsageError, match="'A' has others"):
        record(database, forecast, table.until(table["A"].timestamps[-2]), model="m")


class TestCommand:
    """The commands, from a forecast that is recorded to its score."""

    @pytest.fixture
    def prices(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, series: PriceSeries) -> Path:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
        for name, rows in (("A", 150), ("later", 160)):
            PriceTable(series=(series.rows(0, rows),)).to_frame().to_csv(tmp_path / f"{name}.csv", index=False)
        return tmp_path / "A.csv"

    def run(self, *arguments: object, code: int = 0) -> str:
        result = CliRunner().invoke(app, list(map(str, arguments)))
        assert result.exit_code == code, result.output
        return result.stdout

    def test_a_forecast_is_recorded_settled_and_shown(self, prices: Path) -> None:
        fast = ["--preset", "base", "--no-verdict", "--horizon", 2, "--paths", 50]
        self.run("forecast", prices, *fast, "--record", "--json")
        assert (prices.parent / "data" / "gatecast" / "ledger.db").is_file()
        assert "no recorded forecast is settled" in self.run("ledger", "show").lower()
        assert json.loads(self.run("ledger", "score", prices.parent / "later.csv", "--json"))["steps"] == 2
        document = json.loads(self.run("ledger", "show", "--json"), parse_constant=pytest.fail)
        assert document["record"][0]["model"] == "gatecast" and document["record"][0]["parts"][0]["n"] == 2
        shown = " ".join(self.run("ledger", "show").split())
        assert "Too few to tell more." in shown and document["head"] in shown
        verified = self.run("ledger", "verify")
        assert verified.startswith("unbroken: 2 rows (1 forecast, 1 outcome, 0 voids)") and document["head"] in verified
        own = document["record"][0]["misses"][0]["id"]
        assert self.run("ledger", "void", own[:10], "--reason", "a try") == f"voided {own}\n"
        assert "a try" in self.run("ledger", "show")
        out = prices.parent / "out.jsonl"
        self.run("ledger", "export", "--out", out)
        assert self.run("ledger", "export") == out.read_text()
        other = prices.parent / "other.db"
        assert "3 new rows of 3" in self.run("ledger", "import", out, "--database", other)
        assert self.run("ledger", "verify", "--database", other) == self.run("ledger", "verify")

    def test_a_database_without_record_and_one_that_is_absent_are_refused(self, prices: Path) -> None:
        result = CliRunner().invoke(app, ["forecast", str(prices), "--database", "x.db"])
        assert isinstance(result.exception, UsageError)
        for command in (["show"], ["verify"], ["score", str(prices)]):
            result = CliRunner().invoke(app, ["ledger", *command])
            assert isinstance(result.exception, LedgerError) and "there is none at" in str(result.exception)
        assert not (prices.parent / "data").exists()

    def test_a_ledger_that_cannot_be_opened_is_refused_before_the_work(
        self, prices: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (prices.parent / "x.db").write_text("prices\n" * 1000)
        monkeypatch.setattr("gatecast.runs.forecast.read_source", pytest.fail)
        result = CliRunner().invoke(app, ["forecast", str(prices), "--record", "--database", f"{prices.parent}/x.db"])
        assert isinstance(result.exception, LedgerError), result.output

"""A search for settings: done once whatever ends it, blind to the rows it is judged on, honest about what it found."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from conftest import HERE, simulated_series
from gatecast.cli import app
from gatecast.errors import ConfigError, GatecastError, TooFewRows, TrainingError, UsageError
from gatecast.executors import Engine
from gatecast.faces.report.tuning import tuning_report
from gatecast.judge.walkforward import backtest
from gatecast.models.forecaster import Forecaster
from gatecast.prices import PriceTable
from gatecast.readers.choices import AS_FOUND, ReadOptions, reading_words
from gatecast.tuning import run as tuning_run
from gatecast.tuning.outcome import Unseen
from gatecast.tuning.plan import TuningPlan
from gatecast.tuning.progress import TuningProgress
from gatecast.tuning.run import TuningRun, run_tuning
from gatecast.tuning.space import SEARCHED
from gatecast.tuning.study import LEAST_TOLD, importances
from gatecast.tuning.trial import Search, run_trial

pytest.importorskip("optuna")
FIXED = ("epochs=1", "hidden=4", "layers=1", "context_length=20", "encoder=lstm", "dense=4")
PLAN = TuningPlan(settings=FIXED, trials=5, folds=2, horizon=2, paths=20, seed=3)
TABLE = PriceTable(series=(simulated_series("A", 300, 1), simulated_series("B", 280, 2)))
SETTINGS = [word for setting in FIXED for word in ("--set", setting)]
OPTIONS = [
    *SETTINGS,
    "--trials",
    "5",
    "--folds",
    "2",
    "--horizon",
    "2",
    "--paths",
    "20",
    "--seed",
    "3",
    "--workers",
    "1",
]


def search(out: Path, plan: TuningPlan = PLAN, table: PriceTable = TABLE, **how: Any) -> TuningRun:
    return run_tuning(table.to_frame(), plan, out=out, **{"engine": HERE, **how})


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> TuningRun:
    """A search that nothing cut off."""
    return search(tmp_path_factory.mktemp("search"))


def settings_of(trial: dict[str, Any]) -> dict[str, Any]:
    return PLAN.config_of(trial["settings"]).model_dump()


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The trials that are run in this process."""
    indices: list[int] = []

    def counted(search: Search, index: int) -> int:
        indices.append(index)
        return run_trial(search, index)

    monkeypatch.setattr(tuning_run, "run_trial", counted)
    return indices


def test_a_search_ends_with_the_best_of_its_trials_and_the_command_that_uses_it(found: TuningRun) -> None:
    assert [row["index"] for row in found.trials] == list(range(5))
    assert {row["state"] for row in found.trials} <= {"complete", "pruned"}
    whole = {tuple(row["settings"]): row["score"] for row in found.trials if row["state"] == "complete"}
    assert whole[found.found] == found.score == min(whole.values())
    keys = [setting.partition("=")[0] for setting in found.found]
    assert keys == [key for key in SEARCHED if not any(fixed.startswith(f"{key}=") for fixed in FIXED)]
    assert all(f"--set {setting}" in found.command for setting in (*FIXED, *found.found))


def test_the_first_trial_is_the_preset_so_that_what_is_found_is_no_worse(found: TuningRun) -> None:
    first = found.trials[0]
    assert settings_of(first) == PLAN.config_of().model_dump()
    assert found.default_score == first["score"] >= found.score


def test_the_same_seed_gives_the_same_search_and_another_seed_another(found: TuningRun, tmp_path: Path) -> None:
    again = search(tmp_path / "again")
    assert again.to_dict() == found.to_dict()
    other = search(tmp_path / "other", replace(PLAN, seed=4, trials=2))
    assert other.trials[1]["settings"] != found.trials[1]["settings"]


def test_no_trial_sees_a_row_of_the_tail(found: TuningRun, tmp_path: Path) -> None:
    """Every price from the tail's first day on is doubled: each trial stays as it is, and the judgement does not."""
    first = np.datetime64(found.unseen.first)
    doubled = []
    for series in TABLE:
        late = np.where(series.timestamps >= first, 2.0, 1.0) * np.linspace(1, 1.5, len(series)) ** (
            series.timestamps >= first
        )
        columns = {name: getattr(series, name) * late for name in ("open", "high", "low", "close")}
        doubled.append(replace(series, **columns))
    other = search(tmp_path, table=PriceTable(series=tuple(doubled)))
    assert other.trials == found.trials and other.found == found.found
    assert other.unseen.first == found.unseen.first and other.unseen.default != found.unseen.default
    assert sum(int((series.timestamps >= first).sum()) for series in TABLE) > 80


def test_what_is_found_is_judged_on_the_tail_beside_the_preset(found: TuningRun) -> None:
    """The scores are those of a backtest of both whose every origin is in the tail."""
    unseen = found.unseen
    models = [Forecaster(PLAN.config_of(found.found), name="found"), Forecaster(PLAN.config_of(), name="default")]
    same = found.found == tuple(found.trials[0]["settings"])
    plan = {"start": unseen.first, "cutoffs": unseen.origins, "refit": -(-unseen.origins // 4)}
    report = backtest(models, TABLE, horizon=2, paths=20, seed=3, **plan)
    assert report.forecasts["cutoff"].min() >= np.datetime64(unseen.first)
    scores = report.forecasts.groupby(["model", "cutoff"])["crps"].mean().groupby("model").mean()
    np.testing.assert_allclose(unseen.default, scores["default"], rtol=1e-9)
    np.testing.assert_allclose(unseen.found, scores["default" if same else "found"], rtol=1e-9)


@pytest.mark.parametrize(
    ("found", "p_value", "begins"),
    [
        (0.9, 0.01, "Tuning helped."),
        (0.9, 0.2, "Tuning may not have helped: the difference may be luck."),
        (1.1, 0.2, "Tuning did not help: the settings of the preset are better there."),
        (1.1, 0.01, "Tuning did not help: the settings of the preset are better there beyond luck."),
        (1.0, None, "Tuning did not help: no trial beat"),
    ],
)
def test_a_search_says_plainly_whether_it_helped(found: float, p_value: float | None, begins: str) -> None:
    unseen = Unseen(first="2020-01-01", origins=40, found=found, default=1.0, dm=None, p_value=p_value)
    assert unseen.text.startswith(begins) and unseen.helped == (begins == "Tuning helped.")
    assert ("Keep those." in unseen.text) == (found > 1)


def ended(study: Path) -> int:
    """The trials of a study that have ended, where another process is at the next."""
    try:
        with sqlite3.connect(f"file:{study}?mode=ro", uri=True) as connection:
            states = [state for (state,) in connection.execute("SELECT state FROM trials")]
    except sqlite3.Error:
        return 0
    return sum(state != "RUNNING" for state in states) if "RUNNING" in states else 0


@pytest.mark.slow(reason="runs the command in a process of its own, then goes on where it was killed")
@pytest.mark.skipif(os.name != "posix", reason="kills with a signal")
def test_a_search_that_is_killed_goes_on_and_runs_no_trial_twice(
    found: TuningRun, tmp_path: Path, ran: list[int]
) -> None:
    source, out = tmp_path / "prices.csv", tmp_path / "out"
    TABLE.to_frame().to_csv(source, index=False)
    command = [sys.executable, "-m", "gatecast", "tune", str(source), "--out", str(out), *OPTIONS]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    limit = time.monotonic() + 120
    while (before := ended(out / "study.db")) < 2 and process.poll() is None and time.monotonic() < limit:
        time.sleep(0.01)
    process.kill()
    assert process.wait() == -signal.SIGKILL and 2 <= before < 5
    run = run_tuning(source, PLAN, out=out, engine=HERE)
    assert ran and ran == list(range(5 - len(ran), 5)) and len(ran) <= 5 - before
    assert run.trials == found.trials and run.unseen == found.unseen
    assert run_tuning(source, PLAN, out=out, engine=HERE).trials == found.trials
    assert len(run_tuning(source, replace(PLAN, trials=6), out=out, engine=HERE).trials) == 6
    assert ran[-1] == 5 and len(ran) <= 6 - before


@pytest.mark.slow(reason="starts two processes, or a Ray, and each of them loads torch")
def test_every_engine_runs_every_trial_once(engine: Engine, tmp_path: Path) -> None:
    """The first has the preset's settings, whichever worker is the first to ask."""
    shown: list[TuningProgress] = []
    run = search(tmp_path, replace(PLAN, trials=3), engine=engine, progress=shown.append)
    assert [row["index"] for row in run.trials] == list(range(3))
    assert settings_of(run.trials[0]) == PLAN.config_of().model_dump()
    assert [now.ended for now in shown] == [1, 2, 3] and shown[-1].best == run.score


def test_a_trial_that_fails_costs_no_other_and_is_not_tried_again(
    tmp_path: Path, ran: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    fit = Forecaster.fit

    def breaks(self: Forecaster, *arguments: Any, **options: Any) -> Any:
        if self.config.head != "point":
            raise TrainingError("a loss must be a number; it is NaN. Take a smaller learning_rate.")
        return fit(self, *arguments, **options)

    monkeypatch.setattr(Forecaster, "fit", breaks)
    run = search(tmp_path)
    bad = [row for row in run.trials if "reason" in row]
    assert bad and all("it is NaN" in row["reason"] and "head=point" not in row["settings"] for row in bad)
    assert [row["index"] for row in run.trials] == list(range(5)) and "head=point" in run.found
    count = len(ran)
    assert search(tmp_path).trials == run.trials and len(ran) == count
    plan = replace(PLAN, settings=(*FIXED, "head=normal"), trials=2)
    with pytest.raises(TrainingError, match=r"needs a trial that succeeds; none did\. The first: .*it is NaN"):
        search(tmp_path / "all", plan)


def short(tmp_path: Path) -> TuningRun:
    return search(tmp_path, table=TABLE.until(TABLE["A"].timestamps[30]))


def file_as_out(tmp_path: Path) -> TuningRun:
    (tmp_path / "file").touch()
    return search(tmp_path / "file")


def other_prices(tmp_path: Path) -> TuningRun:
    search(tmp_path, replace(PLAN, trials=1))
    return search(tmp_path, replace(PLAN, trials=1), TABLE.select(("A",)))


def no_database(tmp_path: Path) -> TuningRun:
    return search(tmp_path, storage="mysql://root:secret@host/x")


def damaged(tmp_path: Path) -> TuningRun:
    (tmp_path / "study.db").write_text("no database")
    return search(tmp_path)


@pytest.mark.parametrize(
    ("attempt", "kind", "line"),
    [
        (short, TooFewRows, "the tail needs at least 4 times the horizon, 8 rows; it has 6"),
        (file_as_out, GatecastError, "cannot be used .File exists.. Choose another place"),
        (other_prices, UsageError, "a folder holds one search; .* holds one of other prices"),
        (no_database, UsageError, "a database is sqlite:///FILE or postgresql://"),
        (damaged, GatecastError, "the database of the search cannot be used"),
    ],
)
def test_what_cannot_be_searched_is_one_line(
    attempt: Callable[[Path], TuningRun], kind: type[GatecastError], line: str, tmp_path: Path
) -> None:
    with pytest.raises(kind, match=line) as error:
        attempt(tmp_path)
    assert "\n" not in str(error.value) and "secret" not in str(error.value)


@pytest.mark.parametrize(
    "wrong",
    [
        *({"tail": 0.9}, {"trials": 0}, {"preset": "base"}, {"preset": "none"}),
        *({"settings": ("loss=no",)}, {"settings": tuple(f"{key}=1" for key in SEARCHED)}),
    ],
)
def test_a_plan_is_checked_where_it_is_made(wrong: dict[str, Any]) -> None:
    with pytest.raises((UsageError, ConfigError)) as error:
        TuningPlan(**wrong)
    assert "\n" not in str(error.value)


def test_the_command_prints_what_it_found_and_writes_a_page(found: TuningRun, tmp_path: Path) -> None:
    source = tmp_path / "prices<b>.csv"
    TABLE.to_frame().to_csv(source, index=False)
    command = ["tune", str(source), "--out", str(tmp_path / "out"), *OPTIONS]
    result = CliRunner().invoke(app, [*command, "--json"])
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert document["trials"] == json.loads(json.dumps(found.trials))
    assert document["unseen"]["text"] == found.unseen.text
    page = (tmp_path / "out" / "tuning.html").read_text()
    assert "prices<b>" not in page and "prices&lt;b&gt;" in page
    text = CliRunner().invoke(app, command).stdout
    assert (
        found.unseen.text in text and "(the preset)" in text and text.rstrip().splitlines()[-1] == document["command"]
    )


def test_few_trials_tell_no_importance() -> None:
    optuna = pytest.importorskip("optuna")
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    found = []
    for count in (LEAST_TOLD - 1, 20):
        study.optimize(
            lambda trial: trial.suggest_float("x", 0, 1) + 0 * trial.suggest_float("y", 0, 1),
            n_trials=count - len(study.trials),
        )
        found.append(importances(study))
    assert found[0] == {} and set(found[1]) == {"x", "y"}


def test_the_page_is_the_same_for_the_same_search_and_escapes_it(found: TuningRun) -> None:
    document = {**found.to_dict(), "command": "gatecast forecast '<script>'"}
    page = tuning_report(document, title="T")
    assert page == tuning_report(document, title="T")
    assert "&lt;script&gt;&#39;" in page and found.unseen.text.split(",")[0] in page


def test_a_folder_has_one_search_at_a_time(tmp_path: Path) -> None:
    with tuning_run._alone(tmp_path), pytest.raises(UsageError, match="one is at work in"), tuning_run._alone(tmp_path):
        pass
    with tuning_run._alone(tmp_path):  # it is free again
        pass
    with pytest.raises(TooFewRows, match=r"Take fewer folds or a shorter horizon"):
        search(tmp_path / "many", replace(PLAN, folds=200))


def test_the_command_that_is_told_says_how_the_source_was_read() -> None:
    reading = ReadOptions(close="Baz", header=False, day_first=True, decimal=",", events="dates.csv")
    assert reading_words(reading, "XNYS", repair=True) == [
        "--close", "Baz", "--decimal", ",", "--events", "dates.csv", "--no-header", "--day-first", "--calendar", "XNYS",
        "--repair",
    ]  # fmt: skip
    assert reading_words(AS_FOUND, None, repair=False) == []
    parser = CliRunner().invoke(app, ["forecast", "missing.csv", *reading_words(reading, "XNYS", repair=True)])
    assert "dates.csv" in str(parser.exception)  # the options are the command's own

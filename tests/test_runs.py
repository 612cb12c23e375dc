"""Use cases: config and source in, a value out; progress by callback, checkpoints and folds kept where a run is cut."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from conftest import BASE, HERE, simulated_series
from gatecast.config import Config
from gatecast.errors import TrainingError, UsageError
from gatecast.judge.walkforward import FoldProgress
from gatecast.models.forecaster import Forecaster
from gatecast.nn.training.loop import Progress
from gatecast.prices import PriceTable
from gatecast.readers.read import read_prices
from gatecast.runs import forecast as forecast_run
from gatecast.runs.ablate import run_ablation
from gatecast.runs.backtest import run_backtest
from gatecast.runs.explain import run_explanation
from gatecast.runs.forecast import run_forecast

FAST = Config.from_preset("quick", ["epochs=2", "context_length=10", "hidden=4", "half_life_days=90"])


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = tmp_path / "prices.csv"
    PriceTable(series=(simulated_series("A", 200, 1), simulated_series("B", 180, 2))).to_frame().to_csv(
        path, index=False
    )
    return path


def left(source: Path) -> list[Path]:
    """What waits in the cache."""
    return [path for path in (source.parent / "cache").rglob("*") if path.is_file()]


def test_a_forecast_run_is_a_value(source: Path) -> None:
    events: list[Progress | FoldProgress] = []
    run = run_forecast(source, FAST, horizon=3, paths=40, progress=events.append)
    assert run.forecast.horizon == 3 and run.config is run.forecaster.config
    assert run.verdict is not None and run.verdict.origins > 0
    assert list(run.timings) == ["read", "fit", "simulate", "judge"] and min(run.timings.values()) >= 0
    texts = [str(note) for note in run.notes]
    assert sum("half_life_days (takes weights=half_life)" in text for text in texts) == 1
    assert sum("40 paths draw a band of 90% only roughly; use 100 or more" in text for text in texts) == 1
    kinds = [isinstance(event, Progress) for event in events]
    assert kinds[0] and not kinds[-1] and events[-1].done == events[-1].total
    document = run.to_dict()
    assert list(document) == ["items", "level", "paths", "seed", "config", "verdict"]
    assert document["config"] == {**run.config.model_dump(mode="json"), "market": True}
    json.dumps(document, allow_nan=False)
    assert not left(source)


def test_a_forecast_run_that_is_stopped_keeps_its_best_and_resumes(source: Path) -> None:
    config = FAST.replace(epochs=6, patience=0)

    def stop(now: Progress | FoldProgress) -> None:
        if isinstance(now, Progress) and now.epoch == 4:
            raise KeyboardInterrupt

    cut = run_forecast(source, config, horizon=2, paths=20, verdict=False, progress=stop)
    assert cut.forecaster.interrupted and len(cut.forecaster.losses) == 3
    assert any("interrupted after 3 of 6 epochs" in note.text for note in cut.notes)
    assert left(source)
    resumed = run_forecast(source, config, horizon=2, paths=20, verdict=False, resume=True)
    whole = run_forecast(source, config, horizon=2, paths=20, verdict=False)
    assert not left(source)
    for ours, theirs in zip(resumed.forecast, whole.forecast, strict=True):
        assert ours.paths.tobytes() == theirs.paths.tobytes()


def test_a_backtest_run_goes_on_from_its_folds(source: Path) -> None:
    def asked(progress=None):
        return run_backtest(
            source,
            "gatecast:preset=quick,epochs=1,context_length=10,random_walk",
            horizon=2,
            cutoffs=4,
            paths=20,
            engine=HERE,
            with_audit=True,
            progress=progress,
        )

    def stop(now: FoldProgress) -> None:
        if now.done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        asked(stop)
    assert left(source)
    events: list[FoldProgress] = []
    run = asked(events.append)
    assert events[0] == FoldProgress(done=2, total=8, resumed=2)
    assert (events[-1].done, events[-1].resumed, events[-1].model) == (8, 2, "random_walk")
    assert run.audit is not None and "audit" in run.to_dict()
    assert run.settings["models"].startswith("gatecast:preset=quick")
    assert not left(source)


@pytest.mark.slow(reason="an ablation trains every variant at every origin")
def test_an_ablation_run_says_which_network_it_takes_apart(source: Path) -> None:
    config = Config.from_preset("default").replace(seed=1)
    run = run_ablation(source, config, horizon=2, cutoffs=2, seeds=3, refit=0, paths=20, jobs=1)
    assert run.ablation.seeds == 3
    assert any("a network trained on these prices" in note.text for note in run.notes)


@pytest.mark.parametrize("config", [FAST, BASE], ids=["trained", "base"])
def test_an_explanation_run_opens_the_network_of_the_forecast(source: Path, config: Config) -> None:
    model = source.parent / "model"
    run_forecast(source, config, horizon=2, paths=20, verdict=False, save=model)
    saved = run_explanation(source, model=model, item_id="B").explanation
    fresh = run_explanation(source, config, item_id="B").explanation
    assert saved.network == fresh.network == ("base" if config is BASE else "trained")
    assert saved.value == fresh.value and saved.history.item_id == "B"


def test_a_folder_that_is_a_file_is_refused_before_work(source: Path) -> None:
    with pytest.raises(UsageError, match="is a file"):
        run_forecast(source, FAST, save=source)


def test_a_finished_training_outlives_what_fails_after_it(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def cut_off(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(forecast_run, "recent_verdict", cut_off)
    with pytest.raises(KeyboardInterrupt):
        run_forecast(source, FAST, horizon=3, paths=40)
    assert [path.name for path in left(source)] == ["training-0.safetensors"]
    monkeypatch.undo()
    monkeypatch.setenv("XDG_CACHE_HOME", str(source.parent / "cache"))
    trained: list[Progress] = []
    run = run_forecast(source, FAST, horizon=3, paths=40, resume=True, verdict=False, progress=trained.append)
    assert not trained  # nothing was left to learn
    assert not any("no checkpoint to resume" in str(note) for note in run.notes)
    assert not left(source)
    (whole,) = (
        item.paths for item in run_forecast(source, FAST, horizon=3, paths=40, verdict=False).forecast.items[:1]
    )
    assert (run.forecast.items[0].paths == whole).all()


def test_half_a_file_that_a_killed_writer_left_costs_nothing(source: Path) -> None:
    prices = read_prices(source)
    folder = source.parent / "cache" / "gatecast" / Forecaster(FAST).fingerprint(prices)[:16]
    folder.mkdir(parents=True)
    (folder / ".gatecast-0123.part").write_bytes(b"half")
    assert run_forecast(source, FAST, horizon=3, paths=40, verdict=False).forecast.horizon == 3
    assert [path.name for path in left(source)] == [".gatecast-0123.part"]


def test_a_folder_that_cannot_take_a_model_is_refused_before_the_training(source: Path) -> None:
    folder = source.parent / "mine"
    folder.mkdir()
    (folder / "model.json").write_text('{"mine": 1}')
    trained: list[Progress | FoldProgress] = []
    for save in (folder, Path("/proc/none")):
        with pytest.raises(TrainingError, match="hoose another folder"):
            run_forecast(source, FAST, save=save, progress=trained.append)
    assert not trained


def test_what_was_asked_for_in_vain_is_said(source: Path) -> None:
    run = run_forecast(source, Config.from_preset("base"), horizon=2, paths=20, resume=True, verdict=False)
    assert any("no training to resume" in str(note) for note in run.notes)
    with pytest.raises(UsageError, match="has one member; got 2"):
        run_explanation(source, FAST, member=2)

    def notes(models: str) -> list[str]:
        run = run_backtest(source, models, settings=["hidden=4"], horizon=1, cutoffs=2, paths=10, engine=HERE)
        return [str(note) for note in run.notes if "settings without effect" in str(note)]

    assert len(notes("random_walk,gatecast:base")) == 1


def test_a_backtest_tells_calibrated_forecasts_from_others(source: Path) -> None:
    run = run_backtest(source, "gatecast:base", horizon=1, every=10, refit=0, start="2020-05-01", paths=20, engine=HERE)
    said = [str(note) for note in run.notes if "bands are" in str(note)]
    assert [("not calibrated" in text) for text in said] == [True, False]
    counts = [int(text.rpartition("in ")[2].split()[0]) for text in said]
    assert sum(counts) == len(run.report.forecasts)


def holiday_notes(source: object, calendar: str | None = None) -> list[str]:
    run = run_forecast(source, FAST, horizon=8, paths=40, verdict=False, calendar=calendar)
    return [str(note) for note in run.notes if "holiday" in note.text]


def test_days_that_may_be_holidays_are_said_where_no_calendar_is_named() -> None:
    days = pd.bdate_range("2023-12-01", "2025-12-19").difference(pd.DatetimeIndex(["2023-12-25", "2024-12-25"]))
    close = 100 * np.exp(np.cumsum(np.random.default_rng(4).normal(0, 0.01, len(days))))
    (note,) = holiday_notes(pd.DataFrame({"date": days, "close": close}))
    assert note.startswith("2025-12-22") and 'calendar="XNYS"' in note and "other days of the forecast" in note


def test_a_history_of_months_has_a_single_short_note_on_holidays(source: Path) -> None:
    (note,) = holiday_notes(source)
    assert note.startswith("which days of the forecast are holidays is not known") and 'calendar="XNYS"' in note
    assert not holiday_notes(source, "XNYS")


def test_a_cache_that_cannot_be_written_stops_no_run(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = {"horizon": 1, "cutoffs": 2, "paths": 10, "engine": HERE}
    kept = run_backtest(source, "random_walk", **plan)
    assert not any("finished folds" in note.text for note in kept.notes)
    monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null")
    run = run_backtest(source, "random_walk", **plan)
    assert run.to_dict() == kept.to_dict()
    assert any("finished folds were not kept, since '/dev/null/gatecast'" in note.text for note in run.notes)

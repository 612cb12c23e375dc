"""Use cases: config and source in, a value out; progress by callback, checkpoints and folds kept where a run is cut."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from conftest import BASE, simulated_series
from gatecast.config import Config
from gatecast.errors import UsageError
from gatecast.judge.walkforward import FoldProgress
from gatecast.nn.training.loop import Progress
from gatecast.prices import PriceTable
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
            jobs=1,
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

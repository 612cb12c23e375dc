"""Training by many workers: the loss of one, killed and resumed too, and a model that forecasts the same."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from conftest import HERE, TINY, simulated_series
from gatecast.cli import app
from gatecast.config import Config
from gatecast.errors import GatecastError, UsageError
from gatecast.executors import Engine
from gatecast.groups import Member, run_group
from gatecast.models.forecaster import Forecaster
from gatecast.nn.training.loop import Progress
from gatecast.nn.training.recipe import shares_of_a_batch
from gatecast.prices import PriceTable
from gatecast.runs.train import TrainRun, _idle, _Job, _learn, _marked, run_train

TABLE = PriceTable(series=tuple(simulated_series(f"A{number}", 160, number) for number in range(3)))
CONFIG = TINY.replace(epochs=4, batch=64, hidden=8, dropout=0.2)
TWO = Engine(workers=2)


def train(save: Path, engine: Engine = HERE, config: Config = CONFIG, **more: Any) -> TrainRun:
    return run_train(TABLE.to_frame(), config, save=save, engine=engine, **more)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> TrainRun:
    """What this process learns by itself."""
    return train(tmp_path_factory.mktemp("alone"))


def test_one_worker_learns_what_a_fit_learns_and_leaves_the_model_alone(alone: TrainRun) -> None:
    assert alone.forecaster.losses == Forecaster(CONFIG).fit(TABLE).losses
    assert alone.workers == 1 and alone.trained.items == TABLE.item_ids
    assert {path.name.partition("-")[0] for path in alone.save.iterdir()} == {"model.json", "weights"}


@pytest.mark.slow(reason="starts two processes, each of which loads torch")
def test_two_workers_reach_the_loss_of_one_and_forecast_the_same(alone: TrainRun, tmp_path: Path) -> None:
    """On Ray as well, where `learn_or_die` costs them a worker on the way."""
    seen: list[Any] = []
    run = train(tmp_path / "model", TWO, progress=seen.append)
    assert run.workers == 2 and run.trained.record.best_epoch == alone.trained.record.best_epoch
    np.testing.assert_allclose(run.forecaster.losses, alone.forecaster.losses, rtol=1e-3)
    assert_same_forecasts(run.forecaster, alone.forecaster)
    assert seen and all(isinstance(now, Progress) for now in seen)
    assert {path.name.partition("-")[0] for path in run.save.iterdir()} == {"model.json", "weights"}


def assert_same_forecasts(one: Forecaster, other: Forecaster) -> None:
    ours, theirs = (of.predict(TABLE, 5, paths=50, seed=1) for of in (one, other))
    for item, beside in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(item.paths, beside.paths, rtol=1e-3)


def learn_or_die(job: _Job, member: Member) -> int:
    """The second worker is killed in the third epoch, once."""
    mark = job.save.with_name("died")

    def tell(now: Progress) -> None:
        if member.number == 1 and now.epoch == 3 and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if member.number == 0 and mark.exists():
            with mark.open("a") as file:
                file.write(f"{now.epoch}\n")
        member.tell(now)

    return _learn(job, replace(member, tell=tell))


@pytest.mark.slow(reason="starts two processes twice, and a training of Ray, each of which loads torch")
def test_where_a_worker_is_killed_all_go_on_from_the_checkpoint(
    engine: Engine, alone: TrainRun, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    with _marked(folder) as mark:
        job = _Job(prices=TABLE, config=CONFIG, save=folder, resume=False, mark=mark)
        assert run_group(learn_or_die, job, most=2, engine=engine) == 2
    assert set((tmp_path / "died").read_text().split()) <= {"3", "4"}  # no epoch before was learned again
    learned = Forecaster.load(folder)
    np.testing.assert_allclose(learned.losses, alone.forecaster.losses, rtol=1e-3)
    assert_same_forecasts(learned, alone.forecaster)


@pytest.mark.slow(reason="starts two processes, each of which loads torch")
def test_ctrl_c_leaves_the_checkpoint_from_which_any_number_of_workers_go_on(alone: TrainRun, tmp_path: Path) -> None:
    def stop(now: Any) -> None:
        if now.epoch == 3:
            raise KeyboardInterrupt

    for name, first, second in (("few", TWO, HERE), ("many", HERE, HERE)):
        folder = tmp_path / name
        with pytest.raises(KeyboardInterrupt):
            train(folder, first, progress=stop)
        assert [path.name for path in folder.iterdir()] == ["training-0.safetensors"]
        with pytest.raises(UsageError, match="Go on with resume=True, or choose another folder"):
            train(folder, second)
        assert [path.name for path in folder.iterdir()] == ["training-0.safetensors"]
        seen: list[Any] = []
        run = train(folder, second, resume=True, progress=seen.append)
        assert min(now.epoch for now in seen) >= 3
        np.testing.assert_allclose(run.forecaster.losses, alone.forecaster.losses, rtol=1e-3)


def test_more_workers_than_cores_of_the_cluster_are_refused(ray_cluster: None, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="got 3 workers for 2 on the cluster"):
        train(tmp_path, Engine(kind="ray", workers=3))


def test_a_worker_that_sees_another_folder_refuses(tmp_path: Path) -> None:
    with _marked(tmp_path):
        job = _Job(prices=TABLE, config=CONFIG, save=tmp_path, resume=False, mark="another")
        with pytest.raises(UsageError, match="all machines of a cluster see"):
            _learn(job, Member())
    assert not list(tmp_path.iterdir())


def test_workers_without_a_share_are_named_and_without_a_number_there_are_none() -> None:
    assert [shares_of_a_batch(CONFIG.replace(batch=batch)) for batch in (1, 32, 33, 64, 65)] == [1, 1, 2, 2, 3]
    assert _idle(CONFIG, 2, 2) == ()
    (note,) = _idle(CONFIG, 5, 2)
    assert note.text == "a batch of 64 has 2 shares; 3 of 5 workers had none to learn. A larger batch has more"


def test_the_command_trains_and_ends_with_the_command_that_uses_it(tmp_path: Path) -> None:
    source, folder = tmp_path / "panel.csv", tmp_path / "model"
    TABLE.to_frame().to_csv(source, index=False)
    fast = ["--set", "epochs=2", "--set", "context_length=10", "--set", "hidden=4", "--workers", "1"]
    result = CliRunner().invoke(app, ["train", str(source), "--save", str(folder), *fast], catch_exceptions=False)
    assert result.exit_code == 0
    paragraph = result.stdout.splitlines()[-1]
    assert "480 rows of 3 assets in 2 epochs, on 1 worker" in paragraph and "held-out days" in paragraph
    command = paragraph.partition("forecasts with: gatecast ")[2].split()
    assert command == ["forecast", str(source), "--model", str(folder)]
    more = ["--horizon", "2", "--paths", "20", "--no-verdict", "--json"]
    assert CliRunner().invoke(app, [*command, *more], catch_exceptions=False).exit_code == 0


def test_what_cannot_be_trained_or_saved_is_one_line_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    adapted, cuda = Config.from_preset("default"), CONFIG.replace(device="cuda")
    for wrong in (
        {"save": tmp_path / "file"},
        {"save": tmp_path / "file" / "model"},
        {"config": adapted},
        {"config": CONFIG.replace(per_asset=True)},
        {"config": cuda, "engine": TWO},
    ):
        with pytest.raises(GatecastError) as caught:
            run_train(None, **{"config": CONFIG, "save": tmp_path / "model", **wrong})  # type: ignore[arg-type]
        assert "; " in str(caught.value) and "\n" not in str(caught.value)
        assert not (tmp_path / "model").exists()

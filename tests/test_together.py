"""Processes that train one network together: the loss of one process with the same batches, killed and resumed too."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from conftest import TINY, simulated_series
from gatecast.errors import ModelError
from gatecast.models.forecaster import Forecaster
from gatecast.nn.together import ALONE, Group
from gatecast.nn.training.loop import Progress
from gatecast.prices import PriceTable

TABLE = PriceTable(series=tuple(simulated_series(f"A{number}", 160, number) for number in range(3)))
CONFIG = TINY.replace(epochs=4, batch=64, hidden=8, dropout=0.2)
Losses = list[tuple[int, float, float]]


@dataclass(frozen=True, kw_only=True)
class Meeting:
    """Where the processes of a group meet, and where their checkpoint is; one that ends at `killed` epochs."""

    size: int
    meet: Path
    checkpoint: Path
    killed: int = 0
    config_of_others: bool = False

    def of(self, rank: int, what: str) -> Path:
        return self.meet.with_name(f"{self.meet.name}-{rank}.{what}")


def train_one(meeting: Meeting, rank: int) -> None:
    """What a process of a group does: learns, and writes down what it learned, or why it could not."""
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{meeting.meet}", rank=rank, world_size=meeting.size
    )
    config = CONFIG.replace(hidden=16) if meeting.config_of_others else CONFIG

    def kill(now: Progress) -> None:
        if meeting.killed and rank == 1 and now.epoch > meeting.killed:
            os.kill(os.getpid(), signal.SIGKILL)

    where = {"checkpoint": meeting.checkpoint, "resume": True, "progress": kill, "together": Group.joined()}
    try:
        trained = Forecaster(config).fit(TABLE, **where)
    except ModelError as error:
        meeting.of(rank, "error").write_text(str(error))
    else:
        meeting.of(rank, "losses").write_text(json.dumps(trained.losses))
        np.savez(meeting.of(rank, "npz"), *(tensor.numpy() for _, tensor in sorted(trained.tensors().items())))


def run_group(tmp_path: Path, name: str, **more: Any) -> Meeting:
    """Two processes that train together; until both have ended."""
    meeting = Meeting(size=2, meet=tmp_path / name, checkpoint=tmp_path / "training", **more)
    spawn = multiprocessing.get_context("spawn")
    processes = [spawn.Process(target=train_one, args=(meeting, rank)) for rank in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    assert not any(process.is_alive() for process in processes)
    return meeting


def learned(meeting: Meeting, rank: int) -> tuple[Losses, list[np.ndarray]]:
    with np.load(meeting.of(rank, "npz")) as file:
        return json.loads(meeting.of(rank, "losses").read_text()), list(file.values())


@pytest.mark.slow(reason="starts two processes, each of which loads torch")
def test_a_group_learns_what_one_process_learns_and_all_of_it_the_same(tmp_path: Path) -> None:
    alone = Forecaster(CONFIG).fit(TABLE)
    meeting = run_group(tmp_path, "meet")
    (losses, weights), (others, same) = (learned(meeting, rank) for rank in range(2))
    assert losses == others and all(np.array_equal(ours, theirs) for ours, theirs in zip(weights, same, strict=True))
    np.testing.assert_allclose(losses, alone.losses, rtol=1e-3)
    for ours, (_, theirs) in zip(weights, sorted(alone.tensors().items()), strict=True):
        np.testing.assert_allclose(ours, theirs.numpy(), atol=1e-3)
    assert losses[-1][1] < losses[0][1]


@pytest.mark.slow(reason="starts two processes twice, each of which loads torch")
def test_a_group_that_is_killed_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    whole = Forecaster(CONFIG).fit(TABLE).losses
    killed = run_group(tmp_path, "first", killed=2)
    assert not killed.of(0, "losses").exists() and list((tmp_path / "training").iterdir())
    resumed = run_group(tmp_path, "second")
    (losses, _), (others, _) = (learned(resumed, rank) for rank in range(2))
    assert losses == others
    np.testing.assert_allclose(losses, whole, rtol=1e-3)
    refused = run_group(tmp_path, "third", config_of_others=True)
    for rank in range(2):
        assert "goes on with the same prices, settings" in refused.of(rank, "error").read_text()


def test_the_parts_of_a_group_are_those_of_the_batch() -> None:
    for size in (1, 2, 3, 7):
        found = [part for rank in range(size) for part in Group(rank=rank, size=size).own(range(5))]
        assert sorted(found) == list(range(5))
    assert ALONE.own([1, 2]) == [1, 2] and ALONE.from_first(lambda: 3) == 3
    assert torch.equal(ALONE.summed([torch.ones(2)])[0], torch.ones(2))
    assert Group.joined() == ALONE

"""Work shared with copies of the process: the same answers, errors and interrupts as without, and none left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from conftest import BASE, simulated_series
from gatecast import forks
from gatecast.errors import DataError
from gatecast.forks import in_forks
from gatecast.models.forecaster import Forecaster
from gatecast.prices import PriceTable

HERE = os.getpid()


@pytest.fixture
def forking(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    if sys.platform != "linux":
        pytest.skip("processes are copied on Linux alone")
    monkeypatch.setattr(forks, "_allowed", True)
    before = children()
    yield
    assert children() <= before


def children() -> set[str]:
    return {child for task in Path("/proc/self/task").iterdir() for child in (task / "children").read_text().split()}


def slow(part: int) -> tuple[int, int]:
    time.sleep(0.02)
    return part * part, os.getpid()


@pytest.mark.usefixtures("forking")
@pytest.mark.parametrize("processes", [2, 3])
def test_each_part_is_answered_once_in_order_and_every_process_takes_some(processes: int) -> None:
    answers = in_forks(slow, range(60), processes)
    assert [answer for answer, _ in answers] == [part * part for part in range(60)]
    made = {process for _, process in answers}
    assert len(made) == processes
    assert os.getpid() in made


@pytest.mark.usefixtures("forking")
def test_no_part_of_many_is_taken_twice_or_left(tmp_path: Path) -> None:
    taken = os.open(tmp_path / "taken", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    answers = in_forks(lambda part: os.write(taken, b"%06d" % part), range(20_000), 3)
    os.close(taken)
    assert answers == [6] * 20_000
    told = (tmp_path / "taken").read_bytes()
    assert sorted(told[first : first + 6] for first in range(0, len(told), 6)) == [b"%06d" % n for n in range(20_000)]


def test_without_leave_all_is_done_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forks, "_allowed", False)
    assert {process for _, process in in_forks(slow, range(6), 2)} == {os.getpid()}


@pytest.mark.usefixtures("forking")
def test_an_error_in_a_copy_is_the_callers() -> None:
    def work(part: int) -> int:
        time.sleep(0.02)
        if os.getpid() != HERE:
            raise DataError("the rule; the culprit. The remedy.")
        return part

    with pytest.raises(DataError, match=r"^the rule; the culprit\. The remedy\.$"):
        in_forks(work, range(20), 2)


@pytest.mark.usefixtures("forking")
def test_what_a_copy_that_dies_has_not_answered_is_done_here() -> None:
    def work(part: int) -> tuple[int, int]:
        time.sleep(0.02)
        if os.getpid() != HERE and part > 5:
            os.kill(os.getpid(), signal.SIGKILL)
        return part, os.getpid()

    answers = in_forks(work, range(30), 2)
    assert [part for part, _ in answers] == list(range(30))
    assert {process for part, process in answers if part > 5} == {HERE}


@pytest.mark.usefixtures("forking")
def test_where_the_system_has_no_room_all_is_done_here(monkeypatch: pytest.MonkeyPatch) -> None:
    def full() -> int:
        raise BlockingIOError("no room for a process")

    monkeypatch.setattr(os, "fork", full)
    assert [answer for answer, _ in in_forks(slow, range(6), 2)] == [part * part for part in range(6)]


@pytest.mark.usefixtures("forking")
def test_an_interrupt_ends_the_copies_at_once() -> None:
    def work(part: int) -> int:
        if os.getpid() != HERE:
            time.sleep(60)
        if part > 2:
            raise KeyboardInterrupt
        return part

    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        in_forks(work, range(20), 2)
    assert time.monotonic() - began < 30


@pytest.mark.skipif(sys.platform != "linux", reason="processes are copied on Linux alone")
def test_copies_end_with_the_process_that_made_them(tmp_path: Path) -> None:
    code = (
        "import os, sys, time\nfrom pathlib import Path\nfrom gatecast.forks import in_forks, prepare_command\n"
        "prepare_command()\n"
        "def work(part):\n"
        f"    Path({str(tmp_path)!r}, str(os.getpid())).touch()\n"
        "    time.sleep(60)\n"
        "in_forks(work, range(8), 2)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code])
    deadline = time.monotonic() + 60
    while len(list(tmp_path.iterdir())) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    copies = {int(path.name) for path in tmp_path.iterdir()} - {process.pid}
    assert len(copies) == 1
    process.kill()
    process.wait()
    while any(Path(f"/proc/{copy}").exists() for copy in copies) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(Path(f"/proc/{copy}").exists() for copy in copies)


def test_forecasts_are_the_same_with_and_without(monkeypatch: pytest.MonkeyPatch) -> None:
    table = PriceTable(series=tuple(simulated_series(f"X{number}", 900, number) for number in range(17)))

    def forecast() -> list[np.ndarray]:
        made = Forecaster(BASE.replace(combine=True), steps=3).fit(table).predict(table, 4, paths=1000, seed=1)
        return [part for item in made for part in (item.paths, item.highs, item.lows) if part is not None]

    monkeypatch.setattr(forks, "_allowed", False)
    alone = forecast()
    assert len(alone) == 3 * 17
    begun, fork = [], getattr(os, "fork", None)
    monkeypatch.setattr(forks, "_allowed", sys.platform == "linux")
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)  # of a machine of two cores
    if fork is not None:
        monkeypatch.setattr(os, "fork", lambda: begun.append(1) or fork())
    for ours, theirs in zip(alone, forecast(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert len(begun) > 2 or sys.platform != "linux"  # groups of days beside rivals, blocks of paths, items

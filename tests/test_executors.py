"""Work is spread over processes and over Ray: the same answers, and a worker that dies is replaced."""

from __future__ import annotations

import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gatecast.errors import DataError, UsageError, WorkerError
from gatecast.executors import LOCAL, Engine, run_tasks


def times(shared: int, task: int) -> tuple[int, int]:
    return task, shared * task


def refuse(shared: int, task: int) -> int:
    if task == shared:
        raise DataError("the rule; the culprit. The remedy.")
    return task


def die_once(folder: str, task: int) -> int:
    """The first worker that comes to task 2 is killed as the kernel kills for want of memory."""
    if task == 2 and not (mark := Path(folder, "died")).exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    Path(folder, f"{task}-{os.getpid()}").touch()
    return task


def die(shared: int, task: int) -> int:
    if task == shared:
        os.kill(os.getpid(), signal.SIGKILL)
    return task


def test_every_task_is_answered_once_on_every_engine(engine: Engine) -> None:
    answers = list(run_tasks(times, 3, range(20), engine=engine))
    assert sorted(answers) == [(task, 3 * task) for task in range(20)]


def test_an_error_of_a_task_is_the_callers(engine: Engine) -> None:
    with pytest.raises(DataError, match=r"^the rule; the culprit\. The remedy\.$"):
        list(run_tasks(refuse, 3, range(8), engine=engine))


def test_a_worker_that_dies_is_replaced_and_its_task_done(engine: Engine, tmp_path: Path) -> None:
    assert sorted(run_tasks(die_once, str(tmp_path), range(9), engine=engine)) == list(range(9))
    assert (tmp_path / "died").exists()


def test_a_task_that_kills_its_worker_each_time_costs_no_other(engine: Engine) -> None:
    answers = list(run_tasks(die, 4, range(9), engine=engine, lost=lambda task: -task))
    assert sorted(answers) == [-4, *sorted(set(range(9)) - {4})]
    with pytest.raises(WorkerError, match="died twice"):
        list(run_tasks(die, 1, range(3), engine=engine))


def test_tasks_are_taken_as_workers_become_free(engine: Engine) -> None:
    """So that a source of any size is in memory by a few blocks."""
    taken = 0

    def tasks() -> Iterator[int]:
        nonlocal taken
        for task in range(1000):
            taken += 1
            yield task

    answers = run_tasks(times, 1, tasks(), engine=engine)
    next(answers)
    assert taken < 100
    answers.close()  # type: ignore[attr-defined]


def test_an_engine_is_checked_where_it_is_made() -> None:
    for wrong in ({"kind": "spark"}, {"workers": 0}, {"address": "localhost:6379"}):
        with pytest.raises(UsageError, match="; got "):
            Engine(**wrong)  # type: ignore[arg-type]
    assert Engine() == LOCAL


RAYS = """
import ray
from gatecast.errors import UsageError
from gatecast.executors import Engine, run_tasks
try:
    list(run_tasks(divmod, 7, [2], engine=Engine(kind="ray", address="127.0.0.1:9")))
except UsageError as error:
    assert "needs a cluster that answers; '127.0.0.1:9' does not" in str(error)
else:
    raise AssertionError
assert sorted(run_tasks(divmod, 7, [2, 3], engine=Engine(kind="ray", workers=1))) == [(2, 1), (3, 1)]
assert not ray.is_initialized()
"""


def test_a_ray_is_started_and_ended_and_an_address_without_one_is_one_line() -> None:
    pytest.importorskip("ray")
    subprocess.run([sys.executable, "-W", "error", "-c", RAYS], check=True, timeout=60)


def wait_long(folder: str, task: int) -> int:
    """Tell which process works, and work on for minutes."""
    (Path(folder) / str(os.getpid())).touch()
    time.sleep(300)
    return task


def test_workers_end_with_the_process_that_started_them(tmp_path: Path) -> None:
    code = (
        "import sys; sys.path[:0] = sys.argv[2:]; from test_executors import wait_long; "
        "from gatecast.executors import Engine, run_tasks; "
        "list(run_tasks(wait_long, sys.argv[1], range(2), engine=Engine(workers=2)))"
    )
    place = str(Path(__file__).parent)
    owner = subprocess.Popen([sys.executable, "-c", code, str(tmp_path), place])
    workers: list[int] = []
    try:
        end = time.monotonic() + 100
        while len(workers) < 2 and time.monotonic() < end:
            time.sleep(0.2)
            workers = [int(path.name) for path in tmp_path.iterdir()]
        assert len(workers) == 2 and owner.pid not in workers
    finally:
        owner.kill()
        owner.wait()
    while any(Path(f"/proc/{worker}/task").exists() for worker in workers):
        assert time.monotonic() < end, "a worker outlives its owner"
        time.sleep(0.2)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the command keeps memory at hand where libc is glibc")
def test_what_reading_has_freed_is_given_back() -> None:
    code = (
        "import resource\nfrom pathlib import Path\nfrom gatecast.executors import give_back_memory, prepare_process\n"
        "prepare_process()\n"
        "def held():\n    return int(Path('/proc/self/statm').read_text().split()[1]) * resource.getpagesize()\n"
        "cells = [bytes(500) for _ in range(400_000)]\n"
        "last = bytes(500)\n"
        "del cells\n"
        "before = held()\ngive_back_memory()\nprint(before - held())\n"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(told.stdout) > 100 * 2**20

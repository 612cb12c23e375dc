"""Workers that work together: the first one's answer, and what comes of a group in which one dies or refuses."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from gatecast.errors import DataError, WorkerError
from gatecast.executors import Engine
from gatecast.groups import Member, run_group


def add(shared: int, member: Member) -> tuple[int, int, bool]:
    member.tell(member.number)
    return shared + member.number, member.size, os.environ.get("OMP_NUM_THREADS") == "1"


def refuse(shared: str, member: Member) -> int:
    raise DataError(shared)


def die(folder: str, member: Member) -> int:
    """The second is killed as the kernel kills for want of memory, while the first one waits for it."""
    if member.number == 1:
        Path(folder, str(os.getpid())).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(100)
    return 0


def fail(shared: str, member: Member) -> int:
    if member.number == 1:
        time.sleep(100)
    raise RuntimeError(shared)


def test_the_first_answers_and_is_heard() -> None:
    heard: list[int] = []
    assert run_group(add, 5, most=9, engine=Engine(workers=2), told=heard.append) == (5, 2, True)
    assert run_group(add, 5, most=1, told=heard.append)[:2] == (5, 1)
    assert heard == [0, 0]


@pytest.mark.slow(reason="starts a training of Ray, whose workers load torch")
def test_what_the_first_refuses_is_the_callers(engine: Engine) -> None:
    with pytest.raises(DataError, match=r"^the rule; the culprit\. The remedy\.$"):
        run_group(refuse, "the rule; the culprit. The remedy.", most=2, engine=engine)


def test_a_group_in_which_one_dies_each_time_begins_again_three_times_and_is_one_line(tmp_path: Path) -> None:
    """On Ray as well, where it takes a minute: `learn_or_die` in tests/test_train.py dies there once."""
    with pytest.raises(WorkerError, match="must live; one of them died, and so did") as caught:
        run_group(die, str(tmp_path), most=2, engine=Engine(workers=2))
    assert "\n" not in str(caught.value)
    assert len(list(tmp_path.iterdir())) == 4


def test_what_breaks_the_first_each_time_is_told_in_the_line() -> None:
    with pytest.raises(WorkerError, match=r"died \(RuntimeError\('no such thing'\)\), and so did"):
        run_group(fail, "no such thing", most=2, engine=Engine(workers=2))

"""One function behind which work is spread over processes or a cluster, and what the command sets for each of them."""

from __future__ import annotations

import ctypes
import logging
import os
import platform
import signal
import socket
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from itertools import islice
from typing import Any, TypeVar

from gatecast.errors import UsageError, WorkerError, briefly, check_whole
from gatecast.text import clean

Shared = TypeVar("Shared")
Task = TypeVar("Task")
Answer = TypeVar("Answer")

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3  # malloc.h
_LARGEST_DYNAMIC = 2**25  # bytes; where glibc's own thresholds end after large blocks have been freed
_HEAP = 2**26  # bytes; an empty heap of a thread is given back unless the pad is as large
_ANSWERS = 10.0  # seconds in which a cluster takes a connection
_WATCHED = 2.0  # seconds between two looks of a worker at whether its owner lives
_RETRIES = 1  # of a task whose worker died
_prepared = False
_filters = threading.RLock()


@cache
def prepare_process() -> None:
    """For the command and its workers alone: keep the memory that a batch frees for the next one, where libc is glibc.

    Otherwise each batch takes its pages anew, zeroed one by one: a fifth of an epoch of the recipe, and more of one
    with a long context. Only blocks under 32 MiB can be kept. mallopt(3).
    """
    global _prepared  # noqa: PLW0603 (workers are started with what this process was given)
    _prepared = True
    if platform.libc_ver()[0] != "glibc":
        return
    library = ctypes.CDLL(None)
    library.mallopt(_MMAP_THRESHOLD, _LARGEST_DYNAMIC)
    library.mallopt(_TRIM_THRESHOLD, 2**31 - 1)
    library.mallopt(_TOP_PAD, _HEAP)


def give_back_memory() -> None:
    """Give back to the system what was freed since: for a prepared process, after what needs more than the rest.

    Reading a file of text takes several times what its prices do. malloc_trim(3); Arrow keeps memory of its own.
    """
    if not _prepared or platform.libc_ver()[0] != "glibc":
        return
    if arrow := sys.modules.get("pyarrow"):
        arrow.default_memory_pool().release_unused()
    ctypes.CDLL(None).malloc_trim(0)


@contextmanager
def caught_warnings() -> Iterator[list[warnings.WarningMessage]]:
    """Warnings given inside, kept and not shown; one thread at a time, since Python's filters are the process's."""
    with _filters, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield caught


@dataclass(frozen=True, kw_only=True)
class Engine:
    """Where tasks run: in processes of this machine (`local`), or on a Ray cluster (`ray`).

    `workers` is how many run at a time (None: one a core of the machine or cluster; 1 on `local`: in this process).
    `address` is that of a running Ray cluster; without one, `ray` starts a Ray on this machine and ends it again. The
    answers are the same on each. Raises `UsageError` for values that cannot be meant.
    """

    kind: str = "local"
    workers: int | None = None
    address: str | None = None

    def __post_init__(self) -> None:
        if self.kind not in ENGINES:
            raise UsageError(f"an engine is one of {', '.join(ENGINES)}; got {briefly(self.kind)}. Give one of them.")
        if self.workers is not None:
            check_whole("workers", self.workers, least=1, example=2)
        if self.address is not None and self.kind != "ray":
            raise UsageError("an address is that of a Ray cluster; got one for local processes. Take engine=ray.")


ENGINES = ("local", "ray")
LOCAL = Engine()


def run_tasks(
    work: Callable[[Shared, Task], Answer],
    shared: Shared,
    tasks: Iterable[Task],
    *,
    engine: Engine = LOCAL,
    lost: Callable[[Task], Answer] | None = None,
) -> Iterator[Answer]:
    """`work(shared, task)` for each task, as they end; an error stops the rest. Tasks are spread nowhere else.

    Tasks are taken from `tasks` as workers become free, so that few of them are in memory. `shared` goes to a Ray
    cluster once. Where a worker dies, as for want of memory, another takes its place and what it had not finished is
    done again; of a task whose worker dies again, `lost` gives the answer. Without it, a `WorkerError` is raised.
    """
    spread = _on_ray if engine.kind == "ray" else _on_processes
    for answer in spread(in_workers(work), shared, tasks, engine):
        if not isinstance(answer, _Lost):
            yield answer
        elif lost is not None:
            yield lost(answer.task)
        else:
            raise WorkerError(
                "a process died twice at the same task, most often for want of memory; what was finished is kept. "
                "Take fewer workers, or give fewer rows or assets."
            )


@dataclass(frozen=True)
class _Lost:
    """A task whose worker died each time."""

    task: Any


def in_workers(work: Callable[[Shared, Task], Answer]) -> Callable[[Shared, Task], Answer]:
    """The same work for a process that is prepared first where this one was."""
    return partial(_prepared_work, work) if _prepared else work


def _prepared_work(work: Callable[[Shared, Task], Answer], shared: Shared, task: Task) -> Answer:
    """Work in a process that is prepared first, as this one was."""
    prepare_process()
    return work(shared, task)


def _numbered(
    work: Callable[[Shared, Task], Answer], shared: Shared, owner: int, number: int, task: Task
) -> tuple[int, Answer]:
    if os.getppid() == owner:
        end_with(owner)
    return number, work(shared, task)


@cache
def end_with(owner: int) -> None:
    """End this worker soon after the process that started it, which may have been killed without a word."""

    def watch() -> None:
        while os.getppid() == owner:
            time.sleep(_WATCHED)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def belong_to(owner: int) -> None:
    """For a worker alone: end with the process that started it, to which Ctrl-C is left."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with(owner)


def _called(work: Callable[[Shared, Task], Answer], shared: Shared, task: Task) -> Answer:
    """A function, as Ray takes no other callable."""
    return work(shared, task)


def _on_processes(
    work: Callable[[Shared, Task], Answer], shared: Shared, tasks: Iterable[Task], engine: Engine
) -> Iterator[Answer | _Lost]:
    """On processes of this machine, by joblib; of one at a time, in this process."""
    if engine.workers == 1:
        for task in tasks:
            yield work(shared, task)
        return
    from joblib import Parallel, delayed

    call = delayed(partial(_numbered, work, shared, os.getpid()))
    left = enumerate(tasks)
    begun: dict[int, Task] = {}

    def run(some: Iterable[tuple[int, Task]]) -> Iterator[Answer]:
        def begin() -> Iterator[Any]:
            for number, task in some:
                begun[number] = task
                yield call(number, task)

        answers = Parallel(n_jobs=engine.workers or -1, return_as="generator_unordered")(begin())
        try:
            for number, answer in answers:
                del begun[number]
                yield answer
        finally:
            with caught_warnings():  # that tasks at work are given up
                answers.close()

    while True:
        try:
            yield from run(left)
        except BrokenProcessPool:
            # Which of the tasks begun killed its worker is not known: each is tried alone.
            for suspect in list(begun.items()):
                try:
                    yield from run([suspect])
                except BrokenProcessPool:
                    del begun[suspect[0]]
                    yield _Lost(suspect[1])
        else:
            return


def _on_ray(
    work: Callable[[Shared, Task], Answer], shared: Shared, tasks: Iterable[Task], engine: Engine
) -> Iterator[Answer | _Lost]:
    """On a Ray cluster, or a Ray of this machine that is started and ended here; Ray itself replaces dead workers."""
    with connected(engine) as ray:
        call = ray.remote(num_cpus=1, max_retries=_RETRIES)(_called)
        there = ray.put(shared)
        width = 2 * (engine.workers or int(ray.cluster_resources().get("CPU", 1)))
        left = iter(tasks)
        begun: dict[Any, Task] = {}
        try:
            while True:
                for task in islice(left, width - len(begun)):
                    begun[call.remote(work, there, task)] = task
                if not begun:
                    return
                (ended,), _ = ray.wait(list(begun), num_returns=1)
                task = begun.pop(ended)
                try:
                    answer = ray.get(ended)
                except ray.exceptions.RayTaskError as error:
                    raise error.cause from None
                except ray.exceptions.RayError:  # its worker, or its whole machine, died at each try
                    answer = _Lost(task)
                yield answer
        finally:
            for reference in begun:
                ray.cancel(reference, force=True)


@contextmanager
def connected(engine: Engine) -> Iterator[Any]:
    """Ray, connected; raises `UsageError` where it is not installed or nobody answers at the address."""
    try:
        import ray
    except ImportError:
        raise UsageError("engine=ray needs the package ray. Install it: pip install 'gatecast[ray]'.") from None
    if ray.is_initialized():  # by the caller, who also ends it
        yield ray
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is reported to anybody
    where: dict[str, Any] = {"address": engine.address}
    if engine.address is None:
        where = {"address": "local", "num_cpus": engine.workers, "include_dashboard": False}
    try:
        _check_answers(engine.address)
        ray.init(**where, log_to_driver=False, logging_level=logging.ERROR, configure_logging=False)
    except (OSError, RuntimeError, ValueError) as error:
        raise UsageError(
            f"engine=ray needs a cluster that answers; {briefly(engine.address)} does not ({clean(error, 120)}). "
            "Check the address, or leave it out."
        ) from None
    try:
        yield ray
    finally:
        ray.shutdown()


def _check_answers(address: str | None) -> None:
    """Raise `OSError` where nobody listens at HOST:PORT, which Ray would ask for minutes."""
    host, _, port = (address or "").removeprefix("ray://").rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host, int(port)), timeout=_ANSWERS).close()

"""A batch is computed in shares of a fixed size, side by side where there are cores.

A recurrent layer is a long chain of small products: two cores that each take their own sequences outrun two that
divide every product, and a share's memory stays small whatever the batch. The shares are the same on every
machine, and so are the numbers: all arithmetic whose sums could depend on the number of cores runs in threads of one
core each. A thread that asks for work keeps its own of them for the next time, with the memory they have at hand, and
nothing else of the process is changed, so that two forecasts may run at a time in two threads.
"""

from __future__ import annotations

import ctypes
import itertools
import math
import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from functools import cache, partial
from pathlib import Path
from typing import Any, TypeVar

import torch
from threadpoolctl import ThreadpoolController

from gatecast.forks import forks_allowed, in_forks

SHARE = 32  # sequences; with 16 a small network takes a third longer, and the recipe's is no faster
STEPS = 24_000  # of all sequences of a share: some 350 MB for the recipe's three layers, whatever the context
_TORCH_LIBRARY = {"darwin": "libtorch_cpu.dylib", "win32": "torch_cpu.dll"}

Part = TypeVar("Part")
Result = TypeVar("Result")


def shares(count: int, length: int, device: torch.device) -> list[slice]:
    """`count` sequences in equal shares of at most SHARE, fewer where they are long; all at once on a GPU.

    >>> shares(40, 60, torch.device("cpu"))
    [slice(0, 20, None), slice(20, 40, None)]
    """
    size = max(1, min(SHARE, STEPS // length)) if device.type == "cpu" else max(count, 1)
    parts = max(1, math.ceil(count / size))
    limits = [count * part // parts for part in range(parts + 1)]
    return [slice(first, last) for first, last in itertools.pairwise(limits)]


class Workers:
    """Threads of one core each; without a pool the work is done in the thread that asks for it.

    So it is, too, where a worker asks a single other: it may be that one itself.
    """

    def __init__(self, pool: ThreadPoolExecutor | None, threads: int = 0) -> None:
        self._pool, self._threads = pool, threads
        self._ended = False
        self._left: list[Future[Any]] = []

    def map(self, work: Callable[[Part], Result], parts: Iterable[Part]) -> list[Result]:
        """`work` of every part, in order. What torch keeps per thread (no_grad) must be set within `work`."""
        if self._ended:
            raise RuntimeError("workers take no work after their block has ended")
        if self._pool is None or (self._threads == 1 and getattr(_here, "is_worker", False)):
            return list(map(work, parts))
        asked: list[Future[Result]] = []
        try:
            asked += (self._pool.submit(work, part) for part in parts)
            return [answer.result() for answer in asked]
        except BaseException:
            self._left += [answer for answer in asked if not answer.cancel()]
            raise

    def end(self) -> None:
        """Take no more work, and wait for what an error or an interrupt has left at work."""
        self._ended = True
        wait(self._left)


INLINE = Workers(None)
_here = threading.local()


@contextmanager
def workers_on(device: torch.device, threads: int | None = None) -> Iterator[Workers]:
    """So many threads of one core each, as many as torch may use in this one unless given; on a GPU this thread alone.

    So it is, too, where a worker asks for others: each has a core, and more threads than cores gain nothing.
    Numbers under 1e-38 count as zero in them: over a long window the gradient fades into such denormal numbers, which
    a processor handles ten times slower.
    """
    if device.type != "cpu" or getattr(_here, "is_worker", False):
        yield INLINE
        return
    threads = threads or torch.get_num_threads()
    workers = Workers(_pool(threads, denormals=False), threads)
    try:
        yield workers
    finally:
        workers.end()


def side_by_side(work: Callable[[Part], Result], parts: Iterable[Part]) -> list[Result]:
    """`work` of every part, in order, on as many cores as torch may use, each part on one: in threads, or in forks."""
    if not forks_allowed() or getattr(_here, "is_worker", False):
        with workers_on(torch.device("cpu")) as workers:
            return workers.map(work, parts)

    def alone(part: Part) -> Result:
        with workers_on(torch.device("cpu"), 1) as single:
            return single.map(work, [part])[0]

    return in_forks(alone, list(parts), torch.get_num_threads())


def on_one_core(work: Callable[[], Result]) -> Result:
    """`work` in a thread of one core, denormal numbers kept; for what is done once, such as drawing weights."""
    return _pool(1, denormals=True).submit(work).result()


def _pool(threads: int, *, denormals: bool) -> ThreadPoolExecutor:
    """The pool of the thread that asks, for as long as that thread lives; a forked process has one of its own.

    New threads each time would take their memory anew, page by page: half as long again for 50 paths.
    """
    pools = _here.__dict__.setdefault("pools", {})
    key = (os.getpid(), threads, denormals)
    if key not in pools:
        pools[key] = ThreadPoolExecutor(threads, initializer=_prepare_thread, initargs=(denormals,))
    return pools[key]  # type: ignore[no-any-return]


def _prepare_thread(denormals: bool) -> None:
    """Hold this thread to one core. `torch.set_num_threads` would do it for every thread that is started later, too.

    OpenMP and MKL each keep a limit per thread. MKL follows OpenMP's, but not where the process has called
    `torch.set_num_threads`; where its own cannot be reached, the last digits may then depend on that number.
    """
    torch.get_num_threads()  # torch sets a thread up at its first use there, and would undo what was set before
    for limit in _limits():
        limit()
    torch.set_flush_denormal(not denormals)
    _here.is_worker = not denormals


@cache
def _limits() -> list[Callable[[], Any]]:
    """What holds a thread to one core: OpenMP's setting, and where torch was built with MKL, the one in its library."""
    limits: list[Callable[[], Any]] = [partial(ThreadpoolController().select(user_api="openmp").limit, limits=1)]
    library = Path(torch.__file__).parent / "lib" / _TORCH_LIBRARY.get(sys.platform, "libtorch_cpu.so")
    with suppress(OSError, AttributeError):
        limits.append(partial(ctypes.CDLL(str(library)).MKL_Set_Num_Threads_Local, 1))
    return limits

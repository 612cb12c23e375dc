"""A batch is computed in shares of a fixed size, side by side where there are cores.

A recurrent layer is a long chain of small products: two cores that each take their own sequences outrun two that
divide every product, and a share's memory stays small whatever the batch. The shares are the same on every
machine, and so are the numbers.
"""

from __future__ import annotations

import ctypes
import itertools
import math
import platform
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import torch

SHARE = 32  # sequences; with 16 a small network takes a third longer, and the recipe's is no faster
STEPS = 24_000  # of all sequences of a share: some 350 MB for the recipe's three layers, whatever the context
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3  # malloc.h
_LARGEST_DYNAMIC = 2**25  # bytes; where glibc's own thresholds end after large blocks have been freed
_HEAP, _USUAL_PAD = 2**26, 2**17  # bytes; an empty heap of a thread is given back unless the pad is as large

Part = TypeVar("Part")
Result = TypeVar("Result")


def shares(count: int, length: int, device: torch.device) -> list[slice]:
    """`count` sequences in equal shares of at most SHARE, fewer where they are long; all at once on a GPU.

    >>> shares(40, 60, torch.device("cpu"))
    [slice(0, 20, None), slice(20, 40, None)]
    """
    size = max(1, min(SHARE, STEPS // length)) if device.type == "cpu" else max(count, 1)
    parts = max(1, math.ceil(count / size))
    bounds = [count * part // parts for part in range(parts + 1)]
    return [slice(first, last) for first, last in itertools.pairwise(bounds)]


class Crew:
    """Threads of one core each; without a pool the caller does the work itself, to the same numbers."""

    def __init__(self, pool: ThreadPoolExecutor | None) -> None:
        self._pool = pool

    def map(self, work: Callable[[Part], Result], parts: Iterable[Part]) -> list[Result]:
        """`work` of every part, in order. What torch keeps per thread (no_grad) must be set within `work`."""
        return list((map if self._pool is None else self._pool.map)(work, parts))


ALONE = Crew(None)


@contextmanager
def side_by_side(device: torch.device) -> Iterator[Crew]:
    """A crew of as many threads as torch may use here, which meanwhile gives each of them one core."""
    if device.type != "cpu":
        yield ALONE
        return
    with one_core() as threads, _memory_at_hand():
        if threads == 1:
            torch.set_flush_denormal(True)
            try:
                yield ALONE
            finally:
                torch.set_flush_denormal(False)
        else:
            with ThreadPoolExecutor(threads, initializer=_prepare) as pool:
                yield Crew(pool)


def _prepare() -> None:
    """One core for this thread, and zero for numbers under 1e-38.

    Over a long window the gradient fades into such denormal numbers, which a processor handles ten times slower.
    """
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)


@contextmanager
def one_core() -> Iterator[int]:
    """This thread's torch on one core, so that no sum depends on how many there are; yields how many it had."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield threads
    finally:
        torch.set_num_threads(threads)


@contextmanager
def _memory_at_hand() -> Iterator[None]:
    """Where the C library is glibc, memory that a batch frees waits for the next instead of going back to the system.

    Else each batch takes its pages anew, zeroed one by one: a fifth of an epoch of the recipe, and more of one with a
    long context. Only blocks under 32 MiB can be kept. mallopt(3).
    """
    if platform.libc_ver()[0] != "glibc":
        yield
        return
    library = ctypes.CDLL(None)
    library.mallopt(_MMAP_THRESHOLD, _LARGEST_DYNAMIC)
    library.mallopt(_TRIM_THRESHOLD, 2**31 - 1)
    library.mallopt(_TOP_PAD, _HEAP)
    try:
        yield
    finally:
        library.mallopt(_TOP_PAD, _USUAL_PAD)
        library.mallopt(_TRIM_THRESHOLD, 2 * _LARGEST_DYNAMIC)
        library.malloc_trim(0)

"""One function behind which work is spread over processes, and what the command sets for each of them."""

from __future__ import annotations

import ctypes
import platform
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from typing import TypeVar

Task = TypeVar("Task")
Answer = TypeVar("Answer")

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3  # malloc.h
_LARGEST_DYNAMIC = 2**25  # bytes; where glibc's own thresholds end after large blocks have been freed
_HEAP = 2**26  # bytes; an empty heap of a thread is given back unless the pad is as large
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


@contextmanager
def caught_warnings() -> Iterator[list[warnings.WarningMessage]]:
    """Warnings given inside, kept and not shown; one thread at a time, since Python's filters are the process's."""
    with _filters, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield caught


def _prepared_work(work: Callable[[Task], Answer], task: Task) -> Answer:
    """Work in a process that is prepared first, as this one was."""
    prepare_process()
    return work(task)


def run_tasks(work: Callable[[Task], Answer], tasks: Iterable[Task], *, jobs: int) -> Iterator[Answer]:
    """`work(task)` for each task, `jobs` processes at a time (-1: one a core), as they end; an error stops the rest."""
    from joblib import Parallel, delayed

    call = partial(_prepared_work, work) if _prepared else work
    yield from Parallel(n_jobs=jobs, return_as="generator_unordered")(delayed(call)(task) for task in tasks)

"""One function behind which work is spread over processes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

Task = TypeVar("Task")
Answer = TypeVar("Answer")


def run_tasks(work: Callable[[Task], Answer], tasks: Iterable[Task], *, jobs: int) -> Iterator[Answer]:
    """`work(task)` for each task, `jobs` processes at a time (-1: one a core), as they end; an error stops the rest."""
    from joblib import Parallel, delayed

    answers: Iterator[Answer] = Parallel(n_jobs=jobs, return_as="generator_unordered")(
        delayed(work)(task) for task in tasks
    )
    return answers

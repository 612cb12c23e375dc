"""Workers that do one work together, on processes of this machine or on a Ray cluster: started, heard, begun again."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from gatecast.errors import GatecastError, UsageError, WorkerError
from gatecast.executors import LOCAL, Engine, belong_to, connected, in_workers
from gatecast.text import clean

Shared = TypeVar("Shared")
Answer = TypeVar("Answer")

# Of a group whose worker died; a machine that fails once in 500 hours fails a long training once or twice.
_RESTARTS = 3
_HEARD = 0.5  # seconds between two words from a Ray worker, and between two looks at whether the training has ended
_ENDS = 60.0  # seconds in which Ray ends the workers of a group that has answered
_ONE_THREAD = {"OMP_NUM_THREADS": "1"}


def _unheard(word: Any) -> None:
    """What others than the first tell."""


@dataclass(frozen=True, kw_only=True)
class Member:
    """The place of a worker in its group: its number, counted from 0, of `size`.

    `meet` is a file at which members on one machine find each other; None where they have been brought together by Ray,
    or where there is but one. What the first `tell`s comes to the process that asked.
    """

    number: int = 0
    size: int = 1
    meet: Path | None = None
    tell: Callable[[Any], None] = _unheard


def run_group(
    work: Callable[[Shared, Member], Answer],
    shared: Shared,
    *,
    most: int,
    engine: Engine = LOCAL,
    told: Callable[[Any], None] = _unheard,
) -> Answer:
    """The first member's answer to `work(shared, member)`, which all members of a group do at once.

    They are as many as `engine` says, else one a core, `most` of them at most; one on `local` is this process. `shared`
    goes to a Ray cluster once. Where a member dies all are ended and begin again, a few times: the work itself goes on
    from what it has kept. Raises what the first member raises as `GatecastError`, `WorkerError` where members die each
    time, and `UsageError` for more members than the cluster has cores.
    """
    if engine.kind == "ray":
        return _on_ray(in_workers(work), shared, most, engine, told)
    from joblib import cpu_count

    size = engine.workers or min(most, cpu_count())
    if size == 1:
        return work(shared, Member(tell=told))
    why = ""
    for _ in range(1 + _RESTARTS):
        with tempfile.TemporaryDirectory() as folder:
            members = [Member(number=number, size=size, meet=Path(folder, "meet")) for number in range(size)]
            try:
                return _on_processes(in_workers(work), shared, members, told)
            except _Died as error:
                why = str(error)
    raise _lost(why)


class _Died(Exception):
    """A member is gone before the group has answered."""


def _lost(why: str) -> WorkerError:
    said = f" ({clean(why.strip().splitlines()[-1], 120)})" if why.strip() else ""
    return WorkerError(
        f"workers that learn together must live; one of them died{said}, and so did those that took its place, "
        "most often for want of memory. What was finished is kept: take fewer workers or give "
        "fewer assets, with resume=True."
    )


def _on_processes(
    work: Callable[[Shared, Member], Answer], shared: Shared, members: list[Member], told: Callable[[Any], None]
) -> Answer:
    """Once, on processes of one thread each; loky's, since they need no `if __name__ == "__main__"` of the caller."""
    from multiprocessing.connection import wait

    from joblib.externals.loky.backend import get_context

    context = get_context("loky")
    ear, mouth = context.Pipe(duplex=False)
    processes: list[Any] = []
    try:
        for member in members:
            given = (work, shared, member, None if member.number else mouth, os.getpid())
            processes.append(context.Process(target=_take_part, args=given, env=_ONE_THREAD))
            processes[-1].start()
        mouth.close()
        at_work = {process.sentinel: process for process in processes}
        while True:
            ready = wait([ear, *at_work])
            if ear in ready:
                try:
                    state, value = ear.recv()
                except EOFError:
                    raise _Died from None
                if state == "told":
                    told(value)
                else:
                    answer: Answer = _answer(state, value)
                    return answer
            elif any(_failed(at_work.pop(sentinel)) for sentinel in ready):
                raise _Died
    finally:
        ear.close()
        for process in processes:
            process.terminate()
            process.join()


def _failed(process: Any) -> bool:
    """Whether a process that ends has failed; its pipe closes a moment before its exit code is known."""
    process.join()
    return bool(process.exitcode)


def _answer(state: str, value: Any) -> Any:
    """The answer, or what is raised in its place."""
    if state == "answered":
        return value
    if state == "refused":
        raise value
    raise _Died(value)


def _take_part(work: Callable[[Shared, Member], Any], shared: Shared, member: Member, mouth: Any, owner: int) -> None:
    """What a process of a group does."""
    belong_to(owner)
    say: Callable[[tuple[str, Any]], None] = _unheard if mouth is None else mouth.send
    try:
        say(("answered", work(shared, replace(member, tell=lambda word: say(("told", word))))))
    except GatecastError as error:
        say(("refused", error))
    except Exception as error:  # another member may be gone
        say(("died", repr(error)))
        sys.exit(1)


def _on_ray(
    work: Callable[[Shared, Member], Answer], shared: Shared, most: int, engine: Engine, told: Callable[[Any], None]
) -> Answer:
    """By Ray Train, which begins again where a worker dies; in a task, since it takes Ctrl-C from its own process."""
    with connected(engine) as ray:
        from ray.util.queue import Empty, Queue

        cores = int(ray.cluster_resources().get("CPU", 1))
        size = engine.workers or min(most, cores)
        if size > cores:
            raise UsageError(
                f"workers that learn together need a core each; got {size} workers for {cores} on the cluster. Take "
                f"workers={cores}."
            )
        words = Queue(actor_options={"num_cpus": 0})
        fit = ray.remote(num_cpus=0, max_retries=0)(_fit_on_ray)
        training, ended = fit.remote(work, [ray.put(shared)], words, size), []
        try:
            while True:
                ended, _ = ray.wait([training], timeout=0)
                try:
                    state, value = words.get(timeout=_HEARD)
                except Empty:
                    if not ended:
                        continue
                    try:
                        ray.get(training)
                    except ray.exceptions.RayError as error:
                        raise _lost(str(error)) from None
                    raise _lost("it gave no answer") from None
                if state == "told":
                    told(value)
                else:
                    ended, _ = ray.wait([training], timeout=_ENDS)
                    answer: Answer = _answer(state, value)
                    return answer
        finally:
            if not ended:  # to cancel a task as it ends can end this process too: ray-project/ray pull request 54738
                ray.cancel(training, force=True)
            words.shutdown(force=True)


def _fit_on_ray(work: Callable[[Shared, Member], Any], there: list[Any], words: Any, size: int) -> None:
    """A training of Ray, whose own files are of no use once it has ended."""
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchConfig, TorchTrainer

    with tempfile.TemporaryDirectory() as folder:
        TorchTrainer(
            _take_part_on_ray,
            train_loop_config={"work": work, "there": there, "words": words},
            torch_config=TorchConfig(backend="gloo"),
            scaling_config=ScalingConfig(num_workers=size, use_gpu=False),
            run_config=RunConfig(storage_path=folder, failure_config=FailureConfig(max_failures=_RESTARTS)),
        ).fit()


def _take_part_on_ray(given: dict[str, Any]) -> None:
    """What a worker of Ray Train does."""
    import ray
    from ray.train import get_context

    number, size = get_context().get_world_rank(), get_context().get_world_size()
    last = time.monotonic()

    def say(state: str, value: Any) -> None:
        if number == 0:
            given["words"].put((state, value))

    def tell(word: Any) -> None:
        nonlocal last
        if time.monotonic() - last >= _HEARD:
            last = time.monotonic()
            say("told", word)

    try:
        answer = given["work"](ray.get(given["there"][0]), Member(number=number, size=size, tell=tell))
    except GatecastError as error:  # any other ends this worker, and Ray begins again
        say("refused", error)
    else:
        say("answered", answer)

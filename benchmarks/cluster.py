"""A fleet on a cluster, simulated from measured task times: stragglers, machines that fail, and what breaks first.

Tasks are handed out as `executors.run_tasks` does it on Ray: two a worker at most are under way, and the process that
hands them out takes each answer by itself, writes a file an asset, and only then hands out the next. Seconds of a task
are drawn from those that `benchmarks/fleet.py --tasks` measured. A machine is a little faster or slower than the
others (10%), one in fifty is half as fast; each fails once in 500 hours, its tasks are found lost after 30 seconds and
done again elsewhere, once, and it is replaced after ten minutes. Same seed, same table.

    python benchmarks/cluster.py [--series 1000000] [--cores 16] [--machines 1 4 16 64] [--write 3]
"""

from __future__ import annotations

import argparse
import heapq
import json
import sys
from collections import deque
from dataclasses import dataclass
from pathlib import Path

import numpy as np

RESULTS = Path(__file__).parents[1] / "benchmarks" / "results" / "fleet.json"
SPREAD, SLOW, SLOWNESS = 0.1, 0.02, 2.0  # of machines: sigma of the logarithm; the share that is slower, how much
HOURS_TO_FAILURE, FOUND, REPLACED = (
    500.0,
    30.0,
    600.0,
)  # of a machine; seconds until its tasks are missed, until it is back
RETRIES = 1  # of a task whose machine died, as in executors.py
FREE, ANSWERED, FAILED, BACK, MISSED = range(5)  # what happens


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """Machines of so many cores, and seconds that the one process that hands out tasks spends on an answer."""

    machines: int
    cores: int
    answer: float


@dataclass(kw_only=True)
class Outcome:
    """What came of a run: its seconds, those of work and of taking answers, tasks done again, and those given up."""

    seconds: float = 0.0
    worked: float = 0.0
    answering: float = 0.0
    again: int = 0
    given_up: int = 0


def simulate(cluster: Cluster, tasks: np.ndarray, *, failures: bool = True, seed: int = 0) -> Outcome:
    """Hand out `tasks`, seconds each on an ordinary core, until all are answered or given up."""
    return _Run(cluster, tasks, failures=failures, seed=seed).outcome()


class _Run:
    """The state of a simulated run; an event is (seconds, what happens, to which worker or machine, task)."""

    def __init__(self, cluster: Cluster, tasks: np.ndarray, *, failures: bool, seed: int) -> None:
        self.cluster, self.tasks, self.rng = cluster, tasks, np.random.default_rng(seed)
        slow = np.exp(SPREAD * self.rng.standard_normal(cluster.machines))
        self.slow = slow * np.where(self.rng.random(cluster.machines) < SLOW, SLOWNESS, 1.0)
        workers = cluster.machines * cluster.cores
        self.idle, self.down = deque(range(workers)), set[int]()
        self.left = deque(range(len(tasks)))
        self.waiting = deque(self.left.popleft() for _ in range(min(2 * workers, len(tasks))))
        self.tries = np.zeros(len(tasks), dtype=int)
        self.at: dict[int, tuple[int, float]] = {}  # of a worker: its task, and when it began
        self.events: list[tuple[float, int, int, int]] = []
        self.found, self.now, self.free, self.ended = Outcome(), 0.0, 0.0, 0
        for machine in range(cluster.machines if failures else 0):
            self.fail_later(machine)

    def outcome(self) -> Outcome:
        happens = {
            FREE: self.freed, ANSWERED: self.answered, FAILED: self.failed, BACK: self.is_back, MISSED: self.missed
        }  # fmt: skip
        self.hand_out()
        while self.ended < len(self.tasks):
            self.now, what, who, task = heapq.heappop(self.events)
            happens[what](who, task)
            self.hand_out()
        self.found.seconds = self.now
        return self.found

    def hand_out(self) -> None:
        while self.waiting and self.idle:
            worker = self.idle.popleft()
            machine = worker // self.cluster.cores
            if machine not in self.down:
                task = self.waiting.popleft()
                self.at[worker] = (task, self.now)
                self.later(self.tasks[task] * self.slow[machine], FREE, worker, task)

    def freed(self, worker: int, task: int) -> None:
        """A worker ends a task, unless its machine died before; the answer waits for its turn."""
        if worker not in self.at or self.at[worker][0] != task:
            return
        self.found.worked += self.now - self.at.pop(worker)[1]
        self.found.answering += self.cluster.answer
        self.idle.append(worker)
        self.free = max(self.free, self.now) + self.cluster.answer
        self.later(self.free - self.now, ANSWERED, 0, task)

    def answered(self, _: int, task: int) -> None:
        self.ended += 1
        if self.left:
            self.waiting.append(self.left.popleft())

    def failed(self, machine: int, _: int) -> None:
        self.down.add(machine)
        for worker in self.workers_of(machine):
            if worker in self.at:
                self.later(FOUND, MISSED, 0, self.at.pop(worker)[0])
        self.later(REPLACED, BACK, machine)

    def is_back(self, machine: int, _: int) -> None:
        self.down.discard(machine)
        self.idle = deque(worker for worker in self.idle if worker not in self.workers_of(machine))
        self.idle.extend(self.workers_of(machine))
        self.fail_later(machine)

    def missed(self, _: int, task: int) -> None:
        self.tries[task] += 1
        if self.tries[task] <= RETRIES:
            self.found.again += 1
            self.waiting.appendleft(task)
        else:
            self.found.given_up += 1
            self.answered(0, task)

    def workers_of(self, machine: int) -> range:
        return range(machine * self.cluster.cores, (machine + 1) * self.cluster.cores)

    def fail_later(self, machine: int) -> None:
        self.later(self.rng.exponential(3600 * HOURS_TO_FAILURE), FAILED, machine)

    def later(self, seconds: float, what: int, who: int, task: int = 0) -> None:
        heapq.heappush(self.events, (self.now + seconds, what, who, task))


def drawn(measured: dict[str, list[float]], block: int, series: int) -> np.ndarray:
    """Seconds of the tasks of so many series, drawn from those measured of blocks of this size."""
    rng = np.random.default_rng(1)
    return rng.choice(measured[str(block)], -(-series // block)) * rng.lognormal(0, 0.05, -(-series // block))


def show(name: str, cluster: Cluster, tasks: np.ndarray) -> None:
    run, smooth = simulate(cluster, tasks), simulate(cluster, tasks, failures=False)
    workers = cluster.machines * cluster.cores
    print(
        f"{name} {cluster.machines:8,} {len(tasks):8,} {run.seconds / 3600:8.2f} {smooth.seconds / 3600:15.2f}"
        f" {run.worked / run.seconds / workers:8.0%} {run.answering / run.seconds:10.0%} {run.again:11,}"
        f" {run.given_up:9,} {cluster.machines * run.seconds / 3600:14,.0f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--series", type=int, default=1_000_000)
    parser.add_argument("--cores", type=int, default=16, help="of a machine")
    parser.add_argument("--write", type=float, help="milliseconds of a file; the least that was measured unless given")
    parser.add_argument("--machines", type=int, nargs="*", default=[1, 4, 16, 64])
    asked = parser.parse_args()
    found = json.loads(RESULTS.read_text())["tasks"] if RESULTS.exists() else None
    if not found:
        sys.exit("a simulation needs measured tasks: run benchmarks/fleet.py --tasks 3 first.")
    measured, write = found["cpu_seconds"], asked.write / 1000 if asked.write else min(found["write_seconds"])
    print(
        f"{asked.series:,} series; a file takes {1000 * write:.1f} ms; seconds of a block of each size, and an asset:"
    )
    for block, seconds in measured.items():
        print(f"  {int(block):4,} assets {np.median(seconds):8.1f} s {np.median(seconds) / int(block):8.3f} s")
    print("block machines    tasks    hours  without failure  at work  answering  done again  given up  machine hours")
    for machines in asked.machines:
        cluster = Cluster(machines=machines, cores=asked.cores, answer=40 * write)
        show("   40", cluster, drawn(measured, 40, asked.series))
    for block in sorted(map(int, measured)):
        cluster = Cluster(machines=max(asked.machines), cores=asked.cores, answer=block * write)
        show(f"{block:5}", cluster, drawn(measured, block, asked.series))
    many = Cluster(machines=max(asked.machines), cores=asked.cores, answer=0.0)
    print("the same where workers write the files themselves:")
    show("   40", many, drawn(measured, 40, asked.series))


if __name__ == "__main__":
    main()

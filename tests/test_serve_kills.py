"""kill -9 of servers and workers: no job lost, none with two results, the ledger unbroken."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "benchmarks"))

from serve_kills import run_kills  # noqa: E402


def check(found: dict[str, Any]) -> None:
    assert found["states"] == {"done": found["jobs"]}, found
    assert found["with_whole_results"] == found["ledger_rows"] == found["jobs"]
    assert found["not_recorded_once"] == 0
    assert sum(found["kills"].values()) == 6


@pytest.mark.slow(reason="servers and workers are killed six times, and load torch each time")
def test_killed_servers_and_workers_lose_no_job(tmp_path: Path) -> None:
    check(run_kills(6, tmp_path, seed=1))


@pytest.mark.slow(reason="two servers on one database are killed six times, and load torch each time")
def test_two_servers_on_one_postgresql_do_no_job_twice(postgres: str, tmp_path: Path) -> None:
    check(run_kills(6, tmp_path, database=postgres, servers=2, seed=2))

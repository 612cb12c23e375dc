"""Other processes, timed: a rival asked for one line of JSON, a command from a cold start."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
RIVALS = ROOT / "benchmarks" / "rivals"
LONGEST = 7200  # seconds a process may take
_BEGAN = time.perf_counter()


class Failed(Exception):
    """A process that was to be timed did not do its work."""


def ask(rival: str, task: str, **settings: object) -> dict[str, Any]:
    """What the program of this rival answers; raises `Failed` with its last words."""
    say(f"{rival}: {task} {settings if task != 'quality' else ''}")
    program = RIVALS / f"{rival}_recipe.py"
    out = _run([sys.executable, str(program), task, json.dumps(settings)])
    return dict(json.loads(out.splitlines()[-1]))


def cold(*command: str) -> float:
    """Seconds of a command from start to end, with an empty cache folder of gatecast's own."""
    say(f"cold: {' '.join(command)}")
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        _run([str(BIN / command[0]), *command[1:]], XDG_CACHE_HOME=folder)
        return time.perf_counter() - began


def check(program: Path) -> dict[str, Any]:
    """What a checking program prints, whether it is content or not."""
    say(program.name)
    done = _finished([sys.executable, str(program)])
    if not done.stdout.strip():
        raise Failed(_last_words(done))
    return dict(json.loads(done.stdout.splitlines()[-1]))


def say(text: str) -> None:
    """Progress, to standard error."""
    print(f"[{time.perf_counter() - _BEGAN:6.0f} s] {text.strip()}", file=sys.stderr, flush=True)


def _run(command: Sequence[str], **environment: str) -> str:
    done = _finished(command, **environment)
    if done.returncode != 0:
        raise Failed(_last_words(done))
    return done.stdout


def _finished(command: Sequence[str], **environment: str) -> subprocess.CompletedProcess[str]:
    quiet = {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=LONGEST,
        check=False,
        env={**os.environ, **quiet, **environment},
    )


def _last_words(done: subprocess.CompletedProcess[str]) -> str:
    lines = (done.stderr.strip() or done.stdout.strip() or "it said nothing").splitlines()
    return f"{Path(done.args[1]).name} ended with {done.returncode}: {lines[-1]}"

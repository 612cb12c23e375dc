"""Other processes, timed: a rival asked for one line of JSON, a command from a cold start."""

from __future__ import annotations

import json
import os
import platform
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from rivals.recipe import PROGRESS

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
_BEGAN = time.perf_counter()


class Failed(Exception):
    """A process that was to be timed did not do its work."""


def ask(rival: str, task: str, *, program: str = "recipe", **settings: object) -> dict[str, Any]:
    """What a program of this rival answers; raises `Failed` with its last words."""
    say(f"{rival}: {task} {settings if task != 'quality' else ''}")
    out = _run(
        [sys.executable, "-m", f"rivals.{rival}_{program}", task, json.dumps(settings)],
        PYTHONPATH=str(ROOT / "benchmarks"),
    )
    return dict(json.loads(out.splitlines()[-1]))


def cold_seconds(*command: str) -> float:
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


def machine(libraries: Sequence[str]) -> dict[str, Any]:
    """What it runs on and with."""
    names = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    models = [line.partition(":")[2].strip() for line in names if line.startswith("model name")]
    return {
        "processor": models[0] if models else platform.processor(),
        "cores": os.cpu_count(),
        # Where it is set it binds torch and its kin, but not TensorFlow.
        "omp_num_threads": os.environ.get("OMP_NUM_THREADS"),
        "python": platform.python_version(),
        **{name: metadata.version(name) for name in libraries},
    }


def say(text: str) -> None:
    """Progress, to standard error."""
    print(f"[{time.perf_counter() - _BEGAN:6.0f} s] {text.strip()}", file=sys.stderr, flush=True)


def _run(command: Sequence[str], **environment: str) -> str:
    done = _finished(command, **environment)
    if done.returncode != 0:
        raise Failed(_last_words(done))
    return done.stdout


def _finished(command: Sequence[str], **environment: str) -> subprocess.CompletedProcess[str]:
    """The process once it ended; what it says of its progress is passed on at once."""
    quiet = {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    said: list[str] = []
    with tempfile.TemporaryFile("w+") as out:
        process = subprocess.Popen(
            command, stdout=out, stderr=subprocess.PIPE, text=True, env={**os.environ, **quiet, **environment}
        )
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith(PROGRESS):
                say(line.removeprefix(PROGRESS))
            else:
                said.append(line)
        code = process.wait()
        out.seek(0)
        return subprocess.CompletedProcess(command, code, out.read(), "".join(said))


def _last_words(done: subprocess.CompletedProcess[str]) -> str:
    lines = (done.stderr.strip() or done.stdout.strip() or "it said nothing").splitlines()
    return f"'{shlex.join(map(str, done.args))[:200]}' ended with {done.returncode}: {lines[-1]}"

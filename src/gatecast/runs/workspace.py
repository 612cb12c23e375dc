"""What runs share: the user's cache folder, where checkpoints and finished folds wait, and a clock."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from gatecast.prices import PriceTable


def cache() -> Path:
    """The user's cache folder (XDG Base Directory Specification)."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gatecast"


def clear_checkpoint(folder: Path, *, keep_folder: bool) -> None:
    """Remove the checkpoints of a training that is no longer needed, and nothing else."""
    for left in folder.glob("training-*.safetensors"):
        if left.stem.removeprefix("training-").isdigit():
            left.unlink(missing_ok=True)
    if not keep_folder:
        with suppress(OSError):  # it never was, or a writer that was killed left half a file in it
            folder.rmdir()


@contextmanager
def timed(seconds: dict[str, float], part: str) -> Iterator[None]:
    """Put down how long what happens inside takes."""
    began = time.perf_counter()
    yield
    seconds[part] = time.perf_counter() - began


@contextmanager
def fold_store(prices: PriceTable, about: Mapping[str, object]) -> Iterator[Path]:
    """A folder for the finished folds of exactly this run; it stays where the run is cut short, and goes at its end."""
    text = json.dumps([prices.data_hash(), dict(about)], sort_keys=True)
    folder = cache() / "folds" / hashlib.sha256(text.encode()).hexdigest()[:16]
    yield folder
    shutil.rmtree(folder, ignore_errors=True)

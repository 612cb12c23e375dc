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

from gatecast.calibration.walked import WalkedDays
from gatecast.errors import UsageError, check_path
from gatecast.nn.model_files import check_target
from gatecast.notes import Note
from gatecast.prices import PriceTable


def cache() -> Path:
    """The user's cache folder (XDG Base Directory Specification)."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gatecast"


def walked_days() -> WalkedDays:
    """The past days that networks were walked over, kept in the user's cache folder."""
    return WalkedDays(cache() / "walks")


def model_target(save: Path | str) -> Path:
    """The folder of a model to come, which can be written; raises `UsageError` or `TrainingError` where it cannot."""
    check_path("save", save)
    folder = Path(save)
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"a model is saved to a folder; '{folder}' is a file. Choose another name.")
    check_target(folder)
    return folder


def has_checkpoint(folder: Path) -> bool:
    """Whether a training has left its state here."""
    return any(folder.glob("training-*.safetensors"))


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
def fold_store(prices: PriceTable, about: Mapping[str, object]) -> Iterator[Path | None]:
    """A folder for the finished folds of exactly this run; it stays where the run is cut short, and goes at its end.

    None where the cache folder cannot be written: the run needs no store (`store_notes` say so).
    """
    text = json.dumps([prices.data_hash(), dict(about)], sort_keys=True)
    folder = cache() / "folds" / hashlib.sha256(text.encode()).hexdigest()[:16]
    yield folder if _writable(folder) else None
    shutil.rmtree(folder, ignore_errors=True)


def store_notes(store: Path | None) -> tuple[Note, ...]:
    """That finished folds could not be kept, where they could not."""
    text = f"finished folds were not kept, since '{cache()}' cannot be written; a run that is cut off would start anew"
    return () if store is not None else (Note("test", text),)


def _writable(folder: Path) -> bool:
    """Whether a folder that may not be there yet can be written; nothing is made."""
    there = next(path for path in (folder, *folder.parents) if os.path.exists(path))
    return there.is_dir() and os.access(there, os.W_OK | os.X_OK)

"""Finished folds on disk: written whole or not at all, checked when read, so that a killed run goes on."""

from __future__ import annotations

import hashlib
import io
import json
import os
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from gatecast.scores import Rows

FORMAT = 1  # raised when what a fold holds, or how it is scored, changes


@dataclass(frozen=True, eq=False)
class Fold:
    """One model's scored forecasts at one cutoff. `too_few` says why it could not be fitted, else None."""

    rows: Rows
    notes: tuple[str, ...] = ()
    too_few: str | None = None


@dataclass(frozen=True)
class FoldStore:
    """A folder of finished folds. `<key>.parquet` holds the rows; `<key>.json`, written last, seals them."""

    folder: Path

    def load(self, key: dict[str, object]) -> Fold | None:
        """The fold finished under this key; None where there is none, or where it is damaged."""
        rows_file, seal_file = self._files(key)
        try:
            seal = json.loads(seal_file.read_text())
            content = rows_file.read_bytes()
            if seal["key"] != key or seal["sha256"] != hashlib.sha256(content).hexdigest():
                return None
            notes = tuple(str(note) for note in seal["notes"])
        except (OSError, ValueError, KeyError, TypeError):
            return None  # a damaged fold is a fold not yet done
        frame = pd.read_parquet(io.BytesIO(content))
        return Fold({name: frame[name].to_numpy() for name in frame.columns}, notes)

    def save(self, key: dict[str, object], fold: Fold) -> None:
        """Write a finished fold so that a kill at any moment leaves it whole or absent."""
        self.folder.mkdir(parents=True, exist_ok=True)
        rows_file, seal_file = self._files(key)
        content = pd.DataFrame(fold.rows).to_parquet(None)
        _write_whole(rows_file, content)
        seal = {"key": key, "sha256": hashlib.sha256(content).hexdigest(), "notes": list(fold.notes)}
        _write_whole(seal_file, json.dumps(seal, indent=1).encode())

    def _files(self, key: dict[str, object]) -> tuple[Path, Path]:
        name = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:32]
        return self.folder / f"{name}.parquet", self.folder / f"{name}.json"


def _write_whole(path: Path, content: bytes) -> None:
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    part.write_bytes(content)
    os.replace(part, path)

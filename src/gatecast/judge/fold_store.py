"""Finished folds on disk: written whole or not at all, checked when read, so that a killed run goes on."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import astuple, dataclass, is_dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
from pydantic import BaseModel

from gatecast.files import write_whole
from gatecast.judge.scores import Rows
from gatecast.notes import Note

FORMAT = 4  # raised when what a fold holds, or how it is scored, changes


@dataclass(frozen=True, eq=False)
class Fold:
    """One model's scored forecasts at one cutoff, and every note of each of them.

    `too_few` says why it could not be fitted, else None.
    """

    rows: Rows
    notes: tuple[Note, ...] = ()
    too_few: str | None = None

    @property
    def fallbacks(self) -> int:
        """How many of the forecasts are the random walk's, since the model had no answer."""
        return sum(note.kind == "fallback" for note in self.notes)

    @property
    def seen(self) -> int:
        """How many of the forecasts are of days that the network had learned from."""
        return sum(note.kind == "seen" for note in self.notes)


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
            notes = tuple(Note(kind, text, tuple(items)) for kind, text, items in seal["notes"])
        except (OSError, ValueError, KeyError, TypeError):
            return None  # a damaged fold is a fold not yet done
        frame = pd.read_parquet(io.BytesIO(content))
        return Fold({name: frame[name].to_numpy() for name in frame.columns}, notes)

    def save(self, key: dict[str, object], fold: Fold) -> None:
        """Write a finished fold so that a kill at any moment leaves it whole or absent."""
        self.folder.mkdir(parents=True, exist_ok=True)
        rows_file, seal_file = self._files(key)
        content = pd.DataFrame(fold.rows).to_parquet(None)
        write_whole(rows_file, content)
        seal = {
            "key": key,
            "sha256": hashlib.sha256(content).hexdigest(),
            "notes": [astuple(note) for note in fold.notes],
        }
        write_whole(seal_file, json.dumps(seal, indent=1).encode())

    def _files(self, key: dict[str, object]) -> tuple[Path, Path]:
        name = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:32]
        return self.folder / f"{name}.parquet", self.folder / f"{name}.json"


def settings_of(model: object) -> dict[str, str] | None:
    """A model's settings, for the key of its folds: its attributes without a trailing underscore.

    None where one of them has no text that only an equal value has, such as a function: two models that differ in it
    would share their folds.
    """
    if not hasattr(model, "__dict__"):
        return None
    settings: dict[str, str] = {}
    for name, value in sorted(vars(model).items()):
        if name.endswith("_"):
            continue
        text = _exact(value)
        if text is None:
            return None
        settings[name] = text
    return settings


def _exact(value: object) -> str | None:
    """A text that only an equal value has; None where there is none to be made."""
    if value is None or isinstance(value, (str, bytes, bool, int, float, complex, date, Path, np.generic)):
        return repr(value)
    if isinstance(value, np.ndarray):
        if value.dtype.hasobject:
            return None
        content = hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()
        return f"array {value.dtype} {value.shape} {content}"
    parts = _parts(value)
    if parts is None:
        return None
    texts = [_exact(part) for part in parts]
    known = [text for text in texts if text is not None]
    kind = f"{type(value).__module__}.{type(value).__qualname__}"
    return f"{kind}({', '.join(known)})" if len(known) == len(texts) else None


def _parts(value: object) -> list[object] | None:
    """What a compound value is made of, in an order of its own; None where it cannot be taken apart."""
    if isinstance(value, Mapping):
        return [part for pair in value.items() for part in pair]
    if isinstance(value, (list, tuple)):
        return list(value)
    if isinstance(value, BaseModel) or (is_dataclass(value) and hasattr(value, "__dict__")):
        if isinstance(value, type):
            return None
        return [part for pair in sorted(vars(value).items()) for part in pair]
    if hasattr(value, "fit") and hasattr(value, "predict"):  # a model within a model
        settings = settings_of(value)
        return None if settings is None else [part for pair in settings.items() for part in pair]
    return None

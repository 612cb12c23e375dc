"""Finished folds on disk: written whole or not at all, checked when read, so that a killed run goes on."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, is_dataclass
from datetime import date
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd
from pydantic import BaseModel

from gatecast.files import write_whole
from gatecast.judge.scores import Rows
from gatecast.notes import Note
from gatecast.prices import stamp_text

Key = tuple[str, np.datetime64]  # model and cutoff
FORMAT = 5  # raised when what a fold holds, or how it is scored, changes


@dataclass(frozen=True, eq=False)
class Fold:
    """One model's scored forecasts at one cutoff, every note of each of them, and what they say of risk, if asked."""

    rows: Rows
    notes: tuple[Note, ...] = ()
    too_few: str | None = None  # why it could not be fitted
    risk: Rows | None = None  # `risk_answers.COLUMNS`
    failed: str | None = None  # why a foreign model is left out


@dataclass(frozen=True)
class FoldStore:
    """Finished folds in a folder. `<key>.parquet` holds the rows; `<key>.risk.parquet` the answers on risk, where they
    were asked for; `<key>.json`, written last, seals both."""

    folder: Path
    about: Mapping[str, object]  # all that a fold depends on but its cutoff

    def load(self, cutoff: np.datetime64) -> Fold | None:
        """The fold finished at this cutoff; None where there is none, or where it is damaged."""
        key, rows_file, seal_file = self._places(cutoff)
        try:
            seal = json.loads(seal_file.read_text())
            contents = [file.read_bytes() for file in _files(rows_file)[: 1 + ("risk" in seal)]]
            sealed = [seal["sha256"], seal.get("risk")]
            digests = [hashlib.sha256(content).hexdigest() for content in contents]
            if seal["key"] != key or digests != sealed[: len(digests)]:
                return None
            notes = tuple(Note(kind, text, tuple(items)) for kind, text, items in seal["notes"])
        except (OSError, ValueError, KeyError, TypeError):
            return None  # a damaged fold is a fold not yet done
        frames = [pd.read_parquet(io.BytesIO(content)) for content in contents]
        rows, *risk = ({name: frame[name].to_numpy() for name in frame.columns} for frame in frames)
        return Fold(rows, notes, risk=risk[0] if risk else None)

    def save(self, cutoff: np.datetime64, fold: Fold) -> None:
        """Write a finished fold so that a kill at any moment leaves it whole or absent.

        It is absent, too, where another process ends the same run now, and removes the folder.
        """
        with suppress(FileNotFoundError):
            self._write(cutoff, fold)

    def _write(self, cutoff: np.datetime64, fold: Fold) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        key, rows_file, seal_file = self._places(cutoff)
        seal: dict[str, object] = {"key": key}
        for name, file, rows in zip(("sha256", "risk"), _files(rows_file), (fold.rows, fold.risk), strict=True):
            if rows is not None:
                content = pd.DataFrame(rows).to_parquet(None)
                write_whole(file, content)
                seal[name] = hashlib.sha256(content).hexdigest()
        seal["notes"] = [(note.kind, note.text, note.items) for note in fold.notes]
        write_whole(seal_file, json.dumps(seal, indent=1).encode())

    def _places(self, cutoff: np.datetime64) -> tuple[dict[str, object], Path, Path]:
        key = {**self.about, "cutoff": stamp_text(cutoff)}
        name = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:32]
        return key, self.folder / f"{name}.parquet", self.folder / f"{name}.json"


def _files(rows_file: Path) -> tuple[Path, Path]:
    """The file of a fold's rows, and that of its answers on risk."""
    return rows_file, rows_file.with_suffix(".risk.parquet")


def settings_of(model: object) -> dict[str, str] | None:
    """A model's settings, for the key of its folds: its attributes without a trailing underscore.

    None where one of them has no text that only an equal value has, such as a function: two models that differ in it
    would share their folds.
    """
    try:
        return {name: _exact(value) for name, value in sorted(vars(model).items()) if not name.endswith("_")}
    except TypeError:
        return None


def _exact(value: object) -> str:
    """A text that only an equal value has; raises `TypeError` where there is none to be made."""
    if value is None or isinstance(value, (str, bytes, bool, int, float, complex, date, Path, np.generic)):
        return repr(value)
    if isinstance(value, np.ndarray) and not value.dtype.hasobject:
        content = hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()
        return f"array {value.dtype} {value.shape} {content}"
    kind = f"{type(value).__module__}.{type(value).__qualname__}"
    return f"{kind}({', '.join(_exact(part) for part in _parts(value))})"


def _parts(value: object) -> Iterable[object]:
    """What a compound value is made of, in an order of its own; raises `TypeError` where it cannot be taken apart."""
    if isinstance(value, (list, tuple)):
        return value
    if isinstance(value, Mapping):
        return chain.from_iterable(value.items())
    if not isinstance(value, type):
        if isinstance(value, BaseModel) or is_dataclass(value):
            return chain.from_iterable(sorted(vars(value).items()))
        if hasattr(value, "fit") and hasattr(value, "predict") and (settings := settings_of(value)) is not None:
            return chain.from_iterable(settings.items())  # a model within a model
    raise TypeError

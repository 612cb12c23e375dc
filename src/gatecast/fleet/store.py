"""The folder of a fleet: a Parquet file an asset, written whole or not at all, which says what it was made from."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from gatecast.errors import GatecastError, UsageError
from gatecast.files import write_whole
from gatecast.fleet.work import AssetForecast
from gatecast.forecast import QUANTILES
from gatecast.text import shown

FORMAT = 1  # of the folder
_LONGEST = 100  # characters of a file's name; file systems take 255 bytes
_ABOUT = b"gatecast"  # the key of a file's metadata


class FleetStore:
    """`forecasts/` holds a file an asset, `failed/` why others could not be forecast, `summary.json` the last run;
    `fleet.json` says that the folder is a fleet's.

    A file of a forecast has the columns `item_id`, `timestamp`, `step`, `last_timestamp`, `last_close`, `mean` and
    those of `forecast.QUANTILES` (prices), and in its metadata under "gatecast", as JSON, the `key` of its data and
    settings, its `notes` and the id it was `recorded` under.
    """

    def __init__(self, folder: Path) -> None:
        """Make the folder; raises `UsageError` where it holds other files, `GatecastError` where it cannot be made."""
        if folder.exists() and not folder.is_dir():
            raise UsageError(f"forecasts of a fleet go to a folder; {shown(folder)} is a file. Choose another name.")
        self.folder = folder
        self._forecasts, self._failed = folder / "forecasts", folder / "failed"
        marker = folder / "fleet.json"
        try:
            if not _is_ours(marker) and folder.exists() and any(folder.iterdir()):
                raise UsageError(
                    f"forecasts of a fleet go to a folder of their own; {shown(folder)} holds other files. "
                    "Choose another folder."
                )
            self._forecasts.parent.mkdir(parents=True, exist_ok=True)
            write_whole(marker, json.dumps({"format": FORMAT}).encode())
            self._forecasts.mkdir(exist_ok=True)
            self._failed.mkdir(exist_ok=True)
        except OSError as error:
            raise GatecastError(f"{_unwritable(folder, error)} Choose another place.") from None

    def file_of(self, item: str) -> Path:
        """Where the forecast of an asset is."""
        return self._forecasts / f"{file_name(item)}.parquet"

    def done(self, *, recorded: bool) -> dict[str, str]:
        """The key of each asset's forecast that is there, of those in the ledger alone where `recorded`."""
        found = {}
        for path in self._forecasts.glob("*.parquet"):
            try:
                about = json.loads(pq.read_schema(path).metadata[_ABOUT])
                if about["recorded"] or not recorded:
                    found[str(about["item"])] = str(about["key"])
            except (OSError, pa.ArrowException, ValueError, KeyError, TypeError):
                continue  # a damaged file is a forecast not yet made
        return found

    def failed(self) -> dict[str, tuple[str, str]]:
        """Of each asset that could not be forecast the key of its data and settings, and why."""
        found = {}
        for path in self._failed.glob("*.json"):
            try:
                about = json.loads(path.read_bytes())
                found[str(about["item"])] = (str(about["key"]), str(about["reason"]))
            except (OSError, ValueError, KeyError, TypeError):
                continue
        return found

    def save(self, forecast: AssetForecast, key: str, recorded: str | None) -> None:
        """Write an asset's forecast; raises `GatecastError` where it cannot, and leaves what was there."""
        steps = len(forecast.timestamps)
        columns: dict[str, Any] = {
            "item_id": [forecast.item] * steps,
            "timestamp": forecast.timestamps,
            "step": np.arange(1, steps + 1),
            "last_timestamp": np.full(steps, forecast.last_timestamp),
            "last_close": np.full(steps, forecast.last_close),
            "mean": forecast.mean,
            **dict(zip(QUANTILES, forecast.quantiles.T, strict=True)),
        }
        about = {"item": forecast.item, "key": key, "notes": forecast.notes, "recorded": recorded}
        table = pa.table(columns).replace_schema_metadata({_ABOUT: json.dumps(about).encode()})
        content = io.BytesIO()
        pq.write_table(table, content)
        _write(self.file_of(forecast.item), content.getvalue())
        (self._failed / f"{file_name(forecast.item)}.json").unlink(missing_ok=True)

    def save_failure(self, item: str, key: str, reason: str) -> None:
        """Keep why an asset could not be forecast, so that it is not tried again; raises `GatecastError`."""
        content = json.dumps({"item": item, "key": key, "reason": reason})
        _write(self._failed / f"{file_name(item)}.json", content.encode())

    def summarize(self, document: Mapping[str, Any]) -> None:
        """Write `summary.json`; raises `GatecastError` where it cannot."""
        _write(self.folder / "summary.json", json.dumps(document, indent=1, allow_nan=False).encode())


def _is_ours(marker: Path) -> bool:
    """Whether a file is the mark of a fleet's folder."""
    try:
        about = json.loads(marker.read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(about, dict) and set(about) == {"format"} and isinstance(about["format"], int)


def file_name(item: str) -> str:
    """A file's name for an asset: letters and digits as they are, a long one cut, with a hash of the whole.

    >>> file_name("BRK/B"), file_name(".."), file_name("A" * 300)[-20:]
    ('BRK%2FB', '%2E%2E', 'AAA-4daeb9ac8be20328')
    """
    name = quote(item, safe=" ^=-_.")
    if name.startswith("."):  # hidden, or the folder above
        name = name.replace(".", "%2E")
    if len(name) <= _LONGEST:
        return name
    return f"{name[: _LONGEST - 17]}-{hashlib.sha256(item.encode()).hexdigest()[:16]}"


def _write(path: Path, content: bytes) -> None:
    try:
        write_whole(path, content)
    except OSError as error:
        raise GatecastError(f"{_unwritable(path, error)} Free some space, and run again.") from None


def _unwritable(path: Path, error: OSError) -> str:
    return f"'{path}' cannot be written ({error.strerror or error})."

"""Past days that a network was walked over: simulated once, whoever asks for them again."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from functools import cache, partial
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from gatecast.calibration.raw_bands import MOST_PATHS, RawBands
from gatecast.files import write_whole
from gatecast.forks import SideBySide, called, one_by_one
from gatecast.model import Forecasting, PredictsAt, Request, forecasts_at
from gatecast.prices import PriceTable

FORMAT = 2  # of a file; raised when what is kept of a day changes
GROUP = 25  # origins that are simulated, and kept in a file, together; fewer of many items
# Of all items and origins of a group; fewer take longer each, more are simulated again as days come.
PATHS_AT_ONCE = 32_000
MEMORY = 256 * 2**20  # bytes of groups that are held
DISK = 512 * 2**20  # bytes of files in a folder
_ARRAYS = tuple(field.name for field in fields(RawBands) if field.name not in ("item_ids", "paths"))
_shared: dict[str, WalkedDays] = {}  # with other tasks of this process, by token
Group = list[RawBands]  # of neighbouring origins, ascending


class WalkedDays:
    """Groups of past days by a name of all they were made from; held in memory, and kept in files of `folder`, if any.

    Copies share what is held, those that a process is sent, too.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder
        self._token = secrets.token_hex(8)
        self._held: dict[str, Group] = {}
        self._bytes = 0

    def __deepcopy__(self, memo: object) -> WalkedDays:
        return self

    def __reduce__(self) -> tuple[object, ...]:
        return _received, (self._token, self.folder)

    def find(self, name: str, steps: int) -> Group:
        """A group, at least so many steps ahead; empty where it is not known, or its file is damaged."""
        group = self._held.get(name)
        if group is None and (group := self._read(name)) is not None:
            self._hold(name, group)
        return [] if not group or group[0].steps < steps else group

    def keep(self, name: str, group: Group) -> None:
        """Hold a group and write its file; where that fails it is simulated again another time."""
        self._hold(name, group)
        if self.folder is None:
            return
        arrays = {f"{day}.{field}": getattr(bands, field) for day, bands in enumerate(group) for field in _ARRAYS}
        stamps = {name: array.view(np.int64) for name, array in arrays.items() if array.dtype.kind == "M"}
        about = {"items": json.dumps([bands.item_ids for bands in group]), "paths": str(group[0].paths)}
        content = save({name: np.ascontiguousarray(array) for name, array in (arrays | stamps).items()}, about)
        with suppress(OSError):
            self.folder.mkdir(parents=True, exist_ok=True)
            write_whole(self.folder / f"{name}.safetensors", content)
            _prune(self.folder)

    def _hold(self, name: str, group: Group) -> None:
        """Hold a group; the oldest go where all take more than MEMORY."""
        self._bytes += _size(group) - _size(self._held.pop(name, []))
        self._held[name] = group
        while self._bytes > MEMORY and len(self._held) > 1:
            self._bytes -= _size(self._held.pop(next(iter(self._held))))

    def _read(self, name: str) -> Group | None:
        if self.folder is None:
            return None
        try:
            with safe_open(self.folder / f"{name}.safetensors", "numpy") as file:
                about = file.metadata()
                if not 1 <= (paths := int(about["paths"])) <= MOST_PATHS:
                    raise ValueError("no forecast has so many paths")
                return [
                    RawBands(
                        item_ids=tuple(item_ids),
                        paths=paths,
                        last=file.get_tensor(f"{day}.last").view("datetime64[ns]"),
                        **{field: file.get_tensor(f"{day}.{field}") for field in _ARRAYS if field != "last"},
                    )
                    for day, item_ids in enumerate(json.loads(about["items"]))
                ]
        except (OSError, ValueError, KeyError, TypeError, SafetensorError):
            return None


def _received(token: str, folder: Path | None) -> WalkedDays:
    """The days that this process holds already under the token, or none yet."""
    return _shared.setdefault(token, WalkedDays(folder))


@dataclass(frozen=True, kw_only=True, eq=False)
class WalkedNetwork:
    """A network with the days it was walked over. `identity` names its weights and settings.

    Groups of days that are not known yet are simulated `side_by_side`.
    """

    network: PredictsAt
    days: WalkedDays
    identity: str
    side_by_side: SideBySide = one_by_one

    def unknown(
        self, prices: PriceTable, days: Sequence[np.datetime64], steps: int, paths: int, skipped: int = 0
    ) -> list[Callable[[], tuple[str, Group]]]:
        """What simulates the groups of these days that are not known yet, but for the first ones; `keep` their answers.

        Each gives the group's name, too. `bands` says what a group is.
        """
        spans, names = self._groups(prices, days, paths, skipped)
        found = [self.days.find(name, steps) for name in names]
        return self._unknown(prices, days, steps, paths, spans, names, found)

    def keep(self, made: Iterable[tuple[str, Group]]) -> None:
        """Hold groups that were simulated, for `bands` to find."""
        for name, group in made:
            self.days.keep(name, group)

    def bands(
        self,
        prices: PriceTable,
        origins: Sequence[np.datetime64],
        steps: int,
        paths: int,
        among: Sequence[np.datetime64],
    ) -> Iterator[RawBands]:
        """The raw bands from each origin, ascending, which are the last of `among`.

        `among` is divided into groups from its beginning (`grouped`), and those that are not known yet are simulated
        whole: so the numbers of an origin are the same whatever was asked before.
        """
        skipped = len(among) - len(origins)
        spans, names = self._groups(prices, among, paths, skipped)
        # Held here, too: what is kept of one group may push another out.
        found = [self.days.find(name, steps) for name in names]
        made = dict(self.side_by_side(called, self._unknown(prices, among, steps, paths, spans, names, found)))
        self.keep(made.items())
        for (first, _), name, known in zip(spans, names, found, strict=True):
            group = made.get(name, known)
            yield from (bands.first(steps) for bands in group[max(skipped - first, 0) :])

    def _unknown(
        self,
        prices: PriceTable,
        days: Sequence[np.datetime64],
        steps: int,
        paths: int,
        spans: Sequence[tuple[int, int]],
        names: Sequence[str],
        found: Sequence[Group],
    ) -> list[Callable[[], tuple[str, Group]]]:
        return [
            partial(self._made, name, prices, days[first:end], steps, paths)
            for (first, end), name, known in zip(spans, names, found, strict=True)
            if len(known) < end - first
        ]

    def _groups(
        self, prices: PriceTable, days: Sequence[np.datetime64], paths: int, skipped: int
    ) -> tuple[list[tuple[int, int]], list[str]]:
        """Where groups begin and end, but those of the days that are skipped, and the name of each."""
        size = min(max(PATHS_AT_ONCE // (len(prices) * paths), 1), GROUP)
        spans = [span for span in grouped(len(days), size) if span[1] > skipped]
        hashes = rows_hashes(prices, [days[end - 1] for _, end in spans])
        return spans, [self._name(days[first:end], of, paths) for (first, end), of in zip(spans, hashes, strict=True)]

    def _made(
        self, name: str, prices: PriceTable, origins: Sequence[np.datetime64], steps: int, paths: int
    ) -> tuple[str, Group]:
        seeds = [walking_seed(origin) for origin in origins]
        request = Request(cutoffs=origins, horizon=steps, paths=paths, seeds=seeds, extremes=False)
        return name, [RawBands.of(forecast, steps) for forecast in self.network.predict_at(prices, request)]

    def _name(self, origins: Sequence[np.datetime64], rows: str, paths: int) -> str:
        days = [int(origin.astype("datetime64[ns]").astype(np.int64)) for origin in origins]
        return _digest([FORMAT, _code(), self.identity, rows, days, paths])


def grouped(count: int, size: int) -> list[tuple[int, int]]:
    """Where the groups of so many origins begin and end: of `size`, and of what is left over of powers of two.

    So that where a few are added, as by each further fit of a backtest, most groups stay as they were.

    >>> grouped(23, 10)
    [(0, 10), (10, 20), (20, 22), (22, 23)]
    """
    spans, first = [], 0
    while first < count:
        left = count - first
        length = size if left >= size else 1 << (left.bit_length() - 1)
        spans.append((first, first + length))
        first += length
    return spans


def bands_at(
    model: Forecasting | WalkedNetwork,
    prices: PriceTable,
    origins: Sequence[np.datetime64],
    steps: int,
    paths: int,
    among: Sequence[np.datetime64] | None = None,
) -> Iterator[RawBands]:
    """The raw bands of any model from each origin, which sees the rows at or before it alone.

    The origins are the last of `among`, if given: all that could be asked for of these rows (`WalkedNetwork.bands`).
    """
    if isinstance(model, WalkedNetwork):
        yield from model.bands(prices, origins, steps, paths, origins if among is None else among)
        return
    seeds = [walking_seed(origin) for origin in origins]
    for forecast in forecasts_at(model, prices, origins, steps, paths=paths, seeds=seeds, extremes=False):
        yield RawBands.of(forecast, steps)


def walking_seed(cutoff: np.datetime64) -> int:
    """Another seed each origin: with one for all, a sample's own error would be taken for the model's."""
    return int(cutoff.astype("datetime64[s]").astype("int64")) % 2**31


def rows_hashes(prices: PriceTable, cutoffs: Sequence[np.datetime64]) -> list[str]:
    """A hash of all that a forecast from each cutoff, ascending, may depend on: the rows up to there, the calendar."""
    columns = {
        (series.item_id, name): (hashlib.sha256(), values)
        for series in prices
        for name, values in {"timestamps": series.timestamps.view("int64"), **series.columns()}.items()
    }
    done = dict.fromkeys(prices.item_ids, 0)
    hashes = []
    for cutoff in cutoffs:
        ends = {series.item_id: int(np.searchsorted(series.timestamps, cutoff, side="right")) for series in prices}
        known = []
        for (item, name), (digest, values) in columns.items():
            digest.update(np.ascontiguousarray(values[done[item] : ends[item]]).data)
            if ends[item]:
                known.append([item, name, ends[item], digest.hexdigest()])
        done = ends
        hashes.append(_digest([prices.calendar, known]))
    return hashes


def _digest(parts: object) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


@cache
def _code() -> str:
    """Which code makes these bands: other files of the package may give other numbers."""
    package = Path(__file__).parents[1]
    stats = [(str(file.relative_to(package)), file.stat()) for file in sorted(package.rglob("*.py"))]
    return _digest([[name, stat.st_size, stat.st_mtime_ns] for name, stat in stats])


def _size(group: Group) -> int:
    return sum(getattr(bands, field).nbytes for bands in group for field in _ARRAYS)


def _prune(folder: Path) -> None:
    """Remove the files that were written longest ago where all take more than DISK bytes."""
    files = sorted((entry.stat().st_mtime_ns, entry.path, entry.stat().st_size) for entry in os.scandir(folder))
    total = sum(size for _, _, size in files)
    for _, path, size in files:
        if total <= DISK:
            break
        Path(path).unlink(missing_ok=True)
        total -= size

"""Many assets, read in parts by whoever works on them: a folder, a large Parquet file, or a table in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import pyarrow as pa
import pyarrow.compute as pc

from gatecast.calendars.exchanges import open_calendar
from gatecast.errors import GatecastError, UnreadableSource
from gatecast.events import Events
from gatecast.prices import PriceTable
from gatecast.readers import sources
from gatecast.readers.choices import AS_FOUND, ReadOptions
from gatecast.readers.events import given_events
from gatecast.readers.folders import Refused, is_folder, named_by_file, price_folder
from gatecast.readers.large import Progress
from gatecast.readers.read import layout_names, read_kept
from gatecast.text import clean, shown

_SAMPLED_GROUPS, _SAMPLED_ROWS = 8, 500  # of a Parquet file, to find which column names the asset

Read = tuple[PriceTable | None, tuple[Refused, ...]]  # the assets that can be used, if any, and the others


@runtime_checkable
class Part(Protocol):
    """Some assets of a panel, small enough to be sent to another process."""

    def read(self) -> Read:
        """Their checked prices, through the same door as those of any source; those that it refuses, with why."""


@runtime_checkable
class Panel(Protocol):
    """Many assets in the order of their source; `refused` are those known to be unusable before any is read."""

    @property
    def names(self) -> tuple[str, ...]:
        """The assets."""

    @property
    def refused(self) -> tuple[Refused, ...]:
        """The assets left out, and why."""

    def part(self, names: Sequence[str]) -> Part:
        """Some of the assets."""


@dataclass(frozen=True, kw_only=True)
class Door:
    """How prices are read: what the caller says about them, their calendar, and whether guesses are made."""

    options: ReadOptions = AS_FOUND
    calendar: str | None = None
    repair: bool = False
    events: Events | None = None  # those that the options name, once they are read

    def with_events(self, table: PriceTable) -> PriceTable:
        """A table with the events of its items."""
        own = None if self.events is None else self.events.among(table.item_ids)
        return table if own is None else table.with_events(own)

    def read(self, source: object, *, progress: Progress | None = None) -> Read:
        """`read_kept` in this way."""
        return read_kept(source, self.options, calendar=self.calendar, repair=self.repair, progress=progress)


def open_panel(source: object, door: Door, *, progress: Progress | None = None) -> Panel:
    """The panel of a source as `read_prices` takes it.

    Of a folder, and of a Parquet file of more than 64 MB in which a column names the asset, only the names are read
    here. Raises `GatecastError` where there is nothing to read.
    """
    if door.calendar is not None:
        open_calendar(door.calendar)  # an unknown one is refused once, not for each asset
    door = replace(door, events=given_events(source, door.options), options=replace(door.options, events=None))
    if is_folder(source):
        folder = price_folder(Path(str(source)).absolute())  # workers may stand elsewhere
        return _FolderPanel(files=folder.files, refused=folder.refused, door=door)
    if isinstance(source, str | Path) and _is_large_parquet(Path(source)):
        panel = _parquet_panel(Path(source).absolute(), door)
        if panel is not None:
            return panel
    table, refused = door.read(source, progress=progress)
    if table is None:
        raise UnreadableSource(refused[0].reason)
    return _TablePanel(table=table if door.events is None else table.with_events(door.events), refused=refused)


@dataclass(frozen=True, kw_only=True, eq=False)
class _TablePart:
    table: PriceTable

    def read(self) -> Read:
        return self.table, ()


@dataclass(frozen=True, kw_only=True, eq=False)
class _TablePanel:
    """A table that is in memory as a whole; a part carries its prices with it."""

    table: PriceTable
    refused: tuple[Refused, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return self.table.item_ids

    def part(self, names: Sequence[str]) -> Part:
        return _TablePart(table=self.table.select(tuple(names)))


@dataclass(frozen=True, kw_only=True)
class _FolderPart:
    files: Mapping[str, Path]
    door: Door

    def read(self) -> Read:
        series, refused = [], []
        for item, path in self.files.items():
            try:
                table, own = self.door.read(path)
                if table is None or own:
                    raise UnreadableSource(own[0].reason)
                series.append(named_by_file(table, item, path))
            except GatecastError as error:
                refused.append(Refused(item, str(error)))
        if not series:
            return None, tuple(refused)
        table = PriceTable(series=tuple(series), calendar=self.door.calendar)
        return self.door.with_events(table), tuple(refused)


@dataclass(frozen=True, kw_only=True)
class _FolderPanel:
    """A file an asset; a part carries their paths."""

    files: Mapping[str, Path]
    refused: tuple[Refused, ...]
    door: Door

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.files)

    def part(self, names: Sequence[str]) -> Part:
        return _FolderPart(files={name: self.files[name] for name in names}, door=self.door)


@dataclass(frozen=True, kw_only=True)
class _ParquetPart:
    path: Path
    column: str
    words: tuple[str, ...]  # the assets' names as the file has them
    groups: tuple[int, ...]  # the row groups that hold them
    door: Door

    def read(self) -> Read:
        import pyarrow.parquet as pq

        wanted = pa.array(self.words, pa.string())
        with pq.ParquetFile(self.path) as file:
            parts = []
            for group in self.groups:  # one by one, so that memory holds one and what is wanted of the others
                table = file.read_row_group(group)
                parts.append(table.filter(pc.is_in(_words(table.column(self.column)), value_set=wanted)))
        found, refused = self.door.read(pa.concat_tables(parts).to_pandas())
        return None if found is None else self.door.with_events(found), refused


@dataclass(frozen=True, kw_only=True)
class _ParquetPanel:
    """A large file of rows of many assets; a part carries the path, and which row groups hold its assets."""

    path: Path
    column: str
    words: Mapping[str, tuple[str, ...]]  # of each asset how the file writes it
    groups: Mapping[str, frozenset[int]]  # of each asset the row groups that hold it
    refused: tuple[Refused, ...]
    door: Door

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.words)

    def part(self, names: Sequence[str]) -> Part:
        return _ParquetPart(
            path=self.path,
            column=self.column,
            words=tuple(word for name in names for word in self.words[name]),
            groups=tuple(sorted(frozenset().union(*(self.groups[name] for name in names)))),
            door=self.door,
        )


def _is_large_parquet(path: Path) -> bool:
    try:
        if not path.is_file() or path.stat().st_size <= sources.LARGE:
            return False
        with path.open("rb") as stream:
            return stream.read(4) == b"PAR1"
    except (OSError, ValueError):
        return False  # what is wrong is said by the reader of other files


def _parquet_panel(path: Path, door: Door) -> _ParquetPanel | None:
    """The assets of a Parquet file; None where no column names them, as in a wide table, or it is damaged."""
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            column = _item_column(file, path, door)
            if column is None:
                return None
            words: dict[str, dict[str, None]] = {}
            groups: dict[str, set[int]] = {}
            nameless = False
            for group in range(file.num_row_groups):
                cells = pc.unique(_words(file.read_row_group(group, columns=[column]).column(0))).to_pylist()
                for word in cells:
                    item = clean(word or "")
                    nameless |= not item
                    words.setdefault(item, {})[word] = None
                    groups.setdefault(item, set()).add(group)
    except (pa.ArrowException, OSError, ValueError, KeyError):
        return None
    reason = f"every row needs an asset; some of {shown(path.name)} have none in column {shown(column)}. Name it."
    kept = {item: tuple(written) for item, written in words.items() if item}
    return _ParquetPanel(
        path=path,
        column=column,
        words=kept,
        groups={item: frozenset(groups[item]) for item in kept},
        refused=(Refused("", reason),) if nameless else (),
        door=replace(door, options=replace(door.options, item=column)),
    )


def _item_column(file: Any, path: Path, door: Door) -> str | None:
    """The column that names the asset of a row, from rows here and there; None where there is none."""
    if door.options.item is not None:
        return door.options.item if door.options.item in file.schema_arrow.names else None
    step = max(file.num_row_groups // _SAMPLED_GROUPS, 1)
    parts = [file.read_row_group(group).slice(0, _SAMPLED_ROWS) for group in range(0, file.num_row_groups, step)]
    try:
        found = layout_names(pa.concat_tables(parts).to_pandas(), sources.asset_named(path), door.options).get("item")
    except GatecastError:
        return None
    return found if found in file.schema_arrow.names else None


def _words(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Names of assets as text, however they are stored."""
    return pc.cast(column, pa.string())

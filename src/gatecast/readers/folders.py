"""A folder of prices: a file an asset, the asset named by its file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from gatecast.errors import UnreadableSource
from gatecast.notes import Note
from gatecast.prices import PriceSeries, PriceTable
from gatecast.readers.sources import FORMATS, asset_named, is_price_file
from gatecast.text import counted, listed, shown

_ABOUT = frozenset({"readme", "license", "licence"})


@dataclass(frozen=True)
class Refused:
    """An asset that cannot be used, and why, in one line."""

    item: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class PriceFolder:
    """The files of a folder by the asset each names, in the order of their names; and those left out, with the reason.

    Hidden files, a README or LICENSE, files with the ending of another format, links out of the folder, and folders in
    it are passed over.
    """

    files: Mapping[str, Path]
    refused: tuple[Refused, ...]


def is_folder(source: object) -> bool:
    """Whether a source is a folder that is there."""
    return isinstance(source, str | Path) and bool(str(source)) and os.path.isdir(source)


def price_folder(folder: Path) -> PriceFolder:
    """The files of prices in a folder; raises `UnreadableSource` where there is none, or it may not be read."""
    try:
        entries = [
            entry
            for entry in os.scandir(folder)
            if _is_file(entry) and is_price_file(entry.name) and not _about(entry.name) and not _leads_out(entry)
        ]
    except OSError as error:
        raise UnreadableSource(
            f"the folder {shown(folder)} can't be read: {error.strerror or error}. Change its permissions."
        ) from None
    files: dict[str, Path] = {}
    refused = []
    for path in sorted(Path(entry.path) for entry in entries):
        item = asset_named(path)
        if files.setdefault(item, path) != path:
            reason = f"an asset has one file; {shown(files[item].name)} and {shown(path.name)} both name {shown(item)}"
            refused.append(Refused(path.name, f"{reason}. Rename one."))
    if not files:
        raise UnreadableSource(
            f"a folder of prices holds a file an asset: {FORMATS}; {shown(folder)} holds none. Give another folder."
        )
    return PriceFolder(files=files, refused=tuple(refused))


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:  # a link that leads to itself
        return False


def _about(name: str) -> bool:
    """Whether a file tells of the others, as its name says."""
    return name.partition(".")[0].casefold() in _ABOUT


def _leads_out(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a link to a file elsewhere, which is passed over."""
    return entry.is_symlink() and Path(entry.path).resolve().parent != Path(entry.path).parent.resolve()


def named_by_file(table: PriceTable, item: str, path: Path) -> PriceSeries:
    """The only series of a file's table, named by the file; raises `UnreadableSource` where there are several."""
    if len(table) > 1:
        raise UnreadableSource(
            f"a file in a folder of prices holds one asset; {shown(path.name)} holds {counted(len(table), 'asset')}: "
            f"{listed(table.item_ids)}. Give that file as the source, or split it."
        )
    (series,) = table.series
    notes = (Note(note.kind, note.text, (item,), note.since) for note in (*table.notes, *series.notes))
    return replace(series, item_id=item, notes=tuple(notes))

"""What there is to watch now: the files of the watched folders, none outside them, and the tickers."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from gatecast.errors import UnreadableSource
from gatecast.text import clean
from gatecast.web.watch.days import calendar_of
from gatecast.web.watch.settings import WatchSettings

MOST_FILES = 1000  # of a folder, the first by name
_SKIPPED = (".", "~", "#")  # names of hidden files, of locks and of copies that editors keep


@dataclass(frozen=True, kw_only=True)
class Place:
    """A file or a ticker: `key` names it in the database, `name` is shown (escape it)."""

    key: str
    name: str
    calendar: str | None
    folder: Path | None = None  # of a file

    @contextmanager
    def opened(self) -> Iterator[BinaryIO]:
        """The bytes of the file; raises `UnreadableSource` where it is gone, a link or no regular file."""
        assert self.folder is not None
        try:
            descriptor = os.open(self.key, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise UnreadableSource(
                f"a watched file is a regular file in its folder; '{clean(self.name, 80)}' can't be opened: "
                f"{error.strerror}. Put the file itself there."
            ) from None
        with os.fdopen(descriptor, "rb") as stream:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise UnreadableSource(
                    f"a watched file is a regular file; '{clean(self.name, 80)}' is none. Remove it."
                )
            yield stream


def places(settings: WatchSettings) -> tuple[list[Place], list[str]]:
    """What is watched now, and a line for each folder that cannot be read or holds too much.

    Links, folders and hidden files in a folder are left out, and names that are no text.
    """
    found: list[Place] = []
    problems: list[str] = []
    for folder in settings.folders:
        try:
            names = _names(folder)
        except OSError as error:
            problems.append(f"the watched folder '{clean(folder, 80)}' can't be read: {error.strerror}. Check it.")
            continue
        if len(names) > MOST_FILES:
            problems.append(
                f"a watched folder has at most {MOST_FILES:,} files; '{clean(folder, 80)}' has {len(names):,}. The "
                "first by name are taken; move others to a second folder."
            )
        found += [
            Place(key=str(folder / name), name=name, calendar=settings.calendar, folder=folder)
            for name in names[:MOST_FILES]
        ]
    found += [
        Place(key=f"yahoo:{ticker}", name=f"yahoo:{ticker}", calendar=settings.calendar or calendar_of(ticker))
        for ticker in settings.tickers
    ]
    return found, problems


def _names(folder: Path) -> Sequence[str]:
    with os.scandir(folder) as entries:
        return sorted(
            entry.name
            for entry in entries
            if entry.is_file(follow_symlinks=False) and not entry.name.startswith(_SKIPPED) and _is_text(entry.name)
        )


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True

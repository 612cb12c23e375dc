"""A note: something a reader of a result should know, as a value. No logic reads its text."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from gatecast.text import listed

# What a note is about: rows repaired or noticed when they were read (data), how a model was trained or chosen (model),
# whether the base network was adapted (adapted), what days a model learned from (learned), that it learned from the
# very days it forecasts (seen), a forecast that is the random walk's since the model had none (fallback), which models
# a forecast combines (combined) or why it combines none (uncombined), bands that are calibrated (bands) or are not
# (uncalibrated), how a test was made (test), what answers about risk rest on (risk).
Kind = Literal[
    "data", "model", "adapted", "learned", "seen", "fallback",
    "bands", "uncalibrated", "combined", "uncombined", "test", "risk",
]  # fmt: skip


@dataclass(frozen=True)
class Note:
    """What happened, and what it means for the reader; about these items, or about all where none are named.

    `since` is the ISO day of the first row that it tells of: a forecast made before that day does not know it.

    >>> str(Note("data", "1 row of zero volume was kept", ("AAPL",)))
    'AAPL: 1 row of zero volume was kept'
    """

    kind: Kind
    text: str
    items: tuple[str, ...] = ()
    since: str = ""

    def __str__(self) -> str:
        """The text, after the names of its items."""
        return f"{listed(self.items)}: {self.text}" if self.items else self.text


def merged(notes: Iterable[Note], all_items: Iterable[str] = ()) -> tuple[Note, ...]:
    """Each sentence once, in order, with the items of all its notes; without items where it holds for `all_items`."""
    every = set(all_items)
    items: dict[tuple[Kind, str], dict[str, None]] = {}
    general: set[tuple[Kind, str]] = set()
    for note in notes:
        key = (note.kind, note.text)
        items.setdefault(key, {}).update(dict.fromkeys(note.items))
        if not note.items:
            general.add(key)
    return tuple(
        Note(*key, () if key in general or (every and every <= named.keys()) else tuple(named))
        for key, named in items.items()
    )

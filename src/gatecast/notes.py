"""A note: something a reader of a result should know, as a value. No logic reads its text."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

# What a note is about: rows repaired or noticed when they were read (data), how a model was trained or chosen (model),
# whether the base network was adapted (adapted), what days a model learned from (learned), that it learned from the
# very days it forecasts (seen), a forecast that is the random walk's since the model had none (fallback), calibration
# of the bands (bands), how a test was made (test).
Kind = Literal["data", "model", "adapted", "learned", "seen", "fallback", "bands", "test"]


@dataclass(frozen=True)
class Note:
    """What happened, and what it means for the reader; of these items alone, or of all where there are none.

    >>> str(Note("data", "1 row of zero volume was kept", ("AAPL",)))
    'AAPL: 1 row of zero volume was kept'
    """

    kind: Kind
    text: str
    items: tuple[str, ...] = ()

    def __str__(self) -> str:
        """The text, led by the items it is of."""
        if not self.items:
            return self.text
        more = f" and {len(self.items) - 3} more" if len(self.items) > 3 else ""
        return f"{', '.join(self.items[:3])}{more}: {self.text}"


def merged(notes: Iterable[Note], all_items: Iterable[str] = ()) -> tuple[Note, ...]:
    """Each note once, in order; those that differ in their items alone become one, without items where it is of all."""
    every = set(all_items)
    of: dict[tuple[Kind, str], dict[str, None]] = {}
    whole: set[tuple[Kind, str]] = set()
    for note in notes:
        key = (note.kind, note.text)
        of.setdefault(key, {}).update(dict.fromkeys(note.items))
        if not note.items:
            whole.add(key)
    return tuple(
        Note(kind, text, () if (kind, text) in whole or (every and every <= items.keys()) else tuple(items))
        for (kind, text), items in of.items()
    )

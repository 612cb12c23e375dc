"""What reading a source finds: notes of what was done, and unsafe repairs, which need the user's consent."""

from __future__ import annotations

from dataclasses import dataclass, field

from gatecast.errors import UnsafeData
from gatecast.notes import Note
from gatecast.text import counted, listed, shown

_MANY = 10  # rows; of fewer, most can be errors


@dataclass
class Findings:
    """Notes and problems of a source; all repairs are made, and the unsafe ones are refused at the end."""

    repair: bool = False  # whether the user asked for unsafe repairs
    notes: list[Note] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)  # of each unsafe repair the sentence that refuses it
    without_trade: list[tuple[str, int, str]] = field(default_factory=list)  # item, blank rows, where the first is
    not_yet: dict[Note, tuple[str, int]] = field(default_factory=dict)  # of notes on rows before a price, what they say

    def note(self, text: str) -> None:
        """Add a note on the source as a whole."""
        self.notes.append(Note("data", text))

    def note_days_without_trade(self) -> None:
        """Add a single note on all blank rows between prices, if there are any: a wide table has them in hundreds of
        items, as it has those before a first price, which are then told of here.
        """
        if self.without_trade:
            dropped = [f"{count:,} of {shown(item)} from {first} on" for item, count, first in self.without_trade]
            before = listed([f"{count:,} of {shown(item)}" for item, count in self.not_yet.values()])
            more = f"; and before the first price {before}" if before else ""
            self.note(f"dropped blank rows between prices, on which an item did not trade: {listed(dropped)}{more}.")

    def problem(self, *, rule: str, culprit: str, count: int, repair: str, rows: int, most: float = 0.5) -> None:
        """Add an unsafe repair of `count` of `rows`: "close must be positive", the first row that breaks it, "drop it".

        One that would change more of the rows than `most` is not offered: they are read in a wrong way, or no prices.
        """
        more = f", and {counted(count - 1, 'more such row')}" if count > 1 else ""
        offer = f", or pass repair=True to {repair}" if count < _MANY or count <= most * rows else ""
        self.problems.append(f"{rule}; {culprit}{more}. Correct the source{offer}.")

    def refuse(self) -> None:
        """Raise `UnsafeData` for the first problem, with the number of the others, if there is any."""
        if self.problems:
            others = len(self.problems) - 1
            raise UnsafeData(self.problems[0] + (f" Other problems found: {others:,}." if others else ""))

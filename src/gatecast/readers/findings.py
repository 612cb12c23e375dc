"""What reading a source finds: notes of what was done, and unsafe repairs, which need the user's consent."""

from __future__ import annotations

from dataclasses import dataclass, field

from gatecast.errors import UnsafeData
from gatecast.notes import Note
from gatecast.text import counted


@dataclass(frozen=True, kw_only=True)
class Problem:
    """A kind of unsafe repair, on the rows of an item."""

    rule: str  # "close must be positive"
    culprit: str  # "'WTI' has close '-36.98' at line 8660 (2020-04-20)"
    count: int  # rows concerned
    repair: str  # what --repair would do: "drop such rows"


@dataclass
class Findings:
    """Notes and problems of a source; all repairs are made, and the unsafe ones are refused at the end."""

    notes: list[Note] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def note(self, text: str) -> None:
        """Add a note on the source as a whole."""
        self.notes.append(Note("data", text))

    def refuse(self) -> None:
        """Raise `UnsafeData` for the first problem, with the number of the others, if there is any."""
        if not self.problems:
            return
        first = self.problems[0]
        more = f", and {counted(first.count - 1, 'more such row')}" if first.count > 1 else ""
        others = len(self.problems) - 1
        also = f" Other problems found: {others:,}." if others else ""
        raise UnsafeData(
            f"{first.rule}; {first.culprit}{more}. Correct the source, or pass --repair to {first.repair}.{also}"
        )

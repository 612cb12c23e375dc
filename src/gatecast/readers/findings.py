"""What the door found: notes of what it did, and problems that only a guess would repair."""

from __future__ import annotations

from dataclasses import dataclass, field

from gatecast.errors import UnsafeData
from gatecast.text import counted


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One kind of unsafe repair on one item."""

    rule: str  # "a close must be positive"
    culprit: str  # "'WTI' has -36.98 at line 8660 (2020-04-20)"
    count: int  # rows concerned
    repair: str  # what --repair would do: "drop such rows"


@dataclass
class Findings:
    """Notes and problems of one source; repairs are made either way and judged at the end."""

    notes: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def refuse(self) -> None:
        """Raise `UnsafeData` in one line for the first problem, naming how many others there are."""
        if not self.problems:
            return
        first = self.problems[0]
        more = f", and {counted(first.count - 1, 'more such row')}" if first.count > 1 else ""
        others = len(self.problems) - 1
        also = f" ({counted(others, 'other problem')} besides.)" if others else ""
        raise UnsafeData(
            f"{first.rule}; {first.culprit}{more}. "
            f"Correct the source, or pass --repair to {first.repair}.{also}"
        )

"""Where a search stands; apart from the search, so that who shows it loads no more than this."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class TuningProgress:
    """How many trials have ended of how many, `kept` of them in an earlier run, and the best CRPS, if there is one."""

    ended: int
    total: int
    kept: int
    best: float | None

    @property
    def text(self) -> str:
        """In words."""
        best = "" if self.best is None else f", best CRPS {self.best:.5f}"
        return f"{self.ended:,}/{self.total:,} trials{best}"

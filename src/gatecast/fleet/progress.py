"""Where a fleet stands; apart from the run, so that who shows it loads no more than this."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class FleetProgress:
    """How many assets are done of how many, `kept` of them from an earlier run, and how many could not be."""

    done: int
    total: int
    kept: int
    failed: int

    @property
    def ended(self) -> int:
        """The assets of which it is known whether they can be forecast."""
        return self.done + self.failed

    @property
    def text(self) -> str:
        """In words."""
        return f"{self.done:,}/{self.total:,} assets, {self.failed:,} failed"

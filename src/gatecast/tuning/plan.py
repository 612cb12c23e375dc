"""What a search varies, and how it judges."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gatecast.config import Config
from gatecast.errors import UsageError, check_number, check_whole
from gatecast.tuning.space import space

ORIGINS = 6  # of a fold, which share a fit


@dataclass(frozen=True, kw_only=True)
class TuningPlan:
    """What is searched, and how it is judged: `settings` on top of `preset` are fixed, the other searched ones vary.

    Every trial is fitted `folds` times on rows before a `tail` (share of the rows, 0.05 to 0.5), each fit judged at
    `ORIGINS` origins, `horizon` steps ahead. Raises `UsageError` or `ConfigError` for what cannot be meant.
    """

    preset: str = "quick"
    settings: tuple[str, ...] = ()
    trials: int = 20
    tail: float = 0.2
    folds: int = 4
    horizon: int = 5
    paths: int = 200
    seed: int = 0

    def __post_init__(self) -> None:
        for name, example in (("trials", 20), ("folds", 4), ("horizon", 5), ("paths", 200)):
            check_whole(name, getattr(self, name), least=1, example=example)
        check_whole("seed", self.seed, least=0, example=0)
        check_number("tail", self.tail, example=0.2)
        if not 0.05 <= self.tail <= 0.5:
            raise UsageError(f"the tail is a share of the rows from 0.05 to 0.5; got {self.tail}. Give tail=0.2.")
        key = next(iter(space(self.settings)))
        if self.config_of((f"{key}={Config.model_fields[key].default}",)).start != "scratch":
            raise UsageError(
                "a search is for a network trained on your prices; got settings of the base network. Take the preset "
                "quick, or leave start out."
            )

    def config_of(self, found: Sequence[str] = ()) -> Config:
        """The settings of a trial, or without any those of the preset."""
        return Config.from_preset(self.preset, [*self.settings, *found])

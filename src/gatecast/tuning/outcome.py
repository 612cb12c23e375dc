"""What a search is worth: the settings it found beside the default ones, on rows that it never saw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gatecast.executors import Engine
from gatecast.judge.walkforward import backtest
from gatecast.models.forecaster import Forecaster
from gatecast.prices import PriceTable, stamp_text
from gatecast.tuning.plan import TuningPlan

_MOST = 40  # origins
_FITS = 4  # of each model over the tail
_DOUBT = 0.05  # a p-value from which on a difference may be luck


@dataclass(frozen=True, kw_only=True)
class Unseen:
    """CRPS of log returns from `origins` origins from `first` on: of the settings found, and of the default ones.

    `dm` > 0 where those found are better (Diebold and Mariano 1995), `p_value` two-sided; None where both are the same.
    """

    first: str
    origins: int
    found: float
    default: float
    dm: float | None
    p_value: float | None

    @property
    def helped(self) -> bool:
        """Whether the settings found are better, beyond luck."""
        return self.p_value is not None and self.p_value < _DOUBT and self.found < self.default

    @property
    def text(self) -> str:
        """In a sentence or two, plainly."""
        where = f"On {self.origins} origins from {self.first} on, which the search never saw,"
        if self.p_value is None:
            return (
                "Tuning did not help: no trial beat the settings of the preset on the rows that were searched. "
                f"{where} their CRPS is {self.default:.5f}."
            )
        change = abs(self.found / self.default - 1)
        side = "smaller" if self.found < self.default else "larger"
        numbers = (
            f"{where} the CRPS of what was found is {self.found:.5f} against {self.default:.5f} of those of "
            f"the preset, {change:.1%} {side} (Diebold-Mariano p = {self.p_value:.2g})."
        )
        if self.helped:
            return f"Tuning helped. {numbers}"
        if self.found < self.default:
            return f"Tuning may not have helped: the difference may be luck. {numbers}"
        worse = " beyond luck" if self.p_value < _DOUBT else ""
        return f"Tuning did not help: the settings of the preset are better there{worse}. {numbers} Keep those."

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain types, with `helped` and `text`."""
        return {**asdict(self), "helped": self.helped, "text": self.text}


def judge_unseen(
    prices: PriceTable, plan: TuningPlan, found: Sequence[str], first: np.datetime64, *, engine: Engine, store: Path
) -> Unseen:
    """The settings found and the default ones in a walk-forward test from the day `first` on, without overlap."""
    default, tuned = plan.config_of(), plan.config_of(found)
    same = default.model_dump() == tuned.model_dump()
    rows = max(int((series.timestamps >= first).sum()) for series in prices)
    origins = max(min(rows // plan.horizon - 1, _MOST), 1)
    models = [Forecaster(tuned, name="found"), Forecaster(default, name="default")]
    report = backtest(
        models[same:],
        prices,
        horizon=plan.horizon,
        cutoffs=origins,
        start=first,
        refit=-(-origins // _FITS),
        paths=plan.paths,
        seed=plan.seed,
        engine=engine,
        store=store,
    )
    day = stamp_text(first)[:10]
    if same:
        scores = report.forecasts.groupby("cutoff")["crps"].mean()
        mean = float(scores.mean())
        return Unseen(first=day, origins=len(scores), found=mean, default=mean, dm=None, p_value=None)
    tests = report.tests
    (row,) = tests[(tests["loss"] == "crps") & (tests["step"] == "all") & (tests["model"] == "found")].to_dict(
        "records"
    )
    dm = float(row["dm"])
    return Unseen(
        first=day,
        origins=int(row["n"]),
        found=float(row["mean_loss"]),
        default=float(row["mean_loss_against"]),
        dm=dm if np.isfinite(dm) else None,
        p_value=float(row["p_value"]),
    )

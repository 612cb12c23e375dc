"""The ablation run: what each of the five improvements is worth on the prices of a source."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from gatecast.config import Config
from gatecast.judge.ablation import Ablation, ablate
from gatecast.judge.walkforward import FoldProgress
from gatecast.notes import Note, merged
from gatecast.prices import PriceTable
from gatecast.readers.choices import AS_FOUND, ReadOptions
from gatecast.readers.large import ReadProgress
from gatecast.readers.read import read_source
from gatecast.runs.forecast import settings_notes
from gatecast.runs.workspace import fold_store, store_notes, timed


@dataclass(frozen=True, kw_only=True, eq=False)
class AblationRun:
    """What an ablation run made; `timings` are seconds by part: read, judge."""

    prices: PriceTable
    ablation: Ablation
    notes: tuple[Note, ...]
    timings: Mapping[str, float]


def run_ablation(
    source: Any,
    config: Config,
    *,
    horizon: int = 5,
    cutoffs: int = 48,
    seeds: int = 3,
    refit: int = 12,
    paths: int = 1000,
    jobs: int | None = None,
    calendar: str | None = None,
    repair: bool = False,
    reading: ReadOptions = AS_FOUND,
    progress: Callable[[FoldProgress | ReadProgress], None] | None = None,
) -> AblationRun:
    """Turn each improvement of a network trained on the prices off, and judge it; arguments as `ablate` has them."""
    timings: dict[str, float] = {}
    with timed(timings, "read"):
        prices = read_source(source, reading, calendar=calendar, repair=repair, progress=progress)
    plan: dict[str, Any] = {"horizon": horizon, "cutoffs": cutoffs, "refit": refit, "seeds": seeds, "paths": paths}
    about = {"command": "ablate", **plan, "config": config.model_dump(mode="json")}
    with timed(timings, "judge"), fold_store(prices, about) as store:
        ablation = ablate(config, prices, **plan, jobs=jobs or -1, store=store, progress=progress)
    notes = [*settings_notes(config), *prices.all_notes(), *ablation.notes, *store_notes(store)]
    return AblationRun(prices=prices, ablation=ablation, notes=merged(notes, prices.item_ids), timings=timings)

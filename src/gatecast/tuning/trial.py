"""What a worker does: draws the settings of one trial and judges them fold by fold, until they fall behind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from gatecast.errors import GatecastError, TooFewRows
from gatecast.executors import Engine
from gatecast.judge.plan import WalkForward
from gatecast.judge.significance import by_date
from gatecast.judge.walkforward import run_folds
from gatecast.models.forecaster import Forecaster
from gatecast.prices import PriceTable
from gatecast.tuning.plan import TuningPlan
from gatecast.tuning.space import as_settings, defaults, space
from gatecast.tuning.study import INDEX, REASON, open_study


@dataclass(frozen=True, kw_only=True, eq=False)
class Search:
    """What all trials share. `prices` hold no row of the tail; each group of `walk` is a fold, fitted once."""

    prices: PriceTable
    walk: WalkForward
    plan: TuningPlan
    url: str
    name: str
    folds: Path


def run_trial(search: Search, index: int) -> int:
    """Run one trial of the search and tell the study; returns the index.

    The first has the settings of the preset, so that what is found is no worse on the rows that were searched. Finished
    folds wait in `folds` for a trial that is cut off.
    """
    from optuna.trial import TrialState

    searched = space(search.plan.settings)
    given = defaults(search.plan.config_of(), searched) if index == 0 else None
    study = open_study(search.url, search.name, seed=search.plan.seed, index=index, given=given)
    trial = study.ask(fixed_distributions=searched)
    trial.set_user_attr(INDEX, index)
    scores: list[float] = []
    try:
        model = Forecaster(search.plan.config_of(as_settings(trial.params)), name="trial")
        for number, group in enumerate(search.walk.groups):
            scores += fold_scores(search, model, group)
            trial.report(float(np.mean(scores)), number)
            if number + 1 < len(search.walk.groups) and trial.should_prune():
                study.tell(trial, state=TrialState.PRUNED)
                return index
    except GatecastError as error:  # such as a loss that grew without bounds
        trial.set_user_attr(REASON, str(error))
        study.tell(trial, state=TrialState.FAIL)
    else:
        study.tell(trial, float(np.mean(scores)))
    return index


def fold_scores(search: Search, model: Forecaster, group: Sequence[np.datetime64]) -> list[float]:
    """The CRPS at each origin of a fold, mean over items and steps; of the log return from the last close."""
    walk = replace(search.walk, groups=(tuple(group),))
    how = {"paths": search.plan.paths, "seed": search.plan.seed, "folder": search.folds, "engine": Engine(workers=1)}
    folds = run_folds([model], search.prices, walk, **how, progress=None)  # type: ignore[arg-type]
    scores: list[float] = []
    for _, fold in sorted(folds.items(), key=lambda item: item[0][1]):
        if fold.too_few is not None:
            raise TooFewRows(fold.too_few)
        scores += by_date(fold.rows["crps"], fold.rows["cutoff"]).tolist()
    return scores

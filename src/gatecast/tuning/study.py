"""The study: Optuna's record of trials in a database, so that a search goes on after whatever ended it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from gatecast.errors import GatecastError, UsageError
from gatecast.executors import caught_warnings
from gatecast.text import clean

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler
    from optuna.study import Study

INDEX = "index"  # of a trial: its number in the search; one that was cut off and its second try share it
REASON = "reason"  # of a trial that failed
_PRUNED_FROM = 4  # whole trials, before a trial may be pruned: the median of fewer is luck
_STARTUP = 6  # trials at random, before the sampler learns from them
_WAIT = 60  # seconds for another writer of a SQLite file


def open_study(url: str, name: str, *, seed: int = 0, index: int = 0, given: Mapping[str, Any] | None = None) -> Study:
    """The study `name` at a database URL, made where there is none; its next trial is drawn from `seed` and `index`.

    Values that are `given` are not drawn.

    Sampled by Tree-structured Parzen Estimators (Bergstra et al. 2011); a trial whose mean score after a fold is worse
    than the median of the earlier trials' at that fold is pruned. Raises `UsageError` where Optuna is not installed,
    `GatecastError` where the database cannot be used.
    """
    try:
        import optuna
    except ImportError:
        raise UsageError("a search needs the package optuna. Install it: pip install 'gatecast[tune]'.") from None
    from sqlalchemy.exc import SQLAlchemyError

    optuna.logging.disable_default_handler()
    drawn = int(np.random.SeedSequence([seed, index]).generate_state(1)[0])
    try:
        with caught_warnings():
            wait = {"connect_args": {"timeout": _WAIT}} if url.startswith("sqlite") else {}
            sampler: BaseSampler = optuna.samplers.TPESampler(seed=drawn, n_startup_trials=_STARTUP)
            if given is not None:
                sampler = optuna.samplers.PartialFixedSampler(dict(given), sampler)
            return optuna.create_study(
                storage=optuna.storages.RDBStorage(url, engine_kwargs=wait),
                study_name=name,
                load_if_exists=True,
                sampler=sampler,
                pruner=optuna.pruners.MedianPruner(n_startup_trials=_PRUNED_FROM),
            )
    except (SQLAlchemyError, optuna.exceptions.OptunaError, ImportError) as error:
        raise GatecastError(f"the database of the search cannot be used: {clean(error, 150)}. Check its URL.") from None


def ended_indices(study: Study) -> set[int]:
    """The trials that have ended; those that a killed run left at work are given up, to be done again."""
    from optuna.trial import TrialState

    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)
    ended = set()
    for trial in study.get_trials(deepcopy=False):
        whole = trial.state in (TrialState.COMPLETE, TrialState.PRUNED)
        if INDEX in trial.user_attrs and (whole or REASON in trial.user_attrs):
            ended.add(int(trial.user_attrs[INDEX]))
    return ended


LEAST_TOLD = 10  # trials that ended: of fewer the shares are chance


def importances(study: Study) -> dict[str, float]:
    """The share of each setting in what sets the best trials apart (PED-ANOVA: Watanabe, Bansal and Hutter 2023).

    Empty where there are too few trials to tell.
    """
    import optuna
    from optuna.trial import TrialState

    if len(study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))) < LEAST_TOLD:
        return {}
    try:
        with caught_warnings():
            evaluator = optuna.importance.PedAnovaImportanceEvaluator()
            found = optuna.importance.get_param_importances(study, evaluator=evaluator)
    except (ValueError, RuntimeError):
        return {}
    return {key: float(share) for key, share in found.items() if np.isfinite(share)}

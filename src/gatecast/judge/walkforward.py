"""The walk-forward test: every model at every cutoff, seeing nothing after it, and the report on them."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np

from gatecast.errors import (
    ForeignError,
    GatecastError,
    TooFewRows,
    UsageError,
    briefly,
    check_path,
    check_type,
    check_whole,
)
from gatecast.executors import Engine, run_tasks
from gatecast.forecast import Forecast
from gatecast.judge.fold_store import FORMAT, Fold, FoldStore, Key, settings_of
from gatecast.judge.plan import Stamp, WalkForward, plan_walk
from gatecast.judge.report import Report, report_of
from gatecast.judge.risk_answers import risk_answers
from gatecast.judge.risk_record import LEAST_PATHS, check_paths
from gatecast.judge.scores import score_forecast
from gatecast.model import Model, forecasts_at
from gatecast.prices import PriceTable, check_prices, stamp_text
from gatecast.version import __version__


@dataclass(frozen=True, kw_only=True)
class FoldProgress:
    """How many folds are done of how many; `resumed` of them came from the store. `model` and `cutoff` just ended."""

    done: int
    total: int
    resumed: int
    model: str | None = None
    cutoff: np.datetime64 | None = None


Progress = Callable[[FoldProgress], None]
PATHS = 500  # of each forecast, unless more are asked for; scores are those of more (docs/judging.md)
GOES_ON = 40  # cutoffs a fit of a model that learns no weights; of more there are several, which run at the same time


@dataclass(frozen=True, eq=False)
class _Task:
    """One model over the cutoffs of one fit, those already finished left out."""

    model: Model
    walk: WalkForward
    fitted: np.datetime64
    todo: tuple[np.datetime64, ...]
    paths: int
    seed: int
    store: FoldStore | None
    risk: bool


def backtest(
    models: Sequence[Model],
    prices: PriceTable,
    *,
    horizon: int = 5,
    cutoffs: int | None = None,
    every: int | None = None,
    start: Stamp | None = None,
    span: int | None = None,
    refit: int = 1,
    min_rows: int | None = None,
    paths: int | None = None,
    seed: int = 0,
    jobs: int = 1,
    engine: Engine | None = None,
    store: str | Path | None = None,
    risk: bool | tuple[str, ...] = False,
    progress: Progress | None = None,
) -> Report:
    """Judge models on days they have not seen; the verdict is on the first that is not the random walk.

    At each cutoff a model is given the rows at or before it and nothing else. `cutoffs`, `every`, `start`, `span`,
    `refit` and `min_rows` plan the walk (`plan.plan_walk`). `paths` per forecast (None: `paths_asked`). A cutoff's seed
    comes from `seed` and the cutoff alone, so that models share it and other cutoffs do not matter. A model whose
    `learns` is False, as the base network, is fitted anew where items come or go and after `GOES_ON` cutoffs, whatever
    `refit` says. `jobs` processes (-1: one a core), or what `engine` says; the answer is the same for any. `store`: a
    folder for finished folds; a run that was cut short goes on from there. The folds of a model are not stored where a
    setting of it, such as a function, has no text of its own. `risk`: keep what each fold says of risk, or each of the
    models of these names, for `risk_record`. `progress` is called with a `FoldProgress` after the folds of each fit.

    Early cutoffs at which a model has too few rows are left out for all models, with a note. Raises
    `UsageError`, `TooFewRows`, or a model's own `GatecastError` with the model and the cutoff named.

    >>> import pandas as pd
    >>> from gatecast import Drift, RandomWalk
    >>> days = pd.bdate_range("2020-01-01", periods=120)
    >>> walk = 100 * np.exp(np.random.default_rng(0).normal(0, 0.01, 120).cumsum())
    >>> table = PriceTable.from_close({"X": (walk, days)})
    >>> report = backtest([Drift(), RandomWalk()], table, horizon=2, cutoffs=10, paths=100)
    >>> report.verdict.median, len(report.forecasts)
    ('no evidence', 40)
    """
    check_prices(prices)
    names = names_of(models)
    paths = paths_asked(paths, risk=bool(risk))
    check_whole("paths", paths, least=2, example=PATHS)
    check_whole("seed", seed, least=0, example=0)
    engine = engine_of(jobs, engine)
    if risk:
        check_paths(paths)
    if store is not None:
        check_path("store", store)
    walk = plan_walk(
        prices, horizon=horizon, cutoffs=cutoffs, every=every, start=start, span=span, refit=refit, min_rows=min_rows
    )
    folder = None if store is None else Path(store)
    folds = run_folds(
        models, prices, walk, paths=paths, seed=seed, folder=folder, engine=engine, risk=risk, progress=progress
    )
    return report_of(names, walk, folds, prices)


def paths_asked(paths: int | None, *, risk: bool) -> int:
    """So many, or where none are asked for `PATHS`, or as many as risk answers need."""
    if paths is not None:
        return paths
    return LEAST_PATHS if risk else PATHS


def engine_of(jobs: int, engine: Engine | None) -> Engine:
    """The engine given, or `jobs` processes of this machine (-1: one a core)."""
    if engine is not None:
        check_type("engine", engine, Engine, 'Make one with Engine(kind="ray").')
        return engine
    if jobs != -1:
        check_whole("jobs", jobs, least=1, example=2)
    return Engine(workers=None if jobs == -1 else jobs)


def names_of(models: object) -> list[str]:
    """The name of each model; raises `UsageError` for what is no list of models, or has a name twice."""
    given = models if isinstance(models, list | tuple) else ()
    strangers = [model for model in given if isinstance(model, type) or not isinstance(model, Model)]
    if given is not models or strangers:
        wrong = briefly(strangers[0] if strangers else models)
        raise UsageError(f"models are a list of models; got {wrong}. Give for example models=[RandomWalk()].")
    names = [model.name for model in given]
    if not names:
        raise UsageError("a test needs a model; got none. Give for example models=[RandomWalk()].")
    if len(set(names)) != len(names):
        raise UsageError(f"each model needs a name of its own; got {', '.join(names)}. Rename one.")
    return names


def run_folds(
    models: Sequence[Model],
    prices: PriceTable,
    walk: WalkForward,
    *,
    paths: int,
    seed: int,
    folder: Path | None,
    engine: Engine,
    risk: bool | tuple[str, ...] = False,
    progress: Progress | None,
) -> dict[Key, Fold]:
    """Every fold by model and cutoff: from the store where finished, else run on `engine`."""
    data = prices.data_hash() if folder else ""
    folds: dict[Key, Fold] = {}
    tasks: list[_Task] = []
    for model in models:
        settings, with_risk = settings_of(model), risk is True or (risk is not False and model.name in risk)
        for group in _groups(model, prices, walk):
            about = {
                "version": f"{__version__}/{FORMAT}",
                "data": data,
                "model": [model.name, f"{type(model).__module__}.{type(model).__qualname__}"],
                "settings": settings,
                "fitted": stamp_text(group[0]),
                "horizon": walk.horizon,
                "span": walk.span,
                "min_rows": walk.min_rows,
                "paths": paths,
                "seed": seed,
            } | ({"risk": True} if with_risk else {})
            store = None if folder is None or settings is None else FoldStore(folder, about)
            stored = {} if store is None else {cutoff: store.load(cutoff) for cutoff in group}
            folds |= {(model.name, cutoff): fold for cutoff, fold in stored.items() if fold is not None}
            if todo := tuple(cutoff for cutoff in group if stored.get(cutoff) is None):
                tasks.append(_Task(model, walk, group[0], todo, paths, seed, store, with_risk))
    total, resumed = len(models) * len(walk.cutoffs), len(folds)
    if resumed and progress:
        progress(FoldProgress(done=resumed, total=total, resumed=resumed))
    # A generator, so that progress is reported as each task ends and an error stops the rest at once.
    failed: set[str] = set()
    going = (task for task in tasks if task.model.name not in failed)  # asked as workers become free
    for name, finished in run_tasks(_run_task, prices, going, engine=engine):
        folds |= {(name, cutoff): fold for cutoff, fold in finished.items()}
        failed |= {name for fold in finished.values() if fold.failed}
        if progress:  # once a fit, whose first fold takes nearly all the time
            last = next(reversed(finished))
            progress(FoldProgress(done=len(folds), total=total, resumed=resumed, model=name, cutoff=last))
    return folds


def _groups(model: Model, prices: PriceTable, walk: WalkForward) -> Sequence[Sequence[np.datetime64]]:
    """The cutoffs of each fit, as planned; a model that learns no weights goes on while the items are the same."""
    if walk.span is not None or getattr(model, "learns", True):
        return walk.groups
    by_items = groupby(walk.cutoffs, lambda cutoff: walk.visible(prices, cutoff).item_ids)
    return [part for _, group in by_items for part in _parts(list(group))]


def _parts(cutoffs: Sequence[np.datetime64]) -> list[Sequence[np.datetime64]]:
    """As many equal parts, of at most `GOES_ON` cutoffs each, as a power of two: every core has as many of them.

    >>> [len(part) for part in _parts([np.datetime64("2020-01-01", "D")] * 106)]
    [27, 27, 26, 26]
    """
    count = 1
    while count * GOES_ON < len(cutoffs):
        count *= 2
    return [list(part) for part in np.array_split(np.array(cutoffs), count)]


def _run_task(everything: PriceTable, task: _Task) -> tuple[str, dict[np.datetime64, Fold]]:
    """Fit a copy of the model at the first cutoff of the fit, then forecast from each cutoff still to do."""
    finished: dict[np.datetime64, Fold] = {}
    cutoff, name = task.fitted, task.model.name
    try:
        first = task.walk.visible(everything, cutoff)
        model = copy.deepcopy(task.model).fit(first)
        prices = everything.select(first.item_ids)
        forecasts = _forecasts(task, model, prices)
        for cutoff in task.todo:
            seen = task.walk.visible(prices, cutoff)
            forecast = next(forecasts)
            rows = score_forecast(forecast, seen, everything, cutoff=cutoff, horizon=task.walk.horizon)
            scored = set(rows.get("item_id", ()))
            notes = tuple(note for item in forecast if item.item_id in scored for note in item.notes)
            risk = risk_answers(forecast, seen, everything, cutoff, task.walk.horizon) if task.risk else None
            fold = Fold(rows, notes, risk=risk)
            if task.store is not None:
                task.store.save(cutoff, fold)
            finished[cutoff] = fold
    except TooFewRows as error:
        reason = f"model '{name}' at cutoff {stamp_text(cutoff)}: {error}"
        finished |= {lost: Fold({}, too_few=reason) for lost in task.todo if lost not in finished}
    except ForeignError as error:
        finished[cutoff] = Fold({}, failed=f"at cutoff {stamp_text(cutoff)}: {error}")
    except GatecastError as error:
        raise type(error)(f"model '{name}' at cutoff {stamp_text(cutoff)}: {error}") from error
    return name, finished


def _forecasts(task: _Task, model: Model, prices: PriceTable) -> Iterator[Forecast]:
    """A forecast from each cutoff to do; many at a time where each sees all the rows before it."""
    horizon, seeds = task.walk.horizon, [cutoff_seed(task.seed, cutoff) for cutoff in task.todo]
    if task.walk.span is None:
        yield from forecasts_at(model, prices, task.todo, horizon, paths=task.paths, seeds=seeds, extremes=task.risk)
        return
    for cutoff, seed in zip(task.todo, seeds, strict=True):
        yield model.predict(task.walk.visible(prices, cutoff), horizon, paths=task.paths, seed=seed)


def cutoff_seed(seed: int, cutoff: np.datetime64) -> int:
    """The seed of the forecasts made at a cutoff; 0 or more, also before 1970."""
    moment = int(cutoff.astype("datetime64[ns]").astype("int64")) % 2**64
    return int(np.random.SeedSequence([seed, moment]).generate_state(1)[0])

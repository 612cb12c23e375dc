"""The walk-forward test: every model at every cutoff, seeing nothing after it, and the report on them."""

from __future__ import annotations

import copy
import math
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gatecast.errors import ForeignError, GatecastError, TooFewRows, UsageError, briefly, check_path, check_whole
from gatecast.executors import run_tasks
from gatecast.forecast import Forecast
from gatecast.judge.comparisons import compare
from gatecast.judge.fold_store import FORMAT, Fold, FoldStore, settings_of
from gatecast.judge.plan import Stamp, WalkForward, left_out, plan_walk
from gatecast.judge.scores import COLUMNS, join_rows, score_forecast, score_table
from gatecast.judge.verdict import Verdict, judge
from gatecast.judge.verdict_text import fallback_text
from gatecast.model import Model, forecasts_at
from gatecast.notes import Note, merged
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
Key = tuple[str, np.datetime64]  # model and cutoff
_ONE_A_FORECAST = frozenset({"adapted", "bands", "learned", "seen", "uncalibrated"})  # kinds of notes


@dataclass(frozen=True, kw_only=True, eq=False)
class Report:
    """What a walk-forward test found; immutable.

    `forecasts`: a row a model, item, cutoff and step (`scores.COLUMNS`). `scores`: by model and step
    (`scores.score_table` has the units). `tests`: Diebold-Mariano tests (`comparisons.compare`).
    """

    forecasts: pd.DataFrame
    scores: pd.DataFrame
    tests: pd.DataFrame
    verdict: Verdict
    notes: tuple[Note, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The JSON document: plain types; None where a number does not exist."""
        return {
            "scores": _records(self.scores),
            "tests": _records(self.tests),
            "verdict": self.verdict.to_dict(),
            "notes": [str(note) for note in self.notes],
        }

    def to_parquet(self, path: str | Path) -> None:
        """Write `forecasts`, a row a model, item, cutoff and step."""
        self.forecasts.to_parquet(path, index=False)


@dataclass(frozen=True, eq=False)
class _Task:
    """One model over the cutoffs of one fit, those already finished left out."""

    model: Model
    prices: PriceTable
    walk: WalkForward
    fitted: np.datetime64
    todo: tuple[np.datetime64, ...]
    paths: int
    seed: int
    store: FoldStore | None


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
    paths: int = 1000,
    seed: int = 0,
    jobs: int = 1,
    store: str | Path | None = None,
    progress: Progress | None = None,
) -> Report:
    """Judge models on days they have not seen; the verdict is on the first that is not the random walk.

    At each cutoff a model is given the rows at or before it and nothing else. `cutoffs`, `every`, `start`,
    `span`, `refit` and `min_rows` plan the walk (`plan.plan_walk`). `paths` per forecast; a cutoff's seed
    comes from `seed` and the cutoff alone, so that models share it and other cutoffs do not matter. `jobs`
    processes; the answer is the same for any number. `store`: a folder for finished folds; a run that was cut
    short goes on from there. The folds of a model are not stored where a setting of it, such as a function,
    has no text of its own. `progress` is called with a `FoldProgress` after the folds of each fit.

    Early cutoffs at which a model has too few rows are left out for all models, with a note. Raises
    `UsageError`, `TooFewRows`, or a model's own `GatecastError` with the model and the cutoff named.

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
    check_whole("paths", paths, least=2, example=1000)
    check_whole("seed", seed, least=0, example=0)
    if jobs != -1:  # a process for each core
        check_whole("jobs", jobs, least=1, example=2)
    if store is not None:
        check_path("store", store)
    walk = plan_walk(
        prices, horizon=horizon, cutoffs=cutoffs, every=every, start=start, span=span, refit=refit, min_rows=min_rows
    )
    folder = None if store is None else Path(store)
    folds = run_folds(models, prices, walk, paths=paths, seed=seed, folder=folder, jobs=jobs, progress=progress)
    return report_of(names, walk, folds, prices)


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
    jobs: int,
    progress: Progress | None,
) -> dict[Key, Fold]:
    """Every fold by model and cutoff: from the store where finished, else run, `jobs` at a time."""
    data = prices.data_hash() if folder else ""
    folds: dict[Key, Fold] = {}
    tasks: list[_Task] = []
    for model in models:
        settings = settings_of(model)
        for group in walk.groups:
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
            }
            store = None if folder is None or settings is None else FoldStore(folder, about)
            stored = {} if store is None else {cutoff: store.load(cutoff) for cutoff in group}
            folds |= {(model.name, cutoff): fold for cutoff, fold in stored.items() if fold is not None}
            if todo := tuple(cutoff for cutoff in group if stored.get(cutoff) is None):
                tasks.append(
                    _Task(model, prices, walk, fitted=group[0], todo=todo, paths=paths, seed=seed, store=store)
                )
    total, resumed = len(models) * len(walk.cutoffs), len(folds)
    if resumed and progress:
        progress(FoldProgress(done=resumed, total=total, resumed=resumed))
    # A generator, so that progress is reported as each task ends and an error stops the rest at once.
    failed: set[str] = set()
    going = (task for task in tasks if task.model.name not in failed)  # asked as workers become free
    for name, finished in run_tasks(_run_task, going, jobs=jobs):
        folds |= {(name, cutoff): fold for cutoff, fold in finished.items()}
        failed |= {name for fold in finished.values() if fold.failed}
        if progress:  # once a fit, whose first fold takes nearly all the time
            last = next(reversed(finished))
            progress(FoldProgress(done=len(folds), total=total, resumed=resumed, model=name, cutoff=last))
    return folds


def _run_task(task: _Task) -> tuple[str, dict[np.datetime64, Fold]]:
    """Fit a copy of the model at the first cutoff of the fit, then forecast from each cutoff still to do."""
    finished: dict[np.datetime64, Fold] = {}
    cutoff, name = task.fitted, task.model.name
    try:
        first = task.walk.visible(task.prices, cutoff)
        model = copy.deepcopy(task.model).fit(first)
        prices = task.prices.select(first.item_ids)
        forecasts = _forecasts(task, model, prices)
        for cutoff in task.todo:
            seen = task.walk.visible(prices, cutoff)
            forecast = next(forecasts)
            rows = score_forecast(forecast, seen, task.prices, cutoff=cutoff, horizon=task.walk.horizon)
            scored = set(rows.get("item_id", ()))
            fold = Fold(rows, tuple(note for item in forecast if item.item_id in scored for note in item.notes))
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
        yield from forecasts_at(model, prices, task.todo, horizon, paths=task.paths, seeds=seeds)
        return
    for cutoff, seed in zip(task.todo, seeds, strict=True):
        yield model.predict(task.walk.visible(prices, cutoff), horizon, paths=task.paths, seed=seed)


def cutoff_seed(seed: int, cutoff: np.datetime64) -> int:
    """The seed of the forecasts made at a cutoff; 0 or more, also before 1970."""
    moment = int(cutoff.astype("datetime64[ns]").astype("int64")) % 2**64
    return int(np.random.SeedSequence([seed, moment]).generate_state(1)[0])


def report_of(
    names: list[str],
    walk: WalkForward,
    folds: dict[Key, Fold],
    prices: PriceTable,
    *,
    notes: Sequence[Note] = (),
    judged: pd.DataFrame | None = None,
) -> Report:
    """The report on finished folds, after `notes`; of `judged` items, cutoffs and steps alone where they are given."""
    names, failures = _without_failed(names, folds)
    kept, early = _kept(walk, {key: fold for key, fold in folds.items() if key[0] in names})
    notes = [*notes, *failures, *early]
    parts, kinds = [], {}
    for name in names:
        own = [folds[name, cutoff] for cutoff in kept]
        rows = join_rows([fold.rows for fold in own])
        if not rows:
            raise TooFewRows(f"no item has {walk.horizon} rows after any cutoff. Shorten the horizon.")
        parts.append({"model": np.full(len(rows["step"]), name, dtype=object), **rows})
        noted = [note for fold in own for note in fold.notes]
        kinds[name] = Counter(note.kind for note in noted)
        notes += _model_notes(name, noted, kinds[name]["fallback"], len(rows["step"]) // walk.horizon)
    forecasts = pd.DataFrame(join_rows(parts), columns=list(COLUMNS))
    if judged is not None:
        forecasts = forecasts.merge(judged, on=["item_id", "cutoff", "step"])
    notes += left_out(walk, prices, set(forecasts["item_id"]))
    if forecasts.groupby(["model", "cutoff"]).size().nunique() > 1:
        each = "tests and verdict count every cutoff once, the score table every forecast"
        notes.append(Note("test", f"cutoffs differ in their number of items: {each}"))
    tests = compare(forecasts)
    fallbacks, seen = ({name: of[kind] for name, of in kinds.items()} for kind in ("fallback", "seen"))
    verdict = judge(forecasts, tests, fallbacks, seen)
    return Report(forecasts=forecasts, scores=score_table(forecasts), tests=tests, verdict=verdict, notes=merged(notes))


def _without_failed(names: list[str], folds: dict[Key, Fold]) -> tuple[list[str], list[Note]]:
    """The models that answered at every cutoff, and a note for each that did not; raises where none did."""
    failed = {name: fold.failed for (name, _), fold in sorted(folds.items(), reverse=True) if fold.failed}
    notes = [Note("test", f"model '{name}' is left out: {failed[name]}") for name in names if name in failed]
    kept = [name for name in names if name not in failed]
    if not kept:
        raise ForeignError(" ".join(note.text for note in notes[:1]))
    return kept, notes


def _kept(walk: WalkForward, folds: dict[Key, Fold]) -> tuple[list[np.datetime64], list[Note]]:
    """The cutoffs at which every model could be fitted, and a note of the early ones at which some could not."""
    by_cutoff = sorted(folds.items(), key=lambda item: item[0][1])
    short = {cutoff: fold.too_few for (_, cutoff), fold in by_cutoff if fold.too_few}
    kept = [cutoff for cutoff in walk.cutoffs if cutoff not in short]
    if not short:
        return kept, []
    reason = next(reversed(short.values()))
    if not kept or max(short) > min(kept):
        raise TooFewRows(f"{reason} Start later, or leave that model or item out.")
    text = f"{len(short)} early cutoffs to {stamp_text(max(short))} are left out for all: {reason}"
    return kept, [Note("test", text)]


def _model_notes(name: str, noted: list[Note], fallbacks: int, forecasts: int) -> list[Note]:
    """What a model noted of its forecasts: each note once, with the number of forecasts it concerns.

    Of the kinds that a forecast has one note of, whose text has the forecast's own numbers, the first is shown.
    """
    notes = [Note("fallback", fallback_text(name, fallbacks, forecasts))] if fallbacks else []
    alike: dict[object, Counter[Note]] = {}
    for note in noted:
        alike.setdefault(note.kind if note.kind in _ONE_A_FORECAST else note, Counter())[note] += 1
    for counts in alike.values():
        first, times = next(iter(counts)), counts.total()
        like = "this or the like " if len(counts) > 1 else ""
        counted = f"{first.text} ({like}in {times} of {forecasts} forecasts)"
        notes.append(replace(first, text=counted) if times > 1 and first.kind != "data" else first)
    return notes


def _records(table: pd.DataFrame) -> list[dict[Hashable, Any]]:
    """The rows as JSON has them: None where a number is missing or infinite."""
    return [
        {name: None if isinstance(value, float) and not math.isfinite(value) else value for name, value in row.items()}
        for row in table.to_dict("records")
    ]

"""The tuning run: a search over the earlier rows, and what it found judged on the later ones."""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gatecast.errors import GatecastError, TooFewRows, TrainingError, UsageError
from gatecast.executors import LOCAL, Engine, run_tasks
from gatecast.files import write_whole
from gatecast.judge.plan import WalkForward, plan_walk
from gatecast.ledger.database import database_url
from gatecast.notes import Note, merged
from gatecast.prices import PriceTable
from gatecast.readers.choices import AS_FOUND, ReadOptions, reading_words
from gatecast.readers.large import Progress as ReadProgressed
from gatecast.readers.read import read_source
from gatecast.runs.workspace import cache
from gatecast.tuning.outcome import Unseen, judge_unseen
from gatecast.tuning.plan import ORIGINS, TuningPlan
from gatecast.tuning.progress import TuningProgress
from gatecast.tuning.space import as_settings
from gatecast.tuning.study import INDEX, ended_indices, importances, open_study
from gatecast.tuning.trial import Search, run_trial
from gatecast.version import __version__

if TYPE_CHECKING:
    from optuna.study import Study

_SAME = ("preset", "settings", "folds", "horizon", "paths", "seed", "tail")  # of a plan, in every run of one search
_FORMAT = 1  # raised when trials are scored in another way


@dataclass(frozen=True, kw_only=True, eq=False)
class TuningRun:
    """What a search found. CRPS is of log returns; `score` and `default_score` are on the rows that were searched.

    `found` are the settings of the best trial; `unseen` is its record on rows that the search never saw.
    """

    out: Path
    found: tuple[str, ...]
    score: float
    default_score: float | None
    trials: tuple[dict[str, Any], ...]
    importances: dict[str, float]
    unseen: Unseen
    command: str
    notes: tuple[Note, ...]

    def to_dict(self) -> dict[str, Any]:
        """The JSON document of `gatecast tune --json`.

        {"settings": [text], "score", "default_score" | null, "trials": [{"index", "state": "complete" | "pruned" |
         "fail", "score" | null, "settings", "reason" of a failure}],
         "importances": {setting: share}, "unseen": as `Unseen.to_dict` has it, "command", "notes": [text]}
        """
        return {
            "settings": list(self.found),
            "score": self.score,
            "default_score": self.default_score,
            "trials": list(self.trials),
            "importances": self.importances,
            "unseen": self.unseen.to_dict(),
            "command": self.command,
            "notes": [str(note) for note in self.notes],
        }


def run_tuning(
    source: object,
    plan: TuningPlan,
    *,
    out: Path | None = None,
    storage: str | None = None,
    engine: Engine = LOCAL,
    calendar: str | None = None,
    repair: bool = False,
    reading: ReadOptions = AS_FOUND,
    progress: Callable[[TuningProgress], None] | None = None,
    read_progress: ReadProgressed | None = None,
) -> TuningRun:
    """Search settings for `source` by walk-forward CRPS, and judge what is found on the tail beside the preset's.

    The study is in `storage`, a database URL, or else a SQLite file in `out` (the user's cache folder unless given);
    the same call goes on from it, whatever ended it. With one worker the same seed gives the same trials. Raises
    `GatecastError` with one line.
    """
    prices = read_source(source, reading, calendar=calendar, repair=repair, progress=read_progress)
    before, first = _split(prices, plan.tail, plan.horizon)
    about = [prices.data_hash(), calendar, *(getattr(plan, name) for name in _SAME), __version__, _FORMAT]
    name = hashlib.sha256(json.dumps(about).encode()).hexdigest()[:16]
    url = None if storage is None else database_url(storage).render_as_string(hide_password=False)
    folder = _taken(out or cache() / "tuning" / name, name)
    with _alone(folder):
        search = Search(
            prices=before,
            walk=_walk(before, plan),
            plan=plan,
            url=url or f"sqlite:///{folder / 'study.db'}",
            name=f"gatecast-{name}",
            folds=folder / "folds",
        )
        study = open_study(search.url, search.name)
        _run_trials(search, study, engine, progress)
        rows = _trials(study)
        best, score = _best(rows)
        unseen = judge_unseen(prices, plan, best, first, engine=engine, store=folder / "tail")
        said = reading_words(reading, calendar, repair=repair)
        given = ["--seed", str(plan.seed)] if plan.seed else []
        given += [word for setting in (*plan.settings, *best) for word in ("--set", setting)]
        return TuningRun(
            out=folder,
            found=best,
            score=score,
            default_score=next((row["score"] for row in rows if row["index"] == 0), None),
            trials=tuple(rows),
            importances=importances(study),
            unseen=unseen,
            command=shlex.join(["gatecast", "forecast", _shown(source), *said, "--preset", plan.preset, *given]),
            notes=merged(prices.all_notes(), prices.item_ids),
        )


def _walk(prices: PriceTable, plan: TuningPlan) -> WalkForward:
    try:
        return plan_walk(prices, horizon=plan.horizon, cutoffs=plan.folds * ORIGINS, refit=ORIGINS)
    except TooFewRows as error:
        reason = str(error).rsplit(". ", 1)[0]
        raise TooFewRows(f"{reason}. Take fewer folds or a shorter horizon, or give more history.") from None


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Refuse a folder that another search is at work in, which would take its trials for those of a killed one."""
    try:
        import fcntl
    except ImportError:  # not on this system
        yield
        return
    with (folder / "search.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UsageError(
                f"a folder holds one search at a time; one is at work in '{folder}'. Wait for it, or choose another."
            ) from None
        yield


def _shown(source: object) -> str:
    return str(source) if isinstance(source, str | Path) else "SOURCE"


def _taken(folder: Path, name: str) -> Path:
    """The folder of the search, made; raises `UsageError` where another search is in it."""
    mark, about = folder / "search.json", json.dumps({"search": name}).encode()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not mark.exists():
            write_whole(mark, about)
        there = mark.read_bytes()
    except OSError as error:
        raise GatecastError(f"'{folder}' cannot be used ({error.strerror or error}). Choose another place.") from None
    if there != about:
        raise UsageError(
            f"a folder holds one search; '{folder}' holds one of other prices, another plan or another version. "
            "Choose another folder."
        )
    return folder.absolute()


def _split(prices: PriceTable, tail: float, horizon: int) -> tuple[PriceTable, np.datetime64]:
    """The rows that are searched, and the first day of the tail; all outcomes of the search lie before that day."""
    calendar = np.unique(np.concatenate([series.timestamps for series in prices]))
    rows = int(tail * len(calendar))
    if rows < 4 * horizon:
        raise TooFewRows(
            f"the tail needs at least 4 times the horizon, {4 * horizon} rows; it has {rows}. Give more history, a "
            "larger tail or a smaller horizon."
        )
    return prices.until(calendar[-rows - 1]), calendar[-rows]


def _run_trials(
    search: Search, study: Study, engine: Engine, progress: Callable[[TuningProgress], None] | None
) -> None:
    """The trials that have not ended yet."""
    ended, trials = ended_indices(study), search.plan.trials
    left = [index for index in range(trials) if index not in ended]
    kept = trials - len(left)
    for number, _ in enumerate(run_tasks(run_trial, search, left, engine=engine), 1):
        if progress is not None:
            scores = [row["score"] for row in _trials(study) if row["state"] == "complete"]
            best = min(scores, default=None)
            progress(TuningProgress(ended=kept + number, total=trials, kept=kept, best=best))


def _trials(study: Study) -> list[dict[str, Any]]:
    """Every trial that ended, in the order of their indices."""
    rows = [
        {
            "index": int(trial.user_attrs[INDEX]),
            "state": trial.state.name.lower(),
            "score": None if trial.value is None else float(trial.value),
            "settings": list(as_settings(trial.params)),
            **({"reason": trial.user_attrs["reason"]} if "reason" in trial.user_attrs else {}),
        }
        for trial in study.get_trials(deepcopy=False)
        if trial.state.is_finished() and INDEX in trial.user_attrs
    ]
    kept = [row for row in rows if row["state"] != "fail" or "reason" in row]  # not those that were cut off
    return sorted(kept, key=lambda row: row["index"])


def _best(rows: list[dict[str, Any]]) -> tuple[tuple[str, ...], float]:
    """The settings and the score of the best trial; raises `TrainingError` where none was whole."""
    whole = [row for row in rows if row["state"] == "complete"]
    if not whole:
        why = next((row["reason"] for row in rows if "reason" in row), "all were pruned.")
        raise TrainingError(f"a search needs a trial that succeeds; none did. The first: {why}")
    best = min(whole, key=lambda row: (row["score"], row["index"]))
    return tuple(best["settings"]), best["score"]

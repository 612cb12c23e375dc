"""What a worker does with a job: one run, its results as files, its forecasts for the ledger."""

from __future__ import annotations

import json
import math
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gatecast.errors import GatecastError, LedgerError, ModelError
from gatecast.faces.wording import as_cell, setting_text
from gatecast.files import write_whole
from gatecast.ledger.recording import settings_hash, to_record
from gatecast.ledger.records import Recorded
from gatecast.runs.forecast import ForecastRun, run_forecast
from gatecast.runs.risk import run_risk
from gatecast.text import clean
from gatecast.web.helper import questions_of
from gatecast.web.requests import JobRequest
from gatecast.web.saved import save_paths
from gatecast.web.store import Job, Source

if TYPE_CHECKING:
    from gatecast.judge.walkforward import FoldProgress
    from gatecast.nn.training.loop import Progress as TrainingProgress
    from gatecast.readers.large import ReadProgress

EVERY = 0.5  # seconds between two reports
Report = Callable[[Mapping[str, Any]], bool]  # keeps the progress of a job; whether a stop was asked for


@dataclass(frozen=True, kw_only=True)
class Made:
    """What a job made: its records for the ledger, and whether it was cut short by a stop."""

    records: tuple[Recorded, ...]
    stopped: bool


class Stopped(Exception):
    """A job was stopped before it had anything worth keeping."""


@dataclass
class Reporter:
    """Turns what runs tell of their progress into the `progress` of a job, and a stop into their interrupt."""

    report: Report
    losses: list[list[float | None]] = field(default_factory=list)  # epoch, training, held-out of the best so far
    stopped: bool = False
    _last: float = -math.inf  # monotonic
    _began: float = field(default_factory=time.monotonic)  # the folds

    def say(self, phase: str, fraction: float | None = None, left: float | None = None, text: str = "") -> None:
        """Keep where the job is."""
        document = {
            "phase": phase, "fraction": _finite(fraction), "seconds_left": _finite(left), "text": text,
            "losses": self.losses,
        }  # fmt: skip
        self.stopped |= self.report(document)
        self._last = time.monotonic()

    def show(self, now: TrainingProgress | FoldProgress | ReadProgress) -> None:
        """What a run calls with each step; raises `KeyboardInterrupt` where the job is to stop."""
        from gatecast.judge.walkforward import FoldProgress
        from gatecast.readers.large import ReadProgress

        if isinstance(now, ReadProgress):
            phase, fraction, left, text = "reading", now.done / now.total, None, ""
            self._began = time.monotonic()
        elif isinstance(now, FoldProgress):
            fraction = now.done / now.total
            left = (time.monotonic() - self._began) / max(now.done - now.resumed, 1) * (now.total - now.done)
            phase, text = "judging", f"{now.done} of {now.total} past forecasts"
        else:
            self._began = time.monotonic()
            self._note_loss(now)
            phase, fraction, left, text = "training", now.share, now.seconds_left, f"epoch {now.epoch} of {now.epochs}"
        if time.monotonic() - self._last >= EVERY:
            self.say(phase, fraction, left, text)
        if self.stopped:
            raise KeyboardInterrupt

    def _note_loss(self, now: TrainingProgress) -> None:
        row = [now.epoch, _finite(now.loss), _finite(now.validation_loss)]
        while self.losses and (self.losses[-1][0] or 0) >= now.epoch:
            self.losses.pop()
        self.losses.append(row)


def perform(job: Job, source: Source, reporter: Reporter) -> Made:
    """Do a job and leave its results in its folder, whole; nothing is kept elsewhere.

    Raises `GatecastError` with one line, `Stopped`, `OSError` where the disk is full.
    """
    request = JobRequest.model_validate(job.request)
    job.folder.mkdir(parents=True, exist_ok=True)
    model = job.folder.parent / "model"  # shared by attempts: the checkpoint of the one before waits in it
    reporter.losses = [list(row) for row in job.progress.get("losses", [])] if _resumes(model) else []
    reporter.say("reading" if job.attempt == 1 else "going on")
    try:
        run, document = _going_on(request, source, model, reporter)
    except KeyboardInterrupt:
        if not (model / "model.json").is_file():
            raise Stopped from None
        run, document = _unjudged(request, source, model)
    reporter.say("writing")
    records, notes = _records(run, source)
    document["notes"] = [*document["notes"], *notes]
    document |= {"source": source.name, "kind": request.kind, "stopped": reporter.stopped}
    document["losses"] = [[epoch, _finite(loss), _finite(held)] for epoch, loss, held in run.forecaster.losses]
    document["explained"] = _write_explanation(run, request, job.folder / "explain.html")
    _write(job.folder, run, source, document)
    return Made(records=records, stopped=reporter.stopped)


def _resumes(model: Path) -> bool:
    return any(model.glob("training-*.safetensors"))


def _going_on(
    request: JobRequest, source: Source, model: Path, reporter: Reporter
) -> tuple[ForecastRun, dict[str, Any]]:
    """The run, from the checkpoint of the attempt before where that is of the same prices and gatecast."""
    try:
        return _run(request, source, model, reporter)
    except ModelError:
        if not _resumes(model):
            raise
        shutil.rmtree(model, ignore_errors=True)  # a ticker has a new day, or gatecast was upgraded meanwhile
        reporter.losses = []
        return _run(request, source, model, reporter)


def _run(request: JobRequest, source: Source, model: Path, reporter: Reporter) -> tuple[ForecastRun, dict[str, Any]]:
    """The run, and `result.json`: `ForecastRun.to_dict`, `risk`, `risk_verdict`, `notes`."""
    about: dict[str, Any] = {
        "horizon": request.horizon, "paths": request.paths, "seed": request.seed, "verdict": request.verdict,
        "calendar": request.reading.calendar, "repair": request.reading.repair, "reading": request.reading.options(),
        "progress": reporter.show, "save": model, "resume": _resumes(model),
    }  # fmt: skip
    if request.kind == "risk":
        asked = run_risk(source.place, request.config(), questions=questions_of(request.questions), **about)
        return asked.forecast_run, _document(asked.forecast_run) | {
            "risk": asked.risk.to_dict(),
            "risk_verdict": None if asked.verdict is None else asked.verdict.to_dict(),
            "notes": [str(note) for note in asked.notes],
        }

    def read(_: object) -> None:
        reporter.say("forecasting")

    run = run_forecast(source.place, request.config(), level=request.level, check=read, **about)
    return run, _document(run) | _assessed(run, request)


def _unjudged(request: JobRequest, source: Source, model: Path) -> tuple[ForecastRun, dict[str, Any]]:
    """The forecast of the model that a stopped job had trained, without a verdict."""
    run = run_forecast(
        source.place,
        model=model,
        horizon=request.horizon,
        paths=request.paths,
        level=request.level,
        seed=request.seed,
        verdict=False,
        calendar=request.reading.calendar,
        repair=request.reading.repair,
        reading=request.reading.options(),
    )
    document = _document(run) | _assessed(run, request)
    document["notes"].append("it was stopped while it was judged, so that it has no verdict")
    return run, document


def _document(run: ForecastRun) -> dict[str, Any]:
    return {**run.to_dict(), "model": run.forecaster.name, "notes": [str(note) for note in run.notes]}


def _assessed(run: ForecastRun, request: JobRequest) -> dict[str, Any]:
    """The answers about risk that need no verdict of their own."""
    from gatecast.risk.assess import assess_risk

    risk = assess_risk(run.forecast, questions_of(request.questions), prices=run.prices)
    notes = [str(note) for note in (*run.notes, *risk.notes)]
    return {"risk": risk.to_dict(), "risk_verdict": None, "notes": notes}


def _records(run: ForecastRun, source: Source) -> tuple[tuple[Recorded, ...], list[str]]:
    """The forecasts for the ledger; where they cannot be recorded, a note that says why."""
    settings = settings_hash(run.config, run.forecaster.weights)
    try:
        made = to_record(run.forecast, run.prices, model=run.forecaster.name, settings=settings, source=source.name)
    except LedgerError as error:
        return (), [f"not recorded: {error}"]
    return tuple(made), []


def _write_explanation(run: ForecastRun, request: JobRequest, path: Path) -> bool:
    """The page that opens the network for the first item; whether there is one."""
    from gatecast.explain.explain import explain
    from gatecast.faces.report.explain import explain_report

    try:
        opened = explain(run.forecaster, run.prices, item_id=None, member=1, seed=request.seed)
    except GatecastError:
        return False
    page = explain_report(opened, title=f"Inside a forecast of {opened.history.item_id}")
    write_whole(path, page.encode())
    return True


def _write(folder: Path, run: ForecastRun, source: Source, document: Mapping[str, Any]) -> None:
    from gatecast.config import in_effect
    from gatecast.faces.report import forecast_report

    frame = run.forecast.to_frame(run.level)
    write_whole(folder / "forecast.parquet", frame.to_parquet(index=False))
    table = frame.assign(item_id=frame["item_id"].map(as_cell)).to_csv(index=False)
    write_whole(folder / "forecast.csv", table.encode())
    settings = in_effect(run.config, base=run.forecaster.choice_.folder is not None)
    page = forecast_report(
        run.forecast,
        run.prices,
        level=run.level,
        config={key: setting_text(value) for key, value in settings.items()},
        losses=run.forecaster.losses,
        verdict=None if run.verdict is None else run.verdict.to_dict(),
        title=f"Forecast of {clean(source.name, 80)}",
    )
    write_whole(folder / "report.html", page.encode())
    save_paths(folder, run.forecast, run.prices)
    run.forecaster.save(folder / "model")
    write_whole(folder / "result.json", json.dumps(dict(document), allow_nan=False).encode())


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)

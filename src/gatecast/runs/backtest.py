"""The backtest run: models by name against each other on days they have not seen, and the audit of their bands."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gatecast.errors import UsageError
from gatecast.executors import LOCAL, Engine
from gatecast.judge.audit import Audit, audit
from gatecast.judge.comparisons import subject_of
from gatecast.judge.given import read_given
from gatecast.judge.judge_given import judge_given
from gatecast.judge.report import Report
from gatecast.judge.risk_record import RIVALS as RISK_RIVALS
from gatecast.judge.risk_record import RiskRecord, check_paths, risk_record
from gatecast.judge.risk_verdict import RiskVerdict, risk_verdict
from gatecast.judge.walkforward import FoldProgress, backtest, paths_asked
from gatecast.model import Model
from gatecast.models.baselines import BASELINES
from gatecast.models.forecaster import Forecaster
from gatecast.models.foreign.isolated import TIMEOUT
from gatecast.models.registry import parse_models, takes_settings
from gatecast.notes import Note, merged
from gatecast.prices import PriceTable
from gatecast.readers.choices import AS_FOUND, ReadOptions
from gatecast.readers.large import ReadProgress
from gatecast.readers.read import read_source
from gatecast.runs.forecast import settings_notes
from gatecast.runs.workspace import fold_store, store_notes, timed, walked_days

MODELS = "gatecast,random_walk,garch"  # that are judged unless others are named
HORIZON = 5  # steps unless given: a week of sessions
RIVALS = "random_walk,garch"  # beside a file of forecasts: they need no training


@dataclass(frozen=True, kw_only=True, eq=False)
class RiskFindings:
    """What the past says of the models' risk answers; the verdict is on the one under judgement."""

    record: RiskRecord
    verdict: RiskVerdict

    def to_dict(self) -> dict[str, Any]:
        """The field `risk` of the JSON document: the tables of the record, and the verdict."""
        return {**self.record.to_dict(), "verdict": self.verdict.to_dict()}


@dataclass(frozen=True, kw_only=True, eq=False)
class BacktestRun:
    """What a backtest run made; `settings` are those it was asked for, `timings` seconds by part: read, judge."""

    prices: PriceTable
    report: Report
    audit: Audit | None
    notes: tuple[Note, ...]
    settings: Mapping[str, Any]
    timings: Mapping[str, float]
    risk: RiskFindings | None = None

    def to_dict(self) -> dict[str, Any]:
        """The JSON document of `gatecast backtest --json`: the report's, with `audit` and `risk` where asked for."""
        parts = {"audit": self.audit, "risk": self.risk}
        return self.report.to_dict() | {name: part.to_dict() for name, part in parts.items() if part is not None}


def _origins(judge: str | Path | None, asked: dict[str, Any]) -> dict[str, Any]:
    """Where forecasts are made, as asked for; raises where a file of forecasts says so itself."""
    given = [name for name, value in asked.items() if value is not None]
    if judge is not None and given:
        raise UsageError(f"a file of forecasts has cutoffs and steps of its own; got {', '.join(given)}. Leave it out.")
    return {**asked, "horizon": asked["horizon"] or HORIZON}


def _settings_notes(models: str, chosen: Sequence[Model], settings: Sequence[str]) -> list[Note]:
    """That settings have no effect: on any of the models, or one of them on a network."""
    text = "settings without effect: of the models, only a network without a preset of its own takes them"
    unheard = [Note("model", text)] if settings and not takes_settings(models) else []
    networks = (model for model in chosen if isinstance(model, Forecaster))
    return [*unheard, *(note for network in networks for note in settings_notes(network.config))]


def run_backtest(
    source: Any,
    models: str | None = None,
    *,
    judge: str | Path | None = None,
    preset: str = "default",
    settings: Sequence[str] = (),
    horizon: int | None = None,
    cutoffs: int | None = None,
    every: int | None = None,
    start: str | None = None,
    span: int | None = None,
    refit: int = 1,
    paths: int | None = None,
    seed: int = 0,
    with_audit: bool = False,
    with_risk: bool = False,
    engine: Engine = LOCAL,
    timeout: float = TIMEOUT,
    calendar: str | None = None,
    repair: bool = False,
    reading: ReadOptions = AS_FOUND,
    progress: Callable[[FoldProgress | ReadProgress], None] | None = None,
) -> BacktestRun:
    """Judge the `models` that a text names (`models.registry.parse_models`) on the prices of `source`.

    `judge`: a file of forecasts made elsewhere (`judge.given.read_given`), held against the models at its own cutoffs
    and steps. Unless given, `models` are `MODELS`, beside such a file `RIVALS`; `horizon` is `HORIZON`; `paths` are as
    `walkforward.paths_asked` has it. `with_risk`: what the past says of their risk answers; `garch` and `historical`
    join. `timeout`: seconds of a fit or forecast of others' models. Raises `GatecastError` with one line.
    """
    timings: dict[str, float] = {}
    origins = _origins(judge, {"horizon": horizon, "cutoffs": cutoffs, "every": every, "start": start})
    models, paths = models or (MODELS if judge is None else RIVALS), paths_asked(paths, risk=with_risk)
    chosen = _parsed(models, preset, (f"seed={seed}", *settings), timeout)
    chosen = _with_risk_rivals(chosen, paths, judge) if with_risk else chosen
    with timed(timings, "read"):
        prices = read_source(source, reading, calendar=calendar, repair=repair, progress=progress)
    given = None if judge is None else read_given(judge, prices)
    work: dict[str, Any] = {"span": span, "refit": refit, "paths": paths, "seed": seed}
    plan = {**(origins if given is None else {"horizon": given.horizon, "judge": str(judge)}), **work}
    about = {"command": "backtest", "models": models, **plan, "preset": preset, "settings": list(settings)}
    about |= {"risk": True} if with_risk else {}
    with timed(timings, "judge"), fold_store(prices, about) as store:
        work |= {"engine": engine, "store": store, "progress": progress}
        if given is None:
            report = backtest(chosen, prices, **origins, **work, risk=with_risk)
        else:
            report = judge_given(given, chosen, prices, **work)
        found = audit(report.forecasts, prices) if with_audit else None
    noted = [*_settings_notes(models, chosen, settings), *prices.all_notes(), *report.notes, *store_notes(store)]
    return BacktestRun(
        prices=prices,
        report=report,
        audit=found,
        notes=merged(noted, prices.item_ids),
        settings={"models": models, **plan, "preset": preset},
        timings=timings,
        risk=_risk_findings(report),
    )


def _risk_findings(report: Report) -> RiskFindings | None:
    if report.risk is None:
        return None
    record = risk_record(report.risk)
    subject = subject_of(list(dict.fromkeys(report.risk["model"])))
    return RiskFindings(record=record, verdict=risk_verdict(record, subject))


def _parsed(models: str, preset: str, settings: tuple[str, ...], timeout: float) -> list[Model]:
    """The models that a text names; what their networks are walked over is kept in the cache folder."""
    return parse_models(models, preset=preset, settings=settings, timeout=timeout, walked=walked_days())


def _with_risk_rivals(chosen: Sequence[Model], paths: int, judge: str | Path | None) -> list[Model]:
    """The models with those that risk answers are always held against; raises where there can be no such answers."""
    if judge is not None:
        raise UsageError("risk answers need simulated paths; a file of forecasts has none. Leave one of the two out.")
    check_paths(paths)
    named = {model.name for model in chosen}
    return [*chosen, *(BASELINES[rival]() for rival in RISK_RIVALS if rival not in named)]

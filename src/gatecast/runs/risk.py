"""The risk run: the forecast of a source, and the questions asked of its paths."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gatecast.config import Config
from gatecast.errors import check_type, check_whole
from gatecast.judge.recent import recent_walk
from gatecast.judge.recent_risk import recent_risk
from gatecast.judge.risk_verdict import RiskVerdict
from gatecast.notes import Note
from gatecast.readers.choices import AS_FOUND, ReadOptions
from gatecast.risk.answers import Risk
from gatecast.risk.assess import assess_risk
from gatecast.risk.questions import RiskQuestions
from gatecast.runs.forecast import ForecastRun, Progress, run_forecast
from gatecast.runs.workspace import timed

_DEFAULT = RiskQuestions()


@dataclass(frozen=True, kw_only=True, eq=False)
class RiskRun:
    """What a risk run made: the forecast with its verdict, the answers, and what a reader should know.

    `verdict` is on risk answers of past days; that of `forecast_run` on its forecasts. `timings` are seconds by part:
    those of the forecast, and risk.
    """

    forecast_run: ForecastRun
    risk: Risk
    verdict: RiskVerdict | None
    notes: tuple[Note, ...]
    timings: Mapping[str, float]

    def to_dict(self) -> dict[str, Any]:
        """The JSON document of `gatecast risk --json`. Shares are of the value, chances 0..1, losses positive.

        `{value, error}` is a number with its sampling error (one standard error):

            {"items": [{"item_id", "last": {"timestamp", "close"},
                        "ranges": whether highs and lows of simulated days count, or closes alone,
                        "steps": [{"timestamp", "step", "implied_move": {value, error}, "volatility": {value, error},
                                   "tails": [{"level", "value_at_risk": {value, error},
                                              "expected_shortfall": {value, error}}]}],
                        "drawdown": {"worst": [{"quantile", value, error}], "falls": [{"fall", value, error}],
                                     "under_water": {value, error} in steps, "still_under": {value, error}},
                        "touch": [{"price", "side": "above" | "below" | "at", "touch": {value, error},
                                   "steps": [{"timestamp", "step", "touch", "close_above", "close_below"}]}],
                        "above": [as in touch],
                        "stop_target": {"stop", "target", "stop_first", "target_first", "same_day",
                                        "stop_step": {value, error} | null, "target_step",
                                        "steps": [{"timestamp", "step", "stop_first", "target_first"}]} | null}],
             "portfolio": {"weights": {item: weight}, "cash", "rebalanced", "value": money | null,
                           "steps": as of an item ("volatility" null where all may be lost; each of "tails" with
                                    "money": {"value_at_risk", "expected_shortfall"} where there is a value),
                           "drawdown": as of an item,
                           "contributions": [{"level", "expected_shortfall", "diversification": {value, error} | null,
                                              "holdings": [{"item_id", "contribution", "alone"}]}], at the last step
                           "ruined": {value, error}} | null,
             "scenario": {"given": "SPY<=-5%@5", "item_id", "move", "step", "timestamp", "paths", "chance",
                          "moves": [{"item_id" ("(portfolio)" for the portfolio), "timestamp",
                                     "given": {"mean", "q05", "median", "q95"}, "all_paths": as given}]} | null,
             "verdict": as of `gatecast forecast` | null,
             "risk_verdict": as `RiskVerdict.to_dict` has it | null, "paths", "seed", "config", "notes": [text]}
        """
        told = self.forecast_run.to_dict()
        return {
            **self.risk.to_dict(),
            "verdict": told["verdict"],
            "risk_verdict": None if self.verdict is None else self.verdict.to_dict(),
            **{name: told[name] for name in ("paths", "seed", "config")},
            "notes": [str(note) for note in self.notes],
        }


def run_risk(
    source: Any,
    config: Config | None = None,
    *,
    questions: RiskQuestions = _DEFAULT,
    model: Path | None = None,
    horizon: int = 20,
    paths: int = 1000,
    seed: int = 0,
    save: Path | str | None = None,
    resume: bool = False,
    verdict: bool = True,
    calendar: str | None = None,
    repair: bool = False,
    reading: ReadOptions = AS_FOUND,
    progress: Progress | None = None,
) -> RiskRun:
    """Forecast `source` as `run_forecast` does, and ask `questions` of its paths.

    Raises `GatecastError` with one line.
    """
    check_whole("paths", paths, least=2, example=1000)  # of one nothing is known of its sampling error
    check_type("questions", questions, RiskQuestions, "Give for example RiskQuestions(touch=(60,)).")
    run = run_forecast(
        source,
        config,
        model=model,
        horizon=horizon,
        paths=paths,
        seed=seed,
        save=save,
        resume=resume,
        verdict=False,
        calendar=calendar,
        repair=repair,
        reading=reading,
        check=lambda prices: questions.check(prices.item_ids, horizon),
        progress=progress,
    )
    timings = dict(run.timings)
    with timed(timings, "risk"):
        risk = assess_risk(run.forecast, questions, prices=run.prices)
    judged = None
    if verdict:
        with timed(timings, "judge"):
            forecaster, choice = run.forecaster, run.forecaster.choice_
            walk = recent_walk(
                choice, run.prices, horizon=horizon, seed=seed, risk=True, forecaster=forecaster, progress=progress
            )
            judged = recent_risk(choice, run.prices, walk, seed=seed, forecaster=forecaster, progress=progress)
            run = replace(run, verdict=walk.verdict)
    return RiskRun(forecast_run=run, risk=risk, verdict=judged, notes=(*run.notes, *risk.notes), timings=timings)

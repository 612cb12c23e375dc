"""`gatecast risk`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gatecast.cli.app import Command, app
from gatecast.cli.console import print_json, progress_bar, say, say_notes
from gatecast.cli.forecasting import config_unless_saved
from gatecast.cli.options import (
    Calendar,
    Json,
    Model,
    Paths,
    Preset,
    Repair,
    Report,
    Seed,
    Settings,
    Source,
    Verdict,
    reads_source,
)
from gatecast.cli.outputs import check_outputs, write_table
from gatecast.errors import UsageError
from gatecast.forks import prepare_command
from gatecast.readers.choices import ReadOptions
from gatecast.text import shown

if TYPE_CHECKING:
    from gatecast.risk.weights import Holdings, Portfolio
    from gatecast.runs.risk import RiskRun

_PRICE = "PRICE"
Touch = Annotated[
    list[str] | None,
    typer.Option(metavar=_PRICE, help="The chance to touch it; AAPL=60 of one of several items; may be repeated."),
]
Above = Annotated[list[str] | None, typer.Option(metavar=_PRICE, help="The chance to close above it; may be repeated.")]
Stop = Annotated[str | None, typer.Option(metavar=_PRICE, help="The chance to touch it before the --target.")]
Target = Annotated[str | None, typer.Option(metavar=_PRICE, help="The chance to touch it before the --stop.")]
Weights = Annotated[
    str | None, typer.Option(metavar="FILE|equal", help="A portfolio: a CSV file of item and weight, or equal weights.")
]
Rebalanced = Annotated[
    bool | None, typer.Option("--rebalanced/--held", help="Weights brought back at every step, or held (as usual).")
]
Value = Annotated[float | None, typer.Option(help="The portfolio's value in money, such as 10000.", show_default=False)]
Given = Annotated[
    str | None, typer.Option(metavar="SCENARIO", help="Such as 'SPY<=-5%@5': SPY 5% lower or worse after 5 steps.")
]
Levels = Annotated[str, typer.Option(metavar="SHARES", help="Of the worst paths, for value at risk.")]
Falls = Annotated[str, typer.Option(metavar="SHARES", help="Of a peak, for the chance to fall as far.")]
Answers = Annotated[
    Path | None, typer.Option("--csv", metavar="FILE.csv", readable=False, help="Write every number as a row.")
]


@app.command(cls=Command)
@reads_source
def risk(
    source: Source,
    touch: Touch = None,
    above: Above = None,
    stop: Stop = None,
    target: Target = None,
    weights: Weights = None,
    rebalanced: Rebalanced = None,
    value: Value = None,
    given: Given = None,
    levels: Levels = "1%,5%,10%",
    falls: Falls = "5%,10%,20%",
    horizon: Annotated[int, typer.Option(min=1, help="Steps ahead.")] = 20,
    paths: Paths = 1000,
    seed: Seed = 0,
    preset: Preset = "default",
    settings: Settings = None,
    model: Model = None,
    report: Report = None,
    csv: Answers = None,
    calendar: Calendar = None,
    repair: Repair = False,
    verdict: Verdict = True,
    as_json: Json = False,
    *,
    reading: ReadOptions,
) -> None:
    """Ask the simulated paths of SOURCE: what can be lost, what is touched, on all you hold, in a scenario."""
    check_outputs(source, page=report, table=csv, model=model, weights=weights, events=reading.events)
    from gatecast.risk.questions import RiskQuestions

    questions = RiskQuestions(
        touch=tuple(touch or ()),
        above=tuple(above or ()),
        stop=stop,
        target=target,
        levels=_shares("--levels", levels),
        falls=_shares("--falls", falls),
        portfolio=_portfolio(weights, rebalanced, value),
        given=given,
    )
    prepare_command()
    from gatecast.runs.risk import run_risk

    with progress_bar("judging") as show:
        run = run_risk(
            source,
            config_unless_saved(model, preset, settings, seed),
            questions=questions,
            model=model,
            horizon=horizon,
            paths=paths,
            seed=seed,
            verdict=verdict,
            calendar=calendar,
            reading=reading,
            repair=repair,
            progress=show,
        )
    _tell(run, source, report, csv, as_json=as_json)


def _shares(option: str, text: str) -> tuple[float, ...]:
    """The shares of a text such as `1%,5%` or `0.01,0.05`, each once."""
    try:
        shares = [float(word.removesuffix("%")) / (100 if word.endswith("%") else 1) for word in text.split(",")]
    except ValueError:
        raise UsageError(f"{option} are shares such as 1%,5%; got {shown(text)}. Separate them by commas.") from None
    return tuple(dict.fromkeys(shares))


def _portfolio(weights: str | None, rebalanced: bool | None, value: float | None) -> Portfolio | None:
    """The portfolio asked for; its file is read before the work."""
    if weights is None:
        if rebalanced is not None or value is not None:
            raise UsageError(
                "--value, --held and --rebalanced are of a portfolio. Add --weights equal, or --weights FILE."
            )
        return None
    from gatecast.risk.weights import Portfolio, read_weights

    held: Holdings = "equal" if weights == "equal" else read_weights(Path(weights))
    return Portfolio(weights=held, rebalanced=bool(rebalanced), value=value)


def _tell(run: RiskRun, source: str, report: Path | None, csv: Path | None, *, as_json: bool) -> None:
    """Notes, the table and the page as files, and the answers."""
    say_notes(run.notes)
    try:
        if csv is not None:
            write_table(csv, run.risk.to_frame())
        if report is not None:
            _write_report(report, source, run)
    finally:  # a file that cannot be written costs no answer
        if as_json:
            print_json(run.to_dict())
        else:
            _print(run)


def _write_report(path: Path, source: str, run: RiskRun) -> None:
    from gatecast.config import in_effect
    from gatecast.faces.report import risk_report, write_html
    from gatecast.faces.wording import setting_text

    made = run.forecast_run
    settings = in_effect(made.config, base=made.forecaster.choice_.folder is not None)
    page = risk_report(
        run.risk,
        made.forecast,
        made.prices,
        config={key: setting_text(value) for key, value in settings.items()},
        verdict=None if made.verdict is None else made.verdict.to_dict(),
        past=None if run.verdict is None else run.verdict.text,
        notes=run.notes,
        title=f"Risk of {source}" if len(source) < 80 else "Risk",
    )
    write_html(path, page)
    say(f"report written to {path}")


def _print(run: RiskRun) -> None:
    from rich.console import Console

    from gatecast.faces.terminal.risk import show_risk

    console = Console()
    show_risk(run.risk, console=console, forecast=run.forecast_run.forecast)
    for verdict in (run.verdict, run.forecast_run.verdict):
        if verdict is not None:
            console.print(f"\n{verdict.text}", markup=False, highlight=False)

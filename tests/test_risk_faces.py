"""What pages, terminal and tables show of risk: every number that they promise, in the room that they have."""

from __future__ import annotations

import functools
import io
import math
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from typer.testing import CliRunner

from conftest import FixedVolatility, independent_walks, simulated_series
from gatecast.cli import app
from gatecast.faces import tables
from gatecast.faces.report import backtest_report
from gatecast.faces.terminal.risk import MOST_ROWS, show_risk
from gatecast.faces.terminal.scores import show_risk as show_record
from gatecast.faces.terminal.scores import show_scores
from gatecast.faces.wording import estimate_text
from gatecast.forecast import Forecast
from gatecast.judge.report import Report
from gatecast.judge.risk_record import RiskRecord, risk_record
from gatecast.judge.risk_verdict import RiskVerdict, risk_verdict
from gatecast.judge.walkforward import backtest
from gatecast.prices import PriceTable
from gatecast.risk.answers import PORTFOLIO, Risk
from gatecast.risk.assess import assess_risk
from gatecast.risk.questions import RiskQuestions
from gatecast.risk.weights import Portfolio
from test_report import Reader
from test_risk import correlated, everything, item, joint, walk
from test_risk_pictures import page_of, ranged

SIGMA = 0.01


# A walk-forward test with risk


@functools.cache
def judged() -> tuple[Report, PriceTable, RiskRecord, RiskVerdict]:
    prices = independent_walks(np.full(400, SIGMA), items=1)
    models = [FixedVolatility(SIGMA, "ours"), FixedVolatility(0.4 * SIGMA, "narrow")]
    report = backtest(models, prices, horizon=1, every=1, cutoffs=40, refit=0, risk=True)
    record = risk_record(report.risk)
    return report, prices, record, risk_verdict(record, "ours")


def page_text(html: str) -> str:
    return " ".join(Reader(html).text.split())


def test_the_page_of_a_test_has_every_row_on_risk_with_the_words_explained() -> None:
    report, prices, record, verdict = judged()
    text = page_text(backtest_report(report, prices, risk=(record, verdict)))
    assert verdict.text in text
    assert tables.LOSS_HINT in text and tables.CHANCE_HINT in text
    for name, cells in (*tables.loss_rows(record), *tables.chance_rows(record)):
        assert " ".join([name, *(cell.text.replace("-", "\u2212") for cell in cells)]) in text
    assert tables.PORTFOLIO_HINT not in text  # one item makes no portfolio
    assert verdict.text not in page_text(backtest_report(report, prices))


def test_the_command_hands_its_findings_on_risk_to_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    source, page = tmp_path / "X.csv", tmp_path / "bt.html"
    PriceTable(series=(simulated_series("X", 300, 1, columns=False),)).to_frame().to_csv(source, index=False)
    asked = ["backtest", str(source), "--models", "ewma_t", "--cutoffs", "3", "--jobs", "1", "--risk"]
    result = CliRunner().invoke(app, [*asked, "--report", str(page)])
    assert result.exit_code == 0, result.output
    assert "Answers about risk ewma_t, on past days:" in page_text(page.read_text())


def test_the_legend_of_chances_warns_of_comparing_models_by_their_brier_scores(
    capsys: pytest.CaptureFixture[str],
) -> None:
    _, _, record, verdict = judged()
    show_record(record, verdict)
    assert "compare a Brier score with the walk's beside it, not with that of another row" in " ".join(
        capsys.readouterr().out.split()
    )


def test_the_name_of_a_users_model_breaks_between_its_parts(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    report, _, record, verdict = judged()
    name = "my_model.py:MyModel"
    wide = report.scores.assign(n=1000, mae=123456.7, log_score=-12.345)
    show_scores(
        replace(report, scores=wide.assign(model=wide["model"].replace({"ours": name, "narrow": "random_walk"})))
    )
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines if "My" in line] == ["MyModel"]
    assert any(line.startswith("my_model.py: ") for line in lines)
    long = f"folder/{name}:and_more"
    show_record(replace(record, losses=record.losses.assign(model=long)), verdict)
    lines = capsys.readouterr().out.splitlines()
    assert not any("\u2026" in line for line in lines) and max(map(len, lines)) <= 80


# The table of every number


def numbers(part: object) -> Iterator[float]:
    """The estimates of a document, in any order."""
    if isinstance(part, dict):
        if set(part) >= {"value", "error"}:
            yield part["value"]
        for inner in part.values():
            yield from numbers(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from numbers(inner)


def test_the_table_has_every_estimate_of_the_document() -> None:
    risk = everything(correlated())
    told = risk.to_dict()
    written = np.sort(risk.to_frame()["value"])
    for value in numbers(told):
        at = min(int(np.searchsorted(written, value)), len(written) - 1)
        assert any(math.isclose(value, near, abs_tol=1e-12) for near in written[max(at - 1, 0) : at + 2])


def test_the_table_has_holdings_money_and_scenario_as_the_document_has_them() -> None:
    risk = everything(correlated())
    told = risk.to_dict()
    frame = risk.to_frame().astype({"timestamp": str})
    at = frame.set_index(["item_id", "measure", "level"])["value"]

    def value(item_id: str, measure: str, level: float | None = None) -> float:
        found = at.xs((item_id, measure), level=("item_id", "measure"))
        return float(found.iloc[0] if level is None else found.loc[level])

    portfolio = told["portfolio"]
    assert {item_id: value(item_id, "weight") for item_id in portfolio["weights"]} == portfolio["weights"]
    assert value(PORTFOLIO, "cash") == portfolio["cash"] and value(PORTFOLIO, "money") == 10_000
    for part in portfolio["contributions"]:
        assert value(PORTFOLIO, "diversification", part["level"]) == part["diversification"]["value"]
        for holding in part["holdings"]:
            for measure in ("contribution", "alone"):
                assert value(holding["item_id"], measure, part["level"]) == holding[measure]["value"]
    by_step = frame[frame["item_id"] == PORTFOLIO].set_index(["measure", "step", "level"])["value"].sort_index()
    for row in portfolio["steps"]:
        for tail in row["tails"]:
            for name, money in tail["money"].items():
                assert by_step[f"{name}_money", row["step"], tail["level"]] == pytest.approx(money)
    scenario = told["scenario"]
    assert value("A", "scenario_paths") == scenario["paths"]
    assert value("A", "scenario_chance", 0.0) == scenario["chance"]["value"]
    moves = frame.set_index(["item_id", "timestamp", "measure", "level"])["value"].sort_index()
    for of in scenario["moves"]:
        stamp = str(pd.Timestamp(of["timestamp"]))
        for name, measure in (("given", "scenario_move_quantile"), ("all_paths", "all_paths_move_quantile")):
            for q, key in ((0.05, "q05"), (0.5, "median"), (0.95, "q95")):
                assert moves[of["item_id"], stamp[:10], measure, q] == of[name][key]["value"]


# The terminal


def printed(risk: Risk, width: int = 80) -> str:
    stream = io.StringIO()
    show_risk(risk, console=Console(file=stream, width=width))
    return stream.getvalue()


@functools.cache
def many(count: int = 23) -> Risk:
    paths = [walk(seed, 200, 5) for seed in range(count)]
    forecast: Forecast = joint(
        *(item(closes, f"ITEM{seed}", highs=closes * 1.01, lows=closes * 0.99) for seed, closes in enumerate(paths))
    )
    weights = {f"ITEM{seed}": 0.0125 for seed in range(count)}
    questions = RiskQuestions(portfolio=Portfolio(weights=weights, value=10_000.0), given="ITEM21<=0%@2")
    return assess_risk(forecast, questions)


def test_the_portfolio_has_both_losses_in_money_beside_its_volatility() -> None:
    risk = everything(correlated())
    text = printed(risk)
    outlook = risk.portfolio.outlook
    (row,) = re.findall(r"^ 2024-01-07 .*$", text.partition("What each holding")[0], re.M)
    usual = outlook.tails[1]
    for money in (usual.value_at_risk, usual.expected_shortfall):
        assert f"{10_000 * float(money.value[-1]):,.0f}" in row.split()
    assert estimate_text(float(outlook.volatility.value[-1]), float(outlook.volatility.error[-1])) in row


def test_the_portfolio_is_first_and_of_many_items_twenty_are_shown_and_the_others_counted() -> None:
    text = printed(many())
    assert text.index("Portfolio\n") < text.index("23 items, after 5 steps")
    items = text.partition("23 items")[2].partition("Given ITEM21")[0]
    assert len(re.findall(r"^ ITEM", items, re.M)) == MOST_ROWS == 20
    assert "3 more items; --csv FILE.csv writes every number." in items
    scenario = text.partition("Given ITEM21")[2]
    assert scenario.count("3 more items; --csv") == 2  # its day, and the last
    assert "median, all" in printed(many(), width=64)  # other columns give way first
    assert re.search(r"median, all *\n─+\n ITEM21 ", scenario)
    assert len(re.findall(r"^ \(portfolio\) +(\S+% \(\S+\) *){4}$", scenario, re.M)) == 2


def test_a_weight_is_told_as_it_was_given() -> None:
    assert len(re.findall(r"^ ITEM\d+ +1\.25% ", printed(many()), re.M)) == 20


def test_where_falls_are_counted_differently_it_is_said_below_the_portfolio() -> None:
    said = "Its falls count closes only; those of an item count the lows of its days, too."
    assert f"\n{said}\n" in printed(many())
    assert said not in printed(everything(correlated()))  # there are closes alone
    ranged_items = joint(ranged("A"), ranged("B"))
    held = RiskQuestions(portfolio=Portfolio())
    assert said in page_text(page_of(ranged_items, held)) and said not in page_text(page_of(correlated(), held))


@pytest.mark.parametrize("error", [3e-3, 4.7e-4, 9.6e-6, 2e-7])
def test_an_error_has_a_significant_digit(error: float) -> None:
    text = estimate_text(0.05, error)
    assert re.search(r"\([0.]*[1-9]\d*\)$", text) and float(text.partition("(")[2][:-1]) == pytest.approx(
        100 * error, rel=0.34
    )


def test_without_an_error_there_are_no_digits_and_zero_has_no_sign() -> None:
    assert (estimate_text(0.05, 0.0), estimate_text(-1e-5, 0.001)) == ("5.00% (0)", "0.0% (0.1)")

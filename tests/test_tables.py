"""The judge's tables: what is in bold, what is a dash, and the same findings on the page and in the terminal."""

from __future__ import annotations

import dataclasses
import math

import pandas as pd
import pytest

from gatecast.faces.report import ablation_report
from gatecast.faces.tables import (
    Column,
    coverage_rows,
    least,
    miss_rows,
    most,
    nearest,
    number_text,
    p_text,
    percent,
    pit_texts,
    score_cells,
    score_frame,
)
from gatecast.faces.terminal.scores import show_ablation, show_audit, show_scores
from gatecast.judge.ablation import SCORES, Ablation, Row
from gatecast.judge.audit import Audit
from test_report import Reader
from test_report_backtest import walk

NOT_FORESEEN = pd.DataFrame({"model": ["m"], "foreseen": [False]})


def table(**columns: list[float]) -> pd.DataFrame:
    return pd.DataFrame({"model": [f"m{i}" for i in range(len(next(iter(columns.values()))))], **columns})


@pytest.mark.parametrize(
    ("distance", "bold"),
    [(least, [True, False, False]), (most, [False, False, True]), (nearest(0.5), [False, True, False]), (None, [])],
)
def test_the_best_of_a_column_is_in_bold(distance, bold: list[bool]) -> None:
    column = Column("Score", "score", "{:.1f}".format, distance)
    rows = score_cells(table(score=[-0.1, 0.4, 0.9]), [column])
    assert [cells[0].bold for cells in rows] == (bold or [False] * 3)
    assert [cells[0].text for cells in rows] == ["-0.1", "0.4", "0.9"]


def test_equal_bests_are_both_in_bold_and_a_single_number_is_not() -> None:
    column = Column("Score", "score", "{:.1f}".format, least)
    assert [cells[0].bold for cells in score_cells(table(score=[1.0, 1.0, 2.0]), [column])] == [True, True, False]
    lonely = score_cells(table(score=[math.nan, 1.0, math.nan]), [column])
    assert [cells[0].bold for cells in lonely] == [False] * 3
    assert [cells[0].text for cells in lonely] == ["-", "1.0", "-"]


def test_skill_and_p_value_are_against_the_random_walk() -> None:
    report, _ = walk()
    frame = score_frame(report.scores, report.tests).set_index("model")
    assert list(frame["crps"]) == sorted(frame["crps"])
    assert frame.at["random_walk", "skill"] == 0 and math.isnan(frame.at["random_walk", "p_value"])
    assert frame.at["gatecast", "skill"] == 1 - frame.at["gatecast", "crps"] / frame.at["random_walk", "crps"]
    row = report.tests.query("model == 'gatecast' and against == 'random_walk' and loss == 'crps' and step == 'all'")
    assert frame.at["gatecast", "p_value"] == row["p_value"].item()
    alone, _ = walk(models=("gatecast", "narrow"))
    assert score_frame(alone.scores, alone.tests)[["skill", "p_value"]].isna().all(axis=None)


def test_a_band_that_does_not_hold_its_level_is_in_bold() -> None:
    held = {"model": "m", "by": ["all", "step"], "group": ["all", "1"], "level": 90, "held": [0.7, 0.85]}
    coverage = pd.DataFrame({**held, "low": [0.6, 0.8], "high": [0.8, 0.95]})
    audit = Audit(coverage=coverage, violations=pd.DataFrame(), pit=pd.DataFrame(), foresight=NOT_FORESEEN)
    levels, rows = coverage_rows(audit, "m", lambda *shares: " ".join(map(percent(0), shares)))
    assert levels == ["90%"]
    assert [(name, cell.text, cell.bold) for name, (cell,) in rows] == [
        ("all", "70% 60% 80%", True),
        ("step 1", "85% 80% 95%", False),
    ]


def test_misses_are_shown_at_the_first_and_the_last_step_and_findings_are_in_bold() -> None:
    p_values = {"kupiec_p": [0.049, 0.5, 0.05], "christoffersen_p": [math.nan, 0.5, 0.2], "both_p": [0.0002, 0.5, 1]}
    misses = {"model": "m", "step": [1, 2, 3], "event": "outside 90%", "expected": 0.1, "found": 0.125}
    pit = pd.DataFrame({"model": ["m"], "step": ["all"], "shares": [[0.1] * 10], "p_value": [0.3]})
    audit = Audit(
        coverage=pd.DataFrame(), violations=pd.DataFrame({**misses, **p_values}), pit=pit, foresight=NOT_FORESEEN
    )
    first, last = miss_rows(audit, "m")
    assert [cell.text for cell in first[1]] == ["1", "10%", "12.5%", "0.049", "-", "< 0.001"]
    assert [cell.bold for cell in first[1]] == [False, False, False, True, False, True]
    assert [cell.text for cell in last[1]] == ["3", "10%", "12.5%", "0.050", "0.200", "1.000"]
    assert not any(cell.bold for cell in last[1])
    assert pit_texts(audit, "m") == (" ".join(["10"] * 10), "0.300")


def test_the_terminal_shows_scores_with_skill_only_against_a_random_walk(capsys: pytest.CaptureFixture[str]) -> None:
    report, _ = walk()
    show_scores(report)
    lines = capsys.readouterr().out.splitlines()
    heading = next(line for line in lines if line.startswith("model"))
    assert heading.split() == [*["model", "n", "CRPS", "skill", "log", "score", "MAE", "MASE", "50%", "90%", "width"]]
    walked = next(line for line in lines if line.startswith("random_walk"))
    assert walked.split()[1] == "96" and walked.split()[3] == "+0.0%"
    show_scores(walk(models=("gatecast", "narrow"))[0])
    assert "skill  " not in capsys.readouterr().out


def ablation() -> Ablation:
    numbers = {"with_it": 1.0, "without": 0.9, "change": -0.1, "low": -0.15, "high": -0.05, "word": "hurts"}
    rows = [Row(switch="loss", off="loss=mse", score=score, **numbers) for score in ("crps", "mae", "coverage_90")] + [
        Row(switch="guard", off="guard=false", score=score, word="breaks") for score in ("crps", "mae", "coverage_90")
    ]
    return Ablation(rows=tuple(rows), origins=9, seeds=3, items=1, horizon=2, refit=0)


def test_an_ablation_has_a_row_a_switch_in_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    show_ablation(ablation())
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["loss", "hurts", "-10.0%", "-15.0", "to", "-5.0%", "-10.0%", "-10.0%"] in lines
    assert ["guard", "breaks", "-", "-", "-", "-"] in lines


def test_an_ablation_has_true_minuses_on_the_page() -> None:
    text = " ".join(Reader(ablation_report(ablation(), title="An ablation")).text.split())
    assert "loss CRPS \u221210.00% \u221215.00% to \u22125.00% hurts loss=mse" in text
    assert "guard MAE \u2013 \u2013 breaks guard=false" in text
    words = text[text.index("All scores") : text.index("Improvement Score")]
    assert all(word in words for word in ("An origin is", "CRPS scores", "MAE is", "90% band"))


def test_numbers_and_p_values_in_words() -> None:
    assert [p_text(p) for p in (0.0009, 0.001, 0.05)] == ["< 0.001", "0.001", "0.050"]
    assert [number_text(value, percent(1)) for value in (None, math.nan, math.inf, 0.5)] == ["-", "-", "-", "50.0%"]


def test_the_audit_in_the_terminal_fits_eighty_columns(capsys: pytest.CaptureFixture[str]) -> None:
    groups = [("all", "all"), ("volatility", "usual")]
    held = [
        {"model": "m", "by": by, "group": group, "level": level, "held": 1.0, "low": 0.85, "high": 1.0}
        for by, group in groups
        for level in (50, 80, 90, 95)
    ]
    p_values = {"kupiec_p": 0.5, "christoffersen_p": 0.5, "both_p": 0.5}
    misses = [{"model": "m", "step": 1, "event": "outside 90%", "expected": 0.1, "found": 0.0, **p_values}]
    pit = [{"model": "m", "step": "all", "shares": [0.1] * 10, "p_value": 0.3}]
    coverage, violations, shares = map(pd.DataFrame, (held, misses, pit))
    show_audit(Audit(coverage=coverage, violations=violations, pit=shares, foresight=NOT_FORESEEN), "m")
    lines = capsys.readouterr().out.splitlines()
    row = next(line for line in lines if line.startswith("volatility usual"))
    assert row.split()[2:] == ["100", "(85-100)"] * 4 and max(map(len, lines)) <= 80


def test_no_table_is_cut_at_eighty_columns(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a word nor a number ends in dots, however large a change is and however long a name."""
    monkeypatch.setenv("COLUMNS", "80")
    wide = {"with_it": 1.0, "without": 52.0, "change": 51.397, "low": -39.651, "high": 63.142, "word": "no difference"}
    switches = ("bollinger_guard", "all but the guard", "mc_dropout")
    rows = [Row(switch=name, off="x", score=score, **wide) for name in switches for score in SCORES]
    show_ablation(Ablation(rows=tuple(rows), origins=48, seeds=3, items=1, horizon=5, refit=12))
    out = capsys.readouterr().out
    assert "…" not in out and out.count("difference") > 3 and "-3,965 to +6,314%" in out
    report, _ = walk()
    long = {name: f"calibrated:gatecast:encoder=transformer,layers=3,name={name}" for name in ("gatecast", "narrow")}
    scores = report.scores.assign(model=report.scores["model"].replace(long), mae=123456.7, n=123456, log_score=-12.345)
    show_scores(dataclasses.replace(report, scores=scores))
    lines = capsys.readouterr().out.splitlines()
    assert not any("…" in line for line in lines) and max(map(len, lines)) <= 80
    assert sum("123,456 " in line and "123,457 " in line for line in lines) == 3

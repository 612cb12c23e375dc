"""docs/risk.md and the README's section on risk: each command runs, and prints what stands below it there."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner

from gatecast.cli import app

ROOT = Path(__file__).resolve().parents[1]
VERDICT = "gatecast, on past days"  # takes as long as all forecasts together; the commands run without it


@dataclass
class Example:
    """A command of a page, and the blocks of its output that stand below it."""

    command: str
    output: list[str] = field(default_factory=list)


def blocks(text: str) -> Iterator[str]:
    """The indented blocks of a page, outside code fences, each without its indent."""
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)
    for block in re.findall(r"(?:^ {4}.*\n(?:\n(?= {4}))*)+", prose, re.M):
        yield re.sub(r"^ {4}", "", block, flags=re.M).rstrip()


def examples(text: str) -> list[Example]:
    """The commands of a page in order; a block that is no command is output of the last."""
    found: list[Example] = []
    for block in blocks(text):
        if block.startswith("gatecast "):
            found += [Example(command) for command in block.splitlines()]
        else:
            assert found, f"output without a command above it: {block[:60]}"
            found[-1].output.append(block)
    return found


def shape(text: str) -> str:
    """Words and columns without numbers and spaces, which differ by machine; rules of tables are left out."""
    return re.sub(r"[\s─]+", " ", re.sub(r"\d[\d.,]*", "#", text)).strip()


@pytest.fixture(scope="module")
def page() -> str:
    return (ROOT / "docs" / "risk.md").read_text()


@pytest.fixture(scope="module")
def readme() -> str:
    return (ROOT / "README.md").read_text().partition("## What can I lose?\n")[2].partition("\n## ")[0]


@pytest.mark.slow(reason="five forecasts as long as the pages show them, two of which train a network")
def test_every_command_of_the_page_prints_what_stands_below_it(
    page: str, readme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "80")
    code = python_of(page)[0]
    (weights,) = re.findall(r"```csv\n(.*?)```", page, re.S)
    exec(compile(code, "docs/risk.md", "exec"), {})
    (tmp_path / "mine.csv").write_text(weights)
    shown = [example for example in (*examples(page), *examples(readme)) if example.output]
    assert len(shown) == 7
    printed = {command: output_of(command) for command in {example.command: None for example in shown}}
    for example in shown:
        for block in example.output:
            if not block.startswith(VERDICT):
                assert shape(block) in printed[example.command], (example.command, block)


def python_of(page: str) -> list[str]:
    """The Python of a page, a fence each."""
    return re.findall(r"```python\n(.*?)```", page, re.S)


def test_the_python_of_the_page_runs_and_writes_what_it_says(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    prices, asked = python_of(page)
    found: dict[str, Any] = {}
    exec(compile(prices, "docs/risk.md", "exec"), {})
    exec(compile(asked, "docs/risk.md", "exec"), found)
    first, *lines = capsys.readouterr().out.splitlines()
    touch = found["risk"]["TECH"].touch[0].touch
    assert first == f"{touch.value[-1]:.1%}, sampling error {touch.error[-1]:.1%}"
    assert [line.partition(" VaR ")[0] for line in lines[:3]] == ["1%", "5%", "10%"]
    assert lines[3:] == [str(note) for note in found["risk"].notes] and "30% is cash" in lines[-1]
    table = pd.read_csv("risk.csv")
    assert {"contribution", "touch", "scenario_chance"} <= set(table["measure"])


def output_of(command: str) -> str:
    arguments = shlex.split(command)[1:]
    result = CliRunner().invoke(app, [*arguments, *([] if "--no-verdict" in arguments else ["--no-verdict"])])
    assert result.exit_code == 0, result.output
    return shape(result.stdout)


@pytest.mark.parametrize(
    "option", ["--levels", "--falls", "--above", "--rebalanced", "--weights", "--given", "--paths"]
)
def test_options_that_the_page_names_are_there(page: str, option: str) -> None:
    assert option in page
    assert option in CliRunner().invoke(app, ["risk", "--help"], env={"COLUMNS": "200"}).stdout


def test_terms_are_explained_where_they_first_stand(page: str) -> None:
    """In bold; before that place they are in commands and in output alone."""
    prose = re.sub(r"^```.*?^```$|^ {4}[^\n]*$", "", page, flags=re.M | re.S)
    for term in TERMS:
        explained = re.search(rf"\*\*[^*\n]*\b{term}\b[^*\n]*\*\*", prose, re.I)
        assert explained, term
        assert not re.search(rf"\b{term}\b", prose[: explained.start()], re.I), term


TERMS = (
    "sampling error",
    "closes above",
    "VaR",
    "ES",
    "volatility",
    "drawdown",
    "under water",
    "contribution",
    "diversification",
    "joint paths",
    "rank",
    "scenario",
    "crossed",
)

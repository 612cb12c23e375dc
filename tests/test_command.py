"""The command in this process: the table it writes, and remedies in its own words."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from conftest import simulated_series
from gatecast.cli import app, main
from gatecast.prices import PriceTable

FAST = ["--preset", "quick", "--set", "epochs=1", "--set", "context_length=10", "--set", "hidden=4", "--no-verdict"]


@pytest.fixture
def prices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = tmp_path / "X.csv"
    PriceTable(series=(simulated_series("X", 200, 3),)).to_frame().to_csv(path, index=False)
    return path


def refusal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: object) -> str:
    monkeypatch.setattr("sys.argv", ["gatecast", *map(str, arguments)])
    monkeypatch.setattr("gc.freeze", lambda: None)
    with pytest.raises(SystemExit) as error:
        main()
    assert error.value.code in (1, 2)
    return capsys.readouterr().err.strip().splitlines()[-1]


def test_a_forecast_is_written_as_a_table(prices: Path, tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    command = ["forecast", str(prices), *FAST, "--csv", str(path), "--horizon", "3", "--json"]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    (item,) = json.loads(result.stdout)["items"]
    table = pd.read_csv(path)
    assert list(table) == ["item_id", "timestamp", "step", "median", "mean", "lower", "upper"]
    assert table["timestamp"].tolist() == [row["timestamp"] for row in item["forecast"]]
    assert table["lower"].tolist() == pytest.approx([row["lower"] for row in item["forecast"]])


@pytest.mark.parametrize(
    ("csv", "why"), [(".", "is a folder"), ("no/x.csv", "lies in no folder"), ("x.html", "'x.csv'")]
)
def test_a_table_that_cannot_be_written_is_refused_before_the_work(
    csv: str, why: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert why in refusal(capsys, monkeypatch, "forecast", "no-such-file.csv", "--csv", csv)


def test_the_command_says_its_own_options(
    prices: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = pd.read_csv(prices)
    frame.loc[5, "close"] = -1
    frame.to_csv(prices, index=False)
    said = refusal(capsys, monkeypatch, "forecast", prices)
    assert "pass --repair to drop such rows" in said and "repair=True" not in said


def test_a_large_file_is_read_with_its_progress(prices: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gatecast.readers.sources.LARGE", 100)
    monkeypatch.setattr("gatecast.cli.console.QUIET", 0.0)
    result = CliRunner().invoke(app, ["forecast", str(prices), *FAST, "--horizon", "2", "--json"])
    assert result.exit_code == 0 and "gatecast: reading 100%" in result.stderr

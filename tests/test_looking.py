"""`gatecast explain` and `gatecast memory` from the outside."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from conftest import TINY, simulated_series
from gatecast.cli import app
from gatecast.errors import DataError, UsageError
from gatecast.explain import memory
from gatecast.explain.explain import explain
from gatecast.models.forecaster import Forecaster
from gatecast.prices import PriceTable

FAST = ["--preset", "quick", "--set", "epochs=1", "--set", "context_length=10"]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "prices.csv"
    PriceTable(series=(simulated_series("A", 160, 1), simulated_series("B", 140, 2))).to_frame().to_csv(
        path, index=False
    )
    return path


def test_explain_writes_a_page_of_the_item_asked_for(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "inside.html"
    result = CliRunner().invoke(app, ["explain", str(source), *FAST, "--asset", "B", "--out", str(out)])
    assert result.exit_code == 0, result.output
    assert result.stdout == ""
    assert "Inside a forecast of B" in out.read_text()
    before = out.read_bytes()
    CliRunner().invoke(app, ["explain", str(source), *FAST, "--asset", "B", "--out", str(out)])
    assert out.read_bytes() == before


def test_explain_opens_a_saved_model(source: Path, tmp_path: Path) -> None:
    folder, out = tmp_path / "model", tmp_path / "inside.html"
    saved = ["forecast", str(source), *FAST, "--set", "encoder=tcn", "--save", str(folder), "--no-verdict"]
    assert CliRunner().invoke(app, saved).exit_code == 0
    result = CliRunner().invoke(app, ["explain", str(source), "--model", str(folder), "--out", str(out)])
    assert result.exit_code == 0, result.output
    assert "A temporal convolutional network" in out.read_text()
    refused = CliRunner().invoke(app, ["explain", str(source), "--model", str(folder), "--preset", "quick"])
    assert isinstance(refused.exception, UsageError)


def test_memory_tells_a_table_or_one_document(monkeypatch: pytest.MonkeyPatch) -> None:
    small = memory.run_memory(models=["rnn", "lstm"], lags=[3, 5], seeds=[0], updates=2, jobs=1)
    monkeypatch.setattr(memory, "run_memory", lambda jobs: small)
    document = json.loads(CliRunner().invoke(app, ["memory", "--json"]).stdout)
    assert set(document) == {"rows", "reach", "finding"}
    assert len(document["rows"]) == 4
    table = CliRunner().invoke(app, ["memory"]).stdout
    assert "k=3" in table and "lstm" in table


def test_explain_is_not_given_columns_the_network_never_saw(tmp_path: Path) -> None:
    forecaster = Forecaster(TINY).fit(PriceTable(series=(simulated_series("A", 160, 1),)))
    closes = PriceTable(series=(simulated_series("A", 160, 1, columns=False),))
    with pytest.raises(DataError, match="no high and low and no volume"):
        explain(forecaster, closes)

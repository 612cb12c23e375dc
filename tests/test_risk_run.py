"""`gatecast risk`: the run, its JSON, its tables in the terminal and as a file, and what it refuses."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pandas as pd
import pytest
from rich.cells import cell_len
from rich.console import Console
from typer.testing import CliRunner

import gatecast
from conftest import simulated_series
from gatecast.cli import app, main
from gatecast.config import Config
from gatecast.errors import DataError, UsageError
from gatecast.faces.terminal.risk import show_risk
from gatecast.faces.wording import estimate_text
from gatecast.forecast import Forecast
from gatecast.prices import PriceTable
from gatecast.risk.questions import RiskQuestions
from gatecast.risk.weights import Portfolio, read_weights
from gatecast.runs.risk import run_risk
from test_risk import correlated, everything, item, joint, walk

SETTINGS = ["epochs=1", "context_length=10", "hidden=4"]
FAST = ["--preset", "quick", *(part for setting in SETTINGS for part in ("--set", setting)), "--no-verdict"]
FEW = ["--horizon", "4", "--paths", "200"]


@pytest.fixture
def prices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = tmp_path / "X.csv"
    PriceTable(series=(simulated_series("X", 200, 3),)).to_frame().to_csv(path, index=False)
    return path


@pytest.fixture
def panel(prices: Path) -> Path:
    path = prices.parent / "panel.csv"
    series = (simulated_series("A", 160, 1), simulated_series("B", 160, 2))
    PriceTable(series=series).to_frame().to_csv(path, index=False)
    return path


def last_close(path: Path) -> float:
    return float(pd.read_csv(path)["close"].iloc[-1])


def refusal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: object) -> str:
    monkeypatch.setattr("sys.argv", ["gatecast", "risk", *map(str, arguments)])
    monkeypatch.setattr("gc.freeze", lambda: None)
    with pytest.raises(SystemExit) as error:
        main()
    assert error.value.code in (1, 2)
    return capsys.readouterr().err.strip().splitlines()[-1]


def risk_of(*arguments: object) -> dict:
    result = CliRunner().invoke(app, ["risk", *map(str, arguments), *FAST, *FEW, "--json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout, parse_constant=pytest.fail)


def test_the_document_has_its_parts_for_one_item(prices: Path) -> None:
    close = last_close(prices)
    asked = ["--touch", close * 1.02, "--above", close, "--stop", close * 0.95, "--target", close * 1.05]
    told = risk_of(prices, *asked)
    assert list(told) == [
        "items",
        "portfolio",
        "scenario",
        "verdict",
        "risk_verdict",
        "paths",
        "seed",
        "config",
        "notes",
    ]
    assert told["portfolio"] is told["scenario"] is told["verdict"] is None and told["paths"] == 200
    (item,) = told["items"]
    assert [row["step"] for row in item["steps"]] == [1, 2, 3, 4]
    assert [tail["level"] for tail in item["steps"][0]["tails"]] == [0.01, 0.05, 0.1]
    assert item["touch"][0]["side"] == "above" and len(item["touch"][0]["steps"]) == 4
    assert item["stop_target"]["stop_first"]["error"] > 0
    assert set(item["drawdown"]) == {"worst", "falls", "under_water", "still_under"}


def test_the_same_command_gives_the_same_bytes_and_another_seed_other_numbers(prices: Path) -> None:
    first, again, other = (risk_of(prices, "--weights", "equal", "--seed", seed) for seed in (3, 3, 4))
    assert first == again != other


def test_the_document_of_a_panel_has_its_portfolio_and_money(panel: Path) -> None:
    weights = panel.parent / "weights.csv"
    weights.write_text("item,weight\nA,50%\nB,-20%\n")
    told = risk_of(panel, "--weights", weights, "--rebalanced", "--value", 10_000, "--touch", "B=60")
    portfolio = told["portfolio"]
    assert portfolio["weights"] == {"A": 0.5, "B": -0.2} and portfolio["cash"] == pytest.approx(0.7)
    assert portfolio["rebalanced"] is True and portfolio["value"] == 10_000
    for part in portfolio["contributions"]:
        added = sum(holding["contribution"]["value"] for holding in part["holdings"])
        assert added == pytest.approx(part["expected_shortfall"]["value"])
    assert [len(item["touch"]) for item in told["items"]] == [0, 1]
    assert any("70% is cash" in note for note in told["notes"])


def test_levels_and_falls_are_said_as_shares_or_per_cent(prices: Path) -> None:
    told = risk_of(prices, "--levels", "0.2,5%", "--falls", "1%")["items"][0]
    assert [tail["level"] for tail in told["steps"][0]["tails"]] == [0.2, 0.05]
    assert [fall["fall"] for fall in told["drawdown"]["falls"]] == [0.01]


def test_every_number_is_written_as_a_row(prices: Path) -> None:
    path = prices.parent / "risk.csv"
    told = risk_of(prices, "--csv", path)
    table = pd.read_csv(path)
    assert list(table) == ["item_id", "timestamp", "step", "measure", "level", "value", "error"]
    moves = table[table["measure"] == "implied_move"]
    assert moves["value"].tolist() == pytest.approx([row["implied_move"]["value"] for row in told["items"][0]["steps"]])


def test_a_run_answers_as_the_library_does(prices: Path) -> None:
    questions = RiskQuestions(touch=(60.0,), portfolio=Portfolio())
    config = Config.from_preset("quick", SETTINGS)
    run = run_risk(prices, config, questions=questions, horizon=3, paths=50, verdict=False)
    again = gatecast.assess_risk(run.forecast_run.forecast, questions, prices=run.forecast_run.prices)
    assert run.to_dict()["items"] == again.to_dict()["items"]
    assert list(run.timings) == ["read", "fit", "simulate", "risk"]
    assert {note.kind for note in again.notes} == {"risk"} and set(again.notes) <= set(run.notes)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--value", "5"], "Add --weights equal"),
        (["--held"], "Add --weights equal"),
        (["--stop", "50"], "a stop and a target go together"),
        (["--touch", "0"], "a price is a positive number"),
        (["--touch", "-5"], "a price is a positive number"),
        (["--touch", "Z=5"], "no item 'Z'"),
        (["--levels", "1;5"], "--levels are shares such as 1%,5%"),
        (["--levels", "95%"], "Give 0.05"),
        (["--weights", "no-such-file.csv"], "cannot be read"),
        (["--given", "X<=-5"], "Write for example 'SPY<=-5%@5'"),
        (["--given", "X<=-90%"], "Take a milder one"),
        (["--model", "model", "--preset", "quick"], "--model brings its own settings"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_a_line(
    arguments: list[str], said: str, prices: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fast = [] if "--model" in arguments else FAST
    assert said in refusal(capsys, monkeypatch, prices, *arguments, *fast, *FEW)


def test_a_bare_price_of_a_panel_is_refused_with_how_to_write_it(
    panel: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "Write for example 'A=60'" in refusal(capsys, monkeypatch, panel, "--touch", "60", *FAST, *FEW)


def test_a_price_on_another_scale_is_answered(prices: Path) -> None:
    told = risk_of(prices, "--touch", "60000", "--touch", "0.0001")["items"][0]
    assert [level["touch"]["value"] for level in told["touch"]] == [0.0, 0.0]


def many(count: int) -> Forecast:
    return joint(*(item(walk(seed, 200), f"item number {seed} of some length\x1b") for seed in range(count)))


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
@pytest.mark.parametrize("width", [50, 80, 140])
@pytest.mark.parametrize("count", [1, 5])
def test_every_line_fits_the_width_and_the_encoding(count: int, width: int, encoding: str) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    show_risk(everything(many(count)), console=Console(file=stream, width=width))
    stream.flush()
    text = stream.buffer.getvalue().decode(encoding)  # type: ignore[attr-defined]
    assert max(map(cell_len, text.splitlines())) <= width and "\x1b" not in text


def test_the_terminal_shows_the_answers_with_their_errors() -> None:
    risk = everything(correlated())
    stream = io.StringIO()
    show_risk(risk, console=Console(file=stream, width=120))
    text = stream.getvalue()
    assert risk.portfolio is not None and risk.scenario is not None
    for estimate in (
        risk["A"].touch[0].touch[-1],
        risk["A"].stop_target.target_first[-1],  # type: ignore[union-attr]
        risk["B"].outlook.tails[1].expected_shortfall[-1],
        risk.portfolio.outlook.tails[1].value_at_risk[-1],
        risk.scenario.moves[1].given.median,
    ):
        assert estimate_text(float(estimate.value), float(estimate.error)) in text
    assert "Given A<=0%" in text and f"{risk.scenario.paths} paths" in text


def test_a_number_is_shown_to_the_digit_of_its_error() -> None:
    assert estimate_text(0.123456, 0.02) == "12% (2)"
    assert estimate_text(0.123456, 0.002) == "12.3% (0.2)"
    assert estimate_text(0.123456, 0.0000002) == "12.34560% (0.00002)"


def test_an_item_in_the_first_line_of_a_weights_file_is_no_header(tmp_path: Path) -> None:
    path = tmp_path / "weights.csv"
    path.write_text("AAPL,\u221220%\nJPM;x,50%\n".replace("JPM;x", "JPM"), encoding="utf-8")
    assert read_weights(path) == {"AAPL": -0.2, "JPM": 0.5}
    for weight in ("half", "nan", "$5000", "1/3", "-20 pct"):
        path.write_text(f"AAPL,{weight}\nJPM,50%\n")
        with pytest.raises(DataError, match="line 1 of"):
            read_weights(path)
    path.write_text("Ticker,Weight\nJPM,50%\n")
    assert read_weights(path) == {"JPM": 0.5}


def test_what_cannot_be_asked_is_refused_before_the_work(prices: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gatecast.runs.forecast.fitted", lambda *_, **__: pytest.fail("it began to work"))
    for asked, words in (
        ({"touch": ("NO=60",)}, "no item 'NO'"),
        ({"given": "NO<=-5%"}, "no item 'NO'"),
        ({"given": "X<=-5%@9"}, "forecast's 4 steps"),
        ({"portfolio": Portfolio(weights={"no": 1.0})}, "'no' is none"),
    ):
        with pytest.raises(UsageError, match=words):
            run_risk(prices, questions=RiskQuestions(**asked), horizon=4)


def test_no_output_takes_the_place_of_what_is_read(
    prices: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = tmp_path / "mine.csv"
    weights.write_text("X,50%\n")
    said = refusal(capsys, monkeypatch, prices, "--weights", weights, "--csv", weights, *FAST)
    assert "must not be the file of weights" in said and weights.read_text() == "X,50%\n"


def test_what_stands_after_a_weight_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.csv"
    for text in ("A,60%,B,40%", "A,0,5", "A,1.000,5", "A,1_0"):
        path.write_text(text + "\n")
        with pytest.raises(DataError, match="line 1 of"):
            read_weights(path)
    path.write_text("ticker,weight,price\nA,60%,12.5\n")
    assert read_weights(path) == {"A": 0.6}

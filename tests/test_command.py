"""The command in this process: the table it writes, and remedies in its own words."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
import typer
from typer.testing import CliRunner

from conftest import simulated_series
from gatecast.cli import app, main
from gatecast.cli.app import Command
from gatecast.cli.outputs import check_outputs
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


@pytest.mark.parametrize(
    "command",
    [
        ("forecast", "{source}", "--csv", "{source}"),
        ("forecast", "{source}", "--csv", "{folder}/./X.csv"),
        ("forecast", "{folder}/link.csv", "--csv", "{source}"),
        ("forecast", "{source}", "--csv", "{folder}/link.csv"),
        ("forecast", "{source}", "--csv", "{folder}/hard.csv"),
        ("forecast", "{folder}/prices", "--report", "{folder}/prices"),
        ("backtest", "{source}", "--forecasts", "{source}"),
        ("backtest", "{folder}/prices", "--report", "{folder}/prices"),
        ("ablate", "{folder}/prices", "--report", "{folder}/prices"),
        ("explain", "{folder}/prices", "--out", "{folder}/prices"),
    ],
)
def test_no_output_replaces_the_source(
    command: tuple[str, ...], prices: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = prices.parent
    (folder / "link.csv").symlink_to(prices)
    (folder / "hard.csv").hardlink_to(prices)
    (folder / "prices").symlink_to(prices)
    before = prices.read_bytes()
    arguments = [part.format(source=prices, folder=folder) for part in command]
    said = refusal(capsys, monkeypatch, *arguments)
    assert said.startswith(f"gatecast: an output must not be the source; '{Path(arguments[-1])}' is both.")
    assert prices.read_bytes() == before


@pytest.mark.parametrize(
    "command",
    [
        ("forecast", "{source}", "--record", "--database", "{ledger}", "--csv", "{ledger}"),
        ("forecast", "{source}", "--record", "--database", "sqlite:///{ledger}", "--report", "{ledger}"),
        ("ledger", "export", "--database", "{ledger}", "--out", "{ledger}"),
    ],
)
def test_no_output_replaces_the_ledger(
    command: tuple[str, ...], prices: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from gatecast.ledger.database import Database

    ledger = prices.parent / "ledger"
    Database(str(ledger), create=True).close()
    before = ledger.read_bytes()
    said = refusal(capsys, monkeypatch, *(part.format(source=prices, ledger=ledger) for part in command))
    assert said.startswith(f"gatecast: an output must not be the ledger; '{ledger}' is both.")
    assert ledger.read_bytes() == before


def test_no_output_replaces_the_file_sent_to_standard_input(prices: Path) -> None:
    command = [sys.executable, "-m", "gatecast", "forecast", "-", "--csv", str(prices)]
    with prices.open("rb") as stdin:
        result = subprocess.run(command, stdin=stdin, capture_output=True, timeout=60, check=False)
    assert result.returncode == 2 and b"must not be the source" in result.stderr


@pytest.mark.parametrize(
    "outputs",
    [
        ("--csv", "{folder}/same", "--report", "{folder}/./same"),
        ("--csv", "{folder}/there", "--report", "{folder}/link"),
        ("--csv", "{folder}/m", "--save", "{folder}/m"),
    ],
)
def test_two_outputs_are_two_files(
    outputs: tuple[str, ...], prices: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (prices.parent / "there").touch()
    (prices.parent / "link").symlink_to("there")
    given = [part.format(folder=prices.parent) for part in outputs]
    for source in ("sample:aapl", "yahoo:AAPL", "-", prices):
        assert "each output needs a path of its own" in refusal(capsys, monkeypatch, "forecast", source, *given)


@pytest.mark.parametrize("option", ["--save", "--model"])
def test_no_output_replaces_a_file_of_a_model(
    option: str, prices: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = prices.parent / "m"
    folder.mkdir()
    (folder / "weights-0123.safetensors").touch()
    (prices.parent / "link").symlink_to(folder / "weights-0123.safetensors")
    for path in (folder / "weights-0123.safetensors", prices.parent / "link"):
        said = refusal(capsys, monkeypatch, "forecast", prices, option, folder, "--csv", path)
        assert "is a file of it" in said


def test_a_device_takes_several_outputs() -> None:
    null = Path("/dev/null")
    check_outputs("-", page=null, table=null, rows=null)
    check_outputs(str(null), page=null)


def test_an_output_need_not_be_readable(
    prices: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    hidden = prices.parent / "hidden"
    hidden.touch()
    access = os.access
    monkeypatch.setattr("os.access", lambda path, mode: Path(path) != hidden and access(path, mode))
    for command, option in (
        ("forecast", "--csv"),
        ("forecast", "--report"),
        ("backtest", "--forecasts"),
        ("explain", "--out"),
    ):
        said = refusal(capsys, monkeypatch, command, prices, option, hidden)
        assert f"an output can be written; '{hidden}' cannot" in said


def test_without_arguments_the_help_is_all_that_is_said(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["gatecast"])
    monkeypatch.setattr("gc.freeze", lambda: None)
    with pytest.raises(SystemExit) as error:
        main()
    said = capfd.readouterr()
    assert error.value.code == 2 and "backtest" in said.out + said.err and "gatecast:" not in said.err


@pytest.mark.parametrize("error", [MemoryError(), pa.lib.ArrowMemoryError("malloc of size 4000000000 failed")])
def test_too_little_memory_is_one_line(
    error: Exception, prices: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*arguments: object, **options: object) -> None:
        raise error

    monkeypatch.setattr("gatecast.runs.forecast.read_source", fails)
    assert refusal(capsys, monkeypatch, "forecast", prices).startswith("gatecast: not enough memory")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("--close", "A", "--close", "B"), "'--close A' and '--close B'"),
        (("--close=A", "--close", "B"), "'--close A' and '--close B'"),
        (("--horizon", "5", "--set", "loss=mae", "--horizon", "6"), "'--horizon 5' and '--horizon 6'"),
        (("--day-first", "--month-first"), "'--day-first' and '--month-first'"),
    ],
)
def test_an_option_is_given_once(
    given: tuple[str, ...], said: str, prices: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert said in refusal(capsys, monkeypatch, "forecast", prices, *given)


@pytest.mark.parametrize(
    "given",
    [
        ("--close", "A", "--close", "A", "--json", "--json"),
        ("--close", "--item", "--item", "X"),  # the first --item is a column's name
        ("--set", "loss=mae", "--set", "loss=mse", "--", "--json"),
    ],
)
def test_the_same_said_twice_is_said_once(given: tuple[str, ...]) -> None:
    Command("test", params=_forecast_options())._check_said_once(given)


def _forecast_options() -> list[typer.core.TyperOption]:
    group = typer.main.get_command(app)
    return group.commands["forecast"].params  # type: ignore[attr-defined]


def cut_off(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, where: str, *arguments: object
) -> list[str]:
    """What is said where Ctrl-C comes at the first call of `where`."""

    def interrupt(*given: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(where, interrupt)
    monkeypatch.setattr("sys.argv", ["gatecast", *map(str, arguments)])
    monkeypatch.setattr("gc.freeze", lambda: None)
    with pytest.raises(SystemExit) as error:
        main()
    assert error.value.code == 130
    return capsys.readouterr().err.strip().splitlines()


def test_ctrl_c_claims_to_have_kept_only_what_there_was(
    prices: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ("forecast", prices, *FAST[:-1], "--horizon", 2)
    with monkeypatch.context() as patch:
        assert cut_off(capsys, patch, "gatecast.runs.forecast.read_source", *command) == ["gatecast: interrupted"]
    kept = "gatecast: what was trained is kept; the same command with --resume goes on from it"
    with monkeypatch.context() as patch:
        said = cut_off(capsys, patch, "gatecast.runs.forecast.recent_verdict", *command)
        assert said == [kept, "gatecast: interrupted"]


def test_a_name_in_the_table_is_no_formula(prices: Path, tmp_path: Path) -> None:
    frame = pd.read_csv(prices)
    names = ["=cmd|' /C calc'!A0", "@SUM(A1)", "+1+1", "-2", "A=1"]
    pd.concat([frame.assign(item_id=name) for name in names]).to_csv(prices, index=False)
    path = tmp_path / "table.csv"
    result = CliRunner().invoke(app, ["forecast", str(prices), *FAST, "--csv", str(path), "--horizon", "1", "--json"])
    assert result.exit_code == 0, result.output
    assert pd.read_csv(path)["item_id"].tolist() == [*(f"'{name}" for name in names[:4]), "A=1"]
    assert [item["item_id"] for item in json.loads(result.stdout)["items"]] == names


@pytest.mark.parametrize(
    ("options", "hidden"), [(FAST, "4"), (["--preset", "base", "--no-verdict"], "-"), (["--no-verdict"], "-")]
)
def test_a_page_has_the_settings_that_have_an_effect(
    options: list[str], hidden: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    series = simulated_series("X", 150, 3, start="2025-01-01")  # new to the base network
    PriceTable(series=(series,)).to_frame().to_csv(tmp_path / "X.csv", index=False)
    page = tmp_path / "page.html"
    command = ["forecast", str(tmp_path / "X.csv"), *options, "--report", str(page), "--horizon", "1"]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    text = page.read_text()
    assert f"<dt>hidden</dt><dd>{hidden}</dd>" in text and "<dt>seed</dt><dd>0</dd>" in text


def test_without_a_verdict_no_note_refers_to_it(tmp_path: Path) -> None:
    hours = pd.date_range("2025-01-01", periods=200, freq="h")
    frame = simulated_series("X", 200, 3).columns()
    pd.DataFrame({"date": hours, **frame}).to_csv(tmp_path / "X.csv", index=False)
    command = ["forecast", str(tmp_path / "X.csv"), "--preset", "base", "--no-verdict", "--horizon", "1", "--json"]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0 and "hours or minutes are read as if daily" in result.stderr
    assert "the verdict" not in result.stderr

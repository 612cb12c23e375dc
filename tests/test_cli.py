"""The command: its JSON, its exit codes, one clear line for each refusal."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from conftest import simulated_series
from gatecast.prices import PriceTable

FAST = ["--preset", "quick", "--set", "epochs=1", "--set", "context_length=20", "--set", "hidden=4"]


@pytest.fixture(scope="module")
def prices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("prices") / "X.csv"
    series = simulated_series("X", 400, 3)
    frame = PriceTable(series=(series,)).to_frame().drop(columns="item_id").rename(columns={"timestamp": "date"})
    frame.to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


def gatecast(
    *arguments: object, home: Path, stdin: bytes | None = None, **more: str
) -> subprocess.CompletedProcess[bytes]:
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(home), "OMP_NUM_THREADS": "1", **more}
    return subprocess.run(
        [sys.executable, "-m", "gatecast", *map(str, arguments)],
        input=stdin,
        capture_output=True,
        env=environment,
        timeout=120,
        check=False,
    )


def one_line(result: subprocess.CompletedProcess[bytes], code: int) -> str:
    lines = result.stderr.decode().strip().splitlines()
    assert result.returncode == code, result.stderr.decode()
    assert not result.stdout
    assert "Traceback" not in result.stderr.decode()
    assert lines[-1].startswith("gatecast: ")
    return lines[-1]


def test_forecast_json_has_the_designs_shape_and_the_same_bytes(prices: Path, home: Path) -> None:
    command = ("forecast", prices, *FAST, "--json", "--seed", 1, "--horizon", 4, "--paths", 50, "--level", "0.8")
    first, second = gatecast(*command, home=home), gatecast(*command, home=home)
    assert first.returncode == 0, first.stderr.decode()
    assert first.stdout == second.stdout
    document = json.loads(first.stdout)
    assert list(document) == ["items", "level", "paths", "seed", "config", "verdict"]
    assert (document["level"], document["paths"], document["seed"]) == (0.8, 50, 1)
    (item,) = document["items"]
    assert list(item) == ["item_id", "last", "notes", "forecast"]
    assert [row["step"] for row in item["forecast"]] == [1, 2, 3, 4]
    assert all(row["lower"] <= row["median"] <= row["upper"] for row in item["forecast"])
    assert {"text", "median", "bands", "honest", "origins"} <= set(document["verdict"])
    assert not list(home.rglob("*.safetensors"))


@pytest.mark.slow(reason="a command for each case, with its training")
@pytest.mark.parametrize(("paths", "level", "enough"), [(99, "0.9", "100"), (100, "0.9", ""), (199, "0.95", "200")])
def test_few_paths_are_said_to_draw_a_band_roughly(
    paths: int, level: str, enough: str, prices: Path, home: Path
) -> None:
    options = ("--preset", "base", "--no-verdict", "--paths", paths, "--level", level)
    messages = gatecast("forecast", prices, *options, home=home).stderr.decode()
    assert (f"use {enough} or more" in messages) == bool(enough)
    assert ("roughly" in messages) == bool(enough)


def test_a_note_names_the_items_it_is_of(home: Path, tmp_path: Path) -> None:
    days = pd.bdate_range("2020-01-01", periods=120)
    rng = np.random.default_rng(0)
    walks = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, (120, 6)), axis=0))
    walks[:, 1] = 5.25
    frame = pd.DataFrame(walks, columns=list("ABCDEF")).assign(date=days)
    frame.to_csv(tmp_path / "wide.csv", index=False)
    options = ("--preset", "base", "--no-verdict", "--paths", 100, "--horizon", 2)
    messages = gatecast("forecast", tmp_path / "wide.csv", *options, home=home).stderr.decode()
    assert "gatecast: B: the close is 5.25 in all 120 rows" in messages
    assert "gatecast: the network learned from" in messages


def test_forecast_for_people_fits_the_terminal(prices: Path, home: Path) -> None:
    for columns in ("40", "100"):
        result = gatecast("forecast", prices, *FAST, "--no-verdict", home=home, COLUMNS=columns)
        assert result.returncode == 0, result.stderr.decode()
        lines = result.stdout.decode().splitlines()
        assert len(lines) > 20
        assert max(map(len, lines)) <= int(columns)


def test_a_saved_model_and_standard_input(prices: Path, home: Path, tmp_path: Path) -> None:
    common = ("--json", "--horizon", 3, "--paths", 20, "--no-verdict")
    trained = gatecast("forecast", prices, *FAST, *common, "--save", tmp_path / "m", home=home)
    assert trained.returncode == 0, trained.stderr.decode()
    assert not list((tmp_path / "m").glob("training-*"))
    again = gatecast("forecast", prices, *common, "--model", tmp_path / "m", home=home)
    assert json.loads(again.stdout)["items"] == json.loads(trained.stdout)["items"]
    piped = gatecast("forecast", "-", *common, "--model", tmp_path / "m", home=home, stdin=prices.read_bytes())
    assert json.loads(piped.stdout)["items"][0]["forecast"][0]["step"] == 1


def test_a_report_is_written_whole(prices: Path, home: Path, tmp_path: Path) -> None:
    path = tmp_path / "out.html"
    result = gatecast("forecast", prices, *FAST, "--report", path, "--no-verdict", home=home)
    assert result.returncode == 0
    assert path.read_text().lstrip().lower().startswith("<!doctype html>")
    assert "http://" not in path.read_text()[:2000]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("forecast", "no-such-file.csv"), 1, "no-such-file.csv"),
        (("forecast", "sample:nothing"), 2, "sample:aapl"),
        (("forecast", "sample:aapl", "--set", "los=mae"), 2, "Did you mean 'loss'"),
        (("forecast", "sample:aapl", "--set", "loss=foo"), 2, "'huber', 'mse', 'mae' or 'pinball'"),
        (("forecast", "sample:aapl", "--set", "loss"), 2, "key=value"),
        (("forecast", "sample:aapl", "--preset", "best"), 2, "default, base, reference, quick"),
        (("forecast", "sample:aapl", "--level", "2"), 2, "between 0 and 1"),
        (("forecast", "sample:aapl", "--level", "nan"), 2, "Give for example --level 0.9."),
        (("forecast", "sample:aapl", "--seed", 10**30), 2, "Invalid value for '--seed'"),
        (("backtest", "sample:aapl", "--models", "sma:window=x"), 2, "window is a whole number"),
        (("forecast", "sample:aapl", "--paths", "100000000", "--horizon", "30"), 2, "at most"),
        (("forecast", "sample:aapl", "--calendar", "NOPE"), 2, "NOPE"),
        (("forecast", "sample:aapl", "--model", "/nonexistent"), 1, "model.json"),
        (("forecast", "sample:aapl", "--model", "x", "--preset", "quick"), 2, "brings its own settings"),
        (("backtest", "sample:aapl", "--models", "gatecast,magic"), 2, "random_walk"),
        (("backtest", "sample:aapl", "--models", "random_walk", "--cutoffs", "99999"), 1, "cutoffs"),
    ],
)
def test_refusals_are_one_line(arguments: tuple[object, ...], code: int, words: str, home: Path) -> None:
    assert words in one_line(gatecast(*arguments, home=home), code)


def test_unknown_options_exit_2(home: Path) -> None:
    result = gatecast("forecast", "sample:aapl", "--nope", home=home)
    assert result.returncode == 2
    assert b"Traceback" not in result.stderr


def test_debug_shows_the_traceback(home: Path) -> None:
    result = gatecast("forecast", "no-such-file.csv", "--debug", home=home)
    assert result.returncode == 1
    assert b"Traceback" in result.stderr


def test_too_short_a_history_names_the_number_needed(home: Path, tmp_path: Path) -> None:
    path = tmp_path / "short.csv"
    path.write_text("date,close\n" + "\n".join(f"2024-01-{day:02d},{day}" for day in range(1, 31)))
    assert "at least 100 rows" in one_line(gatecast("forecast", path, "--preset", "quick", home=home), 1)


def test_samples_are_listed(home: Path) -> None:
    result = gatecast("samples", home=home)
    assert b"sample:aapl" in result.stdout
    assert b"sample:eurusd" in result.stdout


@pytest.mark.slow(reason="three backtests as commands, networks trained at each of their origins")
def test_backtest_writes_what_the_design_says(prices: Path, home: Path, tmp_path: Path) -> None:
    command = (
        *("backtest", prices, "--models", "gatecast,random_walk,garch", "--horizon", 3, "--cutoffs", 9),
        *("--jobs", 2, "--paths", 100, *FAST, "--json", "--forecasts", tmp_path / "f.parquet"),
    )
    first = gatecast(*command, "--report", tmp_path / "r.html", home=home)
    assert first.returncode == 0, first.stderr.decode()
    once = (tmp_path / "f.parquet").read_bytes()
    assert gatecast(*command, home=home).stdout == first.stdout
    assert once == (tmp_path / "f.parquet").read_bytes()
    document = json.loads(first.stdout)
    assert {"scores", "tests", "verdict"} <= set(document)
    assert {"text", "median", "bands", "honest", "origins"} <= set(document["verdict"])
    frame = pd.read_parquet(tmp_path / "f.parquet")
    assert list(frame.columns[:7]) == ["model", "item_id", "cutoff", "step", "timestamp", "last_close", "actual"]
    assert len(frame) == 3 * 9 * 3
    assert not list(home.rglob("folds/*"))
    for_people = gatecast(*command[:-3], home=home, COLUMNS="100")
    assert b"random_walk" in for_people.stdout


@pytest.mark.parametrize("option", ["--forecasts", "--report"])
def test_outputs_that_cannot_be_written_are_refused_before_the_work(option: str, home: Path, tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing" / "file"):
        result = gatecast("backtest", "sample:aapl", option, path, home=home)
        assert "Choose another path" in one_line(result, 2)


def test_no_output_lies_among_the_prices_of_a_folder(home: Path, tmp_path: Path) -> None:
    folder, elsewhere = tmp_path / "prices", tmp_path / "B.csv"
    folder.mkdir()
    file = folder / "A.csv"
    file.write_text("date,close\n2024-01-01,1\n")
    elsewhere.hardlink_to(file)
    for path in (file, folder / "new.csv", elsewhere):
        for command, option in (("forecast", "--csv"), ("backtest", "--forecasts"), ("forecast", "--report")):
            named = path if option != "--report" else path.with_suffix(".html")
            if named.exists() or named.parent == folder:
                result = gatecast(command, folder, option, named, home=home)
                assert "must not be among the prices of the source" in one_line(result, 2)
    assert file.read_text().startswith("date,close")


def test_a_setting_has_one_value(home: Path) -> None:
    told = ("--set", "layers=1", "--set", "hidden=8", "--set", "layers=1")
    assert b"missing.csv" in gatecast("forecast", "missing.csv", *told, home=home).stderr
    result = gatecast("forecast", "missing.csv", *told, "--set", "layers=2", home=home)
    assert "a setting has one value; got 'layers=1' and 'layers=2'" in one_line(result, 2)


@pytest.mark.parametrize(
    ("command", "culprit", "whose"),
    [
        (("forecast",), "source", "gatecast forecast"),
        (("forecast", "sample:aapl", "--horizon", 0), "--horizon", "gatecast forecast"),
        (("forecast", "sample:aapl", "--horizon", "1e9"), "it is a whole number; got '1e9'", "gatecast forecast"),
        (("forecast", "sample:aapl", "--nope"), "--nope", "gatecast forecast"),
        (("frcast",), "frcast", "gatecast"),
    ],
)
def test_a_wrong_command_line_is_one_line(command: tuple[object, ...], culprit: str, whose: str, home: Path) -> None:
    result = gatecast(*command, home=home)
    (line,) = result.stderr.decode().splitlines()
    assert culprit in one_line(result, 2) == line
    assert line.endswith(f". See {whose} --help.")


def test_a_full_disk_is_one_line(prices: Path, home: Path) -> None:
    command = ("backtest", prices, "--models", "random_walk", "--cutoffs", 8, "--jobs", 1, "--json")
    with open("/dev/full", "w") as full:
        result = subprocess.run(
            [sys.executable, "-m", "gatecast", *map(str, command)],
            stdout=full,
            stderr=subprocess.PIPE,
            env={"HOME": str(home)},
            timeout=120,
            check=False,
        )
    assert result.returncode == 1
    assert b"Traceback" not in result.stderr
    assert b"No space left" in result.stderr
    parquet = gatecast(*command, "--forecasts", "/dev/full", home=home)
    (message,) = parquet.stderr.splitlines()
    assert parquet.returncode == 1 and b"cannot be written" in message
    assert json.loads(parquet.stdout)["verdict"]  # the result is not lost with the file


def test_ctrl_c_says_how_to_go_on(prices: Path, tmp_path: Path) -> None:
    command = ["backtest", str(prices), "--models", "gatecast", "--cutoffs", "40", "--jobs", "1", "--preset", "quick"]
    # Shells let what they start in the background, as these tests may be, ignore the signal.
    heed = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    run = heed + "from gatecast.cli import main; main()"
    with subprocess.Popen(
        [sys.executable, "-c", run, *command], stderr=subprocess.PIPE, env={"HOME": str(tmp_path)}
    ) as child:
        folder = tmp_path / ".cache" / "gatecast" / "folds"
        limit = time.monotonic() + 60
        while not list(folder.glob("*/*.json")) and time.monotonic() < limit:
            time.sleep(0.05)
        child.send_signal(signal.SIGINT)
        _, messages = child.communicate(timeout=60)
    assert child.returncode == 130
    assert b"Traceback" not in messages
    assert b"the same command goes on" in messages and messages.endswith(b"gatecast: interrupted\n")


def test_a_model_is_not_given_columns_it_was_not_trained_on(prices: Path, home: Path, tmp_path: Path) -> None:
    model = tmp_path / "m"
    assert gatecast("forecast", prices, *FAST, "--no-verdict", "--save", model, home=home).returncode == 0
    closes = tmp_path / "closes.csv"
    pd.read_csv(prices)[["date", "close"]].to_csv(closes, index=False)
    messages = one_line(gatecast("forecast", closes, "--model", model, "--no-verdict", home=home), 1)
    assert "has no high and low and no volume" in messages


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--report", "."), "is a folder"),
        (("--report", "r.pdf"), "'r.html'"),
        (("--save", __file__), "is a file"),
        (("--set", "seed=5", "--seed", "3"), "give one of them"),
        (("--set", "huber_delta=inf"), "huber_delta"),
    ],
)
def test_what_cannot_be_is_refused_before_training(
    options: tuple[str, ...], words: str, prices: Path, home: Path
) -> None:
    given = [option.format(prices=prices) for option in options]
    assert words in one_line(gatecast("forecast", prices, *given, home=home), 2)

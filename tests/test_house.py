"""The house: files and functions within bounds, public names frozen, every command in the README."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import gatecast

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "src").rglob("*.py"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_no_file_over_350_lines_and_no_function_over_60(path: Path) -> None:
    text = path.read_text()
    assert text.count("\n") <= 350
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            assert node.end_lineno - node.lineno + 1 <= 60, node.name


def files_with(pattern: str) -> list[str]:
    """The name of a source file for each of its lines that match."""
    return [path.name for path in SOURCES for line in path.read_text().splitlines() if re.search(pattern, line)]


def test_there_is_one_training_loop_and_one_optimiser() -> None:
    assert files_with(r"\boptimisers?\b.*\.step\b") == ["loop.py"]
    assert files_with(r"\.gradient_of\(") == ["loop.py"]
    assert files_with(r"torch\.optim\b") == ["adam.py"]


def test_there_is_one_sampler_loop_and_one_student_t_density_for_each_library() -> None:
    assert files_with(r"\.append\(day\)") == ["sampler.py"]
    assert set(files_with(r"torch\.lgamma\(")) == {"next_day.py"}
    assert set(files_with(r"\bgammaln\(")) == {"forecast.py"}


def test_the_library_changes_nothing_of_its_process() -> None:
    """Threads, malloc, torch's global random state and defaults, signals: only for the command's own processes.

    The process of a model that a user brings (`models/foreign/child.py`) is that model's alone.
    """
    torch = r"torch\.(manual_seed|set_num_\w+|set_default_\w+|use_deterministic_\w+|random)\b\(?"
    others = r"np\.random\.seed|\.mallopt\(|fork_rng|signal\.signal|os\.environ\["
    found = {
        path.relative_to(ROOT / "src" / "gatecast").parts[0]
        for path in SOURCES
        if path.name != "child.py" and re.search(f"{torch}|{others}", re.sub(r"`.*?`", "", path.read_text()))
    }
    assert found <= {"executors.py", "cli"}


def test_warnings_are_caught_in_one_place_where_threads_take_turns() -> None:
    assert files_with(r"\bcatch_warnings\(") == ["executors.py"]


def test_every_moment_and_duration_has_a_unit() -> None:
    """numpy 2.5 deprecates those without one; a bare integer added to dates shows only under it, as a warning."""
    without = re.compile(r"np\.timedelta64\([^,()]*\)|np\.datetime64\((\"NaT\")?\)")
    paths = [*SOURCES, *(ROOT / "tests").glob("*.py")]
    assert [path.name for path in paths if without.search(path.read_text())] == []


def test_public_names_are_frozen() -> None:
    assert gatecast.__all__ == sorted(gatecast.__all__)
    assert gatecast.__all__ == PUBLIC
    for name in gatecast.__all__:
        assert getattr(gatecast, name) is not None


def test_version_is_told_once() -> None:
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"] == gatecast.__version__


def test_every_command_is_in_the_readme() -> None:
    from gatecast.cli import app

    readme = (ROOT / "README.md").read_text()
    names = [command.name or command.callback.__name__ for command in app.registered_commands]
    for group in app.registered_groups:
        of_group = group.typer_instance.registered_commands
        names += [
            f"{group.typer_instance.info.name} {command.name or command.callback.__name__}" for command in of_group
        ]
    assert len(names) > 10
    for name in names:
        assert f"gatecast {name}" in readme, name


def test_every_import_in_the_documents_works() -> None:
    """Of a name from a module of the library, in any code block."""
    found = 0
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        for module, names in re.findall(r"^(?:>>> )?from (gatecast[\w.]*) import ([\w, ]+)", path.read_text(), re.M):
            for name in names.split(","):
                found += 1
                if not hasattr(importlib.import_module(module), name.strip()):
                    importlib.import_module(f"{module}.{name.strip()}")
    assert found >= 3


def test_the_places_that_the_architecture_names_are_there() -> None:
    """Every file of the page exists, and a name in a row of its table stands in one of that row's files."""
    package = ROOT / "src" / "gatecast"
    text = (ROOT / "docs" / "architecture.md").read_text()
    places = re.findall(r"`([\w/]+/|[\w/]+\.(?:py|html|md))`", text)
    assert len(places) > 50
    for place in places:
        assert (package / place).exists() or (ROOT / place).exists() or any(package.rglob(place.rstrip("/"))), place
    rows = [line for line in text.splitlines() if line.startswith("| ") and ".py`" in line]
    assert len(rows) > 15
    for row in rows:
        files = [package / name for name in re.findall(r"`([\w/]+\.py)`", row)]
        written = " ".join(path.read_text() for path in files if path.exists())
        for name in re.findall(r"`([A-Za-z_][\w.]*)`", row):
            assert name.endswith(".py") or re.search(rf"\b{name.split('.')[-1]}\b", written), (name, row[:60])


WRONG_TYPES = """
import gatecast as gc, numpy as np, pandas as pd
prices = gc.read_prices("sample:eurusd")
fitted = gc.Forecaster(gc.Config.from_preset("base", ["calibrate=false"])).fit(prices)
calls = [lambda thing=thing: fitted.fit(thing) for thing in (None, 5, "x", pd.DataFrame(), {})]
calls += [lambda thing=thing: fitted.predict(thing) for thing in (None, prices.to_frame())]
calls += [lambda size=size: fitted.predict(prices, horizon=size) for size in ("5", 2.5, None, True, float("nan"), 0)]
calls += [lambda: fitted.predict(prices, paths=2.5), lambda: fitted.predict(prices, seed="a")]
calls += [lambda: gc.backtest([gc.RandomWalk()], prices.to_frame())]
walk, frame = gc.RandomWalk().fit(prices), prices.to_frame()
forecast = walk.predict(prices, 2, paths=20)
for of in (forecast, forecast.items[0]):
    calls += [lambda of=of, q=q: of.quantile(q) for q in ([0.1, 0.9], "0.1", None, float("nan"), True)]
    calls += [lambda of=of, level=level: of.interval(level) for level in ([0.8], "0.9", None)]
    calls += [lambda of=of, price=price: of.probability_above(price) for price in ("x", None)]
calls += [lambda: forecast.to_frame("0.9"), lambda: forecast.to_json([1])]
calls += [lambda thing=thing: gc.plot(thing) for thing in (frame, None, forecast.items[0])]
calls += [lambda: gc.plot(forecast, frame)]
calls += [lambda given=given: gc.Config.from_preset("quick", given) for given in ([3], 5, "loss=mae", {"loss": "mae"})]
calls += [lambda thing=thing: gc.Forecaster(thing) for thing in ("quick", {}, 0, prices)]
calls += [lambda: gc.Forecaster(steps="x"), lambda: gc.Forecaster(name=5)]
calls += [lambda path=path: fitted.save(path) for path in (None, 5)]
calls += [lambda path=path: gc.Forecaster.load(path) for path in (None, 5)]
calls += [lambda: fitted.fit(prices, checkpoint=5)]
WRONG = (None, "random_walk", ["random_walk"], [None], gc.RandomWalk(), [gc.RandomWalk], {})
calls += [lambda models=models: gc.backtest(models, prices) for models in WRONG]
calls += [lambda name=name, value=value: gc.backtest([gc.RandomWalk()], prices, **{name: value})
          for name in ("horizon", "cutoffs", "every", "span", "min_rows", "refit", "paths", "seed", "jobs", "store")
          for value in (2.5, [5])]
calls += [lambda config=config: gc.ablate(config, prices) for config in ("quick", None)]
calls += [lambda: gc.ablate(gc.Config(), frame), lambda: gc.ablate(gc.Config(), prices, seeds="3")]
calls += [lambda: gc.RandomWalk().fit(frame), lambda: walk.predict(frame, 2), lambda: walk.predict(prices, 5.0)]
calls += [lambda thing=thing: gc.assess_risk(thing) for thing in (frame, None, forecast.items[0])]
calls += [lambda: gc.assess_risk(forecast, {"touch": 60}), lambda: gc.assess_risk(forecast, prices=frame)]
calls += [lambda name=name: gc.RiskQuestions(**{name: 5}) for name in ("touch", "levels", "portfolio", "given")]
calls += [lambda: gc.RiskQuestions(levels=("5%",)), lambda: gc.assess_risk(forecast, gc.RiskQuestions(touch=[None]))]
calls += [lambda weights=weights: gc.Portfolio(weights=weights) for weights in ([0.5], "even", {"A": "x"}, None)]
calls += [lambda value=value: gc.Portfolio(value=value) for value in ("x", float("nan"))]
calls += [lambda: gc.Sma(window="5"), lambda: gc.Ema(half_life=None)]
calls += [lambda stamp=stamp: prices.until(stamp) for stamp in ("someday", None)]
calls += [lambda: prices.select("EURUSD"), lambda: gc.PriceTable.from_close({"X": 5})]
calls += [lambda: gc.PriceTable(series=[5]), lambda: gc.PriceTable(series=(5,))]
calls += [lambda name=name, value=value: gc.read_prices("sample:aapl", **{name: value})
          for name, value in (("calendar", 5), ("repair", "yes"), ("today", "2020-01-01"), ("events", 5))]
calls += [lambda events=events: prices.with_events(events) for events in (frame, None, "events.csv")]
calls += [lambda: gc.read_events(frame, kind=5), lambda: gc.Events.of_rows([("A", "soon", "x", None)])]
for number, call in enumerate(calls):
    try:
        call()
    except gc.GatecastError as error:
        assert "; got " in str(error) and "\\n" not in str(error), error
    else:
        raise AssertionError(number)
assert fitted.predict(prices, np.int64(2), paths=np.int64(5)).horizon == 2
"""


def test_wrong_types_are_refused_in_one_line() -> None:
    """In a process of its own, where no test's hook checks types before the library does."""
    result = subprocess.run(
        [sys.executable, "-c", WRONG_TYPES], capture_output=True, text=True, timeout=60, check=False
    )
    assert result.returncode == 0, result.stderr


def test_every_slow_test_says_why() -> None:
    for path in sorted((ROOT / "tests").glob("*.py")):
        for mark in re.findall(r"@pytest\.mark\.slow.*", path.read_text()):
            assert re.fullmatch(r'@pytest\.mark\.slow\(reason=".{20,}"\)', mark), (path.name, mark)


def test_the_top_level_holds_the_rooms_of_the_architecture_and_nothing_else() -> None:
    package = ROOT / "src" / "gatecast"
    text = (ROOT / "docs" / "architecture.md").read_text()
    rooms = re.findall(r"^\| \d \| (.*?) \|", text, re.M)
    named = {name for room in rooms for name in re.findall(r"`(\w+)/?`", re.sub(r"\(.*?\)", "", room))}
    there = {path.stem for path in package.iterdir() if path.is_dir() or path.suffix == ".py"}
    assert there - {"__init__", "__main__", "__pycache__", "data"} == named
    layers = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"][0]["layers"]
    assert len(layers) == len(rooms) == 10
    assert {name for layer in layers for name in re.findall(r"\w+", layer)} == named


def test_help_imports_no_heavy_library() -> None:
    code = (
        "import sys; sys.argv = ['gatecast', '--help']\n"
        "from gatecast.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'numpy', 'pandas', 'pydantic', 'plotly', 'scipy', 'statsmodels', 'sqlalchemy'}\n"
        "heavy |= {'ray', 'optuna'}\n"
        "heavy &= set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stderr
    assert "forecast" in result.stdout


def test_a_forecast_imports_no_part_of_scipy_that_takes_long() -> None:
    code = (
        "import sys, gatecast.runs.risk, gatecast.models.forecaster\n"
        "slow = {'scipy.stats', 'scipy.signal'} & set(sys.modules)\n"
        "assert not slow, slow\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stderr


PUBLIC = [
    "Ablation",
    "Config",
    "Drift",
    "Ema",
    "Events",
    "EwmaT",
    "Forecast",
    "Forecaster",
    "Garch",
    "GatecastError",
    "Har",
    "ItemForecast",
    "Kalman",
    "Ols",
    "Portfolio",
    "PriceSeries",
    "PriceTable",
    "RandomWalk",
    "Report",
    "Risk",
    "RiskQuestions",
    "Sma",
    "Theta",
    "Verdict",
    "ablate",
    "assess_risk",
    "backtest",
    "plot",
    "read_events",
    "read_prices",
]

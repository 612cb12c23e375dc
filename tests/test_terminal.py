"""The terminal: fits any width, any encoding, and shows an item id without obeying it."""

from __future__ import annotations

import inspect
import io
import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from gatecast.cli.console import print_json
from gatecast.errors import UsageError
from gatecast.faces.options import NAMES, as_options
from gatecast.faces.report import forecast_report
from gatecast.faces.terminal.forecast import fan_lines, show_forecast
from gatecast.forecast import Forecast, ItemForecast
from gatecast.notes import Note
from gatecast.prices import PriceSeries, PriceTable
from gatecast.readers.read import read_prices
from test_figures import EVIL, item_and_history


def shown(names=("X",), *, width=80, encoding="utf-8", level=0.9, horizon=10, **console):
    pairs = [item_and_history(name, horizon) for name in names]
    forecast = Forecast(items=tuple(item for item, _ in pairs), seed=7)
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    show_forecast(
        forecast,
        PriceTable(series=tuple(history for _, history in pairs)),
        level=level,
        console=Console(file=stream, width=width, **console),
    )
    stream.flush()
    return stream.buffer.getvalue().decode(encoding), forecast


@pytest.mark.parametrize("width", [40, 60, 80, 140, 200])
@pytest.mark.parametrize("names", [("X",), tuple(f"item number {i} of some length" for i in range(5))])
def test_every_line_fits_the_width(width, names):
    text, _ = shown(names, width=width)
    assert max(map(cell_len, text.splitlines())) <= width


def test_the_table_has_the_steps_and_their_prices():
    text, forecast = shown(width=100)
    item = forecast.items[0]
    low, high = item.interval(0.9)
    for step in range(item.horizon):
        assert f"{item.median[step]:.2f}      {low[step]:.2f}   {high[step]:.2f}" in text
    assert "90% of them lie between" in text


def test_a_long_horizon_shows_a_dozen_steps_with_the_first_and_last():
    text, _ = shown(horizon=250)
    rows = [line.split()[0] for line in text.splitlines() if line.strip()[:1].isdigit() and "-" in line and "." in line]
    assert rows[0] == "1" and rows[-1] == "250" and len(rows) == 12


def test_many_items_have_one_row_each():
    text, forecast = shown([f"item{i}" for i in range(40)], width=100)
    assert sum(line.strip().startswith("item") and "." in line and "%" in line for line in text.splitlines()) == 40
    assert f"{forecast.items[39].median[-1]:.2f}" in text


def test_a_narrow_table_drops_columns_and_breaks_no_number():
    text, forecast = shown(width=40)
    item = forecast.items[0]
    low, high = item.interval(0.9)
    for step in range(item.horizon):
        numbers = f"{item.median[step]:.2f} {low[step]:.2f} {high[step]:.2f}"
        assert any(" ".join(line.split()).endswith(numbers) for line in text.splitlines())
    assert "above last" not in text


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "latin-1"])
@pytest.mark.parametrize("names", [("Zürich 中",), ("Zürich 中", "b", "c", "d")])
def test_a_stream_that_knows_no_blocks_gets_plain_letters(encoding, names):
    text, _ = shown(names, encoding=encoding)
    assert not set(text) & set("░▒▓━│┤└─⠁…")
    assert "=" in text or len(names) > 1


def test_an_item_id_does_not_steer_the_terminal():
    text, _ = shown([EVIL + "\x1b[2J\x07\u202e[bold]", "b", "c", "d"], width=200)
    alone, _ = shown(["[bold]\x1b[2J"])
    assert "\x1b" not in text + alone and "\x07" not in text and "\u202e" not in text
    assert "[bold]" in alone and "<script>" in text


def test_colour_only_where_it_is_wanted(monkeypatch):
    assert "\x1b[" not in shown()[0]
    assert "\x1b[" in shown(force_terminal=True, color_system="truecolor")[0]
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[" not in shown(force_terminal=True)[0]


@settings(max_examples=60, deadline=None)
@given(
    width=st.integers(40, 220),
    horizon=st.integers(1, 60),
    rows=st.integers(1, 200),
    scale=st.sampled_from([1e-8, 0.01, 1.0, 70_000.0, 1e12]),
    volatility=st.sampled_from([0.0, 0.01, 0.5]),
    ascii_only=st.booleans(),
)
def test_a_fan_is_a_rectangle_of_nested_bands(width, *, horizon, rows, scale, volatility, ascii_only):
    rng = np.random.default_rng(5)
    close = scale * np.exp(volatility * rng.normal(size=rows).cumsum() / 5)
    days = np.datetime64("2024-01-01") + np.arange(rows + horizon)
    history = PriceSeries(item_id="X", timestamps=days[:rows], close=close)
    item = ItemForecast(
        item_id="X",
        last_timestamp=days[rows - 1],
        last_close=float(close[-1]),
        timestamps=days[rows:],
        paths=close[-1] * np.exp(volatility * rng.normal(size=(50, horizon)).cumsum(axis=1) / 5),
    )
    lines = fan_lines(item, history, level=0.9, width=width, ascii_only=ascii_only)
    assert max(map(len, lines)) <= width
    assert lines == fan_lines(item, history, level=0.9, width=width, ascii_only=ascii_only)
    median, outer = ("=", ".") if ascii_only else ("━", "░")
    drawing = lines[:-3]
    ends = "".join(line[-1] for line in drawing if len(line) == max(map(len, drawing)))
    assert median in "".join(drawing)
    assert outer not in ends.strip(outer)  # the outer band is only at the edges of the last column


def test_a_history_that_rises_is_drawn_rising():
    days = np.datetime64("2024-01-01") + np.arange(80)
    close = np.linspace(10, 20, 50)
    history = PriceSeries(item_id="X", timestamps=days[:50], close=close)
    item = ItemForecast(
        item_id="X", last_timestamp=days[49], last_close=20.0, timestamps=days[50:], paths=np.full((9, 30), 20.0)
    )
    lines = fan_lines(item, history, level=0.9, width=80, ascii_only=True)
    rows = [row for row, line in enumerate(lines) if "*" in line]
    starts = [lines[row].index("*") for row in rows]
    assert starts == sorted(starts, reverse=True) and len(rows) >= 12
    assert lines[0].startswith("20.00") and lines[14].startswith("10.00")
    assert lines[0].rstrip().endswith("=") and lines[-2].split() == ["2024-01-01", "2024-02-19", "2024-03-20"]


def test_a_bad_level_is_refused():
    with pytest.raises(UsageError, match="between 0 and 1"):
        shown(level=1.0)


def test_the_command_says_remedies_with_its_own_options() -> None:
    said = as_options('Correct it, or pass repair=True; or header=False and close="Last price", day_first=True.')
    assert said == "Correct it, or pass --repair; or --no-header and --close 'Last price', --day-first."
    assert as_options("pass start=base, 'x=True'") == "pass start=base, 'x=True'"
    assert as_options('<a href="x">') == '<a href="x">'
    assert as_options("Give for example level=0.9.") == "Give for example --level 0.9."
    assert as_options("risk=True needs more. Give paths=1000.") == "--risk needs more. Give --paths 1000."
    assert set(NAMES) - {"resume", "level", "seed", "judge", "timeout", "paths", "risk"} == set(
        inspect.signature(read_prices).parameters
    ) - {"source", "progress", "today"}


def test_pages_and_json_of_the_command_name_its_own_options(capsys: pytest.CaptureFixture[str]) -> None:
    item, history = item_and_history("X")
    item = replace(item, notes=(Note("data", "pass repair=True to divide", ("X",)),))
    forecast = Forecast(items=(item,), seed=0)
    prices = PriceTable(series=(history,), notes=(Note("data", 'name it, as in calendar="XNYS"'),))
    page = forecast_report(forecast, prices, level=0.9, title="T")
    assert "pass --repair to divide" in page and "as in --calendar XNYS" in page and "repair=True" not in page
    print_json({"items": forecast.to_dict(), "text": "repair=True"})
    document = json.loads(capsys.readouterr().out)
    assert document["items"][0]["notes"] == ["pass --repair to divide"] and document["text"] == "repair=True"
    assert forecast.to_dict()[0]["notes"] == ["pass repair=True to divide"]

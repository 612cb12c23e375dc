"""Dated events: what is read, what is refused, when each is known, and where it is shown."""

from __future__ import annotations

import datetime
import io
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from conftest import base_networks, simulated_series, texts
from gatecast import Events, read_events, read_prices
from gatecast.errors import DataError, UnreadableSource, UsageError
from gatecast.events import HABITS
from gatecast.faces.figures import fan
from gatecast.faces.report import forecast_report
from gatecast.faces.terminal.forecast import show_forecast
from gatecast.model import Request
from gatecast.models.shipped import shipped
from gatecast.prices import PriceTable
from gatecast.runs.forecast import run_forecast
from test_formats import xlsx

DAY = "datetime64[D]"
FRAME = pd.DataFrame(
    {
        "ticker": ["KO", "KO", "", "PEP"],
        "date": ["2024-02-13", "2024-04-30", "2024-03-20", "2024-02-09"],
        "event": ["Earnings", "Quarterly results", "FOMC meeting", "dividend"],
        "announced": ["2024-01-20", "", "", "2024-02-01"],
    }
)
ROWS = [list(FRAME), *FRAME.to_numpy().tolist()]


def written(events: Events) -> list[tuple[str, ...]]:
    columns = (events.item_ids, events.dates, events.kinds, events.announced)
    return [tuple(map(str, row)) for row in zip(*columns, strict=True)]


EXPECTED = [
    ("PEP", "2024-02-09", "dividend", "2024-02-01"),
    ("KO", "2024-02-13", "earnings", "2024-01-20"),
    ("", "2024-03-20", "meeting", "2023-03-22"),
    ("KO", "2024-04-30", "earnings", "2024-04-16"),
]


def sources(folder: Path) -> dict[str, object]:
    """The same events in every format."""
    parquet = io.BytesIO()
    FRAME.to_parquet(parquet)
    files = {
        "csv": FRAME.to_csv(index=False).encode(),
        "semicolons": FRAME.to_csv(index=False, sep=";").encode("utf-16"),
        "json": FRAME.to_json(orient="records").encode(),
        "parquet": parquet.getvalue(),
        "workbook": xlsx({"about": [["Dates of events"]], "events": ROWS}),
    }
    for name, content in files.items():
        (folder / name).write_bytes(content)
    dated = FRAME.assign(date=pd.to_datetime(FRAME["date"]), announced=pd.to_datetime(FRAME["announced"]))
    return {**{name: folder / name for name in files}, "frame": FRAME, "dated frame": dated}


def test_every_format_gives_the_same_events(tmp_path: Path) -> None:
    for name, source in sources(tmp_path).items():
        assert written(read_events(source)) == EXPECTED, name


def test_columns_that_are_called_otherwise_are_named() -> None:
    frame = FRAME.set_axis(["who", "when", "what", "told"], axis=1)
    with pytest.raises(UnreadableSource, match="column of kinds"):
        read_events(frame)
    assert written(read_events(frame, item="who", date="when", kind="what", announced="told")) == EXPECTED
    with pytest.raises(UsageError, match="kind is a name"):
        read_events(frame, kind=" ")
    with pytest.raises(UnreadableSource, match="named column"):
        read_events(frame, kind="why")


HOSTILE = {
    "a date that is none": ("date,kind\nsoon,earnings\n2024-01-02,earnings\n2024-01-03,earnings\n", "written as"),
    "a far date": ("date,kind\n2024-01-02,earnings\n2024-01-03,earnings\n9999-01-01,earnings\n", "1800 and 2200"),
    "no kind": ("date,kind\n2024-01-02,\n2024-01-03,earnings\n", "needs a kind; line 2"),
    "no date": ("date,kind\n2024-01-02,earnings\n,earnings\n", "needs a date; line 3"),
    "no rows": ("date,kind\n", "rows below its header"),
    "no kinds": ("date,close\n2024-01-02,5\n", "column of kinds"),
    "binary": ("\0\1\2", "binary data"),
    "empty": ("", "empty"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_cannot_be_read_is_refused_in_a_line(name: str, tmp_path: Path) -> None:
    content, says = HOSTILE[name]
    (tmp_path / "events.csv").write_text(content)
    with pytest.raises(UnreadableSource, match=says) as refusal:
        read_events(tmp_path / "events.csv")
    assert "\n" not in str(refusal.value)


def test_texts_of_a_user_are_made_plain() -> None:
    frame = pd.DataFrame({"item": ["A\x00B\n"], "date": ["2024-01-02"], "kind": ["<b>Gala\r\n=cmd|x" + 99 * "z"]})
    (row,) = written(read_events(frame))
    assert row[0] == "AB"
    assert re.fullmatch(r"<b>gala =cmd\|xz+", row[2])
    assert len(row[2]) == 40


def test_of_an_event_that_stands_twice_the_earlier_announcement_counts() -> None:
    frame = pd.DataFrame(
        {
            "item": ["KO", "KO", "KO"],
            "date": ["2024-02-13"] * 3,
            "kind": ["earnings", "Results", "dividend"],
            "announced": ["2024-02-01", "2024-01-15", ""],
        }
    )
    events = read_events(frame)
    assert written(events) == [
        ("KO", "2024-02-13", "dividend", "2024-01-30"),
        ("KO", "2024-02-13", "earnings", "2024-01-15"),
    ]
    assert texts(events.notes) == ("events: left out 1 row: an item, date and kind that stand there already.",)


def test_events_are_checked_when_they_are_made() -> None:
    with pytest.raises(DataError, match="stands twice"):
        Events.of_rows([("KO", "2024-02-13", "earnings", None), ("KO", "2024-02-13", "earnings", "2024-01-01")])
    with pytest.raises(DataError, match="1800 and 2200"):
        Events.of_rows([("KO", "2300-02-13", "earnings", None)])
    with pytest.raises(DataError, match="kind of 1 to 40"):
        Events.of_rows([("KO", "2024-02-13", "", None)])
    with pytest.raises(ValueError, match="read-only"):
        Events.of_rows([("KO", "2024-02-13", "earnings", None)]).dates[0] = np.datetime64("2024-01-01")


def walk(rows: int = 300, items: tuple[str, ...] = ("A",)) -> PriceTable:
    return PriceTable(series=tuple(simulated_series(item, rows, seed) for seed, item in enumerate(items)))


def day_of(table: PriceTable, row: int) -> np.datetime64:
    return table.series[0].timestamps[row].astype(DAY)


def test_an_event_is_known_from_its_announcement_or_by_its_habit() -> None:
    table = walk()
    date = day_of(table, 200)
    given = [("A", date, "earnings", None), ("A", date, "gala", None), ("A", date, "split", day_of(table, 150))]
    table = table.with_events(Events.of_rows(given))
    for row, kinds in ((149, set()), (150, {"split"}), (200, {"split", "earnings", "gala"})):
        known = table.until(table.series[0].timestamps[row]).series[0].events
        assert (set() if known is None else set(known.kinds.tolist())) == kinds
    early = table.until((date - HABITS["earnings"]).astype("datetime64[ns]")).series[0].events
    late = table.until((date - HABITS["earnings"] - 1).astype("datetime64[ns]")).series[0].events
    assert early is not None and late is not None
    assert ("earnings" in early.kinds, "earnings" in late.kinds) == (True, False)


def test_an_event_of_every_item_is_of_each_and_unknown_items_are_noted() -> None:
    table = walk(items=("A", "B")).with_events(
        Events.of_rows(
            [("", "2020-03-18", "meeting", None), ("B", "2020-03-20", "earnings", None), ("C", "2020-03-20", "x", None)]
        )
    )
    first, second = (series.events for series in table)
    assert first is not None and second is not None
    assert (len(first), len(second)) == (1, 2)
    assert texts(table.notes) == ("left out events of items without prices: C; the prices are of A, B",)


def test_dates_ahead_that_nobody_knew_yet_are_noted() -> None:
    table = walk()
    last = table.series[0].timestamps[-1].astype("datetime64[D]")
    rows = [("A", last + 30, "launch", None), ("A", last + 9, "earnings", None), ("A", last - 3, "party", last + 2)]
    assert texts(table.with_events(Events.of_rows(rows)).notes) == (
        "left out dates ahead that nobody knew yet, of launch; a column 'announced' tells since when they are known",
    )
    told = [(item, day, kind, last - 1) for item, day, kind, _ in rows[:2]]
    assert not table.with_events(Events.of_rows(told)).notes


def test_the_hash_of_a_table_tells_of_its_events_and_of_nothing_else() -> None:
    table = walk()
    plain = table.data_hash()
    with_one = table.with_events(Events.of_rows([("A", day_of(table, 100), "earnings", None)]))
    assert with_one.data_hash() != plain
    assert (
        with_one.until(table.series[0].timestamps[50]).data_hash()
        == table.until(table.series[0].timestamps[50]).data_hash()
    )


def test_an_event_on_a_day_without_trade_belongs_to_the_next_session() -> None:
    future = np.array(["2024-02-09", "2024-02-12", "2024-02-13"], dtype="datetime64[ns]")
    events = Events.of_rows(
        [("A", day, "earnings", None) for day in ("2024-02-08", "2024-02-09", "2024-02-10", "2024-02-13", "2024-02-14")]
    )
    assert events.steps(np.datetime64("2024-02-08T16:00"), future) == (
        (1, "earnings"),
        (2, "earnings"),
        (3, "earnings"),
    )


def test_a_column_beside_the_prices_holds_events() -> None:
    series = simulated_series("A", 60)
    marks = np.full(60, "", dtype=object)
    marks[[20, 30, 40]] = ["Earnings", "0", "yes"]
    frame = pd.DataFrame({"date": series.timestamps, "close": series.close, "event": marks})
    table = read_prices(frame, today=datetime.date(2026, 1, 1))
    events = table.series[0].events
    assert events is not None
    assert events.kinds.tolist() == ["earnings", "event"]
    assert events.dates.tolist() == series.timestamps[[20, 40]].astype(DAY).tolist()
    assert not any("event" in text for text in texts(table.all_notes()))
    assert read_prices(frame.assign(event=""), today=datetime.date(2026, 1, 1)).series[0].events is None


def test_an_events_file_beside_the_prices(tmp_path: Path) -> None:
    file = tmp_path / "events.csv"
    file.write_text("date,kind\n2013-03-05,earnings\n")
    (series,) = read_prices("sample:aapl", events=file)
    assert series.events is not None and series.events.item_ids.tolist() == ["AAPL"]
    with pytest.raises(UsageError, match="read once"):
        read_prices("-", events="-")


def shown(events: Events | None) -> tuple[str, str, dict[str, object]]:
    """The terminal's text, the page and the JSON of a forecast from the last row."""
    table = walk()
    table = table if events is None else table.with_events(events)
    forecast = base_networks(shipped()[0]).predict_at(
        table, Request(cutoffs=[table.series[0].timestamps[-1]], horizon=20, paths=50, seeds=[0])
    )[0]
    console = Console(file=io.StringIO(), width=100)
    show_forecast(forecast, table, level=0.9, console=console)
    page = forecast_report(forecast, table, level=0.9, title="t")
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue(), page, json.loads(fan(forecast.items[0], table.series[0]).to_json())


def test_known_dates_are_shown_on_the_fan_and_in_the_table() -> None:
    last = day_of(walk(), -1)
    events = Events.of_rows([("A", last + 10, "earnings", None), ("A", last + 7, "<i>gala</i>", last)])
    terminal, page, figure = shown(events)
    assert "Known dates: <i>gala</i>, step 5; earnings, step 8." in terminal
    assert "◆ event" in terminal
    (row,) = [line for line in terminal.splitlines() if line.strip().startswith("8 ")]
    assert row.split()[-1] == "earnings"
    assert "earnings, step 8" in page and '<th class="text">Event</th>' in page
    assert "<i>gala" not in page and "&lt;i&gt;gala" in page
    (marks,) = [trace for trace in figure["data"] if trace.get("name") == "Known dates"]  # type: ignore[attr-defined]
    assert marks["customdata"] == ["&lt;i&gt;gala&lt;/i&gt;", "earnings"]


def test_without_events_nothing_tells_of_them() -> None:
    terminal, page, figure = shown(None)
    assert "Known dates" not in terminal and "◆" not in terminal
    assert "Known dates" not in page and ">Event<" not in page
    assert all(trace.get("name") != "Known dates" for trace in figure["data"])  # type: ignore[attr-defined]


def test_json_tells_the_events_ahead_where_there_are_any(tmp_path: Path) -> None:
    from gatecast.config import Config
    from gatecast.readers.choices import ReadOptions

    file = tmp_path / "events.csv"
    file.write_text("item,date,kind\nAAPL,2013-03-11,earnings\n")
    config = Config.from_preset("base", ["calibrate=false"])
    run = run_forecast("sample:aapl", config, reading=ReadOptions(events=file), horizon=8, paths=20, verdict=False)
    assert run.to_dict()["items"][0]["events"] == [{"step": 6, "kind": "earnings"}]
    assert any("dates of events" in note.text or "known dates" in note.text for note in run.notes)
    plain = run_forecast("sample:aapl", config, horizon=8, paths=20, verdict=False)
    assert "events" not in plain.to_dict()["items"][0]
    assert replace(plain.prices.series[0], events=None).events is None


def test_no_output_takes_the_place_of_the_events(tmp_path: Path) -> None:
    from gatecast.cli.outputs import check_outputs

    file = tmp_path / "events.csv"
    file.write_text("date,kind\n2013-03-05,earnings\n")
    check_outputs("prices.csv", table=tmp_path / "other.csv", events=str(file))
    with pytest.raises(UsageError, match="file of events"):
        check_outputs("prices.csv", table=file, events=str(file))


def test_the_command_reads_a_file_of_events(tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from gatecast.cli import app

    file = tmp_path / "events.csv"
    file.write_text("item,date,kind\nAAPL,2013-03-11,earnings\n")
    ask = ["forecast", "sample:aapl", "--preset", "base", "--set", "calibrate=false", "--no-verdict", "--paths", "50"]
    result = CliRunner().invoke(app, [*ask, "--events", str(file)])
    assert result.exit_code == 0, result.output
    assert "Known dates: earnings, step 6." in result.stdout
    result = CliRunner().invoke(app, [*ask, "--events", str(tmp_path / "none.csv")])
    assert result.exit_code == 1

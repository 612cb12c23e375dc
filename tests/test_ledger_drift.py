"""The record says whether a band still holds its share: from settled records, once a day, without looking ahead."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import event

from gatecast.faces.record_text import drift_lines
from gatecast.faces.terminal.ledger import show_record
from gatecast.judge.drift import coverage_drift
from gatecast.ledger.database import Database
from gatecast.ledger.drifts import drifts_of_items, drifts_of_steps
from gatecast.ledger.recording import void
from gatecast.ledger.settling import settle
from gatecast.ledger.summary import DRIFTS, summarize
from gatecast.ledger.verify import verify
from gatecast.prices import PriceSeries, PriceTable
from gatecast.web.app import create_app
from gatecast.web.settings import ServeSettings
from ledgers import keep, recorded

DAYS = 150
LATER = datetime(2030, 1, 1, tzinfo=UTC)


def prices(item: str, share: float, days: int = DAYS, seed: int = 0) -> PriceSeries:
    """Closes of which about this share lie within the 90% band of `ledgers.recorded`, 4.5% on either side."""
    rng = np.random.default_rng(seed)
    far = rng.random(days) >= share
    moves = np.where(far, 0.06, 0.01) * np.where(np.arange(days) % 2, 1, -1)
    return PriceSeries(
        item_id=item,
        timestamps=pd.bdate_range("2024-01-01", periods=days).to_numpy(),
        close=100 * np.exp(moves.cumsum()),
    )


def ledger(path: Path, *series: PriceSeries, horizon: int = 1, until: int | None = None) -> list[str]:
    """A ledger of a forecast of each row, settled up to the row `until`; the ids of the forecasts."""
    ids = keep(path, [recorded(each, at, horizon=horizon) for each in series for at in range(20, len(each) - 1)])
    table = PriceTable(series=series)
    with Database(str(path)) as database:
        known = table if until is None else table.until(series[0].timestamps[until])
        settle(database, known, source="later.csv", clock=lambda: LATER)
    return ids


def told(path: Path, **about: Any) -> dict[str, Any]:
    with Database(str(path)) as database:
        document: dict[str, Any] = summarize(database, **about).to_dict()["record"][0]
    return document


def test_coverage_that_holds_shows_no_drift_and_coverage_that_fails_is_dated(tmp_path: Path) -> None:
    good, bad = prices("GOOD", 0.9), prices("BAD", 0.5)
    ledger(tmp_path / "l.db", good, bad)
    drifts = {each["item"]: each["drift"] for each in told(tmp_path / "l.db")["items"]}
    assert drifts["GOOD"] | {"days": 129} == drifts["GOOD"] and drifts["GOOD"]["found"] is None
    inside = np.abs(np.diff(np.log(bad.close)))[20:] < 0.045
    alarm = coverage_drift(inside).alarms[-1]
    assert drifts["BAD"]["found"] == str(bad.timestamps[21 + alarm.found].astype("datetime64[D]"))
    assert drifts["BAD"]["since"] == str(bad.timestamps[21 + alarm.since].astype("datetime64[D]"))
    assert drifts["BAD"]["held"] == alarm.held and drifts["BAD"]["n"] == alarm.found + 1 - alarm.since
    with Database(str(tmp_path / "l.db")) as database:
        verify(database)


def test_what_is_not_settled_yet_says_nothing(tmp_path: Path) -> None:
    series = prices("A", 0.5)
    ledger(tmp_path / "all.db", series)
    ledger(tmp_path / "part.db", series, until=60)
    ledger(tmp_path / "cut.db", series.rows(0, 61))
    part, cut, whole = (told(tmp_path / name)["items"][0]["drift"] for name in ("part.db", "cut.db", "all.db"))
    assert part == cut and part["days"] == 40 and whole["days"] == 129


def test_forecasts_of_one_day_count_once_and_those_that_overlap_are_left_out(tmp_path: Path) -> None:
    series, path = prices("A", 0.9), tmp_path / "l.db"
    ledger(path, series, horizon=3)
    keep(path, [recorded(series, at, horizon=3).model_copy(update={"seed": 7}) for at in range(20, 148)])
    with Database(str(path)) as database:
        settle(database, PriceTable(series=(series,)), clock=lambda: LATER)
    parts = told(path, item="A")["parts"]
    assert {part["step"]: part["n"] for part in parts}[1] > 250
    assert [part["drift"] and part["drift"]["days"] for part in parts] == [None, 129, 64, 43]
    every = told(path)
    assert all(part["drift"] is None for part in every["parts"])
    assert every["items"][0]["drift"]["days"] == 129  # one step ahead


def test_a_void_record_is_not_tested(tmp_path: Path) -> None:
    ids = ledger(tmp_path / "l.db", prices("A", 0.9))
    with Database(str(tmp_path / "l.db")) as database:
        void(database, ids[0], "wrong file")
    assert told(tmp_path / "l.db")["items"][0]["drift"]["days"] == 128


def test_of_many_assets_the_first_are_tested_and_any_when_asked_for(tmp_path: Path) -> None:
    names = [f"S{place:02}" for place in range(DRIFTS + 2)]
    ledger(tmp_path / "l.db", *(prices(name, 0.9, 30) for name in names))
    items = told(tmp_path / "l.db")["items"]
    assert [each["drift"] is not None for each in items] == [True] * DRIFTS + [False] * 2
    assert drift_lines(told(tmp_path / "l.db"))[-2] == "2 other assets of fewer settled steps: ask for one alone."
    assert told(tmp_path / "l.db", item=items[-1]["item"])["items"][0]["drift"]["days"] == 9


@pytest.mark.parametrize(("share", "line"), [(0.9, "no drift found in 129 days"), (0.5, "coverage drifts since ")])
def test_terminal_and_page_say_it_with_its_false_alarm_rate(
    tmp_path: Path, share: float, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "<b>A</b>"
    ledger(tmp_path / "l.db", prices(name, share))
    with Database(str(tmp_path / "l.db")) as database:
        show_record(summarize(database).to_dict())
    shown = " ".join(capsys.readouterr().out.split())
    assert line in shown and "with a chance of 1% at most" in shown
    settings = ServeSettings(database=str(tmp_path / "l.db"), data=tmp_path / "data", workers=0)
    page = TestClient(create_app(settings), base_url="http://127.0.0.1:8000").get("/record").text
    assert f"&lt;b&gt;A&lt;/b&gt;, one step ahead: {line}" in page and name not in page


def test_assets_without_drift_are_put_together(tmp_path: Path) -> None:
    ledger(tmp_path / "l.db", prices("A", 0.9), prices("B", 0.9, 100, seed=1), prices("C", 0.5))
    lines = drift_lines(told(tmp_path / "l.db"))
    assert lines[0].startswith("C, one step ahead: coverage drifts since ")
    assert lines[1] == "One step ahead of A, B: no drift found in 79 to 129 days."
    assert len(lines) == 3
    json.dumps(told(tmp_path / "l.db"), allow_nan=False)


def test_the_rows_of_the_tested_assets_alone_are_read(tmp_path: Path) -> None:
    """By the index of items: by another one SQLite would read the settled steps of every asset of a model."""
    path = tmp_path / "ledger.db"
    keep(path, [recorded(prices("A", 0.9), 5)])
    asked: list[tuple[str, Any]] = []
    with Database(str(path)) as ledger, ledger.reading() as connection:
        event.listen(connection, "before_cursor_execute", lambda *call: asked.append((call[2], call[3])))
        drifts_of_items(connection, "gatecast", ["A"])
        drifts_of_items(connection, "gatecast", [f"A{number}" for number in range(DRIFTS)])
        drifts_of_steps(connection, "gatecast", "A")
        plans = [connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", values).all() for text, values in asked[:]]
    assert len(plans) == 3
    for plan in plans:
        assert any("USING INDEX scores_item (item=?)" in str(row[-1]) for row in plan), plan

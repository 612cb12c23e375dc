"""The watch: one run a trading day for each place, none missed, none twice, and what fails keeps nobody waiting."""

from __future__ import annotations

import sys
import types
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, time
from pathlib import Path

import pandas as pd
import pytest

from gatecast.errors import UnreadableSource, UsageError
from gatecast.web.watch import diary
from gatecast.web.watch.days import calendar_of, due_day, next_moment, trades
from gatecast.web.watch.places import MOST_FILES, places
from gatecast.web.watch.settings import watch_settings
from gatecast.web.watch.watch import local_now
from watching import Server, server, write_prices

MONDAY, TUESDAY, WEDNESDAY, FRIDAY = "2024-03-04", "2024-03-05", "2024-03-06", "2024-03-08"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "prices").mkdir()
    return tmp_path / "prices" / "ACME.csv"


def began(running: Server, path: Path, day: str = MONDAY) -> None:
    """A watch that has been on since before a day's time, with prices to that day."""
    write_prices(path, day)
    assert running.at(f"{day}T09:00") == []


def states(running: Server) -> dict[str, str]:
    keys = [str(path) for folder in running.watch.settings.folders for path in folder.iterdir()]
    return {Path(key).name: run.state for key, run in diary.last_runs(running.service.store, keys).items()}


def test_one_run_a_trading_day_at_its_time(tmp_path: Path, file: Path) -> None:
    with server(tmp_path, at="18:00") as running:
        began(running, file)
        assert running.at(f"{MONDAY}T17:59") == []
        first = running.at(f"{MONDAY}T18:00")
        assert [job.kind for job in first] == ["forecast"]
        assert running.at(f"{MONDAY}T18:01") == running.at(f"{TUESDAY}T17:59") == first
        write_prices(file, TUESDAY)
        assert len(running.at(f"{TUESDAY}T18:00")) == 2
        write_prices(file, FRIDAY)
        assert len(running.at(f"{FRIDAY}T18:00")) == 3
        for moment in ("2024-03-09T18:00", "2024-03-10T23:00", "2024-03-11T17:00"):  # a weekend
            assert len(running.at(moment)) == 3


def test_a_run_that_the_server_was_down_for_is_made_once_at_the_next_start(tmp_path: Path, file: Path) -> None:
    with server(tmp_path) as running:
        began(running, file)
    for _ in range(2):
        with server(tmp_path) as again:
            assert len(again.at(f"{TUESDAY}T08:00")) == 1
            assert diary.last_runs(again.service.store, [str(file)])[str(file)].day == MONDAY
    write_prices(file, FRIDAY)
    with server(tmp_path) as late:  # of several days missed one run is made: prices are those of today
        assert len(late.at("2024-03-09T12:00")) == 2
        assert diary.last_runs(late.service.store, [str(file)])[str(file)].day == FRIDAY


def test_what_is_watched_for_the_first_time_waits_for_its_time(tmp_path: Path, file: Path) -> None:
    with server(tmp_path) as running:
        write_prices(file, MONDAY)
        assert running.at(f"{MONDAY}T20:00") == [] and states(running) == {"ACME.csv": "seen"}
        write_prices(file, TUESDAY)
        write_prices(file.with_name("NEW.csv"), TUESDAY)
        assert running.at(f"{TUESDAY}T17:00") == []
        assert len(running.at(f"{TUESDAY}T18:00")) == 2


def test_two_servers_on_one_database_make_each_run_once(tmp_path: Path, file: Path, either_database: str) -> None:
    with server(tmp_path, database=either_database) as first, server(tmp_path, database=either_database) as second:
        for name in "ABCDEFGH":
            write_prices(file.with_name(f"{name}.csv"), MONDAY)
        first.at(f"{MONDAY}T09:00")
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda running: running.at(f"{MONDAY}T18:00"), [first, second]))
        sources = {job.source_id for job in first.jobs()}
        assert len(first.jobs()) == len(sources) == 8
        kept = {path.name for path in first.service.store.sources_folder.iterdir()}
        assert kept == sources  # what the slower one had copied is gone


def test_a_clock_set_back_makes_no_run_again(tmp_path: Path, file: Path) -> None:
    with server(tmp_path) as running:
        began(running, file)
        running.at(f"{MONDAY}T18:00")
        write_prices(file, TUESDAY)
        assert len(running.at(f"{TUESDAY}T18:00")) == 2
        for moment in (f"{MONDAY}T18:30", f"{MONDAY}T12:00", "2024-02-20T19:00", f"{TUESDAY}T18:00"):
            write_prices(file, FRIDAY)
            assert len(running.at(moment)) == 2
        assert len(running.at(f"{WEDNESDAY}T18:00")) == 3


def test_a_clock_that_was_far_ahead_stops_no_later_run(tmp_path: Path, file: Path) -> None:
    with server(tmp_path) as running:
        began(running, file)
        assert len(running.at("2024-06-03T18:00")) == 1
        write_prices(file, TUESDAY)
        assert len(running.at(f"{TUESDAY}T18:00")) == 2


def test_a_holiday_is_left_out_where_the_exchange_is_known(tmp_path: Path, file: Path) -> None:
    with server(tmp_path, calendar="XNYS") as running:
        began(running, file, "2024-03-28")
        assert len(running.at("2024-03-28T18:00")) == 1
        write_prices(file, "2024-03-29")
        assert len(running.at("2024-03-29T18:00")) == 1  # Good Friday
        (tmp_path / "prices" / "ACME.csv").unlink()


def test_without_new_rows_nothing_is_forecast_and_the_day_says_so(tmp_path: Path, file: Path) -> None:
    with server(tmp_path) as running:
        began(running, file)
        assert len(running.at(f"{MONDAY}T18:00")) == 1
        assert len(running.at(f"{TUESDAY}T18:00")) == 1 and states(running) == {"ACME.csv": "unchanged"}
        assert len(list(running.service.store.sources_folder.iterdir())) == 1
        write_prices(file, WEDNESDAY)
        assert len(running.at(f"{WEDNESDAY}T18:00")) == 2


def test_a_bad_file_has_one_clear_line_and_the_others_go_on(
    tmp_path: Path, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = file.with_name("A<b>.csv")
    bad.write_text("date,close\n2024-01-01,5\n2024-01-02,\n2024-01-03,six\n")
    with server(tmp_path) as running:
        began(running, file)
        for _ in range(3):
            assert len(running.at(f"{MONDAY}T18:00")) == 1
        run = diary.last_runs(running.service.store, [str(bad)])[str(bad)]
        assert run.state == "failed" and run.error is not None and "\n" not in run.error
        log = capsys.readouterr().err
        assert log.count("watch_failed") == 1 and "A<b>" not in log and "ACME" not in log
        write_prices(bad, TUESDAY)
        write_prices(file, TUESDAY)
        assert len(running.at(f"{TUESDAY}T18:00")) == 3


def test_a_full_queue_makes_the_watch_wait_its_turn(tmp_path: Path, file: Path) -> None:
    with server(tmp_path, queue_limit=4) as running:
        for name in "ABCDE":
            write_prices(file.with_name(f"{name}.csv"), MONDAY)
        running.at(f"{MONDAY}T09:00")
        assert len(running.at(f"{MONDAY}T18:00")) == 2  # the other half is for those who ask
        assert len(list(running.service.store.sources_folder.iterdir())) == 2
        running.work()
        assert len(running.at(f"{MONDAY}T18:01")) == 4
        running.work()
        assert len(running.at(f"{MONDAY}T18:02")) == 5


def test_nothing_outside_the_folder_is_read(tmp_path: Path, file: Path) -> None:
    outside = tmp_path / "secret.csv"
    write_prices(outside, MONDAY)
    file.with_name("link.csv").symlink_to(outside)
    file.with_name("folder").mkdir()
    file.with_name(".hidden.csv").write_text("x")
    write_prices(file, MONDAY)
    settings = watch_settings([str(file.parent)])
    found, problems = places(settings)
    assert [place.name for place in found] == ["ACME.csv"] and problems == []
    file.unlink()
    file.symlink_to(outside)  # between the look at the folder and the reading
    with pytest.raises(UnreadableSource, match="ACME.csv"), found[0].opened():
        pass


def test_a_folder_that_is_gone_or_too_full_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "in").mkdir()
    for name in range(4):
        (tmp_path / "in" / f"{name}.csv").touch()
    settings = watch_settings([str(tmp_path / "in")])
    monkeypatch.setattr("gatecast.web.watch.places.MOST_FILES", 3)
    found, problems = places(settings)
    assert len(found) == 3 and "has 4" in problems[0] and MOST_FILES == 1000
    for path in (tmp_path / "in").iterdir():
        path.unlink()
    (tmp_path / "in").rmdir()
    assert "can't be read" in places(settings)[1][0]


class Yahoo:
    """What answers for Yahoo, or does not."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.until, self.asked = MONDAY, 0
        monkeypatch.setitem(sys.modules, "yfinance", types.SimpleNamespace(download=self.download))

    def download(self, ticker: str, **_: object) -> pd.DataFrame:
        self.asked += 1
        if not self.until:
            raise ConnectionError("no route to host")
        days = pd.bdate_range("2023-09-01", self.until)
        return pd.DataFrame({"Close": 100.0 + (pd.RangeIndex(len(days)) % 7)}, index=days.rename("Date"))


def test_a_ticker_is_watched_through_yahoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    yahoo = Yahoo(monkeypatch)
    with server(tmp_path, "yahoo:AAPL,SAP.DE") as running:
        assert running.at(f"{MONDAY}T09:00") == [] and yahoo.asked == 0
        jobs = running.at(f"{MONDAY}T18:00")
        assert sorted(running.service.store.source(job.source_id).place for job in jobs) == [
            "yahoo:AAPL",
            "yahoo:SAP.DE",
        ]
        asked = yahoo.asked
        assert running.at(f"{MONDAY}T18:05") == jobs and yahoo.asked == asked


def test_yahoo_is_asked_again_before_its_day_is_called_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    yahoo = Yahoo(monkeypatch)
    with server(tmp_path, "yahoo:AAPL") as running:
        running.at(f"{MONDAY}T09:00")
        yahoo.until = ""
        running.at(f"{MONDAY}T18:00")
        asked = yahoo.asked
        for minute in (1, 5, 9):
            running.at(f"{MONDAY}T18:0{minute}")
        assert yahoo.asked == asked > 0  # ten minutes lie between two tries
        yahoo.until = MONDAY
        assert len(running.at(f"{MONDAY}T18:11")) == 1
        yahoo.until = ""
        for minute in range(6):
            running.at(f"{TUESDAY}T18:{minute}5" if minute else f"{TUESDAY}T18:05")
        run = diary.last_runs(running.service.store, ["yahoo:AAPL"])["yahoo:AAPL"]
        assert (run.day, run.state) == (TUESDAY, "failed") and "Yahoo did not answer" in str(run.error)


@pytest.mark.parametrize(
    ("moment", "due", "following"),
    [
        ("2024-03-04T17:59", "2024-03-01", "2024-03-04T18:00"),
        ("2024-03-04T18:00", "2024-03-04", "2024-03-05T18:00"),
        ("2024-03-09T12:00", "2024-03-08", "2024-03-11T18:00"),
        ("2024-03-29T19:00", "2024-03-28", "2024-04-01T18:00"),
        ("2024-12-31T23:00", "2024-12-31", "2025-01-02T18:00"),
    ],
)
def test_the_day_that_is_due_and_the_next(moment: str, due: str, following: str) -> None:
    now = datetime.fromisoformat(moment)
    assert due_day(now, time(18), "XNYS") == date.fromisoformat(due)
    assert next_moment(now, time(18), "XNYS") == datetime.fromisoformat(following)


def test_a_calendar_that_does_not_reach_a_year_has_weekdays() -> None:
    assert trades(date(2120, 1, 1), "XHKG") and not trades(date(2120, 1, 6), "XHKG")
    assert trades(date(2024, 3, 9), "24/7") and not trades(date(2024, 3, 9), None)
    assert calendar_of("VOD.L") == "XLON" and calendar_of("X.QQ") is None
    assert local_now().tzinfo is None


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"watch": ["/no/such/folder"]}, "is no folder"),
        ({"watch": [""]}, "is no folder"),
        ({"watch": ["yahoo:../x"]}, "a Yahoo ticker is"),
        ({"watch": ["yahoo:AAPL"], "at": "24:00"}, "HH:MM; got '24:00'"),
        ({"watch": ["yahoo:AAPL"], "at": "noon"}, "HH:MM; got 'noon'"),
        ({"watch": ["yahoo:AAPL"], "calendar": "NOPE"}, "a calendar is the code"),
        *(
            ({"watch": ["yahoo:AAPL"], "webhook": address}, "a webhook is an address")
            for address in ("ftp://secret", "secret", "http://", "http://secret x", "file:///secret", "http://h:99999/")
        ),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(given: dict[str, object], line: str) -> None:
    with pytest.raises(UsageError, match=line) as refused:
        watch_settings(**given)  # type: ignore[arg-type]
    assert "\n" not in str(refused.value) and "secret" not in str(refused.value)

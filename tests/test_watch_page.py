"""The first page shows what is watched, its last run and the next, escaped; and the command says what it watches."""

from __future__ import annotations

import io
import subprocess
import time
from datetime import datetime
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from gatecast.cli import main
from gatecast.web.app import create_app
from gatecast.web.pages.watched import MOST, watched_values
from gatecast.web.settings import ServeSettings
from gatecast.web.supervisor import Supervisor
from gatecast.web.watch.diary import last_runs
from gatecast.web.watch.settings import watch_settings
from watching import server, write_prices

MONDAY = "2024-03-04"


def page_of(folder: Path, moment: str) -> str:
    """The first page of a server on the database of a folder, at a moment."""
    settings = ServeSettings(
        database=str(folder / "ledger.db"),
        data=folder / "data",
        workers=0,
        watch=watch_settings([str(folder / "prices")], webhook="http://host/secret"),
    )
    app = create_app(settings)
    app.state.watch.clock = lambda: datetime.fromisoformat(moment)
    return TestClient(app, base_url="http://127.0.0.1:8000").get("/").text


def test_the_first_page_shows_what_is_watched_its_last_run_and_the_next(tmp_path: Path) -> None:
    file = tmp_path / "prices" / "A<b>&.csv"
    with server(tmp_path) as running:
        assert "No file is there yet." in page_of(tmp_path, f"{MONDAY}T09:00")
        write_prices(file, MONDAY)
        (tmp_path / "prices" / "bad.csv").write_text("no prices at all")
        running.at(f"{MONDAY}T09:00")
        before = page_of(tmp_path, f"{MONDAY}T09:00")
        assert before.count("not yet") == 2 and "Mon 4 Mar, 18:00" in before
        [job] = running.at(f"{MONDAY}T18:00")
        after = page_of(tmp_path, f"{MONDAY}T18:00")
    assert f'<a href="/jobs/{job.id}">A&lt;b&gt;&amp;.csv</a>' in after and "A<b>" not in after
    assert "waiting</span>" in after and after.count("4 Mar 2024") == 2 and "Tue 5 Mar, 18:00" in after
    failed = after[after.index("bad.csv") :]
    assert 'class="state failed"' in failed and "<small>" in failed
    assert "secret" not in after + before


def test_the_watch_lives_as_long_as_its_server(tmp_path: Path) -> None:
    (tmp_path / "prices").mkdir()
    file = tmp_path / "prices" / "ACME.csv"
    write_prices(file, MONDAY)
    settings = ServeSettings(
        database=str(tmp_path / "l.db"),
        data=tmp_path / "data",
        workers=0,
        watch=watch_settings([str(tmp_path / "prices")]),
    )
    app = create_app(settings)
    app.state.watch.clock = lambda: datetime.fromisoformat(f"{MONDAY}T19:00")
    with TestClient(app, base_url="http://127.0.0.1:8000"):
        end = time.monotonic() + 20
        while not last_runs(app.state.service.store, [str(file)]) and time.monotonic() < end:
            time.sleep(0.02)
        assert last_runs(app.state.service.store, [str(file)])[str(file)].state == "seen"


def test_a_folder_that_is_gone_is_said_on_the_page(tmp_path: Path) -> None:
    (tmp_path / "prices").mkdir()
    settings = watch_settings([str(tmp_path / "prices")])
    with server(tmp_path) as running:
        (tmp_path / "prices").rmdir()
        found = watched_values(running.watch)
    assert found is not None and "can't be read" in found["problems"][0] and found["rows"] == []
    assert settings.folders and watched_values(None) is None


def test_of_many_files_the_first_are_shown(tmp_path: Path) -> None:
    with server(tmp_path) as running:
        for number in range(MOST + 3):
            (tmp_path / "prices" / f"{number:03}.csv").touch()
        found = watched_values(running.watch)
    assert found is not None and len(found["rows"]) == MOST and found["more"] == "and 3 more"


def test_a_worker_is_told_nothing_of_the_webhook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[bytes] = []

    class Process(subprocess.Popen[bytes]):
        _child_created = False  # nothing to wait for

        def __init__(self, command: list[str], **_: object) -> None:
            told.append(" ".join(command).encode())
            self.stdin = io.BytesIO()
            self.stdin.flush = lambda: told.append(self.stdin.getvalue())  # type: ignore[method-assign]

    monkeypatch.setattr("gatecast.web.supervisor.subprocess.Popen", Process)
    with server(tmp_path, webhook="https://host/secret-word") as running:
        Supervisor(running.service.store)._begin("owner")
    assert len(told) == 2 and b'"watch": null' in told[1] and b"secret-word" not in b"".join(told)


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--at", "18:00"], "Give --watch too."),
        (["--webhook", "https://host/secret"], "Give --watch too."),
        (["--watch", "/no/such/folder"], "is no folder"),
        (["--watch", "yahoo:AAPL", "--at", "6pm"], "HH:MM"),
        (["--watch", "yahoo:AAPL", "--webhook", "ftp://host/secret"], "begins with http:// or https://"),
    ],
)
def test_the_command_refuses_what_cannot_be_meant(
    options: list[str], line: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["gatecast", "serve", *options])
    monkeypatch.setattr("gc.freeze", lambda: None)
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr().err.strip()
    assert ended.value.code == 2 and line in said and "secret" not in said and "\n" not in said

"""Calls to the webhook: each event once, kept until it is told, and no webhook can stop a forecast."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sqlalchemy import select

from gatecast.ledger.database import Database
from gatecast.prices import PriceSeries
from gatecast.web.tables import CALLS
from gatecast.web.watch import calls, diary
from gatecast.web.watch.alerts import Alert, alerts_since
from gatecast.web.watch.calls import MOST_TRIES, Caller, keep_calls, pause
from ledgers import keep, recorded
from watching import Hook, Server, server, webhook, write_prices

MONDAY, TUESDAY, WEDNESDAY = "2024-03-04", "2024-03-05", "2024-03-06"
ALERT = Alert(kind="failed", item="ACME.csv", date=MONDAY, error="no prices")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "prices").mkdir()
    return tmp_path / "prices" / "ACME.csv"


def waiting(running: Server) -> dict[str, tuple[str, int]]:
    """Of each call its state and tries."""
    with running.service.store.database.reading() as connection:
        return {row.id: (row.state, row.tries) for row in connection.execute(select(CALLS))}


def keep_alerts(running: Server, *alerts: Alert) -> None:
    with running.service.store.database.changing() as connection:
        keep_calls(connection, alerts)


def numbered(count: int) -> list[Alert]:
    return [Alert(kind="failed", item=f"A{number}", date=MONDAY, error="x") for number in range(count)]


def test_a_price_outside_its_band_is_told_once_with_all_that_it_says(tmp_path: Path, file: Path) -> None:
    with webhook() as hook, server(tmp_path, webhook=hook.address) as running:
        write_prices(file, MONDAY)
        running.at(f"{MONDAY}T09:00")
        running.at(f"{MONDAY}T18:00")
        running.forecast_as(write_prices(file, MONDAY))
        series = write_prices(file, TUESDAY, jumps=(TUESDAY,))
        running.at(f"{TUESDAY}T18:00")
        running.calls()
        assert hook.kinds() == ["outside-band"]
        told = hook.sent[0]
        assert (told["item"], told["date"], told["level"], told["model"]) == ("ACME", TUESDAY, 0.9, "gatecast")
        assert told["close"] == pytest.approx(series.close[-1])
        low, high = told["band"]
        assert low < series.close[-2] < high < told["close"]
        running.forecast_as(series)
        write_prices(file, WEDNESDAY, jumps=(TUESDAY,))
        for moment in (f"{TUESDAY}T18:01", f"{WEDNESDAY}T18:00", f"{WEDNESDAY}T19:00"):
            running.at(moment)
            running.calls()
        assert hook.kinds() == ["outside-band"]  # Wednesday's price lay inside


def test_two_servers_tell_an_event_once(tmp_path: Path, file: Path, either_database: str) -> None:
    with (
        webhook() as hook,
        server(tmp_path, webhook=hook.address, database=either_database) as first,
        server(tmp_path, webhook=hook.address, database=either_database) as second,
    ):
        series = write_prices(file, MONDAY)
        first.at(f"{MONDAY}T09:00")
        first.at(f"{MONDAY}T18:00")
        first.forecast_as(series)
        write_prices(file, TUESDAY, jumps=(TUESDAY,))
        both = [threading.Thread(target=each.at, args=(f"{TUESDAY}T18:00",)) for each in (first, second)]
        for thread in both:
            thread.start()
        for thread in both:
            thread.join()

        async def call_both() -> None:
            await asyncio.gather(*(each.watch.caller.round() for each in (first, second) if each.watch.caller))

        asyncio.run(call_both())
        assert hook.kinds() == ["outside-band"]


def drifting(path: Path, days: int) -> PriceSeries:
    """Closes of which half lie outside the band of 4.5%."""
    moves = np.where(np.arange(days) % 2, 0.06, 0.01) * np.where(np.arange(days) % 4 < 2, 1, -1)
    stamps = pd.bdate_range(end=TUESDAY, periods=days).to_numpy()
    series = PriceSeries(item_id=path.stem, timestamps=stamps, close=np.round(100 * np.exp(moves.cumsum()), 6))
    pd.DataFrame({"date": stamps, "close": series.close}).to_csv(path, index=False)
    return series


def test_coverage_that_drifts_is_told_once_with_its_false_alarm_rate(tmp_path: Path, file: Path) -> None:
    with webhook() as hook, server(tmp_path, webhook=hook.address) as running:
        series = drifting(file, 60)
        keep(tmp_path / "ledger.db", [recorded(series, place, horizon=1) for place in range(40, 59)])
        running.at(f"{MONDAY}T09:00")
        running.at(f"{TUESDAY}T18:00")
        for _ in range(3):
            running.calls()
            running.at(f"{TUESDAY}T18:10")
        assert hook.kinds().count("drift") == 1
        told = next(document for document in hook.sent if document["kind"] == "drift")
        assert told["false_alarms"] == 0.01 and told["item"] == "ACME" and told["close"] is None
        assert told["since"] < told["date"] <= TUESDAY and told["held"] < 0.7 and told["prices"] >= 5
        dates = [document["date"] for document in hook.sent if document["kind"] == "outside-band"]
        assert dates == sorted(set(dates)) and min(dates) >= "2024-02-27"  # what is a week old is no news


def test_what_lies_before_the_day_asked_for_or_inside_is_not_told(tmp_path: Path, file: Path) -> None:
    series = drifting(file, 60)
    path = tmp_path / "l.db"
    keep(path, [recorded(series, place, horizon=2) for place in range(40, 58)])
    from gatecast.ledger.settling import settle
    from gatecast.prices import PriceTable

    with Database(str(path)) as database:
        settle(database, PriceTable(series=(series,)))
        with database.reading() as connection:
            every = alerts_since(connection, ["ACME", "OTHER"], "2024-01-01")
            late = alerts_since(connection, ["ACME"], "2024-02-27")
            assert alerts_since(connection, ["OTHER"], "2024-01-01") == []
            [found] = [alert.date for alert in every if alert.kind == "drift"]
            after = alerts_since(connection, ["ACME"], str(np.datetime64(found) + 1))
            assert after and "drift" not in {alert.kind for alert in after}
    moves = np.abs(np.diff(np.log(series.close)))[40:58]
    outside = [alert for alert in every if alert.kind == "outside-band"]
    assert len(outside) == (moves > 0.045).sum() and len({alert.id for alert in every}) == len(every)
    assert {alert.id for alert in late} < {alert.id for alert in every}
    assert all(alert.date >= "2024-02-27" for alert in late)


def test_runs_that_fail_are_told_once(tmp_path: Path, file: Path) -> None:
    with webhook() as hook, server(tmp_path, webhook=hook.address) as running:
        write_prices(file, MONDAY)
        file.with_name("bad.csv").write_text("no prices at all")
        running.at(f"{MONDAY}T09:00")
        running.at(f"{MONDAY}T18:00")
        running.work(error="the forecast failed inside gatecast (X).")
        running.at(f"{MONDAY}T18:01")
        running.at(f"{MONDAY}T18:02")
        running.calls()
        assert hook.kinds() == ["failed", "failed"]
        assert diary.just_ended(running.service.store) == diary.to_settle(running.service.store) == []
        assert {document["item"] for document in hook.sent} == {"ACME.csv", "bad.csv"}
        assert all(document["error"] and document["date"] == MONDAY for document in hook.sent)


def test_without_a_webhook_nothing_is_kept_to_be_told(tmp_path: Path, file: Path) -> None:
    with server(tmp_path) as running:
        file.write_text("no prices at all")
        running.at(f"{MONDAY}T09:00")
        running.at(f"{MONDAY}T18:00")
        assert waiting(running) == {}


def caller(running: Server, post: Callable[..., Any]) -> tuple[Caller, list[float]]:
    """A caller whose monotonic clock a test turns."""
    moment = [0.0]
    return Caller(running.service.store, "http://host/", post=post, clock=lambda: moment[0]), moment


def test_a_webhook_that_fails_is_tried_again_after_pauses_and_then_dropped(tmp_path: Path) -> None:
    tried: list[float] = []

    async def fails(*_: object) -> int:
        tried.append(moment[0])
        return 500

    with server(tmp_path) as running:
        calling, moment = caller(running, fails)
        keep_alerts(running, ALERT)
        for tries in range(MOST_TRIES):
            last = moment[0]
            for early in sorted({0.0, max(pause(tries) - 1, 0.0), pause(tries)}):
                assert len(tried) == tries
                moment[0] = last + early
                asyncio.run(calling.round())
            assert len(tried) == tries + 1 and tried[-1] == last + pause(tries)
        moment[0] += 10**6
        asyncio.run(calling.round())
        assert len(tried) == MOST_TRIES and waiting(running) == {ALERT.id: ("dropped", MOST_TRIES)}


def test_a_call_is_made_again_after_a_server_died_in_it_and_not_before(tmp_path: Path) -> None:
    told: list[str] = []

    async def dies(*_: object) -> int:
        raise KeyboardInterrupt

    async def good(_: str, document: dict[str, Any]) -> int:
        told.append(document["id"])
        return 200

    with server(tmp_path) as running:
        dying, _ = caller(running, dies)
        keep_alerts(running, ALERT)
        with pytest.raises(KeyboardInterrupt):
            asyncio.run(dying.round())
        calling, moment = caller(running, good)
        for moment[0] in (0.0, 29.0):
            asyncio.run(calling.round())
        assert told == []
        moment[0] = 30.0
        asyncio.run(calling.round())
        asyncio.run(calling.round())
        assert told == [ALERT.id] and waiting(running) == {ALERT.id: ("sent", 2)}


def test_what_is_told_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "MOST_WAITING", 5)
    with server(tmp_path) as running:
        keep_alerts(running, *numbered(8))
        states = [state for state, _ in waiting(running).values()]
        assert (states.count("waiting"), states.count("dropped")) == (5, 3)
        keep_alerts(running, *numbered(8))
        assert len(waiting(running)) == 8


def test_a_redirect_is_not_followed_and_nothing_secret_is_logged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with webhook() as other, webhook() as hook, server(tmp_path, webhook=hook.address) as running:
        hook.status, hook.headers = 307, {"location": other.address}
        keep_alerts(running, ALERT)
        running.calls()
        assert len(hook.sent) == 1 and other.sent == other.paths == []
        assert waiting(running) == {ALERT.id: ("waiting", 1)}
        log = capsys.readouterr().err
        assert '"status": 307' in log and "secret" not in log and "ACME" not in log
        assert "secret" not in repr(running.watch) + repr(running.service.settings)


def silent(listening: socket.socket) -> None:
    """A webhook that takes calls and drips a byte now and then."""
    try:
        peer, _ = listening.accept()
        with peer:
            peer.sendall(b"HTTP/1.1 200 OK\r\n")
            for _ in range(100):
                time.sleep(0.05)
                peer.sendall(b"x")
    except OSError:
        pass


def test_a_webhook_that_drips_is_left_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "TIMEOUT", 0.4)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=silent, args=(listening,), daemon=True).start()
        with server(tmp_path, webhook=f"http://127.0.0.1:{listening.getsockname()[1]}/") as running:
            keep_alerts(running, ALERT)
            began = time.monotonic()
            running.calls()
            assert time.monotonic() - began < 2.5
            assert waiting(running) == {ALERT.id: ("waiting", 1)}


@pytest.mark.parametrize("answer", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\n" + b"a: " + b"x" * 10**6])
def test_a_webhook_that_answers_nonsense_is_a_failed_try(tmp_path: Path, answer: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def once() -> None:
            peer, _ = listening.accept()
            with peer:
                peer.recv(65536)
                with suppress(OSError):
                    peer.sendall(answer)

        threading.Thread(target=once, daemon=True).start()
        with server(tmp_path, webhook=f"http://127.0.0.1:{listening.getsockname()[1]}/") as running:
            keep_alerts(running, ALERT)
            running.calls()
            assert waiting(running) == {ALERT.id: ("waiting", 1)}


def test_a_slow_webhook_delays_no_forecast(tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gatecast.web.watch.watch.TICK", 0.01)

    async def hangs(*_: object) -> int:
        await asyncio.sleep(60)
        return 200

    with server(tmp_path, webhook="http://host/") as running:
        write_prices(file, MONDAY)
        running.at(f"{MONDAY}T09:00")
        assert running.watch.caller is not None
        running.watch.caller.post = hangs
        keep_alerts(running, ALERT)

        async def scene() -> bool:
            task = asyncio.create_task(running.watch.run())
            await asyncio.sleep(0.2)
            running.clock.set(f"{MONDAY}T18:00")
            for _ in range(100):
                await asyncio.sleep(0.05)
                if running.jobs():
                    break
            alive = not task.done()
            task.cancel()
            await asyncio.wait([task])
            return alive

        assert asyncio.run(scene()) and len(running.jobs()) == 1


def test_calls_that_come_while_the_watch_runs_are_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gatecast.web.watch.watch.TICK", 0.01)
    with webhook() as hook, server(tmp_path, webhook=hook.address) as running:

        async def scene() -> None:
            task = asyncio.create_task(running.watch.run())
            for alert in numbered(2):
                await asyncio.sleep(0.1)
                await asyncio.to_thread(keep_alerts, running, alert)
            end = time.monotonic() + 20
            while len(hook.sent) < 2 and time.monotonic() < end:
                await asyncio.sleep(0.02)
            task.cancel()
            await asyncio.wait([task])

        asyncio.run(scene())
        assert [document["item"] for document in hook.sent] == ["A0", "A1"]


def test_a_look_that_fails_is_followed_by_another(
    tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("gatecast.web.watch.watch.TICK", 0.01)
    with server(tmp_path) as running:
        looks: list[int] = []

        def clock() -> Any:
            looks.append(1)
            raise RuntimeError("secret" if len(looks) < 3 else "end")

        running.watch.clock = clock

        async def scene() -> None:
            task = asyncio.create_task(running.watch.run())
            while len(looks) < 5 and not task.done():
                await asyncio.sleep(0.01)
            task.cancel()
            await asyncio.wait([task])

        asyncio.run(scene())
        assert len(looks) >= 5
        log = capsys.readouterr().err
        assert "watch_error" in log and "RuntimeError" in log and "secret" not in log


def test_a_document_is_json_without_what_no_reader_knows() -> None:
    document = ALERT.document()
    assert document["id"] == ALERT.id and json.loads(json.dumps(document, allow_nan=False)) == document
    assert {"id", "kind", "item", "date", "close", "band", "level"} < set(document)
    assert Hook(address="").sent == []

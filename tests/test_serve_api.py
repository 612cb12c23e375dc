"""The API from a source to its results, its refusals in one line, and its guard against strangers."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fastapi.testclient import TestClient

from gatecast.web.app import create_app
from gatecast.web.settings import ServeSettings

API = "/api/v1"
JSON = {"content-type": "application/json"}
TOKEN = "correct-horse-battery"
QUICK = {"preset": "quick", "settings": ["context_length=10", "hidden=6", "epochs=2", "batch=16"],
         "horizon": 3, "paths": 60, "verdict": False}  # fmt: skip


def table(rows: int = 200, seed: int = 0) -> str:
    days = pd.bdate_range("2022-01-03", periods=rows)
    close = 100 * np.exp(np.cumsum(np.random.default_rng(seed).normal(0, 0.01, rows)))
    return pd.DataFrame({"date": days, "close": close}).to_csv(index=False)


def client_of(folder: Path, **given: Any) -> TestClient:
    settings = ServeSettings(**{"database": str(folder / "l.db"), "data": folder / "data", "workers": 0, **given})
    return TestClient(create_app(settings), base_url="http://127.0.0.1:8000", raise_server_exceptions=False)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A service without workers: jobs wait."""
    with client_of(tmp_path_factory.mktemp("serve"), upload_limit=1_000_000, queue_limit=2) as opened:
        yield opened


def bring(client: TestClient, text: str, name: str = "AAPL.csv") -> str:
    answer = client.post(f"{API}/sources", files={"file": (name, text.encode())})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def test_what_was_read_is_told_with_the_columns_and_their_use(client: TestClient) -> None:
    found = client.get(f"{API}/sources/{bring(client, table())}").json()
    assert (found["rows"], found["problem"]) == (200, None)
    assert [item["item_id"] for item in found["items"]] == ["AAPL"]
    assert {column["name"]: column["used_as"] for column in found["columns"]} == {"date": "date", "close": "close"}
    assert len(found["items"][0]["chart"]) == 200


def test_a_choice_of_column_is_followed(client: TestClient) -> None:
    frame = pd.read_csv(io.StringIO(table())).assign(other=50.0)
    own = bring(client, frame.to_csv(index=False))
    found = client.get(f"{API}/sources/{own}", params={"close": "other"}).json()
    assert found["items"][0]["last_close"] == 50.0


def test_a_source_that_cannot_be_read_says_why_and_so_does_its_job(client: TestClient) -> None:
    own = bring(client, "date,close\n2024-01-01,-5\n2024-01-02,5\n")
    problem = client.get(f"{API}/sources/{own}").json()["problem"]
    assert "must be positive" in problem and "\n" not in problem
    answer = client.post(f"{API}/jobs", json={"source": own})
    assert answer.status_code == 400 and answer.json()["error"] == problem


def test_a_full_queue_says_when_to_come_back(client: TestClient) -> None:
    own = bring(client, table())
    statuses = [client.post(f"{API}/jobs", json={"source": own, **QUICK}) for _ in range(3)]
    assert [answer.status_code for answer in statuses] == [202, 202, 429]
    assert int(statuses[2].headers["retry-after"]) >= 1
    for job in client.get(f"{API}/jobs").json()["jobs"]:
        assert client.post(f"{API}/jobs/{job['id']}/stop").json()["state"] == "stopped"
        assert client.get(f"{API}/jobs/{job['id']}/result").status_code == 404


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("jobs", {"source": "0" * 16}, 404),
        ("jobs", {"source": "../../etc/passwd"}, 422),
        ("jobs", {"source": "0" * 16, "seed": 1e400}, 422),
        ("jobs", {"source": "0" * 16, "settings": ["epochs=-1"]}, 400),
        ("jobs", {"source": "0" * 16, "surprise": 1}, 422),
        ("jobs/" + "0" * 16 + "/risk", {}, 404),
        ("ledger/score", {"source": "0" * 16}, 404),
    ],
)
def test_a_refusal_is_one_line(client: TestClient, path: str, body: Any, status: int) -> None:
    answer = client.post(f"{API}/{path}", content=json.dumps(body).replace("Infinity", "1e999"), headers=JSON)
    assert answer.status_code == status, answer.text
    assert list(answer.json()) == ["error"] and "\n" not in answer.json()["error"]


def test_a_zip_bomb_in_a_workbook_is_refused_by_the_helper(client: TestClient) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        with archive.open("xl/worksheets/sheet1.xml", "w") as sheet:
            for _ in range(100):
                sheet.write(b"<row/>" * 200_000)
    own = client.post(f"{API}/sources", files={"file": ("bomb.xlsx", content.getvalue())})
    if own.status_code == 201:
        assert client.get(f"{API}/sources/{own.json()['id']}").json()["problem"]
    else:
        assert own.status_code == 413


def test_an_upload_over_the_bound_is_refused_while_it_comes(client: TestClient) -> None:
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        for _ in range(2000):
            sent += 1 << 20
            yield b"x" * (1 << 20)

    headers = {"content-type": "multipart/form-data; boundary=x"}
    answer = client.post(f"{API}/sources", content=b"", headers={**headers, "content-length": str(2 << 30)})
    assert answer.status_code == 413
    answer = client.post(f"{API}/sources", content=endless(), headers=headers)
    assert answer.status_code == 413 and "at most" in answer.json()["error"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"host": "evil.example"}, 421),
        ({"sec-fetch-site": "same-origin"}, 201),
        ({"origin": "http://127.0.0.1:8000"}, 201),
        ({}, 201),
    ],
)
def test_a_cross_site_post_and_a_foreign_host_are_refused(
    client: TestClient, headers: dict[str, str], status: int
) -> None:
    answer = client.post(f"{API}/sources", files={"sample": (None, "eurusd")}, headers=headers)
    assert answer.status_code == status
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_token_is_asked_for_and_a_login_gives_a_cookie_without_it(tmp_path: Path) -> None:
    with client_of(tmp_path, token=TOKEN) as client:
        assert client.get("/health").status_code == 200
        for headers in ({}, {"authorization": "Bearer wrong"}, {"cookie": f"gatecast={TOKEN}"}):
            assert client.get(f"{API}/jobs", headers=headers).status_code == 401
        assert client.get(f"{API}/jobs", headers={"authorization": f"Bearer {TOKEN}"}).status_code == 200
        assert client.get("/", headers={"accept": "text/html"}, follow_redirects=False).headers["location"] == "/login"
        assert client.post("/login", data={"token": "wrong"}).status_code == 401
        answer = client.post("/login", data={"token": TOKEN}, follow_redirects=False)
        cookie = answer.headers["set-cookie"]
        assert "HttpOnly" in cookie and "samesite=strict" in cookie.lower() and TOKEN not in cookie
        assert client.get(f"{API}/jobs").status_code == 200


def test_the_server_process_loads_no_torch() -> None:
    code = "import gatecast.web.server, sys; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.slow(reason="a worker loads torch in a process of its own, and trains")
def test_a_job_from_source_to_results(tmp_path: Path) -> None:
    with client_of(tmp_path, workers=1) as client:
        own = bring(client, table())
        job = client.post(f"{API}/jobs", json={"source": own, **QUICK}).json()
        until = time.monotonic() + 60
        while (job := client.get(f"{API}/jobs/{job['id']}").json())["state"] in ("queued", "running"):
            assert time.monotonic() < until
            time.sleep(0.2)
        assert job["state"] == "done", job["error"]
        result = client.get(f"{API}/jobs/{job['id']}/result").json()
        assert len(result["items"][0]["forecast"]) == 3
        files = {name: client.get(f"{API}/jobs/{job['id']}/files/{name}") for name in job["files"]}
        assert {"csv", "json", "html", "parquet", "model"} <= set(files)
        frame = pd.read_parquet(io.BytesIO(files["parquet"].content))
        pd.testing.assert_frame_equal(
            pd.read_csv(io.StringIO(files["csv"].text))[["median", "lower"]], frame[["median", "lower"]]
        )
        assert "sandbox" in files["html"].headers["content-security-policy"]
        assert "model/model.json" in zipfile.ZipFile(io.BytesIO(files["model"].content)).namelist()
        asked = client.post(f"{API}/jobs/{job['id']}/risk", json={"touch": [frame["median"].iloc[0]]}).json()
        touches = asked["items"][0]["touch"][0]["touch"]["value"]
        assert 0 < np.ravel(touches)[-1] <= 1
        assert client.get(f"{API}/ledger").json()["rows"] == 1
        later = bring(client, table(204))
        assert client.post(f"{API}/ledger/score", json={"source": later}).json()["steps"] == 3
        assert "gatecast_jobs" in client.get("/metrics").text

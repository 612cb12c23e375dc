"""Strangers, other sites, floods, traps and hostile names: refused in a line or shown as text, with memory bounded."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import re
import socket
import time
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("fastapi")
from fastapi.testclient import TestClient

from gatecast.errors import UsageError
from gatecast.web.app import create_app
from gatecast.web.guard import COOKIE, cookie_value
from gatecast.web.settings import ServeSettings
from served import Launched, launched

TOKEN = "a-token-of-a-test-0123456789"
MB = 1024**2
LIMIT = 12 * MB
HTML, FORMULA, PLACE, BIDI = '<img src=x onerror="alert(1)">', '=HYPERLINK("http://x")', "../../etc/passwd", "a\u202eb"
CLOSE = 48.1375  # looked for in the log


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    """A service on loopback, without a token and without workers."""
    yield from _client(tmp_path)


@pytest.fixture
def locked(tmp_path: Path) -> Iterator[TestClient]:
    """One that asks for its token."""
    yield from _client(tmp_path, token=TOKEN)


def _client(folder: Path, **settings: Any) -> Iterator[TestClient]:
    made = ServeSettings(database=str(folder / "ledger.db"), data=folder / "data", workers=0, **settings)
    with TestClient(create_app(made), base_url="http://127.0.0.1:8000", follow_redirects=False) as found:
        yield found


@pytest.mark.parametrize("path", ["/api/v1/jobs", "/api/v1/openapi.json", "/metrics", "/", "/jobs", "/nowhere"])
def test_without_the_token_nothing_is_told(locked: TestClient, path: str) -> None:
    wrong = [{}, {"authorization": "Bearer wrong-token-0123456"}, {"authorization": f"Basic {TOKEN}"}]
    wrong += [
        {"cookie": f"{COOKIE}={TOKEN}"},
        {"cookie": "=;=\x7f"},
        {"authorization": "Bearer \xe9".encode("latin-1")},
    ]
    for headers in wrong:
        answer = locked.get(path, headers=headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        assert "token" in answer.json()["error"] and TOKEN not in answer.text
    assert locked.get(path, headers={"authorization": f"Bearer {TOKEN}"}).status_code in (200, 404)


def test_a_browser_logs_in_once_and_its_cookie_does_not_hold_the_token(locked: TestClient) -> None:
    answer = locked.get("/", headers={"accept": "text/html"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    assert locked.get("/health").status_code == 200
    assert locked.post("/login", data={"token": "wrong-token-0123456"}).status_code == 401
    answer = locked.post("/login", data={"token": TOKEN})
    assert answer.status_code == 303
    given = answer.headers["set-cookie"]
    assert TOKEN not in given and "HttpOnly" in given and "samesite=strict" in given.lower()
    assert locked.get("/", headers={"cookie": f"{COOKIE}={cookie_value(TOKEN)}"}).status_code == 200


def test_behind_a_proxy_every_address_has_its_root(tmp_path: Path) -> None:
    for client in _client(tmp_path, token=TOKEN, root_path="/gatecast"):
        answer = client.get("/gatecast/", headers={"accept": "text/html"})
        assert (answer.status_code, answer.headers["location"]) == (303, "/gatecast/login")
        answer = client.post("/login", data={"token": TOKEN}, headers={"x-forwarded-proto": "https"})
        assert answer.headers["location"] == "/gatecast/"
        assert "Path=/gatecast" in answer.headers["set-cookie"] and "Secure" in answer.headers["set-cookie"]
        page = client.get("/", headers={"authorization": f"Bearer {TOKEN}"}).text
        places = re.findall(r'(?:href|src|action)="(/[^"]*)"', page)
        assert places and all(place.startswith("/gatecast/") for place in places)


def test_beyond_loopback_a_token_is_demanded() -> None:
    for host in ("0.0.0.0", "::", "192.168.0.2", "example.org"):
        with pytest.raises(UsageError, match="demands a token"):
            ServeSettings(host=host)
        assert ServeSettings(host=host, token=TOKEN).host == host
    with pytest.raises(UsageError, match="at least 16"):
        ServeSettings(token="short")


CROSS_SITE = (
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site", "origin": "http://127.0.0.1:8000"},
    {"origin": "http://evil.example"},
    {"origin": "null"},
    {"origin": "http://[::1"},
    {"origin": "http://127.0.0.1:9000"},
)


@pytest.mark.parametrize("headers", CROSS_SITE)
def test_a_post_from_another_site_is_refused(client: TestClient, headers: dict[str, str]) -> None:
    for path in ("/api/v1/sources", "/sources", "/api/v1/ledger/score", "/login"):
        answer = client.post(path, headers=headers, data={"sample": "eurusd"})
        assert answer.status_code == 403 and "another site" in answer.json()["error"]


def test_a_post_of_its_own_page_or_of_no_browser_is_taken(client: TestClient) -> None:
    own = ({"sec-fetch-site": "same-origin"}, {"sec-fetch-site": "none"}, {"origin": "http://127.0.0.1:8000"}, {})
    for headers in own:
        assert client.post("/api/v1/sources", headers=headers, data={"sample": "eurusd"}).status_code == 201


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:8000", "", "[", "[::1", "a b"])
def test_a_foreign_name_is_refused_on_loopback(client: TestClient, host: str) -> None:
    """Else a page of another site could reach the service once its own name points to loopback (DNS rebinding)."""
    for path in ("/", "/api/v1/jobs", "/health"):
        assert client.get(path, headers={"host": host}).status_code == 421
    for own in ("127.0.0.1:8000", "localhost", "[::1]:80", "LOCALHOST:1"):
        assert client.get("/health", headers={"host": own}).status_code == 200


def test_every_answer_has_the_security_headers(client: TestClient) -> None:
    answers = [client.get(path) for path in ("/", "/health", "/api/v1/jobs", "/nowhere", "/api/v1/jobs/x")]
    answers += [client.post("/api/v1/jobs", content=b"{"), client.get("/", headers={"host": "evil.example"})]
    for answer in answers:
        policy = answer.headers["content-security-policy"]
        assert (
            "default-src 'self'" in policy
            and "unsafe-inline" not in policy
            and "unsafe-eval" not in policy
            and "frame-ancestors 'none'" in policy
        )
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store" or answer.url.path.startswith("/static")


def test_the_style_attribute_that_is_allowed_is_that_of_plotly(client: TestClient) -> None:
    answer = client.get("/static/plotly.min.js")
    values = re.findall(r'\["image-rendering","([A-Za-z-]+)"\]', answer.text)
    style = "".join(f"image-rendering: {value}; " for value in values)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src-attr 'unsafe-hashes' 'sha256-{digest}'" in client.get("/").headers["content-security-policy"]


def test_an_error_of_our_own_is_one_line_with_the_headers(client: TestClient, monkeypatch: Any, capfd: Any) -> None:
    def broken(**_: object) -> None:
        raise KeyError(CLOSE)

    monkeypatch.setattr(client.app.state.service.store, "jobs", broken)  # type: ignore[attr-defined]
    answer = client.get("/api/v1/jobs")
    assert answer.status_code == 500 and "KeyError" in answer.json()["error"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    logged = capfd.readouterr().err
    assert "request_error" in logged and str(CLOSE) not in logged


def test_metrics_count_requests_and_jobs(client: TestClient) -> None:
    for _ in range(3):
        client.get("/api/v1/jobs")
    client.get("/secret-path-of-a-user")
    text = client.get("/metrics").text
    assert re.search(r'gatecast_requests_total\{method="GET",route="/api/v1/jobs",status="200"\} 3\.0', text)
    assert 'gatecast_jobs{state="queued"} 0.0' in text and "gatecast_workers 0.0" in text
    assert "secret-path" not in text


# ------------------------------------------------------------------ a server of its own


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launched]:
    folder = tmp_path_factory.mktemp("guarded")
    with launched(folder, workers=1, upload_limit=LIMIT, header_timeout=1.0, body_timeout=1.0) as found:
        yield found


def call(site: Launched, path: str, value: object = None) -> Any:
    body = None if value is None else json.dumps(value).encode()
    request = urllib.request.Request(site.address + path, body, {"content-type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=90) as answer:
            content = answer.read()
            return json.loads(content) if "json" in answer.headers["content-type"] else content
    except urllib.error.HTTPError as error:
        return {"status": error.code, **json.load(error)}


def upload(site: Launched, name: str, content: bytes) -> Any:
    head = f'--x\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
    body = head.encode() + content + b"\r\n--x--\r\n"
    about = {"content-type": "multipart/form-data; boundary=x"}
    with urllib.request.urlopen(urllib.request.Request(f"{site.address}/api/v1/sources", body, about)) as answer:
        return json.load(answer)


def connected(site: Launched) -> socket.socket:
    return socket.create_connection(("127.0.0.1", site.port), timeout=30)


def received(connection: socket.socket) -> bytes:
    """All until the other side closes."""
    found = b""
    try:
        while part := connection.recv(65536):
            found += part
    except ConnectionError:
        pass
    return found


HEAD = b"POST /api/v1/sources HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: multipart/form-data; boundary=x\r\n"
PART = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n'


def test_two_gigabytes_are_refused_before_they_are_sent(site: Launched) -> None:
    with connected(site) as connection:
        connection.sendall(HEAD + b"Content-Length: 2147483648\r\n\r\n")
        answer = received(connection)
    assert answer.startswith(b"HTTP/1.1 413") and b"Send a smaller file" in answer


def test_a_stream_without_an_end_is_refused_at_the_bound(site: Launched) -> None:
    before, sent, chunk = site.peak(), 0, b"%x\r\n" % MB + b"1" * MB + b"\r\n"
    with connected(site) as connection:
        connection.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(PART) + PART + b"\r\n")
        try:
            while sent < 2048 * MB:
                connection.sendall(chunk)
                sent += MB
        except (ConnectionError, TimeoutError):
            pass
        assert sent < LIMIT + 64 * MB  # what the sockets between held
    assert site.peak() - before < 64 * MB
    assert list((site.log.parent / "data" / "sources").glob("*/a.csv")) == []
    assert call(site, "/health")["status"] == "ok"


def test_a_refusal_at_the_bound_says_so(site: Launched) -> None:
    body = PART + b"1" * (LIMIT + MB)
    with connected(site) as connection:
        connection.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(body) + body)
        answer = received(connection)
    assert answer.startswith(b"HTTP/1.1 413") and b"at most 12," in answer


@pytest.mark.parametrize("path", ["/api/v1/jobs", "/api/v1/ledger/score", "/login"])
def test_other_bodies_are_short(site: Launched, path: str) -> None:
    with connected(site) as connection:
        connection.sendall(f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {2 * MB}\r\n\r\n".encode())
        assert received(connection).startswith(b"HTTP/1.1 413")


SLOW = {
    "nothing": [b""],
    "half a header": [b"GET /health HTTP/1.1\r\nHost: 127."],
    "a second request": [b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", b"GET /hea"],
    "half a body": [HEAD + b"Content-Length: 1000\r\n\r\n" + PART],
}


@pytest.mark.parametrize("parts", SLOW.values(), ids=SLOW)
def test_a_slow_client_is_left(site: Launched, parts: list[bytes]) -> None:
    with connected(site) as connection:
        for part in parts:
            connection.sendall(part)
            time.sleep(0.2)
        began = time.monotonic()
        answer = received(connection)
        assert time.monotonic() - began < 8
    assert b"408" in answer if b"Content-Length" in parts[0] else answer.count(b"HTTP/1.1") == len(parts) - 1


def test_a_client_that_trickles_is_left(site: Launched) -> None:
    """A byte now and then is no pace, though none comes too late after the one before."""
    with connected(site) as connection:
        connection.sendall(HEAD + b"Content-Length: 100000\r\n\r\n" + PART)
        began = time.monotonic()
        with pytest.raises(ConnectionError):
            while time.monotonic() - began < 20:
                connection.sendall(b"1")
                time.sleep(0.2)


def bomb(*, sheet_bytes: int, honest: bool) -> bytes:
    """A workbook whose sheet unpacks to so many bytes; a dishonest one says a kilobyte, with its checksum."""
    begin = b"<worksheet><sheetData>"
    block = b'<row r="1"><c r="A1"><v>1</v></c></row>' * 27_000
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    head = packer.compress(begin) + packer.flush(zlib.Z_FULL_FLUSH)
    repeated = packer.compress(block) + packer.flush(zlib.Z_FULL_FLUSH)
    packed = (
        head + repeated * (sheet_bytes // len(block)) + packer.compress(b"</sheetData></worksheet>") + packer.flush()
    )
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("xl/workbook.xml", "<workbook/>")
        archive.writestr("xl/worksheets/sheet1.xml", packed)  # stored; made a packed one below
    raw = bytearray(content.getvalue())
    said, checksum = sheet_bytes if honest else 1024, zlib.crc32((begin + block)[:1024])
    for mark, method, size in ((b"PK\x03\x04", 8, 22), (b"PK\x01\x02", 10, 24)):
        place = raw.rfind(mark, 0, raw.rfind(b"xl/worksheets/sheet1.xml") if mark[2] == 1 else raw.index(packed))
        raw[place + method : place + method + 2] = (8).to_bytes(2, "little")
        raw[place + size : place + size + 4] = said.to_bytes(4, "little")
        raw[place + size - 8 : place + size - 4] = checksum.to_bytes(4, "little")
    return bytes(raw)


@pytest.mark.parametrize("honest", [True, False])
def test_a_zip_bomb_in_a_workbook_is_refused_within_memory(site: Launched, honest: bool) -> None:
    content = bomb(sheet_bytes=3000 * MB, honest=honest)
    assert len(content) < LIMIT
    found = upload(site, "prices.xlsx", content)
    began, before = time.monotonic(), _most_of_helpers(site)
    read = call(site, f"/api/v1/sources/{found['id']}")
    assert read["rows"] == 0 and read["items"] == []
    assert ("2 GB" if honest else "damaged") in read["problem"]
    assert time.monotonic() - began < 30
    assert _most_of_helpers(site) < max(before, 400 * MB) + 200 * MB
    assert call(site, "/health")["status"] == "ok"


def _most_of_helpers(site: Launched) -> int:
    peaks = [0]
    for thread in Path(f"/proc/{site.pid}/task").glob("*/children"):
        for child in thread.read_text().split():
            if b"web.helper" in Path(f"/proc/{child}/cmdline").read_bytes():
                status = Path(f"/proc/{child}/status").read_text()
                peaks.append(1024 * int(status.partition("VmHWM:")[2].split()[0]))
    return max(peaks)


NAMES = {
    HTML: "_img src=x onerror=_alert(1)__",
    "../../../etc/cron.d/x": "x",
    "C:\\windows\\win.ini": "win.ini",
    ".htaccess": "htaccess",
    "a\u202egpj.csv": "agpj.csv",
    "x" * 300 + ".csv": "",
    "..": "prices",
}


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_the_name_of_an_upload_stays_in_its_folder(site: Launched, name: str) -> None:
    folder = site.log.parent / "data" / "sources"
    own = upload(site, name.replace('"', "%22"), b"date,close\n2024-01-01,1\n")
    assert "\u202e" not in own["name"]
    (kept,) = (path for path in (folder / own["id"]).iterdir() if not path.name.startswith(".reading"))
    assert kept.parent == folder / own["id"] and len(kept.name.encode()) <= 255
    assert not re.search(r"[<>\"'/\\\x00-\x1f\u202e]", kept.name) and not kept.name.startswith(".")
    assert NAMES[name] in ("", kept.name) or kept.name.startswith("_img")
    path = urllib.parse.quote(f"/api/v1/sources/../../{own['id']}")
    assert call(site, path)["status"] in (404, 422)


@pytest.mark.slow(reason="a worker loads torch and forecasts assets with hostile names")
def test_hostile_assets_are_text_in_every_file_and_no_price_is_logged(site: Launched) -> None:
    days, rng = pd.bdate_range("2023-01-02", periods=320), np.random.default_rng(5)
    parts = []
    for item in (HTML, FORMULA, PLACE, BIDI):
        close = CLOSE * np.exp(np.cumsum(rng.normal(0, 0.012, len(days)))[::-1])
        close[-1] = CLOSE
        parts.append(pd.DataFrame({"date": days, "item": item, "close": close.round(4)}))
    source = upload(site, "hostile.csv", pd.concat(parts).to_csv(index=False).encode())["id"]
    asked = {"source": source, "horizon": 2, "paths": 50, "preset": "base", "verdict": False}
    job = call(site, "/api/v1/jobs", asked)["id"]
    end = time.monotonic() + 120
    while (found := call(site, f"/api/v1/jobs/{job}"))["state"] in ("queued", "running") and time.monotonic() < end:
        time.sleep(0.3)
    assert found["state"] == "done", found["error"]
    items = [item["item_id"] for item in call(site, f"/api/v1/jobs/{job}/result")["items"]]
    assert items[:3] == [HTML, FORMULA, PLACE] and "\u202e" not in items[3]
    rows = list(csv.reader(io.StringIO(call(site, f"/api/v1/jobs/{job}/files/csv").decode())))
    assert not [cell for row in rows for cell in row if cell.startswith(("=", "@", "+", "\t"))]
    page = call(site, f"/api/v1/jobs/{job}/files/html").decode()
    assert "<img src=x" not in page and "\u202e" not in page and "&lt;img" in page
    log = site.log.read_text()
    for hidden in ("48.13", "hostile", "HYPERLINK", "<img", "etc/passwd"):
        assert hidden not in log
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    assert {"started", "request", "job"} <= {line["event"] for line in lines}
    assert [line for line in log.splitlines() if not line.startswith("{") and "Invalid HTTP" not in line] == []

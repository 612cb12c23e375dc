"""The pages by HTTP alone: refusals as pages or parts, the login, a path in front, and what a form may say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from gatecast.errors import QueueFull
from gatecast.web.app import create_app
from gatecast.web.pages.start import reading_of
from gatecast.web.service import Service
from gatecast.web.settings import ServeSettings

TOKEN = "0123456789abcdef0123"


def client(folder: Path, **more: Any) -> TestClient:
    """Of a service without workers."""
    settings = ServeSettings(database=str(folder / "ledger.db"), data=folder / "data", workers=0, **more)
    return TestClient(create_app(settings), base_url="http://127.0.0.1:8000", follow_redirects=False)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> TestClient:
    return client(tmp_path_factory.mktemp("pages"))


@pytest.mark.parametrize("path", ["/", "/jobs", "/compare", "/record"])
def test_the_pages_of_an_empty_service_say_what_to_do(site: TestClient, path: str) -> None:
    answer = site.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    assert "unsafe-inline" not in answer.headers["content-security-policy"]
    assert answer.text.count("<h1>") == 1
    assert f'href="{path}" aria-current="page"' in answer.text


@pytest.mark.parametrize(
    ("path", "status", "line"),
    [
        ("/sources/0123456789abcdef", 404, "Bring it again."),
        ("/sources/%3Cb%3E", 422, "Correct it."),
        ("/jobs/0123456789abcdef", 404, "there is no job"),
        ("/jobs/0123456789abcdef/items/0/chances?touch=1", 404, "there is no job"),
        ("/record?item=%3Cscript%3E", 400, "&lt;script&gt;"),
        ("/compare?first=x", 422, "first"),
        ("/jobs?before=0", 422, "before"),
    ],
)
def test_a_refusal_is_a_page_with_the_clear_line(site: TestClient, path: str, status: int, line: str) -> None:
    answer = site.get(path)
    assert answer.status_code == status
    assert 'role="alert"' in answer.text and line in answer.text
    assert "<script>" not in answer.text


def test_where_a_part_was_asked_for_the_refusal_is_a_part(site: TestClient) -> None:
    answer = site.get("/jobs/0123456789abcdef/items/0/chances", headers={"hx-request": "true"})
    assert answer.status_code == 200  # htmx puts no other answer in its place
    assert 'role="alert"' in answer.text and "<html" not in answer.text


def test_nothing_sent_is_said_so(site: TestClient) -> None:
    answer = site.post("/sources", data={"text": "  "})
    assert answer.status_code == 400 and "Choose a file, a sample or paste a table." in answer.text


def test_a_full_queue_says_when_to_come_back(site: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    async def full(*_: object) -> None:
        raise QueueFull("as many wait as may. Come back in 7 seconds.", seconds=7)

    monkeypatch.setattr(Service, "submit", full)
    place = site.post("/sources", data={"sample": "eurusd"}).headers["location"]
    answer = site.post(f"{place}/jobs", data={"horizon": "5", "preset": "base"})
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "7")
    assert "Come back in 7 seconds." in answer.text


def test_a_form_says_how_a_source_is_read_and_empty_fields_leave_it_to_be_found() -> None:
    assert reading_of({}).model_dump(exclude_defaults=True) == {}
    assert reading_of({"close": "", "decimal": " ", "days": ""}).model_dump(exclude_defaults=True) == {}
    said = reading_of({"close": "Kurs", "decimal": ",", "days": "month", "no_header": "1", "repair": "1"})
    assert said.model_dump(exclude_defaults=True) == {
        "close": "Kurs", "decimal": ",", "day_first": False, "header": False, "repair": True,
    }  # fmt: skip


def test_without_the_token_a_browser_is_asked_for_it_and_its_page_has_its_style(tmp_path: Path) -> None:
    locked = client(tmp_path, token=TOKEN)
    answer = locked.get("/record", headers={"accept": "text/html"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    form = locked.get("/login")
    assert 'type="password"' in form.text and "<nav" not in form.text
    for asset in ("page.css", "web.css", "htmx.min.js"):
        assert f"/static/{asset}" in form.text
        assert locked.get(f"/static/{asset}").status_code == 200
    assert "not the token" in locked.post("/login", data={"token": "wrong"}).text
    assert locked.post("/login", data={"token": TOKEN}).status_code == 303
    assert locked.get("/record", headers={"accept": "text/html"}).status_code == 200


@pytest.mark.filterwarnings("ignore::fastapi.exceptions.FastAPIDeprecationWarning")
def test_behind_a_path_of_a_proxy_every_address_has_it(tmp_path: Path) -> None:
    text = client(tmp_path, root_path="/gatecast").get("/gatecast/").text
    for attribute in ("href", "src", "action"):
        for address in text.split(f'{attribute}="')[1:]:
            assert address.startswith(("/gatecast/", "#")), address[:60]


def test_an_asset_is_kept_for_ever_under_an_address_of_its_content(site: TestClient) -> None:
    text = site.get("/").text
    address = text.split('href="/static/web.css')[1].split('"')[0]
    answer = site.get(f"/static/web.css{address}")
    assert "immutable" in answer.headers["cache-control"]
    assert answer.headers["content-encoding"] == "gzip"
    assert site.get("/static/web.css", headers={"accept-encoding": "identity"}).text == answer.text
    assert site.get("/static/..%2fapp.py").status_code == 404
    assert site.get("/static/README.md").status_code == 404

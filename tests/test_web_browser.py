"""The pages of the service in Chromium: from a dropped file to its downloads, hostile names, phones, axe-core."""

from __future__ import annotations

import io
import json
import re
import time
import urllib.parse
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from served import served
from test_report_browser import browser  # noqa: F401 (a fixture)

pytestmark = pytest.mark.browser

AXE = Path(__file__).parent / "web" / "axe.min.js"
HOSTILE = ('<img src=x onerror="alert(1)">', '=HYPERLINK("http://x")', "../../etc/passwd\u202egpj")
NAME = "<b>bold</b> =cmd ..%2f \u202e.csv"
SHORT = "epochs=100000 patience=0 hidden=6 context_length=10 batch=8 chunk_length=20"  # of a network that never ends
Visit = Callable[..., tuple[Any, list[str]]]


def table(items: tuple[str, ...] = ("ACME",), rows: int = 320) -> bytes:
    """Prices as a CSV file, a row a day and item."""
    rng, days = np.random.default_rng(5), pd.bdate_range("2023-01-02", periods=rows)
    parts = []
    for number, item in enumerate(items):
        close = 40 * (number + 1) * np.exp(np.cumsum(rng.normal(0, 0.012, rows)))
        parts.append(pd.DataFrame({"date": days, "item": item, "close": close.round(3)}))
    return pd.concat(parts).to_csv(index=False).encode()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(tmp_path_factory.mktemp("served"), workers=2) as address:
        yield address


@pytest.fixture
def visit(browser: Any, site: str) -> Iterator[Visit]:  # noqa: F811
    """Opens a page at a width and gives it with the list of what went wrong, which grows."""
    contexts = []

    def opened(path: str = "/", width: int = 1400, scheme: str = "light", status: int = 200) -> tuple[Any, list[str]]:
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        contexts.append(context)
        tab = context.new_page()
        wrong: list[str] = []
        tab.on("console", lambda message: wrong.append(message.text) if message.type != "log" else None)
        tab.on("pageerror", lambda error: wrong.append(str(error)))
        tab.on("dialog", lambda dialog: wrong.append(f"dialog {dialog.message}"))
        tab.on("request", lambda request: None if _own(request.url, site) else wrong.append(request.url))
        answer = tab.goto(site + path)
        assert answer.status == status
        if status != 200:
            wrong.clear()  # Chromium says on the console that a page has such a status
        return tab, wrong

    yield opened
    for context in contexts:
        context.close()


def _own(url: str, site: str) -> bool:
    return url.startswith((f"{site}/", "data:", "blob:"))


def call(site: str, path: str, value: object | None = None) -> Any:
    """The API's answer."""
    body = None if value is None else json.dumps(value).encode()
    request = urllib.request.Request(site + path, body, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def brought(site: str, name: str, content: bytes) -> str:
    """The id of a source that is sent as a form's file."""
    head = f'--x\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
    body = head.encode() + content + b"\r\n--x--\r\n"
    request = urllib.request.Request(
        f"{site}/api/v1/sources", body, {"content-type": "multipart/form-data; boundary=x"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return str(json.load(answer)["id"])


def finished(site: str, source: str, **more: object) -> str:
    """The id of a forecast of a source by the base network, once it is done."""
    asked = {"source": source, "horizon": 4, "paths": 200, "preset": "base", "verdict": False, **more}
    job = call(site, "/api/v1/jobs", asked)["id"]
    end = time.monotonic() + 120
    while (now := call(site, f"/api/v1/jobs/{job}"))["state"] in ("queued", "running"):
        assert time.monotonic() < end
        time.sleep(0.2)
    assert now["state"] == "done", now["error"]
    return str(job)


@pytest.fixture(scope="module")
def hostile(site: str) -> str:
    """A forecast of three assets whose names are no names, from a file with such a name."""
    return finished(site, brought(site, NAME.replace('"', ""), table(HOSTILE)))


@pytest.fixture(scope="module")
def pair(site: str) -> tuple[str, str]:
    """A forecast and a later one of the same asset."""
    return finished(site, brought(site, "acme.csv", table(rows=318))), finished(
        site, brought(site, "acme.csv", table())
    )


def draw_all(tab: Any) -> None:
    for box in tab.locator("[data-figure]:visible").all():
        box.scroll_into_view_if_needed()
        box.locator(".main-svg").first.wait_for()


def drop(tab: Any, name: str, content: bytes) -> None:
    """Drop a file on the page's zone, as a hand would."""
    given = {"name": name, "content": list(content)}
    moved = tab.evaluate_handle(
        """given => { const moved = new DataTransfer();
        moved.items.add(new File([new Uint8Array(given.content)], given.name)); return moved; }""",
        given,
    )
    zone = tab.locator("[data-drop]")
    zone.dispatch_event("dragover", {"dataTransfer": moved})
    zone.dispatch_event("drop", {"dataTransfer": moved})
    tab.wait_for_url("**/sources/*")


@pytest.mark.slow(reason="a network trains while the page is reloaded, then is stopped and its forecast looked at")
def test_a_dropped_file_trains_through_a_reload_is_stopped_and_looked_at(visit: Visit, tmp_path: Path) -> None:
    tab, wrong = visit()
    drop(tab, "acme.csv", table())
    assert "320 rows of 1 asset" in tab.locator(".sub").inner_text()
    draw_all(tab)
    tab.get_by_role("radio", name="Quick").check()
    tab.get_by_role("radio", name="5 a week").check()
    tab.get_by_text("More settings").click()
    tab.get_by_label("Settings", exact=True).fill(SHORT)
    tab.get_by_label("Judge it on past days").uncheck()
    tab.get_by_role("button", name="Forecast", exact=True).click()
    tab.locator("svg.losses").wait_for(timeout=120_000)
    assert "left" in tab.locator("#progress").inner_text()
    before = epoch(tab)
    tab.reload()
    tab.locator("svg.losses").wait_for()
    tab.wait_for_function("before => Number(/epoch (\\d+)/.exec(document.body.innerText)[1]) > before", arg=before)
    tab.locator("#spoken", has_text="Training the network").wait_for(state="attached")
    tab.get_by_role("button", name="Stop").click()
    tab.locator("#forecast").wait_for(timeout=60_000)
    assert "stopped early" in tab.locator("main").inner_text()
    draw_all(tab)
    ask_for_chances(tab)
    look_inside(tab)
    for kind, check in FILES.items():
        tab.locator("summary", has_text="Download").click()
        with tab.expect_download() as coming:
            tab.locator(f"[data-download={kind}]").click()
        coming.value.save_as(tmp_path / kind)
        check((tmp_path / kind).read_bytes())
        tab.keyboard.press("Escape")
    assert wrong == []


def epoch(tab: Any) -> int:
    found = re.search(r"epoch (\d+)", tab.locator("#progress").inner_text())
    assert found is not None
    return int(found[1])


def ask_for_chances(tab: Any) -> None:
    """Typed, by the keyboard on the chart, and dragged there."""
    last = float(tab.locator("[data-price]").get_attribute("data-last"))
    tab.get_by_label("Chance to touch", exact=True).fill(f"{1.02 * last:.2f}")
    tab.get_by_role("button", name="Ask").click()
    tab.locator("#asked p", has_text=f"chance to touch {1.02 * last:.2f}").wait_for()
    tab.locator("#surface .main-svg").first.wait_for()
    handle = tab.get_by_role("slider", name="Price to ask about")
    handle.press("ArrowUp")
    moved = tab.get_by_label("Chance to touch", exact=True).input_value()
    assert float(moved) > 1.02 * last
    tab.locator("#asked p", has_text=f"chance to touch {float(moved):,.2f}").wait_for()
    box = handle.bounding_box()
    tab.mouse.move(box["x"] + 9, box["y"] + 9)
    tab.mouse.down()
    tab.mouse.move(box["x"] + 9, box["y"] + 60, steps=4)
    tab.mouse.up()
    lower = float(tab.get_by_label("Chance to touch", exact=True).input_value())
    assert lower < float(moved)
    tab.locator("#asked p", has_text=f"chance to touch {lower:,.2f}").wait_for()
    assert float(handle.get_attribute("aria-valuenow")) == pytest.approx(lower)


def look_inside(tab: Any) -> None:
    """The page that opens the network draws in its frame, which is of no origin."""
    there = tab.url
    tab.get_by_role("link", name="Look inside").click()
    frame = tab.frame_locator("iframe")
    frame.locator("[data-figure]:visible").first.scroll_into_view_if_needed()
    frame.locator(".main-svg").first.wait_for(timeout=30_000)
    assert frame.locator("body").evaluate("() => origin") == "null"
    tab.goto(there)


FILES: dict[str, Callable[[bytes], object]] = {
    "csv": lambda content: pd.read_csv(io.BytesIO(content))["median"].iloc[4],
    "json": lambda content: json.loads(content)["items"][0]["forecast"][4],
    "html": lambda content: content.index(b"<!doctype html>"),
    "parquet": lambda content: pq.read_table(io.BytesIO(content)).column("median")[4],
    "model": lambda content: zipfile.ZipFile(io.BytesIO(content)).read("model/model.json"),
}


def test_a_naughty_file_shows_the_clear_line_and_how_to_go_on(visit: Visit) -> None:
    tab, wrong = visit()
    with tab.expect_navigation():
        drop(tab, "letter.csv", b"Dear Sir,\nplease find no prices in this letter.\n")
    line = tab.get_by_role("alert").inner_text()
    assert "Traceback" not in line and line.rstrip().endswith(".")
    assert tab.get_by_role("button", name="Forecast", exact=True).count() == 0
    assert tab.get_by_label("Date", exact=True).count() == 1
    assert [text for text in wrong if "400" not in text] == []


def test_a_pasted_table_is_read_with_the_columns_that_are_said(visit: Visit) -> None:
    tab, wrong = visit()
    rows = "\n".join(f"2024-0{1 + day // 28}-{1 + day % 28:02},{20 + day},{500 - day}" for day in range(200 // 2))
    tab.get_by_role("textbox", name="Paste a table").fill("day,first,second\n" + rows)
    tab.get_by_role("button", name="Read the table").click()
    tab.wait_for_url("**/sources/*")
    tab.get_by_label("Close", exact=True).select_option("second")
    tab.get_by_role("button", name="Read again").click()
    tab.wait_for_url("**close=second**")
    draw_all(tab)
    series = json.loads(tab.locator("#closes").inner_html())["data"][0]
    assert max(np.ravel(series["y"] if isinstance(series["y"], list) else [])) == 500
    assert wrong == []


def test_hostile_names_are_shown_and_do_nothing(visit: Visit, hostile: str, site: str) -> None:
    tab, wrong = visit(f"/jobs/{hostile}")
    shown = tab.locator("table.glance").inner_text()
    assert HOSTILE[0] in shown and HOSTILE[1] in shown
    assert "\u202e" not in tab.content()
    for place in range(3):
        tab.goto(f"{site}/jobs/{hostile}/items/{place}")
        draw_all(tab)
        assert tab.locator("main img, header img").count() == 0
    tab.goto(f"{site}/jobs")
    assert "<b>" in tab.locator("table.runs").inner_text() or "_b_" in tab.locator("table.runs").inner_text()
    tab.goto(f"{site}/record?item={urllib.parse.quote(HOSTILE[0])}")
    assert HOSTILE[0] in tab.locator("h1").inner_text()
    assert wrong == []


def test_the_table_of_assets_is_sorted_by_the_head_that_is_pressed(visit: Visit, hostile: str) -> None:
    tab, wrong = visit(f"/jobs/{hostile}")
    tab.get_by_role("link", name="Last close").click()
    tab.wait_for_url("**sort=last**")
    closes = [
        float(text.replace(",", "")) for text in tab.locator("table.glance tbody td:nth-child(3)").all_inner_texts()
    ]
    assert closes == sorted(closes, reverse=True)
    tab.get_by_role("link", name="Last close").click()
    tab.wait_for_function("() => !location.search.includes('down')")
    closes = [
        float(text.replace(",", "")) for text in tab.locator("table.glance tbody td:nth-child(3)").all_inner_texts()
    ]
    assert closes == sorted(closes)
    assert tab.locator("th[aria-sort=ascending]").inner_text().startswith("Last close")
    assert tab.locator("svg.spark").count() == 3
    assert wrong == []


def test_what_changed_since_the_last_forecast_is_said_and_two_runs_compared(
    visit: Visit, pair: tuple[str, str]
) -> None:
    tab, wrong = visit(f"/jobs/{pair[1]}")
    changed = tab.locator("section", has=tab.locator("#changed")).inner_text()
    assert "The closes that both forecasts know are the same." in changed
    assert "The same model, settings and version." in changed
    assert "Random walk" in tab.locator("section", has=tab.locator("#rivals")).inner_text()
    tab, also = visit(f"/compare?first={pair[0]}&second={pair[1]}")
    draw_all(tab)
    assert tab.locator("section", has=tab.locator("#days")).locator("tbody tr").count() == 2
    assert wrong == also == []


def test_new_prices_settle_what_is_due_and_the_record_shows_it(visit: Visit, site: str, pair: tuple[str, str]) -> None:
    tab, wrong = visit(f"/sources/{brought(site, 'acme.csv', table())}")
    source = tab.url
    tab.get_by_role("button", name="Hold them against these prices").click()
    tab.get_by_text("2 steps of 1 recorded forecast settled").wait_for()
    tab.get_by_role("link", name="See the record").click()
    draw_all(tab)
    assert tab.locator("h1").inner_text() == "Record of ACME"
    assert "too few to tell" in tab.locator("main").inner_text()
    assert tab.locator(".steps, table").first.is_visible()
    tab.goto(source)
    assert tab.get_by_role("button", name="Hold them against these prices").count() == 0
    assert wrong == []


PAGES = {
    "start": "/",
    "read": "/sources/{source}",
    "many": "/jobs/{hostile}",
    "item": "/jobs/{second}",
    "inside": "/jobs/{second}/inside",
    "runs": "/jobs",
    "compare": "/compare?first={first}&second={second}",
    "record": "/record",
}


@pytest.fixture(scope="module")
def places(site: str, hostile: str, pair: tuple[str, str]) -> dict[str, str]:
    ids = {"source": brought(site, "acme.csv", table()), "hostile": hostile, "first": pair[0], "second": pair[1]}
    return {name: path.format(**ids) for name, path in PAGES.items()}


@pytest.mark.slow(reason="every page is drawn narrow and dark, wide and light, and looked through by axe-core")
@pytest.mark.parametrize(("width", "scheme"), [(400, "dark"), (1400, "light")])
def test_axe_finds_nothing_serious_and_no_page_is_wider_than_the_screen(
    visit: Visit, places: dict[str, str], width: int, scheme: str
) -> None:
    script = AXE.read_text(encoding="utf-8")
    for name, path in [*places.items(), ("error", "/sources/0123456789abcdef")]:
        tab, wrong = visit(path, width, scheme, status=404 if name == "error" else 200)
        draw_all(tab)
        assert tab.evaluate("document.documentElement.scrollWidth") == width, name
        tab.evaluate(script)  # not as an inline script, which the page's policy forbids
        found = tab.evaluate("async () => (await axe.run({ iframes: false })).violations")
        bad = [(each["id"], [node["html"] for node in each["nodes"]][:3]) for each in found if grave(each)]
        assert bad == [], name
        assert wrong == [], name


def grave(violation: dict[str, Any]) -> bool:
    return violation["impact"] in ("serious", "critical")


def test_a_page_can_be_walked_through_by_keyboard(visit: Visit, pair: tuple[str, str]) -> None:
    tab, wrong = visit(f"/jobs/{pair[1]}")
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.textContent") == "Skip to the content"
    tab.keyboard.press("Enter")
    assert tab.evaluate("document.activeElement.id") == "main"
    tab.locator("summary", has_text="Share").press("Enter")
    address = tab.get_by_label("Address of this page")
    assert address.input_value() == tab.url.removesuffix("#main")
    address.press("Escape")
    assert not address.is_visible()
    assert wrong == []

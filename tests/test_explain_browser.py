"""The page that opens a network, in Chromium: no error, no request, and every number steps with day and unit."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conftest import TINY, simulated_series
from gatecast.explain.explain import explain
from gatecast.explain.explanation import Explanation
from gatecast.faces.report.explain import explain_report
from gatecast.faces.report.page import write_html
from gatecast.models.forecaster import Forecaster
from gatecast.prices import PriceSeries, PriceTable

pytestmark = pytest.mark.browser

TABLE = PriceTable(series=(simulated_series("<b>A</b>", 160, 1),))
QUIET = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
Visit = Callable[..., tuple[Any, list[str]]]


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Explanation]]:
    folder, made = tmp_path_factory.mktemp("inside"), {}
    for encoder in ("lstm", "gru", "rnn", "tcn", "transformer"):
        explanation = explain(
            Forecaster(TINY.replace(encoder=encoder, epochs=1)).fit(TABLE), TABLE, horizon=4, paths=50
        )
        write_html(folder / f"{encoder}.html", explain_report(explanation, title="Inside <b>A</b>"))
        made[encoder] = folder / f"{encoder}.html", explanation
    return made


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, args=QUIET)
        yield running
        running.close()


@pytest.fixture
def visit(browser: Any) -> Iterator[Visit]:
    """Opens a file at a width and gives the page and the list of what went wrong, which grows."""
    contexts = []

    def opened(path: Path, width: int, scheme: str = "light") -> tuple[Any, list[str]]:
        contexts.append(browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme))
        tab = contexts[-1].new_page()
        wrong: list[str] = []
        tab.on("console", lambda message: wrong.append(message.text))
        tab.on("pageerror", lambda error: wrong.append(str(error)))
        tab.on("request", lambda asked: None if asked.url.startswith("file://") else wrong.append(asked.url))
        tab.goto(path.as_uri())
        return tab, wrong

    yield opened
    for context in contexts:
        context.close()


@pytest.fixture(scope="module")
def still(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a price that never moves."""
    days = np.arange(160).astype("datetime64[D]")
    table = PriceTable(series=(PriceSeries(item_id="A", timestamps=days, close=np.full(160, 7.0)),))
    path = tmp_path_factory.mktemp("still") / "still.html"
    explanation = explain(Forecaster(TINY).fit(table), table, horizon=4, paths=50)
    write_html(path, explain_report(explanation, title="Inside A"))
    return path


def draw_all(tab: Any) -> int:
    """Scroll through, so that every figure is drawn; the number of figures."""
    boxes = tab.locator("[data-figure]:visible").all()
    for box in boxes:
        box.scroll_into_view_if_needed()
        box.locator(".main-svg").first.wait_for()
    return len(boxes)


def shown(tab: Any, step: str) -> float:
    """The value that a step ends in."""
    return float(tab.locator(f"#step-{step} .worked b").inner_text().replace("\N{MINUS SIGN}", "-"))


@pytest.mark.parametrize(
    ("encoder", "width", "scheme"),
    [
        ("lstm", 400, "dark"),
        ("lstm", 1400, "light"),
        ("gru", 400, "light"),
        ("rnn", 1400, "dark"),
        ("tcn", 400, "light"),
        ("transformer", 1400, "dark"),
    ],
)
def test_it_opens_without_error_or_request(visit: Visit, pages, encoder: str, width: int, scheme: str) -> None:
    tab, wrong = visit(pages[encoder][0], width, scheme)
    assert draw_all(tab) >= 10
    assert wrong == []
    assert tab.evaluate("document.documentElement.scrollWidth") == width
    rights = tab.evaluate("[...document.querySelectorAll('.card, .card *')].map(c => c.getBoundingClientRect().right)")
    assert max(rights) <= width + 1


@pytest.mark.parametrize("encoder", ["lstm", "gru", "rnn"])
def test_days_and_units_step_through_the_networks_own_numbers(visit: Visit, pages, encoder: str) -> None:
    path, explanation = pages[encoder]
    tab, wrong = visit(path, 1400)
    cell = explanation.cell
    day, unit = len(explanation.inputs) - 1, int(tab.input_value("#unit"))

    def agrees() -> None:
        for step in tab.locator(".cell-steps li").all():
            name = step.get_attribute("id").removeprefix("step-")
            assert shown(tab, name) == pytest.approx(cell.values[name][day, unit], abs=5.1e-4)
        assert f"{unit + 1} of {cell.values['hidden'].shape[1]}" in tab.inner_text("#unit-value")

    agrees()
    for _ in range(4):
        tab.click("#day-back")
        day -= 1
        agrees()
    tab.click("#day-on")
    day += 1
    agrees()
    way, by = ("#unit-back", -1) if unit else ("#unit-on", 1)
    tab.click(way)
    unit += by
    agrees()
    tab.focus("#day")
    tab.keyboard.press("Home")
    day = 0
    agrees()
    tab.click("#day-back")  # there is no day before the first
    agrees()
    assert wrong == []


def test_the_chart_of_units_answers_to_pointer_and_click(visit: Visit, pages) -> None:
    path, explanation = pages["lstm"]
    tab, wrong = visit(path, 1400)
    draw_all(tab)
    chart = tab.locator('[data-figure="states"]')
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    tab.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.55 * box["height"])
    tab.locator("#readout", has_text="forget gate").wait_for()
    before = tab.inner_text("#day-value")
    tab.mouse.down()
    tab.mouse.up()
    tab.wait_for_timeout(200)
    assert tab.inner_text("#day-value") != before
    day, unit = int(tab.input_value("#day")), int(tab.input_value("#unit"))
    assert 0 < day < len(explanation.inputs) - 1
    assert shown(tab, "forget_gate") == pytest.approx(explanation.cell.values["forget_gate"][day, unit], abs=5.1e-4)
    assert wrong == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_printout_holds_every_chart(visit: Visit, pages, scheme: str) -> None:
    """Charts are drawn when scrolled to, and paper is not scrolled."""
    tab, wrong = visit(pages["lstm"][0], 1400, scheme)
    tab.wait_for_load_state()
    boxes, drawn = tab.locator("[data-figure]"), tab.locator("[data-figure]:has(.main-svg)")
    assert drawn.count() < boxes.count() / 2
    assert tab.pdf(format="A4").startswith(b"%PDF")
    assert drawn.count() == boxes.count() >= 11
    assert wrong == []


def test_a_still_price_makes_no_signed_zeros_and_no_magnified_dust(visit: Visit, still: Path) -> None:
    tab, wrong = visit(still, 1400)
    draw_all(tab)
    for _ in range(6):
        text = tab.inner_text("main")
        assert re.findall(r"[\u2212-]0\.0*(?!\d)", text) == []
        tab.click("#unit-back")
    ticks = tab.locator("[data-figure=features] .xtick").all_text_contents()
    assert ticks and not [tick for tick in ticks if "\u00d7" in tick]  # no power of ten
    assert wrong == []

"""The pages in Chromium: no error, no request, no sideways scroll on a phone, and the picker works."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gatecast.faces.report import backtest_report, write_html
from test_figures import EVIL
from test_report import VERDICT, page
from test_report_backtest import ABLATION, walk
from test_risk import joint
from test_risk_pictures import everything_of, page_of, ranged

pytestmark = pytest.mark.browser

QUIET = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]


def absent(what: str) -> None:
    if os.environ.get("CI") == "true":
        pytest.fail(f"{what} is absent, and CI is set")
    pytest.skip(f"{what} is absent")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        absent("playwright")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        absent("Chromium")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, args=QUIET)
        yield running
        running.close()


@pytest.fixture
def visit(browser: Any) -> Iterator[Callable[..., tuple[Any, list[str]]]]:
    """Opens a file at a width and gives the page and the list of what went wrong, which grows."""
    contexts = []

    def opened(path: Path, width: int, scheme: str = "light") -> tuple[Any, list[str]]:
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        contexts.append(context)
        tab = context.new_page()
        wrong: list[str] = []
        tab.on("console", lambda message: wrong.append(message.text) if message.type != "log" else None)
        tab.on("pageerror", lambda error: wrong.append(str(error)))
        tab.on("dialog", lambda dialog: wrong.append(f"dialog {dialog.message}"))
        tab.on("request", lambda request: None if request.url.startswith("file://") else wrong.append(request.url))
        tab.goto(path.as_uri())
        return tab, wrong

    yield opened
    for context in contexts:
        context.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pages") / "forecast.html"
    html, _ = page(
        (EVIL, "Y", "a name that goes on and on without an end " * 3),
        title=EVIL,
        verdict={**VERDICT, "text": EVIL},
        losses=[(1, 0.9, 0.8), (2, 0.5, 0.6)],
        config={EVIL: EVIL},
    )
    write_html(path, html)
    return path


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pages") / "backtest.html"
    found = walk(items=(EVIL, "Y"), models=("gatecast", "random_walk", EVIL))
    write_html(path, backtest_report(*found, ABLATION, title=EVIL))
    return path


@pytest.fixture(scope="module")
def risky(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pages") / "risk.html"
    forecast = joint(ranged(EVIL), ranged("a name that goes on and on without an end " * 3, 2), ranged("Z", 3))
    write_html(path, page_of(forecast, everything_of(EVIL), title=EVIL, verdict={**VERDICT, "text": EVIL}))
    return path


def draw_all(tab: Any) -> None:
    """Scroll through, so that every figure on show is drawn."""
    for box in tab.locator("[data-figure]:visible").all():
        box.scroll_into_view_if_needed()
        box.locator(".main-svg").first.wait_for()


@pytest.mark.parametrize(("width", "scheme"), [(400, "dark"), (1400, "light")])
def test_a_forecast_opens_without_error_or_request(visit, report, width, scheme):
    tab, wrong = visit(report, width, scheme)
    draw_all(tab)
    assert wrong == []
    assert tab.evaluate("document.documentElement.scrollWidth") == width
    assert tab.title() == EVIL
    assert tab.locator("[data-figure]:visible .main-svg").count() >= 2
    boxes = tab.evaluate("[...document.querySelectorAll('.card')].map(c => c.getBoundingClientRect().right)")
    assert max(boxes) <= width


def test_the_picker_shows_one_asset_and_draws_it_when_asked(visit, report):
    tab, wrong = visit(report, 1400)
    assert tab.locator("[data-item]:visible").count() == 1
    assert tab.locator("#item-1 .main-svg").count() == 0
    tab.select_option("#picker", "item-1")
    draw_all(tab)
    assert tab.locator("[data-item]:visible h2").first.inner_text() == "Y"
    assert tab.locator("#item-1 .main-svg").count() > 0
    tab.locator(".scroll a").nth(2).click()
    tab.locator("#item-2").wait_for(state="visible")
    assert tab.input_value("#picker") == "item-2"
    assert wrong == []


def test_figures_turn_dark_with_the_page(visit, report):
    tab, wrong = visit(report, 1400, "dark")
    draw_all(tab)
    background = "getComputedStyle(document.querySelector('#item-0 .main-svg')).backgroundColor"
    dark = tab.evaluate(background)
    tab.emulate_media(color_scheme="light")
    light = dark
    for _ in range(50):  # the page's own policy forbids the eval that wait_for_function needs
        light = tab.evaluate(background)
        if light != dark:
            break
        tab.wait_for_timeout(50)
    assert (dark, light) == ("rgb(23, 27, 34)", "rgb(255, 255, 255)") and wrong == []


@pytest.mark.parametrize(("width", "scheme"), [(400, "dark"), (1400, "light")])
def test_a_backtest_opens_without_error_or_request(visit, judged, width, scheme):
    tab, wrong = visit(judged, width, scheme)
    draw_all(tab)
    assert wrong == []
    assert tab.evaluate("document.documentElement.scrollWidth") == width
    assert tab.locator("[data-figure]:visible .main-svg").count() >= 6
    assert tab.locator(".key", has_text=EVIL).count() >= 2  # a model's name is text there too


def test_the_slider_moves_through_the_fans(visit, judged):
    tab, wrong = visit(judged, 400)
    draw_all(tab)
    slider, chosen = tab.locator("#item-0 input[type=range]"), tab.locator("#item-0 output")
    drawing = tab.locator("#item-0 .scatterlayer").first
    last, before = chosen.inner_text(), drawing.inner_html()
    slider.focus()
    for _ in range(3):
        slider.press("ArrowLeft")
    assert chosen.inner_text() < last and drawing.inner_html() != before
    for _ in range(3):
        slider.press("ArrowRight")
    assert chosen.inner_text() == last and wrong == []
    tab.select_option("#picker", "item-1")
    tab.locator("#item-1 input[type=range]").wait_for()
    assert wrong == []


@pytest.mark.parametrize(("width", "scheme"), [(400, "dark"), (1400, "light")])
def test_a_page_about_risk_opens_without_error_or_request(visit, risky, width, scheme):
    tab, wrong = visit(risky, width, scheme)
    draw_all(tab)
    assert wrong == []
    assert tab.evaluate("document.documentElement.scrollWidth") == width
    assert tab.locator("[data-figure]:visible .main-svg").count() >= 12  # two layers a figure, six figures
    boxes = tab.evaluate("[...document.querySelectorAll('.card')].map(c => c.getBoundingClientRect().right)")
    assert max(boxes) <= width
    if width == 1400:  # there is room for every column
        cut = "[...document.querySelectorAll('.scroll')].map(table => table.scrollWidth - table.clientWidth)"
        assert max(tab.evaluate(cut)) == 0
    assert tab.locator("#item-0 .hm").count() == 1 and tab.locator("#item-0 .annotation").count() == 10
    tab.select_option("#picker", "item-2")
    draw_all(tab)
    assert tab.locator("[data-item]:visible h2").first.inner_text() == "Z" and wrong == []


def test_without_scripts_everything_is_still_there(browser, report):
    context = browser.new_context(java_script_enabled=False)
    tab = context.new_page()
    tab.goto(report.as_uri())
    assert tab.locator("article h2:visible").count() >= 3
    context.close()

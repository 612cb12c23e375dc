"""Make the pictures of docs/lstm.md: `python scripts/pictures_inside.py` writes docs/img/inside-*.png.

The page's pictures come from a network trained here on the bundled sample; those of the memory experiment from
docs/memory.json, which `gatecast memory --json > docs/memory.json` makes anew in 5 to 10 minutes.
"""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
from pictures import DOCS, IMAGES, drawing
from playwright.sync_api import Browser, Page

import gatecast as gc
from gatecast.explain.explain import explain
from gatecast.explain.memory import Memory
from gatecast.faces import figures
from gatecast.faces.report.explain import explain_report
from gatecast.faces.report.page import write_html

# The cards of the page by their place.
CARDS = {"cell": 1, "states": 2, "memory": 3, "moved": 4, "bands": 5, "ingredients": 6}


def main() -> None:
    with drawing() as (folder, browser):
        prices = gc.read_prices("sample:aapl")
        network = gc.Forecaster(gc.Config.from_preset("quick", ["calibrate=true"])).fit(prices)
        inside = folder / "inside.html"
        write_html(inside, explain_report(explain(network, prices), title="Inside a forecast of AAPL"))
        tab = opened(browser, inside, 1000)
        for name, place in CARDS.items():
            tab.locator("section.card").nth(place).screenshot(path=IMAGES / f"inside-{name}.png")
        for width in (400, 1400):
            opened(browser, inside, width).screenshot(path=IMAGES / f"inside-page-{width}.png")
        recalled = Memory(rows=pd.DataFrame(json.loads((DOCS / "memory.json").read_text())["rows"]))
        for name, figure in (
            ("recall", figures.memory_errors(recalled)),
            ("vanishing", figures.memory_gradients(recalled)),
        ):
            page = folder / f"{name}.html"
            look = {"include_plotlyjs": True, "config": {"displayModeBar": False}, "default_height": "440px"}
            page.write_text(figure.to_html(**look))
            opened(browser, page, 860, 466).screenshot(path=IMAGES / f"inside-{name}.png")


def opened(browser: Browser, page: Path, width: int, height: int = 1100) -> Page:
    """The page with every figure drawn, back at its top."""
    tab = browser.new_page(viewport={"width": width, "height": height}, device_scale_factor=1.5)
    tab.goto(page.as_uri())
    for box in tab.locator("[data-figure]:visible").all():
        box.scroll_into_view_if_needed()
        box.locator(".main-svg").first.wait_for()
    tab.evaluate("scrollTo(0, 0)")
    tab.wait_for_timeout(300)
    return tab


if __name__ == "__main__":
    main()

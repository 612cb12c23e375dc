"""Make the README's pictures: `python scripts/pictures.py` writes docs/img/*.png from the bundled sample.

Chromium draws them through Playwright; nothing is fetched.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

import gatecast as gc
from gatecast.report import forecast_report, write_html

IMAGES = Path(__file__).resolve().parents[1] / "docs" / "img"
QUIET = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]


def main() -> None:
    chromium = shutil.which("chromium")
    if chromium is None:
        sys.exit("pictures are drawn by Chromium, and there is none on the PATH. Install it and run again.")
    IMAGES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        page = Path(folder) / "forecast.html"
        write_html(page, sample_report())
        browser = playwright.chromium.launch(executable_path=chromium, args=QUIET)
        for scheme in ("light", "dark"):
            picture(browser, page, scheme, IMAGES / f"fan-{scheme}.png")
        browser.close()


def sample_report() -> str:
    prices = gc.read_prices("sample:aapl")
    forecast = gc.Forecaster(gc.Config()).fit(prices).predict(prices, horizon=30, paths=1000, seed=0)
    return forecast_report(forecast, prices, level=0.9, title="sample:aapl, 30 sessions ahead")


def picture(browser: Browser, page: Path, scheme: str, target: Path) -> None:
    """The card with the fan, at twice the pixels so that it stays sharp in a README."""
    context = browser.new_context(
        viewport={"width": 1000, "height": 900}, device_scale_factor=2, color_scheme=scheme
    )
    tab = context.new_page()
    tab.goto(page.as_uri())
    tab.locator("#item-0 .main-svg").first.wait_for()
    tab.locator("#item-0 .card").first.screenshot(path=target, animations="disabled")
    context.close()
    print(target)


if __name__ == "__main__":
    main()

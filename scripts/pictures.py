"""Make the README's pictures: `python scripts/pictures.py` writes docs/img/*.png from the bundled sample.

Chromium draws them through Playwright; nothing is fetched.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

import gatecast as gc
from gatecast.faces.report import backtest_report, forecast_report, write_html
from gatecast.judge.walkforward import backtest
from gatecast.models.baselines import Garch, RandomWalk, Sma, Theta

DOCS = Path(__file__).resolve().parents[1] / "docs"
IMAGES = DOCS / "img"
QUIET = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]


def main() -> None:
    with drawing() as (folder, browser):
        forecast, judged = folder / "forecast.html", folder / "backtest.html"
        write_html(forecast, sample_report())
        write_html(judged, judged_report())
        for scheme in ("light", "dark"):
            picture(browser, forecast, scheme, "fan-0", IMAGES / f"fan-{scheme}.png")
        for figure in ("skill", "reliability", "pit", "strip-0"):
            picture(browser, judged, "light", figure, IMAGES / f"judged-{figure.removesuffix('-0')}.png")


@contextmanager
def drawing() -> Iterator[tuple[Path, Browser]]:
    """A folder for pages, and Chromium to draw them; ends the program where there is no Chromium."""
    chromium = shutil.which("chromium")
    if chromium is None:
        sys.exit("pictures are drawn by Chromium, and there is none on the PATH. Install it and run again.")
    IMAGES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=QUIET)
        yield Path(folder), browser
        browser.close()


def sample_report() -> str:
    prices = gc.read_prices("sample:aapl")
    forecast = gc.Forecaster(gc.Config()).fit(prices).predict(prices, horizon=30, paths=1000, seed=0)
    return forecast_report(forecast, prices, level=0.9, title="sample:aapl, 30 sessions ahead")


def judged_report() -> str:
    prices = gc.read_prices("sample:aapl")
    models = [gc.Forecaster(gc.Config()), RandomWalk(), Garch(), Theta(), Sma()]
    report = backtest(models, prices, horizon=5, cutoffs=24, refit=0)
    return backtest_report(report, prices, title="sample:aapl, judged on 24 origins")


def picture(browser: Browser, page: Path, scheme: str, figure: str, target: Path) -> None:
    """The card with a figure, at twice the pixels so that it stays sharp in a README."""
    context = browser.new_context(viewport={"width": 1000, "height": 900}, device_scale_factor=2, color_scheme=scheme)
    tab = context.new_page()
    tab.goto(page.as_uri())
    box = tab.locator(f"[data-figure={figure}]")
    box.scroll_into_view_if_needed()
    box.locator(".main-svg").first.wait_for()
    card = tab.locator(".card").filter(has=box)
    card.screenshot(path=target, animations="disabled")
    context.close()
    print(target)


if __name__ == "__main__":
    main()

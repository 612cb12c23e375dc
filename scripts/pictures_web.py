"""Make the pictures of docs/page.md: `python scripts/pictures_web.py` writes docs/pictures/*.png from a service.

The service is started on a free port with a folder of its own. It forecasts the bundled samples and eight made-up
assets, and its record is of the base network on 60 past cutoffs of sample:eurusd. Chromium draws the pages through
Playwright; nothing is fetched from elsewhere. With a name or two (start, read, training, result, ...) only these are
made.
"""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
from playwright.sync_api import Browser, Page, sync_playwright

import gatecast as gc
from gatecast.ledger.database import Database
from gatecast.ledger.recording import record, settings_hash
from gatecast.ledger.settling import settle

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))
from served import served  # noqa: E402

PICTURES = ROOT / "docs" / "pictures"
QUIET = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
SIZES = {1400: 1000, 400: 860}  # width: height of a picture, in pixels
CUTOFFS = 60
HORIZON = 5
NAMES = ("Alder", "Birch", "Cedar", "Elm", "Fir", "Hazel", "Larch", "Maple")  # of made-up assets


def main() -> None:
    chromium = shutil.which("chromium")
    if chromium is None:
        sys.exit("pictures are drawn by Chromium, and there is none on the PATH. Install it and run again.")
    PICTURES.mkdir(parents=True, exist_ok=True)
    wanted = sys.argv[1:]
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name)
        if not wanted or "record" in wanted:
            keep_record(folder / "ledger.db")
        panel(folder / "eight assets.csv")
        browser = playwright.chromium.launch(executable_path=chromium, args=QUIET)
        with served(folder) as address:
            places = prepared(browser, address, folder)
            for shown, show in PAGES.items():
                if not wanted or shown in wanted:
                    for width, height in SIZES.items():
                        for scheme in ("light", "dark"):
                            draw(browser, places.get(shown, address), (width, height, scheme), shown, show)
        browser.close()


def draw(browser: Browser, place: str, look: tuple[int, int, str], name: str, show: Callable[[Page], None]) -> None:
    width, height, scheme = look
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
    tab = context.new_page()
    tab.goto(place)
    show(tab)
    tab.wait_for_timeout(600)
    target = PICTURES / f"web-{name}-{width}-{scheme}.png"
    tab.screenshot(path=target, animations="disabled")
    context.close()
    print(target.relative_to(ROOT))


def at(heading: str) -> Callable[[Page], None]:
    """Scrolls to a heading, with all above it drawn, so that nothing moves later."""

    def show(tab: Page) -> None:
        drawn(tab)
        tab.evaluate(
            "id => scrollTo(0, document.getElementById(id).getBoundingClientRect().top + scrollY - 44)", heading
        )

    return show


def drawn(tab: Page) -> None:
    for box in tab.locator("[data-figure]:visible").all():
        box.scroll_into_view_if_needed()
        box.locator(".main-svg").first.wait_for()
    tab.evaluate("scrollTo(0, 0)")


def asked(tab: Page) -> None:
    """The chance to touch a price."""
    drawn(tab)
    tab.get_by_label("Chance to touch", exact=True).fill("1.15")
    tab.get_by_role("button", name="Ask").click()
    tab.locator("#asked p").first.wait_for()
    at("risk")(tab)


def still(tab: Page) -> None:
    tab.wait_for_timeout(100)


PAGES: dict[str, Callable[[Page], None]] = {
    "start": still,
    "read": drawn,
    "training": still,
    "result": drawn,
    "risk": asked,
    "rivals": at("rivals"),
    "changed": at("changed"),
    "many": still,
    "compare": at("both"),
    "record": drawn,
}


def prepared(browser: Browser, address: str, folder: Path) -> dict[str, str]:
    """The address of each page, once there is something on it."""
    tab = browser.new_page()
    earlier = folder / "EURUSD.csv"
    prices = gc.read_prices("sample:eurusd").series[0]
    known = prices.rows(0, len(prices) - 15)
    pd.DataFrame({"Date": known.timestamps, "Close": known.close}).to_csv(earlier, index=False)
    _, before = forecast(tab, address, earlier, "base")
    read, result = forecast(tab, address, "eurusd", "base")
    _, many = forecast(tab, address, folder / "eight assets.csv", "base")
    _, training = forecast(tab, address, "aapl", "quick", settings="epochs=2000 patience=0 hidden=64", wait=False)
    tab.get_by_text(re.compile(r"epoch \d{2,} of")).wait_for(timeout=600_000)
    tab.close()
    two = "&".join(f"{name}={place.rpartition('/')[2]}" for name, place in (("first", before), ("second", result)))
    return {
        "start": address,
        "read": read,
        "training": training,
        **dict.fromkeys(("result", "risk", "rivals", "changed"), result),
        "many": many,
        "compare": f"{address}/compare?{two}",
        "record": f"{address}/record?model=gatecast",
    }


def forecast(
    tab: Page, address: str, source: Path | str, preset: str, *, settings: str = "", wait: bool = True
) -> tuple[str, str]:
    """Brings a file or a sample and forecasts it; the addresses of what was read and of the run."""
    tab.goto(address)
    if isinstance(source, Path):
        tab.locator("#file").set_input_files(source)
    else:
        tab.get_by_role("button", name=source.upper()).click()
    tab.wait_for_url("**/sources/*")
    read = tab.url
    tab.locator(f"input[name=preset][value={preset}]").check(force=True)
    tab.get_by_text("More settings").click()
    tab.get_by_label("Settings", exact=True).fill(settings)
    tab.get_by_role("button", name="Forecast", exact=True).click()
    tab.wait_for_url("**/jobs/*")
    if wait:
        tab.locator("#verdict").wait_for(timeout=300_000)
    return read, tab.url


def panel(path: Path) -> None:
    """Prices of eight made-up assets: a common factor and moves of their own."""
    rng = np.random.default_rng(7)
    days = pd.bdate_range("2021-01-04", periods=1000)
    common = rng.standard_t(5, (len(days), 1)) * 0.006
    own = rng.standard_t(5, (len(days), len(NAMES))) * np.linspace(0.004, 0.02, len(NAMES))
    start = np.geomspace(8, 900, len(NAMES))
    closes = start * np.exp(np.cumsum(0.0002 + common + own, axis=0))
    pd.DataFrame(closes.round(2), columns=list(NAMES), index=days.rename("Date")).to_csv(path)


def keep_record(path: Path) -> None:
    """The base network's forecasts of sample:eurusd at past cutoffs, recorded and held against what came."""
    prices = gc.read_prices("sample:eurusd")
    series = prices.series[0]
    forecaster = gc.Forecaster(gc.Config.from_preset("base", ["calibrate=false"]))
    with Database(str(path), create=True) as database:
        for place in np.linspace(len(series) - 900, len(series) - HORIZON - 1, CUTOFFS).round().astype(int):
            known = prices.until(series.timestamps[place])
            fitted = forecaster.fit(known)
            issued = series.timestamps[place].astype("datetime64[us]").item() + timedelta(hours=20)
            record(
                database,
                fitted.predict(known, horizon=HORIZON, paths=500, seed=0),
                known,
                model=fitted.name,
                settings=settings_hash(fitted.config, fitted.weights),
                source="sample:eurusd",
                clock=lambda moment=issued: moment.replace(tzinfo=UTC),
            )
        settle(database, prices, source="sample:eurusd")


if __name__ == "__main__":
    main()

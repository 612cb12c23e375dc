"""What the pages are made of, without a browser: the headline, small pictures, assets, words, templates."""

from __future__ import annotations

import hashlib
import itertools
import re
from pathlib import Path
from xml.etree import ElementTree

import jinja2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import gatecast.errors
import gatecast.web
from gatecast.faces import figures
from gatecast.faces.headline import headline
from gatecast.faces.record_text import rival_rows
from gatecast.faces.sparks import loss_lines, spark_fan
from gatecast.forecast import ItemForecast
from gatecast.web.guard import POLICY
from gatecast.web.pages import assets
from gatecast.web.pages.frame import left_text, moment_text, number

TEMPLATES = sorted((Path(gatecast.web.__file__).parent / "templates").glob("*.html"))
WORDS = ("skill", "no evidence", "worse")
PRICE = st.floats(1e-6, 1e9)


def verdict(median: str, bands: str, ok: bool | None, origins: int = 40) -> dict[str, object]:
    honest = {"level": 0.9, "coverage": None if ok is None else 0.905, "low": None, "high": None, "ok": ok}
    return {"median": median, "bands": bands, "honest": honest, "origins": origins}


def test_the_headline_says_every_verdict_and_praises_none_that_is_worse_or_dishonest() -> None:
    texts = set()
    for median, bands, ok in itertools.product(WORDS, WORDS, (True, False, None)):
        said = headline(verdict(median, bands, ok))
        texts.add(f"{said.text} {said.held}")
        assert (said.tone == "good") == ("worse" not in (median, bands) and "skill" in (median, bands) and ok is True)
        assert (said.tone == "bad") == ("worse" in (median, bands) or ok is False)
        assert ("not honest" in said.held) == (ok is False)
    assert len(texts) == 27


def test_without_a_test_the_headline_leaves_it_open() -> None:
    assert headline(None).tone == "open"
    untested = headline(verdict("no evidence", "no evidence", None, origins=0))
    assert untested.tone == "open" and "could not be tested" in untested.text


def test_the_badge_says_whether_there_was_a_test() -> None:
    found = {**verdict("no evidence", "no evidence", True), "text": "..."}
    page = TEMPLATES[0].parent
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(page), autoescape=True)
    for told, badge in ((None, "not judged"), (found, "no evidence")):
        shown = environment.get_template("verdict.html").render(headline=headline(told), verdict=told)
        assert f">{badge}</span>" in shown


@given(st.lists(PRICE, min_size=1, max_size=8), st.lists(PRICE, min_size=1, max_size=5))
def test_a_small_fan_lies_in_its_picture(closes: list[float], median: list[float]) -> None:
    low, high = [0.9 * price for price in median], [1.1 * price for price in median]
    picture = ElementTree.fromstring(spark_fan(closes, [(low, high)], median))
    assert [part.get("class") for part in picture] == ["band", "close", "median"]
    for part in picture:
        places = np.array(re.findall(r"(-?[\d.]+) (-?[\d.]+)", part.get("d") or ""), dtype=float)
        assert (places >= 0).all() and (places <= [132, 36]).all()
    assert not re.search(r"style=|<script|on\w+=", ElementTree.tostring(picture, encoding="unicode"))


def test_the_rivals_stand_beside_the_forecast_with_what_the_verdict_found() -> None:
    row = [10.0 + place for place in range(17)]
    record = {"last_close": 20.0, "quantiles": [row], "rivals": {"random_walk": [row], "har": [row], "garch": None}}
    found = {**verdict("no evidence", "skill", True), "against": {"har": {"median": "worse", "bands": "skill"}}}
    first, walk, har, garch = rival_rows(record, found)
    assert (first["name"], first["next"], first["median"]) == ("This forecast", "12.00 \u2013 24.00", "18.00")
    assert walk["found"] == "median: no evidence, bands: skill"
    assert har["found"] == "median: worse, bands: skill"
    assert garch["found"] == "had no forecast"
    assert {row["found"] for row in rival_rows(record, None)[1:3]} == {"not judged"}


def test_the_losses_of_a_training_have_gaps_where_there_is_no_number() -> None:
    assert loss_lines([[1.0, 0.5, None]]) == ""
    picture = ElementTree.fromstring(loss_lines([[1.0, 0.5, None], [2.0, float("inf"), 0.7], [3.0, 0.25, 0.6]]))
    counts = {part.get("class"): (part.get("d") or "").count(" ") for part in picture}
    assert counts["training"] == counts["held"] == 3  # two points of two numbers each


def test_two_fans_keep_their_colours_apart() -> None:
    days = np.array(["2024-01-02", "2024-01-03"], dtype="M8[ns]")
    paths = 100 + np.arange(20.0).reshape(10, 2)
    item = ItemForecast(item_id="X", last_timestamp=np.datetime64("2024-01-01", "ns"), last_close=100.0,
                        timestamps=days, paths=paths)  # fmt: skip
    bands = [trace for trace in figures.two_fans(item, item, names=("<b>A", "B")).data if trace.fill == "toself"]
    assert len({band.fillcolor for band in bands}) == len({band.legendgroup for band in bands}) == 2
    assert bands[0].name == "&lt;b&gt;A, 90%"
    assert all(band.fillcolor in figures.DARK for band in bands)


def test_htmx_is_the_file_of_its_release() -> None:
    assert hashlib.sha256(assets.content("htmx.min.js")).hexdigest() == (
        "d6fdc75f204e6bdefa99b69bf1e6d4ac69b8a364f77929f45c13476b4000f717"
    )
    assert b'version:"2.0.11"' in assets.content("htmx.min.js")


def test_an_asset_has_an_address_that_changes_with_its_content(monkeypatch: pytest.MonkeyPatch) -> None:
    before = assets.address("web.css")
    assets.address.cache_clear()
    monkeypatch.setattr(assets, "content", lambda name: b"other")
    assert assets.address("web.css") != before
    assets.address.cache_clear()


def test_plotly_adds_styles_unless_it_finds_these_ids() -> None:
    """Found by how its bundle looks for them: a release that does it another way must be looked at."""
    assert len(assets.plotly_style_ids()) == 1
    assert b".no-inline-styles" in assets.content("plotly.min.js")


def test_the_policy_allows_nothing_inline_and_no_template_has_any() -> None:
    assert "unsafe-inline" not in POLICY and "unsafe-eval" not in POLICY
    for path in TEMPLATES:
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"""\sstyle=|\son\w+=|<style|javascript:|https?://""", text), path.name
        for tag in re.findall(r"<script[^>]*>", text):
            assert "src=" in tag or 'type="application/json"' in tag, path.name
        assert not re.search(r"\|\s*safe\b", text), path.name


def test_times_are_said_roughly_and_in_utc() -> None:
    assert moment_text("2026-03-01T23:30:00.000000Z") == "1 Mar 2026, 23:30 UTC"
    assert moment_text(None) == ""
    assert [left_text(seconds) for seconds in (30.0, 54.0, 80.0, 3290.0, 90_000.0)] == [
        "about 30 seconds left", "about 55 seconds left", "about 1 minute left", "about 55 minutes left",
        "about 25 hours left",
    ]  # fmt: skip


def test_a_number_that_is_none_is_refused_with_an_example() -> None:
    assert number(" 61.5 ", "a price") == 61.5
    with pytest.raises(gatecast.errors.UsageError, match=r"a price is a number; got 'high'"):
        number("high", "a price")

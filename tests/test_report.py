"""The page of a forecast: one file, the same bytes each time, nothing of the user's read as code."""

from __future__ import annotations

import json
import os
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from gatecast.errors import GatecastError, UsageError
from gatecast.faces.report import forecast_report, write_html
from gatecast.faces.report.page import render, setting_pairs
from gatecast.forecast import Forecast
from gatecast.notes import Note
from gatecast.prices import PriceTable
from test_figures import EVIL, item_and_history

VERDICT = {"text": "The data can't tell.", "median": "no evidence", "bands": "skill", "honest": None, "origins": 1200}


def page(names=("X",), **values):
    pairs = [item_and_history(name) for name in names]
    forecast = Forecast(items=tuple(item for item, _ in pairs), seed=7)
    prices = PriceTable(
        series=tuple(history for _, history in pairs), notes=(Note("data", f"a row was dropped {EVIL}", names),)
    )
    return forecast_report(forecast, prices, **{"level": 0.9, "title": "A title", **values}), forecast


class Reader(HTMLParser):
    """Collects tags, attributes and the text of a page as a browser sees them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.scripts: dict[str, str] = {}
        self._inside = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.text += " "
        self._inside = (dict(attrs).get("id") or tag) if tag in ("script", "style") else ""

    def handle_endtag(self, tag):
        if tag in ("script", "style"):
            self._inside = ""

    def handle_data(self, data):
        if self._inside:
            self.scripts[self._inside] = self.scripts.get(self._inside, "") + data
        else:
            self.text += data


def test_the_page_shows_verdict_reading_notes_and_settings():
    html, forecast = page(verdict=VERDICT, losses=[(1, 0.9, 0.8), (2, 0.5, 0.6)], config={"hidden": 32, "dense": ()})
    text = " ".join(Reader(html).text.split())
    item = forecast.items[0]
    low, high = item.interval(0.9)
    assert (
        f"On 2025-03-07 the median of 200 simulated prices is {item.median[-1]:.2f}; "
        f"90% of them lie between {low[-1]:.2f} and {high[-1]:.2f}." in text
    )
    for statement in (
        "The data can't tell.",
        "Origins: 1,200",
        "Bands honest: cannot tell",
        "a note",
        "X: a row was dropped",
    ):
        assert statement in text
    assert "X: a note" not in text  # an item's own note stands under its name
    assert text.index("The data can't tell.") < text.index("On 2025-03-07")
    assert text.count("2025-02-2") >= 5  # the table's dates
    assert "hidden 32" in text and "dense none" in text


def test_without_verdict_losses_or_config_their_parts_are_absent():
    text = Reader(page()[0]).text
    assert "Verdict" not in text and "Training" not in text and "Settings" not in text


def test_nothing_of_the_user_becomes_markup_or_code():
    html, _ = page((EVIL, "Y"), title=EVIL, config={EVIL: EVIL}, verdict={**VERDICT, "text": EVIL, "median": EVIL})
    seen = Reader(html)
    assert seen.text.count(EVIL) >= 10
    assert not [attrs for tag, attrs in seen.tags if (attrs.get("href") or "#")[0] != "#"]
    clean = Reader(page(("X", "Y"), title="t", config={"k": "v"}, verdict=VERDICT)[0])
    assert [tag for tag, _ in seen.tags] == [tag for tag, _ in clean.tags]
    specs = [json.loads(spec) for name, spec in seen.scripts.items() if name.startswith("fan-")]
    assert len(specs) == 2
    in_scripts = [text for name, text in seen.scripts.items() if name not in ("script", "style")]
    assert not set("<>&") & set("".join(in_scripts))  # a JSON text can't end its script, whatever a figure says


def test_the_file_names_no_address_outside_itself():
    seen = Reader(page(losses=[(1, 1.0, 1.0)])[0])
    loading = [attrs for _, attrs in seen.tags if {"src", "srcset", "action", "data"} & set(attrs)]
    assert loading == [] and not [tag for tag, _ in seen.tags if tag in ("link", "iframe", "img", "object")]
    policy = next(attrs["content"] for _, attrs in seen.tags if attrs.get("http-equiv"))
    assert "default-src 'none'" in policy


def test_the_same_values_give_the_same_bytes_with_plotly_once():
    first, again = page(verdict=VERDICT)[0], page(verdict=VERDICT)[0]
    assert first == again
    assert first.count("* plotly.js v") == 1


def test_many_assets_stay_a_small_file():
    single = len(page()[0])
    many = page(tuple(f"item {i}" for i in range(40)))[0]
    assert (len(many) - single) / 39 < 15_000
    seen = Reader(many)
    assert sum(tag == "option" for tag, _ in seen.tags) == 40
    assert "paths" not in " ".join(
        trace["name"] for trace in json.loads(seen.scripts["fan-0"])["data"] if "name" in trace
    )


def test_a_bad_level_is_refused():
    with pytest.raises(UsageError, match="between 0 and 1"):
        page(level=90.0)


def test_a_report_replaces_another_whole(tmp_path):
    target = tmp_path / "report.html"
    target.write_text("old")
    write_html(target, "new é")
    assert target.read_bytes() == "new é".encode()
    assert os.listdir(tmp_path) == ["report.html"]


def test_a_full_disk_is_a_single_line_and_keeps_what_stood(tmp_path, monkeypatch):
    target = tmp_path / "report.html"
    target.write_text("old")

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(GatecastError, match=r"report\.html': No space left on device\. .*") as caught:
        write_html(target, "new")
    assert "\n" not in str(caught.value)
    assert target.read_text() == "old" and os.listdir(tmp_path) == ["report.html"]


def test_a_missing_folder_and_a_folder_are_refused(tmp_path):
    for target in (tmp_path / "absent" / "report.html", tmp_path):
        with pytest.raises(GatecastError, match="could not be written"):
            write_html(target, "new")
    assert os.listdir(tmp_path) == []


def test_a_device_is_written_to(tmp_path):
    write_html("/dev/null", "text")
    assert not os.path.isfile("/dev/null")


def test_the_page_has_no_nan_and_no_infinity():
    html, _ = page(losses=[(1, float("inf"), float("nan"))])
    assert not re.search(r"\b(NaN|Infinity)\b", Reader(html).scripts["loss"])
    assert np.isfinite(json.loads(Reader(html).scripts["fan-0"])["data"][0]["y"]).all()


def test_the_page_explains_the_words_of_its_verdict():
    honest = {"ok": False, "level": 0.9, "coverage": 0.855}
    text = " ".join(Reader(page(verdict=VERDICT | {"honest": honest})[0]).text.split())
    for word in ("An origin is a past date", "CRPS scores the whole fan", "Holm's correction raises"):
        assert word in text
    assert "Bands honest: no (90% held 85.5%)" in text
    assert "Holm" not in Reader(page()[0]).text


def test_a_setting_that_was_not_given_is_said_to_be_unset():
    assert setting_pairs({"every": None, "refit": 1}) == [("every", "not set"), ("refit", "1")]


def test_a_title_of_a_file_name_that_is_no_text_can_be_written(tmp_path):
    page = render(
        "ablation.html",
        {},
        {
            "title": "Forecast of bad\udcff\udcfe.csv",
            "subtitle": "",
            "text": "",
            "table": [],
            "has_bars": False,
            "bars_height": 0,
            "notes": [],
        },
    )
    write_html(tmp_path / "page.html", page)
    assert "<h1>Forecast of bad.csv</h1>" in (tmp_path / "page.html").read_text()

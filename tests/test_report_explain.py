"""What the page that opens a network states: what it learned from, the sources of its bands, and a still price."""

from __future__ import annotations

import html
import re
from dataclasses import replace

import numpy as np
import pytest

from conftest import TINY, simulated_series
from gatecast.config import Config
from gatecast.explain.explain import explain
from gatecast.explain.explanation import Bands, Explanation
from gatecast.faces.report.explain import explain_report
from gatecast.models.forecaster import Forecaster
from gatecast.prices import PriceSeries, PriceTable

TABLE = PriceTable(series=(simulated_series("A", 160, 1),))


@pytest.fixture(scope="module")
def explained() -> Explanation:
    return explain(Forecaster(TINY).fit(TABLE), TABLE, horizon=4, paths=50)


def words(explanation: Explanation) -> str:
    """The text that the page shows, without its figures."""
    page = explain_report(explanation, title="Inside A")
    body = page.split("<body>")[1].split('<script type="application/json" id="dark-colours">')[0]
    shown = re.sub(r"<(script|style)\b.*?</\1>|<[^>]+>", " ", body, flags=re.DOTALL)
    return " ".join(html.unescape(shown).split())


@pytest.mark.parametrize(
    ("items", "own", "statement"),
    [
        (("A",), True, "was trained on A."),
        (("A", "B", "C"), True, "was trained on 3 items, A among them."),
        (("A",), False, "was trained elsewhere, on other rows of A."),
        (("A", "B"), False, "was trained elsewhere, on 2 items, A among them."),
        (("<b>",), False, "was trained elsewhere, on <b>; A is new to it."),
        (("B", "C", "D", "E"), False, "elsewhere, on 4 items (B, C, D and 1 more); A is new to it."),
    ],
)
def test_it_states_what_the_network_was_trained_on(
    explained: Explanation, items: tuple[str, ...], own: bool, statement: str
) -> None:
    assert statement in words(replace(explained, learned_from=items, own_rows=own))


def test_it_states_what_calibration_does_to_the_bands(explained: Explanation) -> None:
    assert "This model has no calibration" in words(explained)
    wide = np.array([0.01, 0.02])
    bands = Bands(whole=wide, noise=0.9 * wide, dropout=0.3 * wide, calibrated=wide * [0.8, 1.25], origins=70)
    text = words(replace(explained, bands=bands))
    assert "dropout alone would make the 90% band 0.6% wide, noise alone 1.8%; both make it 2.0%" in text
    assert "learned from 70 past forecasts, makes it 2.5%: 1.25 times as wide" in text
    assert "0.80 to 1.25 times" in text
    assert "too few past forecasts to calibrate from" in words(replace(explained, bands=replace(bands, origins=0)))


def test_it_states_what_the_combination_does_before_calibration(explained: Explanation) -> None:
    wide = np.array([0.01, 0.02])
    bands = Bands(whole=wide, noise=wide, dropout=wide, combined=0.9 * wide, calibrated=1.08 * wide, origins=70)
    text = words(replace(explained, bands=bands))
    assert "both make it 2.0%" in text
    assert "Averaged with the quantiles of GARCH, HAR and EWMA" in text and "the band is 1.8% wide" in text
    assert "makes it 2.2%: 1.20 times as wide" in text  # as the combination, not as the network
    assert "Averaged" not in words(replace(explained, bands=replace(bands, combined=None)))
    same = replace(bands, calibrated=0.9 * wide)
    page = explain_report(replace(explained, bands=same), title="Inside A")
    assert 'data-figure="stretch"' not in page and "Combined with other models" in page


def test_a_calibration_that_changes_nothing_has_no_chart(explained: Explanation) -> None:
    wide = np.array([0.01, 0.02])
    for calibrated, drawn in ((None, False), (wide, False), (1.1 * wide, True)):
        bands = Bands(whole=wide, noise=wide, dropout=wide, calibrated=calibrated, origins=70)
        page = explain_report(replace(explained, bands=bands), title="Inside A")
        assert ('data-figure="stretch"' in page, "After calibration" in page) == (drawn, drawn)


def test_it_states_how_far_the_predicted_move_counts(explained: Explanation) -> None:
    nothing = words(replace(explained, shrinkage=0.004))
    assert "Shrinkage 0% held-out days show no evidence of direction: the predicted move is not used" in nothing
    assert "Shrinkage 40% the share of the predicted move that is used" in words(replace(explained, shrinkage=0.4))


def test_it_states_which_days_the_base_network_learned_from(explained: Explanation) -> None:
    until = np.datetime64("2015-12-31")
    base = replace(
        explained, network="base", next_sigma=0.017, learned_until=until, member=2, members=5, own_rows=False
    )
    text, seen = words(base), words(replace(base, own_rows=True))
    opening = "This is member 2 of 5 of the base network, an LSTM trained on many price histories up to 2015-12-31"
    assert f"{opening}; it learned from none of the days of this history." in text
    assert f"{opening}, days of this history among them: there it may look better than on new days." in seen
    assert "Predicted volatility ±1.7%" in text and "Three losses" not in text


def test_a_network_trained_instead_of_the_base_network_has_a_page() -> None:
    """With start=adapt a history that ends before the base network's last day of learning gets its own network."""
    early = PriceTable(series=(simulated_series("A", 160, 1, start="2010-01-01"),))
    explanation = explain(Forecaster(Config(start="adapt")).fit(early), early, horizon=4, paths=50)
    assert explanation.network == "trained"
    assert "An LSTM was trained on A." in words(explanation)


def test_a_minus_is_a_minus(explained: Explanation) -> None:
    """No number below zero begins with a hyphen, whichever way the forecast goes."""
    for each in (
        explained,
        replace(explained, contributions=-explained.contributions, value=-explained.value, log_return=-0.01),
    ):
        assert re.findall(r"(?<![\w-])-\d[\d.]*", words(each).partition("Settings")[0]) == []
    assert "\u22121.00%" in words(replace(explained, log_return=float(np.log(0.99))))


def test_a_price_that_stands_still_is_stated() -> None:
    days = np.arange(160).astype("datetime64[D]")
    still = PriceTable(series=(PriceSeries(item_id="A", timestamps=days, close=np.full(160, 7.0)),))
    text = words(explain(Forecaster(TINY.replace(calibrate=True)).fit(still), still, horizon=4, paths=50))
    assert f"Over these {TINY.context_length} days the price stood still." in text
    assert "no move" in text and "±0" not in text
    assert "The bands have almost no width" in text
    assert "No feature moved it by as much as 0.01 basis points." in text
    assert not re.search(r"[+\u2212-]0\.0*(?![\d.])", text)

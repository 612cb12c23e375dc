"""Risk in pictures, on a page and as a grid: they hold the numbers of the forecast, and nothing of the user is code."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from typer.testing import CliRunner

from gatecast.cli import app
from gatecast.faces import figures, risk_text
from gatecast.faces.figures.risk import CONTOURS
from gatecast.faces.report import forecast_report, risk_report
from gatecast.faces.terminal.risk import show_risk
from gatecast.forecast import Forecast, ItemForecast
from gatecast.notes import Note
from gatecast.prices import PriceSeries, PriceTable
from gatecast.risk.assess import assess_risk
from gatecast.risk.contributions import contributions
from gatecast.risk.drawdown import worst_falls
from gatecast.risk.estimates import chance
from gatecast.risk.levels import level_chances
from gatecast.risk.pairs import holding_pair
from gatecast.risk.portfolio import PortfolioPaths, portfolio_paths
from gatecast.risk.questions import RiskQuestions
from gatecast.risk.weights import Portfolio
from test_figures import EVIL, colours, edges, trace
from test_report import VERDICT, Reader
from test_risk import correlated, item, joint, walk
from test_risk_run import FAST, FEW, panel, prices  # noqa: F401


def ranged(item_id: str = "X", seed: int = 1) -> ItemForecast:
    closes = walk(seed, 400)
    return item(closes, item_id, highs=closes * 1.01, lows=closes * 0.985)


def history_of(of: ItemForecast) -> PriceSeries:
    days = pd.bdate_range(end=pd.Timestamp(of.last_timestamp), periods=90).to_numpy()
    close = np.append(100 * np.exp(0.01 * np.sin(np.arange(89))), of.last_close)
    return PriceSeries(item_id=of.item_id, timestamps=days, close=close)


def page_of(forecast: Forecast, questions: RiskQuestions | None = None, **values: object) -> str:
    risk = assess_risk(forecast, questions or RiskQuestions())
    table = PriceTable(series=tuple(history_of(of) for of in forecast))
    return risk_report(risk, forecast, table, **{"title": "A title", "notes": risk.notes, **values})  # type: ignore[arg-type]


def held_by(forecast: Forecast, **weights: float) -> PortfolioPaths:
    return portfolio_paths(forecast, Portfolio(weights=weights or "equal"))


# Figures


def test_the_surface_is_one_at_the_last_close_falls_away_from_it_and_grows_with_time() -> None:
    simulated = ranged()
    surface = figures.touch_surface(simulated, history_of(simulated)).data[0]
    z, y = np.array(surface.z), np.array(surface.y)
    middle = int(np.flatnonzero(y == simulated.last_close)[0])
    assert (z[middle] == 100).all() and z.min() >= 0 and z.max() == 100
    assert (np.diff(z, axis=1) >= 0).all()
    assert (np.diff(z[: middle + 1], axis=0) >= 0).all() and (np.diff(z[middle:], axis=0) <= 0).all()
    assert (np.diff(y) > 0).all() and z[0, -1] < 5 and z[-1, -1] < 5


def test_the_surface_says_what_the_answers_say() -> None:
    simulated = ranged()
    surface = figures.touch_surface(simulated).data[0]
    for row in (3, 20, 40):
        expected = 100 * level_chances(simulated, surface.y[row]).touch.value
        assert list(surface.z[row]) == pytest.approx(expected, abs=1.0)  # prices are drawn to six digits


def test_a_contour_joins_prices_that_its_share_of_the_paths_touches() -> None:
    simulated = ranged()
    lines = next(each for each in figures.touch_surface(simulated).data if (each.name or "").startswith("Touched"))
    steps = simulated.horizon + 1
    ends = [lines.y[start : start + steps] for start in range(0, len(lines.y), steps + 1)]
    assert len(ends) == 2 * len(CONTOURS)
    for share, above, below in zip(CONTOURS, ends[::2], ends[1::2], strict=True):
        assert above[0] == below[0] == 100.0
        for end in (above[-1], below[-1]):
            assert level_chances(simulated, end).touch.value[-1] == pytest.approx(share, abs=0.01)
    assert (np.diff([end[-1] for end in ends[::2]]) < 0).all()  # the likelier, the nearer
    assert (np.diff([end[-1] for end in ends[1::2]]) > 0).all()


def test_without_ranges_the_surface_counts_closes_and_so_less() -> None:
    with_ranges = ranged()
    closes = replace(with_ranges, highs=None, lows=None)
    marked = [("price", 105.0), ("stop", 95.0)]
    (wide, narrow) = (figures.touch_surface(of, marked=marked).data[0] for of in (with_ranges, closes))
    at = [int(np.abs(np.array(of.y) - 105).argmin()) for of in (wide, narrow)]
    assert wide.z[at[0]][-1] > narrow.z[at[1]][-1]


def test_marked_prices_are_drawn_where_they_are_near() -> None:
    figure = figures.touch_surface(ranged(), marked=[("stop", 90.0), ("target", 112.0), ("price", 1000.0)])
    assert set(trace(figure, "Stop 90.00").y) == {90.0} and set(trace(figure, "Target 112.00").y) == {112.0}
    assert not [each for each in figure.data if "1,000" in (each.name or "")]
    assert figure.data[0].y[-1] < 200


def test_two_prices_asked_have_two_colours_neither_that_of_the_stop_or_the_target() -> None:
    marked = [("price", 103.0), ("stop", 95.0), ("price", 98.0), ("target", 105.0)]
    names = ("Price 103.00", "Stop 95.00", "Price 98.00", "Target 105.00")
    figure = figures.touch_surface(ranged(), marked=marked)
    assert len({trace(figure, name).line.color for name in names}) == 4


def test_a_price_that_never_moves_can_be_drawn() -> None:
    still = item(np.full((30, 3), 100.0))
    surface = figures.touch_surface(still).data[0]
    assert list(surface.z[24]) == [100.0, 100.0, 100.0] and sum(map(sum, surface.z)) == 300.0
    assert set(trace(figures.drawdown_fan(still), "Median").y) == {0.0}


def test_a_surface_of_a_long_forecast_stays_small() -> None:
    figure = figures.touch_surface(item(walk(1, 200, 250)))
    assert len(figure.data[0].x) == 60 and len(figure.to_json()) < 60_000


def test_the_drawdown_fan_is_nested_and_never_shrinks() -> None:
    simulated = ranged()
    figure = figures.drawdown_fan(simulated)
    falls = worst_falls(simulated.paths / 100, None if simulated.lows is None else simulated.lows / 100)
    wide, narrow = edges(figure, "90%"), edges(figure, "50%")
    assert (wide[0] <= narrow[0]).all() and (narrow[1] <= wide[1]).all()
    for line in (*wide, *narrow, np.array(trace(figure, "Median").y)):
        assert line[0] == 0 and (np.diff(line) <= 0).all()
    assert trace(figure, "Median").y[-1] == pytest.approx(-np.median(falls[:, -1]), rel=1e-5)
    assert trace(figure, "Worse in 1 path of 20").y[-1] == pytest.approx(-np.quantile(falls[:, -1], 0.95), rel=1e-5)


def test_the_bars_sum_to_the_shortfall_and_have_errors() -> None:
    held = held_by(correlated(), A=0.6, B=0.3, C=-0.2)
    (part,) = contributions(held, [0.05])
    figure = figures.shortfall_bars(part)
    adds, alone = figure.data[1], figure.data[0]
    assert sum(adds.x) == pytest.approx(float(part.total.value), rel=1e-4)
    assert list(figure.layout.yaxis.ticktext)[-1] == "A" and abs(adds.x[-1]) == max(map(abs, adds.x))
    assert adds.error_x.array[-1] == pytest.approx(2 * float(part.shares["A"].error), rel=1e-4)
    assert (np.array(alone.x) + 1e-9 >= np.array(adds.x)).all()


def test_the_cloud_has_every_path_once_and_colours_the_worst() -> None:
    held = held_by(correlated(), A=0.5, B=0.3, C=0.1)
    pair = holding_pair(held, level=0.05)
    assert pair is not None and pair.item_ids == ("A", "B")
    assert pair.correlation == pytest.approx(np.corrcoef(pair.returns)[0, 1])
    paths, worst = figures.joint_cloud(pair, level=0.05).data
    assert (len(paths.x), len(worst.x)) == (950, 50) and worst.name == "The portfolio's worst 5%"
    assert held.values[pair.worst, -1].max() <= held.values[~pair.worst, -1].min()
    assert sorted([*paths.x, *worst.x])[0] == pytest.approx(held.forecast["A"].paths[:, -1].min() / 100 - 1, rel=1e-4)


def test_of_equal_holdings_the_two_that_move_together_most_are_shown() -> None:
    forecast = joint(item(walk(1), "A"), item(walk(2), "B"), item(walk(3), "C"), item(200 - walk(2), "D"))
    pair = holding_pair(held_by(forecast), level=0.05)
    assert pair is not None and pair.item_ids == ("B", "D") and pair.correlation < -0.9


def test_independent_paths_and_a_single_holding_have_no_cloud() -> None:
    apart = joint(item(walk(1), "A"), item(walk(2), "B"), together=False)
    assert holding_pair(held_by(apart), level=0.05) is None
    assert holding_pair(held_by(correlated(), A=1.0), level=0.05) is None


def drawings() -> list[object]:
    held = held_by(correlated())
    pair = holding_pair(held, level=0.05)
    assert pair is not None
    marked = [("stop", 95.0), ("target", 105.0), ("price", 103.0)]
    surface = figures.touch_surface(ranged(), history_of(ranged()), marked=marked)
    bars = figures.shortfall_bars(contributions(held, [0.05])[0])
    return [surface, figures.drawdown_fan(ranged()), bars, figures.joint_cloud(pair, level=0.05)]


def test_every_colour_has_a_dark_counterpart_and_every_number_six_digits() -> None:
    for figure in drawings():
        told = json.loads(figure.to_json())  # type: ignore[attr-defined]
        assert colours(told) <= set(figures.DARK)
        assert {colour for each in told["data"] for _, colour in each.get("colorscale", [])} <= set(figures.DARK)
        shown = [value for each in told["data"] for axis in "xy" for value in each[axis] if isinstance(value, float)]
        assert all(float(f"{value:.6g}") == value for value in shown)


def test_names_are_shown_literally() -> None:
    forecast = joint(item(walk(1), EVIL), item(walk(2), "B"))
    held = held_by(forecast)
    pair = holding_pair(held, level=0.05)
    assert pair is not None
    for figure in (figures.joint_cloud(pair, level=0.05), figures.shortfall_bars(contributions(held, [0.05])[0])):
        assert "<script" not in figure.to_json() and "&lt;script&gt;" in figure.to_json()


# The page


def everything_of(name: str) -> RiskQuestions:
    return RiskQuestions(
        touch=(f"{name}=103",), above=(f"{name}=99",), stop=f"{name}=95", target=f"{name}=105",
        portfolio=Portfolio(value=10_000.0), given=f"{name}<=0%",
    )  # fmt: skip


def test_the_answers_stand_first_and_the_words_are_explained() -> None:
    forecast = joint(ranged())
    html = page_of(forecast, RiskQuestions(touch=(103.0,), stop=95.0, target=105.0), verdict=VERDICT, config={"k": "v"})
    text = " ".join(Reader(html).text.split())
    outlook = assess_risk(forecast)["X"].outlook
    lost = risk_text.plain_share(outlook.tails[1].value_at_risk[-1])
    loss = f"5% chance to lose more than {lost} by Friday 12 January"
    places = [
        text.index(part)
        for part in (loss, "Implied move: plus or minus", "chance to touch 103.00", "The data can't tell.",
                     "Chance to touch a price", "Step by step", "What the words mean", "k v")
    ]  # fmt: skip
    assert places == sorted(places)
    for word in ("Value at risk (VaR)", "Expected shortfall (ES)", "Implied move", "Touch", "Worst fall (drawdown)"):
        assert f"{word} " in text[places[-2] :]
    assert "The high and low of each simulated day count." in text


def test_the_page_of_one_item_has_no_portfolio_section() -> None:
    seen = Reader(page_of(joint(ranged())))
    for word in ("Portfolio", "Holdings", "correlation", "Joint paths", "At a glance", "Verdict", "Contribution"):
        assert word.lower() not in seen.text.lower()
    assert not [tag for tag, attrs in seen.tags if "portfolio" in attrs.get("data-figure", "")]
    assert {name for name in seen.scripts if "-" in name} == {"dark-colours", "touch-0", "falls-0"}


def test_the_page_of_a_portfolio_has_its_pictures_and_says_the_loss_in_money() -> None:
    forecast = correlated()
    seen = Reader(page_of(forecast, everything_of("B")))
    assert {name for name in seen.scripts if name.startswith("portfolio-")} == {
        "portfolio-fan", "portfolio-falls", "portfolio-parts", "portfolio-pair"
    }  # fmt: skip
    risk = assess_risk(forecast, everything_of("B"))
    assert risk.portfolio is not None
    lost = 10_000 * float(risk.portfolio.outlook.tails[1].value_at_risk.value[-1])
    text = " ".join(seen.text.split())
    assert f"({lost:,.0f} of 10,000)" in text and "correlation 0." in text
    assert "If B closes unchanged or lower on Sunday 7 January 2024" in text
    assert text.index("B: ") < text.index("Value of the portfolio")  # what was asked is answered at the top
    names = [attrs.get("value") for tag, attrs in seen.tags if tag == "option"]
    assert names == ["item-0", "item-1", "item-2"] and '<option value="item-0">B</option>' in page_of(
        forecast, everything_of("B")
    )


@pytest.mark.parametrize(
    ("weights", "why"),
    [
        ("equal", "Of the 3 largest holdings the two that move together most."),
        ({"A": 0.5, "B": 0.3, "C": 0.2}, "The two largest holdings."),
        ({"A": 0.5, "B": 0.5}, ""),
    ],
)
def test_the_page_says_why_two_holdings_were_chosen(weights: Any, why: str) -> None:
    seen = Reader(page_of(correlated(), RiskQuestions(portfolio=Portfolio(weights=weights))))
    text = " ".join(seen.text.split())
    said = text[text.index("correlation 0.") :].partition(" A dot is a path")[0]
    assert said.split(maxsplit=2)[2:] == ([why] if why else [])


def test_independent_items_have_no_cloud_on_the_page() -> None:
    apart = joint(item(walk(1), "A"), item(walk(2), "B"), together=False)
    seen = Reader(page_of(apart, RiskQuestions(portfolio=Portfolio())))
    assert "portfolio-pair" not in seen.scripts and "each for itself" in seen.text
    assert "simulated independently" in seen.text  # the note


def test_nothing_of_the_user_becomes_markup_or_code() -> None:
    pages = []
    for name, text in ((EVIL, EVIL), ("X", "t")):
        forecast = joint(ranged(name), ranged("Y", 2))
        settings = {text: text}
        pages.append(
            Reader(
                page_of(
                    forecast, everything_of(name), title=text, config=settings,
                    verdict={**VERDICT, "text": text}, notes=[Note("risk", text, ())],
                )
            )
        )  # fmt: skip
    evil, plain = pages
    assert evil.text.count(EVIL) >= 12
    assert [tag for tag, _ in evil.tags] == [tag for tag, _ in plain.tags]
    assert not [attrs for _, attrs in evil.tags if (attrs.get("href") or "#")[0] != "#"]
    in_scripts = [text for name, text in evil.scripts.items() if name not in ("script", "style")]
    assert not set("<>") & set("".join(in_scripts))  # no text in a figure can end its script


def test_the_page_names_no_address_outside_itself_and_is_the_same_each_time() -> None:
    html = page_of(correlated(), everything_of("A"))
    seen = Reader(html)
    assert not [attrs for _, attrs in seen.tags if {"src", "srcset", "action", "data"} & set(attrs)]
    assert not [tag for tag, _ in seen.tags if tag in ("link", "iframe", "img", "object")]
    policy = next(attrs["content"] for _, attrs in seen.tags if attrs.get("http-equiv"))
    assert policy is not None and "default-src 'none'" in policy
    assert html == page_of(correlated(), everything_of("A"))
    for name, spec in seen.scripts.items():
        if "-" in name:
            json.loads(spec, parse_constant=pytest.fail)


def test_many_items_stay_a_small_file_and_the_asked_one_is_among_those_shown() -> None:
    few = joint(*(item(walk(seed, 60), f"i{seed}") for seed in range(2)))
    many = joint(*(item(walk(seed, 60), f"i{seed}") for seed in range(45)))
    html = page_of(many, RiskQuestions(touch=("i44=103",)))
    assert len(html) - len(page_of(few)) < 28 * 25_000 + 45 * 1_000
    options = [attrs for tag, attrs in Reader(html).tags if tag == "option"]
    assert len(options) == 30 and '<option value="item-0">i44</option>' in html
    assert "15 more assets not shown in full" in Reader(html).text


def test_a_forecast_shows_what_can_be_lost_where_its_days_have_ranges() -> None:
    def told(of: ItemForecast, count: int = 1) -> Reader:
        items = tuple(replace(of, item_id=f"i{number}") for number in range(count))
        table = PriceTable(series=tuple(history_of(item) for item in items))
        return Reader(forecast_report(Forecast(items=items, seed=0), table, level=0.9, title="t"))

    shown = told(ranged())
    assert "What can be lost" in shown.text and {"touch-0", "falls-0"} <= set(shown.scripts)
    assert "What can be lost" not in told(replace(ranged(), highs=None, lows=None)).text
    assert "What can be lost" not in told(ranged(), 31).text  # too large a file


# Sentences and the terminal


def test_a_certain_or_impossible_chance_is_said_as_a_bound() -> None:
    never, always = chance(np.zeros(1000, dtype=bool)), chance(np.ones(1000, dtype=bool))
    assert (risk_text.chance_text(never), risk_text.chance_text(always)) == ("under 0.3%", "over 99.7%")
    assert risk_text.chance_text(chance(np.arange(1000) < 230)) == "23%"


def test_what_gains_in_nearly_every_path_has_a_gain_for_its_loss() -> None:
    outlook = assess_risk(joint(item(walk(1) * 3))).items[0].outlook
    assert risk_text.loss_text(outlook).startswith("5% chance to gain less than")


def test_the_grid_is_ordered_by_price_and_step() -> None:
    simulated = ranged()
    steps, rows = risk_text.touch_grid(simulated)
    assert steps == [1, 5, 10] and [row.move for row in rows] == [3, 2, 1, -1, -2, -3]
    chances = np.array([row.chances for row in rows])
    assert (np.diff(chances, axis=1) >= 0).all()
    assert (np.diff(chances[:3], axis=0) >= 0).all() and (np.diff(chances[3:], axis=0) <= 0).all()
    assert chances[2].tolist() == pytest.approx(level_chances(simulated, rows[2].price).touch.value[[0, 4, 9]])
    assert risk_text.touch_grid(item(walk(1, 50, 40)))[0] == [1, 5, 10, 20]
    assert risk_text.touch_grid(item(walk(1, 50, 1)))[0] == [1]


@pytest.mark.parametrize(
    ("width", "encoding", "shown"), [(100, "utf-8", True), (60, "ascii", True), (40, "utf-8", False)]
)
def test_the_grid_is_drawn_where_it_fits(width: int, encoding: str, shown: bool) -> None:
    forecast = joint(item(walk(1, 400, 30)))
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    show_risk(assess_risk(forecast), console=Console(file=stream, width=width), forecast=forecast)
    stream.flush()
    text = stream.buffer.getvalue().decode(encoding)  # type: ignore[attr-defined]
    assert ("Chance to touch a price" in text) is ("step 20" in text) is shown
    assert max(map(len, text.splitlines())) <= width
    block = "▒▒" if encoding == "utf-8" else "::"
    assert (block in text) is shown


def test_the_command_writes_the_page_and_the_grid_is_not_in_the_json(panel: Path) -> None:  # noqa: F811
    target = panel.parent / "risk.html"
    arguments = ["risk", str(panel), *FAST, *FEW, "--weights", "equal", "--report", str(target)]
    result = CliRunner().invoke(app, [*arguments, "--json"])
    assert result.exit_code == 0, result.output
    assert "Chance to touch" not in result.stdout and json.loads(result.stdout)["portfolio"]
    html = target.read_text()
    assert "<h2>Portfolio</h2>" in html and "<title>Risk" in html and f"report written to {target}" in result.stderr
    assert "Chance to touch" in CliRunner().invoke(app, arguments).stdout


@pytest.mark.parametrize("name", ["risk.pdf", "X.csv", "absent/risk.html"])
def test_a_page_that_cannot_be_written_is_refused_before_the_work(name: str, prices: Path) -> None:  # noqa: F811
    result = CliRunner().invoke(app, ["risk", str(prices), *FAST, "--report", str(prices.parent / name)])
    assert result.exit_code != 0 and prices.read_text().startswith("item_id")

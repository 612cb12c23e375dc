"""One true table, written as people's programs write it: read right, or refused in one line that names the option."""

# ruff: noqa: RUF001 - words of many scripts

from __future__ import annotations

import csv
import itertools
import random
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gatecast.errors import GatecastError
from gatecast.prices import PriceSeries
from gatecast.readers.read import read_prices

ROWS = 90
OPTION = re.compile(r"\b(date|close|item|header|day_first|decimal)=")  # as the library writes an option
NAMES = {  # date, open, high, low, close, volume
    "english": "Date,Open,High,Low,Close,Volume",
    "german": "Datum,Eröffnung,Hoch,Tief,Schlusskurs,Volumen",
    "french": "Date,Ouverture,Plus haut,Plus bas,Clôture,Volume",
    "spanish": "Fecha,Apertura,Máximo,Mínimo,Cierre,Volumen",
    "portuguese": "Data,Abertura,Máxima,Mínima,Fechamento,Volume",
    "italian": "Data,Apertura,Massimo,Minimo,Chiusura,Volume",
    "dutch": "Datum,Openen,Hoog,Laag,Slot,Volume",
    "polish": "Data,Otwarcie,Najwyzszy,Najnizszy,Zamkniecie,Wolumen",
    "czech": "Datum,Otevření,Maximum,Minimum,Zavírací cena,Objem",
    "turkish": "Tarih,Açılış,Yüksek,Düşük,Kapanış,Hacim",
    "russian": "Дата,Открытие,Максимум,Минимум,Закрытие,Объём",
    "chinese": "日期,开盘,最高,最低,收盘,成交量",
    "chinese, traditional": "日期,開盤價,最高價,最低價,收盤價,成交量",
    "japanese": "日付,始値,高値,安値,終値,出来高",
    "korean": "날짜,시가,고가,저가,종가,거래량",
    "unknown": "c0,c1,c2,c3,c4,c5",
}
DATES = {
    "iso": "%Y-%m-%d",
    "day first, dots": "%d.%m.%Y",
    "day first, slashes": "%d/%m/%Y",
    "month first": "%m/%d/%Y",
    "year first": "%Y/%m/%d",
    "compact": "%Y%m%d",
    "month by name": "%b %d, %Y",
    "day and month by name": "%d-%b-%Y",
    "with midnight": "%Y-%m-%d 00:00:00",
}
PREAMBLES = {"none": 0, "title lines": 1, "title lines and a footnote": 2}
CALENDARS = ("business days", "every day", "holidays left blank")
ASSETS = ("AAA", "BBB", "CCC")


@dataclass(frozen=True)
class Layout:
    """How a table is written."""

    names: str
    separator: str
    decimal: str
    dates: str
    newest_first: bool
    preamble: str
    shape: str  # "single", "long", "wide"
    calendar: str


def layouts(count: int) -> list[Layout]:
    """So many of all combinations, the same each time, every value of every kind among them."""
    combinations = itertools.product(
        NAMES, ",;\t|", ".,", DATES, (False, True), PREAMBLES, ("single", "long", "wide"), CALENDARS
    )
    return [Layout(*combination) for combination in random.Random(0).sample(list(combinations), count)]


def truth(calendar: str) -> dict[str, pd.DataFrame]:
    """Each asset's prices; columns date, open, high, low, close, volume."""
    days = pd.date_range("2026-06-01", periods=ROWS, freq="D" if calendar == "every day" else "B")
    assets = {}
    for number, asset in enumerate(ASSETS):
        rng = np.random.default_rng(number)
        close = 40 * (number + 1) * np.exp(np.cumsum(0.01 * rng.standard_normal(ROWS)))
        opens = close * np.exp(0.003 * rng.standard_normal(ROWS))
        high = np.maximum(opens, close) * (1 + 0.004 * rng.random(ROWS) + 0.001)
        low = np.minimum(opens, close) * (1 - 0.004 * rng.random(ROWS) - 0.001)
        volume = rng.integers(500_000, 5_000_000, ROWS)
        prices = {"open": opens, "high": high, "low": low, "close": close}
        assets[asset] = pd.DataFrame({"date": days, **{name: part.round(4) for name, part in prices.items()}}).assign(
            volume=volume
        )
    return assets


def written(layout: Layout, path: Path) -> dict[str, pd.DataFrame]:
    """Write the file; what is in it, by asset."""
    assets = truth(layout.calendar)
    if layout.shape == "single":
        assets = {"": assets["AAA"]}
    holidays = set(assets[next(iter(assets))]["date"][10::25]) if layout.calendar == "holidays left blank" else set()
    header = NAMES[layout.names].split(",")
    lines: list[list[str]] = []

    def number(value: float) -> str:
        return f"{value:.4f}".replace(".", layout.decimal)

    def spelled(day: pd.Timestamp) -> str:
        return day.strftime(DATES[layout.dates])

    if layout.shape == "wide":
        lines.append([header[0], *assets])
        for row in range(ROWS):
            day = assets["AAA"]["date"][row]
            closes = ["" if day in holidays else number(frame["close"][row]) for frame in assets.values()]
            lines.append([spelled(day), *closes])
    else:
        lines.append([*(["ticker"] if layout.shape == "long" else []), *header])
        for asset, frame in assets.items():
            for row in frame.itertuples():
                cells = [number(value) for value in (row.open, row.high, row.low, row.close)] + [str(row.volume)]
                cells = [""] * 5 if row.date in holidays else cells
                lines.append([*([asset] if layout.shape == "long" else []), spelled(row.date), *cells])
    body = lines[1:][::-1] if layout.newest_first else lines[1:]
    with path.open("w", newline="", encoding="utf-8") as stream:
        if PREAMBLES[layout.preamble]:
            stream.write("Export of prices\nAll prices as traded\n\n")
        writer = csv.writer(stream, delimiter=layout.separator)
        writer.writerows([lines[0], *body])
        if PREAMBLES[layout.preamble] == 2:
            stream.write("\nPrices are delayed. No warranty.\n")
    return {asset: frame[~frame["date"].isin(holidays)].reset_index(drop=True) for asset, frame in assets.items()}


def same(series: PriceSeries, frame: pd.DataFrame, shape: str) -> bool:
    """Whether a series is what was written."""
    if len(series) != len(frame) or not (series.timestamps == frame["date"].to_numpy()).all():
        return False
    if not np.allclose(series.close, frame["close"], rtol=1e-9):
        return False
    if shape == "wide":
        return True
    return series.volume is not None and series.has_range and bool((series.volume == frame["volume"]).all())


@pytest.mark.parametrize("layout", layouts(480), ids=str)
def test_a_table_is_read_right_or_refused_with_the_option_to_give(layout: Layout, tmp_path: Path) -> None:
    path = tmp_path / "prices.csv"
    expected = written(layout, path)
    try:
        table = read_prices(path)
    except GatecastError as error:
        text = str(error)
        assert OPTION.search(text) and "\n" not in text, text
        return
    read = {series.item_id if layout.shape != "single" else "": series for series in table}
    assert read.keys() == expected.keys(), (list(read), table.all_notes())
    assert all(same(read[asset], frame, layout.shape) for asset, frame in expected.items()), table.all_notes()


def test_most_are_read_and_few_refused(tmp_path: Path) -> None:
    """A program that refuses everything would pass the test above."""
    refused = 0
    for number, layout in enumerate(layouts(480)[:120]):
        path = tmp_path / f"{number}.csv"
        written(layout, path)
        try:
            read_prices(path)
        except GatecastError:
            refused += 1
    assert refused <= 6

"""JSON of web services: nested prices, several assets, pairs and texts; nothing in it is left out unsaid."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from conftest import texts
from gatecast.errors import UnreadableSource
from gatecast.prices import PriceTable
from gatecast.readers.read import read_prices

DAYS = [f"2025-03-{day:02}" for day in range(3, 29) if day % 7 not in (1, 2)]
CLOSES = [round(100 + 3 * float(np.sin(at)), 2) for at in range(len(DAYS))]


def read(folder: Path, document: object) -> PriceTable:
    path = folder / "ACME.json"
    path.write_text(document if isinstance(document, str) else json.dumps(document), encoding="utf-8")
    return read_prices(path)


def rows(factor: float = 1.0) -> list[dict[str, object]]:
    return [{"date": day, "close": factor * close, "volume": 1000} for day, close in zip(DAYS, CLOSES, strict=True)]


def bar(close: float) -> dict[str, float]:
    return {"o": close - 0.5, "h": close + 1, "l": close - 1, "c": close}


def chart(symbol: str, factor: float = 1.0) -> dict[str, object]:
    stamps = [1740960000 + 86400 * at for at in range(len(CLOSES))]
    quote = {"close": [factor * close for close in CLOSES], "volume": [1000] * len(CLOSES)}
    return {"meta": {"symbol": symbol, "currency": "USD"}, "timestamp": stamps, "indicators": {"quote": [quote]}}


def test_prices_in_an_object_are_columns_and_the_volume_is_no_close(tmp_path: Path) -> None:
    (series,) = read(
        tmp_path,
        {
            "instrument": "EUR_USD",
            "candles": [{"time": d, "volume": 9, "mid": bar(c)} for d, c in zip(DAYS, CLOSES, strict=True)],
        },
    )
    assert series.close.tolist() == CLOSES
    assert series.high is not None and series.high.tolist() == [close + 1 for close in CLOSES]
    assert series.volume is not None and set(series.volume) == {9}


def test_of_bid_and_ask_the_bid_is_the_close_and_the_ask_named_as_left_out(tmp_path: Path) -> None:
    table = read(tmp_path, [{"time": d, "ask": bar(c + 0.1), "bid": bar(c)} for d, c in zip(DAYS, CLOSES, strict=True)])
    (series,) = table
    assert series.close.tolist() == CLOSES
    assert any("'ask close'" in str(note) for note in table.notes)


@pytest.mark.parametrize(
    "document",
    [
        {"bars": {"AAA": rows(), "BBB": rows(2)}, "next_page_token": None},
        {
            "AAA": {"meta": {"symbol": "AAA"}, "values": rows(), "status": "ok"},
            "BBB": {"meta": {}, "values": rows(2)},
        },
        {"chart": {"result": [chart("AAA"), chart("BBB", 2)], "error": None}},
        [{"symbol": "AAA", "historical": rows()}, {"symbol": "BBB", "historical": rows(2)}],
        {"AAA": {"symbol": "AAA", "t": DAYS, "c": CLOSES}, "BBB": {"t": DAYS, "c": [2 * close for close in CLOSES]}},
        {"AAA": {d: {"close": c} for d, c in zip(DAYS, CLOSES, strict=True)},
         "BBB": {d: {"close": 2 * c} for d, c in zip(DAYS, CLOSES, strict=True)}},
    ],
    ids=["rows by symbol", "answers by symbol", "charts", "rows in rows", "columns by symbol", "rows by date"],
)  # fmt: skip
def test_each_asset_of_a_document_is_read(document: object, tmp_path: Path) -> None:
    table = read(tmp_path, document)
    assert table.item_ids == ("AAA", "BBB")
    assert table["AAA"].close.tolist() == CLOSES
    assert table["BBB"].close.tolist() == [2 * close for close in CLOSES]


def test_assets_without_names_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableSource, match="each asset needs a name of its own; 2 tables"):
        read(tmp_path, [{"rows": rows(), "page": {}}, {"rows": rows(2), "page": {}}])
    candles = [[1740960000 + 86400 * at, close, close + 1, close - 1, close] for at, close in enumerate(CLOSES)]
    with pytest.raises(UnreadableSource, match="'AAA', 'BBB' have none"):
        read(tmp_path, {"AAA": candles, "BBB": candles})


def test_dividends_beside_prices_are_no_asset(tmp_path: Path) -> None:
    (series,) = read(tmp_path, {"dividends": [{"date": "2025-03-05", "value": 1.0}] * 2, "prices": rows()})
    assert series.close.tolist() == CLOSES


def test_pairs_of_times_and_numbers_are_columns(tmp_path: Path) -> None:
    stamps = [1740960000000 + 86400000 * at for at in range(len(CLOSES))]
    (series,) = read(
        tmp_path,
        {
            "prices": [list(pair) for pair in zip(stamps, CLOSES, strict=True)],
            "market_caps": [[stamp, 1e9] for stamp in stamps],
            "total_volumes": [[stamp, 5e6] for stamp in stamps],
        },
    )
    assert series.close.tolist() == CLOSES
    assert series.volume is not None and set(series.volume) == {5e6}


@pytest.mark.parametrize(
    "document",
    [
        dict(zip(DAYS, CLOSES, strict=True)),
        {"code": "600519", "klines": [f"{day},{close}" for day, close in zip(DAYS, CLOSES, strict=True)]},
        f"history({json.dumps(rows())});",
    ],
    ids=["numbers by date", "texts", "a call"],
)
def test_rare_forms_are_read_or_refused_for_their_header(document: object, tmp_path: Path) -> None:
    try:
        (series,) = read(tmp_path, document)
    except UnreadableSource as refusal:
        assert 'close="2"' in str(refusal)
    else:
        assert series.close.tolist() == CLOSES


def test_a_short_row_is_not_called_damaged(tmp_path: Path) -> None:
    document = {"columns": ["date", "close"], "data": [[DAYS[0], 1.0, 2.0], [DAYS[1], 1.0, 2.0]]}
    with pytest.raises(UnreadableSource, match=r"each row of JSON has a cell for each column; .* Correct it\.$"):
        read(tmp_path, document)


def test_lists_in_a_row_make_no_table_of_it(tmp_path: Path) -> None:
    (series,) = read(tmp_path, [{**row, "bids": [[1, 2], [3, 4]], "tags": ["a", "b"], "ids": [1, 2]} for row in rows()])
    assert series.close.tolist() == CLOSES


def test_cells_with_their_type_or_spelling_keep_their_name(tmp_path: Path) -> None:
    (series,) = read(
        tmp_path,
        [
            {"date": {"$date": f"{day}T00:00:00Z"}, "close": {"raw": c, "fmt": "x"}, "open": {"raw": c + 1, "fmt": "x"}}
            for day, c in zip(DAYS, CLOSES, strict=True)
        ],
    )
    assert series.close.tolist() == CLOSES
    assert series.open is not None and series.open.tolist() == [close + 1 for close in CLOSES]


ROWS = [{"date": f"2024-01-{day:02}", "close": day / 2} for day in range(2, 22)]
TEXT = json.dumps(ROWS)


def test_of_a_name_that_stands_twice_in_an_object_the_first_is_kept_and_noted(tmp_path: Path) -> None:
    path = tmp_path / "X.json"
    path.write_text(TEXT.replace("}", ', "close": 99}'))
    table = read_prices(path)
    assert table["X"].close.tolist() == [row["close"] for row in ROWS]
    assert texts(table.notes) == ("kept the first of 2 values named 'close' in an object of JSON.",)


@pytest.mark.parametrize(
    ("text", "refusal"),
    [
        (TEXT.replace("1.0", "9" * 5000, 1), r"a number in JSON has at most 4,300 digits; 'X' has a longer one"),
        ("[" * 200_000, "'X' is too deeply nested"),
        ('{"date": ["2024-01-02", "2024-01-03"], "close": [1]}', "'X' has 2 cells in 'date', 1 cell in 'close'"),
        (TEXT[:-1] + ", 5]", "'X' has '5' in place of row 21"),
        (TEXT.replace("2024-01-03", "\\ud800"), r"'X' has half of one, such as \\ud800"),
        (TEXT[:-9], "'X' is damaged JSON"),
    ],
)
def test_a_refusal_says_what_is_wrong(text: str, refusal: str, tmp_path: Path) -> None:
    path = tmp_path / "X.json"
    path.write_text(text)
    with pytest.raises(UnreadableSource, match=refusal):
        read_prices(path)

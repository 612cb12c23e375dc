"""Prints docs/files.md: what is read and how, from the tables that reading goes by and from small files it reads.

python scripts/files_page.py > docs/files.md
"""

# ruff: noqa: E501, RUF001 - small files and prose read best with a line each, and some are in other scripts

from __future__ import annotations

import datetime
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
from typer.main import get_command

from gatecast.cli import app
from gatecast.errors import GatecastError, UnsafeData
from gatecast.events import HABITS
from gatecast.prices import PriceTable, stamp_text
from gatecast.readers import date_cells, numbers
from gatecast.readers.events import ANNOUNCED_NAMES, COLUMN_NAMES, KIND_NAMES, KIND_WORDS, VALUE_NAMES
from gatecast.readers.languages import NAMES
from gatecast.readers.misdated_bars import BEYOND_OWN, FORETELLS, JUDGED, RECENT
from gatecast.readers.names import NO_ITEM_NAMES, TIME_NAMES, WEAK_ITEM_NAMES
from gatecast.readers.read import read_prices
from gatecast.readers.sources import FORMATS, LARGE

TODAY = datetime.date(2026, 1, 1)
KINDS = ("date", "open", "high", "low", "close", "adj_close", "volume", "item")
DAYS = [f"{day:%Y-%m-%d}" for day in pd.bdate_range("2021-01-04", periods=6)]
BARS = ("10.0,10.4,9.9,10.3,900", "10.3,10.5,10.1,10.2,1400", "10.2,10.3,9.8,9.9,700", "9.9,10.3,9.8,10.2,1900",
        "10.2,10.6,10.2,10.5,1100", "10.5,10.6,10.1,10.2,2300")  # fmt: skip


def table(header: str, rows: list[str]) -> str:
    """A small file."""
    return "\n".join([*([header] if header else []), *rows]) + "\n"


BARRED = [f"{day},{bar}" for day, bar in zip(DAYS, BARS, strict=True)]
CLOSES = ("10.3", "10.2", "9.9", "10.2", "10.5", "10.2")
PAIRS = [f"{day},{close},2{close}" for day, close in zip(DAYS, CLOSES, strict=True)]
LONG = [
    f"{day},{name},{close}"
    for day, *pair in (row.split(",") for row in PAIRS)
    for name, close in zip(("AAA", "BBB"), pair, strict=True)
]
LAYOUTS = {
    "a row per day": table("Date,Open,High,Low,Close,Volume", BARRED),
    "another language": table("Data,Otwarcie,Najwyższy,Najniższy,Zamknięcie,Wolumen", BARRED),
    "names nobody knows": table("Q1,Q2,Q3,Q4,Q5,Q6", BARRED),
    "no header": table("", BARRED),
    "a column per asset": table("Date,AAPL,MSFT", PAIRS),
    "fields below their assets": table(
        ",AAPL,AAPL,MSFT,MSFT\nDate,PX_LAST,PX_VOLUME,PX_LAST,PX_VOLUME",
        [f"{day},{first},900,{second},700" for day, first, second in (row.split(",") for row in PAIRS)],
    ),
    "tables side by side": table(
        "AAPL,,,MSFT,\nDate,PX_LAST,,Date,PX_LAST",
        [f"{day},{first},,{day},{second}" for day, first, second in (row.split(",") for row in PAIRS)],
    ),
    "a row of units": table("Date,Close,Volume\n,USD,shares", PAIRS),
    "a row per day and asset": table("date,company,price", LONG),
    "field and asset in a name": table("Date,AAPL.Close,MSFT.Close", PAIRS),
    "two header rows": table("Price,Close,Close\nTicker,AAPL,MSFT\nDate,,", PAIRS),
    "a date in columns": table(
        "Year,Month,Day,Close", [f"{day.replace('-', ',')},10.{at}" for at, day in enumerate(DAYS)]
    ),
    "title lines": table("Security,ACME\nPeriod,Daily\nDate,Close,Volume", PAIRS),
    "split and dividends in a second close": table(
        "Date,Close,Adj Close", [f"{day},{close},{float(close) / 2:g}" for day, close in zip(DAYS, CLOSES, strict=True)]
    ),
}
SPELLINGS = (
    "2021-01-13", "2021/01/13", "2021.01.13", "20210113", "13.01.2021", "13/01/2021", "01/13/2021", "13 Jan 2021",
    "13-Jan-21", "Jan 13, 2021", "Wed, Jan 13, 2021", "2021-01", "2021-01-13 16:00:00", "2021-01-13T16:00:00Z",
    "2021-01-13 16:00:00-05:00", "01/13/2021 4:00 PM", "20210113 16:00:00 US/Eastern", "13.01.2021 16:00:00.000 GMT+0100", "13. Januar 2021",
    "13 de enero de 2021", "13. 1. 2021", "Mi, 13.01.2021", "13 января 2021 г.",
    "13 tháng 1 năm 2021", "13JAN2021:16:00:00", "'2021-01-13", "2021年1月13日", "2021M01", "2021Q1", "2021-W02", "44209", "1610496000", "1610496000000",
)  # fmt: skip
MONTHS = [f"{day:%Y-%m}" for day in pd.date_range("2006-01-01", periods=14, freq="MS")]
COLUMNS_OF_DATES = {
    "`Jan-06`, `Feb-06`, ...": [f"{pd.Timestamp(month):%b-%y}" for month in MONTHS],
    "`Jan 06`, `Feb 06`, ...": [f"{pd.Timestamp(month):%b %y}" for month in MONTHS],
    "`200601`, `200602`, ...": [month.replace("-", "") for month in MONTHS],
    "`01/01/2006`, `01/02/2006`, ...": [f"01/{month[5:]}/{month[:4]}" for month in MONTHS],
    "`21.01.26`, `21.01.27`, ...": [f"{day:%y.%m.%d}" for day in pd.bdate_range("2021-01-26", periods=40)],
    "`110/01/26`, `110/01/27`, ... of Taiwan": [
        f"{day.year - 1911}/{day:%m/%d}" for day in pd.bdate_range("2021-01-26", periods=40)
    ],
    "`2006.01`, ... `2006.1`, `2006.11`": [month.replace("-", ".").removesuffix("0") for month in MONTHS],
    "`2006`, `2007`, ...": [str(2006 + at) for at in range(10)],
}
AMOUNTS = (
    "1234.5", "1,234.5", "1.234,5", "1234,5", "1 234,5", "1'234.5", "1,26,421.44", "$1,234.5", "1.234,5 €", "R$ 143,32", "120.4p", "98,25%",
    "1.2345e3", "14.9K", "1.2M", "3 Mio",
)  # fmt: skip
REFUSED = {
    "no header": table("", [f"{day},10" for day in DAYS]),
    "no date column": table("name,close", ["a,1", "b,2"]),
    "no price column": table("date,open,high,low,P", ["2021-01-04,1,3,1,2"]),
    "assets that no column tells apart": table("date,close", [f"{day},{price}" for day in DAYS for price in (10, 20)]),
    "a row too long": table("date,close", ["2021-01-04,1,234.5", "2021-01-05,1,250.5"]),
    "an unclear order of day and month": table("date,close", ["01/02/2021,1", "02/02/2021,2"]),
    "a comma that may be either": table("date;close", ["2021-01-04;1,234", "2021-01-05;1,250"]),
    "a date in the future": table("date,close", ["2021-01-04,1", "2121-01-05,2"]),
    "a row without a date": table("date,close", ["2021-01-04,1", ",2", "2021-01-06,3"]),
    "two prices on a date": table("date,close", ["2021-01-04,1", "2021-01-04,2", "2021-01-05,3", "2021-01-06,2"]),
    "a close that is no number": table("date,close", ["2021-01-04,1", "2021-01-05,x", "2021-01-06,3"]),
    "a blank close beside other prices": table("date,open,close", ["2021-01-04,1,1", "2021-01-05,2,", "2021-01-06,3,3"]),
    "a negative price": table("date,close", ["2021-01-04,1", "2021-01-05,-2", "2021-01-06,3"]),
    "a slipped decimal point": table("date,close", [f"{day},{price}" for day, price in zip(DAYS, (9, 8, 90, 8, 9, 8), strict=True)]),
    "a high below its low": table("date,high,low,close", ["2021-01-04,3,1,1", "2021-01-05,1,3,2", "2021-01-06,3,1,1"]),
}  # fmt: skip


def read(text: str, *, repair: bool = False) -> PriceTable:
    """The table of a small file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "prices.csv"
        path.write_text(text, encoding="utf-8")
        return read_prices(path, repair=repair, today=TODAY)


def row(*cells: str) -> str:
    """A row of a Markdown table."""
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def notes_of(read_table: PriceTable) -> str:
    """What a user is told."""
    return " ".join(str(note) for note in read_table.all_notes()) or "nothing to say"


def layouts() -> Iterator[str]:
    """How small files of each layout are read."""
    yield from (row("layout", "first lines", "assets", "columns", "said"), row(*["---"] * 5))
    for layout, text in LAYOUTS.items():
        read_table = read(text)
        first = " / ".join(f"`{line}`" for line in text.splitlines()[:2])
        columns = ", ".join(read_table.series[0].columns())
        yield row(layout, first, ", ".join(read_table.item_ids), columns, notes_of(read_table))


def spellings() -> Iterator[str]:
    """How dates and numbers are read."""
    yield from (row("date", "read as", "said"), row("---", "---", "---"))
    for date in SPELLINGS:
        yield row(f"`{date}`", *_first(f'date,close\n"{date}",1\n', dated=True))
    yield from ("", row("column of dates", "first and last day", "said"), row("---", "---", "---"))
    for first, column in COLUMNS_OF_DATES.items():
        read_table = read(table("date,close", [f"{date},1.{at}" for at, date in enumerate(column)]))
        ends = (stamp_text(stamp) for stamp in read_table.series[0].timestamps[[0, -1]])
        yield row(first, ", ".join(ends), notes_of(read_table))
    yield from ("", row("number", "read as", "said"), row("---", "---", "---"))
    for amount in AMOUNTS:
        yield row(f"`{amount}`", *_first(f'date;close\n2021-01-13;"{amount}"\n', dated=False))


def _first(text: str, *, dated: bool) -> tuple[str, str]:
    try:
        read_table = read(text)
    except GatecastError as error:
        return "refused", str(error)
    series = read_table.series[0]
    return stamp_text(series.timestamps[0]) if dated else f"{series.close[0]:.10g}", notes_of(read_table)


def names() -> Iterator[str]:
    """The names of each kind of column, a language after the other."""
    for language, kinds in NAMES.items():
        yield from (f"### {'Any language' if language == 'any' else language}", "")
        for kind in KINDS:
            if kind in kinds:
                yield f"- {kind.replace('_', ' ')}: {', '.join(kinds[kind])}"
        yield ""


def options() -> Iterator[str]:
    """The options that say what a source holds."""
    yield from (row("option", "what it says"), row("---", "---"))
    for parameter in get_command(app).commands["forecast"].params:  # type: ignore[attr-defined]
        if getattr(parameter, "rich_help_panel", None):
            flags = [*parameter.opts, *parameter.secondary_opts]
            yield row(", ".join(f"`{flag.strip()}`" for flag in flags if flag.strip()), parameter.help)


def refusals() -> Iterator[str]:
    """What is refused, in the words of the refusal, and what `repair=True` does."""
    yield from (row("in the file", "the line that refuses it", "with `repair=True`"), row("---", "---", "---"))
    for what, text in REFUSED.items():
        try:
            read(text)
        except GatecastError as error:
            repaired = notes_of(read(text, repair=True)) if isinstance(error, UnsafeData) else "the same"
            yield row(what, str(error), repaired)
        else:
            yield row(what, "not refused", "")


def sources() -> list[str]:
    """Where prices may come from."""
    return [
        f"A source is {FORMATS}, whatever its ending; `-` for standard input;",
        "`sample:NAME`; `yahoo:TICKER`; in Python also a frame or series of pandas, a table of polars or pyarrow. gzip is",
        "unpacked. Of text, the encoding and the separator (comma, semicolon, tab or `|`) are found. Of a spreadsheet",
        "(.xlsx, .ods, .xls) the first visible sheet with dates and prices is read, or the one that `--sheet` names. JSON",
        "is rows, or columns by name, of one asset or of several. A CSV file of more than "
        f"{LARGE // 1024**2} MB is read block by",
        "block, in little more memory than its numbers take, which is 8 bytes each.",
    ]


def events() -> list[str]:
    """How dates of events are read."""
    return [
        "## Dates of events",
        "",
        "`--events FILE`, or `read_events(FILE)`, reads the same formats ([events.md](events.md)): a row an event, with a",
        "date and a kind; without an item it is of every item. Beside prices, a column called "
        f"{listed_names(COLUMN_NAMES)} holds the events of its rows.",
        "",
        "| column | names |",
        "| --- | --- |",
        f"| the kind | {', '.join(KIND_NAMES)} |",
        f"| the day of the announcement | {', '.join(ANNOUNCED_NAMES)} |",
        f"| a value, known with the date | {', '.join(VALUE_NAMES)} |",
        "| the date, the item | as of prices |",
        "",
        "| kind | known ahead, days | other words for it |",
        "| --- | ---: | --- |",
        *(f"| {kind} | {days} | {', '.join(KIND_WORDS[kind])} |" for kind, days in HABITS.items()),
        "| any other | 0 | |",
        "",
        "Where no day of an announcement is given, an event is used from so many calendar days before its date.",
        "",
        "## Bars that are left unused",
        "",
        f"Where the range of a day goes with the next day's move (rank correlation above {FORETELLS:g}, and at least "
        f"{BEYOND_OWN:g} more than",
        f"with its own day's), in the last {JUDGED} rows or the last "
        f"{RECENT}, open, high and low are left out and a note says so: free daily bars of currencies",
        "stamp the price of a day's start as its close, so that their ranges would foretell the next day.",
        "",
    ]


def listed_names(names: tuple[str, ...]) -> str:
    """Names in code: `event`, `events`."""
    return ", ".join(f"`{name}`" for name in names)


def files_page() -> str:
    """The page, in Markdown."""
    weak = ", ".join(WEAK_ITEM_NAMES)
    lines = [
        "# Files",
        "",
        "What gatecast reads and how. This page is printed by `python scripts/files_page.py` from the tables that",
        "reading goes by and from small files that it reads; a test compares them.",
        "",
        "## Sources",
        "",
        *sources(),
        "",
        "## Layouts",
        "",
        "A column is known by its name. Case, accents, signs, a unit (`Close (USD)`) and a word for price (`LOW_PX`) do",
        "not matter, and ä may be written a or ae. Where names do not say it, values do: four near-equal columns, of which one is the highest",
        "and one the lowest in every row, and whose range is that of the day's moves, are open, high, low and close of",
        "one asset; the column that moves like a volume is its volume. Where dates repeat and a column tells their rows",
        "apart, that column names the asset, whatever it is called. Each such reading is said in a note.",
        "",
        *layouts(),
        "",
        "## Say it yourself",
        "",
        "`forecast`, `risk`, `backtest`, `ablate` and `explain` take these options, and `read_prices` the same names:",
        '`read_prices("prices.csv", close="Kurs", item="Firma", header=True, day_first=True)`.',
        "",
        *options(),
        "",
        "## Dates and numbers",
        "",
        "A whole column decides: the order of day and month, and whether a comma is a decimal sign. Here each cell stands",
        "alone in its column.",
        "",
        *spellings(),
        "",
        f"Blank numbers: {', '.join(f'`{word}`' for word in numbers.BLANKS if word)}, or nothing. Blank dates:",
        f"{', '.join(f'`{word}`' for word in sorted(date_cells.BLANKS) if word)}, or nothing.",
        "",
        "## What is refused",
        "",
        "A refusal is one line: the rule, where it is broken, and what to do. `repair=True` makes the repairs that are a",
        "guess, and says which. These lines are as `read_prices` writes them; the command writes `--repair` in place of",
        '`repair=True` and `--close Kurs` in place of `close="Kurs"`.',
        "",
        *refusals(),
        "",
        *events(),
        "## Names of columns",
        "",
        "Of two columns of a kind, the one whose name stands first here is taken.",
        "",
        *names(),
        "### Where dates repeat",
        "",
        f"- the asset, before columns of any other name: {weak}",
        f"- never the asset: {', '.join(NO_ITEM_NAMES)}",
        f"- the time of day beside a date: {', '.join(TIME_NAMES)}",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(files_page(), end="")

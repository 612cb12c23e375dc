"""Two thousand mangled CSV files: each gives a valid table or an error of a single line, never anything else."""

# ruff: noqa: E501 - a table of cases reads best with a case a line

from __future__ import annotations

import datetime
import gzip
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from conftest import texts
from gatecast.errors import GatecastError, UnsafeData
from gatecast.prices import PriceTable
from gatecast.readers import sources
from gatecast.readers.read import read_prices

TODAY = datetime.date(2026, 1, 1)
JUNK = [
    "", " ", "NaN", "null", "inf", "-1", "0", "1e400", "1,5", "1.234,56", "$5", "03/04/2021", "2021-02-30", "99999999999",
    '"', "'", ",", ";", "\t", "|", "\n", "\r", "\0", "é", "\ufeff", "\u202e", "date", "close", "=1+1", "%", "1_000", "٣",
    "9" * 400, "-", ".", "Infinity", "2021-01-04T25:00", "1609718400", "1e-320", "\ud7ff", "()", "12:00", "(?P<y>", "\x1b[0m",
]  # fmt: skip


def base(rng: np.random.Generator) -> str:
    """A sound table of a random layout."""
    days = pd.bdate_range("2021-01-04", periods=int(rng.integers(1, 40)))
    spelling = str(rng.choice(["%Y-%m-%d", "%d/%m/%Y", "%m/%d/%Y", "%Y%m%d", "%b %d %Y", "%Y-%m-%d %H:%M:%S+00:00"]))
    close = 50 + np.round(rng.normal(0, 1, len(days)).cumsum(), 2)
    layout = int(rng.integers(5))
    lines = [
        "date,close",
        "Date,Open,High,Low,Close,Adj Close,Volume",
        "ticker,date,close",
        "date,AAPL,MSFT,C",
        "Price,Close,High\nTicker,A,A\nDate,,",
    ][layout].split("\n")
    for day, price in zip(days, close, strict=True):
        date, p = day.strftime(spelling), f"{price:.2f}"
        lines.append(
            [
                f"{date},{p}",
                f"{date},{p},{price + 1:.2f},{price - 1:.2f},{p},{price / 2:.2f},100",
                f"{'AB'[int(rng.integers(2))]},{date},{p}",
                f"{date},{p},{p},{p}",
                f"{date},{p},{p}",
            ][layout]
        )
    return "\n".join(lines) + "\n"


def mangle(text: str, rng: np.random.Generator) -> bytes:
    """The text after a few random injuries, as bytes of a random encoding."""
    for _ in range(int(rng.integers(0, 6))):
        kind, at = int(rng.integers(8)), int(rng.integers(len(text) + 1))
        lines = text.split("\n")
        line = int(rng.integers(len(lines)))
        cells = lines[line].split(",")
        junk = str(rng.choice(JUNK))
        if kind == 0:
            text = text[:at] + junk + text[at:]
        elif kind == 1:
            text = text[:at] + text[at + int(rng.integers(1, 20)) :]
        elif kind in (2, 3):
            cells[int(rng.integers(len(cells)))] = junk
            text = "\n".join([*lines[:line], ",".join(cells), *lines[line + 1 :]])
        elif kind == 4:
            text = "\n".join([*lines[:line], lines[line], *lines[line:]])
        elif kind == 5:
            text = "\n".join(rng.permutation(np.array(lines)).tolist())
        elif kind == 6:
            text = text.replace(",", str(rng.choice([";", "\t", "|", ",,", ", "])))
        else:
            text = "\n".join(lines[:line] + lines[line + 1 :])
    content = text.encode(
        str(rng.choice(["utf-8", "utf-8-sig", "utf-16", "cp1252"], p=[0.7, 0.1, 0.1, 0.1])), "replace"
    )
    if rng.random() < 0.1:
        at = int(rng.integers(len(content) + 1))
        content = content[:at] + rng.bytes(int(rng.integers(1, 9))) + content[at:]
    return gzip.compress(content) if rng.random() < 0.05 else content


def check(path: Path, *, repair: bool) -> str:
    """The outcome of reading a file; an exception of another kind fails the test."""
    try:
        table = read_prices(path, repair=repair, today=TODAY)
    except GatecastError as error:
        text = str(error)
        assert text and "\n" not in text and "\r" not in text and text.isprintable() and len(text) < 1500, repr(text)
        return type(error).__name__
    assert isinstance(table, PriceTable)
    for series in table:
        assert series.item_id and len(series) >= 1 and series.item_id.isprintable()
        assert series.timestamps[-1] < np.datetime64("2026-01-02")
        if series.high is not None and series.low is not None:
            assert (series.low <= series.close).all() and (series.close <= series.high).all()
        assert all(note.items == (series.item_id,) for note in series.notes)
    for note in texts(table.all_notes()):
        assert note.endswith(".") and note.isprintable(), repr(note)
    return "table"


@pytest.mark.parametrize("part", range(4))
def test_two_thousand_mangled_files(part: int, tmp_path: Path) -> None:
    seen: dict[str, int] = {}
    path = tmp_path / "X.csv"
    for seed in range(500 * part, 500 * (part + 1)):
        rng = np.random.default_rng(seed)
        path.write_bytes(mangle(base(rng), rng))
        for repair in (False, True):
            began = time.monotonic()
            try:
                outcome = check(path, repair=repair)
            except Exception as error:
                raise AssertionError(f"seed {seed}, repair {repair}: {path.read_bytes()!r}") from error
            seen[outcome] = seen.get(outcome, 0) + 1
            assert time.monotonic() - began < 20
            assert not (repair and outcome == "UnsafeData")
            if outcome != "UnsafeData":
                break  # --repair changes only what is refused as unsafe
    assert seen["table"] > 200 and seen["UnsafeData"] > 30 and seen["UnreadableSource"] > 100, seen


DAILY = [
    f"{day:%Y-%m-%d},{66 + step % 3}.25,{66 + step % 3}.75"
    for step, day in enumerate(pd.bdate_range("2024-01-02", periods=40))
]


@pytest.mark.parametrize("last", ["2024-02-27,67.", "2024-02-27", "2024-02-2", "20"])
@pytest.mark.parametrize("large", [False, True])
def test_a_last_line_that_is_cut_off_is_dropped_and_named(
    last: str, large: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "X.csv"
    path.write_text("\n".join(["date,open,close", *DAILY, last]))
    if large:
        monkeypatch.setattr(sources, "LARGE", 10)
    table = read_prices(path, today=TODAY)
    cells = last.count(",") + 1
    assert texts(table.all_notes()) == (
        f"dropped line 42, the last, which is cut off: '{last}' has {cells} of 3 cells and no line end.",
    )
    assert len(table["X"]) == 40 and table["X"].close[-1] == 66.75


@pytest.mark.parametrize("last", ["2024-02-27,67.5,67.1", "Source: exchange", ""])
def test_a_last_line_that_is_whole_or_a_footnote_is_no_cut(last: str, tmp_path: Path) -> None:
    path = tmp_path / "X.csv"
    path.write_text("\n".join(["date,open,close", *DAILY, last]))
    table = read_prices(path, today=TODAY)
    assert not any("cut off" in note for note in texts(table.all_notes()))
    assert len(table["X"]) == 40 + last.startswith("2024")


@pytest.mark.parametrize("newest_first", [False, True])
@pytest.mark.parametrize("large", [False, True])
def test_a_last_price_without_a_line_end_that_lost_a_digit_is_refused(
    newest_first: bool, large: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    days = [line.rsplit(",", 1)[0] for line in DAILY]
    lines = ["date,close", *(days[::-1] if newest_first else days)]
    lines[-1] = lines[-1].split(",")[0] + ",6"
    path = tmp_path / "X.csv"
    path.write_text("\n".join(lines))
    if large:
        monkeypatch.setattr(sources, "LARGE", 10)
    with pytest.raises(
        UnsafeData, match=r"last line must be whole.*has close '6(\.0)?', 11 times smaller.*at line 41 "
    ):
        read_prices(path, today=TODAY)
    assert len(read_prices(path, repair=True, today=TODAY)["X"]) == 39
    path.write_text("\n".join(lines) + "\n")  # which says that the line is whole
    table = read_prices(path, today=TODAY)
    assert len(table["X"]) == 40
    if not newest_first:
        assert any("last price, 6, is 11 times smaller" in note for note in texts(table.all_notes()))

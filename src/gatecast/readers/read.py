"""Reads any price source into a checked `PriceTable`: the steps, in order."""

from __future__ import annotations

import datetime
from pathlib import Path

import numpy as np
import pandas as pd

from gatecast.calendars import open_calendar
from gatecast.errors import UnreadableSource, check_type
from gatecast.prices import PriceTable
from gatecast.readers.cells import read_cells
from gatecast.readers.findings import Findings
from gatecast.readers.headers import with_header
from gatecast.readers.layouts import find_layout
from gatecast.readers.repairs import repair_item
from gatecast.readers.rows import split_items
from gatecast.readers.sources import open_source
from gatecast.text import shown


def read_prices(
    source: str | Path | pd.DataFrame | pd.Series,
    *,
    calendar: str | None = None,
    repair: bool = False,
    today: datetime.date | None = None,
) -> PriceTable:
    """The checked prices of a file, `-`, `sample:NAME`, `yahoo:TICKER`, or a pandas frame or series.

    Safe repairs are made and noted; unsafe ones raise `UnsafeData` unless `repair`, which makes and notes
    them. `calendar` is an exchange code such as "XNYS"; `today` (default: the real date) is the last date
    that is not in the future. Raises `UsageError` for a wrong argument, `UnreadableSource` where no table
    can be made.

    >>> table = read_prices("sample:aapl")
    >>> table.item_ids, len(table["AAPL"])
    (('AAPL',), 3270)
    """
    if calendar is not None:
        check_type("calendar", calendar, str, 'Give for example calendar="XNYS".')
        open_calendar(calendar)
    check_type("repair", repair, bool, "Give repair=True or leave it out.")
    if today is not None:
        check_type("today", today, datetime.date, "Give a datetime.date.")
    findings = Findings()
    name, content = open_source(source)
    grid = read_cells(content, shown(name), findings)
    if not grid.names:
        grid = with_header(grid)
    # The later of the dates here and in Greenwich, so that no row of today counts as future.
    today = today or max(datetime.date.today(), datetime.datetime.now(datetime.UTC).date())
    items = split_items(grid, find_layout(grid, name), np.datetime64(today, "D"))
    kept = tuple(series for item in items if (series := repair_item(item, calendar)) is not None)
    if not repair:
        findings.refuse()
    if not kept:
        raise UnreadableSource("a table needs at least one row with a date and a price; this one has none. Add prices.")
    return PriceTable(series=kept, calendar=calendar, notes=tuple(findings.notes))

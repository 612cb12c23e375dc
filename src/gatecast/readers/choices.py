"""What a caller says about a source, instead of leaving it to be found: columns, sheet, header, decimals, events."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gatecast.errors import UsageError, briefly
from gatecast.text import shown

if TYPE_CHECKING:
    from gatecast.events import Events

COLUMNS = ("date", "close", "open", "high", "low", "volume", "item")  # what a column can be said to be


@dataclass(frozen=True, kw_only=True)
class ReadOptions:
    """How to read a source; None leaves a thing to be found. Raises `UsageError` for values that cannot be meant.

    >>> ReadOptions(close="Kurs", item="Firma").columns()
    {'close': 'Kurs', 'item': 'Firma'}
    """

    date: str | None = None  # a column's name, or its number from 1 where there is no header
    close: str | None = None
    open: str | None = None
    high: str | None = None
    low: str | None = None
    volume: str | None = None
    item: str | None = None  # the column that names the asset of a row
    sheet: str | None = None  # of a workbook
    header: bool = True  # False: the first line holds prices, and columns are named 1, 2, ...
    day_first: bool | None = None  # 03/04/2021 is 3 April; False: 4 March
    decimal: str | None = None  # "." or ","
    events: Events | str | Path | None = None  # dated events beside the prices, or the source that holds them

    def __post_init__(self) -> None:
        for name in (*COLUMNS, "sheet"):
            value = getattr(self, name)
            if value is not None and not (isinstance(value, str) and value.strip()):
                raise UsageError(f'{name} is a name in the source; got {value!r}. Give a text such as {name}="Name".')
        if self.events is not None:
            from gatecast.events import Events  # not before it is asked for: the command's help loads no numpy

            if not (isinstance(self.events, Events | Path | str) and str(self.events)):
                raise UsageError(f'events are Events or a file; got {briefly(self.events)}. Give events="events.csv".')
        if self.decimal not in (None, ".", ","):
            raise UsageError(f"the decimal sign is '.' or ','; got {shown(self.decimal)}. Give one of them.")
        for name in ("header", "day_first"):
            value = getattr(self, name)
            if not isinstance(value, bool) and (value is not None or name == "header"):
                raise UsageError(f"{name} is True or False; got {value!r}. Give one of them.")
        said = list(self.columns().values())
        twice = next((column for column in said if said.count(column) > 1), None)
        if twice is not None:
            raise UsageError(f"a column is used once; {shown(twice)} is given twice. Give another column.")

    def words(self) -> list[str]:
        """The options of the command that say the same; events that are no file have none."""
        said = {**self.columns(), "sheet": self.sheet, "decimal": self.decimal}
        if isinstance(self.events, str | Path):
            said["events"] = str(self.events)
        words = [word for name, value in said.items() if value is not None for word in (f"--{name}", value)]
        words += [] if self.header else ["--no-header"]
        return words + {None: [], True: ["--day-first"], False: ["--month-first"]}[self.day_first]

    def columns(self) -> dict[str, str]:
        """The columns that were named: {what it is: its name}."""
        return {name: value for name in COLUMNS if (value := getattr(self, name)) is not None}


AS_FOUND = ReadOptions()  # nothing is said


def name_it(what: str, column: str) -> str:
    """How to say what a column is; the command writes it as its option (`faces.options.as_options`).

    >>> name_it("close", "Kurs")
    'close="Kurs"'
    """
    text = shown(column)[1:-1]
    return f"{what}='{text}'" if '"' in text else f'{what}="{text}"'


def reading_words(reading: ReadOptions, calendar: str | None, *, repair: bool) -> list[str]:
    """The options of the command by which a source was read."""
    return [
        *reading.words(),
        *([] if calendar is None else ["--calendar", calendar]),
        *(["--repair"] if repair else []),
    ]

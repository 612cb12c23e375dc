"""Tables that fit the terminal: its width, its encoding, its colours."""

from __future__ import annotations

import re
from collections.abc import Mapping

from rich import box
from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.table import Table
from rich.text import Text

NAME_COLUMNS = 28  # of an item id; longer ones are cut


def style_of(style: str, console: Console) -> str:
    """A style, or none where the console has no colour."""
    return "" if console.no_color else style


def safe(text: str, console: Console) -> str:
    """Text without control characters (an item id must not steer the terminal), in the stream's encoding."""
    visible = "".join(letter if letter.isprintable() else "\ufffd" for letter in text)
    return visible.encode(console.encoding, "replace").decode(console.encoding)


def table_width(columns: Mapping[str, list[str]]) -> int:
    """How wide a table of these columns is."""
    return sum(max(map(cell_len, [name, *cells])) + 3 for name, cells in columns.items())


def fitted_table(columns: dict[str, list[str]], spare: tuple[str, ...], console: Console) -> Table:
    """A table that fits the width: `spare` columns are left out, in order, then names are cut, never numbers."""

    for name in spare:
        if table_width(columns) > console.width:
            columns.pop(name)
    if "item" in columns:
        others = {name: cells for name, cells in columns.items() if name != "item"}
        room = max(console.width - table_width(others) - 3, 6)
        columns["item"] = [_cut(name, min(room, NAME_COLUMNS)) for name in columns["item"]]
    table = Table(
        box=box.ASCII if console.options.ascii_only else box.SIMPLE_HEAD,
        header_style=style_of("bold", console),
        show_edge=False,
    )
    for name in columns:
        table.add_column(name, justify="left" if name in ("item", "date") else "right", overflow="fold")
    for row in zip(*columns.values(), strict=True):
        table.add_row(*(Text(cell) for cell in row))
    return table


def broken_name(name: str, room: int) -> str:
    """A model's name in lines of at most `room` columns where its parts are that short, broken between them.

    >>> broken_name("my_model.py:MyModel", 16)
    'my_model.py:\\nMyModel'
    """
    lines = [""]
    for part in re.findall(r"[^:,=/_]+[:,=/_]?|[:,=/_]", name):
        if lines[-1] and cell_len(lines[-1] + part) > room:
            lines.append("")
        lines[-1] += part
    return "\n".join(lines)


def _cut(name: str, room: int) -> str:
    return name if cell_len(name) <= room else set_cell_size(name, room - 2) + ".."

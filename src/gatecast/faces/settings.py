"""The settings as a table in the terminal and as the page docs/settings.md."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from gatecast.faces.wording import setting_text

Row = tuple[str, str, tuple[Any, ...], str]


def show_rows(presets: Sequence[str], rows: Sequence[Row]) -> None:
    """A table for each group: setting, its value in each preset, unit and reason; differing values are marked."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    for group, members in groupby(rows, key=lambda row: row[0]):
        table = Table(title=group, title_justify="left", show_edge=False, pad_edge=False)
        table.add_column("setting")
        for preset in presets:
            table.add_column(preset)
        table.add_column("what it is")
        for _, key, values, description in members:
            style = "bold" if len(set(values)) > 1 else None
            table.add_row(key, *map(setting_text, values), description, style=style)
        console.print(table)
        console.print()


def settings_page(presets: Sequence[str], rows: Sequence[Row]) -> str:
    """The page, in Markdown."""
    lines = [
        "# Settings",
        "",
        "Every setting with its value in each preset, its unit and its reason. Set one with `--set key=value`, or in",
        'Python with `Config.from_preset(preset, ["key=value"])`. This page is what `gatecast settings --markdown`',
        "prints; `gatecast settings --preset base --beside reference` shows two presets in the terminal. A dash: no",
        "effect, since the base network is as it was trained.",
    ]
    for group, members in groupby(rows, key=lambda row: row[0]):
        lines += ["", f"## {group}", "", f"| setting | {' | '.join(presets)} | what it is |"]
        lines += ["|" + " --- |" * (len(presets) + 2)]
        for _, key, values, description in members:
            lines.append(f"| `{key}` | {' | '.join(map(setting_text, values))} | {description} |")
    return "\n".join(lines) + "\n"

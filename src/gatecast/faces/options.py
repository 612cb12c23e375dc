"""Messages of the library in the words of the command, wherever the command shows them: on stderr, a page, as JSON."""

from __future__ import annotations

import re
import shlex

# Arguments that are options of the command, too; a file may hold other texts such as href="x".
NAMES = (
    "calendar", "close", "date", "day_first", "decimal", "events", "header", "high", "item", "judge", "level", "low",
    "open", "paths", "repair", "resume", "risk", "seed", "sheet", "timeout", "volume",
)  # fmt: skip
_ARGUMENT = re.compile(
    rf"""(?<![\w'"])(?P<name>{"|".join(NAMES)})=(?:(?P<flag>True|False)\b|(?P<number>\d+(?:\.\d+)?)\b|"(?P<text>[^"]*)"|'(?P<other>[^']*)')"""
)
_OPPOSITES = {"day-first": "month-first"}  # of options whose opposite has a name of its own


def as_options(text: str) -> str:
    """A message of the library as the command says it: its keyword arguments as options.

    >>> as_options('pass repair=True, or calendar="XNYS"'), as_options("loss=mae")
    ('pass --repair, or --calendar XNYS', 'loss=mae')
    >>> as_options('pass header=False with close="Adj Close", or day_first=False')
    "pass --no-header with --close 'Adj Close', or --month-first"
    """

    def option(argument: re.Match[str]) -> str:
        name = argument["name"].replace("_", "-")
        text = next((argument[kind] for kind in ("number", "text", "other") if argument[kind] is not None), None)
        if text is not None:
            return f"--{name} {shlex.quote(text)}"
        return f"--{name}" if argument["flag"] == "True" else f"--{_OPPOSITES.get(name, f'no-{name}')}"

    return _ARGUMENT.sub(option, text)

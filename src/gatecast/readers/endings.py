"""The end of a text file: whether its last line was cut off, as by a copy or download that did not finish."""

from __future__ import annotations

import re
from itertools import islice

from gatecast.readers.findings import Findings
from gatecast.text import shown

_COMPARED = 20  # lines before the last one


def without_cut_line(text: str, separator: str, findings: Findings) -> str:
    """The text without a last line that has no line end and fewer cells than each of the lines before it; a note says
    so. A line that does not begin with a digit is a footnote.
    """
    last = text.rfind("\n") + 1
    if not re.match(r'["\']?\d', text[last:]):
        return text
    cells = _cells(text[last:], separator)
    before = islice(filter(str.strip, reversed(text[: last - 1][-1_000_000:].split("\n"))), _COMPARED)
    usual = min((_cells(line, separator) for line in before), default=0)
    if cells >= usual:
        return text
    findings.note(cut_off(text.count("\n") + 1, text[last:], cells, usual))
    return text[:last]


def cut_off(line: int, text: str, cells: int, usual: int) -> str:
    """The note of a last line that was cut off and dropped."""
    return (
        f"dropped line {line}, the last, which is cut off: {shown(text)} has {cells} of {usual} cells and no line end."
    )


def _cells(line: str, separator: str) -> int:
    return re.sub(r'"[^"]*"', "", line).count(separator) + 1

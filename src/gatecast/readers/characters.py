"""Cells in plain characters: digits of other scripts, spaces and signs of typesetting, marks of spreadsheets."""

# ruff: noqa: RUF001 - characters of many scripts

from __future__ import annotations

import re

import pyarrow as pa
import pyarrow.compute as pc

_UNUSUAL = r"[^\x00-\x7f]|^['=]"
_PLAIN = str.maketrans(
    {
        **{chr(zero + digit): str(digit) for zero in (0xFF10, 0x0660, 0x06F0) for digit in range(10)},
        **dict.fromkeys("\u00a0\u202f\u2009\u2007\u2008\u200a\u3000", " "),
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2212\uff0d\uff70", "-"),
        **dict.fromkeys("\u200b\u200e\u200f\u2060\u2066\u2067\u2068\u2069\u202a\u202b\u202c\u202d\u202e\ufeff"),
        **{"．": ".", "，": ",", "：": ":", "／": "/", "％": "%", "٫": ".", "٬": ","},
    }
)
_QUOTED = re.compile(r"^=\s*\"(.*)\"$|^'(?=[^']*$)")  # ="2026-11-20" and '2026-11-20 are text to a spreadsheet


def plain(cell: str) -> str:
    """A cell in plain characters.

    >>> plain("２０２６\u201311\u201320"), plain('="1.5"'), plain("'7")
    ('2026-11-20', '1.5', '7')
    """
    return _QUOTED.sub(r"\1", cell.translate(_PLAIN).strip()).strip()


def plain_text(text: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column in plain characters; most columns are, which is seen fast."""
    if not pc.any(pc.match_substring_regex(text, _UNUSUAL)).as_py():
        return text
    return pa.chunked_array([pa.array([plain(cell) for cell in text.to_pylist()], type=text.type)])

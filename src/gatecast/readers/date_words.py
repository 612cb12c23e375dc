"""Words around a date, rewritten or left out where they tell nothing more: weekdays, `г.`, `tháng`, `오후`, `17h35`."""

# ruff: noqa: RUF001 - words of many scripts

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from gatecast.readers.characters import plain

_WORDED = re.compile(r"[^0-9/.: T-]")
_REWRITTEN = tuple(
    (re.compile(spelling, re.IGNORECASE), written)
    for spelling, written in (
        (r"(?<=\d)\s*(?:г|р)\.$|\s+(?:года|року|г|р)$", ""),  # a year's word in Russian and Ukrainian
        (r"^(\d{1,2}[a-z]{3}\d{4}):(?=\d\d:)", r"\1 "),  # 20NOV2026:00:00:00 of SAS
        (r"(?<=[ ,])['\u2019](?=\d\d$)", ""),  # Nov 20 '26
        (r"\s(\d{1,2})[- ]?([ap])\.?m\.?$", r" \1:00 \2m"),
        (r"\s(\d{1,2})h(\d\d)$", r" \1:\2"),
        (r"(?:오전|上午|午前)\s*(\d{1,2}:\d\d(?::\d\d)?)$", r"\1 AM"),
        (r"(?:오후|下午|午後)\s*(\d{1,2}:\d\d(?::\d\d)?)$", r"\1 PM"),
        (r"^(?:ngày )?(\d{1,2}) (?:tháng|thg)\.? ?(\d{1,2}),? (?:năm )?(\d{4})", r"\3-\2-\1"),
        (r"^(?:tháng|thg)\.? ?(\d{1,2}) (\d{1,2}), (\d{4})", r"\3-\1-\2"),
        (r"^(?:tháng|thg)\.? ?(\d{1,2})(?:,? năm |[ ,/]+)(\d{4})$", r"\2-\1"),
    )
)
_BEFORE = re.compile(r"^([^\W\d]+)[.,]{0,2}\s+(?=.*\d)(.+)$")
_AFTER = re.compile(r"^(.*\S)[\s,]+([^\W\d]+)\.?$|^(.*\d)([^\W\d]+)$")


def rewritten(cell: str) -> str:
    """A date cell in plain characters and without words that tell nothing.

    >>> rewritten("20 ноября 2026 г."), rewritten("20 thg 11, 2026"), rewritten("2026-11-20 11-PM")
    ('20 ноября 2026', '2026-11-20', '2026-11-20 11:00 Pm')
    """
    if not _WORDED.search(cell):
        return cell
    cell = plain(cell)
    for spelling, written in _REWRITTEN:
        cell = spelling.sub(written, cell)
    return cell.strip()


def without_word(cell: str) -> tuple[str, str]:
    """A cell without the word before or after its date, and that word: `Fr, 20.11.2026` and `2026-11-20 星期五`."""
    if before := _BEFORE.match(cell):
        return before[2], before[1]
    if after := _AFTER.match(cell):
        return after[1] or after[3], after[2] or after[4]
    return cell, ""


def are_weekdays(words: Sequence[str], seconds: np.ndarray) -> bool:
    """Whether words stand each on a weekday of its own, in any language."""
    days = (seconds.astype("datetime64[D]").astype(np.int64) + 3) % 7
    read = zip(words, days.tolist(), np.isnat(seconds).tolist(), strict=True)
    pairs = {(word.casefold(), day) for word, day, unread in read if word and not unread}
    return 0 < len(pairs) == len({word for word, _ in pairs}) == len({day for _, day in pairs})

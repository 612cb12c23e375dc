"""How dates are spelled: regular expressions with a named group for each part, and months in many languages."""

# ruff: noqa: RUF001 - words of many scripts

from __future__ import annotations

import datetime
import functools
import re
import zoneinfo
from collections.abc import Sequence

_MONTHS = (  # of each month the beginnings of its names, by which it is known; a longer one is tried first
    "jan jän gen ene sty led oca янв ian sij tammi січ ιαν",
    "feb fév fev lut úno uno şub sub фев velj helmi лют φεβ",
    "mar mär mrz mrt maa bře bre мар már ožu ozu бер μαρ μάρ",
    "apr avr abr kwi dub nis апр ápr tra huhti кві απρ",
    "may mai mag mei maj kvě kve май мая máj svi touko тра μαι μάι μαΐ μαϊ",
    "jun juin giu cze červen cerven haz июн čvn června cervna jún iun kesä lipa lipn чер ιουν ιούν юни",
    "jul juil lug lip červenec cervenec tem июл čvc července cervence júl iul heinä srpnj srpan лип ιουλ ιούλ юли",
    "aug aoû aou ago sie srp ağu agu авг agt ags kol elo сер αυγ αύγ",
    "sep set wrz zář zar eyl сен sze ruj syys вер σεπ",
    "oct okt ott out paź paz říj rij eki окт loka жов οκτ",
    "nov lis kas ноя ное noi stu marra лис νοε νοέ",
    "dec déc dez dic gru pro ara дек des joulu гру δεκ",
)
# Words of one language, which tell that some others of the column are its as well.
_OTHERWISE = (
    ({"lip": 6, "srp": 7, "lis": 10}, re.compile("sij|velj|ožu|ozu|tra|svi|lipn|srpnj|kol|ruj|stu")),  # Croatian
    ({"mar": 11}, re.compile("tam|hel|huh|tou|kes|hei|elo|syy|lok|jou")),  # Finnish
)
_MONTH_OF = {word: number for number, words in enumerate(_MONTHS, 1) for word in words.split()}
_BEGINNINGS = sorted(_MONTH_OF, key=len, reverse=True)
_WRITTEN = "|".join(written for word in _BEGINNINGS for written in dict.fromkeys((word, word.title(), word.upper())))
_OFFSETS = {  # hours east of Greenwich
    **{"EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7, "BRT": -3},
    **{"UTC": 0, "GMT": 0, "WET": 0, "BST": 1, "CET": 1, "CEST": 2, "MEZ": 1, "MESZ": 2, "EET": 2, "EEST": 3},
    **{"MSK": 3, "IST": 5.5, "SGT": 8, "HKT": 8, "JST": 9, "KST": 9, "AEST": 10, "AEDT": 11},
}

_CLOCK = (
    r"(?:[T ,]+(?P<H>\d{1,2}):(?P<M>\d{2})(?::(?P<S>\d{2})(?:[.,](?P<frac>\d{1,9})\d*)?)?"
    r"\s*(?P<half>[ap]\.?m\.?(?![a-z]))?)?"
)
_ZONE = (
    r"(?:\s*(?P<zone>Z|(?:UTC|GMT)?\s?[+-]\d{2}:?\d{2}|(?:UTC|GMT)[+-]\d{1,2}|(?<=:\d\d)[+-]\d{2}"
    rf"|[a-z]{{2,}}/[a-z_/+\-0-9]+|{'|'.join(_OFFSETS)}))?(?:\s*[\[(][^\])]*[\])])?"
)
_WEEKDAY = r"(?:(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*\.?,?\s+)?"
_MONTH = rf"(?P<name>(?:{_WRITTEN})[^\s\d.,/'\-]*)\.?"
_DAY = r"(?P<d>\d{1,2})(?:st|nd|rd|th)?"
_YEAR = r"(?P<y>\d{4}|\d{2})"
_YEAR_4 = r"(?P<y>(?:1[89]|2[01])\d{2})"


def _compiled(*spellings: str) -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(spelling, re.IGNORECASE | re.ASCII) for spelling in spellings)


DAYS = _compiled(
    rf"(?P<y>\d{{4}})[-/.](?P<m>\d{{1,2}})[-/.](?P<d>\d{{1,2}}){_CLOCK}{_ZONE}",
    r"(?P<y>\d{4})(?P<m>\d{2})(?P<d>\d{2})(?:\.0+)?"
    rf"(?:[T ]*(?P<H>\d{{2}}):?(?P<M>\d{{2}}):?(?P<S>\d{{2}})?)?{_ZONE}",
    rf"{_WEEKDAY}{_MONTH}[ \-]+{_DAY},?[ \-]+{_YEAR}{_CLOCK}{_ZONE}",
    rf"{_WEEKDAY}{_DAY}[ \-/.]*(?:de )?{_MONTH},?[ \-/.]*(?:del? )?{_YEAR}{_CLOCK}{_ZONE}",
    rf"{_YEAR_4}[ \-/.]*{_MONTH}[ \-/.]*{_DAY}\.?{_CLOCK}{_ZONE}",
    rf"(?P<y>\d{{4}})[年년]\s*(?P<m>\d{{1,2}})[月월]\s*(?P<d>\d{{1,2}})[日일]{_CLOCK}{_ZONE}",
    # 2026. 11. 20. and 2026- 11- 20 in Korea
    rf"(?P<y>\d{{4}})[.\-]\s*(?P<m>\d{{1,2}})[.\-]\s*(?P<d>\d{{1,2}})\.?{_CLOCK}{_ZONE}",
    r"(?P<y>\d{4})[-/](?P<m>\d{1,2})",
)
MONTH = re.compile(_MONTH, re.IGNORECASE | re.ASCII)
NUMBERED = re.compile(
    rf"(?P<a>\d{{1,2}})(?P<sep>[/.\-])\s?(?P<b>\d{{1,2}})(?P=sep)\s?{_YEAR}\.?{_CLOCK}{_ZONE}", re.ASCII | re.IGNORECASE
)
COMPACT = re.compile(rf"(?P<a>\d{{2}})(?P<b>\d{{2}})(?P<y>\d{{2}}){_CLOCK}{_ZONE}", re.ASCII | re.IGNORECASE)
# 115/11/20 of Taiwan, whose years count from 1912; and those of two digits beside them.
ROC = re.compile(r"(?P<y>1[0-4]\d)(?P<sep>[/.\-])(?P<m>\d{1,2})(?P=sep)(?P<d>\d{1,2})", re.ASCII)
ROC_SHORT = re.compile(r"(?P<y>\d{2})(?P<sep>[/.\-])(?P<m>\d{1,2})(?P=sep)(?P<d>\d{1,2})", re.ASCII)
# 2010.1 is what is left of 2010.10 where months were written as decimals.
DECIMAL_MONTH = re.compile(rf"{_YEAR_4}\.(?P<m>0[1-9]|1[0-2]?)", re.ASCII)
EPOCH = re.compile(r"(?P<ticks>-?\d{9,19})(?:\.\d*)?", re.ASCII)
MONTHS = _compiled(
    rf"{_YEAR_4}\.(?P<m>0[1-9]|1[0-2])",
    rf"(?P<m>\d{{1,2}})[-/.]{_YEAR_4}",
    rf"{_YEAR_4}[ \-/.]*{_MONTH}",
    rf"{_MONTH}[ \-/.,']*(?:de )?{_YEAR_4}",
    r"(?P<y>\d{4})[年년]\s*(?P<m>\d{1,2})[月월]",
)
# Spellings of a month, a quarter, a half or a week, which stand for its first day: `m` months, `q`, `h`, `w`.
PERIODS = _compiled(
    rf"{_YEAR_4}[-/ :.]?M(?P<m>\d{{1,2}})",
    rf"M(?P<m>\d{{1,2}})[-/ ]?{_YEAR_4}",
    rf"{_YEAR_4}[-/ :.]?[QT](?P<q>[1-4])",
    rf"[QT](?P<q>[1-4])[-/ ']*{_YEAR}",
    rf"(?P<q>[1-4])[QT][-/ ']*{_YEAR}",
    rf"{_YEAR_4}[-/ :.]?[HS](?P<h>[12])",
    rf"[HS](?P<h>[12])[-/ ']*{_YEAR}",
    rf"{_YEAR_4}[-/ ]?(?:W|KW)[ ]?(?P<w>\d{{1,2}})(?:-?(?P<wd>[1-7]))?",
    rf"(?:W|KW|Week)[ ]?(?P<w>\d{{1,2}})[-/, ]*{_YEAR_4}",
)
# A month and two digits, which may be a year or a day; and 202611. Only an even series of months decides.
SHORT_MONTHS = _compiled(
    rf"{_YEAR_4}\.(?P<m>0[1-9]|1[0-2])",
    rf"{_MONTH}[ \-/.,']*(?P<y>\d{{2}})",
    rf"(?P<y>\d{{2}})[ \-/.,']*{_MONTH}",
    rf"{_YEAR_4}(?P<m>0[1-9]|1[0-2])",
)
YEARS = re.compile(_YEAR_4, re.ASCII)
SERIAL = re.compile(r"(?P<serial>\d{5})(?:[.,](?P<part>\d+))?", re.ASCII)


def month_numbers(words: Sequence[str | None]) -> list[int]:
    """The months of names or their abbreviations, in any of the languages.

    >>> month_numbers(["März", "listopada"]), month_numbers(["listopada", "studenoga"])
    ([3, 11], [10, 11])
    """
    lower = [(word or "").lower() for word in words]
    distinct = set(lower)
    spoken = [odd for odd, signs in _OTHERWISE if any(map(signs.match, distinct))]
    number = {}
    for word in distinct:
        beginning = next(beginning for beginning in _BEGINNINGS if word.startswith(beginning))
        number[word] = next((odd[beginning] for odd in spoken if beginning in odd), _MONTH_OF[beginning])
    return [number[word] for word in lower]


def offset_of(zone: str | None, wall: datetime.datetime) -> int | None:
    """Seconds east of Greenwich of `+05:30`, `GMT+0100`, `EDT` or `US/Eastern` at a local time; None if unknown."""
    if zone is None or zone.upper() == "Z":
        return 0
    if zone.upper() in _OFFSETS:
        return int(_OFFSETS[zone.upper()] * 3600)
    digits = re.search(r"([+-])(\d{1,2}):?(\d{2})?$", zone)
    if digits and "/" not in zone:
        return int(digits[1] + "1") * (int(digits[2]) * 3600 + int(digits[3] or 0) * 60)
    known = _zone(zone)
    offset = None if known is None else known.utcoffset(wall)
    return None if offset is None else int(offset.total_seconds())


@functools.lru_cache
def _zone(name: str) -> zoneinfo.ZoneInfo | None:
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return None

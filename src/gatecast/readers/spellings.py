"""How dates are spelled: regular expressions with a named group for each part, and months in many languages."""

from __future__ import annotations

import datetime
import functools
import re
import zoneinfo

_MONTHS = (  # of each month the beginnings of its names, by which it is known; a longer one is tried first
    "jan jän gen ene sty led oca янв",
    "feb fév fev lut úno uno şub sub фев",
    "mar mär mrz mrt maa bře bre мар",
    "apr avr abr kwi dub nis апр",
    "may mai mag mei maj kvě kve май мая",
    "jun juin giu cze červen cerven haz июн",
    "jul juil lug lip červenec cervenec tem июл",
    "aug aoû aou ago sie srp ağu agu авг",
    "sep set wrz zář zar eyl сен",
    "oct okt ott out paź paz říj rij eki окт",
    "nov lis kas ноя",
    "dec déc dez dic gru pro ara дек",
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
    rf"{_WEEKDAY}{_DAY}[ \-/.]*(?:de )?{_MONTH},?[ \-/.]*(?:de )?{_YEAR}{_CLOCK}{_ZONE}",
    rf"{_YEAR_4}[ \-/.]*{_MONTH}[ \-/.]*{_DAY}{_CLOCK}{_ZONE}",
    rf"(?P<y>\d{{4}})[年년]\s*(?P<m>\d{{1,2}})[月월]\s*(?P<d>\d{{1,2}})[日일]{_CLOCK}{_ZONE}",
    # 2026. 11. 20. and 2026- 11- 20 in Korea
    rf"(?P<y>\d{{4}})[.\-]\s*(?P<m>\d{{1,2}})[.\-]\s*(?P<d>\d{{1,2}})\.?{_CLOCK}{_ZONE}",
    r"(?P<y>\d{4})[-/](?P<m>\d{1,2})",
)
NUMBERED = re.compile(
    rf"(?P<a>\d{{1,2}})(?P<sep>[/.\-])(?P<b>\d{{1,2}})(?P=sep){_YEAR}{_CLOCK}{_ZONE}", re.ASCII | re.IGNORECASE
)
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


def month_number(word: str) -> int:
    """The month of a name or its abbreviation, in any of the languages: 3 of `März`."""
    lower = word.lower()
    return next(_MONTH_OF[beginning] for beginning in _BEGINNINGS if lower.startswith(beginning))


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

"""What a column's name may stand for, whatever its language, accents, signs and unit."""

# ruff: noqa: RUF001 - words of many scripts

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from functools import cache

from gatecast.readers.languages import DECIMAL_DOT, NAMES

FIELDS = ("close", "adj_close", "open", "high", "low", "volume")
TIME_NAMES = ("time", "Uhrzeit", "Zeit", "heure", "hora", "ora", "tijd", "czas", "godzina", "čas", "saat", "время",
              "时间", "時間", "時刻", "시간", "시각", "tid")  # fmt: skip
# Names of an asset only where they tell apart rows of the same date; any other column can be one there as well.
WEAK_ITEM_NAMES = (
    "name", "id", "code", "series", "key", "isin", "company", "tic", "ts code", "security", "securities code",
    "asset id", "cusip", "ric", "permno", "gvkey", "coin", "pair", "currency pair", "market", "fund", "index",
)  # fmt: skip
# Whatever tells rows of a date apart is no asset under these names: it is when, or in which order, they were.
NO_ITEM_NAMES = (
    "hour", "minute", "second", "bar", "row", "rank", "no", "nr", "trades", "count", "Stunde", "heure", "hora", "ora",
    "godzina", "hodina", "saat", "час", "小时", "小時", "時", "시", "uur", "序号", "序號", "#",
)  # fmt: skip
# A close of the day before, whose values are like those of an open.
PREVIOUS_NAMES = (
    "previous close", "prev close", "previous", "prvs clsg pric", "referencia", "precio de referencia", "anterior",
    "cierre anterior", "chiusura precedente", "veille", "clôture veille", "Vortag", "Schlusskurs Vortag",
    "昨收", "前收盘", "前收盘价", "昨收價", "前日終値", "전일종가",
)  # fmt: skip
_UNITS = (
    "usd", "eur", "gbp", "chf", "jpy", "cny", "hkd", "krw", "inr", "brl", "pln", "czk", "try", "rub", "cad", "aud",
    "sek", "nok", "dkk", "huf", "usdt", "usdc", "btc", "eth", "rs", "元", "円", "원", "股", "手", "株", "주", "шт",
    "dollars", "euro", "euros", "shares", "stk", "szt", "ks", "lots", "руб",
)  # fmt: skip
_MONEY = frozenset(_UNITS[: _UNITS.index("btc")]) | {"rs", "руб", "tl", "dollars", "euro", "euros", "元", "円", "원"}
_SIGNS = frozenset("$€£¥₹₺₽₩")
PRICE_WORDS = ("price", "px", "prc", "bid", "mid")  # beside a field: Price Open, LOW_PX, CloseBid
_PRICED = ("open", "high", "low", "close", "last")
_COINS = ("usdt", "usdc", "btc", "eth")  # assets of their own as well
_MORE_UNITS = ("index", "points", "contracts", "percent", "number", "currency")  # in a cell of their own
_LETTERS = str.maketrans({"ı": "i", "ł": "l", "ø": "o", "đ": "d", "æ": "ae", "œ": "oe", "þ": "th"})
_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "å": "aa", "ø": "oe"})


def normalized(name: str) -> str:
    """A column name without case, accents and signs: `<Adj Close>` and `5. adj_close` are `adjclose`."""
    plain = unicodedata.normalize("NFKD", re.sub(r"^\s*\d+[A-Za-z]?[.)]\s*", "", name)).casefold().translate(_LETTERS)
    return "".join(letter for letter in unicodedata.normalize("NFKD", plain) if letter.isalnum())


def words(kind: str) -> Iterable[str]:
    """The names of a kind of column in every language."""
    return (name for names in NAMES.values() for name in names.get(kind, ()))


@cache
def known(kind: str) -> Mapping[str, int]:
    """The normalized names of a kind of column, each with its rank: the smallest is taken."""
    ranks: dict[str, int] = {}
    for rank, name in enumerate(words(kind)):
        for spelling in (name, name.lower().translate(_UMLAUTS)):  # Eröffnung, Eroffnung and Eroeffnung
            ranks.setdefault(normalized(spelling), rank)
    return ranks


@cache
def _plain(names: tuple[str, ...]) -> frozenset[str]:
    return frozenset(map(normalized, names))


def is_weak_item(name: str) -> bool:
    """Whether a column is called as assets often are, and other things as well."""
    return normalized(name) in _plain(WEAK_ITEM_NAMES)


def is_no_item(name: str) -> bool:
    """Whether a column is called as hours and counters are."""
    return normalized(name) in _plain(NO_ITEM_NAMES) or name.strip() == "#"


def is_previous(name: str) -> bool:
    """Whether a column is called as the close of the day before is."""
    return normalized(name) in _plain(PREVIOUS_NAMES)


def is_time(name: str) -> bool:
    """Whether a column is called as times of day are."""
    return normalized(name) in _plain(TIME_NAMES)


def kinds(word: str) -> list[str]:
    """What a normalized name may stand for: fields, `date` or `item`."""
    return [kind for kind in (*FIELDS, "date", "item") if word in known(kind)]


@cache
def writes_commas(name: str) -> bool:
    """Whether a column's name is a word of languages alone in which a comma is the decimal sign."""
    word = key(name)
    spoken = [
        language
        for language, names in NAMES.items()
        if any(word == normalized(spelling) for spellings in names.values() for spelling in spellings)
    ]
    return bool(spoken) and not set(spoken) & set(DECIMAL_DOT)


@cache
def _units() -> tuple[str, ...]:
    return tuple(map(normalized, _UNITS))


def is_unit(cell: str) -> bool:
    """Whether a cell is what numbers or dates are counted or written in: `USD`, `($/bbl)`, `yyyy-mm-dd`."""
    word = normalized(re.split(r"/|\bper\b", cell)[0])  # USD/oz
    sign = re.match(r"^[(\[]?\s*([$€£¥%]|[ymd]{1,4}[-/. ][ymd]{1,4}[-/. ][ymd]{1,4})", cell.casefold())
    return bool(sign and not re.search(r"\d", cell)) or word in {*_units(), *_MORE_UNITS} - set(_COINS)


@cache
def is_money(name: str) -> bool:
    """Whether a name says that its numbers are money, as `Volume (TL)` and `Volume USD` do."""
    inside = re.findall(r"[(\[{（【](.*?)[)\]}）】]", name)
    return any(normalized(word) in _MONEY or word.strip() in _SIGNS for word in (*inside, *re.split(r"\W|_", name)[1:]))


@cache
def key(name: str) -> str:
    """The normalized name, without a unit or a word for price where it is known without.

    >>> key("Close (USD)"), key("Price Close"), key("OPEN_PX"), key("Previous Close")
    ('close', 'close', 'open', 'previousclose')
    """
    whole = normalized(name)
    if kinds(whole):
        return whole
    short = normalized(re.sub(r"[(\[{（【].*?[)\]}）】]", "", name)) or whole
    if kinds(short):
        return short
    if short.endswith(_units()):
        cuts = (short.removesuffix(unit) for unit in _units() if short.endswith(unit))
        if cut := next(filter(kinds, cuts), None):
            return cut
    bare = (cut for word in PRICE_WORDS for cut in (short.removeprefix(word), short.removesuffix(word)))
    return next((cut for cut in bare if cut != short and cut in _PRICED), whole)

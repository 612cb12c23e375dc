"""Text for messages: counted nouns, shortened lists, and a user's words made safe to show."""

from __future__ import annotations

import difflib
from collections.abc import Sequence


def clean(text: object, limit: int = 200) -> str:
    """A user's text on a single line: invisible characters removed, breaks and tabs made spaces, at most `limit`
    characters.

    >>> clean("AA\\x00PL\\n"), clean("line 1\\r\\nline 2")
    ('AAPL', 'line 1 line 2')
    """
    kept = str(text)[: 10 * limit]
    if not kept.isprintable():  # control characters, lone surrogates, marks that turn the writing direction
        kept = "".join(c if c.isprintable() else " " * (c.isspace() and c != "\r") for c in kept)
    return kept.strip()[:limit]


def shown(text: object) -> str:
    """A user's text in quotes, short enough for a message."""
    short = clean(text, 80)
    return f"'{short[:40]}...'" if len(short) > 40 else f"'{short}'"


def counted(count: int, noun: str) -> str:
    """A count with its noun: `1 row`, `1,008 rows`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def listed(words: Sequence[str], most: int = 3) -> str:
    """The first words, and how many others there are.

    >>> listed(["A", "B", "C"]), listed(["A", "B", "C", "D", "E"])
    ('A, B, C', 'A, B, C and 2 more')
    """
    more = f" and {len(words) - most:,} more" if len(words) > most else ""
    return ", ".join(words[:most]) + more


def percentages(shares: Sequence[float]) -> list[str]:
    """Shares of one as whole per cents that add to 100: rounded down, and those that lose most to it up (Hamilton).

    >>> percentages([0.336, 0.336, 0.328])
    ['34%', '33%', '33%']
    """
    whole = [int(100 * share) for share in shares]
    most_lost = sorted(range(len(shares)), key=lambda place: whole[place] - 100 * shares[place])
    for place in most_lost[: max(round(100 * sum(shares)) - sum(whole), 0)]:
        whole[place] += 1
    return [f"{share}%" for share in whole]


def likely_first(names: Sequence[str], meant: str, most: int = 10) -> str:
    """The names as `listed` has them, with that first which may have been meant.

    >>> likely_first(["A", "AAPL"], "aapl")
    'AAPL, A'
    """
    alike = [name for name in names if name.casefold() == meant.casefold().strip("'\"")]
    close = alike or difflib.get_close_matches(meant, names, n=1)
    return listed([*close, *(name for name in names if name not in close)], most)

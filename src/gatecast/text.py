"""Text about numbers and names: counted nouns, and what a user wrote, safe to show."""

from __future__ import annotations


def clean(text: object, limit: int = 200) -> str:
    """Text of the user's on one line: unseen characters removed, at most `limit` characters.

    >>> clean("AA\\x00PL\\n")
    'AAPL'
    """
    kept = str(text)[: 10 * limit]
    if not kept.isprintable():  # control characters, lone surrogates, marks that turn the writing direction
        kept = "".join(c if c.isprintable() else " " * c.isspace() * (c not in "\r\n") for c in kept)
    return kept.strip()[:limit]


def shown(text: object) -> str:
    """Text of the user's in quotes, short enough for a message."""
    short = clean(text, 80)
    return f"'{short[:40]}...'" if len(short) > 40 else f"'{short}'"


def counted(count: int, noun: str) -> str:
    """A count with its noun: `1 row`, `1,008 rows`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"

"""Sentences above and below a table whose commas make more cells than the table has."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

_STARTS_WITH_A_WORD = re.compile(r"[\s\"*†(\[#-]*[^\W\d_]")
_NUMBER = re.compile(r"\W*\d[\d.,' ]*\W*")


def with_quoted_sentences(text: str, head: Sequence[str], separator: str) -> str:
    """The text, in which lines of words with more cells than is usual in its first lines are a single quoted cell."""
    usual = Counter(_separators(line, separator) for line in head).most_common(1)[0][0]
    quote = str.maketrans('"', "'")
    return "\n".join(
        f'"{line.translate(quote)}"' if _is_sentence(line, separator, usual) else line for line in text.split("\n")
    )


def _separators(line: str, separator: str) -> int:
    """How many separators stand outside quotes."""
    return re.sub(r'"[^"]*"', "", line).count(separator)


def _is_sentence(line: str, separator: str, usual: int) -> bool:
    """Whether a line is longer than the table's, begins with a word, and has few numbers: a row of prices has more."""
    if line.count(separator) <= usual or not _STARTS_WITH_A_WORD.match(line) or _separators(line, separator) <= usual:
        return False
    cells = [cell for cell in line.split(separator) if cell.strip()]
    return 3 * sum(bool(_NUMBER.fullmatch(cell)) for cell in cells) <= len(cells)

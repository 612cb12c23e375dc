"""What is watched, when, and who is called."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import time
from pathlib import Path
from urllib.parse import urlsplit

from gatecast.calendars import open_calendar
from gatecast.errors import UsageError
from gatecast.readers.sources import check_ticker
from gatecast.text import shown

_CLOCK = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")


@dataclass(frozen=True, kw_only=True)
class WatchSettings:
    """`folders` (absolute, without links) and `tickers` of Yahoo are watched, each trading day from `at` local time on.

    `calendar` is the exchange whose sessions are the trading days of all of them; without it a ticker has those of its
    own exchange, and a file Monday to Friday. `webhook` is the http(s) address that is called; it may hold a secret.
    """

    folders: tuple[Path, ...] = ()
    tickers: tuple[str, ...] = ()
    at: time = time(18, 0)
    calendar: str | None = None
    webhook: str | None = field(default=None, repr=False)


def watch_settings(
    watch: Sequence[str], *, at: str = "18:00", calendar: str | None = None, webhook: str | None = None
) -> WatchSettings:
    """The settings from words: folders, and yahoo:TICKER,TICKER; raises `UsageError` for what cannot be meant.

    >>> watch_settings(["yahoo:AAPL,MSFT"], at="6:30").tickers
    ('AAPL', 'MSFT')
    """
    found = _CLOCK.fullmatch(at.strip())
    if found is None:
        raise UsageError(f"a watch begins at a time of day, HH:MM; got {shown(at)}. Give for example 18:00.")
    if calendar is not None:
        open_calendar(calendar)
    if webhook is not None:
        _check_webhook(webhook)
    folders: list[Path] = []
    tickers: list[str] = []
    for words in watch:
        if words.startswith("yahoo:"):
            named = [word.strip().removeprefix("yahoo:") for word in words.split(",")]
            for ticker in named:
                check_ticker(ticker)
            tickers += named
        else:
            folders.append(_folder(words))
    return WatchSettings(
        folders=tuple(dict.fromkeys(folders)),
        tickers=tuple(dict.fromkeys(tickers)),
        at=time(int(found[1]), int(found[2])),
        calendar=calendar,
        webhook=webhook,
    )


def _folder(words: str) -> Path:
    path = Path(words)
    try:
        if words and path.is_dir():
            return path.resolve()
    except (OSError, ValueError):
        pass
    raise UsageError(
        f"a watch is of a folder or of yahoo:TICKER,TICKER; {shown(words)} is no folder. Make it, or check the path."
    )


def _check_webhook(address: str) -> None:
    """No part of the address is shown: it may be a secret."""
    try:
        parts = urlsplit(address)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good or not address.isascii() or re.search(r"[\s\x00-\x1f\x7f]", address):
        raise UsageError("a webhook is an address that begins with http:// or https:// and names a host; got another.")

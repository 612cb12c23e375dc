"""What a network trained on the user's prices sees of known event dates: three features a kind, five with values.

How near the next event is, how near the last one, and how large the series' own moves on past ones were; of a kind
whose events have values, those of the next and of the last one. Distances are counted in weekdays: how many sessions
lie ahead is not known on a row.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Float, Int, Shaped

from gatecast.events import Events
from gatecast.features.known_events import KnownEvents
from gatecast.prices import PriceSeries

PER_KIND, PER_VALUE = ("until", "since", "reaction"), ("next value", "last value")


def kinds_of(series: Iterable[PriceSeries]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The kinds of events that any of these items has, and those of which any has a value, in alphabetical order."""
    found: set[str] = set()
    valued: set[str] = set()
    for item in series:
        if item.events is not None:
            found.update(item.events.kinds.tolist())
            valued.update(item.events.valued_kinds)
    return tuple(sorted(found)), tuple(sorted(valued))


def event_names(kinds: Sequence[str], valued: Sequence[str] = ()) -> tuple[str, ...]:
    """The names of the features of these kinds, in the order of `event_features`.

    >>> event_names(["earnings"])
    ('earnings: until', 'earnings: since', 'earnings: reaction')
    """
    return tuple(f"{kind}: {part}" for kind in kinds for part in (*PER_KIND, *(PER_VALUE if kind in valued else ())))


def event_features(
    series: PriceSeries, kinds: Sequence[str], at: Shaped[np.ndarray, " row"] | None = None, valued: Sequence[str] = ()
) -> Float[np.ndarray, "row feature"]:
    """The features of each row of a series; of timestamps to come, `at`, with what is known at its last row.

    until: 1 / weekdays to the next known event, 1 on its eve and 0 without one; since: 1 / (1 + weekdays from the last
    one); reaction: the log of the mean size of past reactions in usual moves, the larger of the event's session and the
    next, 0 without an event; of `valued` kinds the values of both events, 0 where there is none.
    """
    stamps = series.timestamps if at is None else at
    days = stamps.astype("datetime64[D]")
    seen = days if at is None else np.full(len(days), series.timestamps[-1].astype("datetime64[D]"))
    features = [np.zeros((len(days), 0))]
    for kind in kinds:
        parts = np.zeros((len(days), len(PER_KIND) + len(PER_VALUE) * (kind in valued)))
        features.append(parts)
        events = series.events and series.events.of_kind(kind)
        known = KnownEvents.of_kind(series, kind)
        if events is None or known is None:
            continue
        following, last = _nearest(events, days, seen)
        ahead, behind = following >= 0, last >= 0
        dates = events.dates[following[ahead]]
        parts[ahead, 0] = 1 / np.maximum(np.busday_count(days[ahead] + 1, dates + 1), 1)
        parts[behind, 1] = 1 / (1 + np.busday_count(events.dates[last[behind]], days[behind]))
        parts[:, 2] = np.where(ahead | behind, known.reactions(seen.astype(np.int64)).max(axis=1), 0.0)
        if kind in valued and events.values is not None:
            values = np.append(np.nan_to_num(events.values), 0.0)  # a place of -1 is the last
            parts[:, 3], parts[:, 4] = values[following], values[last]
    return np.concatenate(features, axis=1)


def _nearest(
    events: Events, days: Shaped[np.ndarray, " row"], seen: Shaped[np.ndarray, " row"]
) -> tuple[Int[np.ndarray, " row"], Int[np.ndarray, " row"]]:
    """The places of the next event after each day and of the last at or before it, of those that were announced when it
    was `seen`; -1 where there is none."""
    assert events.announced is not None
    if (np.diff(events.announced) >= np.timedelta64(0, "D")).all():  # known in the order of their dates
        known = np.searchsorted(events.announced, seen, side="right")
        after = np.searchsorted(events.dates, days, side="right")
        return np.where(after < known, after, -1), np.minimum(after, known) - 1
    following, last = np.full(len(days), -1), np.full(len(days), -1)
    for place, (date, announced) in enumerate(zip(events.dates, events.announced, strict=True)):
        told, ahead = announced <= seen, date > days
        following[told & ahead & (following < 0)] = place
        last[told & ~ahead] = place
    return following, last

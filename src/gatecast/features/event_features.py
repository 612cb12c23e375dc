"""What a network trained on the user's prices sees of known event dates: three features a kind.

How near the next event is, how near the last one, and how large the series' own moves on past ones were. Distances are
counted in weekdays: how many sessions lie ahead is not known on a row.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Float, Shaped

from gatecast.features.known_events import KnownEvents
from gatecast.prices import PriceSeries

PER_KIND = ("until", "since", "reaction")


def kinds_of(series: Iterable[PriceSeries]) -> tuple[str, ...]:
    """The kinds of events that any of these items has, in alphabetical order."""
    found: set[str] = set()
    for item in series:
        if item.events is not None:
            found.update(item.events.kinds.tolist())
    return tuple(sorted(found))


def event_names(kinds: Sequence[str]) -> tuple[str, ...]:
    """The names of the features of these kinds, in the order of `event_features`.

    >>> event_names(["earnings"])
    ('earnings: until', 'earnings: since', 'earnings: reaction')
    """
    return tuple(f"{kind}: {part}" for kind in kinds for part in PER_KIND)


def event_features(
    series: PriceSeries, kinds: Sequence[str], at: Shaped[np.ndarray, " row"] | None = None
) -> Float[np.ndarray, "row feature"]:
    """The features of each row of a series; of timestamps to come, `at`, with what is known at its last row.

    until: 1 / weekdays to the next known event, 1 on its eve and 0 without one; since: 1 / (1 + weekdays from the last
    one); reaction: the log of the mean size of past reactions in usual moves, the larger of the event's session and the
    next, 0 without an event.
    """
    stamps = series.timestamps if at is None else at
    days = stamps.astype("datetime64[D]")
    seen = days if at is None else np.full(len(days), series.timestamps[-1].astype("datetime64[D]"))
    features = np.zeros((len(days), len(PER_KIND) * len(kinds)))
    for number, kind in enumerate(kinds):
        events = series.events and series.events.of_kind(kind)
        known = KnownEvents.of_kind(series, kind)
        if events is None or events.announced is None or known is None:
            continue
        until, since = np.full(len(days), np.inf), np.full(len(days), np.inf)
        for date, announced in zip(events.dates, events.announced, strict=True):
            told, ahead = announced <= seen, date > days
            near = told & ahead
            until[near] = np.minimum(until[near], np.maximum(np.busday_count(days[near] + 1, date + 1), 1))
            near = told & ~ahead
            since[near] = np.minimum(since[near], np.busday_count(date, days[near]))
        reaction = known.reactions(seen.astype(np.int64)).max(axis=1)
        none = np.isinf(until) & np.isinf(since)
        parts = (1 / until, 1 / (1 + since), np.where(none, 0.0, reaction))
        features[:, number * len(PER_KIND) : (number + 1) * len(PER_KIND)] = np.stack(parts, axis=1)
    return features

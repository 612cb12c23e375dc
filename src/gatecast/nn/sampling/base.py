"""Paths of the base network: draw a day's return, range and volume, append them, look again, draw the next."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, fields

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from gatecast.features.event_calendar import ECHOES, Almanac, summary
from gatecast.features.signals import MOMENTUM_ROWS, WINDOW, Moves, Recent, Signals, Sums, evaluate, range_of
from gatecast.forecast import Density
from gatecast.nn.joint import DROPOUT, FLAGS, HIDDEN, Day, JointNetwork, State, draw_mask
from gatecast.nn.parallel import ALONE, Crew, side_by_side
from gatecast.nn.sampling.context import Present, Stand, read_tables

_FARTHEST = 30.0  # scales a day may move
_PATHS_AT_ONCE = 8192  # of all stands together; bounds memory, and more would leave the caches


Simulated = tuple[Float[np.ndarray, "paths horizon"], Density]


def simulate(
    members: Sequence[JointNetwork], tables: Sequence[Sequence[Stand]], paths: int
) -> list[Simulated]:
    """Cumulative log returns at the timestamps of each stand, (paths, horizon), and their density; table by table.

    The stands of a table see its market up to where they stand; along the paths, each for itself, there is none.
    The members share the paths in equal parts, and each path keeps one dropout mask. Stands that have the same
    columns and as many rows are read and simulated in blocks, which changes the time it takes and the last digits
    of single precision: a step of a thousand rows costs little more than one of ten. Blocks run side by side, or
    where there is one alone, its members do. All stands look equally far ahead.
    """
    stands, presents = [one for table in tables for one in table], read_tables(tables)
    alike: dict[tuple[object, ...], list[int]] = {}
    for place, present in enumerate(presents):
        alike.setdefault((*present.flags, len(present.expected)), []).append(place)
    at_once = max(_PATHS_AT_ONCE // paths, 1)
    blocks = [
        block
        for places in alike.values()
        for block in np.array_split(np.array(places), math.ceil(len(places) / at_once))
    ]

    @torch.inference_mode()
    def block_of(places: np.ndarray) -> list[Simulated]:
        parts = [(presents[one], stands[one]) for one in places]
        return _together(members, [one for one, _ in parts], [one for _, one in parts], paths, within)

    with side_by_side(torch.device("cpu")) as crew:
        outside, within = (crew, ALONE) if len(blocks) > 1 else (ALONE, crew)
        told = outside.map(block_of, blocks)
    answers = {
        int(place): answer
        for block, answered in zip(blocks, told, strict=True)
        for place, answer in zip(block, answered, strict=True)
    }
    return [answers[place] for place in range(len(stands))]


def _together(
    members: Sequence[JointNetwork],
    presents: Sequence[Present],
    stands: Sequence[Stand],
    paths: int,
    crew: Crew,
) -> list[Simulated]:
    """`simulate` for stands that are alike; the rows of every array are the paths of the first, of the second, ..."""
    horizon, flags = len(stands[0].future), presents[0].flags
    ahead = np.stack(
        [_echoes_ahead(one.almanac, at.future) for one, at in zip(presents, stands, strict=True)]
    )
    minds = _minds(members, presents, stands, paths, crew)
    trails = _Trails.of([one.moves for one in presents], paths)
    signals = _last([one.signals for one in presents], paths)
    days = [mind.foretell(ahead[:, 0]) for mind in minds]
    total = np.zeros(len(stands) * paths)
    ends, location, scale, df = (np.empty((len(total), horizon)) for _ in range(4))
    for step in range(horizon):
        day = _joined(days, len(stands))
        drawn = _Drawn.of(day, flags, stands)
        location[:, step] = total + day.location.numpy() * signals.scale
        scale[:, step], df[:, step] = day.scale.numpy() * signals.scale, day.df.numpy()
        total = total + drawn.y * signals.scale
        ends[:, step] = total
        if step + 1 == horizon:
            break
        signals = trails.append(drawn, signals)
        row = _Row(signals.values, flags, summary(ahead[:, step]), ahead[:, step + 1])
        days = crew.map(row.told, minds)
    return [
        (ends[rows], Density(loc=location[rows], scale=scale[rows], df=df[rows]))
        for rows in (slice(first, first + paths) for first in range(0, len(total), paths))
    ]


def _echoes_ahead(almanac: Almanac | None, future: np.ndarray) -> Float[np.ndarray, "horizon echo"]:
    """The echoes of each day to come, with what is known at the last row."""
    if almanac is None:
        return np.zeros((len(future), ECHOES))
    targets = future.astype("datetime64[D]").astype(np.int64)
    return almanac.echoes(targets, np.full(len(future), len(almanac.days) - 1))


def _last(signals: Sequence[Signals], paths: int) -> Signals:
    """The last row's signals of every stand, one copy a path."""
    values, scale, overnight, usual_volume = (
        np.repeat(np.stack([getattr(one, part)[-1] for one in signals]), paths, axis=0)
        for part in ("values", "scale", "overnight", "usual_volume")
    )
    return Signals(values=values, scale=scale, overnight=overnight, usual_volume=usual_volume)


@dataclass(frozen=True)
class _Row:
    """A day that every path has drawn: what is seen of it, whether it was expected, what the next day's echoes are."""

    signals: Float[np.ndarray, "row signal"]
    flags: Float[np.ndarray, " flag"]
    expected: Float[np.ndarray, "stand summary"]
    echoes: Float[np.ndarray, "stand echo"]

    @torch.inference_mode()
    def told(self, mind: _Mind) -> Day:
        """What a member that has seen it says of the day after."""
        mind.see(self.signals, self.flags, self.expected)
        return mind.foretell(self.echoes)


@dataclass(kw_only=True)
class _Mind:
    """One member on its share of every stand's paths: what it remembers and saw last."""

    network: JointNetwork
    rows: Int[np.ndarray, " mine"]
    stands: int
    mask: Float[Tensor, "mine hidden"]
    state: State
    inputs: Float[Tensor, "mine input"]

    def foretell(self, echoes: Float[np.ndarray, "stand echo"]) -> Day:
        return self.network.foretell(self.state[0][0] * self.mask, self.inputs, self._each(echoes))

    def see(
        self,
        signals: Float[np.ndarray, "row signal"],
        flags: Float[np.ndarray, " flag"],
        expected: Float[np.ndarray, "stand summary"],
    ) -> None:
        mine = torch.tensor(signals[self.rows], dtype=torch.float32)
        present = torch.tensor(flags, dtype=torch.float32).expand(len(mine), FLAGS)
        self.inputs = self.network.standardise(mine, present)
        _, self.state = self.network.remember(self.inputs[None], self._each(expected)[None], self.state)

    def _each(self, values: Float[np.ndarray, "stand value"]) -> Float[Tensor, "mine value"]:
        """What holds for a stand, for each of its paths."""
        told = torch.tensor(values, dtype=torch.float32)
        return told.repeat_interleave(len(self.rows) // self.stands, dim=0)


def _minds(
    members: Sequence[JointNetwork],
    presents: Sequence[Present],
    stands: Sequence[Stand],
    paths: int,
    crew: Crew,
) -> list[_Mind]:
    """Each member after reading the last rows of every history, with masks for its paths."""
    signals, market, expected = (
        torch.tensor(np.stack(parts, axis=1), dtype=torch.float32)
        for parts in (
            [one.signals.values for one in presents],
            [one.market for one in presents],
            [one.expected for one in presents],
        )
    )
    flags = torch.tensor(presents[0].flags, dtype=torch.float32).expand(*signals.shape[:2], FLAGS)
    generators = [torch.Generator().manual_seed(int(one.rng.integers(2**63))) for one in stands]
    first = np.arange(len(stands))[:, None] * paths
    shares = [part for part in np.array_split(np.arange(paths), len(members)) if len(part)]
    masks = [
        torch.cat([draw_mask((len(share), HIDDEN), 1 - DROPOUT, one) for one in generators]) / (1 - DROPOUT)
        for share in shares
    ]

    @torch.inference_mode()
    def read(number: int) -> _Mind:
        network, share = members[number], len(shares[number])
        inputs = network.standardise(signals, flags, market)
        _, (hidden, cell_state) = network.remember(inputs, expected)
        return _Mind(
            network=network,
            rows=(first + shares[number]).ravel(),
            stands=len(stands),
            mask=masks[number],
            state=(hidden.repeat_interleave(share, dim=1), cell_state.repeat_interleave(share, dim=1)),
            inputs=inputs[-1].repeat_interleave(share, dim=0),
        )

    return crew.map(read, range(len(shares)))


def _joined(days: Sequence[Day], stands: int) -> Day:
    """The members' days as rows of paths, stand by stand, in double precision."""

    def joined(parts: list[Tensor]) -> Float[Tensor, " row"]:
        return torch.cat([part.reshape(stands, -1) for part in parts], dim=1).flatten().double()

    return Day(**{one.name: joined([getattr(day, one.name) for day in days]) for one in fields(Day)})


@dataclass(frozen=True, kw_only=True)
class _Drawn:
    """One day for each path: return and log range in scales, log volume against its trailing mean."""

    y: Float[np.ndarray, " paths"]
    log_range: Float[np.ndarray, " paths"]
    volume: Float[np.ndarray, " paths"]

    @classmethod
    def of(cls, day: Day, flags: Float[np.ndarray, " flag"], stands: Sequence[Stand]) -> _Drawn:
        """A return, a range that fits it, a volume that fits both; each stand draws from its own stream."""
        paths = len(day.scale) // len(stands)
        df, noise, errors = day.df.numpy().reshape(len(stands), paths), [], []
        for one, freedom in zip(stands, df, strict=True):
            noise.append(one.rng.standard_t(freedom))
            errors.append(one.rng.standard_normal((2, paths)))
        y = (day.location + day.scale * torch.from_numpy(np.concatenate(noise))).clamp(-_FARTHEST, _FARTHEST)
        range_error, volume_error = torch.from_numpy(np.concatenate(errors, axis=1))
        log_range = day.range_centre(y) + day.range_spread * range_error
        volume = day.volume_centre(range_error * flags[0]) + day.volume_spread * volume_error
        return cls(y=y.numpy(), log_range=log_range.numpy(), volume=volume.clamp(-3, 3).numpy())


@dataclass(frozen=True)
class _Trail:
    """One column: the last window of every stand, and what each path drew since."""

    past: Float[np.ndarray, "stand window"]
    paths: int
    drawn: list[Float[np.ndarray, " row"]] = field(default_factory=list)

    @classmethod
    def of(cls, parts: Sequence[Float[np.ndarray, " _"] | None], paths: int) -> _Trail | None:
        last = [part[-WINDOW:] for part in parts if part is not None]
        if not last:
            return None
        return cls(np.stack([np.pad(part, (WINDOW - len(part), 0)) for part in last]), paths)

    def before(self, rows: int) -> Float[np.ndarray, " row"]:
        """The value so many rows before the newest, for each path."""
        place = len(self.drawn) - 1 - rows
        return self.drawn[place] if place >= 0 else self.past[:, place].repeat(self.paths)


@dataclass(kw_only=True)
class _Trails:
    """The trailing windows of every path, and the sums over them; they slide by one row a step."""

    log_return: _Trail
    day_range: _Trail | None
    log_volume: _Trail | None
    sums: Sums

    @classmethod
    def of(cls, moves: Sequence[Moves], paths: int) -> _Trails:
        log_return = _Trail.of([one.log_return for one in moves], paths)
        day_range = _Trail.of([one.day_range for one in moves], paths)
        log_volume = _Trail.of([one.log_volume for one in moves], paths)
        assert log_return is not None
        windows = Recent(
            log_return=log_return.past,
            day_range=None if day_range is None else day_range.past,
            log_volume=None if log_volume is None else log_volume.past,
            rows=np.array([min(len(one), WINDOW) for one in moves]),
        )
        sums = Sums.of(windows).repeated(paths)
        return cls(log_return=log_return, day_range=day_range, log_volume=log_volume, sums=sums)

    def append(self, drawn: _Drawn, now: Signals) -> Signals:
        """Add a drawn day to every path; the signals there."""
        self.log_return.drawn.append(drawn.y * now.scale)
        if self.day_range is not None:
            self.day_range.drawn.append(range_of(drawn.log_range, now.scale, now.overnight))
        if self.log_volume is not None:
            self.log_volume.drawn.append(now.usual_volume + drawn.volume)
        leaving = np.stack([self.log_return.before(rows) for rows in MOMENTUM_ROWS.tolist()], axis=1)
        self.sums = self.sums.moved(self._day(0), self._day(WINDOW), leaving)
        return evaluate(self.sums)

    def _day(self, rows: int) -> Recent:
        """One day of every path, so many rows before the newest."""
        log_return, day_range, log_volume = (
            None if one is None else one.before(rows)[:, None]
            for one in (self.log_return, self.day_range, self.log_volume)
        )
        assert log_return is not None
        return Recent(log_return=log_return, day_range=day_range, log_volume=log_volume, rows=self.sums.rows)

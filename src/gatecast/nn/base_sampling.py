"""Paths of the base network: draw a day's return, range and volume, append them, look again, draw the next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from gatecast.echoes import ECHOES, Almanac, history_echoes, summary
from gatecast.forecast import Density
from gatecast.nn.joint import DROPOUT, FLAGS, HIDDEN, Day, JointNetwork, State, draw_mask
from gatecast.prices import PriceSeries
from gatecast.signals import (
    START,
    WINDOW,
    Moves,
    Recent,
    Signals,
    evaluate,
    history_signals,
    range_of,
)

MEMORY = 384  # rows the network reads before it speaks; it learned on 120, and what lies beyond has faded
LOOKBACK = MEMORY + 400  # rows kept of a series: the echoes look back 371 days and 64 rows from there
_FARTHEST = 30.0  # scales a day may move


@dataclass(frozen=True, kw_only=True)
class Present:
    """Where a series stands: its last window, what the network has seen of it, and its almanac."""

    moves: Moves
    signals: Signals
    flags: Float[np.ndarray, " flag"]
    almanac: Almanac | None
    expected: Float[np.ndarray, "time summary"]

    @classmethod
    def of(cls, series: PriceSeries, next_day: np.datetime64) -> Present:
        """The last rows of `series`; older ones than LOOKBACK are not read."""
        recent = series.rows(max(len(series) - LOOKBACK, 0), len(series))
        moves = Moves.of(recent)
        almanac = Almanac.of(recent, moves)
        ahead = int(next_day.astype("datetime64[D]").astype(np.int64))
        echoes = summary(history_echoes(almanac, len(moves), ahead))
        return cls(
            moves=moves,
            signals=history_signals(moves),
            flags=np.array([moves.day_range is not None, moves.log_volume is not None], dtype=np.float64),
            almanac=almanac,
            expected=np.vstack([np.zeros((1, echoes.shape[1])), echoes[:-1]]),
        )


@torch.inference_mode()
def simulate(
    members: Sequence[JointNetwork],
    series: PriceSeries,
    future: np.ndarray,
    paths: int,
    rng: np.random.Generator,
) -> tuple[Float[np.ndarray, "paths horizon"], Density]:
    """Cumulative log returns at the timestamps `future`, (paths, horizon), and their density.

    The members share the paths in equal parts, and each path keeps one dropout mask.
    """
    present = Present.of(series, future[0])
    ahead = _echoes_ahead(present.almanac, future)
    minds = _minds(members, present, paths, rng)
    buffers = _Buffers.of(present.moves, paths, len(future))
    signals = _last(present.signals, paths)
    total = np.zeros(paths)
    ends, location, scale, df = (np.empty((paths, len(future))) for _ in range(4))
    for step in range(len(future)):
        day = _joined([mind.foretell(ahead[step]) for mind in minds])
        drawn = _Drawn.of(day, present.flags, rng)
        location[:, step] = total + day.location.numpy() * signals.scale
        scale[:, step], df[:, step] = day.scale.numpy() * signals.scale, day.df.numpy()
        total = total + drawn.y * signals.scale
        ends[:, step] = total
        if step + 1 == len(future):
            break
        signals = buffers.append(drawn, signals)
        expected = summary(ahead[step])
        for mind in minds:
            mind.see(signals.values[mind.paths], present.flags, expected)
    return ends, Density(loc=location, scale=scale, df=df)


def _echoes_ahead(almanac: Almanac | None, future: np.ndarray) -> Float[np.ndarray, "horizon echo"]:
    """The echoes of each day to come, with what is known at the last row."""
    if almanac is None:
        return np.zeros((len(future), ECHOES))
    targets = future.astype("datetime64[D]").astype(np.int64)
    return almanac.echoes(targets, np.full(len(future), len(almanac.days) - 1))


def _last(signals: Signals, paths: int) -> Signals:
    """The last row's signals, one copy a path."""
    return Signals(
        values=np.repeat(signals.values[-1:], paths, axis=0),
        scale=np.repeat(signals.scale[-1:], paths),
        overnight=np.repeat(signals.overnight[-1:], paths),
        usual_volume=np.repeat(signals.usual_volume[-1:], paths),
    )


@dataclass(kw_only=True)
class _Mind:
    """One member on its share of the paths: what it remembers and saw last."""

    network: JointNetwork
    paths: slice
    mask: Float[Tensor, "share hidden"]
    state: State
    inputs: Float[Tensor, "share input"]

    def foretell(self, echoes: Float[np.ndarray, " echo"]) -> Day:
        heard = torch.tensor(echoes, dtype=torch.float32).expand(len(self.mask), -1)
        return self.network.foretell(self.state[0][0] * self.mask, self.inputs, heard)

    def see(
        self,
        signals: Float[np.ndarray, "share signal"],
        flags: Float[np.ndarray, " flag"],
        expected: Float[np.ndarray, " summary"],
    ) -> None:
        share = len(signals)
        present = torch.tensor(flags, dtype=torch.float32).expand(share, FLAGS)
        self.inputs = self.network.standardise(torch.tensor(signals, dtype=torch.float32), present)
        known = torch.tensor(expected, dtype=torch.float32).expand(share, -1)
        _, self.state = self.network.remember(self.inputs[None], known[None], self.state)


def _minds(
    members: Sequence[JointNetwork], present: Present, paths: int, rng: np.random.Generator
) -> list[_Mind]:
    """Each member after reading the last rows of the history, with masks for its paths."""
    rows = slice(max(len(present.moves) - MEMORY, START), None)
    signals = torch.tensor(present.signals.values[rows], dtype=torch.float32)[:, None]
    flags = torch.tensor(present.flags, dtype=torch.float32).expand(*signals.shape[:2], FLAGS)
    expected = torch.tensor(present.expected[rows], dtype=torch.float32)[:, None]
    generator = torch.Generator().manual_seed(int(rng.integers(2**63)))
    minds = []
    for network, share in zip(members, np.array_split(np.arange(paths), len(members)), strict=True):
        if len(share) == 0:
            continue
        inputs = network.standardise(signals, flags)
        _, (hidden, cell_state) = network.remember(inputs, expected)
        minds.append(
            _Mind(
                network=network,
                paths=slice(int(share[0]), int(share[-1]) + 1),
                mask=draw_mask((len(share), HIDDEN), 1 - DROPOUT, generator) / (1 - DROPOUT),
                state=(
                    hidden.repeat(1, len(share), 1),
                    cell_state.repeat(1, len(share), 1),
                ),
                inputs=inputs[-1].expand(len(share), -1),
            )
        )
    return minds


def _joined(days: Sequence[Day]) -> Day:
    """The members' days side by side, in double precision."""
    return Day(
        **{one.name: torch.cat([getattr(day, one.name) for day in days]).double() for one in fields(Day)}
    )


@dataclass(frozen=True, kw_only=True)
class _Drawn:
    """One day for each path: return and log range in scales, log volume against its trailing mean."""

    y: Float[np.ndarray, " paths"]
    log_range: Float[np.ndarray, " paths"]
    volume: Float[np.ndarray, " paths"]

    @classmethod
    def of(cls, day: Day, flags: Float[np.ndarray, " flag"], rng: np.random.Generator) -> _Drawn:
        """A return, a range that fits it, a volume that fits both."""
        paths = len(day.scale)
        y = (day.location + day.scale * torch.from_numpy(rng.standard_t(day.df.numpy()))).clamp(
            -_FARTHEST, _FARTHEST
        )
        range_error, volume_error = torch.from_numpy(rng.standard_normal((2, paths)))
        log_range = day.range_centre(y) + day.range_spread * range_error
        volume = day.volume_centre(range_error * flags[0]) + day.volume_spread * volume_error
        return cls(y=y.numpy(), log_range=log_range.numpy(), volume=volume.clamp(-3, 3).numpy())


@dataclass(kw_only=True)
class _Buffers:
    """The trailing windows of every path with room for the horizon; they slide by one row a step."""

    log_return: Float[np.ndarray, "paths longer"]
    day_range: Float[np.ndarray, "paths longer"] | None
    log_volume: Float[np.ndarray, "paths longer"] | None
    rows: int
    step: int = 0

    @classmethod
    def of(cls, moves: Moves, paths: int, horizon: int) -> _Buffers:
        def buffer(values: Float[np.ndarray, " time"]) -> Float[np.ndarray, "paths longer"]:
            room = np.zeros((paths, WINDOW + horizon))
            last = values[-WINDOW:]
            room[:, WINDOW - len(last) : WINDOW] = last
            return room

        return cls(
            log_return=buffer(moves.log_return),
            day_range=None if moves.day_range is None else buffer(moves.day_range),
            log_volume=None if moves.log_volume is None else buffer(moves.log_volume),
            rows=len(moves),
        )

    def append(self, drawn: _Drawn, now: Signals) -> Signals:
        """Add a drawn day to every path; the signals there."""
        end = WINDOW + self.step
        self.step += 1
        seen = slice(self.step, end + 1)
        self.log_return[:, end] = drawn.y * now.scale
        if self.day_range is not None:
            self.day_range[:, end] = range_of(drawn.log_range, now.scale, now.overnight)
        if self.log_volume is not None:
            self.log_volume[:, end] = now.usual_volume + drawn.volume
        return evaluate(
            Recent(
                log_return=self.log_return[:, seen],
                day_range=None if self.day_range is None else self.day_range[:, seen],
                log_volume=None if self.log_volume is None else self.log_volume[:, seen],
                rows=np.full(len(self.log_return), min(self.rows + self.step, WINDOW)),
            )
        )

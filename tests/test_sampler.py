"""The sampler on a network that can be worked out by hand: which paths are whose, what is carried, what is refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
import torch

from conftest import simulated_series
from gatecast.features.contract import Day, Reading, Student, Windows
from gatecast.nn.encoders import repeated
from gatecast.nn.masks import Masks, draw_masks
from gatecast.nn.network import PathNetwork
from gatecast.nn.parallel import Workers
from gatecast.nn.sampling import blocks, sampler, strands
from gatecast.nn.sampling.sampler import PathModel, Start


@dataclass(frozen=True)
class Sum:
    """A day whose value is its network's; without a spread."""

    value: torch.Tensor

    def sample(
        self, rngs: Sequence[np.random.Generator], *, noise: bool = True, places: np.ndarray | None = None
    ) -> Day:
        value = self.value.numpy()
        drawn = np.concatenate([rng.random(len(value) // len(rngs)) for rng in rngs]) if noise else 0 * value
        drawn = drawn if places is None else places
        density = Student(location=value, scale=value + 1, df=value + 2)
        return Day(value=value + drawn, log_range=value, log_volume=value, density=density)

    def log_prob(self, observed: torch.Tensor) -> torch.Tensor:
        return torch.where(observed == self.value, torch.inf, -torch.inf)

    def density(self) -> None:
        return None


class Counter(PathNetwork):
    """Adds up its inputs along each path and adds its own number; a mask adds its first unit's value."""

    def __init__(self, number: float, units: int = 1) -> None:
        super().__init__()
        self.number = torch.nn.Parameter(torch.tensor(number))
        self.units = units
        self.calls: list[tuple[int, int]] = []

    def forward(self, inputs: Any, state: Any = None, masks: Masks | None = None, *, last: int | None = None) -> Any:
        assert last == 1
        self.calls.append(tuple(inputs.shape[:2]))
        total = inputs.sum(dim=(0, 2))[None]
        if state is not None:
            total = total + state[0][0]
        extra = torch.zeros(1) if masks is None else masks.layers[0][:, 0]
        repeats = 1 if masks is None else len(extra) // total.shape[1]
        value = total.repeat_interleave(repeats, dim=1) + self.number + extra
        return Sum(value=value), [(total,)]

    def draw_masks(self, sequences: int, generator: torch.Generator) -> Masks:
        return draw_masks(1, sequences, 2, 0.5, generator)


class Growing:
    """Windows whose context is the number of their start, and whose later inputs are the values drawn."""

    def __init__(self, rows: Sequence[float], paths: int) -> None:
        self.rows, self.paths, self.total, self.step = rows, paths, np.zeros(len(rows) * paths), 0
        self.last = np.zeros(len(self.total))

    @property
    def log_return(self) -> np.ndarray:
        return self.total.copy()

    @property
    def day_range(self) -> np.ndarray:
        return self.last + 1

    def inputs(self) -> np.ndarray:
        if self.step == 0:
            return np.array(self.rows, dtype=float)[None, :, None]
        return self.last[None, :, None]

    def density(self, day: Day) -> Student | None:
        return day.density

    def append(self, day: Day) -> None:
        self.last, self.total, self.step = day.value, self.total + day.value, self.step + 1


@dataclass(frozen=True)
class Lengths:
    """Features that know of a series its length alone; series of other lengths are not alike."""

    alone: bool = False

    def across(self, items: int) -> bool:
        return False

    def meet(self, windows: Sequence[Windows], tables: Sequence[np.ndarray]) -> None:
        raise AssertionError("these do not look at each other")

    def history(self, tables: Sequence[Sequence[Any]]) -> list[float]:
        return [float(len(series)) for table in tables for series in table]

    def readings(self, rows: Sequence[float]) -> list[Reading]:
        return []

    def alike(self, rows: float) -> float:
        return rows if self.alone else 0.0

    def start(self, rows: Sequence[float], future: Sequence[np.ndarray], paths: int) -> Growing:
        return Growing(rows, paths)


def starts(*lengths: int, horizon: int = 3, seed: int = 0) -> list[Start]:
    return [
        Start(series=simulated_series("X", length), future=np.arange(horizon), rng=np.random.default_rng([seed, place]))
        for place, length in enumerate(lengths)
    ]


def test_each_path_adds_up_what_its_start_and_network_say() -> None:
    """Without masks and noise: step 1 is context + number, later steps carry the state on."""
    model = PathModel(networks=(Counter(0.5), Counter(100.0)), features=Lengths(), mc_dropout=False, noise=False)
    first, second = model.simulate([starts(30, 40)], 5)
    for answer, context in ((first, 30.0), (second, 40.0)):
        assert answer.log_returns.shape == (5, 3)
        for path in range(5):
            number = 0.5 if path < 3 else 100.0  # five paths over two networks: three and two
            state, total, value = context, 0.0, context + number
            for step in range(3):
                total += value
                assert answer.log_returns[path, step] == pytest.approx(total)
                state += value
                value = state + number
        assert answer.density is not None and answer.density.loc.shape == (5, 3)
        np.testing.assert_allclose(answer.density.loc[:3, 0], context + 0.5)
        np.testing.assert_allclose(answer.density.scale - answer.density.loc, 1.0)
        np.testing.assert_allclose(answer.density.df - answer.density.loc, 2.0)


def test_masks_differ_between_paths_are_held_and_come_from_the_starts_own_stream() -> None:
    model = PathModel(networks=(Counter(0.0),), features=Lengths(), noise=False)
    both = model.simulate([starts(10, 20)], 40)
    moves = np.diff(both[0].log_returns, axis=1, prepend=0)
    masks = moves[:, 0] - 10
    assert set(np.round(masks, 6)) == {0.0, 2.0}
    np.testing.assert_allclose(moves[:, 1] - (10 + moves[:, 0]), masks, atol=1e-5)
    assert (both[1].log_returns[:, 0] - 20 != masks).any()
    alone = model.simulate([starts(10)], 40)[0]
    np.testing.assert_array_equal(alone.log_returns, both[0].log_returns)
    other = model.simulate([starts(10, seed=1)], 40)[0]
    assert (other.log_returns != alone.log_returns).any()


def test_tables_blocks_and_strands_change_nothing_but_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    lengths = (10, 20, 15, 20, 10)
    whole = PathModel(networks=(Counter(0.25),), features=Lengths()).simulate([starts(*lengths)], 12)
    apart = PathModel(networks=(Counter(0.25),), features=Lengths(alone=True)).simulate([starts(*lengths)], 12)
    monkeypatch.setattr(blocks, "PATHS_AT_ONCE", 24)
    monkeypatch.setattr(strands, "_UNITS_AT_ONCE", 10)
    network = Counter(0.25)
    torn = PathModel(networks=(network,), features=Lengths()).simulate([starts(*lengths)], 12)
    for first, second, third in zip(whole, apart, torn, strict=True):
        np.testing.assert_allclose(first.log_returns, second.log_returns, rtol=1e-6)
        np.testing.assert_allclose(first.log_returns, third.log_returns, rtol=1e-6)
    assert max(rows for steps, rows in network.calls if rows > 2) <= 10


def test_fewer_paths_than_networks_leave_the_last_networks_out() -> None:
    networks = (Counter(0.0), Counter(1.0), Counter(2.0))
    model = PathModel(networks=networks, features=Lengths(), mc_dropout=False, noise=False)
    (answer,) = model.simulate([starts(10)], 2)
    np.testing.assert_allclose(answer.log_returns[:, 0], [10.0, 11.0])
    assert not networks[2].calls
    assert model.simulate([], 5) == []


def test_noise_is_drawn_from_the_starts_stream_after_its_masks() -> None:
    model = PathModel(networks=(Counter(0.0),), features=Lengths(), mc_dropout=False)
    (answer,) = model.simulate([starts(10)], 6)
    rng = np.random.default_rng([0, 0])
    rng.integers(2**63)
    np.testing.assert_allclose(answer.log_returns[:, 0], 10 + rng.random(6))


@dataclass(frozen=True, kw_only=True)
class Parts:
    """Inputs in parts, one of which some steps lack."""

    own: Any
    shared: Any = None


class InParts(Growing):
    """Later inputs in two parts: the values drawn, a row a path, and the step, a row a start."""

    def inputs(self) -> Any:
        own = super().inputs()
        shared = None if self.step == 0 else 1000.0 * (self.step + np.arange(len(self.rows)))[None, :, None]
        return Parts(own=own, shared=shared)


class AddsParts(Counter):
    """A counter of the sum of both parts."""

    def forward(self, inputs: Any, state: Any = None, masks: Masks | None = None, *, last: int | None = None) -> Any:
        both = [repeated(part, inputs.own.shape[1]) for part in (inputs.own, inputs.shared) if part is not None]
        assert {part.dtype for part in both} == {torch.float32}
        return super().forward(sum(both[1:], start=both[0]), state, masks, last=last)


@dataclass(frozen=True)
class LengthsInParts(Lengths):
    """Lengths whose windows come in parts."""

    def start(self, rows: Sequence[float], future: Sequence[np.ndarray], paths: int) -> Growing:
        return InParts(rows, paths)


def test_what_holds_for_a_start_holds_for_each_of_its_paths() -> None:
    """Inputs may be a dataclass; a part with a row a start is repeated, also where networks share the paths."""
    networks = (AddsParts(0.5), AddsParts(7.0))
    model = PathModel(networks=networks, features=LengthsInParts(), mc_dropout=False, noise=False)
    for place, answer in enumerate(model.simulate([starts(30, 40)], 5)):
        for path in range(5):
            number, state = (0.5 if path < 3 else 7.0), (30.0, 40.0)[place]
            value = total = state + number
            for step in range(1, 3):
                state += value + 1000 * (step + place)
                value = state + number
                total += value
                assert answer.log_returns[path, step] == pytest.approx(total, rel=1e-6)


@dataclass(frozen=True)
class Blocks(Lengths):
    """Lengths that note the starts of each block."""

    seen: list[list[float]] = field(default_factory=list)

    def alike(self, rows: float) -> float:
        assert rows > 0
        return super().alike(rows)

    def start(self, rows: Sequence[float], future: Sequence[np.ndarray], paths: int) -> Growing:
        self.seen.append(list(rows))
        return super().start(rows, future, paths)


def test_starts_are_simulated_in_blocks_of_those_that_are_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    def divided(alone: bool, at_once: int) -> list[list[float]]:
        monkeypatch.setattr(blocks, "PATHS_AT_ONCE", at_once)
        features = Blocks(alone=alone)
        PathModel(networks=(Counter(0.25),), features=features).simulate([starts(10, 20, 15, 20, 10)], 12)
        return sorted(features.seen)

    assert divided(False, 8192) == [[10, 20, 15, 20, 10]]
    assert divided(True, 8192) == [[10, 10], [15], [20, 20]]
    assert sorted(len(block) for block in divided(False, 30)) == [1, 2, 2]
    assert sorted(len(block) for block in divided(False, 1)) == [1, 1, 1, 1, 1]


def test_a_share_of_the_paths_may_be_as_small_as_one_a_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strands, "_UNITS_AT_ONCE", 1)
    network = Counter(0.25)
    PathModel(networks=(network,), features=Lengths()).simulate([starts(10, 20)], 4)
    assert network.calls.count((1, 2)) == len(network.calls) == 4 * 3


class Meeting(Growing):
    """Windows that see the sum of the newest values of their table, path by path, added to their own."""

    seen: Any = 0.0

    def inputs(self) -> np.ndarray:
        return super().inputs() if self.step == 0 else (self.last + self.seen)[None, :, None]


@dataclass(frozen=True)
class Sums(Lengths):
    """Starts of a table of two or more see each other's newest values."""

    met: list[int] = field(default_factory=list)

    def across(self, items: int) -> bool:
        return items > 1

    def meet(self, windows: Sequence[Any], tables: Sequence[np.ndarray]) -> None:
        self.met.append(windows[0].paths)
        values = np.concatenate([window.last.reshape(-1, window.paths) for window in windows])
        numbers = np.concatenate(tables)
        sums = np.stack([values[numbers == number].sum(axis=0) for number in numbers])
        for window, seen in zip(windows, np.split(sums, np.cumsum([len(t) for t in tables])[:-1]), strict=True):
            window.seen = seen.ravel()

    def start(self, rows: Sequence[float], future: Sequence[np.ndarray], paths: int) -> Growing:
        return Meeting(rows, paths)


def placed(*lengths: int, paths: int, seed: int = 0) -> list[Start]:
    rng = np.random.default_rng(seed)
    return [replace(start, places=rng.random((3, paths))) for start in starts(*lengths)]


@pytest.mark.parametrize("alone", [False, True])
@pytest.mark.parametrize("at_once", [8192, 12, 1])
def test_items_that_see_each_other_are_simulated_in_step_whatever_the_blocks(
    alone: bool, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By hand: step 1 is context + number + place; later steps add what all of a table drew on that path."""
    monkeypatch.setattr(blocks, "PATHS_AT_ONCE", at_once)
    features = Sums(alone=alone)
    model = PathModel(networks=(Counter(0.5), Counter(100.0)), features=features, mc_dropout=False)
    tables = [placed(30, 40, paths=5), placed(20, 30, 30, paths=5, seed=1)]
    answers = iter(model.simulate(tables, 5))
    for table in tables:
        got = [next(answers) for _ in table]
        for path in range(5):
            number = 0.5 if path < 3 else 100.0
            states = [float(len(start.series)) for start in table]
            totals = np.zeros(len(table))
            for step in range(3):
                drawn = np.array([s + number + t.places[step, path] for s, t in zip(states, table, strict=True)])
                totals += drawn
                np.testing.assert_allclose([answer.log_returns[path, step] for answer in got], totals, rtol=1e-5)
                states = [state + value + drawn.sum() for state, value in zip(states, drawn, strict=True)]
        for answer in got:
            assert answer.density is not None and answer.density.loc.shape == (5, 3)
            np.testing.assert_allclose(answer.day_range, np.diff(answer.log_returns, axis=1, prepend=0) + 1)
    assert set(features.met) == {8192: {5}, 12: {2, 3}, 1: {1}}[at_once]


def test_tables_that_do_not_see_each_other_need_no_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without places nothing is shared along the paths, so nothing meets."""
    features = Sums()
    PathModel(networks=(Counter(0.5),), features=features).simulate([starts(30, 40)], 4)
    PathModel(networks=(Counter(0.5),), features=features).simulate([placed(30, paths=4)], 4)
    assert features.met == []


class Named(Workers):
    """Workers that do the work at once and note what they were given."""

    def __init__(self, name: str, log: list[tuple[str, int]]) -> None:
        super().__init__(None)
        self.name, self.log = name, log

    def __enter__(self) -> Named:
        return self

    def __exit__(self, *_: object) -> None: ...

    def map(self, work: Any, parts: Any) -> list[Any]:
        parts = list(parts)
        self.log.append((self.name, len(parts)))
        return [work(part) for part in parts]


def test_blocks_run_side_by_side_or_where_there_is_one_its_shares_do(monkeypatch: pytest.MonkeyPatch) -> None:
    log: list[tuple[str, int]] = []
    names = {1: "single", None: "several"}
    monkeypatch.setattr(sampler, "workers_on", lambda device, most=None: Named(names[most], log))
    monkeypatch.setattr(sampler, "side_by_side", Named("side by side", log).map)
    monkeypatch.setattr(sampler, "INLINE", Named("inline", log))

    def worked(lengths: tuple[int, ...], networks: int) -> list[tuple[str, int]]:
        log.clear()
        members = tuple(Counter(float(number)) for number in range(networks))
        model = PathModel(networks=members, features=Lengths(alone=True))
        model.simulate([starts(*lengths, horizon=2)], 6)
        return sorted(set(log))

    assert worked((10,), 1) == [("inline", 1), ("single", 1)]
    assert worked((10,), 2) == [("several", 2), ("single", 1)]
    assert worked((10, 20), 1) == [("inline", 1), ("side by side", 2)]
    assert worked((10, 20), 3) == [("inline", 3), ("side by side", 2)]


class Seeds(Counter):
    """Notes the seed of each start's masks."""

    def draw_masks(self, sequences: int, generator: torch.Generator) -> Masks:
        self.seeds = [*getattr(self, "seeds", []), generator.initial_seed()]
        return super().draw_masks(sequences, generator)


def test_the_seeds_of_masks_come_from_the_starts_stream_over_63_bits() -> None:
    network = Seeds(0.0)
    PathModel(networks=(network,), features=Lengths()).simulate([starts(10, 20, horizon=1)], 4)
    assert network.seeds == [int(np.random.default_rng([0, place]).integers(2**63)) for place in (0, 1)]

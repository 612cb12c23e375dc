"""Simulated price paths: dropout masks held, state carried, every feature recomputed from the simulated prices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from gatecast.config import Config
from gatecast.features.indicators import (
    RANGE_FLOOR,
    WINDOW,
    FeatureSpec,
    Trailing,
    evaluate,
    log_range,
    log_volume,
    padded,
    series_features,
    volatility,
)
from gatecast.features.windows import CLIP, Panel, Scaler, to_log_return
from gatecast.forecast import Density
from gatecast.nn.encoders import Masks, State, expand_state
from gatecast.nn.heads import Components
from gatecast.nn.network import Network
from gatecast.nn.parallel import ALONE, Crew, side_by_side
from gatecast.prices import PriceSeries

MAX_STEP = float(np.log(10))  # a price may at most grow or shrink tenfold in a step
MAX_TOTAL = 200.0  # nor leave e^±200 of the last close: far beyond sense, well within float64
PATHS_AT_ONCE = 500  # by one thread: their state stays in its cache; a thread more for fewer would not pay


@dataclass(frozen=True, kw_only=True)
class Shocks:
    """What days did that the network did not foresee, one row a held-out day, drawn together.

    `error` in units of the target's scale; `range_ratio` is log(range / trailing volatility); `volume_ratio` is log
    volume over its mean of the 20 rows before. Drawing a whole row keeps big moves, wide ranges and heavy trade
    together (filtered historical simulation, Barone-Adesi, Giannopoulos and Vosper 1999).
    """

    error: Float[np.ndarray, " day"]
    range_ratio: Float[np.ndarray, " day"]
    volume_ratio: Float[np.ndarray, " day"]

    @classmethod
    def of(
        cls,
        error: Float[np.ndarray, " held_out"],
        rows: np.ndarray,
        panel: Panel,
        series: list[PriceSeries],
        spec: FeatureSpec,
    ) -> Shocks:
        """The shocks of the held-out rows; errors centred, so that the network alone decides the drift."""
        range_ratio, volume_ratio = np.zeros(len(panel.target)), np.zeros(len(panel.target))
        for first, one in zip(panel.first_rows, series, strict=True):
            here = slice(first, first + len(one) - 1)  # row t holds what day t + 1 did
            if spec.has_range:
                range_ratio[here] = log_range(one)[1:] - np.log(volatility(one.close))[:-1]
            if spec.has_volume:
                volume_ratio[here] = _volume_ratio(log_volume(one))
        return cls(
            error=np.clip(error - error.mean(), -CLIP, CLIP),
            range_ratio=range_ratio[rows],
            volume_ratio=volume_ratio[rows],
        )

    def draw(self, paths: int, rng: np.random.Generator | None) -> Shocks:
        """One day's shock for each path; without `rng` the quiet day: no error, the median range and volume."""
        if rng is None:
            return Shocks(
                error=np.zeros(paths),
                range_ratio=np.full(paths, np.median(self.range_ratio)),
                volume_ratio=np.full(paths, np.median(self.volume_ratio)),
            )
        day = rng.integers(len(self.error), size=paths)
        return Shocks(
            error=self.error[day], range_ratio=self.range_ratio[day], volume_ratio=self.volume_ratio[day]
        )


def _volume_ratio(log_volumes: Float[np.ndarray, " time"]) -> Float[np.ndarray, " shorter"]:
    windows = np.lib.stride_tricks.sliding_window_view(padded(log_volumes), WINDOW)[:-1, -20:]
    return np.asarray(log_volumes[1:] - windows.mean(axis=1))


@dataclass
class _Strand:
    """A share of the paths: which they are, their masks, and what the network remembers along them."""

    rows: slice
    masks: Masks | None
    state: State | None = None


@dataclass(frozen=True, kw_only=True)
class Simulator:
    """Everything a path needs: the network, what its inputs mean, and the shocks it may meet."""

    network: Network
    config: Config
    spec: FeatureSpec
    scaler: Scaler
    shocks: Shocks
    trust: float = 1.0  # share of the network's mean move that its held-out days bear out; see `worth`

    def paths(
        self, series: PriceSeries, horizon: int, paths: int, rng: np.random.Generator
    ) -> tuple[Float[np.ndarray, "paths horizon"], Density | None]:
        """Simulated prices after the last row of `series`, and their density where the head foretells one.

        Monte Carlo dropout as Gal and Ghahramani (2016): one mask per path, drawn once and held along it. A head with
        a distribution draws the return from it; range and volume of the day come from the held-out days.
        """
        with side_by_side(self._device) as crew:
            return self._paths(series, horizon, paths, rng, crew)

    def _paths(
        self, series: PriceSeries, horizon: int, paths: int, rng: np.random.Generator, crew: Crew
    ) -> tuple[Float[np.ndarray, "paths horizon"], Density | None]:
        self.network.eval()
        strands = self._strands(paths, rng)
        value = self._read(self._context(series)[:, None], strands, crew)
        history = _History.of(series, self.spec, horizon, paths)
        foretold = []
        for step in range(horizon):
            sigma = history.sigma
            shock = self.shocks.draw(paths, None if self.config.noise == "none" else rng)
            center, scale = self.scaler.target_frame(series.item_id, sigma)
            if self.config.head == "point":
                value = value - (1 - self.trust) * value.mean() + shock.error
            else:
                value, component = draw(self.config, value, None if self.config.noise == "none" else rng)
                foretold.append(
                    (history.log_close_now + scale * component.loc, scale * component.scale, component.df)
                )
            move = to_log_return(self.spec.returns, history.log_close_now, center + scale * value)
            features = history.append(np.clip(move, -MAX_STEP, MAX_STEP), shock)
            if step + 1 < horizon:
                value = self._read(self.scaler.apply(features, series.item_id)[None], strands, crew)
        start = np.log(series.close[-1])
        density = None
        if foretold and self.spec.returns == "log":
            loc, spread, df = (np.stack(one, axis=1) for one in zip(*foretold, strict=True))
            density = Density(loc=loc - start, scale=spread, df=df)
        return np.asarray(np.exp(history.simulated() - start) * series.close[-1]), density

    @property
    def _device(self) -> torch.device:
        return next(self.network.parameters()).device

    def _strands(self, paths: int, rng: np.random.Generator) -> list[_Strand]:
        """The paths in shares, the same on every machine; on a GPU in one."""
        masks = None
        if self.config.mc_dropout:
            generator = torch.Generator(self._device).manual_seed(int(rng.integers(2**63)))
            masks = self.network.encoder.draw_masks(paths, generator)
        size = PATHS_AT_ONCE if self._device.type == "cpu" else paths
        rows = [slice(first, min(first + size, paths)) for first in range(0, paths, size)]
        return [_Strand(one, None if masks is None else [mask[one] for mask in masks]) for one in rows]

    def _context(self, series: PriceSeries) -> Float[np.ndarray, "context feature"]:
        """The inputs of the last rows, the same for every path."""
        context = series.rows(-self.config.context_length - WINDOW, len(series))
        features = series_features(context, self.spec)[-self.config.context_length :]
        return self.scaler.apply(features, series.item_id)

    def _read(
        self,
        inputs: Float[np.ndarray, "time one_or_paths feature"],
        strands: Sequence[_Strand],
        crew: Crew,
    ) -> Float[np.ndarray, "paths ..."]:
        """The value (or parameters) of every path after these rows; layers below the first mask read a context once."""
        given = torch.from_numpy(inputs).to(self._device)

        @torch.inference_mode()
        def read(strand: _Strand) -> Tensor:
            mine = given if given.shape[1] == 1 else given[:, strand.rows]
            out, state = self.network.step(mine, strand.masks, strand.state)
            count = strand.rows.stop - strand.rows.start
            strand.state = expand_state(state, count)
            return out.expand(count, *out.shape[1:])

        told = (crew if len(strands) > 1 else ALONE).map(read, strands)
        return np.asarray(torch.cat(told).cpu().numpy().astype(np.float64))


def worth(foretold: Float[np.ndarray, " day"], came: Float[np.ndarray, " day"]) -> float:
    """How much of what a network foretold came, to be safe: 0 (nothing to be seen) to 1 (all of it).

    The slope through the origin of what came on what was foretold, less two standard errors. A network that has
    learned a few hundred noisy days foretells drifts that are not there; on prices without memory this is 0.
    """
    power = float(np.square(foretold).sum())
    if power == 0 or len(came) < 3:
        return 0.0
    slope = float(foretold @ came) / power
    error = np.sqrt(np.square(came - slope * foretold).mean() / power)
    return float(np.clip(slope - 2 * error, 0.0, 1.0))


@dataclass(frozen=True)
class Component:
    """The part of a foretold distribution each path drew from; (paths,) each, in scales of the target."""

    loc: Float[np.ndarray, " paths"]
    scale: Float[np.ndarray, " paths"]
    df: Float[np.ndarray, " paths"]


def draw(
    config: Config, parameters: Float[np.ndarray, "paths parameter"], rng: np.random.Generator | None
) -> tuple[Float[np.ndarray, " paths"], Component]:
    """A value from each path's distribution and the component it came from; without `rng` the mean."""
    told = Components.of(config.head, torch.from_numpy(np.array(parameters)))
    paths = len(parameters)
    last = told.location.shape[-1] - 1
    steps = told.log_weight.exp().cumsum(dim=-1).numpy()
    drawn = np.zeros(paths) if rng is None else rng.random(paths)
    which = np.minimum((drawn[:, None] > steps).sum(axis=1), last)
    rows = np.arange(paths)
    loc, scale, df = (one.numpy()[rows, which] for one in (told.location, told.scale, told.df))
    component = Component(loc, scale, df)
    if rng is None:
        return told.mean.numpy(), component
    noise = rng.standard_normal(paths) if np.isinf(df).any() else rng.standard_t(df)
    return loc + scale * np.clip(noise, -CLIP, CLIP), component


class _History:
    """The trailing windows of every path, grown in place by one simulated row at a time."""

    def __init__(
        self, spec: FeatureSpec, rows: int, log_close: np.ndarray, log_volumes: np.ndarray | None
    ) -> None:
        self.spec, self.real_rows, self.step = spec, rows, 0
        self.log_close, self.log_volumes = log_close, log_volumes
        self.sigma = self._evaluate(None if not spec.has_range else np.zeros(len(log_close)))[1]

    @classmethod
    def of(cls, series: PriceSeries, spec: FeatureSpec, horizon: int, paths: int) -> _History:
        def buffer(values: np.ndarray) -> np.ndarray:
            room = np.empty((paths, WINDOW + horizon))
            room[:, :WINDOW] = padded(values)[-WINDOW:]
            return room

        log_volumes = buffer(log_volume(series)) if spec.has_volume else None
        return cls(spec, len(series), buffer(np.log(series.close)), log_volumes)

    @property
    def log_close_now(self) -> Float[np.ndarray, " paths"]:
        """The last log price of every path."""
        return np.asarray(self.log_close[:, self.step + WINDOW - 1])

    def append(self, move: Float[np.ndarray, " paths"], shock: Shocks) -> Float[np.ndarray, "paths feature"]:
        """Add a simulated row to every path and return the features there."""
        end = self.step + WINDOW
        start = self.log_close[:, WINDOW - 1]
        self.log_close[:, end] = start + np.clip(self.log_close_now + move - start, -MAX_TOTAL, MAX_TOTAL)
        log_ranges = None
        if self.spec.has_range:
            log_ranges = np.maximum(np.log(self.sigma) + shock.range_ratio, np.log(RANGE_FLOOR))
        if self.log_volumes is not None:
            usual = self.log_volumes[:, end - 20 : end].mean(axis=1)
            self.log_volumes[:, end] = np.maximum(usual + shock.volume_ratio, 0.0)
        self.step += 1
        features, self.sigma = self._evaluate(log_ranges)
        return features

    def simulated(self) -> Float[np.ndarray, "paths horizon"]:
        """The simulated log prices so far."""
        return self.log_close[:, WINDOW : WINDOW + self.step]

    def _evaluate(self, log_ranges: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        now = slice(self.step, self.step + WINDOW)
        rows = np.full(len(self.log_close), min(self.real_rows + self.step, WINDOW))
        trailing = Trailing(
            log_close=self.log_close[:, now],
            rows=rows,
            log_range=log_ranges,
            log_volume=None if self.log_volumes is None else self.log_volumes[:, now],
        )
        return evaluate(trailing, self.spec)

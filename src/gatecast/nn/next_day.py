"""What a network predicts of the next day, as a distribution: a point with resampled errors, parametric, or joint."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cache
from typing import Protocol, TypeVar, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float
from scipy.ndimage import map_coordinates
from scipy.special import ndtr, ndtri, stdtrit
from torch import Tensor

from gatecast.config import Config
from gatecast.features.contract import Day, Student
from gatecast.features.targets import CLIP

FARTHEST = 30.0  # trailing scales; the base network's returns beyond count as this far, in training and on paths
LEAST_DF = 2.1  # degrees of freedom of a day: its variance is finite
FARTHEST_NORMAL = 8.4  # no place that is drawn lies farther out; that of a double next to 1 is 8.2
_NORMAL_QUANTILES, _INVERSE_DFS = 513, 257  # of the table of quantiles
Rngs = Sequence[np.random.Generator]  # one for each start, whose paths are neighbouring rows
Places = Float[np.ndarray, " row"]
AnyDay = TypeVar("AnyDay", bound="NextDay")


@runtime_checkable
class NextDay(Protocol):
    """The distribution of the day after each row."""

    def log_prob(self, observed: Float[Tensor, "*rows ..."]) -> Float[Tensor, "*rows"]:
        """The log density of what was observed; nats, but for a point up to a constant."""

    def sample(self, rngs: Rngs, *, noise: bool = True, places: Places | None = None) -> Day:
        """One day of each path; without `noise` the expected day.

        `places` is where the shock of each path stands in its distribution, (row,) in (0, 1); drawn where it is None.
        """

    def density(self) -> Student | None:
        """The distribution of the return in trailing scales; None where it is no single Student-t a row, or none."""


def student_t_log_prob(
    squared: Float[Tensor, "*rows"], df: Float[Tensor, "*rows"], log_scale: Float[Tensor, "*rows"]
) -> Float[Tensor, "*rows"]:
    """Log density of a Student-t at a squared standardised error; nats. Infinite `df` (of all rows): a normal."""
    if bool(df.isinf().any()):
        return -0.5 * (squared + math.log(2 * math.pi)) - log_scale
    constant = torch.lgamma((df + 1) / 2) - torch.lgamma(df / 2) - 0.5 * torch.log(math.pi * df) - log_scale
    return constant - (df + 1) / 2 * torch.log1p(squared / df)


def student_t_at(places: Float[np.ndarray, " row"], df: Float[np.ndarray, " row"]) -> Float[np.ndarray, " row"]:
    """The quantiles of Student-t distributions at these places in (0, 1); `df` at least LEAST_DF, infinite: of normals.

    Read off a table of quantiles by those of the normal distribution and by 1 / df, between them by straight lines; a
    ten-thousandth of the quantile off at most, and ten times as fast as the inverse of the distribution function.
    """
    normal = ndtri(places)
    rows = np.abs(normal) * ((_NORMAL_QUANTILES - 1) / FARTHEST_NORMAL)
    columns = (_INVERSE_DFS - 1) * LEAST_DF / df
    sizes = map_coordinates(_quantile_table(), [rows, columns], order=1, mode="nearest", prefilter=False)
    return np.asarray(np.copysign(np.sinh(sizes), normal))


@cache
def _quantile_table() -> Float[np.ndarray, "normal_quantile inverse_df"]:
    """The inverse hyperbolic sine of the upper quantiles: nearly straight along both axes."""
    quantiles = np.linspace(0.0, FARTHEST_NORMAL, _NORMAL_QUANTILES)
    inverse_df = np.linspace(0.0, 1 / LEAST_DF, _INVERSE_DFS)[1:]
    student = -stdtrit(1 / inverse_df, ndtr(-quantiles)[:, None])
    return np.asarray(np.arcsinh(np.column_stack([quantiles, student])))


def joined(parts: Sequence[AnyDay], order: np.ndarray) -> AnyDay:
    """Parts of the rows as one distribution, in double precision on the processor; `order` sorts their rows."""
    first, places = parts[0], torch.from_numpy(order)
    tensors = {
        field.name: torch.cat([getattr(part, field.name) for part in parts]).cpu().index_select(0, places).double()
        for field in fields(first)  # type: ignore[arg-type]
        if isinstance(getattr(first, field.name), Tensor)
    }
    return replace(first, **tensors)  # type: ignore[type-var]


@dataclass(frozen=True, kw_only=True)
class HeldOutDays:
    """What the network did not predict on its held-out days, one row a day, drawn together.

    `error` in units of the target's scale; `range_ratio` is log(range / trailing volatility); `volume_ratio` is log
    volume over its mean of the 20 rows before. Drawing a whole row keeps big moves, wide ranges and heavy trade
    together (filtered historical simulation, Barone-Adesi, Giannopoulos and Vosper 1999). `shrinkage` is the share
    of the network's mean move that enters a path (`shrinkage_of`).
    """

    error: Float[np.ndarray, " day"]
    range_ratio: Float[np.ndarray, " day"]
    volume_ratio: Float[np.ndarray, " day"]
    shrinkage: float = 1.0

    def draw(self, paths: int, rngs: Rngs, *, noise: bool, places: Places | None = None) -> Day:
        """One held-out day for each path; without noise no error, the median range and volume.

        With `places` that whose error stands there among all errors.
        """
        rows = paths * len(rngs)
        if not noise:
            return Day(
                value=np.zeros(rows),
                log_range=np.full(rows, np.median(self.range_ratio)),
                log_volume=np.full(rows, np.median(self.volume_ratio)),
            )
        if places is None:
            day = np.concatenate([rng.integers(len(self.error), size=paths) for rng in rngs])
        else:
            day = np.argsort(self.error, kind="stable")[(places * len(self.error)).astype(int)]
        return Day(value=self.error[day], log_range=self.range_ratio[day], log_volume=self.volume_ratio[day])


def _student_t(rngs: Rngs, df: Float[np.ndarray, " row"]) -> Float[np.ndarray, " row"]:
    """Draws of each start from its own stream; infinite `df` (of all its rows): of a normal."""
    draws = [
        rng.standard_normal(len(part)) if np.isinf(part).any() else rng.standard_t(part)
        for rng, part in zip(rngs, np.split(df, len(rngs)), strict=True)
    ]
    return np.concatenate(draws)


def shrinkage_of(predicted: Float[np.ndarray, " day"], observed: Float[np.ndarray, " day"]) -> float:
    """How much of a network's predicted move held-out days confirm: 0 (none of it) to 1 (all of it).

    The slope through the origin of observed on predicted moves, less two standard errors, so that a drift counts only
    where it is beyond luck. A network that has learned a few hundred noisy days predicts drifts that are not there;
    on prices without memory this is 0.
    """
    power = float(np.square(predicted).sum())
    if power == 0 or len(observed) < 3:
        return 0.0
    slope = float(predicted @ observed) / power
    error = np.sqrt(np.square(observed - slope * predicted).mean() / power)
    return float(np.clip(slope - 2 * error, 0.0, 1.0))


@dataclass(frozen=True, kw_only=True)
class PointDay:
    """A value in units of the target's scale; its spread is the errors of held-out days."""

    value: Float[Tensor, "*rows"]
    config: Config
    held_out: HeldOutDays | None = None

    @property
    def mean(self) -> Float[Tensor, "*rows"]:
        """The value."""
        return self.value

    def log_prob(self, observed: Float[Tensor, "*rows"]) -> Float[Tensor, "*rows"]:
        """The negative of the loss that the settings name, which is a log density up to a constant.

        huber: e^2 / 2 within delta, delta (|e| - delta / 2) beyond (Huber 1964); mse: e^2; mae: |e|;
        pinball at q: max(q e, (q - 1) e) with e = observed - value (Koenker and Bassett 1978).
        """
        error, loss = observed - self.value, self.config.loss
        size = error.abs()
        if loss == "mse":
            return -error.square()
        if loss == "mae":
            return -size
        if loss == "pinball":
            return -torch.maximum(self.config.quantile * error, (self.config.quantile - 1) * error)
        delta = self.config.huber_delta
        return -torch.where(size <= delta, 0.5 * error.square(), delta * (size - 0.5 * delta))

    def sample(self, rngs: Rngs, *, noise: bool = True, places: Places | None = None) -> Day:
        """The value, its mean over the paths of a start shrunk, with the error of a held-out day."""
        assert self.held_out is not None, "a point has no spread before days were held out"
        values = self.value.numpy().reshape(len(rngs), -1)
        mean = values.mean(axis=1, keepdims=True)
        centred = (values - (1 - self.held_out.shrinkage) * mean).ravel()
        day = self.held_out.draw(values.shape[1], rngs, noise=noise, places=places)
        return replace(day, value=centred + day.value, drift=centred)

    def density(self) -> None:
        """A point with resampled errors has none."""


@dataclass(frozen=True, kw_only=True)
class MixtureDay:
    """A mixture of Student-t distributions (df inf: normals) of the target; (*rows, component).

    Range and volume of a day are those of a held-out day.
    """

    log_weight: Float[Tensor, "*rows component"]
    location: Float[Tensor, "*rows component"]
    scale: Float[Tensor, "*rows component"]
    df: Float[Tensor, "*rows component"]
    held_out: HeldOutDays | None = None

    @property
    def mean(self) -> Float[Tensor, "*rows"]:
        """The mean of the mixture."""
        return (self.log_weight.exp() * self.location).sum(dim=-1)

    def log_prob(self, observed: Float[Tensor, "*rows"]) -> Float[Tensor, "*rows"]:
        """The log density; nats."""
        squared = ((observed[..., None] - self.location) / self.scale).square()
        each = student_t_log_prob(squared, self.df, self.scale.log())
        return torch.logsumexp(self.log_weight + each, dim=-1)

    def sample(self, rngs: Rngs, *, noise: bool = True, places: Places | None = None) -> Day:
        """A component, then a return from it; the day's density is that component."""
        assert self.held_out is not None, "ranges and volumes are those of held-out days"
        rows, paths = len(self.location), len(self.location) // len(rngs)
        day = self.held_out.draw(paths, rngs, noise=noise)
        drawn = np.concatenate([rng.random(paths) for rng in rngs]) if noise else np.zeros(rows)
        steps = self.log_weight.exp().cumsum(dim=-1).numpy()
        which = np.minimum((drawn[:, None] > steps).sum(axis=1), steps.shape[-1] - 1)
        location, scale, df = (part.numpy()[np.arange(rows), which] for part in (self.location, self.scale, self.df))
        component = Student(location=location, scale=scale, df=df)
        if not noise:
            return replace(day, value=self.mean.numpy(), density=component, drift=self.mean.numpy())
        errors = _student_t(rngs, df) if places is None else student_t_at(places, df)
        value = location + scale * np.clip(errors, -CLIP, CLIP)
        return replace(day, value=value, density=component, drift=self.mean.numpy())

    def density(self) -> Student | None:
        """The distribution where it has one component."""
        if self.location.shape[-1] > 1:
            return None
        location, scale, df = (part.detach().numpy()[..., 0] for part in (self.location, self.scale, self.df))
        return Student(location=location, scale=scale, df=df)


@dataclass(frozen=True, kw_only=True)
class JointDay:
    """Return, range given the return, volume given both, in units of the row's scale; fields have the rows' shape.

    y ~ t(location, scale, df); log range | y ~ normal about a size of y; log volume | range ~ normal.
    """

    location: Float[Tensor, "*rows"]
    scale: Float[Tensor, "*rows"]
    df: Float[Tensor, "*rows"]
    range_level: Float[Tensor, "*rows"]
    range_slope: Float[Tensor, "*rows"]
    range_spread: Float[Tensor, "*rows"]
    volume_level: Float[Tensor, "*rows"]
    volume_slope: Float[Tensor, "*rows"]
    volume_spread: Float[Tensor, "*rows"]
    has_range: Float[Tensor, "*rows"]

    @property
    def mean(self) -> Float[Tensor, "*rows"]:
        """The mean return."""
        return self.location

    def return_log_prob(self, y: Float[Tensor, "*rows"]) -> Float[Tensor, "*rows"]:
        """The log density of the scaled return; nats."""
        squared = ((y - self.location) / self.scale).square()
        return student_t_log_prob(squared, self.df, self.scale.log())

    def log_prob(self, observed: Float[Tensor, "*rows 3"]) -> Float[Tensor, "*rows"]:
        """The joint log density of the scaled return, log range and volume; NaN where unknown counts nothing. Nats."""
        known = observed.isfinite()
        y, log_range, volume = torch.where(known, observed, 0.0).unbind(dim=-1)
        y = y.clamp(-FARTHEST, FARTHEST)
        range_error = (log_range - self.range_centre(y)) / self.range_spread
        centre = self.volume_centre(range_error * known[..., 1])
        volume_error = (volume - centre) / self.volume_spread
        normal = torch.full_like(self.df, math.inf)
        return (
            self.return_log_prob(y) * known[..., 0]
            + student_t_log_prob(range_error.square(), normal, self.range_spread.log()) * known[..., 1]
            + student_t_log_prob(volume_error.square(), normal, self.volume_spread.log()) * known[..., 2]
        )

    def range_centre(self, y: Float[Tensor, "*rows"]) -> Float[Tensor, "*rows"]:
        """The mean of the log range of a day that returned `y`; training moves location and scale by `y` alone."""
        location, scale = self.location.detach(), self.scale.detach()
        size = 0.5 * torch.log(0.2 + ((y - location) / scale).square())
        return scale.log() + self.range_level + self.range_slope * size

    def volume_centre(self, range_error: Float[Tensor, "*rows"]) -> Float[Tensor, "*rows"]:
        """The mean of the volume of a day whose range was off by so many of its spreads."""
        return self.volume_level + self.volume_slope * range_error

    def sample(self, rngs: Rngs, *, noise: bool = True, places: Places | None = None) -> Day:
        """A return, a range that fits it, a volume that fits both; each start draws from its own stream."""
        paths = len(self.scale) // len(rngs)
        student, errors = np.zeros(len(self.scale)), np.zeros((2, len(self.scale)))
        if noise:
            freedom = self.df.numpy()
            if places is not None:
                student = student_t_at(places, freedom)
            for place, rng in enumerate(rngs):
                rows = slice(place * paths, (place + 1) * paths)
                if places is None:
                    student[rows] = rng.standard_t(freedom[rows])
                errors[:, rows] = rng.standard_normal((2, paths))
        y = (self.location + self.scale * torch.from_numpy(student)).clamp(-FARTHEST, FARTHEST)
        range_error, volume_error = torch.from_numpy(errors)
        log_range = self.range_centre(y) + self.range_spread * range_error
        log_volume = self.volume_centre(range_error * self.has_range) + self.volume_spread * volume_error
        return Day(
            value=y.numpy(),
            log_range=log_range.numpy(),
            log_volume=log_volume.clamp(-3, 3).numpy(),
            density=self.density(),
            drift=self.location.numpy(),
        )

    def density(self) -> Student:
        """The Student-t of the return."""
        location, scale, df = (part.detach().numpy() for part in (self.location, self.scale, self.df))
        return Student(location=location, scale=scale, df=df)

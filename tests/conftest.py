"""What every test may ask for: real data where it is, small tables that are always there."""

from __future__ import annotations

import importlib.util
import os
import secrets
import shutil
import subprocess
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gatecast.calibration.bands import Calibrator
from gatecast.calibration.gains import GAINS
from gatecast.config import Config
from gatecast.executors import Engine
from gatecast.forecast import Density, Forecast, ItemForecast
from gatecast.models.base import BaseNetworks
from gatecast.models.shipped import load_ensemble
from gatecast.notes import Note
from gatecast.prices import PriceSeries, PriceTable

TINY = Config(
    context_length=10, hidden=6, epochs=3, batch=8, chunk_length=20, patience=0, dropout=0.3
)  # trains in a blink
HERE = Engine(workers=1)  # this process
BASE = Config.from_preset("base")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test finds what another, or the user, has left in the cache folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache" / secrets.token_hex(4)))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real series beside the checkout; tests that need it are skipped where it is absent."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("needs ../shared/data, which is not here")
    return folder


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of Chromium; absent, the test is skipped, except with CI=true, where absence fails."""
    path = shutil.which("chromium")
    if path is None:
        if os.environ.get("CI") == "true":
            pytest.fail("CI needs Chromium: install Debian's package 'chromium'")
        pytest.skip("needs Chromium")
    return path


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[None]:
    """A Ray of two workers on this machine, which find the modules of the tests; where Ray is absent as `chromium`."""
    if importlib.util.find_spec("ray") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("CI needs the package ray")
        pytest.skip("needs the package ray")
    import ray

    with pytest.MonkeyPatch.context() as patch:
        places = [str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, places)))
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
        yield
        ray.shutdown()


@pytest.fixture(params=["local", "ray"])
def engine(request: pytest.FixtureRequest) -> Engine:
    """Two workers on each engine."""
    if request.param == "ray":
        request.getfixturevalue("ray_cluster")
    return Engine(kind=request.param, workers=2)


def texts(notes: Iterable[Note]) -> tuple[str, ...]:
    """The texts of notes."""
    return tuple(note.text for note in notes)


def simulated_series(
    item_id: str = "X", rows: int = 160, seed: int = 0, *, columns: bool = True, start: str = "2020-01-01"
) -> PriceSeries:
    """A random walk with clustered volatility, its ranges and volumes."""
    rng = np.random.default_rng(seed)
    sigma = 0.01 * np.exp(0.5 * np.sin(np.arange(rows) / 15))
    close = 50 * np.exp(np.cumsum(sigma * rng.standard_t(5, rows)))
    if not columns:
        return PriceSeries(item_id=item_id, timestamps=pd.bdate_range(start, periods=rows).to_numpy(), close=close)
    spread = 1 + sigma * rng.random(rows)
    return PriceSeries(
        item_id=item_id,
        timestamps=pd.bdate_range(start, periods=rows).to_numpy(),
        close=close,
        open=close,
        high=close * spread,
        low=close / spread,
        volume=np.round(1e6 * np.exp(rng.normal(0, 0.3, rows))),
    )


@pytest.fixture
def table() -> PriceTable:
    """Two assets of 160 and 140 rows with every column."""
    return PriceTable(series=(simulated_series("A", 160, 1), simulated_series("B", 140, 2)))


@pytest.fixture
def close_table() -> PriceTable:
    """One asset of 160 closes."""
    return PriceTable(series=(simulated_series("A", 160, 1, columns=False),))


def base_networks(folder: Path) -> BaseNetworks:
    """A base network that ships, as it comes, without calibration."""
    ensemble = load_ensemble(folder)
    return BaseNetworks(members=ensemble.members, until=ensemble.until)


@dataclass
class FixedVolatility:
    """Normal returns of one volatility for ever, with the density to it."""

    sigma: float
    name: str = "fixed"

    def fit(self, prices: PriceTable) -> FixedVolatility:
        return self

    def predict(self, prices: PriceTable, horizon: int, *, paths: int = 1000, seed: int = 0) -> Forecast:
        items = []
        for series in prices:
            rng = np.random.default_rng([seed, zlib.crc32(series.item_id.encode())])
            moves = np.cumsum(self.sigma * rng.standard_normal((paths, horizon)), axis=1)
            loc = np.column_stack([np.zeros(paths), moves[:, :-1]])
            items.append(
                ItemForecast(
                    item_id=series.item_id,
                    last_timestamp=series.timestamps[-1],
                    last_close=float(series.close[-1]),
                    timestamps=series.timestamps[-1] + np.arange(1, horizon + 1) * np.timedelta64(1, "D"),
                    paths=series.close[-1] * np.exp(moves),
                    density=Density(loc=loc, scale=np.full_like(loc, self.sigma), df=np.full_like(loc, np.inf)),
                )
            )
        return Forecast(items=tuple(items), seed=seed)


def independent_walks(sigma: np.ndarray, items: int = 6, seed: int = 0) -> PriceTable:
    """Independent walks whose volatility on each day is given."""
    rng = np.random.default_rng(seed)
    days = pd.bdate_range("2010-01-01", periods=len(sigma))
    walks = 100 * np.exp(np.cumsum(sigma * rng.standard_normal((items, len(sigma))), axis=1))
    return PriceTable.from_close({f"A{i}": (walk, days) for i, walk in enumerate(walks)})


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    """The URL of an empty PostgreSQL, from Debian's package; absent, the test is skipped, except with CI=true."""
    import tempfile

    places = [*os.environ["PATH"].split(":"), *sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin")))]
    binary = shutil.which("initdb", path=":".join(places))
    if binary is None:
        if os.environ.get("CI") == "true":
            pytest.fail("CI needs PostgreSQL: install Debian's package 'postgresql'")
        pytest.skip("needs PostgreSQL: Debian's package 'postgresql'")
    pytest.importorskip("psycopg")
    programs = Path(binary).resolve().parent
    user = "postgres" if os.getuid() == 0 else None  # it refuses to run as root
    temporary = Path(tempfile.gettempdir())
    if user:  # the temporary folder may be root's alone; the nearest around it that every user may enter
        around = (temporary, *temporary.parents)
        temporary = next(
            place for place in around if all(part.stat().st_mode & 0o001 for part in (place, *place.parents))
        )
    # Short: its socket's path has 107 characters at most.
    folder = Path(tempfile.mkdtemp(prefix="gatecast-", dir=temporary))
    try:
        if user:
            shutil.chown(folder, user)
        data = folder / "data"

        def do(*command: object) -> None:
            subprocess.run(list(map(str, command)), check=True, capture_output=True, user=user, cwd=folder)

        do(programs / "initdb", "-D", data, "-U", "gatecast", "-A", "trust", "--no-sync")
        options = f"-k {folder} -c listen_addresses='' -c fsync=off"
        do(programs / "pg_ctl", "-D", data, "-w", "-l", folder / "log", "-o", options, "start")
        try:
            yield f"postgresql://gatecast@/postgres?host={folder}"
        finally:
            do(programs / "pg_ctl", "-D", data, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def calibrator_of(missed: np.ndarray, usual: np.ndarray, origins: int = 9) -> Calibrator:
    """A calibrator whose gain of 0.18 has missed so much, (horizon, levels), and is believed alone."""
    place = GAINS.tolist().index(0.18)
    of_all, lost = np.zeros((len(GAINS), *missed.shape)), np.full((len(GAINS), len(missed)), 1e3)
    of_all[place], lost[place] = missed, 0.0
    return Calibrator(missed=of_all, lost=lost, usual=usual, origins=origins)


@pytest.fixture(params=["sqlite", "postgres"])
def either_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database: a SQLite file, and one on PostgreSQL where it is there."""
    if request.param == "sqlite":
        yield str(tmp_path / "ledger.db")
        return
    import psycopg

    url = request.getfixturevalue("postgres")
    name = f"w{os.urandom(4).hex()}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")  # type: ignore[call-overload]
        yield url.replace("/postgres?", f"/{name}?")
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")  # type: ignore[call-overload]

"""A fleet: each asset forecast once, the same on every engine, and what is bad costs no other."""

from __future__ import annotations

import errno
import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from conftest import BASE, HERE, TINY, simulated_series
from gatecast.cli import app
from gatecast.errors import GatecastError, UsageError
from gatecast.executors import Engine
from gatecast.files import write_whole
from gatecast.fleet.progress import FleetProgress
from gatecast.fleet.run import FleetRun, run_fleet
from gatecast.fleet.store import file_name
from gatecast.fleet.work import Block, Settings, forecast_block
from gatecast.forecast import QUANTILES
from gatecast.ledger.database import Database
from gatecast.ledger.verify import verify
from gatecast.models.forecaster import Forecaster
from gatecast.prices import PriceTable

QUICK = TINY.replace(epochs=1)
SMALL = {"horizon": 3, "paths": 40, "seed": 5}
ITEMS = tuple(f"A{number}" for number in range(6))
TABLE = PriceTable(series=tuple(simulated_series(item, 100, number) for number, item in enumerate(ITEMS)))
OPTIONS = ["--preset", "quick", "--horizon", "3", "--paths", "40", "--set", "epochs=1", "--set", "context_length=10"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A file an asset."""
    place = tmp_path / "prices"
    place.mkdir()
    for series in TABLE:
        PriceTable(series=(series,)).to_frame().drop(columns="item_id").to_csv(
            place / f"{series.item_id}.csv", index=False
        )
    return place


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """The assets of each forecast that is made in this process."""
    made: list[tuple[str, ...]] = []
    predict = Forecaster.predict

    def counted(self: Forecaster, prices: PriceTable, *arguments: object, **options: object) -> object:
        made.append(prices.item_ids)
        return predict(self, prices, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Forecaster, "predict", counted)
    return made


def bytes_of(run: FleetRun) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((run.out / "forecasts").iterdir())}


def test_every_engine_gives_the_same_bytes(engine: Engine, folder: Path, tmp_path: Path) -> None:
    for per_asset in (True, False):
        plan = {"per_asset": per_asset, "block": 4, **SMALL}
        here = run_fleet(folder, QUICK, out=tmp_path / f"here{per_asset}", engine=HERE, **plan)
        there = run_fleet(folder, QUICK, out=tmp_path / f"there{per_asset}", engine=engine, **plan)
        assert sorted(there.made) == sorted(here.made) == list(ITEMS) and there.failed == ()
        assert bytes_of(there) == bytes_of(here) and len(bytes_of(here)) == 6


def test_a_block_is_one_table_and_an_asset_by_itself_is_one_too(tmp_path: Path) -> None:
    config = BASE.replace(calibrate=False)
    for per_asset, table in ((False, TABLE.select(ITEMS[:2])), (True, TABLE.select(("A0",)))):
        run = run_fleet(TABLE.to_frame(), config, out=tmp_path / str(per_asset), per_asset=per_asset, block=2, **SMALL)
        forecast = Forecaster(config).fit(table).predict(table, 3, paths=40, seed=5)
        frame = pd.read_parquet(run.out / "forecasts" / "A0.parquet")
        assert list(frame.columns)[:6] == ["item_id", "timestamp", "step", "last_timestamp", "last_close", "mean"]
        assert list(frame.columns)[6:] == list(QUANTILES)
        np.testing.assert_allclose(frame["q50"], forecast["A0"].median, rtol=1e-12)
        np.testing.assert_array_equal(frame["timestamp"], forecast["A0"].timestamps)


def test_a_second_run_makes_what_is_missing_and_nothing_twice(
    folder: Path, tmp_path: Path, made: list[tuple[str, ...]]
) -> None:
    plan = {"out": tmp_path / "out", "per_asset": True, "engine": HERE, **SMALL}
    run_fleet(folder, QUICK, **plan)
    assert made == [(item,) for item in ITEMS]
    again = run_fleet(folder, QUICK, **plan)
    assert len(made) == 6 and again.made == () and again.kept == ITEMS
    (tmp_path / "out" / "forecasts" / "A2.parquet").unlink()
    (tmp_path / "out" / "forecasts" / "A3.parquet").write_bytes(b"half a file")
    with (folder / "A4.csv").open("a") as stream:
        stream.write("2021-05-03,50,51,49,50,100\n")
    assert run_fleet(folder, QUICK, **plan).made == ("A2", "A3", "A4")
    assert made[6:] == [("A2",), ("A3",), ("A4",)]
    assert len(run_fleet(folder, QUICK, **{**plan, "seed": 6}).made) == 6


def test_a_bad_asset_is_told_of_and_skipped_and_not_tried_again(
    folder: Path, tmp_path: Path, made: list[tuple[str, ...]]
) -> None:
    bad = pd.read_csv(folder / "A1.csv")
    bad.loc[5, "close"] = -1
    bad.to_csv(folder / "A1.csv", index=False)
    (folder / "A3.csv").write_text("poison")
    pd.read_csv(folder / "A4.csv").head(20).to_csv(folder / "A4.csv", index=False)
    plan = {"out": tmp_path / "out", "block": 6, "engine": HERE, **SMALL}
    run = run_fleet(folder, QUICK, **plan)
    assert run.made == ("A0", "A2", "A5") and made == [("A0", "A2", "A5")]
    reasons = {each.item: each.reason for each in run.failed}
    assert sorted(reasons) == ["A1", "A3", "A4"]
    assert "-1" in reasons["A1"] and "at least 30 rows; 'A4' has 20" in reasons["A4"]
    again = run_fleet(folder, QUICK, **plan)
    assert again.kept == run.made and len(made) == 1
    assert {each.item: each.reason for each in again.failed} == reasons
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["kept"] == 3 and {each["item"]: each["reason"] for each in summary["failed"]} == reasons
    assert summary["files"] == {item: f"forecasts/{item}.parquet" for item in ("A0", "A2", "A5")}


def test_an_asset_that_breaks_a_model_costs_no_other_of_its_block(
    folder: Path, tmp_path: Path, made: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever it raises: the culprits are found, and the others forecast without them; once."""
    fit = Forecaster.fit

    def breaks(self: Forecaster, prices: PriceTable, **options: object) -> object:
        if "A3" in prices.item_ids:
            raise ZeroDivisionError("of A3\nand no more")
        return fit(self, prices, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Forecaster, "fit", breaks)
    plan = {"out": tmp_path / "out", "engine": HERE, **SMALL}
    run = run_fleet(folder, QUICK, **plan)
    assert run.made == tuple(item for item in ITEMS if item != "A3")
    assert [str(each.reason) for each in run.failed] == ["it failed with ZeroDivisionError: of A3 and no more"]
    before = len(made)
    assert run_fleet(folder, QUICK, **plan).kept == run.made and len(made) == before


def descendants(word: bytes) -> list[int]:
    """The processes that this one has started, and theirs, whose command has this word."""
    parents, found = {}, []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(place.name)] = int((place / "stat").read_text().rpartition(")")[2].split()[1])
            if word in (place / "cmdline").read_bytes():
                found.append(int(place.name))
        except OSError:
            continue

    def is_ours(process: int) -> bool:
        while process in parents and process != os.getpid():
            process = parents[process]
        return process == os.getpid()

    return [process for process in found if is_ours(process)]


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds processes in /proc")
def test_a_worker_killed_in_the_middle_costs_no_asset(engine: Engine, folder: Path, tmp_path: Path) -> None:
    killed = []
    word = b"ray::_called" if engine.kind == "ray" else b"loky"
    config = TINY.replace(epochs=40)

    def kill(now: FleetProgress) -> None:
        if not killed and (workers := descendants(word)):
            killed.append(workers[-1])
            os.kill(workers[-1], signal.SIGKILL)

    run = run_fleet(folder, config, out=tmp_path / "out", per_asset=True, engine=engine, progress=kill, **SMALL)
    assert killed and run.failed == () and sorted(run.made) == list(ITEMS)
    whole = run_fleet(folder, config, out=tmp_path / "whole", per_asset=True, engine=HERE, **SMALL)
    assert bytes_of(run) == bytes_of(whole)


def test_a_file_that_cannot_be_written_costs_no_other(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, content: bytes) -> None:
        if path.name == "A2.parquet":
            raise OSError(errno.ENOSPC, "No space left on device")
        write_whole(path, content)

    plan = {"out": tmp_path / "out", "per_asset": True, "engine": HERE, **SMALL}
    with monkeypatch.context() as patch:
        patch.setattr("gatecast.fleet.store.write_whole", full)
        run = run_fleet(folder, QUICK, **plan)
    assert [each.item for each in run.failed] == ["A2"] and "No space left on device" in run.failed[0].reason
    assert run_fleet(folder, QUICK, **plan).made == ("A2",)


def test_a_full_disk_is_a_line_for_each_asset_and_leaves_no_half_file(folder: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "gatecast", "fleet", str(folder), "--out", str(tmp_path / "out"), *OPTIONS]
    limit = 6000  # bytes of a file: a summary fits, a forecast does not
    result = subprocess.run(
        [*command, "--workers", "1"], capture_output=True, text=True, timeout=120, check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )  # fmt: skip
    assert result.returncode == 1 and "Traceback" not in result.stderr
    assert result.stderr.count("cannot be written (File too large)") == 6
    assert list((tmp_path / "out" / "forecasts").iterdir()) == []
    assert CliRunner().invoke(app, command[3:]).exit_code == 0


def test_ctrl_c_keeps_what_is_there(folder: Path, tmp_path: Path, made: list[tuple[str, ...]]) -> None:
    def stop(now: FleetProgress) -> None:
        if now.done == 2:
            raise KeyboardInterrupt

    plan = {"out": tmp_path / "out", "per_asset": True, "engine": HERE, **SMALL}
    with pytest.raises(KeyboardInterrupt):
        run_fleet(folder, QUICK, progress=stop, **plan)
    run = run_fleet(folder, QUICK, **plan)
    assert run.kept == ITEMS[:2] and run.made == ITEMS[2:] and len(made) == 6


def test_each_forecast_is_recorded_once(folder: Path, tmp_path: Path) -> None:
    with Database(str(tmp_path / "ledger.db"), create=True) as database:
        plan = {"out": tmp_path / "out", "per_asset": True, "engine": HERE, **SMALL}
        run_fleet(folder, QUICK, **plan)
        run = run_fleet(folder, QUICK, database=database, **plan)
        assert run.made == ITEMS and run.recorded == 6  # those before were not recorded
        assert run_fleet(folder, QUICK, database=database, **plan).recorded == 0
        assert verify(database).forecasts == 6


def test_a_lost_or_unreadable_block_is_told_of(folder: Path) -> None:
    class Gone:
        def read(self) -> None:
            raise MemoryError

    block = Block(names=("A", "B"), part=Gone(), done={}, failed={})  # type: ignore[arg-type]
    answer = forecast_block(Settings(config=QUICK, horizon=1, paths=2, seed=0), block)
    assert [each.item for each in answer.refused] == ["A", "B"] and not answer.final
    assert "not enough memory" in answer.refused[0].reason


@given(st.text(max_size=300), st.text(max_size=300))
def test_a_files_name_stays_in_its_folder_and_is_the_assets_own(first: str, second: str) -> None:
    name = file_name(first)
    assert Path("/x", f"{name}.parquet").resolve().parent == Path("/x").resolve() and "/" not in name
    assert len(name.encode()) <= 100 and not name.startswith(".") and name.isprintable()
    assert (name == file_name(second)) == (first == second)


def test_the_command_says_what_it_did(folder: Path, tmp_path: Path) -> None:
    (folder / "A3.csv").write_text("poison <b>")
    command = ["fleet", str(folder), "--out", str(tmp_path / "out"), *OPTIONS, "--workers", "1"]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("5 of 6 assets: ")
    assert "gatecast: A3: " in result.stderr and "5 made, 0 kept, 1 failed" in result.stderr
    result = CliRunner().invoke(app, [*command, "--json"])
    document = json.loads(result.stdout)
    assert (document["made"], document["kept"], document["assets"]) == (0, 5, 6)


def test_a_fleet_of_nothing_is_refused(folder: Path, tmp_path: Path) -> None:
    for path in folder.iterdir():
        path.write_text("poison")
    result = CliRunner().invoke(app, ["fleet", str(folder), "--out", str(tmp_path / "out"), *OPTIONS, "--workers", "1"])
    assert isinstance(result.exception, GatecastError) and "no asset could be forecast" in str(result.exception)
    (tmp_path / "file").touch()
    other = tmp_path / "other"
    other.mkdir()
    (other / "summary.json").write_text("mine")
    named = tmp_path / "named"
    named.mkdir()
    (named / "fleet.json").write_text('{"my": "own"}')
    for out, why in (
        (tmp_path / "file", "is a file"),
        (folder, "must not be the source"),
        (other, "holds other files"),
        (named, "holds other files"),
    ):
        with pytest.raises(UsageError, match=why):
            run_fleet(folder, QUICK, out=out)

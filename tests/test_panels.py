"""A folder of files and a large Parquet file are sources: read in parts, through the same door, bad ones told of."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from conftest import simulated_series
from gatecast.errors import UnreadableSource, UnsafeData, UsageError
from gatecast.prices import PriceTable
from gatecast.readers import sources
from gatecast.readers.choices import ReadOptions
from gatecast.readers.events import read_events
from gatecast.readers.folders import price_folder
from gatecast.readers.panels import Door, Panel, open_panel
from gatecast.readers.read import read_prices

ITEMS = tuple(f"A{number}" for number in range(6))
TABLE = PriceTable(series=tuple(simulated_series(item, 80, number) for number, item in enumerate(ITEMS)))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A file an asset: CSV and Parquet, and files that are no prices."""
    place = tmp_path / "prices"
    place.mkdir()
    for number, series in enumerate(TABLE):
        frame = PriceTable(series=(series,)).to_frame().drop(columns="item_id")
        if number % 2:
            frame.to_csv(place / f"{series.item_id}.csv", index=False)
        else:
            frame.to_parquet(place / f"{series.item_id}.parquet", index=False)
    (place / "README.md").write_text("about")
    (place / "readme.txt").write_text("what these files are")
    (place / ".A9.csv").write_text("hidden")
    (place / "more").mkdir()
    (tmp_path / "elsewhere.csv").write_text("date,close\n2024-01-02,5\n2024-01-03,6\n")
    (place / "link.csv").symlink_to(tmp_path / "elsewhere.csv")  # leads out of the folder
    return place


def read_all(panel: Panel, size: int) -> PriceTable:
    """The panel in parts of so many assets."""
    series = []
    for at in range(0, len(panel.names), size):
        table, refused = panel.part(panel.names[at : at + size]).read()
        assert table is not None and refused == ()
        series += table.series
    return PriceTable(series=tuple(series))


def same(first: PriceTable, second: PriceTable) -> bool:
    return first.data_hash() == second.data_hash()


def test_a_folder_is_read_as_the_table_of_its_files(folder: Path) -> None:
    assert same(read_prices(folder), TABLE)
    assert same(read_prices(str(folder)), TABLE)


@pytest.mark.parametrize("size", [1, 4, 6])
def test_a_folder_in_parts_is_the_folder(folder: Path, size: int) -> None:
    assert same(read_all(open_panel(folder, Door()), size), TABLE)


def test_a_bad_file_of_a_folder_is_told_of_and_costs_no_other(folder: Path) -> None:
    frame = pd.read_csv(folder / "A1.csv")
    frame.loc[5, "close"] = -1
    frame.to_csv(folder / "A1.csv", index=False)
    (folder / "A3.csv").write_text("no prices here")
    TABLE.to_frame().to_csv(folder / "A5.csv", index=False)
    (folder / "A4.csv").write_text("date,close\n2024-01-02,5\n")
    panel = open_panel(folder, Door())
    assert [refused.item for refused in panel.refused] == ["A4.parquet"]
    assert "'A4.csv' and 'A4.parquet' both name 'A4'" in panel.refused[0].reason
    table, refused = panel.part(panel.names).read()
    assert table is not None and table.item_ids == ("A0", "A2", "A4")
    reasons = {each.item: each.reason for each in refused}
    assert list(reasons) == ["A1", "A3", "A5"]
    assert "close" in reasons["A1"] and "-1" in reasons["A1"] and "holds 6 assets" in reasons["A5"]
    assert not any("\n" in reason for reason in reasons.values())
    repaired, _ = open_panel(folder, Door(repair=True)).part(("A1",)).read()
    assert repaired is not None and len(repaired["A1"]) == 79
    with pytest.raises(UnreadableSource, match="both name 'A4'"):
        read_prices(folder)


def test_a_bad_asset_of_one_table_is_told_of_and_costs_no_other() -> None:
    frame = TABLE.to_frame()
    frame.loc[85, "close"] = -1
    panel = open_panel(frame, Door())
    assert panel.names == ("A0", "A2", "A3", "A4", "A5")
    assert [each.item for each in panel.refused] == ["A1"] and "-1" in panel.refused[0].reason
    with pytest.raises(UnsafeData):
        read_prices(frame)


def test_a_folder_without_prices_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UnreadableSource, match="holds none"):
        read_prices(tmp_path)
    with pytest.raises(UnreadableSource, match="holds none"):
        open_panel(tmp_path, Door())


@pytest.mark.parametrize("order", [["item_id", "timestamp"], ["timestamp", "item_id"]])
@pytest.mark.parametrize("kind", ["text", "dictionary", "number"])
def test_a_large_parquet_file_is_read_by_the_row_groups_of_its_assets(
    order: list[str], kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever its rows are sorted by, and however the assets' names are stored."""
    frame = TABLE.to_frame().sort_values(order, ignore_index=True)
    if kind == "number":
        frame["item_id"] = frame["item_id"].str.removeprefix("A").astype(int)
    table = pa.Table.from_pandas(frame, preserve_index=False)
    if kind == "dictionary":
        table = table.set_column(0, "item_id", table.column("item_id").dictionary_encode())
    path = tmp_path / "panel.parquet"
    pq.write_table(table, path, row_group_size=100)
    monkeypatch.setattr(sources, "LARGE", 1000)
    monkeypatch.setattr("gatecast.readers.panels.read_kept", _refused)  # nothing is read to open it
    panel = open_panel(path, Door())
    monkeypatch.undo()
    names = tuple(item.removeprefix("A") if kind == "number" else item for item in ITEMS)
    assert panel.names == names
    read, _ = panel.part(names[1:3]).read()
    assert read is not None and read.item_ids == names[1:3]
    for name, series in zip(names, read_all(panel, 2), strict=True):
        assert series.item_id == name
        np.testing.assert_array_equal(series.close, TABLE[f"A{name.removeprefix('A')}"].close)


def _refused(*arguments: object, **options: object) -> None:
    raise AssertionError("a large panel is not read as a whole")


def test_a_wide_large_parquet_file_is_read_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "wide.parquet"
    TABLE.to_frame().pivot(index="timestamp", columns="item_id", values="close").reset_index().to_parquet(path)
    monkeypatch.setattr(sources, "LARGE", 1000)
    assert open_panel(path, Door()).names == ITEMS


def test_rows_without_an_asset_are_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frame = TABLE.to_frame()
    frame.loc[3, "item_id"] = None
    frame.to_parquet(tmp_path / "panel.parquet")
    monkeypatch.setattr(sources, "LARGE", 1000)
    panel = open_panel(tmp_path / "panel.parquet", Door(options=ReadOptions(item="item_id")))
    assert panel.names == ITEMS and "every row needs an asset" in panel.refused[0].reason


def test_dated_events_reach_their_assets_however_a_panel_is_read(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    day = str(TABLE.series[0].timestamps[-1] + np.timedelta64(3, "D"))[:10]
    events = tmp_path / "events.csv"
    events.write_text(f"item,date,kind\nA1,{day},earnings\nA4,{day},split\n")
    whole = TABLE.with_events(read_events(events))
    assert whole["A1"].events is not None and whole["A2"].events is None
    monkeypatch.setattr(sources, "LARGE", 100)
    large = tmp_path / "large.parquet"
    pq.write_table(pa.Table.from_pandas(TABLE.to_frame()), large, row_group_size=100)
    door = Door(options=ReadOptions(events=str(events)))
    for source in (folder, large, TABLE.to_frame()):
        assert same(read_all(open_panel(source, door), 2), whole)
        assert same(read_prices(source, events=events), whole)


def test_a_link_that_leads_to_itself_costs_no_other_file(tmp_path: Path) -> None:
    (tmp_path / "A.csv").write_text("date,close\n2024-01-01,1\n2024-01-02,2\n")
    (tmp_path / "loop.csv").symlink_to("loop.csv")
    assert list(price_folder(tmp_path).files) == ["A"]


def test_an_unknown_calendar_is_refused_before_any_file(tmp_path: Path) -> None:
    (tmp_path / "A.csv").write_text("poison")
    with pytest.raises(UsageError, match="a calendar is the code of an exchange; got 'NOPE'"):
        open_panel(tmp_path, Door(calendar="NOPE"))

"""Days that are walked over twice are simulated once, in whatever run, and every result is the same."""

from __future__ import annotations

import copy
import pickle
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from conftest import base_networks, simulated_series
from gatecast.calibration import walked
from gatecast.calibration.online import EVERY, timestamps
from gatecast.calibration.raw_bands import RawBands
from gatecast.calibration.walked import WalkedDays, WalkedNetwork, bands_at, rows_hashes
from gatecast.config import Config
from gatecast.forecast import Forecast
from gatecast.judge.recent import AsItWas, recent_verdict
from gatecast.model import Request
from gatecast.models import base
from gatecast.models.base import BaseNetworks
from gatecast.models.choice import choose
from gatecast.models.forecaster import Forecaster
from gatecast.models.shipped import shipped
from gatecast.nn.base_network import BaseNetwork
from gatecast.nn.training.adapting import Adaptation
from gatecast.prices import PriceSeries, PriceTable

TABLE = PriceTable(series=(simulated_series("X", 900, 1, start="2016-06-01"),))
RANGED = PriceTable(
    series=(replace(TABLE.series[0], high=1.01 * TABLE.series[0].close, low=0.99 * TABLE.series[0].close),)
)
ORIGINS = list(timestamps(TABLE)[300:420:EVERY])
BASE = Config.from_preset("base")


class Counting:
    """The base network, and which days it was asked for."""

    def __init__(self) -> None:
        self.network = base_networks(shipped()[0])
        self.asked: list[np.datetime64] = []

    def predict_at(self, prices: PriceTable, request: Request) -> list[Forecast]:
        self.asked += request.cutoffs
        return self.network.predict_at(prices, request)


def network(counting: Counting, days: WalkedDays, identity: str = "base") -> WalkedNetwork:
    return WalkedNetwork(network=counting, days=days, identity=identity)


def walk(source: WalkedNetwork, origins: Sequence[np.datetime64] = ORIGINS, *, steps: int = 3, paths: int = 100):
    return list(bands_at(source, TABLE, origins, steps, paths, ORIGINS[: ORIGINS.index(origins[-1]) + 1]))


def same(ours: Sequence[RawBands], theirs: Sequence[RawBands]) -> bool:
    return len(ours) == len(theirs) and all(
        (a.item_ids, a.paths) == (b.item_ids, b.paths)
        and all(np.array_equal(getattr(a, name), getattr(b, name)) for name in walked._ARRAYS)
        for a, b in zip(ours, theirs, strict=True)
    )


@pytest.fixture
def groups_of_ten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walked, "GROUP", 10)


def test_the_bands_are_those_of_the_forecasts() -> None:
    counting = Counting()
    (bands,) = walk(network(counting, WalkedDays()), ORIGINS[:1])
    request = Request(cutoffs=ORIGINS[:1], horizon=3, paths=100, seeds=[walked.walking_seed(ORIGINS[0])])
    (item,) = counting.network.predict_at(TABLE, request)[0].items
    assert bands.last[0] == ORIGINS[0]
    np.testing.assert_allclose(bands.middle[0], np.median(item.log_returns(), axis=0), rtol=1e-12)
    low, high = np.quantile(item.log_returns(), [0.05, 0.95], axis=0, method="weibull")
    np.testing.assert_allclose(bands.middle[0] - bands.below[0, :, 5], low, rtol=1e-12)
    np.testing.assert_allclose(bands.middle[0] + bands.above[0, :, 5], high, rtol=1e-12)


@pytest.mark.usefixtures("groups_of_ten")
def test_a_group_is_simulated_once_and_what_is_asked_first_changes_no_bit() -> None:
    whole, counting, days = walk(network(Counting(), WalkedDays())), Counting(), WalkedDays()
    assert same(walk(network(counting, days), ORIGINS[14:20]), whole[14:20])
    assert counting.asked == ORIGINS[10:20]  # a group, whole
    assert same(
        walk(network(counting, days), ORIGINS[4:17])[-1:], walk(network(Counting(), WalkedDays()), ORIGINS[:17])[-1:]
    )
    counting.asked.clear()
    assert same(walk(network(counting, days), ORIGINS[4:]), whole[4:])
    assert counting.asked == ORIGINS[20:]
    counting.asked.clear()
    assert same(walk(network(counting, days), steps=2), [bands.first(2) for bands in whole])
    assert counting.asked == []
    walk(network(counting, days), steps=4)  # farther than was kept
    assert counting.asked == ORIGINS


@pytest.mark.usefixtures("groups_of_ten")
def test_days_that_come_one_by_one_leave_most_groups_as_they_were() -> None:
    counting, days = Counting(), WalkedDays()
    for end in range(1, len(ORIGINS) + 1):
        walk(network(counting, days), ORIGINS[:end])
    times = [counting.asked.count(origin) for origin in ORIGINS]
    assert max(times) <= 5 and sum(times) < 3 * len(ORIGINS)  # a group, and one of each power of two below ten


def test_highs_and_lows_that_are_not_asked_for_are_not_made_and_paths_are_the_same() -> None:
    request = Request(cutoffs=ORIGINS[:1], horizon=3, paths=20, seeds=[0])
    asked, not_asked = (
        base_networks(shipped()[0]).predict_at(RANGED, it)[0].items[0]
        for it in (request, replace(request, extremes=False))
    )
    assert asked.highs is not None and not_asked.highs is None and not_asked.lows is None
    np.testing.assert_array_equal(asked.paths, not_asked.paths)


def test_other_paths_networks_and_prices_are_other_days() -> None:
    counting, days = Counting(), WalkedDays()
    for source, paths in (
        (network(counting, days), 100),
        (network(counting, days), 101),
        (network(counting, days, "other"), 100),
    ):
        counting.asked.clear()
        walk(source, paths=paths)
        assert counting.asked == ORIGINS
    first, *rest = rows_hashes(TABLE, ORIGINS)
    assert len({first, *rest}) == len(ORIGINS)
    assert rows_hashes(TABLE.until(ORIGINS[3]), ORIGINS[3:4]) == rest[2:3]  # the rows up to the day alone
    series = TABLE.series[0]
    for changed in (
        PriceTable.from_close({"X": (series.close, series.timestamps)}),
        PriceTable(series=(replace(series, item_id="Y"),)),
        PriceTable.from_close({"X": (2 * series.close, series.timestamps)}),
        PriceTable(series=TABLE.series, calendar="XNYS"),
        PriceTable(series=(series.rows(1, len(series)),)),
    ):
        assert rows_hashes(changed, ORIGINS[:1]) != [first]


@pytest.mark.usefixtures("groups_of_ten")
def test_files_serve_another_run_and_damaged_ones_are_made_anew(tmp_path: Path) -> None:
    folder = tmp_path / "walks"
    whole = walk(network(Counting(), WalkedDays(folder)))
    files = sorted(folder.iterdir())
    assert len(files) == 3
    counting = Counting()
    assert same(walk(network(counting, WalkedDays(folder))), whole)
    assert counting.asked == []
    files[0].write_bytes(files[0].read_bytes()[:-100])
    assert same(walk(network(counting, WalkedDays(folder))), whole)
    assert len(counting.asked) in {10, 4}
    forged = re.sub(rb'"paths":"100"', b'"paths":"000"', files[1].read_bytes())
    assert forged != files[1].read_bytes()
    files[1].write_bytes(forged)
    assert same(walk(network(Counting(), WalkedDays(folder))), whole)
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    assert same(walk(network(Counting(), WalkedDays(blocked / "walks"))), whole)


@pytest.mark.usefixtures("groups_of_ten")
def test_no_more_is_held_or_kept_than_may_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counting, days = Counting(), WalkedDays(tmp_path)
    walk(network(counting, days))
    one = days._bytes // 24
    assert one * 24 == days._bytes > 0
    monkeypatch.setattr(walked, "MEMORY", 15 * one)
    monkeypatch.setattr(walked, "DISK", 2 * max(file.stat().st_size for file in tmp_path.iterdir()))
    days = WalkedDays(tmp_path)
    walk(network(counting, days), paths=101)
    assert days._bytes <= 15 * one
    assert len(list(tmp_path.iterdir())) == 2


def test_copies_share_what_is_held_and_another_process_is_sent_the_folder_alone(tmp_path: Path) -> None:
    days = WalkedDays(tmp_path)
    walk(network(Counting(), days))
    assert copy.deepcopy(days) is days
    sent = pickle.dumps(days)
    assert len(sent) < 1000
    received = pickle.loads(sent)
    assert received is pickle.loads(sent)
    assert (received.folder, received._held) == (tmp_path, {})


@pytest.mark.slow(reason="two walks of a hundred days and two verdicts")
def test_the_verdict_is_the_same_with_the_walk_it_was_spared(monkeypatch: pytest.MonkeyPatch) -> None:
    walked_days, predict_at = [], BaseNetworks.predict_at

    def counted(self: BaseNetworks, prices: PriceTable, request: Request) -> list[Forecast]:
        walked_days.extend([] if request.extremes else request.cutoffs)
        return predict_at(self, prices, request)

    monkeypatch.setattr(BaseNetworks, "predict_at", counted)
    forecaster = Forecaster(BASE).fit(TABLE)
    assert 100 <= len(walked_days) < 125
    walked_days.clear()
    alone = recent_verdict(choose(BASE, TABLE), TABLE, horizon=5)
    judged = len(walked_days)
    walked_days.clear()
    assert recent_verdict(choose(BASE, TABLE), TABLE, horizon=5, forecaster=forecaster).to_dict() == alone.to_dict()
    assert len(walked_days) < 0.7 * judged


def test_a_network_that_knew_too_little_of_its_bands_is_fitted_anew_for_its_verdict(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As where weekly items are judged and the walk of the whole table covers two years of days."""
    forecaster = Forecaster(BASE).fit(TABLE)
    stamps = TABLE.series[0].timestamps
    judged = AsItWas(forecaster=forecaster, prices=TABLE)
    assert judged.knew(stamps[-300]) and not judged.knew(stamps[-480])
    assert AsItWas(forecaster=Forecaster(BASE.replace(calibrate=False)).fit(TABLE), prices=TABLE).knew(stamps[-480])
    fitted, fit = [], Forecaster.fit

    def counted(self: Forecaster, prices: PriceTable) -> Forecaster:
        fitted.append(prices.series[0].timestamps[-1])
        return fit(self, prices)

    monkeypatch.setattr(Forecaster, "fit", counted)
    recent_verdict(forecaster.choice_, TABLE, horizon=5, forecaster=forecaster)
    assert fitted == []
    monkeypatch.setattr(AsItWas, "knew", lambda judged, cutoff: False)
    recent_verdict(forecaster.choice_, TABLE, horizon=5, forecaster=forecaster)
    assert len(fitted) == 1 and fitted[0] < stamps[-195]


def test_a_forecaster_of_other_prices_lends_nothing_to_a_verdict() -> None:
    """Nor one that was loaded, which has forgotten what it knew on the way."""
    forecaster = Forecaster(BASE).fit(TABLE)
    assert forecaster.knows_past_of(TABLE)
    assert not forecaster.knows_past_of(TABLE.until(TABLE.series[0].timestamps[-2]))
    assert not Forecaster(BASE).knows_past_of(TABLE)


def test_a_network_adapted_later_lends_its_days_to_no_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each fit adapts anew: the verdict's network must not be calibrated by forecasts of one that saw later rows."""

    def by_the_last_close(members: Sequence[BaseNetwork], series: Sequence[PriceSeries], *_: object, **__: object):
        moved = copy.deepcopy(tuple(members))
        for member in moved:
            member.head.bias.data[0] += float(np.log(series[0].close[-1] / series[0].close[0]))
        return Adaptation(members=moved, kept=True, until=series[0].timestamps[-200], gain=1.0, error=0.1, held_out=9)

    monkeypatch.setattr(base, "adapt", by_the_last_close)
    config = Config.from_preset("default")
    forecaster = Forecaster(config).fit(TABLE)
    lent = recent_verdict(choose(config, TABLE), TABLE, horizon=5, forecaster=forecaster)
    assert lent.to_dict() == recent_verdict(choose(config, TABLE), TABLE, horizon=5).to_dict()


def test_days_that_are_pushed_out_by_later_ones_are_answered_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where less is held than a walk takes, some groups are found and go as the others are kept."""
    stamps = TABLE.series[0].timestamps
    origins = list(stamps[-260:-10:5])
    roomy = WalkedNetwork(network=base_networks(shipped()[0]), days=WalkedDays(), identity="base")
    expected = [bands.middle.tobytes() for bands in roomy.bands(TABLE, origins, 2, 100, origins)]
    group = walked._size([next(roomy.bands(TABLE, origins, 2, 100, origins))]) * walked.GROUP
    for share in (0.5, 1.5):
        monkeypatch.setattr(walked, "MEMORY", int(share * group))
        tight = WalkedNetwork(network=roomy.network, days=WalkedDays(), identity="base")
        list(tight.bands(TABLE, origins[:25], 2, 100, origins[:25]))
        found = [bands.middle.tobytes() for bands in tight.bands(TABLE, origins, 2, 100, origins)]
        assert found == expected

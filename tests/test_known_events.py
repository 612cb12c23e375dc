"""Known dates in networks: what a day is said to be, nothing before it was announced, nothing changed without them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from conftest import TINY, base_networks, simulated_series, texts
from gatecast.config import Config
from gatecast.events import HABITS, Events
from gatecast.features.event_calendar import EVENTS
from gatecast.features.event_features import event_features, event_names
from gatecast.features.known_events import (
    ALIVE,
    FLAGS,
    KNOWN,
    PRIOR_SIZE,
    REACTIONS,
    KnownEvents,
    future_known,
    history_known,
)
from gatecast.features.signal_windows import SignalFeatures
from gatecast.model import Request
from gatecast.models.base import BaseNetworks
from gatecast.models.forecaster import Forecaster
from gatecast.models.shipped import load_ensemble, save_ensemble, shipped
from gatecast.nn.base_network import build_base
from gatecast.nn.training.base import predicted
from gatecast.nn.training.sequences import CHUNK, Chunks, TrainingSequence
from gatecast.prices import PriceSeries, PriceTable

ROWS, CUT = 400, 320
Rows = list[np.ndarray]


def with_reports(series: PriceSeries, every: int = 63, kind: str = "earnings") -> PriceSeries:
    days = series.timestamps.astype("datetime64[D]")[30::every]
    rows = [(series.item_id, day, kind, None, float(number)) for number, day in enumerate(days)]
    return replace(series, events=Events.of_rows(rows))


def known_of(series: PriceSeries) -> np.ndarray:
    """What is known of the day after each row."""
    return history_known(KnownEvents.of(series), series.timestamps, np.zeros((len(series), EVENTS)))


def test_a_day_is_an_event_where_it_falls_on_it_or_after_a_day_without_trade() -> None:
    series = simulated_series("A", 60, start="2024-01-01")  # Mondays to Fridays
    reports = [("A", day, "earnings", None) for day in ("2024-02-06", "2024-02-17")]  # a Tuesday, a Saturday
    known = known_of(replace(series, events=Events.of_rows(reports)))
    days = series.timestamps.astype("datetime64[D]").astype(str).tolist()
    flagged = {flag: [days[row + 1] for row in np.flatnonzero(known[:-1, flag])] for flag in (1, 2)}
    assert flagged == {1: ["2024-02-06", "2024-02-19"], 2: ["2024-02-07", "2024-02-20"]}
    early = known[: days.index("2024-01-22"), 0]
    assert not early.any()  # the first date is not known yet
    assert known[days.index("2024-01-23") : -1, 0].all()


def jumping(reaction: tuple[float, float], count: int = 10) -> PriceSeries:
    """Moves of 1% a day, either way, and after each report moves of these sizes on its session and the next."""
    moves = 0.01 * np.where(np.arange(ROWS * 3) % 2, 1.0, -1.0)
    events = np.arange(100, 100 + 63 * count, 63)
    moves[events], moves[events + 1] = reaction
    stamps = pd.bdate_range("2015-01-01", periods=len(moves)).to_numpy()
    reports = [("A", stamps[row].astype("datetime64[D]"), "earnings", None) for row in events]
    close = 50 * np.exp(np.cumsum(moves))
    return PriceSeries(item_id="A", timestamps=stamps, close=close, events=Events.of_rows(reports))


@pytest.mark.parametrize("reaction", [(0.06, 0.01), (0.01, 0.06)])
def test_past_reactions_tell_on_which_session_a_series_moves(reaction: tuple[float, float]) -> None:
    known = KnownEvents.of(jumping(reaction))
    assert known is not None
    found = np.exp(known.reactions(np.array([10**5]))[0])
    each = np.array(reaction) / (0.01 * (62 + 3.5) / 64)  # a usual 64 sessions hold most of an earlier report
    prior = np.array(PRIOR_SIZE)
    expected = (10 * each + 3 * prior) / 13
    assert found == pytest.approx(expected, rel=0.08)
    assert (np.argmax(found) == np.argmax(reaction)).all()


def test_reactions_are_shrunk_for_few_events_and_count_once_they_are_over() -> None:
    series = jumping((0.06, 0.01))
    known = KnownEvents.of(series)
    assert known is not None
    days = series.timestamps.astype("datetime64[D]").astype(int)
    before, on, after = (float(known.reactions(np.array([days[row]]))[0, 0]) for row in (99, 100, 101))
    assert before == on == pytest.approx(np.log(PRIOR_SIZE[0]))
    assert np.log(6) > after > before
    sizes = known.reactions(days)[:, 0]
    assert (np.diff(sizes[days > days[100 + 63 * REACTIONS]]) == 0).all()  # nothing new after the last report


def test_what_is_not_kept_up_or_not_known_yet_is_said_to_be_unknown() -> None:
    series = with_reports(simulated_series("A", 200))
    series = replace(series, events=Events.of_rows([("A", series.timestamps[60], "earnings", None)]))
    days = series.timestamps.astype("datetime64[D]").astype(int)
    presence = known_of(series)[:-1, 0] > 0
    assert (days[1:][presence].max() - days[60]) <= ALIVE < 200
    ahead = series.timestamps[60] + np.arange(1, 120).astype("timedelta64[D]").astype("timedelta64[ns]")
    future = future_known(KnownEvents.of(series.rows(0, 61)), series.timestamps[:61], ahead, np.zeros((119, EVENTS)))
    assert future[:60, 0].all() and not future[60:, 0].any()  # no other report comes within 60 days
    assert HABITS["earnings"] < 60


@pytest.mark.parametrize("change", ["weekly", "another kind"])
def test_other_clocks_and_kinds_give_nothing(change: str) -> None:
    series = with_reports(simulated_series("A", 200), kind="dividend" if change == "another kind" else "earnings")
    if change == "weekly":
        series = replace(series, timestamps=pd.date_range("2000-01-02", periods=200, freq="W").to_numpy())
    assert not known_of(series).any()
    assert not known_of(simulated_series("A", 200)).any()


def worlds(items: int = 2) -> tuple[PriceTable, PriceTable, np.datetime64]:
    """Tables that agree up to the cutoff: after it prices are doubled, and other events are announced."""
    ours = PriceTable(series=tuple(with_reports(simulated_series(name, ROWS, seed)) for seed, name in enumerate("AB")))
    cutoff = ours.series[0].timestamps[CUT - 1]
    theirs = []
    for series in ours:
        late = series.timestamps > cutoff
        columns = {name: np.where(late, 2 * values, values) for name, values in series.columns().items()}
        assert series.events is not None
        kept = series.events.known(cutoff)
        told = cutoff.astype("datetime64[D]") + 1
        days = series.timestamps.astype("datetime64[D]")
        # One of the past and one of the future, told a day after the cutoff.
        rows = (CUT - 40, CUT - 1, CUT + 1)
        new = Events.of_rows([(series.item_id, days[row], "earnings", told, 99.0) for row in rows])
        assert kept is not None
        theirs.append(replace(series, **columns, events=new.joined(kept)))
    return ours, PriceTable(series=tuple(theirs)), cutoff


def rows(table: PriceTable, cutoff: np.datetime64) -> Rows:
    found = [known_of(series)[series.timestamps <= cutoff][:-1] for series in table]
    assert all(part[:, 1:3].any() for part in found)
    return found


def features(table: PriceTable, cutoff: np.datetime64) -> Rows:
    kinds = ("earnings",)
    found = [event_features(series, kinds, valued=kinds)[series.timestamps <= cutoff] for series in table]
    assert all(part.any() for part in found)
    return found


def learned(table: PriceTable, cutoff: np.datetime64) -> Rows:
    found = []
    for sequence in TrainingSequence.of_table(list(table)):
        past = sequence.days <= cutoff
        found += [part.numpy()[past] for part in (sequence.inputs.known, sequence.inputs.passed)]
    return found


def taking_events() -> BaseNetworks:
    """A network that takes dates of events and has learned nothing, whose answer depends on each of them."""
    member = build_base(0)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        member.head.weight.copy_(0.03 * torch.randn(member.head.weight.shape, generator=generator))
    return BaseNetworks(members=(member.eval(),), until=np.datetime64("2000-01-01", "ns"))


def base_paths(table: PriceTable, cutoff: np.datetime64) -> Rows:
    stamps = table.series[0].timestamps
    request = Request(cutoffs=[stamps[CUT - 9], cutoff], horizon=20, paths=20, seeds=[1, 0])
    together = taking_events().predict_at(table, request)
    alone = taking_events().predict_at(table.until(cutoff), Request(cutoffs=[cutoff], horizon=20, paths=20, seeds=[0]))
    return [item.paths for forecast in (*together, *alone) for item in forecast]


def trained_paths(table: PriceTable, cutoff: np.datetime64) -> Rows:
    model = Forecaster(TINY.replace(events=True, epochs=1)).fit(table.until(cutoff))
    spec = model.networks_.networks[0].features.spec  # type: ignore[union-attr]
    assert spec.event_kinds == spec.valued_kinds == ("earnings",)
    return [
        item.paths for item in next(model.predict_at(table, Request(cutoffs=[cutoff], horizon=20, paths=20, seeds=[0])))
    ]


@pytest.mark.parametrize("part", [rows, features, learned, base_paths, trained_paths])
def test_what_is_announced_later_changes_nothing_before(part) -> None:
    ours, theirs, cutoff = worlds()
    pairs = list(zip(part(ours, cutoff), part(theirs, cutoff), strict=True))
    assert all(np.array_equal(first, second) for first, second in pairs)


@pytest.mark.parametrize("part", [rows, features, base_paths, trained_paths])
def test_control_events_known_too_early_are_caught(part, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs, cutoff = worlds()
    given = part(ours, cutoff)
    early = [
        replace(
            series, events=replace(series.events, announced=np.full(len(series.events or ()), series.timestamps[0]))
        )
        for series in theirs
    ]
    found = part(PriceTable(series=tuple(early)), cutoff)
    assert not all(np.array_equal(first, second) for first, second in zip(given, found, strict=True))


def test_a_known_date_moves_the_forecast_of_a_network_that_takes_it() -> None:
    plain = simulated_series("A", ROWS)
    dated = replace(
        plain, events=Events.of_rows([("A", plain.timestamps[-1] + np.timedelta64(4, "D"), "earnings", None)])
    )
    request = Request(cutoffs=[plain.timestamps[-1]], horizon=8, paths=50, seeds=[0])
    networks = taking_events()
    without, with_date = (
        networks.predict_at(PriceTable(series=(series,)), request)[0].items[0] for series in (plain, dated)
    )
    assert not np.array_equal(without.paths, with_date.paths)
    assert "known dates of earnings enter the forecast" in texts(with_date.notes)


def test_dates_of_weeks_are_not_used_and_a_note_says_so() -> None:
    days = simulated_series("A", ROWS)
    weeks = replace(days, timestamps=days.timestamps[0] + np.arange(ROWS) * np.timedelta64(7, "D"))
    event = Events.of_rows([("A", weeks.timestamps[-1] + np.timedelta64(14, "D"), "earnings", None)])
    request = Request(cutoffs=[weeks.timestamps[-1]], horizon=4, paths=50, seeds=[0])
    without, with_date = (
        taking_events().predict_at(PriceTable(series=(series,)), request)[0].items[0]
        for series in (weeks, replace(weeks, events=event))
    )
    np.testing.assert_array_equal(without.paths, with_date.paths)
    assert any("enter forecasts of days alone" in text for text in texts(with_date.notes))
    assert not any("known dates of earnings enter" in text for text in texts(with_date.notes))


def test_a_known_date_moves_paths_from_its_step_on_and_not_before() -> None:
    plain = simulated_series("A", ROWS)
    request = Request(cutoffs=[plain.timestamps[-1]], horizon=9, paths=50, seeds=[0])
    paths = []
    for step in (5, 8):
        day = np.busday_offset(plain.timestamps[-1].astype("datetime64[D]"), step)
        series = replace(plain, events=Events.of_rows([("A", day, "earnings", plain.timestamps[-1])]))
        paths.append(taking_events().predict_at(PriceTable(series=(series,)), request)[0].items[0].paths)
    same = (paths[0] == paths[1]).all(axis=0)
    assert same[:4].all() and not same[4:].any()


@pytest.mark.parametrize("folder", shipped(), ids=lambda folder: folder.name)
def test_a_network_of_before_forecasts_the_same_bytes_with_events_and_without(folder: Path) -> None:
    networks = base_networks(folder)
    if networks.members[0].known_events:
        pytest.skip("this network takes dates of events")
    plain = PriceTable(series=(simulated_series("A", ROWS), simulated_series("B", ROWS, 1)))
    dated = PriceTable(series=tuple(map(with_reports, plain)))
    request = Request(cutoffs=[plain.series[0].timestamps[-1]], horizon=8, paths=50, seeds=[0])
    without, with_dates = (networks.predict_at(table, request)[0] for table in (plain, dated))
    for first, second in zip(without, with_dates, strict=True):
        assert first.paths.tobytes() == second.paths.tobytes()
        assert any("not used" in text for text in texts(second.notes))


def test_a_network_that_takes_events_is_saved_and_loaded(tmp_path: Path) -> None:
    networks = taking_events()
    save_ensemble(tmp_path, networks.members, until="2000-01-01", items=["A"])
    loaded = load_ensemble(tmp_path).members
    table = PriceTable(series=(with_reports(simulated_series("A", ROWS)),))
    request = Request(cutoffs=[table.series[0].timestamps[-1]], horizon=8, paths=50, seeds=[0])
    both = [
        replace(networks, members=members).predict_at(table, request)[0].items[0]
        for members in (networks.members, loaded)
    ]
    assert loaded[0].known_events
    assert both[0].paths.tobytes() == both[1].paths.tobytes()


def test_training_hides_the_dates_of_some_chunks_and_absence_is_zero() -> None:
    network = build_base(0)
    (sequence,) = TrainingSequence.of_table([with_reports(simulated_series("A", ROWS))])
    assert sequence.inputs.known.shape[-1] == KNOWN and sequence.inputs.passed.shape[-1] == FLAGS
    chunks = Chunks.of([sequence.rows(100, 100 + CHUNK)] * 200)
    seen: list[torch.Tensor] = []
    calendar = network.calendar
    network.calendar = lambda inputs: seen.append(inputs.known) or calendar(inputs)  # type: ignore[method-assign, func-returns-value, assignment]
    predicted(network, chunks, torch.Generator().manual_seed(0))
    hidden = (seen[0] == 0).all(dim=-1).all(dim=0).float().mean()
    assert 0.25 < float(hidden) < 0.45
    nothing = SignalFeatures().history([[simulated_series("A", ROWS)]])[0]
    assert not nothing.known.any() and not nothing.passed.any()


def test_features_of_a_network_trained_on_the_prices() -> None:
    series = with_reports(simulated_series("A", ROWS))
    assert event_names(("earnings",)) == ("earnings: until", "earnings: since", "earnings: reaction")
    until, since, reaction = event_features(series, ("earnings",)).T
    assert until[29] == 1 and since[30] == 1 and until[30 + 63 - 1] == 1
    assert since[31] == 0.5 and until[20] == pytest.approx(1 / 10)
    assert until[19] == 0 or HABITS["earnings"] > 14  # not announced yet
    assert (reaction[:20] == 0).all() and reaction[40:].all()
    ahead = event_features(series, ("earnings",), series.timestamps[-1:] + np.timedelta64(1, "D"))
    assert ahead.shape == (1, 3)
    assert not event_features(series, ("gala",)).any()


def test_a_trained_network_takes_events_where_it_is_told_to(tmp_path: Path) -> None:
    table = PriceTable(series=(with_reports(simulated_series("A", ROWS)),))
    forecaster = Forecaster(TINY.replace(events=True)).fit(table)
    forecaster.save(tmp_path)
    first, second = (model.predict(table, 5, paths=20).items[0] for model in (forecaster, Forecaster.load(tmp_path)))
    assert first.paths.tobytes() == second.paths.tobytes()
    assert not any("events=true" in text for text in texts(first.notes))
    assert "known dates of earnings enter the forecast" in texts(first.notes)
    without = Forecaster(TINY).fit(table).predict(table, 5, paths=20).items[0]
    assert any("events=true takes them" in text for text in texts(without.notes))
    undated = PriceTable(series=(replace(table.series[0], events=None),))
    in_vain = Forecaster(TINY.replace(events=True)).fit(undated).predict(undated, 5, paths=20).items[0]
    assert any("events=true changes nothing" in text for text in texts(in_vain.notes))
    plain = Forecaster(TINY).fit(undated)
    assert plain.predict(table, 5, paths=20).items[0].paths.tobytes() == without.paths.tobytes()
    assert Config.from_preset("default", ["events=true"]).start == "scratch"

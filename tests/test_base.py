"""The base network: what it sees, how its paths go on, what it refuses, and that it knows no currency."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from typer.testing import CliRunner

from conftest import BASE, simulated_series, texts
from gatecast.cli import app
from gatecast.config import Config
from gatecast.errors import ConfigError, ModelError, TooFewRows
from gatecast.features.event_calendar import EVENT, EVENTS, QUARTERS, WAITS, EventCalendar, history_events
from gatecast.features.signal_rows import BaseInputs
from gatecast.features.signal_windows import SignalWindows
from gatecast.features.signals import RANGE_SIGNALS, VOLUME_SIGNALS, Moves, history_signals, next_day, range_of
from gatecast.forecast import Density
from gatecast.judge.recent import recent_verdict
from gatecast.judge.walkforward import backtest
from gatecast.model import Request
from gatecast.models.choice import choose
from gatecast.models.forecaster import Forecaster
from gatecast.models.registry import parse_models
from gatecast.models.shipped import LEAST_AFTER, MIN_ROWS, SHIPPED, load_ensemble, save_ensemble, shipped, suited
from gatecast.models.trained_networks import TrainedNetworks
from gatecast.nn.training import base as base_training
from gatecast.nn.training.adapting import adapt
from gatecast.nn.training.base import joint_loss, predicted, train_base
from gatecast.nn.training.sequences import CHUNK, Chunks, Pool, TrainingSequence
from gatecast.prices import PriceSeries, PriceTable


def priced(close: np.ndarray, **columns: np.ndarray) -> PriceTable:
    days = pd.bdate_range("2018-01-01", periods=len(close)).to_numpy()
    return PriceTable(series=(PriceSeries(item_id="X", timestamps=days, close=close, **columns),))


def scaled(table: PriceTable, factor: float) -> PriceTable:
    return PriceTable(
        series=tuple(
            PriceSeries(
                item_id=series.item_id,
                timestamps=series.timestamps,
                **{name: values if name == "volume" else values * factor for name, values in series.columns().items()},
            )
            for series in table
        )
    )


UNCALIBRATED = Config.from_preset("base", ["calibrate=false"])


def forecast(table: PriceTable, horizon: int = 10, paths: int = 200, seed: int = 0) -> np.ndarray:
    model = Forecaster(UNCALIBRATED).fit(table)
    return model.predict(table, horizon, paths=paths, seed=seed).items[0].paths


def crashed() -> PriceTable:
    series = simulated_series("X", 300, 3)
    assert series.high is not None
    assert series.low is not None
    last = np.arange(300) == 299
    close = np.where(last, 0.1 * series.close, series.close)
    high = np.where(last, series.close, series.high)
    return priced(close, high=high, low=np.where(last, close, series.low), volume=series.volume)


HARD = {
    "60 rows": PriceTable(series=(simulated_series("X", 60, 1),)),
    "60 closes": PriceTable(series=(simulated_series("X", 60, 1, columns=False),)),
    "the least": PriceTable(series=(simulated_series("X", MIN_ROWS, 1),)),
    "constant": priced(np.full(300, 5.0)),
    "constant with range": priced(np.full(300, 5.0), high=np.full(300, 5.0), low=np.full(300, 5.0)),
    "crash": crashed(),
    "coin": scaled(PriceTable(series=(simulated_series("X", 300, 4),)), 2e-8),
    "index": scaled(PriceTable(series=(simulated_series("X", 300, 4),)), 2e3),
    "no trade": priced(simulated_series("X", 300, 5).close, volume=np.zeros(300)),
}


@pytest.mark.parametrize("table", HARD.values(), ids=HARD.keys())
def test_hard_histories_get_finite_positive_ordered_bands(table: PriceTable) -> None:
    item = Forecaster(BASE).fit(table).predict(table, 20, paths=300).items[0]
    assert np.isfinite(item.paths).all() and (item.paths > 0).all()
    edges = [item.quantile(q) for q in (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)]
    assert (np.diff(edges, axis=0) > 0).all()
    assert item.density is not None and (item.density.scale > 0).all()


def test_a_crash_widens_the_band_and_does_not_explode() -> None:
    crash, calm = crashed(), PriceTable(series=(simulated_series("X", 299, 3),))
    after, before = (np.log(forecast(table, 1, 2000) / table.series[0].close[-1]) for table in (crash, calm))
    assert np.ptp(np.quantile(after, [0.05, 0.95])) > 3 * np.ptp(np.quantile(before, [0.05, 0.95]))
    assert np.ptp(np.quantile(after, [0.05, 0.95])) < 2.5


@pytest.mark.parametrize("factor", [1e-6, 7.3, 1e5])
def test_scaled_prices_have_the_scaled_forecast(factor: float) -> None:
    table = PriceTable(series=(simulated_series("X", 200, 7),))
    np.testing.assert_allclose(forecast(scaled(table, factor)), factor * forecast(table), rtol=1e-5)


def test_the_same_seed_gives_the_same_forecast_whatever_items_stand_beside(table: PriceTable) -> None:
    model = Forecaster(UNCALIBRATED.replace(joint=False)).fit(table)
    both, alone = (model.predict(prices, 5, paths=40, seed=3) for prices in (table, table.select(("B",))))
    np.testing.assert_allclose(both["B"].paths, alone["B"].paths, rtol=1e-6)
    np.testing.assert_array_equal(model.predict(table, 5, paths=40, seed=3)["B"].paths, both["B"].paths)
    assert (forecast(table, seed=1) != forecast(table, seed=2)).any()


@pytest.mark.parametrize("rows", [70, 300])
@pytest.mark.parametrize("columns", [True, False])
def test_what_a_path_sees_is_what_a_grown_history_shows(
    rows: int, columns: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The signals after every simulated day equal those of the history with these days appended."""
    horizon = 150  # longer than the window, so that simulated days leave it too
    series = simulated_series("X", rows, 2, columns=columns)
    seen: list[np.ndarray] = []
    honest = SignalWindows.inputs
    kept: list[SignalWindows] = []

    def watching(self: SignalWindows) -> BaseInputs:
        inputs = honest(self)
        if kept:  # the first inputs are the history's own
            seen.append(inputs.signals[0])
        kept.append(self)
        return inputs

    monkeypatch.setattr(SignalWindows, "inputs", watching)
    forecast(PriceTable(series=(series,)), horizon=horizon, paths=3)
    moves, windows = Moves.of(series), kept[-1]
    assert len(seen) == horizon - 1

    def grown(name: str) -> np.ndarray | None:
        past = getattr(moves, name)
        return (
            None if past is None else np.append(past, [getattr(day, name)[1] for day in windows._drawn[: horizon - 1]])
        )

    log_return = grown("log_return")
    assert log_return is not None
    longer = Moves(log_return=log_return, day_range=grown("day_range"), log_volume=grown("log_volume"))
    values = history_signals(longer).values[-horizon + 1 :]
    np.testing.assert_allclose(np.stack([signals[1] for signals in seen]), values, atol=1e-9)


def test_the_density_is_one_and_agrees_with_the_paths() -> None:
    table = PriceTable(series=(simulated_series("X", 250, 6),))
    item = Forecaster(UNCALIBRATED).fit(table).predict(table, 3, paths=3000).items[0]
    assert item.density is not None
    grid = np.linspace(-0.4, 0.4, 801)
    for step in range(3):
        place = np.full(len(grid), step)
        of_step = Density(
            loc=item.density.loc[:, place], scale=item.density.scale[:, place], df=item.density.df[:, place]
        )
        below = np.cumsum(np.exp(of_step.log_pdf(grid))) * (grid[1] - grid[0])
        assert below[-1] == pytest.approx(1, abs=0.01)
        simulated = np.searchsorted(np.sort(item.log_returns()[:, step]), grid) / 3000
        assert np.abs(below - simulated).max() < 0.05


def test_a_range_comes_back_from_its_logarithm() -> None:
    moves = Moves.of(simulated_series("X", 200, 1))
    signals = history_signals(moves)
    scale, overnight = signals.scale[50:-1], signals.overnight[50:-1]
    assert moves.day_range is not None
    again = range_of(next_day(moves, signals)[50:-1, 1], scale, overnight)
    np.testing.assert_allclose(again, np.maximum(moves.day_range[51:], 0.02 * scale / overnight), rtol=1e-6)


def test_absent_ranges_and_volumes_are_masked() -> None:
    (lesson,) = TrainingSequence.of_table([simulated_series("X", 200, 1)], ranges=False, volumes=False)
    inputs = load_ensemble(shipped()[0]).members[0].standardised(lesson.inputs)
    assert (inputs[:, RANGE_SIGNALS] == 0).all() and (inputs[:, VOLUME_SIGNALS] == 0).all()
    assert (inputs[:, -2:] == 0).all() and (lesson.inputs.events == 0).all()


def test_an_unusual_day_is_heard_a_quarter_later_and_not_before() -> None:
    """A jump with heavy trade, made on one day, is met again 91 calendar days after it, to the day."""
    calm = simulated_series("X", 500, 9)
    jump = np.where(np.arange(500) >= 200, 1.2, 1.0)
    assert calm.volume is not None and calm.high is not None and calm.low is not None
    volume = np.where(np.arange(500) == 200, 10 * calm.volume, calm.volume)
    loud = PriceSeries(
        item_id="X",
        timestamps=calm.timestamps,
        close=calm.close * jump,
        high=calm.high * jump,
        low=calm.low * jump,
        volume=volume,
    )
    moves = Moves.of(loud)
    calendar = EventCalendar.of(loud, moves)
    assert calendar is not None
    events = history_events(calendar, len(moves))
    assert events.shape == (499, EVENTS)
    column = (84, 90, 91).index(QUARTERS[0])
    heard = int(np.argmax(events[:, column]))
    assert calendar.days[heard + 1] - calendar.days[199] == 91
    assert events[heard, column] == pytest.approx(np.log1p(calendar.activity[199])) and calendar.activity[199] > 8
    before = calendar.days[1:] < calendar.days[199] + 84
    quiet = history_events(EventCalendar.of(calm, Moves.of(calm)), len(moves))
    np.testing.assert_allclose(events[:-1][before, :18], quiet[:-1][before, :18])


def test_an_event_is_an_activity_above_four_and_the_wait_since_it_is_told() -> None:
    """The last eight-odd event features say how long ago the last event was; an ordinary day is none."""
    quiet, busy = (
        EventCalendar(days=np.arange(0, 60), activity=np.where(np.arange(60) == 30, activity, 0.0))
        for activity in (EVENT, EVENT + 0.01)
    )
    targets, known = np.array([35, 50, 60]), np.array([34, 49, 59])
    waits = [calendar.events(targets, known)[:, -len(WAITS) - 1 :].argmax(axis=1) for calendar in (quiet, busy)]
    assert waits[0].tolist() == [len(WAITS)] * 3
    assert waits[1].tolist() == [0, 1, 1]
    assert EVENT == 4.0


def test_the_loss_falls_and_training_is_repeatable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base_training, "BATCH", 4)
    sequences = [TrainingSequence.of_table([simulated_series("X", 400, seed)])[0] for seed in range(3)]
    sequences += TrainingSequence.of_table([simulated_series("X", 400, 9)], ranges=False, volumes=False)
    pool = Pool.of({"all": (1.0, sequences)})
    first, again = (train_base(pool, sequences[:3], 5, updates=12) for _ in range(2))
    for left, right in zip(first.state_dict().values(), again.state_dict().values(), strict=True):
        assert torch.equal(left, right)
    batch = Chunks.of([sequence.rows(0, CHUNK) for sequence in sequences])
    untrained = train_base(pool, sequences[:3], 5, updates=1)
    with torch.no_grad():
        losses = [float(joint_loss(predicted(network, batch), batch.observed)) for network in (first, untrained)]
    assert losses[0] < losses[1]


def test_too_few_rows_are_refused_in_one_line() -> None:
    table = PriceTable(series=(simulated_series("X", MIN_ROWS - 1, 1),))
    with pytest.raises(TooFewRows, match="at least 22 rows; 'X' has 21"):
        Forecaster(BASE).fit(table).predict(table, 5)


def test_the_shipped_networks_are_small_and_say_when_they_stopped_learning() -> None:
    assert sum(path.stat().st_size for path in SHIPPED.rglob("*") if path.is_file()) < 2 * 2**20
    for folder in shipped():
        base = load_ensemble(folder)
        assert len(base.members) == 5
        assert str(base.until.astype("datetime64[D]")) == folder.name >= "2015-12-31"
        assert base.until < np.datetime64(folder.name) + np.timedelta64(1, "D")


def test_the_youngest_network_is_taken_that_leaves_days_to_judge_it_by() -> None:
    old, young = shipped()
    stamps = pd.bdate_range("2010-01-01", "2024-12-31")
    table = PriceTable.from_close({"X": (np.linspace(1, 2, len(stamps)), stamps)})
    enough = stamps[stamps > young.name][LEAST_AFTER - 1]
    assert suited(table) == suited(table.until(enough.to_datetime64())) == young
    for end in (enough - pd.Timedelta("1D"), pd.Timestamp(young.name), pd.Timestamp("2012-01-02")):
        assert suited(table.until(end.to_datetime64())) == old
    weights = [
        Forecaster(UNCALIBRATED).fit(part).networks_.members[0].state_dict()["head.weight"]
        for part in (table, table.until(np.datetime64("2021-12-31")))
    ]
    assert torch.equal(weights[0], load_ensemble(young).members[0].head.weight)
    assert torch.equal(weights[1], load_ensemble(old).members[0].head.weight)


def test_a_short_history_is_all_new_or_not_and_an_ended_item_does_not_choose() -> None:
    old, young = shipped()
    new = PriceTable(series=(simulated_series("X", 40, 1, start="2023-02-01"),))
    half_new = PriceTable(series=(simulated_series("X", 40, 1, start="2021-12-15"),))
    assert (suited(new), suited(half_new)) == (young, old)
    ended = simulated_series("Y", 300, 2, start="2012-01-02")
    table = PriceTable(series=(*new.series, ended))
    assert suited(table) == young
    notes = {
        item.item_id: " ".join(texts(item.notes)) for item in Forecaster(BASE).fit(table).predict(table, 2, paths=5)
    }
    assert f"up to {young.name}" in notes["X"] and "these very rows" not in notes["X"]
    assert "these very rows" in notes["Y"]


def test_a_verdict_on_days_that_the_network_has_learned_from_says_so() -> None:
    until = np.datetime64(shipped()[0].name)
    table = long_table(start=str(until - np.timedelta64(900, "D")))
    models = parse_models("gatecast:base,random_walk")
    straddling = backtest(models, table, horizon=2, cutoffs=6, every=100, refit=0, paths=50)
    known = int((straddling.forecasts.groupby("cutoff").size().index <= until).sum())
    assert 0 < known < 6
    assert f"In {known} of 6 forecasts it had learned from the very days" in straddling.verdict.text
    after = backtest(models, long_table(), horizon=2, cutoffs=6, every=20, refit=0, paths=50)
    assert "learned from the very days" not in after.verdict.text


def test_rows_that_are_no_days_are_said_to_be_none() -> None:
    hours = pd.date_range("2023-01-02", periods=400, freq="h")
    table = PriceTable.from_close({"X": (1 + np.random.default_rng(0).random(400), hours)})
    notes = texts(Forecaster(UNCALIBRATED).fit(table).predict(table, 2, paths=5).items[0].notes)
    assert any("hours or minutes are read as if daily" in note for note in notes)


def test_the_verdict_on_a_saved_model_is_on_that_model(tmp_path: Path) -> None:
    """Prices that chose another network do not change what is judged, nor which days are new to it."""
    late = long_table(start=str(np.datetime64(shipped()[1].name) - np.timedelta64(500, "D")))
    config = Config.from_preset("base")
    model = Forecaster(config).fit(late)
    model.save(tmp_path / "model")
    again = Forecaster.load(tmp_path / "model")
    assert again.networks_.until == load_ensemble(shipped()[1]).until
    early = late.until(np.datetime64(shipped()[1].name))
    assert suited(early) == shipped()[0]
    judged = recent_verdict(again.choice_, early, horizon=5, forecaster=again)
    assert "0 of them new" in judged.text
    assert "these very rows" in " ".join(texts(again.predict(early, 2, paths=5).items[0].notes))
    kept = recent_verdict(again.choice_, late, horizon=5)
    assert kept.text == recent_verdict(choose(config, late), late, horizon=5, forecaster=model).text


def test_a_folder_saved_over_is_read_anew(tmp_path: Path) -> None:
    for table, base in ((long_table(), shipped()[0]), (long_table(start="2022-01-03"), shipped()[1])):
        Forecaster(UNCALIBRATED).fit(table).save(tmp_path)
        assert load_ensemble(tmp_path).until == load_ensemble(base).until


def test_forecast_and_verdict_are_of_the_same_network() -> None:
    """At the verdict's first origin fewer days are new to the young network, and it is judged all the same."""
    table = long_table(start=str(np.datetime64(shipped()[1].name) - np.timedelta64(840, "D")))
    config = Config.from_preset("base")
    fitted = Forecaster(config).fit(table)
    assert suited(table) == shipped()[1] != suited(table.until(table.series[0].timestamps[-200]))
    verdict = recent_verdict(choose(config, table), table, horizon=5)
    assert verdict.origins == 40
    assert verdict.text == recent_verdict(choose(config, table), table, horizon=5, forecaster=fitted).text


def test_a_short_item_of_a_table_leaves_the_verdict_its_origins() -> None:
    table = long_table()
    short = table.series[0].rows(len(table.series[0]) - 60, len(table.series[0]))
    newcomer = dataclasses.replace(short, item_id="NEW")
    config = Config.from_preset("base")
    both = recent_verdict(
        choose(config, PriceTable(series=(newcomer, *table))), PriceTable(series=(newcomer, *table)), horizon=5
    )
    assert both.origins == recent_verdict(choose(config, table), table, horizon=5).origins
    assert (
        0
        < recent_verdict(
            choose(config, PriceTable(series=(newcomer,))), PriceTable(series=(newcomer,)), horizon=5
        ).origins
        < both.origins
    )


def test_a_remade_network_is_another_model_to_the_judge(tmp_path: Path) -> None:
    members = load_ensemble(shipped()[0]).members
    save_ensemble(tmp_path, members[:1], until="2015-12-31", items=())
    table = long_table()
    first = Forecaster(choice=choose(BASE, table, folder=tmp_path)).weights
    save_ensemble(tmp_path, members[1:2], until="2015-12-31", items=())
    assert first != Forecaster(choice=choose(BASE, table, folder=tmp_path)).weights
    assert first and Forecaster(BASE).weights


def test_a_changed_file_is_refused(tmp_path: Path) -> None:
    folder = shutil.copytree(shipped()[0], tmp_path / "base")
    description = folder / "model.json"
    description.write_text(description.read_text().replace('"members": 5', '"members": 4'))
    with pytest.raises(ModelError, match="was changed"):
        load_ensemble(folder)
    with pytest.raises(ModelError):
        Forecaster.load(shipped()[0])


def test_a_saved_model_forecasts_the_same(tmp_path: Path, table: PriceTable) -> None:
    forecaster = Forecaster(Config(start="adapt")).fit(table)
    forecaster.save(tmp_path / "model")
    again = Forecaster.load(tmp_path / "model")
    ours, theirs = (model.predict(table, 3, paths=20).items[0] for model in (forecaster, again))
    assert ours.paths.tobytes() == theirs.paths.tobytes()
    assert texts(ours.notes) == texts(theirs.notes)
    document = json.loads((tmp_path / "model" / "model.json").read_text())
    assert (document["kind"], document["format"]) == ("base", 2)


def long_table(seed: int = 1, start: str = "2016-06-01") -> PriceTable:
    return PriceTable(series=(simulated_series("X", 900, seed, start=start),))


def test_default_says_whether_it_adapted_and_repeats_itself() -> None:
    table = long_table()
    first, again = (Forecaster(Config.from_preset("default")).fit(table) for _ in range(2))
    (note,) = first.notes_
    assert note == again.notes_[0]
    assert ("was adapted" in note.text) == first.networks_.adaptation.kept
    assert "held out" in note.text
    assert first.choice_.config.start == ("adapt" if first.networks_.adaptation.kept else "base")  # what is judged
    assert first.losses == again.losses
    left, right = (model.predict(table, 2, paths=10).items[0].paths for model in (first, again))
    assert left.tobytes() == right.tobytes()


def test_adapting_is_judged_on_days_new_to_the_base_and_gives_the_same_bytes_on_any_cores() -> None:
    table = PriceTable(series=(simulated_series("X", 2000, 1, start="2015-06-01"),))
    known, members = np.datetime64("2022-08-01"), load_ensemble(shipped()[1]).members[:1]
    threads, adapted = torch.get_num_threads(), []
    for cores in (1, 2):
        torch.set_num_threads(cores)
        try:
            adapted.append(adapt(members, list(table), Config()))
        finally:
            torch.set_num_threads(threads)
    assert adapted[0].losses and adapted[0].losses == adapted[1].losses
    assert adapted[0].until < known == adapt(members, list(table), Config(), known=known).until
    held_out = adapt(members, list(table), Config(), known=known).held_out
    assert 60 < held_out == (table.series[0].timestamps > known).sum() < adapted[0].held_out


def test_adapting_leaves_the_shipped_members_alone() -> None:
    members = load_ensemble(shipped()[0]).members[:1]
    before = [tensor.clone() for tensor in members[0].state_dict().values()]
    assert adapt(members, list(long_table()), Config()).losses
    after = members[0].state_dict().values()
    assert all(torch.equal(first, second) for first, second in zip(before, after, strict=True))


def test_prices_the_base_has_seen_get_a_network_of_their_own() -> None:
    table = PriceTable(series=(simulated_series("X", 200, 1, start="2001-01-01"),))
    config = Config.from_preset("default").replace(seed=4)
    model = Forecaster(config)
    own = Forecaster(config.replace(start="scratch"))
    assert isinstance(model.fit(table).networks_, TrainedNetworks)
    assert "cannot test it" in model.notes_[0].text
    item, same = (fitted.predict(table, 2, paths=5).items[0] for fitted in (model, own.fit(table)))
    assert item.notes[-1] == model.notes_[0]
    assert item.paths.tobytes() == same.paths.tobytes()


def test_the_verdict_judges_the_base_on_days_it_has_not_seen() -> None:
    verdict = recent_verdict(choose(Config.from_preset("base"), long_table()), long_table(), horizon=3)
    assert verdict.origins >= 30
    seen = PriceTable(series=(simulated_series("X", 400, 1, start="2001-01-01"),))
    assert "0 of them new" in recent_verdict(choose(Config.from_preset("base"), seen), seen, horizon=3).text


def test_presets_choose_the_start() -> None:
    assert Config.from_preset("base").start == "base"
    assert Config.from_preset("default", ["seed=3"]).start == "adapt"
    assert Config.from_preset("default", ["hidden=8"]).start == "scratch"
    assert Config().start == "scratch"
    with pytest.raises(ConfigError, match="start=scratch"):
        Config.from_preset("base", ["hidden=8"])
    base, gru = parse_models("gatecast:base,gatecast:gru", settings=("seed=2", "epochs=3"))
    assert isinstance(base, Forecaster) and (base.config.start, base.config.seed) == ("base", 2)
    assert isinstance(gru, Forecaster) and (gru.config.start, gru.config.encoder) == ("scratch", "gru")


def test_the_command_forecasts_with_the_base_network_and_trains_nothing(tmp_path: Path) -> None:
    long_table().to_frame().drop(columns="item_id").to_csv(tmp_path / "X.csv", index=False)
    result = CliRunner().invoke(app, ["forecast", str(tmp_path / "X.csv"), "--preset", "base", "--json"])
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert document["config"]["start"] == "base"
    assert len(document["items"][0]["forecast"]) == 30
    assert document["verdict"]["origins"] >= 30


def test_many_days_at_once_say_what_each_says_alone(table: PriceTable) -> None:
    """Also where items have other columns, other lengths, or begin late; calibration follows the rows."""
    closes = PriceTable(series=(*table.series, simulated_series("C", 190, 9, columns=False)))
    stamps = table.series[0].timestamps
    early, late = (Forecaster(BASE).fit(closes.until(stamps[-40])) for _ in range(2))
    days = [stamps[-30], stamps[-12], stamps[-1]]
    together = late.predict_at(closes, Request(cutoffs=days, horizon=3, paths=30, seeds=[1, 2, 3]))
    for day, seed, forecast in zip(days, (1, 2, 3), together, strict=True):
        alone = early.predict(closes.until(day), 3, paths=30, seed=seed)
        for item, other in zip(alone, forecast, strict=True):
            np.testing.assert_allclose(item.paths, other.paths, rtol=1e-6)


def test_the_calibrator_is_part_of_a_saved_model(tmp_path: Path) -> None:
    table = long_table()
    early = table.until(table.series[0].timestamps[-30])
    model = Forecaster(BASE).fit(early)
    model.save(tmp_path / "model")
    again = Forecaster.load(tmp_path / "model")
    assert again.calibration_ is not None and again.calibration_.learned.origins > 10
    raw = Forecaster(UNCALIBRATED).fit(early).predict(table, 3, paths=50)
    ours, theirs = (fitted.predict(table, 3, paths=50) for fitted in (model, again))
    for item, other, bare in zip(ours, theirs, raw, strict=True):
        assert item.paths.tobytes() == other.paths.tobytes() != bare.paths.tobytes()
        assert any("calibrated by what those of" in note for note in texts(item.notes))


@pytest.mark.slow(reason="a hundred past days are walked over for each of six histories")
def test_a_saved_calibrator_goes_on_only_where_it_can(tmp_path: Path) -> None:
    """A history cut off in front, cut off at the end, or another asset's: a forecast, and a true word on its bands."""
    table = long_table()
    stamps = table.series[0].timestamps
    model = Forecaster(BASE).fit(table.until(stamps[599]))
    assert model.calibration_ is not None

    def said(prices: PriceTable) -> str:
        raw = Forecaster(UNCALIBRATED).fit(prices).predict(prices, 3, paths=60).items[0]
        item = model.predict(prices, 3, paths=60).items[0]
        assert (item.paths.tobytes() == raw.paths.tobytes()) == ("not calibrated" in texts(item.notes)[-1])
        return texts(item.notes)[-1]

    assert "of 100 past forecasts held" in said(table.until(stamps[599]))
    assert "of 160 past forecasts held" in said(table)
    assert "of 92 past forecasts held" in said(table.until(stamps[560]))  # as it was then
    model.save(tmp_path / "m")
    model = Forecaster.load(tmp_path / "m")
    assert "not calibrated" in said(table.until(stamps[560])) and "end before" in said(table.until(stamps[560]))
    rolled = PriceTable(series=(table.series[0].rows(590, 900),))
    assert "past forecasts held" in said(rolled)
    stranger = PriceTable(series=(simulated_series("Y", 300, 3, start="2019-01-01"),))
    assert "past forecasts of X held" in said(stranger)


def test_a_newcomer_leaves_the_others_calibrated() -> None:
    old = long_table().series[0]
    new = simulated_series("NEW", 70, 4)
    days = old.timestamps[-70:]
    table = PriceTable(series=(old, dataclasses.replace(new, timestamps=days)))
    forecast = Forecaster(BASE).fit(table).predict(table, 2, paths=40)
    assert "of 100 past forecasts held" in texts(forecast["X"].notes)[-1]


def test_too_few_days_to_look_back_on_leave_the_bands_as_they_are() -> None:
    table = PriceTable(series=(simulated_series("X", 100, 1, start="2016-06-01"),))
    model = Forecaster(BASE).fit(table)
    assert model.calibration_ is not None and 0 < model.calibration_.learned.origins < 10
    item = model.predict(table, 2, paths=40).items[0]
    assert texts(item.notes)[-1].startswith("the bands are not calibrated: that takes 50 rows")
    raw = Forecaster(UNCALIBRATED).fit(table).predict(table, 2, paths=40).items[0]
    assert item.paths.tobytes() == raw.paths.tobytes()

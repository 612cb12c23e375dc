"""Calibrated bands hold on average whatever the model says, follow a break, never cross, and see nothing ahead."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from conftest import FixedVolatility, calibrator_of, independent_walks, simulated_series, texts
from gatecast.calibration.bands import CALMER, LEVELS, MEMORY, Calibrator
from gatecast.calibration.gains import GAINS, gains_of
from gatecast.errors import ModelError, UsageError
from gatecast.judge.walkforward import backtest
from gatecast.models.baselines import Garch, RandomWalk
from gatecast.models.calibrated import Calibrated
from gatecast.models.registry import parse_models
from gatecast.prices import PriceTable


@pytest.mark.parametrize("factor", [0.5, 1.4])
def test_bands_of_a_wrong_width_come_to_hold_what_they_say(factor: float) -> None:
    prices = independent_walks(np.full(1100, 0.01))
    model = Calibrated(FixedVolatility(factor * 0.01), horizon=3, tail=300)
    report = backtest(
        [model, FixedVolatility(factor * 0.01)], prices, horizon=3, every=5, start="2012-06-01", refit=0, paths=400
    )
    scores = report.scores.set_index(["model", "step"])
    for level in (50, 80, 90, 95):
        column = f"coverage_{level}"
        for step in (1, 2, 3):
            assert abs(scores.loc[("calibrated:fixed", step), column] - level / 100) < 0.025
        assert abs(scores.loc[("fixed", "all"), column] - level / 100) > 0.03
    assert scores.loc[("calibrated:fixed", "all"), "crps"] < scores.loc[("fixed", "all"), "crps"]
    assert scores.loc[("calibrated:fixed", 1), "log_score"] > scores.loc[("fixed", 1), "log_score"] + 0.05


def test_bands_widen_after_a_break_and_narrow_again() -> None:
    sigma = np.full(1400, 0.01)
    sigma[700:900] = 0.03
    prices, model = independent_walks(sigma), FixedVolatility(0.01)
    calendar = prices.series[0].timestamps
    stretch, calibrator = {}, Calibrator.fresh(2)
    for row in range(200, 1400, 5):
        seen = prices.until(calendar[row])
        calibrator = calibrator.settle(seen).record(model.predict(seen, 2, paths=300, seed=row))
        stretch[row] = np.exp(calibrator.stretch(model.predict(seen, 2, paths=300)))[0]
    at_ninety = {row: float(value[LEVELS == 0.9][0]) for row, value in stretch.items()}
    assert 0.85 < at_ninety[695] < 1.15
    assert at_ninety[895] > 2
    assert at_ninety[1395] < 1.3


def test_a_model_that_widens_by_itself_is_not_widened_twice() -> None:
    prices = independent_walks(np.full(300, 0.01))
    calibrator = Calibrator.fresh(1)
    for row in range(100, 290, 5):
        seen = prices.until(prices.series[0].timestamps[row])
        calibrator = calibrator.settle(seen).record(FixedVolatility(0.006).predict(seen, 1, paths=300, seed=row))
    usual = calibrator.stretch(FixedVolatility(0.006).predict(prices, 1))
    shocked = calibrator.stretch(FixedVolatility(0.018).predict(prices, 1))
    assert (usual > 0).all()
    assert (shocked > 0).all()
    assert (shocked < 0.5 * usual).all()


def learned(seed: int = 0) -> tuple[Calibrator, PriceTable]:
    prices = independent_walks(np.full(300, 0.01), seed=seed)
    origins = prices.series[0].timestamps[100:300:5]
    return Calibrator.fresh(4).learn(FixedVolatility(0.004), prices, origins, paths=200), prices


def test_the_answer_is_as_strong_while_outcomes_are_prompt_and_weaker_after() -> None:
    gain = gains_of(20)[1]
    assert gain[0] == GAINS[1] == 0.18
    assert (gain[:5] == gain[0]).all()
    assert (np.diff(gain[4:]) < 0).all()
    assert gain[19] == pytest.approx(gain[0] * 4**-0.35)


def test_an_item_that_has_ended_neither_counts_nor_heaps_up() -> None:
    prices = independent_walks(np.full(200, 0.01))
    ended = PriceTable(series=(prices.series[0].rows(0, 60), *prices.series[1:]))
    model, origins = FixedVolatility(0.01), prices.series[1].timestamps[100:180:5]
    known = Calibrator.fresh(3).learn(model, ended, origins, paths=200)
    alone = Calibrator.fresh(3).learn(model, ended.select(ended.item_ids[1:]), origins, paths=200)
    assert [band.item_id for band in known.waiting].count(prices.item_ids[0]) == 1
    first = {band.item_id: band.weight for band in known.waiting}
    assert first["A1"] == pytest.approx({band.item_id: band.weight for band in alone.waiting}["A1"])


def test_quantiles_never_cross_and_the_order_of_the_paths_stays() -> None:
    calibrator, prices = learned()
    rng = np.random.default_rng(1)
    wild = replace(calibrator, missed=rng.normal(0, 20, calibrator.missed.shape))
    raw = FixedVolatility(0.01).predict(prices, 6, paths=501)
    for known in (calibrator, wild):
        for before, after in zip(raw, known.apply(raw), strict=True):
            order = np.argsort(before.paths, axis=0)
            assert (np.diff(np.take_along_axis(after.paths, order, axis=0), axis=0) >= 0).all()
            np.testing.assert_allclose(after.median, before.median, rtol=1e-12)
            for inner, outer in ((0.5, 0.8), (0.8, 0.9), (0.9, 0.95)):
                (low_in, high_in), (low_out, high_out) = after.interval(inner), after.interval(outer)
                assert (low_out <= low_in).all()
                assert (high_in <= high_out).all()
            assert np.isfinite(after.paths).all()
            assert (after.paths > 0).all()


def test_scaled_prices_give_the_scaled_forecast() -> None:
    prices = independent_walks(np.full(300, 0.01))
    scaled = PriceTable.from_close({series.item_id: (1e-6 * series.close, series.timestamps) for series in prices})
    ours, theirs = (
        Calibrated(FixedVolatility(0.004), horizon=3).fit(table).predict(table, 5, paths=200)
        for table in (prices, scaled)
    )
    for item, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(1e-6 * item.paths, other.paths, rtol=1e-9)


def test_constant_prices_keep_finite_bands_and_a_later_move_is_not_forgotten_for_long() -> None:
    days = pd.bdate_range("2020-01-01", periods=200)
    prices = PriceTable.from_close({"X": (np.full(200, 5.0), days)})
    item = Calibrated(RandomWalk(), horizon=2).fit(prices).predict(prices, 3, paths=100)["X"]
    np.testing.assert_allclose(item.paths, 5.0)


def test_walking_on_in_one_call_or_in_many_gives_the_same() -> None:
    table = PriceTable(series=(simulated_series("A", 400, 1), simulated_series("B", 380, 2)))
    stamps = table.series[0].timestamps
    steady, fresh = (Calibrated(FixedVolatility(0.01), horizon=3).fit(table.until(stamps[299])) for _ in range(2))
    for row in (310, 333, 320, 360):  # also back in time
        seen = table.until(stamps[row])
        often = steady.predict(seen, 3, paths=100, seed=row)
    once = fresh.predict(seen, 3, paths=100, seed=360)
    for item, other in zip(often, once, strict=True):
        np.testing.assert_array_equal(item.paths, other.paths)


def test_other_rows_before_do_not_matter() -> None:
    table = PriceTable(series=(simulated_series("A", 400, 1), simulated_series("B", 400, 2)))
    stamps = table.series[0].timestamps
    used, fresh = (Calibrated(FixedVolatility(0.01), horizon=3).fit(table.until(stamps[299])) for _ in range(2))
    used.predict(table, 3, paths=100)
    alone = table.select(("B",))
    np.testing.assert_array_equal(used.calibrator(alone).missed, fresh.calibrator(alone).missed)


def test_the_origins_are_every_fifth_row_counted_from_the_first() -> None:
    prices = independent_walks(np.full(400, 0.01), items=2)
    stamps = prices.series[0].timestamps
    model = Calibrated(FixedVolatility(0.008), horizon=2, tail=100).fit(prices.until(stamps[299]))
    by_hand = Calibrator.fresh(2).learn(FixedVolatility(0.008), prices, stamps[200:352:5], paths=400)
    seen = prices.until(stamps[354])
    assert by_hand.origins == model.calibrator(seen).origins == 31
    np.testing.assert_array_equal(model.calibrator(seen).missed, by_hand.settle(seen).missed)


def test_later_rows_move_the_stretch() -> None:
    sigma = np.full(600, 0.01)
    sigma[400:] = 0.03
    prices = independent_walks(sigma)
    model = Calibrated(FixedVolatility(0.01), horizon=1).fit(prices.until(prices.series[0].timestamps[399]))
    early = model.calibrator(prices.until(prices.series[0].timestamps[400]))
    late = model.calibrator(prices)
    assert late.missed[1, 0, -3:].min() > early.missed[1, 0, -3:].max() + 1


def test_a_stretch_survives_json() -> None:
    calibrator, prices = learned()
    again = Calibrator.from_dict(json.loads(json.dumps(calibrator.to_dict(), allow_nan=False)))
    raw = FixedVolatility(0.01).predict(prices, 4, paths=100)
    for item, other in zip(calibrator.settle(prices).apply(raw), again.settle(prices).apply(raw), strict=True):
        np.testing.assert_array_equal(item.paths, other.paths)
    assert len(again.waiting) == len(calibrator.waiting) > 0
    with pytest.raises(ModelError, match="calibrator"):
        Calibrator.from_dict({**calibrator.to_dict(), "usual": [1.0]})


def test_what_it_cannot_use_is_refused_in_one_line() -> None:
    calibrator, prices = learned()
    with pytest.raises(UsageError, match="4 steps"):
        calibrator.record(FixedVolatility(0.01).predict(prices, 2))
    with pytest.raises(UsageError, match="Call fit"):
        Calibrated(Garch()).predict(prices, 2)
    with pytest.raises(UsageError, match="at least"):
        Calibrated(Garch(), every=0)


def test_too_short_a_history_is_forecast_without_calibration_and_says_so() -> None:
    prices = PriceTable(series=(simulated_series("A", 70, 1),))
    forecast = Calibrated(FixedVolatility(0.01)).fit(prices).predict(prices, 3, paths=100)
    assert any("without calibration" in note for note in texts(forecast["A"].notes))


def test_the_roster_wraps_any_model() -> None:
    models = parse_models("calibrated:garch:errors=normal,asymmetric=false,calibrated:random_walk,garch")
    assert [model.name for model in models] == [
        "calibrated:garch:errors=normal,asymmetric=false",
        "calibrated:random_walk",
        "garch",
    ]
    with pytest.raises(UsageError, match="calibrated"):
        parse_models("calibrated")


def test_stored_folds_tell_the_inner_settings_apart(tmp_path) -> None:
    prices = independent_walks(np.full(300, 0.01), items=1)

    def folds(model: Calibrated) -> int:
        backtest([model], prices, horizon=2, cutoffs=2, paths=100, store=tmp_path)
        return len(list(tmp_path.glob("*.json")))

    assert folds(Calibrated(FixedVolatility(0.01), horizon=2)) == 2
    assert folds(Calibrated(FixedVolatility(0.01), horizon=2)) == 2
    assert folds(Calibrated(FixedVolatility(0.02), horizon=2)) == 4


def test_a_calibrator_over_a_calibrated_network_calibrates_once() -> None:
    (model,) = parse_models("calibrated:gatecast:base")
    assert isinstance(model, Calibrated)
    assert not model.model.config.calibrate
    assert model.name == "calibrated:gatecast:base"


def test_a_calm_spell_answers_at_most_so_much_more_strongly() -> None:
    """theta = gain * missed / w: w, the width over the usual width, counts at exp(-0.5) where it is narrower still."""
    calibrator = calibrator_of(np.full((1, len(LEVELS)), 0.5), np.zeros(1))

    def stretch(width: float) -> float:
        table = independent_walks(np.full(30, 0.01), items=1)
        forecast = FixedVolatility(width / 3.29).predict(table, 1, paths=4000)
        return float(calibrator.stretch(forecast)[0, 0])

    plain = 0.18 * 0.5
    step = 1 - 0.5 ** (1 / MEMORY)  # the present width is counted in the usual one
    for width, expected in ((1.0, 0.0), (1.5, np.log(1.5)), (0.8, np.log(0.8)), (0.1, CALMER), (1e-3, CALMER)):
        change = np.log(width) * (1 - step)
        assert stretch(width) == pytest.approx(plain / np.exp(max(change, CALMER)), rel=0.05), expected
    assert CALMER == -0.5

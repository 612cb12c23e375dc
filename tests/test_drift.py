"""The sequential test of coverage: its false alarms, its power, and that it sees neither overlap nor the future."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from gatecast.errors import UsageError
from gatecast.judge.drift import FALSE_ALARMS, CoverageDrift, apart_rows, coverage_drift

DAYS, TRIALS = 1000, 400


def hits(share: float, days: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).random(days) < share


@functools.cache
def first_alarms(share: float, *, calm: int = 0) -> tuple[float, ...]:
    """Days from a change of coverage to `share` to the first alarm after it, infinite where none came."""
    found = []
    for seed in range(TRIALS // 4):
        inside = np.concatenate([hits(0.9, calm, seed + 9000), hits(share, DAYS, seed)])
        after = [alarm.found + 1 - calm for alarm in coverage_drift(inside).alarms if alarm.found >= calm]
        found.append(min(after, default=np.inf))
    return tuple(found)


def test_bands_that_hold_their_share_give_no_more_alarms_than_stated() -> None:
    alarmed = sum(bool(coverage_drift(hits(0.9, DAYS, seed)).alarms) for seed in range(TRIALS))
    # 1% of 400 trials are 4; 11 or more have a chance of 0.3% at that rate.
    assert alarmed <= 10


@pytest.mark.parametrize("rate", [0.05, 0.2])
def test_the_rate_of_false_alarms_is_the_one_asked_for(rate: float) -> None:
    alarmed = sum(bool(coverage_drift(hits(0.9, 300, seed), false_alarms=rate).alarms) for seed in range(TRIALS))
    assert alarmed / TRIALS <= rate + 3 * np.sqrt(rate * (1 - rate) / TRIALS)
    assert alarmed > 0  # the bound is not kept by never calling


def test_bets_on_a_calibrated_band_win_nothing_on_average() -> None:
    """The mean wealth over all outcomes of ten days is 1, whatever was bet: it is a martingale."""
    ways = (np.arange(2**10)[:, None] >> np.arange(10)) & 1 == 1
    chances = np.where(ways, 0.9, 0.1).prod(axis=1)
    wealths = np.array([coverage_drift(way, false_alarms=1e-12).wealth for way in ways])
    assert chances @ wealths == pytest.approx(1.0, abs=1e-12)


def test_bands_that_are_too_narrow_are_found(capsys: pytest.CaptureFixture[str]) -> None:
    early, late = np.median(first_alarms(0.8)), np.median(first_alarms(0.8, calm=DAYS))
    gross = np.median(first_alarms(0.6))
    with capsys.disabled():
        print(
            f"\nmedian days to alarm at 80% in place of 90%: {early:.0f}, after {DAYS} calibrated days {late:.0f}; ",
            end="",
        )
        print(f"at 60%: {gross:.0f}", end=" ")
    assert 90 <= early <= 200
    assert late <= 300
    assert gross <= 30


def test_bands_that_are_too_wide_are_found() -> None:
    assert np.median(first_alarms(0.98)) <= 200


def test_what_comes_later_changes_no_alarm() -> None:
    inside = hits(0.75, 600, 3)
    whole = coverage_drift(inside).alarms
    assert len(whole) >= 2
    for end in range(0, 601, 50):
        assert coverage_drift(inside[:end]).alarms == tuple(alarm for alarm in whole if alarm.found < end)


def test_after_an_alarm_it_begins_anew() -> None:
    inside = hits(0.7, 400, 5)
    found = coverage_drift(inside)
    first = found.alarms[0]
    rest = coverage_drift(inside[first.found + 1 :])
    moved = tuple((alarm.since + first.found + 1, alarm.found + first.found + 1) for alarm in rest.alarms)
    assert tuple((alarm.since, alarm.found) for alarm in found.alarms[1:]) == moved
    assert (found.quiet, found.wealth) == (rest.quiet, rest.wealth)
    assert found.quiet == len(inside) - found.alarms[-1].found - 1


def test_an_alarm_says_since_when_and_how_many_were_held() -> None:
    inside = np.concatenate([np.ones(9, dtype=bool)] * 1 + [hits(0.9, 200, 1), np.zeros(30, dtype=bool)])
    alarm = coverage_drift(inside).alarms[0]
    assert 200 <= alarm.since <= 209 <= alarm.found <= 220
    assert alarm.held == inside[alarm.since : alarm.found + 1].mean()


def test_no_outcome_is_no_drift() -> None:
    assert coverage_drift([]) == CoverageDrift(outcomes=0, alarms=(), quiet=0, wealth=1.0)
    assert FALSE_ALARMS == 0.01


@pytest.mark.parametrize("given", [{"level": 1.0}, {"level": 0.0}, {"false_alarms": 0.0}, {"false_alarms": 1.0}])
def test_what_is_no_share_is_refused(given: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="between 0 and 1; got"):
        coverage_drift([True], **given)


def test_forecasts_that_share_days_are_left_out_in_any_order() -> None:
    begins = np.arange(20)
    assert apart_rows(begins, begins + 1).tolist() == list(range(20))
    assert apart_rows(begins, begins + 5).tolist() == [0, 5, 10, 15]
    mixed = np.random.default_rng(0).permutation(20)
    assert begins[mixed][apart_rows(begins[mixed], begins[mixed] + 5)].tolist() == [0, 5, 10, 15]


def test_of_several_forecasts_of_a_day_one_counts() -> None:
    begins = np.array([1, 1, 1, 2, 2])
    assert apart_rows(begins, begins + 1).tolist() == [0, 3]


def test_bars_of_a_day_count_once() -> None:
    begins, ends = np.array([1, 1, 1, 2, 2, 3]), np.array([1, 1, 2, 2, 3, 4])
    hours = np.array(["10", "11", "09", "10", "09", "09"])
    assert apart_rows(begins, ends, hours).tolist() == [0, 3, 5]
    again = np.array(["10", "10"])  # one bar, recorded twice
    assert apart_rows(np.array([1, 1]), np.array([1, 1]), again).tolist() == [0]
    days = np.arange(4)
    assert apart_rows(days, days + 1, np.array(["16", "16", "10", "10"])).tolist() == [0, 1, 3]

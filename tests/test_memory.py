"""The memory experiment measures memory: it finds what must be found, and is the same twice."""

from __future__ import annotations

import json

import pytest

from gatecast.errors import UsageError
from gatecast.memory import MODELS, RECALLED, run_memory
from gatecast.nn.memory import recall


def test_an_open_forget_gate_reaches_further() -> None:
    """The check of the experiment itself: at bias +1 a gradient halves every other step, at +5 every hundred."""
    memory = run_memory(models=["lstm", "lstm_forget_5"], lags=[5, 50], seeds=[0, 1, 2], updates=350, jobs=1)
    assert memory.reach == {"lstm": 5, "lstm_forget_5": 50}
    before = memory.median("gradient_before")[50]
    assert before["lstm_forget_5"] > 1000 * before["lstm"]


def test_a_gradient_of_one_goes_with_recall() -> None:
    learned = recall("tcn", 10, 0, updates=400)
    assert learned.error < 0.05
    assert learned.gradient_after == pytest.approx(1, abs=0.2)
    assert learned.updates < 400
    untaught = recall("tcn", 10, 0, updates=1)
    assert untaught.error > RECALLED


@pytest.mark.parametrize("model", MODELS)
def test_every_family_recalls_over_a_few_steps_and_alike_twice(model: str) -> None:
    first, again = (run_memory(models=[model], lags=[3], seeds=[0], updates=300, jobs=1) for _ in range(2))
    assert first.rows.equals(again.rows)
    assert first.reach[model] == 3


def test_the_result_is_plain_json_and_says_what_came_out() -> None:
    memory = run_memory(models=["rnn", "lstm"], lags=[61, 60], seeds=[0], updates=2, jobs=1)
    document = json.loads(json.dumps(memory.to_dict(), allow_nan=False))
    told = [(row["model"], row["k"]) for row in document["rows"]]
    assert told == [("rnn", 60), ("rnn", 61), ("lstm", 60), ("lstm", 61)]
    assert document["reach"] == {"rnn": 0, "lstm": 0}
    assert "neither remembers" in document["finding"]
    assert "under 60" in document["finding"]


def test_what_cannot_be_run_is_refused() -> None:
    with pytest.raises(UsageError, match="no model 'ltsm'"):
        run_memory(models=["ltsm"])
    with pytest.raises(UsageError, match="at least 1"):
        run_memory(lags=[0])

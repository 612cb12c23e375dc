"""The memory experiment measures memory: known differences are found, and it repeats itself."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from gatecast.errors import UsageError
from gatecast.explain.memory import MODELS, RECALLED, Memory, run_memory
from gatecast.nn.training.recall import recall


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
    untrained = recall("tcn", 10, 0, updates=1)
    assert untrained.error > RECALLED


@pytest.mark.parametrize("model", MODELS)
def test_every_family_recalls_over_a_few_steps_and_alike_twice(model: str) -> None:
    first, again = (run_memory(models=[model], lags=[3], seeds=[0], updates=300, jobs=1) for _ in range(2))
    assert first.rows.equals(again.rows)
    assert first.reach[model] == 3


def test_the_result_is_plain_json_and_states_its_finding() -> None:
    memory = run_memory(models=["rnn", "lstm"], lags=[61, 60], seeds=[0], updates=2, jobs=1)
    document = json.loads(json.dumps(memory.to_dict(), allow_nan=False))
    runs = [(row["model"], row["k"]) for row in document["rows"]]
    assert runs == [("rnn", 60), ("rnn", 61), ("lstm", 60), ("lstm", 61)]
    assert document["reach"] == {"rnn": 0, "lstm": 0}
    assert "neither remembers" in document["finding"]
    assert "under 60" in document["finding"]


def test_what_cannot_be_run_is_refused() -> None:
    with pytest.raises(UsageError, match="no model 'ltsm'"):
        run_memory(models=["ltsm"])
    with pytest.raises(UsageError, match="a lag of at least 1"):
        run_memory(lags=[0])


def test_the_page_about_lstms_shows_the_same_numbers() -> None:
    """docs/lstm.md and the run beside it agree, network by network."""
    docs = Path(__file__).parents[1] / "docs"
    memory = Memory(rows=pd.DataFrame(json.loads((docs / "memory.json").read_text())["rows"]))
    assert sorted(memory.rows["seed"].unique()) == [0, 1, 2]
    page = (docs / "lstm.md").read_text()
    names = {"lstm_forget_5": "LSTM, forget bias +5", "tcn": "TCN", "transformer": "transformer"}
    for model, reach in memory.reach.items():
        (row,) = (line for line in page.splitlines() if line.startswith(f"| {names.get(model, model.upper())} |"))
        assert f"| {reach} steps" in row
        assert row.endswith(f"| {memory.median().loc[model, 60]:.2f} |")

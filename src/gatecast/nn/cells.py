"""The recurrent cells from their equations, in float64 numpy: the oracle for the networks, one gate at a time.

Weights are laid out as torch lays them out: `input_weight` (gates * hidden, inputs), `hidden_weight`
(gates * hidden, hidden), gates stacked in the order given at each cell.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True, kw_only=True)
class CellWeights:
    """The weights of one recurrent layer."""

    input_weight: Float[np.ndarray, "gates_hidden inputs"]
    hidden_weight: Float[np.ndarray, "gates_hidden hidden"]
    input_bias: Float[np.ndarray, " gates_hidden"]
    hidden_bias: Float[np.ndarray, " gates_hidden"]


@dataclass(frozen=True, kw_only=True)
class LstmStep:
    """Everything an LSTM cell computes on one step; each (hidden,)."""

    input_gate: Float[np.ndarray, " hidden"]
    forget_gate: Float[np.ndarray, " hidden"]
    candidate: Float[np.ndarray, " hidden"]
    output_gate: Float[np.ndarray, " hidden"]
    cell_state: Float[np.ndarray, " hidden"]
    hidden: Float[np.ndarray, " hidden"]


@dataclass(frozen=True, kw_only=True)
class GruStep:
    """Everything a GRU cell computes on one step; each (hidden,)."""

    reset_gate: Float[np.ndarray, " hidden"]
    update_gate: Float[np.ndarray, " hidden"]
    candidate: Float[np.ndarray, " hidden"]
    hidden: Float[np.ndarray, " hidden"]


def sigmoid(x: Float[np.ndarray, ...]) -> Float[np.ndarray, ...]:
    """1 / (1 + exp(-x)), without overflow."""
    return np.asarray(0.5 * (1 + np.tanh(0.5 * x)))


def lstm_step(
    weights: CellWeights,
    inputs: Float[np.ndarray, " inputs"],
    hidden: Float[np.ndarray, " hidden"],
    cell_state: Float[np.ndarray, " hidden"],
) -> LstmStep:
    """One step of the LSTM; gates in the order input, forget, candidate, output.

    i = s(W_i x + U_i h + b_i), f = s(W_f x + U_f h + b_f), g = tanh(W_g x + U_g h + b_g), o = s(W_o x + U_o h + b_o),
    c' = f * c + i * g, h' = o * tanh(c'): Hochreiter and Schmidhuber (1997) with the forget gate of Gers,
    Schmidhuber and Cummins (2000), equations 1 to 5.
    """
    total = weights.input_weight @ inputs + weights.input_bias + weights.hidden_weight @ hidden + weights.hidden_bias
    i, f, g, o = np.split(total, 4)
    input_gate, forget_gate, output_gate = sigmoid(i), sigmoid(f), sigmoid(o)
    candidate = np.tanh(g)
    new_cell = forget_gate * cell_state + input_gate * candidate
    return LstmStep(
        input_gate=input_gate,
        forget_gate=forget_gate,
        candidate=candidate,
        output_gate=output_gate,
        cell_state=new_cell,
        hidden=output_gate * np.tanh(new_cell),
    )


def gru_step(
    weights: CellWeights, inputs: Float[np.ndarray, " inputs"], hidden: Float[np.ndarray, " hidden"]
) -> GruStep:
    """One step of the GRU; gates in the order reset, update, candidate.

    r = s(W_r x + U_r h + b_r), z = s(W_z x + U_z h + b_z), n = tanh(W_n x + b_n + r * (U_n h + c_n)),
    h' = (1 - z) * n + z * h: Cho et al. (2014), equations 5 to 8, the reset applied after the product.
    """
    from_input = np.split(weights.input_weight @ inputs + weights.input_bias, 3)
    from_hidden = np.split(weights.hidden_weight @ hidden + weights.hidden_bias, 3)
    reset = sigmoid(from_input[0] + from_hidden[0])
    update = sigmoid(from_input[1] + from_hidden[1])
    candidate = np.tanh(from_input[2] + reset * from_hidden[2])
    return GruStep(
        reset_gate=reset,
        update_gate=update,
        candidate=candidate,
        hidden=np.asarray((1 - update) * candidate + update * hidden),
    )


def rnn_step(
    weights: CellWeights, inputs: Float[np.ndarray, " inputs"], hidden: Float[np.ndarray, " hidden"]
) -> Float[np.ndarray, " hidden"]:
    """One step of the vanilla RNN, h' = tanh(W x + U h + b): Elman (1990)."""
    total = weights.input_weight @ inputs + weights.input_bias + weights.hidden_weight @ hidden + weights.hidden_bias
    return np.asarray(np.tanh(total))


def trace(
    kind: str, weights: CellWeights, inputs: Float[np.ndarray, "time inputs"]
) -> dict[str, Float[np.ndarray, "time hidden"]]:
    """All that a cell computes over a whole sequence from a zero state, by name; `hidden` is its output."""
    width = weights.hidden_weight.shape[1]
    hidden, cell_state = np.zeros(width), np.zeros(width)
    steps: list[dict[str, np.ndarray]] = []
    for row in inputs:
        if kind == "lstm":
            lstm = lstm_step(weights, row, hidden, cell_state)
            cell_state = lstm.cell_state
            steps.append(vars(lstm))
        elif kind == "gru":
            steps.append(vars(gru_step(weights, row, hidden)))
        else:
            steps.append({"hidden": rnn_step(weights, row, hidden)})
        hidden = steps[-1]["hidden"]
    return {name: np.stack([step[name] for step in steps]) for name in steps[0]}


def unroll(
    kind: str, weights: CellWeights, inputs: Float[np.ndarray, "time inputs"]
) -> Float[np.ndarray, "time hidden"]:
    """The hidden states of a whole sequence from a zero state."""
    return trace(kind, weights, inputs)["hidden"]

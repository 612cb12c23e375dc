"""The recurrent cells from their equations, in float64 numpy: the oracle for the networks, one gate at a time.

A step takes the one before it, of which the hidden and the cell state count, and gives all that the cell computes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True)
class CellWeights:
    """The weights of one recurrent layer in torch's layout and order; gates stacked in the order given at each cell."""

    input_weight: Float[np.ndarray, "gates_hidden inputs"]
    hidden_weight: Float[np.ndarray, "gates_hidden hidden"]
    input_bias: Float[np.ndarray, " gates_hidden"]
    hidden_bias: Float[np.ndarray, " gates_hidden"]


Step = dict[str, Float[np.ndarray, " hidden"]]  # all that a cell computes on one step, by name


def sigmoid(x: Float[np.ndarray, ...]) -> Float[np.ndarray, ...]:
    """1 / (1 + exp(-x)), without overflow."""
    return np.asarray(0.5 * (1 + np.tanh(0.5 * x)))


def lstm_step(weights: CellWeights, inputs: Float[np.ndarray, " inputs"], before: Step) -> Step:
    """One step of the LSTM; gates in the order input, forget, candidate, output.

    i = s(W_i x + U_i h + b_i), f = s(W_f x + U_f h + b_f), g = tanh(W_g x + U_g h + b_g), o = s(W_o x + U_o h + b_o),
    c' = f * c + i * g, h' = o * tanh(c'): Hochreiter and Schmidhuber (1997) with the forget gate of Gers,
    Schmidhuber and Cummins (2000), equations 1 to 5.
    """
    i, f, g, o = np.split(_weighed(weights, inputs, before), 4)
    step = {"input_gate": sigmoid(i), "forget_gate": sigmoid(f), "candidate": np.tanh(g), "output_gate": sigmoid(o)}
    cell_state = step["forget_gate"] * before["cell_state"] + step["input_gate"] * step["candidate"]
    return step | {"cell_state": cell_state, "hidden": step["output_gate"] * np.tanh(cell_state)}


def gru_step(weights: CellWeights, inputs: Float[np.ndarray, " inputs"], before: Step) -> Step:
    """One step of the GRU; gates in the order reset, update, candidate.

    r = s(W_r x + U_r h + b_r), z = s(W_z x + U_z h + b_z), n = tanh(W_n x + b_n + r * (U_n h + c_n)),
    h' = (1 - z) * n + z * h: Cho et al. (2014), equations 5 to 8, the reset applied after the product.
    """
    from_input = np.split(weights.input_weight @ inputs + weights.input_bias, 3)
    from_hidden = np.split(weights.hidden_weight @ before["hidden"] + weights.hidden_bias, 3)
    reset, update = sigmoid(from_input[0] + from_hidden[0]), sigmoid(from_input[1] + from_hidden[1])
    candidate = np.tanh(from_input[2] + reset * from_hidden[2])
    hidden = (1 - update) * candidate + update * before["hidden"]
    return {"reset_gate": reset, "update_gate": update, "candidate": candidate, "hidden": hidden}


def rnn_step(weights: CellWeights, inputs: Float[np.ndarray, " inputs"], before: Step) -> Step:
    """One step of the vanilla RNN, h' = tanh(W x + U h + b): Elman (1990)."""
    return {"hidden": np.tanh(_weighed(weights, inputs, before))}


def _weighed(weights: CellWeights, inputs: Float[np.ndarray, " inputs"], before: Step) -> np.ndarray:
    hidden = before["hidden"]
    total = weights.input_weight @ inputs + weights.input_bias + weights.hidden_weight @ hidden + weights.hidden_bias
    return np.asarray(total)


def trace(
    kind: str, weights: CellWeights, inputs: Float[np.ndarray, "time inputs"]
) -> dict[str, Float[np.ndarray, "time hidden"]]:
    """All that a cell computes over a whole sequence from a zero state, by name; `hidden` is its output."""
    cell = {"lstm": lstm_step, "gru": gru_step, "rnn": rnn_step}[kind]
    zeros = np.zeros(weights.hidden_weight.shape[1])
    steps: list[Step] = [{"hidden": zeros, "cell_state": zeros}]
    for row in inputs:
        steps.append(cell(weights, row, steps[-1]))
    return {name: np.stack([step[name] for step in steps[1:]]) for name in steps[-1]}

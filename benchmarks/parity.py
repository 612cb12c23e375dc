"""Does the recipe equal Keras? The same weights in both networks, dropout off.

The forward pass on random windows must agree to 1e-5, and every weight after one Adam step on one batch (Huber) to
1e-4. Ends with 1 where it does not; `--spoil` swaps two gates on the way over, to see it fail.

Keras keeps the gates of an LSTM in the order input, forget, candidate, output, as torch does, with one bias a gate;
its matrices are torch's transposed.

    python benchmarks/parity.py [--spoil]
"""

from __future__ import annotations

import argparse
import json
import os
import sys

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import torch
from rivals.keras_recipe import build as build_keras
from rivals.recipe import BATCH, FEATURES, rows, windows_of

from gatecast import Config
from gatecast.nn.network import Network, build
from gatecast.nn.training.adam import AdamSettings, FlatAdam

FORWARD, STEP = 1e-5, 1e-4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spoil", action="store_true", help="copy the weights wrongly, to see the check fail")
    spoil = parser.parse_args().spoil
    config = Config.from_preset("reference").replace(dropout=0.0)
    theirs, ours = build_keras(dropout=0.0), build(config, FEATURES, torch.device("cpu"))
    shake(theirs)
    ours.load_state_dict(translated(theirs, ours, spoil=spoil))
    inputs, target = windows_of(*rows(BATCH - 1, seed=1))
    forward = forward_gap(theirs, ours, inputs)
    step = step_gap(theirs, ours, config, inputs, target)
    agrees = forward <= FORWARD and step <= STEP
    print(json.dumps({"forward": forward, "step": step, "agrees": agrees}))
    if not agrees:
        sys.exit(
            f"the recipe must equal Keras to {FORWARD:g} forward and {STEP:g} after a step; it is {forward:.2g} and "
            f"{step:.2g} away."
        )


def shake(model: keras.Model) -> None:
    """Move every weight a little: biases of zero would agree in any order."""
    rng = np.random.default_rng(0)
    model.set_weights(
        [weight + 0.05 * rng.standard_normal(weight.shape).astype(np.float32) for weight in model.get_weights()]
    )


def translated(model: keras.Model, like: Network, *, spoil: bool = False) -> dict[str, torch.Tensor]:
    """The weights of the Keras network under the names and in the layout of ours."""
    state = {name: torch.zeros_like(tensor) for name, tensor in like.state_dict().items()}
    recurrent = [layer for layer in model.layers if isinstance(layer, keras.layers.LSTM)]
    dense = [layer for layer in model.layers if isinstance(layer, keras.layers.Dense)]
    for depth, layer in enumerate(recurrent):
        names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0")  # torch's second bias stays at zero
        for name, weight in zip(names, layer.get_weights(), strict=True):
            state[f"encoder.layers.{depth}.{name}"] = torch.from_numpy(gates(weight.T, swapped=spoil))
    for depth, layer in enumerate(dense):
        weight, bias = layer.get_weights()
        state[f"head.layers.{depth}.weight"] = torch.from_numpy(weight.T.copy())
        state[f"head.layers.{depth}.bias"] = torch.from_numpy(bias)
    return state


def gates(weight: np.ndarray, *, swapped: bool) -> np.ndarray:
    """The weight (4 * hidden, ...), its last two gates swapped if asked."""
    first, second, third, fourth = np.split(weight, 4)
    return np.concatenate([first, second, fourth, third] if swapped else [first, second, third, fourth])


def forward_gap(theirs: keras.Model, ours: Network, inputs: np.ndarray) -> float:
    """The largest difference between what they predict."""
    with torch.no_grad():
        next_day, _ = ours(torch.from_numpy(inputs).transpose(0, 1).contiguous(), last=1)
        mine = next_day.mean[0]
    return float(np.abs(mine.numpy() - np.asarray(theirs(inputs, training=False))[:, 0]).max())


def step_gap(theirs: keras.Model, ours: Network, config: Config, inputs: np.ndarray, target: np.ndarray) -> float:
    """The largest difference between their weights after one step from the same gradient, Keras's and ours."""
    optimiser = FlatAdam(ours, AdamSettings.of(config))
    next_day, _ = ours(torch.from_numpy(inputs).transpose(0, 1).contiguous(), last=1)
    loss = -next_day.log_prob(torch.from_numpy(target).T).mean()
    optimiser.step([optimiser.gradient_of(loss)])
    theirs.train_on_batch(inputs, target)
    wanted = translated(theirs, ours)
    return max(float((tensor - wanted[name]).abs().max()) for name, tensor in ours.state_dict().items())


if __name__ == "__main__":
    main()

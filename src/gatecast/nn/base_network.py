"""The base network that comes with gatecast: an LSTM over signals whose head predicts a joint next day.

The location of the return is one learned number: a free location fitted the noise of the training years and nothing
beyond them.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from gatecast.features.cross_section import CROSS_SECTION
from gatecast.features.event_calendar import EVENTS, SUMMARY
from gatecast.features.signal_rows import BaseInputs
from gatecast.features.signals import RANGE_SIGNALS, SIGNALS, VOLUME_SIGNALS
from gatecast.nn.encoders import State, repeated
from gatecast.nn.masks import Masks, draw_masks
from gatecast.nn.network import PathNetwork, drawn_from
from gatecast.nn.next_day import LEAST_DF, JointDay
from gatecast.nn.precision import recurrent

HIDDEN, DENSE = 64, 32
FLAGS = 2  # has ranges, has volumes
INPUTS = SIGNALS + CROSS_SECTION + FLAGS + 1  # the last says whether there is a cross-section
DROPOUT = 0.4  # of the hidden units; one mask per sequence or path (Gal and Ghahramani 2016)
_OUTPUTS = 8  # all but the location


class BaseNetwork(PathNetwork):
    """Signals and events in, the `JointDay` after every row out; absent columns and cross-sections are masked."""

    input_mean: Tensor
    input_std: Tensor
    cross_section_mean: Tensor
    cross_section_std: Tensor
    event_mean: Tensor
    event_std: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.units = HIDDEN
        self.sixteen_bits = False  # whether the LSTM computes in bfloat16
        for name, size in (("input", SIGNALS), ("cross_section", CROSS_SECTION), ("event", EVENTS)):
            self.register_buffer(f"{name}_mean", torch.zeros(size))
            self.register_buffer(f"{name}_std", torch.ones(size))
        self.location = nn.Parameter(torch.tensor(0.03))
        self.lstm = nn.LSTM(INPUTS + SUMMARY, HIDDEN)
        self.dense = nn.Linear(HIDDEN + INPUTS + EVENTS, DENSE)
        self.head = nn.Linear(HIDDEN + INPUTS + EVENTS + DENSE, _OUTPUTS)
        with torch.no_grad():
            for name in ("bias_ih_l0", "bias_hh_l0"):
                self.lstm.get_parameter(name).zero_()
            self.lstm.get_parameter("bias_ih_l0")[HIDDEN : 2 * HIDDEN] = 1.0  # forget gates open: remember by default
            self.head.weight.zero_()
            self.head.bias.zero_()
            self.head.bias[1] = 1.5  # df of some 3.8
            self.head.bias[3] = self.head.bias[5] = -1.0  # spreads of 0.37

    def forward(
        self, inputs: BaseInputs, state: State | None = None, masks: Masks | None = None, *, last: int | None = None
    ) -> tuple[JointDay, State]:
        """The days after the last `last` rows in units of each row's scale, and the LSTM's state."""
        events = self.scaled_events(inputs.events)
        return self.predicted(self.standardised(inputs), inputs.expected, events, state, masks, last=last)

    def predicted(
        self,
        seen: Float[Tensor, "time batch input"],
        expected: Float[Tensor, "time start summary"],
        events: Float[Tensor, "time start event"],
        state: State | None = None,
        masks: Masks | None = None,
        *,
        last: int | None = None,
    ) -> tuple[JointDay, State]:
        """`forward` for inputs that are scaled already; those of a start go for all of its paths in `seen`."""
        expected, events = (repeated(part, seen.shape[1]) for part in (expected, events))
        if masks is not None and masks.inputs is not None:
            seen = seen * masks.inputs
        before = state[0] if state else None
        hidden, end = recurrent(self.lstm, torch.cat([seen, expected], dim=-1), before, self.sixteen_bits)
        if last is not None:
            hidden, seen, events = hidden[-last:], seen[-last:], events[-last:]
        if masks is not None:
            mask = masks.layers[0]
            hidden, seen, events = (repeated(part, len(mask)) for part in (hidden, seen, events))
            hidden = hidden * mask
        whole = torch.cat([hidden, seen, events], dim=-1)
        out = self.head(torch.cat([whole, torch.tanh(self.dense(whole))], dim=-1)).unbind(dim=-1)
        day = JointDay(
            location=self.location.expand(out[0].shape),
            scale=out[0].clamp(-3, 3).exp(),
            df=LEAST_DF + functional.softplus(out[1].clamp(-20, 30)),
            range_level=out[2],
            range_spread=out[3].clamp(-4, 2).exp(),
            volume_level=out[4],
            volume_spread=out[5].clamp(-4, 2).exp(),
            range_slope=0.4 + out[6],
            volume_slope=0.2 + out[7],
            has_range=seen[..., -FLAGS - 1],
        )
        return day, [end]

    def draw_masks(self, sequences: int, generator: torch.Generator) -> Masks:
        """A mask on the LSTM's output."""
        return draw_masks(1, sequences, HIDDEN, DROPOUT, generator)

    def standardised(self, inputs: BaseInputs) -> Float[Tensor, "*sequences input"]:
        """Centred, scaled and clipped signals and cross-section, zeros where there are none, and what there is."""
        signals, across = inputs.signals, inputs.cross_section
        flags = (
            inputs.flags if inputs.flags.shape[:-1] == signals.shape[:-1] else repeated(inputs.flags, signals.shape[1])
        )
        present = torch.ones_like(signals)
        present[..., RANGE_SIGNALS] = flags[..., :1]
        present[..., VOLUME_SIGNALS] = flags[..., 1:]
        scaled = ((signals - self.input_mean) / self.input_std).clamp(-5, 5)
        if across is None:
            across = signals.new_full((*signals.shape[:-1], CROSS_SECTION), torch.nan)
        common = ((across - self.cross_section_mean) / self.cross_section_std).clamp(-5, 5).nan_to_num(0.0)
        known = across[..., :1].isfinite().to(signals)
        return torch.cat([scaled * present, common, flags, known], dim=-1)

    def scaled_events(self, events: Float[Tensor, "*rows event"]) -> Float[Tensor, "*rows event"]:
        """Centred, scaled and clipped events; zero where the series has none."""
        has_events = events.abs().sum(dim=-1, keepdim=True) > 0
        return ((events - self.event_mean) / self.event_std).clamp(-6, 8) * has_events


def build_base(seed: int, kind: type[BaseNetwork] = BaseNetwork) -> BaseNetwork:
    """A network of this kind with weights drawn from `seed`; the global random state is left as it was."""
    with drawn_from(torch.Generator().manual_seed(seed)):
        return kind()

"""The base network that comes with gatecast: an LSTM over signals whose head predicts a joint next day.

The location of the return is one learned number: a free location fitted the noise of the training years and nothing
beyond them.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from gatecast.features.cross_section import CROSS_SECTION
from gatecast.features.event_calendar import EVENTS, SUMMARY
from gatecast.features.known_events import FLAGS as PASSED
from gatecast.features.known_events import KNOWN
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
    """Signals and events in, the `JointDay` after every row out; absent columns and cross-sections are masked.

    Without `known_events` it takes no dates of events, as the networks of before had none.
    """

    input_mean: Tensor
    input_std: Tensor
    cross_section_mean: Tensor
    cross_section_std: Tensor
    event_mean: Tensor
    event_std: Tensor

    def __init__(self, *, known_events: bool = True) -> None:
        super().__init__()
        self.units = HIDDEN
        self.sixteen_bits = False  # whether the LSTM computes in bfloat16
        self.known_events = known_events
        passed, known = (PASSED, KNOWN) if known_events else (0, 0)
        for name, size in (("input", SIGNALS), ("cross_section", CROSS_SECTION), ("event", EVENTS)):
            self.register_buffer(f"{name}_mean", torch.zeros(size))
            self.register_buffer(f"{name}_std", torch.ones(size))
        self.location = nn.Parameter(torch.tensor(0.03))
        self.lstm = nn.LSTM(INPUTS + SUMMARY + passed, HIDDEN)
        self.dense = nn.Linear(HIDDEN + INPUTS + EVENTS + known, DENSE)
        self.head = nn.Linear(HIDDEN + INPUTS + EVENTS + known + DENSE, _OUTPUTS)
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
        expected, events = self.calendar(inputs)
        return self.predicted(self.standardised(inputs), expected, events, state, masks, last=last)

    def predicted(
        self,
        seen: Float[Tensor, "time batch input"],
        expected: Float[Tensor, "time start expected"],
        events: Float[Tensor, "time start ahead"],
        state: State | None = None,
        masks: Masks | None = None,
        *,
        last: int | None = None,
    ) -> tuple[JointDay, State]:
        """`forward` for inputs that are scaled already; those of a start go for all of its paths in `seen`.

        `expected` and `events` are what `calendar` gives.
        """
        expected = repeated(expected, seen.shape[1])
        if masks is not None and masks.inputs is not None:
            seen = seen * masks.inputs
        before = state[0] if state else None
        hidden, end = recurrent(self.lstm, torch.cat([seen, expected], dim=-1), before, self.sixteen_bits)
        if last is not None:
            hidden, seen, events = hidden[-last:], seen[-last:], events[-last:]
        if masks is not None:
            mask = masks.layers[0]
            hidden, seen = repeated(hidden, len(mask)) * mask, repeated(seen, len(mask))
        out = self._outputs(hidden, seen, events)
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

    def _outputs(
        self,
        hidden: Float[Tensor, "time batch hidden"],
        seen: Float[Tensor, "time batch input"],
        events: Float[Tensor, "time start ahead"],
    ) -> tuple[Float[Tensor, "time batch"], ...]:
        """head([x, tanh(dense(x))]) of x = [hidden, seen, events], each output by itself.

        What is the same for all paths of a start is computed once. An output a row, not a column, so that each is one
        piece of memory, and no x is put together: quicker, and so is all that follows.
        """
        before = HIDDEN + INPUTS
        size = before + events.shape[-1]
        weights = torch.cat([self.dense.weight, self.head.weight[:, :size]])
        of_hidden, of_seen, of_events = weights[:, :HIDDEN], weights[:, HIDDEN:before], weights[:, before:]
        bias = torch.cat([self.dense.bias, self.head.bias])
        both = torch.addmm(bias[:, None], of_events, _columns(events)).view(-1, *events.shape[:2])
        both = both.repeat_interleave(hidden.shape[1] // events.shape[1], dim=2).flatten(1)
        both = torch.addmm(torch.addmm(both, of_hidden, _columns(hidden)), of_seen, _columns(seen))
        out = torch.addmm(both[DENSE:], self.head.weight[:, size:], torch.tanh(both[:DENSE]))
        return out.view(_OUTPUTS, *hidden.shape[:2]).unbind()

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

    def calendar(
        self, inputs: BaseInputs
    ) -> tuple[Float[Tensor, "time start expected"], Float[Tensor, "time start ahead"]]:
        """What the LSTM is told of each row's own day, and the head of the day after, known dates last."""
        expected, events = inputs.expected, self.scaled_events(inputs.events)
        if not self.known_events:
            return expected, events
        passed, known = (
            events.new_zeros((*events.shape[:-1], size)) if given is None else given
            for given, size in ((inputs.passed, PASSED), (inputs.known, KNOWN))
        )
        return torch.cat([expected, passed], dim=-1), torch.cat([events, known], dim=-1)

    def scaled_events(self, events: Float[Tensor, "*rows event"]) -> Float[Tensor, "*rows event"]:
        """Centred, scaled and clipped events; zero where the series has none."""
        has_events = events.abs().sum(dim=-1, keepdim=True) > 0
        return ((events - self.event_mean) / self.event_std).clamp(-6, 8) * has_events


def _columns(values: Float[Tensor, "time batch part"]) -> Float[Tensor, "part rows"]:
    return values.flatten(0, 1).t()


def build_base(seed: int, kind: type[BaseNetwork] = BaseNetwork, *, known_events: bool = True) -> BaseNetwork:
    """A network of this kind with weights drawn from `seed`; the global random state is left as it was."""
    with drawn_from(torch.Generator().manual_seed(seed)):
        return kind(known_events=known_events)


def of_weights(weights: Mapping[str, Tensor]) -> BaseNetwork:
    """The network that has these weights, at rest; raises `RuntimeError` where they are those of another."""
    width = weights["dense.weight"].shape[-1] if "dense.weight" in weights else 0
    network = build_base(0, known_events=width != HIDDEN + INPUTS + EVENTS)
    network.load_state_dict(weights)
    return network.eval()

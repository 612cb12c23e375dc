"""The steps of each recurrent cell: title, equation and meaning."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup


@dataclass(frozen=True)
class Step:
    """A step: the name of the value it computes, and how the page explains it."""

    name: str
    title: str
    equation: Markup
    meaning: str


INTRODUCTIONS = {
    "lstm": "An LSTM cell keeps two values from day to day: the cell state c, its memory, and the hidden state h, "
    "which the forecast reads. Three gates, each a number from 0 (closed) to 1 (open), set how much of the memory is "
    "kept, how much is added to it, and how much of it is passed on.",
    "gru": "A GRU keeps a single value from day to day, its hidden state h. Two gates, each a number from 0 (closed) "
    "to 1 (open), set how much of yesterday's state enters the candidate, and how much of it is kept.",
    "rnn": "A plain recurrent cell adds today's inputs to yesterday's hidden state, each times its weights, and "
    "squashes the sum. It has no gate: its state is overwritten every day.",
}


def _sum(letter: str, squash: str, subscript: str) -> Markup:
    return Markup(
        f"<i>{letter}<sub>t</sub></i> = {squash}(<i>W<sub>{subscript}</sub> x<sub>t</sub></i> + "
        f"<i>U<sub>{subscript}</sub> h</i><sub><i>t</i>&minus;1</sub> + <i>b<sub>{subscript}</sub></i>)"
    )


_NEW_VALUE = "The new value that today's inputs suggest."
_LSTM = (
    Step("forget_gate", "Forget gate", _sum("f", "&sigma;", "f"), "The share of the old cell state that is kept."),
    Step("input_gate", "Input gate", _sum("i", "&sigma;", "i"), "The share of the candidate that is added."),
    Step("candidate", "Candidate", _sum("g", "tanh", "g"), _NEW_VALUE),
    Step(
        "cell_state",
        "New cell state",
        Markup(
            "<i>c<sub>t</sub></i> = <i>f<sub>t</sub></i> &times; <i>c</i><sub><i>t</i>&minus;1</sub> + "
            "<i>i<sub>t</sub></i> &times; <i>g<sub>t</sub></i>"
        ),
        "What is kept of the old state, plus what is added.",
    ),
    Step("output_gate", "Output gate", _sum("o", "&sigma;", "o"), "The share of the cell state that is passed on."),
    Step(
        "hidden",
        "Hidden state",
        Markup("<i>h<sub>t</sub></i> = <i>o<sub>t</sub></i> &times; tanh(<i>c<sub>t</sub></i>)"),
        "What the forecast and tomorrow's gates read.",
    ),
)
_GRU = (
    Step("reset_gate", "Reset gate", _sum("r", "&sigma;", "r"), "How much of the old state enters the candidate."),
    Step("update_gate", "Update gate", _sum("z", "&sigma;", "z"), "The share of the old state that is kept."),
    Step(
        "candidate",
        "Candidate",
        Markup(
            "<i>n<sub>t</sub></i> = tanh(<i>W<sub>n</sub> x<sub>t</sub></i> + <i>b<sub>n</sub></i> + "
            "<i>r<sub>t</sub></i> &times; (<i>U<sub>n</sub> h</i><sub><i>t</i>&minus;1</sub> + <i>c<sub>n</sub></i>))"
        ),
        _NEW_VALUE,
    ),
    Step(
        "hidden",
        "Hidden state",
        Markup(
            "<i>h<sub>t</sub></i> = (1 &minus; <i>z<sub>t</sub></i>) &times; <i>n<sub>t</sub></i> + "
            "<i>z<sub>t</sub></i> &times; <i>h</i><sub><i>t</i>&minus;1</sub>"
        ),
        "A share of the candidate, and the rest of the old state.",
    ),
)
_RNN = (
    Step(
        "hidden",
        "Hidden state",
        _sum("h", "tanh", "h"),
        "Inputs and old state in a single sum, squashed to between \u22121 and 1.",
    ),
)
STEPS = {"lstm": _LSTM, "gru": _GRU, "rnn": _RNN}

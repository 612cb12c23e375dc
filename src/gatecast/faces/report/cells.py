"""The steps of each recurrent cell as a lesson tells them: a title, the equation, what it is for."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup


@dataclass(frozen=True)
class Step:
    """One step: which of the cell's values it makes, and how it is told."""

    name: str
    title: str
    equation: Markup
    meaning: str


FIRST_WORDS = {
    "lstm": "An LSTM cell keeps two things from one day to the next: the cell state c, a conveyor belt that runs "
    "straight through, and the hidden state h, what it shows of it. Three gates, each a number from 0 to 1, decide "
    "what leaves the belt, what is put on it, and what is shown.",
    "gru": "A GRU keeps one thing from one day to the next, its hidden state h. Two gates, each a number from 0 to 1, "
    "decide how much of it is heard and how much of it is replaced.",
    "rnn": "A plain recurrent cell mixes today's inputs with yesterday's hidden state and squashes the sum. It has no "
    "gate: what it knew is overwritten every day.",
}


def _sum(letter: str, squash: str, subscript: str) -> Markup:
    return Markup(
        f"<i>{letter}<sub>t</sub></i> = {squash}(<i>W<sub>{subscript}</sub> x<sub>t</sub></i> + "
        f"<i>U<sub>{subscript}</sub> h</i><sub><i>t</i>&minus;1</sub> + <i>b<sub>{subscript}</sub></i>)"
    )


_LSTM = (
    Step("forget_gate", "Forget gate", _sum("f", "&sigma;", "f"), "How much of yesterday's belt is kept."),
    Step("input_gate", "Input gate", _sum("i", "&sigma;", "i"), "How much of the new is let in."),
    Step("candidate", "Candidate", _sum("g", "tanh", "g"), "The new: what today would write."),
    Step(
        "cell_state",
        "New cell state",
        Markup(
            "<i>c<sub>t</sub></i> = <i>f<sub>t</sub></i> &times; <i>c</i><sub><i>t</i>&minus;1</sub> + "
            "<i>i<sub>t</sub></i> &times; <i>g<sub>t</sub></i>"
        ),
        "The belt moves on: a share of the old, and a share of the new.",
    ),
    Step("output_gate", "Output gate", _sum("o", "&sigma;", "o"), "How much of the belt is shown."),
    Step(
        "hidden",
        "Hidden state",
        Markup("<i>h<sub>t</sub></i> = <i>o<sub>t</sub></i> &times; tanh(<i>c<sub>t</sub></i>)"),
        "What the forecast and tomorrow's gates read.",
    ),
)
_GRU = (
    Step("reset_gate", "Reset gate", _sum("r", "&sigma;", "r"), "How much of yesterday the candidate hears."),
    Step("update_gate", "Update gate", _sum("z", "&sigma;", "z"), "How much of yesterday is kept."),
    Step(
        "candidate",
        "Candidate",
        Markup(
            "<i>n<sub>t</sub></i> = tanh(<i>W<sub>n</sub> x<sub>t</sub></i> + <i>b<sub>n</sub></i> + "
            "<i>r<sub>t</sub></i> &times; (<i>U<sub>n</sub> h</i><sub><i>t</i>&minus;1</sub> + <i>c<sub>n</sub></i>))"
        ),
        "What today would write.",
    ),
    Step(
        "hidden",
        "Hidden state",
        Markup(
            "<i>h<sub>t</sub></i> = (1 &minus; <i>z<sub>t</sub></i>) &times; <i>n<sub>t</sub></i> + "
            "<i>z<sub>t</sub></i> &times; <i>h</i><sub><i>t</i>&minus;1</sub>"
        ),
        "A share of the new, and the rest of the old.",
    ),
)
_RNN = (
    Step(
        "hidden",
        "Hidden state",
        _sum("h", "tanh", "h"),
        "Everything at once, squashed to between \u22121 and 1.",
    ),
)
_STEPS = {"lstm": _LSTM, "gru": _GRU, "rnn": _RNN}


def steps_of(kind: str) -> tuple[Step, ...]:
    """The steps of an LSTM, GRU or RNN cell in their order."""
    return _STEPS[kind]

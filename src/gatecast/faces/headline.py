"""The verdict in a sentence: whether the forecast deserves trust, before the paragraph that says why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

Tone = Literal["good", "bad", "open"]
_FOUND = {
    ("skill", "skill"): "On past days its median and its bands were both better than a random walk's.",
    ("no evidence", "skill"): "On past days its bands were better than a random walk's; its median was not.",
    ("worse", "skill"): "On past days its bands were better than a random walk's, but its median was worse.",
    ("skill", "no evidence"): "On past days its median was better than a random walk's; its bands were not.",
    ("no evidence", "no evidence"): "No evidence that it knows more than a random walk.",
    ("worse", "no evidence"): "On past days its median was worse than a random walk's.",
    ("skill", "worse"): "On past days its median was better than a random walk's, but its bands were worse.",
    ("no evidence", "worse"): "On past days its bands were worse than a random walk's.",
    ("worse", "worse"): "On past days a random walk was better.",
}


class Headline(NamedTuple):
    """Whether it beat a random walk and what its bands held; the tone: whether that speaks for it or against it."""

    text: str
    tone: Tone
    held: str = ""


def headline(verdict: Mapping[str, Any] | None) -> Headline:
    """Of the document of a verdict (`Verdict.to_dict`); None: it was not judged.

    >>> headline(None)
    Headline(text='This forecast was not judged.', tone='open', held='')
    """
    if verdict is None:
        return Headline("This forecast was not judged.", "open")
    if verdict["origins"] == 0:
        return Headline("It could not be tested on days it has not seen: no evidence that it deserves trust.", "open")
    median, bands, honest = verdict["median"], verdict["bands"], verdict["honest"]
    tone: Tone = "good" if "skill" in (median, bands) and honest["ok"] else "open"
    if "worse" in (median, bands) or honest["ok"] is False:
        tone = "bad"
    return Headline(_FOUND[median, bands], tone, _held(honest))


def _held(honest: Mapping[str, Any]) -> str:
    level, coverage = f"{honest['level']:.0%}", honest["coverage"]
    if honest["ok"] is None or coverage is None:
        return f"Too few days to tell whether its {level} bands hold."
    if honest["ok"]:
        return f"Its {level} bands are honest: they held {coverage:.1%} of the prices."
    return f"Its {level} bands are not honest: they held {coverage:.1%} of the prices."

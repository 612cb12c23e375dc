"""The verdict on risk answers: what past days say of each, and that they cannot tell where they are too few."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from gatecast.judge.decision import ALPHA, LEAST_ORIGINS
from gatecast.judge.risk_record import RiskRecord
from gatecast.judge.verdict_text import p_text
from gatecast.text import counted

LEAST_EXPECTED = 5  # crossings; with fewer expected, none at all is no surprise (Cochran's rule for chi-squared)
Crossed = Literal["no evidence against", "too often", "too seldom", "in clusters", "too few to tell"]
Against = Literal["better", "no evidence", "worse", "too few to tell"]
_QUESTIONS = {"touch": "touch a level", "stop": "touch a stop before its target"}


@dataclass(frozen=True, kw_only=True)
class LossFinding:
    """How often a value at risk (VaR) was crossed in `n` forecasts, worth `effective` independent ones."""

    step: int
    level: float
    n: int
    origins: int
    effective: float
    crossed: float
    p_value: float | None
    word: Crossed


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A score against a rival's: of VaR with shortfall (FZ0), or of the chance of an event (Brier)."""

    question: str  # "1% VaR", "5% VaR", "touch" or "stop"
    against: str
    step: int
    origins: int
    score: float
    rival_score: float
    p_value: float | None
    word: Against


@dataclass(frozen=True, kw_only=True)
class RiskVerdict:
    """What past days show of a model's risk answers; `text` is the paragraph for a person.

    `losses`: at 5% (two-sided) the VaR was crossed too often or too seldom (Kupiec 1995), or in clusters
    (Christoffersen 1998); too few to tell where fewer than `LEAST_EXPECTED` crossings are expected, unless it was
    crossed too often all the same. `scores`: FZ0 against each rival's, with Holm's correction over all of these, and
    the Brier score of chances against that of a random walk with the same volatility; too few to tell with fewer than
    `LEAST_ORIGINS` origins that share no days.
    """

    text: str
    model: str
    losses: tuple[LossFinding, ...] = ()
    scores: tuple[Comparison, ...] = ()

    def __str__(self) -> str:
        """The paragraph."""
        return self.text

    def to_dict(self) -> dict[str, Any]:
        """Plain types for JSON."""
        return {**asdict(self), **{name: [asdict(value) for value in getattr(self, name)] for name in _LISTS}}


_LISTS = ("losses", "scores")


def risk_verdict(record: RiskRecord, model: str) -> RiskVerdict:
    """The verdict on a model of a record; its text tells of the first and last step, the values of all."""
    losses = tuple(_loss(row) for row in _rows(record.losses, model))
    scores = (*map(_of_rival, _rows(record.against, model)), *_of_walk(record.chances, model))
    last = max((found.step for found in losses), default=1)
    told = [_loss_text(found) for found in losses if found.step in (1, last)]
    sentences = [*told, *_score_texts(scores), *_portfolio_text(_rows(record.portfolio, model))]
    return RiskVerdict(
        text=" ".join([f"{model}, on past days:", *sentences]), model=model, losses=losses, scores=scores
    )


def untested_risk(model: str, reason: str) -> RiskVerdict:
    """The verdict where no walk-forward test could be made; `reason` says why."""
    return RiskVerdict(text=f"These answers could not be tested on past days: {reason.rstrip('.')}.", model=model)


def _rows(table: pd.DataFrame, model: str) -> list[dict[str, Any]]:
    return [{str(k): v for k, v in row.items()} for row in table.to_dict("records") if row["model"] == model]


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _loss(row: dict[str, Any]) -> LossFinding:
    level = row["level"]
    refused = row["kupiec_p"] < ALPHA
    word: Crossed = "no evidence against"
    if refused and row["crossed"] > level:
        word = "too often"
    elif row["effective"] * level < LEAST_EXPECTED:
        word = "too few to tell"
    elif refused:
        word = "too seldom"
    elif row["christoffersen_p"] < ALPHA:
        word = "in clusters"
    return LossFinding(
        step=int(row["step"]),
        level=level,
        n=int(row["n"]),
        origins=int(row["origins"]),
        effective=row["effective"],
        crossed=row["crossed"],
        p_value=_number(row["christoffersen_p" if word == "in clusters" else "kupiec_p"]),
        word=word,
    )


def _word(dm: float, p_value: float, apart: int) -> Against:
    if apart < LEAST_ORIGINS:
        return "too few to tell"
    if not p_value < ALPHA:
        return "no evidence"
    return "better" if dm > 0 else "worse"


def _of_rival(row: dict[str, Any]) -> Comparison:
    return Comparison(
        question=f"{row['level']:.0%} VaR",
        against=row["against"],
        step=int(row["step"]),
        origins=int(row["n"]),
        score=row["fz0"],
        rival_score=row["fz0_against"],
        p_value=_number(row["p_holm"]),
        word=_word(row["dm"], row["p_holm"], int(row["apart"])),
    )


def _of_walk(chances: pd.DataFrame, model: str) -> Iterator[Comparison]:
    for row in _rows(chances, model):
        if row["at"] == "all":
            yield Comparison(
                question=row["question"],
                against="a random walk with the same volatility",
                step=int(row["step"]),
                origins=int(row["origins"]),
                score=row["brier"],
                rival_score=row["brier_walk"],
                p_value=_number(row["p_value"]),
                word=_word(row["dm"], row["p_value"], int(row["apart"])),
            )


def _loss_text(found: LossFinding) -> str:
    ahead = "" if found.step == 1 else f" {found.step} steps ahead"
    count = f"on {found.crossed:.1%} of {counted(found.origins, 'past day')}"
    if found.n != found.origins:
        times = f"{found.crossed * found.n:.0f}" if found.word == "too few to tell" else f"{found.crossed:.1%}"
        count = f"in {times} of {counted(found.n, 'forecast')} from {counted(found.origins, 'past day')}"
    elif found.word == "too few to tell":
        count = f"on {found.crossed * found.n:.0f} of {counted(found.origins, 'past day')}"
    p = "" if found.p_value is None else p_text(found.p_value)
    few = f", where {found.level * found.n:.2g} are expected"
    if found.effective < 0.95 * found.n:
        few += f", as much evidence as {found.effective:.0f} independent ones"
    ends = {
        "no evidence against": f" (Kupiec {p}): no evidence against it",
        "too often": f" (Kupiec {p}): too often, more can be lost than it says",
        "too seldom": f" (Kupiec {p}): too seldom, less can be lost than it says",
        "in clusters": f", but in clusters (Christoffersen {p}): it is slow to see bad times",
        "too few to tell": f"{few}: too few to tell",
    }
    return f"{found.level:.0%} VaR{ahead} was crossed {count}{ends[found.word]}."


def _score_texts(scores: tuple[Comparison, ...]) -> Iterator[str]:
    """A sentence for VaR with shortfall, and one for each question of levels."""
    var = [found for found in scores if found.question.endswith("VaR")]
    if var:
        few = all(found.word == "too few to tell" for found in var)
        parts = [] if few else [_wins(var, rival) for rival in dict.fromkeys(found.against for found in var)]
        text = "too few days to tell" if few else "; ".join(parts)
        yield f"VaR with expected shortfall, by the Fissler-Ziegel score: {text}."
    chances = [found for found in scores if found.question in _QUESTIONS]
    for found in chances:
        if found.step == max(each.step for each in chances):
            what = f"Chances to {_QUESTIONS[found.question]} within {counted(found.step, 'step')}"
            yield f"{what}: {_brier_text(found)}."


def _wins(found: list[Comparison], rival: str) -> str:
    """In how many comparisons with a rival there is evidence, and of what."""
    words = [each.word for each in found if each.against == rival]
    of = counted(len(words), "comparison")
    said = [f"{word} than {rival} in {words.count(word)} of {of}" for word in ("better", "worse") if word in words]
    return " and ".join(said) or f"no evidence either way against {rival}"


def _brier_text(found: Comparison) -> str:
    if found.word == "too few to tell":
        return "too few days to tell"
    change = 1 - found.score / found.rival_score if found.rival_score > 0 else 0.0
    than = f"{abs(change):.1%} {'smaller' if change >= 0 else 'larger'} than that of {found.against}"
    p = "" if found.p_value is None else p_text(found.p_value)
    luck = f"which may be luck ({p})" if found.word == "no evidence" else p
    return f"Brier score {found.score:.3f}, {than}, {luck}"


def _portfolio_text(rows: list[dict[str, Any]]) -> Iterator[str]:
    """The 90% band at the last step, with joint paths and with independent ones."""
    last = [row for row in rows if row["level"] == 90 and row["step"] == max(row["step"] for row in rows)]
    shares = {row["joint"]: row for row in last}
    row = shares.get(True, shares.get(False))
    if row is None:
        return
    interval = f"95% interval {row['low']:.0%} to {row['high']:.0%}"
    few = ", too few days to tell" if row["apart"] < LEAST_ORIGINS else ""
    what = f"The 90% band of an equal-weight portfolio of {row['items']} items held {row['held']:.1%} at step "
    alone = "; its items were simulated independently" if True not in shares else ""
    if len(shares) == 2:
        alone = f"; items simulated independently would give {shares[False]['held']:.1%}"
    yield f"{what}{row['step']} ({interval}){few}{alone}."

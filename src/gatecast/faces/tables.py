"""The judge's results as rows of text, for the page and the terminal: what each cell says, and what is in bold."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from gatecast.judge.audit import ALPHA, Audit
from gatecast.judge.comparisons import RANDOM_WALK
from gatecast.judge.risk_record import RiskRecord
from gatecast.judge.risk_verdict import LEAST_EXPECTED

Form = Callable[[float], str]


@dataclass(frozen=True)
class Cell:
    """The text of a cell, and whether it is in bold: the best of its column, or a finding."""

    text: str
    bold: bool = False


@dataclass(frozen=True)
class Column:
    """A column of `score_frame`; `distance`, where a value can be best: how far each is from it."""

    heading: str
    name: str
    form: Form
    distance: Callable[[pd.Series], pd.Series] | None = None


def percent(decimals: int, sign: str = "") -> Form:
    """Shares as per cent.

    >>> percent(1)(0.0525), percent(0, "+")(0.05)
    ('5.2%', '+5%')
    """
    return lambda share: f"{100 * share:{sign}.{decimals}f}%"


def change_percent(share: float) -> str:
    """A change as per cent, with a decimal where it is below tenfold.

    >>> change_percent(-0.0213), change_percent(51.397)
    ('-2.1%', '+5,140%')
    """
    return f"{100 * share:+,.{1 if abs(share) < 10 else 0}f}%"


def p_text(p_value: float) -> str:
    """A p-value to three decimals.

    >>> p_text(0.0004), p_text(0.25)
    ('< 0.001', '0.250')
    """
    return "< 0.001" if p_value < 0.001 else f"{p_value:.3f}"


def number_text(value: float | None, form: Form) -> str:
    """The text of a number; a dash where there is none."""
    return "-" if value is None or not math.isfinite(value) else form(value)


def least(column: pd.Series) -> pd.Series:
    """The smallest value is the best."""
    return column


def most(column: pd.Series) -> pd.Series:
    """The largest value is the best."""
    return -column


def nearest(target: float) -> Callable[[pd.Series], pd.Series]:
    """The value nearest to a target is the best."""
    return lambda column: (column - target).abs()


def _four_digits(value: float) -> str:
    return f"{value:#.4g}" if abs(value) < 1000 else f"{value:,.0f}"


PAGE_COLUMNS = (
    Column("CRPS", "crps", percent(2), least),
    Column("Skill", "skill", percent(1, "+")),
    Column("p", "p_value", p_text),
    Column("Log score", "log_score", _four_digits, most),
    Column("MAE", "mae", _four_digits, least),
    Column("RMSE", "rmse", _four_digits, least),
    Column("MASE", "mase", _four_digits, least),
    Column("50% band held", "coverage_50", percent(0), nearest(0.5)),
    Column("80% held", "coverage_80", percent(0), nearest(0.8)),
    Column("90% held", "coverage_90", percent(0), nearest(0.9)),
    Column("95% held", "coverage_95", percent(0), nearest(0.95)),
    Column("90% width", "width_90", percent(2)),
)
TERMINAL_COLUMNS = (
    Column("n", "n", "{:,.0f}".format),
    Column("CRPS", "crps", percent(3), least),
    Column("skill", "skill", percent(1, "+")),
    Column("log score", "log_score", "{:.3f}".format, most),
    Column("MAE", "mae", _four_digits, least),
    Column("MASE", "mase", "{:.3f}".format, least),
    Column("50%", "coverage_50", percent(0), nearest(0.5)),
    Column("90%", "coverage_90", percent(0), nearest(0.9)),
    Column("width", "width_90", percent(1)),
)


def score_frame(scores: pd.DataFrame, tests: pd.DataFrame) -> pd.DataFrame:
    """A row for each model over all steps, the least CRPS first, from a `Report`'s scores and tests.

    `skill` is the share by which the CRPS is smaller than the random walk's, `p_value` that of the difference; NaN
    where there is none.
    """
    whole = scores[scores["step"].astype(str) == "all"].sort_values("crps", kind="stable")
    walk = whole.loc[whole["model"] == RANDOM_WALK, "crps"]
    base = float(walk.iloc[0]) if len(walk) and walk.iloc[0] > 0 else math.nan
    against = tests[(tests["loss"] == "crps") & (tests["against"] == RANDOM_WALK)]
    p_values = against[against["step"].astype(str) == "all"].set_index("model")["p_value"].astype(float)
    return whole.assign(skill=1 - whole["crps"] / base, p_value=whole["model"].map(p_values))


def score_cells(frame: pd.DataFrame, columns: Sequence[Column]) -> list[list[Cell]]:
    """The cells of each row; the best of a column in bold where two models or more have a number."""
    by_column = []
    for column in columns:
        values = frame[column.name].astype(float)
        best = np.zeros(len(values), dtype=bool)
        if column.distance is not None and values.notna().sum() > 1:
            distance = column.distance(values)
            best = (distance <= distance.min() + 1e-12).to_numpy()
        texts = [number_text(value, column.form) for value in values]
        by_column.append([Cell(text, bool(bold)) for text, bold in zip(texts, best, strict=True)])
    return [list(row) for row in zip(*by_column, strict=True)]


def coverage_rows(
    audit: Audit, model: str, form: Callable[[float, float, float], str]
) -> tuple[list[str], list[tuple[str, list[Cell]]]]:
    """The bands, and for each group of forecasts the share each band held with its interval, as `form` writes them.

    In bold where the level of the band lies outside the interval.
    """
    coverage = audit.coverage[audit.coverage["model"] == model]
    rows = []
    for (by, group), part in coverage.groupby(["by", "group"], sort=False):
        cells = [
            Cell(form(held, low, high), not low <= level / 100 <= high)
            for level, held, low, high in part[["level", "held", "low", "high"]].itertuples(index=False)
        ]
        rows.append(("all" if by == "all" else f"{by} {group}", cells))
    return [f"{level}%" for level in dict.fromkeys(coverage["level"])], rows


MISS_COLUMNS = ("step", "expected", "observed", "number p", "clusters p", "both p")


def miss_rows(audit: Audit, model: str) -> list[tuple[str, list[Cell]]]:
    """The tests of a model's misses at its first and last step: an event, and the cells of `MISS_COLUMNS`.

    In bold where a p-value is a finding.
    """
    tests = audit.violations[audit.violations["model"] == model]
    rows = []
    for row in tests[tests["step"].isin([tests["step"].min(), tests["step"].max()])].to_dict("records"):
        p_values = [row[name] for name in ("kupiec_p", "christoffersen_p", "both_p")]
        shares = percent(0)(row["expected"]), percent(1)(row["found"])
        cells = [Cell(text) for text in (str(row["step"]), *shares)]
        rows.append((row["event"], [*cells, *(Cell(number_text(p, p_text), p < ALPHA) for p in p_values)]))
    return rows


def pit_texts(audit: Audit, model: str) -> tuple[str, str]:
    """Per cent of the prices in each tenth of the fan, and the p-value of the test that they are even."""
    whole = audit.pit[(audit.pit["model"] == model) & (audit.pit["step"].astype(str) == "all")].iloc[0]
    return " ".join(f"{100 * share:.0f}" for share in whole["shares"]), number_text(whole["p_value"], p_text)


def foresight_text(audit: Audit, model: str) -> str:
    """What a reader should know of a model that knows the next day too well; blank where it does not."""
    row = audit.foresight[audit.foresight["model"] == model].iloc[0]
    if not row["foreseen"]:
        return ""
    return (
        "Too good to be a forecast: one step ahead the rank correlation of its bands' width with the size of the move "
        f"that came is {row['width']:.2f} (of past volatility {row['past']:.2f}), of its median with the move "
        f"{row['direction']:.2f}. So much is known only from the day itself, such as from bars whose range belongs to "
        "the next day. Check the dates of what it reads; its skill is not to be had in time."
    )


LOSS_COLUMNS = ("VaR", "step", "n", "crossed", "number p", "clusters p", "FZ score")
CHANCE_COLUMNS = ("question", "steps", "n", "chance", "share", "Brier", "walk's", "p")
PORTFOLIO_COLUMNS = ("paths", "step", "n", "50%", "80%", "90%", "95%")
LOSS_HINT = (
    "Crossed: per cent of the returns below the value at risk (VaR). Number: Kupiec's test; clusters: "
    "Christoffersen's; FZ score: of VaR with expected shortfall, smaller is better. Bold: a finding at 5%."
)
CHANCE_HINT = (
    "Mean chance, and the share that came true. Touch: levels 1, 2 and 3 usual moves above and below the last close; "
    "stop first: a stop before a target, each 1 or 2 away. Walk's: the Brier score of a random walk with the "
    "volatility at the cutoff. A model whose simulated days have highs and lows is judged on these, others on closes: "
    "compare a Brier score with the walk's beside it, not with that of another row."
)
PORTFOLIO_HINT = "Per cent of the values of an equal-weight portfolio in each band. Bold: not as promised."
_QUESTIONS = {"touch": "touch", "stop": "stop first"}


def loss_rows(record: RiskRecord) -> list[tuple[str, list[Cell]]]:
    """Each model's value at risk by level and step: the cells of `LOSS_COLUMNS`; in bold where p is a finding.

    With few crossings expected their number is a finding only where there are too many.
    """
    rows = []
    for row in record.losses.sort_values(["level", "step"], kind="stable").to_dict("records"):
        texts = (percent(0)(row["level"]), str(row["step"]), f"{row['n']:,}", percent(1)(row["crossed"]))
        enough = row["effective"] * row["level"] >= LEAST_EXPECTED or row["crossed"] > row["level"]
        tests = [
            Cell(number_text(p, p_text), bool(p < ALPHA and told))
            for p, told in ((row["kupiec_p"], enough), (row["christoffersen_p"], True))
        ]
        rows.append((row["model"], [*map(Cell, texts), *tests, Cell(number_text(row["fz0"], "{:.3f}".format))]))
    return rows


def chance_rows(record: RiskRecord) -> list[tuple[str, list[Cell]]]:
    """Each model's chances of all distances together: the cells of `CHANCE_COLUMNS`; p in bold where a finding."""
    rows = []
    for row in record.chances.to_dict("records"):
        if row["at"] == "all":
            texts = (_QUESTIONS[row["question"]], str(row["step"]), f"{row['n']:,}")
            shares = map(percent(1), (row["predicted"], row["observed"]))
            scores = map("{:.3f}".format, (row["brier"], row["brier_walk"]))
            p_value = Cell(number_text(row["p_value"], p_text), row["p_value"] < ALPHA)
            rows.append((row["model"], [*map(Cell, (*texts, *shares, *scores)), p_value]))
    return rows


def portfolio_rows(record: RiskRecord) -> list[tuple[str, list[Cell]]]:
    """The share of portfolio values in each band: the cells of `PORTFOLIO_COLUMNS`.

    In bold where the level of the band lies outside the share's interval.
    """
    rows = []
    groups = record.portfolio.groupby(["model", "joint", "step"], sort=False) if len(record.portfolio) else ()
    for (model, joint, step), part in groups:
        texts = ("joint" if joint else "independent", str(step), f"{part['n'].iloc[0]:,}")
        shares = [
            Cell(percent(0)(held), not low <= level / 100 <= high)
            for level, held, low, high in part[["level", "held", "low", "high"]].itertuples(index=False)
        ]
        rows.append((str(model), [*map(Cell, texts), *shares]))
    return rows
